//! What is claimed, and what the numbers say about it.
//!
//! What is claimed is declared ([`declaration`]) before any data. A power claim is contradicted by a
//! plateau, so both are fitted.

mod claim;
pub mod declaration;
mod fitted;
mod optimum;
mod series;

use crate::experiment::grid::Task;
use crate::experiment::{Experiment, ReferenceKind};
use crate::model::{Closure, Parametrization};
use crate::observables::Row;
use crate::stats::curve::Curve;
use crate::stats::fit::{self, Fit, Reference, local_exponents};
use crate::stats::verdict::{LEAST_GOODNESS, LEAST_SEEDS, Rule, Verdict, judge};
use claim::id;
pub use claim::{Claim, FittedPoint, Point};
use declaration::DepthError;
pub use declaration::{Declaration, Family, SizeAxis};
use fitted::{bands, goodness};
use series::{Index, Subject};

/// All claims that are declared, on the results of an experiment; `diverged` are the runs that did.
///
/// Of several learning rates they are about the least, where the laws of small steps hold; what is
/// said of all of them together is their optimum.
pub fn evaluate(
    experiment: &Experiment,
    declarations: &[Declaration],
    rows: &[Row],
    diverged: &[Task],
) -> Vec<Claim> {
    let index = Index::new(rows, experiment.ensemble.all_seeds());
    let mut claims = Vec::new();
    for declaration in declarations {
        if declaration.family == Family::Drift {
            claims.extend(optimum::claims(experiment, declaration, &index, diverged));
            continue;
        }
        for (closure, parametrization) in settings(experiment, declaration) {
            for sizes in curves(experiment, declaration) {
                let learning_rate = experiment.learning_rates()[0];
                let lost = diverged.iter().filter(|task| {
                    (task.closure, task.parametrization) == (closure, parametrization)
                        && task.learning_rate.value() == learning_rate
                        && sizes.points.contains(&(task.width, task.depth))
                });
                let lost = lost.count();
                let first = declaration.first_step.min(experiment.training.steps);
                for step in experiment.training.recorded_steps().filter(|&step| step >= first) {
                    let quarter = declaration.place;
                    let depth_time = quarter.map(|i| i as f64 * experiment.model.horizon / 4.0);
                    let observable = declaration.observable;
                    let subject = Subject {
                        closure,
                        parametrization,
                        learning_rate,
                        step,
                        observable,
                        depth_time,
                    };
                    let claim = claim(&index, experiment, declaration, subject, &sizes);
                    claims.extend(claim.map(|claim| Claim { diverged: lost, ..claim }));
                }
            }
        }
    }
    claims
}

/// The closures and parametrizations that a declaration is about.
fn settings(experiment: &Experiment, declaration: &Declaration) -> Vec<(Closure, Parametrization)> {
    let Declaration { closures, parametrizations, .. } = declaration;
    let there = experiment.parametrizations();
    let there =
        there.iter().filter(|p| parametrizations.is_empty() || parametrizations.contains(p));
    let there: Vec<_> = there.copied().collect();
    let closures = experiment.ensemble.closures.iter().filter(|c| closures.contains(c));
    closures.flat_map(|&closure| there.iter().map(move |&p| (closure, p))).collect()
}

/// The sizes of a curve's points.
struct Sizes {
    /// The size that all of them share, if they share one.
    held: Option<usize>,
    /// Width and depth of each point.
    points: Vec<(usize, usize)>,
}

/// The curves of a declaration that the experiment has.
///
/// Errors against one reference network are a/n + b/L^q: with one size held they fall with L only at
/// the reference's own width, and with n only at its depth. All together they are fitted as that sum.
fn curves(experiment: &Experiment, declaration: &Declaration) -> Vec<Sizes> {
    let (widths, depths) = (&experiment.ensemble.widths, &experiment.ensemble.depths);
    let reference = &experiment.reference;
    let network = reference.kind == ReferenceKind::Network;
    let compares = declaration.observable.compares_with_reference();
    let at_width = |n: usize| depths.iter().map(move |&l| (n, l));
    let all = || {
        let points = widths.iter().flat_map(|&n| at_width(n)).collect();
        vec![Sizes { held: None, points }]
    };
    let several = widths.len() > 1 && depths.len() > 1;
    match declaration.axis {
        SizeAxis::Depth if depths.len() > 1 => widths
            .iter()
            .filter(|&&n| !(network && compares) || reference.width == Some(n))
            .map(|&n| Sizes { held: Some(n), points: at_width(n).collect() })
            .collect(),
        SizeAxis::Width if widths.len() > 1 && (network || !compares) => depths
            .iter()
            .filter(|&&l| !(network && compares) || reference.depth == Some(l))
            .map(|&l| Sizes { held: Some(l), points: widths.iter().map(|&n| (n, l)).collect() })
            .collect(),
        SizeAxis::DepthOfAll | SizeAxis::WidthOfAll if declaration.family == Family::Sum => {
            if several && network {
                all()
            } else {
                Vec::new()
            }
        }
        SizeAxis::DepthOfAll if several => all(),
        _ => Vec::new(),
    }
}

