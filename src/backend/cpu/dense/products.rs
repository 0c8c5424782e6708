//! The two sweeps of one weight matrix, each of which reads it once.
//!
//! ```text
//! forward    Y = W X,  and on request (W − W⁽⁰⁾) X
//! backward   Y = Wᵀ G, then W ← W − η (…) of the step
//! ```
//!
//! | kernel | bytes a weight (f32) | flops a weight |
//! |---|---|---|
//! | [`forward`] | 4 read | 2 P |
//! | [`backward`] | 4 read, 4 written (with momentum 8, 8) | 4 P |
//!
//! A tile of four rows by two samples (AVX-512: four) of Y, or of four rows by two registers of W, is
//! kept in registers.

// A tile is indexed by row, sample and register at once.
#![allow(clippy::needless_range_loop)]

use super::weights::{TILE, WeightBlock};
use crate::backend::cpu::simd::dispatch::kernel;
use crate::backend::cpu::simd::format::Format;
use crate::backend::cpu::simd::hints::{Level, prefetch_rows};
use crate::backend::cpu::simd::lanes::Register;
use crate::backend::real::Real;
use crate::backend::vectors::{Piece, ROWS};

/// Tiles of four rows in a block of 32 rows.
pub const TILES: usize = ROWS / TILE;

/// What becomes of W once it has been read: of the sum D = Σ_p g_p s_pᵀ over samples.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Step<T> {
    /// Nothing: W stays as it is.
    Keep,
    /// W ← W − η λ W + D
    Plain {
        /// −η λ
        decay: T,
    },
    /// v ← μ v + D + λ W, W ← W − η v
    Momentum {
        /// μ
        momentum: T,
        /// λ
        decay: T,
        /// η
        rate: T,
    },
}

/// Some rows of (W − W⁽⁰⁾) X, to be written beside those of W X.
pub struct Moved<'a, T> {
    /// Tiles of W⁽⁰⁾ that belong to these rows.
    pub initial: &'a [WeightBlock<T>],
    /// The rows of (W − W⁽⁰⁾) X, to be written to.
    pub y: &'a mut [Piece<T>],
}

kernel! {
    /// Rows 32b … of W X: `w` has their tiles, `y` is their block, `x` all blocks of X; those of
    /// (W − W⁽⁰⁾) X on request.
    forward(
        w: &[WeightBlock<T>], x: &[Piece<T>], y: &mut [Piece<T>], moved: Option<Moved<T>>
    ) = forward_body
}
kernel! {
    /// Some columns of WᵀG: `w` has their blocks, tile by tile, and `v` those of the velocities (or
    /// nothing, where the step needs none); G is given whole, with P; `y` becomes these rows of WᵀG
    /// (unless None). The change is by these rows of S, and the step that D = Σ_p g_p s_pᵀ makes.
    backward(
        w: &mut [&mut [WeightBlock<T>]], v: &mut [&mut [WeightBlock<T>]], g: (&[Piece<T>], usize),
        y: Option<&mut [Piece<T>]>, change: (&[Piece<T>], Step<T>)
    ) = backward_body
}

#[inline(always)]
fn forward_body<R: Register, const C: usize, const FUSED: bool>(
    w: &[WeightBlock<R::Real>],
    x: &[Piece<R::Real>],
    y: &mut [Piece<R::Real>],
    mut moved: Option<Moved<R::Real>>,
) {
    let samples = y.len();
    if samples == 0 || x.is_empty() {
        return;
    }
    let width = x.len() / samples;
    for (t, tile) in w.chunks_exact(width).enumerate() {
        let load = |b: usize, r: usize, q| R::load(&tile[b][r], q);
        let next = w.get((t + 1) * width..).unwrap_or_default();
        rows_of_tile::<R, _>((load, next), x, y, t * TILE);
        if let Some(Moved { initial, y }) = &mut moved {
            let (tile_then, next) = initial[t * width..].split_at(width);
            let minus = R::splat(-R::Real::ONE);
            let load = |b: usize, r: usize, q| {
                R::load(&tile_then[b][r], q).mul_add(minus, R::load(&tile[b][r], q))
            };
            rows_of_tile::<R, _>((load, next), x, y, t * TILE);
        }
    }
}

