//! The oracle: both engines in f64, written as the formulas are, one matrix product a term.
//!
//! Matrices are `nalgebra`'s, columns are samples. It is built without that crate's tuned products,
//! so sums run in one fixed order on every machine.

mod branch;
pub mod conditional;
pub mod cost;
pub mod dense;
pub mod ends;
pub mod expansion;
pub mod memory;
mod motion;
mod record;
mod rms;

use nalgebra::DMatrix;

use crate::backend::EVALUATED_AT_ONCE;
use crate::data::Samples;

/// The inputs as columns, d×P.
fn columns(samples: &Samples) -> DMatrix<f64> {
    DMatrix::from_column_slice(samples.dimension, samples.len(), &samples.inputs)
}

/// Mean square over rows and columns; 0 for an empty matrix.
fn mean_square(x: &DMatrix<f64>) -> f64 {
    if x.is_empty() { 0.0 } else { x.norm_squared() / x.len() as f64 }
}

/// Whether every entry is finite.
fn finite(x: &DMatrix<f64>) -> bool {
    x.iter().all(|v| v.is_finite())
}

/// Outputs of all `samples`, which `output` is given part after part.
fn evaluate_in_parts(samples: &Samples, mut output: impl FnMut(&Samples) -> Vec<f64>) -> Vec<f64> {
    let positions: Vec<usize> = (0..samples.len()).collect();
    let parts = positions.chunks(EVALUATED_AT_ONCE);
    parts.flat_map(|part| output(&samples.select(part.iter().copied()))).collect()
}

/// X with every column times its weight.
fn weighted(x: &DMatrix<f64>, weights: &[f64]) -> DMatrix<f64> {
    let mut weighted = x.clone();
    for (mut column, weight) in weighted.column_iter_mut().zip(weights) {
        column *= *weight;
    }
    weighted
}
