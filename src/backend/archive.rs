//! The state of a network as bytes, for checkpoints.
//!
//! One walk over a state both writes and reads it: an [`Archive`] knows which, and whoever walks says only
//! what there is and in which order. So what is read back is what was written, or an error.
//!
//! What follows from the experiment and its noise is not part of a state: a state is read into a network at
//! its initialisation.

use std::io::{self, Read, Write};

use bytemuck::Pod;
use nalgebra::DMatrix;
use serde::Serialize;
use serde::de::DeserializeOwned;

/// A state while it is written, or read. Numbers are stored as they lie in the memory of this machine.
pub enum Archive<'a> {
    /// What is walked over is written.
    Write(&'a mut dyn Write),
    /// What is walked over gets what was written.
    Read(&'a mut dyn Read),
}

/// What a walk over a state returns.
pub type Walked = io::Result<()>;

impl Archive<'_> {
    /// Whether the state is being read.
    pub fn reads(&self) -> bool {
        matches!(self, Archive::Read(_))
    }

    /// Walks over numbers: as many are read as were written, which the experiment has to say.
    ///
    /// # Errors
    /// When the file cannot be written or read, or ends before.
    pub fn numbers<T: Pod>(&mut self, numbers: &mut [T]) -> Walked {
        match self {
            Archive::Write(to) => to.write_all(bytemuck::cast_slice(numbers)),
            Archive::Read(from) => from.read_exact(bytemuck::cast_slice_mut(numbers)),
        }
    }

    /// Walks over a single number.
    ///
    /// # Errors
    /// When the file cannot be written or read, or ends before.
    pub fn number<T: Pod>(&mut self, number: &mut T) -> Walked {
        self.numbers(std::slice::from_mut(number))
    }

    /// Walks over a count, as of columns or passes, that only the file knows.
    ///
    /// # Errors
    /// When the file cannot be written or read, or ends before.
    pub fn count(&mut self, count: &mut usize) -> Walked {
        let mut stored = *count as u64;
        self.number(&mut stored)?;
        *count = usize::try_from(stored).map_err(|_| other(format!("a count of {stored}")))?;
        Ok(())
    }

    /// Walks over a size that follows from the experiment, so that it must be read as it is here.
    ///
    /// # Errors
    /// When the file cannot be written or read, or ends before; `InvalidData` where another size was written.
    pub fn size(&mut self, size: usize) -> Walked {
        let mut stored = size;
        self.count(&mut stored)?;
        if stored == size { Ok(()) } else { Err(other(format!("a size {stored}, not {size}"))) }
    }

    /// Walks over a matrix, whose shape only the file knows.
    ///
    /// # Errors
    /// When the file cannot be written or read, or ends before.
    pub fn matrix(&mut self, matrix: &mut DMatrix<f64>) -> Walked {
        let (mut rows, mut columns) = matrix.shape();
        self.count(&mut rows)?;
        self.count(&mut columns)?;
        if self.reads() {
            *matrix = DMatrix::zeros(rows, columns);
        }
        self.numbers(matrix.as_mut_slice())
    }

    /// Walks over a list, whose length only the file knows, item by item: those that `walk` is to read are
    /// made by `new` before.
    ///
    /// # Errors
    /// When the file cannot be written or read, or ends before, and those of `walk`.
    pub fn list<T>(
        &mut self,
        list: &mut Vec<T>,
        new: impl Fn() -> T,
        mut walk: impl FnMut(&mut Self, &mut T) -> Walked,
    ) -> Walked {
        let mut length = list.len();
        self.count(&mut length)?;
        if self.reads() {
            list.clear();
        }
        for i in 0..length {
            if self.reads() {
                list.push(new());
            }
            walk(self, &mut list[i])?;
        }
        Ok(())
    }

    /// Walks over something that may be missing: where it is to be read and is not here, `new` makes it before.
    ///
    /// # Errors
    /// When the file cannot be written or read, or ends before, and those of `new` and `walk`.
    pub fn optional<T>(
        &mut self,
        value: &mut Option<T>,
        new: impl FnOnce() -> io::Result<T>,
        walk: impl FnOnce(&mut Self, &mut T) -> Walked,
    ) -> Walked {
        let mut there = u8::from(value.is_some());
        self.number(&mut there)?;
        if there == 0 {
            *value = None;
            return Ok(());
        }
        let inside = match value.take() {
            Some(inside) => inside,
            None => new()?,
        };
        walk(self, value.insert(inside))
    }

    /// Walks over a value as a whole, in the format of journals.
    ///
    /// # Errors
    /// When the file cannot be written or read, or ends before; `InvalidData` where something else was written.
    pub fn value<T: Serialize + DeserializeOwned>(&mut self, value: &mut T) -> Walked {
        let mut bytes = match self {
            Archive::Write(_) => postcard::to_stdvec(value).map_err(other)?,
            Archive::Read(_) => Vec::new(),
        };
        let mut length = bytes.len();
        self.count(&mut length)?;
        bytes.resize(length, 0);
        self.numbers(&mut bytes)?;
        if self.reads() {
            *value = postcard::from_bytes(&bytes).map_err(other)?;
        }
        Ok(())
    }
}

fn other(problem: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, problem)
}
