//! Tables: a sample a row, columns of inputs and of labels, as [`Dialect`] tells them apart.

use std::io::{self, Read};
use std::path::Path;

use super::dialect::{Dialect, number, reader, shown};
use super::file::{self, Kind};
use super::records::{MOST_NUMBERS, Table, Targets};
use crate::error::{Error, Result};

/// Bytes of a row, at most.
const LONGEST: usize = 1 << 26;

/// Reads at most `rows` rows of a file, plain or gzip.
///
/// # Errors
/// Where it is no table of finite numbers, with the line and the column.
pub fn load(path: &Path, rows: usize) -> Result<Table> {
    let file = file::open(path)?;
    file.refuse_unless(path, file.kind == Kind::Plain, "a table")?;
    let head = file.head.clone();
    parse(&path.display().to_string(), &head, file.reader(), rows)
}

/// Reads at most `rows` rows of a table that begins with `head`; sample indices are row numbers from 0.
///
/// # Errors
/// As [`load`].
pub fn parse(name: &str, head: &[u8], file: impl Read, rows: usize) -> Result<Table> {
    let fail = |row: Option<u64>, problem: String, help: &str| Error::Data {
        source_name: name.to_owned(),
        row,
        problem,
        help: help.to_owned(),
    };
    let dialect = Dialect::of(name, head)?;
    let (d, outputs) = (dialect.inputs.len(), dialect.labels.len());
    let file = Rows { file, since: 0 };
    let mut reader = reader().delimiter(dialect.separator).from_reader(file);
    let skip = usize::from(dialect.header.is_some());
    let (mut inputs, mut labels) = (Vec::new(), Vec::new());
    for record in reader.records().take(rows.saturating_add(skip)).skip(skip) {
        let record = record.map_err(|error| {
            let row = error.position().map(csv::Position::line);
            fail(row, error.to_string(), "every row needs as many fields as the first")
        })?;
        let read = |&column: &usize| {
            let field = &record[column];
            number(field).filter(|number| number.is_finite()).ok_or_else(|| {
                let name = match &dialect.header {
                    Some(names) => shown(&names[column]),
                    None => (column + 1).to_string(),
                };
                fail(
                    record.position().map(csv::Position::line),
                    format!("column {name}: '{}' is not a finite number", shown(field)),
                    "mend or remove the row",
                )
            })
        };
        for column in &dialect.inputs {
            inputs.push(read(column)?);
        }
        for column in &dialect.labels {
            labels.push(read(column)?);
        }
        if inputs.len() + labels.len() > MOST_NUMBERS {
            let problem = format!("has more than {MOST_NUMBERS} numbers");
            let help = "lower data.samples where samples are taken in order, or save it as arrays of \
                        NumPy, of which only what is chosen is read";
            return Err(fail(None, problem, help));
        }
    }
    let labels = Targets { outputs, numbers: labels };
    Ok(Table { name: name.to_owned(), dimension: d, inputs, labels, assumed: dialect.assumed })
}

/// Refuses to read a row that does not end, which would take all memory.
struct Rows<R> {
    file: R,
    since: usize,
}

impl<R: Read> Read for Rows<R> {
    fn read(&mut self, bytes: &mut [u8]) -> io::Result<usize> {
        let read = self.file.read(bytes)?;
        let end = bytes[..read].iter().rposition(|byte| matches!(byte, b'\n' | b'\r'));
        self.since = end.map_or(self.since + read, |end| read - end);
        if self.since > LONGEST {
            return Err(io::Error::other(format!("a row is longer than {LONGEST} bytes")));
        }
        Ok(read)
    }
}
