//! Rounds of a limit, on networks by known laws: what they ask for, where they end and what it costs.

use std::collections::HashSet;

use crate::common::limit_laws::{Law, Networks, asked, check_stated, cost, share};
use nfd::experiment::Limit;
use nfd::experiment::limit::{Block, FIRST_DEPTH, Part};
use nfd::limit::{BlockRecord, Finished, Replay, State};
use nfd::model::Closure;
use nfd::rng::philox::Philox;
use rand::RngExt;

const WIDTH: usize = 1024;
const TOLERANCE: f64 = 2e-3;

/// With biases of order 1/L, 1/L² and 1/n.
fn networks() -> Networks {
    let laws = [0.7, -0.2].map(|limit| Law { limit, depth: [-0.3, 0.2, 0.0], width: [-40.0, 0.0] });
    Networks { laws: laws.to_vec(), deviation: 0.02, change: 0.02, shared: false }
}

/// 400 repetitions of two numbers: errors are those stated ([`check_stated`]: 68 % ± 7 % within one
/// standard error) and their root mean square is at most the tolerance. The same check finds levels that
/// share their noise, and the root mean square is above the tolerance without a correction for width,
/// which is 20 tolerances here.
#[test]
fn tolerance_is_met() {
    let pairs = |networks: &Networks| -> Vec<(f64, f64)> {
        let of = |repetition: u32| {
            let finished = networks.finish(&asked(TOLERANCE, WIDTH, repetition));
            assert_eq!(finished.shortfall, None);
            let numbers = [0, 1].map(|i| (finished.estimate.number(i), networks.laws[i].limit));
            numbers.map(|(number, limit)| {
                assert!(number.standard_error <= TOLERANCE / 2.0_f64.sqrt() * 1.2, "{number:?}");
                assert!(number.bias_bound <= TOLERANCE / 2.0_f64.sqrt(), "{number:?}");
                (number.value - limit, number.standard_error)
            })
        };
        (0..400).flat_map(of).collect()
    };
    let good = pairs(&networks());
    check_stated(&good).unwrap();
    let mean_square = good.iter().map(|(error, _)| error * error).sum::<f64>() / 800.0;
    assert!(mean_square.sqrt() <= TOLERANCE, "{}", mean_square.sqrt());
    let shared = pairs(&Networks { shared: true, ..networks() });
    assert!(check_stated(&shared).is_err(), "levels that share their noise");
}

/// A law with 1/L³, which extrapolation leaves: the mean error of 200 repetitions, known to a tenth of
/// the tolerance's share, is no more than the mean of the bounds. Bounds of an eighth of what they are
/// would be less.
#[test]
fn bounds_are_above_the_bias_that_is_left() {
    let law = Law { limit: 0.3, depth: [0.5, 0.0, 12.0], width: [30.0, 600.0] };
    let networks = Networks { laws: vec![law], deviation: 2e-3, ..networks() };
    let numbers: Vec<_> =
        (0..200).map(|r| networks.finish(&asked(TOLERANCE, WIDTH, r)).estimate.number(0)).collect();
    let mean = |of: &dyn Fn(usize) -> f64| (0..200).map(of).sum::<f64>() / 200.0;
    let bias = mean(&|i| numbers[i].value - law.limit);
    let error = mean(&|i| numbers[i].standard_error) / 200.0_f64.sqrt();
    let bound = mean(&|i| numbers[i].bias_bound);
    assert!(bias.abs() - 4.0 * error <= bound, "{bias} ± {error}, bound {bound}");
    assert!(bias.abs() > 4.0 * error, "{bias} ± {error}: no bias to be seen");
    assert!(bias.abs() > bound / 8.0, "{bias}, {bound}");
}

