//! Losses and their derivatives χ with respect to the outputs.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A loss, averaged over samples.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Loss {
    /// ½ mean_p Σ_o (f_po − y_po)²
    Squared,
}

impl Loss {
    /// The loss of outputs `f` against `labels`, both P×O with the output index fastest.
    pub fn value(self, f: &[f64], labels: &[f64], outputs: usize) -> f64 {
        match self {
            Loss::Squared => {
                let squares: f64 = f.iter().zip(labels).map(|(f, y)| (f - y).powi(2)).sum();
                0.5 * squares / (f.len() / outputs) as f64
            }
        }
    }

    /// χ_po = ∂loss/∂f_po, P×O.
    pub fn chi(self, f: &[f64], labels: &[f64], outputs: usize) -> Vec<f64> {
        match self {
            Loss::Squared => {
                let samples = (f.len() / outputs) as f64;
                f.iter().zip(labels).map(|(f, y)| (f - y) / samples).collect()
            }
        }
    }
}
