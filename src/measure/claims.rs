//! What a study claims, and what the numbers say about it.
//!
//! Each claim names an observable, the family its dependence on depth (or width) is expected to
//! follow, and the exponent that the theory gives (section 5). Exponents are slopes of log–log
//! lines, plateaus the constant of c + a/L; intervals come from the delete-one-seed jackknife.

use std::collections::HashMap;

use serde::Serialize;

use super::depth_times;
use crate::model::Closure;
use crate::spec::{Experiment, ReferenceKind};
use crate::stats::fit::{exponent, local_exponents, plateau};
use crate::stats::jackknife::{Estimate, jackknife};
use crate::stats::{mean, standard_error};
use crate::store::results::Row;

/// Fewer points say nothing about a line.
pub const LEAST_POINTS: usize = 3;

/// How an observable should depend on depth or width.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Family {
    /// Falls like a power.
    Power,
    /// Tends to a constant.
    Plateau,
}

/// What a claim varies.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Axis {
    /// L, at fixed width.
    Depth,
    /// n, at fixed depth.
    Width,
}

/// A point of a claim's curve.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Point {
    /// L or n
    pub x: usize,
    /// The ensemble's value.
    pub value: f64,
    /// Its standard error over seeds, where the value is a mean over seeds.
    pub standard_error: Option<f64>,
}

/// What a rule says of a claim.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Verdict {
    /// The numbers meet the rule.
    Supported,
    /// They exclude it.
    Contradicted,
    /// They do neither, or there are too few.
    Inconclusive,
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
    pub held: usize,
    /// Observable
    pub observable: &'static str,
    /// Updates done.
    pub step: u32,
    /// Where on the horizon, for observables that live there.
    pub depth_time: Option<f64>,
    /// Family
    pub family: Family,
    /// p of the log–log line; also for plateaus, where it should vanish.
    pub exponent: Option<f64>,
    /// Of the exponent.
    pub ci95: Option<[f64; 2]>,
    /// c of c + a/x, for plateaus.
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
    /// Probability of residuals this large if the family holds; None when nothing was fitted.
    pub goodness: Option<f64>,
    /// The fitted family between the first and the last point, with its 95 % band.
    pub fitted: Vec<FittedPoint>,
    /// The number of points on the curve.
    pub points: usize,
    /// Seeds.
    pub seeds: u64,
    /// Runs of this claim's closure that diverged, over all its points.
    pub diverged: usize,
    /// Exponents between neighbouring points.
    pub local_exponents: Vec<Option<f64>>,
    /// The curve.
    pub curve: Vec<Point>,
}

/// A row of the study's table of claims.
struct Declaration {
    observable: &'static str,
    words: &'static str,
    closures: &'static [Closure],
    axis: Axis,
    first_step: u32,
    /// Where on the horizon: 0, or 1 for its end.
    at: Option<f64>,
    family: Family,
    expected: Option<f64>,
}

use Closure::{Exact, Gia, Nfd};

const fn falls(
    observable: &'static str,
    words: &'static str,
    axis: Axis,
    first_step: u32,
    at: Option<f64>,
) -> Declaration {
    let family = Family::Power;
    Declaration {
        observable,
        words,
        closures: &Closure::ALL,
        axis,
        first_step,
        at,
        family,
        expected: Some(1.0),
    }
}

const fn stays(
    observable: &'static str,
    words: &'static str,
    closures: &'static [Closure],
    at: Option<f64>,
) -> Declaration {
    let family = Family::Plateau;
    Declaration {
        observable,
        words,
        closures,
        axis: Axis::Depth,
        first_step: 1,
        at,
        family,
        expected: None,
    }
}

const fn coupling(observable: &'static str, words: &'static str) -> Declaration {
    Declaration {
        observable,
        words,
        closures: &[Exact, Nfd],
        axis: Axis::Depth,
        first_step: 1,
        at: None,
        family: Family::Power,
        expected: Some(2.0),
    }
}

