//! The conditional (matrix-free) engine: finite networks of any width without their weights.
//!
//! `exact` has exactly the law of the finite network of width n; see [`super::memory`] for the
//! conditioning and [`crate::model::Closure`] for what the closures leave out. Each matrix of a two-layer
//! block has a memory of its own. Cost per layer and pass O(n · rank · P), memory O(n · rank). Source:
//! docs/theory.md, section 3.

use nalgebra::DMatrix;

use super::branch::{Branch, Factors};
use super::ends::{Ends, Signal};
use super::memory::{Answer, Memory};
use super::record::{InnerRecorder, MatrixRecorder};
use super::rms;
use super::{columns, evaluate_in_parts, finite, mean_square};
use crate::backend::coefficients::{Asked, covariances, kernel};
use crate::backend::responses::ResponseFunctions;
use crate::backend::{
    BackwardCoupling, BackwardSweep, Covariances, ForwardCoupling, ForwardSweep, Network, Probe,
    Set, Sweeps, Update,
};
use crate::data::Samples;
use crate::model::Scales;
use crate::rng::noise::{Direction, Entry, Noise, Purpose, Query};

/// One run of the conditional engine.
pub struct Conditional {
    network: Network,
    noise: Box<dyn Noise>,
    probe: Probe,
    train: Samples,
    test: Samples,
    ends: Ends,
    /// W, or the W2 of two-layer blocks.
    layers: Vec<Memory>,
    /// The W1 of two-layer blocks; none where blocks have one layer.
    inner: Vec<Memory>,
    /// The samples of the last forward pass, and whether it is recorded.
    batch: Samples,
    record: bool,
    /// h_0 … h_L of the last forward pass.
    hidden: Vec<DMatrix<f64>>,
    /// z_1 … z_L of the last forward pass; none without inner matrices.
    inner_hidden: Vec<DMatrix<f64>>,
    inner_recorder: InnerRecorder,
    /// g_0 … g_L (δ when O > 1) of the last backward pass.
    signals: Vec<DMatrix<f64>>,
    /// Passes so far.
    passes: usize,
    /// What the matrices of `layers` and of `inner` were asked; only the last queries once the covariances
    /// are no longer followed.
    asked: Asked,
    asked_inner: Asked,
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
        let memory = |shape| Memory::new(shape, network.closure, network.drop_tolerance);
        let layer = memory((network.width, network.width_read()));
        let inner = network.scales.inner.map(|inner| memory((inner.width, network.width)));
        let [forward_responses, backward_responses] =
            network.response_scales().map(|scale| ResponseFunctions::new(network.depth, scale));
        Conditional {
            noise,
            probe,
            ends,
            layers: vec![layer; network.depth],
            inner: inner.map_or_else(Vec::new, |inner| vec![inner; network.depth]),
            batch: train.select([]),
            train,
            test,
            record: true,
            hidden: Vec::new(),
            inner_hidden: Vec::new(),
            inner_recorder: InnerRecorder::default(),
            signals: Vec::new(),
            passes: 0,
            asked: Asked::new(network.depth),
            asked_inner: Asked::new(network.depth),
            forward_responses,
            backward_responses,
            features: MatrixRecorder::default(),
            gradients: MatrixRecorder::default(),
            network,
        }
    }

    /// The memories of layers 1..=L, for tests that assemble W (W2 of two-layer blocks) from its answers.
    pub fn layers(&self) -> &[Memory] {
        &self.layers
    }

    /// The memories of the inner matrices W1, for such tests; none where blocks have one layer.
    pub fn inner(&self) -> &[Memory] {
        &self.inner
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

    /// What is done with the matrix that writes h.
    fn of_outer(&self) -> Factors {
        let Scales { forward, update_hidden: update, .. } = self.network.scales;
        Factors { forward, update }
    }

    /// z of what the branch of layer l reads, `x`, and z as a branch; None where blocks have one layer.
    fn pass_inner(
        &self,
        query: Query,
        l: usize,
        x: &DMatrix<f64>,
        samples: &Samples,
    ) -> Option<(Factors, Answer, Branch)> {
        let (memory, inner) = (self.inner.get(l - 1)?, self.network.scales.inner?);
        let factors = Factors { forward: inner.forward, update: inner.update };
        let z = &mut draw(&*self.noise, query.of_inner(), l, inner.width, samples);
        let answer = memory.ask_forward(&self.value(x), z);
        let branch = factors.branch(memory, &answer);
        Some((factors, answer, branch))
    }

    /// What the branch of a block reads of h.
    fn read(&self, h: &DMatrix<f64>) -> DMatrix<f64> {
        rms::read(self.network.scales.normalization, h)
    }

    /// φ(x)
    fn value(&self, x: &DMatrix<f64>) -> DMatrix<f64> {
        x.map(|u| self.network.activation.value(u))
    }

    /// φ'(x)
    fn slope(&self, x: &DMatrix<f64>) -> DMatrix<f64> {
        x.map(|u| self.network.activation.derivative(u))
    }

    /// The mean square of z − z⁽⁰⁾ where it means something: of recorded passes of all samples.
    fn inner_movement(&mut self) -> Option<f64> {
        let whole = self.batch.len() == self.train.len();
        let means = !self.inner_hidden.is_empty() && self.record && whole;
        means.then(|| self.inner_recorder.movement(&self.inner_hidden))
    }

    /// Residual stream or, in the vanilla network, nothing.
    fn carried(&self, x: &DMatrix<f64>) -> DMatrix<f64> {
        if self.network.scales.skip { x.clone() } else { DMatrix::zeros(x.nrows(), x.ncols()) }
    }
}

