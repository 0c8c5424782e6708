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

/// A schedule of all learning rates: a warm-up of W updates, then a decay.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Schedule {
    /// How rates go on after the warm-up.
    #[serde(flatten)]
    pub decay: Decay,
    /// Updates W of the linear warm-up; 0 for none.
    pub warmup: u32,
}

/// How rates fall after the warm-up.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case", tag = "kind")]
pub enum Decay {
    /// Rates stay as they are.
    Constant,
    /// Rates fall along half a cosine.
    Cosine {
        /// The factor F on rates at the last update.
        #[serde(rename = "final")]
        last: f64,
    },
    /// Rates fall by a factor at regular intervals.
    Step {
        /// Updates N between two falls.
        every: u32,
        /// The factor f of each fall.
        factor: f64,
    },
}

impl Schedule {
    /// Constant rates without a warm-up.
    pub const CONSTANT: Schedule = Schedule { decay: Decay::Constant, warmup: 0 };

    /// The factor s(`update`) on all rates, in a run of so many `updates`.
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
