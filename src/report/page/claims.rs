//! The claims one by one: a plot of each observable, and what it says in words.

use std::fmt::Write;

use super::figures::claim_plot;
use super::words;
use crate::claims::{Axis, Claim, Family};
use crate::report::Report;
use crate::report::plot::Plot;
use crate::report::text::{count, escape, exponent, measured, probability};
use crate::stats::verdict::Verdict;

/// The claims that share an observable, a statement, an axis and a parametrization.
pub struct Group<'a> {
    /// Anchor, and name of the plot.
    pub id: String,
    /// Of its first claim; with the parametrization where there are several.
    pub statement: String,
    /// Of its first claim.
    pub expected: Option<f64>,
    /// All, in the order of summary.json.
    pub claims: Vec<&'a Claim>,
    /// The last step at the greatest size held: one claim a closure.
    pub shown: Vec<&'a Claim>,
}

impl Group<'_> {
    /// None without a point.
    pub fn plot(&self, report: &Report) -> Option<Plot> {
        let plot = claim_plot(report, &self.id, &self.statement, &self.shown);
        plot.has_points().then_some(plot)
    }
}

/// In the order of first appearance.
pub fn groups<'a>(report: &Report<'a>) -> Vec<Group<'a>> {
    let mut groups: Vec<Group> = Vec::new();
    for claim in report.claims {
        let of = |c: &Claim| (c.observable, c.statement, c.axis, c.parametrization);
        let same = |group: &&mut Group<'a>| of(group.claims[0]) == of(claim);
        match groups.iter_mut().find(same) {
            Some(group) => group.claims.push(claim),
            None => {
                let axis = match claim.axis {
                    Axis::Depth => "depth",
                    Axis::Width => "width",
                    Axis::Both => "depth-all-widths",
                    Axis::WidthOfAll => "width-all-depths",
                };
                let observable: String = claim
                    .observable
                    .chars()
                    .map(|c| if c.is_ascii_alphanumeric() { c } else { '-' })
                    .collect();
                let (mut id, mut statement) =
                    (format!("{observable}-{axis}"), claim.statement.to_owned());
                if report.experiment.ensemble.parametrizations.is_some() {
                    let name = claim.parametrization.name();
                    id = format!("{id}-{name}");
                    statement = format!("{statement} ({name})");
                }
                groups.push(Group {
                    id,
                    statement,
                    expected: claim.expected,
                    claims: vec![claim],
                    shown: vec![],
                });
            }
        }
    }
    for group in &mut groups {
        let held = group.claims.iter().map(|claim| claim.held).max();
        let step = group.claims.iter().map(|claim| claim.step).max();
        let last = |claim: &&&Claim| (Some(claim.held), Some(claim.step)) == (held, step);
        group.shown = group.claims.iter().filter(last).copied().collect();
    }
    groups
}

pub fn section(report: &Report, groups: &[Group]) -> String {
    let mut out = String::new();
    for group in groups {
        let _ = write!(
            out,
            "<article id=\"{}\"><h3>{}</h3>\n<div class=\"pair\"><figure>",
            group.id,
            words::statement(&group.statement)
        );
        let drawn = group.plot(report);
        match &drawn {
            Some(plot) => out.push_str(&plot.embedded()),
            None => out.push_str("<p class=\"empty\">No point to draw.</p>"),
        }
        caption(&mut out, report, group, drawn.as_ref());
        out.push_str("</figure>\n<div class=\"reading\">");
        reading(&mut out, group);
        out.push_str("</div></div>\n");
        if group.claims.len() > group.shown.len() {
            all_steps(&mut out, group);
        }
        out.push_str("</article>\n");
    }
    out
}

fn caption(out: &mut String, report: &Report, group: &Group, plot: Option<&Plot>) {
    let Some(first) = group.shown.first() else { return };
    let (_, meaning) = words::observable(first.observable, report);
    let _ = write!(
        out,
        "<figcaption>{meaning} Shown {} at {}, {}.",
        words::step(first.step),
        words::held(first),
        count(first.seeds, "seed")
    );
    if group.shown.iter().any(|claim| claim.family == Family::Plateau && claim.plateau.is_some()) {
        out.push_str(" Dotted: plateaus.");
    }
    if let Some(hidden) = plot.map(Plot::hidden).filter(|hidden| *hidden > 0) {
        let _ = write!(out, " Not drawn, as not positive: {}.", count(hidden as u64, "point"));
    }
    out.push_str("</figcaption>");
}

