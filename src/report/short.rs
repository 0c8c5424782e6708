//! What a run shows in some ten lines: a tally, a row a primary claim, the limit or the final losses, and
//! where the page is.

use std::fmt::Write;
use std::path::Path;

use super::Report;
use super::limits::Limits;
use super::table::align;
use crate::claims::Claim;
use crate::experiment::grid::Task;
use crate::numbers::{count, measured, plain};
use crate::observables::Observable::{self, TestAccuracy, TestLoss, TrainingLoss};
use crate::stats::mean;
use crate::stats::verdict::Verdict;

/// The most rows of final losses.
const MOST_LOSSES: usize = 7;

/// What a run shows in some ten lines; `directory` has its page.
pub fn lines(report: &Report, directory: &Path) -> String {
    let primary: Vec<&Claim> = report.claims.iter().filter(|claim| claim.primary).collect();
    let mut out = tally(report, &primary) + "\n";
    let rows: Vec<[String; 4]> = primary.iter().map(|claim| row(claim, report)).collect();
    out += &align(&rows);
    out += &report.limits.map(of_limits).unwrap_or_default();
    if primary.is_empty() && !report.rows.is_empty() {
        out += &losses(report);
    }
    let page = directory.join("report.html");
    // Writing to a String cannot fail.
    let _ =
        writeln!(out, "page: {}; in words: nfd report {} --all", page.display(), typed(directory));
    out
}

/// A path as it is typed into a shell.
fn typed(path: &Path) -> String {
    let text = path.display().to_string();
    let plain = |c: char| c.is_alphanumeric() || "/._-+,=@".contains(c);
    if text.chars().all(plain) { text } else { format!("'{}'", text.replace('\'', r"'\''")) }
}

/// "quickstart: 4 primary claims, 4 supported; …", and how many runs are not behind them.
fn tally(report: &Report, primary: &[&Claim]) -> String {
    let others: Vec<&Claim> = report.claims.iter().filter(|claim| !claim.primary).collect();
    let of = |claims: &[&Claim], what: &str| {
        let verdicts = Verdict::ALL.map(|verdict| {
            let number = claims.iter().filter(|claim| claim.verdict == verdict).count();
            (number > 0).then(|| format!("{number} {}", verdict.name()))
        });
        let verdicts: Vec<String> = verdicts.into_iter().flatten().collect();
        let number = count(claims.len() as u64, what);
        (!claims.is_empty()).then(|| format!("{number}, {}", verdicts.join(", ")))
    };
    let runs = |number: usize, what: &str| {
        let all = report.tasks;
        (number > 0).then(|| format!("{number} of {} {what}", count(all as u64, "run")))
    };
    let limits = report.limits.map(|limits| count(limits.finished.len() as u64, "limit"));
    let parts = [
        limits.filter(|_| report.claims.is_empty()),
        of(primary, "primary claim"),
        of(&others, if primary.is_empty() { "claim" } else { "further claim" }),
        runs(report.unstable.len(), "did not train"),
        runs(report.diverged.len(), "diverged"),
    ];
    let parts: Vec<String> = parts.into_iter().flatten().collect();
    let parts = if parts.is_empty() { "no claims".to_owned() } else { parts.join("; ") };
    format!("{}: {parts}", report.experiment.name)
}

/// Verdict, statement, of what, and the numbers that decided it; of an inconclusive claim why.
fn row(claim: &Claim, report: &Report) -> [String; 4] {
    let decided = claim.verdict != Verdict::Inconclusive;
    let reason = match claim.reason.split_once("; ") {
        Some((numbers, _)) if decided => numbers,
        _ => &claim.reason,
    };
    [
        claim.verdict.name().to_owned(),
        claim.statement.to_owned(),
        claim.subject(report.experiment.ensemble.parametrizations.is_some()),
        reason.to_owned(),
    ]
}

/// The limits after the last update.
fn of_limits(limits: &Limits) -> String {
    let passes = limits.passes();
    let lines = limits.table(passes.end.saturating_sub(1)..passes.end);
    let tolerance = plain(limits.limit.tolerance);
    format!(
        "limit n = L = ∞, in brackets the error of the last digits, asked to be at most {tolerance}\n{}",
        align(&lines)
    )
}

/// Means over seeds of the losses after the last update, of the greatest width and the least learning rate.
fn losses(report: &Report) -> String {
    let (experiment, rows) = (report.experiment, report.rows);
    let (width, step) = (experiment.ensemble.widths.last(), experiment.training.steps);
    let rate = experiment.learning_rates()[0];
    let is_told = |task: &Task| Some(&task.width) == width && task.learning_rate.value() == rate;
    let of = |observable: Observable| {
        let found = rows.iter().filter(move |row| {
            row.observable == observable && row.step == step && is_told(&row.task)
        });
        found.map(|row| (row.task, row.value))
    };
    let setting = |task: Task| (task.closure, task.parametrization, task.depth);
    let mut settings: Vec<Task> = of(TrainingLoss).map(|(task, _)| task).collect();
    settings.dedup_by_key(|task| setting(*task));
    let columns: Vec<Observable> = [TrainingLoss, TestLoss, TestAccuracy]
        .into_iter()
        .filter(|&c| of(c).next().is_some())
        .collect();
    let mut header = ["closure", "n", "L", "seeds"].map(str::to_owned).to_vec();
    header.extend(columns.iter().map(|column| column.entry().title.to_owned()));
    let mut table = vec![header];
    // The deepest, which are nearest to what they are about.
    let left_out = settings.len().saturating_sub(MOST_LOSSES);
    for task in &settings[left_out..] {
        let values = |column: Observable| -> Vec<f64> {
            let own = of(column).filter(|(other, _)| setting(*other) == setting(*task));
            own.map(|(_, value)| value).collect()
        };
        let seeds = values(TrainingLoss).len();
        let mut line = vec![
            task.closure.name().to_owned(),
            task.width.to_string(),
            task.depth.to_string(),
            seeds.to_string(),
        ];
        line.extend(columns.iter().map(|&column| measured(mean(&values(column)))));
        table.push(line);
    }
    let left_out = match left_out {
        0 => String::new(),
        number => format!(" ({} above on the page)", count(number as u64, "more row")),
    };
    format!(
        "after {}, means over seeds{left_out}\n{}",
        count(u64::from(step), "update"),
        align(&table)
    )
}
