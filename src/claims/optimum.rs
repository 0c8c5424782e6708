//! The learning rate that trains best, and whether it stays the same at every depth.
//!
//! The optimum of a depth is the vertex of the parabola through the least mean loss and its two
//! neighbours, logarithm against logarithm. Its drift is the slope of log η* against log L. Both have
//! delete-one-seed jackknife intervals.

use super::claim::{Claim, Point, id};
use super::declaration::{Declaration, SizeAxis};
use super::series::{Index, Subject};
use crate::experiment::Experiment;
use crate::experiment::grid::Task;
use crate::model::{Closure, Parametrization};
use crate::observables::Observable;
use crate::stats::curve::local_exponents;
use crate::stats::jackknife::{Estimate, jackknife};
use crate::stats::mean;
use crate::stats::verdict::{ALPHA, LEAST_SEEDS, LEVEL, Rule, Verdict};

/// Mean losses at one depth: rate, and by seed the loss after the last update; None where a run
/// diverged.
type Losses = Vec<(f64, Vec<Option<f64>>)>;

/// A claim for each closure, parametrization and width of an experiment with several rates.
pub fn claims(
    experiment: &Experiment,
    declaration: &Declaration,
    index: &Index,
    diverged: &[Task],
) -> Vec<Claim> {
    let mut claims = Vec::new();
    if experiment.learning_rates().len() < 3 {
        return claims;
    }
    for &closure in &experiment.ensemble.closures {
        for parametrization in experiment.parametrizations() {
            for &width in &experiment.ensemble.widths {
                let lost = diverged.iter().filter(|task| {
                    (task.closure, task.parametrization, task.width)
                        == (closure, parametrization, width)
                });
                let claim = claim(experiment, declaration, index, closure, parametrization, width);
                claims.push(Claim { diverged: lost.count(), ..claim });
            }
        }
    }
    claims
}

fn claim(
    experiment: &Experiment,
    declaration: &Declaration,
    index: &Index,
    closure: Closure,
    parametrization: Parametrization,
    width: usize,
) -> Claim {
    let step = experiment.training.steps;
    let subject = |learning_rate, observable| {
        let depth_time = None;
        Subject { closure, parametrization, learning_rate, step, observable, depth_time }
    };
    let rates = experiment.learning_rates();
    let losses = |depth: usize| -> Losses {
        let at = |&rate: &f64| {
            let mut values = index.values(subject(rate, Observable::TrainingLoss), (width, depth));
            (rate, values.swap_remove(0))
        };
        rates.iter().map(at).collect()
    };
    let seeds = experiment.ensemble.seeds as usize;
    let depths = &experiment.ensemble.depths;
    let all: Vec<(usize, Losses)> = depths.iter().map(|&depth| (depth, losses(depth))).collect();
    let bracketed: Vec<_> =
        all.iter().filter(|(_, losses)| optimum(losses, None).is_some()).collect();
    let points: Vec<Point> = bracketed
        .iter()
        .filter_map(|(depth, losses)| {
            let log = jackknife(seeds, |without| Some(optimum(losses, without)?.ln()))?;
            let value = log.value.exp();
            let standard_error = log.standard_error.map(|error| value * error);
            Some(Point { x: *depth, width, depth: *depth, value, standard_error })
        })
        .collect();
    // Every depth counts alike.
    let slope = |without: Option<usize>| {
        let log = |(depth, losses): &&(usize, Losses)| {
            Some(((*depth as f64).ln(), optimum(losses, without)?.ln()))
        };
        let logs: Option<Vec<(f64, f64)>> = bracketed.iter().map(log).collect();
        Some(slope(&logs?))
    };
    let enough = seeds >= LEAST_SEEDS && bracketed.len() >= LEAST_DEPTHS;
    let exponent: Option<Estimate> = if enough { jackknife(seeds, slope) } else { None };
    let (verdict, reason) = if seeds < LEAST_SEEDS {
        (Verdict::Inconclusive, format!("needs at least {LEAST_SEEDS} seeds, has {seeds}"))
    } else if bracketed.len() < LEAST_DEPTHS {
        let has = bracketed.len();
        let reason = format!(
            "needs at least {LEAST_DEPTHS} depths whose least loss lies between two rates that were \
             tried, has {has}"
        );
        (Verdict::Inconclusive, reason)
    } else {
        drift(exponent)
    };
    // The slopes are of a growth: −(−p).
    let pairs: Vec<_> = points.iter().map(|p| (p.x as f64, 1.0 / p.value)).collect();
    Claim {
        id: id(
            experiment,
            subject(rates[0], Observable::BestLearningRate),
            SizeAxis::Depth,
            Some(width),
            None,
        ),
        statement: declaration.statement,
        closure,
        parametrization,
        learning_rate: rates[0],
        axis: SizeAxis::Depth,
        held: Some(width),
        extrapolated_with: None,
        primary: false,
        simultaneous: None,
        observable: declaration.observable,
        step,
        depth_time: None,
        family: declaration.family,
        exponent: exponent.map(|e| e.value),
        ci95: exponent.and_then(|e| e.interval(ALPHA)),
        plateau: None,
        plateau_ci95: None,
        plateau_upper: None,
        at_start: None,
        expected: declaration.expected,
        reference_error: None,
        rule: Rule::Flat.to_string(),
        verdict,
        reason,
        next: None,
        points: points.len(),
        seeds: experiment.ensemble.seeds,
        diverged: 0,
        local_exponents: local_exponents(&pairs),
        fitted: vec![],
        curve: points,
    }
}

