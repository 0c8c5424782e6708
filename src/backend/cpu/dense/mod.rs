//! The dense engine at the speed of memory or arithmetic, in f32 or f64.
//!
//! The formulas are those of [`crate::backend::plain::dense`]. A training step reads every weight
//! twice and writes it once: a forward sweep, and a backward sweep that updates a weight as soon as
//! it has been read ([`products`]). A network trains from its first step to its last before the next
//! one begins, so weights that fit into a cache stay there.
//!
//! From the bottom: [`weights`]: how they lie in memory (vectors: [`crate::backend::vectors`]); [`products`], [`halves`], [`pointwise`]: tiles of
//! them, on every instruction set; [`matrix`]: whole matrices, shared between the threads of the `rayon` pool
//! that calls; [`layer`], [`inner`], [`frozen`], [`ends`]: the parts of a network.

pub mod cost;
pub mod ends;
pub mod frozen;
pub mod halves;
pub mod inner;
pub mod layer;
pub mod matrix;
pub mod pointwise;
pub mod products;
pub mod weights;

use nalgebra::DMatrix;

use super::simd::format::Format;
use crate::backend::record::Recorder;
use crate::backend::vectors::Vectors;
use crate::backend::{
    BackwardSweep, Covariances, EVALUATED_AT_ONCE, ForwardSweep, Network, Probe, Set, Sweeps,
    Update,
};
use crate::data::Samples;
use crate::rng::noise::{Entry, Noise};
use crate::rng::normal::Instructions;
use ends::Ends;
use frozen::Frozen;
use inner::Inner;
use layer::{Explicit, Layer};

/// One run of the dense engine, with weights in `T`.
pub struct Dense<T> {
    network: Network,
    probe: Probe,
    train: Samples,
    test: Samples,
    set: Instructions,
    ends: Ends<T>,
    layers: Vec<Layer<T>>,
    /// The inner half of every layer; none where blocks have one layer.
    inner: Vec<Inner<T>>,
    /// h_0 … h_L of the last batch.
    hidden: Vec<Vectors<T>>,
    /// φ(h_0) … φ(h_{L−1}) of it.
    values: Vec<Vectors<T>>,
    /// g_0 (δ_0 when O > 1) of the last backward pass.
    signal: Vectors<T>,
    /// Products of a layer, before they are scaled.
    product: Vectors<T>,
    /// (W − W⁽⁰⁾)φ, then the other factor of an update.
    scratch: Vectors<T>,
    /// Whether the last forward pass was recorded.
    record: bool,
    /// Passes so far.
    passes: usize,
    recorder: Recorder<T>,
}

impl<T: Format> Dense<T> {
    /// A network at its initialisation, computed with the instruction set `set`.
    pub fn new(
        network: Network,
        noise: &dyn Noise,
        probe: Probe,
        samples: (Samples, Samples),
        set: Instructions,
    ) -> Self {
        // The movement is that of the matrix that reads h.
        let followed = network.scales.inner.is_none();
        let layer = |l: usize| {
            let entry = |direction, column| Entry::Weight { direction, layer: l as u32, column };
            Layer::Explicit(Explicit::sample(set, noise, &network, entry, followed))
        };
        let layers = (1..=network.depth).map(layer).collect();
        Dense::of(layers, network, noise, probe, samples, set)
    }

    /// A network at its initialisation whose initial hidden weights are rounded to bf16, where they
    /// stay; of one-layer blocks only.
    pub fn frozen(
        network: Network,
        noise: &dyn Noise,
        probe: Probe,
        samples: (Samples, Samples),
        set: Instructions,
    ) -> Self {
        let layer = |l| Layer::Frozen(Frozen::sample(set, noise, &network, l));
        let layers = (1..=network.depth).map(layer).collect();
        Dense::of(layers, network, noise, probe, samples, set)
    }

    fn of(
        layers: Vec<Layer<T>>,
        network: Network,
        noise: &dyn Noise,
        probe: Probe,
        (train, test): (Samples, Samples),
        set: Instructions,
    ) -> Self {
        let sizes = (network.width, train.dimension, network.outputs);
        let none = || Vectors::zeros(network.width, 0);
        Dense {
            ends: Ends::sample(set, noise, sizes),
            layers,
            inner: (1..=network.depth)
                .filter_map(|l| Inner::sample(set, noise, &network, l))
                .collect(),
            hidden: vec![none(); network.depth + 1],
            values: vec![none(); network.depth],
            signal: none(),
            product: none(),
            scratch: none(),
            record: false,
            passes: 0,
            recorder: Recorder::new(&probe),
            network,
            probe,
            train,
            test,
            set,
        }
    }

