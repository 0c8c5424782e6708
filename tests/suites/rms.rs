//! Branches that read h over its root mean square: plain against calculus, scalars and itself, and where they
//! are refused. (Backend cpu against plain: the coverings of `dense`, `cpu` and of two-layer blocks.)

use std::fs;
use std::path::Path;

use super::training::pathwise_gap;
use crate::common::experiments::{GOOD, resolve_text};
use crate::common::results::{nfd, run_job};
use crate::common::slices::assert_the_same_in_slices;
use crate::common::*;
use nalgebra::DMatrix;
use nfd::backend::plain::conditional::Conditional;
use nfd::backend::plain::dense::Dense;
use nfd::backend::{Network, Probe, Set, Sweeps};
use nfd::data::Samples;
use nfd::engine::Training;
use nfd::model::{
    Activation, Block, Closure, InnerWidth, Loss, Norm, Normalization, Parametrization, Rule,
    ScaleLaw, Scales, Schedule,
};
use nfd::observables::limit::{InfiniteWidth, infinite_width};
use nfd::rng::noise::BrownianPath;

/// A law of normalised branches, of two layers where there is an inner width.
fn law(parametrization: Parametrization, activation: Activation, inner: Option<usize>) -> ScaleLaw {
    ScaleLaw {
        normalization: Normalization::Rms,
        block: if inner.is_some() { Block::TwoLayer } else { Block::OneLayer },
        inner_width: inner.map_or(InnerWidth::default(), InnerWidth::Fixed),
        ..ScaleLaw::named(parametrization, activation)
    }
}

/// A network of such a law.
fn normalised(law: ScaleLaw, closure: Closure, (n, depth): (usize, usize), x: &Samples) -> Network {
    let scales = law.at(n, depth, x.dimension);
    Network { scales, ..network(law.parametrization, law.activation, closure, (n, depth), x) }
}

fn dense(network: &Network, train: &Samples) -> Dense {
    let depth = network.depth as u32;
    let path = BrownianPath::new(21, depth, depth);
    let probe = full_probe(network.depth);
    Dense::new(network.clone(), &path, probe, train.clone(), none_like(train))
}

fn conditional(network: &Network, seed: u64, train: &Samples) -> Conditional {
    let depth = network.depth as u32;
    let path = Box::new(BrownianPath::new(seed, depth, depth));
    let probe = Probe { rows: 0, ..full_probe(network.depth) };
    Conditional::new(network.clone(), path, probe, train.clone(), none_like(train))
}

/// U, W1 where there is one, W or W2, and V.
#[derive(Clone)]
struct Numbers {
    u: DMatrix<f64>,
    inner: Vec<DMatrix<f64>>,
    outer: Vec<DMatrix<f64>>,
    v: DMatrix<f64>,
}

impl Numbers {
    fn of(run: &Dense) -> Numbers {
        Numbers {
            u: run.ends().u.clone(),
            inner: run.inner_weights().map_or(vec![], |weights| weights.forward.clone()),
            outer: run.weights().forward.clone(),
            v: run.ends().v.clone(),
        }
    }

    /// Every matrix with the factor on the rate that its group has.
    fn all(&mut self) -> Vec<&mut DMatrix<f64>> {
        let hidden = self.inner.iter_mut().chain(&mut self.outer);
        [&mut self.u, &mut self.v].into_iter().chain(hidden).collect()
    }

