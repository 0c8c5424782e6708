//! The response functions A and B: with the queries they make up the recorded couplings, and in a
//! linear network they are those of infinite width.

use crate::common::*;
use nalgebra::DMatrix;
use nfd::backend::cpu::conditional::Conditional as Fast;
use nfd::backend::plain::conditional::Conditional;
use nfd::backend::{BackwardSweep, Covariances, ForwardSweep, Network, Sweeps};
use nfd::data::Samples;
use nfd::model::{
    Activation, BackwardKnows, Block, Closure, Groups, InnerWidth, Parametrization, ScaleLaw,
};
use nfd::rng::noise::BrownianPath;
use nfd::rng::normal::Instructions;
use nfd::stats::{mean, standard_error};

/// What a run shows, pass by pass: φ(h_0) … φ(h_L), g_0 … g_L and the sweeps; and its responses.
struct Seen {
    phi: Vec<Vec<DMatrix<f64>>>,
    slope: Vec<Vec<DMatrix<f64>>>,
    g: Vec<Vec<DMatrix<f64>>>,
    forward: Vec<ForwardSweep>,
    backward: Vec<BackwardSweep>,
    at: Vec<Covariances>,
}

fn seen(network: &Network, train: &Samples, groups: Groups, rate: f64, seed: u64) -> Seen {
    let depth = network.depth as u32;
    let noise = Box::new(BrownianPath::new(seed, depth, depth));
    let probe = full_probe(network.depth);
    let mut run = Conditional::new(network.clone(), noise, probe, train.clone(), none_like(train));
    let (mut phi, mut slope, mut g) = (vec![], vec![], vec![]);
    let (mut forward, mut backward) = (vec![], vec![]);
    for k in 0..4 {
        forward.push(run.forward(k, &all(train), true));
        let of = |f: &dyn Fn(f64) -> f64| run.hidden().iter().map(|h| h.map(f)).collect();
        phi.push(of(&|u| network.activation.value(u)));
        slope.push(of(&|u| network.activation.derivative(u)));
        let chi = chi(&forward[k as usize].f, train);
        backward.push(run.backward(k, &chi, Some(&descent(rates(rate, groups)))));
        g.push(run.signals().to_vec());
    }
    Seen { phi, slope, g, forward, backward, at: run.covariances().unwrap() }
}

/// Σ of the queries of passes in `passes` times the responses of pass `k` to them.
fn owed(
    response: &DMatrix<f64>,
    queries: &[Vec<DMatrix<f64>>],
    (layer, k): (usize, usize),
    passes: std::ops::Range<usize>,
) -> DMatrix<f64> {
    let samples = queries[0][layer].ncols();
    let none = DMatrix::zeros(queries[0][layer].nrows(), samples);
    passes.fold(none, |sum, j| {
        let of = response.view((k * samples, j * samples), (samples, samples));
        sum + &queries[j][layer] * of.transpose()
    })
}

fn mean_square(x: &DMatrix<f64>) -> f64 {
    x.norm_squared() / x.len() as f64
}

/// The part of x that lies in the span of the columns of all `blocks`.
fn within(blocks: &[&DMatrix<f64>], x: &DMatrix<f64>) -> DMatrix<f64> {
    let columns: Vec<_> = blocks.iter().flat_map(|block| block.column_iter()).collect();
    if columns.is_empty() {
        return DMatrix::zeros(x.nrows(), x.ncols());
    }
    let svd = DMatrix::from_columns(&columns).svd(true, false);
    let rank = svd.rank(1e-9 * svd.singular_values.max());
    let basis = svd.u.unwrap();
    let basis = basis.columns(0, rank);
    basis * basis.tr_mul(x)
}

fn every_block_and_closure() -> impl Iterator<Item = (Block, Closure)> {
    let blocks = [Block::OneLayer, Block::TwoLayer].into_iter();
    blocks.flat_map(|block| Closure::ALL.into_iter().map(move |closure| (block, closure)))
}

/// A network of width 150; the inner layer of two-layer blocks has 225.
fn tanh_network(block: Block, closure: Closure, depth: usize, train: &Samples) -> Network {
    let (parametrization, activation) = (Parametrization::DepthMup, Activation::Tanh);
    let inner_width = InnerWidth::Times(1.5);
    let law = ScaleLaw { block, inner_width, ..ScaleLaw::named(parametrization, activation) };
    let scales = law.at(150, depth, train.dimension);
    Network { scales, ..network(parametrization, activation, closure, (150, depth), train) }
}

