//! The conditional (matrix-free) engine: finite networks of any width without their weights.
//!
//! `exact` has exactly the law of the finite network of width n; see [`super::memory`] for the
//! conditioning and [`crate::model::Closure`] for what the closures leave out. Cost per layer and
//! pass O(n · rank · P), memory O(n · rank). Source: docs/theory.md, section 3.

use nalgebra::DMatrix;

use super::ends::{Ends, Signal};
use super::memory::{Answer, Memory};
use super::record::MatrixRecorder;
use super::{columns, evaluate_in_parts, finite, mean_square};
use crate::backend::coefficients::{Queries, covariances, kernel};
use crate::backend::responses::ResponseFunctions;
use crate::backend::{
    BackwardCoupling, BackwardSweep, Covariances, ForwardCoupling, ForwardSweep, Network, Probe,
    Set, Sweeps, Update,
};
use crate::data::Samples;
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
    /// The samples of the last forward pass, and whether it is recorded.
    batch: Samples,
    record: bool,
    /// h_0 … h_L of the last forward pass.
    hidden: Vec<DMatrix<f64>>,
    /// g_0 … g_L (δ when O > 1) of the last backward pass.
    signals: Vec<DMatrix<f64>>,
    /// Passes so far.
    passes: usize,
    /// Only the last ones once the covariances are no longer followed.
    forward_queries: Queries,
    backward_queries: Queries,
    forward_responses: ResponseFunctions,
    backward_responses: ResponseFunctions,
    features: MatrixRecorder,
    gradients: MatrixRecorder,
}

