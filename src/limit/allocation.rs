//! How many networks of which level: the least work that meets the tolerance, by measured variances.

use std::ops::Range;

use super::estimate::{LEAST_LEVELS, Level, depth_bound, weights, width_bound};
use crate::experiment::limit::{FIRST_DEPTH, LAST_DEPTH, Part, networks_of};

/// The share of the bias budget that depth may take; the rest is for width.
const OF_DEPTH: f64 = 0.7;
/// The standard error that the bound of the bias in width may have, as a share of the bias budget.
const OF_WIDTH_ERROR: f64 = 0.15;
/// From level to level variances fall by this factor or more: L^{-3/2}.
const FALL: f64 = 2.8;
/// Levels that are added at once, at most.
const MOST_NEW: usize = 3;
/// Networks of a level become at most so many times as many in a round: variances of few are uncertain.
const GROWTH: f64 = 32.0;
/// A level that needs more networks gets a few more than that, or it would need some more again.
const MARGIN: f64 = 1.03;

/// Why a tolerance cannot be reached.
#[derive(Clone, Debug, PartialEq)]
pub struct Shortfall {
    /// What keeps it from being reached, in words.
    pub problem: String,
    /// What to do about it, in words.
    pub help: String,
}

/// What is to be done next.
#[derive(Clone, Debug, PartialEq)]
pub enum Next {
    /// More networks: so many of each level and part.
    More(Vec<(usize, Part, f64)>),
    /// Nothing: the first so many levels meet the tolerance.
    Done(usize),
    /// Nothing that would help; the levels that come nearest.
    Short(usize, Shortfall),
}

/// What networks of a depth cost, in any unit: those of a whole block, or of a divided one.
pub type CostOf<'a> = &'a dyn Fn(usize, Part) -> f64;

/// The depth of level `level`, from 0.
pub fn depth_of(level: usize) -> usize {
    FIRST_DEPTH << level
}

/// What is to be done after `levels`, of which at least the first three are there, for outputs in
/// `targets` of networks of width `width`.
pub fn next(
    levels: &[Level],
    targets: &Range<usize>,
    (tolerance, width): (f64, usize),
    cost: CostOf,
) -> Next {
    let budget = tolerance / 2.0_f64.sqrt();
    let worst = |bound: &dyn Fn(usize) -> f64| largest(targets, bound);
    let used = levels_for(levels, targets, budget);
    if depth_of(used - 1) > LAST_DEPTH {
        let problem = format!("depth {LAST_DEPTH} is not deep enough: the levels do not settle");
        let help = "take a smaller learning rate, a shorter horizon or a larger tolerance";
        return Next::Short(levels.len(), Shortfall { problem, help: help.to_owned() });
    }
    let wanted = allocate(levels, used, targets, budget, cost);
    let there = |level: usize, part: Part| {
        let level = levels.get(level);
        let moments = level.map(|level| match part {
            Part::Whole => &level.whole,
            Part::Divided => &level.divided,
        });
        moments.map_or(0.0, |moments| moments.count as f64)
    };
    let more = |(level, part, count): (usize, Part, f64)| {
        let there = there(level, part);
        let most = GROWTH * there.max(networks_of(1) as f64);
        (count > there).then(|| (depth_of(level), part, (MARGIN * count).min(most)))
    };
    let more: Vec<_> = wanted.into_iter().filter_map(more).collect();
    if !more.is_empty() {
        return Next::More(more);
    }
    let levels = &levels[..used];
    let bias = worst(&|i| depth_bound(levels, i) + width_bound(levels, i).1);
    if bias <= budget {
        return Next::Done(used);
    }
    let of_width = worst(&|i| width_bound(levels, i).0);
    let factor = (of_width / (OF_WIDTH_ERROR * budget)).sqrt().max(2.0);
    let wider = ((width as f64 * factor) as usize).next_power_of_two();
    Next::Short(
        used,
        Shortfall {
            problem: format!(
                "networks of width {width} are too narrow: their bias, extrapolated from halves \
                 and quarters of rows, is known to {of_width:.1e} only"
            ),
            help: format!("take limit.width {wider}"),
        },
    )
}

