//! Products with a matrix in bf16, each of which reads it once (2 bytes and 2 P flops a weight), and
//! with the factors of a low-rank one.

// A tile is indexed by row, sample and register at once.
#![allow(clippy::needless_range_loop)]

use std::ops::Range;

use half::bf16;

use super::products::{GROUP, REGISTERS, TILES, add_transposed, prefetch, rows_of_tile};
use super::weights::{Block, TILE};
use crate::backend::cpu::simd::dispatch::kernel;
use crate::backend::cpu::simd::format::Format;
use crate::backend::cpu::simd::lanes::Register;
use crate::backend::real::Real;
use crate::backend::vectors::{Piece, ROWS};

kernel! {
    /// The rows of W X that belong to some tiles of a matrix W in bf16; see
    /// [`super::products::forward`].
    forward_half(w: &[Block<bf16>], x: &[Piece<T>], y: &mut [Piece<T>]) = forward_half_body
}
kernel! {
    /// Rows of WᵀG that belong to the blocks `columns` of a matrix in bf16 with `width` blocks a tile.
    backward_half(
        w: (&[Block<bf16>], usize), columns: Range<usize>, g: (&[Piece<T>], usize), y: &mut [Piece<T>]
    ) = backward_half_body
}
kernel! {
    /// k\[c P + p\] = Σ g_c x_p over all rows; C columns of G, P = k.len() / C of X.
    inner(g: (&[Piece<T>], usize), x: &[Piece<T>], k: &mut [T]) = inner_body
}
kernel! {
    /// y_p += Σ_c k\[c P + p\] s_c for one block of rows.
    add_columns(k: &[T], s: &[Piece<T>], y: &mut [Piece<T>]) = add_columns_body
}

#[inline(always)]
fn forward_half_body<R: Register, const C: usize, const FUSED: bool>(
    w: &[Block<bf16>],
    x: &[Piece<R::Real>],
    y: &mut [Piece<R::Real>],
) {
    let samples = y.len();
    if samples == 0 || x.is_empty() {
        return;
    }
    let width = x.len() / samples;
    for (t, tile) in w.chunks_exact(width).enumerate() {
        let load = |b: usize, r: usize, q| R::load_half(&tile[b][r], q);
        let next = w.get((t + 1) * width..).unwrap_or_default();
        rows_of_tile::<R, _>((load, next), x, y, t * TILE);
    }
}

#[inline(always)]
fn backward_half_body<R: Register, const C: usize, const FUSED: bool>(
    (w, width): (&[Block<bf16>], usize),
    columns: Range<usize>,
    (g, samples): (&[Piece<R::Real>], usize),
    y: &mut [Piece<R::Real>],
) {
    y.as_flattened_mut().fill(R::Real::ZERO);
    let tiles = w.len() / width;
    for first in (0..tiles).step_by(GROUP) {
        for (b, y) in columns.clone().zip(y.chunks_mut(samples)) {
            for t in first..tiles.min(first + GROUP) {
                if let Some(next) = w.get((t + GROUP) * width + b) {
                    prefetch(next);
                }
                let (w, g) = (&w[t * width + b], &g[t / TILES * samples..][..samples]);
                for q in (0..ROWS / R::LANES).step_by(REGISTERS) {
                    let mut rows = [[R::splat(R::Real::ZERO); REGISTERS]; TILE];
                    for r in 0..TILE {
                        for k in 0..REGISTERS {
                            rows[r][k] = R::load_half(&w[r], q + k);
                        }
                    }
                    add_transposed(&rows, (g, t % TILES * TILE), (y, q));
                }
            }
        }
    }
}

#[inline(always)]
fn inner_body<R: Register, const C: usize, const FUSED: bool>(
    (g, count): (&[Piece<R::Real>], usize),
    x: &[Piece<R::Real>],
    k: &mut [R::Real],
) {
    let samples = k.len() / count.max(1);
    for c in 0..count {
        let mut p = 0;
        while p + 4 <= samples {
            let sums = inner_tile::<R, 4>((g, count, c), (x, samples, p));
            k[c * samples + p..][..4].copy_from_slice(&R::sums(sums));
            p += 4;
        }
        for p in p..samples {
            let [sum] = inner_tile::<R, 1>((g, count, c), (x, samples, p));
            k[c * samples + p] = R::Real::of(sum.sum());
        }
    }
}

#[inline(always)]
fn inner_tile<R: Register, const P: usize>(
    (g, count, c): (&[Piece<R::Real>], usize, usize),
    (x, samples, p): (&[Piece<R::Real>], usize, usize),
) -> [R; P] {
    let mut sums = [R::splat(R::Real::ZERO); P];
    for (g, x) in g.chunks_exact(count).zip(x.chunks_exact(samples)) {
        let Some(x) = x[p..].first_chunk::<P>() else { break };
        for q in 0..ROWS / R::LANES {
            let g = R::load(&g[c], q);
            for i in 0..P {
                sums[i] = g.mul_add(R::load(&x[i], q), sums[i]);
            }
        }
    }
    sums
}

#[inline(always)]
fn add_columns_body<R: Register, const C: usize, const FUSED: bool>(
    k: &[R::Real],
    s: &[Piece<R::Real>],
    y: &mut [Piece<R::Real>],
) {
    let samples = y.len();
    for (p, y) in y.iter_mut().enumerate() {
        for q in (0..ROWS / R::LANES).step_by(REGISTERS) {
            let mut sums = [R::load(y, q), R::load(y, q + 1)];
            for (s, k) in s.iter().zip(k.chunks_exact(samples)) {
                let k = R::splat(k[p]);
                for i in 0..REGISTERS {
                    sums[i] = R::load(s, q + i).mul_add(k, sums[i]);
                }
            }
            for i in 0..REGISTERS {
                sums[i].store(y, q + i);
            }
        }
    }
}
