//! Products in 3xTF32 on tensor cores: each against its exact value, to a bound that holds for any order in
//! which tensor cores add up and for sums that they cut off; and whole runs against plain.

use std::sync::Arc;

use half::bf16;
use nfd::backend::crew::Crew;
use nfd::backend::cuda::device::Device;
use nfd::engine::batches::Batches;
use nfd::model::{Activation, Block, Closure, Loss, Parametrization};
use nfd::rng::noise::{Direction, Entry, Noise};

use crate::common::dense::{Case, batched_cases, cases, two_layer_cases};
use crate::common::softcuda::{on_softcuda, share};
use crate::common::*;
use crate::dense::{BATCHED, SEEDS, compare_all, crew, noise, run, train_unseen, trainings};

fn device() -> Arc<Device> {
    Arc::new(Device::open(0).unwrap().in_tf32x3())
}

/// Half a unit in the last place of f32.
const HALF: f64 = 1.0 / (1 << 24) as f64;

/// The error of a sum of products as a share of the sum of their magnitudes, at most.
///
/// A product of x = hi + lo + δ and y loses lo lo, at most 2^-22 of it, and δ y and x δ, at most 2^-23 each: 2^-21
/// together. Tensor cores add nine numbers in some order, each time with an error of at most 2^-23 of what they
/// have so far; those of the two small terms are below 2^-11 of the third's. What they return is added up in f32, in
/// `additions` roundings to the nearest, of which the last ones are those of factors.
fn share_of_error(additions: usize) -> f64 {
    let of_product = 8.0 * HALF;
    let of_tensor_cores = 9.0 * 2.0 * HALF * (1.0 + 3.0 / 2048.0);
    of_product + of_tensor_cores + additions as f64 * HALF
}

/// Asserts that `got` is Σ a b, of pairs (a, b), times `scale`, added to `carried`; `done` describes it.
fn assert_sum(
    (got, carried): (f64, f64),
    scale: f64,
    pairs: impl Iterator<Item = (f64, f64)>,
    additions: usize,
    done: &dyn Fn() -> String,
) {
    let (mut sum, mut magnitudes) = (0.0, 0.0);
    for (a, b) in pairs {
        sum += a * b;
        magnitudes += (a * b).abs();
    }
    let bound = scale.abs() * magnitudes * share_of_error(additions)
        + HALF * carried.abs() * additions as f64;
    let error = (got - carried - scale * sum).abs();
    assert!(error <= bound, "off by {error:e}, at most {bound:e}: {}", done());
}

/// A network without nonlinearity of two layers, so that what products read is what was recorded.
fn linear(width: usize, samples: usize) -> Case {
    let all = sphere(samples + 1, 5, 1);
    let train = all.select(0..samples);
    let kind = (Block::OneLayer, Parametrization::DepthMup, Activation::Identity, Closure::Exact);
    Case {
        network: network_of(kind.0, kind.1, kind.2, kind.3, (width, 2), &train),
        test: all.select(samples..samples + 1),
        loss: Loss::Squared,
        batches: Batches { samples, size: samples, seed: 3 },
        // Updates of the size of weights, whose rounding would hide what is wrong with them.
        update: descent(rates(20.0, HIDDEN)),
        record: 1,
        steps: 1,
        fine: 1,
        train,
    }
}

/// W_l as it is drawn, by row and column, in bf16 where it is `frozen`.
fn drawn(case: &Case, seed: u64, l: usize, frozen: bool) -> Vec<f64> {
    let n = case.network.width;
    let mut w = vec![0.0; n * n];
    for j in 0..n {
        let entry =
            Entry::Weight { direction: Direction::Forward, layer: l as u32, column: j as u32 };
        let mut column = vec![0.0_f32; n];
        noise(case, seed).fill_f32(entry, 0, &mut column);
        for (i, &x) in column.iter().enumerate() {
            w[i * n + j] = if frozen { bf16::from_f32(x).to_f64() } else { f64::from(x) };
        }
    }
    w
}

