//! Vectors of the dense engine, n×P: \[block of 32 rows\]\[sample\]\[32 rows\].
//!
//! The rows of a block are those of 32 columns of a weight matrix, so a block of weights meets what it
//! is multiplied with in one run of memory, and blocks of results can be written by different threads.
//! Rows beyond n, up to a whole block, are zero.

use nalgebra::DMatrix;

use crate::backend::real::Real;

/// Rows of a block.
pub const ROWS: usize = 32;

/// A block of one vector.
pub type Piece<T> = [T; ROWS];

/// n×P.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Vectors<T> {
    rows: usize,
    samples: usize,
    pieces: Vec<Piece<T>>,
}

impl<T: Real> Vectors<T> {
    /// n×P zeros.
    pub fn zeros(rows: usize, samples: usize) -> Self {
        let pieces = vec![[T::ZERO; ROWS]; rows.div_ceil(ROWS) * samples];
        Vectors { rows, samples, pieces }
    }

    /// Entry (i, p) is `entry(i, p)`.
    pub fn from_fn(rows: usize, samples: usize, entry: impl Fn(usize, usize) -> T) -> Self {
        let mut vectors = Vectors::zeros(rows, samples);
        for i in 0..rows {
            for p in 0..samples {
                vectors.pieces[i / ROWS * samples + p][i % ROWS] = entry(i, p);
            }
        }
        vectors
    }

    /// n
    pub fn rows(&self) -> usize {
        self.rows
    }

    /// P
    pub fn samples(&self) -> usize {
        self.samples
    }

    /// All pieces: block by block, in a block sample by sample.
    pub fn pieces(&self) -> &[Piece<T>] {
        &self.pieces
    }

    /// All pieces, to be written to; the rows beyond n have to stay zero.
    pub fn pieces_mut(&mut self) -> &mut [Piece<T>] {
        &mut self.pieces
    }

    /// Entry (i, p).
    pub fn at(&self, i: usize, p: usize) -> T {
        self.pieces[i / ROWS * self.samples + p][i % ROWS]
    }

    /// As a matrix in f64, for covariances and tests.
    pub fn to_matrix(&self) -> DMatrix<f64> {
        DMatrix::from_fn(self.rows, self.samples, |i, p| self.at(i, p).widen())
    }

    /// Column `p`, without the rows beyond n.
    pub fn column(&self, p: usize) -> impl Iterator<Item = T> + '_ {
        let blocks = self.pieces.iter().skip(p).step_by(self.samples.max(1));
        blocks.flatten().copied().take(self.rows)
    }

    /// Zeroes the rows beyond n.
    pub fn clear_padding(&mut self) {
        let there = self.rows % ROWS;
        if there > 0 {
            let last = self.pieces.len() - self.samples;
            self.pieces[last..].iter_mut().for_each(|piece| piece[there..].fill(T::ZERO));
        }
    }
}
