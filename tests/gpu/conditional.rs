//! Backend cuda's conditional engine against plain, on the software CUDA device that runs the very PTX
//! which NVRTC made: the cases that the processor's is held to, several members at once.
//! jobs/gpu-check.sh runs this suite on a GPU.

use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use crate::common::conditional::*;
use crate::common::crew::*;
use crate::common::softcuda::{on_softcuda, share};
use crate::common::*;
use nfd::backend::cpu::conditional::Conditional as Fast;
use nfd::backend::crew::Crew;
use nfd::backend::cuda::conditional::{Conditional, Members};
use nfd::backend::cuda::device::{Device, Number};
use nfd::backend::{DROP_TOLERANCE_F32, EVALUATED_AT_ONCE, Probe, Set, Sweeps, Update};
use nfd::engine::{Training, train, train_together};
use nfd::model::{Activation, Closure, Groups, Loss, Parametrization, Schedule, schedule::Decay};
use nfd::rng::noise::BrownianPath;
use nfd::rng::normal::Instructions;

fn noise(case: &Case, seed: u64) -> Box<BrownianPath> {
    let depth = case.network.depth as u32;
    Box::new(BrownianPath::new(seed, depth * case.fine, depth))
}

fn plain(case: &Case, seed: u64) -> Passes {
    run(case, &mut case.plain_with(noise(case, seed)))
}

/// How far the processor's engine is from plain, on any instruction set: what rounding does to a case,
/// shown by another order of sums.
fn rounding(case: &Case, seed: u64, want: &Passes, what: &str) -> f64 {
    let off = |set| {
        let samples = (case.train.clone(), case.test.clone());
        let probe = full_probe(case.network.depth);
        let network = case.network.clone();
        let mut fast = Fast::<f64>::new(network, noise(case, seed), probe, samples, set);
        let (got, want) = (numbers(&run(case, &mut fast)), numbers(want));
        let pairs = got.into_iter().zip(want).filter(|(got, _)| got.0 == what);
        pairs.map(|((_, a), (_, b))| (a - b).abs()).fold(0.0, f64::max)
    };
    Instructions::available().into_iter().map(off).fold(0.0, f64::max)
}

/// As the processor's, with three passes where a layer is wide: two updates, of which the second meets the
/// momentum of the first. Plain and the processor's engine are held to the fourth in tests/suites/cpu.rs.
fn shorter(case: Case) -> Case {
    Case { steps: if case.network.width > 33 { 2 } else { case.steps }, ..case }
}

/// Ranks are those of plain, f is it to 1e-10 where all columns have room. The other numbers are held to
/// the bounds of the processor's engine (tests/suites/cpu.rs) or, where a direction is known worse than these
/// say, to a few times what rounding does to that engine there.
#[test]
fn f64_is_plain_over_a_covering_of_sizes_and_options() {
    on_softcuda(module_path!(), "f64_is_plain_over_a_covering_of_sizes_and_options", &[], || {
        let device = device();
        let some = share(2, cases().into_iter().chain(descents()));
        for (i, case) in some.into_iter().enumerate() {
            if case.network.width > 1000 && case.train.len() > 3 {
                continue;
            }
            let case = shorter(case);
            // Several members in every third case.
            let seeds = &SEEDS[..if i % 3 == 0 { 2 } else { 1 }];
            let crowded = case.train.len() * (case.steps as usize + 1) > case.network.width;
            let bound: f64 = match (crowded, lazy(&case)) {
                (true, _) => 1e-5,
                (false, true) => 1e-7,
                (false, false) => 1e-9,
            };
            let got = run_all(&case, &mut crew::<f64>(&device, &case, seeds));
            for (got, &seed) in got.iter().zip(seeds) {
                let want = plain(&case, seed);
                assert_eq!(ranks(got), ranks(&want), "{case:?}");
                let tolerance = |what: &str| match what {
                    // Snapshots are rounded to f32.
                    "row" => bound.max(1e-6),
                    "f" if !crowded => 1e-10,
                    _ => bound,
                };
                if let Some((what, ..)) = first_off(got, &want, tolerance) {
                    let rounding = 4.0 * rounding(&case, seed, &want, what);
                    let larger = |kind: &str| {
                        if kind == what && what != "f" { rounding } else { tolerance(kind) }
                    };
                    let off = first_off(got, &want, larger);
                    assert!(off.is_none(), "{off:?}, seed {seed}: {case:?}");
                }
            }
        }
    });
}

