//! What is done to one chunk of some columns, once for every instruction set.
//!
//! The products keep a tile of results in registers: C columns by four samples in [`dots`], four
//! samples by two registers of rows in [`combine`].
//!
//! | kernel | result | flops |
//! |---|---|---|
//! | [`dots`] | out += QᵀX | 2 · rows · c P |
//! | [`gram`] | out += XᵀX in f64 | rows · P² |
//! | [`combine`] | Y ← X + Q K | 2 · rows · c P |

// A tile is indexed by column, sample and register at once.
#![allow(clippy::needless_range_loop)]

use super::near::{Near, Start};
use super::panel::{CHUNK, Column};
use crate::backend::cpu::simd::activation;
use crate::backend::cpu::simd::dispatch::kernel;
use crate::backend::cpu::simd::format::Format;
use crate::backend::cpu::simd::hints::{Level, prefetch};
use crate::backend::cpu::simd::lanes::Register;
use crate::backend::real::Real;
use crate::model::Activation;

kernel! {
    /// out\[c P + p\] += Σ q_c x_p over the rows of the chunk, summed there in T.
    dots(q: Near<T>, x: &[Column<T>], out: &mut [f64]) = dots_body
}
kernel! {
    /// out\[i P + j\] += Σ x_i x_j for j ≥ i (and some below), products and sums in f64: exact
    /// products of f32 columns, so that the pivots of nearly dependent ones can be told from noise.
    gram(x: &[Column<T>], out: &mut [f64]) = gram_body
}
kernel! {
    /// y_p ← start_p + Σ_c q_c k\[c P + p\]
    combine(q: Near<T>, k: &[T], start: Start<T>, y: &mut [Column<T>]) = combine_body
}
kernel! {
    /// Applies the activation in place: x ← φ(x).
    value(activation: Activation, x: &mut [Column<T>]) = value_body
}
kernel! {
    /// Applies its derivative in place: x ← φ'(x).
    slope(activation: Activation, x: &mut [Column<T>]) = slope_body
}
kernel! {
    /// y ← y + a ∘ x; the sum of (a ∘ x)².
    add_product(a: &[Column<T>], x: &[Column<T>], y: &mut [Column<T>]) -> f64 = add_product_body
}
kernel! {
    /// The sum of (x − y)² over all entries, in f64.
    squared_distance(x: &[Column<T>], y: &[Column<T>]) -> f64 = squared_distance_body
}
kernel! {
    /// Whether all entries of some columns are finite.
    all_finite(x: &[Column<T>]) -> bool = all_finite_body
}

/// Whether the `at`-th register of a column begins a line of the cache.
#[inline(always)]
fn begins_line<R: Register>(at: usize) -> bool {
    (at * size_of::<R>()).is_multiple_of(64)
}

/// Asks for the lines of `columns` that are due at row `row` of a loop over all rows: in the order in
/// which they lie in memory, which is twice as fast as a line of every column at a time.
#[inline(always)]
fn prefetch_share<R: Register>(columns: &[&Column<R::Real>], row: usize) {
    let line = 64 / size_of::<R::Real>();
    let lines = CHUNK / line;
    let first = row / line * columns.len();
    for due in first..first + columns.len() {
        prefetch(Level::Second, columns[due / lines], due % lines * line);
    }
}

#[inline(always)]
fn dots_body<R: Register, const C: usize, const FUSED: bool>(
    q: Near<R::Real>,
    x: &[Column<R::Real>],
    out: &mut [f64],
) {
    let samples = x.len();
    if samples == 0 {
        return;
    }
    let mut ahead = q.ahead;
    let mut q = q.here;
    let mut out = out;
    while !q.is_empty() {
        // A last tile of one column would leave the units idle: 3 + 1 are done as 2 + 2.
        let columns = if q.len() == C + 1 { q.len() / 2 } else { q.len().min(C) };
        let (tile, rest) = q.split_at(columns);
        let (tile_ahead, rest_ahead) = ahead.split_at(columns.min(ahead.len()));
        let (sums, rest_out) = out.split_at_mut(columns * samples);
        let shape = SampleRange { first: 0, samples };
        let load = |x: &Column<R::Real>, at| R::load(x, at);
        tile_rows::<R, R>(Near { here: tile, ahead: tile_ahead }, x, shape, sums, load);
        (q, ahead, out) = (rest, rest_ahead, rest_out);
    }
}

