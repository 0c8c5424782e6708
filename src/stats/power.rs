//! The exponent with which a curve falls as its size grows without bound.
//!
//! In logarithms a power with a correction is linear: log y = α − p log x + β/x. So a fit has one
//! minimum, no bounds, and an exact jackknife. What one such fit cannot know is how far it is from
//! large sizes. Three are made, and their disagreement is the error of the model:
//!
//! ```text
//! all sizes    α − p log x + β/x
//! last four    α − p log x + β/x
//! all sizes    α − p log x + β/x + γ/x²
//! ```
//!
//! The interval is the hull of their jackknife intervals. Where the exponent between neighbours still
//! changes from size to size, by more than its noise, the interval is moved on that far again: a
//! curve that still bends has not shown its exponent. How often the interval holds the truth, for
//! forty laws, is measured in docs/verdicts.md.
//!
//! Values that are differences to a network of finite size r are first divided by what that does to a
//! power x^{−p}, p the exponent that is found.

use nalgebra::DMatrix;

use super::curve::{Curve, Reference};
use super::dot;
use super::jackknife::{Estimate, hull};

/// Fewer sizes do not tell an exponent from its corrections.
pub const LEAST_SIZES: usize = 5;
/// An end of the interval is moved by so many doublings of the present drift, on the side where it
/// spares a claim; 1/(x + 40) between 4 and 64 asks for 2.2.
const SPARING: f64 = 3.5;
/// The same on the side where it costs a claim its support; 1/x + 16/x² between 4 and 64 asks for 1.
const COSTLY: f64 = 1.25;
/// A drift moves the sparing end as far as it exceeds so many of its standard errors, …
const SPARING_NOISE: f64 = 0.5;
/// … and the costly end as far as it exceeds so many.
const COSTLY_NOISE: f64 = 1.75;

/// Which end of an interval of p spares a claim that would be contradicted beyond it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sparing {
    /// The lower: the claim is that the curve falls no faster.
    Lower,
    /// The upper: the claim is that the curve falls at least as fast.
    Upper,
    /// Both.
    Both,
}

/// An exponent p of y ~ x^{−p}, as three fits see it.
#[derive(Clone, Debug, PartialEq)]
pub struct Exponent {
    /// The three fits, in the order of the list above.
    pub fits: [Estimate; 3],
    /// How much the exponent between neighbours grows with every doubling, over the last four sizes.
    pub drift: Estimate,
}

impl Exponent {
    /// Of a positive curve with at least [`LEAST_SIZES`] points; None of another.
    pub fn of(curve: &Curve) -> Option<Exponent> {
        let sizes = curve.sizes();
        if sizes.len() < LEAST_SIZES {
            return None;
        }
        let slopes = [
            weights(&sizes, sizes.len(), &FIRST, 1),
            weights(&sizes, 4, &FIRST, 1),
            weights(&sizes, sizes.len(), &SECOND, 1),
        ];
        let bend = weights(&sizes, 4, &[f64::ln, |x| x.ln().powi(2)], 2);
        let found = curve.estimates(|values| {
            let p = |slope: &Vec<f64>| exponent(slope, &sizes, values, curve.reference);
            let [all, four, second] = [p(&slopes[0])?, p(&slopes[1])?, p(&slopes[2])?];
            let logs = logs(&sizes, values, curve.reference, four)?;
            let drift = -2.0 * std::f64::consts::LN_2 * dot(&bend, &logs);
            Some(vec![all, four, second, drift])
        })?;
        let [all, four, second, drift] = found.try_into().ok()?;
        Some(Exponent { fits: [all, four, second], drift })
    }

    /// The middle one of the three fits.
    pub fn value(&self) -> f64 {
        let mut values = self.fits.map(|fit| fit.value);
        values.sort_by(f64::total_cmp);
        values[1]
    }

    /// The interval that misses the exponent with probability `alpha`, the error of the model included.
    pub fn interval(&self, alpha: f64, sparing: Sparing) -> Option<[f64; 2]> {
        let [low, high] = self.hull(alpha)?;
        let beyond = |spares: bool| {
            let (times, noise) =
                if spares { (SPARING, SPARING_NOISE) } else { (COSTLY, COSTLY_NOISE) };
            let error = self.drift.standard_error?;
            Some(times * (self.drift.value.abs() - noise * error).max(0.0))
        };
        match self.drift.value > 0.0 {
            true => Some([low, high + beyond(sparing != Sparing::Lower)?]),
            false => Some([low - beyond(sparing != Sparing::Upper)?, high]),
        }
    }

