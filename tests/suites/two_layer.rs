//! Two-layer blocks h += m M^{-1/2} W2 φ(n^{-1/2} W1 φ(h)): gradients, the closure `gia`, backend cpu
//! against plain, and how weights move with depth.

use crate::common::dense::{Case, inner_width_cases, run, two_layer_cases, worst_off};
use crate::common::*;
use nalgebra::DMatrix;
use nfd::backend::cpu::dense::Dense as Fast;
use nfd::backend::cpu::dense::layer::{Explicit, Layer};
use nfd::backend::cpu::dense::weights::Weights as Blocks;
use nfd::backend::cpu::simd::format::Format;
use nfd::backend::plain::dense::{Dense as Plain, Weights};
use nfd::backend::{Network, Sweeps};
use nfd::data::Samples;
use nfd::model::{
    Activation, Block, Closure, Exponents, InnerWidth, Loss, Parametrization, ScaleLaw,
};
use nfd::rng::noise::BrownianPath;
use nfd::rng::normal::Instructions;

const CORRECTED: Parametrization = Parametrization::DepthMupCorrected;
const MEAN_FIELD: Parametrization = Parametrization::MeanField;

/// A network written out once more: matrices and the factors of the formulas.
#[derive(Clone)]
pub struct Direct {
    activation: Activation,
    /// m M^{-1/2}, in mean-field m √n / M.
    branch: f64,
    /// On Vᵀ h_L.
    readout: f64,
    u: DMatrix<f64>,
    pub inner: Vec<DMatrix<f64>>,
    outer: Vec<DMatrix<f64>>,
    v: DMatrix<f64>,
}

/// h_0 … h_L and z_1 … z_L of one sample.
type Path1 = (Vec<DMatrix<f64>>, Vec<DMatrix<f64>>);

impl Direct {
    /// The weights of `plain`, at T = `horizon` and γ = `gamma`.
    pub fn of(plain: &Plain, network: &Network, law: &ScaleLaw) -> Self {
        let (n, m) = (network.width as f64, network.width_read() as f64);
        let root = if law.parametrization == MEAN_FIELD { m / n.sqrt() } else { m.sqrt() };
        let power = if law.parametrization == Parametrization::Ntk { 0.5 } else { 1.0 };
        Direct {
            activation: network.activation,
            branch: law.horizon.sqrt() / (network.depth as f64).powf(law.exponents.branch) / root,
            readout: 1.0 / (n.powf(power) * law.gamma),
            u: plain.ends().u.clone(),
            inner: plain.inner_weights().unwrap().forward.clone(),
            outer: plain.weights().forward.clone(),
            v: plain.ends().v.clone(),
        }
    }

    fn value(&self, x: &DMatrix<f64>) -> DMatrix<f64> {
        x.map(|x| self.activation.value(x))
    }

    fn slope(&self, x: &DMatrix<f64>) -> DMatrix<f64> {
        x.map(|x| self.activation.derivative(x))
    }

    fn path(&self, samples: &Samples, p: usize) -> Path1 {
        let d = samples.dimension;
        let x = DMatrix::from_column_slice(d, 1, &samples.inputs[p * d..][..d]);
        let root = (self.u.nrows() as f64).sqrt();
        let (mut h, mut z) = (vec![&self.u * x / (d as f64).sqrt()], vec![]);
        for (w1, w2) in self.inner.iter().zip(&self.outer) {
            let last = &h[h.len() - 1];
            z.push(w1 * self.value(last) / root);
            let next = last + w2 * self.value(&z[z.len() - 1]) * self.branch;
            h.push(next);
        }
        (h, z)
    }

    /// Outputs, P×O.
    pub fn outputs(&self, samples: &Samples) -> Vec<f64> {
        let of = |p| {
            let (h, _) = self.path(samples, p);
            (self.v.transpose() * &h[h.len() - 1] * self.readout).as_slice().to_vec()
        };
        (0..samples.len()).flat_map(of).collect()
    }
}

