//! The width of the inner layer of two-layer blocks: a number, or so many times the width of the network.

use std::fmt;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::{self, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// Width M of the inner layer of two-layer blocks, in an experiment file a number or a word such as `4n`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum InnerWidth {
    /// So many times the width n of the network, rounded, at least 1.
    Times(f64),
    /// This number at every width n.
    Fixed(usize),
}

impl InnerWidth {
    /// M beside the width n of the network.
    pub fn at(self, width: usize) -> usize {
        match self {
            InnerWidth::Times(ratio) => ((ratio * width as f64).round() as usize).max(1),
            InnerWidth::Fixed(inner) => inner,
        }
    }

    /// Whether M is the width n of the network.
    pub fn is_width(&self) -> bool {
        *self == InnerWidth::default()
    }

    fn of_word(word: &str) -> Option<InnerWidth> {
        let ratio = match word.strip_suffix('n')?.trim() {
            "" => 1.0,
            ratio => ratio.parse().ok()?,
        };
        (ratio > 0.0 && f64::is_finite(ratio)).then_some(InnerWidth::Times(ratio))
    }
}

impl Default for InnerWidth {
    fn default() -> Self {
        InnerWidth::Times(1.0)
    }
}

impl fmt::Display for InnerWidth {
    fn fmt(&self, out: &mut fmt::Formatter) -> fmt::Result {
        match self {
            InnerWidth::Times(1.0) => out.write_str("n"),
            InnerWidth::Times(ratio) => write!(out, "{ratio}n"),
            InnerWidth::Fixed(inner) => write!(out, "{inner}"),
        }
    }
}

impl Serialize for InnerWidth {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            InnerWidth::Times(_) => serializer.collect_str(self),
            InnerWidth::Fixed(inner) => inner.serialize(serializer),
        }
    }
}

impl<'de> Deserialize<'de> for InnerWidth {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(NumberOrWord)
    }
}

struct NumberOrWord;

impl Visitor<'_> for NumberOrWord {
    type Value = InnerWidth;

    fn expecting(&self, out: &mut fmt::Formatter) -> fmt::Result {
        out.write_str("a number of units, or so many times the width as in \"4n\" or \"0.5n\"")
    }

    fn visit_u64<E: de::Error>(self, inner: u64) -> Result<InnerWidth, E> {
        let value = || de::Error::invalid_value(de::Unexpected::Unsigned(inner), &self);
        usize::try_from(inner).ok().filter(|m| *m > 0).map(InnerWidth::Fixed).ok_or_else(value)
    }

    fn visit_str<E: de::Error>(self, word: &str) -> Result<InnerWidth, E> {
        let value = || de::Error::invalid_value(de::Unexpected::Str(word), &self);
        InnerWidth::of_word(word).ok_or_else(value)
    }
}

impl JsonSchema for InnerWidth {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> std::borrow::Cow<'static, str> {
        "InnerWidth".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "anyOf": [
                { "type": "integer", "minimum": 1 },
                { "type": "string", "pattern": "^([0-9]+([.][0-9]+)?)?n$" }
            ]
        })
    }
}
