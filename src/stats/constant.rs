//! The constant to which a curve tends: y = c + a x^{−p} (1 + b/x) for a given exponent p.
//!
//! Linear in c, a and ab, so there is one minimum and an exact jackknife; every size counts by its
//! relative error. In a claim of decay p is what is claimed, in a claim that something stays 1, and more
//! by whole steps where the curve falls faster than that (`verdict`).

use nalgebra::DMatrix;

use super::curve::Curve;
use super::dot;
use super::jackknife::{Estimate, hull};

/// A constant in the units of the curve, as one or several fits see it.
#[derive(Clone, Debug, PartialEq)]
pub struct Constant {
    /// Beside a claimed decay the one fit of all sizes with the correction b/x; of a curve that is
    /// claimed to stay three.
    pub fits: Vec<Estimate>,
    /// The same as shares of the last value; what seeds have in common cancels.
    pub shares: Vec<Estimate>,
}

impl Constant {
    /// The constant beside a law x^{−p}.
    pub fn beside(curve: &Curve, p: f64) -> Option<Constant> {
        Constant::by(curve, &[(curve.points.len(), p, true)])
    }

    /// The constant of a curve that is claimed to stay: by all sizes with x^{−p} and x^{−p−1}, by the last
    /// four with x^{−p}, and by all with half a power less, since it may be approached slowly.
    pub fn of(curve: &Curve, p: f64) -> Option<Constant> {
        let all = curve.points.len();
        Constant::by(curve, &[(all, p, true), (4, p, false), (all, p - 0.5, true)])
    }

    fn by(curve: &Curve, fits: &[(usize, f64, bool)]) -> Option<Constant> {
        let weights = |&(count, p, corrected): &(usize, f64, bool)| {
            let [of_constant, ..] = weights(curve, count, p, corrected)?;
            Some(of_constant)
        };
        let weights = fits.iter().map(weights).collect::<Option<Vec<Vec<f64>>>>()?;
        let mut found = curve.estimates(|values| {
            let constants = weights.iter().map(|weights| dot(weights, values));
            let last = values.last()?;
            Some(constants.clone().chain(constants.map(|c| c / last)).collect())
        })?;
        let shares = found.split_off(weights.len());
        Some(Constant { fits: found, shares })
    }

    /// The constant by all sizes.
    pub fn value(&self) -> f64 {
        self.fits[0].value
    }

    /// The hull of the intervals, each of which misses the constant with probability `alpha`.
    pub fn interval(&self, alpha: f64) -> Option<[f64; 2]> {
        hull(&self.fits, alpha)
    }

    /// The largest constant that the data allow, which is exceeded with probability `alpha`, and the
    /// largest share of the last value.
    pub fn upper(&self, alpha: f64) -> Option<(f64, f64)> {
        let upper = |fits: &[Estimate]| Some(hull(fits, 2.0 * alpha)?[1].max(0.0));
        Some((upper(&self.fits)?, upper(&self.shares)?))
    }
}

/// The weights that make c, a and ab out of values: those of least squares, in which every size counts
/// by the inverse of its value. Nothing but zeros for ab without the correction.
fn weights(curve: &Curve, count: usize, p: f64, corrected: bool) -> Option<[Vec<f64>; 3]> {
    let (sizes, values) = (curve.sizes(), curve.values(None)?);
    let first = sizes.len().checked_sub(count)?;
    let columns = if corrected { 3 } else { 2 };
    if count < columns || values.contains(&0.0) {
        return None;
    }
    let basis = |x: f64, j: usize| match j {
        0 => 1.0,
        1 => curve.reference.fall(x, p),
        _ => curve.reference.fall(x, p) / x,
    };
    let mut design =
        DMatrix::from_fn(count, columns, |i, j| basis(sizes[first + i], j) / values[first + i]);
    // Columns differ by powers of x: normalised before they are inverted.
    let norms: Vec<f64> = design.column_iter().map(|column| column.norm()).collect();
    design.column_iter_mut().zip(&norms).for_each(|(mut column, norm)| column /= *norm);
    // A value of 1e-310 or a power that underflows: there is no end to inverting what is not finite.
    if design.iter().any(|entry| !entry.is_finite()) {
        return None;
    }
    let inverse = design.pseudo_inverse(1e-14).ok()?;
    let weight = |i: usize, j: usize| match i.checked_sub(first) {
        Some(row) if j < columns => inverse[(j, row)] / norms[j] / values[i],
        _ => 0.0,
    };
    let found = [0, 1, 2].map(|j| (0..sizes.len()).map(|i| weight(i, j)).collect::<Vec<f64>>());
    found.iter().flatten().all(|weight| weight.is_finite()).then_some(found)
}

/// c, a and b of the fitted curve of all sizes, c + (a + b/x) x^{−1}; against a finite reference with
/// [`super::curve::Reference::fall`] for x^{−1}.
pub fn coefficients(curve: &Curve) -> Option<Vec<Estimate>> {
    let weights = weights(curve, curve.points.len(), 1.0, true)?;
    curve.estimates(|values| Some(weights.iter().map(|weights| dot(weights, values)).collect()))
}

/// The fitted curve of all sizes at each of `grid`, with its jackknife error.
pub fn fitted(curve: &Curve, grid: &[f64]) -> Option<Vec<Estimate>> {
    let weights = weights(curve, curve.points.len(), 1.0, true)?;
    curve.estimates(|values| {
        let [c, a, ab] = weights.each_ref().map(|weights| dot(weights, values));
        let value = |x: &f64| c + curve.reference.fall(*x, 1.0) * (a + ab / x);
        Some(grid.iter().map(value).collect())
    })
}
