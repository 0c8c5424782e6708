//! What is said of one claim: an entry of summary.json.

use serde::Serialize;

use super::declaration::{Family, SizeAxis};
use super::parts::Fit;
use super::series::Subject;
use crate::experiment::Experiment;
use crate::model::{Closure, Parametrization};
use crate::observables::Observable;
use crate::stats::verdict::Verdict;

/// A point of a claim's curve.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Point {
    /// The size that varies: the depth L, or the width n.
    pub x: usize,
    /// Width n of its networks.
    pub width: usize,
    /// Depth L of its networks.
    pub depth: usize,
    /// The value of the ensemble, all seeds together.
    pub value: f64,
    /// Its jackknife standard error over seeds.
    pub standard_error: Option<f64>,
    /// The fitted curve there; none without a fit.
    pub fitted: Option<f64>,
}

impl Point {
    /// By how many of its standard errors the value lies above the fitted curve.
    pub fn residual(&self) -> Option<f64> {
        let error = self.standard_error.filter(|error| *error > 0.0)?;
        Some((self.value - self.fitted?) / error).filter(|residual| residual.is_finite())
    }
}

/// A point of a fitted curve and its jackknife band.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct FittedPoint {
    /// The size that varies: the depth L, or the width n.
    pub x: f64,
    /// The other size, where the curve is one of several; else None.
    pub held: Option<usize>,
    /// The value of the fitted family there.
    pub value: f64,
    /// Ends of the 95 % band.
    pub ci95: Option<[f64; 2]>,
}

/// An entry of summary.json.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Claim {
    /// What names it in the run, and no other claim.
    pub id: String,
    /// The claim in words, the same for all closures, sizes and steps.
    pub statement: &'static str,
    /// The closure of which it is claimed.
    pub closure: Closure,
    /// The parametrization of which it is claimed.
    pub parametrization: Parametrization,
    /// Learning rate η of the hidden weights; of an optimum, the least that was tried.
    pub learning_rate: f64,
    /// The size along which it is claimed.
    pub axis: SizeAxis,
    /// The width (axis depth) or depth (axis width) that is held; of infinite width the larger of the
    /// two widths.
    pub held: Option<usize>,
    /// The smaller width of a pair from which the curve is extrapolated in 1/n, seed by seed.
    pub extrapolated_with: Option<usize>,
    /// Whether it is one of the study's primary claims.
    pub primary: bool,
    /// The number of primary claims whose intervals hold together with 95 %; None of another claim,
    /// whose interval holds alone.
    pub simultaneous: Option<usize>,
    /// What is claimed about.
    pub observable: Observable,
    /// Updates done before the pass.
    pub step: u32,
    /// Depth time t, of an observable that has one.
    pub depth_time: Option<f64>,
    /// The family of curves that it declares.
    pub family: Family,
    /// Exponent p of x^{−p}; of growth and drift that of x^{p}.
    pub exponent: Option<f64>,
    /// Ends of the 95 % interval of the exponent, the model's error included.
    pub ci95: Option<[f64; 2]>,
    /// The constant c beside what falls.
    pub plateau: Option<f64>,
    /// Ends of the 95 % interval of the constant.
    pub plateau_ci95: Option<[f64; 2]>,
    /// The largest constant that the data allow, at 95 %.
    pub plateau_upper: Option<f64>,
    /// The value before training at the largest size, of an observable that has one.
    pub at_start: Option<f64>,
    /// The exponent that theory gives.
    pub expected: Option<f64>,
    /// The reference network's own error by the exponent that was found, over the last value: by so
    /// much the limit itself is uncertain. None against a network in proportion, or none.
    pub reference_error: Option<f64>,
    /// The rule by which the verdict falls, declared before the data.
    pub rule: String,
    /// What the rule says of these numbers.
    pub verdict: Verdict,
    /// The verdict in words, with the numbers that decided it.
    pub reason: String,
    /// What would decide an inconclusive claim.
    pub next: Option<String>,
    /// The number of points on the curve.
    pub points: usize,
    /// Seeds that have a value at every point.
    pub seeds: u64,
    /// Runs of this claim's closure and sizes that diverged.
    pub diverged: usize,
    /// Exponents between neighbouring points; none on several widths at once.
    pub local_exponents: Vec<Option<f64>>,
    /// The values of the ensemble, size by size.
    pub curve: Vec<Point>,
    /// The fitted family between the first and the last point, with its 95 % band; of several widths
    /// or depths, each that has points.
    pub fitted: Vec<FittedPoint>,
    /// What the fit consists of; none without one.
    pub fit: Option<Fit>,
}

impl Claim {
    /// Whose and where: "exact, n = 8192, k = 2"; with the parametrization where there are `several`.
    pub fn subject(&self, several: bool) -> String {
        let closure = self.closure.name();
        let whose = match several {
            true => format!("{closure} in {}", self.parametrization.name()),
            false => closure.to_owned(),
        };
        format!("{whose}, {}, k = {}", self.at(), self.step)
    }

    /// The size that it holds along its axis: "n = 4096".
    pub fn at(&self) -> String {
        match (self.axis, self.held) {
            (SizeAxis::Depth, Some(width)) => match self.extrapolated_with {
                None => format!("n\u{a0}=\u{a0}{width}"),
                Some(narrower) => format!("n → ∞ from {narrower} and {width}"),
            },
            (SizeAxis::Width, Some(depth)) => format!("L\u{a0}=\u{a0}{depth}"),
            (SizeAxis::WidthOfAll, _) => "all L".to_owned(),
            _ => "all n".to_owned(),
        }
    }
}

/// `observable/closure/sizes/k=step`, and what else there are several of.
pub fn id(
    experiment: &Experiment,
    subject: Subject,
    axis: SizeAxis,
    held: Option<usize>,
    extrapolated_with: Option<usize>,
) -> String {
    let at = match (axis, held, extrapolated_with) {
        (SizeAxis::Depth, Some(n), Some(narrower)) => format!("n={narrower},{n}"),
        (SizeAxis::Depth, Some(n), None) => format!("n={n}"),
        (SizeAxis::Width, Some(depth), _) => format!("L={depth}"),
        (SizeAxis::WidthOfAll, ..) => "all L".to_owned(),
        _ => "all n".to_owned(),
    };
    let Subject { closure, parametrization, step, observable, .. } = subject;
    let mut id = format!("{}/{}/{at}/k={step}", observable.name(), closure.name());
    if experiment.ensemble.parametrizations.is_some() {
        id = format!("{id}/{}", parametrization.name());
    }
    id
}