    /// ½ mean (f−y)², written from docs/theory.md, sections 1.1, 1.3 and 1.5, with loops over scalars.
    fn loss(&self, law: &ScaleLaw, x: &Samples) -> f64 {
        let (n, d, depth) = (self.u.nrows(), x.dimension, self.outer.len() as f64);
        let vanilla = law.parametrization == Parametrization::Vanilla;
        let branch = match law.parametrization {
            Parametrization::Vanilla => law.activation.vanilla_scale(),
            Parametrization::CompleteP => 1.0 / depth,
            _ => 1.0 / depth.sqrt(),
        };
        let times = |w: &DMatrix<f64>, x: &[f64]| -> Vec<f64> {
            let row =
                |i| (0..w.ncols()).map(|j| w[(i, j)] * law.activation.value(x[j])).sum::<f64>();
            (0..w.nrows()).map(|i| row(i) / (w.ncols() as f64).sqrt()).collect()
        };
        let mut total = 0.0;
        for p in 0..x.len() {
            let of = |i: usize| (0..d).map(|j| self.u[(i, j)] * x.inputs[p * d + j]).sum::<f64>();
            let mut h: Vec<f64> = (0..n).map(|i| of(i) / (d as f64).sqrt()).collect();
            for (l, w) in self.outer.iter().enumerate() {
                let rho = (h.iter().map(|h| h * h).sum::<f64>() / n as f64).sqrt();
                let mut read: Vec<f64> = h.iter().map(|h| h / rho).collect();
                if let Some(inner) = self.inner.get(l) {
                    read = times(inner, &read);
                }
                let step = times(w, &read);
                let carry = if vanilla { 0.0 } else { 1.0 };
                h = (0..n).map(|i| carry * h[i] + branch * step[i]).collect();
            }
            for o in 0..x.outputs {
                let f = (0..n).map(|i| self.v[(i, o)] * h[i]).sum::<f64>() / n as f64;
                total += 0.5 * (f - x.labels[p * x.outputs + o]).powi(2);
            }
        }
        total / x.len() as f64
    }
}

/// The update is −(raw rate) · ∂loss/∂weight for every entry of every matrix: nη in all of them, in
/// complete-p times L for the hidden ones.
#[test]
fn gradients_match_central_differences() {
    let (width, depth, rate) = (7, 3, 0.3);
    for outputs in [1, 3] {
        let train = sphere(4, 5, outputs);
        for (parametrization, inner) in [
            (Parametrization::DepthMup, None),
            (Parametrization::Vanilla, None),
            (Parametrization::DepthMup, Some(7)),
            (Parametrization::CompleteP, Some(5)),
        ] {
            for activation in [Activation::Identity, Activation::Tanh, Activation::Gelu] {
                let law = law(parametrization, activation, inner);
                let network = normalised(law, Closure::Exact, (width, depth), &train);
                let mut run = dense(&network, &train);
                let before = Numbers::of(&run);
                let f = run.forward(0, &all(&train), true).f;
                run.backward(0, &chi(&f, &train), Some(&descent(rates(rate, ALL))));
                let mut after = Numbers::of(&run);

                let what = format!("{parametrization:?} {activation:?} {inner:?} {outputs}");
                let value = Loss::Squared.value(&f, &train.labels, outputs);
                let by_loops = before.loss(&law, &train);
                assert!(close(value, by_loops, 1e-13), "{what}: {value} {by_loops}");
                let hidden = if parametrization == Parametrization::CompleteP { 3.0 } else { 1.0 };
                for (i, changed) in after.all().into_iter().enumerate() {
                    let raw = rate * width as f64 * if i < 2 { 1.0 } else { hidden };
                    for entry in (0..changed.len()).step_by(3) {
                        // Error of the central difference: ε²/6 · third derivative + 1e-16 · loss/ε.
                        let e = 1e-5;
                        let at = |e: f64| {
                            let mut nudged = before.clone();
                            nudged.all()[i][entry] += e;
                            nudged.loss(&law, &train)
                        };
                        let slope = (at(e) - at(-e)) / (2.0 * e);
                        let change = changed[entry] - before.clone().all()[i][entry];
                        assert!(close(-change / raw, slope, 1e-8), "{what} {i}: {change} {slope}");
                    }
                }
            }
        }
    }
}