    /// The matrices of layers 1..=L that write the residual stream, for tests.
    pub fn layers(&self) -> &[Layer<T>] {
        &self.layers
    }

    /// The inner matrices of two-layer blocks, for tests; none where blocks have one layer.
    pub fn inner(&self) -> &[Inner<T>] {
        &self.inner
    }

    /// The input and readout weights U and V, for tests.
    pub fn ends(&self) -> &Ends<T> {
        &self.ends
    }

    /// h_0 … h_L of the last forward pass, n×P each.
    pub fn hidden(&self) -> &[Vectors<T>] {
        &self.hidden
    }

    /// g_0 (δ_0 when O > 1) of the last backward pass, n×P.
    pub fn signal(&self) -> &Vectors<T> {
        &self.signal
    }

    /// Room for `samples` samples.
    fn make_room(&mut self, samples: usize) {
        if self.product.samples() != samples {
            let n = self.network.width;
            let vectors = self.hidden.iter_mut().chain(&mut self.values);
            let vectors = vectors.chain([&mut self.product, &mut self.scratch]);
            let vectors = vectors.chain(self.inner.iter_mut().flat_map(Inner::vectors_mut));
            vectors.for_each(|x| *x = Vectors::zeros(n, samples));
        }
    }

    fn follows_covariances(&self) -> bool {
        self.probe.follows_covariances(self.passes, self.train.len())
    }

    /// The factor on h_{l−1} in h_l, and on W φ.
    fn factors(&self) -> (T, T) {
        let scales = self.network.scales;
        (if scales.skip { T::ONE } else { T::ZERO }, T::of(scales.forward))
    }

    /// φ(h).
    fn value(&self, h: &Vectors<T>, phi: &mut Vectors<T>) {
        pointwise::value(self.set, self.network.activation, h.pieces(), phi.pieces_mut());
        phi.clear_padding(); // φ(0) need not be 0
    }

    /// n^{-1} xᵀx, summed in T.
    fn gram(&self, x: &Vectors<T>) -> DMatrix<f64> {
        let samples = x.samples();
        let mut sums = vec![T::ZERO; samples * samples];
        halves::inner(self.set, (x.pieces(), samples), x.pieces(), &mut sums);
        let width = self.network.width as f64;
        DMatrix::from_iterator(samples, samples, sums.iter().map(|sum| sum.widen() / width))
    }

    /// Outputs of some samples.
    fn output(&self, samples: &Samples) -> Vec<f64> {
        let (carry, scale) = self.factors();
        let room = || Vectors::zeros(self.network.width, samples.len());
        let (mut h, mut phi, mut next) = (room(), room(), room());
        let mut z = if self.inner.is_empty() { Vectors::default() } else { room() };
        self.ends.embed(samples, &mut h);
        for (l, layer) in self.layers.iter().enumerate() {
            self.value(&h, &mut phi);
            if let Some(inner) = self.inner.get(l) {
                inner.answer(&phi, &mut z, &mut next, None);
                std::mem::swap(&mut phi, &mut next);
            }
            layer.forward(&phi, &mut next, None);
            pointwise::advance(self.set, h.pieces(), next.pieces_mut(), carry, scale);
            std::mem::swap(&mut h, &mut next);
        }
        self.ends.read(&self.network.scales, &h)
    }
}

