//! A sum of errors in width and depth, a n^{−1} (1 + c/L) + b L^{−q}, fitted to all sizes together.
//!
//! One of the two exponents is searched for, the other declared; for given exponents the sum is linear
//! in a, ac and b. Three fits are made: of all sizes, without the smallest of the size that is asked
//! about, and without the smallest of the other. The hull of their jackknife intervals is the interval:
//! their disagreement is the error of the model.

use nalgebra::{DMatrix, DVector};

use super::curve::{Curve, Reference, distinct};
use super::jackknife::{Estimate, hull};
use super::mean;

/// The exponent is searched for between these.
pub const EXPONENTS: [f64; 2] = [0.05, 6.0];
/// Fewer distinct sizes of either kind are not fitted.
pub const LEAST_SIZES: usize = 4;
const GRID: usize = 60;

/// The size of a sum whose exponent is declared.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Other {
    /// The declared exponent of that size.
    pub exponent: f64,
    /// What values are differences to along that size.
    pub reference: Reference,
    /// Whether that size is the width, whose part has the correction c/L.
    pub is_width: bool,
}

/// Which sizes a fit of a sum is of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kept {
    /// All sizes of both kinds.
    All,
    /// All but the smallest of the size that is asked about.
    ButSmallest,
    /// All but the smallest of the other size.
    ButSmallestOther,
}

/// An exponent of a sum, as three fits see it.
#[derive(Clone, Debug, PartialEq)]
pub struct SumExponent {
    /// Of all sizes, without the smallest x, without the smallest z.
    pub fits: Vec<Estimate>,
    /// Which sizes each fit is of.
    pub kept: Vec<Kept>,
}

impl SumExponent {
    /// Of a positive curve over x, the size that is asked about, and z, the other.
    pub fn of(curve: &Curve, other: Other) -> Option<SumExponent> {
        let least =
            |of: fn(&(f64, f64)) -> f64| places(curve).iter().map(of).fold(f64::INFINITY, f64::min);
        let (x0, z0) = (least(|p| p.0), least(|p| p.1));
        let errors = relative_errors(curve)?;
        let of = |kept: &dyn Fn(f64, f64) -> bool| {
            curve.estimate(|values| Some(fit(curve, other, (values, &errors), kept)?.exponent))
        };
        let mut fits = vec![of(&|_, _| true)?];
        let mut kept = vec![Kept::All];
        let (xs, zs) =
            (places(curve).into_iter().map(|p| p.0), places(curve).into_iter().map(|p| p.1));
        if distinct(xs) > LEAST_SIZES {
            fits.push(of(&|x, _| x > x0)?);
            kept.push(Kept::ButSmallest);
        }
        if distinct(zs) > LEAST_SIZES {
            fits.push(of(&|_, z| z > z0)?);
            kept.push(Kept::ButSmallestOther);
        }
        Some(SumExponent { fits, kept })
    }

    /// The exponent by all sizes.
    pub fn value(&self) -> f64 {
        self.fits[0].value
    }

    /// The hull of the intervals, each of which misses with probability `alpha`.
    pub fn interval(&self, alpha: f64) -> Option<[f64; 2]> {
        hull(&self.fits, alpha)
    }
}

/// Relative standard errors of the points, each shrunk towards that of all: a variance from few seeds
/// is too uncertain to weigh with alone. The part of the width varies from seed to seed, that of the
/// depth hardly, so points differ by their weights.
fn relative_errors(curve: &Curve) -> Option<Vec<f64>> {
    /// Prior degrees of freedom of the common relative variance.
    const PRIOR: f64 = 8.0;
    let errors: Option<Vec<f64>> = curve.standard_errors().into_iter().collect();
    let values = curve.values(None)?;
    let own: Vec<f64> = errors?.iter().zip(&values).map(|(e, y)| (e / y).powi(2)).collect();
    let (common, freedom) = (mean(&own), curve.seeds as f64 - 1.0);
    let shrunk = |own: &f64| ((PRIOR * common + freedom * own) / (PRIOR + freedom)).sqrt();
    Some(own.iter().map(shrunk).collect())
}

fn places(curve: &Curve) -> Vec<(f64, f64)> {
    curve.points.iter().map(|point| (point.x, point.z)).collect()
}

/// A value to fit and its standard error.
struct Weighed {
    x: f64,
    z: f64,
    y: f64,
    sigma: f64,
}

/// A sum that was fitted.
#[derive(Clone, Debug, PartialEq)]
struct Fit {
    other: Other,
    reference: Reference,
    exponent: f64,
    /// Of x, of the correction, of z.
    coefficients: [f64; 3],
    squares: f64,
}

impl Fit {
    fn at(&self, x: f64, z: f64) -> f64 {
        let terms = terms(self.other, self.reference, self.exponent, x, z);
        terms.iter().zip(&self.coefficients).map(|(f, c)| f * c).sum()
    }
}