/// Both engines take the same path, with closures `exact` and `gia`, one matrix in a block or two, minibatches,
/// momentum, decay and Muon. A column that is dropped is off by up to 1e-13 of its norm, some √n: h and g by 1e-12;
/// Newton–Schulz takes that apart by up to 485 an update, a polar factor by the largest singular value over
/// the least, which in `vanilla` is as much as the cut-off allows, 1e6: it goes by the iteration there.
#[test]
fn both_engines_take_the_same_path() {
    use Parametrization::{CompleteP, DepthMup, MeanField, Ntk, Vanilla};
    let (one, several) = (sphere(5, 5, 1), sphere(5, 5, 2));
    for closure in [Closure::Exact, Closure::Gia] {
        for (i, (parametrization, inner)) in [
            (DepthMup, None),
            (Vanilla, None),
            (Ntk, None),
            (CompleteP, None),
            (DepthMup, Some(64)),
            (DepthMup, Some(100)),
            (MeanField, Some(40)),
        ]
        .into_iter()
        .enumerate()
        {
            for manner in 0..3 {
                let samples = if (i + manner) % 2 == 0 { &one } else { &several };
                let by_muon = manner == 2;
                let activation = match by_muon {
                    true => Activation::Tanh,
                    false => Activation::ALL[(i + 2 * manner) % Activation::ALL.len()],
                };
                let law = law(parametrization, activation, inner);
                let network =
                    Network { drop_tolerance: 1e-13, ..normalised(law, closure, (64, 3), samples) };
                let rate = if parametrization == Vanilla { 0.02 } else { 0.1 };
                let mut training = Training::descent(samples, rates(rate, ALL), 5);
                if manner == 1 {
                    training.momentum = 0.6;
                    training.weight_decay = 0.3;
                    training.schedule = Schedule { warmup: 2, ..Schedule::CONSTANT };
                    training.batches.size = 3;
                }
                if by_muon {
                    let iterated = i % 2 == 0 || parametrization == Vanilla;
                    let norm = if iterated { Norm::NewtonSchulz } else { Norm::Polar };
                    training.rule = Rule::Normalized { norm, nesterov: true };
                    training.momentum = 0.5;
                }
                let gap = pathwise_gap(&network, samples, &training);
                let what = format!("{closure:?} {parametrization:?} {activation:?} {inner:?}");
                let bound = if by_muon { 1e-11 } else { 1e-12 };
                assert!(gap <= bound, "{what} {manner}: {gap:e}");
            }
        }
    }
}

/// Inputs that are k times as large leave what the first block adds as it is, and divide by k what comes back to
/// h_0 through it; without a skip connection they leave all outputs as they are.
#[test]
fn the_size_of_the_inputs_does_not_reach_a_branch() {
    let train = sphere(3, 5, 1);
    let larger =
        Samples { inputs: train.inputs.iter().map(|x| 3.0 * x).collect(), ..train.clone() };
    for (parametrization, inner) in [
        (Parametrization::DepthMup, None),
        (Parametrization::DepthMup, Some(20)),
        (Parametrization::Vanilla, None),
    ] {
        let law = law(parametrization, Activation::Tanh, inner);
        // What the first block adds to h, and to g times ρ; and the outputs.
        let of = |samples: &Samples| {
            let network = normalised(law, Closure::Exact, (30, 4), samples);
            let mut run = dense(&network, samples);
            let f = run.forward(0, &all(samples), true).f;
            run.backward(0, &vec![1.0; samples.len()], None);
            let carry = if network.scales.skip { 1.0 } else { 0.0 };
            let (h, g) = (run.hidden(), run.signals());
            let rho = (h[0].column(0).norm_squared() / 30.0).sqrt();
            (&h[1] - &h[0] * carry, (&g[0] - &g[1] * carry) * rho, f, rho)
        };
        let ((h, g, f, rho), (h3, g3, f3, rho3)) = (of(&train), of(&larger));
        assert!(close(rho3, 3.0 * rho, 1e-14), "{rho3} {rho}");
        // Sums of some 30 terms of order one.
        assert!((h - h3).amax() <= 1e-13, "{parametrization:?} {inner:?}");
        if parametrization == Parametrization::Vanilla {
            // Deeper layers have the same h, so the same g.
            assert!((g - g3).amax() <= 1e-13);
            assert!(f.iter().zip(&f3).all(|(a, b)| close(*a, *b, 1e-13)), "{f:?} {f3:?}");
        } else {
            assert!(f.iter().zip(&f3).any(|(a, b)| (a - b).abs() > 1e-3), "{f:?} {f3:?}");
        }
    }
}

