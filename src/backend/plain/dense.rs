//! The dense engine: explicit weights, forward, backward, update. Short and obvious, because the
//! fast ones are held to it. The formulas are those of [`crate::model::parametrization`].

use nalgebra::DMatrix;

use super::ends::{Ends, Signal};
use super::motion::{Motion, Step};
use super::record::{InnerRecorder, MatrixRecorder};
use super::rms;
use super::{columns, evaluate_in_parts, finite, mean_square, weighted};
use crate::backend::coefficients::covariance;
use crate::backend::{
    BackwardSweep, Covariances, ForwardSweep, Network, Probe, Set, Sweeps, Update,
};
use crate::data::Samples;
use crate::model::Inner;
use crate::rng::noise::{Direction, Entry, Noise};

/// The hidden weights of one kind (W or W2, or W1): W_1 … W_L, and for `gia` the independent W̃_l whose
/// transposes carry the gradients. All are n×n, with an inner layer of width M W2 is n×M and W1 M×n.
#[derive(Clone, Debug, PartialEq)]
pub struct Weights {
    /// The matrices of forward passes, L of them.
    pub forward: Vec<DMatrix<f64>>,
    /// The matrices whose transposes carry gradients in `gia`, L of them; none: the forward ones
    /// serve.
    pub backward: Vec<DMatrix<f64>>,
}

impl Weights {
    /// Initial weights of `network`: W, in two-layer blocks W2.
    ///
    /// # Panics
    /// With a closure for which no single matrix exists: experiments are validated before.
    pub fn sample(noise: &dyn Noise, network: &Network) -> Self {
        let entry = |direction, layer, column| Entry::Weight { direction, layer, column };
        Weights::draw(noise, network, (network.width, network.width_read()), entry)
    }

    /// The W1 of two-layer blocks.
    fn sample_inner(noise: &dyn Noise, network: &Network) -> Self {
        let entry = |direction, layer, column| Entry::Inner { direction, layer, column };
        Weights::draw(noise, network, (network.width_read(), network.width), entry)
    }

    fn draw(
        noise: &dyn Noise,
        network: &Network,
        (rows, columns): (usize, usize),
        entry: impl Fn(Direction, u32, u32) -> Entry,
    ) -> Self {
        let draw = |direction| {
            let layer = |l| {
                let mut w = DMatrix::zeros(rows, columns);
                for (j, out) in w.as_mut_slice().chunks_mut(rows).enumerate() {
                    noise.fill(entry(direction, l as u32, j as u32), 0, out);
                }
                w
            };
            (1..=network.depth).map(layer).collect()
        };
        let backward = match network.own_backward_weights() {
            true => draw(Direction::Backward),
            false => Vec::new(),
        };
        Weights { forward: draw(Direction::Forward), backward }
    }

    /// The matrices whose transposes carry the gradients.
    fn transposed(&self) -> &[DMatrix<f64>] {
        if self.backward.is_empty() { &self.forward } else { &self.backward }
    }
}

/// Weights with what their training needs.
struct TrainedWeights {
    weights: Weights,
    /// Of the forward and of the backward weights.
    motions: [Vec<Motion>; 2],
}

impl TrainedWeights {
    /// At rest.
    fn new(weights: Weights) -> Self {
        let rest = vec![Motion::default(); weights.forward.len()];
        TrainedWeights { weights, motions: [rest.clone(), rest] }
    }

    /// W_l and W̃_l (from l = 0 on) follow D = `direction`, whose entries have this size.
    fn follow(&mut self, l: usize, (update, size): (&Update, f64), direction: DMatrix<f64>) {
        let step = Step { update, rate: update.rates.hidden, rule: update.rule, size };
        let [ahead, back] = &mut self.motions;
        if let Some(w) = self.weights.backward.get_mut(l) {
            back[l].follow(w, step, direction.clone());
        }
        ahead[l].follow(&mut self.weights.forward[l], step, direction);
    }
}

/// One run of the dense engine.
pub struct Dense {
    network: Network,
    probe: Probe,
    train: Samples,
    test: Samples,
    ends: Ends,
    outer: TrainedWeights,
    /// The W1 of two-layer blocks.
    inner: Option<TrainedWeights>,
    /// Initial weights of what reads h: W1 where there is one, else W.
    initial: Vec<DMatrix<f64>>,
    /// The samples of the last forward pass, and whether it is recorded.
    batch: Samples,
    record: bool,
    hidden: Vec<DMatrix<f64>>,
    signals: Vec<DMatrix<f64>>,
    /// z_1 … z_L of the last forward pass; none without inner weights.
    inner_hidden: Vec<DMatrix<f64>>,
    inner_recorder: InnerRecorder,
    /// Passes so far.
    passes: usize,
    /// φ(h_l) and g_l of every pass at the probed layers, while the covariances are followed.
    feature_history: Vec<Vec<DMatrix<f64>>>,
    gradient_history: Vec<Vec<DMatrix<f64>>>,
    features: MatrixRecorder,
    gradients: MatrixRecorder,
}