/// The terms that are linear in the coefficients.
fn terms(other: Other, reference: Reference, p: f64, x: f64, z: f64) -> [f64; 3] {
    let (own, of_z) = (reference.fall(x, p), other.reference.fall(z, other.exponent));
    let correction = if other.is_width { of_z / x } else { own / z };
    [own, correction, of_z]
}

/// The least squares of residuals over their errors, over the points that are kept; None where the data do not
/// determine the exponent within [`EXPONENTS`].
fn fit(
    curve: &Curve,
    other: Other,
    (values, errors): (&[f64], &[f64]),
    kept: &dyn Fn(f64, f64) -> bool,
) -> Option<Fit> {
    let points: Vec<Weighed> = places(curve)
        .into_iter()
        .zip(values.iter().zip(errors))
        .filter(|((x, z), _)| kept(*x, *z))
        .map(|((x, z), (&y, error))| Weighed { x, z, y, sigma: y * error })
        .collect();
    let usable = |p: &Weighed| p.y > 0.0 && p.sigma > 0.0 && p.sigma.is_finite();
    if points.len() < 6 || !points.iter().all(usable) {
        return None;
    }
    let [low, high] = EXPONENTS;
    let at = |i: usize| low + (high - low) * i as f64 / GRID as f64;
    let form = (other, curve.reference);
    let cost = |p: f64| linear(form, &points, p).map_or(f64::INFINITY, |fit| fit.squares);
    let best = (0..=GRID).min_by(|&i, &j| cost(at(i)).total_cmp(&cost(at(j))))?;
    if best == 0 || best == GRID {
        return None;
    }
    linear(form, &points, minimum(at(best - 1), at(best + 1), cost))
}

/// Golden-section search for the minimum of a function with one.
fn minimum(mut low: f64, mut high: f64, f: impl Fn(f64) -> f64) -> f64 {
    let ratio = (5_f64.sqrt() - 1.0) / 2.0;
    let inner = |low: f64, high: f64| [high - ratio * (high - low), low + ratio * (high - low)];
    let mut x = inner(low, high);
    let mut y = x.map(&f);
    // The bracket shrinks to 0.2 · 0.618^40 = 9e-10, below what y can resolve.
    for _ in 0..40 {
        if y[0] <= y[1] {
            high = x[1];
            x = inner(low, high);
            y = [f(x[0]), y[0]];
        } else {
            low = x[0];
            x = inner(low, high);
            y = [y[1], f(x[1])];
        }
    }
    0.5 * (low + high)
}

/// The best coefficients for given p with a and b not negative: the least of the solutions with b, and
/// the correction, left out or not.
fn linear((other, reference): (Other, Reference), points: &[Weighed], p: f64) -> Option<Fit> {
    let solve = |columns: &[usize]| {
        let mut design = DMatrix::from_fn(points.len(), columns.len(), |i, j| {
            let Weighed { x, z, sigma, .. } = points[i];
            terms(other, reference, p, x, z)[columns[j]] / sigma
        });
        let norms: Vec<f64> = design.column_iter().map(|column| column.norm()).collect();
        design.column_iter_mut().zip(&norms).for_each(|(mut column, norm)| column /= *norm);
        let target = DVector::from_iterator(points.len(), points.iter().map(|p| p.y / p.sigma));
        let solution = design.clone().svd(true, true).solve(&target, 1e-14).ok()?;
        let squares = (design * &solution - target).norm_squared();
        let mut coefficients = [0.0; 3];
        for (j, &column) in columns.iter().enumerate() {
            coefficients[column] = solution[j] / norms[j];
        }
        let fine = squares.is_finite() && coefficients[0] > 0.0 && coefficients[2] >= 0.0;
        fine.then_some(Fit { other, reference, exponent: p, coefficients, squares })
    };
    let sets: [&[usize]; 3] = [&[0], &[0, 2], &[0, 1, 2]];
    sets.into_iter().filter_map(solve).min_by(|a, b| a.squares.total_cmp(&b.squares))
}

/// Coefficients of the fitted sum of all sizes: of the power of x, of the correction, of the power of z.
pub fn coefficients(curve: &Curve, other: Other) -> Option<Vec<Estimate>> {
    let errors = relative_errors(curve)?;
    curve.estimates(|values| {
        Some(fit(curve, other, (values, &errors), &|_, _| true)?.coefficients.to_vec())
    })
}

/// The fitted sum of all sizes at each (x, z) of `grid`, with its jackknife error.
pub fn fitted(curve: &Curve, other: Other, grid: &[(f64, f64)]) -> Option<Vec<Estimate>> {
    let errors = relative_errors(curve)?;
    curve.estimates(|values| {
        let fit = fit(curve, other, (values, &errors), &|_, _| true)?;
        Some(grid.iter().map(|&(x, z)| fit.at(x, z)).collect())
    })
}