#[inline(always)]
fn gram_body<R: Register, const C: usize, const FUSED: bool>(
    x: &[Column<R::Real>],
    out: &mut [f64],
) {
    let samples = x.len();
    for (i, sums) in out.chunks_mut((2 * samples).max(1)).enumerate() {
        let rows = &x[2 * i..samples.min(2 * i + 2)];
        // Two columns against those from the diagonal on, four at a time.
        let shape = SampleRange { first: 2 * i, samples };
        let load = |x: &Column<R::Real>, at| R::load_wide(x, at);
        match rows {
            [a, b] => tile_rows::<R, R::Wide>(Near::only(&[a, b]), x, shape, sums, load),
            [a] => tile_rows::<R, R::Wide>(Near::only(&[a]), x, shape, sums, load),
            _ => {}
        }
    }
}

/// A chunk of so many columns that their products fit into registers.
type Few<'a, T, const C: usize> = [&'a Column<T>; C];

/// Samples from `first` on, of all.
#[derive(Clone, Copy)]
struct SampleRange {
    first: usize,
    samples: usize,
}

/// Up to four columns, and what lies ahead of them or nothing, against the samples of `shape`; `S`
/// is what is summed in.
#[inline(always)]
fn tile_rows<R: Register, S: Register>(
    Near { here: q, ahead }: Near<R::Real>,
    x: &[Column<R::Real>],
    shape: SampleRange,
    out: &mut [f64],
    load: impl Fn(&Column<R::Real>, usize) -> S + Copy,
) {
    match *q {
        [a, b, c, d] => tile_row::<R, S, 4>(([a, b, c, d], ahead), x, shape, out, load),
        [a, b, c] => tile_row::<R, S, 3>(([a, b, c], ahead), x, shape, out, load),
        [a, b] => tile_row::<R, S, 2>(([a, b], ahead), x, shape, out, load),
        [a] => tile_row::<R, S, 1>(([a], ahead), x, shape, out, load),
        _ => {}
    }
}

#[inline(always)]
fn tile_row<R: Register, S: Register, const C: usize>(
    (q, ahead): (Few<R::Real, C>, &[&Column<R::Real>]),
    x: &[Column<R::Real>],
    SampleRange { first, samples }: SampleRange,
    out: &mut [f64],
    load: impl Fn(&Column<R::Real>, usize) -> S + Copy,
) {
    // The first group of samples is the first to touch the columns.
    let mut ahead = ahead;
    let mut p = first;
    while p + 4 <= samples {
        let x = [&x[p], &x[p + 1], &x[p + 2], &x[p + 3]];
        let own = (q, std::mem::take(&mut ahead));
        tile::<R, S, C, 4>(own, x, SampleRange { first: p, samples }, out, load);
        p += 4;
    }
    let shape = SampleRange { first: p, samples };
    match x[p.min(samples)..] {
        [ref a, ref b, ref c] => tile::<R, S, C, 3>((q, ahead), [a, b, c], shape, out, load),
        [ref a, ref b] => tile::<R, S, C, 2>((q, ahead), [a, b], shape, out, load),
        [ref a] => tile::<R, S, C, 1>((q, ahead), [a], shape, out, load),
        _ => {}
    }
}

#[inline(always)]
fn tile<R: Register, S: Register, const C: usize, const P: usize>(
    (q, ahead): (Few<R::Real, C>, &[&Column<R::Real>]),
    x: Few<R::Real, P>,
    SampleRange { first, samples }: SampleRange,
    out: &mut [f64],
    load: impl Fn(&Column<R::Real>, usize) -> S + Copy,
) {
    let mut sums = [[S::splat(S::Real::ZERO); P]; C];
    for at in 0..CHUNK / S::LANES {
        if begins_line::<R>(at) {
            prefetch_share::<R>(ahead, at * R::LANES);
        }
        // In a loop: `map` is compiled for no instruction set, and would call every load.
        let mut lanes = [S::splat(S::Real::ZERO); C];
        for c in 0..C {
            lanes[c] = load(q[c], at);
        }
        for p in 0..P {
            let x = load(x[p], at);
            for c in 0..C {
                sums[c][p] = lanes[c].mul_add(x, sums[c][p]);
            }
        }
    }
    for c in 0..C {
        for p in 0..P {
            out[c * samples + first + p] += sums[c][p].sum();
        }
    }
}

#[inline(always)]
fn combine_body<R: Register, const C: usize, const FUSED: bool>(
    q: Near<R::Real>,
    k: &[R::Real],
    start: Start<R::Real>,
    y: &mut [Column<R::Real>],
) {
    if let ([], Start::Here) = (q.here, start) {
        return;
    }
    let samples = y.len();
    let mut q = q;
    for (group, y) in y.chunks_mut(4).enumerate() {
        let k = k.get(4 * group..).unwrap_or_default();
        let start = match start {
            Start::From(x) => Start::From(&x[4 * group..][..y.len()]),
            start => start,
        };
        // Eight registers of sums in flight, as many as hide the latency of two fma units.
        match y {
            [_, _, _, _] => combine_tile::<R, 4, 2>(q, (k, samples), start, y),
            [_, _, _] => combine_tile::<R, 3, 2>(q, (k, samples), start, y),
            [_, _] => combine_tile::<R, 2, 4>(q, (k, samples), start, y),
            _ => combine_tile::<R, 1, 8>(q, (k, samples), start, y),
        }
        q.ahead = &[];
    }
}

