//! Closed forms of what responses do (docs/theory.md, section 2): a linear network, one sample with
//! |h_0|²/n = 1, frozen input and readout, one small step.

use std::sync::atomic::AtomicBool;

use nfd::backend::plain::conditional::Conditional;
use nfd::backend::{Network, Probe};
use nfd::data::Samples;
use nfd::engine::{self, Training};
use nfd::model::{Activation, Block, Closure, InnerWidth, Parametrization, Rates, ScaleLaw};
use nfd::rng::noise::BrownianPath;
use nfd::stats::{mean, standard_error};

const RATE: f64 = 1e-4;
const SEEDS: u64 = 8;

/// What one step does, in units of ηχ: the movement of f over −ηχ, and mean squares of the forward
/// coupling over (ηχ)², a layer times L², and summed; in two-layer blocks that of z, times L.
struct Moved {
    output: f64,
    layer: f64,
    accumulated: f64,
    inner: Option<f64>,
}

/// One matrix a block, depth-μP, over depth time T = `horizon`.
fn one_layer(horizon: f64) -> ScaleLaw {
    ScaleLaw { horizon, ..ScaleLaw::named(Parametrization::DepthMup, Activation::Identity) }
}

/// Two matrices a block, with an inner layer of `ratio` times the width.
fn two_layer(horizon: f64, ratio: f64) -> ScaleLaw {
    let (block, inner_width) = (Block::TwoLayer, InnerWidth::Times(ratio));
    ScaleLaw { block, inner_width, ..one_layer(horizon) }
}

fn moved(closure: Closure, depth: usize, law: ScaleLaw, width: usize, seed: u64) -> Moved {
    let (inputs, labels) = (vec![1.0, -1.0, 1.0, 1.0], vec![1.0]);
    let train = Samples { dimension: 4, outputs: 1, inputs, labels, indices: vec![0] };
    let rates = Rates { input: 0.0, hidden: RATE, readout: 0.0 };
    let training = Training::descent(&train, rates, 1);
    let scales = law.at(width, depth, train.dimension);
    let (activation, drop_tolerance) = (law.activation, 1e-10);
    let network = Network { width, depth, outputs: 1, activation, closure, scales, drop_tolerance };
    let noise = Box::new(BrownianPath::new(seed, depth as u32, depth as u32));
    let no_tests = train.select([]);
    let mut network = Conditional::new(network, noise, Probe::nothing(), train, no_tests);
    let run = engine::train(&mut network, &training, &AtomicBool::new(false)).unwrap();
    let chi = run.passes[0].f[0] - 1.0;
    let coupling = run.passes[1].forward_coupling.unwrap();
    let unit = (RATE * chi).powi(2);
    Moved {
        output: (run.passes[1].f[0] - run.passes[0].f[0]) / (-RATE * chi),
        layer: coupling.layer / unit * (depth * depth) as f64,
        accumulated: coupling.accumulated / unit,
        inner: coupling.inner.map(|inner| inner / unit * depth as f64),
    }
}

/// The mean over seeds lies within four standard errors of what infinite width predicts (and what a
/// step of finite size adds, of order η), and is known to a few percent.
fn holds(of: impl Fn(u64) -> f64, predicted: f64, what: &str) {
    let values: Vec<f64> = (0..SEEDS).map(of).collect();
    let (found, error) = (mean(&values), standard_error(&values));
    assert!(error <= 0.04 * predicted, "{what}: {found} ± {error} says little of {predicted}");
    let bound = 4.0 * error + 10.0 * RATE * predicted;
    assert!((found - predicted).abs() <= bound, "{what}: {found} ± {error}, not {predicted}");
}

/// r = 1 + T/L: |h_l|²/n = r^l and |g_l|²/n = r^{L−l}. With the forward response f moves by
/// T r^{L−1}, without it by r^L − 1: T e^T against e^T − 1 at infinite depth.
#[test]
fn without_the_forward_response_f_moves_less() {
    const WIDTH: usize = 3000;
    for (depth, horizon) in [(16, 1.0), (64, 1.0), (16, 0.5), (16, 2.0)] {
        let r = 1.0 + horizon / depth as f64;
        let with = horizon * r.powi(depth as i32 - 1);
        let without = r.powi(depth as i32) - 1.0;
        for (closure, predicted) in [
            (Closure::Exact, with),
            (Closure::Fresh, with),
            (Closure::ForwardOnly, with),
            (Closure::Gia, without),
            (Closure::BackwardOnly, without),
            (Closure::BackwardPast, without),
        ] {
            let what = format!("{closure:?}, L = {depth}, T = {horizon}");
            holds(
                |seed| moved(closure, depth, one_layer(horizon), WIDTH, seed).output,
                predicted,
                &what,
            );
        }
    }
}

