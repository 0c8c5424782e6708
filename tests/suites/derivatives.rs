//! The plain dense engine against calculus: its updates are derivatives of the loss, by central differences.

use crate::common::*;
use nalgebra::DMatrix;
use nfd::backend::plain::dense::Dense;
use nfd::backend::{Network, Sweeps};
use nfd::data::Samples;
use nfd::model::{Activation, Closure, Loss, Parametrization, ScaleLaw};
use nfd::rng::noise::BrownianPath;

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
        Parametrization::CompleteP => law.horizon.sqrt() / depth as f64,
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
/// rate n η γ² in the μP family, η γ² in ntk, and of the hidden weights in complete-p times L.
#[test]
fn gradients_match_central_differences() {
    let (width, depth, rate, gamma) = (7, 3, 0.3, 1.7);
    for outputs in [1, 3] {
        let train = sphere(4, 5, outputs);
        for parametrization in PARAMETRIZATIONS {
            for activation in Activation::ALL {
                let named = ScaleLaw::named(parametrization, activation);
                let law = ScaleLaw { horizon: 0.8, gamma, ..named };
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
                let hidden = match parametrization {
                    Parametrization::CompleteP => depth as f64,
                    _ => 1.0,
                };
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
                        check("W", change / hidden, &|e| {
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
