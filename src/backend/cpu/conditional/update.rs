//! What a pass does to the weights.

use nalgebra::DMatrix;

use super::Conditional;
use super::panel::Panel;
use crate::backend::cpu::simd::format::Format;
use crate::backend::{Network, Update};
use crate::data::Samples;

impl<T: Format> Conditional<T> {
    /// All updates of a pass, from χ (O×P), g_0 and the factors with which its columns enter.
    pub(super) fn update(
        &mut self,
        update: &Update,
        chi: &DMatrix<f64>,
        weights: &[f64],
        g: &Panel<T>,
    ) {
        let Network { width, depth, scales, .. } = self.network;
        for (l, memory) in self.layers.iter_mut().enumerate() {
            let queries = (self.forward_queries.last(l), self.backward_queries.last(l));
            if let (Some(forward), Some(backward)) = queries {
                memory.drift.update((update, width as f64), weights, forward, backward);
            }
        }
        let of = |others: &Samples| {
            // Row p: what sample p's column of g_0 does to the h_0 of each of the others.
            let k = |p, q| {
                let product = self.train.product(self.batch[p], others, q);
                scales.update_input * weights[p] * product
            };
            DMatrix::from_fn(self.batch.len(), others.len(), k)
        };
        let rate = (update, update.rates.input);
        if rate.1 != 0.0 {
            let (train, test) = (of(&self.train.samples), of(&self.test.samples));
            self.train.h.follow(self.set, rate, g, &train);
            self.test.h.follow(self.set, rate, g, &test);
        }
        let k = chi.transpose() * scales.update_readout;
        self.readout.follow(self.set, (update, update.rates.readout), &self.hidden[depth - 1], &k);
    }
}