/// The share of f's movement that is left without the forward response is 1 at one layer and falls with
/// depth towards (1 − e^{−T})/T: the gap grows with L.
#[test]
fn the_gap_grows_with_depth_from_none_at_one_layer() {
    const WIDTH: usize = 3000;
    for horizon in [0.5, 1.0, 2.0] {
        let mut before = f64::INFINITY;
        for depth in [1, 4, 32] {
            let r: f64 = 1.0 + horizon / f64::from(depth);
            let predicted = (r.powi(depth) - 1.0) / (horizon * r.powi(depth - 1));
            assert!(predicted < before && (depth > 1 || predicted == 1.0));
            before = predicted;
            let at = |closure, seed| {
                moved(closure, depth as usize, one_layer(horizon), WIDTH, seed).output
            };
            let ratio = |seed| at(Closure::Gia, seed) / at(Closure::Exact, seed);
            holds(ratio, predicted, &format!("L = {depth}, T = {horizon}"));
        }
        let share = |l: i32| {
            let r: f64 = 1.0 + horizon / f64::from(l);
            (r.powi(l) - 1.0) / (horizon * r.powi(l - 1))
        };
        let limit = (1.0 - (-horizon).exp()) / horizon;
        assert!((share(100_000) - limit).abs() < 1e-4, "{limit}");
    }
}

/// At T = 1 and n = ∞: L² times the mean square of a layer's coupling, and that of their sum, over (ηχ)².
fn couplings(depth: i32) -> (f64, f64) {
    let (l, r) = (f64::from(depth), 1.0 + 1.0 / f64::from(depth));
    let size = |layer: i32| f64::from(layer - 1) * r.powi(layer - 2) / (l * l);
    let layers = 1..=depth;
    let squares = layers.clone().map(|i| size(i).powi(2) * r.powi(depth - i));
    let pairs = layers.clone().flat_map(|i| layers.clone().map(move |j| (i, j)));
    let sum = pairs.map(|(i, j)| size(i) * size(j) * r.powi(depth - i.max(j)));
    (l * squares.sum::<f64>(), sum.sum::<f64>())
}

/// The coupling of layer l is −ηχ (T/L)² (l − 1) r^{l−2} g_l: of order 1/L, all along g. L² times its mean
/// square tends to e(e − 2), that of the sum to 2e(e − 5/2), at T = 1.
#[test]
fn couplings_are_those_of_the_closed_form() {
    const WIDTH: usize = 6000;
    let e = std::f64::consts::E;
    let (layer, sum) = couplings(4096);
    assert!((layer - e * (e - 2.0)).abs() < 0.01 && (sum - 2.0 * e * (e - 2.5)).abs() < 0.01);
    for depth in [16, 64] {
        let (layer, sum) = couplings(depth);
        for closure in [Closure::Exact, Closure::Fresh, Closure::ForwardOnly] {
            let what = format!("{closure:?}, L = {depth}");
            let of = |seed| moved(closure, depth as usize, one_layer(1.0), WIDTH, seed);
            holds(|seed| of(seed).layer, layer, &format!("{what}, a layer"));
            holds(|seed| of(seed).accumulated, sum, &format!("{what}, summed"));
        }
        for closure in [Closure::Gia, Closure::BackwardOnly, Closure::BackwardPast] {
            let none = moved(closure, depth as usize, one_layer(1.0), WIDTH, 0);
            assert_eq!((none.layer, none.accumulated), (0.0, 0.0), "{closure:?}");
        }
    }
}

/// What docs/theory.md, section 2, reports of one network of width 100 000: |h_0|² and |V|² of one seed
/// are off by √(2/n) each, f's movement by the root of their squares, couplings by twice that; three
/// such.
#[test]
fn the_reported_network_is_that_of_the_closed_form() {
    let error = 3.0 * (4.0 / 1e5_f64).sqrt();
    for (depth, layer, sum, exact, gia) in [
        (16, 1.374, 0.819, 2.489, 1.641),
        (64, 1.795, 1.085, 2.664, 1.701),
        (256, 1.927, 1.165, 2.711, 1.717),
    ] {
        let (of_layer, of_sum) = couplings(depth);
        let r = 1.0 + 1.0 / f64::from(depth);
        for (reported, form, bound) in [
            (layer, of_layer, 2.0 * error),
            (sum, of_sum, 2.0 * error),
            (exact, r.powi(depth - 1), error),
            (gia, r.powi(depth) - 1.0, error),
        ] {
            assert!((reported / form - 1.0).abs() <= bound, "L = {depth}: {reported} {form}");
        }
    }
}