/// The claims of the study training-convergence (theory: section 5; arXiv 2512.21075, theorem 5.5).
const TRAINING_CONVERGENCE: [Declaration; 13] = [
    falls(WEAK, "weak error of f falls like 1/L", Axis::Depth, 1, None),
    falls("strong.h", "mean-square error of h_L falls like 1/L", Axis::Depth, 1, Some(1.0)),
    falls("strong.g", "mean-square error of g_0 falls like 1/L", Axis::Depth, 0, Some(0.0)),
    falls("strong.h", "mean-square error of h_L falls like 1/n", Axis::Width, 1, Some(1.0)),
    falls("strong.g", "mean-square error of g_0 falls like 1/n", Axis::Width, 0, Some(0.0)),
    coupling("coupling.forward.layer", "forward coupling per layer falls like 1/L²"),
    coupling("coupling.backward.layer.past", "backward coupling per layer falls like 1/L²"),
    stays(
        "coupling.forward.accumulated",
        "accumulated forward coupling stays",
        &[Exact, Nfd],
        None,
    ),
    stays(
        "coupling.backward.accumulated.past",
        "accumulated backward coupling stays",
        &[Exact, Nfd],
        None,
    ),
    stays("closure_gap.f", "gap of f to the exact network stays", &[Gia], None),
    stays("closure_gap.g", "gap of g_0 to the exact network stays", &[Gia], Some(0.0)),
    stays("closure_gap.f", "gap of f to the exact network stays", &[Nfd], None),
    stays("closure_gap.g", "gap of g_0 to the exact network stays", &[Nfd], Some(0.0)),
];

/// Formed here from the rows `difference.f.*`.
const WEAK: &str = "weak.f";

/// Values of one observable at one point: one list over seeds for each output it is formed from.
type Values = Vec<Vec<Option<f64>>>;

/// Closure, width, depth, step, observable, bits of the depth time.
type Key<'a> = (&'a str, usize, usize, u32, &'a str, Option<u64>);

/// results.csv by what identifies a number.
struct Index<'a> {
    seeds: usize,
    rows: HashMap<Key<'a>, Vec<&'a Row>>,
    /// Observables named difference.f.*, in order.
    differences: Vec<&'a str>,
}

impl<'a> Index<'a> {
    fn new(rows: &'a [Row], seeds: u64) -> Self {
        let mut index = Index { seeds: seeds as usize, rows: HashMap::new(), differences: vec![] };
        for row in rows {
            let time = row.depth_time.map(f64::to_bits);
            let name = row.observable.as_str();
            let key = (row.closure, row.width, row.depth, row.step, name, time);
            index.rows.entry(key).or_default().push(row);
            if name.starts_with("difference.f.") && !index.differences.contains(&name) {
                index.differences.push(name);
            }
        }
        index
    }

    fn values(
        &self,
        closure: Closure,
        (width, depth): (usize, usize),
        step: u32,
        observable: &'a str,
        time: Option<f64>,
    ) -> Values {
        let single = [observable];
        let names = if observable == WEAK { &self.differences[..] } else { &single };
        names
            .iter()
            .map(|&name| {
                let key = (closure.name(), width, depth, step, name, time.map(f64::to_bits));
                let mut values = vec![None; self.seeds];
                for row in self.rows.get(&key).into_iter().flatten() {
                    values[row.seed as usize] = Some(row.value);
                }
                values
            })
            .collect()
    }
}

/// The ensemble's value, optionally without one seed: the mean over seeds, or for several outputs
/// the root mean square over outputs of the means over seeds (the weak error of theory, section 4).
fn reduce(observable: &str, values: &Values, without: Option<usize>) -> Option<f64> {
    let means: Vec<f64> = values
        .iter()
        .map(|seeds| {
            let left: Vec<f64> = seeds
                .iter()
                .enumerate()
                .filter(|(seed, _)| Some(*seed) != without)
                .filter_map(|(_, value)| *value)
                .collect();
            mean(&left)
        })
        .collect();
    let value = match observable {
        WEAK => mean(&means.iter().map(|m| m * m).collect::<Vec<_>>()).sqrt(),
        _ => mean(&means),
    };
    value.is_finite().then_some(value)
}

