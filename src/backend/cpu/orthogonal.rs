//! Orthogonalisation of a block of columns against stored ones, with the drop test, in as few
//! readings of the stored columns as rounding allows (theory: section 3).
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
//! columns of the block nearly depend on each other or on Q.

use nalgebra::DMatrix;

use super::cholesky::{Factor, factor};
use super::kernels::{self, Stored};
use super::panel::{Column, Columns, Panel, Stack, chunks_of};
use super::real::Real;
use super::tiles::sum_with;
use crate::rng::normal::Instructions;

/// X = \[Q, new\] \[along; fresh\].
#[derive(Clone, Debug)]
pub struct Expansion<T> {
    /// Coefficients along the stored columns, r×P.
    pub along: DMatrix<f64>,
    /// Coefficients along the new ones, upper echelon with positive pivots, r'×P.
    pub fresh: DMatrix<f64>,
    /// The new orthonormal columns, r' of them.
    pub new: Stack<T>,
    /// Which columns of X brought them, ascending.
    pub kept: Vec<usize>,
}

impl<T> Expansion<T> {
    /// \[along; fresh\]
    pub fn coefficients(&self) -> DMatrix<f64> {
        let (r, s) = (self.along.nrows(), self.fresh.nrows());
        let mut all = self.along.clone().resize_vertically(r + s, 0.0);
        all.rows_mut(r, s).copy_from(&self.fresh);
        all
    }
}

/// The entries of `matrix` times `scale`, row by row, as kernels take them.
pub fn rows_of<T: Real>(matrix: &DMatrix<f64>, scale: f64) -> Vec<T> {
    matrix.transpose().iter().map(|x| T::of(x * scale)).collect()
}

/// Expands X along `basis`. `write` gives a chunk of X; `residual`, n×P, is where X is written and
/// what is left of it afterwards.
pub fn expand<T: Real>(
    set: Instructions,
    basis: &Stack<T>,
    residual: &mut Panel<T>,
    write: impl Fn(usize, &mut [Column<T>]) + Sync,
    tolerance: f64,
) -> Expansion<T> {
    let (stored, samples) = (basis.columns(), residual.columns());
    // Rows beyond `stored` belong to new columns.
    let mut coefficients = DMatrix::zeros(stored + samples, samples);
    let mut squares = vec![0.0; samples];
    let mut new = Stack::new();
    let mut kept = Vec::new();
    let mut first = 0;
    // As a rule one block. If rounding hides whether a column depends on those before it, these are
    // taken into the basis, and it begins another block.
    while first < samples {
        let block = Block { set, basis, new: &new, first };
        let write = (first == 0).then_some(&write);
        let along = block.project(residual, write);
        let (again, mut gram) = block.subtract(residual, &along);
        gram -= again.tr_mul(&again);
        let rank = block.rank();
        if first == 0 {
            for (p, square) in squares.iter_mut().enumerate() {
                let projected = along.column(p) + again.column(p);
                *square = gram[(p, p)] + projected.norm_squared();
            }
        }
        let mut factor = factor(&gram, &squares[first..], tolerance);
        let settled = factor.settled;
        let mut target = coefficients.view_mut((0, first), (rank, samples - first));
        target += &along;
        // The columns of a later block have not been reduced by `again`.
        let mut target = coefficients.view_mut((0, first), (rank, settled));
        target += again.columns(0, settled);
        if !factor.kept.is_empty() {
            let (mut columns, defect, mut gram) = block.normalize(residual, &again, &factor);
            if !orthonormal::<T>(&defect, &gram) {
                let along = &defect * &factor.rows;
                let mut target = coefficients.view_mut((0, first), (rank, settled));
                target += along;
                gram -= defect.tr_mul(&defect);
                let correction = whole_factor(&gram);
                block.correct(&mut columns, &defect, &correction);
                factor.rows = &correction.rows * factor.rows;
            }
            let mut target = coefficients.view_mut((rank, first), factor.rows.shape());
            target.copy_from(&factor.rows);
            kept.extend(factor.kept.iter().map(|p| first + p));
            new.push(columns);
        }
        first += settled;
    }
    let fresh = coefficients.rows(stored, kept.len()).into_owned();
    Expansion { along: coefficients.resize_vertically(stored, 0.0), fresh, new, kept }
}

/// Whether columns with these inner products, with the stored ones and among each other, need no
/// further pass. NaN is left to be noticed elsewhere.
fn orthonormal<T: Real>(defect: &DMatrix<f64>, gram: &DMatrix<f64>) -> bool {
    let off = |(i, j): (usize, usize)| gram[(i, j)] - f64::from(u8::from(i == j));
    let pairs = (0..gram.ncols()).flat_map(|j| (0..=j).map(move |i| (i, j)));
    let worst = pairs.map(off).chain(defect.iter().copied()).fold(0.0, |a: f64, x| a.max(x.abs()));
    worst <= T::ORTHONORMAL
}

/// Every column kept: the Gram matrix is that of nearly orthonormal columns.
fn whole_factor(gram: &DMatrix<f64>) -> Factor {
    factor(gram, &vec![0.0; gram.ncols()], 0.0)
}

/// The columns of X from `first` on, against the stored and the new ones.
struct Block<'a, T> {
    set: Instructions,
    basis: &'a Stack<T>,
    new: &'a Stack<T>,
    first: usize,
}

