//! The conditional engine; see [`crate::backend::plain::conditional`] for what it computes.
//!
//! U is never kept: h_0 of all samples is drawn once, column by column, and trained through its own
//! update, of which η D x d^{-1/2} = η c Σ_p w_p ⟨x_p, x⟩ d^{-1/2} g_0(x_p). Couplings and movements that
//! are sums of squares along orthonormal columns come from coefficients; only what φ', weight decay
//! or a sum over layers mixes is formed row by row.

pub mod arena;
pub mod cholesky;
pub mod cost;
mod ends;
mod evaluate;
pub mod kernels;
pub mod memory;
pub mod near;
pub mod orthogonal;
pub mod panel;
mod record;
mod rows;
mod tiles;
mod update;

use nalgebra::DMatrix;

use crate::backend::coefficients::{Queries, covariances, kernel};
use crate::backend::cpu::simd::format::Format;
use arena::{Arena, Columns};
use ends::{Inputs, Trained};

use memory::{Image, Memory};
use near::Near;
use orthogonal::{Expansion, expand, rows_of};
use panel::{Column, Panel, chunks_of, clear_padding};
use record::Recorder;

use crate::backend::{
    BackwardCoupling, BackwardSweep, Covariances, EVALUATED_AT_ONCE, ForwardCoupling, ForwardSweep,
    Network, Probe, Set, Sweeps, Update,
};
use crate::data::Samples;
use crate::rng::noise::{Direction, Entry, Noise, Purpose, Query};
use crate::rng::normal::Instructions;
use rows::{add_combination, advance, clear, descend, finite, nonzero, squares};

/// One run of the conditional engine, columns in `T`.
pub struct Conditional<T: Format> {
    network: Network,
    noise: Box<dyn Noise>,
    probe: Probe,
    set: Instructions,
    train: Inputs<T>,
    test: Inputs<T>,
    /// V, n×O.
    readout: Trained<T>,
    layers: Vec<Memory>,
    /// The columns of all layers.
    arena: Arena<T>,
    /// Positions of the samples of the last forward pass, and whether it is recorded.
    batch: Vec<usize>,
    record: bool,
    /// h_0 of a minibatch; nothing where all samples are asked about.
    minibatch: Panel<T>,
    /// h_1 … h_L of the last forward pass.
    hidden: Vec<Panel<T>>,
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
    /// A network at its initialisation, computed with the instruction set `set`.
    pub fn new(
        network: Network,
        noise: Box<dyn Noise>,
        probe: Probe,
        (train, test): (Samples, Samples),
        set: Instructions,
    ) -> Self {
        let n = network.width;
        let none = || Panel::zeros(n, 0);
        Conditional {
            train: Inputs::embed(set, &*noise, n, train),
            test: Inputs::embed(set, &*noise, n, test),
            readout: Trained::readout(&*noise, n, network.outputs),
            layers: vec![Memory::new(network.closure); network.depth],
            arena: Arena::new(n),
            batch: Vec::new(),
            record: false,
            minibatch: none(),
            hidden: vec![none(); network.depth],
            signal: none(),
            residual: none(),
            accumulated: [none(), none()],
            passes: 0,
            forward_queries: Queries::new(network.depth),
            backward_queries: Queries::new(network.depth),
            features: Recorder::new(&probe),
            gradients: Recorder::new(&probe),
            network,
            noise,
            probe,
            set,
        }
    }

    /// The memories of layers 1..=L, for tests of their invariants; [`Conditional::arena`] has their
    /// columns.
    pub fn layers(&self) -> &[Memory] {
        &self.layers
    }

    /// h_1 … h_L of the last forward pass, n×P each.
    pub fn hidden(&self) -> &[Panel<T>] {
        &self.hidden
    }

    /// g_0 (δ_0 when O > 1) of the last backward pass, n×P.
    pub fn signal(&self) -> &Panel<T> {
        &self.signal
    }

    /// The arena that holds the columns of [`Conditional::layers`].
    pub fn arena(&self) -> &Arena<T> {
        &self.arena
    }

    /// Factor on QB M C and QF Mᵀ C.
    fn drift_scale(&self) -> f64 {
        self.network.scales.forward * self.network.scales.update_hidden
    }

    /// Mean over rows and samples of a sum of squares of an n×P matrix.
    fn mean(&self, squares: f64) -> f64 {
        squares / (self.network.width * self.batch.len()) as f64
    }

    fn follows_covariances(&self) -> bool {
        self.probe.follows_covariances(self.passes, self.train.samples.len())
    }

    /// Turns to the samples of a pass.
    fn begin(&mut self, batch: &[usize], record: bool) {
        self.record = record;
        self.batch = batch.to_vec();
        let (n, samples) = (self.network.width, batch.len());
        let minibatch = samples != self.train.samples.len();
        if self.signal.columns() != samples {
            let vectors = [&mut self.signal, &mut self.residual].into_iter();
            let vectors = vectors.chain(&mut self.hidden).chain(&mut self.accumulated);
            vectors.for_each(|x| *x = Panel::zeros(n, samples));
            self.minibatch = Panel::zeros(n, if minibatch { samples } else { 0 });
        }
        if minibatch {
            self.train.gather(batch, &mut self.minibatch);
        }
    }

