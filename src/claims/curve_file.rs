//! Anybody's values by seed, depth and width, from a CSV file.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Read;

use crate::error::{Error, Result};

/// A file of values: by width and depth, each 0 without such a column, then by seed.
pub struct CurveFile {
    /// The file's name, for messages.
    pub name: String,
    /// Whether there is a column width, and a column depth.
    pub has: [bool; 2],
    values: BTreeMap<[u64; 2], BTreeMap<u64, Entry>>,
}

/// A value, None of a run that diverged, and where its line begins.
struct Entry {
    start: usize,
    value: Option<f64>,
}

/// Place of the width among the sizes of a [`CurveFile`].
pub const WIDTH: usize = 0;
/// Place of the depth among the sizes of a [`CurveFile`].
pub const DEPTH: usize = 1;

const COLUMNS: &str = "columns are seed, value, and depth or width or both, separated by commas";

impl CurveFile {
    /// Reads columns `seed`, `value`, and `depth` or `width` or both, in any order; others are passed
    /// over. A value that is empty or not finite stands for a run that diverged.
    ///
    /// # Errors
    /// At a line that does not say one number of one seed.
    pub fn read(name: &str, mut file: impl Read) -> Result<CurveFile> {
        let fail = |row: Option<u64>, problem: String, help: &str| Error::Data {
            source_name: name.to_owned(),
            row,
            problem,
            help: help.to_owned(),
        };
        let mut bytes = Vec::new();
        let readable = "name a CSV file that can be read";
        file.read_to_end(&mut bytes).map_err(|error| fail(None, error.to_string(), readable))?;
        let text = String::from_utf8(bytes).map_err(|error| {
            let before = &error.as_bytes()[..error.utf8_error().valid_up_to()];
            let row = Some(line_at(before, before.len()));
            fail(row, "is not UTF-8".to_owned(), "save the file as UTF-8")
        })?;
        let text = text.trim_start_matches('\u{feff}').as_bytes();
        let csv_error = |error: csv::Error| {
            let row = error.position().map(|at| line_at(text, start_of(text, at)));
            let problem = match error.kind() {
                csv::ErrorKind::UnequalLengths { expected_len, len, .. } => {
                    format!("{len} fields, where the header has {expected_len}")
                }
                _ => error.to_string(),
            };
            fail(row, problem, "every line needs as many fields as the header")
        };
        let mut reader = csv::ReaderBuilder::new().trim(csv::Trim::All).from_reader(text);
        let header = reader.headers().map_err(csv_error)?.clone();
        let of = |wanted: &str| {
            let is = |(_, name): &(usize, &str)| name.eq_ignore_ascii_case(wanted);
            let mut columns = header.iter().enumerate().filter(is).map(|(column, _)| column);
            match (columns.next(), columns.next()) {
                (_, Some(_)) => {
                    let problem = format!("two columns {wanted} in the header");
                    Err(fail(Some(1), problem, "rename the one that is not meant"))
                }
                (column, None) => Ok(column),
            }
        };
        let column = |wanted: &str| {
            let problem = || match header.len() {
                1 if header[0].contains([';', '\t']) => {
                    format!("no column {wanted}: fields are not separated by commas")
                }
                0 => "the file is empty".to_owned(),
                _ => format!("no column {wanted} in the header"),
            };
            of(wanted)?.ok_or_else(|| fail(Some(1), problem(), COLUMNS))
        };
        let (seed, value, sizes) =
            (column("seed")?, column("value")?, [of("width")?, of("depth")?]);
        if sizes == [None, None] {
            return Err(fail(Some(1), "no column depth or width in the header".into(), COLUMNS));
        }
        let has = sizes.map(|column| column.is_some());
        let mut file = CurveFile { name: name.to_owned(), has, values: BTreeMap::new() };
        for record in reader.records() {
            let record = record.map_err(csv_error)?;
            let start = record.position().map_or(0, |at| start_of(text, at));
            let wrong = |column: usize, what: &str| {
                let problem = format!("{}: '{}' is not {what}", &header[column], &record[column]);
                fail(Some(line_at(text, start)), problem, "mend or remove the line")
            };
            let number = whole(&record[seed]).ok_or_else(|| wrong(seed, "a whole number"))?;
            let value = match &record[value] {
                "" => None,
                text => Some(text.parse::<f64>().map_err(|_| wrong(value, "a number"))?),
            };
            let mut place = [0; 2];
            for (size, column) in place.iter_mut().zip(sizes) {
                let Some(column) = column else { continue };
                let read = whole(&record[column]).filter(|size| *size > 0);
                *size = read.ok_or_else(|| wrong(column, "a whole number above 0"))?;
            }
            let entry = Entry { start, value: value.filter(|value| value.is_finite()) };
            if let Some(other) = file.values.entry(place).or_default().insert(number, entry) {
                let other = line_at(text, other.start);
                let problem =
                    format!("seed {number} has a value of these sizes on line {other} too");
                return Err(fail(
                    Some(line_at(text, start)),
                    problem,
                    "give one value a seed and size, as their mean",
                ));
            }
        }
        if file.values.is_empty() {
            return Err(fail(None, "has no line below its header".to_owned(), COLUMNS));
        }
        Ok(file)
    }

    /// The different widths or depths, ascending.
    pub fn sizes(&self, which: usize) -> BTreeSet<u64> {
        self.values.keys().map(|place| place[which]).collect()
    }

    /// The seeds that have a line at one of some places (width, depth), ascending.
    pub fn seeds(&self, places: impl Iterator<Item = [u64; 2]>) -> Vec<u64> {
        let lines = places.filter_map(|place| self.values.get(&place));
        let seeds: BTreeSet<u64> = lines.flat_map(BTreeMap::keys).copied().collect();
        seeds.into_iter().collect()
    }

    /// The value of a seed at a place (width, depth); None if it diverged, or has no line.
    pub fn value(&self, place: [u64; 2], seed: u64) -> Option<f64> {
        self.values.get(&place)?.get(&seed)?.value
    }
}

/// Where a record begins: behind the line ends at its position, which are those of the record before and
/// of empty lines.
fn start_of(text: &[u8], position: &csv::Position) -> usize {
    let at = (position.byte() as usize).min(text.len());
    at + text[at..].iter().take_while(|byte| b"\r\n".contains(byte)).count()
}

/// The line of the byte at a place, from 1.
fn line_at(text: &[u8], place: usize) -> u64 {
    1 + text[..place].iter().filter(|byte| **byte == b'\n').count() as u64
}

/// A whole number, also one that is written as 4.0, as by a program that keeps a column in floats.
fn whole(text: &str) -> Option<u64> {
    const EXACT: f64 = 9e15;
    let float = || text.parse().ok().filter(|x: &f64| x.fract() == 0.0 && (0.0..EXACT).contains(x));
    text.parse().ok().or_else(|| float().map(|x| x as u64))
}
