//! Orthogonalisation of a block of columns against stored ones, with the drop test, in as few
//! readings of the stored columns as rounding allows (docs/theory.md, section 3).
//!
//! ```text
//! pass 1   C₁ = QᵀX                                          reads Q
//! pass 2   X ← X − Q C₁,  C₂ = QᵀX,  G = XᵀX in f64          reads Q
//!          G − C₂ᵀC₂ = SᵀS, pivots below the tolerance skipped
//! pass 3   N = (X − Q C₂) S⁻¹,  C₃ = QᵀN,  NᵀN = R           reads Q
//! pass 4   N ← (N − Q C₃) S₂⁻¹,  R − C₃ᵀC₃ = S₂ᵀS₂           reads Q; only if N is not orthonormal
//! ```
//!
//! Pass 3 measures what it has made. Pass 4 is needed where S is badly conditioned, that is, where
//! columns of the block nearly depend on each other or on Q; a column of which it leaves less than
//! half was rounding, and is dropped after all.

use nalgebra::DMatrix;

use super::arena::{Arena, Columns, Stack, Stored};
use super::cholesky::{self, Factor, factor};
use super::kernels;
use super::near::{Ahead, Near, Start};
use super::panel::{Column, Panel, chunk_after, chunks_of};
use super::tiles::sum_with;
use crate::backend::coefficients::stacked;
use crate::backend::cpu::simd::format::Format;
use crate::rng::normal::Instructions;

/// The least norm, of a normalised column, that has to be left when its part along the stored columns
/// is taken off once more.
const LEAST_NEWS: f64 = 0.5;

/// A block of queries X in coefficients: X = \[Q, new\] \[along; fresh\].
#[derive(Clone, Debug)]
pub struct Expansion {
    /// Coefficients along the stored columns, r×P.
    pub along: DMatrix<f64>,
    /// Coefficients along the new ones, upper echelon with positive pivots, r'×P.
    pub fresh: DMatrix<f64>,
    /// The new orthonormal columns, r' of them.
    pub new: Stack,
    /// Which columns of X brought the new ones, ascending.
    pub kept: Vec<usize>,
}

impl Expansion {
    /// The coefficients \[along; fresh\] of X, (r+r')×P.
    pub fn coefficients(&self) -> DMatrix<f64> {
        stacked(&self.along, &self.fresh)
    }
}

/// The entries of `matrix` times `scale`, row by row, as kernels take them.
pub fn rows_of<T: Format>(matrix: &DMatrix<f64>, scale: f64) -> Vec<T> {
    matrix.transpose().iter().map(|x| T::of(x * scale)).collect()
}

