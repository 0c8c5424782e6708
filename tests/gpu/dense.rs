//! Backend cuda against plain, on the software CUDA device that runs the very PTX which NVRTC made: the
//! same cases that the dense engine of the processor is held to, several members at once.
//! jobs/gpu-check.sh runs this suite on a GPU.

use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use crate::common::dense::{
    Case, Passes, Rounded, batched_cases, cases, inner_width_cases, two_layer_cases, worst_off,
};
use crate::common::softcuda::{on_softcuda, share};
use crate::common::*;
use nfd::backend::crew::Crew;
use nfd::backend::cuda::dense::{Dense, Members};
use nfd::backend::cuda::device::{Device, Number};
use nfd::backend::plain::dense::Dense as Plain;
use nfd::backend::{Probe, Set, Update};
use nfd::engine::{Training, Trajectory, train, train_together};
use nfd::model::{Rates, Schedule, schedule::Decay};
use nfd::rng::noise::{BrownianPath, Direction, Entry, Noise};

pub const SEEDS: [u64; 2] = [7, 1 << 40];
/// Widths of cases with many samples: less than a tile, one and a number, two and a part.
pub const BATCHED: [usize; 4] = [1, 31, 65, 130];

pub fn device() -> Arc<Device> {
    Arc::new(Device::open(0).unwrap())
}

pub fn crew<T: Number>(device: &Arc<Device>, case: &Case, seeds: &[u64], frozen: bool) -> Dense<T> {
    Dense::new(device.clone(), ensemble(case, seeds, frozen)).unwrap()
}

fn ensemble<'a>(case: &Case, seeds: &'a [u64], frozen: bool) -> Members<'a> {
    Members {
        network: case.network.clone(),
        seeds,
        noise: case.noise(),
        probe: full_probe(case.network.depth),
        samples: (case.train.clone(), case.test.clone()),
        batch: case.batches.size,
        frozen: frozen.then_some(case.steps as usize),
    }
}

pub fn noise(case: &Case, seed: u64) -> BrownianPath {
    let depth = case.network.depth as u32;
    BrownianPath::new(seed, depth * case.fine, depth)
}

/// As [`dense::run`], for all members.
pub fn run<T: Number>(case: &Case, crew: &mut Dense<T>) -> Vec<Passes> {
    let mut all: Vec<Passes> = (0..crew.members()).map(|_| Passes::default()).collect();
    for k in 0..=case.steps {
        let batch = vec![case.batches.of(k); crew.members()];
        let train = crew.evaluate(k, Set::Train).unwrap();
        let forward = crew.forward(k, &batch, k % case.record == 0).unwrap();
        let test = crew.evaluate(k, Set::Test).unwrap();
        let labels = case.train.select(batch[0].iter().copied()).labels;
        let chi = |f: &[f64]| case.loss.chi(f, &labels, case.train.outputs);
        let chi: Vec<_> = forward.iter().map(|forward| chi(&forward.f)).collect();
        let update = update_of(case, k);
        let backward = crew.backward(k, &chi, update.as_ref()).unwrap();
        for (m, passes) in all.iter_mut().enumerate() {
            passes.evaluated.extend([train[m].clone(), test[m].clone()]);
            passes.forward.push(forward[m].clone());
            passes.backward.push(backward[m].clone());
        }
    }
    for (passes, covariances) in all.iter_mut().zip(crew.covariances()) {
        passes.covariances = covariances;
    }
    all
}

/// That of [`dense::run`].
fn update_of(case: &Case, k: u32) -> Option<Update> {
    let Rates { input, hidden, readout } = case.update.rates;
    let slower = 1.0 / f64::from(k + 1);
    let rates = Rates { input: input * slower, hidden: hidden * slower, readout: readout * slower };
    (k < case.steps).then_some(Update { rates, number: k + 1, ..case.update })
}