/// In f32, over thirteen passes of four samples, two of them the same: f to 1e-5, couplings to 1e-4 of
/// themselves.
#[test]
fn f32_follows_plain_over_a_hundred_columns() {
    on_softcuda(module_path!(), "f32_follows_plain_over_a_hundred_columns", &[], || {
        let device = device();
        for (closure, rate) in [
            (Closure::Exact, 3.0),
            (Closure::Exact, 0.3),
            (Closure::Fresh, 3.0),
            (Closure::Gia, 1.0),
        ] {
            let reference = hundred_columns(closure, rate);
            let reference = Case {
                network: crate::common::network(
                    Parametrization::DepthMup,
                    Activation::Tanh,
                    closure,
                    (1000, 4),
                    &reference.train,
                ),
                steps: 12,
                ..reference
            };
            let case = reference.with_tolerance(DROP_TOLERANCE_F32);
            // Two members where features move most.
            let seeds = &SEEDS[..if rate > 1.0 { 2 } else { 1 }];
            let got = run_all(&case, &mut crew::<f32>(&device, &case, seeds));
            for (got, &seed) in got.iter().zip(seeds) {
                let want = plain(&reference, seed);
                for (got, want) in got.forward.iter().zip(&want.forward) {
                    for (got, want) in got.f.iter().zip(&want.f) {
                        assert!((got - want).abs() <= 1e-5, "{closure:?} {rate}: {got} {want}");
                    }
                    let (a, b) = (got.coupling.unwrap(), want.coupling.unwrap());
                    // Relative, down to the square of what is dropped of a column.
                    let fine =
                        |a: f64, b: f64| (a - b).abs() <= 1e-4 * b + DROP_TOLERANCE_F32.powi(2);
                    assert!(fine(a.layer, b.layer), "{closure:?} {rate}: {a:?} {b:?}");
                    assert!(fine(a.accumulated, b.accumulated), "{closure:?} {rate}: {a:?} {b:?}");
                }
            }
        }
    });
}

/// The covering in f32 leaves no number that is not finite, and ends in the ranks of plain outside a factor
/// 4 of the tolerance, within one column a layer for paths that have parted there; exceptions as on the
/// processor (tests/suites/cpu.rs, where they are explained).
#[test]
fn f32_ranks_are_plains_outside_a_factor_of_four() {
    on_softcuda(module_path!(), "f32_ranks_are_plains_outside_a_factor_of_four", &[], || {
        let device = device();
        for case in share(3, cases().into_iter().chain(descents())) {
            if case.network.width > 1000 && case.train.len() > 1 {
                continue;
            }
            let case = shorter(case);
            let at = |factor: f64| case.with_tolerance(DROP_TOLERANCE_F32 * factor);
            let [fewest, most] = [4.0, 0.25].map(|factor| ranks(&plain(&at(factor), SEEDS[0])));
            let got = run_all(&at(1.0), &mut crew::<f32>(&device, &at(1.0), &SEEDS[..1]));
            assert!(numbers(&got[0]).iter().all(|(_, x)| x.is_finite()), "{case:?}");
            for (i, got) in ranks(&got[0]).into_iter().enumerate() {
                let (fewest, most) = (fewest[i].min(most[i]), fewest[i].max(most[i]));
                let last = i % 6 == 5 && case.network.outputs > 1;
                let exempt = last || lazy(&case) || case.network.activation == Activation::Identity;
                let fine = got + 1 >= fewest && (exempt || got <= most + 1);
                assert!(fine, "entry {i}: {got}, plain {fewest} to {most}: {case:?}");
            }
        }
    });
}

/// Wider than the rows that a grid has room for along one axis by fours, 4 × 65 535: in f64, all
/// numbers to the bounds of the covering where nothing is crowded or lazy, after one update.
#[test]
fn width_300_000_is_plain() {
    on_softcuda(module_path!(), "width_300_000_is_plain", &[], || {
        let device = device();
        let train = sphere(2, 5, 1);
        let shape = (300_000, 1);
        let network =
            network(Parametrization::DepthMup, Activation::Tanh, Closure::Exact, shape, &train);
        let test = sphere(1, 5, 1);
        let case =
            Case { network, batches: full(&train), test, train, steps: 1, fine: 1, ..everything() };
        let got = run_all(&case, &mut crew::<f64>(&device, &case, &SEEDS[..1]));
        let want = plain(&case, SEEDS[0]);
        assert_eq!(ranks(&got[0]), ranks(&want));
        let off = first_off(&got[0], &want, |what| match what {
            // Snapshots are rounded to f32.
            "row" => 1e-6,
            "f" => 1e-10,
            _ => 1e-9,
        });
        assert!(off.is_none(), "{off:?}");
    });
}

