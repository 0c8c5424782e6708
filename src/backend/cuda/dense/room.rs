//! Memory for the vectors of some samples of every member.
//!
//! Vectors lie [layer][member][sample][row], each padded with zeros to a multiple of 32 rows.

use super::super::device::{Address, Buffer, Device, Number};
use super::super::fault::Fault;
use super::super::launch::parts;
use super::Size;

/// What one forward pass of some samples fills.
pub struct Room<T> {
    /// P
    pub samples: usize,
    /// Layers that are kept: all of them, or two by turns.
    levels: usize,
    /// P positions a member, or P for all.
    pub positions: Buffer<u32>,
    /// X, each member's.
    pub x: Buffer<T>,
    hidden: Buffer<T>,
    values: Buffer<T>,
    /// Products in parts.
    pub parts: Buffer<T>,
    /// Coefficients along a drift.
    pub along: Option<Buffer<T>>,
    /// P×O a member.
    pub f: Buffer<f64>,
    size: Size,
}

impl<T: Number> Room<T> {
    /// For `samples` samples, which keeps every layer or only the last two.
    pub fn new(device: &Device, size: Size, samples: usize, every: bool) -> Result<Self, Fault> {
        let levels = if every { size.depth + 1 } else { 2 };
        let vectors = size.members * samples * size.ld;
        let along = size.members * samples * size.ld_drift;
        Ok(Room {
            samples,
            levels,
            positions: device.zeros(size.members * samples)?,
            x: device.zeros(size.members * samples * size.ld_input)?,
            hidden: device.zeros(levels * vectors)?,
            values: device.zeros(levels * vectors)?,
            parts: device.zeros(size.parts(samples) * vectors.max(along))?,
            along: match size.ld_drift {
                0 => None,
                _ => Some(device.zeros(along)?),
            },
            f: device.zeros(size.members * samples * size.outputs)?,
            size,
        })
    }

    /// Numbers of one member's vectors in one layer.
    pub fn stride(&self) -> usize {
        self.samples * self.size.ld
    }

    fn layer(&self, l: usize) -> usize {
        l % self.levels * self.size.members * self.stride()
    }

    /// h_l
    pub fn hidden(&self, l: usize) -> Address {
        self.hidden.at(self.layer(l))
    }

    /// φ(h_l)
    pub fn values(&self, l: usize) -> Address {
        self.values.at(self.layer(l))
    }

    /// h_l of all members, on the host.
    pub fn hidden_on_host(&self, device: &Device, l: usize) -> Result<Vec<T>, Fault> {
        let first = self.layer(l);
        device.read_back(&self.hidden, first..first + self.size.members * self.stride())
    }

    /// φ(h_l) of all members, on the host.
    pub fn values_on_host(&self, device: &Device, l: usize) -> Result<Vec<T>, Fault> {
        let first = self.layer(l);
        device.read_back(&self.values, first..first + self.size.members * self.stride())
    }
}

impl Size {
    /// Parts of a product with n rows.
    pub fn parts(&self, samples: usize) -> usize {
        parts(self.width as u32, samples as u32) as usize
    }
}
