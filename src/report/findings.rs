//! What was found, in plain text: what each study shows beside its claims, and the verdicts with their
//! numbers.

use super::Report;
use crate::claims::stability::name;
use crate::claims::{Claim, SizeAxis};
use crate::numbers::count;
use crate::stats::verdict::Verdict;
use crate::studies::Results;

/// What was found: runs that did not train first, then the limit, contradictions, what the study shows beside its
/// claims, and the other verdicts.
pub fn paragraphs(report: &Report) -> Vec<String> {
    let Report { experiment, claims, best_rates, rows, .. } = *report;
    let results = Results { experiment, claims, best_rates, rows };
    let own = (experiment.study.design().findings)(&results);
    let mut paragraphs = Vec::new();
    paragraphs.extend(unstable(report));
    if !report.diverged.is_empty() {
        let runs = count(report.diverged.len() as u64, "run");
        let counts = match experiment.ensemble.learning_rates {
            Some(_) => {
                "and are left out, but count as infinite losses where learning rates are compared"
            }
            None => "and are left out",
        };
        paragraphs.push(format!("{runs} of {} diverged {counts}.", report.tasks));
    }
    paragraphs.extend(report.limits.iter().flat_map(|limits| limits.paragraphs()));
    let list = |verdict, primary| of_verdict(report, verdict, primary).join("; ");
    for (word, said) in [
        ("Contradicted", list(Verdict::Contradicted, true)),
        ("Contradicted among the further claims", list(Verdict::Contradicted, false)),
        ("", own.join(" ")),
        ("Supported", list(Verdict::Supported, true)),
        ("Inconclusive", list(Verdict::Inconclusive, true)),
    ] {
        match (word, said.as_str()) {
            (_, "") => {}
            ("", said) => paragraphs.push(said.to_owned()),
            (word, said) => paragraphs.push(format!("{word}: {said}.")),
        }
    }
    let together = claims.iter().find_map(|claim| claim.simultaneous);
    if let Some(number) = together.filter(|number| *number > 1) {
        paragraphs.push(format!(
            "The intervals of the {number} primary claims hold simultaneously with 95 % \
                 confidence, if the fitted laws hold."
        ));
    }
    paragraphs
}

/// The runs that did not train, the first of them by name.
fn unstable(report: &Report) -> Option<String> {
    const NAMED: usize = 3;
    let named = report.unstable.iter().take(NAMED);
    let named: Vec<String> =
        named.map(|run| format!("{}: {}", name(report.experiment, &run.task), run.why)).collect();
    let number = report.unstable.len();
    let others = number.saturating_sub(NAMED) as u64;
    let others =
        if others > 0 { format!("; and {}", count(others, "other")) } else { String::new() };
    let runs = count(number as u64, "run");
    let words = format!("Unstable: {runs} of {} ({}{others}).", report.tasks, named.join("; "));
    (number > 0).then_some(words)
}

/// The claims with this verdict, those of one statement together, in words.
fn of_verdict(report: &Report, verdict: Verdict, primary: bool) -> Vec<String> {
    let several = report.experiment.ensemble.parametrizations.is_some();
    let claims = report.claims.iter();
    let claims = claims.filter(|claim| (claim.verdict, claim.primary) == (verdict, primary));
    let mut statements: Vec<(&str, SizeAxis, Vec<String>)> = Vec::new();
    for claim in claims {
        let said = said(claim, several);
        let of = (claim.statement, claim.axis);
        match statements.iter_mut().find(|(statement, axis, _)| (*statement, *axis) == of) {
            Some((_, _, all)) => all.push(said),
            None => statements.push((claim.statement, claim.axis, vec![said])),
        }
    }
    let sentence = |(statement, axis, all): (&str, SizeAxis, Vec<String>)| {
        let sizes = match axis {
            SizeAxis::DepthOfAll => ", by depth at all widths together",
            SizeAxis::WidthOfAll => ", by width at all depths together",
            SizeAxis::Depth | SizeAxis::Width => "",
        };
        format!("{statement}{sizes} ({})", all.join("; "))
    };
    statements.into_iter().map(sentence).collect()
}

/// "exact, n = 8192, k = 1", and why where it is contradicted.
fn said(claim: &Claim, several: bool) -> String {
    let at = claim.subject(several);
    match claim.verdict {
        Verdict::Contradicted => format!("{at}: {}", claim.reason),
        Verdict::Supported | Verdict::Inconclusive => at,
    }
}
