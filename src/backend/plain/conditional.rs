//! The conditional (matrix-free) engine: finite networks of any width without their weights.
//!
//! `exact` has exactly the law of the finite network of width n; see [`super::memory`] for the
//! conditioning and [`crate::model::Closure`] for what the closures leave out. Cost per layer and
//! pass O(n · rank · P), memory O(n · rank). Source: theory, section 3; arXiv 2512.21075, section 4.

use nalgebra::DMatrix;

use super::ends::{Ends, Signal};
use super::memory::Memory;
use super::record::Recorder;
use super::{columns, finite, mean_square};
use crate::backend::coefficients::{Queries, covariances};
use crate::backend::{
    BackwardCoupling, BackwardSweep, Covariances, ForwardCoupling, ForwardSweep, Network, Probe,
    Sweeps,
};
use crate::data::Samples;
use crate::model::Rates;
use crate::rng::noise::{Direction, Entry, Noise, Purpose, Query};

/// One run of the conditional engine.
pub struct Conditional {
    network: Network,
    noise: Box<dyn Noise>,
    probe: Probe,
    train: Samples,
    test: Samples,
    ends: Ends,
    layers: Vec<Memory>,
    /// h_0 … h_L of the last forward pass.
    hidden: Vec<DMatrix<f64>>,
    /// g_0 … g_L (δ when O > 1) of the last backward pass.
    signals: Vec<DMatrix<f64>>,
    /// Passes so far.
    passes: usize,
    /// Only the last ones once the covariances are no longer followed.
    forward_queries: Queries,
    backward_queries: Queries,
    features: Recorder,
    gradients: Recorder,
}

impl Conditional {
    /// A network at initialisation.
    pub fn new(
        network: Network,
        noise: Box<dyn Noise>,
        probe: Probe,
        train: Samples,
        test: Samples,
    ) -> Self {
        let ends = Ends::sample(&*noise, network.width, train.dimension, network.outputs);
        let layer = Memory::new(network.width, network.closure, network.drop_tolerance);
        Conditional {
            noise,
            probe,
            train,
            test,
            ends,
            layers: vec![layer; network.depth],
            hidden: Vec::new(),
            signals: Vec::new(),
            passes: 0,
            forward_queries: Queries::new(network.depth),
            backward_queries: Queries::new(network.depth),
            features: Recorder::default(),
            gradients: Recorder::default(),
            network,
        }
    }

    /// The memories of layers 1..=L, for tests that assemble W from its answers.
    pub fn layers(&self) -> &[Memory] {
        &self.layers
    }

    /// h_0 … h_L of the last forward pass, n×P each.
    pub fn hidden(&self) -> &[DMatrix<f64>] {
        &self.hidden
    }

    /// g_0 … g_L (δ_l when O > 1) of the last backward pass, n×P each.
    pub fn signals(&self) -> &[DMatrix<f64>] {
        &self.signals
    }

    /// U and V.
    pub fn ends(&self) -> &Ends {
        &self.ends
    }

    /// Whether the covariances over all passes so far have few enough columns.
    fn follows_covariances(&self) -> bool {
        self.probe.follows_covariances(self.passes, self.train.len())
    }

    /// Factor on QB M C and QF Mᵀ C.
    fn drift_scale(&self) -> f64 {
        self.network.scales.forward * self.network.scales.update_hidden
    }

    /// Residual stream or, in the vanilla network, nothing.
    fn carried(&self, x: &DMatrix<f64>) -> DMatrix<f64> {
        if self.network.scales.skip { x.clone() } else { DMatrix::zeros(x.nrows(), x.ncols()) }
    }
}

/// Z\[:, kept\] of one query of one layer.
fn draw<'a>(
    noise: &'a dyn Noise,
    query: Query,
    layer: usize,
    width: usize,
    samples: &'a Samples,
) -> impl FnMut(&[usize]) -> DMatrix<f64> + 'a {
    move |kept| {
        let mut z = DMatrix::zeros(width, kept.len());
        for (column, &p) in z.as_mut_slice().chunks_mut(width).zip(kept) {
            let (layer, sample) = (layer as u32, samples.indices[p]);
            noise.fill(Entry::Answer { query, layer, sample }, 0, column);
        }
        z
    }
}