/// What comes back through a branch is orthogonal to h: it does not change when h is multiplied.
#[test]
fn a_branch_gives_nothing_back_along_h() {
    let train = sphere(3, 5, 1);
    for inner in [None, Some(50)] {
        for closure in Closure::ALL {
            let law = law(Parametrization::DepthMup, Activation::Gelu, inner);
            let network = normalised(law, closure, (40, 3), &train);
            let mut run = conditional(&network, 4, &train);
            for k in 0..3 {
                let f = run.forward(k, &all(&train), true).f;
                run.backward(k, &chi(&f, &train), Some(&descent(rates(0.5, ALL))));
                for (l, h) in run.hidden()[..3].iter().enumerate() {
                    let back = &run.signals()[l] - &run.signals()[l + 1];
                    for p in 0..3 {
                        let (h, back) = (h.column(p), back.column(p));
                        let along = h.dot(&back) / (h.norm() * back.norm());
                        assert!(along.abs() <= 1e-13, "{closure:?} {inner:?} {k} {l}: {along:e}");
                    }
                }
            }
        }
    }
}

/// Samples that are evaluated have the outputs of the same samples in a pass, in both engines and blocks.
#[test]
fn a_known_input_gets_the_known_answer() {
    let train = sphere(3, 5, 1);
    let path = || BrownianPath::new(2, 3, 3);
    for inner in [None, Some(30)] {
        let law = law(Parametrization::DepthMup, Activation::Softplus, inner);
        let network = normalised(law, Closure::Exact, (60, 3), &train);
        let (probe, test) = (full_probe(3), train.clone());
        let mut runs: [Box<dyn Sweeps>; 2] = [
            Box::new(Dense::new(
                network.clone(),
                &path(),
                probe.clone(),
                train.clone(),
                test.clone(),
            )),
            Box::new(Conditional::new(network, Box::new(path()), probe, train.clone(), test)),
        ];
        for run in &mut runs {
            for k in 0..3 {
                let f = run.forward(k, &all(&train), true).f;
                for set in [Set::Train, Set::Test] {
                    let known = run.evaluate(k, set);
                    assert!(
                        f.iter().zip(&known).all(|(a, b)| close(*a, *b, 1e-13)),
                        "{f:?} {known:?}"
                    );
                }
                run.backward(k, &chi(&f, &train), Some(&descent(rates(0.7, ALL))));
            }
        }
    }
}

/// In the first pass of `exact` the part of the answer Wᵀg that forward queries have fixed is QF AFᵀ g; what it does
/// to g of the layer below has J and φ' before it, here as a matrix.
#[test]
fn couplings_backward_are_measured_behind_the_derivative() {
    let (width, depth) = (30, 3);
    let mut train = sphere(2, 5, 1);
    train.inputs.iter_mut().for_each(|x| *x *= 0.6);
    let law = law(Parametrization::DepthMup, Activation::Tanh, None);
    let network = normalised(law, Closure::Exact, (width, depth), &train);
    let mut run = conditional(&network, 6, &train);
    let f = run.forward(0, &all(&train), true).f;
    let coupling = run.backward(0, &chi(&f, &train), None).coupling.unwrap();
    let mut sum = DMatrix::zeros(width, 2);
    let mut squares = 0.0;
    for (l, memory) in run.layers().iter().enumerate() {
        let (h, g) = (&run.hidden()[l], &run.signals()[l + 1]);
        let fixed = &memory.forward.basis * memory.forward.answers.tr_mul(g) / (90.0_f64).sqrt();
        for p in 0..2 {
            let h = h.column(p);
            let square = h.norm_squared();
            let rho = (square / 30.0).sqrt();
            let j = (DMatrix::identity(width, width) - h * h.transpose() / square) / rho;
            let slope = h.map(|h| 1.0 - (h / rho).tanh().powi(2));
            let part = j * slope.component_mul(&fixed.column(p));
            squares += part.norm_squared();
            sum.set_column(p, &(sum.column(p) + part));
        }
    }
    let (layer, accumulated) = (squares / 180.0, sum.norm_squared() / 60.0);
    assert!(layer > 1e-3, "{layer}");
    let same = (coupling.layer_same, coupling.accumulated_same);
    assert!((same.0 - layer).abs() <= 1e-12 * layer, "{same:?} {layer} {accumulated}");
    assert!((same.1 - accumulated).abs() <= 1e-12 * accumulated, "{same:?} {accumulated}");
    assert_eq!((coupling.layer_past, coupling.accumulated_past), (0.0, 0.0));
}

