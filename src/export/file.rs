//! The file of an exported network: safetensors, or NumPy's archive.

use std::borrow::Cow;
use std::collections::HashMap;
use std::io;
use std::path::Path;

use safetensors::tensor::{Dtype, View};
use serde_json::Value;

use crate::backend::real::Real;
use crate::choice::choice;
use crate::error::{Error, Result};
use crate::store::npz::{self, Archive};

choice! {
    /// The format of the file of an exported network.
    pub enum Format {
        /// Tensors with one entry of metadata, as PyTorch, JAX and others read them.
        Safetensors = "safetensors",
        /// Arrays by name, as numpy.load reads them.
        Npz = "npz",
    }
}

/// The name of the one entry of metadata in safetensors, and of its array in NumPy's archive.
pub const ABOUT: &str = "nfd";

/// The numbers of an array: their type as NumPy and safetensors name it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Numbers {
    /// Binary32 numbers, four bytes each.
    F32,
    /// Binary64 numbers, eight bytes each.
    F64,
    /// Whole numbers with a sign, eight bytes each.
    I64,
}

/// An array by name: little-endian numbers in C order.
#[derive(Clone, Debug, PartialEq)]
pub struct Array {
    /// The name in the file.
    pub name: String,
    numbers: Numbers,
    shape: Vec<usize>,
    bytes: Vec<u8>,
}

impl Array {
    /// An array in the format of `T`, of numbers in C order.
    pub fn of<T: Real>(name: String, shape: &[usize], numbers: impl Iterator<Item = T>) -> Self {
        let count = shape.iter().product::<usize>() * size_of::<T>();
        let mut bytes = Vec::with_capacity(count);
        let single = size_of::<T>() == size_of::<f32>();
        for number in numbers {
            match single {
                true => bytes.extend(number.narrow().to_le_bytes()),
                false => bytes.extend(number.widen().to_le_bytes()),
            }
        }
        let numbers = if single { Numbers::F32 } else { Numbers::F64 };
        Array { name, numbers, shape: shape.to_vec(), bytes }
    }

    /// An array of whole numbers in C order.
    pub fn whole(name: &str, shape: &[usize], numbers: impl Iterator<Item = i64>) -> Self {
        let bytes = numbers.flat_map(i64::to_le_bytes).collect();
        Array { name: name.to_owned(), numbers: Numbers::I64, shape: shape.to_vec(), bytes }
    }
}

/// How safetensors sees an array.
impl View for &Array {
    fn dtype(&self) -> Dtype {
        match self.numbers {
            Numbers::F32 => Dtype::F32,
            Numbers::F64 => Dtype::F64,
            Numbers::I64 => Dtype::I64,
        }
    }

    fn shape(&self) -> &[usize] {
        &self.shape
    }

    fn data(&self) -> Cow<'_, [u8]> {
        Cow::Borrowed(&self.bytes)
    }

    fn data_len(&self) -> usize {
        self.bytes.len()
    }
}

impl Format {
    /// The format that the ending of a file's name stands for, if it is one of them.
    pub fn of(path: &Path) -> Option<Format> {
        let ending = path.extension()?.to_str()?;
        Format::ALL.into_iter().find(|format| format.name() == ending)
    }

    /// The bytes of a file with these arrays, and `about` them.
    ///
    /// # Errors
    /// [`Error::Io`] if encoding fails.
    pub fn encode(self, arrays: &[Array], about: &Value) -> Result<Vec<u8>> {
        let about = about.to_string();
        match self {
            Format::Safetensors => {
                // One entry: several would be in the order of a hash.
                let metadata = HashMap::from([(ABOUT.to_owned(), about)]);
                let named = arrays.iter().map(|array| (&array.name, array));
                safetensors::serialize(named, Some(metadata)).map_err(|error| Error::Io {
                    action: "encode",
                    path: self.name().into(),
                    source: io::Error::other(error),
                })
            }
            Format::Npz => {
                let mut archive = Archive::new(self.name());
                for Array { name, numbers, shape, bytes } in arrays {
                    let kind = match numbers {
                        Numbers::F32 => "<f4",
                        Numbers::F64 => "<f8",
                        Numbers::I64 => "<i8",
                    };
                    archive.add(name, &npz::npy(kind, shape, bytes.iter().copied()))?;
                }
                archive.add(ABOUT, &npz::text(&about))?;
                archive.finish()
            }
        }
    }
}
