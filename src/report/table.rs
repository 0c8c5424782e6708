//! The summary table.

use std::fmt::Write;

use super::estimate::Estimate;
use crate::claims::{Claim, Point, SizeAxis};
use crate::numbers::{exponent, measured};

/// The claims as a text table: one block a statement, one line a closure, size and step.
pub fn summary(claims: &[Claim]) -> String {
    let mut out = String::new();
    let several = claims.iter().any(|claim| claim.parametrization != claims[0].parametrization);
    let of = |claim: &Claim| (claim.statement, claim.axis, claim.parametrization);
    for block in claims.chunk_by(|a, b| of(a) == of(b)) {
        let name = match several {
            true => format!(" ({})", block[0].parametrization.name()),
            false => String::new(),
        };
        // Writing to a String cannot fail.
        let _ = writeln!(out, "{}{name} [{}]", block[0].statement, block[0].observable.name());
        let header = [
            "closure",
            "size",
            "step",
            "verdict",
            "estimate [95 %]",
            "because",
            "from",
            "to",
            "local exponents",
        ];
        let lines: Vec<_> =
            std::iter::once(header.map(str::to_owned)).chain(block.iter().map(line)).collect();
        let _ = writeln!(out, "{}", align(&lines));
    }
    out
}

fn line(claim: &Claim) -> [String; 9] {
    let (varied, size) = match (claim.axis, claim.held) {
        (SizeAxis::Width, Some(depth)) => ("n", format!("L={depth}")),
        (SizeAxis::Depth, Some(width)) => ("L", format!("n={width}")),
        (SizeAxis::WidthOfAll, _) => ("n", "all L".to_owned()),
        _ => ("L", "all n".to_owned()),
    };
    let end = |point: Option<&Point>| {
        point.map(|p| format!("{} at {varied}={}", measured(p.value), p.x)).unwrap_or_default()
    };
    let estimate = Estimate::of(claim)
        .map(|estimate| format!("{} = {estimate}", Estimate::symbol(claim)))
        .unwrap_or_default();
    let reference = claim.reference_error.map(|share| {
        format!(
            "; the reference's own error by the fit: {} % of the last value",
            measured(100.0 * share)
        )
    });
    let local = claim.local_exponents.iter().map(|p| p.map_or("–".to_owned(), exponent));
    [
        claim.closure.name().to_owned(),
        size,
        claim.step.to_string(),
        claim.verdict.name().to_owned(),
        estimate,
        claim.reason.clone() + &reference.unwrap_or_default(),
        end(claim.curve.first()),
        end(claim.curve.last()),
        local.collect::<Vec<_>>().join(" "),
    ]
}

/// Columns as wide as their widest entry.
pub fn align<const N: usize>(lines: &[[String; N]]) -> String {
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
