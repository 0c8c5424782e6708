//! What a claim's fit says between its points.

use super::claim::{FittedPoint, Point};
use super::declaration::SizeAxis;
use crate::stats::curve::Curve;
use crate::stats::jackknife::Estimate;
use crate::stats::verdict::{ALPHA, Rule};
use crate::stats::{constant, power, sum};

/// The fitted curves on a logarithmic grid over the points, each with its own 95 % band.
///
/// Of a sum there is one at each of the other sizes.
pub fn bands(curve: &Curve, rule: Rule, axis: SizeAxis, points: &[Point]) -> Vec<FittedPoint> {
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
        band(curve, rule, held, &own.map(|(p, _)| (p.x, p.z)).collect::<Vec<_>>())
    };
    others.into_iter().flat_map(of).collect()
}

/// One of them, over points (x, z).
pub fn band(
    curve: &Curve,
    rule: Rule,
    held: Option<usize>,
    points: &[(f64, f64)],
) -> Vec<FittedPoint> {
    const POINTS: usize = 41;
    let (Some(first), Some(last)) = (points.first(), points.last()) else {
        return Vec::new();
    };
    let (low, high) = (first.0, last.0);
    let grid: Vec<f64> =
        (0..POINTS).map(|i| low * (high / low).powf(i as f64 / (POINTS - 1) as f64)).collect();
    let estimates = match rule {
        Rule::FallsInSum { other, .. } => {
            let grid: Vec<(f64, f64)> = grid.iter().map(|&x| (x, last.1)).collect();
            sum::fitted(curve, other, &grid)
        }
        Rule::Stays => constant::fitted(curve, &grid),
        Rule::Falls { .. } | Rule::Grows { .. } | Rule::Flat => power::fitted(curve, &grid),
    };
    let point = |(&x, e): (&f64, &Estimate)| FittedPoint {
        x,
        held,
        value: e.value,
        ci95: e.interval(ALPHA),
    };
    grid.iter().zip(&estimates.unwrap_or_default()).map(point).collect()
}
