//! The two plain engines against each other and against calculus: pathwise identity, invariants of
//! conditioning, gradients by finite differences.

use crate::common::*;
use nalgebra::DMatrix;
use nfd::backend::plain::conditional::Conditional;
use nfd::backend::plain::dense::{Dense, Weights};
use nfd::backend::{Network, Set, Sweeps};
use nfd::data::Samples;
use nfd::model::{Activation, Block, Closure, Groups, Loss, Parametrization, Rates, ScaleLaw};
use nfd::rng::noise::BrownianPath;

const PARAMETRIZATIONS: [Parametrization; 4] = [
    Parametrization::DepthMup,
    Parametrization::Mup,
    Parametrization::Vanilla,
    Parametrization::Ntk,
];

fn conditional(network: &Network, seed: u64, train: &Samples) -> Conditional {
    let noise = Box::new(BrownianPath::new(seed, network.depth as u32, network.depth as u32));
    let probe = full_probe(network.depth);
    Conditional::new(network.clone(), noise, probe, train.clone(), none_like(train))
}

/// Largest difference in f, h and g between a conditional run and the dense network assembled from
/// its answers.
fn pathwise_gap(network: &Network, train: &Samples, rates: Rates, steps: u32) -> f64 {
    let mut run = conditional(network, 11, train);
    let ends = run.ends().clone();
    let mut passes = Vec::new();
    for k in 0..=steps {
        let f = run.forward(k, &all(train), true).f;
        run.backward(k, &chi(&f, train), Some(&descent(rates)));
        passes.push((f, run.hidden().to_vec(), run.signals().to_vec()));
    }
    let forward = (1..).zip(run.layers()).map(|(l, m)| assemble(m, 99, l)).collect();
    let weights = Weights { forward, backward: vec![] };
    let probe = full_probe(network.depth);
    let mut dense =
        Dense::from_weights(network.clone(), ends, weights, probe, train.clone(), none_like(train));
    let mut worst = 0.0_f64;
    // NaN must not hide: f64::max would drop it.
    let mut note = |gap: f64| {
        assert!(gap.is_finite(), "the run diverged");
        worst = worst.max(gap);
    };
    for (k, (f, hidden, signals)) in passes.iter().enumerate() {
        let got = dense.forward(k as u32, &all(train), true).f;
        dense.backward(k as u32, &chi(&got, train), Some(&descent(rates)));
        f.iter().zip(&got).for_each(|(a, b)| note((a - b).abs()));
        for (a, b) in hidden.iter().zip(dense.hidden()).chain(signals.iter().zip(dense.signals())) {
            note((a - b).amax());
        }
    }
    worst
}

/// Two distinct samples and a duplicate of the first.
fn with_duplicate(outputs: usize) -> Samples {
    let two = sphere(2, 5, outputs);
    let rows: Vec<Vec<f64>> = two.inputs.chunks(5).map(<[f64]>::to_vec).collect();
    let labels: Vec<Vec<f64>> = two.labels.chunks(outputs).map(<[f64]>::to_vec).collect();
    samples(
        &[rows[0].clone(), rows[1].clone(), rows[0].clone()],
        &[labels[0].clone(), labels[1].clone(), labels[1].clone()],
    )
}

#[test]
fn exact_is_the_dense_network_pathwise() {
    for outputs in [1, 2] {
        let train = with_duplicate(outputs);
        for parametrization in PARAMETRIZATIONS {
            for activation in Activation::ALL {
                // Rates at which no run of this table diverges or converges within eight steps.
                let rate = match parametrization {
                    Parametrization::DepthMup | Parametrization::Ntk => 0.1,
                    _ => 0.02,
                };
                let mut network =
                    network(parametrization, activation, Closure::Exact, (96, 3), &train);
                let what = format!("{parametrization:?} {activation:?} {outputs}");
                // A dropped column is off by at most the tolerance times its norm (√n or so), and
                // so are f, h and g; docs/theory.md, section 6, has 1e-8.
                let gap = pathwise_gap(&network, &train, rates(rate, ALL), 8);
                assert!(gap <= 1e-8, "{what}: {gap:e}");
                // Where all columns are distinct or equal, nothing but rounding is left. Smooth
                // activations of slowly moving features do bring columns between 1e-13 and 1e-10.
                network.drop_tolerance = 1e-13;
                let gap = pathwise_gap(&network, &train, rates(rate, ALL), 8);
                assert!(gap <= 1e-12, "{what}: {gap:e}");
            }
        }
    }
}