/// Z\[:, kept\], of so many `rows`, of one query of one layer.
fn draw<'a>(
    noise: &'a dyn Noise,
    query: Query,
    layer: usize,
    rows: usize,
    samples: &'a Samples,
) -> impl FnMut(&[usize]) -> DMatrix<f64> + 'a {
    move |kept| {
        let mut z = DMatrix::zeros(rows, kept.len());
        for (column, &p) in z.as_mut_slice().chunks_mut(rows).zip(kept) {
            let (layer, sample) = (layer as u32, samples.indices[p]);
            noise.fill(Entry::Answer { query, layer, sample }, 0, column);
        }
        z
    }
}

impl Sweeps for Conditional {
    fn forward(&mut self, step: u32, batch: &[usize], record: bool) -> ForwardSweep {
        let Network { width, depth, scales, .. } = self.network;
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
        self.inner_hidden.clear();
        for l in 1..=depth {
            let x = self.read(&h);
            let mut phi = self.value(&x);
            // (W − W⁽⁰⁾)φ(h) with its factor, of the matrix that reads h.
            let mut of_reader = None;
            if let Some((factors, answer, branch)) = self.pass_inner(query, l, &x, &self.batch) {
                let memory = &self.inner[l - 1];
                if record {
                    let kept = factors.forward * memory.drift.kept();
                    let coupled = &memory.backward.basis * &answer.coupling * kept;
                    *coupling.inner.get_or_insert_default() += mean_square(&coupled) / depth as f64;
                }
                phi = self.value(&branch.whole);
                self.inner_hidden.push(branch.whole);
                of_reader = Some((factors.forward, branch.moved));
                self.inner[l - 1].remember_forward(&answer);
                let coefficients = answer.expansion.coefficients();
                self.asked_inner.forward.push(l - 1, coefficients, follows);
            }
            let z = &mut draw(&*self.noise, query, l, width, &self.batch);
            let memory = &self.layers[l - 1];
            let answer = memory.ask_forward(&phi, z);
            let Branch { whole, moved } = self.of_outer().branch(memory, &answer);
            h = self.carried(&h) + whole;

            if record {
                let kept = scales.forward * memory.drift.kept();
                let coupled = &memory.backward.basis * &answer.coupling * kept;
                coupling.layer += mean_square(&coupled) / depth as f64;
                accumulated += coupled;
                // moved = forward · (W − W⁽⁰⁾)φ; wanted is n^{-1/2} (W − W⁽⁰⁾)φ.
                let (forward, moved) = of_reader.unwrap_or((scales.forward, moved));
                own_movement += mean_square(&moved) / (forward.powi(2) * (width * depth) as f64);
            }

            if follows && self.probe.layers.contains(&l) {
                let known = &self.asked.backward.of(l - 1)[..self.passes - 1];
                self.forward_responses.push(l - 1, &answer.coupling, known);
            }
            self.layers[l - 1].remember_forward(&answer);
            self.asked.forward.push(l - 1, answer.expansion.coefficients(), follows);
            hidden.push(h.clone());
        }
        coupling.accumulated = mean_square(&accumulated);
        self.hidden = hidden;
        let readers = if self.inner.is_empty() { &self.layers } else { &self.inner };
        let z_finite = |l: usize| l == 0 || self.inner_hidden.get(l - 1).is_none_or(finite);
        let nonfinite = (0..=depth).find(|&l| !(z_finite(l) && finite(&self.hidden[l])));
        ForwardSweep {
            f: self.ends.read(&scales, &h),
            features: self.features.snapshots(&self.probe, &self.hidden, record),
            own_movement,
            ranks: readers.iter().map(|layer| layer.forward.rank()).collect(),
            inner_movement: self.inner_movement(),
            coupling: record.then_some(coupling),
            nonfinite,
        }
    }

    fn evaluate(&mut self, step: u32, set: Set) -> Vec<f64> {
        let Network { width, scales, .. } = self.network;
        let (samples, purpose) = match set {
            Set::Train => (&self.train, Purpose::TrainAnswer),
            Set::Test => (&self.test, Purpose::TestAnswer),
        };
        let query = Query { purpose, step, direction: Direction::Forward };
        evaluate_in_parts(samples, |part| {
            let mut h = self.ends.embed(&columns(part));
            for (l, memory) in (1..).zip(&self.layers) {
                let x = self.read(&h);
                let inner = self.pass_inner(query, l, &x, part);
                let phi = self.value(inner.as_ref().map_or(&x, |(.., branch)| &branch.whole));
                let answer =
                    memory.ask_forward(&phi, &mut draw(&*self.noise, query, l, width, part));
                h = self.carried(&h) + self.of_outer().branch(memory, &answer).whole;
            }
            self.ends.read(&scales, &h)
        })
    }

