//! Training with everything that practitioners use: minibatches, momentum, weight decay, schedules,
//! cross-entropy. Both plain engines against each other and against scalars and finite differences.

use std::sync::atomic::AtomicBool;

use crate::common::*;
use nalgebra::DMatrix;
use nfd::backend::cpu;
use nfd::backend::plain::conditional::Conditional;
use nfd::backend::plain::dense::{Dense, Weights};
use nfd::backend::plain::memory::Memory;
use nfd::backend::{Network, Sweeps, Update};
use nfd::data::Samples;
use nfd::engine::batches::Batches;
use nfd::engine::{Training, Trajectory, train};
use nfd::model::{Activation, Closure, Decay, Loss, Parametrization, Rates, Rule, Schedule};
use nfd::rng::noise::BrownianPath;
use nfd::rng::normal::Instructions;

/// Samples on the sphere, each of one of `classes` classes.
pub fn classified(count: usize, dimension: usize, classes: usize) -> Samples {
    let mut samples = sphere(count, dimension, classes);
    for (p, label) in samples.labels.chunks_mut(classes).enumerate() {
        label.fill(0.0);
        label[(p * p + 1) % classes] = 1.0;
    }
    samples
}

/// All of it at once.
pub fn everything(samples: &Samples, size: usize, steps: u32) -> Training {
    Training {
        loss: Loss::CrossEntropy,
        steps,
        batches: Batches { samples: samples.len(), size, seed: 5 },
        rates: Rates { input: 0.2, hidden: 0.5, readout: 0.3 },
        schedule: Schedule { decay: Decay::Cosine { last: 0.1 }, warmup: 2 },
        momentum: 0.8,
        weight_decay: 0.05,
        rule: Rule::Descent,
        record: 1,
        labels: samples.labels.clone(),
        test_labels: vec![],
        outputs: samples.outputs,
    }
}

fn run(network: &mut dyn Sweeps, training: &Training) -> Trajectory {
    train(network, training, &AtomicBool::new(false)).unwrap()
}

fn conditional(network: &Network, train: &Samples, test: &Samples) -> Conditional {
    let depth = network.depth as u32;
    let noise = Box::new(BrownianPath::new(11, depth, depth));
    Conditional::new(network.clone(), noise, full_probe(network.depth), train.clone(), test.clone())
}

/// Largest difference in the batches' f, h and g between a conditional run and the dense network
/// assembled from its answers.
pub fn pathwise_gap(network: &Network, samples: &Samples, training: &Training) -> f64 {
    let none = none_like(samples);
    let mut matrix_free = conditional(network, samples, &none);
    let ends = matrix_free.ends().clone();
    /// f and movements, h, g
    type Passes = Vec<(Vec<f64>, Vec<DMatrix<f64>>, Vec<DMatrix<f64>>)>;
    fn passes<S: Sweeps>(
        run: &mut S,
        training: &Training,
        vectors: impl Fn(&S) -> (Vec<DMatrix<f64>>, Vec<DMatrix<f64>>),
    ) -> Passes {
        let mut passes = Vec::new();
        for k in 0..=training.steps {
            let batch = training.batches.of(k);
            let forward = run.forward(k, &batch, true);
            let mut f = forward.f;
            let o = training.outputs;
            let labels: Vec<f64> =
                batch.iter().flat_map(|&p| training.labels[p * o..][..o].to_vec()).collect();
            let chi = training.loss.chi(&f, &labels, o);
            let update = Update {
                rates: training.rates.scaled(training.schedule.factor(k, training.steps)),
                momentum: training.momentum,
                weight_decay: training.weight_decay,
                rule: training.rule,
                number: k + 1,
            };
            run.backward(k, &chi, Some(&update));
            let (hidden, signals) = vectors(run);
            f.push(forward.own_movement);
            f.extend(forward.inner_movement);
            passes.push((f, hidden, signals));
        }
        passes
    }
    let want =
        passes(&mut matrix_free, training, |run| (run.hidden().to_vec(), run.signals().to_vec()));
    let assembled = |memories: &[Memory], seed| {
        let layers = (1..).zip(memories);
        let (forward, backward) = match network.closure {
            Closure::Gia => layers.map(|(l, m)| assemble_apart(m, seed, l)).unzip(),
            _ => (layers.map(|(l, m)| assemble(m, seed, l)).collect(), vec![]),
        };
        Weights { forward, backward }
    };
    let inner = network.scales.inner.map(|_| assembled(matrix_free.inner(), 98));
    let weights = (assembled(matrix_free.layers(), 99), inner);
    let probe = full_probe(network.depth);
    let mut dense =
        Dense::from_both(network.clone(), ends, weights, probe, (samples.clone(), none));
    let got = passes(&mut dense, training, |run| (run.hidden().to_vec(), run.signals().to_vec()));
    let mut worst = 0.0_f64;
    for ((f, h, g), (f_dense, h_dense, g_dense)) in want.iter().zip(&got) {
        assert_eq!(f.len(), f_dense.len());
        let vectors = h.iter().zip(h_dense).chain(g.iter().zip(g_dense));
        let gaps = f.iter().zip(f_dense).map(|(a, b)| (a - b).abs());
        for gap in gaps.chain(vectors.map(|(a, b)| (a - b).amax())) {
            assert!(gap.is_finite(), "the run diverged");
            worst = worst.max(gap);
        }
    }
    worst
}

