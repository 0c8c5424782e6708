//! Places of a pass, in the order in which it comes by them: h_0 … h_L, f, g_L … g_0. Kernels note the
//! first one where a number was not finite, counted through all steps.

use std::cmp::Ordering;

/// The places of a pass of a network of some depth.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Places {
    /// Depth L: the number of residual blocks.
    pub depth: usize,
}

impl Places {
    /// The number of places of a pass.
    pub fn count(self) -> u32 {
        2 * self.depth as u32 + 3
    }

    /// The place of the outputs f; h_l has place l.
    pub fn of_outputs(self) -> u32 {
        self.depth as u32 + 1
    }

    /// The place of the gradients g_l.
    pub fn of_signal(self, l: usize) -> u32 {
        self.of_outputs() + 1 + (self.depth - l) as u32
    }

    /// The layer of a place: of h on the way up, of g on the way down; None for f.
    pub fn layer(self, place: u32) -> Option<usize> {
        let outputs = self.of_outputs();
        match place.cmp(&outputs) {
            Ordering::Less => Some(place as usize),
            Ordering::Equal => None,
            Ordering::Greater => Some(self.depth - (place - outputs - 1) as usize),
        }
    }

    /// The step and the place that a kernel has noted; none while it is the largest number.
    pub fn read(self, noted: u64) -> Option<(u32, u32)> {
        let count = u64::from(self.count());
        (noted != u64::MAX).then(|| ((noted / count) as u32, (noted % count) as u32))
    }
}
