//! Two-layer blocks in the conditional engine of a device, whose inner layers have width n, against plain.

use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use crate::common::conditional::*;
use crate::common::crew::*;
use crate::common::softcuda::{on_softcuda, share};
use crate::common::two_layer::{PARAMETRIZATIONS, crowded, rounding, two_layer};
use crate::common::*;
use nfd::backend::crew::Crew;
use nfd::backend::cuda::device::{Device, Number};
use nfd::backend::{Covariances, DROP_TOLERANCE_F32, Update};
use nfd::engine::{Training, train, train_together};
use nfd::model::{Activation, Closure, InnerWidth, Parametrization};

/// The covering of one-layer blocks with two matrices in each.
fn covering() -> Vec<Case> {
    let all = cases().into_iter().chain(descents()).enumerate();
    let narrow = all.filter(|(_, case)| case.network.width <= 300);
    let with_two = |(i, mut case): (usize, Case)| {
        let parametrization = PARAMETRIZATIONS[i % 4];
        case.network = two_layer(&case.network, parametrization, InnerWidth::Times(1.0));
        if parametrization == Parametrization::Mup {
            case.update.rates = case.update.rates.scaled(0.02 / 0.3);
        }
        let steps = if case.network.width > 33 { 2 } else { case.steps };
        Case { steps, ..case }
    };
    narrow.map(with_two).collect()
}

/// All ranks are those of plain, and every number to the bound of the processor's engine (tests/suites/
/// two_layer_conditional.rs): ten times what plain itself does with noise that is off by 1e-15.
#[test]
fn f64_is_plain_over_a_covering_of_sizes_and_options() {
    on_softcuda(module_path!(), "f64_is_plain_over_a_covering_of_sizes_and_options", &[], || {
        let device = device();
        for (i, case) in share(2, covering()).into_iter().enumerate() {
            // Seed 7, which `rounding` is of, and another one beside it in every third case.
            let seeds = &SEEDS[..if i % 3 == 0 { 2 } else { 1 }];
            let got = run_all(&case, &mut crew::<f64>(&device, &case, seeds)).swap_remove(0);
            let want = run(&case, &mut case.plain());
            assert_eq!(ranks(&got), ranks(&want), "{case:?}");
            let bound = 10.0 * rounding(&case, &want) + crowded(&case).unwrap_or(1e-12);
            // Snapshots are rounded to f32.
            let tolerance = |what: &str| if what == "row" { bound.max(1e-6) } else { bound };
            let off = first_off(&got, &want, tolerance);
            assert!(off.is_none(), "{off:?} beyond {bound:e}: {case:?}");
        }
    });
}

fn wide(closure: Closure, update: Update) -> Case {
    let train = sphere(3, 5, 1);
    let parametrization = Parametrization::DepthMup;
    let network = network(parametrization, Activation::Tanh, closure, (700, 3), &train);
    Case {
        network: two_layer(&network, parametrization, InnerWidth::Times(1.0)),
        batches: full(&train),
        update,
        record: 2,
        test: sphere(2, 5, 1),
        train,
        steps: 3,
        fine: 2,
    }
}

/// In f32 over four passes, with momentum and decay: f to 1e-5, couplings to 1e-4 of themselves.
#[test]
fn f32_follows_plain() {
    on_softcuda(module_path!(), "f32_follows_plain", &[], || {
        let device = device();
        let update = Update { momentum: 0.5, weight_decay: 0.1, ..descent(rates(1.0, ALL)) };
        for closure in [Closure::Exact, Closure::Gia, Closure::Fresh] {
            let case = wide(closure, update);
            let narrow = case.with_tolerance(DROP_TOLERANCE_F32);
            let got = run_all(&narrow, &mut crew::<f32>(&device, &narrow, &SEEDS[..1]));
            let want = run(&case, &mut case.plain());
            for (got, want) in got[0].forward.iter().zip(&want.forward) {
                for (got, want) in got.f.iter().zip(&want.f) {
                    assert!((got - want).abs() <= 1e-5, "{closure:?}: {got} {want}");
                }
                let (Some(got), Some(want)) = (got.coupling, want.coupling) else { continue };
                let (a, b) = (got.inner.unwrap(), want.inner.unwrap());
                let pairs = [(got.layer, want.layer), (got.accumulated, want.accumulated), (a, b)];
                for (a, b) in pairs {
                    let fine = (a - b).abs() <= 1e-4 * b + DROP_TOLERANCE_F32.powi(2);
                    assert!(fine, "{closure:?}: {got:?} {want:?}");
                }
            }
        }
    });
}