/// Four rows of a product, from row `at` of the block on; `load` gives a register of row r of the
/// matrix in block b of the columns, and the `next` tile comes nearer meanwhile.
#[inline(always)]
#[allow(clippy::int_plus_one)] // p + 1, as p + 2 and p + 4
pub(super) fn rows_of_tile<R: Register, W>(
    (load, next): (impl Fn(usize, usize, usize) -> R + Copy, &[WeightBlock<W>]),
    x: &[Piece<R::Real>],
    y: &mut [Piece<R::Real>],
    at: usize,
) {
    let samples = y.len();
    // As many sums as registers can hold beside what is loaded.
    let most = if size_of::<R>() == 64 { 4 } else { 2 };
    let groups = samples / most + (samples % most).count_ones() as usize;
    let (mut p, mut group) = (0, 0);
    macro_rules! tiles {
        ($count:literal) => {
            while p + $count <= samples {
                let own = (p, y.len());
                let sums = match groups {
                    1 => tile::<R, W, $count, 4>((load, next, 0), x, own),
                    2 => tile::<R, W, $count, 2>((load, next, 2 * group), x, own),
                    _ if group < TILE => tile::<R, W, $count, 1>((load, next, group), x, own),
                    _ => tile::<R, W, $count, 0>((load, next, 0), x, own),
                };
                for (y, sums) in y[p..].iter_mut().zip(sums) {
                    y[at..at + TILE].copy_from_slice(&sums);
                }
                (p, group) = (p + $count, group + 1);
            }
        };
    }
    if most == 4 {
        tiles!(4);
    }
    tiles!(2);
    tiles!(1);
}

/// Four rows for samples `first` to `first` + P; of the `next` tile N rows come nearer.
#[inline(always)]
fn tile<R: Register, W, const P: usize, const N: usize>(
    (load, next, row): (impl Fn(usize, usize, usize) -> R, &[WeightBlock<W>], usize),
    x: &[Piece<R::Real>],
    (first, samples): (usize, usize),
) -> [[R::Real; TILE]; P] {
    let mut sums = [[R::splat(R::Real::ZERO); TILE]; P];
    for (b, x) in x.chunks_exact(samples).enumerate() {
        let Some(x) = x[first..].first_chunk::<P>() else { break };
        if let Some(block) = next.get(b) {
            for r in 0..N {
                prefetch_rows(Level::First, &block[(row + r) % TILE], 0..ROWS);
            }
        }
        for q in 0..ROWS / R::LANES {
            let w: [R; TILE] = [load(b, 0, q), load(b, 1, q), load(b, 2, q), load(b, 3, q)];
            for p in 0..P {
                let x = R::load(&x[p], q);
                for r in 0..TILE {
                    sums[p][r] = w[r].mul_add(x, sums[p][r]);
                }
            }
        }
    }
    let mut four = [[R::Real::ZERO; TILE]; P];
    for p in 0..P {
        four[p] = R::sums(sums[p]);
    }
    four
}

/// Registers of a row of weights that are walked together.
pub(super) const REGISTERS: usize = 2;

/// Tiles that are done to a block of columns before the next: what is added to in Y stays near.
pub(super) const GROUP: usize = 4;

#[inline(always)]
fn backward_body<R: Register, const C: usize, const FUSED: bool>(
    w: &mut [&mut [WeightBlock<R::Real>]],
    v: &mut [&mut [WeightBlock<R::Real>]],
    (g, samples): (&[Piece<R::Real>], usize),
    mut y: Option<&mut [Piece<R::Real>]>,
    (s, step): (&[Piece<R::Real>], Step<R::Real>),
) {
    if let Some(y) = &mut y {
        y.as_flattened_mut().fill(R::Real::ZERO);
    }
    let width = w.first().map_or(0, |tile| tile.len());
    for first in (0..w.len()).step_by(GROUP) {
        for b in 0..width {
            let of_block = b * samples..(b + 1) * samples;
            let s = s.get(of_block.clone()).unwrap_or_default();
            let mut y = y.as_deref_mut().map(|y| &mut y[of_block]);
            for t in first..w.len().min(first + GROUP) {
                // The next block of the tile, or the first of that of the next group.
                let next = if b + 1 < width { (t, b + 1) } else { (t + GROUP, 0) };
                if let Some(tile) = w.get(next.0) {
                    prefetch(&tile[next.1]);
                }
                let g = &g[t / TILES * samples..][..samples];
                let v = v.get_mut(t).map(|tile| &mut tile[b]);
                block::<R>((&mut w[t][b], v), (g, t % TILES * TILE), s, y.as_deref_mut(), step);
            }
        }
    }
}

