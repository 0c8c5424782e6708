//! What is claimed, and what the numbers say about it.
//!
//! What is claimed is declared ([`declaration`]) before any data, with one primary claim a question:
//! of one closure, at the greatest width or from the two greatest, at the last step that convergence
//! does not hide. The intervals of all primary claims of a run hold together with 95 %, each missing
//! with 5 % over their number; every other claim is beside the question, and its interval holds alone.

mod asked;
pub mod best_rate;
mod claim;
pub mod curve_file;
pub mod curves;
pub mod declaration;
mod fitted;
mod optimum;
mod parts;
mod rates;
mod series;
pub mod stability;

use crate::experiment::Experiment;
use crate::experiment::grid::Task;
use crate::model::Closure;
use crate::observables::{Against, Row};
use crate::stats::curve::{Curve, Reference, local_exponents};
use crate::stats::verdict::{ALPHA, Judgement, Rule, judge};
use asked::Asked;
use claim::id;
pub use claim::{Claim, FittedPoint, Point};
pub use declaration::{Declaration, Family, SizeAxis};
use fitted::bands;
use optimum::Optimum;
pub use parts::{Fit, Part};
use series::{Index, Place, Subject};
use stability::{Unstable, withheld};

/// The runs of an experiment about which no law can be claimed.
#[derive(Clone, Copy, Default)]
pub struct Lost<'a> {
    /// Runs that left the finite numbers: their seeds are left out.
    pub diverged: &'a [Task],
    /// Runs that exploded and stayed finite: what is claimed of their settings is withheld.
    pub unstable: &'a [Unstable],
}

/// All claims that are declared, on the results of an experiment.
///
/// Of several learning rates they are about the least, where the laws of small steps hold; what is
/// said of all of them together is their optimum.
pub fn evaluate(
    experiment: &Experiment,
    declarations: &[Declaration],
    rows: &[Row],
    lost: Lost,
) -> Vec<Claim> {
    let index = Index::new(rows, experiment.ensemble.all_seeds());
    let primary_step = asked::primary_step(experiment, &index);
    let asked = declarations.iter().filter(|declaration| declaration.family != Family::Drift);
    let asked = asked.flat_map(|declaration| asked::asked(experiment, declaration, primary_step));
    let questions: Vec<Question> =
        asked.filter_map(|asked| Question::new(&index, experiment, asked)).collect();
    let drifts = declarations.iter().filter(|declaration| declaration.family == Family::Drift);
    let optima: Vec<Optimum> =
        drifts.flat_map(|declaration| optimum::asked(experiment, declaration)).collect();
    let primary = questions.iter().filter(|question| question.asked.primary).count()
        + optima.iter().filter(|optimum| optimum.primary).count();
    let claims = questions.iter().map(|question| {
        let diverged = lost.diverged.iter().filter(|task| question.is_of(task)).count();
        Claim { diverged, ..question.claim(&index, experiment, primary, lost.unstable) }
    });
    let optima =
        optima.iter().map(|optimum| optimum.claim(experiment, &index, lost.diverged, primary));
    claims.chain(optima).collect()
}

/// A curve that was measured, and what is asked about it.
struct Question<'a> {
    asked: Asked<'a>,
    rule: Rule,
    curve: Curve,
    /// Where its points are.
    places: Vec<Place>,
    /// Their values.
    values: Vec<f64>,
}

