//! The conditional engine; see [`crate::backend::plain::conditional`] for what it computes.
//!
//! U is never kept: h_0 of all samples is drawn once, column by column, and trained through its own
//! update, of which η D x d^{-1/2} = η c Σ_p w_p ⟨x_p, x⟩ d^{-1/2} g_0(x_p). Couplings and movements that
//! are sums of squares along orthonormal columns come from coefficients; only what φ', weight decay
//! or a sum over layers mixes is formed row by row.
//!
//! What differs from plain is how often columns are read. A query of r stored columns reads seven arrays
//! of n·r numbers: the basis three times to orthogonalise ([`orthogonal`]), then the other side's basis
//! and answers ([`memory`]), then the own answers and once more the other side's basis (`rows`); no row
//! is touched by two threads.
//!
//! From the bottom: [`panel`], [`arena`]: how columns lie in memory; [`near`]: what a product reads of
//! them; [`kernels`]: what is done to a chunk of rows, on every instruction set; `tiles`: sums over rows
//! that do not depend on threads; [`cholesky`], [`orthogonal`]: which columns of a query are new;
//! [`memory`]: one weight matrix by its answers; `rows`: the rows of a layer's answer; `inner`: the inner
//! matrices of two-layer blocks; `rms`: what normalised branches read; `ends`: U and V; `record`: what is kept of a pass; `sweeps`, `evaluate`,
//! `update`: what a pass does.

pub mod arena;
pub mod cholesky;
pub mod cost;
mod ends;
mod evaluate;
mod inner;
pub mod kernels;
pub mod matched;
pub mod memory;
pub mod near;
pub mod orthogonal;
pub mod panel;
mod record;
mod rms;
mod rows;
mod sweeps;
mod tiles;
mod update;

use crate::backend::coefficients::Asked;
use crate::backend::cpu::simd::format::Format;
use crate::backend::responses::ResponseFunctions;
use crate::backend::{Network, Probe};
use crate::data::Samples;
use crate::model::Scales;
use crate::rng::noise::{Entry, Noise, Query};
use crate::rng::normal::Instructions;
use arena::{Arena, Columns};
use ends::{Inputs, TrainedPanel};
use inner::Inner;
use memory::Memory;
use near::Near;
use panel::{Panel, chunks_of};
use record::PanelRecorder;
use rms::Normalized;

/// One run of the conditional engine, columns in `T`.
pub struct Conditional<T: Format> {
    network: Network,
    noise: Box<dyn Noise>,
    probe: Probe,
    set: Instructions,
    train: Inputs<T>,
    test: Inputs<T>,
    /// V, n×O.
    readout: TrainedPanel<T>,
    /// W, or the W2 of two-layer blocks.
    layers: Vec<Memory>,
    /// The inner half of every layer; None where blocks have one layer.
    inner: Option<Inner<T>>,
    /// What branches read in the place of h; None where they read h.
    normalized: Option<Normalized<T>>,
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
    /// What the matrices of `layers` were asked.
    asked: Asked,
    forward_responses: ResponseFunctions,
    backward_responses: ResponseFunctions,
    features: PanelRecorder<T>,
    gradients: PanelRecorder<T>,
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
        let [forward_responses, backward_responses] =
            network.response_scales().map(|scale| ResponseFunctions::new(network.depth, scale));
        let layer = Memory::new((n, network.width_read()), network.closure);
        Conditional {
            train: Inputs::embed(set, &*noise, n, train),
            test: Inputs::embed(set, &*noise, n, test),
            readout: TrainedPanel::readout(&*noise, n, network.outputs),
            layers: vec![layer; network.depth],
            inner: Inner::of(&network),
            normalized: Normalized::of(&network),
            arena: Arena::new(),
            batch: Vec::new(),
            record: false,
            minibatch: none(),
            hidden: vec![none(); network.depth],
            signal: none(),
            residual: none(),
            accumulated: [none(), none()],
            passes: 0,
            asked: Asked::new(network.depth),
            forward_responses,
            backward_responses,
            features: PanelRecorder::new(&probe),
            gradients: PanelRecorder::new(&probe),
            network,
            noise,
            probe,
            set,
        }
    }

    /// The memories of layers 1..=L (of W2 in two-layer blocks), for tests of their invariants;
    /// [`Conditional::arena`] has their columns.
    pub fn layers(&self) -> &[Memory] {
        &self.layers
    }

    /// The memories of the inner matrices W1, for such tests; none where blocks have one layer.
    pub fn inner_layers(&self) -> &[Memory] {
        self.inner.as_ref().map_or(&[], |inner| &inner.memories)
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

    /// The factors of the matrices that write h.
    fn factors(&self) -> Factors {
        let Scales { forward, update_hidden, .. } = self.network.scales;
        Factors { forward, drift: forward * update_hidden }
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
            if let Some(inner) = &mut self.inner {
                inner.make_room(samples);
            }
            if let Some(normalized) = &mut self.normalized {
                normalized.make_room(samples);
            }
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

/// The factors of one kind of matrix.
#[derive(Clone, Copy)]
struct Factors {
    /// On W φ and Wᵀ g.
    forward: f64,
    /// On QB M C and QF Mᵀ C.
    drift: f64,
}

/// The columns of a minibatch, or all where there is none.
fn asked<'a, T: Format>(all: &'a Panel<T>, minibatch: &'a Panel<T>) -> &'a Panel<T> {
    if minibatch.columns() == 0 { all } else { minibatch }
}