/// Responses A of h to what W2 was asked and B of g to what W1 was asked, of all closures.
#[test]
fn responses_are_those_of_plain() {
    on_softcuda(module_path!(), "responses_are_those_of_plain", &[], || {
        let device = device();
        for closure in Closure::ALL {
            let update = Update { momentum: 0.5, weight_decay: 0.1, ..descent(rates(3.0, ALL)) };
            let case = Case { test: none_like(&sphere(3, 5, 1)), ..wide(closure, update) };
            let got = run_all(&case, &mut crew::<f64>(&device, &case, &SEEDS[..1]));
            let want = run(&case, &mut case.plain());
            let (got, want) =
                (got[0].covariances.as_ref().unwrap(), want.covariances.as_ref().unwrap());
            type Side = fn(&Covariances) -> Option<&nalgebra::DMatrix<f64>>;
            let forward: Side = |at| at.forward_response.as_ref();
            let backward: Side = |at| at.backward_response.as_ref();
            for (side, there) in [(forward, 1..4), (backward, 0..3)] {
                for (l, (got, want)) in got.iter().zip(want).enumerate() {
                    let (got, want) = (side(got), side(want));
                    assert_eq!(got.is_some(), there.contains(&l), "{closure:?}, level {l}");
                    assert_eq!(want.is_some(), there.contains(&l), "{closure:?}, level {l}");
                    let (Some(got), Some(want)) = (got, want) else { continue };
                    let off = (got - want).amax();
                    assert!(
                        off <= 1e-8 * want.amax(),
                        "{closure:?}, level {l}: {off} of {}",
                        want.amax()
                    );
                }
            }
        }
    });
}

/// Every number of member 0 as bits.
fn bits<T: Number>(device: &Arc<Device>, case: &Case, seeds: &[u64]) -> Vec<u64> {
    let all = run_all(case, &mut crew::<T>(device, case, seeds));
    numbers(&all[0]).into_iter().map(|(_, x)| x.to_bits()).collect()
}

/// One network, two and nine in flight: never a bit of difference.
#[test]
fn no_bit_depends_on_the_networks_in_flight() {
    on_softcuda(module_path!(), "no_bit_depends_on_the_networks_in_flight", &[], || {
        let update = Update { momentum: 0.5, ..descent(rates(1.0, ALL)) };
        let (device, case) = (device(), Case { steps: 2, ..wide(Closure::Exact, update) });
        let many: Vec<u64> = (7..16).collect();
        let alone = bits::<f32>(&device, &case, &many[..1]);
        assert!(alone.len() > 500);
        for count in [2, 9] {
            assert!(bits::<f32>(&device, &case, &many[..count]) == alone, "{count} in flight");
        }
    });
}

/// Unrecorded passes, minibatches among them, end where plain does.
#[test]
fn unseen_passes_are_those_of_plain() {
    on_softcuda(module_path!(), "unseen_passes_are_those_of_plain", &[], || {
        let device = device();
        for size in [3, 2] {
            let update = Update { momentum: 0.5, ..descent(rates(1.0, ALL)) };
            let mut case = wide(Closure::Exact, update);
            case.batches.size = size;
            let training = Training {
                momentum: update.momentum,
                batches: case.batches,
                record: 3,
                test_labels: case.test.labels.clone(),
                ..Training::descent(&case.train, update.rates, case.steps)
            };
            let mut members = crew::<f64>(&device, &case, &SEEDS[..1]);
            assert_eq!(members.members(), 1);
            let never = AtomicBool::new(false);
            let got = train_together(&mut members, std::slice::from_ref(&training), &never)
                .unwrap()
                .unwrap();
            let want = train(&mut case.plain(), &training, &never).unwrap();
            assert_eq!(got[0].passes.len(), want.passes.len());
            for (got, want) in got[0].passes.iter().zip(&want.passes) {
                let fine = got.f.iter().zip(&want.f).all(|(a, b)| close(*a, *b, 1e-8));
                assert!(fine, "{size}: {got:?} {want:?}");
            }
        }
    });
}

/// No read of what was not written, no race, no misaligned or foreign address, in several orders of warps.
#[test]
fn the_sanitizer_finds_nothing() {
    for seed in ["1", "2"] {
        let checked = &[("SOFTCUDA_CHECK", "1"), ("SOFTCUDA_SEED", seed)];
        on_softcuda(module_path!(), "the_sanitizer_finds_nothing", checked, || {
            let device = device();
            let update = Update { momentum: 0.5, weight_decay: 0.1, ..descent(rates(1.0, ALL)) };
            let case = Case { steps: 1, ..wide(Closure::Exact, update) };
            run_all(&case, &mut crew::<f32>(&device, &case, &SEEDS));
        });
        if crate::common::softcuda::inside() {
            return;
        }
    }
}