impl Dense {
    /// A network at its initialisation.
    pub fn new(
        network: Network,
        noise: &dyn Noise,
        probe: Probe,
        train: Samples,
        test: Samples,
    ) -> Self {
        let ends = Ends::sample(noise, network.width, train.dimension, network.outputs);
        let weights = Weights::sample(noise, &network);
        let inner = network.scales.inner.map(|_| Weights::sample_inner(noise, &network));
        Dense::from_both(network, ends, (weights, inner), probe, (train, test))
    }

    /// A network of one-layer blocks with given weights.
    pub fn from_weights(
        network: Network,
        ends: Ends,
        weights: Weights,
        probe: Probe,
        train: Samples,
        test: Samples,
    ) -> Self {
        Dense::from_both(network, ends, (weights, None), probe, (train, test))
    }

    /// A network with given weights, W2 and W1 where blocks have two layers.
    pub fn from_both(
        network: Network,
        ends: Ends,
        (outer, inner): (Weights, Option<Weights>),
        probe: Probe,
        (train, test): (Samples, Samples),
    ) -> Self {
        Dense {
            initial: inner.as_ref().unwrap_or(&outer).forward.clone(),
            outer: TrainedWeights::new(outer),
            inner: inner.map(TrainedWeights::new),
            inner_hidden: Vec::new(),
            inner_recorder: InnerRecorder::default(),
            batch: train.select([]),
            record: true,
            hidden: Vec::new(),
            signals: Vec::new(),
            passes: 0,
            feature_history: vec![Vec::new(); probe.layers.len()],
            gradient_history: vec![Vec::new(); probe.layers.len()],
            features: MatrixRecorder::default(),
            gradients: MatrixRecorder::default(),
            network,
            probe,
            train,
            test,
            ends,
        }
    }

    /// The hidden weights as they are now; in two-layer blocks W2.
    pub fn weights(&self) -> &Weights {
        &self.outer.weights
    }

    /// The inner matrices W1 of two-layer blocks; None where blocks have one layer.
    pub fn inner_weights(&self) -> Option<&Weights> {
        self.inner.as_ref().map(|inner| &inner.weights)
    }

    /// z_1 … z_L of the last forward pass, M×P each; none where blocks have one layer.
    pub fn inner_hidden(&self) -> &[DMatrix<f64>] {
        &self.inner_hidden
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

    /// The inner weights, if there are some, and their factors.
    fn inner(&self) -> Option<(&Weights, Inner)> {
        Some((&self.inner.as_ref()?.weights, self.network.scales.inner?))
    }

    /// h_{l+1} from h_l = `h`, and z_{l+1} in two-layer blocks.
    fn next(&self, l: usize, h: &DMatrix<f64>) -> (DMatrix<f64>, Option<DMatrix<f64>>) {
        let scales = self.network.scales;
        let x = self.read(h);
        let z = self.inner().map(|(w, inner)| &w.forward[l] * self.value(&x) * inner.forward);
        let branch =
            &self.outer.weights.forward[l] * self.value(z.as_ref().unwrap_or(&x)) * scales.forward;
        (if scales.skip { h + branch } else { branch }, z)
    }

    /// The first layer whose z or h is not finite.
    fn nonfinite(&self) -> Option<usize> {
        let z_finite = |l: usize| l == 0 || self.inner_hidden.get(l - 1).is_none_or(finite);
        (0..self.hidden.len()).find(|&l| !(z_finite(l) && finite(&self.hidden[l])))
    }

    /// The mean square of z − z⁽⁰⁾ where it means something: of recorded passes of all samples.
    fn inner_movement(&mut self) -> Option<f64> {
        let whole = self.batch.len() == self.train.len();
        let means = !self.inner_hidden.is_empty() && self.record && whole;
        means.then(|| self.inner_recorder.movement(&self.inner_hidden))
    }
}

impl Sweeps for Dense {
    fn forward(&mut self, _step: u32, batch: &[usize], record: bool) -> ForwardSweep {
        let Network { width, depth, scales, .. } = self.network;
        self.batch = self.train.select(batch.iter().copied());
        self.record = record;
        let mut hidden = vec![self.ends.embed(&columns(&self.batch))];
        self.inner_hidden.clear();
        for l in 0..depth {
            let (h, z) = self.next(l, &hidden[l]);
            hidden.push(h);
            self.inner_hidden.extend(z);
        }
        self.hidden = hidden;
        let mut own_movement = 0.0;
        if record {
            let now = self.inner_weights().unwrap_or(self.weights());
            for (l, (w, initial)) in now.forward.iter().zip(&self.initial).enumerate() {
                let moved = (w - initial) * self.value(&self.read(&self.hidden[l]));
                own_movement += mean_square(&moved) / (width * depth) as f64;
            }
        }
        self.passes += 1;
        let inner_movement = self.inner_movement();
        let (follows, activation) = (self.follows_covariances(), self.network.activation);
        for (history, &layer) in self.feature_history.iter_mut().zip(&self.probe.layers) {
            let x = rms::read(scales.normalization, &self.hidden[layer]);
            match follows {
                true => history.push(x.map(|u| activation.value(u))),
                false => history.clear(),
            }
        }
        ForwardSweep {
            f: self.ends.read(&scales, &self.hidden[depth]),
            features: self.features.snapshots(&self.probe, &self.hidden, record),
            own_movement,
            inner_movement,
            ranks: Vec::new(),
            coupling: None,
            nonfinite: self.nonfinite(),
        }
    }

