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
//! Only X has to be laid out for that, in [`super::panels`]. The backward sweep copies 32 × 32 weights,
//! does both products with them and writes them back, so that W is read once and written once. Sums are
//! in an order that depends on n and P alone.

// A tile is indexed by row, sample and register at once.
#![allow(clippy::needless_range_loop)]

use super::panels::{panel, unpack};
use super::products::{Moved, Step, TILES, prefetch};
use super::weights::{TILE, WeightBlock};
use crate::backend::cpu::simd::dispatch::kernel;
use crate::backend::cpu::simd::format::Format;
use crate::backend::cpu::simd::hints::prefetch_rows;
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
kernel! {
    /// As [`super::products::backward`].
    backward(
        w: &mut [&mut [WeightBlock<T>]], v: &mut [&mut [WeightBlock<T>]], g: (&[Piece<T>], usize),
        y: Option<&mut [Piece<T>]>, change: (&[Piece<T>], Step<T>)
    ) = backward_body
}

/// Squares of 32 × 32 weights that are gone through before the next samples: as many as stay in L1 with
/// what they meet.
const NEAR: usize = 4;
/// Of those of one column, in the backward sweep, where a square meets G as well as S.
const STRIPS: usize = 2;

/// 32 × 32 weights.
#[repr(align(64))]
struct Square<T>([[T; ROWS]; ROWS]);

/// Whether registers are those of AVX-512, of which there are 32; of others there are 16.
const fn many<R>() -> bool {
    size_of::<R>() == 64
}

// ---------------------------------------------------------------- W X

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
                ($vectors:literal: $($tiles:literal)*) => {{
                    let mut t = 0;
                    $(
                        while t + $tiles <= tiles {
                            let of_rows = (w, width, t, near * NEAR);
                            tile_of_products::<R, $tiles, $vectors>(of_rows, (x, vectors, at), &mut sums);
                            t += $tiles;
                        }
                    )*
                    at += $vectors;
                }};
            }
            match (vectors - at, many::<R>()) {
                (1, true) | (_, false) => rows!(1: 3 2 1),
                (3, true) => rows!(3: 2 1),
                (_, true) => rows!(2: 3 2 1),
            }
        }
    }
    unpack::<R>(&sums, y);
}

/// Adds to the sums of 4 T rows, from tile `t` on, and V registers of samples, from `at` on, what the
/// blocks of columns from `first` on make, as far as X is given.
#[inline(always)]
fn tile_of_products<R: Register, const T: usize, const V: usize>(
    (w, width, t, first): (&[WeightBlock<R::Real>], usize, usize, usize),
    (x, vectors, at): (&[R::Real], usize, usize),
    sums: &mut [R::Real],
) {
    let mut tile = [[[R::splat(R::Real::ZERO); V]; TILE]; T];
    let mut rows: [&[WeightBlock<R::Real>]; T] = [&[]; T];
    for m in 0..T {
        rows[m] = &w[(t + m) * width..][first..width];
        if first > 0 {
            for r in 0..TILE {
                for i in 0..V {
                    tile[m][r][i] = R::load(sums, ((t + m) * TILE + r) * vectors + at + i);
                }
            }
        }
    }
    for (b, x) in x.chunks_exact(vectors * panel::<R>()).enumerate() {
        let x = &x[at * panel::<R>()..][..V * panel::<R>()];
        let mut blocks: [&WeightBlock<R::Real>; T] = [&rows[0][b]; T];
        for m in 0..T {
            blocks[m] = &rows[m][b];
            if at == 0 {
                if let Some(next) = rows[m].get(b + NEAR) {
                    prefetch(next);
                }
            }
        }
        for j in 0..ROWS {
            let mut registers = [R::splat(R::Real::ZERO); V];
            for i in 0..V {
                registers[i] = R::load(x, i * ROWS + j);
            }
            for m in 0..T {
                for r in 0..TILE {
                    let w = R::splat(blocks[m][r][j]);
                    for i in 0..V {
                        tile[m][r][i] = w.mul_add(registers[i], tile[m][r][i]);
                    }
                }
            }
        }
    }
    for m in 0..T {
        for r in 0..TILE {
            for i in 0..V {
                tile[m][r][i].store(sums, ((t + m) * TILE + r) * vectors + at + i);
            }
        }
    }
}

// ---------------------------------------------------------------- Wᵀ G and G Sᵀ

