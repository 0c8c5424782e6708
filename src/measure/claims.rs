//! What a study claims, and what the numbers say about it.
//!
//! What is claimed is declared in `declared`, before any data. Both families are fitted to
//! every curve: a power claim is contradicted by a plateau.

use serde::Serialize;
use statrs::distribution::{ChiSquared, ContinuousCDF};

pub use super::declared::{Axis, Family};
use super::declared::{Declaration, Place, TRAINING_CONVERGENCE};
use super::depth_times;
use super::series::{Index, Subject};
use crate::model::Closure;
use crate::spec::grid::Task;
use crate::spec::{Experiment, ReferenceKind};
use crate::stats::curve::Curve;
use crate::stats::fit::{self, Fit, local_exponents};
use crate::stats::verdict::{LEAST_SEEDS, Rule, Verdict, judge};
use crate::store::results::Row;

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
    /// The fitted family between the first and the last point, with its 95 % band; at the largest
    /// width on several.
    pub fitted: Vec<FittedPoint>,
}

/// All claims of the experiment's study on its results; `diverged` are the runs that did.
pub fn evaluate(experiment: &Experiment, rows: &[Row], diverged: &[Task]) -> Vec<Claim> {
    let index = Index::new(rows, experiment.ensemble.seeds);
    let ensemble = &experiment.ensemble;
    let mut claims = Vec::new();
    for declaration in &TRAINING_CONVERGENCE {
        for &closure in ensemble.closures.iter().filter(|c| declaration.closures.contains(c)) {
            for (held, sizes) in curves(experiment, declaration) {
                let lost = diverged.iter().filter(|task| {
                    task.closure == closure && sizes.contains(&(task.width, task.depth))
                });
                let lost = lost.count();
                let steps = experiment.training.recorded_steps();
                for step in steps.filter(|&step| step >= declaration.first_step) {
                    let times = depth_times(experiment);
                    let depth_time = match declaration.place {
                        Place::Nowhere => None,
                        Place::Input => times.first().copied(),
                        Place::End => times.last().copied(),
                    };
                    let observable = declaration.observable;
                    let subject = Subject { closure, step, observable, depth_time };
                    let claim = claim(&index, declaration, subject, held, &sizes);
                    claims.extend(claim.map(|claim| Claim { diverged: lost, ..claim }));
                }
            }
        }
    }
    claims
}

/// What is held, and the (width, depth) of the points.
type Sizes = (Option<usize>, Vec<(usize, usize)>);

/// The curves of a declaration that the experiment has.
///
/// Errors against one reference network are a/n + b/L^q: they fall with L only at the reference's
/// own width, and with n only at its depth.
fn curves(experiment: &Experiment, declaration: &Declaration) -> Vec<Sizes> {
    let (widths, depths) = (&experiment.ensemble.widths, &experiment.ensemble.depths);
    let reference = &experiment.reference;
    let network = reference.kind == ReferenceKind::Network;
    let compares = network && declaration.compares;
    let at_width = |n: usize| depths.iter().map(move |&l| (n, l));
    match declaration.axis {
        Axis::Depth if depths.len() > 1 => widths
            .iter()
            .filter(|&&n| !compares || reference.width == Some(n))
            .map(|&n| (Some(n), at_width(n).collect()))
            .collect(),
        Axis::Width if widths.len() > 1 && network => depths
            .iter()
            .filter(|&&l| reference.depth == Some(l))
            .map(|&l| (Some(l), widths.iter().map(|&n| (n, l)).collect()))
            .collect(),
        Axis::Both if widths.len() > 1 && depths.len() > 1 => {
            vec![(None, widths.iter().flat_map(|&n| at_width(n)).collect())]
        }
        _ => Vec::new(),
    }
}