/// Pathwise, one small step moves f by −η · (empirical kernel) · χ, to first order in η.
#[test]
fn one_small_step_is_the_empirical_kernel() {
    let train = sphere(3, 6, 1);
    let eta = 1e-6;
    let law = law(Parametrization::DepthMup, Activation::Gelu, None);
    let network = normalised(law, Closure::Exact, (40, 5), &train);
    let mut runs: [Box<dyn Sweeps>; 2] =
        [Box::new(dense(&network, &train)), Box::new(conditional(&network, 4, &train))];
    for run in &mut runs {
        let f = run.forward(0, &all(&train), true).f;
        let chi = DMatrix::from_vec(3, 1, chi(&f, &train));
        let update = descent(rates(eta, HIDDEN));
        let kernel = run.backward(0, chi.as_slice(), Some(&update)).kernel.unwrap() / 5.0;
        let moved = run.forward(1, &all(&train), true).f;
        let step = kernel * chi;
        for p in 0..3 {
            // Second order in η (1e-6) and rounding of the difference (1e-16/1e-6).
            let measured = -(moved[p] - f[p]) / eta;
            assert!(close(measured, step[p], 1e-4), "{measured} {}", step[p]);
        }
    }
}

/// docs/theory.md, section 6: of a linear network and one sample |h_l|²/n = 1 + lT/L, Γ_l = (1 + T)/(1 + lT/L),
/// and K is (T/L) Σ Γ_l, of `gia` T.
#[test]
fn recursions_have_their_closed_forms() {
    let train = sphere(2, 6, 1);
    for (horizon, depth) in [(1.0, 1), (0.5, 5), (2.0, 32)] {
        let law =
            ScaleLaw { horizon, ..law(Parametrization::DepthMup, Activation::Identity, None) };
        let scales = law.at(100, depth, 6);
        let limit = infinite_width(&train, Activation::Identity, &scales, 100, depth).unwrap();
        let square = |l: usize| 1.0 + horizon * l as f64 / depth as f64;
        let gamma = |l: usize| (1.0 + horizon) / square(l);
        for l in 0..=depth {
            assert!(close(limit.features[l][(0, 0)], square(l), 1e-13));
            assert!(close(limit.gradients[l][(1, 1)], gamma(l), 1e-13));
        }
        // Off the diagonal, scalar by scalar: Σ grows by m² times its correlation.
        let mut covariance = limit.features[0][(0, 1)];
        for l in 0..depth {
            assert!(close(limit.features[l][(0, 1)], covariance, 1e-13));
            covariance += horizon / depth as f64 * covariance / square(l);
        }
        let sum = (1..=depth).map(gamma).sum::<f64>() * horizon / depth as f64;
        for (closure, want) in [(Closure::Exact, sum), (Closure::Gia, horizon)] {
            let kernel = limit.tangent_kernel(closure, &scales, 100);
            assert!(close(kernel[(0, 0)], want, 1e-13), "{closure:?}: {}", kernel[(0, 0)]);
        }
    }
    let limit = (2.0_f64).ln() * 2.0;
    assert!((limit - 1.3863).abs() < 5e-5, "the number in docs/theory.md, section 6");
}