fn same_weights<T: Number>(crew: &Dense<T>, member: usize, plain: &Plain, tolerance: f64) -> bool {
    let fine = |got: &[T], want: &[f64]| {
        got.len() == want.len()
            && got.iter().zip(want).all(|(a, b)| close(a.widen(), *b, tolerance))
    };
    let hidden = plain.weights().forward.iter().enumerate().all(|(l, want)| {
        let got = crew.weights_of(member, l + 1).unwrap();
        got.is_none_or(|got| fine(&got, want.transpose().as_slice()))
    });
    let inner = plain.inner_weights().map_or(&[][..], |weights| &weights.forward);
    let inner = inner.iter().enumerate().all(|(l, want)| {
        let got = crew.inner_weights_of(member, l + 1).unwrap().unwrap();
        fine(&got, want.transpose().as_slice())
    });
    let (u, v) = crew.ends_of(member).unwrap();
    hidden
        && inner
        && fine(&u, plain.ends().u.transpose().as_slice())
        && fine(&v, plain.ends().v.as_slice())
}

/// All members of the cases, or of a share of them, against plain ones; several members in every third case.
fn compare<T: Number>(every: usize, frozen: bool, tolerance: f64) {
    let device = device();
    compare_all::<T>(&device, share(every, cases()), frozen, tolerance);
    compare_all::<T>(&device, share(every, batched_cases(&BATCHED)), frozen, tolerance);
}

pub fn compare_all<T: Number>(
    device: &Arc<Device>,
    cases: Vec<Case>,
    frozen: bool,
    tolerance: f64,
) {
    for (i, case) in cases.into_iter().enumerate() {
        // A value between two numbers of bf16 goes to one in f32 and to the other in f64.
        if frozen && case.fine > 1 && T::NAME == "f32" {
            continue;
        }
        let seeds = &SEEDS[..if i % 3 == 0 { 2 } else { 1 }];
        let mut crew = crew::<T>(device, &case, seeds, frozen);
        let got = run(&case, &mut crew);
        for (member, &seed) in seeds.iter().enumerate() {
            let mut plain = match frozen {
                true => case.plain_with(&Rounded(noise(&case, seed))),
                false => case.plain_with(&noise(&case, seed)),
            };
            let want = dense::run(&case, &mut plain);
            let tolerance_of =
                |what: &str| if what == "row" { tolerance.max(1e-6) } else { tolerance };
            let off = worst_off(&got[member], &want, tolerance_of);
            assert!(off.is_none(), "{off:?} in member {member}: {case:?}");
            assert!(same_weights(&crew, member, &plain, tolerance), "weights: {case:?}");
        }
    }
}

/// The tolerances are those of the processor's dense engine, which orders its sums otherwise too.
#[test]
fn f64_is_plain_over_a_covering_of_sizes_and_options() {
    on_softcuda(module_path!(), "f64_is_plain_over_a_covering_of_sizes_and_options", &[], || {
        compare::<f64>(2, false, 1e-12);
    });
}

#[test]
fn f32_is_plain_to_its_rounding() {
    on_softcuda(module_path!(), "f32_is_plain_to_its_rounding", &[], || {
        compare::<f32>(2, false, 2e-5)
    });
}

#[test]
fn frozen_weights_are_rounded_ones_with_an_exact_drift() {
    on_softcuda(module_path!(), "frozen_weights_are_rounded_ones_with_an_exact_drift", &[], || {
        compare::<f64>(3, true, 1e-12);
        compare::<f32>(4, true, 2e-5);
    });
}

#[test]
fn two_layer_blocks_in_f64_are_plain_too() {
    on_softcuda(module_path!(), "two_layer_blocks_in_f64_are_plain_too", &[], || {
        compare_all::<f64>(&device(), share(2, two_layer_cases()), false, 1e-12);
        compare_all::<f64>(&device(), share(3, inner_width_cases()), false, 1e-12);
    });
}

#[test]
fn two_layer_blocks_in_f32_are_plain_to_its_rounding() {
    on_softcuda(module_path!(), "two_layer_blocks_in_f32_are_plain_to_its_rounding", &[], || {
        compare_all::<f32>(&device(), share(2, two_layer_cases()), false, 2e-5);
        compare_all::<f32>(&device(), share(4, inner_width_cases()), false, 2e-5);
    });
}

