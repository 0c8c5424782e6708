//! Closures: how much of the reuse of W through Wᵀ is kept (docs/theory.md, section 2).

use std::ops::Range;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What a backward query of a layer conditions on.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "kebab-case")]
pub enum Closure {
    /// All forward columns so far: the finite network itself.
    Exact,
    /// The forward columns of earlier steps: Neural Feature Dynamics.
    Nfd,
    /// Nothing forward, ever, and forward queries nothing backward: independent backward weights
    /// that receive the same updates (gradient-independence assumption).
    Gia,
}

impl Closure {
    /// Every closure, in the order of the tables.
    pub const ALL: [Closure; 3] = [Closure::Exact, Closure::Nfd, Closure::Gia];

    /// Its name in experiments and results.
    pub fn name(self) -> &'static str {
        match self {
            Closure::Exact => "exact",
            Closure::Nfd => "nfd",
            Closure::Gia => "gia",
        }
    }

    /// Whether forward queries condition on the backward columns.
    pub fn forward_conditions(self) -> bool {
        self != Closure::Gia
    }

    /// The forward columns that a backward query conditions on, of `earlier` columns from earlier
    /// steps followed by those of this step, `all` together.
    pub fn backward_conditions(self, earlier: usize, all: usize) -> Range<usize> {
        match self {
            Closure::Exact => 0..all,
            Closure::Nfd => 0..earlier,
            Closure::Gia => 0..0,
        }
    }
}
