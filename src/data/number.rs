//! Numbers and records of them as binary files store them.

use std::io::{Read, copy, sink};

use half::f16;

/// Numbers of a record, at most.
pub const LARGEST: usize = 1 << 24;
/// Bytes that are read at once.
const CHUNK: usize = 1 << 16;

/// What the bits of a number mean.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// False is 0, everything else true.
    Bool,
    /// Whole, without sign.
    Uint,
    /// Whole, two's complement.
    Int,
    /// IEEE 754, of two, four or eight bytes.
    Float,
}

/// How numbers are stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stored {
    /// What their bits mean.
    pub kind: Kind,
    /// Bytes of each: 1, 2, 4 or 8.
    pub size: usize,
    /// Whether the most significant byte comes first.
    pub big_endian: bool,
}

impl Stored {
    /// The number of these bytes.
    fn number(self, bytes: &[u8]) -> f64 {
        let mut word = [0; 8];
        let own = &mut word[8 - self.size..];
        own.copy_from_slice(bytes);
        if !self.big_endian {
            own.reverse();
        }
        let word = u64::from_be_bytes(word);
        match (self.kind, self.size) {
            (Kind::Bool, _) => f64::from(u8::from(word != 0)),
            (Kind::Uint, _) => word as f64,
            (Kind::Int, size) => {
                let above = 64 - 8 * size;
                ((word << above) as i64 >> above) as f64
            }
            (Kind::Float, 2) => f16::from_bits(word as u16).to_f64(),
            (Kind::Float, 4) => f64::from(f32::from_bits(word as u32)),
            (Kind::Float, _) => f64::from_bits(word),
        }
    }

    /// Reads `count` numbers, and takes no more memory than there are.
    ///
    /// # Errors
    /// The position of the first that is not there or not finite, and that in words.
    pub fn read(self, reader: &mut dyn Read, count: usize) -> Result<Vec<f64>, (usize, String)> {
        let numbers = self.read_any(reader, count)?;
        match numbers.iter().position(|number| !number.is_finite()) {
            Some(at) => Err((at, not_finite(numbers[at]))),
            None => Ok(numbers),
        }
    }

    /// As [`Stored::read`], but takes numbers that are not finite too.
    ///
    /// # Errors
    /// The position of the first that is not there, and that in words.
    pub fn read_any(
        self,
        reader: &mut dyn Read,
        count: usize,
    ) -> Result<Vec<f64>, (usize, String)> {
        let mut numbers = Vec::new();
        let mut bytes = Vec::new();
        while numbers.len() < count {
            let wanted = (count - numbers.len()).min(CHUNK) * self.size;
            bytes.clear();
            let read = reader.take(wanted as u64).read_to_end(&mut bytes);
            read.map_err(|error| (numbers.len(), format!("cannot be read: {error}")))?;
            numbers.extend(bytes.chunks_exact(self.size).map(|bytes| self.number(bytes)));
            if bytes.len() < wanted {
                return Err((numbers.len(), "the file ends before it does".to_owned()));
            }
        }
        Ok(numbers)
    }

    /// Hands over the records at ascending positions, of `d` numbers each.
    ///
    /// # Errors
    /// The record, and what is wrong with it in words.
    pub fn records(
        self,
        reader: &mut dyn Read,
        d: usize,
        positions: &[usize],
        keep: &mut dyn FnMut(&[f64]),
    ) -> Result<(), (usize, String)> {
        let mut next = 0;
        for &position in positions {
            let skipped = ((position - next) as u64).saturating_mul((d * self.size) as u64);
            skip(reader, skipped).map_err(|problem| (position, problem))?;
            keep(&self.read(reader, d).map_err(|(_, problem)| (position, problem))?);
            next = position + 1;
        }
        Ok(())
    }
}

/// That a number is of no use as an input or label.
pub fn not_finite(number: f64) -> String {
    format!("{number} is not a finite number")
}

/// Passes over so many bytes, or to the end.
pub fn skip(reader: &mut dyn Read, bytes: u64) -> Result<(), String> {
    let skipped = copy(&mut reader.take(bytes), &mut sink());
    skipped.map(drop).map_err(|error| format!("cannot be read: {error}"))
}
