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
        let Network { depth, scales, .. } = self.network;
        let [of_outer, of_inner] = self.network.norms();
        let outer = (self.layers.as_mut_slice(), &self.asked, of_outer);
        let inner = self.inner.as_mut();
        let inner = inner.map(|of| (of.memories.as_mut_slice(), &of.asked, of_inner));
        for (memories, asked, norm) in [outer].into_iter().chain(inner) {
            for (l, memory) in memories.iter_mut().enumerate() {
                let queries = (asked.forward.last(l), asked.backward.last(l));
                if let (Some(forward), Some(backward)) = queries {
                    memory.drift.update((update, norm), weights, forward, backward);
                }
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
