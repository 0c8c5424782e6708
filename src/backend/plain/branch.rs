//! What one matrix of the conditional engine makes of a query: its answer with its drift and its factors.

use nalgebra::DMatrix;

use super::memory::{Answer, Memory};

/// The factors of one kind of matrix: on its products, and on its updates.
#[derive(Clone, Copy)]
pub struct Factors {
    /// On W φ and Wᵀ g.
    pub forward: f64,
    /// On Σ χ g φᵀ in the update of W, before −η.
    pub update: f64,
}

impl Factors {
    /// forward · Wφ of an answer.
    pub fn branch(self, memory: &Memory, answer: &Answer) -> Branch {
        let drift = memory.drift_forward(&answer.expansion.along) * (self.forward * self.update);
        let initial = &answer.value * self.forward;
        let kept = memory.drift.kept();
        Branch { whole: &initial * kept - &drift, moved: initial * (kept - 1.0) - drift }
    }

    /// forward · Wᵀg of an answer.
    pub fn back(self, memory: &Memory, answer: &Answer) -> DMatrix<f64> {
        let drift = memory.drift_backward(&answer.expansion.along) * (self.forward * self.update);
        &answer.value * (self.forward * memory.drift.kept()) - drift
    }
}

/// What one matrix makes of a forward query.
pub struct Branch {
    /// forward · Wφ
    pub whole: DMatrix<f64>,
    /// The part of it that training has made: forward · (W − W⁽⁰⁾)φ.
    pub moved: DMatrix<f64>,
}
