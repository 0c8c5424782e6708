//! Weight matrices: \[four rows\]\[32 columns\]\[row\]\[column\].
//!
//! A sweep in either direction reads a matrix once, in the order in which it lies in memory. Rows are
//! padded to four and columns to 32, with zeros.

use rayon::prelude::*;

use super::vectors::ROWS;
use crate::backend::cpu::simd::hints::prefer_huge_pages;
use crate::backend::real::Real;
use crate::rng::noise::{Entry, Noise};

/// Rows that are walked together.
pub const TILE: usize = 4;

/// 32 columns of four rows.
pub type Block<W> = [[W; ROWS]; TILE];

/// A matrix, m×n.
#[derive(Clone, Debug, PartialEq)]
pub struct Weights<W> {
    rows: usize,
    columns: usize,
    blocks: Vec<Block<W>>,
}

impl<W: Copy + Default + Send + Sync> Weights<W> {
    /// m×n zeros.
    pub fn zeros(rows: usize, columns: usize) -> Self {
        let blocks = rows.div_ceil(TILE) * columns.div_ceil(ROWS);
        let mut blocks = vec![[[W::default(); ROWS]; TILE]; blocks];
        prefer_huge_pages(&mut blocks);
        Weights { rows, columns, blocks }
    }

    /// m
    pub fn rows(&self) -> usize {
        self.rows
    }

    /// n
    pub fn columns(&self) -> usize {
        self.columns
    }

    /// Blocks of a tile of rows.
    pub fn width(&self) -> usize {
        self.columns.div_ceil(ROWS)
    }

    /// Tiles of rows.
    pub fn tiles(&self) -> usize {
        self.rows.div_ceil(TILE)
    }

    /// All blocks, tile by tile.
    pub fn blocks(&self) -> &[Block<W>] {
        &self.blocks
    }

    /// All blocks; what is beyond m and n has to stay zero.
    pub fn blocks_mut(&mut self) -> &mut [Block<W>] {
        &mut self.blocks
    }

    /// Entry (i, j).
    pub fn at(&self, i: usize, j: usize) -> W {
        self.blocks[i / TILE * self.width() + j / ROWS][i % TILE][j % ROWS]
    }

    /// m×n, of columns drawn by `draw` as T and stored by `store`.
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
        weights.blocks.par_chunks_mut(width.max(1)).enumerate().for_each(|(tile, blocks)| {
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

/// The columns of a weight matrix, in order, as `draw` of [`Weights::draw`] wants them.
pub fn gaussians<'a, T: Real>(
    noise: &'a dyn Noise,
    entry: impl Fn(u32) -> Entry + Sync + 'a,
) -> impl Fn(usize, &mut [T]) + Sync + 'a {
    move |j, column| T::draw(noise, entry(j as u32), 0, column)
}

/// n×n Gaussians, column j those of `entry(j)`, stored by `store`.
pub fn draw_weights<T: Real, W: Copy + Default + Send + Sync>(
    noise: &dyn Noise,
    width: usize,
    entry: impl Fn(u32) -> Entry + Sync,
    store: impl Fn(T) -> W + Sync,
) -> Weights<W> {
    Weights::draw(width, width, gaussians::<T>(noise, entry), store)
}
