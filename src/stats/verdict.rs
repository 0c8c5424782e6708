//! Rules, declared before the data, and what they say of an estimate.

use std::fmt;

use serde::Serialize;

use super::jackknife::Estimate;
use crate::numbers::measured;

/// Half the distance between neighbouring half-integer exponents: an interval within it of the
/// expected exponent tells that exponent from its neighbours.
pub const MARGIN: f64 = 0.25;
/// The last value is called a plateau when more than this fraction of it stays. Smaller constants
/// are not told from the power family's corrections: c + a x^{−p} through a x^{−1}(1 + b/x) has a
/// small false c.
pub const STAYS: f64 = 0.5;
/// With a smaller probability of its residuals a family does not describe the points: its exponent then
/// excludes nothing.
pub const LEAST_GOODNESS: f64 = 1e-3;
/// Fewer seeds give no interval worth the name.
pub const LEAST_SEEDS: usize = 4;

/// When a claim is supported and when contradicted.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Rule {
    /// Falls at least like x^{−exponent}.
    AtLeast {
        /// The expected exponent p₀.
        exponent: f64,
    },
    /// Grows at least like x^{exponent}.
    Grows {
        /// The expected exponent p₀.
        exponent: f64,
    },
    /// Neither grows nor falls: the exponent is 0 within the margin.
    Flat,
    /// Tends to a positive constant.
    Plateau,
}

/// What a rule says of a claim.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Verdict {
    /// The numbers meet the rule.
    Supported,
    /// The numbers exclude what is claimed.
    Contradicted,
    /// The numbers do neither, or there are too few of them.
    Inconclusive,
}

impl Verdict {
    /// Every verdict, the good news first.
    pub const ALL: [Verdict; 3] =
        [Verdict::Supported, Verdict::Contradicted, Verdict::Inconclusive];

    /// The verdict's name in summary.json.
    pub fn name(self) -> &'static str {
        match self {
            Verdict::Supported => "supported",
            Verdict::Contradicted => "contradicted",
            Verdict::Inconclusive => "inconclusive",
        }
    }
}

impl fmt::Display for Rule {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Rule::AtLeast { exponent } => write!(
                out,
                "supported if the 95 % interval of the exponent lies above {0:.2} (expected {exponent} \
                 less {MARGIN}); contradicted if it lies below {0:.2} and the fit has a probability of at \
                 least {LEAST_GOODNESS}, or if the 95 % interval of a fitted plateau lies above {STAYS} of \
                 the last value; inconclusive otherwise",
                exponent - MARGIN
            ),
            Rule::Grows { exponent } => write!(
                out,
                "supported if the 95 % interval of the growth exponent lies above {0:.2} (expected \
                 {exponent} less {MARGIN}); contradicted if it lies below; inconclusive otherwise",
                exponent - MARGIN
            ),
            Rule::Flat => write!(
                out,
                "supported if the 95 % interval of the exponent lies within ±{MARGIN}; contradicted if \
                 it lies outside; inconclusive otherwise"
            ),
            Rule::Plateau => write!(
                out,
                "supported if the 95 % interval of the plateau lies above {STAYS} of the last value; \
                 contradicted if it lies below; inconclusive otherwise"
            ),
        }
    }
}

/// The verdict and what decided it. `last` is the value at the deepest (widest) point.
///
/// An estimate that is missing, or has no interval, is inconclusive.
pub fn judge(
    rule: Rule,
    exponent: Option<Estimate>,
    plateau: Option<Estimate>,
    last: f64,
) -> (Verdict, String) {
    let interval = |estimate: Option<Estimate>| Some((estimate?.value, estimate?.ci95?));
    match rule {
        Rule::AtLeast { exponent: expected } => {
            let least = expected - MARGIN;
            if let Some((value, [low, high])) = interval(plateau)
                && low > STAYS * last
            {
                return (
                    Verdict::Contradicted,
                    format!(
                        "tends to {} [{}, {}], not to 0; last {}",
                        measured(value),
                        measured(low),
                        measured(high),
                        measured(last)
                    ),
                );
            }
            let Some((_, [low, high])) = interval(exponent) else {
                return (Verdict::Inconclusive, "no interval for the exponent".to_owned());
            };
            above([low, high], least)
        }
        Rule::Grows { exponent: expected } => match interval(exponent) {
            Some((_, ends)) => above(ends, expected - MARGIN),
            None => (Verdict::Inconclusive, "no interval for the exponent".to_owned()),
        },
        Rule::Flat => match interval(exponent) {
            Some((_, [low, high])) if low > -MARGIN && high < MARGIN => {
                (Verdict::Supported, format!("the interval lies within ±{MARGIN}"))
            }
            Some((_, [low, high])) if low > MARGIN || high < -MARGIN => {
                (Verdict::Contradicted, format!("the interval lies outside of ±{MARGIN}"))
            }
            Some(_) => (Verdict::Inconclusive, format!("the interval crosses ±{MARGIN}")),
            None => (Verdict::Inconclusive, "no interval for the exponent".to_owned()),
        },
        Rule::Plateau => {
            let Some((_, [low, high])) = interval(plateau) else {
                return (Verdict::Inconclusive, "no interval for the plateau".to_owned());
            };
            let least = STAYS * last;
            let half = format!("{STAYS} of the last value, {}", measured(least));
            if low > least {
                (Verdict::Supported, format!("the interval lies above {half}"))
            } else if high < least {
                (Verdict::Contradicted, format!("the interval lies below {half}"))
            } else {
                (Verdict::Inconclusive, format!("the interval holds {half}"))
            }
        }
    }
}

/// Whether an interval lies above `least`.
fn above([low, high]: [f64; 2], least: f64) -> (Verdict, String) {
    if low > least {
        (Verdict::Supported, format!("the interval lies above {least:.2}"))
    } else if high < least {
        (Verdict::Contradicted, format!("the interval lies below {least:.2}"))
    } else {
        (Verdict::Inconclusive, format!("the interval holds {least:.2}"))
    }
}
