//! Names and symbols in words.

use std::fmt::Write;

use crate::claims::{Claim, Family, SizeAxis};
use crate::experiment::ReferenceKind;
use crate::model::{Activation, Closure, Parametrization};
use crate::observables::Observable;
use crate::report::Report;
use crate::report::text::{escape, exponent, measured};
use crate::stats::verdict::Verdict;

/// What an activation is, as HTML within a sentence.
pub fn activation(activation: Activation) -> String {
    math(activation.meaning().trim_end_matches('.'))
}

/// What a parametrization is, as HTML within a sentence.
pub fn parametrization(parametrization: Parametrization) -> String {
    math(parametrization.meaning().trim_end_matches('.'))
}

/// What a closure is, as HTML.
pub fn closure(closure: Closure) -> String {
    math(closure.meaning())
}

pub fn verdict(verdict: Verdict) -> (&'static str, &'static str) {
    match verdict {
        Verdict::Supported => ("supported", "✓"),
        Verdict::Contradicted => ("contradicted", "✗"),
        Verdict::Inconclusive => ("inconclusive", "?"),
    }
}

/// A verdict as a chip: a word and a sign, not a colour alone.
pub fn chip(of: Verdict) -> String {
    let (word, sign) = verdict(of);
    format!("<span class=\"chip {word}\"><span aria-hidden=\"true\">{sign}</span> {word}</span>")
}

/// "after 3 updates"
pub fn step(step: u32) -> String {
    match step {
        0 => "at initialisation".to_owned(),
        1 => "after one update".to_owned(),
        k => format!("after {k} updates"),
    }
}

/// "n = 4096": what is held along the axis.
pub fn held(claim: &Claim) -> String {
    match (claim.axis, claim.held) {
        (SizeAxis::Depth, Some(width)) => format!("n = {width}"),
        (SizeAxis::Width, Some(depth)) => format!("L = {depth}"),
        (SizeAxis::WidthOfAll, _) => "all L".to_owned(),
        _ => "all n".to_owned(),
    }
}

/// A statement with its indices lowered.
pub fn statement(text: &str) -> String {
    let mut capital = escape(text);
    if let Some(first) = capital.get(..1).map(str::to_uppercase) {
        capital.replace_range(..1, &first);
    }
    capital.replace("h_L", "h<sub>L</sub>").replace("g_0", "g<sub>0</sub>")
}

/// What was measured, as HTML, with the reference by its sizes.
pub fn meaning(observable: Observable, report: &Report) -> String {
    let reference = &report.experiment.reference;
    let partner = match (reference.kind, reference.width, reference.depth) {
        (ReferenceKind::Network, Some(width), Some(depth)) => {
            format!("the reference network (n = {width}, L = {depth})")
        }
        _ => "the network of twice the depth".to_owned(),
    };
    math(observable.entry().meaning).replace("the reference", &partner)
}

/// Text as HTML, with `x_l`, `x_{ab}`, `x^k` and `x^{ab}` lowered and raised.
pub fn math(text: &str) -> String {
    let text = escape(text);
    let mut out = String::with_capacity(text.len());
    let mut rest = text.as_str();
    while let Some(at) = rest.find(['_', '^']) {
        let tag = if rest[at..].starts_with('_') { "sub" } else { "sup" };
        out.push_str(&rest[..at]);
        rest = &rest[at + 1..];
        let braced = rest.strip_prefix('{').and_then(|inner| inner.split_once('}'));
        let first = rest.chars().next().map_or(0, char::len_utf8);
        let (script, after) = braced.unwrap_or_else(|| rest.split_at(first));
        let _ = write!(out, "<{tag}>{script}</{tag}>");
        rest = after;
    }
    out + rest
}

/// The number a claim is about, with its interval, as HTML.
pub fn estimate(claim: &Claim) -> String {
    let with =
        |name: &str, value: Option<f64>, ci95: Option<[f64; 2]>, number: fn(f64) -> String| {
            let interval = match ci95 {
                Some([low, high]) => {
                    format!(", 95 % interval {} to {}", number(low), number(high))
                }
                None => ", no interval".to_owned(),
            };
            value.map(|value| format!("{name} <b>{}</b>{interval}", number(value)))
        };
    let words = match claim.family {
        Family::Power | Family::PowerAndFloor | Family::Sum => {
            with("exponent", claim.exponent, claim.ci95, exponent)
        }
        Family::Growth | Family::Trend => {
            with("exponent of growth", claim.exponent, claim.ci95, exponent)
        }
        Family::Drift => with("exponent of drift", claim.exponent, claim.ci95, exponent),
        Family::Plateau => with("plateau", claim.plateau, claim.plateau_ci95, measured),
    };
    words.unwrap_or_else(|| "not fitted".to_owned())
}

/// The same in a cell of a table: "0.93 [0.89, 0.97]".
pub fn cell(value: Option<f64>, ci95: Option<[f64; 2]>, number: fn(f64) -> String) -> String {
    let interval = ci95.map(|[low, high]| {
        format!(" <span class=\"ci\">[{}, {}]</span>", number(low), number(high))
    });
    value.map_or("–".to_owned(), |value| number(value) + interval.as_deref().unwrap_or(""))
}

/// Exponents between neighbouring points.
pub fn local_slopes(claim: &Claim) -> String {
    let slopes = claim.local_exponents.iter().map(|p| p.map_or("–".to_owned(), exponent));
    slopes.collect::<Vec<_>>().join(" · ")
}

/// Theory gives whole numbers: 1, not 1.00.
pub fn exponent_of_theory(value: f64) -> String {
    if value.fract() == 0.0 { format!("{value}") } else { exponent(value) }
}
