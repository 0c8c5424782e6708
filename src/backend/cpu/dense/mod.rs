//! The dense engine at the speed of memory or arithmetic, in f32 or f64.
//!
//! The formulas are those of [`crate::backend::plain::dense`]. A training step reads every weight
//! twice and writes it once: a forward sweep, and a backward sweep that updates a weight as soon as
//! it has been read ([`products`]). A network trains from its first step to its last before the next
//! one begins, so weights that fit into a cache stay there.
//!
//! From the bottom: [`weights`]: how they lie in memory (vectors: [`crate::backend::vectors`]);
//! [`products`] for few samples and [`batched`] for many, which [`panels`] are laid out for, [`halves`],
//! [`pointwise`]: tiles of them, on every instruction set; [`matrix`]: whole matrices, shared between the
//! threads of the `rayon` pool that calls; `motion`: updates that are not gradient descent; [`layer`], [`inner`], [`frozen`], [`ends`]: the parts of a
//! network; `rms`: what normalised branches read; `sweeps`: what a pass does.

pub mod batched;
pub mod cost;
pub mod ends;
pub mod frozen;
pub mod halves;
pub mod inner;
pub mod layer;
pub mod matrix;
mod motion;
pub mod panels;
pub mod pointwise;
pub mod products;
mod rms;
mod sweeps;
pub mod weights;

use nalgebra::DMatrix;

use super::simd::format::Format;
use crate::backend::record::Recorder;
use crate::backend::vectors::Vectors;
use crate::backend::{Network, Probe};
use crate::data::Samples;
use crate::rng::noise::{Entry, Noise};
use crate::rng::normal::Instructions;
use ends::Ends;
use frozen::Frozen;
use inner::Inner;
use layer::{Explicit, Layer};
use rms::Normalized;

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
    /// What branches read in the place of h; None where they read h.
    normalized: Option<Normalized<T>>,
    /// h_0 … h_L of the last batch.
    hidden: Vec<Vectors<T>>,
    /// φ(h_0) … φ(h_{L−1}) of it, φ(x) of normalised branches.
    values: Vec<Vectors<T>>,
    /// g_0 (δ_0 when O > 1) of the last backward pass.
    signal: Vectors<T>,
    /// Products of a layer, before they are scaled.
    product: Vectors<T>,
    /// (W − W⁽⁰⁾)φ, then the other factor of an update.
    scratch: Vectors<T>,
    /// Where there is an inner layer, the same two of its width: W2ᵀg, and the other factor of W2's update.
    inner_vectors: [Vectors<T>; 2],
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
            let of = (&network, (network.width, network.width_read()));
            Layer::Explicit(Explicit::sample(set, noise, of, entry, followed))
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
        let none = || Vectors::zeros(network.width, 0);
        Dense {
            ends: Ends::sample(set, noise, &network, train.dimension),
            layers,
            inner: (1..=network.depth)
                .filter_map(|l| Inner::sample(set, noise, &network, l))
                .collect(),
            normalized: Normalized::of(&network, set),
            hidden: vec![none(); network.depth + 1],
            values: vec![none(); network.depth],
            signal: none(),
            product: none(),
            scratch: none(),
            inner_vectors: Default::default(),
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
            let normalized = self.normalized.iter_mut().flat_map(Normalized::vectors_mut);
            let vectors = vectors.chain(normalized);
            vectors.for_each(|x| *x = Vectors::zeros(n, samples));
            let vectors = self.inner.iter_mut().flat_map(Inner::vectors_mut);
            let vectors = vectors.chain(&mut self.inner_vectors);
            vectors.for_each(|x| *x = Vectors::zeros(self.network.width_read(), samples));
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

    /// φ(h), of normalised branches φ(x) of what is `normalized` of h.
    fn value(&self, h: &Vectors<T>, normalized: Option<&mut Normalized<T>>, phi: &mut Vectors<T>) {
        let read = match normalized {
            None => h,
            Some(normalized) => normalized.read(h),
        };
        pointwise::value(self.set, self.network.activation, read.pieces(), phi.pieces_mut());
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
        let wide = if self.inner.is_empty() { 0 } else { self.network.width_read() };
        let [mut z, mut value] = [0; 2].map(|_| Vectors::zeros(wide, samples.len()));
        let mut normalized = Normalized::of(&self.network, self.set);
        if let Some(normalized) = &mut normalized {
            let [x, _] = normalized.vectors_mut();
            *x = room();
        }
        self.ends.embed(samples, &mut h);
        for (l, layer) in self.layers.iter().enumerate() {
            self.value(&h, normalized.as_mut(), &mut phi);
            match self.inner.get(l) {
                None => layer.forward(&phi, &mut next, None),
                Some(inner) => {
                    inner.answer(&phi, &mut z, &mut value, None);
                    layer.forward(&value, &mut next, None);
                }
            }
            pointwise::advance(self.set, h.pieces(), next.pieces_mut(), carry, scale);
            std::mem::swap(&mut h, &mut next);
        }
        self.ends.read(&self.network.scales, &h)
    }
}
