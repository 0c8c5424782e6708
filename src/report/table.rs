//! The summary table: one line a claim.

use std::fmt::Write;

use crate::measure::claims::{Claim, Family, LEAST_POINTS};

/// The claims as a text table, one line each, grouped by observable.
pub fn summary(claims: &[Claim]) -> String {
    let mut lines: Vec<[String; 6]> = vec![[
        "claim".to_owned(),
        "first".to_owned(),
        "last".to_owned(),
        "exponent [95 %]".to_owned(),
        "plateau [95 %]".to_owned(),
        "local exponents".to_owned(),
    ]];
    let with_interval =
        |value: Option<f64>, ci95: Option<[f64; 2]>, number: fn(f64) -> String| match (value, ci95)
        {
            (Some(value), Some([low, high])) => {
                format!("{} [{}, {}]", number(value), number(low), number(high))
            }
            (Some(value), None) => format!("{} (one seed)", number(value)),
            (None, _) => String::new(),
        };
    for claim in claims {
        let end = |point: Option<&crate::measure::claims::Point>| {
            point.map(|p| format!("{} @{}", scientific(p.value), p.x)).unwrap_or_default()
        };
        let exponent = match claim.exponent {
            Some(_) => with_interval(claim.exponent, claim.ci95, short),
            None => format!("needs {LEAST_POINTS} points, has {}", claim.points),
        };
        let expected = match (claim.family, claim.expected) {
            (Family::Power, Some(p)) => format!(" (theory {})", short(p)),
            _ => String::new(),
        };
        lines.push([
            claim.statement.clone(),
            end(claim.curve.first()),
            end(claim.curve.last()),
            exponent + &expected,
            with_interval(claim.plateau, claim.plateau_ci95, scientific),
            claim
                .local_exponents
                .iter()
                .map(|p| p.map_or("-".to_owned(), short))
                .collect::<Vec<_>>()
                .join(" "),
        ]);
    }
    align(&lines)
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
        // Writing to a String cannot fail.
        let _ = writeln!(out, "{}", cells.join("  ").trim_end());
    }
    out
}
