//! Families of curves through ensemble values, fitted by weighted least squares.
//!
//! ```text
//! power     y = a x^{−p} (1 + b/x) [+ e z]      z = 1/(nL), the floor of per-layer mean squares
//! sum       y = a n^{−p} (1 + c/L) + b L^{−q}   one of p and q is searched for, the other declared
//! growth    y = a x^{p} (1 + b/x)
//! plateau   y = c + a x^{−p}                    the sign of a is free
//! trend     y = a x^{p}                         p of either sign, a line in logarithms
//! ```
//!
//! Values that are differences to a network of finite size r instead of the limit fall to zero at r:
//! x^{−p} becomes x^{−p} − r^{−p}, or (x^{−p/2} − r^{−p/2})² (see [`Reference`]).
//!
//! Declared with each claim before the data (docs/theory.md, section 5). A bare a x^{−p} + c
//! through power data with corrections bends into a false plateau; the power family does not.
//!
//! The terms keep their meaning: a > 0, e ≥ 0, the correction's share b/x (or what stands for it
//! before a finite reference) ≥ −1 at the smallest x and ≤ ½ at the largest.
//! Without the last,
//! a x^{−0.1} (1 + b/x) with a huge b would pass for x^{−1.1} and the exponent would be anything.
//! For given p the curve is linear in its coefficients, so only p is searched for.

use nalgebra::{DMatrix, DVector};

/// Exponents are searched for between these.
pub const EXPONENTS: [f64; 2] = [0.05, 6.0];
/// b/x at the largest x, the share of the correction.
pub const LARGEST_CORRECTION: f64 = 0.5;
const GRID: usize = 60;

/// The form of the curve.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Form {
    /// a x^{−p} (1 + b/x), plus e z with e ≥ 0 where there is a floor.
    Power {
        /// Whether the floor is part of the family.
        floor: bool,
    },
    /// A sum of two sizes' errors, x the one whose exponent is searched for, z the other.
    Sum(Other),
    /// a x^{p} (1 + b/x).
    Growth,
    /// c + a x^{−p}.
    Plateau,
    /// a x^{p}, p of either sign.
    Trend,
}

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

/// What the values are differences to.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Reference {
    /// The limit, or a partner in a fixed proportion, as L against 2L: the power stays itself.
    Limit,
    /// Size r, with errors that add up in mean square, as those of nested sums of independent parts,
    /// or of a signed mean: x^{−p} − r^{−p}.
    Added(f64),
    /// Size r, in mean square of errors that are one direction times x^{−p/2}, as those of an Euler
    /// scheme: (x^{−p/2} − r^{−p/2})².
    Aligned(f64),
}

impl Reference {
    /// Size r of a finite reference.
    fn size(self) -> Option<f64> {
        match self {
            Reference::Limit => None,
            Reference::Added(r) | Reference::Aligned(r) => Some(r),
        }
    }

    /// What takes the place of x^{−p}.
    pub fn fall(self, x: f64, p: f64) -> f64 {
        match self {
            Reference::Limit => x.powf(-p),
            Reference::Added(r) => x.powf(-p) - r.powf(-p),
            Reference::Aligned(r) => (x.powf(-p / 2.0) - r.powf(-p / 2.0)).powi(2),
        }
    }
}

/// A value to fit.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Sample {
    /// The depth or width on which the power acts.
    pub x: f64,
    /// 1/(nL), for the floor; of a sum the other size.
    pub z: f64,
    /// The ensemble's value, positive.
    pub y: f64,
    /// Standard error σ of the value: its weight is 1/σ².
    pub sigma: f64,
}

/// A curve of some family that was fitted to samples.
#[derive(Clone, Debug, PartialEq)]
pub struct Fit {
    family: Form,
    reference: Reference,
    /// The fitted exponent p.
    pub exponent: f64,
    /// Power: a, ab and e (0 without a floor). Sum: of x, of the correction, of z. Growth: a, ab, 0.
    /// Plateau: c, a, 0. Trend: a, 0, 0.
    pub coefficients: [f64; 3],
    /// Weighted sum of squared residuals, Σ (residual/σ)².
    pub chi_squared: f64,
    /// Whether b met its upper bound: then a smaller p with a larger b would fit better, and the
    /// exponent is the least that the family allows.
    pub least: bool,
}

impl Form {
    /// The number of parameters, p included.
    pub fn parameters(self) -> usize {
        match self {
            Form::Power { floor: true } | Form::Sum(_) => 4,
            Form::Power { floor: false } | Form::Growth | Form::Plateau => 3,
            Form::Trend => 2,
        }
    }

    /// Fewer points are not fitted: two more than parameters.
    pub fn least_points(self) -> usize {
        self.parameters() + 2
    }

