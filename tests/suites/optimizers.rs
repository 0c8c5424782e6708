//! Optimisers beside gradient descent: every rule against scalars and against what a singular value decomposition
//! says, backend cpu against plain. The norms of matrices are in tests/suites/norms.rs.

use super::training::{classified, everything, pathwise_gap};
use crate::common::conditional::{self, first_off};
use crate::common::dense::{
    Case, Passes, cases, inner_width_cases, run, two_layer_cases, worst_off,
};
use crate::common::*;
use nalgebra::DMatrix;
use nfd::backend::cpu::dense::Dense as Fast;
use nfd::backend::plain::dense::Dense;
use nfd::backend::{Sweeps, Update};
use nfd::engine::batches::Batches;
use nfd::model::{
    Activation, Block, Closure, InnerWidth, Loss, Norm, Parametrization, Rule, ScaleLaw,
};
use nfd::rng::noise::BrownianPath;
use nfd::rng::normal::Instructions;

const ADAM: Rule = Rule::Adam { betas: [0.6, 0.8], epsilon: 1e-2 };
const POLAR: Rule = Rule::Normalized { norm: Norm::Polar, nesterov: false };
const PRACTISED: Rule = Rule::Normalized { norm: Norm::NewtonSchulz, nesterov: true };
const FROBENIUS: Rule = Rule::Normalized { norm: Norm::Frobenius, nesterov: true };
const SPECTRAL: Rule = Rule::Normalized { norm: Norm::Spectral, nesterov: false };

/// One update by the polar factor: W has moved by η √n m L^{-c} in as many directions as there are samples, in
/// every parametrization and in both matrices of a block, at any width M of inner layers; of the inner one times
/// its correction, and in mean-field by η √M.
#[test]
fn muon_moves_weights_by_the_rate_times_powers_of_width_and_depth() {
    let (n, depth, eta, gamma) = (24, 4, 0.3, 1.5);
    let train = sphere(3, 5, 1);
    let root = |x: usize| (x as f64).sqrt();
    for (parametrization, block, inner_width, outer, inner) in [
        (Parametrization::DepthMup, Block::OneLayer, n, root(n) / 2.0, 0.0),
        (Parametrization::CompleteP, Block::OneLayer, n, root(n), 0.0),
        (Parametrization::Mup, Block::OneLayer, n, root(n), 0.0),
        (Parametrization::Ntk, Block::OneLayer, n, 0.5, 0.0),
        (Parametrization::DepthMup, Block::TwoLayer, n, root(n) / 2.0, root(n) / 2.0),
        (Parametrization::DepthMup, Block::TwoLayer, 40, root(n) / 2.0, root(n) / 2.0),
        (Parametrization::CompleteP, Block::TwoLayer, n, root(n), root(n)),
        (Parametrization::DepthMupCorrected, Block::TwoLayer, n, root(n) / 2.0, root(n)),
        (Parametrization::MeanField, Block::TwoLayer, 40, root(40), root(40)),
    ] {
        let inner_width = InnerWidth::Fixed(inner_width);
        let named = ScaleLaw::named(parametrization, Activation::Tanh);
        let law = ScaleLaw { block, gamma, inner_width, ..named };
        let mut network =
            network(parametrization, Activation::Tanh, Closure::Exact, (n, depth), &train);
        network.scales = law.at(n, depth, train.dimension);
        let path = BrownianPath::new(4, depth as u32, depth as u32);
        let (probe, none) = (full_probe(depth), none_like(&train));
        let mut dense = Dense::new(network, &path, probe, train.clone(), none);
        let before = (dense.weights().clone(), dense.inner_weights().cloned());
        let f = dense.forward(0, &all(&train), true).f;
        let update = Update { rule: POLAR, ..descent(rates(eta, HIDDEN)) };
        dense.backward(0, &chi(&f, &train), Some(&update));
        let check = |old: &[DMatrix<f64>], new: &[DMatrix<f64>], size: f64| {
            for (l, (old, new)) in old.iter().zip(new).enumerate() {
                // g_L is V at every sample, and one direction.
                let rank = if l + 1 == depth && block == Block::OneLayer { 1 } else { 3 };
                let moved = (new - old).singular_values() / (eta * gamma * size);
                let [ones, rest] = [moved.rows(0, rank), moved.rows(rank, n - rank)];
                let right = ones.iter().all(|s| (s - 1.0).abs() <= 1e-9)
                    && rest.iter().all(|s| s.abs() <= 1e-9);
                assert!(right, "{parametrization:?} {block:?}, layer {}: {moved}", l + 1);
            }
        };
        if block == Block::OneLayer {
            check(&before.0.forward, &dense.weights().forward, outer);
        } else {
            // W2 of layer L has one direction, W1 as many as samples.
            let last = depth - 1;
            check(&before.0.forward[..last], &dense.weights().forward[..last], outer);
            let (old, new) = (before.1.unwrap(), dense.inner_weights().unwrap());
            check(&old.forward, &new.forward, inner);
        }
    }
}

