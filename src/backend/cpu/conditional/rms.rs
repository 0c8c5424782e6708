//! Branches that read h over its root mean square. Source: docs/theory.md, section 1.5.
//!
//! ```text
//! x = h/ρ,  ρ² = |h|²/n;   what comes back to x goes on to h as J v,  J = (I − x xᵀ/n)/ρ
//! ```
//!
//! Sums over rows are those of [`tiles`], the same on any number of threads; x is formed anew in the backward
//! pass.

use super::arena::Arena;
use super::memory::{Answer, Memory};
use super::panel::{CHUNK, Column, Panel, chunks_of};
use super::rows::{BackwardRows, clear};
use super::{Conditional, Factors, kernels, tiles};
use crate::backend::Network;
use crate::backend::cpu::simd::dispatch::kernel;
use crate::backend::cpu::simd::format::Format;
use crate::backend::cpu::simd::lanes::Register;
use crate::backend::real::Real;
use crate::model::Normalization;
use crate::rng::normal::Instructions;

/// What the branch at hand reads, and room for what comes back to it; all n×P.
pub struct Normalized<T> {
    /// x of the layer at hand.
    x: Panel<T>,
    /// What comes back to x.
    back: Panel<T>,
    /// The two coupled parts of it.
    coupled: [Panel<T>; 2],
}

impl<T: Format> Normalized<T> {
    /// For the branches of `network`; None where they read h as it is.
    pub fn of(network: &Network) -> Option<Self> {
        let none = || Panel::zeros(network.width, 0);
        match network.scales.normalization {
            Normalization::None => None,
            Normalization::Rms => {
                Some(Normalized { x: none(), back: none(), coupled: [none(), none()] })
            }
        }
    }

    /// Gives all vectors room for so many samples.
    pub fn make_room(&mut self, samples: usize) {
        let Normalized { x, back, coupled: [past, same] } = self;
        for panel in [x, back, past, same] {
            *panel = Panel::zeros(panel.rows(), samples);
        }
    }

    /// x of the features `h`, n×P. Where h is 0, x is not finite.
    pub fn read(&mut self, set: Instructions, h: &Panel<T>) -> &Panel<T> {
        divide(set, h, &mut self.x);
        &self.x
    }
}

/// Writes `x` = h/ρ; 1/ρ of every column.
pub fn divide<T: Format>(set: Instructions, h: &Panel<T>, x: &mut Panel<T>) -> Vec<T> {
    let n = h.rows();
    let over = |square: f64| T::of((square / n as f64).sqrt().recip());
    let over: Vec<T> = products(set, h, h).into_iter().map(over).collect();
    tiles::sum_with(x.tiles_mut(), 0, |tile, mut x, _| {
        for (place, chunk) in chunks_of(tile, n).enumerate() {
            multiply(set, &over, h.chunk(chunk), x.chunk(place));
        }
    });
    over
}

/// Σ x_p y_p over the rows of every column.
fn products<T: Format>(set: Instructions, x: &Panel<T>, y: &Panel<T>) -> Vec<f64> {
    tiles::sum(x.rows(), x.columns(), |tile, out| {
        for chunk in chunks_of(tile, x.rows()) {
            add_products(set, x.chunk(chunk), y.chunk(chunk), out);
        }
    })
}

/// What was given to a panel.
struct Given {
    /// The sum of squares of what was added.
    squares: f64,
    /// Whether all entries are now finite.
    finite: bool,
}

/// Writes `y` ← \[`carried`: y\] + J v of every column, `over` having the 1/ρ.
fn give<T: Format>(
    set: Instructions,
    (x, over): (&Panel<T>, &[T]),
    v: &Panel<T>,
    (y, carried): (&mut Panel<T>, bool),
) -> Given {
    let n = x.rows();
    let along: Vec<T> = products(set, x, v).into_iter().map(|sum| T::of(sum / n as f64)).collect();
    let sums = tiles::sum_with(y.tiles_mut(), 2, |tile, mut y, out| {
        for (place, chunk) in chunks_of(tile, n).enumerate() {
            let y = y.chunk(place);
            if !carried {
                y.as_flattened_mut().fill(T::ZERO);
            }
            out[0] += add_beside(set, (over, &along), x.chunk(chunk), v.chunk(chunk), y);
            out[1] += f64::from(u8::from(!kernels::all_finite(set, y)));
        }
    });
    Given { squares: sums[0], finite: sums[1] == 0.0 }
}

