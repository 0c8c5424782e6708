//! What was found, in plain text: what each study shows beside its claims, and the verdicts with their
//! numbers.

use super::Report;
use super::estimate::Estimate;
use crate::claims::{Claim, SizeAxis};
use crate::numbers::count;
use crate::stats::verdict::Verdict;
use crate::studies::Results;

/// What was found: what the study shows beside its claims, then the verdicts; none without a claim.
pub fn paragraphs(report: &Report) -> Vec<String> {
    let Report { experiment, claims, rows, .. } = *report;
    let own = (experiment.study.design().findings)(&Results { experiment, claims, rows });
    let mut paragraphs = vec![own.join(" ")];
    for (verdict, word) in [
        (Verdict::Supported, "Supported"),
        (Verdict::Contradicted, "Contradicted"),
        (Verdict::Inconclusive, "Inconclusive"),
    ] {
        paragraphs.extend(of_verdict(report, verdict).map(|list| format!("{word}: {list}.")));
    }
    if !report.diverged.is_empty() {
        let runs = count(report.diverged.len() as u64, "run");
        paragraphs.push(format!("{runs} of {} diverged and count nowhere.", report.tasks));
    }
    paragraphs.retain(|paragraph| !paragraph.is_empty());
    paragraphs
}

/// The claims of the last step at the largest size held, by statement, with the closures (and
/// parametrizations) for which they have this verdict.
fn of_verdict(report: &Report, verdict: Verdict) -> Option<String> {
    let several = report.experiment.ensemble.parametrizations.is_some();
    let of = |c: &Claim| (c.statement, c.axis);
    let mut statements = Vec::new();
    let mut seen = Vec::new();
    for claim in report.claims {
        if seen.contains(&of(claim)) {
            continue;
        }
        seen.push(of(claim));
        let same = || report.claims.iter().filter(|other| of(other) == of(claim));
        let last = same().map(|claim| (claim.step, claim.held)).max();
        let shown = same().filter(|c| Some((c.step, c.held)) == last && c.verdict == verdict);
        let shown: Vec<String> = shown.map(|claim| estimate(claim, several)).collect();
        if shown.is_empty() {
            continue;
        }
        let sizes = match claim.axis {
            SizeAxis::DepthOfAll => ", all widths together",
            SizeAxis::WidthOfAll => ", by width",
            SizeAxis::Depth | SizeAxis::Width => "",
        };
        statements.push(format!("{}{sizes} ({})", claim.statement, shown.join(", ")));
    }
    (!statements.is_empty()).then(|| statements.join("; "))
}

/// "exact: exponent 1.96 [1.90, 2.02]", or why there is no such number.
fn estimate(claim: &Claim, several: bool) -> String {
    let whose = match several {
        true => format!("{} in {}", claim.closure.name(), claim.parametrization.name()),
        false => claim.closure.name().to_owned(),
    };
    match Estimate::of(claim).filter(|estimate| estimate.interval.is_some()) {
        Some(estimate) => format!("{whose}: {} {estimate}", estimate.name),
        None => format!("{whose}: {}", claim.reason),
    }
}

/// `text` in lines of at most 100 letters.
pub fn wrapped(text: &str) -> String {
    const WIDTH: usize = 100;
    let mut out = String::new();
    let mut length = 0;
    for word in text.split(' ') {
        let letters = word.chars().count();
        if length > 0 && length + 1 + letters > WIDTH {
            out.push('\n');
            length = 0;
        } else if length > 0 {
            out.push(' ');
            length += 1;
        }
        out.push_str(word);
        length += letters;
    }
    out
}