/// Forward, backward and the step of weights, every entry of every product.
fn products_keep_their_bounds(case: &Case, frozen: bool) {
    let (n, samples) = (case.network.width, case.train.len());
    let (scales, depth) = (case.network.scales, case.network.depth);
    let mut crew = crew::<f32>(&device(), case, &SEEDS, frozen);
    let batch = vec![case.batches.of(0); SEEDS.len()];
    let forward = crew.forward(0, &batch, true).unwrap();
    // Of the size of one, and different in every sample.
    let chi: Vec<f64> = (0..samples).map(|p| 0.5 + (p % 7) as f64 / 9.0).collect();
    let chis = vec![chi.clone(); SEEDS.len()];
    let backward = crew.backward(0, &chis, Some(&case.update)).unwrap();
    for (m, &seed) in SEEDS.iter().enumerate() {
        let of = |x: &[f32], i: usize, p: usize| f64::from(x[p * n + i]);
        let (h, g) = (&forward[m].features, &backward[m].gradients);
        for l in 1..=depth {
            let w = drawn(case, seed, l, frozen);
            let what = |of: &str, i: usize, p: usize| {
                format!("{of} ({i}, {p}) of layer {l}, n {n}, P {samples}, frozen {frozen}")
            };
            let (below, above) = (&h[l - 1].rows, &h[l].rows);
            let (g_below, g_above) = (&g[l - 1].rows, &g[l].rows);
            for (i, p) in (0..n).flat_map(|i| (0..samples).map(move |p| (i, p))) {
                let pairs = (0..n).map(|j| (w[i * n + j], of(below, j, p)));
                let ends = (of(above, i, p), of(below, i, p));
                // Pieces of eight columns, of which a warp has every eighth; the eight warps; the factors.
                let additions = n.div_ceil(64) + 8 + 3;
                assert_sum(ends, scales.forward, pairs, additions, &|| what("h", i, p));
                let pairs = (0..n).map(|j| (w[j * n + i], of(g_above, j, p)));
                let ends = (of(g_below, i, p), of(g_above, i, p));
                // Pieces of eight rows, parts of at least 32 rows, warps that share them.
                let additions = n.div_ceil(8) + n.div_ceil(32) + 4 + 4;
                assert_sum(ends, scales.forward, pairs, additions, &|| what("g", i, p));
            }
            let Some(moved) = crew.weights_of(m, l).unwrap() else { continue };
            let factor =
                |p: usize| (-case.update.rates.hidden * scales.update_hidden * chi[p]) as f32;
            let steps: Vec<f32> = (0..n * samples).map(|at| factor(at / n) * g_above[at]).collect();
            for (i, j) in (0..n).flat_map(|i| (0..n).map(move |j| (i, j))) {
                let pairs = (0..samples).map(|p| (of(&steps, i, p), of(below, j, p)));
                let ends = (f64::from(moved[i * n + j]), w[i * n + j]);
                assert_sum(ends, 1.0, pairs, samples.div_ceil(8), &|| what("W", i, j));
            }
        }
    }
}

/// Widths less than a tile, one and a number, two and a part; samples that fill tiles and lots or not, and more
/// than one launch takes.
const SIZES: [(usize, usize); 10] = [
    (31, 9),
    (65, 16),
    (130, 31),
    (65, 33),
    (31, 64),
    (130, 100),
    (65, 128),
    (31, 256),
    (31, 300),
    (130, 300),
];

#[test]
fn every_product_is_right_to_its_bound() {
    on_softcuda(module_path!(), "every_product_is_right_to_its_bound", &[], || {
        for (width, samples) in SIZES {
            products_keep_their_bounds(&linear(width, samples), false);
        }
    });
}