/// Fewer depths do not show whether an optimum drifts.
const LEAST_DEPTHS: usize = 4;

/// The least-squares slope through points.
fn slope(points: &[(f64, f64)]) -> f64 {
    let n = points.len() as f64;
    let (x, y) = points.iter().fold((0.0, 0.0), |(a, b), (x, y)| (a + x / n, b + y / n));
    let over = |of: &dyn Fn(f64, f64) -> f64| -> f64 {
        points.iter().map(|(px, py)| of(px - x, py - y)).sum()
    };
    over(&|dx, dy| dx * dy) / over(&|dx, _| dx * dx)
}

/// What the interval of a drift says.
fn drift(exponent: Option<Estimate>) -> (Verdict, String) {
    let Some((value, [low, high])) = exponent.and_then(|e| Some((e.value, e.interval(ALPHA)?)))
    else {
        return (Verdict::Inconclusive, "no interval for the exponent".to_owned());
    };
    let words = format!("moves like L^{value:.2} [{low:.2}, {high:.2}]");
    if low > 0.0 || high < 0.0 {
        (Verdict::Contradicted, words)
    } else if low > -LEVEL && high < LEVEL {
        (Verdict::Supported, words)
    } else {
        (Verdict::Inconclusive, format!("{words}: the interval is not within ±{LEVEL}"))
    }
}

/// η*, without one seed; None where the least loss is not between two others. A rate at which a run
/// diverged is no candidate, and no neighbour.
fn optimum(losses: &Losses, without: Option<usize>) -> Option<f64> {
    let of = |(rate, seeds): &(f64, Vec<Option<f64>>)| {
        let left = seeds.iter().enumerate().filter(|(seed, _)| Some(*seed) != without);
        let left: Option<Vec<f64>> = left.map(|(_, loss)| *loss).collect();
        let loss = mean(&left?);
        (loss > 0.0 && loss.is_finite()).then(|| (rate.ln(), loss.ln()))
    };
    let logs: Vec<Option<(f64, f64)>> = losses.iter().map(of).collect();
    let value = |i: usize| logs[i].map_or(f64::INFINITY, |(_, y)| y);
    let least = (0..logs.len()).min_by(|&i, &j| value(i).total_cmp(&value(j)))?;
    let [left, right] = [least.checked_sub(1)?, least + 1];
    let [(x0, y0), (x1, y1), (x2, y2)] = [logs[left]?, logs[least]?, (*logs.get(right)?)?];
    // Newton's form: y0 + s (x − x0) + c (x − x0)(x − x1), c > 0 as the middle is the least.
    let (s, t) = ((y1 - y0) / (x1 - x0), (y2 - y1) / (x2 - x1));
    let c = (t - s) / (x2 - x0);
    let vertex = 0.5 * (x0 + x1) - 0.5 * s / c;
    (c > 0.0).then(|| vertex.exp())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parabola(best: f64, rates: &[f64]) -> Losses {
        let loss = |rate: f64| (0.3 + 0.7 * (rate / best).ln().powi(2)).exp();
        rates.iter().map(|&rate| (rate, vec![Some(loss(rate)); 3])).collect()
    }

    #[test]
    fn vertex_of_a_parabola_is_exact() {
        let losses = parabola(0.37, &[0.1, 0.25, 0.5, 1.3]);
        assert!((optimum(&losses, None).unwrap() - 0.37).abs() < 1e-12);
        assert!((optimum(&losses, Some(1)).unwrap() - 0.37).abs() < 1e-12);
    }

    #[test]
    fn an_optimum_at_the_edge_or_beside_divergence_is_none() {
        assert_eq!(optimum(&parabola(0.01, &[0.1, 0.25, 0.5]), None), None);
        assert_eq!(optimum(&parabola(9.0, &[0.1, 0.25, 0.5]), None), None);
        let mut losses = parabola(0.37, &[0.1, 0.25, 0.5, 1.3]);
        losses[2].1[1] = None;
        assert_eq!(optimum(&losses, None), None);
    }
}
