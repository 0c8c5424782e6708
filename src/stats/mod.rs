//! Numbers from ensembles: families of curves, intervals, verdicts. Pure; no files, no knowledge of
//! networks.

pub mod curve;
pub mod fit;
pub mod jackknife;
pub mod verdict;

/// The mean; NaN of nothing.
pub fn mean(values: &[f64]) -> f64 {
    values.iter().sum::<f64>() / values.len() as f64
}
