//! What was found, in plain text: what each study shows beside its claims, and the verdicts with their
//! numbers.

use std::fmt::Write;

use super::Report;
use super::estimate::Estimate;
use super::text::{count, measured, plain};
use crate::claims::{Axis, Claim, Family};
use crate::experiment::{Group, Precision, Study};
use crate::model::{Closure, Parametrization};
use crate::stats::mean;
use crate::stats::verdict::Verdict;

/// What was found: what the study shows beside its claims, then the verdicts; none without a claim.
pub fn paragraphs(report: &Report) -> Vec<String> {
    let own: Vec<String> = match report.experiment.study {
        Study::Propagation => Vec::new(),
        Study::TrainingConvergence | Study::Anatomy => decoupling(report),
        Study::GradientIndependence => [decoupling(report), losses(report)].concat(),
        Study::Nondegeneracy => degenerate(report),
        Study::Transfer => optima(report),
    };
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
            Axis::Both => ", all widths together",
            Axis::WidthOfAll => ", by width",
            Axis::Depth | Axis::Width => "",
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

/// What the source takes to be harmless, in depth-μP.
fn decoupling(report: &Report) -> Vec<String> {
    let sentence = |closure: Closure| {
        let claims = report.claims.iter().filter(|claim| {
            claim.observable == "closure_gap.f"
                && claim.closure == closure
                && claim.parametrization == Parametrization::DepthMup
                && claim.verdict == Verdict::Supported
        });
        let claim = claims.max_by_key(|claim| (claim.step, claim.held))?;
        let last = claim.curve.last()?;
        let said = match closure {
            Closure::Gia => {
                "The source takes independent backward weights to be harmless at infinite depth; here \
                 they are not"
            }
            _ => "Decoupling within a pass leaves a small gap too",
        };
        Some(format!(
            "{said}: f of {} stays away from that of the exact network, by {} in mean square at \
             L = {}.",
            closure.name(),
            measured(last.value),
            last.depth
        ))
    };
    [Closure::Gia, Closure::Nfd].into_iter().filter_map(sentence).collect()
}

/// Means over seeds after the last update at the greatest sizes.
fn at_the_end(report: &Report, closure: Closure, setting: &str, observable: &str) -> Option<f64> {
    let ensemble = &report.experiment.ensemble;
    let (width, depth) = (ensemble.widths.last()?, ensemble.depths.last()?);
    let last = report.experiment.training.steps;
    let rows = report.rows.iter().filter(|row| {
        row.observable == observable
            && (row.closure, row.parametrization) == (closure.name(), setting)
            && (row.width, row.depth, row.step) == (*width, *depth, last)
            && row.learning_rate == report.experiment.learning_rates()[0]
    });
    let values: Vec<f64> = rows.map(|row| row.value).collect();
    (!values.is_empty()).then(|| mean(&values))
}

/// Loss and accuracy of both closures.
fn losses(report: &Report) -> Vec<String> {
    let deepest = report.experiment.ensemble.depths.last().copied().unwrap_or(0);
    let sentence = |setting: &str| {
        let both = |observable: &str| {
            let of = |closure| at_the_end(report, closure, setting, observable);
            Some((of(Closure::Exact)?, of(Closure::Gia)?))
        };
        let (exact, gia) = both("loss.test").or_else(|| both("loss.train"))?;
        let mut words = format!(
            "In {setting} at L = {deepest} the loss ends at {} exact and {} with independent backward \
             weights",
            measured(exact),
            measured(gia)
        );
        if let Some((exact, gia)) = both("accuracy.test") {
            let _ = write!(words, ", accuracy at {:.1} % and {:.1} %", 100.0 * exact, 100.0 * gia);
        }
        Some(words + ".")
    };
    let settings = report.experiment.parametrizations();
    settings.iter().filter_map(|p| sentence(p.name())).collect()
}

/// Below this share of the largest eigenvalue the smallest is rounding.
fn rounding(precision: Precision) -> f64 {
    match precision {
        Precision::F32 => 1e-6,
        Precision::F64 => 1e-12,
    }
}

/// Where the covariances are singular, from which step on, and why.
fn degenerate(report: &Report) -> Vec<String> {
    let experiment = report.experiment;
    let horizon = experiment.model.horizon;
    let groups = &experiment.model.train;
    let mut sentences = Vec::new();
    for (kind, what) in [("features", "φ(h)"), ("gradients", "g")] {
        for quarter in experiment.probed_quarters() {
            let time = quarter as f64 * horizon / 4.0;
            let at = |name: &str, step: u32| {
                let observable = format!("{name}.{kind}");
                let rows = report.rows.iter().filter(|row| {
                    row.observable == observable && row.step == step && row.depth_time == Some(time)
                });
                let values: Vec<f64> = rows.map(|row| row.value).collect();
                (!values.is_empty()).then(|| mean(&values))
            };
            let singular = |step: &u32| {
                let ends = at("eigmin", *step).zip(at("eigmax", *step));
                ends.is_some_and(|(least, most)| least <= rounding(experiment.precision) * most)
            };
            let Some(first) = experiment.training.recorded_steps().find(singular) else { continue };
            let why = match (kind, quarter) {
                ("gradients", 4) => {
                    "the last layer's gradient is V for every sample and step, of rank one (with \
                     several outputs of their number)"
                }
                ("features", 0) if first > 0 && !groups.contains(&Group::Input) => {
                    "the input layer is frozen, so its features are the same at every step"
                }
                ("features", 0) => "some samples are combinations of others, as duplicates are",
                _ => {
                    "columns are combinations of others to rounding: see whether training has stopped"
                }
            };
            sentences.push(format!(
                "Degenerate: the covariance of {what} at depth time {} from step {first} on; {why}.",
                plain(time)
            ));
        }
    }
    if sentences.is_empty() {
        sentences.push("No covariance is degenerate at the probed depth times.".to_owned());
    }
    sentences
}

/// Where the best learning rates begin and end.
fn optima(report: &Report) -> Vec<String> {
    let claims = report.claims.iter().filter(|claim| claim.family == Family::Drift);
    let sentence = |claim: &Claim| {
        let (first, last) = (claim.curve.first()?, claim.curve.last()?);
        Some(format!(
            "The best learning rate of {} in {} is {} at L = {} and {} at L = {}.",
            claim.closure.name(),
            claim.parametrization.name(),
            measured(first.value),
            first.depth,
            measured(last.value),
            last.depth
        ))
    };
    claims.filter_map(sentence).collect()
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