/// For the identity `fresh` drops nothing at infinite width: f moves as with `exact` but for a difference
/// that falls like 1/n, eightfold here. The root mean square of 24 seeds is known to 15 %, the ratio to
/// 20 %: like n^{-1/2}, a ratio of 2.8, is five such away, on a scale of logarithms.
#[test]
fn fresh_is_exact_but_for_the_width() {
    let size = |width| {
        let difference = |seed| {
            let of = |closure| moved(closure, 16, one_layer(1.0), width, seed).output;
            (of(Closure::Fresh) - of(Closure::Exact)).powi(2)
        };
        mean(&(0..24).map(difference).collect::<Vec<_>>()).sqrt()
    };
    let (narrow, wide) = (size(250), size(2000));
    assert!(narrow > 1e-4, "the two closures are the same thing: {narrow:e}");
    let ratio = narrow / wide;
    assert!((4.8..13.3).contains(&ratio), "{narrow:e} at n = 250, {wide:e} at n = 2000");
}

/// With r = 1 + T/L f moves by 2T r^{L−1} where forward queries know backward ones, half of it by each
/// matrix; without, by r^L − 1: what W1 learns is then lost. At any M.
#[test]
fn without_the_forward_response_the_inner_matrix_moves_nothing() {
    const WIDTH: usize = 3000;
    for (depth, horizon, inner) in [(16, 1.0, 1.0), (32, 0.5, 0.5), (16, 1.0, 3.0)] {
        let r = 1.0 + horizon / depth as f64;
        let with = 2.0 * horizon * r.powi(depth as i32 - 1);
        let without = r.powi(depth as i32) - 1.0;
        for (closure, predicted) in [
            (Closure::Exact, with),
            (Closure::Fresh, with),
            (Closure::ForwardOnly, with),
            (Closure::Gia, without),
            (Closure::BackwardOnly, without),
            (Closure::BackwardPast, without),
        ] {
            let what = format!("{closure:?}, L = {depth}, T = {horizon}, M = {inner} n");
            let law = two_layer(horizon, inner);
            let of = |seed| moved(closure, depth, law, WIDTH, seed).output;
            holds(of, predicted, &what);
        }
    }
}

/// The coupling of layer l is −ηχ m² (r^{l−1} + 2m² (l−1) r^{l−2}) g_l in h, of order 1/L, and
/// −2ηχ m² (l−1) r^{l−2} r_l in z, of order L^{-1/2}, since r_l is.
#[test]
fn couplings_of_two_layer_blocks_are_those_of_the_closed_form() {
    const WIDTH: usize = 6000;
    for (depth, ratio) in [(16, 1.0), (64, 1.0), (16, 0.5)] {
        let (l, m2) = (depth as f64, 1.0 / depth as f64);
        let r = 1.0 + m2;
        let before = |i: i32| 2.0 * m2 * f64::from(i - 1) * r.powi(i - 2);
        let layers = 1..=depth as i32;
        let rest = |i: i32| r.powi(depth as i32 - i);
        let of_h = layers.clone().map(|i| (m2 * (r.powi(i - 1) + before(i))).powi(2) * rest(i));
        let layer = of_h.sum::<f64>() / l * (l * l);
        // |r_l|²/M = m² (n/M) |g_l|²/n
        let of_z = layers.map(|i| before(i).powi(2) * m2 / ratio * rest(i));
        let inner = of_z.sum::<f64>() / l * l;
        for closure in [Closure::Exact, Closure::Fresh, Closure::ForwardOnly] {
            let what = format!("{closure:?}, L = {depth}, M = {ratio} n");
            let of = |seed| moved(closure, depth, two_layer(1.0, ratio), WIDTH, seed);
            holds(|seed| of(seed).layer, layer, &format!("{what}, h"));
            holds(|seed| of(seed).inner.unwrap(), inner, &format!("{what}, z"));
        }
        let none = moved(Closure::Gia, depth, two_layer(1.0, ratio), WIDTH, 0);
        assert_eq!((none.layer, none.inner), (0.0, Some(0.0)));
    }
}
