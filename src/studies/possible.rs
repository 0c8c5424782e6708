//! Which of its study's claims an experiment can make at all, and what stands in the way of the others.

use crate::claims::{Declaration, SizeAxis};
use crate::experiment::{Batch, Block, Engine, Experiment, ReferenceKind};
use crate::model::Closure;
use crate::observables::{Against, Observable};

/// Why the experiment cannot make a declared claim; None where it can.
pub fn obstacle(experiment: &Experiment, claim: &Declaration) -> Option<String> {
    let Experiment { ensemble, reference, training, model, .. } = experiment;
    let observable = claim.observable;
    let entry = observable.entry();
    let said = |there: bool, words: &str| there.then(|| words.to_owned());
    let there = experiment.parametrizations();
    let of_these = claim.parametrizations;
    let runs = |closures: &[Closure]| closures.iter().any(|c| ensemble.closures.contains(c));
    // A primary claim is about one closure.
    let primary = claim.primary.as_ref().map_or(claim.closures, std::slice::from_ref);
    let closures: Vec<_> = primary.iter().map(|closure| closure.name()).collect();
    let (one_depth, one_width) = (ensemble.depths.len() == 1, ensemble.widths.len() == 1);
    let compares = observable.compares_with_reference();
    let network = reference.kind == ReferenceKind::Network;
    let own_size = match claim.axis {
        SizeAxis::Depth => reference.width.is_some_and(|n| ensemble.widths.contains(&n)),
        SizeAxis::Width => reference.depth.is_some_and(|l| ensemble.depths.contains(&l)),
        SizeAxis::DepthOfAll | SizeAxis::WidthOfAll => true,
    };
    let coupling = entry.name.starts_with("coupling.");
    let place = claim.place.is_some_and(|i| !experiment.probed_quarters().contains(&i));
    [
        said(!runs(primary), &format!("closure {} is not run", closures.join(" or "))),
        said(entry.against == Against::Exact && !runs(&[Closure::Exact]), "exact is not run"),
        said(
            !of_these.is_empty() && !of_these.iter().any(|p| there.contains(p)),
            "none of their parametrizations is run",
        ),
        said(one_depth && claim.axis != SizeAxis::Width, "there is one depth"),
        said(one_width && claim.axis != SizeAxis::Depth, "there is one width"),
        said(compares && reference.kind == ReferenceKind::None, "reference is none"),
        said(compares && reference.kind == ReferenceKind::Limit, "reference is the limit"),
        said(
            compares && !network && claim.axis != SizeAxis::Depth,
            "errors in width need a reference network",
        ),
        said(
            compares && network && !own_size,
            "no network has the width of the reference, or none its depth",
        ),
        said(
            observable == Observable::WeakLimitError && experiment.limit.is_none(),
            "the limit is not computed",
        ),
        said(training.steps == 0 && claim.first_step > 0, "no update is done"),
        said(coupling && experiment.engine == Engine::Dense, "dense networks record no couplings"),
        said(
            observable == Observable::InnerMovement
                && (model.block == Block::OneLayer || training.batch != Batch::Full),
            "only two-layer blocks without minibatches record their inner movement",
        ),
        said(
            observable == Observable::BestLearningRate && experiment.learning_rates().len() < 3,
            "fewer than three learning rates are tried",
        ),
        said(
            observable == Observable::TestLossGap && experiment.data.test_samples == 0,
            "there are no test samples",
        ),
        said(place, "their depth time is no layer of some depth"),
    ]
    .into_iter()
    .flatten()
    .next()
}

/// The declared claims that the experiment can make.
pub fn possible<'a>(
    experiment: &Experiment,
    declared: &'a [Declaration],
) -> impl Iterator<Item = &'a Declaration> {
    declared.iter().filter(|claim| obstacle(experiment, claim).is_none())
}
