//! Rates at which nothing is trained or training does not settle, and floors that cover a law after one update.

use super::super::possible::possible;
use super::said::{Advice, note, warning};
use crate::claims::Declaration;
use crate::data::Samples;
use crate::experiment::{Experiment, Optimizer};
use crate::model::{Loss, Parametrization};
use crate::numbers::{count, measured, plain};
use crate::observables::Observable;
use crate::observables::first_update::FirstUpdate;

/// With less of its distance from the labels f has not moved.
const LEAST_MOVEMENT: f64 = 1e-3;
/// A floor of more than this share of the law covers it at one width.
const MOST_FLOOR: f64 = 0.2;
/// At two widths, whose difference removes the floor, its noise: about a tenth of it.
const MOST_FLOOR_OF_PAIRS: f64 = 2.0;

/// What training will not show, by estimates of the first update: that nothing moves, that training does not
/// settle, that a floor covers a law.
pub(super) fn of_first_update(
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
    (share > most).then(|| note("ensemble.widths", problem, help))
}
