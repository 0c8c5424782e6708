//! Which curves an experiment has for a declaration, and which of them is the primary one.

use super::declaration::{Declaration, DepthError, Family, LAST, SizeAxis};
use super::series::{Index, Place, Subject};
use crate::experiment::{Experiment, ReferenceKind};
use crate::model::{Closure, Parametrization};
use crate::observables::Observable;
use crate::stats::curve::Reference;
use crate::stats::mean;
use crate::stats::sum::Other;
use crate::stats::verdict::Rule;

/// A declaration about one curve.
pub struct Asked<'a> {
    /// What is claimed of it.
    pub declaration: &'a Declaration,
    /// What it is about.
    pub subject: Subject,
    /// The size that all points share, if they share one.
    pub held: Option<usize>,
    /// The smaller width of a pair from which infinite width is extrapolated.
    pub narrower: Option<usize>,
    /// Its points.
    pub places: Vec<Place>,
    /// Whether it is one of the study's primary claims.
    pub primary: bool,
}

/// All curves of a declaration.
pub fn asked<'a>(
    experiment: &Experiment,
    declaration: &'a Declaration,
    primary_step: u32,
) -> Vec<Asked<'a>> {
    let mut all = Vec::new();
    let recorded: Vec<u32> = experiment.training.compared_steps().collect();
    let last = recorded.last().copied().unwrap_or(0);
    let steps: Vec<u32> = match declaration.first_step {
        LAST => vec![last],
        first => recorded.iter().copied().filter(|&step| step >= first).collect(),
    };
    let chosen = match steps.contains(&primary_step) {
        true => Some(primary_step),
        false => steps.last().copied(),
    };
    let horizon = experiment.model.horizon;
    for (closure, parametrization) in settings(experiment, declaration) {
        let several = experiment.parametrizations();
        let main = match declaration.parametrizations {
            [one, ..] if several.contains(one) => *one,
            _ if several.contains(&Parametrization::DepthMup) => Parametrization::DepthMup,
            _ => several[0],
        };
        let curves = curves(experiment, declaration);
        let widest = curves.iter().map(|sizes| sizes.held).max();
        for sizes in &curves {
            for &step in &steps {
                let subject = Subject {
                    closure,
                    parametrization,
                    learning_rate: experiment.learning_rates()[0],
                    step,
                    observable: declaration.observable,
                    depth_time: declaration.place.map(|i| i as f64 * horizon / 4.0),
                };
                let place = |&(width, depth): &(usize, usize)| {
                    let (x, z) = coordinates(declaration, (width, depth));
                    Place { subject, width, depth, narrower: sizes.narrower, x, z }
                };
                let places = sizes.points.iter().map(place).collect();
                let primary = declaration.primary_in(experiment) == Some(closure)
                    && parametrization == main
                    && Some(sizes.held) == widest
                    && Some(step) == chosen;
                let (held, narrower) = (sizes.held, sizes.narrower);
                all.push(Asked { declaration, subject, held, narrower, places, primary });
            }
        }
    }
    all
}

/// The step of the primary claims, a rule declared before the data: the last compared step at which
/// the deepest and widest networks of the first closure still have 1 % of their first training loss, as
/// a run that has converged hides its differences; at least the first.
pub fn primary_step(experiment: &Experiment, index: &Index) -> u32 {
    let ensemble = &experiment.ensemble;
    let loss = |step| {
        let subject = Subject {
            closure: ensemble.closures[0],
            parametrization: experiment.parametrizations()[0],
            learning_rate: experiment.learning_rates()[0],
            step,
            observable: Observable::TrainingLoss,
            depth_time: None,
        };
        let sizes = (*ensemble.widths.last()?, *ensemble.depths.last()?);
        let values: Vec<f64> =
            index.values(subject, sizes).concat().into_iter().flatten().collect();
        (!values.is_empty()).then(|| mean(&values))
    };
    let start = loss(0).unwrap_or(f64::INFINITY);
    let steps: Vec<u32> = experiment.training.compared_steps().filter(|&step| step > 0).collect();
    let open = |&&step: &&u32| loss(step).is_some_and(|loss| loss >= 0.01 * start);
    let first = steps.first().copied().unwrap_or(0);
    steps.iter().take_while(open).last().copied().unwrap_or(first)
}