/// Momentum, decay, schedule and minibatches leave the conditional engine exact.
///
/// A column that is dropped is off by up to 1e-13 of its norm, some √n: h and g by 1e-12.
#[test]
fn both_engines_take_the_same_path() {
    let samples = classified(7, 5, 3);
    let signs = sphere(7, 5, 1);
    for closure in [Closure::Exact, Closure::Gia] {
        for parametrization in [
            Parametrization::DepthMup,
            Parametrization::Mup,
            Parametrization::Vanilla,
            Parametrization::Ntk,
        ] {
            let gap = |samples: &Samples, training: &Training| {
                let activation = Activation::Tanh;
                let mut network = network(parametrization, activation, closure, (96, 3), samples);
                network.drop_tolerance = 1e-13;
                pathwise_gap(&network, samples, training)
            };
            let what = format!("{closure:?} {parametrization:?}");
            let all = gap(&samples, &everything(&samples, 3, 8));
            assert!(all <= 1e-12, "{what}: {all:e}");
            // One output, whose columns enter times χ; all samples; steps.
            let schedule = Schedule { decay: Decay::Step { every: 3, factor: 0.5 }, warmup: 0 };
            let loss = Loss::Squared;
            let plain = Training { loss, schedule, ..everything(&signs, 7, 8) };
            let one = gap(&signs, &plain);
            assert!(one <= 1e-12, "{what}, one output: {one:e}");
        }
    }
    // Decay without momentum, momentum without decay.
    let network =
        network(Parametrization::DepthMup, Activation::Erf, Closure::Exact, (96, 3), &samples);
    let network = Network { drop_tolerance: 1e-13, ..network };
    for (momentum, weight_decay) in [(0.0, 0.1), (0.9, 0.0)] {
        let training = Training { momentum, weight_decay, ..everything(&samples, 2, 8) };
        let gap = pathwise_gap(&network, &samples, &training);
        assert!(gap <= 1e-12, "{momentum} {weight_decay}: {gap:e}");
    }
}

/// What the backward queries have fixed of W⁽⁰⁾ decays with it: with one layer and the same χ, a
/// decaying W sees the very queries of one that is frozen, and couples a = 1 − ηλ times as much.
#[test]
fn couplings_decay_with_the_weights() {
    let samples = sphere(2, 5, 1);
    let network =
        network(Parametrization::DepthMup, Activation::Tanh, Closure::Exact, (50, 1), &samples);
    let couplings = |hidden: f64| {
        let mut run = conditional(&network, &samples, &none_like(&samples));
        let rates = Rates { input: 1.0, hidden, readout: 1.0 };
        let update = Update { weight_decay: 0.1, ..descent(rates) };
        run.forward(0, &[0, 1], true);
        run.backward(0, &[0.3, -0.2], Some(&update));
        let forward = run.forward(1, &[0, 1], true).coupling.unwrap();
        let backward = run.backward(1, &[0.3, -0.2], None).coupling.unwrap();
        let (f, b) = (forward, backward);
        [f.layer, f.accumulated, b.layer_past, b.layer_same, b.accumulated_past, b.accumulated_same]
    };
    let (frozen, decayed) = (couplings(0.0), couplings(2.0));
    for (frozen, decayed) in frozen.into_iter().zip(decayed) {
        assert!(frozen > 0.0 && (decayed - 0.64 * frozen).abs() <= 1e-14 * frozen, "{decayed:e}");
    }
}