/// One member's bits, whoever else is in flight: the first of one, of two and of three.
#[test]
fn two_layer_blocks_have_the_same_bits_in_any_company() {
    on_softcuda(module_path!(), "two_layer_blocks_have_the_same_bits_in_any_company", &[], || {
        let device = device();
        let seeds = [SEEDS[0], SEEDS[1], 11];
        let narrow = two_layer_cases().into_iter().filter(|case| case.network.width <= 33);
        for case in narrow.step_by(3) {
            let of = |count: usize| {
                let mut crew = crew::<f32>(&device, &case, &seeds[..count], false);
                let passes = run(&case, &mut crew).swap_remove(0);
                (passes, crew.weights_of(0, 1).unwrap(), crew.inner_weights_of(0, 1).unwrap())
            };
            let alone = of(1);
            assert!(of(2) == alone && of(3) == alone, "{case:?}");
        }
    });
}

/// Weights as they are drawn, of single fine layers, where no rounding is left to choose.
#[test]
fn normals_are_the_same_bits() {
    on_softcuda(module_path!(), "normals_are_the_same_bits", &[], || {
        let device = device();
        for case in cases().into_iter().filter(|case| case.fine == 1).take(6) {
            let crew = crew::<f32>(&device, &case, &SEEDS, false);
            for (member, seed) in SEEDS.into_iter().enumerate() {
                let n = case.network.width;
                let w = crew.weights_of(member, 2).unwrap().unwrap();
                for j in 0..n {
                    let mut want = vec![0.0; n];
                    let (direction, column) = (Direction::Forward, j as u32);
                    let entry = Entry::Weight { direction, layer: 2, column };
                    noise(&case, seed).fill_f32(entry, 0, &mut want);
                    let same = |i: usize| w[i * n + j].to_bits() == want[i].to_bits();
                    assert!((0..n).all(same), "column {j}: {case:?}");
                }
            }
        }
    });
}

/// A short training of each member, two of three passes unseen.
pub fn trainings(case: &Case, rates: Rates) -> [Training; 2] {
    SEEDS.map(|_| Training {
        loss: case.loss,
        steps: case.steps,
        batches: case.batches,
        rates,
        schedule: Schedule { decay: Decay::Cosine { last: 0.1 }, warmup: 2 },
        momentum: case.update.momentum,
        weight_decay: case.update.weight_decay,
        rule: case.update.rule,
        record: 3,
        labels: case.train.labels.clone(),
        test_labels: case.test.labels.clone(),
        outputs: case.train.outputs,
    })
}

pub fn train_unseen<T: Number>(
    device: &Arc<Device>,
    case: &Case,
    trainings: &[Training],
    frozen: bool,
) -> Vec<Trajectory> {
    let probe = Probe { covariance_columns: 0, ..full_probe(case.network.depth) };
    let ensemble = Members { probe, ..ensemble(case, &SEEDS, frozen) };
    let mut crew = Dense::<T>::new(device.clone(), ensemble).unwrap();
    train_together(&mut crew, trainings, &AtomicBool::new(false)).unwrap().unwrap()
}

