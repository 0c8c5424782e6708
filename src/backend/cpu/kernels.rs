//! What is done to one chunk of some columns, 256 rows, once for every instruction set.
//!
//! Plain array code: the compiler turns an array of `N` lanes into a vector register of the
//! instruction set of its caller. The products keep a tile of results in registers: C columns by
//! four samples in [`dots`], four samples by R registers in [`combine`].
//!
//! | kernel | result | flops |
//! |---|---|---|
//! | [`dots`] | out += QᵀX | 512 c P |
//! | [`gram`] | out += XᵀX in f64 | 256 P² |
//! | [`combine`] | Y += Q K | 512 c P |

use super::activation;
use super::panel::{CHUNK, Column};
use super::real::Real;
use crate::model::Activation;
use crate::rng::normal::Instructions;

/// Whether the processor without any extension has the fused instruction.
const PORTABLE_FUSED: bool = cfg!(any(target_arch = "aarch64", target_feature = "fma"));

/// A function for every instruction set, from one body with parameters T, N (lanes), C (columns of
/// a tile of dots, by the number of registers) and FUSED.
macro_rules! kernel {
    ($(#[$doc:meta])* $name:ident($($argument:ident: $type:ty),*) $(-> $result:ty)? = $body:ident) => {
        $(#[$doc])*
        pub fn $name<T: Real>(set: Instructions, $($argument: $type),*) $(-> $result)? {
            #[inline(always)]
            fn lanes<T: Real, const SINGLE: usize, const DOUBLE: usize, const C: usize, const FUSED: bool>(
                $($argument: $type),*
            ) $(-> $result)? {
                if size_of::<T>() == 4 {
                    $body::<T, SINGLE, C, FUSED>($($argument),*)
                } else {
                    $body::<T, DOUBLE, C, FUSED>($($argument),*)
                }
            }
            #[cfg(target_arch = "x86_64")]
            #[target_feature(enable = "avx2,fma")]
            fn avx2<T: Real>($($argument: $type),*) $(-> $result)? {
                lanes::<T, 8, 4, 3, true>($($argument),*)
            }
            #[cfg(target_arch = "x86_64")]
            #[target_feature(enable = "avx512f,avx512dq,avx512bw,avx512vl,avx2,fma")]
            fn avx512<T: Real>($($argument: $type),*) $(-> $result)? {
                lanes::<T, 16, 8, 4, true>($($argument),*)
            }
            match set {
                Instructions::Portable => lanes::<T, 4, 2, 3, PORTABLE_FUSED>($($argument),*),
                #[cfg(target_arch = "x86_64")]
                // SAFETY: a value other than Portable comes from `Instructions::available`, which
                // has seen the features.
                Instructions::Avx2 => unsafe { avx2($($argument),*) },
                #[cfg(target_arch = "x86_64")]
                // SAFETY: as above.
                Instructions::Avx512 => unsafe { avx512($($argument),*) },
                #[cfg(not(target_arch = "x86_64"))]
                _ => lanes::<T, 4, 2, 3, PORTABLE_FUSED>($($argument),*),
            }
        }
    };
}

kernel! {
    /// out\[c P + p\] += Σ q_c x_p over the rows of the chunk, summed there in T.
    dots(q: &[&Column<T>], x: &[Column<T>], out: &mut [f64]) = dots_lanes
}
kernel! {
    /// out\[i P + j\] += Σ x_i x_j for j ≥ i (and some below), products and sums in f64: exact
    /// products of f32 columns, so that the pivots of nearly dependent ones can be told from noise.
    gram(x: &[Column<T>], out: &mut [f64]) = gram_lanes
}
kernel! {
    /// y_p += Σ_c q_c k\[c P + p\]
    combine(q: &[&Column<T>], k: &[T], y: &mut [Column<T>]) = combine_lanes
}
kernel! {
    /// x ← φ(x)
    value(activation: Activation, x: &mut [Column<T>]) = value_lanes
}
kernel! {
    /// x ← φ'(x)
    slope(activation: Activation, x: &mut [Column<T>]) = slope_lanes
}
kernel! {
    /// y ← y + a ∘ x; the sum of (a ∘ x)².
    add_product(a: &[Column<T>], x: &[Column<T>], y: &mut [Column<T>]) -> f64 = add_product_lanes
}
kernel! {
    /// The sum of (x − y)², in f64.
    squared_distance(x: &[Column<T>], y: &[Column<T>]) -> f64 = squared_distance_lanes
}
kernel! {
    /// Whether all entries are finite.
    all_finite(x: &[Column<T>]) -> bool = all_finite_lanes
}

#[inline(always)]
fn load<T: Real, const N: usize>(column: &Column<T>, at: usize) -> [T; N] {
    let mut lanes = [T::ZERO; N];
    lanes.copy_from_slice(&column[at * N..(at + 1) * N]);
    lanes
}

/// a b + c
#[inline(always)]
fn fma<T: Real, const N: usize, const FUSED: bool>(a: [T; N], b: [T; N], c: [T; N]) -> [T; N] {
    let mut lanes = [T::ZERO; N];
    for i in 0..N {
        lanes[i] = a[i].mul_add::<FUSED>(b[i], c[i]);
    }
    lanes
}

/// Halves added to each other, until one is left.
#[inline(always)]
fn sum<T: Real, const N: usize>(mut lanes: [T; N]) -> f64 {
    let mut width = N / 2;
    while width > 0 {
        for i in 0..width {
            lanes[i] += lanes[i + width];
        }
        width /= 2;
    }
    lanes[0].widen()
}

#[inline(always)]
fn dots_lanes<T: Real, const N: usize, const C: usize, const FUSED: bool>(
    q: &[&Column<T>],
    x: &[Column<T>],
    out: &mut [f64],
) {
    let samples = x.len();
    if samples == 0 {
        return;
    }
    let convert = |lane| lane;
    for (q, out) in q.chunks(C).zip(out.chunks_mut(C * samples)) {
        dots_rows::<T, T, N, C, FUSED>(q, x, 0, out, convert);
    }
}

#[inline(always)]
fn gram_lanes<T: Real, const N: usize, const C: usize, const FUSED: bool>(
    x: &[Column<T>],
    out: &mut [f64],
) {
    let samples = x.len();
    if samples == 0 {
        return;
    }
    let mut columns = [&x[0]; 4];
    for (i, out) in out.chunks_mut(C * samples).enumerate() {
        let rows = &x[i * C..samples.min((i + 1) * C)];
        columns.iter_mut().zip(rows).for_each(|(column, row)| *column = row);
        let first = i * C / 4 * 4;
        // As many bytes a register in f64: half the lanes of f32.
        match (size_of::<T>(), N) {
            (4, 16) => wide::<T, 8, C, FUSED>(&columns[..rows.len()], x, first, out),
            (4, 8) | (8, 4) => wide::<T, 4, C, FUSED>(&columns[..rows.len()], x, first, out),
            (8, 8) => wide::<T, 8, C, FUSED>(&columns[..rows.len()], x, first, out),
            _ => wide::<T, 2, C, FUSED>(&columns[..rows.len()], x, first, out),
        }
    }
}

#[inline(always)]
fn wide<T: Real, const N: usize, const C: usize, const FUSED: bool>(
    q: &[&Column<T>],
    x: &[Column<T>],
    first: usize,
    out: &mut [f64],
) {
    dots_rows::<T, f64, N, C, FUSED>(q, x, first, out, Real::widen);
}

/// Up to C columns against the samples from `first` on; `S` is what is summed in.
#[inline(always)]
fn dots_rows<T: Real, S: Real, const N: usize, const C: usize, const FUSED: bool>(
    q: &[&Column<T>],
    x: &[Column<T>],
    first: usize,
    out: &mut [f64],
    convert: impl Fn(T) -> S + Copy,
) {
    match *q {
        [a, b, c, d] => dots_row::<T, S, N, 4, FUSED>([a, b, c, d], x, first, out, convert),
        [a, b, c] => dots_row::<T, S, N, 3, FUSED>([a, b, c], x, first, out, convert),
        [a, b] => dots_row::<T, S, N, 2, FUSED>([a, b], x, first, out, convert),
        [a] => dots_row::<T, S, N, 1, FUSED>([a], x, first, out, convert),
        _ => {}
    }
}

#[inline(always)]
fn dots_row<T: Real, S: Real, const N: usize, const C: usize, const FUSED: bool>(
    q: [&Column<T>; C],
    x: &[Column<T>],
    first: usize,
    out: &mut [f64],
    convert: impl Fn(T) -> S + Copy,
) {
    let samples = x.len();
    let mut p = first;
    while p + 4 <= samples {
        let x = [&x[p], &x[p + 1], &x[p + 2], &x[p + 3]];
        dots_tile::<T, S, N, C, 4, FUSED>(q, x, (p, samples), out, convert);
        p += 4;
    }
    match x[p.min(samples)..] {
        [ref a, ref b, ref c] => {
            dots_tile::<T, S, N, C, 3, FUSED>(q, [a, b, c], (p, samples), out, convert)
        }
        [ref a, ref b] => dots_tile::<T, S, N, C, 2, FUSED>(q, [a, b], (p, samples), out, convert),
        [ref a] => dots_tile::<T, S, N, C, 1, FUSED>(q, [a], (p, samples), out, convert),
        _ => {}
    }
}

#[inline(always)]
fn dots_tile<
    T: Real,
    S: Real,
    const N: usize,
    const C: usize,
    const P: usize,
    const FUSED: bool,
>(
    q: [&Column<T>; C],
    x: [&Column<T>; P],
    (first, samples): (usize, usize),
    out: &mut [f64],
    convert: impl Fn(T) -> S + Copy,
) {
    let mut sums = [[[S::ZERO; N]; P]; C];
    for at in 0..CHUNK / N {
        let q = q.map(|column| load::<T, N>(column, at).map(convert));
        for p in 0..P {
            let x = load::<T, N>(x[p], at).map(convert);
            for c in 0..C {
                sums[c][p] = fma::<S, N, FUSED>(q[c], x, sums[c][p]);
            }
        }
    }
    for c in 0..C {
        for p in 0..P {
            out[c * samples + first + p] += sum(sums[c][p]);
        }
    }
}

#[inline(always)]
fn combine_lanes<T: Real, const N: usize, const C: usize, const FUSED: bool>(
    q: &[&Column<T>],
    k: &[T],
    y: &mut [Column<T>],
) {
    let samples = y.len();
    for (group, y) in y.chunks_mut(4).enumerate() {
        let k = k.get(4 * group..).unwrap_or_default();
        // Eight registers of sums in flight, as many as hide the latency of two fma units.
        match y {
            [_, _, _, _] => combine_tile::<T, N, 4, 2, FUSED>(q, (k, samples), y),
            [_, _, _] => combine_tile::<T, N, 3, 2, FUSED>(q, (k, samples), y),
            [_, _] => combine_tile::<T, N, 2, 4, FUSED>(q, (k, samples), y),
            _ => combine_tile::<T, N, 1, 8, FUSED>(q, (k, samples), y),
        }
    }
}

#[inline(always)]
fn combine_tile<T: Real, const N: usize, const P: usize, const R: usize, const FUSED: bool>(
    q: &[&Column<T>],
    (k, samples): (&[T], usize),
    y: &mut [Column<T>],
) {
    for at in 0..CHUNK / (N * R) {
        let mut sums = [[[T::ZERO; N]; R]; P];
        for p in 0..P {
            for r in 0..R {
                sums[p][r] = load(&y[p], at * R + r);
            }
        }
        for (q, k) in q.iter().zip(k.chunks(samples)) {
            let mut lanes = [[T::ZERO; N]; R];
            for r in 0..R {
                lanes[r] = load(q, at * R + r);
            }
            for p in 0..P {
                let k = [k[p]; N];
                for r in 0..R {
                    sums[p][r] = fma::<T, N, FUSED>(lanes[r], k, sums[p][r]);
                }
            }
        }
        for p in 0..P {
            for r in 0..R {
                y[p][(at * R + r) * N..][..N].copy_from_slice(&sums[p][r]);
            }
        }
    }
}

#[inline(always)]
fn value_lanes<T: Real, const N: usize, const C: usize, const FUSED: bool>(
    activation: Activation,
    x: &mut [Column<T>],
) {
    x.iter_mut().for_each(|x| activation::value::<T, FUSED>(activation, x));
}

#[inline(always)]
fn slope_lanes<T: Real, const N: usize, const C: usize, const FUSED: bool>(
    activation: Activation,
    x: &mut [Column<T>],
) {
    x.iter_mut().for_each(|x| activation::slope::<T, FUSED>(activation, x));
}

#[inline(always)]
fn add_product_lanes<T: Real, const N: usize, const C: usize, const FUSED: bool>(
    a: &[Column<T>],
    x: &[Column<T>],
    y: &mut [Column<T>],
) -> f64 {
    let mut total = 0.0;
    for ((a, x), y) in a.iter().zip(x).zip(y) {
        let mut squares = [T::ZERO; N];
        for at in 0..CHUNK / N {
            let (a, x, before) = (load::<T, N>(a, at), load::<T, N>(x, at), load::<T, N>(y, at));
            let mut product = [T::ZERO; N];
            for i in 0..N {
                product[i] = a[i] * x[i];
                y[at * N + i] = before[i] + product[i];
            }
            squares = fma::<T, N, FUSED>(product, product, squares);
        }
        total += sum(squares);
    }
    total
}

#[inline(always)]
fn squared_distance_lanes<T: Real, const N: usize, const C: usize, const FUSED: bool>(
    x: &[Column<T>],
    y: &[Column<T>],
) -> f64 {
    let mut total = 0.0;
    for (x, y) in x.iter().zip(y) {
        let mut squares = [0.0; N];
        for at in 0..CHUNK / N {
            let (x, y) = (load::<T, N>(x, at), load::<T, N>(y, at));
            let mut difference = [0.0; N];
            for i in 0..N {
                difference[i] = x[i].widen() - y[i].widen();
            }
            squares = fma::<f64, N, FUSED>(difference, difference, squares);
        }
        total += sum(squares);
    }
    total
}

#[inline(always)]
fn all_finite_lanes<T: Real, const N: usize, const C: usize, const FUSED: bool>(
    x: &[Column<T>],
) -> bool {
    // 0 · x is NaN for infinities and NaN, and stays so in a sum.
    let mut zeros = [T::ZERO; N];
    for x in x {
        for at in 0..CHUNK / N {
            zeros = fma::<T, N, FUSED>(load(x, at), [T::ZERO; N], zeros);
        }
    }
    sum(zeros) == 0.0
}
