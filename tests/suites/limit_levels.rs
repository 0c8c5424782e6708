//! From levels to the limit, on laws that are known: moments, weights, errors and bounds; names of
//! blocks and of noise.

use std::collections::HashSet;

use crate::common::close;
use crate::common::limit_laws::{Law, Networks, asked, check_stated, share};
use nfd::experiment::limit::{Block, FIRST_DEPTH, LAST_DEPTH, Part, blocks_for, networks_of};
use nfd::limit::{Estimate, Level, Moments};
use nfd::model::Closure;
use nfd::rng::philox::Philox;
use rand::RngExt;

const WIDTH: usize = 1024;

/// A law with biases of all orders.
const CURVED: Law = Law { limit: 0.7, depth: [-0.3, 0.9, 0.0], width: [-40.0, 0.0] };

/// Levels with these means, known without error.
fn without_noise(law: Law, levels: usize, width: usize) -> Estimate {
    let known = |value| Moments { count: 16, mean: vec![value], squares: vec![0.0] };
    let depths: Vec<usize> = (0..levels).map(|k| FIRST_DEPTH << k).collect();
    let level = |&depth: &usize| {
        let [whole, divided, change] = law.level(depth, width).map(known);
        Level { whole, divided, change }
    };
    Estimate { levels: depths.iter().map(level).collect(), depths }
}

/// A level of so many networks of each part.
fn sampled(networks: &Networks, repetition: u32, level: usize, counts: [u64; 2]) -> Level {
    let limit = asked(1e-3, WIDTH, repetition);
    let depth = FIRST_DEPTH << level;
    let mut moments = [(); 3].map(|()| Moments::default());
    for (part, count) in [Part::Whole, Part::Divided].into_iter().zip(counts) {
        for number in 0..blocks_for(count as f64) {
            let block = Block { closure: Closure::Exact, depth, part, number };
            let record = networks.record(&limit, block);
            match part {
                Part::Whole => moments[0].merge(&record.value),
                Part::Divided => {
                    moments[1].merge(&record.value);
                    moments[2].merge(&record.change.unwrap());
                }
            }
        }
    }
    let [whole, divided, change] = moments;
    Level { whole, divided, change }
}

/// One by one, in two parts and in parts of parts: mean and squares are those of all samples at once, to
/// rounding. Of numbers near 1e6 with deviations of one, the mean is known to 1000 roundings of 1e-10 and
/// squares to a hundred-millionth; Σx² − N m² would be wrong by 1e-4 of them.
#[test]
fn moments_are_those_of_all_samples_however_they_are_merged() {
    let mut random = Philox::stream(3, 0);
    let samples: Vec<[f64; 3]> = (0..1000)
        .map(|_| [1e6, -3.0, 0.0].map(|at: f64| at + random.random_range(-1.7..1.7)))
        .collect();
    let of = |range: std::ops::Range<usize>| {
        let mut part = Moments::default();
        samples[range].iter().for_each(|sample| part.push(sample));
        part
    };
    let merged = |ends: &[usize]| {
        let mut all = Moments::default();
        ends.windows(2).for_each(|ends| all.merge(&of(ends[0]..ends[1])));
        all
    };
    // A tree: pairs of samples, pairs of pairs, with an odd one at some levels.
    let mut tree: Vec<Moments> = (0..1000).map(|i| of(i..i + 1)).collect();
    while tree.len() > 1 {
        tree = tree
            .chunks(2)
            .map(|pair| {
                let mut first = pair[0].clone();
                pair[1..].iter().for_each(|second| first.merge(second));
                first
            })
            .collect();
    }
    let one_by_one = of(0..1000);
    let uneven = merged(&[0, 0, 1, 17, 990, 1000]);
    for (i, name) in ["far from zero", "near it", "at it"].into_iter().enumerate() {
        let column = || samples.iter().map(|sample| sample[i]);
        let mean = column().sum::<f64>() / 1000.0;
        let squares: f64 = column().map(|x| (x - mean).powi(2)).sum();
        for moments in [&one_by_one, &uneven, &tree[0]] {
            assert_eq!(moments.count, 1000);
            assert!((moments.mean[i] - mean).abs() < 1e-13 * mean.abs().max(1.0), "{name}");
            assert!(close(moments.squares[i] / squares, 1.0, 1e-8), "{name}: {moments:?}");
            assert!(close(moments.variance(i), squares / 999.0, 1e-8));
            assert!(close(moments.variance_of_mean(i), squares / 999e3, 1e-8));
        }
        let naive = column().map(|x| x * x).sum::<f64>() - 1000.0 * mean * mean;
        assert!(i > 0 || !close(naive / squares, 1.0, 1e-8), "the bound shows nothing");
    }
    // Of one sample no variance is known, and of none: nothing rests on it.
    assert_eq!(of(0..1).variance(0), f64::INFINITY);
    assert_eq!(Moments::default().variance(0), f64::INFINITY);
}

