//! The conditional engine; see [`crate::backend::plain::conditional`] for what it computes.
//!
//! U is never kept: h_0 is drawn once, column by column, and trained through its own update
//! Δh_0(x) = −η_in c Σ_p w_p ⟨x_p, x⟩ d^{-1/2} g_0(x_p). Couplings and movements that are sums of
//! squares along orthonormal columns come from coefficients; only what φ' or a sum over layers
//! mixes is formed row by row.

use nalgebra::DMatrix;

use super::arena::{Arena, Columns};
use super::format::Format;
use super::kernels;
use super::memory::{Image, Memory};
use super::near::Near;
use super::orthogonal::{Expansion, expand, rows_of};
use super::panel::{Column, Panel, chunks_of, clear_padding};
use super::record::Recorder;
use super::tiles;
use super::vectors::{
    add_combination, advance, clear, descend, embed, finite, nonzero, readout, squares,
};
use crate::backend::coefficients::{Queries, covariances};
use crate::backend::{
    BackwardCoupling, BackwardSweep, Covariances, ForwardCoupling, ForwardSweep, Network, Probe,
    Set, Sweeps, Update,
};
use crate::data::Samples;
use crate::rng::noise::{Direction, Entry, Noise, Purpose, Query};
use crate::rng::normal::Instructions;

/// One run of the conditional engine, columns in `T`.
pub struct Conditional<T: Format> {
    network: Network,
    noise: Box<dyn Noise>,
    probe: Probe,
    train: Samples,
    test: Samples,
    set: Instructions,
    /// V, n×O.
    readout: Panel<T>,
    layers: Vec<Memory>,
    /// The columns of all layers.
    arena: Arena<T>,
    /// h_0 … h_L of the training samples, n×P; h_0 is there from the start.
    hidden: Vec<Panel<T>>,
    /// h_0 of the test samples.
    test_input: Panel<T>,
    /// g (δ when O > 1) of the layer at hand.
    signal: Panel<T>,
    /// A query, and what is left of it.
    residual: Panel<T>,
    /// Couplings added up over layers.
    accumulated: [Panel<T>; 2],
    /// Passes so far.
    passes: usize,
    forward_queries: Queries,
    backward_queries: Queries,
    features: Recorder<T>,
    gradients: Recorder<T>,
}

impl<T: Format> Conditional<T> {
    /// A network at initialisation, computed with `set`.
    pub fn new(
        network: Network,
        noise: Box<dyn Noise>,
        probe: Probe,
        (train, test): (Samples, Samples),
        set: Instructions,
    ) -> Self {
        let n = network.width;
        let vectors = || Panel::zeros(n, train.len());
        let mut hidden: Vec<Panel<T>> = (0..=network.depth).map(|_| vectors()).collect();
        hidden[0] = embed(set, &*noise, n, &train);
        Conditional {
            readout: readout(&*noise, n, network.outputs),
            layers: vec![Memory::new(network.closure); network.depth],
            arena: Arena::new(n),
            hidden,
            test_input: embed(set, &*noise, n, &test),
            signal: vectors(),
            residual: vectors(),
            accumulated: [vectors(), vectors()],
            passes: 0,
            forward_queries: Queries::new(network.depth),
            backward_queries: Queries::new(network.depth),
            features: Recorder::new(&probe),
            gradients: Recorder::new(&probe),
            network,
            noise,
            probe,
            train,
            test,
            set,
        }
    }

    /// The memories of layers 1..=L, for tests of their invariants; [`Conditional::arena`] has their
    /// columns.
    pub fn layers(&self) -> &[Memory] {
        &self.layers
    }

    /// h_0 … h_L of the last forward pass, n×P each.
    pub fn hidden(&self) -> &[Panel<T>] {
        &self.hidden
    }

    /// g_0 (δ_0 when O > 1) of the last backward pass, n×P.
    pub fn signal(&self) -> &Panel<T> {
        &self.signal
    }

    /// Where the columns of [`Conditional::layers`] are.
    pub fn arena(&self) -> &Arena<T> {
        &self.arena
    }

    /// Factor on QB M C and QF Mᵀ C.
    fn drift_scale(&self) -> f64 {
        self.network.scales.forward * self.network.scales.update_hidden
    }

    /// Mean over rows and samples of a sum of squares of an n×P matrix.
    fn mean(&self, squares: f64) -> f64 {
        squares / (self.network.width * self.train.len()) as f64
    }

    fn follows_covariances(&self) -> bool {
        self.probe.follows_covariances(self.passes, self.train.len())
    }

    /// Vᵀh, P×O with the output index fastest, times the readout scale.
    fn read(&self, h: &Panel<T>) -> Vec<f64> {
        let (n, outputs, samples) = (self.network.width, self.network.outputs, h.columns());
        let f = tiles::sum(n, samples * outputs, |tile, out| {
            for chunk in chunks_of(tile, n) {
                let h: Columns<T> = h.chunk(chunk).iter().collect();
                kernels::dots(self.set, Near::only(&h), self.readout.chunk(chunk), out);
            }
        });
        f.iter().map(|f| f * self.network.scales.readout).collect()
    }

