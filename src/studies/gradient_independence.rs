//! What independent backward weights change in training (arXiv 2512.21075, figure 2).
//!
//! What is declared is what theory says of the gap: it does not vanish, in depth-μP because the parts
//! that a layer leaves out add up, and in networks without depth scaling it may grow.

use std::fmt::Write;

use super::figures::{Across, By, Figure, LINES};
use super::{Design, Results, decoupling};
use crate::claims::Declaration;
use crate::claims::declaration::{END, LAST, stays};
use crate::model::Closure::{Exact, Gia};
use crate::model::Parametrization::{self, DepthMup, Mup, Vanilla};
use crate::numbers::measured;
use crate::observables::Observable::{
    self, FeatureGap, OutputGap, TestAccuracy, TestLoss, TestLossGap, TrainingAccuracy,
    TrainingLoss,
};

pub const DESIGN: Design = Design {
    title: "independent backward weights in training",
    question: "What changes in training when gradients pass through weights of their own?",
    claims: &[
        Declaration {
            primary: Some(Gia),
            parametrizations: &[DepthMup],
            ..gap(OutputGap, GAP_OF_F, None)
        },
        Declaration { parametrizations: &[Vanilla, Mup], ..gap(OutputGap, GAP_OF_F, None) },
        gap(FeatureGap, "mean-square gap of h_L to the exact network does not vanish with L", END),
        gap(TestLossGap, "gap of the test loss to the exact network does not vanish with L", None),
    ],
    figures: &[
        of_training("loss-train", "Training loss", &[(TrainingLoss, "")]),
        of_training("loss-test", "Test loss", &[(TestLoss, "")]),
        of_training("accuracy-train", "Training accuracy", &[(TrainingAccuracy, "")]),
        of_training("accuracy-test", "Test accuracy", &[(TestAccuracy, "")]),
        by_depth("closure-gap-f-by-depth", "The gap of f against depth", &[(OutputGap, "")]),
        by_depth(
            "closure-gap-loss-test-by-depth",
            "The gap of the test loss against depth",
            &[(TestLossGap, "")],
        ),
    ],
    findings: |results| [decoupling::findings(results), losses(results)].concat(),
};

const GAP_OF_F: &str = "mean-square gap of f to the exact network does not vanish with L";

const fn gap(observable: Observable, statement: &'static str, place: Option<usize>) -> Declaration {
    Declaration {
        first_step: LAST,
        of_infinite_width: true,
        ..stays(observable, statement, &[Gia], place)
    }
}

const fn of_training(
    name: &'static str,
    title: &'static str,
    shown: &'static [(Observable, &'static str)],
) -> Figure {
    Figure {
        name,
        title,
        shown,
        across: Across::Step,
        by: By::Closure,
        each: Some(By::Parametrization),
        has_bands: true,
        caption: "Means, bands of one standard deviation over seeds.",
        ..LINES
    }
}

const fn by_depth(
    name: &'static str,
    title: &'static str,
    shown: &'static [(Observable, &'static str)],
) -> Figure {
    Figure {
        name,
        title,
        shown,
        across: Across::Depth,
        by: By::Parametrization,
        closure: Some(Gia),
        caption: "If a gap falls to zero with L, both closures have the same limit. Bars of one \
                  standard error.",
        ..LINES
    }
}

/// Loss and accuracy of both closures.
fn losses(results: &Results) -> Vec<String> {
    let deepest = results.experiment.ensemble.depths.last().copied().unwrap_or(0);
    let sentence = |setting: Parametrization| {
        let both = |observable| {
            let of = |closure| results.at_the_end(closure, setting, observable);
            Some((of(Exact)?, of(Gia)?))
        };
        let (exact, gia) = both(TestLoss).or_else(|| both(TrainingLoss))?;
        let mut words = format!(
            "In {} at L = {deepest} the loss ends at {} exact and {} with independent backward \
             weights",
            setting.name(),
            measured(exact),
            measured(gia)
        );
        if let Some((exact, gia)) = both(TestAccuracy) {
            let _ = write!(words, ", accuracy at {:.1} % and {:.1} %", 100.0 * exact, 100.0 * gia);
        }
        Some(words + ".")
    };
    results.experiment.parametrizations().into_iter().filter_map(sentence).collect()
}
