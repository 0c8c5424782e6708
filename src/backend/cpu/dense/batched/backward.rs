//! The backward sweep for many samples: gradients through a matrix, then what they change of it.

// A tile is indexed by row, sample and register at once; t + 1, as t + 2 and t + 3.
#![allow(clippy::needless_range_loop, clippy::int_plus_one)]

use super::super::pointwise::scale_body;
use super::super::products::{Step, TILES};
use super::super::weights::{TILE, WeightBlock};
use super::{many, share};
use crate::backend::cpu::simd::dispatch::kernel;
use crate::backend::cpu::simd::format::Format;
use crate::backend::cpu::simd::hints::{Level, prefetch_rows};
use crate::backend::cpu::simd::lanes::Register;
use crate::backend::real::Real;
use crate::backend::vectors::{Piece, ROWS};

/// Blocks of 32 rows that are gone through before the next block of columns.
pub const STRIPS: usize = 2;

/// Rows x_p of X, the k_p of s_p = k_p x_p, and the step that D = Σ_p g_p s_pᵀ makes.
pub type Change<'a, T> = (&'a [Piece<T>], &'a [T], Step<T>);

kernel! {
    /// As [`crate::backend::cpu::dense::products::backward`], but with s_p as a product; there is `room`
    /// for [`STRIPS`] P pieces.
    backward(
        w: &mut [&mut [WeightBlock<T>]], v: &mut [&mut [WeightBlock<T>]], g: (&[Piece<T>], usize),
        y: Option<&mut [Piece<T>]>, change: Change<T>, room: &mut [Piece<T>]
    ) = backward_body
}

/// Some blocks of each tile of a matrix.
type Tiles<'a, 'b, T> = &'a mut [&'b mut [WeightBlock<T>]];

#[inline(always)]
fn backward_body<R: Register, const C: usize, const FUSED: bool>(
    w: Tiles<R::Real>,
    v: Tiles<R::Real>,
    (g, samples): (&[Piece<R::Real>], usize),
    mut y: Option<&mut [Piece<R::Real>]>,
    (x, k, step): Change<R::Real>,
    room: &mut [Piece<R::Real>],
) {
    let width = w.first().map_or(0, |tile| tile.len());
    let of_strips = g.chunks(STRIPS * samples).zip(w.chunks_mut(STRIPS * TILES));
    for (strips, (g, w)) in of_strips.enumerate() {
        let v = v.get_mut(strips * STRIPS * TILES..).unwrap_or_default();
        // k belongs to either factor of a product.
        let scaled = &mut room[..g.len()];
        if step != Step::Keep {
            scale_body::<R, C, FUSED>(k, g, scaled);
        }
        for b in 0..width {
            let of_block = b * samples..(b + 1) * samples;
            if let Some(y) = &mut y {
                add_transposed::<R>((w, b), g, &mut y[of_block.clone()], strips == 0);
            }
            if step == Step::Keep {
                continue;
            }
            let x = &x[of_block];
            for (strip, (w, g)) in w.chunks_mut(TILES).zip(scaled.chunks(samples)).enumerate() {
                let v = v.get_mut(strip * TILES..).unwrap_or_default();
                add_products::<R>((w, v, b), g, x, step);
            }
        }
    }
}

/// Registers of a row of weights that are walked together.
const REGISTERS: usize = 2;

