//! The constant to which a curve tends: y = c + a x^{−p} (1 + b/x) for a given exponent p.
//!
//! Linear in c, a and ab, so there is one minimum and an exact jackknife; every size counts by its
//! relative error. In a claim of decay p is what is claimed, and the constant that the data still
//! allow is told with the verdict. In a claim that something stays, p is 1, or more where the curve falls
//! faster than that.

use nalgebra::{DMatrix, DVector};

use super::curve::Curve;
use super::jackknife::Estimate;

/// A constant in the units of the curve, as one or several fits see it.
#[derive(Clone, Debug, PartialEq)]
pub struct Constant {
    /// The fit of all sizes with the correction b/x, and where a plateau is claimed that of the last
    /// four without it.
    pub fits: Vec<Estimate>,
}

impl Constant {
    /// The constant beside a law x^{−p} that is claimed.
    pub fn beside(curve: &Curve, p: f64) -> Option<Constant> {
        Some(Constant { fits: vec![fit(curve, curve.points.len(), p, true)?] })
    }

    /// The constant of a curve that is claimed to stay, beside a part that falls like x^{−p}.
    pub fn of(curve: &Curve, p: f64) -> Option<Constant> {
        let all = fit(curve, curve.points.len(), p, true)?;
        Some(Constant { fits: vec![all, fit(curve, 4, p, false)?] })
    }

    /// The constant by all sizes.
    pub fn value(&self) -> f64 {
        self.fits[0].value
    }

    /// The hull of the intervals, each of which misses the constant with probability `alpha`.
    pub fn interval(&self, alpha: f64) -> Option<[f64; 2]> {
        let mut hull = [f64::INFINITY, f64::NEG_INFINITY];
        for fit in &self.fits {
            let [low, high] = fit.interval(alpha)?;
            hull = [hull[0].min(low), hull[1].max(high)];
        }
        Some(hull)
    }

    /// The largest constant that the data allow: it is exceeded with probability `alpha`.
    pub fn upper(&self, alpha: f64) -> Option<f64> {
        let uppers: Option<Vec<f64>> = self.fits.iter().map(|fit| fit.upper(alpha)).collect();
        Some(uppers?.into_iter().fold(0.0, f64::max))
    }
}

/// c of the last `count` sizes.
fn fit(curve: &Curve, count: usize, p: f64, corrected: bool) -> Option<Estimate> {
    let first = curve.points.len().checked_sub(count)?;
    let sizes = &curve.sizes()[first..];
    curve.estimate(|values| Some(coefficients(curve, sizes, &values[first..], p, corrected)?[0]))
}

/// c, a and ab (0 without the correction).
fn coefficients(
    curve: &Curve,
    sizes: &[f64],
    values: &[f64],
    p: f64,
    corrected: bool,
) -> Option<[f64; 3]> {
    let columns = if corrected { 3 } else { 2 };
    if sizes.len() < columns || values.iter().any(|y| !y.is_finite() || *y == 0.0) {
        return None;
    }
    let basis = |x: f64, j: usize| match j {
        0 => 1.0,
        1 => curve.reference.fall(x, p),
        _ => curve.reference.fall(x, p) / x,
    };
    let mut design = DMatrix::from_fn(sizes.len(), columns, |i, j| basis(sizes[i], j) / values[i]);
    // Columns differ by powers of x: normalised before the solve.
    let norms: Vec<f64> = design.column_iter().map(|column| column.norm()).collect();
    design.column_iter_mut().zip(&norms).for_each(|(mut column, norm)| column /= *norm);
    let target = DVector::from_element(sizes.len(), 1.0);
    let solution = design.svd(true, true).solve(&target, 1e-14).ok()?;
    let at = |j: usize| if j < columns { solution[j] / norms[j] } else { 0.0 };
    let found = [at(0), at(1), at(2)];
    found.iter().all(|c| c.is_finite()).then_some(found)
}

/// The fitted curve of all sizes at each of `grid`, with its jackknife error.
pub fn fitted(curve: &Curve, grid: &[f64]) -> Option<Vec<Estimate>> {
    let sizes = curve.sizes();
    curve.estimates(|values| {
        let [c, a, ab] = coefficients(curve, &sizes, values, 1.0, true)?;
        let value = |x: &f64| c + curve.reference.fall(*x, 1.0) * (a + ab / x);
        Some(grid.iter().map(value).collect())
    })
}
