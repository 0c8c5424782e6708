//! Branches that read h over its root mean square. Source: docs/theory.md, section 1.5.
//!
//! ```text
//! x = h/ρ,  ρ² = |h|²/n;   what comes back to x goes on to h as J v,  J = (I − x xᵀ/n)/ρ
//! ```
//!
//! Sums over rows go in f64, piece by piece in one order; x is formed anew in the backward pass.

use super::pointwise;
use crate::backend::Network;
use crate::backend::cpu::simd::dispatch::kernel;
use crate::backend::cpu::simd::format::Format;
use crate::backend::cpu::simd::lanes::Register;
use crate::backend::real::Real;
use crate::backend::vectors::{Piece, ROWS, Vectors};
use crate::model::{Activation, Normalization};
use crate::rng::normal::Instructions;

/// What the branch at hand reads of a batch, and room for what comes back to it.
pub struct Normalized<T> {
    set: Instructions,
    /// x, n×P.
    x: Vectors<T>,
    /// What comes back to x, n×P.
    back: Vectors<T>,
}

impl<T: Format> Normalized<T> {
    /// For the branches of `network`; None where they read h as it is.
    pub fn of(network: &Network, set: Instructions) -> Option<Self> {
        let none = || Vectors::zeros(network.width, 0);
        match network.scales.normalization {
            Normalization::None => None,
            Normalization::Rms => Some(Normalized { set, x: none(), back: none() }),
        }
    }

    /// The vectors of a batch, which the caller gives their size.
    pub fn vectors_mut(&mut self) -> [&mut Vectors<T>; 2] {
        [&mut self.x, &mut self.back]
    }

    /// x of the features `h`, n×P. Where h is 0, x is not finite.
    pub fn read(&mut self, h: &Vectors<T>) -> &Vectors<T> {
        self.divide(h);
        &self.x
    }

    /// Writes x of `h`; 1/ρ of every sample.
    fn divide(&mut self, h: &Vectors<T>) -> Vec<T> {
        let mut squares = vec![0.0; h.samples()];
        products(self.set, h.pieces(), h.pieces(), &mut squares);
        let over = |square: f64| T::of((square / h.rows() as f64).sqrt().recip());
        let over: Vec<T> = squares.into_iter().map(over).collect();
        pointwise::scale(self.set, &over, h.pieces(), self.x.pieces_mut());
        over
    }

    /// Carries gradients through a branch that read x of `h`, g ← carry · g + J (scale · φ'(x) ∘ y); whether all
    /// of g is finite.
    pub fn descend(
        &mut self,
        activation: Activation,
        (h, y): (&Vectors<T>, &Vectors<T>),
        g: &mut Vectors<T>,
        (carry, scale): (T, T),
    ) -> bool {
        let over = self.divide(h);
        let Normalized { set, x, back } = self;
        let (set, n) = (*set, x.rows() as f64);
        let (x, back) = (x.pieces(), back.pieces_mut());
        pointwise::descend(set, activation, x, y.pieces(), back, T::ZERO, scale);
        let mut along = vec![0.0; over.len()];
        products(set, x, back, &mut along);
        let along: Vec<T> = along.into_iter().map(|sum| T::of(sum / n)).collect();
        give_back(set, (&over, &along), x, back, g.pieces_mut(), carry)
    }
}

kernel! {
    /// out_p += Σ x_p y_p over all rows, of as many samples as `out` has; products and sums in f64.
    products(x: &[Piece<T>], y: &[Piece<T>], out: &mut [f64]) = products_body
}
kernel! {
    /// y_p ← carry · y_p + k_p (v_p − a_p x_p) with (k, a) = `of_sample`; whether all of it is finite.
    give_back(
        of_sample: (&[T], &[T]), x: &[Piece<T>], v: &[Piece<T>], y: &mut [Piece<T>], carry: T
    ) -> bool = give_back_body
}

#[inline(always)]
fn products_body<R: Register, const C: usize, const FUSED: bool>(
    x: &[Piece<R::Real>],
    y: &[Piece<R::Real>],
    out: &mut [f64],
) {
    let samples = out.len().max(1);
    for (x, y) in x.chunks(samples).zip(y.chunks(samples)) {
        for ((x, y), out) in x.iter().zip(y).zip(&mut *out) {
            let mut sum = R::Wide::splat(0.0);
            for at in 0..ROWS / R::Wide::LANES {
                sum = R::load_wide(x, at).mul_add(R::load_wide(y, at), sum);
            }
            *out += sum.sum();
        }
    }
}

#[inline(always)]
fn give_back_body<R: Register, const C: usize, const FUSED: bool>(
    (k, a): (&[R::Real], &[R::Real]),
    x: &[Piece<R::Real>],
    v: &[Piece<R::Real>],
    y: &mut [Piece<R::Real>],
    carry: R::Real,
) -> bool {
    let (zero, carry) = (R::splat(R::Real::ZERO), R::splat(carry));
    let samples = k.len().max(1);
    let mut zeros = zero;
    for ((x, v), y) in x.chunks(samples).zip(v.chunks(samples)).zip(y.chunks_mut(samples)) {
        let columns = x.iter().zip(v).zip(y).zip(k.iter().zip(a));
        for (((x, v), y), (&k, &a)) in columns {
            let (k, minus) = (R::splat(k), R::splat(-a));
            for q in 0..ROWS / R::LANES {
                let beside = R::load(x, q).mul_add(minus, R::load(v, q));
                let sum = R::load(y, q).mul_add(carry, beside.mul_add(k, zero));
                sum.store(y, q);
                // 0 · x is NaN for infinities and NaN, and stays so in a sum.
                zeros = sum.mul_add(zero, zeros);
            }
        }
    }
    zeros.sum() == 0.0
}