impl Conditional {
    /// A network at its initialisation.
    pub fn new(
        network: Network,
        noise: Box<dyn Noise>,
        probe: Probe,
        train: Samples,
        test: Samples,
    ) -> Self {
        let ends = Ends::sample(&*noise, network.width, train.dimension, network.outputs);
        let layer = Memory::new(network.width, network.closure, network.drop_tolerance);
        let responses =
            ResponseFunctions::new(network.depth, network.width, network.scales.forward);
        Conditional {
            noise,
            probe,
            ends,
            layers: vec![layer; network.depth],
            batch: train.select([]),
            train,
            test,
            record: true,
            hidden: Vec::new(),
            signals: Vec::new(),
            passes: 0,
            forward_queries: Queries::new(network.depth),
            backward_queries: Queries::new(network.depth),
            forward_responses: responses.clone(),
            backward_responses: responses,
            features: MatrixRecorder::default(),
            gradients: MatrixRecorder::default(),
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

    /// The input and readout weights U and V as they are now.
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

    fn branch(&self, memory: &Memory, answer: &Answer) -> Branch {
        let drift = memory.drift_forward(&answer.expansion.along) * self.drift_scale();
        let initial = &answer.value * self.network.scales.forward;
        let kept = memory.drift.kept();
        Branch { whole: &initial * kept - &drift, moved: initial * (kept - 1.0) - drift }
    }

    /// Residual stream or, in the vanilla network, nothing.
    fn carried(&self, x: &DMatrix<f64>) -> DMatrix<f64> {
        if self.network.scales.skip { x.clone() } else { DMatrix::zeros(x.nrows(), x.ncols()) }
    }
}

/// What one layer adds to a forward query's features.
struct Branch {
    /// forward · Wφ
    whole: DMatrix<f64>,
    /// The part of it that training has made: forward · (W − W⁽⁰⁾)φ.
    moved: DMatrix<f64>,
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
    fn forward(&mut self, step: u32, batch: &[usize], record: bool) -> ForwardSweep {
        let Network { width, depth, activation, scales, .. } = self.network;
        let query = Query { purpose: Purpose::Answer, step, direction: Direction::Forward };
        self.batch = self.train.select(batch.iter().copied());
        self.record = record;
        self.passes += 1;
        let follows = self.follows_covariances();
        let mut h = self.ends.embed(&columns(&self.batch));
        let mut hidden = vec![h.clone()];
        let mut coupling = ForwardCoupling::default();
        let mut accumulated = DMatrix::zeros(width, batch.len());
        let mut own_movement = 0.0;
        for l in 1..=depth {
            let phi = h.map(|u| activation.value(u));
            let mut z = draw(&*self.noise, query, l, width, &self.batch);
            let memory = &self.layers[l - 1];
            let answer = memory.ask_forward(&phi, &mut z);
            let Branch { whole, moved } = self.branch(memory, &answer);
            h = self.carried(&h) + whole;

            if record {
                let kept = scales.forward * memory.drift.kept();
                let coupled = &memory.backward.basis * &answer.coupling * kept;
                coupling.layer += mean_square(&coupled) / depth as f64;
                accumulated += coupled;
                // moved = forward · (W − W⁽⁰⁾)φ; wanted is n^{-1/2} (W − W⁽⁰⁾)φ.
                let scale = scales.forward.powi(2) * (width * depth) as f64;
                own_movement += mean_square(&moved) / scale;
            }

            if follows && self.probe.layers.contains(&l) {
                let known = &self.backward_queries.of(l - 1)[..self.passes - 1];
                self.forward_responses.push(l - 1, &answer.coupling, known);
            }
            self.layers[l - 1].remember_forward(&answer);
            self.forward_queries.push(l - 1, answer.expansion.coefficients(), follows);
            hidden.push(h.clone());
        }
        coupling.accumulated = mean_square(&accumulated);
        self.hidden = hidden;
        ForwardSweep {
            f: self.ends.read(&scales, &h),
            features: self.features.snapshots(&self.probe, &self.hidden, record),
            own_movement,
            inner_movement: None,
            ranks: self.layers.iter().map(|layer| layer.forward.rank()).collect(),
            coupling: record.then_some(coupling),
            nonfinite: self.hidden.iter().position(|h| !finite(h)),
        }
    }

    fn evaluate(&mut self, step: u32, set: Set) -> Vec<f64> {
        let Network { width, activation, scales, .. } = self.network;
        let (samples, purpose) = match set {
            Set::Train => (&self.train, Purpose::TrainAnswer),
            Set::Test => (&self.test, Purpose::TestAnswer),
        };
        let query = Query { purpose, step, direction: Direction::Forward };
        evaluate_in_parts(samples, |part| {
            let mut h = self.ends.embed(&columns(part));
            for (l, memory) in (1..).zip(&self.layers) {
                let phi = h.map(|u| activation.value(u));
                let answer =
                    memory.ask_forward(&phi, &mut draw(&*self.noise, query, l, width, part));
                h = self.carried(&h) + self.branch(memory, &answer).whole;
            }
            self.ends.read(&scales, &h)
        })
    }

    fn backward(&mut self, step: u32, chi: &[f64], update: Option<&Update>) -> BackwardSweep {
        let Network { width, depth, activation, closure, scales, .. } = self.network;
        let query = Query { purpose: Purpose::Answer, step, direction: Direction::Backward };
        let Signal { mut g, weights } = self.ends.signal(chi);
        let follows = self.follows_covariances();
        self.signals = vec![g.clone(); depth + 1];
        let mut coupling = BackwardCoupling::default();
        let (mut past, mut same) =
            (DMatrix::zeros(width, g.ncols()), DMatrix::zeros(width, g.ncols()));
        for l in (1..=depth).rev() {
            let slope = self.hidden[l - 1].map(|u| activation.derivative(u));
            let mut z = draw(&*self.noise, query, l, width, &self.batch);
            let memory = &self.layers[l - 1];
            let answer = memory.ask_backward(&g, &mut z);
            let kept = scales.forward * memory.drift.kept();
            let drift = memory.drift_backward(&answer.expansion.along) * self.drift_scale();
            let branch = &answer.value * kept - drift;
            g = self.carried(&g) + slope.component_mul(&branch);

            if self.record {
                let coupled = |first: usize, count: usize| {
                    let along = memory.forward.basis.columns(first, count)
                        * answer.coupling.rows(first, count)
                        * kept;
                    slope.component_mul(&along)
                };
                let earlier = memory.earlier;
                let layer_past = coupled(0, earlier);
                let layer_same = coupled(earlier, memory.forward.rank() - earlier);
                coupling.layer_past += mean_square(&layer_past) / depth as f64;
                coupling.layer_same += mean_square(&layer_same) / depth as f64;
                past += layer_past;
                same += layer_same;
            }

            if follows && self.probe.layers.contains(&(l - 1)) {
                let known = closure.backward_conditions(self.passes - 1, self.passes).end;
                let known = &self.forward_queries.of(l - 1)[..known];
                self.backward_responses.push(l - 1, &answer.coupling, known);
            }
            self.layers[l - 1].remember_backward(&answer);
            self.backward_queries.push(l - 1, answer.expansion.coefficients(), follows);
            self.signals[l - 1] = g.clone();
        }
        coupling.accumulated_past = mean_square(&past);
        coupling.accumulated_same = mean_square(&same);

        if let Some(update) = update {
            for (l, memory) in self.layers.iter_mut().enumerate() {
                let queries = (self.forward_queries.last(l), self.backward_queries.last(l));
                if let (Some(forward), Some(backward)) = queries {
                    memory.drift.update((update, width as f64), &weights, forward, backward);
                }
            }
            let x = columns(&self.batch);
            self.ends.update(&scales, update, &x, &self.hidden[depth], chi, &g, &weights);
        }
        let wanted = self.record && self.probe.has_kernel(&self.network, self.batch.len());
        let queries = (&self.forward_queries, &self.backward_queries);
        let kernel = if wanted { kernel(queries, self.network.width) } else { None };
        BackwardSweep {
            gradients: self.gradients.snapshots(&self.probe, &self.signals, self.record),
            ranks: self.layers.iter().map(|layer| layer.backward.rank()).collect(),
            coupling: self.record.then_some(coupling),
            kernel,
            nonfinite: self.signals.iter().rposition(|g| !finite(g)),
        }
    }

    fn covariances(&self) -> Option<Vec<Covariances>> {
        if !self.follows_covariances() {
            return None;
        }
        let queries = (&self.forward_queries, &self.backward_queries);
        let responses = (&self.forward_responses, &self.backward_responses);
        Some(covariances(&self.probe, queries, Some(responses), self.network.width))
    }
}
