//! Words that an experiment chooses between: one list gives an enum its variants, the names that files
//! and results have for them, and what they mean.

/// Defines an enum of words. Its doc comments are what the JSON schema, `docs/experiment.md` and
/// `--help` say of them.
macro_rules! choice {
    (
        $(#[doc = $about:literal])*
        pub enum $Choice:ident {
            $( $(#[doc = $meaning:literal])* $Value:ident = $name:literal, )*
        }
    ) => {
        $(#[doc = $about])*
        #[derive(
            Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash,
            serde::Serialize, serde::Deserialize, schemars::JsonSchema,
        )]
        pub enum $Choice {
            $( $(#[doc = $meaning])* #[serde(rename = $name)] $Value, )*
        }

        impl $Choice {
            /// Every value, in the order of the tables.
            pub const ALL: [$Choice; [$($name),*].len()] = [$($Choice::$Value),*];

            /// The word that experiment files and results have for it.
            pub fn name(self) -> &'static str {
                match self {
                    $( $Choice::$Value => $name, )*
                }
            }

            /// What it means, in a sentence or two.
            pub fn meaning(self) -> &'static str {
                match self {
                    $( $Choice::$Value => concat!($($meaning),*).trim_ascii(), )*
                }
            }
        }
    };
}

pub(crate) use choice;