impl Sweeps for Conditional {
    fn forward(&mut self, step: u32) -> ForwardSweep {
        let Network { width, depth, activation, scales, .. } = self.network;
        let query = Query { purpose: Purpose::Answer, step, direction: Direction::Forward };
        let samples = self.train.len();
        self.passes += 1;
        let follows = self.follows_covariances();
        let mut h = self.ends.embed(&columns(&self.train));
        let mut hidden = vec![h.clone()];
        let mut coupling = ForwardCoupling::default();
        let mut accumulated = DMatrix::zeros(width, samples);
        let mut own_movement = 0.0;
        for l in 1..=depth {
            let phi = h.map(|u| activation.value(u));
            let mut z = draw(&*self.noise, query, l, width, &self.train);
            let memory = &self.layers[l - 1];
            let answer = memory.ask_forward(&phi, &mut z);
            let drift = memory.drift_forward(&answer.expansion.along) * self.drift_scale();
            h = self.carried(&h) + &answer.value * scales.forward - &drift;

            let coupled = &memory.backward.basis * &answer.coupling * scales.forward;
            coupling.layer += mean_square(&coupled) / depth as f64;
            accumulated += coupled;
            // drift = forward · (W − W⁽⁰⁾)φ; wanted is n^{-1/2} (W − W⁽⁰⁾)φ.
            own_movement += mean_square(&drift) / (scales.forward.powi(2) * (width * depth) as f64);

            self.layers[l - 1].remember_forward(&answer);
            self.forward_queries.push(l - 1, answer.expansion.coefficients(), follows);
            hidden.push(h.clone());
        }
        coupling.accumulated = mean_square(&accumulated);
        self.hidden = hidden;
        ForwardSweep {
            f: self.ends.read(&scales, &h),
            features: self.features.snapshots(&self.probe, &self.hidden),
            own_movement,
            ranks: self.layers.iter().map(|layer| layer.forward.rank()).collect(),
            coupling: Some(coupling),
            nonfinite: self.hidden.iter().position(|h| !finite(h)),
        }
    }

    fn evaluate(&mut self, step: u32) -> Vec<f64> {
        let Network { width, depth, activation, scales, .. } = self.network;
        let query = Query { purpose: Purpose::TestAnswer, step, direction: Direction::Forward };
        let mut h = self.ends.embed(&columns(&self.test));
        for l in 1..=depth {
            let phi = h.map(|u| activation.value(u));
            let mut z = draw(&*self.noise, query, l, width, &self.test);
            let memory = &self.layers[l - 1];
            let answer = memory.ask_forward(&phi, &mut z);
            let drift = memory.drift_forward(&answer.expansion.along) * self.drift_scale();
            h = self.carried(&h) + answer.value * scales.forward - drift;
        }
        self.ends.read(&scales, &h)
    }

    fn backward(&mut self, step: u32, chi: &[f64], update: Option<Rates>) -> BackwardSweep {
        let Network { width, depth, activation, scales, .. } = self.network;
        let query = Query { purpose: Purpose::Answer, step, direction: Direction::Backward };
        let Signal { mut g, weights } = self.ends.signal(chi);
        let follows = self.follows_covariances();
        self.signals = vec![g.clone(); depth + 1];
        let mut coupling = BackwardCoupling::default();
        let (mut past, mut same) =
            (DMatrix::zeros(width, g.ncols()), DMatrix::zeros(width, g.ncols()));
        for l in (1..=depth).rev() {
            let slope = self.hidden[l - 1].map(|u| activation.derivative(u));
            let mut z = draw(&*self.noise, query, l, width, &self.train);
            let memory = &self.layers[l - 1];
            let answer = memory.ask_backward(&g, &mut z);
            let drift = memory.drift_backward(&answer.expansion.along) * self.drift_scale();
            let branch = &answer.value * scales.forward - drift;
            g = self.carried(&g) + slope.component_mul(&branch);

            let coupled = |first: usize, count: usize| {
                let along = memory.forward.basis.columns(first, count)
                    * answer.coupling.rows(first, count)
                    * scales.forward;
                slope.component_mul(&along)
            };
            let earlier = memory.earlier;
            let layer_past = coupled(0, earlier);
            let layer_same = coupled(earlier, memory.forward.rank() - earlier);
            coupling.layer_past += mean_square(&layer_past) / depth as f64;
            coupling.layer_same += mean_square(&layer_same) / depth as f64;
            past += layer_past;
            same += layer_same;

            self.layers[l - 1].remember_backward(&answer);
            self.backward_queries.push(l - 1, answer.expansion.coefficients(), follows);
            self.signals[l - 1] = g.clone();
        }
        coupling.accumulated_past = mean_square(&past);
        coupling.accumulated_same = mean_square(&same);

        if let Some(rates) = update {
            if rates.hidden != 0.0 {
                for (l, memory) in self.layers.iter_mut().enumerate() {
                    let queries = (self.forward_queries.last(l), self.backward_queries.last(l));
                    if let (Some(forward), Some(backward)) = queries {
                        memory.drift.update(rates.hidden, &weights, forward, backward);
                    }
                }
            }
            let x = columns(&self.train);
            self.ends.update(&scales, rates, &x, &self.hidden[depth], chi, &g, &weights);
        }
        BackwardSweep {
            gradients: self.gradients.snapshots(&self.probe, &self.signals),
            ranks: self.layers.iter().map(|layer| layer.backward.rank()).collect(),
            coupling: Some(coupling),
            nonfinite: self.signals.iter().rposition(|g| !finite(g)),
        }
    }

    fn covariances(&self) -> Option<Vec<Covariances>> {
        if !self.follows_covariances() {
            return None;
        }
        let queries = (&self.forward_queries, &self.backward_queries);
        Some(covariances(&self.probe, queries, self.network.width))
    }
}