/// Σ A g and Σ B φ are what was recorded as coupling, layer by layer and summed, in every closure and form of
/// block: the parts by columns of earlier steps and of this one too. Frozen ends repeat their queries.
#[test]
fn responses_make_up_the_couplings() {
    const DEPTH: usize = 4;
    let off = |found: f64, recorded: f64| (found - recorded).abs() > 1e-9 * recorded + 1e-22;
    for (outputs, groups) in [(1, HIDDEN), (2, ALL)] {
        let train = sphere(2, 5, outputs);
        for (block, closure) in every_block_and_closure() {
            let network = tanh_network(block, closure, DEPTH, &train);
            let seen = seen(&network, &train, groups, 0.7, 5);
            let branch = 1.0 / DEPTH as f64; // m² = T/L
            for k in 0..4 {
                let what = format!("{block:?} {closure:?}, step {k}, {outputs} outputs");
                let none = || DMatrix::zeros(150, 2);
                let (mut layer, mut sum) = (0.0, none());
                for l in 1..=DEPTH {
                    let a = seen.at[l].forward_response.as_ref().unwrap();
                    let part = owed(a, &seen.g, (l, k), 0..k) * branch;
                    layer += mean_square(&part) / DEPTH as f64;
                    sum += part;
                    // Answers owe nothing to what is asked later.
                    assert!(a.view((2 * k, 2 * k), (2, 8 - 2 * k)).iter().all(|a| *a == 0.0));
                }
                let recorded = seen.forward[k].coupling.unwrap();
                assert!(!off(layer, recorded.layer), "{what}: {layer} {recorded:?}");
                let sum = mean_square(&sum);
                assert!(!off(sum, recorded.accumulated), "{what}: {sum} {recorded:?}");
                assert_eq!(recorded.layer > 0.0, k > 0 && closure.forward_conditions(), "{what}");

                let (mut layers, mut sums) = ([0.0; 2], [none(), none()]);
                for l in 0..DEPTH {
                    let b = seen.at[l].backward_response.as_ref().unwrap();
                    let now = owed(b, &seen.phi, (l, k), k..k + 1) * branch;
                    let earlier: Vec<_> = (0..k).map(|j| &seen.phi[j][l]).collect();
                    let same = &now - within(&earlier, &now);
                    let past = owed(b, &seen.phi, (l, k), 0..k) * branch + (now - &same);
                    for (i, part) in [past, same].into_iter().enumerate() {
                        let part = part.component_mul(&seen.slope[k][l]);
                        layers[i] += mean_square(&part) / DEPTH as f64;
                        sums[i] += part;
                    }
                }
                let recorded = seen.backward[k].coupling.unwrap();
                let sums = sums.map(|sum| mean_square(&sum));
                for (found, recorded) in layers.into_iter().chain(sums).zip([
                    recorded.layer_past,
                    recorded.layer_same,
                    recorded.accumulated_past,
                    recorded.accumulated_same,
                ]) {
                    assert!(!off(found, recorded), "{what}: {layers:?} {sums:?} {recorded:?}");
                }
            }
        }
    }
}

/// Backend cpu has the responses of plain, in f64.
#[test]
fn the_fast_engine_has_the_same_responses() {
    let train = sphere(2, 5, 1);
    for (block, closure) in every_block_and_closure() {
        let network = tanh_network(block, closure, 4, &train);
        let want = seen(&network, &train, HIDDEN, 0.7, 5).at;
        let noise = Box::new(BrownianPath::new(5, 4, 4));
        let set = Instructions::available()[0];
        let inputs = (train.clone(), none_like(&train));
        let mut run = Fast::<f64>::new(network, noise, full_probe(4), inputs, set);
        for k in 0..4 {
            let f = run.forward(k, &all(&train), k == 0).f;
            run.backward(k, &chi(&f, &train), Some(&descent(rates(0.7, HIDDEN))));
        }
        for (got, want) in run.covariances().unwrap().iter().zip(&want) {
            for (got, want) in [
                (&got.forward_response, &want.forward_response),
                (&got.backward_response, &want.backward_response),
            ] {
                assert_eq!(got.is_some(), want.is_some());
                let (Some(got), Some(want)) = (got, want) else { continue };
                // Queries that are new by 1e-3 of themselves; rounding is 1e-13.
                let scale = want.amax().max(1.0);
                assert!((got - want).amax() <= 1e-9 * scale, "{block:?} {closure:?}: {got} {want}");
            }
        }
    }
}