/// The weights of a network, for scalar loops.
#[derive(Clone)]
struct Scalars {
    /// U, W_1 … W_L, V.
    groups: Vec<DMatrix<f64>>,
}

impl Scalars {
    /// f, P×O, of depth-μP with tanh: docs/theory.md, section 1.
    fn outputs(&self, x: &Samples) -> Vec<f64> {
        let [u, w @ .., v] = &self.groups[..] else { unreachable!() };
        let (n, d) = (u.nrows(), u.ncols());
        let branch = 1.0 / ((w.len() * n) as f64).sqrt();
        let mut out = Vec::new();
        for x in x.inputs.chunks(d) {
            let dot = |a: &DMatrix<f64>, i: usize, x: &[f64]| -> f64 {
                x.iter().enumerate().map(|(j, x)| a[(i, j)] * x).sum()
            };
            let mut h: Vec<f64> = (0..n).map(|i| dot(u, i, x) / (d as f64).sqrt()).collect();
            for w in w {
                let phi: Vec<f64> = h.iter().map(|h| h.tanh()).collect();
                h = (0..n).map(|i| h[i] + branch * dot(w, i, &phi)).collect();
            }
            for o in 0..v.ncols() {
                out.push((0..n).map(|i| v[(i, o)] * h[i]).sum::<f64>() / n as f64);
            }
        }
        out
    }

    /// −mean_p ln (e^{f_pc} / Σ_o e^{f_po}) over the samples at these positions, c their class.
    fn cross_entropy(&self, x: &Samples, batch: &[usize]) -> f64 {
        let part = x.select(batch.iter().copied());
        let f = self.outputs(&part);
        let mut sum = 0.0;
        for (f, y) in f.chunks(x.outputs).zip(part.labels.chunks(x.outputs)) {
            let class = y.iter().position(|&y| y == 1.0).unwrap();
            sum -= (f[class].exp() / f.iter().map(|f| f.exp()).sum::<f64>()).ln();
        }
        sum / batch.len() as f64
    }
}

/// Five updates with everything, against finite differences of the loss and the recursion of v and W
/// written out for scalars: v ← μ v + n ∂loss/∂W + λ W, W ← W − η_k v. Frozen groups stay.
#[test]
fn five_updates_match_finite_differences_and_the_recursion() {
    let samples = classified(7, 4, 3);
    let (n, depth, steps) = (6, 2, 5);
    for frozen in [None, Some(0), Some(1), Some(2)] {
        let mut training = Training { record: 2, ..everything(&samples, 3, steps) };
        match frozen {
            Some(0) => training.rates.input = 0.0,
            Some(1) => training.rates.hidden = 0.0,
            Some(_) => training.rates.readout = 0.0,
            None => {}
        }
        let network = network(
            Parametrization::DepthMup,
            Activation::Tanh,
            Closure::Exact,
            (n, depth),
            &samples,
        );
        let noise = BrownianPath::new(21, depth as u32, depth as u32);
        let none = none_like(&samples);
        let mut dense = Dense::new(network, &noise, full_probe(depth), samples.clone(), none);
        let weights = |dense: &Dense| {
            let (ends, hidden) = (dense.ends(), dense.weights().forward.clone());
            [vec![ends.u.clone()], hidden, vec![ends.v.clone()]].concat()
        };
        let mut by_hand = Scalars { groups: weights(&dense) };
        let got = run(&mut dense, &training);

        let Rates { input, hidden, readout } = training.rates;
        let rates = [input, hidden, hidden, readout];
        let mut velocities: Vec<_> = by_hand.groups.iter().map(|w| w * 0.0).collect();
        let mut passes = got.passes.iter();
        for k in 0..=steps {
            if [0, 2, 4, 5].contains(&k) {
                let pass = passes.next().unwrap();
                assert_eq!(pass.step, k);
                let f = by_hand.outputs(&samples);
                assert!(f.iter().zip(&pass.f).all(|(a, b)| close(*a, *b, 1e-8)), "step {k}");
                let loss = by_hand.cross_entropy(&samples, &all(&samples));
                assert!(close(pass.loss, loss, 1e-8), "step {k}: {} {loss}", pass.loss);
            }
            if k == steps {
                break;
            }
            // Warm-up ½, 1, then from 1 down to 0.1 over three updates.
            let factor = [0.5, 1.0, 1.0, 0.55, 0.1][k as usize];
            let batch = training.batches.of(k);
            let before = by_hand.clone();
            for (group, v) in velocities.iter_mut().enumerate() {
                for i in 0..v.len() {
                    // Error: ε²/6 · third derivative + 1e-16/ε, some 1e-10 in D = n ∂loss/∂W, and
                    // below 1e-8 after five updates, as |v| ≤ 5 |D| and η ≤ ½.
                    let e = 1e-5;
                    let loss = |e: f64| {
                        let mut nudged = before.clone();
                        nudged.groups[group][i] += e;
                        nudged.cross_entropy(&samples, &batch)
                    };
                    let direction = n as f64 * (loss(e) - loss(-e)) / (2.0 * e);
                    let w = before.groups[group][i];
                    if rates[group] > 0.0 {
                        v[i] = 0.8 * v[i] + direction + 0.05 * w;
                        by_hand.groups[group][i] = w - factor * rates[group] * v[i];
                    }
                }
            }
        }
        for (group, (got, want)) in weights(&dense).iter().zip(&by_hand.groups).enumerate() {
            let gap = (got - want).amax();
            assert!(gap <= 1e-8, "{frozen:?}, group {group}: {gap:e}");
        }
        assert!(passes.next().is_none());
    }
}

