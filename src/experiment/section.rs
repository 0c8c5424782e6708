//! The macro that writes a section of the experiment file once: for every field what it means, the type
//! that is typed and the type that it resolves to, its default, its range and an example.

use schemars::Schema;
use serde_json::{Value, json};

use super::check::Check;
use crate::error::Result;

/// Defines `Typed`, in which fields that were not typed are None, and `Resolved`, in which nothing is
/// left open (only the former where another room has the latter). Of a field with a default, the method
/// of its name gives what was typed or the default (`shown` is a default that is found elsewhere);
/// `check_ranges` refuses numbers out of their ranges.
macro_rules! section {
    (
        $(#[doc = $about:literal])*
        $path:literal: $Typed:ident $(($extra:ident))? => $Resolved:ident {
            $(
                $(#[doc = $doc:literal])*
                $(#[serde($($serde:tt)*)])?
                $field:ident: $typed:ty => $resolved:ty { $($facts:tt)* }
            )*
        }
    ) => {
        $(#[doc = $about])*
        #[derive(Clone, Debug, PartialEq, serde::Serialize)]
        pub struct $Resolved {
            $(
                $(#[doc = $doc])*
                $(#[serde($($serde)*)])?
                pub $field: $resolved,
            )*
        }

        section! {
            $(#[doc = $about])*
            $path: $Typed $(($extra))? {
                $( $(#[doc = $doc])* $field: $typed => $resolved { $($facts)* } )*
            }
        }
    };
    (
        $(#[doc = $about:literal])*
        $path:literal: $Typed:ident $(($extra:ident))? {
            $(
                $(#[doc = $doc:literal])*
                $(#[serde($($serde:tt)*)])?
                $field:ident: $typed:ty => $resolved:ty {
                    $(default: $default:expr,)? $(shown: $shown:expr,)? $(range: $range:expr,)? $(example: $example:expr,)?
                }
            )*
        }
    ) => {
        $(#[doc = $about])*
        #[derive(Clone, Debug, serde::Deserialize, schemars::JsonSchema)]
        $(#[derive($extra)])?
        #[serde(deny_unknown_fields, expecting = "an object")]
        pub struct $Typed {
            $(
                $(#[doc = $doc])*
                $(#[serde($($serde)*)])?
                #[schemars(transform = |schema: &mut schemars::Schema| {
                    let _ = &schema;
                    $( $crate::experiment::section::insert(schema, "default", &$default); )?
                    $( $crate::experiment::section::insert(schema, "default", &$shown); )?
                    $( $crate::experiment::section::Range::insert($range, schema); )?
                    $( $crate::experiment::section::insert(schema, "examples", &[$example]); )?
                })]
                pub $field: $typed,
            )*
        }

        impl $Typed {
            fn check_ranges(
                &self,
                check: &$crate::experiment::check::Check,
            ) -> $crate::error::Result<()> {
                let _ = check;
                $( $(
                    let field = concat!($path, ".", stringify!($field)).trim_start_matches('.');
                    $crate::experiment::section::Ranged::check(&self.$field, field, $range, check)?;
                )? )*
                Ok(())
            }

            $( $(
                fn $field(&self) -> $resolved {
                    self.$field.clone().unwrap_or_else(|| $default)
                }
            )? )*
        }
    };
}

pub(super) use section;

/// Adds what is known of a field to its schema.
pub fn insert(schema: &mut Schema, keyword: &str, value: &impl serde::Serialize) {
    schema.insert(keyword.to_owned(), json!(value));
}

/// Numbers that a field may have.
#[derive(Clone, Copy, Debug)]
pub enum Range {
    /// From the first to the second, both allowed.
    Within(f64, f64),
    /// More than 0 and at most 1e12.
    Positive,
    /// At least 0 and less than 1.
    BelowOne,
}

impl Range {
    /// Adds the range to the schema of a number, or of the numbers of a list.
    pub fn insert(self, schema: &mut Schema) {
        let number = |bound: f64| match bound.fract() == 0.0 {
            true => json!(bound as i64),
            false => json!(bound),
        };
        let bounds = match self {
            Range::Within(low, high) => [("minimum", low), ("maximum", high)],
            Range::Positive => [("exclusiveMinimum", 0.0), ("maximum", 1e12)],
            Range::BelowOne => [("minimum", 0.0), ("exclusiveMaximum", 1.0)],
        };
        let fields = schema.ensure_object();
        let of = match fields.get_mut("items") {
            Some(Value::Object(items)) => items,
            _ => fields,
        };
        of.remove("minimum");
        of.extend(bounds.map(|(keyword, bound)| (keyword.to_owned(), number(bound))));
    }
}

/// What can be held against a [`Range`]: numbers, lists of them, and fields that may be absent.
pub trait Ranged {
    /// Refuses a number out of `range`, at `field`.
    ///
    /// # Errors
    /// That it is too small or too large, with the bound.
    fn check(&self, field: &str, range: Range, check: &Check) -> Result<()>;
}

macro_rules! ranged {
    ($($number:ty),*) => { $(
        impl Ranged for $number {
            fn check(&self, field: &str, range: Range, check: &Check) -> Result<()> {
                match range {
                    Range::Within(low, high) => {
                        check.within(field, *self, low as $number, high as $number).map(drop)
                    }
                    Range::Positive => check.positive(field, *self as f64).map(drop),
                    Range::BelowOne => check.below_one(field, *self as f64),
                }
            }
        }
    )* };
}

ranged!(u8, u32, u64, usize, f64);

impl<T: Ranged> Ranged for Option<T> {
    fn check(&self, field: &str, range: Range, check: &Check) -> Result<()> {
        self.as_ref().map_or(Ok(()), |value| value.check(field, range, check))
    }
}

impl<T: Ranged, const N: usize> Ranged for [T; N] {
    fn check(&self, field: &str, range: Range, check: &Check) -> Result<()> {
        let mut entries = self.iter().enumerate();
        entries.try_for_each(|(i, value)| value.check(&format!("{field}[{i}]"), range, check))
    }
}

impl<T: Ranged> Ranged for Vec<T> {
    fn check(&self, field: &str, range: Range, check: &Check) -> Result<()> {
        let mut entries = self.iter().enumerate();
        entries.try_for_each(|(i, value)| value.check(&format!("{field}[{i}]"), range, check))
    }
}
