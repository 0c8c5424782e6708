//! A number of a claim with its interval, as the page's tables show it.

use std::fmt;

use crate::claims::Claim;
use crate::numbers::{exponent, measured};

/// A number that was found, with its interval; shown as "0.95 [0.91, 1.02]".
pub struct Estimate {
    /// The number, as a journal would print it.
    pub value: String,
    /// Lower and upper end of its 95 % interval.
    pub interval: Option<[String; 2]>,
}

impl Estimate {
    /// The claim's exponent, whatever it is about.
    pub fn exponent(claim: &Claim) -> Option<Estimate> {
        let interval = claim.ci95.map(|ends| ends.map(exponent));
        claim.exponent.map(|value| Estimate { value: exponent(value), interval })
    }

    /// The claim's constant, whatever it is about.
    pub fn plateau(claim: &Claim) -> Option<Estimate> {
        let interval = claim.plateau_ci95.map(|ends| ends.map(measured));
        claim.plateau.map(|value| Estimate { value: measured(value), interval })
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