    /// Fewer distinct x are not fitted either, however many points share them: two more than the
    /// parameters that x has to tell apart, which are p and one or two coefficients.
    pub fn least_distinct(self) -> usize {
        match self {
            Form::Power { .. } | Form::Growth | Form::Plateau => 5,
            Form::Sum(_) | Form::Trend => 4,
        }
    }

    /// The terms that are linear in the coefficients.
    fn basis(self, reference: Reference, p: f64, x: f64, z: f64) -> [f64; 3] {
        match self {
            Form::Power { .. } => [reference.fall(x, p), reference.fall(x, p + 1.0), z],
            Form::Sum(Other { exponent, reference: of_other, is_width }) => {
                let (own, other) = (reference.fall(x, p), of_other.fall(z, exponent));
                let correction = if is_width { other / x } else { own / z };
                [own, correction, other]
            }
            Form::Growth => [x.powf(p), x.powf(p - 1.0), 0.0],
            Form::Plateau => [1.0, reference.fall(x, p), 0.0],
            Form::Trend => [x.powf(p), 0.0, 0.0],
        }
    }
}

impl Fit {
    /// The error of the reference itself against the limit, by this curve without its floor; None where
    /// there is no reference of finite size.
    pub fn of_reference(&self) -> Option<f64> {
        let x = self.reference.size()?;
        let (family, z) = match self.family {
            Form::Sum(other) => {
                (Form::Sum(Other { reference: Reference::Limit, ..other }), other.reference.size()?)
            }
            family => (family, 0.0),
        };
        Some(Fit { family, reference: Reference::Limit, ..self.clone() }.at(x, z))
    }

    /// The value of the curve at x, and z where the family has one.
    pub fn at(&self, x: f64, z: f64) -> f64 {
        let basis = self.family.basis(self.reference, self.exponent, x, z);
        basis.iter().zip(&self.coefficients).map(|(f, c)| f * c).sum()
    }
}

/// Fits `family` to `samples`, which are differences to `reference`; None when there are fewer than [`Form::least_points`] or
/// [`Form::least_distinct`], a value or
/// an error is not positive (all our observables are mean squares or roots of them), or the data do
/// not determine the exponent within [`EXPONENTS`].
pub fn fit(family: Form, reference: Reference, samples: &[Sample]) -> Option<Fit> {
    let usable = |s: &Sample| s.y > 0.0 && s.y.is_finite() && s.sigma > 0.0 && s.sigma.is_finite();
    let distinct = distinct(samples.iter().map(|s| s.x));
    let enough = samples.len() >= family.least_points() && distinct >= family.least_distinct();
    if !enough || !samples.iter().all(usable) {
        return None;
    }
    if family == Form::Trend {
        return trend(reference, samples);
    }
    let [low, high] = EXPONENTS;
    let at = |i: usize| low + (high - low) * i as f64 / GRID as f64;
    let form = (family, reference);
    let cost = |p: f64| linear(form, samples, p).map_or(f64::INFINITY, |fit| fit.chi_squared);
    let best = (0..=GRID).min_by(|&i, &j| cost(at(i)).total_cmp(&cost(at(j))))?;
    if best == 0 || best == GRID {
        return None;
    }
    linear(form, samples, minimum(at(best - 1), at(best + 1), cost))
}

/// Weighted least squares of log y against log x: σ/y is the error of log y.
fn trend(reference: Reference, samples: &[Sample]) -> Option<Fit> {
    let logs = || samples.iter().map(|s| (s.x.ln(), s.y.ln(), (s.y / s.sigma).powi(2)));
    let total: f64 = logs().map(|(_, _, w)| w).sum();
    let (x, y) =
        logs().fold((0.0, 0.0), |(a, b), (x, y, w)| (a + w * x / total, b + w * y / total));
    let over = |of: &dyn Fn(f64, f64) -> f64| -> f64 {
        logs().map(|(px, py, w)| w * of(px - x, py - y)).sum()
    };
    let exponent = over(&|dx, dy| dx * dy) / over(&|dx, _| dx * dx);
    let chi_squared = over(&|dx, dy| (dy - exponent * dx).powi(2));
    let coefficients = [(y - exponent * x).exp(), 0.0, 0.0];
    let fit =
        Fit { family: Form::Trend, reference, exponent, coefficients, chi_squared, least: false };
    exponent.is_finite().then_some(fit)
}