    fn backward(&mut self, step: u32, chi: &[f64], update: Option<&Update>) -> BackwardSweep {
        let Network { width, depth, closure, scales, .. } = self.network;
        let query = Query { purpose: Purpose::Answer, step, direction: Direction::Backward };
        let Signal { mut g, weights } = self.ends.signal(chi);
        let follows = self.follows_covariances();
        self.signals = vec![g.clone(); depth + 1];
        let mut coupling = BackwardCoupling::default();
        let (mut past, mut same) =
            (DMatrix::zeros(width, g.ncols()), DMatrix::zeros(width, g.ncols()));
        for l in (1..=depth).rev() {
            let rows = self.network.width_read();
            let z = &mut draw(&*self.noise, query, l, rows, &self.batch);
            let mut answer = self.layers[l - 1].ask_backward(&g, z);
            let mut factors = self.of_outer();
            let mut back = factors.back(&self.layers[l - 1], &answer);
            if let Some(inner) = scales.inner {
                let slope = self.slope(&self.inner_hidden[l - 1]);
                let r = slope.component_mul(&back);
                if self.record {
                    let memory = &self.layers[l - 1];
                    let along = &memory.forward.basis * &answer.coupling;
                    let kept = factors.forward * memory.drift.kept();
                    let coupled = slope.component_mul(&(along * kept));
                    *coupling.inner.get_or_insert_default() += mean_square(&coupled) / depth as f64;
                }
                self.layers[l - 1].remember_backward(&answer);
                let coefficients = answer.expansion.coefficients();
                self.asked.backward.push(l - 1, coefficients, follows);
                let z = &mut draw(&*self.noise, query.of_inner(), l, width, &self.batch);
                answer = self.inner[l - 1].ask_backward(&r, z);
                factors = Factors { forward: inner.forward, update: inner.update };
                back = factors.back(&self.inner[l - 1], &answer);
            }
            let h = &self.hidden[l - 1];
            let slope = self.slope(&self.read(h));
            let onward = |y: &_| rms::back(scales.normalization, h, slope.component_mul(y));
            g = self.carried(&g) + onward(&back);

            // The matrix that reads h, whose answers reach g.
            let (reader, asked) = match self.inner.get_mut(l - 1) {
                Some(inner) => (inner, &mut self.asked_inner),
                None => (&mut self.layers[l - 1], &mut self.asked),
            };
            if self.record {
                let kept = factors.forward * reader.drift.kept();
                let coupled = |first: usize, count: usize| {
                    let along = reader.forward.basis.columns(first, count)
                        * answer.coupling.rows(first, count)
                        * kept;
                    onward(&along)
                };
                let earlier = reader.earlier;
                let layer_past = coupled(0, earlier);
                let layer_same = coupled(earlier, reader.forward.rank() - earlier);
                coupling.layer_past += mean_square(&layer_past) / depth as f64;
                coupling.layer_same += mean_square(&layer_same) / depth as f64;
                past += layer_past;
                same += layer_same;
            }

            if follows && self.probe.layers.contains(&(l - 1)) {
                let known = closure.backward_conditions(self.passes - 1, self.passes).end;
                let known = &asked.forward.of(l - 1)[..known];
                self.backward_responses.push(l - 1, &answer.coupling, known);
            }
            reader.remember_backward(&answer);
            asked.backward.push(l - 1, answer.expansion.coefficients(), follows);
            self.signals[l - 1] = g.clone();
        }
        coupling.accumulated_past = mean_square(&past);
        coupling.accumulated_same = mean_square(&same);

        if let Some(update) = update {
            let [of_outer, of_inner] = self.network.norms();
            let outer = (&mut self.layers, &self.asked, of_outer);
            let inner = (&mut self.inner, &self.asked_inner, of_inner);
            for (memories, asked, norm) in [outer, inner] {
                for (l, memory) in memories.iter_mut().enumerate() {
                    let queries = (asked.forward.last(l), asked.backward.last(l));
                    if let (Some(forward), Some(backward)) = queries {
                        memory.drift.update((update, norm), &weights, forward, backward);
                    }
                }
            }
            let x = columns(&self.batch);
            self.ends.update(&scales, update, &x, &self.hidden[depth], chi, &g, &weights);
        }
        let wanted = self.record && self.probe.has_kernel(&self.network, self.batch.len());
        let queries = (&self.asked.forward, &self.asked.backward);
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
        let readers = if self.inner.is_empty() { &self.asked } else { &self.asked_inner };
        let queries = (&readers.forward, &self.asked.backward);
        let responses = (&self.forward_responses, &self.backward_responses);
        Some(covariances(&self.probe, queries, Some(responses), self.network.width))
    }
}
