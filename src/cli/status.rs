//! `nfd status DIR`: what a run directory holds and what is left to do. Changes nothing, and may look
//! on while a run goes on.

use std::fmt::Write;
use std::io::{self, IsTerminal};
use std::path::{Path, PathBuf};
use std::thread;
use std::time::Duration;

use clap::Args;

use super::print;
use crate::error::{Result, exit};
use crate::experiment::grid::Task;
use crate::job::prepare::{Finished, Prepared, reopen};
use crate::report::table::align;
use crate::store::journals::Journals;
use crate::store::{lock, manifest, progress};

/// Arguments of `nfd status`.
#[derive(Args)]
pub struct Arguments {
    /// The run directory to look at.
    directory: PathBuf,
    /// Look again every so many seconds, while somebody is at work there.
    #[arg(long, value_name = "SECONDS", num_args = 0..=1, require_equals = true, default_missing_value = "5", value_parser = clap::value_parser!(u64).range(1..))]
    watch: Option<u64>,
}

/// Prints finished and remaining tasks, who is at work, and damage; once, or as long as somebody is.
pub fn run(arguments: &Arguments) -> Result<u8> {
    let Arguments { directory, watch } = arguments;
    loop {
        let Look { text, at_work } = look(directory)?;
        // On a terminal each look takes the place of the last.
        let clear =
            if watch.is_some() && io::stdout().is_terminal() { "\x1b[H\x1b[2J" } else { "" };
        print(format!("{clear}{text}"))?;
        match watch {
            Some(seconds) if at_work => thread::sleep(Duration::from_secs(*seconds)),
            _ => return Ok(exit::DONE),
        }
    }
}

/// What there is to say of a run directory.
struct Look {
    text: String,
    /// Whether somebody is at work there.
    at_work: bool,
}

fn look(directory: &Path) -> Result<Look> {
    let mut prepared = reopen(directory)?;
    let numeric_path = manifest::read(directory)?.map(|m| m.numeric_path).unwrap_or_default();
    let journals = Journals::read(directory, |_| true)?;
    let limits = prepared.look_at_limits(&journals, &numeric_path)?;
    let Finished { journals, tasks: finished, begun } = prepared.read_finished(&numeric_path)?;
    let Prepared { resolved, plan, .. } = prepared;
    let finished = |task: Task| finished.contains(&task);

    let header = ["closure", "width", "depth", "finished"];
    let mut lines = vec![header.map(str::to_owned)];
    let kind = |task: &Task| (task.closure, task.width, task.depth);
    for group in plan.tasks.chunk_by(|a, b| kind(&a.0) == kind(&b.0)) {
        let (task, done) = (group[0].0, group.iter().filter(|(task, _)| finished(*task)).count());
        lines.push([
            task.closure.name().to_owned(),
            task.width.to_string(),
            task.depth.to_string(),
            format!("{done} of {}", group.len()),
        ]);
    }
    let mut out = align(&lines);
    let left = plan.tasks.iter().filter(|(task, _)| !finished(*task));
    // From +0: an empty sum is −0.
    let seconds = left.clone().fold(0.0, |sum, (_, cost)| sum + plan.speeds.seconds(&cost.work));
    // Writing to a String cannot fail.
    let _ = writeln!(
        out,
        "{}: {} of {} tasks finished, about {:.0} core seconds left",
        resolved.experiment.name,
        plan.tasks.len() - left.count(),
        plan.tasks.len(),
        seconds.ceil()
    );
    for (task, step) in begun {
        let steps = resolved.experiment.training.steps;
        let _ = writeln!(out, "begun: {task}: a checkpoint after {step} of {steps} updates");
    }
    for line in limits {
        let _ = writeln!(out, "{line}");
    }
    let owner = lock::find_holder(directory)?;
    if let Some(owner) = &owner {
        let _ = writeln!(out, "in use by {owner}");
        for (rank, said) in progress::read(directory) {
            let (finished, tasks) = (said.finished, said.tasks);
            let far = said.describe();
            let _ = writeln!(out, "rank {rank}: {finished}/{tasks} of its tasks, {far}");
        }
    }
    let contents = || journals.files.iter().map(|(_, contents)| contents);
    let damaged: usize = contents().map(|contents| contents.damaged.len()).sum();
    let torn: u64 = contents().map(|contents| contents.torn).sum();
    if damaged > 0 || torn > 0 {
        let _ = writeln!(
            out,
            "the journal has {damaged} damaged records and {torn} torn bytes at its end; the next run \
             does those tasks again"
        );
    }
    Ok(Look { text: out, at_work: owner.is_some() })
}
