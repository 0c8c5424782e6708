//! What networks remember: the columns of all layers of all members, and the small matrices beside them.

use super::super::arguments::LayerState;
use super::super::device::fault::Fault;
use super::super::device::{Buffer, Device, Number};
use super::Size;

/// \[layer\]\[member\]; side 0 has the forward queries, side 1 the backward ones.
pub struct Columns<T> {
    /// QF, QB
    pub basis: [Buffer<T>; 2],
    /// AF, BB
    pub answers: [Buffer<T>; 2],
    /// Θ_F, Θ_B
    pub overlap: [Buffer<f64>; 2],
    /// M
    pub drift: Buffer<f64>,
    /// N, once there is momentum.
    pub velocity: Option<Buffer<f64>>,
    /// Ranks and factors.
    pub states: Buffer<LayerState>,
}

impl<T: Number> Columns<T> {
    /// Of matrices that nobody has asked anything yet.
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

    /// Gives M a velocity.
    pub fn set_in_motion(&mut self, device: &Device, size: Size) -> Result<(), Fault> {
        if self.velocity.is_none() {
            self.velocity = Some(device.zeros(size.matrices() * size.square())?);
        }
        Ok(())
    }
}
