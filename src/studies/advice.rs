//! What an experiment cannot show as it is designed, said before it is run: notes and warnings, each
//! with what, where and what to do.
//!
//! A warning says that what the study asks will not be answered; a note, that it will be answered with
//! less certainty, or for less, than it may seem. Nothing here is computed of networks: what depends on
//! sizes of effects rests on the estimates of [`FirstUpdate`], which are rough and say so.

use std::fmt;

use super::possible::{obstacle, possible};
use crate::claims::Declaration;
use crate::data::{DataSet, Samples};
use crate::experiment::{Experiment, Optimizer, ReferenceKind, Study};
use crate::model::{Loss, Parametrization};
use crate::numbers::{count, measured, plain};
use crate::observables::Observable;
use crate::observables::first_update::FirstUpdate;

/// Fewer seeds give no interval.
const LEAST_SEEDS: u64 = 4;
/// Fewer sizes give no verdict.
const LEAST: usize = 4;
/// From so many seeds on an interval is hardly wider than its errors make it.
const GOOD_SEEDS: u64 = 8;
/// From so many sizes on a curve shows whether its exponent still changes.
const GOOD_SIZES: usize = 5;
/// Ratios of neighbouring depths that differ by more than this factor are no ladder.
const EVEN: f64 = 1.2;
/// ‖x‖²/d of inputs that the scales of the network are made for.
const INPUTS: [f64; 2] = [0.1, 10.0];
/// With less of its distance from the labels f has not moved.
const LEAST_MOVEMENT: f64 = 1e-3;
/// A floor of more than this share of the law covers it at one width.
const MOST_FLOOR: f64 = 0.2;
/// At two widths, whose difference removes the floor, its noise: about a tenth of it.
const MOST_FLOOR_OF_PAIRS: f64 = 2.0;

/// Divisors γ and horizons T, and exponents of the depth, within which networks have been studied.
const GAMMAS: [f64; 2] = [1e-3, 1e3];
const HORIZONS: [f64; 2] = [1e-3, 30.0];
const EXPONENTS: [f64; 2] = [-1.0, 2.0];

const DEPTHS: &str = "ensemble.depths";
const WIDTHS: &str = "ensemble.widths";

/// How much an experiment suffers from what is said.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Level {
    /// The question is answered with less certainty, or for less, than it may seem.
    Note,
    /// The question will not be answered; an error where strictness is asked for.
    Warning,
}

/// One thing that an experiment cannot show, or not well.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Advice {
    /// How much the experiment suffers from it.
    pub level: Level,
    /// Dotted path of the field of the experiment that it is about.
    pub field: &'static str,
    /// What cannot be shown and why, in words.
    pub problem: String,
    /// What to do about it, in words.
    pub help: String,
}

impl fmt::Display for Advice {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let level = match self.level {
            Level::Note => "NOTE",
            Level::Warning => "WARNING",
        };
        write!(out, "{level}: {}: {}; {}", self.field, self.problem, self.help)
    }
}

fn note(field: &'static str, problem: String, help: impl Into<String>) -> Advice {
    Advice { level: Level::Note, field, problem, help: help.into() }
}

fn warning(field: &'static str, problem: String, help: impl Into<String>) -> Advice {
    Advice { level: Level::Warning, field, problem, help: help.into() }
}

/// What `experiment` on these samples cannot show, warnings first.
pub fn advice(experiment: &Experiment, data: &DataSet) -> Vec<Advice> {
    if experiment.study == Study::Limit {
        return of_inputs(experiment, data);
    }
    let declared = experiment.study.design().claims;
    let mut said: Vec<Advice> = [
        of_claims(experiment, declared),
        of_seeds(experiment),
        of_depths(experiment, declared),
        of_widths(experiment, declared),
        of_inputs(experiment, data),
        of_extremes(experiment),
        of_first_update(experiment, declared, &data.train),
    ]
    .concat();
    said.sort_by_key(|advice| advice.level != Level::Warning);
    said
}