/// What is recorded changes nothing else: the same passes at common steps, the same covariances.
#[test]
fn recording_less_changes_nothing() {
    let samples = classified(4, 5, 2);
    let network =
        network(Parametrization::DepthMup, Activation::Tanh, Closure::Exact, (40, 4), &samples);
    let noise = || BrownianPath::new(3, 4, 4);
    let whole = Training {
        momentum: 0.0,
        weight_decay: 0.0,
        test_labels: samples.labels.clone(),
        ..everything(&samples, 4, 7)
    };
    let pair = || (samples.clone(), samples.clone());
    let begin = |which: usize| -> Box<dyn Sweeps> {
        let ((train, test), probe, network) = (pair(), full_probe(4), network.clone());
        let set = Instructions::detect();
        match which {
            0 => Box::new(Conditional::new(network, Box::new(noise()), probe, train, test)),
            1 => Box::new(Dense::new(network, &noise(), probe, train, test)),
            _ => Box::new(cpu::conditional::Conditional::<f64>::new(
                network,
                Box::new(noise()),
                probe,
                (train, test),
                set,
            )),
        }
    };
    for which in 0..3 {
        let often = run(&mut *begin(which), &whole);
        let seldom = run(&mut *begin(which), &Training { record: 3, ..whole.clone() });
        let steps: Vec<u32> = seldom.passes.iter().map(|pass| pass.step).collect();
        assert_eq!(steps, [0, 3, 6, 7]);
        assert!(seldom.passes.iter().all(|pass| *pass == often.passes[pass.step as usize]));
        assert!(often.covariances.is_some() && often.covariances == seldom.covariances);
    }
}

/// A run that leaves the finite numbers between two recorded passes says where.
#[test]
fn divergence_is_noticed_in_passes_that_are_not_recorded() {
    let samples = sphere(4, 5, 1);
    let network =
        network(Parametrization::Mup, Activation::Identity, Closure::Exact, (20, 3), &samples);
    let noise = BrownianPath::new(3, 3, 3);
    let none = none_like(&samples);
    for size in [2, 4] {
        let loss = Loss::Squared;
        let schedule = Schedule::CONSTANT;
        let rates = rates(1e40, HIDDEN);
        let training =
            Training { loss, schedule, rates, record: 100, ..everything(&samples, size, 150) };
        let (probe, train) = (full_probe(3), samples.clone());
        let mut dense = Dense::new(network.clone(), &noise, probe, train, none.clone());
        let got = run(&mut dense, &training);
        let at = got.diverged.unwrap();
        assert!(at.step > 0 && at.step < 100, "{at:?}");
        assert_eq!(got.passes.len(), 1);
        assert!(at.layer.is_some(), "{at:?}");
    }
}
