//! Tables on the terminal: the primary claims, and how many there are beside them.

use std::fmt::Write;

use crate::claims::{Claim, Point};
use crate::numbers::{count, exponent, measured, plain};
use crate::report::limits::Limits;
use crate::stats::verdict::Verdict;

/// The primary claims as a text table, then what the others say in numbers.
pub fn summary(claims: &[Claim]) -> String {
    let mut out = String::new();
    let several = claims.iter().any(|claim| claim.parametrization != claims[0].parametrization);
    // Writing to a String cannot fail.
    for claim in claims.iter().filter(|claim| claim.primary) {
        let _ = writeln!(out, "{} [{}]", claim.statement, claim.observable.name());
        let at = claim.subject(several);
        let _ = writeln!(out, "  {}: {}", claim.verdict.name(), claim.reason);
        if let Some(next) = &claim.next {
            let _ = writeln!(out, "  next: {next}");
        }
        let local = claim.local_exponents.iter().map(|p| p.map_or("–".to_owned(), exponent));
        let ends = [claim.curve.first(), claim.curve.last()].map(|point| end(claim, point));
        let local = local.collect::<Vec<_>>().join(" ");
        let local = match local.as_str() {
            "" => String::new(),
            local => format!("; local exponents {local}"),
        };
        let _ = writeln!(out, "  {at}: {}{local}\n", ends.join(" to "));
    }
    let others: Vec<&Claim> = claims.iter().filter(|claim| !claim.primary).collect();
    if !others.is_empty() {
        let of = |verdict: Verdict| {
            let number = others.iter().filter(|claim| claim.verdict == verdict).count();
            format!("{number} {}", verdict.name())
        };
        let tally = Verdict::ALL.map(of).join(", ");
        let number = count(others.len() as u64, "further claim");
        let _ = writeln!(out, "{number} in report.html and summary.json: {tally}\n");
    }
    out
}

fn end(claim: &Claim, point: Option<&Point>) -> String {
    let at = |p: &Point| match claim.held {
        Some(_) => format!("{} = {}", claim.axis.symbol(), p.x),
        None => format!("n = {}, L = {}", p.width, p.depth),
    };
    point.map(|p| format!("{} at {}", measured(p.value), at(p))).unwrap_or_default()
}

/// The limits as a text table.
pub fn of_limits(limits: &Limits) -> String {
    let mut out = align(&limits.table(limits.passes()));
    let tolerance = plain(limits.limit.tolerance);
    // Writing to a String cannot fail.
    let _ = writeln!(
        out,
        "  n = L = ∞, after k updates; in brackets the error of the last digits, asked to be at most \
         {tolerance}\n"
    );
    out
}

/// Columns as wide as their widest entry; all lines have as many cells.
pub fn align(lines: &[impl AsRef<[String]>]) -> String {
    let lines: Vec<&[String]> = lines.iter().map(AsRef::as_ref).collect();
    let columns = lines.first().map_or(0, |line| line.len());
    let width = |column: usize| lines.iter().map(|l| l[column].chars().count()).max().unwrap_or(0);
    let widths: Vec<usize> = (0..columns).map(width).collect();
    let mut out = String::new();
    for line in lines {
        let cells: Vec<String> =
            line.iter().zip(&widths).map(|(cell, &width)| format!("{cell:width$}")).collect();
        let _ = writeln!(out, "  {}", cells.join("  ").trim_end());
    }
    out
}
