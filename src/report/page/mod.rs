//! report.html: one file, no scripts, nothing loaded from anywhere; its figures are in it as files too.
//! Well-formed XML as well, so that any parser reads it. Its HTML stands in `templates/`, which escape every value.

mod asked;
mod claims;
mod figures;
pub(super) mod files;
mod fit;
mod limit;
pub(super) mod words;

use askama::Template;

use self::claims::Group;
use self::figures::Drawn;
use super::Report;
use super::estimate::Estimate;
use super::findings::paragraphs;
use super::plot::{Plot, page_variables};
use super::text;
use crate::claims::stability;
use crate::data::Source;
use crate::experiment::{Block, Engine, Optimizer, Study};
use crate::observables::Observable;
use crate::stats::verdict::Verdict;

/// Runs of each kind that the page lists: enough to see which they are.
const MOST_RUNS: usize = 100;

/// What the templates of the page read.
#[derive(Template)]
#[template(path = "page.html")]
struct Page<'a> {
    report: &'a Report<'a>,
    style: String,
    version: &'static str,
    /// Anchor and heading of each section that has something to show.
    sections: Vec<(&'static str, &'static str)>,
    /// What was found, in paragraphs.
    found: Vec<String>,
    groups: Vec<Group<'a>>,
    /// Figures of the limit.
    limit_figures: Vec<Drawn>,
    /// Figures that only this study has.
    own: Vec<Drawn>,
    /// Figures of what the runs did, step by step.
    curves: Vec<Drawn>,
}

/// The whole page, report.html.
#[expect(clippy::expect_used, reason = "writing to a String cannot fail")]
pub fn html(report: &Report) -> String {
    let (groups, own, curves) =
        (claims::groups(report), figures::of_study(report), figures::common(report));
    let (found, limit_figures) = (paragraphs(report), limit::figures(report));
    let sections = [
        ("found", "What was found", !found.is_empty()),
        ("limit", "The limit", report.limits.is_some()),
        ("verdicts", "Verdicts", report.experiment.study != Study::Limit),
        ("claims", "Primary claims", groups.iter().any(|group| group.primary)),
        ("study", "The study’s figures", !own.is_empty()),
        ("rates", "Best learning rates", !report.best_rates.is_empty()),
        ("asked", "What was asked", true),
        ("beside", "Also seen", groups.iter().any(|group| !group.primary)),
        ("trajectories", "Trajectories", !curves.is_empty()),
        (
            "diverged",
            "Unstable and diverged runs",
            !(report.diverged.is_empty() && report.unstable.is_empty()),
        ),
        ("methods", "Methods", true),
        ("data", "The numbers", true),
    ];
    let shown = |&(id, title, shown): &(_, _, bool)| shown.then_some((id, title));
    let style = style();
    let sections = sections.iter().filter_map(shown).collect();
    let version = env!("CARGO_PKG_VERSION");
    let page = Page { report, style, version, sections, found, groups, limit_figures, own, curves };
    page.render().expect("room for a page")
}

/// The style sheet, with the colours of plots in light and in dark.
pub(super) fn style() -> String {
    let (light, dark) = (page_variables(false), page_variables(true));
    format!(
        "\n:root{{{light}}}\n@media screen and (prefers-color-scheme:dark){{:root{{{dark}}}}}\n{}",
        include_str!("style.css")
    )
}

/// All plots of the page, in its order: what figures.json has.
pub fn plots(report: &Report) -> Vec<Plot> {
    let drawn = |figures: Vec<Drawn>| figures.into_iter().map(|figure| figure.plot);
    let (primary, beside): (Vec<_>, Vec<_>) =
        claims::groups(report).into_iter().partition(|group| group.primary);
    fn of_claims(groups: Vec<Group>) -> impl Iterator<Item = Plot> {
        groups.into_iter().filter_map(|group| group.plot)
    }
    let own = drawn(figures::of_study(report));
    let before = drawn(limit::figures(report)).chain(of_claims(primary)).chain(own);
    before.chain(of_claims(beside)).chain(drawn(figures::common(report))).collect()
}

/// Plots as files, each as SVG and as PDF, and its points as CSV: name with ending, content.
pub fn plot_files(plots: &[Plot]) -> Vec<(String, Vec<u8>)> {
    let files = plots.iter().flat_map(files::files);
    files.map(|file| (file.name, file.content)).collect()
}