/// Expands X along `basis` and appends what is new to `arena`. `write` gives a chunk of X;
/// `residual`, n×P, is where X is written and what is left of it afterwards.
pub fn expand<T: Format>(
    set: Instructions,
    arena: &mut Arena<T>,
    basis: &Stack,
    residual: &mut Panel<T>,
    write: impl Fn(usize, &mut [Column<T>]) + Sync,
    tolerance: f64,
) -> Expansion {
    let (stored, samples) = (basis.columns(), residual.columns());
    // Rows beyond `stored` belong to new columns.
    let mut coefficients = DMatrix::zeros(stored + samples, samples);
    let mut squares = vec![0.0; samples];
    let mut new = Stack::new(residual.rows());
    let mut kept = Vec::new();
    let mut first = 0;
    // As a rule one block. If rounding hides whether a column depends on those before it, these are
    // taken into the basis, and it begins another block.
    while first < samples {
        let mut extended = basis.clone();
        extended.join(&new);
        let block = Block { set, basis: extended, first };
        let rank = block.basis.columns();
        let write = (first == 0).then_some(&write);
        let along = block.project(arena.stored(), residual, write);
        let (again, mut gram) = block.subtract(arena.stored(), residual, &along);
        gram -= again.tr_mul(&again);
        if first == 0 {
            for (p, square) in squares.iter_mut().enumerate() {
                let projected = along.column(p) + again.column(p);
                *square = gram[(p, p)] + projected.norm_squared();
            }
        }
        // Finite, for a column that overflowed has to be kept; infinity is for those that must not.
        let limit = |square: &f64| (tolerance.powi(2) * square).min(f64::MAX);
        let mut least: Vec<f64> = squares[first..].iter().map(limit).collect();
        let (factor, correction) = loop {
            let factor = factor(&gram, &least);
            if factor.kept.is_empty() {
                break (factor, None);
            }
            let before = (arena.mark(), new.clone());
            let (defect, inner) = block.normalize(arena, &mut new, residual, &again, &factor);
            if orthonormal::<T>(&defect, &inner) {
                break (factor, None);
            }
            let inner = inner - defect.tr_mul(&defect);
            let correction = cholesky::factor(&inner, &vec![LEAST_NEWS.powi(2); inner.ncols()]);
            if correction.kept.len() == factor.kept.len() {
                break (factor, Some((defect, correction)));
            }
            // A column that lay in the span and came out as its own rounding is not new.
            let noise = (0..factor.kept.len()).filter(|i| !correction.kept.contains(i));
            noise.for_each(|i| least[factor.kept[i]] = f64::INFINITY);
            arena.forget(before.0);
            new = before.1;
        };
        let settled = factor.settled;
        let mut target = coefficients.view_mut((0, first), (rank, samples - first));
        target += &along;
        // The columns of a later block have not been reduced by `again`.
        let mut target = coefficients.view_mut((0, first), (rank, settled));
        target += again.columns(0, settled);
        let mut fresh = factor.rows;
        if let Some((defect, correction)) = correction {
            target += &defect * &fresh;
            block.correct(arena, &defect, &correction);
            fresh = &correction.rows * fresh;
        }
        let mut target = coefficients.view_mut((rank, first), fresh.shape());
        target.copy_from(&fresh);
        kept.extend(factor.kept.iter().map(|p| first + p));
        first += settled;
    }
    let fresh = coefficients.rows(stored, kept.len()).into_owned();
    Expansion { along: coefficients.resize_vertically(stored, 0.0), fresh, new, kept }
}

/// Whether columns with these inner products, with the stored ones and among each other, need no
/// further pass. NaN is left to be noticed elsewhere.
fn orthonormal<T: Format>(defect: &DMatrix<f64>, gram: &DMatrix<f64>) -> bool {
    let off = |(i, j): (usize, usize)| gram[(i, j)] - f64::from(u8::from(i == j));
    let pairs = (0..gram.ncols()).flat_map(|j| (0..=j).map(move |i| (i, j)));
    let worst = pairs.map(off).chain(defect.iter().copied()).fold(0.0, |a: f64, x| a.max(x.abs()));
    worst <= T::ORTHONORMAL
}

/// The columns of X from `first` on, against a basis.
struct Block {
    set: Instructions,
    basis: Stack,
    first: usize,
}

impl Block {
    /// Does `work` on every chunk of every tile, with its columns of the basis; sums what it adds.
    fn over_chunks<T: Format, I: Send>(
        &self,
        stored: Stored<T>,
        (rows, tiles): (usize, Vec<I>),
        length: usize,
        work: impl Fn(usize, (&mut I, usize), Near<T>, &mut [f64]) + Sync,
    ) -> Vec<f64> {
        sum_with(tiles, length, |tile, mut own, out| {
            let chunks = chunks_of(tile, rows);
            for (place, chunk) in chunks.enumerate() {
                let here: Columns<T> = stored.chunk(&self.basis, chunk).collect();
                let next = chunk_after(chunk, rows);
                let ahead: Columns<T> = stored.chunk(&self.basis, next).collect();
                work(chunk, (&mut own, place), Near { here: &here, ahead: &ahead }, out);
            }
        })
    }

    /// Pass 1: C₁, with X written before if `write` is given.
    fn project<T: Format>(
        &self,
        stored: Stored<T>,
        residual: &mut Panel<T>,
        write: Option<&(impl Fn(usize, &mut [Column<T>]) + Sync)>,
    ) -> DMatrix<f64> {
        let (rank, samples) = (self.basis.columns(), residual.columns() - self.first);
        let tiles = (residual.rows(), residual.tiles_mut());
        let along =
            self.over_chunks(stored, tiles, rank * samples, |chunk, (tile, place), q, out| {
                let x = tile.chunk(place);
                if let Some(write) = write {
                    write(chunk, x);
                }
                kernels::dots(self.set, q, &x[self.first..], out);
            });
        DMatrix::from_row_slice(rank, samples, &along)
    }

