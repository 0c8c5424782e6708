//! results.parquet: the lines of results.csv with their types, for who has many of them.

use std::sync::Arc;

use ::parquet::data_type::{ByteArray, ByteArrayType, DataType, DoubleType, Int64Type};
use ::parquet::errors::ParquetError;
use ::parquet::file::properties::WriterProperties;
use ::parquet::file::writer::{SerializedFileWriter, SerializedRowGroupWriter};
use ::parquet::schema::parser::parse_message_type;

use super::results::{Line, Row, lines};
use crate::error::{Error, Result};
use crate::experiment::Experiment;

/// The columns of results.csv, by their types.
const SCHEMA: &str = "message results {
    required binary closure (UTF8);
    required binary parametrization (UTF8);
    required binary engine (UTF8);
    required binary precision (UTF8);
    required int64 width;
    required int64 depth;
    required double learning_rate;
    required int64 seed;
    required int64 step;
    optional double depth_time;
    optional int64 sample;
    optional int64 output;
    required binary reference (UTF8);
    required binary observable (UTF8);
    required double value;
}";

/// Lines that are held and written at a time.
const GROUP: usize = 1 << 20;

/// The whole file.
///
/// # Errors
/// [`Error::Io`] if encoding fails.
pub fn to_parquet(experiment: &Experiment, rows: &[Row]) -> Result<Vec<u8>> {
    encode(experiment, rows).map_err(|error| Error::Io {
        action: "encode",
        path: "results.parquet".into(),
        source: std::io::Error::other(error),
    })
}

fn encode(experiment: &Experiment, rows: &[Row]) -> std::result::Result<Vec<u8>, ParquetError> {
    let mut bytes = Vec::new();
    let schema = Arc::new(parse_message_type(SCHEMA)?);
    let properties = Arc::new(WriterProperties::default());
    let mut file = SerializedFileWriter::new(&mut bytes, schema, properties)?;
    for rows in rows.chunks(GROUP) {
        let lines: Vec<Line> = lines(experiment, rows).collect();
        let mut group = Group { writer: file.next_row_group()?, lines: &lines };
        group.texts(|line| line.closure)?;
        group.texts(|line| line.parametrization)?;
        group.texts(|line| line.engine)?;
        group.texts(|line| line.precision)?;
        group.integers(|line| line.width as i64)?;
        group.integers(|line| line.depth as i64)?;
        group.column::<DoubleType>(|line| Some(line.learning_rate))?;
        group.integers(|line| line.seed as i64)?;
        group.integers(|line| i64::from(line.step))?;
        group.column::<DoubleType>(|line| line.depth_time)?;
        group.column::<Int64Type>(|line| line.sample.map(i64::from))?;
        group.column::<Int64Type>(|line| line.output.map(|output| output as i64))?;
        group.texts(|line| &line.reference)?;
        group.texts(|line| line.observable)?;
        group.column::<DoubleType>(|line| Some(line.value))?;
        group.writer.close()?;
    }
    file.close()?;
    Ok(bytes)
}

/// Lines on their way into the file, column by column in the order of the schema.
struct Group<'a, 'b> {
    writer: SerializedRowGroupWriter<'a, &'b mut Vec<u8>>,
    lines: &'a [Line],
}

impl Group<'_, '_> {
    fn texts(&mut self, of: impl Fn(&Line) -> &str) -> std::result::Result<(), ParquetError> {
        self.column::<ByteArrayType>(|line| Some(ByteArray::from(of(line))))
    }

    fn integers(&mut self, of: impl Fn(&Line) -> i64) -> std::result::Result<(), ParquetError> {
        self.column::<Int64Type>(|line| Some(of(line)))
    }

    /// The next column; None where a line has nothing in it, which the schema must allow.
    fn column<T: DataType>(
        &mut self,
        of: impl Fn(&Line) -> Option<T::T>,
    ) -> std::result::Result<(), ParquetError> {
        let all: Vec<Option<T::T>> = self.lines.iter().map(of).collect();
        let there: Vec<i16> = all.iter().map(|value| i16::from(value.is_some())).collect();
        let values: Vec<T::T> = all.into_iter().flatten().collect();
        let Some(mut column) = self.writer.next_column()? else {
            return Err(ParquetError::General("a column more than the schema has".to_owned()));
        };
        column.typed::<T>().write_batch(&values, Some(&there), None)?;
        column.close()
    }
}
