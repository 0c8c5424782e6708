//! Delete-one jackknife with Student's t: an interval from few seeds that covers.

use statrs::distribution::{ContinuousCDF, StudentsT};

/// An estimate and its 95 % interval.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Estimate {
    /// From all seeds.
    pub value: f64,
    /// Lower and upper end; None for fewer than two seeds.
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
    let ci95 = left_out.filter(|_| seeds >= 2).and_then(|values| {
        let mean = super::mean(&values);
        let squares: f64 = values.iter().map(|v| (v - mean).powi(2)).sum();
        let deviation = ((n - 1.0) / n * squares).sqrt();
        let t = StudentsT::new(0.0, 1.0, n - 1.0).ok()?.inverse_cdf(0.975);
        let half = t * deviation;
        half.is_finite().then_some([value - half, value + half])
    });
    Some(Estimate { value, ci95 })
}