/// Whether one of a study's primary claims is about how something depends on width, or on depth.
fn is_about(experiment: &Experiment, declared: &[Declaration], width: bool) -> bool {
    let primary = |claim: &Declaration| claim.primary_in(experiment).is_some();
    declared.iter().any(|claim| primary(claim) && claim.axis.is_width() == width)
}

/// Primary claims that cannot be made.
fn of_claims(experiment: &Experiment, declared: &[Declaration]) -> Vec<Advice> {
    let primary = || declared.iter().filter(|claim| claim.primary_in(experiment).is_some());
    let mut reasons: Vec<String> = Vec::new();
    let mut lost = 0;
    for reason in primary().filter_map(|claim| obstacle(experiment, claim)) {
        lost += 1;
        if !reasons.contains(&reason) {
            reasons.push(reason);
        }
    }
    if lost == 0 {
        return Vec::new();
    }
    let (all, study) = (primary().count(), experiment.study.name());
    let problem =
        format!("{lost} of {all} primary claims of {study} cannot be made: {}", reasons.join("; "));
    let level = if lost == all { warning } else { note };
    vec![level("study", problem, "change that, or take another study")]
}

fn of_seeds(experiment: &Experiment) -> Vec<Advice> {
    let seeds = experiment.ensemble.seeds;
    let said = count(seeds, "seed");
    let help = format!("take {GOOD_SEEDS} or more");
    match seeds {
        0..LEAST_SEEDS => vec![warning(
            "ensemble.seeds",
            format!("{said} give no interval, so that every claim will be inconclusive"),
            help,
        )],
        LEAST_SEEDS..GOOD_SEEDS => vec![note(
            "ensemble.seeds",
            format!("intervals from {said} are wide, and decide little"),
            help,
        )],
        _ => Vec::new(),
    }
}

/// Depths whose double is a depth too: points of an error between depths.
fn paired(experiment: &Experiment) -> usize {
    let depths = &experiment.ensemble.depths;
    depths.iter().filter(|&depth| depths.contains(&(2 * depth))).count()
}

fn of_depths(experiment: &Experiment, declared: &[Declaration]) -> Vec<Advice> {
    let depths = &experiment.ensemble.depths;
    let claims: Vec<_> = possible(experiment, declared).collect();
    let along: Vec<_> = claims.iter().filter(|claim| !claim.axis.is_width()).collect();
    if along.is_empty() || depths.len() == 1 {
        return Vec::new(); // one depth is among the reasons why claims cannot be made
    }
    let main = is_about(experiment, declared, false);
    let mut said = of_number(DEPTHS, "depths", depths.len(), main);
    let doubling = experiment.reference.kind == ReferenceKind::Doubling;
    let compares = doubling && along.iter().any(|c| c.observable.compares_with_reference());
    let paired = paired(experiment);
    if compares && depths.len() >= LEAST && paired < LEAST {
        let problem = format!(
            "errors between L and 2L have {}, of {} depths; a verdict needs {LEAST}",
            count(paired as u64, "point"),
            depths.len()
        );
        said.push(warning(DEPTHS, problem, "take depths that double, or a reference network"));
    } else if compares && paired + 1 < depths.len() {
        let alone = depths[..depths.len() - 1].iter().filter(|&l| !depths.contains(&(2 * l)));
        let alone: Vec<String> = alone.map(ToString::to_string).collect();
        let problem =
            format!("L = {} lack their doubles and are compared with nothing", alone.join(", "));
        said.push(note(DEPTHS, problem, "take depths that double, or a reference network"));
    }
    let ratios = depths.windows(2).map(|pair| pair[1] as f64 / pair[0] as f64);
    let (least, most) = ratios.fold((f64::INFINITY, 0.0), |(a, b), r| (r.min(a), r.max(b)));
    if depths.len() > 2 && most > EVEN * least {
        let problem = format!(
            "neighbours are {} to {} times as deep: local exponents are over unequal steps",
            measured(least),
            measured(most)
        );
        said.push(note(DEPTHS, problem, "take depths of a constant ratio, best 2"));
    }
    said
}

