//! Numbers of all members that training moves, with what is kept of their gradients from update to update.

use std::ops::Range;

use super::device::fault::Fault;
use super::device::{Address, Buffer, Device, Number};
use crate::backend::archive::{Archive, Walked};

/// A buffer of trained numbers and, once there is momentum, one of their velocities; with Adam, of the running
/// means of their gradients and of the squares of these.
pub struct TrainedBuffer<T> {
    /// The numbers as they are now, of all members.
    pub values: Buffer<T>,
    velocity: Option<Buffer<T>>,
    squares: Option<Buffer<T>>,
}

impl<T: Number> TrainedBuffer<T> {
    /// Numbers that were not trained yet.
    pub fn new(values: Buffer<T>) -> Self {
        TrainedBuffer { values, velocity: None, squares: None }
    }

    /// The address of the velocity of number `index`; null where nothing has a velocity.
    pub fn velocity_at(&self, index: usize) -> Address {
        self.velocity.as_ref().map(|velocity| velocity.at(index)).unwrap_or_default()
    }

    /// The address of Adam's running mean of squares of number `index`; null where none is kept.
    pub fn squares_at(&self, index: usize) -> Address {
        self.squares.as_ref().map(|squares| squares.at(index)).unwrap_or_default()
    }

    /// Walks over some ranges of the numbers, of which there are `count`, and over what is kept of their gradients.
    ///
    /// # Errors
    /// Those of the archive and of the device.
    pub fn archive(
        &mut self,
        device: &Device,
        archive: &mut Archive,
        count: usize,
        ranges: impl Iterator<Item = Range<usize>> + Clone,
    ) -> Walked {
        for range in ranges.clone() {
            device.archive(archive, &mut self.values, range)?;
        }
        device.archive_optional(archive, &mut self.velocity, count, ranges.clone())?;
        device.archive_optional(archive, &mut self.squares, count, ranges)
    }

    /// Gives the numbers, of which there are `count`, a velocity (`kept` = 1), and running means of squares
    /// too (`kept` = 2), where they have none yet.
    pub fn set_in_motion(
        &mut self,
        device: &Device,
        (count, kept): (usize, usize),
    ) -> Result<(), Fault> {
        for of in [&mut self.velocity, &mut self.squares].into_iter().take(kept) {
            if of.is_none() {
                *of = Some(device.zeros(count)?);
            }
        }
        Ok(())
    }
}
