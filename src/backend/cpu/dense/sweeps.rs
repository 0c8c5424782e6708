//! The passes of the dense engine: products layer by layer, and what is recorded of them.

use nalgebra::DMatrix;

use super::matrix::{MatrixUpdate, Signal};
use super::{Dense, pointwise};
use crate::backend::archive::{Archive, Walked};
use crate::backend::cpu::simd::format::Format;
use crate::backend::{
    BackwardSweep, Covariances, EVALUATED_AT_ONCE, ForwardSweep, Network, Set, Sweeps, Update,
};

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
        let mut normalized = self.normalized.take();
        let mut hidden = std::mem::take(&mut self.hidden);
        let mut values = std::mem::take(&mut self.values);
        let mut moved = std::mem::take(&mut self.scratch);
        let mut moved_inside = std::mem::take(&mut self.inner_vectors[1]);
        self.ends.embed_batch(&self.train.select(batch.iter().copied()), &mut hidden[0]);
        let embedded = hidden[0].pieces().as_flattened();
        let mut nonfinite = (!embedded.iter().all(|h| h.widen().is_finite())).then_some(0);
        let (mut own_movement, mut inner_movement) = (0.0, 0.0);
        for (l, layer) in self.layers.iter().enumerate() {
            let (before, after) = hidden.split_at_mut(l + 1);
            let (h, next) = (&before[l], &mut after[0]);
            self.value(h, normalized.as_mut(), &mut values[l]);
            // Of the matrix that reads h.
            let moved = if self.inner.is_empty() { &mut moved } else { &mut moved_inside };
            let of_moved = record.then_some(&mut *moved);
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
                own_movement += squares.sum::<f64>() / (moved.rows() * batch.len()) as f64;
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
        self.inner_vectors[1] = moved_inside;
        self.normalized = normalized;
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
            let signal = Signal { g: &g, weights: &weights };
            let of_layer = update.map(|update| MatrixUpdate {
                update,
                scale: scales.update_hidden,
                size: scales.update_hidden,
            });
            let (y, phi, scratch) = (&mut self.product, &self.values[l], &mut self.scratch);
            let mut scale = scale;
            match self.inner.get_mut(l) {
                None => self.layers[l].backward(signal, y, phi, scratch, of_layer),
                Some(inner) => {
                    let [back, of_inner] = &mut self.inner_vectors;
                    self.layers[l].backward(signal, back, inner.value(), of_inner, of_layer);
                    scale = inner.backward(&weights, (back, scale), y, phi, scratch, update);
                }
            }
            let (h, y) = (&self.hidden[l], &self.product);
            let finite = match &mut self.normalized {
                Some(normalized) => normalized.descend(activation, (h, y), &mut g, (carry, scale)),
                None => {
                    let (h, y, g) = (h.pieces(), y.pieces(), g.pieces_mut());
                    pointwise::descend(self.set, activation, h, y, g, carry, scale)
                }
            };
            if !finite {
                nonfinite = nonfinite.or(Some(l));
            }
        }
        gradients.reverse();
        if let Some(update) = update {
            let signal = Signal { g: &g, weights: &weights };
            self.ends.update(&scales, update, chi, signal, &self.hidden[depth]);
        }
        self.signal = g;
        BackwardSweep { gradients, ranks: Vec::new(), coupling: None, kernel, nonfinite }
    }

    fn covariances(&self) -> Option<Vec<Covariances>> {
        self.follows_covariances().then(|| self.recorder.covariances(&self.network))
    }

    fn archive(&mut self, archive: &mut Archive) -> Walked {
        self.ends.archive(archive)?;
        self.layers.iter_mut().try_for_each(|layer| layer.archive(archive))?;
        self.inner.iter_mut().try_for_each(|inner| inner.archive(archive))?;
        archive.count(&mut self.passes)?;
        self.recorder.archive(archive)
    }
}