impl<T: Format> Sweeps for Dense<T> {
    fn forward(&mut self, _step: u32, batch: &[usize], record: bool) -> ForwardSweep {
        let Network { width, depth, scales, .. } = self.network;
        self.make_room(batch.len());
        self.record = record;
        self.passes += 1;
        let follows = self.follows_covariances();
        let (carry, scale) = self.factors();
        // Minibatches of different steps are of different samples.
        let of_inner = record && !self.inner.is_empty() && batch.len() == self.train.len();
        let mut hidden = std::mem::take(&mut self.hidden);
        let mut values = std::mem::take(&mut self.values);
        let mut moved = std::mem::take(&mut self.scratch);
        self.ends.embed_batch(&self.train.select(batch.iter().copied()), &mut hidden[0]);
        let embedded = hidden[0].pieces().as_flattened();
        let mut nonfinite = (!embedded.iter().all(|h| h.widen().is_finite())).then_some(0);
        let (mut own_movement, mut inner_movement) = (0.0, 0.0);
        for (l, layer) in self.layers.iter().enumerate() {
            let (before, after) = hidden.split_at_mut(l + 1);
            let (h, next) = (&before[l], &mut after[0]);
            self.value(h, &mut values[l]);
            // Of the matrix that reads h.
            let of_moved = record.then_some(&mut moved);
            match self.inner.get_mut(l) {
                None => layer.forward(&values[l], next, of_moved),
                Some(inner) => {
                    if !inner.forward(&values[l], of_moved) {
                        nonfinite = nonfinite.or(Some(l + 1));
                    }
                    layer.forward(inner.value(), next, None);
                    if of_inner {
                        inner_movement += inner.movement();
                    }
                }
            }
            if record {
                let squares = moved.pieces().as_flattened().iter().map(|x| x.widen().powi(2));
                own_movement += squares.sum::<f64>() / (width * batch.len()) as f64;
            }
            if !pointwise::advance(self.set, h.pieces(), next.pieces_mut(), carry, scale) {
                nonfinite = nonfinite.or(Some(l + 1));
            }
            self.recorder.follow_features(l, follows.then_some(&values[l]));
        }
        let see = |(l, h)| self.recorder.see_features(l, h);
        let seen = hidden.iter().enumerate().filter(|_| record);
        let sweep = ForwardSweep {
            features: seen.filter_map(see).collect(),
            f: self.ends.read(&scales, &hidden[depth]),
            own_movement: own_movement / (width * depth) as f64,
            inner_movement: of_inner.then_some(inner_movement / depth as f64),
            ranks: Vec::new(),
            coupling: None,
            nonfinite,
        };
        (self.hidden, self.values, self.scratch) = (hidden, values, moved);
        sweep
    }

    fn evaluate(&mut self, _step: u32, set: Set) -> Vec<f64> {
        let samples = match set {
            Set::Train => &self.train,
            Set::Test => &self.test,
        };
        let positions: Vec<usize> = (0..samples.len()).collect();
        let parts = positions.chunks(EVALUATED_AT_ONCE);
        parts.flat_map(|part| self.output(&samples.select(part.iter().copied()))).collect()
    }

    fn backward(&mut self, _step: u32, chi: &[f64], update: Option<&Update>) -> BackwardSweep {
        let Network { depth, activation, scales, .. } = self.network;
        let (follows, record) = (self.follows_covariances(), self.record);
        let (carry, scale) = self.factors();
        let (mut g, weights) = self.ends.signal(chi);
        let finite = g.pieces().as_flattened().iter().all(|g| g.widen().is_finite());
        let mut nonfinite = (!finite).then_some(depth);
        let mut gradients = Vec::new();
        let samples = weights.len();
        let wanted = record && self.probe.has_kernel(&self.network, samples);
        let mut kernel = wanted.then(|| DMatrix::zeros(samples, samples));
        for l in (0..=depth).rev() {
            self.recorder.follow_gradients(l, follows.then_some(&g));
            if record {
                gradients.extend(self.recorder.see_gradients(l, &g));
            }
            let Some(l) = l.checked_sub(1) else { break };
            if let Some(kernel) = &mut kernel {
                let of_layer = self.gram(&self.values[l]).component_mul(&self.gram(&g));
                *kernel += of_layer;
            }
            let read = self.inner.get(l).map_or(&self.values[l], Inner::value);
            self.layers[l].backward(
                (&g, &weights),
                &mut self.product,
                (read, &mut self.scratch),
                update.map(|update| (update, scales.update_hidden)),
            );
            let mut scale = scale;
            if let Some(inner) = self.inner.get_mut(l) {
                let phi = (&self.values[l], &mut self.scratch);
                scale = inner.backward(&weights, (&mut self.product, scale), phi, update);
            }
            let (h, y) = (self.hidden[l].pieces(), self.product.pieces());
            if !pointwise::descend(self.set, activation, h, y, g.pieces_mut(), carry, scale) {
                nonfinite = nonfinite.or(Some(l));
            }
        }
        gradients.reverse();
        if let Some(update) = update {
            let own = (&scales, update);
            self.ends.update(own, chi, (&g, &weights), &self.hidden[depth]);
        }
        self.signal = g;
        BackwardSweep { gradients, ranks: Vec::new(), coupling: None, kernel, nonfinite }
    }

    fn covariances(&self) -> Option<Vec<Covariances>> {
        self.follows_covariances().then(|| self.recorder.covariances(&self.network))
    }
}