fn law(parametrization: Parametrization, exponents: Exponents, activation: Activation) -> ScaleLaw {
    let block = Block::TwoLayer;
    let law = ScaleLaw::named(parametrization, activation);
    ScaleLaw { exponents, block, horizon: 0.8, gamma: 1.7, ..law }
}

/// The update is −(raw rate) · ∂loss/∂weight for every group: n η γ² (in ntk η γ²), for hidden weights
/// times L^{-c}, for inner ones of depth-mup-corrected times √L; in mean-field times M/n.
#[test]
fn gradients_match_central_differences() {
    let (width, depth, rate, gamma) = (7, 3_usize, 0.3, 1.7_f64);
    let own = Parametrization::exponents;
    let exponents = Exponents { branch: 0.7, rate: 0.4 };
    for (parametrization, exponents, inner_width) in [
        (Parametrization::DepthMup, own(Parametrization::DepthMup), 7),
        (Parametrization::DepthMup, own(Parametrization::DepthMup), 5),
        (Parametrization::Mup, own(Parametrization::Mup), 7),
        (Parametrization::Ntk, own(Parametrization::Ntk), 7),
        (Parametrization::CompleteP, own(Parametrization::CompleteP), 12),
        (CORRECTED, own(CORRECTED), 7),
        (CORRECTED, exponents, 7),
        (MEAN_FIELD, own(MEAN_FIELD), 5),
        (MEAN_FIELD, own(MEAN_FIELD), 12),
        (MEAN_FIELD, exponents, 12),
    ] {
        for (outputs, activation) in [
            (1, Activation::Tanh),
            (3, Activation::Tanh),
            (1, Activation::Erf),
            (3, Activation::Erf),
            (2, Activation::Softplus),
        ] {
            let train = sphere(4, 5, outputs);
            let inner_width = InnerWidth::Fixed(inner_width);
            let law = ScaleLaw { inner_width, ..law(parametrization, exponents, activation) };
            let network = Network {
                scales: law.at(width, depth, train.dimension),
                ..network(parametrization, activation, Closure::Exact, (width, depth), &train)
            };
            let path = BrownianPath::new(21, depth as u32, depth as u32);
            let (probe, test) = (full_probe(depth), none_like(&train));
            let mut plain = Plain::new(network.clone(), &path, probe, train.clone(), test);
            let before = Direct::of(&plain, &network, &law);
            let f = plain.forward(0, &all(&train), true).f;
            for (got, want) in f.iter().zip(before.outputs(&train)) {
                assert!(close(*got, want, 1e-13), "{got} {want}");
            }
            plain.backward(0, &chi(&f, &train), Some(&descent(rates(rate, ALL))));
            let after = Direct::of(&plain, &network, &law);

            let ntk = parametrization == Parametrization::Ntk;
            let raw = rate * gamma.powi(2) * if ntk { 1.0 } else { width as f64 };
            let l = depth as f64;
            let shape = network.width_read() as f64 / width as f64;
            let hidden = raw
                * l.powf(-exponents.rate)
                * if parametrization == MEAN_FIELD { shape } else { 1.0 };
            let inner = hidden * if parametrization == CORRECTED { l.sqrt() } else { 1.0 };
            /// One of the matrices.
            type Of = fn(&mut Direct, usize) -> &mut DMatrix<f64>;
            let groups: [(&str, Of, f64, usize); 4] = [
                ("U", |net, _| &mut net.u, raw, 1),
                ("W1", |net, l| &mut net.inner[l], inner, depth),
                ("W2", |net, l| &mut net.outer[l], hidden, depth),
                ("V", |net, _| &mut net.v, raw, 1),
            ];
            for (name, of, raw, layers) in groups {
                for layer in 0..layers {
                    for (i, j) in [(0, 0), (3, 4), (6, 2)] {
                        // Which some of the matrices are too small for.
                        let (rows, columns) = of(&mut before.clone(), layer).shape();
                        let (i, j) = (i % rows, j % columns);
                        let loss = |e: f64| {
                            let mut net = before.clone();
                            of(&mut net, layer)[(i, j)] += e;
                            Loss::Squared.value(&net.outputs(&train), &train.labels, outputs)
                        };
                        // Error: ε²/6 · third derivative + 1e-16 · loss/ε.
                        let e = 1e-5;
                        let slope = (loss(e) - loss(-e)) / (2.0 * e);
                        let entry = |net: &Direct| of(&mut net.clone(), layer)[(i, j)];
                        let change = entry(&after) - entry(&before);
                        assert!(
                            close(-change / raw, slope, 1e-8),
                            "{law:?} {outputs} {name}_{layer}: {} {slope}",
                            -change / raw
                        );
                    }
                }
            }
        }
    }
}

