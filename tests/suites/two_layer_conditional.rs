//! Two-layer blocks without their matrices: against dense networks path by path, backend cpu against plain,
//! and closed forms of the linear network (docs/theory.md, section 2.4).

use std::sync::atomic::AtomicBool;

use crate::common::conditional::{Case, cases, descents, first_off, lazy, ranks, run};
use crate::common::*;
use nfd::backend::cpu::conditional::Conditional as Fast;
use nfd::backend::cpu::simd::format::Format;
use nfd::backend::plain::conditional::Conditional as Plain;
use nfd::backend::plain::dense::{Dense, Weights};
use nfd::backend::plain::memory::Memory;
use nfd::backend::{Network, Probe, Sweeps};
use nfd::data::Samples;
use nfd::engine::{self, Training};
use nfd::model::{
    Activation, Block, Closure, InnerWidth, Parametrization, Rates, ScaleLaw, Schedule,
};
use nfd::rng::noise::BrownianPath;
use nfd::rng::normal::Instructions;
use nfd::stats::{mean, standard_error};

const PARAMETRIZATIONS: [Parametrization; 4] = [
    Parametrization::DepthMup,
    Parametrization::Mup,
    Parametrization::DepthMupCorrected,
    Parametrization::Ntk,
];

/// The same network with two-layer blocks of this inner width.
fn two_layer(network: &Network, parametrization: Parametrization, inner: InnerWidth) -> Network {
    let law = ScaleLaw {
        block: Block::TwoLayer,
        inner_width: inner,
        ..ScaleLaw::named(parametrization, network.activation)
    };
    Network { scales: law.at(network.width, network.depth, 5), ..network.clone() }
}

fn assembled(memories: &[Memory], closure: Closure, seed: u64) -> Weights {
    let layers = (1..).zip(memories);
    let (forward, backward) = match closure {
        Closure::Gia => layers.map(|(l, m)| assemble_apart(m, seed, l)).unzip(),
        _ => (layers.map(|(l, m)| assemble(m, seed, l)).collect(), vec![]),
    };
    Weights { forward, backward }
}

/// f, the movements, h, z and g of every pass.
fn passes<S: Sweeps>(
    run: &mut S,
    (samples, training): (&Samples, &Training),
    vectors: impl Fn(&S) -> Vec<f64>,
) -> Vec<Vec<f64>> {
    let pass = |k| {
        let batch = training.batches.of(k);
        let forward = run.forward(k, &batch, true);
        let labels = samples.select(batch).labels;
        let chi = training.loss.chi(&forward.f, &labels, training.outputs);
        let mut update =
            descent(training.rates.scaled(training.schedule.factor(k, training.steps)));
        (update.momentum, update.weight_decay) = (training.momentum, training.weight_decay);
        run.backward(k, &chi, Some(&update));
        let moved = [Some(forward.own_movement), forward.inner_movement].into_iter().flatten();
        forward.f.into_iter().chain(moved).chain(vectors(run)).collect()
    };
    (0..=training.steps).map(pass).collect()
}

/// Largest difference between a conditional run and the dense network assembled from its answers.
fn pathwise_gap(network: &Network, samples: &Samples, training: &Training) -> f64 {
    let (probe, none) = (full_probe(network.depth), none_like(samples));
    let noise = Box::new(BrownianPath::new(11, network.depth as u32, network.depth as u32));
    let mut free = Plain::new(network.clone(), noise, probe.clone(), samples.clone(), none.clone());
    let ends = free.ends().clone();
    let flat = |vectors: &[&[nalgebra::DMatrix<f64>]]| -> Vec<f64> {
        vectors.iter().copied().flatten().flat_map(|x| x.iter().copied()).collect()
    };
    let want = passes(&mut free, (samples, training), |run| flat(&[run.hidden(), run.signals()]));
    let weights = assembled(free.layers(), network.closure, 99);
    let inner = assembled(free.inner(), network.closure, 98);
    let both = (weights, Some(inner));
    let mut dense = Dense::from_both(network.clone(), ends, both, probe, (samples.clone(), none));
    let got = passes(&mut dense, (samples, training), |run| flat(&[run.hidden(), run.signals()]));
    let mut worst = 0.0_f64;
    for (want, got) in want.iter().zip(&got) {
        assert_eq!(want.len(), got.len());
        for (a, b) in want.iter().zip(got) {
            let gap = (a - b).abs();
            assert!(gap.is_finite(), "the run diverged");
            worst = worst.max(gap);
        }
    }
    worst
}

/// A column that is dropped is off by up to 1e-13 of its norm, some √n: h and g by 1e-12.
#[test]
fn both_engines_take_the_same_path() {
    let several = sphere(5, 5, 2);
    let one = sphere(5, 5, 1);
    for closure in [Closure::Exact, Closure::Gia] {
        for (i, parametrization) in PARAMETRIZATIONS.into_iter().enumerate() {
            for (j, inner) in [64, 150, 40].into_iter().enumerate() {
                let samples = if (i + j) % 2 == 0 { &one } else { &several };
                let activation = Activation::ALL[(i + 2 * j) % Activation::ALL.len()];
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
                let gap = pathwise_gap(&network, samples, &training);
                let what = format!("{closure:?} {parametrization:?} {activation:?} M = {inner}");
                assert!(gap <= 1e-11, "{what}: {gap:e}");
            }
        }
    }
}

fn on<T: Format>(case: &Case, set: Instructions) -> Fast<T> {
    let samples = (case.train.clone(), case.test.clone());
    let probe = full_probe(case.network.depth);
    Fast::new(case.network.clone(), case.noise(), probe, samples, set)
}

