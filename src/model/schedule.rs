//! Schedules: the factor s(k) on all learning rates at update k = 0, 1, …, K − 1.
//!
//! ```text
//! warm-up   (k+1)/W                                   for k < W
//! constant  1
//! cosine    F + (1 − F) (1 + cos(π (k−W)/(K−1−W)))/2  from 1 at k = W to F at k = K − 1
//! step      f^⌊(k−W)/N⌋                               every N updates
//! ```

use std::f64::consts::PI;

use serde::Serialize;

/// A schedule of the learning rates.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Schedule {
    /// What follows the warm-up.
    #[serde(flatten)]
    pub decay: Decay,
    /// W
    pub warmup: u32,
}

/// How rates fall after the warm-up.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case", tag = "kind")]
pub enum Decay {
    /// Not at all.
    Constant,
    /// Along half a cosine.
    Cosine {
        /// F
        #[serde(rename = "final")]
        last: f64,
    },
    /// In steps.
    Step {
        /// N
        every: u32,
        /// f
        factor: f64,
    },
}

impl Schedule {
    /// Rates that stay as they are.
    pub const CONSTANT: Schedule = Schedule { decay: Decay::Constant, warmup: 0 };

    /// s(`update`) of a run of so many `updates`.
    pub fn factor(&self, update: u32, updates: u32) -> f64 {
        if update < self.warmup {
            return f64::from(update + 1) / f64::from(self.warmup);
        }
        let since = update - self.warmup;
        match self.decay {
            Decay::Constant => 1.0,
            Decay::Cosine { last } => {
                let span = updates.saturating_sub(1 + self.warmup).max(1);
                let turned = PI * f64::from(since) / f64::from(span);
                last + (1.0 - last) * 0.5 * (1.0 + libm::cos(turned))
            }
            Decay::Step { every, factor } => libm::pow(factor, f64::from(since / every.max(1))),
        }
    }
}