    /// φ(h) of one layer as a query, expanded along its memory.
    fn query_forward(
        &self,
        arena: &mut Arena<T>,
        l: usize,
        h: &Panel<T>,
        residual: &mut Panel<T>,
    ) -> Expansion {
        let Network { width, activation, drop_tolerance, .. } = self.network;
        let write = |chunk, x: &mut [Column<T>]| {
            x.copy_from_slice(h.chunk(chunk));
            kernels::value(self.set, activation, x);
            clear_padding(x, chunk, width); // φ(0) need not be 0
        };
        let basis = &self.layers[l - 1].forward.basis;
        expand(self.set, arena, basis, residual, write, drop_tolerance)
    }

    /// Z of one query of one layer, by sample and first row.
    fn draw<'a>(
        &'a self,
        query: Query,
        l: usize,
        samples: &'a Samples,
    ) -> impl Fn(usize, usize, &mut [T]) + Sync + 'a {
        move |p, first, out| {
            let entry = Entry::Answer { query, layer: l as u32, sample: samples.indices[p] };
            T::draw(&*self.noise, entry, first, out);
        }
    }
}

impl<T: Format> Sweeps for Conditional<T> {
    // Every pass is one of all samples and recorded; experiments are validated before.
    fn forward(&mut self, step: u32, batch: &[usize], _record: bool) -> ForwardSweep {
        debug_assert_eq!(batch.len(), self.train.len(), "backend cpu has no minibatches");
        let Network { width, depth, scales, .. } = self.network;
        let query = Query { purpose: Purpose::Answer, step, direction: Direction::Forward };
        self.passes += 1;
        let follows = self.follows_covariances();
        let mut arena = std::mem::take(&mut self.arena);
        let mut residual = std::mem::take(&mut self.residual);
        let mut accumulated = std::mem::take(&mut self.accumulated[0]);
        clear(&mut accumulated);
        let mut coupling = ForwardCoupling::default();
        let mut own_movement = 0.0;
        let mut nonfinite = None;
        for l in 1..=depth {
            let h = &self.hidden[l - 1];
            let expansion = self.query_forward(&mut arena, l, h, &mut residual);
            let memory = &self.layers[l - 1];
            let draw = self.draw(query, l, &self.train);
            let answer = memory.ask_forward(self.set, (&mut arena, expansion), draw);
            let drift = memory.drift.forward(&answer.expansion.along);
            // ‖QB M C‖² = ‖M C‖²; wanted is n^{-1/2} (W − W⁽⁰⁾)φ.
            own_movement += self.mean(drift.norm_squared())
                * (scales.update_hidden.powi(2) / (width * depth) as f64);
            let squares = answer.coupling.norm_squared() * scales.forward.powi(2);
            coupling.layer += self.mean(squares) / depth as f64;

            let image = Image::new(self.set, &answer, scales.forward, (&drift, self.drift_scale()));
            let coupled = nonzero(&answer.coupling);
            let coupled = coupled.then(|| rows_of(&answer.coupling, scales.forward));
            let (from, to) = self.hidden.split_at_mut(l);
            let finite = advance(
                self.set,
                (&mut arena, memory, &image),
                scales.skip.then_some(&from[l - 1]),
                &mut to[0],
                coupled.as_deref().map(|k| (k, &mut accumulated)),
            );
            if !finite {
                nonfinite = nonfinite.or(Some(l));
            }
            self.forward_queries.push(l - 1, answer.expansion.coefficients(), follows);
            self.layers[l - 1].remember_forward(&answer);
        }
        coupling.accumulated = self.mean(squares(self.set, &accumulated));
        self.arena = arena;
        self.residual = residual;
        self.accumulated[0] = accumulated;
        let look = |(l, h): (usize, &Panel<T>)| self.features.look(self.set, &self.probe, l, h);
        ForwardSweep {
            features: self.hidden.iter().enumerate().filter_map(look).collect(),
            f: self.read(&self.hidden[depth]),
            own_movement,
            ranks: self.layers.iter().map(|layer| layer.forward.rank()).collect(),
            coupling: Some(coupling),
            nonfinite,
        }
    }

    fn evaluate(&mut self, step: u32, set: Set) -> Vec<f64> {
        let Network { width, depth, scales, .. } = self.network;
        let (of, purpose, first) = match set {
            Set::Train => (&self.train, Purpose::TrainAnswer, &self.hidden[0]),
            Set::Test => (&self.test, Purpose::TestAnswer, &self.test_input),
        };
        let query = Query { purpose, step, direction: Direction::Forward };
        let samples = of.len();
        let mut arena = std::mem::take(&mut self.arena);
        let mark = arena.mark();
        let mut residual = Panel::zeros(width, samples);
        let (mut from, mut to) = (first.clone(), Panel::zeros(width, samples));
        for l in 1..=depth {
            let expansion = self.query_forward(&mut arena, l, &from, &mut residual);
            let memory = &self.layers[l - 1];
            let draw = self.draw(query, l, of);
            let answer = memory.ask_forward(self.set, (&mut arena, expansion), draw);
            let drift = memory.drift.forward(&answer.expansion.along);
            let image = Image::new(self.set, &answer, scales.forward, (&drift, self.drift_scale()));
            let carried = scales.skip.then_some(&from);
            advance(self.set, (&mut arena, memory, &image), carried, &mut to, None);
            arena.forget(mark);
            std::mem::swap(&mut from, &mut to);
        }
        self.arena = arena;
        self.read(&from)
    }

