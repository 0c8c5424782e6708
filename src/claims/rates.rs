//! Losses at several learning rates, and at which they are least.

use serde::Serialize;

use super::series::{Index, Subject};
use crate::experiment::Experiment;
use crate::experiment::grid::{LearningRate, Task};
use crate::model::{Closure, Parametrization};
use crate::observables::Observable;
use crate::stats::median::median;

/// Networks that differ in nothing but learning rate and seed.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Setting {
    /// The closure of the networks.
    pub closure: Closure,
    /// The parametrization of the networks.
    pub parametrization: Parametrization,
    /// Width n of the hidden layers.
    pub width: usize,
    /// Depth L, the number of residual blocks.
    pub depth: usize,
}

/// Losses after the last update of the networks of a setting: rate, and by seed the loss, infinite where a run
/// diverged; None where it is not finished.
pub struct Losses(pub Vec<(f64, Vec<Option<f64>>)>);

/// Where the least of several losses lies.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Least {
    /// Between two rates with finite losses: the vertex of the parabola through the three, logarithm against
    /// logarithm.
    Between(f64),
    /// Beside a rate at which runs diverge: between these two.
    BesideDivergence([f64; 2]),
    /// At the least rate that was tried: below this one, its neighbour.
    AtLowerEdge(f64),
    /// At the greatest rate that was tried: above this one, its neighbour.
    AtUpperEdge(f64),
}

impl Losses {
    /// The losses of a setting, of training or test samples.
    pub fn new(
        experiment: &Experiment,
        index: &Index,
        setting: Setting,
        observable: Observable,
        diverged: &[Task],
    ) -> Losses {
        let Setting { closure, parametrization, width, depth } = setting;
        let step = experiment.training.steps;
        let at = |rate: f64| {
            let subject = Subject {
                closure,
                parametrization,
                learning_rate: rate,
                step,
                observable,
                depth_time: None,
            };
            let mut losses = index.values(subject, (width, depth)).swap_remove(0);
            for (seed, loss) in experiment.ensemble.all_seeds().zip(&mut losses) {
                let learning_rate = LearningRate::new(rate);
                let task = Task { closure, parametrization, width, depth, learning_rate, seed };
                if diverged.contains(&task) {
                    *loss = Some(f64::INFINITY);
                }
            }
            (rate, losses)
        };
        Losses(experiment.learning_rates().iter().map(|&rate| at(rate)).collect())
    }

    /// The median over seeds at each rate, of the seeds that are there; NaN of none.
    pub fn medians(&self) -> Vec<(f64, f64)> {
        let of = |(rate, seeds): &(f64, Vec<Option<f64>>)| {
            (*rate, median(seeds.iter().copied().flatten()))
        };
        self.0.iter().map(of).collect()
    }

    /// The losses of one seed, by its position, at each rate; NaN where it is not finished.
    pub fn of_seed(&self, seed: usize) -> Vec<(f64, f64)> {
        self.0.iter().map(|(rate, seeds)| (*rate, seeds[seed].unwrap_or(f64::NAN))).collect()
    }

    /// The positions of the seeds that have a loss at every rate.
    pub fn whole_seeds(&self) -> Vec<usize> {
        let seeds = self.0.first().map_or(0, |(_, seeds)| seeds.len());
        (0..seeds).filter(|&seed| self.0.iter().all(|(_, losses)| losses[seed].is_some())).collect()
    }

    /// Losses at rate `of` over those at rate `to`, of these seeds; infinite where the first is.
    pub fn ratios(&self, seeds: &[usize], of: f64, to: f64) -> Vec<f64> {
        let at = |rate: f64| self.0.iter().find(|(other, _)| *other == rate);
        let Some(((_, of), (_, to))) = at(of).zip(at(to)) else { return Vec::new() };
        let ratio = |&seed: &usize| match (of[seed]?, to[seed]?) {
            // Of a seed that diverged at both the one cost no more than the other.
            (of, to) if of == to => Some(1.0),
            (of, to) => Some(of / to),
        };
        seeds.iter().filter_map(ratio).collect()
    }

    /// The vertex of the median losses, where their least is between two others.
    pub fn best(&self) -> Option<f64> {
        least(&self.medians())?.between()
    }

    /// The same of one seed.
    pub fn best_of_seed(&self, seed: usize) -> Option<f64> {
        least(&self.of_seed(seed))?.between()
    }
}

impl Least {
    /// The vertex, where the least is between two others.
    pub fn between(self) -> Option<f64> {
        if let Least::Between(vertex) = self { Some(vertex) } else { None }
    }

