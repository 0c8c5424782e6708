//! What was typed. Absent fields are None; unknown ones are errors.

use std::fmt;
use std::path::PathBuf;

use schemars::JsonSchema;
use serde::de::value::MapAccessDeserializer;
use serde::de::{Deserializer, MapAccess, Visitor};
use serde::{Deserialize, de};

use super::{Batch, Block, Group, Precision, ReferenceKind, Rows, Study};
use crate::data::{Labels, Source};
use crate::model::{Activation, Closure, Exponents, Loss, Parametrization};

/// An experiment file.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[allow(missing_docs)]
pub struct Experiment {
    pub name: String,
    pub study: Option<Study>,
    pub data: Data,
    pub model: Option<Model>,
    pub training: Training,
    pub ensemble: Ensemble,
    #[schemars(with = "Option<ReferenceSchema>")]
    pub reference: Option<Reference>,
    pub finest: Option<u32>,
    pub engine: Option<EngineChoice>,
    pub backend: Option<BackendChoice>,
    pub precision: Option<Precision>,
}

/// `data`
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[allow(missing_docs)]
pub struct Data {
    pub source: Source,
    pub samples: Option<usize>,
    pub test_samples: Option<usize>,
    pub classes: Option<Vec<u8>>,
    pub labels: Option<Labels>,
    pub normalize: Option<bool>,
    pub path: Option<PathBuf>,
    pub dimension: Option<usize>,
    pub seed: Option<u64>,
}

/// `model`
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[allow(missing_docs)]
pub struct Model {
    pub parametrization: Option<Parametrization>,
    pub exponents: Option<Exponents>,
    pub block: Option<Block>,
    pub activation: Option<Activation>,
    pub horizon: Option<f64>,
    pub gamma: Option<f64>,
    pub train: Option<Vec<Group>>,
}

/// `training`
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[allow(missing_docs)]
pub struct Training {
    pub loss: Option<Loss>,
    pub steps: u32,
    pub learning_rate: f64,
    pub rates: Option<EndRates>,
    pub batch: Option<Batch>,
}

/// `training.rates`
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[allow(missing_docs)]
pub struct EndRates {
    pub input: Option<f64>,
    pub readout: Option<f64>,
}

/// `ensemble`
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[allow(missing_docs)]
pub struct Ensemble {
    pub widths: Vec<usize>,
    pub depths: Vec<usize>,
    pub seeds: u64,
    pub closures: Option<Vec<Closure>>,
}

/// `reference`: a word, or an object.
#[derive(Clone, Debug, Default)]
#[allow(missing_docs)]
pub struct Reference {
    pub kind: Option<ReferenceKind>,
    pub width: Option<usize>,
    pub depth: Option<usize>,
    pub rows: Option<Rows>,
}

/// The object that a reference may be.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct ReferenceObject {
    kind: Option<ReferenceKind>,
    width: Option<usize>,
    depth: Option<usize>,
    #[schemars(with = "Option<RowsSchema>")]
    rows: Option<Rows>,
}

/// A reference as the visitor below takes it, for the schema.
#[derive(JsonSchema)]
#[serde(untagged)]
#[allow(dead_code)]
enum ReferenceSchema {
    Word(ReferenceKind),
    Object(ReferenceObject),
}

/// Rows likewise.
#[derive(JsonSchema)]
#[serde(untagged)]
#[allow(dead_code)]
enum RowsSchema {
    Number(usize),
    Word(All),
}

#[derive(JsonSchema)]
#[serde(rename_all = "kebab-case")]
#[allow(dead_code)]
enum All {
    All,
}

impl<'de> Deserialize<'de> for Reference {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct WordOrObject;
        impl<'de> Visitor<'de> for WordOrObject {
            type Value = Reference;

            fn expecting(&self, out: &mut fmt::Formatter) -> fmt::Result {
                out.write_str("\"doubling\", \"none\", or an object with kind, width, depth, rows")
            }

            fn visit_str<E: de::Error>(self, word: &str) -> Result<Reference, E> {
                let kind = ReferenceKind::deserialize(de::value::StrDeserializer::new(word))?;
                Ok(Reference { kind: Some(kind), ..Reference::default() })
            }

            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Reference, A::Error> {
                let ReferenceObject { kind, width, depth, rows } =
                    ReferenceObject::deserialize(MapAccessDeserializer::new(map))?;
                Ok(Reference { kind, width, depth, rows })
            }
        }
        deserializer.deserialize_any(WordOrObject)
    }
}

impl<'de> Deserialize<'de> for Rows {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct NumberOrAll;
        impl Visitor<'_> for NumberOrAll {
            type Value = Rows;

            fn expecting(&self, out: &mut fmt::Formatter) -> fmt::Result {
                out.write_str("a number of rows or \"all\"")
            }

            fn visit_u64<E: de::Error>(self, rows: u64) -> Result<Rows, E> {
                let wrong = || E::invalid_value(de::Unexpected::Unsigned(rows), &self);
                usize::try_from(rows).map(Rows::First).map_err(|_| wrong())
            }

            fn visit_str<E: de::Error>(self, word: &str) -> Result<Rows, E> {
                match word {
                    "all" => Ok(Rows::All),
                    _ => Err(E::invalid_value(de::Unexpected::Str(word), &self)),
                }
            }
        }
        deserializer.deserialize_any(NumberOrAll)
    }
}

/// An engine, or "auto".
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
#[allow(missing_docs)]
pub enum EngineChoice {
    Auto,
    Conditional,
    Dense,
}

/// A backend, or "auto".
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
#[allow(missing_docs)]
pub enum BackendChoice {
    Auto,
    Plain,
    Cpu,
}
