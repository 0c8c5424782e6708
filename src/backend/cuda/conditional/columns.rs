//! What networks remember: the columns of all layers of all members, and the small matrices beside them.

use std::io;

use super::super::arguments::LayerState;
use super::super::device::fault::Fault;
use super::super::device::{Buffer, Device, Number};
use super::Size;
use crate::backend::archive::{Archive, Walked};

/// What networks remember: stored columns of all layers and members, and the small matrices beside
/// them, \[layer\]\[member\]; side 0 has the forward queries, side 1 the backward ones.
pub struct StoredColumns<T> {
    /// Orthonormal queries QF and QB that were asked so far.
    pub basis: [Buffer<T>; 2],
    /// Their answers AF and BB by the initial weights.
    pub answers: [Buffer<T>; 2],
    /// Overlaps Θ_F and Θ_B of one side's answers with the other side's queries.
    pub overlap: [Buffer<f64>; 2],
    /// What training has made of the initial weights: M, in the coefficients of QB and QF.
    pub drift: Buffer<f64>,
    /// Velocity N of M; None while there is no momentum.
    pub velocity: Option<Buffer<f64>>,
    /// Ranks of both sides and factors of each matrix.
    pub states: Buffer<LayerState>,
}

impl<T: Number> StoredColumns<T> {
    /// Empty columns, of matrices that nobody has asked anything yet.
    pub fn new(device: &Device, size: Size) -> Result<Self, Fault> {
        let columns = || device.zeros(size.matrices() * size.capacity * size.ld);
        let square = || device.zeros(size.matrices() * size.square());
        let fresh = LayerState { kept: 1.0, ..LayerState::default() };
        Ok(StoredColumns {
            basis: [columns()?, columns()?],
            answers: [columns()?, columns()?],
            overlap: [square()?, square()?],
            drift: square()?,
            velocity: None,
            states: device.copied(&vec![fresh; size.matrices()])?,
        })
    }

    /// Gives every side of a layer room for `capacity` columns, more than `size` says. The device holds one
    /// of the arrays twice meanwhile.
    ///
    /// # Errors
    /// When the device has not enough memory, or fails; the columns are lost then.
    pub fn grow(&mut self, device: &Device, size: Size, capacity: usize) -> Result<(), Fault> {
        let (before, after) = (size.capacity * size.ld, capacity * size.ld);
        for columns in self.basis.iter_mut().chain(&mut self.answers) {
            let mut grown = device.zeros(size.matrices() * after)?;
            for matrix in 0..size.matrices() {
                let old = matrix * before..(matrix + 1) * before;
                device.copy_into(&mut grown, matrix * after, columns, old)?;
            }
            *columns = grown;
            // What was freed in the stream's order is free now.
            device.wait()?;
        }
        let squares = self.overlap.iter_mut().chain([&mut self.drift]).chain(&mut self.velocity);
        for squares in squares {
            let old = device.read_back(squares, 0..size.matrices() * size.square())?;
            let mut grown = vec![0.0; size.matrices() * capacity * capacity];
            for (i, row) in old.chunks(size.capacity).enumerate() {
                let (matrix, row_of_matrix) = (i / size.capacity, i % size.capacity);
                let first = (matrix * capacity + row_of_matrix) * capacity;
                grown[first..][..row.len()].copy_from_slice(row);
            }
            *squares = device.copied(&grown)?;
        }
        Ok(())
    }

    /// Walks over how many columns the layers of a member have, and what else does not grow with the width;
    /// returns the most columns that a side has.
    ///
    /// # Errors
    /// Those of the archive and of the device.
    pub fn archive_states(
        &mut self,
        device: &Device,
        archive: &mut Archive,
        (size, member): (Size, usize),
    ) -> io::Result<usize> {
        let states = device.read_back(&self.states, 0..size.matrices());
        let mut states = states.map_err(io::Error::other)?;
        let own = states.iter_mut().skip(member).step_by(size.members);
        let mut most = 0;
        for LayerState { rank, earlier, drifted, padding: _, kept, fading } in own {
            archive.numbers(rank)?;
            archive.number(earlier)?;
            archive.numbers(drifted)?;
            archive.number(kept)?;
            archive.number(fading)?;
            most = most.max(rank[0]).max(rank[1]);
        }
        if archive.reads() {
            device.write(&mut self.states, &states).map_err(io::Error::other)?;
        }
        Ok(most as usize)
    }

    /// Walks over the columns of the layers of a member, as many as [`StoredColumns::archive_states`] says, and
    /// the small matrices beside them, of which the first `most` rows and columns are not zero.
    ///
    /// # Errors
    /// Those of the archive and of the device.
    pub fn archive(
        &mut self,
        device: &Device,
        archive: &mut Archive,
        (size, member): (Size, usize),
        most: usize,
    ) -> Walked {
        let states = device.read_back(&self.states, 0..size.matrices());
        let states = states.map_err(io::Error::other)?;
        let matrices = (member..size.matrices()).step_by(size.members);
        for matrix in matrices.clone() {
            for side in 0..2 {
                let first = matrix * size.capacity * size.ld;
                let range = first..first + states[matrix].rank[side] as usize * size.ld;
                device.archive(archive, &mut self.basis[side], range.clone())?;
                device.archive(archive, &mut self.answers[side], range)?;
            }
        }
        let corners = |archive: &mut Archive, squares: &mut Buffer<f64>| {
            let mut matrices = matrices.clone();
            matrices.try_for_each(|matrix| {
                archive_corner(device, archive, squares, (size, matrix), most)
            })
        };
        for squares in self.overlap.iter_mut().chain([&mut self.drift]) {
            corners(archive, squares)?;
        }
        let zeros = || device.zeros(size.matrices() * size.square()).map_err(io::Error::other);
        archive.optional(&mut self.velocity, zeros, corners)
    }

    /// Gives M a velocity, where it has none yet.
    pub fn set_in_motion(&mut self, device: &Device, size: Size) -> Result<(), Fault> {
        if self.velocity.is_none() {
            self.velocity = Some(device.zeros(size.matrices() * size.square())?);
        }
        Ok(())
    }
}

/// Walks over the first `most` rows and columns of one of the square matrices; all others are zero.
fn archive_corner(
    device: &Device,
    archive: &mut Archive,
    squares: &mut Buffer<f64>,
    (size, matrix): (Size, usize),
    most: usize,
) -> Walked {
    let first = matrix * size.square();
    let mut square = match archive.reads() {
        true => vec![0.0; size.square()],
        false => {
            let there = device.read_back(squares, first..first + size.square());
            there.map_err(io::Error::other)?
        }
    };
    for row in square.chunks_mut(size.capacity).take(most) {
        archive.numbers(&mut row[..most])?;
    }
    if archive.reads() {
        device.write_from(squares, first, &square).map_err(io::Error::other)?;
    }
    Ok(())
}
