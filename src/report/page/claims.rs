//! The claims one by one: a plot of each observable, and what it says in words.

use super::figures::claim_plot;
use crate::claims::{Claim, Family, SizeAxis};
use crate::report::Report;
use crate::report::plot::Plot;

/// The claims that share an observable, a statement, an axis and a parametrization.
pub struct Group<'a> {
    /// Anchor, and name of the plot.
    pub id: String,
    /// What the claims state, with the parametrization where there are several.
    pub statement: String,
    /// Whether one of its claims is a primary claim of the study.
    pub primary: bool,
    /// All claims, in the order of summary.json.
    pub claims: Vec<&'a Claim>,
    /// One claim a closure: at the step and size of the primary claim, else at the last step and the
    /// greatest size held.
    pub shown: Vec<&'a Claim>,
    /// What the plot of these shows; None without a point.
    pub plot: Option<Plot>,
}

impl Group<'_> {
    /// The number of points that have no place in the plot.
    pub fn hidden(&self) -> u64 {
        self.plot.as_ref().map_or(0, |plot| plot.hidden() as u64)
    }

    /// Whether the plot has a line at a constant.
    pub fn shows_plateau(&self) -> bool {
        self.shown.iter().any(|c| c.family == Family::Stays && c.plateau.is_some())
    }

    /// Whether any claim has a constant.
    pub fn has_plateaus(&self) -> bool {
        self.claims.iter().any(|claim| claim.plateau.is_some())
    }

    /// The rules that were declared, each once.
    pub fn rules(&self) -> Vec<&str> {
        let mut rules: Vec<&str> = self.shown.iter().map(|claim| claim.rule.as_str()).collect();
        rules.retain(|rule| !rule.is_empty());
        rules.dedup();
        rules
    }
}

/// The groups of a report's claims, in the order of their first appearance.
pub fn groups<'a>(report: &Report<'a>) -> Vec<Group<'a>> {
    let mut groups: Vec<Group> = Vec::new();
    for claim in report.claims {
        let of = |c: &Claim| (c.observable, c.statement, c.axis, c.parametrization);
        let same = |group: &&mut Group<'a>| of(group.claims[0]) == of(claim);
        match groups.iter_mut().find(same) {
            Some(group) => group.claims.push(claim),
            None => {
                let axis = match claim.axis {
                    SizeAxis::Depth => "depth",
                    SizeAxis::Width => "width",
                    SizeAxis::DepthOfAll => "depth-all-widths",
                    SizeAxis::WidthOfAll => "width-all-depths",
                };
                let observable: String = claim
                    .observable
                    .name()
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
                    primary: false,
                    claims: vec![claim],
                    shown: vec![],
                    plot: None,
                });
            }
        }
    }
    for group in &mut groups {
        let held = group.claims.iter().map(|claim| claim.held).max();
        let last = group.claims.iter().map(|claim| claim.step).max();
        let primary = group.claims.iter().find(|claim| claim.primary);
        group.primary = primary.is_some();
        let step = primary.map(|claim| claim.step).or(last);
        let shown = |claim: &&&Claim| (Some(claim.held), Some(claim.step)) == (held, step);
        group.shown = group.claims.iter().filter(shown).copied().collect();
        let plot = claim_plot(&group.id, &group.statement, &group.shown);
        group.plot = plot.has_points().then_some(plot);
    }
    groups
}
