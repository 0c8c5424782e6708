//! Weight matrices: \[four rows\]\[32 columns\]\[row\]\[column\].
//!
//! A sweep in either direction reads a matrix once, in the order in which it lies in memory. Rows are
//! padded to four and columns to 32, with zeros.

use rayon::prelude::*;

use crate::backend::archive::{Archive, Walked};
use crate::backend::cpu::simd::hints::prefer_huge_pages;
use crate::backend::lines::Lines;
use crate::backend::real::Real;
use crate::backend::vectors::ROWS;
use crate::rng::noise::{Entry, Noise};

/// Rows of a weight matrix that are walked together.
pub const TILE: usize = 4;

/// 32 columns of the four rows of a tile.
pub type WeightBlock<W> = [[W; ROWS]; TILE];

/// A weight matrix with m rows and n columns.
#[derive(Clone, Debug, PartialEq)]
pub struct Weights<W> {
    rows: usize,
    columns: usize,
    numbers: Lines<W>,
}

impl<W: Copy + Default + Send + Sync> Weights<W> {
    /// A matrix with m rows and n columns of zeros.
    pub fn zeros(rows: usize, columns: usize) -> Self {
        let count = rows.next_multiple_of(TILE) * columns.next_multiple_of(ROWS);
        let mut numbers = Lines::zeros(count);
        prefer_huge_pages(&mut numbers);
        Weights { rows, columns, numbers }
    }

    /// The number m of rows.
    pub fn rows(&self) -> usize {
        self.rows
    }

    /// The number n of columns.
    pub fn columns(&self) -> usize {
        self.columns
    }

    /// The number of blocks in a tile of rows.
    pub fn width(&self) -> usize {
        self.columns.div_ceil(ROWS)
    }

    /// The number of tiles of rows.
    pub fn tiles(&self) -> usize {
        self.rows.div_ceil(TILE)
    }

    /// All blocks of the matrix, tile by tile.
    pub fn blocks(&self) -> &[WeightBlock<W>] {
        self.numbers.as_chunks().0.as_chunks().0
    }

    /// All blocks of the matrix, to be written to; what is beyond m and n has to stay zero.
    pub fn blocks_mut(&mut self) -> &mut [WeightBlock<W>] {
        self.numbers.as_chunks_mut().0.as_chunks_mut().0
    }

    /// All numbers of the matrix as they lie; what is beyond m and n has to stay zero.
    pub fn numbers_mut(&mut self) -> &mut [W] {
        &mut self.numbers
    }

    /// Writes `entry(i, j, w)` in the place of every entry w.
    pub fn change(&mut self, entry: impl Fn(usize, usize, W) -> W + Sync) {
        let (rows, columns, width) = (self.rows, self.columns, self.width());
        self.blocks_mut().par_chunks_mut(width.max(1)).enumerate().for_each(|(tile, blocks)| {
            for (b, block) in blocks.iter_mut().enumerate() {
                for (r, row) in block.iter_mut().enumerate() {
                    let i = tile * TILE + r;
                    if i < rows {
                        let there = row.iter_mut().take(columns - b * ROWS);
                        there.enumerate().for_each(|(j, w)| *w = entry(i, b * ROWS + j, *w));
                    }
                }
            }
        });
    }

    /// The entry of row i and column j.
    pub fn at(&self, i: usize, j: usize) -> W {
        self.blocks()[i / TILE * self.width() + j / ROWS][i % TILE][j % ROWS]
    }

    /// A matrix with m rows and n columns, its columns drawn by `draw` as T and stored by `store`.
    pub fn draw<T: Real>(
        rows: usize,
        columns: usize,
        draw: impl Fn(usize, &mut [T]) + Sync,
        store: impl Fn(T) -> W + Sync,
    ) -> Self {
        let mut weights = Weights::zeros(rows, columns);
        let width = weights.width();
        // Columns are drawn by blocks of 32, each by one thread.
        let drawn = (0..width).into_par_iter().map(|block| {
            let first = block * ROWS;
            let mut drawn = vec![vec![T::ZERO; rows]; ROWS.min(columns - first)];
            drawn.iter_mut().enumerate().for_each(|(j, column)| draw(first + j, column));
            drawn
        });
        let drawn: Vec<Vec<Vec<T>>> = drawn.collect();
        weights.blocks_mut().par_chunks_mut(width.max(1)).enumerate().for_each(|(tile, blocks)| {
            for (block, drawn) in blocks.iter_mut().zip(&drawn) {
                for (r, row) in block.iter_mut().enumerate() {
                    for (w, column) in row.iter_mut().zip(drawn) {
                        *w = column.get(tile * TILE + r).map_or(W::default(), |x| store(*x));
                    }
                }
            }
        });
        weights
    }
}

impl<W: Copy + Default + Send + Sync + bytemuck::Pod> Weights<W> {
    /// Walks over the numbers of the matrix, whose shape both sides know.
    ///
    /// # Errors
    /// Those of the archive.
    pub fn archive(&mut self, archive: &mut Archive) -> Walked {
        archive.size(self.rows)?;
        archive.size(self.columns)?;
        archive.numbers(&mut self.numbers)
    }
}

/// Draws the columns of a weight matrix, in order, as `draw` of [`Weights::draw`] wants them.
pub fn gaussians<'a, T: Real>(
    noise: &'a dyn Noise,
    entry: impl Fn(u32) -> Entry + Sync + 'a,
) -> impl Fn(usize, &mut [T]) + Sync + 'a {
    move |j, column| T::draw(noise, entry(j as u32), 0, column)
}

/// A matrix of Gaussians with so many rows and columns, its column j those of `entry(j)`, stored by `store`.
pub fn draw_weights<T: Real, W: Copy + Default + Send + Sync>(
    noise: &dyn Noise,
    (rows, columns): (usize, usize),
    entry: impl Fn(u32) -> Entry + Sync,
    store: impl Fn(T) -> W + Sync,
) -> Weights<W> {
    Weights::draw(rows, columns, gaussians::<T>(noise, entry), store)
}
