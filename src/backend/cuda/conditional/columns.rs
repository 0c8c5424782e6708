//! What networks remember: the columns of all layers of all members, and the small matrices beside them.

use super::super::arguments::LayerState;
use super::super::device::fault::Fault;
use super::super::device::{Buffer, Device, Number};
use super::Size;

/// What networks remember: stored columns of all layers and members, and the small matrices beside
/// them, \[layer\]\[member\]; side 0 has the forward queries, side 1 the backward ones.
pub struct Columns<T> {
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

impl<T: Number> Columns<T> {
    /// Empty columns, of matrices that nobody has asked anything yet.
    pub fn new(device: &Device, size: Size) -> Result<Self, Fault> {
        let columns = || device.zeros(size.matrices() * size.capacity * size.ld);
        let square = || device.zeros(size.matrices() * size.square());
        let fresh = LayerState { kept: 1.0, ..LayerState::default() };
        Ok(Columns {
            basis: [columns()?, columns()?],
            answers: [columns()?, columns()?],
            overlap: [square()?, square()?],
            drift: square()?,
            velocity: None,
            states: device.copied(&vec![fresh; size.matrices()])?,
        })
    }

    /// Gives M a velocity, where it has none yet.
    pub fn set_in_motion(&mut self, device: &Device, size: Size) -> Result<(), Fault> {
        if self.velocity.is_none() {
            self.velocity = Some(device.zeros(size.matrices() * size.square())?);
        }
        Ok(())
    }
}
