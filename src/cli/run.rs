//! `nfd run FILE`: resolve, plan, train the ensemble, write the run directory, print the summary.

use std::ffi::OsString;
use std::sync::Arc;

use clap::Args;

use super::prepare::{Prepared, Typed};
use super::progress::Display;
use super::{Ending, plan, publish};
use crate::ensemble::machine::Machine;
use crate::ensemble::plan::Free;
use crate::ensemble::{self, signals};
use crate::error::Result;
use crate::store::files::Disk;
use crate::store::{RunDirectory, Start};

/// Arguments of `nfd run`.
#[derive(Args)]
pub struct Arguments {
    #[command(flatten)]
    typed: Typed,
    /// Take over a run directory that was begun with other vector instructions; its tasks are done
    /// again, for no result may mix the two.
    #[arg(long)]
    allow_path_change: bool,
}

/// Runs the verb.
pub fn run(arguments: &Arguments, typed: &[OsString]) -> Result<Ending> {
    let prepared = arguments.typed.prepare()?;
    let machine = Machine::of(&prepared.resolved.experiment)?;
    let numeric_path = machine.numeric_path();
    let (_, finished) = prepared.finished(numeric_path)?;
    let Prepared { resolved, data, output, mut plan } = prepared;
    let experiment = &resolved.experiment;
    let free = Free { device: machine.device_memory()?, ..ensemble::plan::free(&output) };
    plan.fit(free.memory);
    plan.check(free, &|task| finished.contains(&task))?;

    let stop = signals::stop_flag()?;
    let typed: Vec<String> = typed.iter().map(|a| a.to_string_lossy().into_owned()).collect();
    let start = Start {
        experiment,
        data: &data,
        numeric_path,
        allow_path_change: arguments.allow_path_change,
        arguments: &typed,
    };
    let directory = RunDirectory::open(&output, &start, Arc::new(Disk))?;

    eprintln!("{}", serde_json::to_string_pretty(experiment).unwrap_or_default());
    for decision in &resolved.decisions {
        eprintln!("nfd: {decision}");
    }
    eprintln!("nfd: {}", plan::totals(&plan));
    for warning in directory.warnings() {
        eprintln!("nfd: warning: {warning}");
    }
    let finished = plan.tasks.iter().filter(|(task, _)| directory.has(*task)).count();
    if finished > 0 {
        eprintln!("nfd: {finished} tasks are finished already");
    }
    let display = Display::new();
    let progress = |share, done, all| display.update(share, done, all);
    let ran = ensemble::run(experiment, &data, &directory, (&plan, &machine), &stop, &progress);
    display.finish();
    ran?;
    let outcome = ensemble::collect(experiment, &data, &directory, plan.workers())?;
    publish::publish(experiment, &data, &outcome, &directory)
}