/// What fits a claim's curve.
struct Fitting {
    own: fit::Form,
    reference: Reference,
    /// That of the reference network, if it is compared with.
    size: Option<f64>,
    /// Whether a plateau contradicts it.
    can_stay: bool,
}

/// The family of a declaration, and what its values are differences to.
fn fitting(experiment: &Experiment, declaration: &Declaration) -> Fitting {
    let Declaration { axis, in_depth: DepthError { aligned, .. }, .. } = *declaration;
    let own = match declaration.family {
        Family::Plateau => fit::Form::Plateau,
        Family::Growth => fit::Form::Growth,
        Family::Sum => fit::Form::Sum(other(experiment, declaration)),
        Family::PowerAndFloor => fit::Form::Power { floor: true },
        Family::Trend => fit::Form::Trend,
        Family::Power | Family::Drift => fit::Form::Power { floor: false },
    };
    let asked = &experiment.reference;
    let network = asked.kind == ReferenceKind::Network;
    let network = network && declaration.observable.compares_with_reference();
    let [width, depth] = [asked.width, asked.depth].map(|size| size.filter(|_| network));
    let size = if axis.is_width() { width } else { depth };
    let size = size.map(|size| size as f64);
    let reference = match size {
        None => Reference::Limit,
        // Eight times wider, it bends the exponent by 0.05; with the correction b/n the difference
        // would tell p from b less well than that.
        Some(_) if axis == SizeAxis::Width => Reference::Limit,
        Some(size) if axis == SizeAxis::DepthOfAll && aligned => Reference::Aligned(size),
        Some(size) => Reference::Added(size),
    };
    let can_stay = !matches!(declaration.family, Family::Sum | Family::Trend | Family::Growth);
    Fitting { own, reference, size, can_stay }
}

/// The size of a sum that is not its claim's: errors in width add up, with exponent 1.
fn other(experiment: &Experiment, declaration: &Declaration) -> fit::Other {
    let DepthError { exponent: q, aligned } = declaration.in_depth;
    let is_width = declaration.axis == SizeAxis::DepthOfAll;
    let asked = &experiment.reference;
    let size = if is_width { asked.width } else { asked.depth };
    let reference = match size.map(|size| size as f64) {
        None => Reference::Limit,
        Some(size) if aligned && !is_width => Reference::Aligned(size),
        Some(size) => Reference::Added(size),
    };
    fit::Other { exponent: if is_width { 1.0 } else { q }, reference, is_width }
}

/// x and z of a point.
fn coordinates(declaration: &Declaration, (width, depth): (usize, usize)) -> (f64, f64) {
    let (n, l) = (width as f64, depth as f64);
    match (declaration.axis, declaration.family) {
        (SizeAxis::Width, _) => (n, 1.0 / (n * l)),
        (SizeAxis::WidthOfAll, _) => (n, l),
        (_, Family::Sum) => (l, n),
        _ => (l, 1.0 / (n * l)),
    }
}