impl<T: Real> Block<'_, T> {
    fn rank(&self) -> usize {
        self.basis.columns() + self.new.columns()
    }

    /// A chunk of all columns of the basis.
    fn columns(&self, chunk: usize) -> Columns<'_, T> {
        self.basis.chunk(chunk).chain(self.new.chunk(chunk)).collect()
    }

    /// Does `work` on every chunk of every tile, with its columns of the basis; sums what it adds.
    fn over_chunks<I: Send>(
        &self,
        rows: usize,
        tiles: Vec<I>,
        length: usize,
        work: impl Fn(usize, (&mut I, usize), Stored<T>, &mut [f64]) + Sync,
    ) -> Vec<f64> {
        sum_with(tiles, length, |tile, mut own, out| {
            let chunks = chunks_of(tile, rows);
            for (place, chunk) in chunks.clone().enumerate() {
                let here = self.columns(chunk);
                let ahead = self.columns((chunk + 1).min(chunks.end - 1));
                work(chunk, (&mut own, place), Stored { here: &here, ahead: &ahead }, out);
            }
        })
    }

    /// Pass 1: C₁, with X written before if `write` is given.
    fn project(
        &self,
        residual: &mut Panel<T>,
        write: Option<&(impl Fn(usize, &mut [Column<T>]) + Sync)>,
    ) -> DMatrix<f64> {
        let (rows, samples) = (residual.rows(), residual.columns() - self.first);
        let tiles = residual.tiles_mut();
        let length = self.rank() * samples;
        let along = self.over_chunks(rows, tiles, length, |chunk, (tile, place), q, out| {
            let x = tile.chunk(place);
            if let Some(write) = write {
                write(chunk, x);
            }
            kernels::dots(self.set, q, &x[self.first..], out);
        });
        DMatrix::from_row_slice(self.rank(), samples, &along)
    }

    /// Pass 2: X ← X − Q `along`; C₂ and G.
    fn subtract(
        &self,
        residual: &mut Panel<T>,
        along: &DMatrix<f64>,
    ) -> (DMatrix<f64>, DMatrix<f64>) {
        let (rows, samples) = (residual.rows(), residual.columns() - self.first);
        let along = rows_of::<T>(along, -1.0);
        let split = self.rank() * samples;
        let length = split + samples * samples;
        let tiles = residual.tiles_mut();
        let sums = self.over_chunks(rows, tiles, length, |_, (tile, place), q, out| {
            let x = &mut tile.chunk(place)[self.first..];
            let (again, gram) = out.split_at_mut(split);
            kernels::combine(self.set, q, &along, x);
            kernels::dots(self.set, Stored::near(q.here), x, again);
            kernels::gram(self.set, x, gram);
        });
        self.split(&sums, samples)
    }

    /// Pass 3: N, C₃ and NᵀN.
    fn normalize(
        &self,
        residual: &Panel<T>,
        again: &DMatrix<f64>,
        factor: &Factor,
    ) -> (Panel<T>, DMatrix<f64>, DMatrix<f64>) {
        let count = factor.kept.len();
        // N = X S⁻¹ − Q (C₂ S⁻¹)
        let inverse = factor.inverse();
        let again = again.select_columns(&factor.kept) * &inverse;
        let (inverse, again) = (rows_of::<T>(&inverse, 1.0), rows_of::<T>(&again, -1.0));
        let mut new = Panel::zeros(residual.rows(), count);
        let split = self.rank() * count;
        let length = split + count * count;
        let tiles = new.tiles_mut();
        let sums =
            self.over_chunks(residual.rows(), tiles, length, |chunk, (tile, place), q, out| {
                let x = &residual.chunk(chunk)[self.first..];
                let kept: Columns<T> = factor.kept.iter().map(|&p| &x[p]).collect();
                let n = tile.chunk(place);
                let (defect, gram) = out.split_at_mut(split);
                kernels::combine(self.set, Stored::near(&kept), &inverse, n);
                kernels::combine(self.set, q, &again, n);
                kernels::dots(self.set, Stored::near(q.here), n, defect);
                kernels::gram(self.set, n, gram);
            });
        let (defect, gram) = self.split(&sums, count);
        (new, defect, gram)
    }

    /// Pass 4.
    fn correct(&self, new: &mut Panel<T>, defect: &DMatrix<f64>, factor: &Factor) {
        let inverse = factor.inverse();
        let along = rows_of::<T>(&(defect * &inverse), -1.0);
        let inverse = rows_of::<T>(&inverse, 1.0);
        let rows = new.rows();
        let tiles = new.tiles_mut();
        self.over_chunks(rows, tiles, 0, |_, (tile, place), q, _| {
            let n = tile.chunk(place);
            let before = n.to_vec();
            let before: Columns<T> = before.iter().collect();
            n.iter_mut().for_each(|column| column.fill(T::ZERO));
            kernels::combine(self.set, Stored::near(&before), &inverse, n);
            kernels::combine(self.set, q, &along, n);
        });
    }

    /// Sums as C, r×count, and a Gram matrix, count×count.
    fn split(&self, sums: &[f64], count: usize) -> (DMatrix<f64>, DMatrix<f64>) {
        let (along, gram) = sums.split_at(self.rank() * count);
        (
            DMatrix::from_row_slice(self.rank(), count, along),
            DMatrix::from_row_slice(count, count, gram),
        )
    }
}