/// Too few sizes along which something is claimed; `main` where the study is about that size.
fn of_number(field: &'static str, what: &str, sizes: usize, main: bool) -> Vec<Advice> {
    let help = format!("take {GOOD_SIZES} or more");
    if sizes < LEAST {
        let problem =
            format!("{sizes} {what}: no claim along them is decided by fewer than {LEAST}");
        return vec![if main { warning(field, problem, help) } else { note(field, problem, help) }];
    }
    if sizes < GOOD_SIZES && main {
        let problem = format!("{sizes} {what} leave almost nothing to check a fit by");
        return vec![note(field, problem, help)];
    }
    Vec::new()
}

fn of_widths(experiment: &Experiment, declared: &[Declaration]) -> Vec<Advice> {
    let widths = &experiment.ensemble.widths;
    let claims: Vec<_> = possible(experiment, declared).collect();
    let [n] = widths[..] else {
        let along = claims.iter().any(|claim| claim.axis.is_width());
        let main = is_about(experiment, declared, true);
        return if along { of_number(WIDTHS, "widths", widths.len(), main) } else { Vec::new() };
    };
    if !claims.iter().any(|claim| claim.of_infinite_width) {
        return Vec::new();
    }
    let problem =
        "one width cannot tell laws of infinite width from a floor in 1/n: claims on couplings and \
                   gaps are about this width only"
            .to_owned();
    let pair = if n >= 4 { [n / 4, n] } else { [n, 4 * n] };
    vec![note(WIDTHS, problem, format!("take two widths, as {pair:?}"))]
}

fn of_inputs(experiment: &Experiment, data: &DataSet) -> Vec<Advice> {
    let train = &data.train;
    let squares: f64 = train.inputs.iter().map(|x| x * x).sum();
    let square = squares / train.inputs.len() as f64;
    let mut said = Vec::new();
    if !(INPUTS[0]..=INPUTS[1]).contains(&square) {
        let problem = format!(
            "inputs have ‖x‖²/d = {} in the mean, and the scales of networks assume about 1",
            measured(square)
        );
        said.push(warning("data.normalize", problem, "set it to true, or data.standardize"));
    }
    if experiment.data.normalize && train.dimension == 1 {
        let problem = "normalisation leaves only the sign of inputs of one dimension".to_owned();
        let help = "set it to false, or add a column of ones to the inputs";
        said.push(warning("data.normalize", problem, help));
    }
    if !data.assumed.is_empty() {
        let path = experiment.data.path.clone().unwrap_or_default();
        let problem = format!("{} is read as follows: {}", path.display(), data.assumed.join("; "));
        said.push(note("data.path", problem, "where that is wrong, save it with names"));
    }
    said
}

/// Numbers that a network can be computed with, but that leave nothing of it to be seen.
fn of_extremes(experiment: &Experiment) -> Vec<Advice> {
    let model = &experiment.model;
    let mut said = Vec::new();
    for (field, name, value, [least, most], small, large) in [
        (
            "model.gamma",
            "γ",
            model.gamma,
            GAMMAS,
            "outputs are so large that the first update leaves the finite numbers or f does not move",
            "outputs are so small that only training moves them, by rates that are multiplied by γ²",
        ),
        (
            "model.horizon",
            "T",
            model.horizon,
            HORIZONS,
            "layers add next to nothing to their inputs",
            "what layers add grows along depth like e^T",
        ),
        (
            "model.exponents",
            "branch",
            model.exponents.branch,
            EXPONENTS,
            "branches grow with depth",
            "branches vanish with depth",
        ),
        (
            "model.exponents",
            "rate",
            model.exponents.rate,
            EXPONENTS,
            "learning rates grow with depth",
            "learning rates vanish with depth",
        ),
    ] {
        let outcome = match (value < least, value > most) {
            (true, _) => small,
            (_, true) => large,
            _ => continue,
        };
        let problem = format!("{name} = {}: {outcome}", plain(value));
        let help = format!("take one from {} to {}", plain(least), plain(most));
        said.push(warning(field, problem, help));
    }
    said
}