/// None when the observable was not measured at all.
fn claim(
    index: &Index,
    experiment: &Experiment,
    declaration: &Declaration,
    subject: Subject,
    Sizes { held, points }: &Sizes,
) -> Option<Claim> {
    let axis = declaration.axis;
    let by_width = axis.is_width();
    let x = |(width, depth)| if by_width { width } else { depth };
    let Fitting { own, reference, size, can_stay } = fitting(experiment, declaration);
    let xz = |size| coordinates(declaration, size);
    let (curve, sizes) = index.curve(subject, points, xz, reference);
    let values: Option<Vec<f64>> = curve.points.iter().map(|p| curve.value(p, None)).collect();
    let values = values.filter(|values| !values.is_empty())?;

    let rule = match (declaration.family, declaration.expected) {
        (Family::Growth | Family::Trend, Some(exponent)) => Rule::Grows { exponent },
        (_, Some(exponent)) => Rule::AtLeast { exponent },
        (_, None) => Rule::Plateau,
    };
    let refusal = refusal(&curve, own);
    let estimate = |family, of: fn(&Fit) -> f64| {
        if refusal.is_some() { None } else { curve.estimate(family, of) }
    };
    let falling = match own {
        fit::Form::Plateau => fit::Form::Power { floor: false },
        own => own,
    };
    let exponent = estimate(falling, |fit| fit.exponent);
    let plateau = estimate(fit::Form::Plateau, |fit| fit.coefficients[0]).filter(|_| can_stay);
    let last = values[values.len() - 1];
    let goodness = if refusal.is_some() { None } else { goodness(&curve, own) };
    let (verdict, reason) = match &refusal {
        Some(reason) => (Verdict::Inconclusive, reason.clone()),
        None => {
            let (mut verdict, mut reason) = judge(rule, exponent, plateau, last);
            if let Some(probability) = goodness.filter(|probability| *probability < LEAST_GOODNESS)
            {
                // Only a plateau still contradicts.
                let without = judge(rule, None, plateau, last).0;
                if verdict == Verdict::Contradicted && without != verdict {
                    verdict = Verdict::Inconclusive;
                }
                reason += &format!(
                    "; the family does not describe the points (probability {probability:.0e})"
                );
            }
            let least = curve.fit(own, None).is_some_and(|fit| fit.least);
            let note = "; the correction b/x is at its bound, the exponent the least allowed";
            (verdict, reason + if least { note } else { "" })
        }
    };
    let points: Vec<Point> = sizes
        .iter()
        .zip(values.iter().zip(curve.standard_errors()))
        .map(|(&(width, depth), (&value, standard_error))| Point {
            x: x((width, depth)),
            width,
            depth,
            value,
            standard_error,
        })
        .collect();
    let pairs: Vec<_> = points.iter().map(|p| (p.x as f64, p.value)).collect();
    let together = matches!(axis, SizeAxis::DepthOfAll | SizeAxis::WidthOfAll);
    let fitted = if refusal.is_some() { None } else { curve.fit(own, None) };
    let own_error = |fit: Fit| fit.of_reference().or_else(|| size.map(|x| fit.at(x, 0.0)));
    let reference_error = fitted.and_then(|fit| Some(own_error(fit)? / last));
    Some(Claim {
        id: id(experiment, subject, axis, *held),
        statement: declaration.statement,
        closure: subject.closure,
        parametrization: subject.parametrization,
        learning_rate: subject.learning_rate,
        axis,
        held: *held,
        observable: declaration.observable,
        step: subject.step,
        depth_time: subject.depth_time,
        family: declaration.family,
        exponent: exponent.map(|e| e.value),
        ci95: exponent.and_then(|e| e.ci95),
        plateau: plateau.map(|e| e.value),
        plateau_ci95: plateau.and_then(|e| e.ci95),
        expected: declaration.expected,
        reference_error,
        rule: rule.to_string(),
        verdict,
        reason,
        goodness,
        points: points.len(),
        seeds: curve.seeds as u64,
        diverged: 0,
        local_exponents: if together { vec![] } else { local_exponents(&pairs) },
        fitted: if refusal.is_some() { vec![] } else { bands(&curve, own, axis, &points) },
        curve: points,
    })
}

/// Why a curve is not fitted: too few points or seeds, with the minimum.
fn refusal(curve: &Curve, family: fit::Form) -> Option<String> {
    let (points, least) = (curve.points.len(), family.least_points());
    let too_few = |what: &str, least: usize, has: usize| {
        Some(format!("needs at least {least} {what}, has {has}"))
    };
    let distinct = fit::distinct(curve.points.iter().map(|point| point.x));
    if curve.seeds < LEAST_SEEDS {
        too_few("seeds at every point", LEAST_SEEDS, curve.seeds)
    } else if distinct < family.least_distinct() {
        too_few("sizes", family.least_distinct(), distinct)
    } else if points < least {
        too_few("points", least, points)
    } else {
        None
    }
}
