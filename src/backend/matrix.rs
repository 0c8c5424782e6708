//! Matrices in journals: the number of rows, then the columns. (nalgebra's own needs its `std`
//! feature, whose products round otherwise.)

use nalgebra::DMatrix;
use serde::de::Error;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// Writes a matrix that may be missing, for `#[serde(with)]`.
///
/// # Errors
/// The serializer's.
pub fn serialize<S: Serializer>(
    matrix: &Option<DMatrix<f64>>,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    matrix.as_ref().map(|matrix| (matrix.nrows(), matrix.as_slice())).serialize(serializer)
}

/// Reads a matrix that may be missing, for `#[serde(with)]`.
///
/// # Errors
/// The deserializer's; a number of entries that is no multiple of the rows.
pub fn deserialize<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Option<DMatrix<f64>>, D::Error> {
    let stored = Option::<(usize, Vec<f64>)>::deserialize(deserializer)?;
    let Some((rows, entries)) = stored else { return Ok(None) };
    match entries.len().checked_div(rows) {
        Some(columns) if columns * rows == entries.len() => {
            Ok(Some(DMatrix::from_vec(rows, columns, entries)))
        }
        _ => Err(D::Error::custom(format!("{} entries in {rows} rows", entries.len()))),
    }
}