/// Every number and all ranks, over a covering of sizes and options, with inner layers narrower and wider
/// than the network, of one chunk and of several; tolerances as for one matrix a block.
#[test]
fn cpu_is_plain_over_a_covering_of_sizes_and_options() {
    const INNER: [InnerWidth; 4] = [
        InnerWidth::Times(1.0),
        InnerWidth::Fixed(33),
        InnerWidth::Times(4.0),
        InnerWidth::Fixed(700),
    ];
    for (i, mut case) in cases().into_iter().chain(descents()).enumerate() {
        if case.network.width > 300 {
            continue;
        }
        let parametrization = PARAMETRIZATIONS[i % 4];
        case.network = two_layer(&case.network, parametrization, INNER[(i / 4) % 4]);
        if parametrization == Parametrization::Mup {
            case.update.rates = case.update.rates.scaled(0.02 / 0.3);
        }
        let want = run(&case, &mut case.plain());
        let want_ranks = ranks(&want);
        let columns = case.train.len() * (case.steps as usize + 1);
        let crowded = columns > case.network.width.min(case.network.width_read());
        let bound: f64 = match (crowded, lazy(&case)) {
            (true, _) => 1e-5,
            (false, true) => 1e-7,
            (false, false) => 1e-9,
        };
        for set in Instructions::available() {
            let got = run(&case, &mut on::<f64>(&case, set));
            assert_eq!(ranks(&got), want_ranks, "{set:?}: {case:?}");
            // Snapshots are rounded to f32.
            let tolerance = |what: &str| if what == "row" { bound.max(1e-6) } else { bound };
            let off = first_off(&got, &want, tolerance);
            assert!(off.is_none(), "{off:?} with {set:?}: {case:?}");
        }
    }
}

/// Any number of threads computes the same bits.
#[test]
fn threads_change_no_bit() {
    let case = case_of(4500, InnerWidth::Times(2.0));
    let on = |threads| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        let passes = pool.install(|| run(&case, &mut on::<f32>(&case, Instructions::detect())));
        format!("{passes:?}")
    };
    assert!(on(1) == on(3));
}

fn case_of(width: usize, inner: InnerWidth) -> Case {
    let train = sphere(3, 5, 1);
    let parametrization = Parametrization::DepthMup;
    let network = network(parametrization, Activation::Tanh, Closure::Exact, (width, 3), &train);
    Case {
        network: two_layer(&network, parametrization, inner),
        batches: crate::common::conditional::full(&train),
        update: descent(rates(0.3, ALL)),
        record: 1,
        test: none_like(&train),
        train,
        steps: 3,
        fine: 1,
    }
}

const RATE: f64 = 1e-4;
const SEEDS: u64 = 8;

/// What one small step does in the linear network, in units of ηχ: the movement of f over −ηχ, and mean
/// squares over (ηχ)² of what each matrix's forward answers owe to backward ones.
struct Moved {
    output: f64,
    /// Of h by W2, a layer, times L².
    layer: f64,
    /// Of z by W1, times L.
    inner: f64,
}

fn moved(closure: Closure, (depth, horizon): (usize, f64), inner: f64, seed: u64) -> Moved {
    const WIDTH: usize = 6000;
    let (inputs, labels) = (vec![1.0, -1.0, 1.0, 1.0], vec![1.0]);
    let train = Samples { dimension: 4, outputs: 1, inputs, labels, indices: vec![0] };
    let law = ScaleLaw {
        horizon,
        block: Block::TwoLayer,
        inner_width: InnerWidth::Times(inner),
        ..ScaleLaw::named(Parametrization::DepthMup, Activation::Identity)
    };
    let rates = Rates { input: 0.0, hidden: RATE, readout: 0.0 };
    let training = Training::descent(&train, rates, 1);
    let network = Network {
        scales: law.at(WIDTH, depth, train.dimension),
        ..network(law.parametrization, law.activation, closure, (WIDTH, depth), &train)
    };
    let noise = Box::new(BrownianPath::new(seed, depth as u32, depth as u32));
    let samples = (train.clone(), train.select([]));
    let set = Instructions::detect();
    let mut network = Fast::<f64>::new(network, noise, Probe::nothing(), samples, set);
    let run = engine::train(&mut network, &training, &AtomicBool::new(false)).unwrap();
    let chi = run.passes[0].f[0] - 1.0;
    let coupling = run.passes[1].forward_coupling.unwrap();
    let unit = (RATE * chi).powi(2);
    Moved {
        output: (run.passes[1].f[0] - run.passes[0].f[0]) / (-RATE * chi),
        layer: coupling.layer / unit * (depth * depth) as f64,
        inner: coupling.inner.unwrap() / unit * depth as f64,
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

/// With r = 1 + T/L f moves by 2T r^{L−1} where forward queries know backward ones, half of it by each
/// matrix; without, by r^L − 1: what W1 learns is then lost. At any M.
#[test]
fn without_the_forward_response_the_inner_matrix_moves_nothing() {
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
            let of = |seed| moved(closure, (depth, horizon), inner, seed).output;
            holds(of, predicted, &what);
        }
    }
}

/// The coupling of layer l is −ηχ m² (r^{l−1} + 2m² (l−1) r^{l−2}) g_l in h, of order 1/L, and
/// −2ηχ m² (l−1) r^{l−2} r_l in z, of order L^{-1/2}, since r_l is.
#[test]
fn couplings_are_those_of_the_closed_form() {
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
            let of = |seed| moved(closure, (depth, 1.0), ratio, seed);
            holds(|seed| of(seed).layer, layer, &format!("{what}, h"));
            holds(|seed| of(seed).inner, inner, &format!("{what}, z"));
        }
        let none = moved(Closure::Gia, (depth, 1.0), ratio, 0);
        assert_eq!((none.layer, none.inner), (0.0, 0.0));
    }
}