#[inline(always)]
fn combine_tile<R: Register, const P: usize, const B: usize>(
    q: Near<R::Real>,
    (k, samples): (&[R::Real], usize),
    start: Start<R::Real>,
    y: &mut [Column<R::Real>],
) {
    for block in 0..CHUNK / (R::LANES * B) {
        let first = block * B;
        let mut sums = [[R::splat(R::Real::ZERO); B]; P];
        for p in 0..P {
            for b in 0..B {
                match start {
                    Start::Zero => {}
                    Start::Here => sums[p][b] = R::load(&y[p], first + b),
                    Start::From(x) => sums[p][b] = R::load(&x[p], first + b),
                }
            }
        }
        for b in 0..B {
            if begins_line::<R>(first + b) {
                prefetch_share::<R>(q.ahead, (first + b) * R::LANES);
            }
        }
        for (q, k) in q.here.iter().zip(k.chunks(samples)) {
            let mut lanes = [R::splat(R::Real::ZERO); B];
            for b in 0..B {
                lanes[b] = R::load(q.as_slice(), first + b);
            }
            for p in 0..P {
                let k = R::splat(k[p]);
                for b in 0..B {
                    sums[p][b] = lanes[b].mul_add(k, sums[p][b]);
                }
            }
        }
        for p in 0..P {
            for b in 0..B {
                sums[p][b].store(&mut y[p], first + b);
            }
        }
    }
}

#[inline(always)]
fn value_body<R: Register, const C: usize, const FUSED: bool>(
    activation: Activation,
    x: &mut [Column<R::Real>],
) {
    x.iter_mut().for_each(|x| activation::value::<R::Real, FUSED, CHUNK>(activation, x));
}

#[inline(always)]
fn slope_body<R: Register, const C: usize, const FUSED: bool>(
    activation: Activation,
    x: &mut [Column<R::Real>],
) {
    x.iter_mut().for_each(|x| activation::slope::<R::Real, FUSED, CHUNK>(activation, x));
}

#[inline(always)]
fn add_product_body<R: Register, const C: usize, const FUSED: bool>(
    a: &[Column<R::Real>],
    x: &[Column<R::Real>],
    y: &mut [Column<R::Real>],
) -> f64 {
    let zero = R::splat(R::Real::ZERO);
    let mut total = 0.0;
    for ((a, x), y) in a.iter().zip(x).zip(y) {
        let mut squares = [zero; 2];
        for at in 0..CHUNK / R::LANES {
            let product = R::load(a, at).mul_add(R::load(x, at), zero);
            let one = R::splat(R::Real::ONE);
            product.mul_add(one, R::load(y, at)).store(y, at);
            squares[at % 2] = product.mul_add(product, squares[at % 2]);
        }
        total += squares[0].sum() + squares[1].sum();
    }
    total
}

#[inline(always)]
fn squared_distance_body<R: Register, const C: usize, const FUSED: bool>(
    x: &[Column<R::Real>],
    y: &[Column<R::Real>],
) -> f64 {
    let minus = R::Wide::splat(-1.0);
    let mut total = 0.0;
    for (x, y) in x.iter().zip(y) {
        let mut squares = [R::Wide::splat(0.0); 2];
        for at in 0..CHUNK / R::Wide::LANES {
            let difference = R::load_wide(y, at).mul_add(minus, R::load_wide(x, at));
            squares[at % 2] = difference.mul_add(difference, squares[at % 2]);
        }
        total += squares[0].sum() + squares[1].sum();
    }
    total
}

#[inline(always)]
fn all_finite_body<R: Register, const C: usize, const FUSED: bool>(x: &[Column<R::Real>]) -> bool {
    // 0 · x is NaN for infinities and NaN, and stays so in a sum.
    let zero = R::splat(R::Real::ZERO);
    let mut zeros = [zero; 4];
    for x in x {
        for at in 0..CHUNK / R::LANES {
            zeros[at % 4] = R::load(x, at).mul_add(zero, zeros[at % 4]);
        }
    }
    zeros.iter().map(|zeros| zeros.sum()).sum::<f64>() == 0.0
}
