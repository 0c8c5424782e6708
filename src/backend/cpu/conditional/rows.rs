//! What is done to whole vectors, tile by tile: combinations of columns, and the rows of the answers
//! of one layer.

use nalgebra::DMatrix;

use super::arena::{Arena, Columns};
use super::kernels;
use super::memory::{Image, Memory};
use super::near::{Ahead, Near, Start};
use super::orthogonal::rows_of;
use super::panel::{CHUNK, Panel, TileMut, chunks_of, tiles_in};
use super::tiles;
use crate::backend::Network;
use crate::backend::cpu::simd::format::Format;
use crate::rng::normal::Instructions;

/// y += columns of `x` times `k`, row by row; `k` has a row for each column of `x`.
pub fn add_combination<T: Format>(
    set: Instructions,
    x: &Panel<T>,
    k: &DMatrix<f64>,
    y: &mut Panel<T>,
) {
    let (n, k) = (x.rows(), rows_of::<T>(k, 1.0));
    tiles::sum_with(y.tiles_mut(), 0, |tile, mut y, _| {
        for (place, chunk) in chunks_of(tile, n).enumerate() {
            let x: Columns<T> = x.chunk(chunk).iter().collect();
            kernels::combine(set, Near::only(&x), &k, Start::Here, y.chunk(place));
        }
    });
}

/// Whether a matrix has any entry that is not zero.
pub fn nonzero(matrix: &DMatrix<f64>) -> bool {
    matrix.iter().any(|x| *x != 0.0)
}

/// Sets all rows of a panel to zero.
pub fn clear<T: Format>(panel: &mut Panel<T>) {
    let rows = panel.rows();
    tiles::sum_with(panel.tiles_mut(), 0, |tile, mut panel, _| {
        for place in 0..chunks_of(tile, rows).len() {
            panel.chunk(place).as_flattened_mut().fill(T::ZERO);
        }
    });
}

/// What one forward layer gives besides its rows of h.
pub struct Ascent {
    /// Whether all entries of h are finite.
    pub finite: bool,
    /// Sum of squares of the rows that were only looked at, (W − W⁽⁰⁾)φ; 0 without them.
    pub moved: f64,
}

/// The rows of a forward answer: `to` = \[`from`\] + the image, and A_new of Z. With `coupling`, its
/// coefficients along QB are followed by what they are added up in. `moved` is another image of the
/// same answer, only looked at.
pub fn advance<T: Format>(
    set: Instructions,
    (arena, memory, image): (&mut Arena<T>, &Memory, &Image<T>),
    from: Option<&Panel<T>>,
    to: &mut Panel<T>,
    coupling: Option<(&[T], &mut Panel<T>)>,
    moved: Option<&Image<T>>,
) -> Ascent {
    let n = to.rows();
    let zeros = vec![[T::ZERO; CHUNK]; moved.map_or(0, |_| to.columns())];
    let (coefficients, accumulated) = coupling.unzip();
    let accumulated = optional_tiles(accumulated, n);
    let own = to.tiles_mut().into_iter().zip(accumulated);
    let sums = arena.rewrite(image.fresh(), |stored, fresh| {
        let own: Vec<_> = fresh.into_iter().zip(own).collect();
        tiles::sum_with(own, 2, |tile, (mut fresh, (mut to, mut accumulated)), out| {
            let mut rows_moved = zeros.clone();
            let chunks = chunks_of(tile, n);
            for (place, chunk) in chunks.clone().enumerate() {
                let next = (chunk + 1).min(chunks.end - 1);
                let columns = |stack, chunk| -> Columns<T> { stored.chunk(stack, chunk).collect() };
                let (basis, answers) = (&memory.backward.basis, &memory.forward.answers);
                let here = columns(basis, chunk);
                let next: Columns<T> =
                    stored.chunk(basis, next).chain(stored.chunk(answers, next)).collect();
                let mut ahead = Ahead::new(&next, 3 + usize::from(coefficients.is_some()));
                let to = to.chunk(place);
                let start = from.map_or(Start::Zero, |from| Start::From(from.chunk(chunk)));
                let (mut answers, fresh) = (columns(answers, chunk), fresh.chunk(place));
                image.condition(&here, &mut ahead, fresh);
                answers.extend(&*fresh);
                image.write(&here, &answers, &mut ahead, (start, to));
                if let (Some(k), Some(sum)) = (coefficients, &mut accumulated) {
                    let sum = sum.chunk(place);
                    kernels::combine(set, ahead.with(&here), k, Start::Here, sum);
                }
                out[0] += f64::from(u8::from(!kernels::all_finite(set, to)));
                if let Some(moved) = moved {
                    let y = (Start::Zero, rows_moved.as_mut_slice());
                    moved.write(&here, &answers, &mut Ahead::new(&[], 0), y);
                    out[1] += kernels::squared_distance(set, &rows_moved, &zeros);
                }
            }
        })
    });
    Ascent { finite: sums[0] == 0.0, moved: sums[1] }
}