/// Near convergence columns fall under the drop tolerance: 1e-8 instead of 1e-12.
#[test]
fn exact_is_the_dense_network_pathwise_after_convergence() {
    let train = with_duplicate(1);
    let mut labels = train.clone();
    labels.labels = vec![1.0, 1.0, 1.0]; // the duplicate's label has to agree to converge
    let network =
        network(Parametrization::DepthMup, Activation::Tanh, Closure::Exact, (96, 3), &labels);
    let gap = pathwise_gap(&network, &labels, rates(3.0, HIDDEN), 12);
    assert!(gap <= 1e-8, "{gap:e}");
}

/// The same check sees a closure that is not the network: backward answers that know earlier steps only.
#[test]
fn pathwise_identity_fails_for_fresh() {
    let train = with_duplicate(1);
    let network =
        network(Parametrization::DepthMup, Activation::Tanh, Closure::Fresh, (96, 3), &train);
    let gap = pathwise_gap(&network, &train, rates(0.1, ALL), 8);
    assert!(gap > 1e-2, "{gap:e}");
}

/// QᵀQ = I and, for exact, QBᵀAF = BBᵀQF at every layer and step; the second fails by construction
/// for the others.
#[test]
fn conditioning_invariants() {
    for closure in Closure::ALL {
        let train = with_duplicate(1);
        let network =
            network(Parametrization::DepthMup, Activation::Tanh, closure, (200, 4), &train);
        let mut run = conditional(&network, 3, &train);
        for k in 0..6 {
            let f = run.forward(k, &all(&train), true).f;
            run.backward(k, &chi(&f, &train), Some(&descent(rates(0.5, ALL))));
            let mut mismatch = 0.0_f64;
            for memory in run.layers() {
                for q in [&memory.forward.basis, &memory.backward.basis] {
                    let gap = (q.tr_mul(q) - DMatrix::identity(q.ncols(), q.ncols())).amax();
                    // k·ε·√n for sums of n = 200 products; docs/theory.md, section 6, has 8e-14.
                    assert!(gap <= 2e-13, "{closure:?} step {k}: {gap:e}");
                }
                let left = memory.backward.basis.tr_mul(&memory.forward.answers);
                let right = memory.backward.answers.tr_mul(&memory.forward.basis);
                mismatch = mismatch.max((left - right).amax());
            }
            match closure {
                Closure::Exact => assert!(mismatch <= 2e-12, "step {k}: {mismatch:e}"),
                // In the first pass there are no backward columns that a forward query could know.
                Closure::BackwardOnly if k == 0 => assert!(mismatch <= 2e-12, "{mismatch:e}"),
                // A difference of independent N(0,1) entries.
                _ => assert!(mismatch > 0.1, "{closure:?} step {k}: {mismatch:e}"),
            }
        }
    }
}

/// Ranks stay where there is nothing new: frozen input and readout layers, duplicates.
#[test]
fn columns_without_news_are_dropped() {
    let train = with_duplicate(1);
    for closure in Closure::ALL {
        let network =
            network(Parametrization::DepthMup, Activation::Tanh, closure, (100, 4), &train);
        let mut run = conditional(&network, 5, &train);
        for k in 0..5 {
            let forward = run.forward(k, &all(&train), true);
            let backward =
                run.backward(k, &chi(&forward.f, &train), Some(&descent(rates(0.5, HIDDEN))));
            // The duplicate brings no column at step 0. Later it may, in gia or fresh no less than in
            // exact: never, because its h and g are those of the first sample.
            assert_eq!(forward.ranks[0], 2, "layer 1 reads an input that never changes");
            assert_eq!(*backward.ranks.last().unwrap(), 1, "layer L is asked about V only");
            let most = 2 * (k as usize + 1);
            assert!(forward.ranks.iter().chain(&backward.ranks).all(|&r| r <= most));
        }
    }
}

/// ½ mean (f−y)², written from docs/theory.md, section 1, with loops over scalars.
fn loss_by_loops(
    law: &ScaleLaw,
    u: &DMatrix<f64>,
    w: &[DMatrix<f64>],
    v: &DMatrix<f64>,
    x: &Samples,
) -> f64 {
    let (n, d, depth) = (u.nrows(), u.ncols(), w.len());
    let skip = law.parametrization != Parametrization::Vanilla;
    let branch = match law.parametrization {
        Parametrization::Vanilla => law.activation.vanilla_scale(),
        Parametrization::Mup => law.horizon.sqrt(),
        _ => (law.horizon / depth as f64).sqrt(),
    };
    let width_power = if law.parametrization == Parametrization::Ntk { 0.5 } else { 1.0 };
    let mut total = 0.0;
    for p in 0..x.len() {
        let mut h: Vec<f64> = (0..n)
            .map(|i| {
                (0..d).map(|j| u[(i, j)] * x.inputs[p * d + j]).sum::<f64>() / (d as f64).sqrt()
            })
            .collect();
        for w in w {
            h = (0..n)
                .map(|i| {
                    let sum: f64 = (0..n).map(|j| w[(i, j)] * law.activation.value(h[j])).sum();
                    (if skip { h[i] } else { 0.0 }) + branch * sum / (n as f64).sqrt()
                })
                .collect();
        }
        for o in 0..x.outputs {
            let sum: f64 = (0..n).map(|i| v[(i, o)] * h[i]).sum();
            let f = sum / (n as f64).powf(width_power) / law.gamma;
            total += 0.5 * (f - x.labels[p * x.outputs + o]).powi(2);
        }
    }
    total / x.len() as f64
}

