//! Delete-one jackknife with Student's t: an interval from few seeds that covers.
//!
//! Percentile bootstrap over few seeds does not: its interval holds the truth half the time at two seeds
//! (docs/theory.md, section 5).

use statrs::distribution::{ContinuousCDF, StudentsT};

/// An estimate from an ensemble and its jackknife standard error over seeds.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Estimate {
    /// The estimate from all seeds.
    pub value: f64,
    /// Jackknife standard error; None for fewer than two seeds, or where the estimate without one of
    /// them does not exist.
    pub standard_error: Option<f64>,
    /// Number of seeds of the ensemble.
    pub seeds: usize,
}

impl Estimate {
    /// The interval value ± t · standard error that misses the truth with probability `alpha`, half of
    /// it at each end; Student's t has seeds − 1 degrees of freedom.
    pub fn interval(&self, alpha: f64) -> Option<[f64; 2]> {
        let half = student(self.seeds, alpha / 2.0)? * self.standard_error?;
        half.is_finite().then_some([self.value - half, self.value + half])
    }
}

/// The hull of the intervals of several estimates of one number.
pub fn hull(fits: &[Estimate], alpha: f64) -> Option<[f64; 2]> {
    let mut hull = [f64::INFINITY, f64::NEG_INFINITY];
    for fit in fits {
        let [low, high] = fit.interval(alpha)?;
        hull = [hull[0].min(low), hull[1].max(high)];
    }
    Some(hull)
}

/// Student's t of seeds − 1 degrees of freedom that is exceeded with probability `alpha`.
fn student(seeds: usize, alpha: f64) -> Option<f64> {
    let freedom = seeds.checked_sub(1).filter(|&freedom| freedom > 0)? as f64;
    Some(StudentsT::new(0.0, 1.0, freedom).ok()?.inverse_cdf(1.0 - alpha))
}

/// Estimates with every one of `seeds` seeds left out in turn. `estimate(None)` uses all of them,
/// `estimate(Some(i))` all but the i-th.
///
/// None when the estimate itself does not exist; no standard error when one without a seed does not.
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
    Some(Estimate { value, standard_error, seeds })
}
