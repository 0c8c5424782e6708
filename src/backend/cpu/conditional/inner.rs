//! The inner half of two-layer blocks: W1_l by its answers, between h_{l−1} and what W2_l reads.
//!
//! ```text
//! z = n^{-1/2} W1 φ(h),   r = φ'(z) ∘ (m M^{-1/2} W2ᵀ g)
//! ```

use super::arena::Arena;
use super::memory::{Answer, Memory};
use super::panel::Panel;
use super::record::squared_distance;
use super::{Conditional, Factors};
use crate::backend::Network;
use crate::backend::archive::{Archive, Walked};
use crate::backend::coefficients::Asked;
use crate::backend::cpu::simd::format::Format;
use crate::rng::noise::Query;
use crate::rng::normal::Instructions;

/// The inner matrices of all layers, and the vectors of M rows that a pass makes.
pub struct Inner<T> {
    /// The width M of the inner layer.
    pub width: usize,
    pub factors: Factors,
    /// W1 of layers 1..=L.
    pub memories: Vec<Memory>,
    pub asked: Asked,
    /// z_1 … z_L of the last forward pass.
    pub hidden: Vec<Panel<T>>,
    /// z_1 … z_L of the first recorded pass.
    initial: Vec<Panel<T>>,
    /// r of the layer at hand.
    pub signal: Panel<T>,
    /// A query of M rows, and what is left of it.
    pub residual: Panel<T>,
    /// Where the coupled part of r is formed.
    coupled: [Panel<T>; 2],
}

/// What one inner matrix gives in a forward pass besides z.
pub struct Entered {
    /// Sum of squares of W1's own movement, n^{-1/2} (W1 − W1⁽⁰⁾) φ(h); 0 when the pass is not recorded.
    pub moved: f64,
    /// Sum of squares of the part of z that backward queries have fixed; 0 when the pass is not recorded.
    pub coupled: f64,
    /// Whether all entries of z are finite.
    pub finite: bool,
}

impl<T: Format> Inner<T> {
    /// The inner matrices of `network` at initialisation; None where blocks have one layer.
    pub fn of(network: &Network) -> Option<Self> {
        let inner = network.scales.inner?;
        let memory = Memory::new((inner.width, network.width), network.closure);
        let none = || Panel::zeros(inner.width, 0);
        Some(Inner {
            width: inner.width,
            factors: Factors { forward: inner.forward, drift: inner.forward * inner.update },
            memories: vec![memory; network.depth],
            asked: Asked::new(network.depth),
            hidden: vec![none(); network.depth],
            initial: Vec::new(),
            signal: none(),
            residual: none(),
            coupled: [none(), none()],
        })
    }

    /// Gives all vectors room for so many samples.
    pub fn make_room(&mut self, samples: usize) {
        let [coupled, _] = &mut self.coupled;
        let vectors = [&mut self.signal, &mut self.residual, coupled].into_iter();
        let vectors = vectors.chain(&mut self.hidden);
        vectors.for_each(|x| *x = Panel::zeros(self.width, samples));
    }

    /// Mean over rows, samples and layers of the sum of squares of one layer's vectors of M rows.
    pub fn mean(&self, squares: f64) -> f64 {
        squares / (self.width * self.signal.columns() * self.memories.len()) as f64
    }

    /// Mean square over rows, samples and layers of z − z⁽⁰⁾; the first call sets the reference z⁽⁰⁾.
    pub fn movement(&mut self, set: Instructions) -> f64 {
        if self.initial.is_empty() {
            self.initial.clone_from(&self.hidden);
        }
        let pairs = self.hidden.iter().zip(&self.initial);
        let squares: f64 = pairs.map(|(z, initial)| squared_distance(set, z, initial)).sum();
        let numbers: usize = self.hidden.iter().map(|z| z.rows() * z.columns()).sum();
        squares / numbers as f64
    }

    /// Remembers the answer W1ᵀr of layer `l`, of a pass whose queries are followed if `follows`.
    pub fn remember(&mut self, l: usize, answer: &Answer, follows: bool) {
        self.memories[l - 1].remember_backward(answer);
        self.asked.backward.push(l - 1, answer.expansion.coefficients(), follows);
    }

    /// Walks over all that the matrices were asked and have answered, in the columns of an arena, and
    /// what movements are measured from.
    ///
    /// # Errors
    /// Those of the archive.
    pub fn archive(&mut self, archive: &mut Archive) -> Walked {
        self.memories.iter_mut().try_for_each(|memory| memory.archive(archive))?;
        self.asked.archive(archive)?;
        archive.list(&mut self.initial, Panel::default, |archive, z| z.archive(archive))
    }
}

impl<T: Format> Conditional<T> {
    /// z_l from h_{l−1} = `h` of a training pass, into `inner.hidden`; the answer is remembered.
    pub(super) fn enter(
        &self,
        inner: &mut Inner<T>,
        arena: &mut Arena<T>,
        (query, l): (Query, usize),
        h: &Panel<T>,
        residual: &mut Panel<T>,
    ) -> Entered {
        let (memory, factors) = (&inner.memories[l - 1], inner.factors);
        let asked = (query.of_inner(), l, (&self.train.samples, self.batch.as_slice()));
        let answer = self.ask_forward(arena, memory, asked, h, residual);
        let scale = factors.forward * memory.drift.kept();
        let z = &mut inner.hidden[l - 1];
        let rows = self.advance(arena, (memory, &answer), factors, (None, z), (None, self.record));
        let coupled = memory.forward.coupling(&answer) * if self.record { scale } else { 0.0 };
        let follows = self.follows_covariances();
        inner.asked.forward.push(l - 1, answer.expansion.coefficients(), follows);
        inner.memories[l - 1].remember_forward(&answer);
        Entered { moved: rows.moved, coupled: coupled.norm_squared(), finite: rows.finite }
    }

    /// Writes r_l to `inner.signal`, from the answer W2ᵀg of the matrix behind `memory`, which is not
    /// remembered yet. Returns the sum of squares of the part of r that forward queries have fixed, 0 of a
    /// pass that is not recorded.
    pub(super) fn turn(
        &self,
        inner: &mut Inner<T>,
        arena: &mut Arena<T>,
        (memory, answer): (&Memory, &Answer),
        l: usize,
    ) -> f64 {
        let Inner { hidden, signal, coupled: [first, second], .. } = inner;
        let split = memory.forward.rank();
        let sums = self.record.then_some((split, [first, second]));
        let (z, r) = (&hidden[l - 1], (signal, false));
        self.descend(arena, (memory, answer), self.factors(), z, r, sums).coupled[0]
    }

    /// W1ᵀr of `inner.signal`, which is remembered by [`Inner::remember`].
    pub(super) fn leave(
        &self,
        inner: &mut Inner<T>,
        arena: &mut Arena<T>,
        (query, l): (Query, usize),
    ) -> Answer {
        let Inner { memories, signal, residual, .. } = inner;
        self.ask_backward(arena, &memories[l - 1], (query.of_inner(), l), signal, residual)
    }
}
