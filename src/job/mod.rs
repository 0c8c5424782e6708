//! A job: how the processes ("ranks") of a run prepare one experiment, agree on it, share its tasks and
//! close it together.
//!
//! It has five phases, and nobody communicates while tasks are trained. A process that is alone goes the same way.
//!
//! 1. *Call*: rank 0 prepares the experiment and tells the others what it is to do ([`messages::Call`]).
//! 2. *Answer*: every rank prepares the same and answers whether it can ([`messages::RankAnswer`]).
//! 3. *Deal*: rank 0 opens the run directory and deals the tasks that are left ([`messages::Hand`]); the
//!    others join the directory and report.
//! 4. *Run*: every rank trains the networks of its hand.
//! 5. *Report*: every rank reports ([`messages::RankReport`]); rank 0 measures all finished tasks, has
//!    the final files written and tells the exit code.
//!
//! An error at rank 0 is printed there and ends the job with its exit code; any other rank reports its
//! own to rank 0, which names the rank.

mod follow;
mod lead;
mod live;
mod member;
pub mod merge;
pub mod messages;
pub mod prepare;
mod progress;
pub mod request;
pub mod team;

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use tracing::info;

use crate::comm;
use crate::ensemble::checkpointing::CheckpointEvery;
use crate::ensemble::deal::Shard;
use crate::ensemble::{self, Outcome, signals};
use crate::error::Result;
use crate::log;
use crate::store::RunDirectory;
use crate::store::files::Disk;
use crate::store::lock::{Choice, Locking};
use crate::store::manifest::Launch;
pub use live::{Live, WritePage};
use prepare::Prepared;
use request::Request;

/// What `nfd run` is to do, the same at all ranks.
pub struct Job<'a> {
    /// The experiment file and what was typed beside it.
    pub request: &'a Request,
    /// Whether to take over a run directory of another numeric path, whose tasks are then done again.
    pub allow_path_change: bool,
    /// The part of the tasks to do, where it is not all of them.
    pub shard: Option<Shard>,
    /// When to stop and leave the rest to the next start.
    pub max_hours: Option<Duration>,
    /// How often a network that is being trained is kept.
    pub checkpoints: CheckpointEvery,
    /// What keeps another run away from the run directory.
    pub lock: Choice,
    /// What writes the page while the run goes on, where that is asked for.
    pub live: Option<Live<'a>>,
    /// The command line, for the manifest.
    pub arguments: &'a [String],
}

/// A run directory whose finished tasks are measured, ready for its final files.
pub struct Measured {
    /// The experiment with its samples and plan.
    pub prepared: Prepared,
    /// Where the final files go; held by this process.
    pub directory: RunDirectory,
    /// All observables, and the tasks that diverged.
    pub outcome: Outcome,
}

/// Writes and prints what a job has found, and returns its exit code.
pub type Publish<'a> = &'a dyn Fn(&Measured) -> Result<u8>;

/// Takes part in a job as the rank that this process is, and returns the exit code. Rank 0 has
/// `publish` called before the other ranks may end.
///
/// # Errors
/// Those of starting; at ranks other than 0 also what rank 0 could not know. Rank 0 prints its own.
pub fn run(job: &Job, publish: Publish) -> Result<u8> {
    let comm = comm::start(job.shard.is_some())?;
    let stop = signals::stop_flag(job.max_hours)?;
    match comm.rank() {
        0 => Ok(lead::lead(job, &*comm, &stop, publish).unwrap_or_else(|code| code)),
        _ => follow::follow(job, &*comm, &stop),
    }
}

/// Opens the run directory `path` and measures what is finished there; `order_parameters.npz` is
/// written too where that is asked for.
///
/// # Errors
/// Those of opening, reading and writing the directory.
pub fn measure_again(
    path: &Path,
    arguments: &[String],
    order_parameters: bool,
    lock: Choice,
) -> Result<Measured> {
    let prepared = prepare::reopen(path)?;
    // Nothing is computed: results stay on the path they were made on, whatever this machine has.
    let numeric_path = prepare::read_manifest(path)?.numeric_path;
    let launch = Launch::alone();
    let start = prepared.start(&numeric_path, arguments, &launch, Locking::new(lock));
    let directory = RunDirectory::open(path, &start, Arc::new(Disk))?;
    log::open_file(directory.path());
    let (experiment, data) = (&prepared.resolved.experiment, &prepared.data);
    let outcome = ensemble::measure(experiment, data, &directory, prepared.plan.workers())?;
    if outcome.finished < outcome.tasks {
        info!(
            "{} of {} tasks are finished; the report is about those",
            outcome.finished, outcome.tasks
        );
    }
    if order_parameters {
        let file = ensemble::order_parameters(experiment, data, &directory)?;
        directory.write("order_parameters.npz", &file)?;
    }
    Ok(Measured { prepared, directory, outcome })
}
