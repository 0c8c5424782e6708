//! The limit n = L = ∞ to a tolerance: E f of every sample after every update, losses, movements and
//! order parameters, each with a standard error and a bound of its bias.
//!
//! ```text
//! Δ_4 = f_4,  Δ_L = f_L − f_{L/2}           one noise, many independent networks      (whole)
//! δ_L = Δ_L(n) − ½ Σ Δ_L(halves of rows)    each half a network of its own            (divided)
//! D_L = Δ_L + δ_L                           without the bias of order 1/n
//! f   = D_4 + D_8 + … + ⅔ D_{K/2} + 8/3 D_K  extrapolated in 1/L, twice
//! ```
//!
//! The variance of Δ falls like L^{-3/2}/n, so nearly all work is done by shallow networks, of which there
//! are many (multilevel Monte Carlo). How many of each level follows from the measured variances and the
//! costs of the model, in rounds, until standard error and bias bound are both below tolerance/√2. The
//! bias bound is a third of what the last doubling has changed, in depth and in width (from halves and
//! quarters of rows), with its standard error.
//!
//! Everything here is a function of finished blocks alone; who trains them, and where, is not known.
//! Source: docs/theory.md, section 8.

mod allocation;
mod estimate;
mod moments;
mod quantities;
mod replay;

pub use allocation::Shortfall;
pub use estimate::{Depth, Estimate, Level, LevelSummary, Number};
pub use moments::Moments;
pub use quantities::Quantities;
pub use replay::{Finished, Replay, State};

use serde::{Deserialize, Serialize};

use crate::backend::Divergence;

/// What is kept of a block of networks: its record.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct BlockRecord {
    /// Δ of a whole block; of a divided one, δ.
    pub value: Moments,
    /// Of a divided block: what quarters of rows change beside halves.
    pub change: Option<Moments>,
    /// The first network that left the finite numbers; nothing of the block counts then.
    pub diverged: Option<Divergence>,
}
