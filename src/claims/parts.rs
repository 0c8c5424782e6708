//! What the fit of a claim consists of: the fits that its interval is of, the numbers of the curve that is
//! drawn, and that curve at the points.

use serde::Serialize;

use crate::stats::curve::{Curve, Reference};
use crate::stats::jackknife::Estimate;
use crate::stats::power::Exponent;
use crate::stats::sum::{Kept, Other, SumExponent};
use crate::stats::verdict::Rule;
use crate::stats::{constant, power, sum};

/// The parts of a claim's fit.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Fit {
    /// The curve that is drawn, fitted to all sizes, as a formula in which `^{…}` raises.
    pub formula: String,
    /// The exponent by each of the fits whose hull is the claim's interval; that of the drawn curve comes first.
    pub exponents: Vec<Part>,
    /// The other numbers of the curve that is drawn.
    pub coefficients: Vec<Part>,
    /// How much the exponent between neighbours changes with every doubling over the last four sizes; a sum
    /// has none.
    pub drift: Option<Part>,
}

/// A number of a fit.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Part {
    /// What it is: its letter in the formula, or the sizes that were fitted.
    pub name: String,
    /// The number by all seeds.
    pub value: f64,
    /// Its jackknife interval, which misses as often as the claim's.
    pub interval: Option<[f64; 2]>,
}

/// The parts of the fit of a curve along `size` ("L", "n") by this rule, with intervals that miss with
/// probability `alpha`; None where there is no fit.
pub fn parts(curve: &Curve, rule: Rule, size: &str, alpha: f64) -> Option<Fit> {
    let part = |name: &str, e: &Estimate| Part {
        name: name.to_owned(),
        value: e.value,
        interval: e.interval(alpha),
    };
    let named = |names: &[&str], estimates: &[Estimate]| -> Vec<Part> {
        names.iter().zip(estimates).map(|(name, e)| part(name, e)).collect()
    };
    if let Rule::FallsInSum { other, .. } = rule {
        let found = SumExponent::of(curve, other)?;
        let of = if size == "L" { "n" } else { "L" };
        let sizes = found.kept.iter().map(|kept| match kept {
            Kept::All => "all sizes".to_owned(),
            Kept::ButSmallest => format!("all but the smallest {size}"),
            Kept::ButSmallestOther => format!("all but the smallest {of}"),
        });
        let fits = sizes.zip(&found.fits).map(|(name, e)| part(&name, e));
        return Some(Fit {
            formula: of_sum(curve.reference, other, size, of),
            exponents: fits.collect(),
            coefficients: named(&["a", "c", "b"], &sum::coefficients(curve, other)?),
            drift: None,
        });
    }
    let grows = matches!(rule, Rule::Grows { .. });
    // Of a growth x^{p} the sign of the exponent is the other.
    let sign = |e: Estimate| Estimate { value: if grows { -e.value } else { e.value }, ..e };
    let found = Exponent::of(curve)?;
    let second = format!("all sizes, with γ/{size}^{{2}} too");
    let names = ["all sizes", "the last four sizes", &second];
    let exponents = named(&names, &found.fits.map(sign));
    let drift = Some(part("change of the exponent with every doubling", &sign(found.drift)));
    let fall = |exponent: &str| fall(curve.reference, size, exponent);
    let (formula, coefficients) = match rule {
        Rule::Stays => (
            format!("c + (a + b/{size}) {}", fall("1")),
            named(&["c", "a", "b"], &constant::coefficients(curve)?),
        ),
        _ => {
            let power = if grows { format!("{size}^{{p}}") } else { fall("p") };
            let formula = format!("A {power} e^{{β/{size}}}");
            (formula, named(&["A", "β"], &power::coefficients(curve)?))
        }
    };
    Some(Fit { formula, exponents, coefficients, drift })
}

/// a x^{−p} + b z^{−q} and the correction of the width's part in 1/L, in which c is.
fn of_sum(reference: Reference, other: Other, size: &str, of: &str) -> String {
    let q = format!("{}", other.exponent);
    let (own, others) = (fall(reference, size, "p"), fall(other.reference, of, &q));
    let corrected = if other.is_width { &others } else { &own };
    format!("a {own} + c {corrected}/L + b {others}")
}

/// What stands for x^{−p}, as [`Reference::fall`] has it.
fn fall(reference: Reference, size: &str, exponent: &str) -> String {
    let at = |x: &str, exponent: &str| format!("{x}^{{−{exponent}}}");
    match reference {
        Reference::Limit => at(size, exponent),
        Reference::Added(r) => {
            format!("({} − {})", at(size, exponent), at(&r.to_string(), exponent))
        }
        Reference::Aligned(r) => {
            let half = format!("{exponent}/2");
            format!("({} − {})^{{2}}", at(size, &half), at(&r.to_string(), &half))
        }
    }
}

/// The fitted curve at each point of `curve`; None where there is no fit.
pub fn at_points(curve: &Curve, rule: Rule) -> Option<Vec<f64>> {
    let sizes = curve.sizes();
    let estimates = match rule {
        Rule::FallsInSum { other, .. } => {
            let places: Vec<_> = curve.points.iter().map(|point| (point.x, point.z)).collect();
            sum::fitted(curve, other, &places)
        }
        Rule::Stays => constant::fitted(curve, &sizes),
        Rule::Falls { .. } | Rule::Grows { .. } | Rule::Flat => power::fitted(curve, &sizes),
    };
    Some(estimates?.iter().map(|estimate| estimate.value).collect())
}