/// Every number of member 0 as bits.
fn bits<T: Number>(device: &Arc<Device>, case: &Case, seeds: &[u64]) -> Vec<u64> {
    let all = run_all(case, &mut crew::<T>(device, case, seeds));
    numbers(&all[0]).into_iter().map(|(_, x)| x.to_bits()).collect()
}

/// One network has the whole device, two half of it each, nine take turns: never a bit of difference.
#[test]
fn no_bit_depends_on_the_networks_in_flight() {
    on_softcuda(module_path!(), "no_bit_depends_on_the_networks_in_flight", &[], || {
        // Two updates, of which the second meets the first one's momentum.
        let (device, case) = (device(), Case { steps: 2, ..everything() });
        let many: Vec<u64> = (7..16).collect();
        let alone = bits::<f32>(&device, &case, &many[..1]);
        assert!(alone.len() > 1000);
        for count in [2, 9] {
            assert!(bits::<f32>(&device, &case, &many[..count]) == alone, "{count} in flight");
        }
    });
}

/// Nor does training go another way because test samples were asked about.
#[test]
fn evaluation_leaves_no_trace() {
    on_softcuda(module_path!(), "evaluation_leaves_no_trace", &[], || {
        let (device, case) = (device(), everything());
        let without = Case { test: none_like(&case.train), ..case.clone() };
        let trained = |case: &Case| {
            let mut all = run_all(case, &mut crew::<f32>(&device, case, &SEEDS));
            assert!(!all[1].test.is_empty());
            all[1].test.clear();
            numbers(&all[1]).into_iter().map(|(_, x)| x.to_bits()).collect::<Vec<_>>()
        };
        assert!(trained(&case) == trained(&without));
    });
}

/// More samples than are evaluated at once, and a set that is no multiple of it.
#[test]
fn large_sets_are_evaluated_as_plain_does() {
    on_softcuda(module_path!(), "large_sets_are_evaluated_as_plain_does", &[], || {
        // Of so many dimensions that columns stay new beyond the second panel of a factorisation.
        let samples = sphere(EVALUATED_AT_ONCE + 12, 100, 1);
        let case = everything();
        let network = network(
            Parametrization::DepthMup,
            Activation::Tanh,
            Closure::Exact,
            (300, 1),
            &samples,
        );
        let train = samples.select(0..3);
        let case = Case {
            network,
            batches: full(&train),
            test: samples.select(3..samples.len()),
            train,
            ..case
        };
        let device = device();
        let mut crew = crew::<f64>(&device, &case, &SEEDS[..1]);
        let mut plain = case.plain();
        for k in 0..2 {
            let (got, want) = (crew.evaluate(k, Set::Test).unwrap(), plain.evaluate(k, Set::Test));
            assert_eq!((got[0].len(), want.len()), (EVALUATED_AT_ONCE + 9, EVALUATED_AT_ONCE + 9));
            for (got, want) in got[0].iter().zip(&want) {
                assert!(close(*got, *want, 1e-9), "{got} {want}");
            }
            let batch = all(&case.train);
            crew.forward(k, std::slice::from_ref(&batch), false).unwrap();
            let chi = chi(&plain.forward(k, &batch, false).f, &case.train);
            crew.backward(k, std::slice::from_ref(&chi), Some(&case.update)).unwrap();
            plain.backward(k, &chi, Some(&case.update));
        }
    });
}

