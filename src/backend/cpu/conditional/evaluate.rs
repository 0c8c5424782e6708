//! Outputs of samples that are asked about and forgotten.

use super::Conditional;
use super::arena::Arena;
use super::ends::Inputs;
use super::memory::Image;
use super::panel::Panel;
use super::rows::advance;
use crate::backend::Network;
use crate::backend::cpu::simd::format::Format;
use crate::rng::noise::Query;

impl<T: Format> Conditional<T> {
    /// Outputs of the samples at `positions`, which are asked about and forgotten.
    pub(super) fn output(
        &self,
        arena: &mut Arena<T>,
        query: Query,
        inputs: &Inputs<T>,
        positions: &[usize],
    ) -> Vec<f64> {
        let Network { width, depth, scales, .. } = self.network;
        let mark = arena.mark();
        let room = || Panel::zeros(width, positions.len());
        let (mut from, mut to, mut residual) = (room(), room(), room());
        inputs.gather(positions, &mut from);
        for l in 1..=depth {
            let expansion = self.query_forward(arena, l, &from, &mut residual);
            let memory = &self.layers[l - 1];
            let draw = self.draw((query, l), &inputs.samples, positions);
            let answer = memory.ask_forward(self.set, (arena, expansion), draw);
            let drift = memory.drift.forward(&answer.expansion.along);
            let scale = scales.forward * memory.drift.kept();
            let image = Image::new(self.set, &answer, scale, (&drift, self.drift_scale()));
            let carried = scales.skip.then_some(&from);
            advance(self.set, (arena, memory, &image), carried, &mut to, None, None);
            arena.forget(mark);
            std::mem::swap(&mut from, &mut to);
        }
        self.read(&from)
    }
}
