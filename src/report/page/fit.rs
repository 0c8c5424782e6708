//! The fit of a primary claim, part by part, and its residuals.

use super::words::math;
use crate::claims::{Claim, Family, Fit, Part, Point};
use crate::report::text::{exponent, measured};

/// A row of the table of parts.
pub struct Row {
    /// What the number is, as HTML.
    pub name: String,
    /// The number, as a journal would print it.
    pub value: String,
    /// Both ends of its interval.
    pub interval: Option<[String; 2]>,
}

/// What is claimed first, then the fits that it is from, then the other numbers of the curve that is drawn.
pub fn rows(claim: &Claim, fit: &Fit) -> Vec<Row> {
    let row = |name: String, value: f64, interval: Option<[f64; 2]>, number: fn(f64) -> String| {
        Row { name, value: number(value), interval: interval.map(|ends| ends.map(number)) }
    };
    let mut rows = Vec::new();
    if let Some(value) = claim.exponent {
        rows.push(row("exponent p, as judged".to_owned(), value, claim.ci95, exponent));
    }
    let of = |part: &Part, before: &str, number| {
        row(format!("{before}{}", math(&part.name)), part.value, part.interval, number)
    };
    rows.extend(fit.exponents.iter().map(|part| of(part, "p of ", exponent)));
    rows.extend(fit.drift.iter().map(|part| of(part, "", exponent)));
    if let Some(value) = claim.plateau {
        let beside = if claim.family == Family::Falls { " beside what falls" } else { "" };
        rows.push(row(format!("constant{beside}, as judged"), value, claim.plateau_ci95, measured));
    }
    if let Some(upper) = claim.plateau_upper {
        rows.push(row("largest constant that the data allow".to_owned(), upper, None, measured));
    }
    rows.extend(fit.coefficients.iter().map(|part| of(part, "", measured)));
    rows
}

/// How often the intervals of so many primary claims hold.
pub fn intervals(simultaneous: usize) -> String {
    match simultaneous {
        1 => "Intervals are 95 %.".to_owned(),
        number => format!("Each interval misses with probability 5 %/{number}."),
    }
}

/// The header of the sizes: what varies, and the other size where that varies too.
pub fn sizes(claim: &Claim) -> &'static str {
    match claim.held {
        None => "n, L",
        Some(_) => claim.axis.symbol(),
    }
}

/// The sizes of a point.
pub fn at(claim: &Claim, point: &Point) -> String {
    match claim.held {
        None => format!("{}, {}", point.width, point.depth),
        Some(_) => point.x.to_string(),
    }
}

/// The value of a point with its standard error.
pub fn value(point: &Point) -> String {
    let error = point.standard_error.map(|error| format!(" ± {}", measured(error)));
    measured(point.value) + &error.unwrap_or_default()
}

/// The fitted curve at a point.
pub fn fitted(point: &Point) -> String {
    point.fitted.map_or("–".to_owned(), measured)
}

/// (value − fit)/standard error, with a sign.
pub fn residual(point: &Point) -> String {
    let signed = |residual: f64| {
        let text = format!("{residual:+.2}").replace('-', "−");
        if ["+0.00", "−0.00"].contains(&text.as_str()) { "0.00".to_owned() } else { text }
    };
    point.residual().map_or("–".to_owned(), signed)
}