/// The closures and parametrizations that a declaration is about.
pub fn settings(
    experiment: &Experiment,
    declaration: &Declaration,
) -> Vec<(Closure, Parametrization)> {
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
    held: Option<usize>,
    narrower: Option<usize>,
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
    let several = widths.len() > 1 && depths.len() > 1;
    let along_depth = |narrower: Option<usize>, width: usize| Sizes {
        held: Some(width),
        narrower,
        points: at_width(width).collect(),
    };
    match declaration.axis {
        SizeAxis::Depth if depths.len() > 1 && declaration.of_infinite_width => match widths[..] {
            [.., narrower, width] => vec![along_depth(Some(narrower), width)],
            [width] => vec![along_depth(None, width)],
            [] => vec![],
        },
        SizeAxis::Depth if depths.len() > 1 => widths
            .iter()
            .filter(|&&n| !(network && compares) || reference.width == Some(n))
            .map(|&n| along_depth(None, n))
            .collect(),
        SizeAxis::Width if widths.len() > 1 && (network || !compares) => depths
            .iter()
            .filter(|&&l| !(network && compares) || reference.depth == Some(l))
            .map(|&l| Sizes {
                held: Some(l),
                narrower: None,
                points: widths.iter().map(|&n| (n, l)).collect(),
            })
            .collect(),
        SizeAxis::DepthOfAll | SizeAxis::WidthOfAll if several && network => {
            let points = widths.iter().flat_map(|&n| at_width(n)).collect();
            vec![Sizes { held: None, narrower: None, points }]
        }
        _ => Vec::new(),
    }
}

/// x and z of a point.
fn coordinates(declaration: &Declaration, (width, depth): (usize, usize)) -> (f64, f64) {
    let (n, l) = (width as f64, depth as f64);
    if declaration.axis.is_width() { (n, l) } else { (l, n) }
}

/// The rule by which a declaration is judged.
pub fn rule(experiment: &Experiment, declaration: &Declaration) -> Rule {
    let exponent = declaration.expected.unwrap_or(1.0);
    match declaration.family {
        Family::Falls => Rule::Falls { exponent },
        Family::Sum => Rule::FallsInSum { exponent, other: other(experiment, declaration) },
        Family::Growth => Rule::Grows { exponent },
        Family::Stays => Rule::Stays,
        Family::Drift => Rule::Flat,
    }
}

/// The size of the reference network along a declaration's axis, if it is compared with one.
pub fn reference_size(experiment: &Experiment, declaration: &Declaration) -> Option<f64> {
    let asked = &experiment.reference;
    let network = asked.kind == ReferenceKind::Network;
    let size = if declaration.axis.is_width() { asked.width } else { asked.depth };
    let size = size.filter(|_| network && declaration.observable.compares_with_reference());
    size.map(|size| size as f64)
}

/// What a curve's values are differences to.
pub fn reference(experiment: &Experiment, declaration: &Declaration) -> Reference {
    match reference_size(experiment, declaration) {
        None => Reference::Limit,
        Some(size) if declaration.axis == SizeAxis::DepthOfAll && declaration.in_depth.aligned => {
            Reference::Aligned(size)
        }
        Some(size) => Reference::Added(size),
    }
}

/// The size of a sum that is not its claim's: errors in width add up, with exponent 1.
fn other(experiment: &Experiment, declaration: &Declaration) -> Other {
    let DepthError { exponent: q, aligned } = declaration.in_depth;
    let is_width = declaration.axis == SizeAxis::DepthOfAll;
    let asked = &experiment.reference;
    let size = if is_width { asked.width } else { asked.depth };
    let reference = match size.map(|size| size as f64) {
        None => Reference::Limit,
        Some(size) if aligned && !is_width => Reference::Aligned(size),
        Some(size) => Reference::Added(size),
    };
    Other { exponent: if is_width { 1.0 } else { q }, reference, is_width }
}
