//! The oracle: both engines in f64, written as the formulas are, one matrix product a term.
//!
//! Matrices are `nalgebra`'s, columns are samples. It is built without that crate's tuned products,
//! so sums run in one fixed order on every machine.

pub mod conditional;
pub mod dense;
pub mod ends;
pub mod expansion;
pub mod memory;
mod record;

use nalgebra::DMatrix;

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
