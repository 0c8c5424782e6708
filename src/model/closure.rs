//! Closures: which responses of the reuse of W through Wᵀ are kept (docs/theory.md, section 2).

use std::ops::Range;

use crate::choice::choice;

choice! {
    /// Which responses between forward and backward pass are kept: which stored columns the queries of
    /// the conditional engine condition on.
    pub enum Closure {
        /// The finite network itself: backward queries condition on all forward columns so far.
        Exact = "exact",
        /// Backward queries condition on the forward columns of earlier steps only, which drops the
        /// equal-time part of the backward response; the name does not say that this is the limit
        /// of arXiv 2512.21075.
        Nfd = "nfd",
        /// Gradient-independence assumption: backward weights independent of the forward ones, which
        /// receive the same updates.
        Gia = "gia",
    }
}

impl Closure {
    /// Whether backward weights are independent of the forward ones, and receive the same updates.
    pub fn has_independent_backward_weights(self) -> bool {
        match self {
            Closure::Exact | Closure::Nfd => false,
            Closure::Gia => true,
        }
    }

    /// Whether a dense network has the law of this closure; if not, it is defined by conditioning alone.
    pub fn has_dense_network(self) -> bool {
        match self {
            Closure::Exact | Closure::Gia => true,
            Closure::Nfd => false,
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