/// The largest of a number over all targets, which are finite: a network with others has diverged.
fn largest(targets: &Range<usize>, of: &dyn Fn(usize) -> f64) -> f64 {
    targets.clone().map(of).fold(0.0, f64::max)
}

/// How many levels the bias in depth asks for.
fn levels_for(levels: &[Level], targets: &Range<usize>, budget: f64) -> usize {
    let of_depth = |count: usize| largest(targets, &|i| depth_bound(&levels[..count], i));
    let enough = (LEAST_LEVELS..=levels.len()).find(|&k| of_depth(k) <= OF_DEPTH * budget);
    enough.unwrap_or_else(|| {
        // The bound falls by six, more or less, from level to level.
        let ratio = of_depth(levels.len()) / (OF_DEPTH * budget);
        let new = (ratio.log2() / 2.6).ceil() as usize;
        levels.len() + new.clamp(1, MOST_NEW)
    })
}

/// The networks of each level and part that `levels` ask for in the end, by what is known now.
pub fn wanted(
    levels: &[Level],
    targets: &Range<usize>,
    tolerance: f64,
    cost: CostOf,
) -> Vec<(usize, Part, f64)> {
    let budget = tolerance / 2.0_f64.sqrt();
    allocate(levels, levels_for(levels, targets, budget), targets, budget, cost)
}

/// The networks of each level and part that give standard error `budget` with the least work, and its
/// share of it to the bound of the bias in width: n ∝ √(V/C).
fn allocate(
    levels: &[Level],
    used: usize,
    targets: &Range<usize>,
    budget: f64,
    cost: CostOf,
) -> Vec<(usize, Part, f64)> {
    let largest = |variance: &dyn Fn(usize) -> f64| largest(targets, variance);
    // What is not there yet is predicted from the last level.
    let predicted = |k: usize, of: &dyn Fn(&Level) -> f64| {
        let last = levels.len() - 1;
        of(&levels[k.min(last)]) / FALL.powi(k.saturating_sub(last) as i32)
    };
    struct Term {
        level: usize,
        part: Part,
        variance: f64,
        cost: f64,
        least: f64,
    }
    let weights = weights(used);
    let mut terms = Vec::new();
    for (level, &weight) in weights.iter().enumerate() {
        let squared = weight * weight;
        for part in [Part::Whole, Part::Divided] {
            let of = |level: &Level| match part {
                Part::Whole => largest(&|i| level.whole.variance(i)),
                Part::Divided => largest(&|i| level.divided.variance(i)),
            };
            let variance = squared * predicted(level, &of);
            let cost = cost(depth_of(level), part);
            terms.push(Term { level, part, variance, cost, least: 0.0 });
        }
    }
    // The bound's own variance, of divided networks.
    let share = (OF_WIDTH_ERROR * budget).powi(2);
    let change = |level: usize| {
        let of = |level: &Level| largest(&|i| level.change.variance(i));
        weights[level] * weights[level] * predicted(level, &of)
    };
    let divided = |term: &&Term| term.part == Part::Divided;
    let sum: f64 = terms.iter().filter(divided).map(|t| (change(t.level) * t.cost).sqrt()).sum();
    for term in terms.iter_mut().filter(|term| term.part == Part::Divided) {
        term.least = (change(term.level) / term.cost).sqrt() * sum / share;
    }
    let sum: f64 = terms.iter().map(|term| (term.variance * term.cost).sqrt()).sum();
    let networks = |term: &Term| {
        let optimal = (term.variance / term.cost).sqrt() * sum / (budget * budget);
        (term.level, term.part, optimal.max(term.least).max(1.0).ceil())
    };
    terms.iter().map(networks).collect()
}
