//! The bundled sets.

use std::io::Read;

use flate2::read::GzDecoder;

use super::{Labels, Samples};
use crate::error::{Error, Result};

/// toy.csv
pub const TOY: &[u8] = include_bytes!("bundled/toy.csv");
const DIGITS: &[u8] = include_bytes!("bundled/digits.csv.gz");
const PIXELS: usize = 64;

/// The first `wanted` digits of `classes`, in the order of the file; sample indices are its rows.
pub fn load(classes: Option<&[u8]>, labels: Labels, wanted: usize) -> Result<Samples> {
    let damaged = |row: usize| Error::Data {
        source_name: "digits (bundled)".to_owned(),
        row: Some(row as u64 + 1),
        problem: "the bundled file is damaged".to_owned(),
        help: "build the program again from a clean checkout".to_owned(),
    };
    let classes = classes.unwrap_or(&[0, 1]);
    let mut text = String::new();
    GzDecoder::new(DIGITS).read_to_string(&mut text).map_err(|_| damaged(0))?;

    let outputs = if labels == Labels::OneHot { classes.len() } else { 1 };
    let mut samples = Samples::new(PIXELS, outputs);
    for (row, line) in text.lines().enumerate() {
        if samples.len() == wanted {
            break;
        }
        let numbers: Vec<u8> = line
            .split(',')
            .map(str::parse)
            .collect::<std::result::Result<_, _>>()
            .map_err(|_| damaged(row))?;
        let [pixels @ .., class] = &numbers[..] else { return Err(damaged(row)) };
        if pixels.len() != PIXELS {
            return Err(damaged(row));
        }
        let Some(position) = classes.iter().position(|c| c == class) else { continue };
        let pixels: Vec<f64> = pixels.iter().map(|&p| f64::from(p)).collect();
        let label: Vec<f64> = match labels {
            Labels::Sign => vec![if position == 0 { -1.0 } else { 1.0 }],
            Labels::Values => vec![f64::from(*class)],
            Labels::OneHot => (0..outputs).map(|o| f64::from(u8::from(o == position))).collect(),
        };
        samples.push(row as u32, &pixels, &label);
    }
    Ok(samples)
}
