//! Rules, declared before the data, and their words.

use std::fmt;

use super::sum::Other;

/// A claim to fall or grow at least like a power p₀ is supported above so much of p₀.
pub const NEARLY: f64 = 0.85;
/// The largest constant beside a claimed decay, as a share of the last value.
pub const LARGEST_CONSTANT: f64 = 0.1;
/// A curve that is claimed to stay falls with an exponent below this.
pub const LEVEL: f64 = 0.1;
/// Fewer seeds give no interval worth the name.
pub const LEAST_SEEDS: usize = 4;
/// What an interval misses the truth with, 95 % intervals.
pub const ALPHA: f64 = 0.05;

/// When a claim is supported and when contradicted.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Rule {
    /// Falls at least like x^{−exponent}.
    Falls {
        /// The claimed exponent p₀.
        exponent: f64,
    },
    /// One of the two parts of a sum of errors in width and depth falls like x^{−exponent}.
    FallsInSum {
        /// The claimed exponent p₀.
        exponent: f64,
        /// The part of the other size.
        other: Other,
    },
    /// Grows at least like x^{exponent}.
    Grows {
        /// The claimed exponent p₀.
        exponent: f64,
    },
    /// Does not fall: tends to a positive constant, or grows.
    Stays,
    /// Neither grows nor falls.
    Flat,
}

impl fmt::Display for Rule {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Rule::Falls { exponent } => write!(
                out,
                "supported if the interval of the exponent reaches {exponent} and lies above {0:.2}, and \
                 the largest constant that the data allow beside this law is below {LARGEST_CONSTANT} of \
                 the last value; contradicted if the interval lies below {exponent}; inconclusive \
                 otherwise",
                NEARLY * exponent
            ),
            Rule::FallsInSum { exponent, .. } => write!(
                out,
                "supported if the interval of the exponent reaches {exponent} and lies above {0:.2}; \
                 contradicted if it lies below {exponent}; inconclusive otherwise",
                NEARLY * exponent
            ),
            Rule::Grows { exponent } => write!(
                out,
                "supported if the interval of the growth exponent reaches {exponent} and lies above \
                 {0:.2}; contradicted if it lies below {exponent}; inconclusive otherwise",
                NEARLY * exponent
            ),
            Rule::Stays => write!(
                out,
                "supported if the interval of the exponent of decay reaches down to 0 and lies below \
                 {LEVEL}; contradicted if it lies above {LEVEL} and no constant above {LARGEST_CONSTANT} \
                 of the last value fits; inconclusive otherwise"
            ),
            Rule::Flat => write!(
                out,
                "supported if the interval of the exponent contains 0 and lies within ±{LEVEL}; \
                 contradicted if it does not contain 0; inconclusive otherwise"
            ),
        }
    }
}
