//! Closures: how much of the reuse of W through Wᵀ is kept (docs/theory.md, section 2).

use std::ops::Range;

use crate::choice::choice;

choice! {
    /// What a backward query of a layer conditions on.
    pub enum Closure {
        /// The finite network itself: backward queries condition on all forward columns so far.
        Exact = "exact",
        /// Neural Feature Dynamics: backward queries condition on the forward columns of earlier steps
        /// only.
        Nfd = "nfd",
        /// Gradient-independence assumption: backward weights independent of the forward ones, which
        /// receive the same updates.
        Gia = "gia",
    }
}

impl Closure {
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
