//! What several studies claim and find of couplings, and of what a closure leaves out.

use std::collections::BTreeMap;

use super::Results;
use crate::claims::declaration::{INPUT, falls, stays};
use crate::claims::{Claim, Declaration, SizeAxis};
use crate::model::Closure::{self, Exact, Fresh, Gia};
use crate::model::Parametrization;
use crate::numbers::{measured, plain};
use crate::observables::{Observable, Row};
use crate::stats::mean;
use crate::stats::verdict::Verdict;

/// The forward coupling of a layer falls with depth.
pub const FORWARD: Declaration = Declaration {
    primary: Some(Exact),
    ..coupling(
        Observable::ForwardCoupling,
        "forward coupling per layer falls at least like 1/L² at infinite width",
    )
};
/// The backward coupling of a layer falls with depth.
pub const BACKWARD: Declaration = coupling(
    Observable::BackwardCoupling,
    "backward coupling per layer falls at least like 1/L² at infinite width",
);
/// The forward coupling, summed along depth, stays.
pub const FORWARD_STAYS: Declaration = Declaration {
    of_infinite_width: true,
    ..stays(
        Observable::ForwardCouplingAccumulated,
        "forward coupling accumulated over layers does not vanish with L",
        &[Exact, Fresh],
        None,
    )
};
/// The backward coupling, summed along depth, stays.
pub const BACKWARD_STAYS: Declaration = Declaration {
    of_infinite_width: true,
    ..stays(
        Observable::BackwardCouplingAccumulated,
        "backward coupling accumulated over layers does not vanish with L",
        &[Exact, Fresh],
        None,
    )
};
/// The gap of the output to the exact network stays.
pub const GAP_OF_F: Declaration = Declaration {
    of_infinite_width: true,
    primary: Some(Gia),
    ..stays(
        Observable::OutputGap,
        "mean-square gap of f to the exact network does not vanish with L",
        &[Fresh, Gia],
        None,
    )
};
/// The gap of the first backward features to the exact network stays.
pub const GAP_OF_G: Declaration = Declaration {
    of_infinite_width: true,
    ..stays(
        Observable::GradientGap,
        "mean-square gap of g_0 to the exact network does not vanish with L",
        &[Fresh, Gia],
        INPUT,
    )
};

const fn coupling(observable: Observable, statement: &'static str) -> Declaration {
    Declaration {
        closures: &[Exact, Fresh],
        expected: Some(2.0),
        of_infinite_width: true,
        ..falls(observable, statement, SizeAxis::Depth, 1, None)
    }
}

/// What the closures leave out, in depth-μP: the gap to the exact network in its own units and of f's
/// movement, what a change of the learning rate explains of it, and what the couplings add up to.
pub fn findings(results: &Results) -> Vec<String> {
    let gaps = [Gia, Fresh].into_iter().filter_map(|closure| gap(results, closure));
    gaps.flatten().chain(coupling_sentence(results)).collect()
}

/// The claims of an observable and closure in depth-μP that were supported, the last step first.
fn supported<'a>(
    results: &'a Results,
    observable: Observable,
    closure: Closure,
) -> Option<&'a Claim> {
    let claims = results.claims.iter().filter(|claim| {
        (claim.observable, claim.closure) == (observable, closure)
            && claim.parametrization == Parametrization::DepthMup
            && claim.verdict == Verdict::Supported
    });
    claims.max_by_key(|claim| (claim.primary, claim.step))
}

fn gap(results: &Results, closure: Closure) -> Option<Vec<String>> {
    let claim = supported(results, Observable::OutputGap, closure)?;
    let (width, narrower, last) = (claim.held?, claim.extrapolated_with?, claim.curve.last()?);
    let at = |width: usize, closure: Closure, observable: Observable| {
        let is = |row: &&Row| {
            (row.task.closure, row.task.parametrization) == (closure, claim.parametrization)
                && (row.task.width, row.task.depth) == (width, last.depth)
                && row.task.learning_rate.value() == claim.learning_rate
                && (row.step, row.observable) == (claim.step, observable)
        };
        let values: Vec<f64> = results.rows.iter().filter(is).map(|row| row.value).collect();
        (!values.is_empty()).then(|| mean(&values))
    };
    let of_gap = |width| at(width, closure, Observable::OutputGap);
    let said = match closure {
        Gia => {
            "Independent backward weights that receive the same updates (gia) do not give the \
             network’s f at large depth"
        }
        _ => {
            "Dropping what backward answers owe to forward queries of the same pass leaves a gap \
             of f at large depth"
        }
    };
    let (one, other) = (of_gap(narrower)?, of_gap(width)?);
    let share = at(width, Exact, Observable::OutputMovement).map(|moved| {
        format!(
            "; at n = {width} this is {} % of f’s own movement in mean square, {} % in amplitude",
            measured(100.0 * other / moved),
            measured(100.0 * (other / moved).sqrt())
        )
    });
    let mut sentences = vec![format!(
        "{said}: mean-square gap {} at L = {} and k = {} ({} at n = {narrower}, {} at n = {width}){}.",
        measured(last.value),
        last.depth,
        claim.step,
        measured(one),
        measured(other),
        share.unwrap_or_default()
    )];
    sentences.extend(rate_matched(results, claim, other));
    Some(sentences)
}