/// Levels that are known exactly: a + b/L + c/L² has its limit to rounding, from three levels on, and
/// every depth its distance; a law with 1/L³ is off by 8d/K³, and the bound is above that. The other
/// extrapolation in use, (4 f_{2L} − f_L)/3, would be off by b/K.
#[test]
fn two_orders_are_extrapolated_and_the_bound_is_above_the_third() {
    for levels in 3..=8 {
        let deepest = (FIRST_DEPTH << (levels - 1)) as f64;
        for [b, c, d] in [
            [0.0, 0.0, 0.0],
            [-0.3, 0.0, 0.0],
            [-0.3, 0.9, 0.0],
            [2.0, -7.0, 0.0],
            [0.0, 0.0, 5.0],
            [1.0, 0.5, 3.0],
            [1.0, -0.5, -3.0],
        ] {
            let law = Law { limit: 0.7, depth: [b, c, d], width: [-40.0, 0.0] };
            let estimate = without_noise(law, levels, WIDTH);
            let number = estimate.number(0);
            let bias = 8.0 * d / deepest.powi(3);
            // 8 additions of numbers of order one.
            assert!((number.value - 0.7 - bias).abs() < 1e-14, "{law:?}: {number:?}");
            assert_eq!(number.standard_error, 0.0);
            assert!(number.bias_bound + 1e-15 >= bias.abs(), "{law:?}: {number:?}");
            // What is bound is a third of what the last level changes, 56d/K³; of three levels it is what the
            // second extrapolation does, 2c/K² + 14d/K³; and no more.
            let change = match levels {
                3 => (2.0 * c / deepest.powi(2) + 14.0 * d / deepest.powi(3)).abs(),
                _ => 56.0 / 3.0 * f64::abs(d) / deepest.powi(3),
            };
            assert!((number.bias_bound - change).abs() < 1e-14, "{law:?}: {number:?}");
            let depths = estimate.by_depth(0);
            assert_eq!(depths.len(), levels);
            for at in depths {
                let there = law.at_infinite_width(at.depth);
                assert!((at.value - there).abs() < 1e-14, "{law:?}: {at:?}");
                assert!((at.distance - (there - number.value)).abs() < 1e-14, "{law:?}: {at:?}");
            }
            // The wrong order, of the same levels.
            let last = &estimate.levels[levels - 1];
            let own = |level: &Level| level.whole.mean[0] + level.divided.mean[0];
            let sum: f64 = estimate.levels.iter().map(own).sum();
            let wrong = sum + own(last) / 3.0;
            assert!(b == 0.0 || (wrong - 0.7).abs() > 0.3 * b.abs() / deepest, "{law:?}");
        }
    }
}

/// A bias of order 1/n is gone and one of 1/n² is under the bound, which is 2 w/n².
#[test]
fn biases_in_width_are_removed_and_bounded() {
    for (first, second) in [(-40.0, 0.0), (300.0, 0.0), (-40.0, 5e3), (0.0, -5e4)] {
        let law = Law { limit: 0.7, depth: [0.0; 3], width: [first, second] };
        let number = without_noise(law, 4, WIDTH).number(0);
        let left = 2.0 * second / (WIDTH * WIDTH) as f64;
        assert!((number.value - 0.7 + left).abs() < 1e-14, "{law:?}: {number:?}");
        assert!((number.bias_bound - left.abs()).abs() < 1e-14, "{law:?}: {number:?}");
    }
}

