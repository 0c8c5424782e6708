//! `nfd run FILE`: train the ensemble of an experiment into a run directory and print what it shows; as
//! one of several ranks, take part in that.

use std::time::Duration;

use clap::Args;

use super::{locks, publish};
use crate::ensemble::checkpointing::CheckpointEvery;
use crate::ensemble::deal::Shard;
use crate::error::Result;
use crate::job::request::Request;
use crate::job::{self, Job};
use crate::store::lock::Choice;

/// Arguments of `nfd run`.
#[derive(Args)]
pub struct Arguments {
    #[command(flatten)]
    request: Request,
    /// Take over a run directory that was begun with other vector instructions; its tasks are done
    /// again, for no result may mix the two.
    #[arg(long)]
    allow_path_change: bool,
    /// Do only part I of N of the tasks, in a run directory of its own [default:
    /// runs/<name>.shard-I-of-N]; `nfd merge` joins them.
    #[arg(long, value_name = "I/N")]
    shard: Option<Shard>,
    /// Stop after so many hours, with exit code 75: the same command resumes.
    #[arg(long, value_name = "H", value_parser = parse_hours)]
    max_hours: Option<Duration>,
    /// Keep a network that is being trained every so many minutes, and when asked to stop: the same command
    /// goes on with it. `never` keeps only what is finished.
    #[arg(long, value_name = "M", default_value = "10")]
    checkpoint_minutes: CheckpointEvery,
    /// What keeps another run away from the run directory.
    #[arg(long, value_name = "LOCK", default_value = "auto", value_parser = locks())]
    lock: Choice,
}

fn parse_hours(text: &str) -> std::result::Result<Duration, String> {
    let hours: f64 = text.parse().map_err(|_| "a number of hours, as in 11.5".to_owned())?;
    let seconds = Duration::try_from_secs_f64(3600.0 * hours);
    seconds.ok().filter(|limit| !limit.is_zero()).ok_or("more than 0 hours".to_owned())
}

/// Runs the experiment, or resumes it.
pub fn run(arguments: &Arguments, typed: &[String]) -> Result<u8> {
    let &Arguments { ref request, allow_path_change, shard, max_hours, checkpoint_minutes, lock } =
        arguments;
    let (checkpoints, arguments) = (checkpoint_minutes, typed);
    job::run(
        &Job { request, allow_path_change, shard, max_hours, checkpoints, lock, arguments },
        publish,
    )
}