/// At width n covariances and the first step differ from infinite width by O(n^{-1/2}) a seed, with a bias of
/// O(1/n): |mean − limit| ≤ 7.1 standard errors + 10/n, 7.1 being Student's quantile (8 seeds) at which the 40
/// comparisons err once in a hundred times or less (2·40·P(t₇ > 7.1) = 0.008).
#[test]
fn the_engine_approaches_infinite_width() {
    let (width, depth, seeds) = (4000, 4, 8);
    // Of sizes that normalisation has something to do with.
    let mut train = sphere(2, 6, 1);
    train.inputs.iter_mut().enumerate().for_each(|(i, x)| *x *= [0.2, 0.3][i / 6]);
    for (activation, closure) in [
        (Activation::Tanh, Closure::Exact),
        (Activation::Tanh, Closure::Gia),
        (Activation::Relu, Closure::Exact),
        (Activation::Relu, Closure::Gia),
    ] {
        let law = law(Parametrization::DepthMup, activation, None);
        let network = normalised(law, closure, (width, depth), &train);
        let limit = infinite_width(&train, activation, &network.scales, width, depth).unwrap();
        let kernel = limit.tangent_kernel(closure, &network.scales, width);
        let eta = 1e-3;
        let run = |seed| {
            let mut run = conditional(&network, seed, &train);
            let f = run.forward(0, &all(&train), true).f;
            let chi = DMatrix::from_vec(2, 1, chi(&f, &train));
            run.backward(0, chi.as_slice(), Some(&descent(rates(eta, HIDDEN))));
            let covariances = run.covariances().unwrap();
            let moved = run.forward(1, &all(&train), true).f;
            let mut numbers = Vec::new();
            for l in 0..depth {
                numbers.push(covariances[l].features.as_ref().unwrap()[(0, 1)]);
                numbers.push(covariances[l + 1].gradients.as_ref().unwrap()[(0, 1)]);
            }
            let want = &kernel * chi;
            numbers.extend((0..2).map(|p| -(moved[p] - f[p]) / eta - want[p]));
            numbers
        };
        let runs: Vec<Vec<f64>> = (0..seeds).map(run).collect();
        let wanted = |limit: &InfiniteWidth| -> Vec<f64> {
            let both = |l: usize| [limit.kernels[l][(0, 1)], limit.gradients[l + 1][(0, 1)]];
            (0..depth).flat_map(both).chain([0.0, 0.0]).collect()
        };
        // Without normalisation, which the check has to tell from it.
        let scales = Scales { normalization: Normalization::None, ..network.scales };
        let other = infinite_width(&train, activation, &scales, width, depth).unwrap();
        for (i, (want, other)) in wanted(&limit).into_iter().zip(wanted(&other)).enumerate() {
            let values: Vec<f64> = runs.iter().map(|run| run[i]).collect();
            let (mean, error) = results::moments(&values);
            let bound = 7.1 * error + 10.0 / width as f64;
            assert!(
                (mean - want).abs() <= bound,
                "{activation:?} {closure:?} {i}: {mean} {want} {bound}"
            );
            // Those of the first layer, whose h is smallest.
            if i < 2 {
                assert!((other - want).abs() > 2.0 * bound, "{i}: {other} {want} {bound}");
            }
        }
    }
}

/// A sample whose h is 0 has nothing to be divided by: the pass is not finite behind it, in both engines.
#[test]
fn features_that_are_all_zero_diverge() {
    let mut train = sphere(2, 5, 1);
    train.inputs[..5].fill(0.0);
    let law = law(Parametrization::DepthMup, Activation::Tanh, None);
    let network = normalised(law, Closure::Exact, (10, 3), &train);
    assert_eq!(dense(&network, &train).forward(0, &all(&train), true).nonfinite, Some(1));
    assert_eq!(conditional(&network, 1, &train).forward(0, &all(&train), true).nonfinite, Some(1));
}

#[test]
fn what_is_not_built_is_refused_at_its_field() {
    let with = |overrides: &[&str]| {
        let all = [&["model.normalization=rms", "backend=plain"], overrides].concat();
        resolve_text(GOOD, &all)
    };
    let experiment = with(&[]).unwrap().experiment;
    assert_eq!(experiment.model.normalization, Normalization::Rms);
    assert_eq!(experiment.model.scale_law().at(8, 2, 3).normalization, Normalization::Rms);
    for (overrides, problem, help) in [
        (&["backend=cuda"][..], "backend cuda has no normalised branches", "take backend cpu"),
        (&["limit={}"], "the limit of normalised branches is not computed", "leave the limit out"),
    ] {
        let error = with(overrides).unwrap_err();
        let place = error.contains("model.normalization");
        assert!(place && error.contains(problem) && error.contains(help), "{error}");
    }
    let error = resolve_text(GOOD, &["model.normalization=layer"]).unwrap_err();
    assert!(error.contains("rms"), "{error}");
    // Files and manifests from before have no such field, and keep their bytes.
    let plain = resolve_text(GOOD, &[]).unwrap().experiment;
    assert!(!serde_json::to_string(&plain).unwrap().contains("normalization"));
}