/// The update is −(raw rate) · ∂loss/∂weight for every group, parametrization and activation; raw
/// rate n η γ² in the μP family, η γ² in ntk.
#[test]
fn gradients_match_central_differences() {
    let (width, depth, rate, gamma) = (7, 3, 0.3, 1.7);
    for outputs in [1, 3] {
        let train = sphere(4, 5, outputs);
        for parametrization in PARAMETRIZATIONS {
            for activation in Activation::ALL {
                let exponents = parametrization.exponents();
                let block = Block::OneLayer;
                let law =
                    ScaleLaw { parametrization, exponents, block, activation, horizon: 0.8, gamma };
                let network = Network {
                    scales: law.at(width, depth, train.dimension),
                    ..network(parametrization, activation, Closure::Exact, (width, depth), &train)
                };
                let path = BrownianPath::new(21, depth as u32, depth as u32);
                let mut run =
                    Dense::new(network, &path, full_probe(depth), train.clone(), none_like(&train));
                let (ends, weights) = (run.ends().clone(), run.weights().clone());
                let f = run.forward(0, &all(&train), true).f;
                run.backward(0, &chi(&f, &train), Some(&descent(rates(rate, ALL))));

                let (u, w, v) = (ends.u, weights.forward, ends.v);
                let value = Loss::Squared.value(&f, &train.labels, outputs);
                let by_loops = loss_by_loops(&law, &u, &w, &v, &train);
                assert!(close(value, by_loops, 1e-13), "{value} {by_loops}");

                let power = if parametrization == Parametrization::Ntk { 0.0 } else { 1.0 };
                let raw_rate = rate * gamma * gamma * (width as f64).powf(power);
                let check = |what: &str, change: f64, loss: &dyn Fn(f64) -> f64| {
                    // Error of the central difference: ε²/6 · third derivative + 1e-16 · loss/ε.
                    let e = 1e-5;
                    let slope = (loss(e) - loss(-e)) / (2.0 * e);
                    assert!(
                        close(-change / raw_rate, slope, 1e-8),
                        "{parametrization:?} {activation:?} {what}: {change} {slope}"
                    );
                };
                for (i, j) in [(0, 0), (3, 4), (6, 2)] {
                    let nudge = |m: &DMatrix<f64>, e: f64| {
                        let mut m = m.clone();
                        m[(i, j)] += e;
                        m
                    };
                    check("U", run.ends().u[(i, j)] - u[(i, j)], &|e| {
                        loss_by_loops(&law, &nudge(&u, e), &w, &v, &train)
                    });
                    for l in 0..depth {
                        let change = run.weights().forward[l][(i, j)] - w[l][(i, j)];
                        check("W", change, &|e| {
                            let mut w = w.clone();
                            w[l] = nudge(&w[l], e);
                            loss_by_loops(&law, &u, &w, &v, &train)
                        });
                    }
                    let o = j % outputs;
                    check("V", run.ends().v[(i, o)] - v[(i, o)], &|e| {
                        let mut v = v.clone();
                        v[(i, o)] += e;
                        loss_by_loops(&law, &u, &w, &v, &train)
                    });
                }
            }
        }
    }
}

