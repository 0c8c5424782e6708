//! Numbers from ensembles: exponents and constants with intervals, verdicts. Pure; no files, no
//! knowledge of networks.

pub mod constant;
pub mod curve;
pub mod jackknife;
pub mod median;
pub mod power;
pub mod rule;
pub mod sum;
pub mod verdict;

/// The standard error of the mean; NaN for fewer than two values.
pub fn standard_error(values: &[f64]) -> f64 {
    let n = values.len() as f64;
    let mean = mean(values);
    (values.iter().map(|v| (v - mean).powi(2)).sum::<f64>() / (n - 1.0) / n).sqrt()
}

/// The mean; NaN of nothing.
pub fn mean(values: &[f64]) -> f64 {
    values.iter().sum::<f64>() / values.len() as f64
}

fn dot(weights: &[f64], values: &[f64]) -> f64 {
    weights.iter().zip(values).map(|(w, v)| w * v).sum()
}