    /// Pass 2: X ← X − Q `along`; C₂ and G.
    fn subtract<T: Format>(
        &self,
        stored: Stored<T>,
        residual: &mut Panel<T>,
        along: &DMatrix<f64>,
    ) -> (DMatrix<f64>, DMatrix<f64>) {
        let samples = residual.columns() - self.first;
        let along = rows_of::<T>(along, -1.0);
        let split = self.basis.columns() * samples;
        let length = split + samples * samples;
        let tiles = (residual.rows(), residual.tiles_mut());
        let sums = self.over_chunks(stored, tiles, length, |_, (tile, place), q, out| {
            let x = &mut tile.chunk(place)[self.first..];
            let (again, gram) = out.split_at_mut(split);
            let mut ahead = Ahead::new(q.ahead, 2);
            kernels::combine(self.set, ahead.with(q.here), &along, Start::Here, x);
            kernels::dots(self.set, ahead.with(q.here), x, again);
            kernels::gram(self.set, x, gram);
        });
        self.split(&sums, samples)
    }

    /// Pass 3: N, appended to `new`; C₃ and NᵀN.
    fn normalize<T: Format>(
        &self,
        arena: &mut Arena<T>,
        new: &mut Stack,
        residual: &Panel<T>,
        again: &DMatrix<f64>,
        factor: &Factor,
    ) -> (DMatrix<f64>, DMatrix<f64>) {
        let count = factor.kept.len();
        // N = X S⁻¹ − Q (C₂ S⁻¹)
        let inverse = factor.inverse();
        let again = again.select_columns(&factor.kept) * &inverse;
        let (inverse, again) = (rows_of::<T>(&inverse, 1.0), rows_of::<T>(&again, -1.0));
        let split = self.basis.columns() * count;
        let length = split + count * count;
        let sums = arena.append(new, count, |stored, tiles| {
            let tiles = (residual.rows(), tiles);
            self.over_chunks(stored, tiles, length, |chunk, (tile, place), q, out| {
                let x = &residual.chunk(chunk)[self.first..];
                let kept: Columns<T> = factor.kept.iter().map(|&p| &x[p]).collect();
                let n = tile.chunk(place);
                let (defect, gram) = out.split_at_mut(split);
                kernels::combine(self.set, Near::only(&kept), &inverse, Start::Zero, n);
                let mut ahead = Ahead::new(q.ahead, 2);
                kernels::combine(self.set, ahead.with(q.here), &again, Start::Here, n);
                kernels::dots(self.set, ahead.with(q.here), n, defect);
                kernels::gram(self.set, n, gram);
            })
        });
        self.split(&sums, count)
    }

    /// Pass 4, on the panel that pass 3 has appended.
    fn correct<T: Format>(&self, arena: &mut Arena<T>, defect: &DMatrix<f64>, factor: &Factor) {
        let inverse = factor.inverse();
        let along = rows_of::<T>(&(defect * &inverse), -1.0);
        let inverse = rows_of::<T>(&inverse, 1.0);
        let rows = self.basis.rows();
        arena.rewrite((rows, factor.kept.len()), |stored, tiles| {
            self.over_chunks(stored, (rows, tiles), 0, |_, (tile, place), q, _| {
                let n = tile.chunk(place);
                let before = n.to_vec();
                let before: Columns<T> = before.iter().collect();
                kernels::combine(self.set, Near::only(&before), &inverse, Start::Zero, n);
                kernels::combine(self.set, q, &along, Start::Here, n);
            });
        });
    }

    /// Sums as C, r×count, and a Gram matrix, count×count.
    fn split(&self, sums: &[f64], count: usize) -> (DMatrix<f64>, DMatrix<f64>) {
        let (along, gram) = sums.split_at(self.basis.columns() * count);
        (
            DMatrix::from_row_slice(self.basis.columns(), count, along),
            DMatrix::from_row_slice(count, count, gram),
        )
    }
}