fn reading(out: &mut String, group: &Group) {
    out.push_str("<ul class=\"claims\">");
    for claim in &group.shown {
        let _ = write!(
            out,
            "<li><p class=\"head\"><b class=\"k{}\">{}</b> {}</p><p>{}",
            claim.closure as usize,
            claim.closure.name(),
            words::chip(claim.verdict),
            sentence(&words::estimate(claim))
        );
        if let Some(expected) = claim.expected {
            let _ = write!(out, " Theory: {}.", words::exponent_of_theory(expected));
        }
        if let Some(share) = claim.reference_error {
            let share = measured(100.0 * share);
            let _ =
                write!(out, " The reference’s own error, by the fit: {share} % of the last value.");
        }
        if !claim.reason.is_empty() {
            let _ = write!(out, " {}", sentence(&escape(&claim.reason)));
        }
        if claim.diverged > 0 {
            let runs = count(claim.diverged as u64, "run");
            let _ = write!(out, " {runs} of this closure diverged and are left out.");
        }
        out.push_str("</p>");
        if !claim.local_exponents.is_empty() {
            let slopes = words::local_slopes(claim);
            let _ = write!(out, "<p class=\"small\">local exponents {slopes}");
            if let Some(goodness) = claim.goodness {
                let _ = write!(out, "; fit probability {}", probability(goodness));
            }
            out.push_str("</p>");
        }
        out.push_str("</li>\n");
    }
    out.push_str("</ul>\n");
    let mut rules: Vec<&str> = group.shown.iter().map(|claim| claim.rule.as_str()).collect();
    rules.retain(|rule| !rule.is_empty());
    rules.dedup();
    for rule in rules {
        let _ = writeln!(
            out,
            "<p class=\"small\"><b>Rule, declared before the data:</b> {}</p>",
            sentence(&escape(rule))
        );
    }
}

/// With a capital and a full stop.
fn sentence(words: &str) -> String {
    let words = words.trim();
    let stop = if words.ends_with(['.', '!', '?']) { "" } else { "." };
    let mut letters = words.chars();
    let first = letters.next().map(|c| c.to_uppercase().to_string()).unwrap_or_default();
    format!("{first}{}{stop}", letters.as_str())
}

fn all_steps(out: &mut String, group: &Group) {
    let mut tally = String::new();
    for verdict in [Verdict::Supported, Verdict::Contradicted, Verdict::Inconclusive] {
        let number = group.claims.iter().filter(|claim| claim.verdict == verdict).count();
        if number > 0 {
            let (word, _) = words::verdict(verdict);
            let _ = write!(tally, " · {number} {word}");
        }
    }
    let plateaus = group.claims.iter().any(|claim| claim.plateau.is_some());
    let plateau = if plateaus { "<th>plateau [95 %]</th>" } else { "" };
    let _ = writeln!(
        out,
        "<details><summary>All steps and sizes<small>{tally}</small></summary><div class=\"scroll\">\
         <table><thead><tr><th>closure</th><th>size</th><th class=\"n\">updates</th>\
         <th>verdict</th><th>exponent [95 %]</th>{plateau}<th>local exponents</th>\
         <th class=\"n\">fit prob.</th><th>reason</th></tr></thead><tbody>"
    );
    for claim in &group.claims {
        let plateau = match plateaus {
            true => {
                format!("<td>{}</td>", words::cell(claim.plateau, claim.plateau_ci95, measured))
            }
            false => String::new(),
        };
        let _ = writeln!(
            out,
            "<tr><td class=\"k{}\">{}</td><td>{}</td><td class=\"n\">{}</td><td>{}</td><td>{}</td>\
             {plateau}<td>{}</td><td class=\"n\">{}</td><td class=\"why\">{}</td></tr>",
            claim.closure as usize,
            claim.closure.name(),
            words::held(claim),
            claim.step,
            words::chip(claim.verdict),
            words::cell(claim.exponent, claim.ci95, exponent),
            words::local_slopes(claim),
            claim.goodness.map_or("–".to_owned(), probability),
            escape(&claim.reason)
        );
    }
    out.push_str("</tbody></table></div></details>\n");
}