impl<T: Format> Conditional<T> {
    /// As [`Conditional::descend`], where the branch has read `h` over its root mean square.
    pub(super) fn descend_normalized(
        &self,
        normalized: &mut Normalized<T>,
        arena: &mut Arena<T>,
        of_answer: (&Memory, &Answer, Factors),
        h: &Panel<T>,
        g: (&mut Panel<T>, bool),
        sums: Option<(usize, [&mut Panel<T>; 2])>,
    ) -> BackwardRows {
        let set = self.set;
        let Normalized { x, back, coupled: [past, same] } = normalized;
        let over = divide(set, h, x);
        let (memory, answer, factors) = of_answer;
        let inside = sums.as_ref().map(|(split, _)| {
            clear(past);
            clear(same);
            (*split, [&mut *past, &mut *same])
        });
        let read = (&*x, over.as_slice());
        let of_answer = (memory, answer);
        let mut rows = self.descend(arena, of_answer, factors, x, (back, false), inside);
        rows.finite = give(set, read, back, g).finite;
        if let Some((_, sums)) = sums {
            let parts = [past, same].into_iter().zip(sums).zip(&mut rows.coupled);
            // A part of no columns has nothing to give.
            for ((part, sum), coupled) in parts.filter(|(_, coupled)| **coupled != 0.0) {
                *coupled = give(set, read, part, (sum, true)).squares;
            }
        }
        rows
    }
}

kernel! {
    /// out_p += Σ x_p y_p over the rows of the chunk, products and sums in f64.
    add_products(x: &[Column<T>], y: &[Column<T>], out: &mut [f64]) = add_products_body
}
kernel! {
    /// y_p ← k_p x_p
    multiply(k: &[T], x: &[Column<T>], y: &mut [Column<T>]) = multiply_body
}
kernel! {
    /// y_p ← y_p + k_p (v_p − a_p x_p) with (k, a) = `of_column`; the sum of squares of what is added.
    add_beside(
        of_column: (&[T], &[T]), x: &[Column<T>], v: &[Column<T>], y: &mut [Column<T>]
    ) -> f64 = add_beside_body
}

#[inline(always)]
fn add_products_body<R: Register, const C: usize, const FUSED: bool>(
    x: &[Column<R::Real>],
    y: &[Column<R::Real>],
    out: &mut [f64],
) {
    for ((x, y), out) in x.iter().zip(y).zip(out) {
        let mut sums = [R::Wide::splat(0.0); 2];
        for at in 0..CHUNK / R::Wide::LANES {
            sums[at % 2] = R::load_wide(x, at).mul_add(R::load_wide(y, at), sums[at % 2]);
        }
        *out += sums[0].sum() + sums[1].sum();
    }
}

#[inline(always)]
fn multiply_body<R: Register, const C: usize, const FUSED: bool>(
    k: &[R::Real],
    x: &[Column<R::Real>],
    y: &mut [Column<R::Real>],
) {
    for ((x, y), &k) in x.iter().zip(y).zip(k) {
        let (k, zero) = (R::splat(k), R::splat(R::Real::ZERO));
        for at in 0..CHUNK / R::LANES {
            R::load(x, at).mul_add(k, zero).store(y, at);
        }
    }
}

#[inline(always)]
fn add_beside_body<R: Register, const C: usize, const FUSED: bool>(
    (k, a): (&[R::Real], &[R::Real]),
    x: &[Column<R::Real>],
    v: &[Column<R::Real>],
    y: &mut [Column<R::Real>],
) -> f64 {
    let (zero, one) = (R::splat(R::Real::ZERO), R::splat(R::Real::ONE));
    let mut total = 0.0;
    for (((x, v), y), (&k, &a)) in x.iter().zip(v).zip(y).zip(k.iter().zip(a)) {
        let (k, minus) = (R::splat(k), R::splat(-a));
        let mut squares = [zero; 2];
        for at in 0..CHUNK / R::LANES {
            let beside = R::load(x, at).mul_add(minus, R::load(v, at)).mul_add(k, zero);
            beside.mul_add(one, R::load(y, at)).store(y, at);
            squares[at % 2] = beside.mul_add(beside, squares[at % 2]);
        }
        total += squares[0].sum() + squares[1].sum();
    }
    total
}
