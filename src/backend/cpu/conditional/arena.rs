//! Where stored columns lie: panels one after the other in few large slabs, never moved and only
//! forgotten from the end. While one panel is written, all before it can be read.

use std::sync::PoisonError;

use smallvec::SmallVec;

use super::panel::{CHUNK, Column, TileMut, chunks, chunks_in, chunks_mut, tiles_mut, zeros};
use crate::backend::archive::{Archive, Walked};
use crate::backend::real::Real;

/// Bytes of a slab, if a panel is not larger. Pages that are never written take no memory.
pub const SLAB: usize = 32 << 20;

/// One chunk of each of some columns, wherever they lie in memory.
pub type Columns<'a, T> = SmallVec<[&'a Column<T>; 64]>;

/// The stored columns of one network.
#[derive(Debug, Default)]
pub struct Arena<T: Real> {
    slabs: Vec<Slab<T>>,
}

#[derive(Debug)]
struct Slab<T> {
    entries: Vec<T>,
    /// Chunks of columns that are taken.
    used: usize,
}

/// Where a panel of an arena lies: n×c entries of one slab.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct StoredPanel {
    slab: usize,
    first: usize,
    columns: usize,
}

/// Panels of an arena that belong together, all of as many rows; their columns count through.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stack {
    rows: usize,
    panels: Vec<StoredPanel>,
    columns: usize,
}

/// How far an arena was filled at some time; see [`Arena::forget`].
#[derive(Clone, Copy, Debug)]
pub struct Mark {
    slabs: usize,
    used: usize,
}

impl<T: Real> Arena<T> {
    /// An arena without columns.
    pub fn new() -> Self {
        Arena { slabs: Vec::new() }
    }

    /// Appends a panel of `columns` columns to `stack`. `write` is given all that was there before
    /// and the tiles of the new panel, of which it must write every entry.
    pub fn append<R>(
        &mut self,
        stack: &mut Stack,
        columns: usize,
        write: impl FnOnce(Stored<T>, Vec<TileMut<T>>) -> R,
    ) -> R {
        let length = chunks_in(stack.rows) * columns;
        let room = |slab: &Slab<T>| slab.entries.len() / CHUNK - slab.used;
        if self.slabs.last().is_none_or(|last| room(last) < length) {
            self.slabs.push(Slab { entries: take(length), used: 0 });
        }
        let (last, full) = match self.slabs.split_last_mut() {
            Some(split) => split,
            None => unreachable!("a slab was pushed"),
        };
        let (before, free) = chunks_mut(&mut last.entries).split_at_mut(last.used);
        let place = StoredPanel { slab: full.len(), first: last.used, columns };
        let stored = Stored { full, last: before };
        let result = write(stored, tiles_mut(stack.rows, columns, &mut free[..length]));
        last.used += length;
        if columns > 0 {
            stack.panels.push(place);
            stack.columns += columns;
        }
        result
    }

    /// Writes over the last panel, of so many rows and columns; all before it can be read.
    pub fn rewrite<R>(
        &mut self,
        (rows, columns): (usize, usize),
        write: impl FnOnce(Stored<T>, Vec<TileMut<T>>) -> R,
    ) -> R {
        let mut forgotten = Stack::new(rows);
        if let Some(last) = self.slabs.last_mut() {
            last.used -= chunks_in(rows) * columns;
        }
        self.append(&mut forgotten, columns, write)
    }

    /// All columns that are stored, to be read.
    pub fn stored(&self) -> Stored<'_, T> {
        match self.slabs.split_last() {
            Some((last, full)) => Stored { full, last: &chunks(&last.entries)[..last.used] },
            None => Stored { full: &[], last: &[] },
        }
    }

    /// Walks over all stored columns, to be read into an empty arena.
    ///
    /// # Errors
    /// Those of the archive.
    pub fn archive(&mut self, archive: &mut Archive) -> Walked {
        let none = || Slab { entries: Vec::new(), used: 0 };
        archive.list(&mut self.slabs, none, |archive, slab| {
            let mut length = slab.entries.len() / CHUNK;
            archive.count(&mut length)?;
            archive.count(&mut slab.used)?;
            if archive.reads() {
                slab.entries = take(length);
            }
            archive.numbers(&mut slab.entries[..slab.used * CHUNK])
        })
    }

    /// How far the arena is filled now.
    pub fn mark(&self) -> Mark {
        Mark { slabs: self.slabs.len(), used: self.slabs.last().map_or(0, |slab| slab.used) }
    }

    /// Forgets all columns that were appended since `mark`.
    pub fn forget(&mut self, mark: Mark) {
        self.slabs.truncate(mark.slabs);
        if let Some(last) = self.slabs.last_mut() {
            last.used = mark.used;
        }
    }
}