/// Adds what the blocks `b` of some tiles make of their rows of G to every y_p, or writes it there.
#[inline(always)]
fn add_transposed<R: Register>(
    (w, b): (&[&mut [WeightBlock<R::Real>]], usize),
    g: &[Piece<R::Real>],
    y: &mut [Piece<R::Real>],
    first: bool,
) {
    let samples = y.len();
    let most = if many::<R>() { 14 } else { 6 };
    let groups = samples.div_ceil(most);
    let (each, more) = (samples / groups, samples % groups);
    let mut at = 0;
    for group in 0..groups {
        let count = each + usize::from(group < more);
        macro_rules! tile {
            ($($count:literal)*) => {
                match count {
                    $($count => transposed_tile::<R, $count>((w, b), (g, at), y, first),)*
                    _ => (at..at + count).for_each(|at| {
                        transposed_tile::<R, 1>((w, b), (g, at), y, first);
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
    (w, b): (&[&mut [WeightBlock<R::Real>]], usize),
    (g, at): (&[Piece<R::Real>], usize),
    y: &mut [Piece<R::Real>],
    first: bool,
) {
    let samples = y.len();
    let Some(y) = y[at..].first_chunk_mut::<P>() else { return };
    let rows = share(at, P, samples);
    for q in (0..ROWS / R::LANES).step_by(REGISTERS) {
        let mut sum = [[R::splat(R::Real::ZERO); REGISTERS]; P];
        if !first {
            for p in 0..P {
                for k in 0..REGISTERS {
                    sum[p][k] = R::load(&y[p], q + k);
                }
            }
        }
        for (w, g) in w.chunks(TILES).zip(g.chunks_exact(samples)) {
            let Some(g) = g[at..].first_chunk::<P>() else { break };
            for (t, tile) in w.iter().enumerate() {
                if t >= TILES {
                    break;
                }
                let block = &tile[b];
                if q == 0
                    && let Some(next) = tile.get(b + 1)
                {
                    for row in &next[rows.clone()] {
                        prefetch_rows(Level::First, row, 0..ROWS);
                    }
                }
                for r in 0..TILE {
                    let w = [R::load(&block[r], q), R::load(&block[r], q + 1)];
                    for p in 0..P {
                        let g = R::splat(g[p][t * TILE + r]);
                        for k in 0..REGISTERS {
                            sum[p][k] = w[k].mul_add(g, sum[p][k]);
                        }
                    }
                }
            }
        }
        for p in 0..P {
            for k in 0..REGISTERS {
                sum[p][k].store(&mut y[p], q + k);
            }
        }
    }
}

/// The step that Σ_p g_p s_pᵀ makes of the blocks `b` of up to eight tiles.
#[inline(always)]
fn add_products<R: Register>(
    (w, v, b): (Tiles<R::Real>, Tiles<R::Real>, usize),
    g: &[Piece<R::Real>],
    s: &[Piece<R::Real>],
    step: Step<R::Real>,
) {
    let mut t = 0;
    macro_rules! rows {
        ($($tiles:literal [$($first:literal + $count:literal),*])*) => {
            $(
                while t + $tiles <= w.len() {
                    let v = v.get_mut(t..).unwrap_or_default();
                    $(changed_tiles::<R, $tiles, $first, $count>(
                        (&mut w[t..], v, b), (g, t * TILE + $first), s, step,
                    );)*
                    t += $tiles;
                }
            )*
        };
    }
    if many::<R>() {
        rows!(3[0 + 12] 2[0 + 8] 1[0 + 4]);
    } else {
        rows!(3[0 + 6, 6 + 6] 2[0 + 4, 4 + 4] 1[0 + 4]);
    }
}

/// The same of M rows, from the F-th of T tiles on, whose rows of G are those from `at` on.
#[inline(always)]
fn changed_tiles<R: Register, const T: usize, const F: usize, const M: usize>(
    (w, v, b): (Tiles<R::Real>, Tiles<R::Real>, usize),
    (g, at): (&[Piece<R::Real>], usize),
    s: &[Piece<R::Real>],
    step: Step<R::Real>,
) {
    let Some(w) = w.first_chunk_mut::<T>() else { return };
    let zero = R::splat(R::Real::ZERO);
    for q in (0..ROWS / R::LANES).step_by(REGISTERS) {
        let mut sum = [[zero; REGISTERS]; M];
        // Loops with constant ends, not `map`: the compiler then leaves the sums in registers.
        macro_rules! each {
            (|$r:ident, $k:ident| $body:expr) => {
                for $r in 0..M {
                    for $k in 0..REGISTERS {
                        $body
                    }
                }
            };
        }
        macro_rules! row {
            ($of:ident, $r:ident) => {
                $of[(F + $r) / TILE][b][(F + $r) % TILE]
            };
        }
        match step {
            Step::Keep => {}
            Step::Plain { decay } => {
                each!(|r, k| sum[r][k] = R::load(&row!(w, r), q + k));
                if decay != R::Real::ZERO {
                    each!(|r, k| sum[r][k] = sum[r][k].mul_add(R::splat(decay), sum[r][k]));
                }
                sum_products(&mut sum, (g, at), (s, q));
                each!(|r, k| sum[r][k].store(&mut row!(w, r), q + k));
            }
            Step::Momentum { momentum, decay, rate } => {
                let Some(v) = v.first_chunk_mut::<T>() else { return };
                each!(|r, k| {
                    let v = R::load(&row!(v, r), q + k).mul_add(R::splat(momentum), zero);
                    sum[r][k] = R::load(&row!(w, r), q + k).mul_add(R::splat(decay), v);
                });
                sum_products(&mut sum, (g, at), (s, q));
                each!(|r, k| {
                    sum[r][k].store(&mut row!(v, r), q + k);
                    let before = R::load(&row!(w, r), q + k);
                    sum[r][k].mul_add(R::splat(-rate), before).store(&mut row!(w, r), q + k);
                });
            }
        }
    }
}

/// sum += Σ_p g_p s_pᵀ
#[inline(always)]
fn sum_products<R: Register, const M: usize>(
    sum: &mut [[R; REGISTERS]; M],
    (g, at): (&[Piece<R::Real>], usize),
    (s, q): (&[Piece<R::Real>], usize),
) {
    // What could panic in the loop would keep the sums in memory, as would anything to be dropped then
    // in the kernel: its room is the caller's.
    if at > ROWS - M {
        return;
    }
    for (g, s) in g.iter().zip(s) {
        let g = &g[at..at + M];
        let s = [R::load(s, q), R::load(s, q + 1)];
        for r in 0..M {
            let g = R::splat(g[r]);
            for k in 0..REGISTERS {
                sum[r][k] = g.mul_add(s[k], sum[r][k]);
            }
        }
    }
}
