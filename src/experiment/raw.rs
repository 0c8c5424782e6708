//! What was typed. Absent fields are None; unknown ones are errors.

use std::fmt;
use std::path::PathBuf;

use schemars::JsonSchema;
use serde::de::value::MapAccessDeserializer;
use serde::de::{Deserializer, MapAccess, Visitor};
use serde::{Deserialize, de};

use super::{Batch, Block, Group, Optimizer, Precision, ReferenceKind, Rows, Storage, Study};
use crate::choice::choice;
use crate::data::selection::Selection;
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
    pub storage: Option<Storage>,
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
    pub selection: Option<Selection>,
    pub split_seed: Option<u64>,
    pub standardize: Option<bool>,
    pub normalize: Option<bool>,
    pub path: Option<PathBuf>,
    pub label_path: Option<PathBuf>,
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
    pub learning_rate: Option<f64>,
    pub rates: Option<EndRates>,
    #[schemars(with = "Option<BatchSchema>")]
    pub batch: Option<Batch>,
    pub optimizer: Option<Optimizer>,
    pub momentum: Option<f64>,
    pub weight_decay: Option<f64>,
    #[schemars(with = "Option<ScheduleSchema>")]
    pub schedule: Option<Schedule>,
    pub record: Option<u32>,
}

/// A batch as the visitor below takes it, for the schema.
#[derive(JsonSchema)]
#[serde(untagged)]
#[allow(dead_code)]
enum BatchSchema {
    Number(usize),
    Word(Full),
}

#[derive(JsonSchema)]
#[serde(rename_all = "kebab-case")]
#[allow(dead_code)]
enum Full {
    Full,
}

/// `training.schedule`: a word, or an object.
#[derive(Clone, Debug, Default)]
#[allow(missing_docs)]
pub struct Schedule {
    pub kind: Option<ScheduleKind>,
    pub warmup: Option<u32>,
    pub last: Option<f64>,
    pub every: Option<u32>,
    pub factor: Option<f64>,
}

choice! {
    /// The kinds of schedules.
    pub enum ScheduleKind {
        /// The rates stay as they are.
        Constant = "constant",
        /// The rates fall along half a cosine, to `final` times their value at the last update.
        Cosine = "cosine",
        /// The rates are multiplied by `factor` every `every` updates.
        Step = "step",
    }
}

/// The object that a schedule may be.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct ScheduleObject {
    kind: Option<ScheduleKind>,
    warmup: Option<u32>,
    #[serde(rename = "final")]
    last: Option<f64>,
    every: Option<u32>,
    factor: Option<f64>,
}

/// A schedule as the visitor below takes it, for the schema.
#[derive(JsonSchema)]
#[serde(untagged)]
#[allow(dead_code)]
enum ScheduleSchema {
    Word(ScheduleKind),
    Object(ScheduleObject),
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
    pub parametrizations: Option<Vec<Parametrization>>,
    pub learning_rates: Option<Vec<f64>>,
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

impl<'de> Deserialize<'de> for Schedule {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct WordOrObject;
        impl<'de> Visitor<'de> for WordOrObject {
            type Value = Schedule;

            fn expecting(&self, out: &mut fmt::Formatter) -> fmt::Result {
                out.write_str("\"constant\", \"cosine\", \"step\", or an object with kind, warmup")
            }

            fn visit_str<E: de::Error>(self, word: &str) -> Result<Schedule, E> {
                let kind = ScheduleKind::deserialize(de::value::StrDeserializer::new(word))?;
                Ok(Schedule { kind: Some(kind), ..Schedule::default() })
            }

            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Schedule, A::Error> {
                let ScheduleObject { kind, warmup, last, every, factor } =
                    ScheduleObject::deserialize(MapAccessDeserializer::new(map))?;
                Ok(Schedule { kind, warmup, last, every, factor })
            }
        }
        deserializer.deserialize_any(WordOrObject)
    }
}

impl<'de> Deserialize<'de> for Rows {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let number = NumberOrWord { word: "all", what: "a number of rows or \"all\"" };
        Ok(deserializer.deserialize_any(number)?.map_or(Rows::All, Rows::First))
    }
}

impl<'de> Deserialize<'de> for Batch {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let number = NumberOrWord { word: "full", what: "a number of samples or \"full\"" };
        Ok(deserializer.deserialize_any(number)?.map_or(Batch::Full, Batch::Of))
    }
}

/// A number, or None for one word.
struct NumberOrWord {
    word: &'static str,
    /// For people.
    what: &'static str,
}

impl Visitor<'_> for NumberOrWord {
    type Value = Option<usize>;

    fn expecting(&self, out: &mut fmt::Formatter) -> fmt::Result {
        out.write_str(self.what)
    }

    fn visit_u64<E: de::Error>(self, number: u64) -> Result<Option<usize>, E> {
        let wrong = || E::invalid_value(de::Unexpected::Unsigned(number), &self);
        usize::try_from(number).map(Some).map_err(|_| wrong())
    }

    fn visit_str<E: de::Error>(self, word: &str) -> Result<Option<usize>, E> {
        match word == self.word {
            true => Ok(None),
            false => Err(E::invalid_value(de::Unexpected::Str(word), &self)),
        }
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
    Cuda,
}