/// Three updates of every rule against loops over scalars, with momentum, decay and rates that change; the sums S
/// are those of plain gradient descent, which tests/suites/training.rs holds to finite differences.
#[test]
fn entrywise_rules_are_the_recursion_of_scalars() {
    let train = sphere(3, 4, 2);
    let (n, depth) = (6, 2);
    for (rule, momentum, decay) in [(ADAM, 0.0, 0.0), (ADAM, 0.0, 0.3), (Rule::Sign, 0.7, 0.2)] {
        let network = network(
            Parametrization::CompleteP,
            Activation::Tanh,
            Closure::Exact,
            (n, depth),
            &train,
        );
        let scales = network.scales;
        let path = BrownianPath::new(9, depth as u32, depth as u32);
        let new = || {
            let (probe, none) = (full_probe(depth), none_like(&train));
            Dense::new(network.clone(), &path, probe, train.clone(), none)
        };
        let mut dense = new();
        let groups = |dense: &Dense| {
            let ends = dense.ends();
            [vec![ends.u.clone()], dense.weights().forward.clone(), vec![ends.v.clone()]].concat()
        };
        // Depth 2 and n = 6: m = 1/2, and twice the rate in complete-p.
        let sizes = [0.5, 6.0_f64.sqrt().recip(), 6.0_f64.sqrt().recip(), 1.0];
        let mut by_hand = groups(&dense);
        let mut kept: Vec<_> = by_hand.iter().map(|w| (w * 0.0, w * 0.0)).collect();
        for k in 0..3 {
            let eta = 0.2 / f64::from(k + 1);
            let f = dense.forward(k, &all(&train), true).f;
            let chi = chi(&f, &train);
            // S from h and g of this pass: hand-written sums.
            let before = groups(&dense);
            dense.backward(
                k,
                &chi,
                Some(&Update {
                    rates: rates(eta, ALL),
                    momentum,
                    weight_decay: decay,
                    rule,
                    number: k + 1,
                }),
            );
            let (h, g) = (dense.hidden(), dense.signals());
            let x = DMatrix::from_column_slice(4, 3, &train.inputs);
            let mut sums = vec![&g[0] * x.transpose()];
            sums.extend((0..depth).map(|l| &g[l + 1] * h[l].map(f64::tanh).transpose()));
            sums.push(&h[depth] * DMatrix::from_column_slice(2, 3, &chi).transpose());
            for (group, sum) in sums.iter().enumerate() {
                for i in 0..sum.len() {
                    let (s, w) = (sum[i], before[group][i]);
                    let (means, squares) = &mut kept[group];
                    let (m, v) = (&mut means[i], &mut squares[i]);
                    let step = if rule == Rule::Sign {
                        *m = momentum * *m + s;
                        f64::from(u8::from(*m > 0.0)) - f64::from(u8::from(*m < 0.0))
                    } else {
                        *m = 0.6 * *m + 0.4 * s;
                        *v = 0.8 * *v + 0.2 * s * s;
                        let k = k as i32 + 1;
                        let (m, v) = (*m / (1.0 - 0.6_f64.powi(k)), *v / (1.0 - 0.8_f64.powi(k)));
                        m / (v.sqrt() + 1e-2)
                    };
                    by_hand[group][i] = w - eta * decay * w - eta * sizes[group] * step;
                }
            }
            for (group, (got, want)) in groups(&dense).iter().zip(&by_hand).enumerate() {
                let gap = (got - want).amax();
                assert!(gap <= 1e-13, "{rule:?}, update {k}, group {group}: {gap:e}");
            }
        }
        assert_eq!(scales.update_input, 0.5);
    }
}

/// Cases of the dense engine by these rules, of widths at which decompositions take no time.
fn with_rules(rules: &[Rule], cases: Vec<Case>) -> Vec<Case> {
    let small = cases.into_iter().filter(|case| case.network.width <= 33);
    let with = |(i, case): (usize, Case)| {
        let rule = rules[i % rules.len()];
        Case { update: Update { rule, ..case.update }, ..case }
    };
    small.enumerate().map(with).collect()
}

fn fast(case: &Case, set: Instructions) -> Passes {
    let samples = (case.train.clone(), case.test.clone());
    let probe = full_probe(case.network.depth);
    let mut fast = Fast::<f64>::new(case.network.clone(), &case.noise(), probe, samples, set);
    run(case, &mut fast)
}