#[inline(always)]
fn backward_body<R: Register, const C: usize, const FUSED: bool>(
    w: &mut [&mut [WeightBlock<R::Real>]],
    v: &mut [&mut [WeightBlock<R::Real>]],
    (g, samples): (&[Piece<R::Real>], usize),
    mut y: Option<&mut [Piece<R::Real>]>,
    (s, step): (&[Piece<R::Real>], Step<R::Real>),
) {
    let width = w.first().map_or(0, |tile| tile.len());
    let mut squares = [const { Square([[R::Real::ZERO; ROWS]; ROWS]) }; STRIPS];
    let mut velocity = Square([[R::Real::ZERO; ROWS]; ROWS]);
    for (strips, w) in w.chunks_mut(STRIPS * TILES).enumerate() {
        let squares = &mut squares[..w.len().div_ceil(TILES)];
        let rows = w.len() * TILE;
        let g = &g[strips * STRIPS * samples..][..squares.len() * samples];
        for b in 0..width {
            for (square, w) in squares.iter_mut().zip(w.chunks(TILES)) {
                copy_from(w, b, square);
            }
            let of_block = b * samples..(b + 1) * samples;
            if let Some(y) = &mut y {
                let y = &mut y[of_block.clone()];
                add_transposed::<R>((squares, rows), g, y, (strips == 0, w, b + 1));
            }
            if step == Step::Keep {
                continue;
            }
            let s = &s[of_block];
            let of_strips = squares.iter_mut().zip(w.chunks_mut(TILES)).zip(g.chunks(samples));
            for (strip, ((square, w), g)) in of_strips.enumerate() {
                let first = (strips * STRIPS + strip) * TILES;
                let v = v.get_mut(first..first + w.len()).unwrap_or_default();
                copy_from(v, b, &mut velocity);
                add_products::<R>((square, &mut velocity, w.len() * TILE), g, s, step);
                copy_to(square, w, b);
                copy_to(&velocity, v, b);
            }
        }
    }
}

/// The block `b` of up to eight tiles; what there is no tile for stays as it is.
#[inline(always)]
fn copy_from<T: Real>(tiles: &[&mut [WeightBlock<T>]], b: usize, square: &mut Square<T>) {
    for (rows, tile) in square.0.chunks_exact_mut(TILE).zip(tiles) {
        rows.copy_from_slice(&tile[b]);
    }
}

#[inline(always)]
fn copy_to<T: Real>(square: &Square<T>, tiles: &mut [&mut [WeightBlock<T>]], b: usize) {
    for (rows, tile) in square.0.chunks_exact(TILE).zip(tiles) {
        tile[b].copy_from_slice(rows);
    }
}

/// Registers of a row of weights that are walked together.
const REGISTERS: usize = 2;

/// Adds Σ squareᵀ g_p, over some squares and their rows of G, to every y_p, or writes it there.
#[inline(always)]
fn add_transposed<R: Register>(
    squares: (&[Square<R::Real>], usize),
    g: &[Piece<R::Real>],
    y: &mut [Piece<R::Real>],
    (first, w, next): (bool, &[&mut [WeightBlock<R::Real>]], usize),
) {
    let samples = y.len();
    let most = if many::<R>() { 14 } else { 6 };
    let groups = samples.div_ceil(most);
    let (each, more) = (samples / groups, samples % groups);
    let mut at = 0;
    for group in 0..groups {
        let count = each + usize::from(group < more);
        let ahead = (if group == 0 { w } else { &[] }, next);
        macro_rules! tile {
            ($($count:literal)*) => {
                match count {
                    $($count => transposed_tile::<R, $count>(squares, (g, at), y, (first, ahead)),)*
                    _ => (at..at + count).for_each(|at| {
                        transposed_tile::<R, 1>(squares, (g, at), y, (first, ahead));
                    }),
                }
            };
        }
        if many::<R>() {
            tile!(8 9 10 11 12 13 14);
        } else {
            tile!(4 5 6);
        }
        at += count;
    }
}

