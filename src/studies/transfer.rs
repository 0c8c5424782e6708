//! Whether learning rates transfer between depths, and which weights move, in two-layer blocks (the
//! source's first version).
//!
//! What collapses with depth is what a block's inner matrix adds to its own pre-activation, not how
//! far that moves; with the inner rate corrected it does not, but f moves ever more.

use super::figures::{Across, By, Figure, LINES};
use super::{Design, Results};
use crate::claims::SizeAxis::Depth;
use crate::claims::declaration::{falls, stays};
use crate::claims::{Claim, Declaration, Family};
use crate::model::Closure;
use crate::model::Parametrization::{self, DepthMup, DepthMupCorrected};
use crate::numbers::measured;
use crate::observables::Observable::{
    self, BestLearningRate, InnerMovement, OutputMovement, OwnMovement, TrainingLoss,
};

pub const DESIGN: Design = Design {
    title: "transfer of learning rates between depths",
    question: "Does the best learning rate stay the same at every depth, and what moves?",
    claims: &[
        Declaration {
            parametrizations: &[DepthMup],
            primary: Some(Closure::Exact),
            ..falls(
                OwnMovement,
                "movement by the inner layer's own weights falls at least like 1/L in mean square",
                Depth,
                1,
                None,
            )
        },
        moves(
            InnerMovement,
            "movement of the inner pre-activation does not vanish with L",
            &[DepthMup],
        ),
        moves(OutputMovement, "movement of f does not vanish with L", &[DepthMup]),
        moves(
            OwnMovement,
            "with corrected rates movement by the inner layer's own weights does not vanish with L",
            &[DepthMupCorrected],
        ),
        Declaration {
            parametrizations: &[DepthMupCorrected],
            family: Family::Growth,
            ..falls(
                OutputMovement,
                "with corrected rates the movement of f grows at least like L in mean square",
                Depth,
                1,
                None,
            )
        },
        optimum(
            "the learning rate that trains best drifts with depth by less than L^±0.1",
            &[DepthMup],
            0.0,
            Some(Closure::Exact),
        ),
        optimum(
            "with corrected rates the learning rate that trains best falls with depth",
            &[DepthMupCorrected],
            -0.5,
            None,
        ),
    ],
    figures: &[Figure {
        name: "loss-by-rate",
        title: "Loss against learning rate",
        shown: &[(TrainingLoss, "")],
        across: Across::LearningRate,
        by: By::Depth,
        each: Some(By::Parametrization),
        caption: "Where all curves have their least loss at one place, the learning rate transfers \
                  between depths. Rates at which runs diverged have no point.",
        ..LINES
    }],
    findings: optima,
};

const fn moves(
    observable: Observable,
    statement: &'static str,
    parametrizations: &'static [Parametrization],
) -> Declaration {
    Declaration { parametrizations, ..stays(observable, statement, &Closure::ALL, None) }
}

const fn optimum(
    statement: &'static str,
    parametrizations: &'static [Parametrization],
    expected: f64,
    primary: Option<Closure>,
) -> Declaration {
    Declaration {
        parametrizations,
        primary,
        family: Family::Drift,
        expected: Some(expected),
        ..falls(BestLearningRate, statement, Depth, 1, None)
    }
}

/// Where the best learning rates begin and end.
fn optima(results: &Results) -> Vec<String> {
    let claims = results.claims.iter().filter(|claim| claim.family == Family::Drift);
    let sentence = |claim: &Claim| {
        let (first, last) = (claim.curve.first()?, claim.curve.last()?);
        Some(format!(
            "The best learning rate of {} in {} is {} at L = {} and {} at L = {}.",
            claim.closure.name(),
            claim.parametrization.name(),
            measured(first.value),
            first.depth,
            measured(last.value),
            last.depth
        ))
    };
    claims.filter_map(sentence).collect()
}