    /// Two rates between which a loss with one minimum is least; 0 and infinity beyond those that were tried.
    pub fn bracket(self) -> [f64; 2] {
        match self {
            Least::Between(vertex) => [vertex; 2],
            Least::BesideDivergence(between) => between,
            Least::AtLowerEdge(neighbour) => [0.0, neighbour],
            Least::AtUpperEdge(neighbour) => [neighbour, f64::INFINITY],
        }
    }
}

/// Where losses at rates in ascending order are least; None where one that it depends on is not there, or all are
/// infinite. A rate with an infinite loss is no candidate.
pub fn least(losses: &[(f64, f64)]) -> Option<Least> {
    let finite = |i: usize| losses[i].1.is_finite() && losses[i].1 > 0.0;
    let candidates = (0..losses.len()).filter(|&i| finite(i));
    let least = candidates.min_by(|&i, &j| losses[i].1.total_cmp(&losses[j].1))?;
    let neighbour = |i: Option<usize>| i.and_then(|i| losses.get(i)).copied();
    let (left, right) = (neighbour(least.checked_sub(1)), neighbour(Some(least + 1)));
    if [left, right].iter().flatten().any(|(_, loss)| loss.is_nan()) {
        return None;
    }
    let (left, right) = match (left, right) {
        (None, None) => return None,
        (None, Some((rate, _))) => return Some(Least::AtLowerEdge(rate)),
        (Some((rate, _)), None) => return Some(Least::AtUpperEdge(rate)),
        (Some(left), Some(right)) => (left, right),
    };
    if !(left.1.is_finite() && right.1.is_finite()) {
        return Some(Least::BesideDivergence([left.0, right.0]));
    }
    let [(x0, y0), (x1, y1), (x2, y2)] =
        [left, losses[least], right].map(|(rate, loss)| (rate.ln(), loss.ln()));
    // Newton's form: y0 + s (x − x0) + c (x − x0)(x − x1), c > 0 as the middle is the least.
    let (s, t) = ((y1 - y0) / (x1 - x0), (y2 - y1) / (x2 - x1));
    let c = (t - s) / (x2 - x0);
    let vertex = 0.5 * (x0 + x1) - 0.5 * s / c;
    (c > 0.0).then(|| Least::Between(vertex.exp()))
}

#[cfg(test)]
pub mod tests {
    use super::*;

    pub fn parabola(best: f64, rates: &[f64]) -> Losses {
        let loss = |rate: f64| (0.3 + 0.7 * (rate / best).ln().powi(2)).exp();
        Losses(rates.iter().map(|&rate| (rate, vec![Some(loss(rate)); 3])).collect())
    }

    #[test]
    fn vertex_of_a_parabola_is_exact() {
        let losses = parabola(0.37, &[0.1, 0.25, 0.5, 1.3]);
        assert!((losses.best().unwrap() - 0.37).abs() < 1e-12);
        assert!((losses.best_of_seed(1).unwrap() - 0.37).abs() < 1e-12);
    }

    #[test]
    fn an_optimum_at_the_edge_or_beside_divergence_is_bracketed() {
        let of = |losses: &Losses| least(&losses.medians());
        let low = of(&parabola(0.01, &[0.1, 0.25, 0.5]));
        assert_eq!((low, low.unwrap().bracket()), (Some(Least::AtLowerEdge(0.25)), [0.0, 0.25]));
        let high = of(&parabola(9.0, &[0.1, 0.25, 0.5]));
        assert_eq!(high.unwrap().bracket(), [0.25, f64::INFINITY]);
        // One of three seeds that diverged is no majority; it has no vertex itself. Two are.
        let mut losses = parabola(0.37, &[0.1, 0.25, 0.5, 1.3]);
        losses.0[2].1[1] = Some(f64::INFINITY);
        assert!((losses.best().unwrap() - 0.37).abs() < 1e-12);
        assert_eq!((losses.best_of_seed(1), losses.best_of_seed(0).is_some()), (None, true));
        losses.0[2].1[2] = Some(f64::INFINITY);
        assert_eq!(of(&losses), Some(Least::BesideDivergence([0.1, 0.5])));
        // What is not finished says nothing, rather than that it diverged.
        losses.0[2].1 = vec![losses.0[2].1[0], None, None];
        assert!((losses.best().unwrap() - 0.37).abs() < 1e-12);
        losses.0[2].1 = vec![None; 3];
        assert_eq!(of(&losses), None);
        // Nor does a setting of which all runs diverged.
        assert_eq!(least(&[(0.1, f64::INFINITY), (0.2, f64::INFINITY)]), None);
    }
}
