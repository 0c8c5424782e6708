//! Outputs of samples that are asked about and forgotten.

use super::Conditional;
use super::arena::Arena;
use super::ends::Inputs;
use super::panel::Panel;
use super::rms::divide;
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
        let room = |rows| Panel::zeros(rows, positions.len());
        let (mut from, mut to, mut residual) = (room(width), room(width), room(width));
        let mut inner = self.inner.as_ref().map(|inner| (inner, [0; 2].map(|_| room(inner.width))));
        let mut x = self.normalized.as_ref().map(|_| room(width));
        inputs.gather(positions, &mut from);
        let asked = (&inputs.samples, positions);
        for l in 1..=depth {
            if let Some(x) = &mut x {
                divide(self.set, &from, x);
            }
            let x = x.as_ref().unwrap_or(&from);
            if let Some((inner, [z, _])) = &mut inner {
                let (memory, query) = (&inner.memories[l - 1], query.of_inner());
                let answer = self.ask_forward(arena, memory, (query, l, asked), x, &mut residual);
                self.advance(arena, (memory, &answer), inner.factors, (None, z), (None, false));
            }
            let memory = &self.layers[l - 1];
            let (read, residual) = match &mut inner {
                Some((_, [z, residual])) => (&*z, residual),
                None => (x, &mut residual),
            };
            let answer = self.ask_forward(arena, memory, (query, l, asked), read, residual);
            let carried = scales.skip.then_some(&from);
            let to_next = (carried, &mut to);
            self.advance(arena, (memory, &answer), self.factors(), to_next, (None, false));
            arena.forget(mark);
            std::mem::swap(&mut from, &mut to);
        }
        self.read(&from)
    }
}