/// Networks that are stopped and go on from their checkpoints give the same bits, in both engines and formats.
#[test]
fn slices_show_the_same_as_the_whole() {
    for (engine, block) in [("dense", "one-layer"), ("conditional", "two-layer")] {
        for precision in ["f32", "f64"] {
            let text = format!(
                r#"{{ "name": "slices", "data": {{ "source": "digits", "samples": 5, "test_samples": 2 }},
                "model": {{ "normalization": "rms", "block": "{block}", "train": ["input", "hidden", "readout"] }},
                "training": {{ "steps": 6, "learning_rate": 0.3, "momentum": 0.5, "batch": 2 }},
                "engine": "{engine}", "backend": "cpu", "precision": "{precision}", "reference": "none",
                "ensemble": {{ "widths": [48], "depths": [3], "seeds": 2, "closures": ["exact", "gia"] }} }}"#
            );
            let experiment = resolve_text(&text, &[]).unwrap().experiment;
            assert!(assert_the_same_in_slices(&experiment) >= 3);
        }
    }
}

/// A file of two samples, one of them 0.
const WITH_ZEROS: &str = "x,x,label\n1,2,1\n0,0,-1\n";

/// A job on `data`, of normalised branches.
fn job(folder: &Path, data: &str) -> String {
    let text = format!(
        r#"{{ "name": "normalised", "data": {data}, "model": {{ "normalization": "rms" }},
            "training": {{ "steps": 2, "learning_rate": 0.5 }}, "backend": "plain", "engine": "dense",
            "ensemble": {{ "widths": [16], "depths": [2], "seeds": 2, "closures": ["exact"] }} }}"#
    );
    let file = folder.join("job.json");
    fs::write(&file, text).unwrap();
    file.display().to_string()
}

#[test]
fn samples_of_zeros_are_refused_before_the_run() {
    let folder = tempfile::tempdir().unwrap();
    let table = folder.path().join("zeros.csv");
    fs::write(&table, WITH_ZEROS).unwrap();
    let data = |normalize| {
        let path = table.display();
        format!(
            r#"{{ "source": "csv", "path": "{path}", "samples": 2, "normalize": {normalize} }}"#
        )
    };
    let file = job(folder.path(), &data(false));
    let output = folder.path().join("run").display().to_string();
    let refused = nfd(&["run", &file, "--output", &output]);
    let said = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert!(!refused.status.success() && said.contains("all inputs of sample 1 are 0"), "{said}");
    assert!(said.contains("zeros.csv") && said.contains("take normalization none"), "{said}");
    assert!(!Path::new(&output).exists());
    // They are none of the business of branches that read h as it is.
    let without = nfd(&["run", &file, "--output", &output, "--set", "model.normalization=none"]);
    assert!(without.status.success(), "{}", String::from_utf8_lossy(&without.stderr));
}

/// A run says that its branches are normalised, in its report and in what it cites.
#[test]
fn a_run_tells_its_normalization() {
    let folder = tempfile::tempdir().unwrap();
    let file = job(folder.path(), r#"{ "source": "toy" }"#);
    let (_guard, run) = run_job(&file, &[]);
    let tells = |run: &Path| {
        let report = fs::read_to_string(run.join("report.html")).unwrap();
        let cited = nfd(&["cite", &run.display().to_string()]);
        let cited = String::from_utf8(cited.stdout).unwrap();
        (report.contains("branches read h over its root mean square"), cited.contains("{rms-norm,"))
    };
    assert_eq!(tells(&run), (true, true));
    let (_guard, plain) = run_job(&file, &["--set", "model.normalization=none"]);
    assert_eq!(tells(&plain), (false, false));
    let exported = nfd(&["export", &run.display().to_string(), "--seed", "0"]);
    let said = String::from_utf8_lossy(&exported.stderr).into_owned();
    assert!(!exported.status.success() && said.contains("cannot be exported yet"), "{said}");
}
