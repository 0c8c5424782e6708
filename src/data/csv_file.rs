//! CSV: a header whose columns begin with x (inputs) or y (labels), then rows of finite numbers.

use std::fs::File;
use std::io::{BufReader, Read};
use std::path::Path;

use flate2::read::GzDecoder;

use super::Samples;
use crate::error::{Error, Result};

/// Reads at most `wanted` rows of a file, plain or gzip.
pub fn load(path: &Path, wanted: usize) -> Result<Samples> {
    let file = File::open(path).map_err(|source| Error::Io {
        action: "read",
        path: path.to_owned(),
        source,
    })?;
    let name = path.display().to_string();
    match path.extension().is_some_and(|extension| extension == "gz") {
        true => parse(&name, GzDecoder::new(BufReader::new(file)), wanted),
        false => parse(&name, file, wanted),
    }
}

/// Reads at most `wanted` rows; sample indices are row numbers from 0.
pub fn parse(name: &str, file: impl Read, wanted: usize) -> Result<Samples> {
    let fail = |row: Option<u64>, problem: String, help: &str| Error::Data {
        source_name: name.to_owned(),
        row,
        problem,
        help: help.to_owned(),
    };
    let ragged = "every row needs one number for each column of the header";
    let csv_error = |error: csv::Error| {
        let row = error.position().map(csv::Position::line);
        fail(row, error.to_string(), ragged)
    };
    let mut reader = csv::ReaderBuilder::new().trim(csv::Trim::All).from_reader(file);
    let header = reader.headers().map_err(csv_error)?.clone();
    let begins =
        |letter: char| header.iter().filter(|name| name.to_lowercase().starts_with(letter)).count();
    let (dimension, outputs) = (begins('x'), begins('y'));
    let is_input = |name: &str| name.to_lowercase().starts_with('x');
    let ordered = header.iter().take(dimension).all(is_input);
    if dimension == 0 || outputs == 0 || dimension + outputs != header.len() || !ordered {
        return Err(fail(
            Some(1),
            format!(
                "cannot tell inputs from labels in the header '{}'",
                header.iter().collect::<Vec<_>>().join(",")
            ),
            "name the inputs x1, x2, … and the labels y (or y1, y2, …), inputs first",
        ));
    }
    let mut samples = Samples::new(dimension, outputs);
    for (index, record) in reader.records().take(wanted).enumerate() {
        let record = record.map_err(csv_error)?;
        let row = record.position().map(csv::Position::line);
        let mut numbers = Vec::with_capacity(header.len());
        for (column, field) in header.iter().zip(&record) {
            match field.parse::<f64>() {
                Ok(number) if number.is_finite() => numbers.push(number),
                _ => {
                    return Err(fail(
                        row,
                        format!("column {column}: '{field}' is not a finite number"),
                        "mend or remove the row",
                    ));
                }
            }
        }
        let (input, label) = numbers.split_at(dimension);
        samples.push(index as u32, input, label);
    }
    Ok(samples)
}