/// A linear network of one sample with |h_0|²/n = 1 and frozen ends: for any rate, after one step
///
/// ```text
/// A_l(1,0) = −ηχ (T/L) (l−1) r^{l−2},   B_{l−1}(1,0) = −ηχ (T/L) (L−l) r^{L−l−1},   r = 1 + T/L
/// ```
///
/// of layer l, which tend to −ηχ t e^t and −ηχ (T−t) e^{T−t}; B(0,0) = B(1,1) = 0. In two-layer blocks, A of W2
/// and B of W1, with l for the layer from above in B,
///
/// ```text
/// A_l(1,0) = −ηχ (r^{l−1} + 2 (T/L) (l−1) r^{l−2}),   B_{L−l}(1,0) = the same
/// ```
///
/// Each is missed by O(n^{-1/2}) in a run. 16 seeds, 6 closures, about 20 comparisons each at a family-wise level of 1e-3:
/// Student's t with 15 degrees of freedom at 1e-3/120, two-sided, is 6.5; the bias is of order 1/n.
#[test]
fn responses_of_a_linear_network_have_their_closed_form() {
    const WIDTH: usize = 2000;
    const DEPTH: usize = 6;
    let (horizon, train) = (1.5, sphere(1, 4, 1));
    let step = horizon / DEPTH as f64;
    // m r^{m−1}, m = 0, 1, …
    let power = |m: usize| m as f64 * (1.0 + step).powi(m as i32 - 1);
    let law =
        ScaleLaw { horizon, ..ScaleLaw::named(Parametrization::DepthMup, Activation::Identity) };
    let (block, inner_width) = (Block::TwoLayer, InnerWidth::Times(1.5));
    let two_layer = ScaleLaw { block, inner_width, ..law };
    let one = Closure::ALL.map(|closure| (law, closure));
    let two = Closure::ALL.map(|closure| (two_layer, closure));
    for (law, closure) in one.into_iter().chain(two) {
        let network = Network {
            scales: law.at(WIDTH, DEPTH, train.dimension),
            ..network(law.parametrization, law.activation, closure, (WIDTH, DEPTH), &train)
        };
        let runs: Vec<Seen> =
            (0..16).map(|seed| seen(&network, &train, HIDDEN, 0.8, seed)).collect();
        let form = |m: usize| match law.block {
            Block::OneLayer => step * power(m),
            Block::TwoLayer => (1.0 + step).powi(m as i32) + 2.0 * step * power(m),
        };
        let holds = |of: &dyn Fn(&Seen) -> f64, predicted: f64, what: &str| {
            let values: Vec<f64> = runs.iter().map(of).collect();
            let (found, error) = (mean(&values), standard_error(&values));
            let least = 0.04 * form(DEPTH - 1); // of the largest response there is
            assert!(error <= least, "{what}: {found} ± {error} says little of {predicted}");
            let bound = 6.5 * error + 10.0 / WIDTH as f64;
            let block = law.block.name();
            let what = format!("{block} {closure:?}, {what}: {found} ± {error}, not {predicted}");
            assert!((found - predicted).abs() <= bound, "{what}");
        };
        let pushed = |seen: &Seen| -0.8 * chi(&seen.forward[0].f, &train)[0];
        let size = |kept: bool, m: usize| if kept { form(m) } else { 0.0 };
        let backward = closure.backward() != BackwardKnows::None;
        for l in 1..=DEPTH {
            let a = |seen: &Seen| seen.at[l].forward_response.as_ref().unwrap()[(1, 0)];
            let predicted = size(closure.forward_conditions(), l - 1);
            holds(&|seen| a(seen) / pushed(seen), predicted, &format!("A at {l}"));

            let b = |seen: &Seen, at| seen.at[l - 1].backward_response.as_ref().unwrap()[at];
            let predicted = size(backward, DEPTH - l);
            // Layer 1 is asked about the same input twice: what it owes to either is one number.
            let past = |seen: &Seen| b(seen, (1, 0)) + if l == 1 { b(seen, (1, 1)) } else { 0.0 };
            holds(&|seen| past(seen) / pushed(seen), predicted, &format!("B at {}", l - 1));
            if l > 1 {
                holds(&|seen| b(seen, (1, 1)), 0.0, &format!("equal-time B at {}", l - 1));
            }
            holds(&|seen| b(seen, (0, 0)), 0.0, &format!("initial B at {}", l - 1));
        }
        for seen in &runs {
            let b = seen.at[0].backward_response.as_ref().unwrap();
            match closure.backward() {
                BackwardKnows::All => assert!((b[(1, 0)] - b[(1, 1)]).abs() <= 1e-12),
                _ => assert_eq!(b[(1, 1)], 0.0, "{closure:?}"),
            }
        }
    }
}
