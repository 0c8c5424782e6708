//! The bundled sets.

use std::io::Read;

use flate2::read::GzDecoder;

use super::records::{Table, Targets};
use crate::error::{Error, Result};

/// The two samples of the toy set, as a CSV file.
pub const TOY: &[u8] = include_bytes!("bundled/toy.csv");
const DIGITS: &[u8] = include_bytes!("bundled/digits.csv.gz");
const PIXELS: usize = 64;

/// All digits, in the order of the file; the set has no test records of its own.
///
/// # Errors
/// When the bundled file is damaged.
pub fn digits() -> Result<Table> {
    let damaged = |row: usize| Error::Data {
        source_name: "digits (bundled)".to_owned(),
        row: Some(row as u64 + 1),
        problem: "the bundled file is damaged".to_owned(),
        help: "build the program again from a clean checkout".to_owned(),
    };
    let mut text = String::new();
    GzDecoder::new(DIGITS).read_to_string(&mut text).map_err(|_| damaged(0))?;
    let (mut inputs, mut classes) = (Vec::new(), Vec::new());
    for (row, line) in text.lines().enumerate() {
        let numbers = line.split(',').map(str::parse);
        let numbers =
            numbers.collect::<std::result::Result<Vec<u8>, _>>().map_err(|_| damaged(row))?;
        let (pixels, class) = numbers.split_at_checked(PIXELS).ok_or_else(|| damaged(row))?;
        let &[class] = class else { return Err(damaged(row)) };
        inputs.extend(pixels.iter().copied().map(f64::from));
        classes.push(class);
    }
    Ok(Table {
        name: "digits".to_owned(),
        dimension: PIXELS,
        inputs,
        labels: Targets::of_classes(classes),
        assumed: Vec::new(),
    })
}