/// The rounds from blocks that are there already and those that are done in between, `done` blocks at a
/// time in any order; how often they were interrupted.
fn interrupted(
    networks: &Networks,
    limit: &Limit,
    there: impl Fn(Block) -> bool,
    random: &mut Philox,
) -> (Finished, usize) {
    let mut done: HashSet<Block> = HashSet::new();
    for times in 0.. {
        // As a new process: nothing is kept but blocks.
        let mut replay = Replay::new(Closure::Exact, limit, &networks.quantities());
        let load = |block: Block| {
            let has = there(block) || done.contains(&block);
            Ok(has.then(|| networks.record(limit, block)))
        };
        if let State::Finished(finished) = replay.advance(&cost, &load).unwrap() {
            return (finished.clone(), times);
        }
        let left = replay.asked().into_iter().filter(|block| !there(*block));
        let mut left: Vec<Block> = left.filter(|block| !done.contains(block)).collect();
        assert!(!left.is_empty(), "open with nothing left to do");
        for _ in 0..random.random_range(1..=40) {
            if !left.is_empty() {
                done.insert(left.swap_remove(random.random_range(0..left.len())));
            }
        }
    }
    unreachable!()
}

/// Interrupted anywhere, resumed from blocks alone, with all blocks of any level there beforehand that
/// nobody asked for: the estimate is the same, bit by bit.
#[test]
fn estimates_depend_on_nothing_but_the_networks() {
    let mut random = Philox::stream(17, 0);
    for repetition in 0..3 {
        let networks = networks();
        let limit = asked(TOLERANCE / 2.0, WIDTH, repetition);
        let at_once = networks.finish(&limit);
        for _ in 0..3 {
            let (in_parts, times) = interrupted(&networks, &limit, |_| false, &mut random);
            assert_eq!(in_parts, at_once);
            assert!(times > 3, "interrupted {times} times");
        }
        let (with_more, _) =
            interrupted(&networks, &limit, |block| block.number % 3 > 0, &mut random);
        assert_eq!(with_more, at_once);
        let (with_deeper, _) = interrupted(&networks, &limit, |block| block.depth > 8, &mut random);
        assert_eq!(with_deeper, at_once);
        let other = networks.finish(&asked(TOLERANCE / 2.0, WIDTH, repetition + 3));
        assert_ne!(other.estimate, at_once.estimate);
    }
}

/// Of known variances V and costs C, with N ∝ √(V/C) the least work that meets the tolerance is known: no
/// level has three times as many networks as that (or those of the first round), and all work together is
/// at most half as much again. Variances are found from few networks at first: of 16 to ±35 %. A level
/// that was the last before a deeper one had to be added was asked for with the weight of the last.
#[test]
fn work_is_near_the_least() {
    let networks = Networks { change: 1e-4, ..networks() };
    let tolerance = 5e-4;
    let cost_of = |(k, part)| cost(FIRST_DEPTH << k, part);
    // Networks of each level and part that so many levels need.
    let least = |levels: usize| -> Vec<((usize, Part), f64)> {
        let deviation = |(k, part): (usize, Part)| {
            let weight = match levels - k {
                1 => 8.0 / 3.0,
                2 => 2.0 / 3.0,
                _ => 1.0,
            };
            weight * networks.deviation * share(FIRST_DEPTH << k, part)
        };
        let terms = (0..levels).flat_map(|k| [(k, Part::Whole), (k, Part::Divided)]);
        let terms: Vec<(usize, Part)> = terms.collect();
        let sum: f64 = terms.iter().map(|&t| deviation(t) * cost_of(t).sqrt()).sum();
        let of = |t| deviation(t) / cost_of(t).sqrt() * sum * 2.0 / (tolerance * tolerance);
        terms.into_iter().map(|t| (t, of(t))).collect()
    };
    let mut total = [0.0, 0.0];
    for repetition in 0..20 {
        let finished = networks.finish(&asked(tolerance, WIDTH, repetition));
        let levels = finished.estimate.levels.len();
        for ((k, part), needed) in least(levels) {
            let level = &finished.estimate.levels[k];
            let (taken, first) = match part {
                Part::Whole => (level.whole.count, 16 << (3 - k.min(3))),
                Part::Divided => (level.divided.count, 16),
            };
            let as_last = if k < 2 || k + 1 == levels {
                0.0
            } else {
                least(k + 1)[2 * k + usize::from(part == Part::Divided)].1
            };
            let bound = (3.0 * needed).max(1.5 * as_last).max(first as f64);
            let what = format!("level {k} of {levels}, {part:?}");
            assert!(taken as f64 <= bound, "{what}: {taken} networks, least {needed}, {as_last}");
            total[0] += taken as f64 * cost_of((k, part));
            total[1] += needed * cost_of((k, part));
        }
    }
    let ratio = total[0] / total[1];
    assert!(ratio < 1.5, "{ratio} times the least work");
    // With less the standard error would be above the tolerance's share.
    assert!(ratio > 0.9, "{ratio} times the least work");
}