/// How many different numbers there are among some.
pub fn distinct(numbers: impl Iterator<Item = f64>) -> usize {
    let mut sorted: Vec<f64> = numbers.collect();
    sorted.sort_by(f64::total_cmp);
    sorted.dedup();
    sorted.len()
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

/// The best coefficients for given p within the family's bounds: the least of all solutions with
/// each bound either inactive or met exactly.
fn linear(form: (Form, Reference), samples: &[Sample], p: f64) -> Option<Fit> {
    let family = form.0;
    let largest = samples.iter().map(|s| s.x).fold(0.0, f64::max);
    let smallest = samples.iter().map(|s| s.x).fold(f64::INFINITY, f64::min);
    // The leading term over the correction without its b: x, unless the reference is finite.
    let ratio = |x: f64| {
        let [leading, correction, _] = family.basis(form.1, p, x, 1.0);
        leading / correction
    };
    let (limit, smallest) = (LARGEST_CORRECTION * ratio(largest), ratio(smallest));
    // Directions in coefficient space that are free, one list for each set of active bounds.
    let free: Vec<Vec<[f64; 3]>> = match family {
        Form::Plateau | Form::Trend => vec![vec![[1.0, 0.0, 0.0], [0.0, 1.0, 0.0]]],
        Form::Sum(_) => {
            let (power, correction, other) = ([1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0]);
            vec![vec![power], vec![power, other], vec![power, correction, other]]
        }
        Form::Power { .. } | Form::Growth => {
            let floor = family == Form::Power { floor: true };
            let inner = vec![[1.0, 0.0, 0.0], [0.0, 1.0, 0.0]];
            let mut sets = vec![inner, vec![[1.0, limit, 0.0]], vec![[1.0, -smallest, 0.0]]];
            if floor {
                let with_floor = |set: &Vec<[f64; 3]>| [&set[..], &[[0.0, 0.0, 1.0]]].concat();
                sets.extend(sets.iter().map(with_floor).collect::<Vec<_>>());
            }
            sets
        }
    };
    let allowed = |fit: &Fit| match (family, fit.coefficients) {
        (Form::Plateau | Form::Trend, _) => true,
        (Form::Sum(_), [of_x, _, of_z]) => of_x > 0.0 && of_z >= 0.0,
        (Form::Power { .. } | Form::Growth, [a, ab, e]) => {
            let slack = 1e-9 * limit; // at a bound, b is on it up to rounding
            let b = ab / a;
            a > 0.0 && (-smallest - slack..=limit + slack).contains(&b) && e >= 0.0
        }
    };
    free.iter()
        .filter_map(|directions| solve(form, samples, p, directions))
        .filter(allowed)
        .min_by(|a, b| a.chi_squared.total_cmp(&b.chi_squared))
        .map(|fit| {
            let [a, ab, _] = fit.coefficients;
            let power = matches!(family, Form::Power { .. } | Form::Growth);
            Fit { least: power && ab >= a * limit * (1.0 - 1e-9), ..fit }
        })
}

/// Weighted least squares over the span of `directions`.
fn solve(
    (family, reference): (Form, Reference),
    samples: &[Sample],
    p: f64,
    directions: &[[f64; 3]],
) -> Option<Fit> {
    let along = |s: &Sample, direction: &[f64; 3]| {
        let basis = family.basis(reference, p, s.x, s.z);
        basis.iter().zip(direction).map(|(f, d)| f * d).sum::<f64>() / s.sigma
    };
    let design = DMatrix::from_fn(samples.len(), directions.len(), |i, j| {
        along(&samples[i], &directions[j])
    });
    let target = DVector::from_iterator(samples.len(), samples.iter().map(|s| s.y / s.sigma));
    // Columns differ by powers of x: normalised before the QR solve.
    let norms: Vec<f64> = design.column_iter().map(|c| c.norm()).collect();
    let mut scaled = design.clone();
    scaled.column_iter_mut().zip(&norms).for_each(|(mut c, norm)| c /= *norm);
    let qr = scaled.qr();
    let solution = qr.r().solve_upper_triangular(&qr.q().tr_mul(&target))?;
    let amounts =
        DVector::from_iterator(norms.len(), solution.iter().zip(&norms).map(|(c, n)| c / n));
    let chi_squared = (design * &amounts - target).norm_squared();
    let mut coefficients = [0.0; 3];
    for (amount, direction) in amounts.iter().zip(directions) {
        for (c, d) in coefficients.iter_mut().zip(direction) {
            *c += amount * d;
        }
    }
    let fine = chi_squared.is_finite() && coefficients.iter().all(|c| c.is_finite());
    let least = false;
    fine.then_some(Fit { family, reference, exponent: p, coefficients, chi_squared, least })
}

/// Exponents between neighbouring points: −log(y'/y)/log(x'/x).
pub fn local_exponents(points: &[(f64, f64)]) -> Vec<Option<f64>> {
    let slope = |pair: &[(f64, f64)]| {
        let [(x0, y0), (x1, y1)] = [pair[0], pair[1]];
        let p = -(y1 / y0).abs().ln() / (x1 / x0).ln();
        p.is_finite().then_some(p)
    };
    points.windows(2).map(slope).collect()
}
