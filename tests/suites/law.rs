//! Agreement in law at small width: the conditional engine has the distribution of the dense one,
//! same-step backward queries and dropped columns included. Fixed seeds, two sides, family-wise
//! level 1e-3, and twins with a wrong closure that must fail.

use crate::common::*;
use nfd::backend::plain::conditional::Conditional;
use nfd::backend::plain::dense::Dense;
use nfd::backend::{Set, Sweeps};
use nfd::data::Samples;
use nfd::model::{Activation, Closure, Parametrization};
use nfd::rng::noise::BrownianPath;

const WIDTH: usize = 8;
const DEPTH: usize = 3;
const STEPS: u32 = 3;
const RUNS: u64 = 10_000;
const RATE: f64 = 1.0;

/// Per pass: f_1, f_2, f_1 f_2, mean squares of h_L, g_0, h_L·g_L, own-weight movement, and the
/// product of (h_1 − h_0)·g_1 and (g_0 − g_1)·h_0: layer 1's W enters the first forward and the
/// second transposed, so it sees the reuse within one pass; output at a test input, and its product
/// with f_1.
const PER_PASS: usize = 10;

fn statistics(run: &mut dyn Sweeps, train: &Samples) -> Vec<f64> {
    let mut out = Vec::new();
    let mean_product = |a: &[f32], b: &[f32]| {
        a.iter().zip(b).map(|(a, b)| f64::from(*a) * f64::from(*b)).sum::<f64>() / a.len() as f64
    };
    for k in 0..=STEPS {
        let forward = run.forward(k, &all(train), true);
        let test = run.evaluate(k, Set::Test)[0];
        let backward =
            run.backward(k, &chi(&forward.f, train), Some(&descent(rates(RATE, HIDDEN))));
        let (h, g) = (&forward.features, &backward.gradients);
        let (h_last, g_last) = (&h[DEPTH].rows, &g[DEPTH].rows);
        out.extend([
            forward.f[0],
            forward.f[1],
            forward.f[0] * forward.f[1],
            mean_product(h_last, h_last),
            mean_product(&g[0].rows, &g[0].rows),
            mean_product(h_last, g_last),
            forward.own_movement,
            (mean_product(&h[1].rows, &g[1].rows) - mean_product(&h[0].rows, &g[1].rows))
                * (mean_product(&g[0].rows, &h[0].rows) - mean_product(&g[1].rows, &h[0].rows)),
            test,
            test * forward.f[0],
        ]);
    }
    out
}

fn ensemble(closure: Closure, dense: bool, first_seed: u64) -> Vec<Vec<f64>> {
    let all = sphere(3, 4, 1);
    let rows: Vec<Vec<f64>> = all.inputs.chunks(4).map(<[f64]>::to_vec).collect();
    let train = samples(&rows[..2], &[vec![1.0], vec![-1.0]]);
    let test = Samples { indices: vec![2], ..samples(&rows[2..], &[vec![1.0]]) };
    let probe = full_probe(DEPTH);
    (first_seed..first_seed + RUNS)
        .map(|seed| {
            let network = network(
                Parametrization::DepthMup,
                Activation::Tanh,
                closure,
                (WIDTH, DEPTH),
                &train,
            );
            let path = BrownianPath::new(seed, DEPTH as u32, DEPTH as u32);
            let (train, test) = (train.clone(), test.clone());
            if dense {
                let mut run = Dense::new(network, &path, probe.clone(), train.clone(), test);
                statistics(&mut run, &train)
            } else {
                let mut run =
                    Conditional::new(network, Box::new(path), probe.clone(), train.clone(), test);
                statistics(&mut run, &train)
            }
        })
        .collect()
}

/// Welch's z and the effect in standard deviations, for each statistic that varies.
fn compare(a: &[Vec<f64>], b: &[Vec<f64>]) -> Vec<(usize, f64, f64)> {
    let moments = |runs: &[Vec<f64>], i: usize| {
        let n = runs.len() as f64;
        let mean = runs.iter().map(|r| r[i]).sum::<f64>() / n;
        let variance = runs.iter().map(|r| (r[i] - mean).powi(2)).sum::<f64>() / (n - 1.0);
        (mean, variance)
    };
    (0..a[0].len())
        .filter_map(|i| {
            let ((ma, va), (mb, vb)) = (moments(a, i), moments(b, i));
            let standard_error = ((va + vb) / RUNS as f64).sqrt();
            // Constant zero: movement at step 0.
            (va + vb > 0.0)
                .then(|| (i, (ma - mb) / standard_error, (ma - mb) / ((va + vb) / 2.0).sqrt()))
        })
        .collect()
}

/// Two-sided normal bound at level 1e-3 over at most 2 · 40 statistics: 1 − Φ(z) = 1e-3/160.
const BOUND: f64 = 4.37;

fn assert_same_law(a: &[Vec<f64>], b: &[Vec<f64>]) {
    let results = compare(a, b);
    assert!(results.len() >= PER_PASS * (STEPS as usize + 1) - 1);
    for (i, z, _) in results {
        assert!(z.abs() <= BOUND, "pass {}, statistic {}: z = {z}", i / PER_PASS, i % PER_PASS);
    }
}

/// The largest |z| and its effect size.
fn worst(a: &[Vec<f64>], b: &[Vec<f64>]) -> (usize, f64, f64) {
    let by_size = |x: &(usize, f64, f64), y: &(usize, f64, f64)| x.1.abs().total_cmp(&y.1.abs());
    compare(a, b).into_iter().max_by(by_size).unwrap()
}

#[test]
fn conditional_and_dense_have_one_law_for_exact_and_gia() {
    let dense_exact = ensemble(Closure::Exact, true, 0);
    let dense_gia = ensemble(Closure::Gia, true, 100_000);
    let conditional_exact = ensemble(Closure::Exact, false, 200_000);
    let conditional_gia = ensemble(Closure::Gia, false, 300_000);
    let conditional_fresh = ensemble(Closure::Fresh, false, 400_000);
    assert_same_law(&conditional_exact, &dense_exact);
    assert_same_law(&conditional_gia, &dense_gia);
    // Twins: the same-step conditioning left out (fresh for exact), all of it left out (gia for
    // exact), and too much of it (exact for gia). Effects in standard deviations of one run.
    for (name, a, b, effect) in [
        ("fresh for exact", &conditional_fresh, &dense_exact, 0.2),
        ("gia for exact", &conditional_gia, &dense_exact, 0.3),
        ("exact for gia", &conditional_exact, &dense_gia, 0.3),
    ] {
        let (i, z, size) = worst(a, b);
        eprintln!("{name}: statistic {i}, z = {z:.1}, effect {size:.2} sd");
        assert!(z.abs() > BOUND && size.abs() > effect, "{name}: z = {z}, effect {size}");
    }
}