/// Where noise is small, depth is what the law needs: of three levels the second extrapolation changes
/// a + b/L + c/L² + d/L³ by 2c/K² + 14d/K³, of more a third of what the last one changes is 56d/(3K³), and
/// that is to be at most 0.7 of the bias's share of the tolerance. b takes no depth at all.
#[test]
fn levels_are_added_where_the_law_needs_them() {
    for (b, c, d) in [
        (0.0, 0.0, 0.0),
        (-3.0, 0.0, 0.0),
        (0.5, 1.0, 0.0),
        (0.0, -14.0, 3.0),
        (1.0, 2.0, 20.0),
        (0.0, 0.0, -300.0),
    ] {
        let law = Law { limit: 0.7, depth: [b, c, d], width: [-1.0, 0.0] };
        let networks = Networks { laws: vec![law], deviation: 1e-5, ..networks() };
        let finished = networks.finish(&asked(1e-3, WIDTH, 0));
        let share = 0.7 * 1e-3 / 2.0_f64.sqrt();
        let bound = |depth: f64| match depth {
            16.0 => f64::abs(2.0 * c / depth.powi(2) + 14.0 * d / depth.powi(3)),
            _ => 56.0 / 3.0 * f64::abs(d) / depth.powi(3),
        };
        let needed = (2..).map(|k| FIRST_DEPTH << k).find(|&depth| bound(depth as f64) <= share);
        assert_eq!(finished.estimate.depths.last().copied(), needed, "{law:?}");
        assert_eq!(finished.shortfall, None);
        let number = finished.estimate.number(0);
        assert!((number.value - 0.7).abs() < 5e-4, "{law:?}: {number:?}");
    }
}

/// Width that is too small for the tolerance is said so, with one that is enough; so is depth that does
/// not end: a law of d/L³ with 56d/(3·4096³) above the tolerance's share.
#[test]
fn what_cannot_be_reached_is_said() {
    let law = Law { limit: 0.7, depth: [-0.3, 0.2, 0.0], width: [-40.0, 3e3] };
    let narrow = Networks { laws: vec![law], ..networks() };
    let finished = narrow.finish(&asked(1e-3, WIDTH, 0));
    let shortfall = finished.shortfall.unwrap();
    assert!(shortfall.problem.contains("width 1024 are too narrow"), "{shortfall:?}");
    let number = finished.estimate.number(0);
    assert!(number.error() >= (number.value - 0.7).abs(), "{number:?}");
    let wider: usize = shortfall.help.strip_prefix("take limit.width ").unwrap().parse().unwrap();
    assert!(wider <= 16 * WIDTH, "{wider}");
    let finished = narrow.finish(&asked(1e-3, wider, 0));
    assert_eq!(finished.shortfall, None);
    let number = finished.estimate.number(0);
    assert!((number.value - 0.7).abs() < 4e-3, "{number:?}");

    let law = Law { limit: 0.7, depth: [0.0, 0.0, 1e7], width: [0.0, 0.0] };
    let shallow = Networks { laws: vec![law], deviation: 1e-5, ..networks() };
    let shortfall = shallow.finish(&asked(1e-3, WIDTH, 0)).shortfall.unwrap();
    assert!(shortfall.problem.contains("depth 4096 is not deep enough"), "{shortfall:?}");
}

/// One network that diverged is no limit.
#[test]
fn divergence_ends_all() {
    let networks = networks();
    let limit = asked(TOLERANCE, WIDTH, 0);
    let mut replay = Replay::new(Closure::Exact, &limit, &networks.quantities());
    let at = nfd::backend::Divergence { step: 1, layer: Some(2) };
    let load = |block: Block| {
        let whole = networks.record(&limit, block);
        let bad = block.depth == 8 && block.number == 1;
        Ok(Some(if bad { BlockRecord { diverged: Some(at), ..whole } } else { whole }))
    };
    assert_eq!(replay.advance(&cost, &load).unwrap(), &State::Diverged(8, at));
}