/// Passes that nobody looks at, which are one launch of a captured graph each, go where plain goes; also
/// where they leave the finite numbers.
#[test]
fn unseen_steps_are_those_of_plain() {
    on_softcuda(module_path!(), "unseen_steps_are_those_of_plain", &[], || {
        let device = device();
        let all = cases().into_iter().chain(two_layer_cases()).chain(inner_width_cases());
        let narrow = all.filter(|case| case.network.width <= 33);
        for (i, case) in narrow.enumerate() {
            let one_layer = case.network.scales.inner.is_none();
            // One that runs away in every third case, beside one that does not.
            for (frozen, factor) in [(i % 2 == 0 && one_layer, 1.0), (false, 1e200)] {
                if factor > 1.0 && i % 3 > 0 {
                    continue;
                }
                let rates = case.update.rates.scaled(factor);
                let case = Case { steps: 5, ..case.clone() };
                let probe = Probe { covariance_columns: 0, ..full_probe(case.network.depth) };
                let stop = AtomicBool::new(false);
                let trainings = trainings(&case, rates);
                let got = train_unseen::<f64>(&device, &case, &trainings, frozen);
                for (seed, got) in SEEDS.into_iter().zip(&got) {
                    let (network, probe) = (case.network.clone(), probe.clone());
                    let samples = (case.train.clone(), case.test.clone());
                    let noise = noise(&case, seed);
                    let mut plain = match frozen {
                        true => Plain::new(network, &Rounded(noise), probe, samples.0, samples.1),
                        false => Plain::new(network, &noise, probe, samples.0, samples.1),
                    };
                    let want = train(&mut plain, &trainings[0], &stop).unwrap();
                    assert_eq!(got.diverged, want.diverged, "{case:?}");
                    assert_eq!(got.passes.len(), want.passes.len(), "{case:?}");
                    for (got, want) in got.passes.iter().zip(&want.passes) {
                        let fine = |a: &[f64], b: &[f64]| {
                            a.iter().zip(b).all(|(a, b)| close(*a, *b, 1e-11))
                        };
                        assert_eq!(got.step, want.step);
                        assert!(fine(&got.f, &want.f), "{got:?} {want:?} {case:?}");
                        assert!(close(got.own_movement, want.own_movement, 1e-11), "{case:?}");
                        let inner = [got, want].map(|pass| pass.inner_movement.unwrap_or(-1.0));
                        assert!(close(inner[0], inner[1], 1e-11), "{inner:?} {case:?}");
                        assert!(close(got.test_loss.unwrap(), want.test_loss.unwrap(), 1e-11));
                    }
                }
            }
        }
    });
}

/// No read of what was not written, no race, no misaligned or foreign address, in any order of warps: a
/// sixth of the cases with each order, of the wide ones those with few samples; a twelfth of those with many, the
/// largest batches left to orders that need no check of every byte. (Twice as many where NFD_WHOLE is set.)
fn sanitized(name: &str, order: usize) {
    let seed = order.to_string();
    on_softcuda(module_path!(), name, &[("SOFTCUDA_CHECK", "1"), ("SOFTCUDA_SEED", &seed)], || {
        let device = device();
        let narrow = |case: &Case| match case.network.width {
            0..=33 => case.train.len() <= 130,
            34..=65 => case.train.len() <= 31,
            _ => case.train.len() <= 3,
        };
        let wider = inner_width_cases().into_iter().step_by(4);
        let few = cases().into_iter().chain(two_layer_cases()).chain(wider).filter(narrow);
        let many = batched_cases(&BATCHED).into_iter().filter(narrow);
        let own = few.skip(order - 1).step_by(3).chain(many.skip(2 * order - 1).step_by(6));
        for (i, case) in share(2, own).into_iter().enumerate() {
            // Two updates, of which the second meets the first one's momentum.
            let short = Case { steps: 2, ..case.clone() };
            let one_layer = case.network.scales.inner.is_none();
            let frozen = i % 2 == 0 && one_layer;
            run(&short, &mut crew::<f32>(&device, &short, &SEEDS, frozen));
            if i % 2 == 0 {
                let trainings = trainings(&case, case.update.rates);
                train_unseen::<f64>(&device, &case, &trainings, i % 4 == 0 && one_layer);
            }
        }
    });
}

#[test]
fn the_sanitizer_finds_nothing() {
    sanitized("the_sanitizer_finds_nothing", 1);
}

#[test]
fn the_sanitizer_finds_nothing_in_another_order() {
    sanitized("the_sanitizer_finds_nothing_in_another_order", 2);
}

#[test]
fn the_sanitizer_finds_nothing_in_a_third_order() {
    sanitized("the_sanitizer_finds_nothing_in_a_third_order", 3);
}
