//! Whether learning rates transfer between depths and widths, and which weights move, in two-layer blocks (the
//! source's first version).
//!
//! What collapses with depth is what a block's inner matrix adds to its own pre-activation, not how
//! far that moves; with the inner rate corrected it does not, but f moves ever more.

use super::figures::{Across, By, Figure, LINES};
use super::{Design, Results};
use crate::claims::SizeAxis::{Depth, Width};
use crate::claims::best_rate::BestRate;
use crate::claims::declaration::{falls, stays};
use crate::claims::{Declaration, Family};
use crate::model::Closure;
use crate::model::Parametrization::{self, CompleteP, DepthMup, DepthMupCorrected};
use crate::numbers::plain;
use crate::observables::Observable::{
    self, BestLearningRate, InnerMovement, OutputMovement, OwnMovement, TestLoss, TrainingLoss,
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
        optimum(
            "in complete-p the learning rate that trains best drifts with depth by less than L^±0.1",
            &[CompleteP],
            0.0,
            None,
        ),
        Declaration {
            axis: Width,
            ..optimum(
                "the learning rate that trains best drifts with width by less than n^±0.1",
                &[DepthMup, CompleteP],
                0.0,
                None,
            )
        },
    ],
    figures: &[Figure {
        name: "loss-by-rate",
        title: "Loss against learning rate",
        shown: &[(TrainingLoss, "")],
        across: Across::LearningRate,
        by: By::Depth,
        each: Some(By::Parametrization),
        caption: "Where all curves have their minimum at the same rate, the learning rate \
                  transfers between depths. Rates at which runs diverged have no point.",
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

/// Where the best learning rates begin and end, and what a rate costs that was tuned at the least depth.
fn optima(results: &Results) -> Vec<String> {
    let widest = results.experiment.ensemble.widths.last();
    let told: Vec<&BestRate> =
        results.best_rates.iter().filter(|rate| Some(&rate.setting.width) == widest).collect();
    let kind = |rate: &BestRate| (rate.setting.closure, rate.setting.parametrization, rate.loss);
    let sentence = |depths: &[&BestRate]| {
        let (first, last) = (depths.first()?, depths.last()?);
        let loss = match first.loss {
            TestLoss => "test loss",
            _ => "training loss",
        };
        let mut said = format!(
            "By {loss} the best learning rate of {} in {} is {} at L = {}",
            first.setting.closure.name(),
            first.setting.parametrization.name(),
            first.best_in_words(),
            first.setting.depth
        );
        if first.setting.depth != last.setting.depth {
            said += &format!(" and {} at L = {}", last.best_in_words(), last.setting.depth);
        }
        if let Some((tuned, excess)) = last.tuned.zip(last.excess_in_words())
            && first.setting.depth != last.setting.depth
        {
            let (tuned, at) = (plain(tuned), first.setting.depth);
            said += &format!("; the rate {tuned}, tuned at L = {at}, {excess} there");
        }
        Some(said + ".")
    };
    told.chunk_by(|a, b| kind(a) == kind(b)).filter_map(sentence).collect()
}
