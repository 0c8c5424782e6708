//! Hints to the memory system: lines that are about to be read, and huge pages.

/// The cache that lines are asked into.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Level {
    /// The first: they are read at once.
    First,
    /// The second: the first is full of what is read now.
    Second,
}

/// Asks a cache for the line that holds row `row` of `column`.
#[inline(always)]
pub fn prefetch<T>(level: Level, column: &[T], row: usize) {
    #[cfg(target_arch = "x86_64")]
    {
        use std::arch::x86_64::{_MM_HINT_T0, _MM_HINT_T1, _mm_prefetch};
        let line = (&raw const column[row]).cast();
        match level {
            // SAFETY: a prefetch reads nothing that could be seen, and its address is a valid one.
            Level::First => unsafe { _mm_prefetch::<_MM_HINT_T0>(line) },
            // SAFETY: as above.
            Level::Second => unsafe { _mm_prefetch::<_MM_HINT_T1>(line) },
        }
    }
    #[cfg(not(target_arch = "x86_64"))]
    let _ = (level, column, row);
}

/// Asks a cache for the lines that hold some rows of `column`.
#[inline(always)]
pub fn prefetch_rows<T>(level: Level, column: &[T], rows: std::ops::Range<usize>) {
    let line = 64 / size_of::<T>();
    (rows.start.next_multiple_of(line)..rows.end)
        .step_by(line)
        .for_each(|row| prefetch(level, column, row));
}

/// Asks for huge pages: the first touch of a 4 kB page costs as much as streaming it several times,
/// and columns have many pages.
#[cfg(target_os = "linux")]
pub fn prefer_huge_pages<T>(memory: &mut [T]) {
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
pub fn prefer_huge_pages<T>(_memory: &mut [T]) {}
