//! Vectors of the dense engine, n×P: \[block of 32 rows\]\[sample\]\[32 rows\].
//!
//! The rows of a block are those of 32 columns of a weight matrix, so a block of weights meets what it
//! is multiplied with in one run of memory, and blocks of results can be written by different threads.
//! Rows beyond n, up to a whole block, are zero.

use nalgebra::DMatrix;

use crate::backend::archive::{Archive, Walked};
use crate::backend::lines::Lines;
use crate::backend::real::Real;

/// Rows of a block of vectors: as many as columns of a block of weights.
pub const ROWS: usize = 32;

/// The 32 rows of one block of one vector.
pub type Piece<T> = [T; ROWS];

/// Vectors of several samples at one layer, n×P.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Vectors<T> {
    rows: usize,
    samples: usize,
    numbers: Lines<T>,
}

impl<T: Real> Vectors<T> {
    /// Vectors of n rows and P samples whose entries are all zero.
    pub fn zeros(rows: usize, samples: usize) -> Self {
        let numbers = Lines::zeros(rows.next_multiple_of(ROWS) * samples);
        Vectors { rows, samples, numbers }
    }

    /// Vectors whose entry of row i and sample p is `entry(i, p)`.
    pub fn from_fn(rows: usize, samples: usize, entry: impl Fn(usize, usize) -> T) -> Self {
        let mut vectors = Vectors::zeros(rows, samples);
        let pieces = vectors.pieces_mut();
        for i in 0..rows {
            for p in 0..samples {
                pieces[i / ROWS * samples + p][i % ROWS] = entry(i, p);
            }
        }
        vectors
    }

    /// The number n of rows of a vector.
    pub fn rows(&self) -> usize {
        self.rows
    }

    /// The number P of samples.
    pub fn samples(&self) -> usize {
        self.samples
    }

    /// All pieces, to be read: block by block, in a block sample by sample.
    pub fn pieces(&self) -> &[Piece<T>] {
        self.numbers.as_chunks().0
    }

    /// All pieces, to be written to; the rows beyond n have to stay zero.
    pub fn pieces_mut(&mut self) -> &mut [Piece<T>] {
        self.numbers.as_chunks_mut().0
    }

    /// The entry of row i of sample p.
    pub fn at(&self, i: usize, p: usize) -> T {
        self.pieces()[i / ROWS * self.samples + p][i % ROWS]
    }

    /// The vectors as a matrix n×P in f64, for covariances and tests.
    pub fn to_matrix(&self) -> DMatrix<f64> {
        DMatrix::from_fn(self.rows, self.samples, |i, p| self.at(i, p).widen())
    }

    /// The vector of sample `p`, without the rows beyond n.
    pub fn column(&self, p: usize) -> impl Iterator<Item = T> + '_ {
        let blocks = self.pieces().iter().skip(p).step_by(self.samples.max(1));
        blocks.flatten().copied().take(self.rows)
    }

    /// Walks over the vectors, of any shape.
    ///
    /// # Errors
    /// Those of the archive.
    pub fn archive(&mut self, archive: &mut Archive) -> Walked {
        let (mut rows, mut samples) = (self.rows, self.samples);
        archive.count(&mut rows)?;
        archive.count(&mut samples)?;
        if (rows, samples) != (self.rows, self.samples) {
            *self = Vectors::zeros(rows, samples);
        }
        archive.numbers(&mut self.numbers)
    }

    /// Sets the rows beyond n to zero.
    pub fn clear_padding(&mut self) {
        let there = self.rows % ROWS;
        if there > 0 {
            let last = self.pieces().len() - self.samples;
            self.pieces_mut()[last..].iter_mut().for_each(|piece| piece[there..].fill(T::ZERO));
        }
    }
}
