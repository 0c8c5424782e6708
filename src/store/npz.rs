//! NumPy's archives: arrays by name, uncompressed, with a fixed date, so that the same arrays give the
//! same bytes.

use std::io::{self, Cursor, Write};

use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, ZipWriter};

use crate::error::{Error, Result};

/// An archive that grows in memory.
pub struct Archive {
    /// The file name, for messages.
    name: &'static str,
    zip: ZipWriter<Cursor<Vec<u8>>>,
}

impl Archive {
    /// An archive without arrays, to become the file `name`.
    pub fn new(name: &'static str) -> Self {
        Archive { name, zip: ZipWriter::new(Cursor::new(Vec::new())) }
    }

    /// Adds an array, as [`floats`], [`integers`] and [`strings`] make them.
    ///
    /// # Errors
    /// [`Error::Io`] if encoding fails.
    pub fn add(&mut self, name: &str, array: &[u8]) -> Result<()> {
        let options = SimpleFileOptions::default()
            .compression_method(CompressionMethod::Stored)
            .large_file(array.len() > u32::MAX as usize)
            .last_modified_time(zip::DateTime::default())
            .unix_permissions(0o644);
        let started = self.zip.start_file(format!("{name}.npy"), options).map_err(io::Error::from);
        let added = started.and_then(|()| self.zip.write_all(array));
        added.map_err(|source| self.failed(source))
    }

    /// Adds an array of f64 in C order, and the names of its axes as an array `dims.<name>`.
    ///
    /// # Errors
    /// [`Error::Io`] if encoding fails.
    pub fn add_named(
        &mut self,
        name: &str,
        dims: &[&str],
        shape: &[usize],
        values: &[f64],
    ) -> Result<()> {
        self.add(name, &floats(shape, values))?;
        self.add(&format!("dims.{name}"), &strings(dims))
    }

    /// The bytes of the whole file.
    ///
    /// # Errors
    /// [`Error::Io`] if encoding fails.
    pub fn finish(self) -> Result<Vec<u8>> {
        let name = self.name;
        let done = self.zip.finish().map_err(io::Error::from);
        done.map(Cursor::into_inner).map_err(|source| failed(name, source))
    }

    fn failed(&self, source: io::Error) -> Error {
        failed(self.name, source)
    }
}

fn failed(name: &str, source: io::Error) -> Error {
    Error::Io { action: "encode", path: name.into(), source }
}

/// An array of f64 in C order.
pub fn floats(shape: &[usize], values: &[f64]) -> Vec<u8> {
    npy("<f8", shape, values.iter().flat_map(|value| value.to_le_bytes()))
}

/// A vector of whole numbers.
pub fn integers(values: &[i64]) -> Vec<u8> {
    npy("<i8", &[values.len()], values.iter().flat_map(|value| value.to_le_bytes()))
}

/// A vector of strings as NumPy has them: UTF-32, padded to one length.
pub fn strings(values: &[&str]) -> Vec<u8> {
    let longest = values.iter().map(|value| value.chars().count()).max().unwrap_or(0).max(1);
    let padded = |value: &&str| {
        let codes: Vec<u32> = value.chars().map(u32::from).collect();
        (0..longest).flat_map(move |i| codes.get(i).copied().unwrap_or(0).to_le_bytes())
    };
    let bytes: Vec<u8> = values.iter().flat_map(padded).collect();
    npy(&format!("<U{longest}"), &[values.len()], bytes)
}

/// A single string as NumPy has it, an array without axes.
pub fn text(value: &str) -> Vec<u8> {
    let count = value.chars().count().max(1);
    npy(&format!("<U{count}"), &[], value.chars().flat_map(|c| u32::from(c).to_le_bytes()))
}

/// NumPy's array format, version 1.0: a header padded to 64 bytes, then the little-endian
/// `bytes` of its numbers in C order; `kind` is their type by NumPy's name, as in `<f8`.
pub fn npy(kind: &str, shape: &[usize], bytes: impl IntoIterator<Item = u8>) -> Vec<u8> {
    let shape: String = shape.iter().map(|length| format!("{length},")).collect();
    let header = format!("{{'descr': '{kind}', 'fortran_order': False, 'shape': ({shape}), }}");
    let length = (10 + header.len() + 1).next_multiple_of(64) - 10;
    let mut array = b"\x93NUMPY\x01\x00".to_vec();
    array.extend((length as u16).to_le_bytes());
    array.extend(header.bytes());
    array.resize(10 + length - 1, b' ');
    array.push(b'\n');
    array.extend(bytes);
    array
}