/// Dense gia: its update of W_l is the derivative of the loss when a push at layer l travels up
/// through W̃ with the activations' local slopes, and W and W̃ receive the same one.
#[test]
fn gia_update_matches_central_differences_through_the_backward_weights() {
    let train = sphere(3, 5, 1);
    let (width, depth, rate) = (9, 4, 0.5);
    let network =
        network(Parametrization::DepthMup, Activation::Tanh, Closure::Gia, (width, depth), &train);
    let path = BrownianPath::new(8, depth as u32, depth as u32);
    let mut run =
        Dense::new(network.clone(), &path, full_probe(depth), train.clone(), none_like(&train));
    for k in 0..2 {
        let before = run.weights().clone();
        let f = run.forward(k, &all(&train), true).f;
        let chi = chi(&f, &train);
        let hidden = run.hidden().to_vec();
        run.backward(k, &chi, Some(&descent(rates(rate, HIDDEN))));
        for l in 0..depth {
            for (i, j) in [(0, 1), (5, 8)] {
                // Σ_p χ_p f_p as W_l[i,j] moves by e, seen through W̃ above layer l.
                let surrogate = |e: f64| {
                    let mut total = 0.0;
                    for p in 0..train.len() {
                        let mut push = vec![0.0; width];
                        push[i] = network.scales.forward * e * hidden[l][(j, p)].tanh();
                        for (w, h) in before.backward.iter().zip(&hidden).skip(l + 1) {
                            let moved: Vec<f64> = (0..width)
                                .map(|a| (h[(a, p)] + push[a]).tanh() - h[(a, p)].tanh())
                                .collect();
                            push = (0..width)
                                .map(|a| {
                                    let sum: f64 = (0..width).map(|b| w[(a, b)] * moved[b]).sum();
                                    push[a] + network.scales.forward * sum
                                })
                                .collect();
                        }
                        let f: f64 = (0..width).map(|a| run.ends().v[(a, 0)] * push[a]).sum();
                        total += chi[p] * f / width as f64;
                    }
                    total
                };
                let e = 1e-4;
                let slope = (surrogate(e) - surrogate(-e)) / (2.0 * e);
                let change = run.weights().forward[l][(i, j)] - before.forward[l][(i, j)];
                assert!(
                    close(-change / (rate * width as f64), slope, 1e-8),
                    "{l}: {change} {slope}"
                );
                let backward = run.weights().backward[l][(i, j)] - before.backward[l][(i, j)];
                assert!(close(backward, change, 1e-14));
            }
        }
    }
}

/// Covariances from the stored coefficients are those of the vectors.
#[test]
fn covariances_from_coefficients_are_those_of_the_vectors() {
    let train = with_duplicate(1);
    let network =
        network(Parametrization::DepthMup, Activation::Tanh, Closure::Fresh, (80, 4), &train);
    let mut run = conditional(&network, 5, &train);
    let mut features: Vec<Vec<DMatrix<f64>>> = vec![vec![]; 5];
    let mut gradients = features.clone();
    for k in 0..4 {
        let f = run.forward(k, &all(&train), true).f;
        run.backward(
            k,
            &chi(&f, &train),
            Some(&descent(rates(0.5, Groups { input: true, ..HIDDEN }))),
        );
        for l in 0..=4 {
            features[l].push(run.hidden()[l].map(f64::tanh));
            gradients[l].push(run.signals()[l].clone());
        }
    }
    let gram = |history: &[DMatrix<f64>]| {
        let columns: Vec<_> = history.iter().flat_map(|x| x.column_iter()).collect();
        let all = DMatrix::from_columns(&columns);
        all.tr_mul(&all) / 80.0
    };
    let got = run.covariances().unwrap();
    assert_eq!(got.len(), 5);
    assert!(got[4].features.is_none() && got[0].gradients.is_none());
    for l in 0..=4 {
        for (got, history) in [(&got[l].features, &features[l]), (&got[l].gradients, &gradients[l])]
        {
            if let Some(got) = got {
                // Dropped columns are off by at most 1e-10 of their norm.
                assert!((got - gram(history)).amax() <= 1e-9);
            }
        }
    }
}

/// A test input that is a training input asks nothing new: its output is the training output, to
/// rounding, at every step; and asking leaves no trace.
#[test]
fn a_known_test_input_gets_the_known_answer() {
    let train = sphere(3, 5, 1);
    for closure in Closure::ALL {
        let network =
            network(Parametrization::DepthMup, Activation::Tanh, closure, (60, 4), &train);
        let noise = || Box::new(BrownianPath::new(2, 4, 4));
        let probe = full_probe(4);
        let mut asked =
            Conditional::new(network.clone(), noise(), probe.clone(), train.clone(), train.clone());
        let mut silent =
            Conditional::new(network, noise(), probe, train.clone(), none_like(&train));
        for k in 0..4 {
            let f = asked.forward(k, &all(&train), true).f;
            let known = asked.evaluate(k, Set::Test);
            assert!(f.iter().zip(&known).all(|(a, b)| close(*a, *b, 1e-13)), "{f:?} {known:?}");
            assert_eq!(f, silent.forward(k, &all(&train), true).f);
            // Training samples are all known already when they are evaluated.
            assert_eq!(known, asked.evaluate(k, Set::Train));
            asked.backward(k, &chi(&f, &train), Some(&descent(rates(0.7, ALL))));
            silent.backward(k, &chi(&f, &train), Some(&descent(rates(0.7, ALL))));
        }
        assert_eq!(asked.layers(), silent.layers());
    }
}
