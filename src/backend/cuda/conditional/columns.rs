//! What networks remember: the columns of all layers of all members, and the small matrices beside them.

use super::super::arguments::LayerState;
use super::super::device::fault::Fault;
use super::super::device::{Buffer, Device, Number};
use super::Size;

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

    /// Gives M a velocity, where it has none yet.
    pub fn set_in_motion(&mut self, device: &Device, size: Size) -> Result<(), Fault> {
        if self.velocity.is_none() {
            self.velocity = Some(device.zeros(size.matrices() * size.square())?);
        }
        Ok(())
    }
}
