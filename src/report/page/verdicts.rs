//! The verdicts at a glance: how many of each, and a table of statements by closures.

use std::fmt::Write;

use super::claims::Group;
use super::words;
use crate::claims::Family;
use crate::report::Report;
use crate::report::text::{exponent, measured};
use crate::stats::verdict::Verdict;

const ALL: [Verdict; 3] = [Verdict::Supported, Verdict::Contradicted, Verdict::Inconclusive];

pub fn section(report: &Report, groups: &[Group]) -> String {
    if report.claims.is_empty() {
        return "<p>This experiment makes no claims: they need at least two depths (or widths, with \
                a reference network) and something to compare with.</p>\n"
            .to_owned();
    }
    let mut out = "<ul class=\"tally\">".to_owned();
    for verdict in ALL {
        let (word, sign) = words::verdict(verdict);
        let number = report.claims.iter().filter(|claim| claim.verdict == verdict).count();
        let _ = write!(
            out,
            "<li class=\"{word}\"><b>{number}</b> <span><span aria-hidden=\"true\">{sign}</span> \
             {word}</span></li>"
        );
    }
    out.push_str("</ul>\n");

    let closures = &report.experiment.ensemble.closures;
    out.push_str("<div class=\"scroll\"><table class=\"overview\"><thead><tr><th>claim</th>");
    for closure in closures {
        let _ = write!(out, "<th class=\"k{}\">{}</th>", *closure as usize, closure.name());
    }
    out.push_str("</tr></thead><tbody>\n");
    for group in groups {
        let statement = words::statement(&group.statement);
        let _ = write!(out, "<tr><th scope=\"row\"><a href=\"#{}\">{statement}</a>", group.id);
        if let Some(expected) = group.expected {
            let _ = write!(
                out,
                "<small>theory: exponent {}</small>",
                words::exponent_of_theory(expected)
            );
        }
        out.push_str("</th>");
        for &closure in closures {
            match group.shown.iter().find(|claim| claim.closure == closure) {
                Some(claim) => {
                    let (value, name) = match claim.family {
                        Family::Power
                        | Family::PowerAndFloor
                        | Family::Sum
                        | Family::Growth
                        | Family::Trend
                        | Family::Drift => {
                            (words::cell(claim.exponent, claim.ci95, exponent), "p = ")
                        }
                        Family::Plateau => {
                            (words::cell(claim.plateau, claim.plateau_ci95, measured), "c = ")
                        }
                    };
                    let chip = words::chip(claim.verdict);
                    let _ = write!(out, "<td>{chip}<small>{name}{value}</small></td>");
                }
                None => out.push_str("<td class=\"none\">·</td>"),
            }
        }
        out.push_str("</tr>\n");
    }
    out.push_str("</tbody></table></div>\n");
    let steps = report.experiment.training.steps;
    let _ = writeln!(
        out,
        "<p class=\"note\">The table shows the last step ({}); the tally counts the claims of every \
         step and size. p is the exponent of a fall like L<sup>−p</sup> (or n<sup>−p</sup>), of a growth \
         or a drift like L<sup>p</sup> where the claim says so, c a plateau; brackets hold \
         95 % intervals.</p>",
        words::step(steps)
    );
    out
}
