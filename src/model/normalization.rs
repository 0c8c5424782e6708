//! What the branch of a residual block makes of h before it reads it. Source: docs/theory.md, section 1.5.

use crate::choice::choice;

choice! {
    /// What the branch of a residual block reads.
    pub enum Normalization {
        /// The features h as they are.
        None = "none",
        /// The features over their root mean square, h/ρ with ρ² = |h|²/n, of every sample and block by
        /// itself; no gains are learned, and nothing is added to ρ (arXiv 1910.07467).
        Rms = "rms",
    }
}

impl Normalization {
    /// Whether h is read as it is.
    pub fn is_none(&self) -> bool {
        *self == Normalization::None
    }
}
