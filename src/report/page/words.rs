//! Names and symbols in words.

use std::borrow::Borrow;

use crate::claims::Claim;
use crate::experiment::ReferenceKind;
use crate::model::{Activation, Closure, Parametrization};
use crate::observables::Observable;
use crate::report::Report;
use crate::report::plot::KINDS;
use crate::report::text::{capital, count, escape, exponent, measured, script};
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

/// A sign for a verdict, beside its word.
pub fn sign(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Supported => "✓",
        Verdict::Contradicted => "✗",
        Verdict::Inconclusive => "?",
    }
}

/// The class that has a closure's colour.
pub fn class(closure: Closure) -> String {
    format!("k{}", closure as usize % KINDS)
}

/// How many claims have a verdict.
pub fn tally<C: Borrow<Claim>>(claims: &[C], verdict: Verdict) -> usize {
    claims.iter().filter(|claim| (*claim).borrow().verdict == verdict).count()
}

/// What a claim's last value was before training, if it was not zero.
pub fn before_training(claim: &Claim) -> Option<String> {
    claim.at_start.filter(|start| *start != 0.0).map(measured)
}

/// The study's primary claims.
pub fn primary<'a>(report: &Report<'a>) -> Vec<&'a Claim> {
    report.claims.iter().filter(|claim| claim.primary).collect()
}

/// A number of training runs in words: "one run", "3 runs".
pub fn runs(number: usize) -> String {
    count(number as u64, "run")
}

/// When in training a step is: "after 3 updates".
pub fn step(step: u32) -> String {
    match step {
        0 => "at initialisation".to_owned(),
        1 => "after one update".to_owned(),
        k => format!("after {k} updates"),
    }
}

/// A statement as a heading, as HTML.
pub fn statement(text: &str) -> String {
    math(&capital(text))
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
        let (script, after) = script(rest);
        out.push_str(&format!("<{tag}>{script}</{tag}>"));
        rest = after;
    }
    out + rest
}

/// A claim's exponents between neighbouring points, in a row.
pub fn local_slopes(claim: &Claim) -> String {
    let slopes = claim.local_exponents.iter().map(|p| p.map_or("–".to_owned(), exponent));
    slopes.collect::<Vec<_>>().join(" · ")
}

/// An exponent as theory gives it: 1, not 1.00.
pub fn exponent_of_theory(value: f64) -> String {
    if value.fract() == 0.0 { format!("{value}") } else { exponent(value) }
}