/// All claims of the experiment's study on its results; `diverged` counts diverged runs of a
/// closure.
pub fn evaluate(
    experiment: &Experiment,
    rows: &[Row],
    diverged: impl Fn(Closure) -> usize,
) -> Vec<Claim> {
    let index = Index::new(rows, experiment.ensemble.seeds);
    let ensemble = &experiment.ensemble;
    let mut claims = Vec::new();
    for declaration in &TRAINING_CONVERGENCE {
        let (varied, held) = match declaration.axis {
            Axis::Depth => (&ensemble.depths, &ensemble.widths),
            Axis::Width => (&ensemble.widths, &ensemble.depths),
        };
        let network = experiment.reference.kind == ReferenceKind::Network;
        if varied.len() < 2 || (declaration.axis == Axis::Width && !network) {
            continue;
        }
        for &closure in ensemble.closures.iter().filter(|c| declaration.closures.contains(c)) {
            for &held in held {
                for step in declaration.first_step..=experiment.training.steps {
                    let claim =
                        claim(experiment, &index, declaration, closure, (varied, held), step);
                    claims
                        .extend(claim.map(|claim| Claim { diverged: diverged(closure), ..claim }));
                }
            }
        }
    }
    claims
}

/// None when the observable was not measured at all.
fn claim<'a>(
    experiment: &Experiment,
    index: &Index<'a>,
    declaration: &Declaration,
    closure: Closure,
    (varied, held): (&[usize], usize),
    step: u32,
) -> Option<Claim> {
    let observable = declaration.observable;
    let times = depth_times(experiment);
    let depth_time =
        declaration.at.and_then(|at| if at == 0.0 { times.first() } else { times.last() }).copied();
    let curve: Vec<(usize, Values)> = varied
        .iter()
        .map(|&x| {
            let size = if declaration.axis == Axis::Depth { (held, x) } else { (x, held) };
            (x, index.values(closure, size, step, observable, depth_time))
        })
        .filter(|(_, values)| reduce(observable, values, None).is_some())
        .collect();
    if curve.is_empty() {
        return None;
    }
    let points = |without| -> Option<Vec<(f64, f64)>> {
        let reduced =
            |(x, values): &(usize, Values)| Some((*x as f64, reduce(observable, values, without)?));
        curve.iter().map(reduced).collect()
    };
    let enough = curve.len() >= LEAST_POINTS;
    let estimate = |fit: fn(&[(f64, f64)]) -> Option<f64>| -> Option<Estimate> {
        if !enough {
            return None;
        }
        jackknife(index.seeds, |without| points(without).and_then(|points| fit(&points)))
    };
    let exponent = estimate(exponent);
    let plateau = match declaration.family {
        Family::Plateau => estimate(plateau),
        Family::Power => None,
    };
    let axis = declaration.axis;
    let at = if axis == Axis::Depth { format!("n={held}") } else { format!("L={held}") };
    Some(Claim {
        id: format!("{observable}/{}/{at}/k={step}", closure.name()),
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
        rule: String::new(),
        verdict: Verdict::Inconclusive,
        reason: String::new(),
        goodness: None,
        fitted: Vec::new(),
        points: curve.len(),
        seeds: experiment.ensemble.seeds,
        diverged: 0,
        local_exponents: local_exponents(&points(None).unwrap_or_default()),
        curve: curve
            .iter()
            .filter_map(|(x, values)| {
                let seeds: Vec<f64> = values.first()?.iter().flatten().copied().collect();
                let error = (values.len() == 1).then(|| standard_error(&seeds));
                Some(Point {
                    x: *x,
                    value: reduce(observable, values, None)?,
                    standard_error: error.filter(|e| e.is_finite()),
                })
            })
            .collect(),
    })
}
