//! How columns of length n lie in memory: \[chunk\]\[column\]\[512 rows\].
//!
//! A chunk of a panel is contiguous, so that what one pass does to 512 rows of some columns stays in
//! the first-level cache, and memory is read in long runs however many columns there are. Chunks go
//! in tiles, the unit that threads take. Rows beyond n, up to a whole chunk, are zero.

use crate::backend::archive::{Archive, Walked};
use crate::backend::cpu::simd::hints::prefer_huge_pages;
use crate::backend::real::Real;

/// Rows of a chunk: what is worked on at a time in the first-level cache.
pub const CHUNK: usize = 512;
/// Chunks of a tile, which one thread works on.
pub const TILE: usize = 8;

/// The 512 rows of one chunk of one column.
pub type Column<T> = [T; CHUNK];

/// The number of chunks of a column of n rows.
pub fn chunks_in(rows: usize) -> usize {
    rows.div_ceil(CHUNK)
}

/// The number of tiles of a column of n rows.
pub fn tiles_in(rows: usize) -> usize {
    rows.div_ceil(CHUNK * TILE)
}

/// The chunks of a tile, numbered from the top of the column.
pub fn chunks_of(tile: usize, rows: usize) -> std::ops::Range<usize> {
    tile * TILE..((tile + 1) * TILE).min(chunks_in(rows))
}

/// The chunk that is worked on after `chunk`, as a rule by the same thread; the last one stays.
pub fn chunk_after(chunk: usize, rows: usize) -> usize {
    (chunk + 1).min(chunks_in(rows) - 1)
}

/// Sets the rows of chunk `chunk` beyond n to zero.
pub fn clear_padding<T: Real>(columns: &mut [Column<T>], chunk: usize, rows: usize) {
    let there = rows - chunk * CHUNK;
    if there < CHUNK {
        columns.iter_mut().for_each(|column| column[there..].fill(T::ZERO));
    }
}

/// Columns of one origin that are overwritten again and again, n×c.
#[derive(Clone, Debug, Default)]
pub struct Panel<T> {
    rows: usize,
    columns: usize,
    entries: Vec<T>,
}

impl<T: Real> Panel<T> {
    /// n×c zeros, which take no memory before they are written to.
    pub fn zeros(rows: usize, columns: usize) -> Self {
        Panel { rows, columns, entries: zeros(chunks_in(rows) * columns) }
    }

    /// The number n of rows of every column.
    pub fn rows(&self) -> usize {
        self.rows
    }

    /// The entries of column `column`, without the rows beyond n.
    pub fn columns(&self) -> usize {
        self.columns
    }

    /// Chunk `chunk` of all columns, column by column.
    pub fn chunk(&self, chunk: usize) -> &[Column<T>] {
        &chunks(&self.entries)[chunk * self.columns..(chunk + 1) * self.columns]
    }

    /// All chunks in order, each column by column, to be written to.
    pub fn all_mut(&mut self) -> &mut [Column<T>] {
        chunks_mut(&mut self.entries)
    }

    /// All tiles in order, each to be written to by one thread.
    pub fn tiles_mut(&mut self) -> Vec<TileMut<'_, T>> {
        tiles_mut(self.rows, self.columns, chunks_mut(&mut self.entries))
    }

    /// Walks over the columns, of any number and length.
    ///
    /// # Errors
    /// Those of the archive.
    pub fn archive(&mut self, archive: &mut Archive) -> Walked {
        let (mut rows, mut columns) = (self.rows, self.columns);
        archive.count(&mut rows)?;
        archive.count(&mut columns)?;
        if (rows, columns) != (self.rows, self.columns) {
            *self = Panel::zeros(rows, columns);
        }
        archive.numbers(&mut self.entries)
    }

    /// Column `column`, without the rows beyond n.
    pub fn column(&self, column: usize) -> impl Iterator<Item = T> + '_ {
        let chunks = chunks(&self.entries).chunks_exact(self.columns);
        chunks.flat_map(move |chunk| chunk[column]).take(self.rows)
    }
}

/// One tile of a panel, to be written to by one thread.
pub struct TileMut<'a, T> {
    columns: usize,
    chunks: &'a mut [Column<T>],
}

impl<T> TileMut<'_, T> {
    /// Chunk number `place` of this tile, column by column.
    pub fn chunk(&mut self, place: usize) -> &mut [Column<T>] {
        &mut self.chunks[place * self.columns..(place + 1) * self.columns]
    }
}

/// The tiles of n×c entries.
pub(super) fn tiles_mut<T>(
    rows: usize,
    columns: usize,
    chunks: &mut [Column<T>],
) -> Vec<TileMut<'_, T>> {
    let mut rest = chunks;
    let cut = |tile| {
        let length = chunks_of(tile, rows).len() * columns;
        let (chunks, after) = std::mem::take(&mut rest).split_at_mut(length);
        rest = after;
        TileMut { columns, chunks }
    };
    (0..tiles_in(rows)).map(cut).collect()
}

/// Zeros, as many as `chunks` hold, that take no memory before they are written to.
pub(super) fn zeros<T: Real>(chunks: usize) -> Vec<T> {
    let mut zeros = vec![T::ZERO; chunks * CHUNK];
    prefer_huge_pages(&mut zeros);
    zeros
}

/// As chunks of columns.
pub(super) fn chunks<T>(entries: &[T]) -> &[Column<T>] {
    entries.as_chunks().0
}

/// As chunks of columns, to be written to.
pub(super) fn chunks_mut<T>(entries: &mut [T]) -> &mut [Column<T>] {
    entries.as_chunks_mut().0
}