    fn backward(&mut self, step: u32, chi: &[f64], update: Option<&Update>) -> BackwardSweep {
        let Network { depth, outputs, scales, drop_tolerance, .. } = self.network;
        let query = Query { purpose: Purpose::Answer, step, direction: Direction::Backward };
        let (set, follows) = (self.set, self.follows_covariances());
        let chi = DMatrix::from_column_slice(outputs, self.train.len(), chi);
        // With one output G = V for every sample and enters updates times χ; else G = V χᵀ.
        let (signal, weights) = match outputs {
            1 => (DMatrix::from_element(1, self.train.len(), 1.0), chi.as_slice().to_vec()),
            _ => (chi.clone(), vec![1.0; self.train.len()]),
        };
        let mut arena = std::mem::take(&mut self.arena);
        let mut g = std::mem::take(&mut self.signal);
        let mut residual = std::mem::take(&mut self.residual);
        let mut accumulated = std::mem::take(&mut self.accumulated);
        accumulated.iter_mut().chain([&mut g]).for_each(clear);
        add_combination(set, &self.readout, &signal, &mut g);

        let mut coupling = BackwardCoupling::default();
        let mut nonfinite = (!finite(set, &g)).then_some(depth);
        let mut gradients: Vec<_> =
            self.gradients.look(set, &self.probe, depth, &g).into_iter().collect();
        for l in (1..=depth).rev() {
            let memory = &self.layers[l - 1];
            let write = |chunk, x: &mut [Column<T>]| x.copy_from_slice(g.chunk(chunk));
            let basis = &memory.backward.basis;
            let expansion = expand(set, &mut arena, basis, &mut residual, write, drop_tolerance);
            let draw = self.draw(query, l, &self.train);
            let answer = memory.ask_backward(set, (&mut arena, expansion), draw);
            let drift = memory.drift.backward(&answer.expansion.along);
            let image = Image::new(set, &answer, scales.forward, (&drift, self.drift_scale()));
            let sums = descend(
                set,
                &self.network,
                (&mut arena, memory, &image, &answer),
                &self.hidden[l - 1],
                &mut g,
                &mut accumulated,
            );
            coupling.layer_past += self.mean(sums.past) / depth as f64;
            coupling.layer_same += self.mean(sums.same) / depth as f64;
            if !sums.finite {
                nonfinite = nonfinite.or(Some(l - 1));
            }
            gradients.extend(self.gradients.look(set, &self.probe, l - 1, &g));
            self.backward_queries.push(l - 1, answer.expansion.coefficients(), follows);
            self.layers[l - 1].remember_backward(&answer);
        }
        gradients.reverse();
        let [past, same] = &accumulated;
        coupling.accumulated_past = self.mean(squares(set, past));
        coupling.accumulated_same = self.mean(squares(set, same));
        if let Some(update) = update {
            self.update(update, &chi, &weights, &g);
        }
        self.arena = arena;
        self.signal = g;
        self.residual = residual;
        self.accumulated = accumulated;
        BackwardSweep {
            gradients,
            ranks: self.layers.iter().map(|layer| layer.backward.rank()).collect(),
            coupling: Some(coupling),
            nonfinite,
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

impl<T: Format> Conditional<T> {
    /// All updates of a pass, from χ (O×P), g_0 and the factors with which its columns enter.
    fn update(&mut self, update: &Update, chi: &DMatrix<f64>, weights: &[f64], g: &Panel<T>) {
        let Network { depth, scales, .. } = self.network;
        let rates = update.rates;
        for (l, memory) in self.layers.iter_mut().enumerate() {
            let queries = (self.forward_queries.last(l), self.backward_queries.last(l));
            if let (Some(forward), Some(backward)) = queries {
                memory.drift.update(update, weights, forward, backward);
            }
        }
        if rates.input != 0.0 {
            let rate = -rates.input * scales.update_input;
            for (samples, h) in
                [(&self.train, &mut self.hidden[0]), (&self.test, &mut self.test_input)]
            {
                // Row p: what sample p's column of g_0 does to the h_0 of each of the others.
                let (train, d) = (&self.train, self.train.dimension);
                let product = |p: usize, q: usize| {
                    let (x, y) = (&train.inputs[p * d..][..d], &samples.inputs[q * d..][..d]);
                    x.iter().zip(y).map(|(x, y)| x * y).sum::<f64>() / (d as f64).sqrt()
                };
                let k = |p, q| rate * weights[p] * product(p, q);
                let k = DMatrix::from_fn(train.len(), samples.len(), k);
                add_combination(self.set, g, &k, h);
            }
        }
        if rates.readout != 0.0 {
            let k = chi.transpose() * (-rates.readout * scales.update_readout);
            add_combination(self.set, &self.hidden[depth], &k, &mut self.readout);
        }
    }
}