/// Asks the cache for a block of weights.
#[inline(always)]
pub(super) fn prefetch<T>(block: &WeightBlock<T>) {
    block.iter().for_each(|row| prefetch_rows(Level::First, row, 0..ROWS));
}

#[inline(always)]
fn block<R: Register>(
    (w, mut v): (&mut WeightBlock<R::Real>, Option<&mut WeightBlock<R::Real>>),
    (g, at): (&[Piece<R::Real>], usize),
    s: &[Piece<R::Real>],
    mut y: Option<&mut [Piece<R::Real>]>,
    step: Step<R::Real>,
) {
    for part in 0..ROWS / (REGISTERS * R::LANES) {
        let q = part * REGISTERS;
        let mut rows = [[R::splat(R::Real::ZERO); REGISTERS]; TILE];
        for r in 0..TILE {
            for k in 0..REGISTERS {
                rows[r][k] = R::load(&w[r], q + k);
            }
        }
        if let Some(y) = &mut y {
            add_transposed(&rows, (g, at), (y, q));
        }
        // Loops with constant ends, not `map`: the compiler then leaves the tile in registers.
        let zero = R::splat(R::Real::ZERO);
        match step {
            Step::Keep => continue,
            Step::Plain { decay } => {
                if decay != R::Real::ZERO {
                    for r in 0..TILE {
                        for k in 0..REGISTERS {
                            rows[r][k] = rows[r][k].mul_add(R::splat(decay), rows[r][k]);
                        }
                    }
                }
                add_products(&mut rows, (g, at), (s, q));
            }
            Step::Momentum { momentum, decay, rate } => {
                let Some(v) = &mut v else { continue };
                for r in 0..TILE {
                    for k in 0..REGISTERS {
                        let v = R::load(&v[r], q + k).mul_add(R::splat(momentum), zero);
                        rows[r][k] = rows[r][k].mul_add(R::splat(decay), v);
                    }
                }
                add_products(&mut rows, (g, at), (s, q));
                for r in 0..TILE {
                    for k in 0..REGISTERS {
                        rows[r][k].store(&mut v[r], q + k);
                        let before = R::load(&w[r], q + k);
                        rows[r][k] = rows[r][k].mul_add(R::splat(-rate), before);
                    }
                }
            }
        }
        for r in 0..TILE {
            for k in 0..REGISTERS {
                rows[r][k].store(&mut w[r], q + k);
            }
        }
    }
}

/// Adds rowsᵀ g_p to every y_p.
#[inline(always)]
pub(super) fn add_transposed<R: Register>(
    rows: &[[R; REGISTERS]; TILE],
    (g, at): (&[Piece<R::Real>], usize),
    (y, q): (&mut [Piece<R::Real>], usize),
) {
    for (g, y) in g.iter().zip(y) {
        let g = &g[at..at + TILE];
        let mut sums = [R::load(y, q), R::load(y, q + 1)];
        for r in 0..TILE {
            let g = R::splat(g[r]);
            for k in 0..REGISTERS {
                sums[k] = rows[r][k].mul_add(g, sums[k]);
            }
        }
        for k in 0..REGISTERS {
            sums[k].store(y, q + k);
        }
    }
}

/// rows += Σ_p g_p s_pᵀ
#[inline(always)]
fn add_products<R: Register>(
    rows: &mut [[R; REGISTERS]; TILE],
    (g, at): (&[Piece<R::Real>], usize),
    (s, q): (&[Piece<R::Real>], usize),
) {
    for (g, s) in g.iter().zip(s) {
        let g = &g[at..at + TILE];
        let s = [R::load(s, q), R::load(s, q + 1)];
        for r in 0..TILE {
            let g = R::splat(g[r]);
            for k in 0..REGISTERS {
                rows[r][k] = g.mul_add(s[k], rows[r][k]);
            }
        }
    }
}
