//! Numbers that begin where a cache line does.
//!
//! An allocation of floats begins at any multiple of 16 bytes; a vector register that is loaded across
//! the end of a line takes two loads.

use std::ops::{Deref, DerefMut};

/// Bytes of a cache line, and of the largest register.
const LINE: usize = 64;

/// A fixed number of numbers, of which the first lies at a multiple of 64 bytes.
#[derive(Debug, Default)]
pub struct Lines<T> {
    numbers: Vec<T>,
    first: usize,
    count: usize,
}

impl<T: Copy + Default> Lines<T> {
    /// So many numbers, all zero.
    pub fn zeros(count: usize) -> Self {
        let spare = LINE / size_of::<T>().max(1);
        let numbers = vec![T::default(); count + spare];
        // Where it cannot be said, which is allowed, anywhere will do.
        let first = numbers.as_ptr().align_offset(LINE).min(spare);
        Lines { numbers, first, count }
    }
}

impl<T> Deref for Lines<T> {
    type Target = [T];

    fn deref(&self) -> &[T] {
        &self.numbers[self.first..][..self.count]
    }
}

impl<T> DerefMut for Lines<T> {
    fn deref_mut(&mut self) -> &mut [T] {
        &mut self.numbers[self.first..][..self.count]
    }
}

/// A copy is another allocation, whose numbers begin somewhere else in it.
impl<T: Clone> Clone for Lines<T> {
    fn clone(&self) -> Self {
        let spare = LINE / size_of::<T>().max(1);
        let mut numbers: Vec<T> = Vec::with_capacity(self.count + spare);
        let first = numbers.as_ptr().align_offset(LINE).min(spare);
        numbers.extend(self.iter().take(1).cycle().take(first).cloned());
        let first = numbers.len();
        numbers.extend_from_slice(self);
        Lines { numbers, first, count: self.count }
    }
}

impl<T: PartialEq> PartialEq for Lines<T> {
    fn eq(&self, other: &Self) -> bool {
        **self == **other
    }
}