/// Dense gia: gradients pass through W̃1 and W̃2 only, which are independent and receive the updates of
/// W1 and W2; those are made of the forward activations.
#[test]
fn gia_is_the_direct_recursion_through_independent_weights() {
    let train = sphere(3, 5, 1);
    let (width, depth, rate) = (40, 3, 0.5);
    for parametrization in [Parametrization::DepthMup, CORRECTED] {
        let exponents = parametrization.exponents();
        let law = law(parametrization, exponents, Activation::Erf);
        let network = Network {
            scales: law.at(width, depth, train.dimension),
            ..network(parametrization, Activation::Erf, Closure::Gia, (width, depth), &train)
        };
        let path = BrownianPath::new(8, depth as u32, depth as u32);
        let (probe, test) = (full_probe(depth), none_like(&train));
        let mut plain = Plain::new(network.clone(), &path, probe, train.clone(), test);
        let mut net = Direct::of(&plain, &network, &law);
        let Weights { backward: mut inner_back, .. } = plain.inner_weights().unwrap().clone();
        let Weights { backward: mut outer_back, .. } = plain.weights().clone();
        // Four independent matrices a layer, with 1600 products each: 5 standard errors.
        let drawn = [&net.inner, &net.outer, &inner_back, &outer_back].map(|w| w.iter());
        let drawn: Vec<_> = drawn.into_iter().flatten().collect();
        for (i, a) in drawn.iter().enumerate() {
            for (j, b) in drawn.iter().enumerate() {
                let mean = a.component_mul(b).sum() / (width * width) as f64;
                let want = if i == j { 1.0 } else { 0.0 };
                assert!((mean - want).abs() < 0.18, "{i} {j}: {mean}");
            }
        }

        let l = depth as f64;
        let root = (width as f64).sqrt();
        let m = (0.8 / l).sqrt();
        let correction = if parametrization == CORRECTED { l.sqrt() } else { 1.0 };
        for k in 0..3 {
            let f = plain.forward(k, &all(&train), true).f;
            let chi = chi(&f, &train);
            plain.backward(k, &chi, Some(&descent(rates(rate, HIDDEN))));
            let before = net.clone();
            let (inner_before, outer_before) = (inner_back.clone(), outer_back.clone());
            for (p, chi) in chi.iter().enumerate() {
                let (h, z) = before.path(&train, p);
                let mut g = before.v.clone();
                for l in (0..depth).rev() {
                    let w2g = outer_before[l].transpose() * &g * (m / root);
                    let r = net.slope(&z[l]).component_mul(&w2g);
                    let d2 = &g * net.value(&z[l]).transpose() * (rate * 1.7 * m / root * chi);
                    let d1 =
                        &r * net.value(&h[l]).transpose() * (rate * 1.7 * correction / root * chi);
                    let w1r = inner_before[l].transpose() * &r / root;
                    g += net.slope(&h[l]).component_mul(&w1r);
                    net.inner[l] -= &d1;
                    inner_back[l] -= d1;
                    net.outer[l] -= &d2;
                    outer_back[l] -= d2;
                }
                let got = plain.signals()[0].column(p).clone_owned();
                let off = (got - g.column(0)).amax();
                assert!(off <= 1e-12, "g_0, step {k}, sample {p}: {off:e}");
            }
            let (inner, outer) = (plain.inner_weights().unwrap(), plain.weights());
            for (what, got, want) in [
                ("W1", &inner.forward, &net.inner),
                ("W2", &outer.forward, &net.outer),
                ("W̃1", &inner.backward, &inner_back),
                ("W̃2", &outer.backward, &outer_back),
            ] {
                for (l, (got, want)) in got.iter().zip(want).enumerate() {
                    let off = (got - want).amax();
                    assert!(off <= 1e-12, "{what} of layer {l}, step {k}: {off:e}");
                }
            }
        }
    }
}