    /// h_0 of the last forward pass.
    fn input(&self) -> &Panel<T> {
        asked(&self.train.h.columns, &self.minibatch)
    }

    /// Vᵀh, P×O with the output index fastest, times the readout scale.
    fn read(&self, h: &Panel<T>) -> Vec<f64> {
        let (n, outputs, samples) = (self.network.width, self.network.outputs, h.columns());
        let f = tiles::sum(n, samples * outputs, |tile, out| {
            for chunk in chunks_of(tile, n) {
                let h: Columns<T> = h.chunk(chunk).iter().collect();
                let v = self.readout.columns.chunk(chunk);
                kernels::dots(self.set, Near::only(&h), v, out);
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

    /// Z of one query of one layer about the samples at `positions`, by sample and first row.
    fn draw<'a>(
        &'a self,
        (query, l): (Query, usize),
        samples: &'a Samples,
        positions: &'a [usize],
    ) -> impl Fn(usize, usize, &mut [T]) + Sync + 'a {
        move |p, first, out| {
            let sample = samples.indices[positions[p]];
            let entry = Entry::Answer { query, layer: l as u32, sample };
            T::draw(&*self.noise, entry, first, out);
        }
    }
}

/// The columns of a minibatch, or all where there is none.
fn asked<'a, T: Format>(all: &'a Panel<T>, minibatch: &'a Panel<T>) -> &'a Panel<T> {
    if minibatch.columns() == 0 { all } else { minibatch }
}

impl<T: Format> Sweeps for Conditional<T> {
    fn forward(&mut self, step: u32, batch: &[usize], record: bool) -> ForwardSweep {
        let Network { width, depth, scales, .. } = self.network;
        let query = Query { purpose: Purpose::Answer, step, direction: Direction::Forward };
        self.begin(batch, record);
        self.passes += 1;
        let (set, follows) = (self.set, self.follows_covariances());
        let mut arena = std::mem::take(&mut self.arena);
        let mut hidden = std::mem::take(&mut self.hidden);
        let mut residual = std::mem::take(&mut self.residual);
        let mut accumulated = std::mem::take(&mut self.accumulated[0]);
        if record {
            clear(&mut accumulated);
        }
        let mut coupling = ForwardCoupling::default();
        let mut own_movement = 0.0;
        let mut nonfinite = (!finite(set, self.input())).then_some(0);
        for l in 1..=depth {
            let (before, after) = hidden.split_at_mut(l - 1);
            let (h, next) = (before.last().unwrap_or(self.input()), &mut after[0]);
            let expansion = self.query_forward(&mut arena, l, h, &mut residual);
            let memory = &self.layers[l - 1];
            let draw = self.draw((query, l), &self.train.samples, &self.batch);
            let answer = memory.ask_forward(set, (&mut arena, expansion), draw);
            let drift = memory.drift.forward(&answer.expansion.along);
            let image = |scale| Image::new(set, &answer, scale, (&drift, self.drift_scale()));
            let kept = memory.drift.kept();
            let scale = scales.forward * kept;
            // (W − W⁽⁰⁾)φ has a share of W⁽⁰⁾φ where weights decay.
            let moved = (record && kept != 1.0).then(|| image(scales.forward * (kept - 1.0)));
            let coupled = record.then(|| memory.forward.coupling(&answer) * scale);
            if let Some(coupled) = &coupled {
                coupling.layer += self.mean(coupled.norm_squared()) / depth as f64;
            }
            let coupled = coupled.filter(nonzero).map(|coupled| rows_of(&coupled, 1.0));
            let rows = advance(
                set,
                (&mut arena, memory, &image(scale)),
                scales.skip.then_some(h),
                next,
                coupled.as_deref().map(|k| (k, &mut accumulated)),
                moved.as_ref(),
            );
            if !rows.finite {
                nonfinite = nonfinite.or(Some(l));
            }
            if record {
                // ‖QB M C‖² = ‖M C‖²; wanted is n^{-1/2} (W − W⁽⁰⁾)φ.
                let squares = match moved {
                    None => drift.norm_squared() * scales.update_hidden.powi(2),
                    Some(_) => rows.moved / scales.forward.powi(2),
                };
                own_movement += self.mean(squares) / (width * depth) as f64;
            }
            self.forward_queries.push(l - 1, answer.expansion.coefficients(), follows);
            self.layers[l - 1].remember_forward(&answer);
        }
        if record {
            coupling.accumulated = self.mean(squares(set, &accumulated));
        }
        self.arena = arena;
        self.hidden = hidden;
        self.residual = residual;
        self.accumulated[0] = accumulated;
        let mut features = Vec::new();
        if record {
            let mut look = |l, h: &Panel<T>| self.features.look(set, &self.probe, l, h);
            features.extend(look(0, asked(&self.train.h.columns, &self.minibatch)));
            for (l, h) in self.hidden.iter().enumerate() {
                features.extend(look(l + 1, h));
            }
        }
        ForwardSweep {
            features,
            f: self.read(&self.hidden[depth - 1]),
            own_movement,
            inner_movement: None,
            ranks: self.layers.iter().map(|layer| layer.forward.rank()).collect(),
            coupling: record.then_some(coupling),
            nonfinite,
        }
    }

    fn evaluate(&mut self, step: u32, set: Set) -> Vec<f64> {
        let (inputs, purpose) = match set {
            Set::Train => (&self.train, Purpose::TrainAnswer),
            Set::Test => (&self.test, Purpose::TestAnswer),
        };
        let query = Query { purpose, step, direction: Direction::Forward };
        let mut arena = std::mem::take(&mut self.arena);
        let positions: Vec<usize> = (0..inputs.samples.len()).collect();
        let parts = positions.chunks(EVALUATED_AT_ONCE);
        let f = parts.flat_map(|part| self.output(&mut arena, query, inputs, part)).collect();
        self.arena = arena;
        f
    }

    fn backward(&mut self, step: u32, chi: &[f64], update: Option<&Update>) -> BackwardSweep {
        let Network { depth, outputs, scales, drop_tolerance, .. } = self.network;
        let query = Query { purpose: Purpose::Answer, step, direction: Direction::Backward };
        let (set, record, follows) = (self.set, self.record, self.follows_covariances());
        let samples = self.batch.len();
        let chi = DMatrix::from_column_slice(outputs, samples, chi);
        // With one output G = V for every sample and enters updates times χ; else G = V χᵀ.
        let (signal, weights) = match outputs {
            1 => (DMatrix::from_element(1, samples, 1.0), chi.as_slice().to_vec()),
            _ => (chi.clone(), vec![1.0; samples]),
        };
        let mut arena = std::mem::take(&mut self.arena);
        let mut g = std::mem::take(&mut self.signal);
        let mut residual = std::mem::take(&mut self.residual);
        let mut accumulated = std::mem::take(&mut self.accumulated);
        clear(&mut g);
        add_combination(set, &self.readout.columns, &signal, &mut g);
        if record {
            accumulated.iter_mut().for_each(clear);
        }

        let mut coupling = BackwardCoupling::default();
        let mut nonfinite = (!finite(set, &g)).then_some(depth);
        let mut gradients = Vec::new();
        if record {
            gradients.extend(self.gradients.look(set, &self.probe, depth, &g));
        }
        for l in (1..=depth).rev() {
            let memory = &self.layers[l - 1];
            let write = |chunk, x: &mut [Column<T>]| x.copy_from_slice(g.chunk(chunk));
            let basis = &memory.backward.basis;
            let expansion = expand(set, &mut arena, basis, &mut residual, write, drop_tolerance);
            let draw = self.draw((query, l), &self.train.samples, &self.batch);
            let answer = memory.ask_backward(set, (&mut arena, expansion), draw);
            let drift = memory.drift.backward(&answer.expansion.along);
            let scale = scales.forward * memory.drift.kept();
            let image = Image::new(set, &answer, scale, (&drift, self.drift_scale()));
            let coupled = record.then(|| memory.backward.coupling(&answer) * scale);
            let rows = descend(
                set,
                &self.network,
                (&mut arena, memory, &image),
                if l == 1 { self.input() } else { &self.hidden[l - 2] },
                &mut g,
                (coupled.as_ref(), &mut accumulated),
            );
            coupling.layer_past += self.mean(rows.past) / depth as f64;
            coupling.layer_same += self.mean(rows.same) / depth as f64;
            if !rows.finite {
                nonfinite = nonfinite.or(Some(l - 1));
            }
            if record {
                gradients.extend(self.gradients.look(set, &self.probe, l - 1, &g));
            }
            self.backward_queries.push(l - 1, answer.expansion.coefficients(), follows);
            self.layers[l - 1].remember_backward(&answer);
        }
        gradients.reverse();
        if record {
            let [past, same] = &accumulated;
            coupling.accumulated_past = self.mean(squares(set, past));
            coupling.accumulated_same = self.mean(squares(set, same));
        }
        if let Some(update) = update {
            self.update(update, &chi, &weights, &g);
        }
        self.arena = arena;
        self.signal = g;
        self.residual = residual;
        self.accumulated = accumulated;
        let wanted = record && self.probe.has_kernel(&self.network, self.batch.len());
        let queries = (&self.forward_queries, &self.backward_queries);
        let kernel = if wanted { kernel(queries, self.network.width) } else { None };
        BackwardSweep {
            gradients,
            ranks: self.layers.iter().map(|layer| layer.backward.rank()).collect(),
            coupling: record.then_some(coupling),
            kernel,
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