/// Passes that nobody looks at go where plain goes, and where they leave the finite numbers that is
/// noticed at the same step and layer.
#[test]
fn unseen_steps_are_those_of_plain() {
    on_softcuda(module_path!(), "unseen_steps_are_those_of_plain", &[], || {
        let device = device();
        let stop = AtomicBool::new(false);
        let input = Groups { input: true, hidden: false, readout: false };
        let train_set = sphere(3, 5, 1);
        let variants = [
            (Parametrization::DepthMup, Activation::Tanh, descent(rates(0.5, ALL)), 0),
            (Parametrization::DepthMup, Activation::Tanh, descent(rates(0.5, ALL)), 128),
            (Parametrization::Mup, Activation::Relu, descent(rates(1e150, ALL)), 0),
            (
                Parametrization::Vanilla,
                Activation::Tanh,
                Update { weight_decay: 1e200, ..descent(rates(1e200, input)) },
                0,
            ),
        ];
        for (parametrization, activation, update, covariance_columns) in variants {
            let network = network(parametrization, activation, Closure::Exact, (40, 3), &train_set);
            let case = Case {
                network,
                test: sphere(2, 5, 1),
                batches: full(&train_set),
                update,
                train: train_set.clone(),
                record: 3,
                steps: 5,
                fine: 1,
            };
            let training = Training {
                loss: Loss::Squared,
                steps: case.steps,
                batches: case.batches,
                rates: update.rates,
                schedule: Schedule { decay: Decay::Constant, warmup: 0 },
                momentum: update.momentum,
                weight_decay: update.weight_decay,
                rule: update.rule,
                record: case.record,
                labels: case.train.labels.clone(),
                test_labels: case.test.labels.clone(),
                outputs: 1,
            };
            let probe = Probe { covariance_columns, ..full_probe(3) };
            let ensemble = Members { probe: probe.clone(), ..ensemble(&case, &SEEDS) };
            let mut crew = Conditional::<f64>::new(device.clone(), ensemble).unwrap();
            let trainings = [training.clone(), training.clone()];
            let got = train_together(&mut crew, &trainings, &stop).unwrap().unwrap();
            for (got, seed) in got.iter().zip(SEEDS) {
                let mut plain = nfd::backend::plain::conditional::Conditional::new(
                    case.network.clone(),
                    noise(&case, seed),
                    probe.clone(),
                    case.train.clone(),
                    case.test.clone(),
                );
                let want = train(&mut plain, &training, &stop).unwrap();
                assert_eq!(got.diverged, want.diverged, "{activation:?}");
                assert_eq!(got.passes.len(), want.passes.len(), "{activation:?}");
                assert_eq!(got.covariances.is_some(), want.covariances.is_some());
                for (got, want) in got.passes.iter().zip(&want.passes) {
                    assert_eq!(got.step, want.step);
                    for (got, want) in got.f.iter().zip(&want.f) {
                        assert!(close(*got, *want, 1e-10), "{got} {want}");
                    }
                    assert!(close(got.own_movement, want.own_movement, 1e-10));
                    assert!(close(got.test_loss.unwrap(), want.test_loss.unwrap(), 1e-9));
                }
            }
        }
    });
}

/// No read of what was not written, no race, no misaligned or foreign address, in any order of warps and
/// on devices of one to five multiprocessors: a ninth of the cases with each order, of the wide ones
/// those with few samples.
fn sanitized(name: &str, order: usize, multiprocessors: &str) {
    let seed = order.to_string();
    let settings = [
        ("SOFTCUDA_CHECK", "1"),
        ("SOFTCUDA_SEED", seed.as_str()),
        ("SOFTCUDA_SMS", multiprocessors),
    ];
    on_softcuda(module_path!(), name, &settings, || {
        let device = device();
        let small = |case: &Case| {
            let (width, samples) = (case.network.width, case.train.len());
            width <= 33 || width < 1000 && samples <= 3
        };
        let all = cases().into_iter().chain(descents()).filter(small);
        for (i, case) in all.skip(order).step_by(9).enumerate() {
            let case = Case { steps: 2, ..case };
            run_all(&case, &mut crew::<f32>(&device, &case, &SEEDS));
            if i % 3 == 0 {
                run_all(&case, &mut crew::<f64>(&device, &case, &SEEDS[..1]));
            }
        }
        let everything = everything();
        let narrow = Case {
            network: nfd::backend::Network { width: 600, ..everything.network },
            steps: 2,
            ..everything
        };
        run_all(&narrow, &mut crew::<f32>(&device, &narrow, &SEEDS[..1]));
    });
}

#[test]
fn the_sanitizer_finds_nothing() {
    sanitized("the_sanitizer_finds_nothing", 1, "4");
}

#[test]
fn the_sanitizer_finds_nothing_on_one_multiprocessor() {
    sanitized("the_sanitizer_finds_nothing_on_one_multiprocessor", 2, "1");
}

#[test]
fn the_sanitizer_finds_nothing_on_five_multiprocessors() {
    sanitized("the_sanitizer_finds_nothing_on_five_multiprocessors", 3, "5");
}
