//! Forms in which a field may be typed: a word in the place of an object, of a number, or of a choice.

use std::borrow::Cow;
use std::fmt;
use std::marker::PhantomData;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::value::{MapAccessDeserializer, StrDeserializer};
use serde::de::{self, Deserialize, DeserializeOwned, Deserializer, Error, MapAccess, Visitor};

/// One of several values, or the word "auto" in its place.
#[derive(Clone, Copy, Debug, PartialEq, Eq, JsonSchema)]
#[schemars(inline)]
pub enum OrAuto<T> {
    /// Chosen by the program, which says what it chose and why.
    #[schemars(rename = "auto")]
    Auto,
    /// The value that was typed.
    #[schemars(untagged)]
    Fixed(T),
}

impl<T> OrAuto<T> {
    /// The value; None where "auto" or nothing was typed.
    pub fn fixed(typed: Option<OrAuto<T>>) -> Option<T> {
        match typed {
            None | Some(OrAuto::Auto) => None,
            Some(OrAuto::Fixed(value)) => Some(value),
        }
    }
}

impl<'de, T: DeserializeOwned> Deserialize<'de> for OrAuto<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let word = String::deserialize(deserializer)?;
        if word == "auto" {
            return Ok(OrAuto::Auto);
        }
        let value = T::deserialize(StrDeserializer::<D::Error>::new(&word));
        value.map(OrAuto::Fixed).map_err(|error| {
            // The value's own message, which ends with a list of its names, with one more.
            let message = error.to_string();
            D::Error::custom(match message.rsplit_once("expected ") {
                Some((wrong, names)) => format!("{wrong}expected `auto`, {names}"),
                None => message,
            })
        })
    }
}

/// An object with a `kind`, for which the word of the kind alone may stand.
#[derive(Clone, Debug)]
pub struct Shorthand<T>(pub T);

/// An object that [`Shorthand`] can abbreviate.
pub trait HasKind {
    /// The words of its field `kind`.
    type Kind: JsonSchema;
    /// What may be typed, for error messages.
    const FORMS: &'static str;
}

impl<'de, T: DeserializeOwned + HasKind> Deserialize<'de> for Shorthand<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(WordOrObject(PhantomData)).map(Shorthand)
    }
}

struct WordOrObject<T>(PhantomData<T>);

impl<'de, T: DeserializeOwned + HasKind> Visitor<'de> for WordOrObject<T> {
    type Value = T;

    fn expecting(&self, out: &mut fmt::Formatter) -> fmt::Result {
        out.write_str(T::FORMS)
    }

    fn visit_str<E: Error>(self, word: &str) -> Result<T, E> {
        T::deserialize(serde_json::json!({ "kind": word })).map_err(E::custom)
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<T, A::Error> {
        T::deserialize(MapAccessDeserializer::new(map))
    }
}

impl<T: JsonSchema + HasKind> JsonSchema for Shorthand<T> {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        T::schema_name()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let word = generator.subschema_for::<T::Kind>();
        json_schema!({ "anyOf": [word, generator.subschema_for::<T>()] })
    }
}

/// Reads a number, or None for `word`; `what` says so in error messages.
///
/// # Errors
/// When it is neither.
pub fn number_or_word<'de, D: Deserializer<'de>>(
    deserializer: D,
    word: &'static str,
    what: &'static str,
) -> Result<Option<usize>, D::Error> {
    deserializer.deserialize_any(NumberOrWord { word, what })
}

struct NumberOrWord {
    word: &'static str,
    what: &'static str,
}

impl Visitor<'_> for NumberOrWord {
    type Value = Option<usize>;

    fn expecting(&self, out: &mut fmt::Formatter) -> fmt::Result {
        out.write_str(self.what)
    }

    fn visit_u64<E: Error>(self, number: u64) -> Result<Option<usize>, E> {
        let wrong = || E::invalid_value(de::Unexpected::Unsigned(number), &self);
        usize::try_from(number).map(Some).map_err(|_| wrong())
    }

    fn visit_str<E: Error>(self, word: &str) -> Result<Option<usize>, E> {
        match word == self.word {
            true => Ok(None),
            false => Err(E::invalid_value(de::Unexpected::Str(word), &self)),
        }
    }
}
