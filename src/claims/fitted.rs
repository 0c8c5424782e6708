//! What a claim's fit says between its points, and how well it fits.

use statrs::distribution::{ChiSquared, ContinuousCDF};

use super::claim::{FittedPoint, Point};
use super::declaration::SizeAxis;
use crate::stats::curve::Curve;
use crate::stats::fit::{Fit, Form};
use crate::stats::jackknife::Estimate;

/// The χ² survival function of the residuals.
pub fn goodness(curve: &Curve, family: Form) -> Option<f64> {
    let chi_squared = curve.fit(family, None)?.chi_squared;
    let freedom = curve.points.len() - family.parameters();
    Some(ChiSquared::new(freedom as f64).ok()?.sf(chi_squared))
}

/// The fitted curves on a logarithmic grid over the points.
///
/// Of several curves each at its own other size; z of a family with a floor is 1/(nL), that of a sum
/// the same all along a curve.
pub fn bands(curve: &Curve, family: Form, axis: SizeAxis, points: &[Point]) -> Vec<FittedPoint> {
    let other = |point: &Point| match axis {
        SizeAxis::DepthOfAll => Some(point.width),
        SizeAxis::WidthOfAll => Some(point.depth),
        SizeAxis::Depth | SizeAxis::Width => None,
    };
    let mut others: Vec<_> = points.iter().map(other).collect();
    others.sort_unstable();
    others.dedup();
    let of = |held: Option<usize>| {
        let own = curve.points.iter().zip(points).filter(move |(_, point)| other(point) == held);
        band(curve, family, held, &own.map(|(p, _)| (p.x, p.z)).collect::<Vec<_>>())
    };
    others.into_iter().flat_map(of).collect()
}

/// One of them, over points (x, z).
fn band(
    curve: &Curve,
    family: Form,
    held: Option<usize>,
    points: &[(f64, f64)],
) -> Vec<FittedPoint> {
    const POINTS: usize = 41;
    let (Some(first), Some(last)) = (points.first(), points.last()) else {
        return Vec::new();
    };
    let (low, high) = (first.0, last.0);
    let sum = matches!(family, Form::Sum(_));
    let z = |x: f64| if sum { last.1 } else { last.1 * high / x };
    let grid: Vec<f64> =
        (0..POINTS).map(|i| low * (high / low).powf(i as f64 / (POINTS - 1) as f64)).collect();
    let at = |fit: &Fit| grid.iter().map(|&x| fit.at(x, z(x))).collect();
    let estimates = curve.estimates(family, at).unwrap_or_default();
    let point = |(&x, e): (&f64, &Estimate)| FittedPoint { x, held, value: e.value, ci95: e.ci95 };
    grid.iter().zip(&estimates).map(point).collect()
}