    /// The hull of the three intervals, without what the drift adds.
    pub fn hull(&self, alpha: f64) -> Option<[f64; 2]> {
        hull(&self.fits, alpha)
    }
}

type Term = fn(f64) -> f64;
const FIRST: [Term; 2] = [f64::ln, |x| 1.0 / x];
const SECOND: [Term; 3] = [f64::ln, |x| 1.0 / x, |x| x.powi(-2)];

/// The weights that make coefficient `which` of the least-squares fit of a constant and `terms` to the
/// last `count` sizes out of the values there.
fn weights(sizes: &[f64], count: usize, terms: &[Term], which: usize) -> Vec<f64> {
    let first = sizes.len() - count;
    let design = design(&sizes[first..], terms);
    // Of full rank: sizes are distinct, and at least as many as there are terms.
    let inverse = design.pseudo_inverse(1e-13).unwrap_or_else(|_| DMatrix::zeros(0, 0));
    let mut weights = vec![0.0; sizes.len()];
    for (weight, value) in weights[first..].iter_mut().zip(inverse.row(which).iter()) {
        *weight = *value;
    }
    weights
}

fn design(sizes: &[f64], terms: &[Term]) -> DMatrix<f64> {
    DMatrix::from_fn(sizes.len(), terms.len() + 1, |i, j| match j {
        0 => 1.0,
        j => terms[j - 1](sizes[i]),
    })
}

/// Logarithms of values, without what a finite reference does to a power x^{−p}.
fn logs(sizes: &[f64], values: &[f64], reference: Reference, p: f64) -> Option<Vec<f64>> {
    let log = |(&x, &y): (&f64, &f64)| {
        let share = match reference {
            Reference::Limit => 1.0,
            // A curve that does not fall is not bent by its reference: then the least power.
            finite => finite.fall(x, p.max(0.05)) * x.powf(p.max(0.05)),
        };
        let log = (y / share).ln();
        (y > 0.0 && log.is_finite()).then_some(log)
    };
    sizes.iter().zip(values).map(log).collect()
}

/// The exponent by a fit with these weights.
fn exponent(weights: &[f64], sizes: &[f64], values: &[f64], reference: Reference) -> Option<f64> {
    let mut p = 1.0;
    // The reference's share depends on the exponent: at four times the largest size, a step brings it
    // closer by a factor of three or more.
    for _ in 0..100 {
        let next = -dot(weights, &logs(sizes, values, reference, p)?);
        if !next.is_finite() {
            return None;
        }
        let done = reference == Reference::Limit || (next - p).abs() < 1e-12;
        p = next;
        if done {
            break;
        }
    }
    Some(p)
}

/// A and β of the fitted curve of all sizes, A x^{−p} e^{β/x}; against a finite reference with
/// [`Reference::fall`] for x^{−p}.
pub fn coefficients(curve: &Curve) -> Option<Vec<Estimate>> {
    of_all_sizes(curve, |log_a, beta, _| vec![log_a.exp(), beta])
}

/// The fitted curve of all sizes at each of `grid`, with its jackknife error.
pub fn fitted(curve: &Curve, grid: &[f64]) -> Option<Vec<Estimate>> {
    of_all_sizes(curve, |log_a, beta, p| {
        let value = |x: &f64| (log_a + beta / x).exp() * curve.reference.fall(*x, p);
        grid.iter().map(value).collect()
    })
}

/// Numbers that follow from log A, β and p of the fitted curve of all sizes.
fn of_all_sizes(
    curve: &Curve,
    numbers: impl Fn(f64, f64, f64) -> Vec<f64>,
) -> Option<Vec<Estimate>> {
    let sizes = curve.sizes();
    let at = |which| weights(&sizes, sizes.len(), &FIRST, which);
    let (constant, slope, correction) = (at(0), at(1), at(2));
    curve.estimates(|values| {
        let p = exponent(&slope, &sizes, values, curve.reference)?;
        let logs = logs(&sizes, values, curve.reference, p)?;
        Some(numbers(dot(&constant, &logs), dot(&correction, &logs), p))
    })
}