impl<'a> Question<'a> {
    /// None when the observable was not measured at all.
    fn new(index: &Index, experiment: &Experiment, asked: Asked<'a>) -> Option<Question<'a>> {
        let reference = asked::reference(experiment, asked.declaration);
        let (curve, places) = index.curve(&asked.places, reference);
        let values = curve.values(None).filter(|values| !values.is_empty())?;
        let rule = asked::rule(experiment, asked.declaration);
        Some(Question { asked, rule, curve, places, values })
    }

    /// Whether a run is one of those that the curve is made of, or are compared with.
    fn is_of(&self, task: &Task) -> bool {
        let Subject { closure, parametrization, learning_rate, observable, .. } =
            self.asked.subject;
        let compared = observable.entry().against == Against::Exact;
        (task.closure == closure || compared && task.closure == Closure::Exact)
            && task.parametrization == parametrization
            && task.learning_rate.value() == learning_rate
            && self.asked.places.iter().any(|place| {
                let width = place.width == task.width || place.narrower == Some(task.width);
                width && place.depth == task.depth
            })
    }

    fn claim(
        &self,
        index: &Index,
        experiment: &Experiment,
        primary: usize,
        unstable: &[Unstable],
    ) -> Claim {
        let Question { asked, rule, curve, places, values } = self;
        let Asked { declaration, subject, held, narrower, .. } = asked;
        let (axis, symbol) = (declaration.axis, declaration.axis.symbol());
        let alpha = if asked.primary { ALPHA / primary as f64 } else { ALPHA };
        let judged = judge(*rule, curve, symbol, alpha);
        let judged = match declaration.of_infinite_width && narrower.is_none() {
            true => judged.at_one_width(held.unwrap_or(0) as f64),
            false => judged,
        };
        let judged = match withheld(experiment, unstable, |task| self.is_of(task)) {
            Some(reason) => {
                let next = "take a smaller learning rate".to_owned();
                Judgement::inconclusive(reason, Some(next))
            }
            None => judged,
        };
        let is_fitted = judged.interval.is_some();
        let at_points = if is_fitted { parts::at_points(curve, *rule) } else { None };
        let points: Vec<Point> = places
            .iter()
            .zip(values.iter().zip(curve.standard_errors()))
            .enumerate()
            .map(|(i, (place, (&value, standard_error)))| Point {
                x: place.x as usize,
                width: place.width,
                depth: place.depth,
                value,
                standard_error,
                fitted: at_points.as_ref().map(|fitted| fitted[i]),
            })
            .collect();
        let pairs: Vec<_> = points.iter().map(|p| (p.x as f64, p.value)).collect();
        let together = matches!(axis, SizeAxis::DepthOfAll | SizeAxis::WidthOfAll);
        let last = places.last();
        let at_start = last.filter(|_| subject.step > 0);
        let at_start = at_start.and_then(|place| {
            let at_start = Place { subject: Subject { step: 0, ..place.subject }, ..*place };
            index.curve(&[at_start], Reference::Limit).0.values(None)?.first().copied()
        });
        let (fitted, fit) = match is_fitted {
            false => (vec![], None),
            true => {
                let fit = parts::parts(curve, *rule, symbol, alpha);
                (bands(curve, *rule, axis, &points), fit)
            }
        };
        Claim {
            id: id(experiment, *subject, axis, *held, *narrower),
            statement: declaration.statement,
            closure: subject.closure,
            parametrization: subject.parametrization,
            learning_rate: subject.learning_rate,
            axis,
            held: *held,
            extrapolated_with: *narrower,
            primary: asked.primary,
            simultaneous: asked.primary.then_some(primary),
            observable: declaration.observable,
            step: subject.step,
            depth_time: subject.depth_time,
            family: declaration.family,
            exponent: judged.exponent,
            ci95: judged.interval,
            plateau: judged.constant,
            plateau_ci95: judged.constant_interval,
            plateau_upper: judged.constant_upper,
            at_start,
            expected: declaration.expected,
            reference_error: self.reference_error(experiment, judged.exponent),
            rule: rule.to_string(),
            verdict: judged.verdict,
            reason: judged.reason,
            next: judged.next,
            points: points.len(),
            seeds: curve.seeds as u64,
            diverged: 0,
            local_exponents: if together { vec![] } else { local_exponents(&pairs) },
            fitted,
            fit,
            curve: points,
        }
    }

    /// The reference's own error over the last value, x^{−p} against x^{−p} − r^{−p}; of a sum, whose
    /// last value has both parts, it is not told.
    fn reference_error(&self, experiment: &Experiment, exponent: Option<f64>) -> Option<f64> {
        let size = asked::reference_size(experiment, self.asked.declaration)?;
        let p = exponent.filter(|p| *p > 0.0 && matches!(self.rule, Rule::Falls { .. }))?;
        let last = self.curve.points.last()?.x;
        Some(size.powf(-p) / self.curve.reference.fall(last, p))
    }
}