fn fast<T: Format>(case: &Case, set: Instructions) -> Fast<T> {
    let samples = (case.train.clone(), case.test.clone());
    let probe = full_probe(case.network.depth);
    Fast::new(case.network.clone(), &case.noise(), probe, samples, set)
}

/// The largest distance of all weights of all groups from those of plain, against max(1, |w|).
fn weights_off<T: Format>(got: &Fast<T>, want: &Plain) -> f64 {
    let off = |got: &dyn Fn(usize, usize) -> f64, want: &DMatrix<f64>| {
        let at = |(i, j)| {
            let w: f64 = want[(i, j)];
            let off = (got(i, j) - w).abs() / w.abs().max(1.0);
            if off.is_nan() { f64::INFINITY } else { off }
        };
        let entries = (0..want.nrows()).flat_map(|i| (0..want.ncols()).map(move |j| (i, j)));
        entries.map(at).fold(0.0, f64::max)
    };
    let of = |got: &Blocks<T>, want: &DMatrix<f64>| off(&|i, j| got.at(i, j).widen(), want);
    let matrix = |got: &Explicit<T>, want: &Weights, l: usize| {
        let backward = got.backward_weights().map(|got| of(got, &want.backward[l]));
        assert_eq!(backward.is_some(), !want.backward.is_empty());
        of(got.weights(), &want.forward[l]).max(backward.unwrap_or(0.0))
    };
    let inner = want.inner_weights().unwrap();
    assert_eq!((got.inner().len(), got.layers().len()), (inner.forward.len(), inner.forward.len()));
    let mut worst = of(got.ends().input(), &want.ends().u);
    worst = worst.max(off(&|i, o| got.ends().readout().at(i, o).widen(), &want.ends().v));
    for (l, (inner_got, outer_got)) in got.inner().iter().zip(got.layers()).enumerate() {
        let Layer::Explicit(outer_got) = outer_got else { panic!("no bf16") };
        worst = worst.max(matrix(inner_got.matrix(), inner, l));
        worst = worst.max(matrix(outer_got, want.weights(), l));
    }
    worst
}

/// Every number and weight, over a covering of sizes and options; the same bits on any threads.
#[test]
fn cpu_is_plain_over_a_covering_of_sizes_and_options() {
    let cases = two_layer_cases().into_iter().chain(inner_width_cases()).flat_map(Case::both);
    for (i, case) in cases.enumerate() {
        let mut plain = case.plain();
        let want = run(&case, &mut plain);
        let whole = case.batches.are_full();
        assert!(want.forward[0].inner_movement.is_some() == whole, "{case:?}");
        for set in Instructions::available() {
            let mut double = fast::<f64>(&case, set);
            // Snapshots are rounded to f32.
            let tolerance = |what: &str| if what == "row" { 1e-6 } else { 1e-11 };
            let off = worst_off(&run(&case, &mut double), &want, tolerance);
            assert!(off.is_none(), "{off:?} with {set:?}: {case:?}");
            let off = weights_off(&double, &plain);
            assert!(off <= 1e-11, "weights off by {off:e} with {set:?}: {case:?}");

            let mut single = fast::<f32>(&case, set);
            let off = worst_off(&run(&case, &mut single), &want, |_| 4e-5);
            assert!(off.is_none(), "f32 {off:?} with {set:?}: {case:?}");
            let off = weights_off(&single, &plain);
            assert!(off <= 4e-5, "f32 weights off by {off:e} with {set:?}: {case:?}");
        }
        if i < 6 {
            let on = |threads| {
                let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
                pool.install(|| run(&case, &mut fast::<f32>(&case, Instructions::detect())))
            };
            assert!(on(1) == on(3), "threads: {case:?}");
        }
    }
}