/// Rules that are smooth in the gradients keep what rounding there is: the quintic multiplies it by 485 an update,
/// and Adam's quotient by 1/ε = 100.
#[test]
fn the_processor_follows_plain_by_every_rule() {
    let rules = [ADAM, PRACTISED, FROBENIUS, SPECTRAL];
    for case in with_rules(&rules, [cases(), two_layer_cases(), inner_width_cases()].concat()) {
        let want = run(&case, &mut case.plain());
        for set in Instructions::available() {
            let tolerance = |what: &str| if what == "row" { 1e-6 } else { 1e-9 };
            let off = worst_off(&fast(&case, set), &want, tolerance);
            assert!(off.is_none(), "{off:?} with {set:?}: {case:?}");
        }
    }
}

/// Signs and polar factors have jumps, which rounding is kept from here: of 33 columns no two signs are near, and
/// singular values are far from the cut-off.
#[test]
fn the_processor_follows_plain_across_no_jump() {
    for (rule, samples, inner) in
        [(POLAR, 3, None), (Rule::Sign, 3, None), (POLAR, 3, Some(50)), (PRACTISED, 3, Some(20))]
    {
        let parametrization = Parametrization::CompleteP;
        let law = inner.map(|width| ScaleLaw {
            block: Block::TwoLayer,
            inner_width: InnerWidth::Fixed(width),
            ..ScaleLaw::named(parametrization, Activation::Tanh)
        });
        let all = sphere(samples + 2, 5, 1);
        let train = all.select(0..samples);
        for closure in [Closure::Exact, Closure::Gia] {
            let mut network = network(parametrization, Activation::Tanh, closure, (33, 3), &train);
            if let Some(law) = law {
                network.scales = law.at(33, 3, train.dimension);
            }
            let case = Case {
                network,
                test: all.select(samples..samples + 2),
                loss: Loss::Squared,
                batches: Batches { samples, size: samples, seed: 3 },
                update: Update {
                    momentum: 0.7,
                    weight_decay: 0.1,
                    rule,
                    ..descent(rates(0.2, ALL))
                },
                record: 1,
                steps: 3,
                fine: 1,
                train: train.clone(),
            };
            let want = run(&case, &mut case.plain());
            for set in Instructions::available() {
                let tolerance = |what: &str| if what == "row" { 1e-6 } else { 1e-10 };
                let off = worst_off(&fast(&case, set), &want, tolerance);
                assert!(off.is_none(), "{off:?} with {set:?}: {case:?}");
            }
        }
    }
}

/// Muon's family leaves the conditional engine exact: the dense network that is assembled from its answers, whose
/// polar factors are those of the whole matrices, takes the same path. All have momentum, decay, a schedule,
/// minibatches and trained ends.
#[test]
fn both_engines_take_the_same_path_by_muons_family() {
    let samples = classified(7, 5, 3);
    for closure in [Closure::Exact, Closure::Gia] {
        for rule in [POLAR, PRACTISED, FROBENIUS, SPECTRAL] {
            let mut network =
                network(Parametrization::CompleteP, Activation::Tanh, closure, (96, 3), &samples);
            network.drop_tolerance = 1e-13;
            let training = nfd::engine::Training { rule, ..everything(&samples, 3, 4) };
            let gap = pathwise_gap(&network, &samples, &training);
            // A dropped column is off by 1e-13 of its norm, some √n; Newton–Schulz takes that apart by up to 485
            // an update, a polar factor by the largest singular value over the least.
            assert!(gap <= 1e-11, "{closure:?} {rule:?}: {gap:e}");
        }
    }
}

/// The processor's conditional engine against plain, with all closures.
#[test]
fn the_processors_conditional_engine_follows_plain() {
    let rules = [POLAR, PRACTISED, FROBENIUS, SPECTRAL];
    for (i, closure) in Closure::ALL.into_iter().enumerate() {
        let train = sphere(3, 40, 1);
        let case = conditional::Case {
            network: network(
                Parametrization::DepthMup,
                Activation::Tanh,
                closure,
                (257, 3),
                &train,
            ),
            test: none_like(&train),
            batches: conditional::full(&train),
            update: Update {
                momentum: 0.5,
                weight_decay: 0.2,
                rule: rules[i % rules.len()],
                ..descent(rates(0.3, ALL))
            },
            record: 1,
            steps: 3,
            fine: 1,
            train,
        };
        let want = conditional::run(&case, &mut case.plain());
        for set in Instructions::available() {
            let got = conditional::run(&case, &mut conditional::on_cpu::<f64>(&case, set));
            let tolerance = |what: &str| if what == "row" { 1e-6 } else { 1e-9 };
            let off = first_off(&got, &want, tolerance);
            assert!(off.is_none(), "{off:?} with {set:?}: {case:?}");
        }
    }
}