#[test]
fn every_product_with_weights_in_bf16_is_right_to_its_bound() {
    on_softcuda(
        module_path!(),
        "every_product_with_weights_in_bf16_is_right_to_its_bound",
        &[],
        || {
            for (width, samples) in SIZES.into_iter().step_by(2) {
                products_keep_their_bounds(&linear(width, samples), true);
            }
        },
    );
}

/// Those of cases whose steps have enough samples for tiles.
fn tiled(cases: Vec<Case>) -> Vec<Case> {
    cases.into_iter().filter(|case| case.batches.size > 8).collect()
}

/// To the tolerance of f32: the bound of a sum of n products in f32, which adds up every eighth of them one by
/// one, is n/8 + 11 roundings, and here 26 + n/64 + 11.
const TOLERANCE: f64 = 2e-5;

#[test]
fn runs_are_plain_to_the_rounding_of_f32() {
    on_softcuda(module_path!(), "runs_are_plain_to_the_rounding_of_f32", &[], || {
        let device = device();
        assert!(device.path().ends_with("-tf32x3"), "{}", device.path());
        let some = share(3, tiled(batched_cases(&BATCHED)));
        compare_all::<f32>(&device, some, false, TOLERANCE);
    });
}

#[test]
fn wide_and_two_layer_runs_are_too() {
    on_softcuda(module_path!(), "wide_and_two_layer_runs_are_too", &[], || {
        let both = tiled(cases()).into_iter().chain(tiled(two_layer_cases()));
        compare_all::<f32>(&device(), share(3, both), false, TOLERANCE);
    });
}

#[test]
fn runs_with_weights_in_bf16_are_too() {
    on_softcuda(module_path!(), "runs_with_weights_in_bf16_are_too", &[], || {
        let some = share(4, tiled(batched_cases(&BATCHED)));
        compare_all::<f32>(&device(), some, true, TOLERANCE);
    });
}

/// Numbers of other formats are multiplied as on any device.
#[test]
fn f64_stays_f64() {
    on_softcuda(module_path!(), "f64_stays_f64", &[], || {
        let few = share(4, tiled(batched_cases(&[33])));
        compare_all::<f64>(&device(), few, false, 1e-12);
    });
}

/// The same bits for one network and several, and where numbers stop being finite the step and layer of f32.
#[test]
fn bits_do_not_depend_on_company_and_divergence_is_noticed() {
    let name = "bits_do_not_depend_on_company_and_divergence_is_noticed";
    on_softcuda(module_path!(), name, &[], || {
        let (tensor, plain) = (device(), Arc::new(Device::open(0).unwrap()));
        for (i, case) in share(24, tiled(batched_cases(&[33])).into_iter().enumerate()) {
            let alone = run(&case, &mut crew::<f32>(&tensor, &case, &SEEDS[..1], i % 48 == 0));
            let both = run(&case, &mut crew::<f32>(&tensor, &case, &SEEDS, i % 48 == 0));
            assert!(alone[0] == both[0], "{case:?}");
            let case = Case { steps: 5, ..case };
            let trainings = trainings(&case, case.update.rates.scaled(1e15));
            let [got, want] = [&tensor, &plain]
                .map(|device| train_unseen::<f32>(device, &case, &trainings, false));
            assert!(want.iter().any(|run| run.diverged.is_some()), "{case:?}");
            for (got, want) in got.iter().zip(&want) {
                assert_eq!(got.diverged, want.diverged, "{case:?}");
            }
        }
    });
}

#[test]
fn the_sanitizer_finds_nothing_on_tensor_cores() {
    let name = "the_sanitizer_finds_nothing_on_tensor_cores";
    let settings = [("SOFTCUDA_CHECK", "1"), ("SOFTCUDA_SEED", "2")];
    on_softcuda(module_path!(), name, &settings, || {
        let device = device();
        for (i, (width, samples)) in
            [(31, 9), (65, 31), (33, 64), (33, 130)].into_iter().enumerate()
        {
            let case = linear(width, samples);
            run(&case, &mut crew::<f32>(&device, &case, &SEEDS, i % 2 == 1));
        }
    });
}
