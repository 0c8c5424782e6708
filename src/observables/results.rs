//! results.csv: one number a line, every line complete in itself.

use serde::Serialize;

use crate::error::{Error, Result};

/// A line of results.csv. An observable that has no depth time or no reference leaves the field
/// empty.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Row {
    /// Closure
    pub closure: &'static str,
    /// Parametrization
    pub parametrization: &'static str,
    /// Engine
    pub engine: &'static str,
    /// Precision
    pub precision: &'static str,
    /// n
    pub width: usize,
    /// L
    pub depth: usize,
    /// η
    pub learning_rate: f64,
    /// Seed
    pub seed: u64,
    /// Updates done.
    pub step: u32,
    /// t = lT/L
    pub depth_time: Option<f64>,
    /// What a difference was taken to.
    pub reference: String,
    /// What was measured.
    pub observable: String,
    /// The number, as short as it can be without loss.
    pub value: f64,
}

/// The whole file, header included.
///
/// # Errors
/// [`Error::Io`] if encoding fails.
pub fn to_csv(rows: &[Row]) -> Result<Vec<u8>> {
    let fail = |source: csv::Error| Error::Io {
        action: "encode",
        path: "results.csv".into(),
        source: std::io::Error::other(source),
    };
    let mut writer = csv::Writer::from_writer(Vec::new());
    for row in rows {
        writer.serialize(row).map_err(fail)?;
    }
    writer.into_inner().map_err(|error| fail(error.into_error().into()))
}
