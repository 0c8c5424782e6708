//! What is said of one claim: an entry of summary.json.

use serde::Serialize;

use super::declaration::{Axis, Family};
use super::series::Subject;
use crate::experiment::Experiment;
use crate::model::{Closure, Parametrization};
use crate::stats::verdict::Verdict;

/// A point of a claim's curve.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Point {
    /// L, or n on the width axis.
    pub x: usize,
    /// n
    pub width: usize,
    /// L
    pub depth: usize,
    /// The ensemble's value.
    pub value: f64,
    /// Its jackknife standard error over seeds.
    pub standard_error: Option<f64>,
}

/// A point of a fitted curve and its jackknife band.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct FittedPoint {
    /// L or n
    pub x: f64,
    /// The other size, where the curve is one of several; else None.
    pub held: Option<usize>,
    /// The curve.
    pub value: f64,
    /// Ends of the 95 % band.
    pub ci95: Option<[f64; 2]>,
}

/// An entry of summary.json.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Claim {
    /// Unique in the run.
    pub id: String,
    /// In words, the same for all closures, sizes and steps.
    pub statement: &'static str,
    /// Closure
    pub closure: Closure,
    /// Parametrization
    pub parametrization: Parametrization,
    /// η; of an optimum, the least that was tried.
    pub learning_rate: f64,
    /// What varies.
    pub axis: Axis,
    /// The width (axis depth) or depth (axis width) that is held.
    pub held: Option<usize>,
    /// Observable
    pub observable: &'static str,
    /// Updates done.
    pub step: u32,
    /// Where on the horizon, for observables that live there.
    pub depth_time: Option<f64>,
    /// Family
    pub family: Family,
    /// p of the power family.
    pub exponent: Option<f64>,
    /// Of the exponent.
    pub ci95: Option<[f64; 2]>,
    /// c of the plateau family.
    pub plateau: Option<f64>,
    /// Of the plateau.
    pub plateau_ci95: Option<[f64; 2]>,
    /// The exponent that theory gives.
    pub expected: Option<f64>,
    /// The reference network's own error by the fitted family, over the last value: by so much the
    /// limit itself is uncertain. None against a network in proportion, or none.
    pub reference_error: Option<f64>,
    /// By which the verdict falls, declared before the data.
    pub rule: String,
    /// What the rule says of these numbers.
    pub verdict: Verdict,
    /// The verdict in words, with the numbers that decided it.
    pub reason: String,
    /// Probability of residuals this large if the family holds and points were independent; points
    /// of one ensemble share their noise, which makes it too large rather than too small.
    pub goodness: Option<f64>,
    /// The number of points on the curve.
    pub points: usize,
    /// Seeds that have a value at every point.
    pub seeds: u64,
    /// Runs of this claim's closure and sizes that diverged.
    pub diverged: usize,
    /// Exponents between neighbouring points; none on several widths at once.
    pub local_exponents: Vec<Option<f64>>,
    /// The curve.
    pub curve: Vec<Point>,
    /// The fitted family between the first and the last point, with its 95 % band; of several widths
    /// or depths, each that has points.
    pub fitted: Vec<FittedPoint>,
}

/// `observable/closure/sizes/k=step`, and what else there are several of.
pub fn id(experiment: &Experiment, subject: Subject, axis: Axis, held: Option<usize>) -> String {
    let at = match (axis, held) {
        (Axis::Depth, Some(n)) => format!("n={n}"),
        (Axis::Width, Some(depth)) => format!("L={depth}"),
        (Axis::WidthOfAll, _) => "all L".to_owned(),
        _ => "all n".to_owned(),
    };
    let Subject { closure, parametrization, step, observable, .. } = subject;
    let mut id = format!("{observable}/{}/{at}/k={step}", closure.name());
    if experiment.ensemble.parametrizations.is_some() {
        id = format!("{id}/{}", parametrization.name());
    }
    id
}
