//! Two-layer blocks without their matrices: against dense networks path by path, and backend cpu against
//! plain. Closed forms are in tests/suites/responses.rs.

use super::training::pathwise_gap;
use crate::common::conditional::*;
use crate::common::two_layer::{PARAMETRIZATIONS, crowded, rounding, two_layer};
use crate::common::*;
use nfd::backend::Network;
use nfd::engine::Training;
use nfd::model::{Activation, Closure, InnerWidth, Norm, Parametrization, Rates, Rule, Schedule};
use nfd::rng::normal::Instructions;

/// A column that is dropped is off by up to 1e-13 of its norm, some √n: h and g by 1e-12. Newton–Schulz takes that
/// apart by up to 485 an update, a polar factor by the largest singular value over the least.
#[test]
fn both_engines_take_the_same_path() {
    let several = sphere(5, 5, 2);
    let one = sphere(5, 5, 1);
    for closure in [Closure::Exact, Closure::Gia] {
        for (i, parametrization) in PARAMETRIZATIONS.into_iter().enumerate() {
            // By Muon at the last, of which the polar factor is of square matrices and of others.
            for (j, inner) in [64, 150, 40, [64, 100, 48][i % 3]].into_iter().enumerate() {
                let samples = if (i + j) % 2 == 0 { &one } else { &several };
                let by_muon = j == 3;
                let activation = match by_muon {
                    true => Activation::Tanh,
                    false => Activation::ALL[(i + 2 * j) % Activation::ALL.len()],
                };
                let network = network(parametrization, activation, closure, (64, 3), samples);
                let network = Network {
                    drop_tolerance: 1e-13,
                    ..two_layer(&network, parametrization, InnerWidth::Fixed(inner))
                };
                let rate = if parametrization == Parametrization::Mup { 0.02 } else { 0.1 };
                let mut training = Training::descent(samples, rates(rate, ALL), 5);
                if j == 1 {
                    training.momentum = 0.6;
                    training.weight_decay = 0.3;
                    training.schedule = Schedule { warmup: 2, ..Schedule::CONSTANT };
                    training.batches.size = 3;
                }
                if by_muon {
                    let norm = if i % 2 == 0 { Norm::NewtonSchulz } else { Norm::Polar };
                    training.rule = Rule::Normalized { norm, nesterov: true };
                    training.momentum = 0.5;
                }
                let gap = pathwise_gap(&network, samples, &training);
                let what = format!("{closure:?} {parametrization:?} {activation:?} M = {inner}");
                let bound = if by_muon { 1e-11 } else { 1e-12 };
                assert!(gap <= bound, "{what}: {gap:e}");
            }
        }
    }
}

const INNER: [InnerWidth; 4] =
    [InnerWidth::Times(1.0), InnerWidth::Fixed(33), InnerWidth::Times(4.0), InnerWidth::Fixed(700)];

/// Every number and all ranks of the processor within `bound` of plain's.
fn check(case: &Case, want: &Passes, bound: f64) {
    for set in Instructions::available() {
        let got = run(case, &mut on_cpu::<f64>(case, set));
        assert_eq!(ranks(&got), ranks(want), "{set:?}: {case:?}");
        // Snapshots are rounded to f32.
        let tolerance = |what: &str| if what == "row" { bound.max(1e-6) } else { bound };
        let off = first_off(&got, want, tolerance);
        assert!(off.is_none(), "{off:?} beyond {bound:e} with {set:?}: {case:?}");
    }
}

/// Every number and all ranks, over a covering of sizes and options, with inner layers narrower and wider
/// than the network, of one chunk and of several. How well a direction is known depends on how new it is, from
/// case to case by ten orders: so the tolerance is what plain itself does with rounding, which goes another
/// way here, times ten; and where there is no room for all columns, √M ε over the drop tolerance.
#[test]
fn cpu_is_plain_over_a_covering_of_sizes_and_options() {
    for (i, mut case) in cases().into_iter().chain(descents()).enumerate() {
        if case.network.width > 300 {
            continue;
        }
        // Mean-field has a covering of its own.
        let parametrization = PARAMETRIZATIONS[i % 4];
        case.network = two_layer(&case.network, parametrization, INNER[(i / 4) % 4]);
        if parametrization == Parametrization::Mup {
            case.update.rates = case.update.rates.scaled(0.02 / 0.3);
        }
        for case in case.both() {
            let want = run(&case, &mut case.plain());
            let bound = 10.0 * rounding(&case, &want) + crowded(&case).unwrap_or(1e-12);
            check(&case, &want, bound);
        }
    }
}

/// The same in mean-field, of every third case, at rates at which features move: to the bound of one-layer blocks
/// there (tests/suites/cpu.rs).
#[test]
fn cpu_is_plain_in_mean_field() {
    for (i, mut case) in cases().into_iter().chain(descents()).step_by(3).enumerate() {
        if case.network.width > 300 {
            continue;
        }
        case.network = two_layer(&case.network, Parametrization::MeanField, INNER[i % 4]);
        let Rates { input, hidden, readout } = case.update.rates;
        case.update.rates = case.update.rates.scaled(0.3 / input.max(hidden).max(readout));
        for case in case.both() {
            let want = run(&case, &mut case.plain());
            check(&case, &want, crowded(&case).unwrap_or(1e-9));
        }
    }
}

/// Any number of threads computes the same bits.
#[test]
fn threads_change_no_bit() {
    for case in case_of(4500, InnerWidth::Times(2.0)).both() {
        let on = |threads| {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
            let passes =
                pool.install(|| run(&case, &mut on_cpu::<f32>(&case, Instructions::detect())));
            format!("{passes:?}")
        };
        assert!(on(1) == on(3));
    }
}

fn case_of(width: usize, inner: InnerWidth) -> Case {
    let train = sphere(3, 5, 1);
    let parametrization = Parametrization::DepthMup;
    let network = network(parametrization, Activation::Tanh, Closure::Exact, (width, 3), &train);
    Case {
        network: two_layer(&network, parametrization, inner),
        batches: full(&train),
        update: descent(rates(0.3, ALL)),
        record: 1,
        test: none_like(&train),
        train,
        steps: 3,
        fine: 1,
    }
}
