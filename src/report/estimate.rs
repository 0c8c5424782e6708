//! The number that a claim is about, in words: one form for the terminal, the findings and the page.

use std::fmt;

use crate::claims::{Claim, Family};
use crate::numbers::{exponent, measured};

/// A number that was found, with its interval; shown as "0.95 [0.91, 1.02]".
pub struct Estimate {
    /// What the number is, e.g. "exponent".
    pub name: &'static str,
    /// The number, as a journal would print it.
    pub value: String,
    /// Lower and upper end of its 95 % interval.
    pub interval: Option<[String; 2]>,
}

impl Estimate {
    /// What the claim is about: the constant of what stays, else the exponent; None if it was not fitted.
    pub fn of(claim: &Claim) -> Option<Estimate> {
        match claim.family {
            Family::Stays => Estimate::plateau(claim),
            _ => Estimate::exponent(claim),
        }
    }

    /// The claim's exponent, whatever it is about.
    pub fn exponent(claim: &Claim) -> Option<Estimate> {
        let name = match claim.family {
            Family::Growth => "exponent of growth",
            Family::Drift => "exponent of drift",
            _ => "exponent",
        };
        let interval = claim.ci95.map(|ends| ends.map(exponent));
        claim.exponent.map(|value| Estimate { name, value: exponent(value), interval })
    }

    /// The claim's constant, whatever it is about.
    pub fn plateau(claim: &Claim) -> Option<Estimate> {
        let interval = claim.plateau_ci95.map(|ends| ends.map(measured));
        claim.plateau.map(|value| Estimate { name: "constant", value: measured(value), interval })
    }
}

impl fmt::Display for Estimate {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        f.write_str(&self.value)?;
        match &self.interval {
            Some([low, high]) => write!(f, " [{low}, {high}]"),
            None => Ok(()),
        }
    }
}
