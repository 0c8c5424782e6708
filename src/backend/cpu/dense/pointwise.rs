//! What is done to the rows of vectors one by one, between two matrices.

use crate::backend::cpu::simd::activation;
use crate::backend::cpu::simd::dispatch::kernel;
use crate::backend::cpu::simd::format::Format;
use crate::backend::cpu::simd::lanes::Register;
use crate::backend::real::Real;
use crate::backend::vectors::{Piece, ROWS};
use crate::model::Activation;

kernel! {
    /// Writes y ← φ(x), entry by entry.
    value(activation: Activation, x: &[Piece<T>], y: &mut [Piece<T>]) = value_body
}
kernel! {
    /// Adds a branch to the residual stream, y ← carry · x + scale · y; whether all of it is
    /// finite.
    advance(x: &[Piece<T>], y: &mut [Piece<T>], carry: T, scale: T) -> bool = advance_body
}
kernel! {
    /// Scales a branch that nothing is added to, y ← scale · y; whether all of it is finite.
    scale_branch(y: &mut [Piece<T>], scale: T) -> bool = scale_branch_body
}
kernel! {
    /// Carries gradients through an activation, g ← carry · g + scale · φ'(h) ∘ y; whether all of
    /// it is finite.
    descend(
        activation: Activation, h: &[Piece<T>], y: &[Piece<T>], g: &mut [Piece<T>], carry: T, scale: T
    ) -> bool = descend_body
}
kernel! {
    /// Scales the vector of every sample p by its own factor, y_p ← k_p x_p.
    scale(k: &[T], x: &[Piece<T>], y: &mut [Piece<T>]) = scale_body
}

#[inline(always)]
fn value_body<R: Register, const C: usize, const FUSED: bool>(
    activation: Activation,
    x: &[Piece<R::Real>],
    y: &mut [Piece<R::Real>],
) {
    for (x, y) in x.iter().zip(y) {
        *y = *x;
        activation::value::<R::Real, FUSED, ROWS>(activation, y);
    }
}

#[inline(always)]
fn advance_body<R: Register, const C: usize, const FUSED: bool>(
    x: &[Piece<R::Real>],
    y: &mut [Piece<R::Real>],
    carry: R::Real,
    scale: R::Real,
) -> bool {
    let mut zeros = [R::Real::ZERO; ROWS];
    for (x, y) in x.iter().zip(y) {
        for i in 0..ROWS {
            y[i] = x[i].mul_add::<FUSED>(carry, scale * y[i]);
            zeros[i] += R::Real::ZERO * y[i];
        }
    }
    zeros.iter().all(|zero| *zero == R::Real::ZERO)
}

#[inline(always)]
fn scale_branch_body<R: Register, const C: usize, const FUSED: bool>(
    y: &mut [Piece<R::Real>],
    scale: R::Real,
) -> bool {
    let mut zeros = [R::Real::ZERO; ROWS];
    for y in y {
        for i in 0..ROWS {
            y[i] = scale * y[i];
            zeros[i] += R::Real::ZERO * y[i];
        }
    }
    zeros.iter().all(|zero| *zero == R::Real::ZERO)
}

#[inline(always)]
fn descend_body<R: Register, const C: usize, const FUSED: bool>(
    activation: Activation,
    h: &[Piece<R::Real>],
    y: &[Piece<R::Real>],
    g: &mut [Piece<R::Real>],
    carry: R::Real,
    scale: R::Real,
) -> bool {
    let zero = R::splat(R::Real::ZERO);
    let (carry, scale) = (R::splat(carry), R::splat(scale));
    let mut zeros = zero;
    for ((h, y), g) in h.iter().zip(y).zip(g) {
        let mut slope = *h;
        activation::slope::<R::Real, FUSED, ROWS>(activation, &mut slope);
        for q in 0..ROWS / R::LANES {
            let branch = R::load(y, q).mul_add(scale, zero).mul_add(R::load(&slope, q), zero);
            let g_q = R::load(g, q).mul_add(carry, branch);
            g_q.store(g, q);
            // 0 · x is NaN for infinities and NaN, and stays so in a sum.
            zeros = g_q.mul_add(zero, zeros);
        }
    }
    zeros.sum() == 0.0
}

#[inline(always)]
pub(super) fn scale_body<R: Register, const C: usize, const FUSED: bool>(
    k: &[R::Real],
    x: &[Piece<R::Real>],
    y: &mut [Piece<R::Real>],
) {
    for (x, y) in x.chunks(k.len()).zip(y.chunks_mut(k.len())) {
        for ((x, y), &k) in x.iter().zip(y).zip(k) {
            // By name: of a loop over numbers the compiler makes gathers here.
            let (k, zero) = (R::splat(k), R::splat(R::Real::ZERO));
            for q in 0..ROWS / R::LANES {
                R::load(x, q).mul_add(k, zero).store(y, q);
            }
        }
    }
}
