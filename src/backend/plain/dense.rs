//! The dense engine: explicit weights, forward, backward, update. Short and obvious, because the
//! fast ones are held to it.

use nalgebra::DMatrix;

use super::ends::{Ends, Signal};
use super::record::Recorder;
use super::{columns, descend, evaluate_in_parts, finite, mean_square, weighted};
use crate::backend::coefficients::covariance;
use crate::backend::{
    BackwardSweep, Covariances, ForwardSweep, Network, Probe, Set, Sweeps, Update,
};
use crate::data::Samples;
use crate::rng::noise::{Direction, Entry, Noise};

/// The hidden weights: W_1 … W_L, and for `gia` the independent W̃_l whose transposes carry the
/// gradients.
#[derive(Clone, Debug, PartialEq)]
pub struct Weights {
    /// L matrices, n×n.
    pub forward: Vec<DMatrix<f64>>,
    /// L matrices, or none: then the forward ones serve.
    pub backward: Vec<DMatrix<f64>>,
}

impl Weights {
    /// Initial weights of `network`.
    ///
    /// # Panics
    /// With closure `nfd`, for which no single matrix exists: experiments are validated before.
    pub fn sample(noise: &dyn Noise, network: &Network) -> Self {
        let draw = |direction| {
            let layer = |l| {
                let mut w = DMatrix::zeros(network.width, network.width);
                for (j, out) in w.as_mut_slice().chunks_mut(network.width).enumerate() {
                    let (layer, column) = (l as u32, j as u32);
                    noise.fill(Entry::Weight { direction, layer, column }, 0, out);
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
}

/// One run of the dense engine.
pub struct Dense {
    network: Network,
    probe: Probe,
    train: Samples,
    test: Samples,
    ends: Ends,
    weights: Weights,
    /// Of the forward and of the backward weights, once there are some.
    velocities: [Vec<Option<DMatrix<f64>>>; 2],
    initial: Vec<DMatrix<f64>>,
    /// The samples of the last forward pass, and whether it is recorded.
    batch: Samples,
    record: bool,
    hidden: Vec<DMatrix<f64>>,
    signals: Vec<DMatrix<f64>>,
    /// Passes so far.
    passes: usize,
    /// φ(h_l) and g_l of every pass at the probed layers, while the covariances are followed.
    feature_history: Vec<Vec<DMatrix<f64>>>,
    gradient_history: Vec<Vec<DMatrix<f64>>>,
    features: Recorder,
    gradients: Recorder,
}

impl Dense {
    /// A network at initialisation.
    pub fn new(
        network: Network,
        noise: &dyn Noise,
        probe: Probe,
        train: Samples,
        test: Samples,
    ) -> Self {
        let ends = Ends::sample(noise, network.width, train.dimension, network.outputs);
        let weights = Weights::sample(noise, &network);
        Dense::from_weights(network, ends, weights, probe, train, test)
    }

    /// A network with given weights.
    pub fn from_weights(
        network: Network,
        ends: Ends,
        weights: Weights,
        probe: Probe,
        train: Samples,
        test: Samples,
    ) -> Self {
        Dense {
            initial: weights.forward.clone(),
            velocities: [vec![None; network.depth], vec![None; network.depth]],
            batch: train.select([]),
            record: true,
            hidden: Vec::new(),
            signals: Vec::new(),
            passes: 0,
            feature_history: vec![Vec::new(); probe.layers.len()],
            gradient_history: vec![Vec::new(); probe.layers.len()],
            features: Recorder::default(),
            gradients: Recorder::default(),
            network,
            probe,
            train,
            test,
            ends,
            weights,
        }
    }

    /// The hidden weights as they are now.
    pub fn weights(&self) -> &Weights {
        &self.weights
    }

    /// h_0 … h_L of the last forward pass, n×P each.
    pub fn hidden(&self) -> &[DMatrix<f64>] {
        &self.hidden
    }

    /// g_0 … g_L (δ_l when O > 1) of the last backward pass, n×P each.
    pub fn signals(&self) -> &[DMatrix<f64>] {
        &self.signals
    }

    /// U and V as they are now.
    pub fn ends(&self) -> &Ends {
        &self.ends
    }

    /// Whether the covariances over all passes so far have few enough columns.
    fn follows_covariances(&self) -> bool {
        self.probe.follows_covariances(self.passes, self.train.len())
    }

    /// h_l from h_{l−1}.
    fn next(&self, w: &DMatrix<f64>, h: &DMatrix<f64>) -> DMatrix<f64> {
        let Network { activation, scales, .. } = self.network;
        let branch = w * h.map(|u| activation.value(u)) * scales.forward;
        if scales.skip { h + branch } else { branch }
    }
}

impl Sweeps for Dense {
    fn forward(&mut self, _step: u32, batch: &[usize], record: bool) -> ForwardSweep {
        let Network { width, depth, activation, scales, .. } = self.network;
        self.batch = self.train.select(batch.iter().copied());
        self.record = record;
        let mut hidden = vec![self.ends.embed(&columns(&self.batch))];
        for (l, w) in self.weights.forward.iter().enumerate() {
            hidden.push(self.next(w, &hidden[l]));
        }
        self.hidden = hidden;
        let mut own_movement = 0.0;
        if record {
            for (l, (w, initial)) in self.weights.forward.iter().zip(&self.initial).enumerate() {
                let moved = (w - initial) * self.hidden[l].map(|u| activation.value(u));
                own_movement += mean_square(&moved) / (width * depth) as f64;
            }
        }
        self.passes += 1;
        let follows = self.follows_covariances();
        for (history, &layer) in self.feature_history.iter_mut().zip(&self.probe.layers) {
            if !follows {
                history.clear();
                continue;
            }
            history.push(self.hidden[layer].map(|u| activation.value(u)));
        }
        ForwardSweep {
            f: self.ends.read(&scales, &self.hidden[depth]),
            features: self.features.snapshots(&self.probe, &self.hidden, record),
            own_movement,
            ranks: Vec::new(),
            coupling: None,
            nonfinite: self.hidden.iter().position(|h| !finite(h)),
        }
    }

    fn evaluate(&mut self, _step: u32, set: Set) -> Vec<f64> {
        let samples = match set {
            Set::Train => &self.train,
            Set::Test => &self.test,
        };
        evaluate_in_parts(samples, |part| {
            let first = self.ends.embed(&columns(part));
            let last = self.weights.forward.iter().fold(first, |h, w| self.next(w, &h));
            self.ends.read(&self.network.scales, &last)
        })
    }

    fn backward(&mut self, _step: u32, chi: &[f64], update: Option<&Update>) -> BackwardSweep {
        let Network { depth, activation, scales, .. } = self.network;
        let Signal { g, weights } = self.ends.signal(chi);
        self.signals = vec![g; depth + 1];
        let transposed = match self.weights.backward.is_empty() {
            true => &self.weights.forward,
            false => &self.weights.backward,
        };
        for l in (1..=depth).rev() {
            let g = &self.signals[l];
            let slope = self.hidden[l - 1].map(|u| activation.derivative(u));
            let branch = slope.component_mul(&(transposed[l - 1].tr_mul(g) * scales.forward));
            self.signals[l - 1] = if scales.skip { g + branch } else { branch };
        }
        let follows = self.follows_covariances();
        for (history, &layer) in self.gradient_history.iter_mut().zip(&self.probe.layers) {
            if !follows {
                history.clear();
                continue;
            }
            history.push(self.signals[layer].clone());
        }
        if let Some(update) = update {
            let rate = update.rates.hidden;
            let [ahead, back] = &mut self.velocities;
            for l in 1..=depth {
                let phi = self.hidden[l - 1].map(|u| activation.value(u));
                let direction = weighted(&self.signals[l], &weights) * phi.transpose();
                let direction = direction * scales.update_hidden;
                let Weights { forward, backward } = &mut self.weights;
                if let Some(w) = backward.get_mut(l - 1) {
                    descend(w, &mut back[l - 1], rate, update, direction.clone());
                }
                descend(&mut forward[l - 1], &mut ahead[l - 1], rate, update, direction);
            }
            let (x, h, g) = (columns(&self.batch), &self.hidden[depth], &self.signals[0]);
            self.ends.update(&scales, update, &x, h, chi, g, &weights);
        }
        BackwardSweep {
            gradients: self.gradients.snapshots(&self.probe, &self.signals, self.record),
            ranks: Vec::new(),
            kernel: None,
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
        };
        Some(self.probe.layers.iter().enumerate().map(at).collect())
    }
}
