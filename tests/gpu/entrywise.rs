//! Rules that look at every single number of a gradient, Adam and the sign, on a device against plain.

use std::sync::atomic::AtomicBool;

use super::dense::{
    BATCHED, SEEDS, compare_all, crew, device, noise, run, train_unseen, trainings,
};
use crate::common::dense::{Case, batched_cases, cases, inner_width_cases, two_layer_cases};
use crate::common::softcuda::{on_softcuda, share};
use crate::common::*;
use nfd::backend::plain::dense::Dense as Plain;
use nfd::backend::{Network, Probe, Update};
use nfd::engine::train;
use nfd::model::{Activation, Closure, Rule};

/// Smooth in the gradients: takes the rounding of sums of order one apart by up to 1/ε an update.
fn adam(epsilon: f64) -> Rule {
    Rule::Adam { betas: [0.6, 0.8], epsilon }
}

fn with(rule: Rule, cases: Vec<Case>) -> Vec<Case> {
    let by = |case: Case| Case { update: Update { rule, ..case.update }, ..case };
    cases.into_iter().map(by).collect()
}

/// Few samples and many, more than one launch has, in blocks of one layer and of two; ε as in the tests of the
/// processor in f64, and 1 in f32, where rounding then stays what it is.
#[test]
fn adam_is_that_of_plain_over_a_covering_of_sizes_and_options() {
    const NAME: &str = "adam_is_that_of_plain_over_a_covering_of_sizes_and_options";
    on_softcuda(module_path!(), NAME, &[], || {
        let device = device();
        let all = || {
            let narrow = |case: &Case| case.network.width <= 65;
            let two_layers = two_layer_cases().into_iter().chain(inner_width_cases());
            let few = cases().into_iter().chain(two_layers).filter(narrow);
            let many = batched_cases(&BATCHED).into_iter().filter(narrow);
            // Sums of these are gathered by more than one launch.
            let (more, many): (Vec<_>, Vec<_>) = many.partition(|case| case.batches.size > 256);
            [share(4, few), share(4, many), share(2, more)].concat()
        };
        compare_all::<f64>(&device, with(adam(1e-2), all()), false, 1e-9);
        compare_all::<f32>(&device, with(adam(1.0), all()), false, 2e-5);
    });
}

/// Signs, which jump: of smooth activations and a width at which no number is near zero.
fn of_signs() -> Vec<Case> {
    let smooth = |case: &Case| {
        let Network { width, activation, .. } = case.network;
        width == 31 && case.train.len() <= 31 && activation == Activation::Tanh
    };
    let all = cases().into_iter().chain(batched_cases(&BATCHED)).chain(two_layer_cases());
    with(Rule::Sign, all.filter(smooth).collect())
}

#[test]
fn signs_are_those_of_plain() {
    on_softcuda(module_path!(), "signs_are_those_of_plain", &[], || {
        let cases = of_signs();
        // With momentum and without, trained apart and together, decaying and not.
        let of = |asked: &dyn Fn(&Case) -> bool| cases.iter().filter(|case| asked(case)).count();
        assert!(
            of(&|case| case.update.momentum > 0.0) > 0
                && of(&|case| case.update.momentum == 0.0) > 0
        );
        assert!(of(&|case| case.network.closure == Closure::Gia) > 0);
        assert!(of(&|case| case.update.weight_decay > 0.0) > 0);
        compare_all::<f64>(&device(), cases, false, 1e-10);
    });
}

/// Passes that nobody looks at are one graph, captured in the first update: corrections by 1 − β^k and rates are
/// those of each update, and the running means are the same graph's from update to update.
#[test]
fn unseen_steps_are_those_of_plain() {
    on_softcuda(module_path!(), "unseen_steps_are_those_of_plain", &[], || {
        let device = device();
        let all = cases().into_iter().chain(two_layer_cases());
        let narrow = with(adam(1e-2), all.filter(|case| case.network.width <= 33).collect());
        for case in share(3, narrow) {
            let case = Case { steps: 5, ..case.clone() };
            let trainings = trainings(&case, case.update.rates);
            let got = train_unseen::<f64>(&device, &case, &trainings, false);
            for (seed, got) in SEEDS.into_iter().zip(&got) {
                let probe = Probe { covariance_columns: 0, ..full_probe(case.network.depth) };
                let (network, samples) =
                    (case.network.clone(), (case.train.clone(), case.test.clone()));
                let mut plain =
                    Plain::new(network, &noise(&case, seed), probe, samples.0, samples.1);
                let want = train(&mut plain, &trainings[0], &AtomicBool::new(false)).unwrap();
                assert_eq!(got.diverged, want.diverged, "{case:?}");
                assert_eq!(got.passes.len(), want.passes.len(), "{case:?}");
                for (got, want) in got.passes.iter().zip(&want.passes) {
                    let fine = got.f.iter().zip(&want.f).all(|(a, b)| close(*a, *b, 1e-9));
                    assert!(fine, "{got:?} {want:?} {case:?}");
                    assert!(close(got.own_movement, want.own_movement, 1e-9), "{case:?}");
                }
            }
        }
    });
}

/// One member's bits, whoever else is in flight.
#[test]
fn members_have_the_same_bits_in_any_company() {
    on_softcuda(module_path!(), "members_have_the_same_bits_in_any_company", &[], || {
        let device = device();
        for case in
            with(adam(1e-2), cases()).into_iter().filter(|case| case.network.width <= 33).step_by(5)
        {
            let of = |seeds: &[u64]| {
                let mut crew = crew::<f32>(&device, &case, seeds, false);
                let passes = run(&case, &mut crew).swap_remove(0);
                (passes, crew.weights_of(0, 1).unwrap(), crew.ends_of(0).unwrap())
            };
            assert!(of(&SEEDS[..1]) == of(&[SEEDS[0], SEEDS[1], 11]), "{case:?}");
        }
    });
}

/// No read of what was not written, no race, no misaligned or foreign address.
#[test]
fn the_sanitizer_finds_nothing() {
    let checked = &[("SOFTCUDA_CHECK", "1"), ("SOFTCUDA_SEED", "3")];
    on_softcuda(module_path!(), "the_sanitizer_finds_nothing", checked, || {
        let device = device();
        let narrow = |case: &Case| case.network.width <= 33 && case.train.len() <= 31;
        let few: Vec<Case> =
            cases().into_iter().chain(two_layer_cases()).filter(narrow).step_by(6).collect();
        let many: Vec<Case> =
            batched_cases(&BATCHED).into_iter().filter(narrow).step_by(6).collect();
        for (i, case) in [few, many].concat().into_iter().enumerate() {
            let rule = if i % 3 == 0 { Rule::Sign } else { adam(1e-2) };
            let short = Case { steps: 2, update: Update { rule, ..case.update }, ..case };
            run(&short, &mut crew::<f32>(&device, &short, &SEEDS, false));
            if i % 2 == 0 {
                train_unseen::<f64>(&device, &short, &trainings(&short, short.update.rates), false);
            }
        }
    });
}
