//! What an experiment cannot show as it is designed, said before it is run: notes and warnings, each
//! with what, where and what to do.
//!
//! A warning says that what the study asks will not be answered; a note, that it will be answered with
//! less certainty, or for less, than it may seem. Nothing here is computed of networks: what depends on
//! sizes of effects rests on estimates of the first update, which are rough and say so.

mod said;
mod updates;

use super::possible::{obstacle, possible};
use crate::claims::Declaration;
use crate::data::DataSet;
use crate::experiment::{Experiment, ReferenceKind, Study};
use crate::model::{Activation, Parametrization};
use crate::numbers::{count, measured, plain};
use crate::observables::Observable;
pub use said::{Advice, Level};
use said::{note, warning};

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

/// Divisors γ and horizons T, and exponents of the depth, within which networks have been studied.
const GAMMAS: [f64; 2] = [1e-3, 1e3];
const HORIZONS: [f64; 2] = [1e-3, 30.0];
const EXPONENTS: [f64; 2] = [-1.0, 2.0];

const DEPTHS: &str = "ensemble.depths";
const WIDTHS: &str = "ensemble.widths";

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
        of_activation(experiment, declared),
        updates::of_first_update(experiment, declared, &data.train),
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
            format!("there is no interval from {said}, so that every claim will be inconclusive"),
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
        let unscaled = square / experiment.data.scale.powi(2);
        said.push(match (INPUTS[0]..=INPUTS[1]).contains(&unscaled) {
            true => warning("data.scale", problem, "take one nearer to 1"),
            false => warning("data.normalize", problem, "set it to true, or data.standardize"),
        });
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

/// Claims of 1/L on mean squares that the slope of relu does not fulfil where layers add up like Brownian
/// motion (docs/theory.md, 5.1).
fn of_activation(experiment: &Experiment, declared: &[Declaration]) -> Vec<Advice> {
    if experiment.model.activation != Activation::Relu
        || !experiment.parametrizations().contains(&Parametrization::DepthMup)
    {
        return Vec::new();
    }
    let along = || possible(experiment, declared).filter(|claim| !claim.axis.is_width());
    let of_g = along().filter(|claim| claim.observable == Observable::GradientError).count();
    let is_updated_h =
        |claim: &&Declaration| claim.observable == Observable::FeatureError && claim.first_step > 0;
    let of_h = along().filter(is_updated_h).count();
    let slower = of_g + of_h;
    if slower == 0 {
        return Vec::new();
    }
    let after = if of_h > 0 { ", and of h_L after an update," } else { "" };
    let problem = format!(
        "the slope of relu jumps at 0, so that mean-square errors of g_0{after} fall about like L^-1/2: \
         {} of 1/L will not hold",
        count(slower as u64, "claim")
    );
    vec![note(
        "model.activation",
        problem,
        "take a smooth one, as gelu or softplus, or expect L^-1/2 of these errors",
    )]
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