    fn evaluate(&mut self, _step: u32, set: Set) -> Vec<f64> {
        let samples = match set {
            Set::Train => &self.train,
            Set::Test => &self.test,
        };
        evaluate_in_parts(samples, |part| {
            let first = self.ends.embed(&columns(part));
            let last = (0..self.network.depth).fold(first, |h, l| self.next(l, &h).0);
            self.ends.read(&self.network.scales, &last)
        })
    }

    fn backward(&mut self, _step: u32, chi: &[f64], update: Option<&Update>) -> BackwardSweep {
        let Network { width, depth, scales, .. } = self.network;
        let Signal { g, weights } = self.ends.signal(chi);
        self.signals = vec![g; depth + 1];
        let transposed = self.outer.weights.transposed();
        // r_1 … r_L of two-layer blocks, from the last on.
        let mut inner_signals = Vec::new();
        for l in (1..=depth).rev() {
            let g = &self.signals[l];
            let mut back = transposed[l - 1].tr_mul(g) * scales.forward;
            if let Some((w, inner)) = self.inner() {
                let r = self.slope(&self.inner_hidden[l - 1]).component_mul(&back);
                back = w.transposed()[l - 1].tr_mul(&r) * inner.forward;
                inner_signals.push(r);
            }
            let h = &self.hidden[l - 1];
            let branch = self.slope(&self.read(h)).component_mul(&back);
            let branch = rms::back(scales.normalization, h, branch);
            self.signals[l - 1] = if scales.skip { g + branch } else { branch };
        }
        let wanted = self.record && self.probe.has_kernel(&self.network, self.batch.len());
        let kernel = wanted.then(|| {
            let gram = |x: &DMatrix<f64>| x.tr_mul(x) / width as f64;
            let of = |l: usize| {
                gram(&self.value(&self.read(&self.hidden[l])))
                    .component_mul(&gram(&self.signals[l + 1]))
            };
            (1..depth).map(of).fold(of(0), |sum, part| sum + part)
        });
        let follows = self.follows_covariances();
        for (history, &layer) in self.gradient_history.iter_mut().zip(&self.probe.layers) {
            match follows {
                true => history.push(self.signals[layer].clone()),
                false => history.clear(),
            }
        }
        if let Some(update) = update {
            // D = factor Σ_p weight_p g_p φ_pᵀ
            let direction = |g: &DMatrix<f64>, phi: DMatrix<f64>, factor: f64| {
                weighted(g, &weights) * phi.transpose() * factor
            };
            let (size, inner_size) = scales.sizes(self.network.width);
            for l in 0..depth {
                let x = self.read(&self.hidden[l]);
                let phi = self.value(self.inner_hidden.get(l).unwrap_or(&x));
                let outer = direction(&self.signals[l + 1], phi, scales.update_hidden);
                self.outer.follow(l, (update, size), outer);
            }
            for (l, r) in inner_signals.iter().rev().enumerate() {
                let phi = self.value(&self.read(&self.hidden[l]));
                if let (Some(trained), Some(inner), Some(size)) =
                    (&mut self.inner, scales.inner, inner_size)
                {
                    trained.follow(l, (update, size), direction(r, phi, inner.update));
                }
            }
            let (x, h, g) = (columns(&self.batch), &self.hidden[depth], &self.signals[0]);
            self.ends.update(&scales, update, &x, h, chi, g, &weights);
        }
        BackwardSweep {
            gradients: self.gradients.snapshots(&self.probe, &self.signals, self.record),
            ranks: Vec::new(),
            kernel,
            coupling: None,
            nonfinite: self.signals.iter().rposition(|g| !finite(g)),
        }
    }

    fn covariances(&self) -> Option<Vec<Covariances>> {
        if !self.follows_covariances() {
            return None;
        }
        let gram = |history: &[DMatrix<f64>]| covariance(history, self.network.width);
        let at = |(i, &layer): (usize, &usize)| Covariances {
            features: (layer < self.network.depth).then(|| gram(&self.feature_history[i])),
            gradients: (layer > 0).then(|| gram(&self.gradient_history[i])),
            ..Covariances::default()
        };
        Some(self.probe.layers.iter().enumerate().map(at).collect())
    }
}