/// What is left of a gap when the closure moves faster: its movement of f times the factor that fits
/// best, one for the ensemble, and the best of the learning rates that were run.
fn rate_matched(results: &Results, claim: &Claim, gap: f64) -> Vec<String> {
    let (Some(width), Some(last)) = (claim.held, claim.curve.last()) else { return vec![] };
    let outputs = |closure: Closure, rate: f64, step: u32| {
        let is = move |row: &&Row| {
            (row.task.closure, row.task.parametrization) == (closure, claim.parametrization)
                && (row.task.width, row.task.depth) == (width, last.depth)
                && row.task.learning_rate.value() == rate
                && (row.step, row.observable) == (step, Observable::Output)
        };
        let keyed = |row: &Row| ((row.task.seed, row.sample, row.output), row.value);
        results.rows.iter().filter(is).map(keyed).collect::<BTreeMap<_, _>>()
    };
    let moved = |closure: Closure, rate: f64| {
        let (start, end) = (outputs(closure, rate, 0), outputs(closure, rate, claim.step));
        let change = |(key, f): (_, f64)| Some((key, f - start.get(&key)?));
        end.into_iter().filter_map(change).collect::<BTreeMap<_, _>>()
    };
    let exact = moved(Exact, claim.learning_rate);
    let pairs = |rate: f64| -> Vec<(f64, f64)> {
        let of = moved(claim.closure, rate);
        exact.iter().filter_map(|(key, e)| Some((*e, *of.get(key)?))).collect()
    };
    let own = pairs(claim.learning_rate);
    let product = |f: fn(&(f64, f64)) -> f64| own.iter().map(f).sum::<f64>();
    let factor = product(|(e, c)| e * c) / product(|(_, c)| c * c);
    let left = mean(&own.iter().map(|(e, c)| (e - factor * c).powi(2)).collect::<Vec<_>>());
    if !(factor.is_finite() && left.is_finite()) {
        return vec![];
    }
    let mut sentences = vec![format!(
        "With f’s movement under {} times {factor:.2}, the factor that fits best, the gap at n = \
         {width} is {} instead of {}: the factor takes away what differs in speed, and what is left differs \
         in direction or is noise of this width.",
        claim.closure.name(),
        measured(left),
        measured(gap)
    )];
    let rates = results.experiment.learning_rates();
    let tried = rates.iter().filter(|_| rates.len() > 1).map(|&rate| {
        let squares: Vec<f64> = pairs(rate).iter().map(|(e, c)| (e - c).powi(2)).collect();
        (rate, mean(&squares))
    });
    let best = tried.filter(|(_, gap)| gap.is_finite()).min_by(|a, b| a.1.total_cmp(&b.1));
    if let Some((rate, gap)) = best {
        sentences.push(format!(
            "Of the learning rates that were run, {} with η = {} is nearest to exact with η = {}: \
             gap {}.",
            claim.closure.name(),
            plain(rate),
            plain(claim.learning_rate),
            measured(gap)
        ));
    }
    sentences
}

/// What couplings do per layer and in sum, and what the source's abstracts say of it.
fn coupling_sentence(results: &Results) -> Option<String> {
    let layer = supported(results, Observable::ForwardCoupling, Exact)?;
    let mut words = format!(
        "Per layer the forward coupling falls at least like 1/L² in mean square (k = {}); the abstract \
         of arXiv 2512.21075 says O(1/L²)",
        layer.step
    );
    match supported(results, Observable::ForwardCouplingAccumulated, Exact) {
        None => words.push('.'),
        Some(_) => words.push_str(
            ". Summed over layers it does not vanish: in the linear case, which can be solved, its \
             parts add up along g. The abstract of version 1 calls gradient independence valid \
             again at infinite depth, that of version 3 the accumulated coupling negligible; \
             whether they mean the limit of gia or that of exact the abstracts do not tell, and we \
             have not seen the proofs.",
        ),
    }
    Some(words)
}