/// None when the observable was not measured at all.
fn claim<'a>(
    index: &Index<'a>,
    declaration: &Declaration,
    subject: Subject<'a>,
    held: Option<usize>,
    sizes: &[(usize, usize)],
) -> Option<Claim> {
    let axis = declaration.axis;
    let x = |(width, depth)| if axis == Axis::Width { width } else { depth };
    let (curve, sizes) = index.curve(subject, sizes, x);
    let values: Option<Vec<f64>> = curve.points.iter().map(|p| curve.value(p, None)).collect();
    let values = values.filter(|values| !values.is_empty())?;

    let rule = match declaration.expected {
        Some(exponent) => Rule::AtLeast { exponent },
        None => Rule::Plateau,
    };
    let power = fit::Family::Power { floor: declaration.family == Family::PowerAndFloor };
    let own = if declaration.family == Family::Plateau { fit::Family::Plateau } else { power };
    let refusal = refusal(&curve, own);
    let estimate = |family, of: fn(&Fit) -> f64| {
        if refusal.is_some() { None } else { curve.estimate(family, of) }
    };
    let exponent = estimate(power, |fit| fit.exponent);
    let plateau = estimate(fit::Family::Plateau, |fit| fit.coefficients[0]);
    let last = values[values.len() - 1];
    let (verdict, reason) = match &refusal {
        Some(reason) => (Verdict::Inconclusive, reason.clone()),
        None => {
            let (verdict, reason) = judge(rule, exponent, plateau, last);
            let least = curve.fit(own, None).is_some_and(|fit| fit.least);
            let note = "; the correction b/x is at its bound, the exponent the least allowed";
            (verdict, reason + if least { note } else { "" })
        }
    };
    let at = match (axis, held) {
        (Axis::Depth, Some(n)) => format!("n={n}"),
        (Axis::Width, Some(depth)) => format!("L={depth}"),
        _ => "all n".to_owned(),
    };
    let Subject { closure, step, observable: _, depth_time } = subject;
    let points: Vec<Point> = sizes
        .iter()
        .zip(values.iter().zip(curve.standard_errors()))
        .map(|(&(width, depth), (&value, standard_error))| Point {
            x: x((width, depth)),
            width,
            depth,
            value,
            standard_error,
        })
        .collect();
    let pairs: Vec<_> = points.iter().map(|p| (p.x as f64, p.value)).collect();
    Some(Claim {
        id: format!("{}/{}/{at}/k={step}", declaration.observable, closure.name()),
        statement: declaration.words,
        closure,
        axis,
        held,
        observable: declaration.observable,
        step,
        depth_time,
        family: declaration.family,
        exponent: exponent.map(|e| e.value),
        ci95: exponent.and_then(|e| e.ci95),
        plateau: plateau.map(|e| e.value),
        plateau_ci95: plateau.and_then(|e| e.ci95),
        expected: declaration.expected,
        rule: rule.to_string(),
        verdict,
        reason,
        goodness: if refusal.is_some() { None } else { goodness(&curve, own) },
        points: points.len(),
        seeds: curve.seeds as u64,
        diverged: 0,
        local_exponents: if axis == Axis::Both { vec![] } else { local_exponents(&pairs) },
        fitted: if refusal.is_some() { vec![] } else { band(&curve, own) },
        curve: points,
    })
}

/// Why a curve is not fitted: too few points or seeds, with the minimum.
fn refusal(curve: &Curve, family: fit::Family) -> Option<String> {
    let (points, least) = (curve.points.len(), family.least_points());
    let too_few = |what: &str, least: usize, has: usize| {
        Some(format!("needs at least {least} {what}, has {has}"))
    };
    let distinct = fit::distinct(curve.points.iter().map(|point| point.x));
    if curve.seeds < LEAST_SEEDS {
        too_few("seeds at every point", LEAST_SEEDS, curve.seeds)
    } else if distinct < fit::Family::LEAST_DISTINCT {
        too_few("sizes", fit::Family::LEAST_DISTINCT, distinct)
    } else if points < least {
        too_few("points", least, points)
    } else {
        None
    }
}

/// The χ² survival function of the residuals.
fn goodness(curve: &Curve, family: fit::Family) -> Option<f64> {
    let chi_squared = curve.fit(family, None)?.chi_squared;
    let freedom = curve.points.len() - family.parameters();
    Some(ChiSquared::new(freedom as f64).ok()?.sf(chi_squared))
}

/// The fitted curve on a logarithmic grid over the points, at the z of the last point scaled by x.
fn band(curve: &Curve, family: fit::Family) -> Vec<FittedPoint> {
    const POINTS: usize = 41;
    let (Some(first), Some(last)) = (curve.points.first(), curve.points.last()) else {
        return Vec::new();
    };
    let (low, high) = (first.x, last.x);
    let grid: Vec<f64> =
        (0..POINTS).map(|i| low * (high / low).powf(i as f64 / (POINTS - 1) as f64)).collect();
    let at = |fit: &Fit| grid.iter().map(|&x| fit.at(x, last.z * last.x / x)).collect();
    let estimates = curve.estimates(family, at).unwrap_or_default();
    let point = |(&x, e): (&f64, &crate::stats::jackknife::Estimate)| FittedPoint {
        x,
        value: e.value,
        ci95: e.ci95,
    };
    grid.iter().zip(&estimates).map(point).collect()
}
