//! The bundled sets.

use std::io::Read;

use flate2::read::GzDecoder;

use super::classified::{Classified, Part};
use crate::error::{Error, Result};

/// The two samples of the toy set, as a CSV file.
pub const TOY: &[u8] = include_bytes!("bundled/toy.csv");
const DIGITS: &[u8] = include_bytes!("bundled/digits.csv.gz");
const PIXELS: usize = 64;

/// All digits, in the order of the file; it has no test records of its own.
pub struct Digits {
    records: Vec<Vec<u8>>,
    classes: Vec<u8>,
}

impl Digits {
    /// Unpacks them.
    ///
    /// # Errors
    /// When the bundled file is damaged.
    pub fn new() -> Result<Digits> {
        let damaged = |row: usize| Error::Data {
            source_name: "digits (bundled)".to_owned(),
            row: Some(row as u64 + 1),
            problem: "the bundled file is damaged".to_owned(),
            help: "build the program again from a clean checkout".to_owned(),
        };
        let mut text = String::new();
        GzDecoder::new(DIGITS).read_to_string(&mut text).map_err(|_| damaged(0))?;
        let mut digits = Digits { records: Vec::new(), classes: Vec::new() };
        for (row, line) in text.lines().enumerate() {
            let numbers = line.split(',').map(str::parse);
            let mut pixels =
                numbers.collect::<std::result::Result<Vec<u8>, _>>().map_err(|_| damaged(row))?;
            if pixels.len() != PIXELS + 1 {
                return Err(damaged(row));
            }
            digits.classes.extend(pixels.pop());
            digits.records.push(pixels);
        }
        Ok(digits)
    }
}

impl Classified for Digits {
    fn name(&self) -> String {
        "digits".to_owned()
    }

    fn dimension(&self) -> usize {
        PIXELS
    }

    fn classes_of(&self, part: Part) -> &[u8] {
        match part {
            Part::Train => &self.classes,
            Part::Test => &[],
        }
    }

    fn read(&self, _part: Part, positions: &[usize]) -> Result<Vec<Vec<u8>>> {
        Ok(positions.iter().map(|&position| self.records[position].clone()).collect())
    }
}
