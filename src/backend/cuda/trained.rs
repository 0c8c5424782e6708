//! Numbers of all members that training moves, with their velocities.

use std::ops::Range;

use super::device::fault::Fault;
use super::device::{Address, Buffer, Device, Number};
use crate::backend::archive::{Archive, Walked};

/// A buffer of trained numbers and, once there is momentum, one of their velocities.
pub struct TrainedBuffer<T> {
    /// The numbers as they are now, of all members.
    pub values: Buffer<T>,
    velocity: Option<Buffer<T>>,
}

impl<T: Number> TrainedBuffer<T> {
    /// Numbers that were not trained yet.
    pub fn new(values: Buffer<T>) -> Self {
        TrainedBuffer { values, velocity: None }
    }

    /// The address of the velocity of number `index`; null where nothing has a velocity.
    pub fn velocity_at(&self, index: usize) -> Address {
        self.velocity.as_ref().map(|velocity| velocity.at(index)).unwrap_or_default()
    }

    /// Walks over some ranges of the numbers, of which there are `count`, and over their velocities.
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
        device.archive_optional(archive, &mut self.velocity, count, ranges)
    }

    /// Gives the numbers, of which there are `count`, a velocity where they have none yet.
    pub fn set_in_motion(&mut self, device: &Device, count: usize) -> Result<(), Fault> {
        if self.velocity.is_none() {
            self.velocity = Some(device.zeros(count)?);
        }
        Ok(())
    }
}
