//! The summary table.

use std::fmt::Write;

use crate::measure::claims::{Axis, Claim, LEAST_POINTS, Point};

/// The claims as a text table: one block a statement, one line a closure, size and step.
pub fn summary(claims: &[Claim]) -> String {
    let mut out = String::new();
    for block in claims.chunk_by(|a, b| (a.statement, a.axis) == (b.statement, b.axis)) {
        let expected = match block[0].expected {
            Some(p) => format!(", exponent {p} by theory"),
            None => String::new(),
        };
        // Writing to a String cannot fail.
        let _ = writeln!(out, "{} [{}]{expected}", block[0].statement, block[0].observable);
        let header = [
            "closure",
            "size",
            "step",
            "first",
            "last",
            "exponent [95 %]",
            "plateau [95 %]",
            "local exponents",
        ];
        let lines: Vec<_> =
            std::iter::once(header.map(str::to_owned)).chain(block.iter().map(line)).collect();
        let _ = writeln!(out, "{}", align(&lines));
    }
    out
}

fn line(claim: &Claim) -> [String; 8] {
    let (varied, held) = match claim.axis {
        Axis::Depth => ("L", "n"),
        Axis::Width => ("n", "L"),
    };
    let end = |point: Option<&Point>| {
        point.map(|p| format!("{} at {varied}={}", scientific(p.value), p.x)).unwrap_or_default()
    };
    let interval = |value: Option<f64>, ci95: Option<[f64; 2]>, number: fn(f64) -> String| {
        let ends = ci95.map(|[low, high]| format!(" [{}, {}]", number(low), number(high)));
        value.map(|value| number(value) + ends.as_deref().unwrap_or(" (one seed)"))
    };
    let too_few = || format!("needs {LEAST_POINTS} points, has {}", claim.points);
    let local = claim.local_exponents.iter().map(|p| p.map_or("-".to_owned(), short));
    [
        claim.closure.name().to_owned(),
        format!("{held}={}", claim.held),
        claim.step.to_string(),
        end(claim.curve.first()),
        end(claim.curve.last()),
        interval(claim.exponent, claim.ci95, short).unwrap_or_else(too_few),
        interval(claim.plateau, claim.plateau_ci95, scientific).unwrap_or_default(),
        local.collect::<Vec<_>>().join(" "),
    ]
}

fn short(value: f64) -> String {
    format!("{value:.2}")
}

fn scientific(value: f64) -> String {
    format!("{value:.2e}")
}

/// Columns as wide as their widest entry.
fn align<const N: usize>(lines: &[[String; N]]) -> String {
    let width = |column: usize| lines.iter().map(|l| l[column].chars().count()).max().unwrap_or(0);
    let widths: Vec<usize> = (0..N).map(width).collect();
    let mut out = String::new();
    for line in lines {
        let cells: Vec<String> =
            line.iter().zip(&widths).map(|(cell, &width)| format!("{cell:width$}")).collect();
        let _ = writeln!(out, "  {}", cells.join("  ").trim_end());
    }
    out
}