fn of_first_update(
    experiment: &Experiment,
    declared: &[Declaration],
    train: &Samples,
) -> Vec<Advice> {
    let Experiment { training, ensemble, .. } = experiment;
    if training.optimizer != Optimizer::Sgd {
        return Vec::new(); // estimates are those of gradient descent
    }
    let after = declared.iter().filter(|claim| claim.first_step > 0).count();
    if 2 * after <= declared.len() {
        return Vec::new(); // about the initialisation
    }
    if training.steps == 0 {
        let problem = "no update is done, and the study asks what training does".to_owned();
        return vec![warning("training.steps", problem, "take 1 or more")];
    }
    let estimate = |p| Some((p, FirstUpdate::estimate(experiment, train, p)?));
    let all = experiment.parametrizations().into_iter().filter_map(estimate);
    let all: Vec<(Parametrization, FirstUpdate)> = all.collect();
    let rate = experiment.learning_rates()[0];
    let field = match ensemble.learning_rates {
        Some(_) => "ensemble.learning_rates",
        None => "training.learning_rate",
    };
    let mut said = Vec::new();
    let momentum = training.momentum;
    let updates = f64::from(training.steps) / (1.0 - momentum);
    let most = all.iter().map(|(_, first)| first.response).fold(0.0, f64::max);
    if !all.is_empty() && most * updates < LEAST_MOVEMENT {
        let problem = format!(
            "at η = {} f moves by about {} of its distance from the labels in {}: nothing is trained",
            plain(rate),
            measured(most * updates),
            count(u64::from(training.steps), "update")
        );
        let help = format!("take about {}, or more updates", measured(0.5 * rate / most));
        said.push(warning(field, problem, help));
    }
    // The curvature of a cross-entropy is at most half of that of a square.
    let curvature = if training.loss == Loss::Squared { 1.0 } else { 0.5 };
    let settles = 2.0 * (1.0 + momentum) / curvature;
    for (parametrization, first) in &all {
        if first.response > settles {
            let problem = format!(
                "at η = {} an update in {} moves f by about {} times its distance from the labels: \
                 training will not settle",
                plain(rate),
                parametrization.name(),
                measured(first.response)
            );
            let help = format!("take less than {}", measured(rate * settles / first.response));
            said.push(note(field, problem, help));
        }
    }
    let depth_mup = all.iter().find(|(p, _)| *p == Parametrization::DepthMup);
    let floor = depth_mup.and_then(|(_, first)| of_floor(experiment, declared, first));
    said.extend(floor.filter(|_| train.outputs == 1));
    said
}

/// A floor of backward couplings that will cover their law after one update.
fn of_floor(
    experiment: &Experiment,
    declared: &[Declaration],
    first: &FirstUpdate,
) -> Option<Advice> {
    let mut claims = possible(experiment, declared);
    claims.find(|claim| claim.observable == Observable::BackwardCoupling)?;
    let (width, depth) = (experiment.ensemble.widths.last()?, experiment.ensemble.depths.last()?);
    let share = first.floor_share(*width, *depth);
    let problem = format!(
        "after one update the floor e/(nL) of backward couplings per layer is about {} times their 1/L² \
         law at n = {width}, L = {depth}",
        measured(share)
    );
    let most = match experiment.ensemble.widths[..] {
        [_] => MOST_FLOOR,
        _ => MOST_FLOOR_OF_PAIRS,
    };
    let wider = measured(*width as f64 * share / most);
    let help = format!("take n ≥ {wider}, fewer samples, or rely on the forward couplings");
    (share > most).then(|| note(WIDTHS, problem, help))
}