/// Stated errors are the formula, Σ w² (V/N + V'/N'), of the variances that were found, for distances
/// too, and the spread over 400 repetitions of two numbers ([`check_stated`]). The same check finds each
/// of three mistakes: levels that share their noise, an extrapolation of the wrong order, and biases of
/// width that are left in.
#[test]
fn standard_errors_are_the_spread() {
    let counts = [[256, 32], [64, 32], [64, 16], [32, 16]];
    let networks = Networks { laws: vec![CURVED; 2], deviation: 5e-3, change: 0.05, shared: false };
    let estimate = |networks: &Networks, repetition: u32| Estimate {
        levels: (0..4).map(|k| sampled(networks, repetition, k, counts[k])).collect(),
        depths: (0..4).map(|k| FIRST_DEPTH << k).collect(),
    };
    let weights = [1.0, 1.0, 2.0 / 3.0, 8.0 / 3.0];
    let formula = |estimate: &Estimate, weights: [f64; 4], i: usize| {
        let of = |(level, w): (&Level, f64)| {
            let own = |moments: &Moments| {
                let n = moments.count as f64;
                moments.squares[i] / (n - 1.0) / n
            };
            w * w * (own(&level.whole) + own(&level.divided))
        };
        estimate.levels.iter().zip(weights).map(of).sum::<f64>().sqrt()
    };
    let all: Vec<Estimate> = (0..400).map(|r| estimate(&networks, r)).collect();
    for i in 0..2 {
        let (number, depths) = (all[0].number(i), all[0].by_depth(i));
        assert!(close(number.standard_error / formula(&all[0], weights, i), 1.0, 1e-12));
        let second = formula(&all[0], [1.0, 1.0, 0.0, 0.0], i);
        assert!(close(depths[1].standard_error / second, 1.0, 1e-12));
        let apart = formula(&all[0], [0.0, 0.0, weights[2], weights[3]], i);
        assert!(close(depths[1].distance_error / apart, 1.0, 1e-12));
        // Of the variances that are known: 32 + 16 samples of the heaviest level, ± 10 %.
        let known = (0..4).map(|k| {
            let own = |part, count: u64| {
                (weights[k] * 5e-3 * share(FIRST_DEPTH << k, part)).powi(2) / count as f64
            };
            own(Part::Whole, counts[k][0]) + own(Part::Divided, counts[k][1])
        });
        assert!(close(number.standard_error / known.sum::<f64>().sqrt(), 1.0, 0.4), "{number:?}");
    }
    let errors = |all: &[Estimate], value: &dyn Fn(&Estimate, usize) -> f64| -> Vec<(f64, f64)> {
        let pairs = all.iter().flat_map(|estimate| [(estimate, 0), (estimate, 1)]);
        let pair = |(estimate, i): (&Estimate, usize)| {
            (value(estimate, i) - CURVED.limit, estimate.number(i).standard_error)
        };
        pairs.map(pair).collect()
    };
    check_stated(&errors(&all, &|estimate, i| estimate.number(i).value)).unwrap();

    let shared = Networks { shared: true, ..networks };
    let of_shared: Vec<Estimate> = (0..400).map(|r| estimate(&shared, r)).collect();
    let found = check_stated(&errors(&of_shared, &|estimate, i| estimate.number(i).value));
    assert!(found.is_err(), "levels that share their noise");

    let sum = |estimate: &Estimate, weights: [f64; 4], corrected: f64, i: usize| -> f64 {
        let own = |level: &Level| level.whole.mean[i] + corrected * level.divided.mean[i];
        estimate.levels.iter().zip(weights).map(|(level, w)| w * own(level)).sum()
    };
    let wrong_order =
        |estimate: &Estimate, i: usize| sum(estimate, [1.0, 1.0, 1.0, 4.0 / 3.0], 1.0, i);
    let uncorrected = |estimate: &Estimate, i: usize| sum(estimate, weights, 0.0, i);
    for (name, wrong) in [
        ("wrong order", &wrong_order as &dyn Fn(&Estimate, usize) -> f64),
        ("width left out", &uncorrected),
    ] {
        let pairs = errors(&all, wrong);
        assert!(check_stated(&pairs).is_err(), "{name}");
        // Whichever repetition one has: off by more than four errors.
        let worst = pairs.iter().map(|(error, stated)| error.abs() / stated);
        let worst = worst.fold(f64::INFINITY, f64::min);
        assert!(worst > 4.0, "{name}: only {worst} errors off");
    }
}

/// The number of networks in the first b blocks, and the least number of blocks that has so many, are
/// inverse to each other, as far as noise keys have numbers; blocks are next to one another.
#[test]
fn blocks_hold_the_networks_that_are_wanted() {
    let most = (1..).find(|&blocks| networks_of(blocks) >= 1 << 31).unwrap();
    for blocks in 1..most {
        let networks = networks_of(blocks) as f64;
        assert_eq!(blocks_for(networks), blocks);
        assert_eq!(blocks_for(networks + 1.0), blocks + 1);
        let block = Block { closure: Closure::Exact, depth: 4, part: Part::Whole, number: blocks };
        assert_eq!(block.networks().start, networks_of(blocks));
        assert_eq!(block.networks().end, networks_of(blocks + 1));
    }
    assert_eq!((blocks_for(0.0), blocks_for(1.0), blocks_for(16.0)), (1, 1, 1));
    assert!(most < 2000, "a million million networks are {most} tasks");
}

/// No two networks of any level, part and repetition share their noise, and none has that of a network
/// of an ensemble, whose seeds are below 2^53.
#[test]
fn noise_keys_are_distinct_and_above_all_seeds() {
    let depths = (0..).map(|k| FIRST_DEPTH << k).take_while(|&depth| depth <= LAST_DEPTH);
    let parts = [Part::Whole, Part::Divided];
    let repetitions = [0, 1, 2, 3, 255, 256, 1 << 12, (1 << 20) - 2, (1 << 20) - 1];
    let mut random = Philox::stream(5, 0);
    let mut networks: HashSet<u64> = (0..64).collect();
    networks.extend((0..32).map(|bit| 1 << bit));
    networks.extend((0..200).map(|_| u64::from(random.random::<u32>())));
    networks.insert(u64::from(u32::MAX));
    let (mut keys, mut count) = (HashSet::new(), 0);
    for depth in depths {
        for (part, repetition) in parts.into_iter().flat_map(|p| repetitions.map(|r| (p, r))) {
            let block = Block { closure: Closure::Exact, depth, part, number: 0 };
            let limit = asked(1e-3, WIDTH, repetition);
            for &network in &networks {
                let key = block.noise_key(&limit, network);
                assert!(key > 1 << 53);
                // Closures are compared on one noise.
                let gia = Block { closure: Closure::Gia, ..block };
                assert_eq!(gia.noise_key(&limit, network), key);
                keys.insert(key);
                count += 1;
            }
        }
    }
    assert_eq!(keys.len(), count);
    assert!(count > 50_000, "{count}");
}
