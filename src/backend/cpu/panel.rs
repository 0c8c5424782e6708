//! How columns of length n lie in memory: \[chunk\]\[column\]\[256 rows\].
//!
//! A chunk of a panel is contiguous, so that what one pass does to 256 rows of some columns stays in
//! the first-level cache, and memory is read in long runs however many columns there are. Chunks go
//! in tiles of sixteen, the unit that threads take. Rows beyond n, up to a whole chunk, are zero.

use smallvec::SmallVec;

use super::real::Real;

/// Rows of a chunk.
pub const CHUNK: usize = 512;
/// Chunks of a tile.
pub const TILE: usize = 16;

/// A chunk of one column.
pub type Column<T> = [T; CHUNK];
/// A chunk of some columns, wherever they lie.
pub type Columns<'a, T> = SmallVec<[&'a Column<T>; 64]>;

/// Columns of one origin, n×c.
#[derive(Clone, Debug, Default)]
pub struct Panel<T> {
    rows: usize,
    columns: usize,
    chunks: Vec<Column<T>>,
}

impl<T: Real> Panel<T> {
    /// n×c zeros, which take no memory before they are written to.
    pub fn zeros(rows: usize, columns: usize) -> Self {
        let mut chunks = vec![[T::ZERO; CHUNK]; rows.div_ceil(CHUNK) * columns];
        prefer_huge_pages(&mut chunks);
        Panel { rows, columns, chunks }
    }

    /// n
    pub fn rows(&self) -> usize {
        self.rows
    }

    /// c
    pub fn columns(&self) -> usize {
        self.columns
    }

    /// One chunk, column by column.
    pub fn chunk(&self, chunk: usize) -> &[Column<T>] {
        &self.chunks[chunk * self.columns..(chunk + 1) * self.columns]
    }

    /// One chunk, to be written to.
    pub fn chunk_mut(&mut self, chunk: usize) -> &mut [Column<T>] {
        &mut self.chunks[chunk * self.columns..(chunk + 1) * self.columns]
    }

    /// All tiles in order, each to be written to by one thread.
    pub fn tiles_mut(&mut self) -> Vec<TileMut<'_, T>> {
        let Panel { rows, columns, .. } = *self;
        let mut rest = &mut self.chunks[..];
        let tiles = tiles_of(rows);
        let cut = |first| {
            let chunks = TILE.min(rows.div_ceil(CHUNK) - first);
            let (chunks, after) = std::mem::take(&mut rest).split_at_mut(chunks * columns);
            rest = after;
            TileMut { columns, chunks }
        };
        (0..tiles).map(|tile| tile * TILE).map(cut).collect()
    }

    /// Column `column`, without the rows beyond n.
    pub fn column(&self, column: usize) -> impl Iterator<Item = T> + '_ {
        let chunks = self.chunks.chunks_exact(self.columns);
        chunks.flat_map(move |chunk| chunk[column]).take(self.rows)
    }
}

/// One tile of a panel.
pub struct TileMut<'a, T> {
    columns: usize,
    chunks: &'a mut [Column<T>],
}

impl<T> TileMut<'_, T> {
    /// A chunk by its place in the tile.
    pub fn chunk(&mut self, place: usize) -> &mut [Column<T>] {
        &mut self.chunks[place * self.columns..(place + 1) * self.columns]
    }
}

/// The number of tiles of n rows.
pub fn tiles_of(rows: usize) -> usize {
    rows.div_ceil(CHUNK * TILE)
}

/// The chunks of a tile, numbered from the top of the column.
pub fn chunks_of(tile: usize, rows: usize) -> std::ops::Range<usize> {
    tile * TILE..((tile + 1) * TILE).min(rows.div_ceil(CHUNK))
}

/// Zeroes the rows beyond n of a chunk.
pub fn clear_padding<T: Real>(columns: &mut [Column<T>], chunk: usize, rows: usize) {
    let there = rows - chunk * CHUNK;
    if there < CHUNK {
        columns.iter_mut().for_each(|column| column[there..].fill(T::ZERO));
    }
}

/// Panels that came one after the other; their columns count through.
#[derive(Clone, Debug, Default)]
pub struct Stack<T> {
    panels: Vec<Panel<T>>,
    columns: usize,
}

impl<T: Real> Stack<T> {
    /// No columns.
    pub fn new() -> Self {
        Stack { panels: Vec::new(), columns: 0 }
    }

    /// r
    pub fn columns(&self) -> usize {
        self.columns
    }

    /// In order.
    pub fn panels(&self) -> &[Panel<T>] {
        &self.panels
    }

    /// Appends the columns of `panel`.
    pub fn push(&mut self, panel: Panel<T>) {
        if panel.columns() > 0 {
            self.columns += panel.columns();
            self.panels.push(panel);
        }
    }

    /// Appends the columns of `other`.
    pub fn append(&mut self, other: Stack<T>) {
        other.panels.into_iter().for_each(|panel| self.push(panel));
    }

    /// A chunk of every column.
    pub fn chunk(&self, chunk: usize) -> impl Iterator<Item = &Column<T>> {
        self.panels.iter().flat_map(move |panel| panel.chunk(chunk))
    }

    /// All columns as they are, for tests.
    pub fn dense(&self) -> Vec<Vec<f64>> {
        let of = |panel: &Panel<T>, c| panel.column(c).map(Real::widen).collect();
        let panels = self.panels.iter();
        panels.flat_map(|panel| (0..panel.columns()).map(move |c| of(panel, c))).collect()
    }
}

/// Asks for huge pages: the first touch of a 4 kB page costs as much as streaming it several times.
#[cfg(target_os = "linux")]
fn prefer_huge_pages<T>(memory: &mut [T]) {
    const PAGE: usize = 4096;
    const HUGE: usize = 2 << 20;
    let bytes = std::mem::size_of_val(memory);
    if bytes < 2 * HUGE {
        return;
    }
    let start = memory.as_mut_ptr().cast::<u8>();
    let skipped = start.align_offset(PAGE);
    // SAFETY: the range lies within one live allocation that is borrowed here alone, and this advice
    // changes no contents. Its failure changes nothing at all.
    unsafe {
        libc::madvise(
            start.add(skipped).cast(),
            (bytes - skipped) / PAGE * PAGE,
            libc::MADV_HUGEPAGE,
        );
    }
}

#[cfg(not(target_os = "linux"))]
fn prefer_huge_pages<T>(_memory: &mut [T]) {}
