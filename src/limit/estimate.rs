//! From the moments of all levels to the limit: values, standard errors, and bounds of what is left of
//! the bias.

use serde::Serialize;

use super::moments::Moments;

/// One number of the limit.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Number {
    /// The estimate of the limit.
    pub value: f64,
    /// Its standard error.
    pub standard_error: f64,
    /// A bound of its bias, in depth and in width together: a third of what the last doubling has changed,
    /// with its standard error, as errors fall by four or more when the size doubles.
    pub bias_bound: f64,
}

impl Number {
    /// Standard error and bias bound together.
    pub fn error(&self) -> f64 {
        self.standard_error.hypot(self.bias_bound)
    }
}

/// The moments of one level.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Level {
    /// Δ_L of networks of n rows.
    pub whole: Moments,
    /// δ_L, its bias of order 1/n.
    pub divided: Moments,
    /// What a second extrapolation in 1/n would change.
    pub change: Moments,
}

impl Level {
    /// D_L of number `i`.
    fn mean(&self, i: usize) -> f64 {
        self.whole.mean[i] + self.divided.mean[i]
    }

    /// The variance of D_L.
    fn variance(&self, i: usize) -> f64 {
        self.whole.variance_of_mean(i) + self.divided.variance_of_mean(i)
    }
}

/// What networks of one depth and infinite width have, and how far that is from the limit.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Depth {
    /// The depth L.
    pub depth: usize,
    /// The number at this depth.
    pub value: f64,
    /// Its standard error.
    pub standard_error: f64,
    /// The number at this depth less its limit.
    pub distance: f64,
    /// The standard error of the distance: of deeper levels alone.
    pub distance_error: f64,
}

/// What a level has taken and given, for one output.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct LevelSummary {
    /// Depth L of the deeper networks.
    pub depth: usize,
    /// Networks of n rows.
    pub networks: u64,
    /// Networks that were divided besides.
    pub divided: u64,
    /// n times the largest variance among outputs that are to have the tolerance.
    pub variance: f64,
    /// The weight of the level in the estimate.
    pub weight: f64,
}

/// The least number of levels: two extrapolations need three depths.
pub const LEAST_LEVELS: usize = 3;

/// Weights of the levels when the last two extrapolate: f_K, f_{K/2} and f_{K/4} by 8/3, −2 and 1/3, which
/// removes 1/L and 1/L².
pub fn weights(levels: usize) -> Vec<f64> {
    let mut weights = vec![1.0; levels];
    weights[levels - 2] = 2.0 / 3.0;
    weights[levels - 1] = 8.0 / 3.0;
    weights
}

/// What the second extrapolation changes in the first, 2 f_K − f_{K/2}: by level.
fn second_extrapolation(levels: usize) -> Vec<f64> {
    let mut weights = vec![0.0; levels];
    weights[levels - 2] = -1.0 / 3.0;
    weights[levels - 1] = 2.0 / 3.0;
    weights
}

/// What the last level changes in the estimate; None where there is none without it.
fn last_level(levels: usize) -> Option<Vec<f64>> {
    let mut weights = self::weights(levels);
    let before = (levels > LEAST_LEVELS).then(|| self::weights(levels - 1))?;
    weights.iter_mut().zip(before).for_each(|(weight, before)| *weight -= before);
    Some(weights)
}

/// The sum of levels with weights: mean and standard error of number `i`.
fn sum(levels: &[Level], weights: &[f64], i: usize) -> (f64, f64) {
    let pairs = || levels.iter().zip(weights);
    let mean = pairs().map(|(level, w)| w * level.mean(i)).sum();
    let variance: f64 = pairs().map(|(level, w)| w * w * level.variance(i)).sum();
    (mean, variance.sqrt())
}

/// A bound of the bias in depth of number `i`, its standard error included.
///
/// The estimate has an error of order K^{-3}, which falls by four or more where K doubles, so that it is at
/// most a third of what the last level has changed. With three levels there is no estimate before the last:
/// then it is what the second extrapolation has changed, an error of order K^{-2} that the estimate
/// no longer has.
pub fn depth_bound(levels: &[Level], i: usize) -> f64 {
    let bound = |weights: &[f64]| {
        let (change, error) = sum(levels, weights, i);
        change.abs() + error
    };
    match last_level(levels.len()) {
        Some(weights) => bound(&weights) / 3.0,
        None => bound(&second_extrapolation(levels.len())),
    }
}

/// A bound of the bias in width of number `i`, without and with its standard error: a third of what
/// networks of width n change in the estimate of those of n/2, which has an error of order 1/n².
pub fn width_bound(levels: &[Level], i: usize) -> (f64, f64) {
    let weights = weights(levels.len());
    let pairs = || levels.iter().zip(&weights);
    let change: f64 = pairs().map(|(level, w)| w * level.change.mean[i]).sum();
    let variance: f64 = pairs().map(|(level, w)| w * w * level.change.variance_of_mean(i)).sum();
    (change.abs(), change.abs() + variance.sqrt())
}

/// The limit of one closure.
#[derive(Clone, Debug, PartialEq)]
pub struct Estimate {
    /// The levels, by depth 4, 8, …
    pub levels: Vec<Level>,
    /// Depths of the levels.
    pub depths: Vec<usize>,
}

impl Estimate {
    /// Number `i` of the limit.
    pub fn number(&self, i: usize) -> Number {
        let (value, standard_error) = sum(&self.levels, &weights(self.levels.len()), i);
        let bias_bound = depth_bound(&self.levels, i) + width_bound(&self.levels, i).1;
        Number { value, standard_error, bias_bound }
    }

    /// Number `i` at every depth and infinite width, beside its limit.
    pub fn by_depth(&self, i: usize) -> Vec<Depth> {
        let levels = &self.levels;
        let all = weights(levels.len());
        let at = |(k, &depth): (usize, &usize)| {
            let to = |l: usize| if l <= k { 1.0 } else { 0.0 };
            let own: Vec<f64> = (0..levels.len()).map(to).collect();
            let apart: Vec<f64> = own.iter().zip(&all).map(|(own, all)| own - all).collect();
            let (value, standard_error) = sum(levels, &own, i);
            let (distance, distance_error) = sum(levels, &apart, i);
            Depth { depth, value, standard_error, distance, distance_error }
        };
        self.depths.iter().enumerate().map(at).collect()
    }

    /// What every level has taken, with its largest variance among `targets`, at width `width`.
    pub fn summaries(&self, targets: std::ops::Range<usize>, width: usize) -> Vec<LevelSummary> {
        let weights = weights(self.levels.len());
        let of = |((level, &depth), &weight): ((&Level, &usize), &f64)| LevelSummary {
            depth,
            networks: level.whole.count,
            divided: level.divided.count,
            variance: width as f64
                * targets.clone().map(|i| level.whole.variance(i)).fold(0.0, f64::max),
            weight,
        };
        self.levels.iter().zip(&self.depths).zip(&weights).map(of).collect()
    }
}
