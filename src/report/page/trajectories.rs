//! What the runs did: outputs, losses, movement, ranks, spectra; means over seeds.

use std::fmt::Write;

use super::figures::{Drawn, shown};
use super::words;
use crate::report::Report;
use crate::report::plot;
use crate::report::text::plain;

pub fn section(report: &Report, figures: &[Drawn]) -> String {
    if figures.is_empty() {
        return String::new();
    }
    let bars = match report.experiment.ensemble.seeds {
        1 => "One seed, so no error bars.".to_owned(),
        seeds => format!("Means over {seeds} seeds, bars of one standard error."),
    };
    let mut out = format!("<p>{bars}</p>\n");
    out.push_str(&grid(figures));
    if report.experiment.ensemble.parametrizations.is_some() {
        let _ = writeln!(out, "<p class=\"note\">In {}.</p>", shown(report.experiment).name());
    }
    if let Some(rates) = &report.experiment.ensemble.learning_rates {
        let _ = writeln!(out, "<p class=\"note\">At η = {}, the least.</p>", plain(rates[0]));
    }
    let horizon = plain(report.experiment.model.horizon);
    let last = words::step(report.experiment.training.steps);
    let _ = writeln!(
        out,
        "<p class=\"note\">k counts updates; pass k uses the weights after k of them, the last is {last}. \
         Depth time runs from 0 to T = {horizon}.</p>"
    );
    out
}

/// Figures side by side; empty for none.
pub fn grid(figures: &[Drawn]) -> String {
    if figures.is_empty() {
        return String::new();
    }
    let mut out = "<div class=\"grid\">\n".to_owned();
    for Drawn { caption, plot } in figures {
        let _ = write!(
            out,
            "<figure><h3>{}</h3>{}<figcaption>{caption}",
            plot.title,
            plot::embedded(plot)
        );
        if plot.hidden() > 0 {
            let _ = write!(out, " Points not drawn, as not positive: {}.", plot.hidden());
        }
        out.push_str("</figcaption></figure>\n");
    }
    out.push_str("</div>\n");
    out
}
