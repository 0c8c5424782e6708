//! An ensemble's curve: values over seeds at several sizes, reduced, weighted, fitted, with
//! jackknife intervals of everything.

use super::fit::{Fit, Form, Reference, Sample, fit};
use super::jackknife::{Estimate, jackknife};
use super::mean;

/// Values of one point, several outputs by seeds; None where a run diverged.
pub type Values = Vec<Vec<Option<f64>>>;

/// How seeds and outputs become one value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reduction {
    /// The mean over seeds and outputs.
    Mean,
    /// The root mean square over outputs of means over seeds: the weak error (docs/theory.md,
    /// section 4).
    RootMeanSquareOfMeans,
}

/// A point of a curve before seeds and outputs are reduced to one value.
#[derive(Clone, Debug, PartialEq)]
pub struct Point {
    /// The depth or width on which the power acts.
    pub x: f64,
    /// The variable of the floor, 1/(nL), or the other size of a sum.
    pub z: f64,
    /// Values by output and seed.
    pub values: Values,
}

/// An observable of an ensemble at several sizes.
#[derive(Clone, Debug, PartialEq)]
pub struct Curve {
    /// The points, in ascending order of x.
    pub points: Vec<Point>,
    /// How seeds and outputs become one value at each point.
    pub reduction: Reduction,
    /// What the values are differences to.
    pub reference: Reference,
    /// Number of seeds of the ensemble.
    pub seeds: usize,
}

/// Prior degrees of freedom of the common relative variance.
const PRIOR: f64 = 8.0;

impl Curve {
    /// The value of one point, optionally without one seed; None without any finite value.
    pub fn value(&self, point: &Point, without: Option<usize>) -> Option<f64> {
        let means: Vec<f64> = point
            .values
            .iter()
            .map(|seeds| {
                let left = seeds.iter().enumerate().filter(|(seed, _)| Some(*seed) != without);
                mean(&left.filter_map(|(_, value)| *value).collect::<Vec<_>>())
            })
            .collect();
        let value = match self.reduction {
            Reduction::Mean => mean(&means),
            Reduction::RootMeanSquareOfMeans => {
                mean(&means.iter().map(|m| m * m).collect::<Vec<_>>()).sqrt()
            }
        };
        value.is_finite().then_some(value)
    }

    /// Jackknife standard errors of the points; for means over seeds the usual ones.
    pub fn standard_errors(&self) -> Vec<Option<f64>> {
        let error = |point: &Point| {
            jackknife(self.seeds, |without| self.value(point, without))?.standard_error
        };
        self.points.iter().map(error).collect()
    }

    /// The points as the fit sees them. σ is the relative error shrunk towards that of all points:
    /// a variance from four seeds is too uncertain to weigh with alone.
    fn samples(&self, without: Option<usize>) -> Option<Vec<Sample>> {
        let errors: Option<Vec<f64>> = self.standard_errors().into_iter().collect();
        let values: Option<Vec<f64>> = self.points.iter().map(|p| self.value(p, None)).collect();
        let (errors, values) = (errors?, values?);
        let relative: Vec<f64> = errors.iter().zip(&values).map(|(e, y)| (e / y).powi(2)).collect();
        let (common, own) = (mean(&relative), self.seeds as f64 - 1.0);
        self.points
            .iter()
            .zip(values.iter().zip(&relative))
            .map(|(point, (y, relative))| {
                let variance = (PRIOR * common + own * relative) / (PRIOR + own);
                Some(Sample {
                    x: point.x,
                    z: point.z,
                    y: self.value(point, without)?,
                    sigma: y * variance.sqrt(),
                })
            })
            .collect()
    }

    /// The fitted curve, optionally without one seed; weights are those of all seeds.
    pub fn fit(&self, family: Form, without: Option<usize>) -> Option<Fit> {
        fit(family, self.reference, &self.samples(without)?)
    }

    /// What `of` says of the fitted curve, with its jackknife interval.
    pub fn estimate(&self, family: Form, of: impl Fn(&Fit) -> f64) -> Option<Estimate> {
        self.estimates(family, |fit| vec![of(fit)])?.pop()
    }

    /// Several numbers that `of` says of the fitted curve, each with its jackknife interval, from the same
    /// fits.
    pub fn estimates(&self, family: Form, of: impl Fn(&Fit) -> Vec<f64>) -> Option<Vec<Estimate>> {
        let whole = of(&self.fit(family, None)?);
        let without: Vec<Option<Vec<f64>>> =
            (0..self.seeds).map(|seed| self.fit(family, Some(seed)).map(|fit| of(&fit))).collect();
        let number = |i: usize| {
            jackknife(self.seeds, |left_out| match left_out {
                None => Some(whole[i]),
                Some(seed) => without[seed].as_ref().map(|numbers| numbers[i]),
            })
        };
        (0..whole.len()).map(number).collect()
    }
}
