//! What is done to whole vectors, tile by tile: combinations of columns, and the rows of the answers
//! of one layer.

use nalgebra::DMatrix;

use super::arena::{Arena, Columns};
use super::kernels;
use super::memory::{AnswerRows, Memory};
use super::near::{Ahead, Near, Start};
use super::orthogonal::rows_of;
use super::panel::{CHUNK, Panel, TileMut, chunk_after, chunks_of, tiles_in};
use super::tiles;
use crate::backend::cpu::simd::format::Format;
use crate::model::Activation;
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

/// The answer of one layer, as it is formed row by row.
pub struct LayerAnswer<'a, T: Format> {
    /// Stored columns, and the new ones that the answer is still to be given.
    pub arena: &'a mut Arena<T>,
    /// The memory of the matrix.
    pub memory: &'a Memory,
    /// How the rows follow from the columns.
    pub rows: &'a AnswerRows<T>,
}

/// A coupling with the other side's queries, to be added up over layers.
pub struct Coupling<'a, T> {
    /// Coefficients along the other side's basis, row by row.
    pub coefficients: &'a [T],
    /// The sum over layers, n×P.
    pub sum: &'a mut Panel<T>,
}

/// What one forward layer gives besides its rows of h.
pub struct ForwardRows {
    /// Whether all entries of h are finite.
    pub finite: bool,
    /// Sum of squares of the rows that were only looked at, (W − W⁽⁰⁾)φ; 0 without them.
    pub moved: f64,
}

/// Writes the rows of a forward answer, `to` = \[`from`\] + the answer, and those of A_new, and adds
/// `coupling` up. The rows of `moved`, another form of the same answer, are only looked at.
pub fn advance<T: Format>(
    set: Instructions,
    LayerAnswer { arena, memory, rows: image }: LayerAnswer<T>,
    from: Option<&Panel<T>>,
    to: &mut Panel<T>,
    coupling: Option<Coupling<T>>,
    moved: Option<&AnswerRows<T>>,
) -> ForwardRows {
    let n = to.rows();
    let zeros = vec![[T::ZERO; CHUNK]; moved.map_or(0, |_| to.columns())];
    let (coefficients, accumulated) =
        coupling.map(|Coupling { coefficients, sum }| (coefficients, sum)).unzip();
    let accumulated = optional_tiles(accumulated, n);
    let own = to.tiles_mut().into_iter().zip(accumulated);
    let sums = arena.rewrite((n, image.fresh()), |stored, fresh| {
        let own: Vec<_> = fresh.into_iter().zip(own).collect();
        tiles::sum_with(own, 2, |tile, (mut fresh, (mut to, mut accumulated)), out| {
            let mut rows_moved = zeros.clone();
            let chunks = chunks_of(tile, n);
            for (place, chunk) in chunks.enumerate() {
                let next = chunk_after(chunk, n);
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
    ForwardRows { finite: sums[0] == 0.0, moved: sums[1] }
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

/// What one backward answer gives besides its rows.
pub struct BackwardRows {
    /// Sums of squares of the coupling with each part of the forward columns.
    pub coupled: [f64; 2],
    /// Whether all entries that were written are finite.
    pub finite: bool,
}

/// Couplings of a backward answer, to be added up.
pub struct BackwardCouplings<'a, T> {
    /// Coefficients along QF, r×P.
    pub coefficients: DMatrix<f64>,
    /// Its rows fall into two parts, of which the first has so many.
    pub split: usize,
    /// What each part is added to.
    pub sums: [&'a mut Panel<T>; 2],
}

/// Writes the rows of a backward answer, g ← \[`carried`: g\] + φ'(h) ∘ the answer, and those of B_new.
pub fn descend<T: Format>(
    (set, activation): (Instructions, Activation),
    LayerAnswer { arena, memory, rows: image }: LayerAnswer<T>,
    h: &Panel<T>,
    (g, carried): (&mut Panel<T>, bool),
    coupling: Option<BackwardCouplings<T>>,
) -> BackwardRows {
    let (width, samples) = (g.rows(), g.columns());
    let (coefficients, sums) = match coupling {
        Some(BackwardCouplings { coefficients, split, sums }) => {
            (Some((coefficients, split)), sums.map(Some))
        }
        None => (None, [None, None]),
    };
    let part = |first: usize, count: usize| {
        let t = coefficients.as_ref()?.0.rows(first, count).into_owned();
        nonzero(&t).then(|| (first..first + count, rows_of::<T>(&t, 1.0)))
    };
    let split = coefficients.as_ref().map_or(0, |(_, split)| *split);
    let parts = [part(0, split), part(split, memory.forward.rank() - split)];
    let [first, second] = sums;
    let first = optional_tiles(first.filter(|_| parts[0].is_some()), width);
    let second = optional_tiles(second.filter(|_| parts[1].is_some()), width);
    let coupled = first.into_iter().zip(second).map(|(first, second)| [first, second]);
    let own = g.tiles_mut().into_iter().zip(coupled);
    let sums = arena.rewrite((width, image.fresh()), |stored, fresh| {
        let own: Vec<_> = fresh.into_iter().zip(own).collect();
        tiles::sum_with(own, 3, |tile, (mut fresh, (mut g, mut sum)), out| {
            let mut slope = vec![[T::ZERO; CHUNK]; samples];
            let mut y = slope.clone();
            let chunks = chunks_of(tile, width);
            for (place, chunk) in chunks.enumerate() {
                let next = chunk_after(chunk, width);
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
                if !carried {
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
    BackwardRows { coupled: [sums[1], sums[2]], finite: sums[0] == 0.0 }
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
