//! Closures: which responses of the reuse of W through Wᵀ are kept (docs/theory.md, section 2).

use std::ops::Range;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Which stored columns the queries of the conditional engine condition on, and so which responses
/// between forward and backward pass are kept.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "kebab-case")]
pub enum Closure {
    /// Queries condition on all columns of the other direction: the finite network itself.
    Exact,
    /// Backward queries leave out the forward columns of their own pass, which drops the equal-time
    /// part of the backward response, an effect of φ''. The name is historical: whether this is what
    /// the source calls Neural Feature Dynamics is not claimed.
    Nfd,
    /// Queries condition on nothing: independent backward weights that receive the same updates (the
    /// gradient-independence assumption).
    Gia,
}

impl Closure {
    /// Every closure, in the order of the tables.
    pub const ALL: [Closure; 3] = [Closure::Exact, Closure::Nfd, Closure::Gia];

    /// The closure's name in experiment files and results.
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