/// Tiles of a panel that need not be there.
fn optional_tiles<T: Format>(
    panel: Option<&mut Panel<T>>,
    rows: usize,
) -> Vec<Option<TileMut<'_, T>>> {
    match panel {
        Some(panel) => panel.tiles_mut().into_iter().map(Some).collect(),
        None => (0..tiles_in(rows)).map(|_| None).collect(),
    }
}

/// What one backward layer gives besides its rows of g.
pub struct Descent {
    /// Sum of squares of the coupling with forward columns of earlier steps.
    pub past: f64,
    /// Sum of squares of the coupling with forward columns of this step.
    pub same: f64,
    /// Whether all entries of g are finite.
    pub finite: bool,
}

/// The rows of a backward answer: g ← \[g\] + φ'(h) ∘ the image, and B_new of Z. With `coupling`, its
/// coefficients along QF, the couplings are added up in `accumulated`.
pub fn descend<T: Format>(
    set: Instructions,
    network: &Network,
    (arena, memory, image): (&mut Arena<T>, &Memory, &Image<T>),
    h: &Panel<T>,
    g: &mut Panel<T>,
    (coupling, accumulated): (Option<&DMatrix<f64>>, &mut [Panel<T>; 2]),
) -> Descent {
    let Network { width, activation, scales, .. } = *network;
    let samples = g.columns();
    let earlier = memory.earlier;
    let part = |first: usize, count: usize| {
        let t = coupling?.rows(first, count).into_owned();
        nonzero(&t).then(|| (first..first + count, rows_of::<T>(&t, 1.0)))
    };
    let parts = [part(0, earlier), part(earlier, memory.forward.rank() - earlier)];
    let [past, same] = accumulated;
    let past = optional_tiles(parts[0].is_some().then_some(past), width);
    let same = optional_tiles(parts[1].is_some().then_some(same), width);
    let coupled = past.into_iter().zip(same).map(|(past, same)| [past, same]);
    let own = g.tiles_mut().into_iter().zip(coupled);
    let sums = arena.rewrite(image.fresh(), |stored, fresh| {
        let own: Vec<_> = fresh.into_iter().zip(own).collect();
        tiles::sum_with(own, 3, |tile, (mut fresh, (mut g, mut sum)), out| {
            let mut slope = vec![[T::ZERO; CHUNK]; samples];
            let mut y = slope.clone();
            let chunks = chunks_of(tile, width);
            for (place, chunk) in chunks.clone().enumerate() {
                let next = (chunk + 1).min(chunks.end - 1);
                let columns = |stack, chunk| -> Columns<T> { stored.chunk(stack, chunk).collect() };
                let (basis, answers) = (&memory.forward.basis, &memory.backward.answers);
                let here = columns(basis, chunk);
                let next: Columns<T> =
                    stored.chunk(basis, next).chain(stored.chunk(answers, next)).collect();
                let mut ahead = Ahead::new(&next, 3 + parts.iter().flatten().count());
                slope.copy_from_slice(h.chunk(chunk));
                kernels::slope(set, activation, &mut slope);
                let (mut answers, fresh) = (columns(answers, chunk), fresh.chunk(place));
                image.condition(&here, &mut ahead, fresh);
                answers.extend(&*fresh);
                image.write(&here, &answers, &mut ahead, (Start::Zero, &mut y));
                let g = g.chunk(place);
                if !scales.skip {
                    g.as_flattened_mut().fill(T::ZERO);
                }
                kernels::add_product(set, &slope, &y, g);
                out[0] += f64::from(u8::from(!kernels::all_finite(set, g)));
                for (i, part) in parts.iter().enumerate() {
                    if let (Some((columns, k)), Some(sum)) = (part, &mut sum[i]) {
                        let q = ahead.with(&here[columns.clone()]);
                        kernels::combine(set, q, k, Start::Zero, &mut y);
                        out[1 + i] += kernels::add_product(set, &slope, &y, sum.chunk(place));
                    }
                }
            }
        })
    });
    Descent { past: sums[1], same: sums[2], finite: sums[0] == 0.0 }
}

/// The sum of squares of all entries of a panel.
pub fn squares<T: Format>(set: Instructions, x: &Panel<T>) -> f64 {
    let n = x.rows();
    let zero = vec![[T::ZERO; CHUNK]; x.columns()];
    let sums = tiles::sum(n, 1, |tile, out| {
        for chunk in chunks_of(tile, n) {
            out[0] += kernels::squared_distance(set, x.chunk(chunk), &zero);
        }
    });
    sums[0]
}

/// Whether every entry of a panel is finite.
pub fn finite<T: Format>(set: Instructions, x: &Panel<T>) -> bool {
    let n = x.rows();
    let sums = tiles::sum(n, 1, |tile, out| {
        for chunk in chunks_of(tile, n) {
            out[0] += f64::from(u8::from(!kernels::all_finite(set, x.chunk(chunk))));
        }
    });
    sums[0] == 0.0
}
