//! Delete-one jackknife with Student's t: an interval from few seeds that covers.
//!
//! Percentile bootstrap over few seeds does not: its interval holds the truth half the time at two seeds
//! (docs/theory.md, section 5).

use statrs::distribution::{ContinuousCDF, StudentsT};

/// An estimate, its standard error and its 95 % interval.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Estimate {
    /// The estimate from all seeds.
    pub value: f64,
    /// Jackknife standard error; None for fewer than two seeds.
    pub standard_error: Option<f64>,
    /// 95 % interval: value ± t · standard error, with Student's t of seeds − 1 degrees of freedom.
    pub ci95: Option<[f64; 2]>,
}

/// Estimates with every one of `seeds` seeds left out in turn. `estimate(None)` uses all of them,
/// `estimate(Some(i))` all but the i-th.
///
/// None when the estimate itself does not exist; no interval when one without a seed does not.
pub fn jackknife(
    seeds: usize,
    estimate: impl Fn(Option<usize>) -> Option<f64>,
) -> Option<Estimate> {
    let value = estimate(None).filter(|value| value.is_finite())?;
    let n = seeds as f64;
    let left_out: Option<Vec<f64>> = (0..seeds).map(|seed| estimate(Some(seed))).collect();
    let standard_error = left_out.filter(|_| seeds >= 2).and_then(|values| {
        let mean = super::mean(&values);
        let squares: f64 = values.iter().map(|v| (v - mean).powi(2)).sum();
        let error = ((n - 1.0) / n * squares).sqrt();
        error.is_finite().then_some(error)
    });
    let ci95 = standard_error.and_then(|error| {
        let half = StudentsT::new(0.0, 1.0, n - 1.0).ok()?.inverse_cdf(0.975) * error;
        half.is_finite().then_some([value - half, value + half])
    });
    Some(Estimate { value, standard_error, ci95 })
}
