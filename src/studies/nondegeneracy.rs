//! Whether features and gradients of all samples and steps stay linearly independent (arXiv
//! 2512.21075, figure 3).

use super::{Design, Results};
use crate::claims::declaration::{MIDDLE, stays};
use crate::claims::{Declaration, SizeAxis};
use crate::experiment::{Group, Precision};
use crate::model::Closure;
use crate::numbers::{measured, plain};
use crate::observables::Observable::{
    self, LargestFeatureEigenvalue, LargestGradientEigenvalue, LeastFeatureEigenvalue,
    LeastGradientEigenvalue,
};
use crate::stats::mean;

pub const DESIGN: Design = Design {
    title: "nondegeneracy of features and gradients",
    question: "Do features and gradients of all samples and steps stay linearly independent?",
    claims: &[
        spectrum(
            LeastFeatureEigenvalue,
            "smallest eigenvalue of the features halfway does not vanish with n",
        ),
        spectrum(
            LeastGradientEigenvalue,
            "smallest eigenvalue of the gradients halfway does not vanish with n",
        ),
    ],
    figures: &[],
    findings: |results| [falls(results), degenerate(results)].concat(),
};

const fn spectrum(observable: Observable, statement: &'static str) -> Declaration {
    let primary = Some(Closure::Exact);
    Declaration {
        first_step: 0,
        axis: SizeAxis::Width,
        primary,
        ..stays(observable, statement, &Closure::ALL, MIDDLE)
    }
}

/// How far the smallest eigenvalues halfway fall from step to step, whatever they do with n: every pass
/// adds columns that are nearly combinations of those before.
fn falls(results: &Results) -> Vec<String> {
    let experiment = results.experiment;
    let ensemble = &experiment.ensemble;
    let (Some(&width), Some(&depth)) = (ensemble.widths.last(), ensemble.depths.last()) else {
        return vec![];
    };
    let sentence = |(what, observable): (&str, Observable)| {
        let at = |step: u32| {
            let rows = results.rows.iter().filter(|row| {
                (row.observable, row.step, row.task.closure)
                    == (observable, step, ensemble.closures[0])
                    && (row.task.width, row.task.depth) == (width, depth)
                    && row.depth_time == Some(experiment.model.horizon / 2.0)
            });
            let values: Vec<f64> = rows.map(|row| row.value).collect();
            (!values.is_empty()).then(|| measured(mean(&values)))
        };
        let steps = experiment.training.recorded_steps();
        let values: Vec<String> = steps.filter_map(at).collect();
        (values.len() > 1).then(|| {
            format!(
                "The smallest eigenvalue of {what} halfway is {} over the first k + 1 passes, k = 0, 1, … \
                 ({}, n = {width}, L = {depth}): what does not vanish with n may still be \
                 nothing to a later step.",
                values.join(", "),
                ensemble.closures[0].name()
            )
        })
    };
    [("the features", LeastFeatureEigenvalue), ("the gradients", LeastGradientEigenvalue)]
        .into_iter()
        .filter_map(sentence)
        .collect()
}

/// Below this share of the largest eigenvalue the smallest is rounding.
fn rounding(precision: Precision) -> f64 {
    match precision {
        Precision::F32 | Precision::Tf32x3 => 1e-6,
        Precision::F64 => 1e-12,
    }
}

/// Where the covariances are singular, from which step on, and why.
fn degenerate(results: &Results) -> Vec<String> {
    let experiment = results.experiment;
    let horizon = experiment.model.horizon;
    let groups = &experiment.model.train;
    let mut sentences = Vec::new();
    for (what, least, largest) in [
        ("φ(h)", LeastFeatureEigenvalue, LargestFeatureEigenvalue),
        ("g", LeastGradientEigenvalue, LargestGradientEigenvalue),
    ] {
        for quarter in experiment.probed_quarters() {
            let time = quarter as f64 * horizon / 4.0;
            let at = |observable: Observable, step: u32| {
                let rows = results.rows.iter().filter(|row| {
                    row.observable == observable && row.step == step && row.depth_time == Some(time)
                });
                let values: Vec<f64> = rows.map(|row| row.value).collect();
                (!values.is_empty()).then(|| mean(&values))
            };
            let singular = |step: &u32| {
                let ends = at(least, *step).zip(at(largest, *step));
                ends.is_some_and(|(least, most)| least <= rounding(experiment.precision) * most)
            };
            let Some(first) = experiment.training.recorded_steps().find(singular) else { continue };
            let why = match (least, quarter) {
                (LeastGradientEigenvalue, 4) => {
                    "the last layer's gradient is V for every sample and step, of rank one (with \
                     several outputs, of their number)"
                }
                (LeastFeatureEigenvalue, 0) if first > 0 && !groups.contains(&Group::Input) => {
                    "the input layer is frozen, so its features are the same at every step"
                }
                (LeastFeatureEigenvalue, 0) => {
                    "some samples are combinations of others, as duplicates are"
                }
                _ => {
                    "columns are combinations of others to rounding: see whether training has stopped"
                }
            };
            sentences.push(format!(
                "Degenerate: the covariance of {what} at depth time {} from step {first} on; {why}.",
                plain(time)
            ));
        }
    }
    if sentences.is_empty() {
        sentences.push("No covariance is degenerate at the probed depth times.".to_owned());
    }
    sentences
}