#[inline(always)]
fn transposed_tile<R: Register, const P: usize>(
    (squares, rows): (&[Square<R::Real>], usize),
    (g, at): (&[Piece<R::Real>], usize),
    y: &mut [Piece<R::Real>],
    (first, (w, next)): (bool, (&[&mut [WeightBlock<R::Real>]], usize)),
) {
    let samples = y.len();
    let Some(y) = y[at..].first_chunk_mut::<P>() else { return };
    for q in (0..ROWS / R::LANES).step_by(REGISTERS) {
        let mut tile = [[R::splat(R::Real::ZERO); REGISTERS]; P];
        if !first {
            for p in 0..P {
                for k in 0..REGISTERS {
                    tile[p][k] = R::load(&y[p], q + k);
                }
            }
        }
        for (i, (square, g)) in squares.iter().zip(g.chunks_exact(samples)).enumerate() {
            let Some(g) = g[at..].first_chunk::<P>() else { break };
            for r in 0..ROWS.min(rows - i * ROWS) {
                if q == 0
                    && let Some(next) = w.get(i * TILES + r / TILE).and_then(|tile| tile.get(next))
                {
                    prefetch_rows(&next[r % TILE], 0..ROWS);
                }
                let w = [R::load(&square.0[r], q), R::load(&square.0[r], q + 1)];
                for p in 0..P {
                    let g = R::splat(g[p][r]);
                    for k in 0..REGISTERS {
                        tile[p][k] = w[k].mul_add(g, tile[p][k]);
                    }
                }
            }
        }
        for p in 0..P {
            for k in 0..REGISTERS {
                tile[p][k].store(&mut y[p], q + k);
            }
        }
    }
}

/// The step that Σ_p g_p s_pᵀ makes.
#[inline(always)]
fn add_products<R: Register>(
    (square, velocity, rows): (&mut Square<R::Real>, &mut Square<R::Real>, usize),
    g: &[Piece<R::Real>],
    s: &[Piece<R::Real>],
    step: Step<R::Real>,
) {
    let mut at = 0;
    macro_rules! rows {
        ($($count:literal)*) => {
            $(
                while at + $count <= rows {
                    updated_tile::<R, $count>((square, velocity, at), g, s, step);
                    at += $count;
                }
            )*
        };
    }
    if many::<R>() {
        rows!(12 8 4);
    } else {
        rows!(6 4 2);
    }
}

#[inline(always)]
fn updated_tile<R: Register, const M: usize>(
    (square, velocity, at): (&mut Square<R::Real>, &mut Square<R::Real>, usize),
    g: &[Piece<R::Real>],
    s: &[Piece<R::Real>],
    step: Step<R::Real>,
) {
    let rows = square.0[at..].first_chunk_mut::<M>();
    let (Some(rows), Some(velocity)) = (rows, velocity.0[at..].first_chunk_mut::<M>()) else {
        return;
    };
    let zero = R::splat(R::Real::ZERO);
    for q in (0..ROWS / R::LANES).step_by(REGISTERS) {
        let mut tile = [[zero; REGISTERS]; M];
        // Loops with constant ends, not `map`: the compiler then leaves the tile in registers.
        match step {
            Step::Keep => {}
            Step::Plain { decay } => {
                let decay = R::splat(decay);
                for r in 0..M {
                    for k in 0..REGISTERS {
                        let w = R::load(&rows[r], q + k);
                        tile[r][k] = w.mul_add(decay, w);
                    }
                }
                tile = with_products(tile, (g, at), (s, q));
                for r in 0..M {
                    for k in 0..REGISTERS {
                        tile[r][k].store(&mut rows[r], q + k);
                    }
                }
            }
            Step::Momentum { momentum, decay, rate } => {
                let (momentum, decay) = (R::splat(momentum), R::splat(decay));
                for r in 0..M {
                    for k in 0..REGISTERS {
                        let v = R::load(&velocity[r], q + k).mul_add(momentum, zero);
                        tile[r][k] = R::load(&rows[r], q + k).mul_add(decay, v);
                    }
                }
                tile = with_products(tile, (g, at), (s, q));
                for r in 0..M {
                    for k in 0..REGISTERS {
                        tile[r][k].store(&mut velocity[r], q + k);
                        let before = R::load(&rows[r], q + k);
                        tile[r][k].mul_add(R::splat(-rate), before).store(&mut rows[r], q + k);
                    }
                }
            }
        }
    }
}

/// tile + Σ_p g_p s_pᵀ
#[inline(always)]
fn with_products<R: Register, const M: usize>(
    mut tile: [[R; REGISTERS]; M],
    (g, at): (&[Piece<R::Real>], usize),
    (s, q): (&[Piece<R::Real>], usize),
) -> [[R; REGISTERS]; M] {
    for (g, s) in g.iter().zip(s) {
        let g = &g[at..at + M];
        let s = [R::load(s, q), R::load(s, q + 1)];
        for r in 0..M {
            let g = R::splat(g[r]);
            for k in 0..REGISTERS {
                tile[r][k] = g.mul_add(s[k], tile[r][k]);
            }
        }
    }
    tile
}
