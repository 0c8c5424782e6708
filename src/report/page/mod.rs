//! report.html: one file, no scripts, nothing loaded from anywhere. Well-formed XML as well, so that
//! any parser reads it.

mod asked;
mod claims;
mod figures;
mod methods;
mod studies;
mod trajectories;
mod verdicts;
mod words;

use std::fmt::Write;

use super::Report;
use super::findings::paragraphs;
use super::plot::{Plot, page_variables};
use super::text::{count, escape};

/// The page.
pub fn html(report: &Report) -> String {
    let experiment = report.experiment;
    let name = escape(&experiment.name);
    let groups = claims::groups(report);
    let curves = trajectories::figures(report);
    let own = studies::figures(report);

    let mut body = String::new();
    let _ = writeln!(
        body,
        "<header><p class=\"over\">nfd · {}</p><h1>{name}</h1><p class=\"lead\">{}</p></header>",
        words::study(experiment.study),
        asked::lead(report)
    );
    let mut sections = vec![
        ("found", "What was found", found(report)),
        ("verdicts", "Verdicts", verdicts::section(report, &groups)),
        ("study", "The study’s figures", trajectories::grid(&own)),
        ("asked", "What was asked", asked::section(report)),
        ("claims", "Claims one by one", claims::section(report, &groups)),
        ("trajectories", "Trajectories", trajectories::section(report, &curves)),
        ("diverged", "Diverged runs", diverged(report)),
        ("methods", "Methods", methods::section(report)),
        ("data", "The numbers", methods::data(report)),
    ];
    sections.retain(|(_, _, content)| !content.is_empty());
    body.push_str("<nav aria-label=\"Contents\">");
    for (id, title, _) in &sections {
        let _ = write!(body, "<a href=\"#{id}\">{title}</a> ");
    }
    body.push_str("</nav>\n<main>\n");
    for (id, title, content) in &sections {
        let _ = write!(body, "<section id=\"{id}\"><h2>{title}</h2>\n{content}</section>\n");
    }
    body.push_str("</main>\n");
    let _ = writeln!(
        body,
        "<footer><p>Made by nfd {} from the experiment and the results alone: the same experiment \
         gives the same page.</p></footer>",
        env!("CARGO_PKG_VERSION")
    );

    format!(
        "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\"/>\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\"/>\n\
         <meta name=\"color-scheme\" content=\"light dark\"/>\n\
         <title>{name} · nfd</title>\n<link rel=\"icon\" href=\"data:,\"/>\n\
         <style>\n:root{{{}}}\n@media screen and (prefers-color-scheme:dark){{:root{{{}}}}}\n\
         {}</style>\n</head>\n<body>\n{body}</body>\n</html>\n",
        page_variables(false),
        page_variables(true),
        include_str!("style.css")
    )
}

/// The page's plots as files, each as SVG and as PDF: name with ending, content.
pub fn plots(report: &Report) -> Vec<(String, Vec<u8>)> {
    let groups = claims::groups(report);
    let of_claims = groups.iter().filter_map(|group| group.plot(report));
    let curves = trajectories::figures(report).into_iter().map(|figure| figure.plot);
    let files = |plot: Plot| {
        let name = &plot.name;
        [(format!("{name}.svg"), plot.svg().into_bytes()), (format!("{name}.pdf"), plot.pdf())]
    };
    let own = studies::figures(report).into_iter().map(|figure| figure.plot);
    of_claims.chain(own).chain(curves).flat_map(files).collect()
}

fn found(report: &Report) -> String {
    let paragraphs = paragraphs(report);
    paragraphs.iter().map(|words| format!("<p>{}</p>\n", escape(words))).collect()
}

fn diverged(report: &Report) -> String {
    if report.diverged.is_empty() {
        return String::new();
    }
    let runs = count(report.diverged.len() as u64, "run");
    let mut out = format!(
        "<p>{runs} of {} left the finite numbers. They count in no mean and no fit; the claims of \
         their closures say so.</p>\n<div class=\"scroll\"><table><thead><tr><th>closure</th>\
         <th class=\"n\">width</th><th class=\"n\">depth</th><th class=\"n\">seed</th>\
         <th class=\"n\">after updates</th><th>first seen</th></tr></thead><tbody>",
        report.tasks
    );
    for (task, at) in report.diverged {
        let place = at.layer.map_or("in the outputs".to_owned(), |l| format!("at layer {l}"));
        let _ = write!(
            out,
            "<tr><td>{}</td><td class=\"n\">{}</td><td class=\"n\">{}</td><td class=\"n\">{}</td>\
             <td class=\"n\">{}</td><td>{place}</td></tr>",
            task.closure.name(),
            task.width,
            task.depth,
            task.seed,
            at.step
        );
    }
    out.push_str("</tbody></table></div>\n");
    out
}
