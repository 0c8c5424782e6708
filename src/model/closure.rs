//! Closures: which responses of the reuse of W through Wᵀ are kept (docs/theory.md, section 2).

use std::fmt;
use std::ops::Range;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::value::{MapAccessDeserializer, StrDeserializer};
use serde::de::{Error, MapAccess, Visitor};
use serde::{Deserialize, Deserializer};

use crate::choice::choice;

choice! {
    /// Which responses between forward and backward pass are kept: which stored columns the queries of
    /// the conditional engine condition on.
    pub enum Closure {
        /// The finite network itself: forward queries know all backward ones so far, backward queries
        /// all forward ones.
        Exact = "exact",
        /// Backward queries know the forward ones of earlier passes only: the equal-time part of the
        /// backward response is dropped, and nothing else.
        Fresh = "fresh",
        /// Gradient-independence assumption, no response at all: backward weights are independent
        /// of the forward ones and receive the same updates.
        Gia = "gia",
        /// Forward queries know all backward ones, backward queries no forward ones: the forward
        /// response alone.
        ForwardOnly = "forward-only",
        /// Backward queries know all forward ones, forward queries no backward ones: the backward
        /// response alone.
        BackwardOnly = "backward-only",
        /// Backward queries know the forward ones of earlier passes, forward queries no backward
        /// ones: the backward response alone, without its equal-time part.
        BackwardPast = "backward-past",
    }
}

choice! {
    /// Which backward queries a forward query knows.
    pub enum ForwardKnows {
        /// None.
        None = "none",
        /// All so far.
        All = "all",
    }
}

choice! {
    /// Which forward queries a backward query knows.
    pub enum BackwardKnows {
        /// None.
        None = "none",
        /// Those of earlier passes.
        Past = "past",
        /// All so far, those of this pass included.
        All = "all",
    }
}

impl Closure {
    /// Those that a run has unless it names others.
    pub const DEFAULT: [Closure; 3] = [Closure::Exact, Closure::Fresh, Closure::Gia];

    /// The closure whose queries know these.
    pub fn of(forward: ForwardKnows, backward: BackwardKnows) -> Closure {
        match (forward, backward) {
            (ForwardKnows::All, BackwardKnows::All) => Closure::Exact,
            (ForwardKnows::All, BackwardKnows::Past) => Closure::Fresh,
            (ForwardKnows::All, BackwardKnows::None) => Closure::ForwardOnly,
            (ForwardKnows::None, BackwardKnows::All) => Closure::BackwardOnly,
            (ForwardKnows::None, BackwardKnows::Past) => Closure::BackwardPast,
            (ForwardKnows::None, BackwardKnows::None) => Closure::Gia,
        }
    }

    /// What its forward queries know.
    pub fn forward(self) -> ForwardKnows {
        match self {
            Closure::Exact | Closure::Fresh | Closure::ForwardOnly => ForwardKnows::All,
            Closure::Gia | Closure::BackwardOnly | Closure::BackwardPast => ForwardKnows::None,
        }
    }

    /// What its backward queries know.
    pub fn backward(self) -> BackwardKnows {
        match self {
            Closure::Exact | Closure::BackwardOnly => BackwardKnows::All,
            Closure::Fresh | Closure::BackwardPast => BackwardKnows::Past,
            Closure::Gia | Closure::ForwardOnly => BackwardKnows::None,
        }
    }

    /// Whether backward weights are independent of the forward ones, and receive the same updates: no
    /// query knows one of the other direction.
    pub fn has_independent_backward_weights(self) -> bool {
        self == Closure::Gia
    }

    /// Whether a dense network has the law of this closure; if not, it is defined by conditioning alone.
    pub fn has_dense_network(self) -> bool {
        matches!(self, Closure::Exact | Closure::Gia)
    }

    /// Whether forward queries condition on the backward columns: if they do, f moves along the
    /// gradient that the backward pass computes.
    pub fn forward_conditions(self) -> bool {
        self.forward() == ForwardKnows::All
    }

    /// The forward columns that a backward query conditions on, of `earlier` columns from earlier
    /// steps followed by those of this step, `all` together.
    pub fn backward_conditions(self, earlier: usize, all: usize) -> Range<usize> {
        match self.backward() {
            BackwardKnows::All => 0..all,
            BackwardKnows::Past => 0..earlier,
            BackwardKnows::None => 0..0,
        }
    }
}

/// A closure as an experiment file may name it: by its word, or by what its queries know, as in
/// `{"forward": "all", "backward": "none"}`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TypedClosure(pub Closure);

/// What the queries of a closure know.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, expecting = "an object")]
struct Responses {
    /// Which backward queries a forward query knows.
    forward: ForwardKnows,
    /// Which forward queries a backward query knows.
    backward: BackwardKnows,
}

impl<'de> Deserialize<'de> for TypedClosure {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(WordOrResponses).map(TypedClosure)
    }
}

struct WordOrResponses;

impl<'de> Visitor<'de> for WordOrResponses {
    type Value = Closure;

    fn expecting(&self, out: &mut fmt::Formatter) -> fmt::Result {
        out.write_str("the name of a closure, or an object with forward and backward")
    }

    fn visit_str<E: Error>(self, word: &str) -> Result<Closure, E> {
        if word == "nfd" {
            return Err(E::custom(
                "closure `nfd` is now named `fresh`: it drops only the equal-time part of the \
                 backward response, and is not the limit of arXiv 2512.21075, as its name \
                 suggested",
            ));
        }
        Closure::deserialize(StrDeserializer::<E>::new(word))
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Closure, A::Error> {
        let Responses { forward, backward } =
            Responses::deserialize(MapAccessDeserializer::new(map))?;
        Ok(Closure::of(forward, backward))
    }
}

impl JsonSchema for TypedClosure {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> std::borrow::Cow<'static, str> {
        "TypedClosure".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let word = generator.subschema_for::<Closure>();
        json_schema!({ "anyOf": [word, generator.subschema_for::<Responses>()] })
    }
}
