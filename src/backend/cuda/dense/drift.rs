//! What training adds to weights that are frozen in bf16, in factors; the formulas are those of
//! the dense engine on the processor.
//!
//! ```text
//! W = a W⁽⁰⁾ + G diag(α) Sᵀ,   α one number an update
//! ```
//!
//! G and S are n × (updates · B) a layer and member, row by row: a product with them is a product with a
//! matrix. Every member has the same a and α, because all have the same rates.

use std::io;

use super::super::device::fault::Fault;
use super::super::device::{Buffer, Device, Number};
use super::Size;
use crate::backend::Update;
use crate::backend::archive::{Archive, Walked};
use crate::backend::coefficients::Shares;

/// The drift of all hidden matrices of all members, in factors.
pub struct Drift<T> {
    /// Factor G of gradients, \[layer\]\[member\]\[row\]\[column\].
    pub g: Buffer<T>,
    /// Factor S of features, laid out as G.
    pub s: Buffer<T>,
    /// Share α of every update in the weights, on the device.
    pub alpha: Buffer<f64>,
    shares: Shares,
}

impl<T: Number> Drift<T> {
    /// A drift of nothing, with room for so many updates.
    pub fn new(device: &Device, size: Size, updates: usize) -> Result<Self, Fault> {
        let count = size.depth * size.members * size.drift();
        Ok(Drift {
            g: device.zeros(count)?,
            s: device.zeros(count)?,
            alpha: device.zeros(updates)?,
            shares: Shares::new(),
        })
    }

    /// Walks over the factors of a member in all layers, and the shares that all members have.
    ///
    /// # Errors
    /// Those of the archive and of the device.
    pub fn archive(
        &mut self,
        device: &Device,
        archive: &mut Archive,
        (size, member): (Size, usize),
    ) -> Walked {
        for factor in [&mut self.g, &mut self.s] {
            for l in 0..size.depth {
                let first = (l * size.members + member) * size.drift();
                device.archive(archive, factor, first..first + size.drift())?;
            }
        }
        self.shares.archive(archive)?;
        self.send_shares(device).map_err(io::Error::other)
    }

    /// Number of updates so far.
    pub fn updates(&self) -> usize {
        self.shares.of_updates().len()
    }

    /// The share a of the initial weights in W; 1 without weight decay.
    pub fn kept(&self) -> f64 {
        self.shares.kept()
    }

    /// Makes the step after the factors of an update were appended.
    pub fn step(&mut self, device: &Device, update: &Update) -> Result<(), Fault> {
        self.shares.update(update);
        self.send_shares(device)
    }

    fn send_shares(&mut self, device: &Device) -> Result<(), Fault> {
        let alpha: Vec<f64> = self.shares.of_updates().collect();
        device.write(&mut self.alpha, &alpha)
    }
}
