//! The two sweeps of one weight matrix for many samples, where they are products of matrices.
//!
//! ```text
//! forward    Y = W X
//! backward   Y = Wᵀ G, then W ← W − η (…) of the step
//! ```
//!
//! What [`super::products`] does for few samples is bound by loads here: every number of a tile of sums
//! meets each of W once, so the tile has to be as large as the registers allow. A tile is
//!
//! | product | rows × columns | lanes along | sum over | read |
//! |---|---|---|---|---|
//! | W X | 4 or 12 rows × up to 3 registers of samples | samples | columns of W | numbers of W, registers of X |
//! | Wᵀ G | 2 registers of columns × up to 14 samples | columns of W | rows of W | registers of W, numbers of G |
//! | G Sᵀ | up to 12 rows × 2 registers of columns | columns of W | samples | numbers of G, registers of S |
//!
//! Only X has to be laid out for that, in [`super::panels`]. The backward sweep does both products with
//! 64 rows × 32 columns before it goes on, so that memory is read once and written once. The order of
//! additions depends on n, P and the instruction set alone.

// A tile is indexed by row, sample and register at once; t + 1, as t + 2 and t + 3.
#![allow(clippy::needless_range_loop, clippy::int_plus_one)]

mod backward;

use std::ops::Range;

pub use backward::{STRIPS, backward};

use super::panels::{panel, unpack};
use super::products::Moved;
use super::weights::{TILE, WeightBlock};
use crate::backend::cpu::simd::dispatch::kernel;
use crate::backend::cpu::simd::format::Format;
use crate::backend::cpu::simd::hints::{Level, prefetch_rows};
use crate::backend::cpu::simd::lanes::Register;
use crate::backend::lines::Lines;
use crate::backend::real::Real;
use crate::backend::vectors::{Piece, ROWS};

/// From so many samples on, these are faster than [`super::products`].
pub const LEAST_SAMPLES: usize = 16;

kernel! {
    /// Rows 32b … of W X: `w` has their tiles, `x` all of X as [`super::panels::pack`] makes it, `y` is
    /// their block; those of (W − W⁽⁰⁾) X on request.
    forward(
        w: &[WeightBlock<T>], x: &[T], y: &mut [Piece<T>], moved: Option<Moved<T>>
    ) = forward_body
}

/// Blocks of 32 columns that are gone through before the next samples: as many as stay in L2 with what
/// they meet.
const NEAR: usize = 16;

/// Whether registers are those of AVX-512, of which there are 32; of others there are 16.
const fn many<R>() -> bool {
    size_of::<R>() == 64
}

/// The rows of the next block that are asked for while the samples from `done` on, `step` of `all`, are
/// computed with: memory is read all the time, not while the first samples are.
#[inline(always)]
fn share(done: usize, step: usize, all: usize) -> Range<usize> {
    (TILE * done).div_ceil(all)..(TILE * (done + step)).div_ceil(all).min(TILE)
}

#[inline(always)]
fn forward_body<R: Register, const C: usize, const FUSED: bool>(
    w: &[WeightBlock<R::Real>],
    x: &[R::Real],
    y: &mut [Piece<R::Real>],
    moved: Option<Moved<R::Real>>,
) {
    rows_of_product::<R>(w, x, y);
    if let Some(Moved { initial, y }) = moved {
        let mut change = w.to_vec();
        let of_change = change.as_flattened_mut().as_flattened_mut();
        for (w, initial) in of_change.iter_mut().zip(initial.as_flattened().as_flattened()) {
            *w = *w - *initial;
        }
        rows_of_product::<R>(&change, x, y);
    }
}

#[inline(always)]
fn rows_of_product<R: Register>(
    w: &[WeightBlock<R::Real>],
    x: &[R::Real],
    y: &mut [Piece<R::Real>],
) {
    let vectors = y.len().div_ceil(R::LANES);
    let of_block = vectors * panel::<R>();
    let width = x.len() / of_block.max(1);
    if width == 0 {
        return;
    }
    let tiles = w.len() / width;
    // Y as rows of samples.
    let mut sums = Lines::zeros(ROWS * vectors * R::LANES);
    for (near, x) in x.chunks(NEAR * of_block).enumerate() {
        let mut at = 0;
        while at < vectors {
            macro_rules! rows {
                ($vectors:literal: $($tiles:literal [$($first:literal + $count:literal),*])*) => {{
                    let mut t = 0;
                    $(
                        while t + $tiles <= tiles {
                            let of_tiles = (w, width, t, near * NEAR);
                            $(rows_of_tiles::<R, $tiles, $first, $count, $vectors>(
                                of_tiles, (x, vectors, at), &mut sums,
                            );)*
                            t += $tiles;
                        }
                    )*
                    at += $vectors;
                }};
            }
            match (vectors - at, many::<R>()) {
                (1, _) => rows!(1: 3[0 + 12] 2[0 + 8] 1[0 + 4]),
                (3, true) => rows!(3: 2[0 + 8] 1[0 + 4]),
                (_, true) => rows!(2: 3[0 + 12] 2[0 + 8] 1[0 + 4]),
                (_, false) => rows!(2: 3[0 + 6, 6 + 6] 2[0 + 4, 4 + 4] 1[0 + 4]),
            }
        }
    }
    unpack::<R>(&sums, y);
}

/// Adds to the sums of M rows, from the F-th of the T tiles from `t` on, and V registers of samples,
/// from `at` on, what the blocks of columns from `first` on make, as far as X is given.
#[inline(always)]
fn rows_of_tiles<R: Register, const T: usize, const F: usize, const M: usize, const V: usize>(
    (w, width, t, first): (&[WeightBlock<R::Real>], usize, usize, usize),
    (x, vectors, at): (&[R::Real], usize, usize),
    sums: &mut [R::Real],
) {
    let rows = share(at, V, vectors);
    let place = |r: usize, i| (t * TILE + F + r) * vectors + at + i;
    let mut sum = [[R::splat(R::Real::ZERO); V]; M];
    if first > 0 {
        for r in 0..M {
            for i in 0..V {
                sum[r][i] = R::load(sums, place(r, i));
            }
        }
    }
    let mut tiles: [&[WeightBlock<R::Real>]; T] = [&[]; T];
    for m in 0..T {
        tiles[m] = &w[(t + m) * width..][first..width];
    }
    for (b, x) in x.chunks_exact(vectors * panel::<R>()).enumerate() {
        let x = &x[at * panel::<R>()..][..V * panel::<R>()];
        let mut blocks: [&WeightBlock<R::Real>; T] = [&tiles[0][b]; T];
        for m in 0..T {
            blocks[m] = &tiles[m][b];
            if F == 0
                && let Some(next) = tiles[m].get(b + NEAR)
            {
                for row in &next[rows.clone()] {
                    prefetch_rows(Level::First, row, 0..ROWS);
                }
            }
        }
        for j in 0..ROWS {
            let mut samples = [R::splat(R::Real::ZERO); V];
            for i in 0..V {
                samples[i] = R::load(x, i * ROWS + j);
            }
            for r in 0..M {
                let w = R::splat(blocks[(F + r) / TILE][(F + r) % TILE][j]);
                for i in 0..V {
                    sum[r][i] = w.mul_add(samples[i], sum[r][i]);
                }
            }
        }
    }
    for r in 0..M {
        for i in 0..V {
            sum[r][i].store(sums, place(r, i));
        }
    }
}