impl<T: Real> Drop for Arena<T> {
    fn drop(&mut self) {
        let mut spare = T::spare().lock().unwrap_or_else(PoisonError::into_inner);
        let slabs = self.slabs.drain(..).map(|slab| slab.entries);
        spare.extend(slabs.filter(|entries| entries.len() == SLAB / size_of::<T>()));
    }
}

/// Memory for `length` chunks. Slabs of earlier networks come first: memory that the system has to
/// find and clear costs more than all that is done to it in a pass.
fn take<T: Real>(length: usize) -> Vec<T> {
    let usual = SLAB / size_of::<Column<T>>();
    if length > usual {
        return zeros(length);
    }
    let spare = T::spare().lock().unwrap_or_else(PoisonError::into_inner).pop();
    spare.unwrap_or_else(|| zeros(usual))
}

/// The columns of an arena while they are read.
#[derive(Clone, Copy)]
pub struct Stored<'a, T> {
    full: &'a [Slab<T>],
    last: &'a [Column<T>],
}

impl<'a, T: Real> Stored<'a, T> {
    /// Chunk `chunk` of every column of `stack`.
    pub fn chunk(self, stack: &Stack, chunk: usize) -> impl Iterator<Item = &'a Column<T>> {
        stack.panels.iter().flat_map(move |place| self.panel_chunk(place, chunk))
    }

    fn panel_chunk(self, place: &StoredPanel, chunk: usize) -> &'a [Column<T>] {
        let slab = self.full.get(place.slab).map_or(self.last, |slab| chunks(&slab.entries));
        &slab[place.first + chunk * place.columns..][..place.columns]
    }

    /// A chunk of the columns of each panel of `stack`, panel by panel.
    pub fn panels(self, stack: &Stack, chunk: usize) -> impl Iterator<Item = &'a [Column<T>]> {
        stack.panels.iter().map(move |place| self.panel_chunk(place, chunk))
    }

    /// The columns of `stack` in f64, entry by entry, for tests.
    pub fn dense(self, stack: &Stack) -> Vec<Vec<f64>> {
        let mut columns = vec![Vec::new(); stack.columns];
        for chunk in 0..chunks_in(stack.rows) {
            for (column, part) in columns.iter_mut().zip(self.chunk(stack, chunk)) {
                column.extend(part.iter().map(|x| x.widen()));
            }
        }
        columns.iter_mut().for_each(|column| column.truncate(stack.rows));
        columns
    }
}

impl Stack {
    /// A stack without panels, of columns of so many rows.
    pub fn new(rows: usize) -> Self {
        Stack { rows, panels: Vec::new(), columns: 0 }
    }

    /// The number of rows of every column.
    pub fn rows(&self) -> usize {
        self.rows
    }

    /// The number r of columns in the stack.
    pub fn columns(&self) -> usize {
        self.columns
    }

    /// The number of columns of each panel of the stack.
    pub fn widths(&self) -> impl Iterator<Item = usize> + '_ {
        self.panels.iter().map(|place| place.columns)
    }

    /// Walks over the places of the columns, which [`Arena::archive`] holds.
    ///
    /// # Errors
    /// Those of the archive.
    pub fn archive(&mut self, archive: &mut Archive) -> Walked {
        let none = || StoredPanel { slab: 0, first: 0, columns: 0 };
        archive.size(self.rows)?;
        archive.list(&mut self.panels, none, |archive, StoredPanel { slab, first, columns }| {
            [slab, first, columns].into_iter().try_for_each(|count| archive.count(count))
        })?;
        archive.count(&mut self.columns)
    }

    /// Appends the columns of the stack `other`.
    pub fn join(&mut self, other: &Stack) {
        self.panels.extend(&other.panels);
        self.columns += other.columns;
    }
}
