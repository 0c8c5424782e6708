//! Straight lines through ensemble means.

/// The line y = intercept + slope · x of least squares; None for fewer than two distinct x or
/// anything not finite.
pub fn line(points: &[(f64, f64)]) -> Option<(f64, f64)> {
    let n = points.len() as f64;
    let (x, y) = points.iter().fold((0.0, 0.0), |(x, y), p| (x + p.0 / n, y + p.1 / n));
    let sxx: f64 = points.iter().map(|p| (p.0 - x).powi(2)).sum();
    let sxy: f64 = points.iter().map(|p| (p.0 - x) * (p.1 - y)).sum();
    let slope = sxy / sxx;
    let fine = points.len() >= 2 && sxx > 0.0 && slope.is_finite() && y.is_finite();
    fine.then_some((y - slope * x, slope))
}

/// p of y ∝ x^{−p}: the slope of log |y| on log x, sign turned.
pub fn exponent(points: &[(f64, f64)]) -> Option<f64> {
    let logs: Vec<_> = points.iter().map(|(x, y)| (x.ln(), y.abs().ln())).collect();
    line(&logs).map(|(_, slope)| -slope)
}

/// Exponents between neighbouring points, in the order of the points.
pub fn local_exponents(points: &[(f64, f64)]) -> Vec<Option<f64>> {
    points.windows(2).map(exponent).collect()
}

/// c of y = c + a/x: what is left at infinite x if corrections fall like 1/x.
pub fn plateau(points: &[(f64, f64)]) -> Option<f64> {
    let inverse: Vec<_> = points.iter().map(|(x, y)| (1.0 / x, *y)).collect();
    line(&inverse).map(|(intercept, _)| intercept)
}
