//! `nfd run FILE`: train the ensemble of an experiment into a run directory and print what it shows; as
//! one of several ranks, take part in that.

use std::time::Duration;

use clap::{Args, value_parser};

use super::locks;
use super::outcome::Shown;
use crate::ensemble::checkpointing::CheckpointEvery;
use crate::ensemble::deal::Shard;
use crate::error::Result;
use crate::job::prepare::Prepared;
use crate::job::request::Request;
use crate::job::{self, Job, Live, WritePage};
use crate::report::Running;
use crate::report::publish::publish_page;
use crate::store::lock::Choice;

/// Arguments of `nfd run`.
#[derive(Args)]
pub struct Arguments {
    #[command(flatten)]
    request: Request,
    #[command(flatten)]
    shown: Shown,
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
    /// Write report.html every so many seconds (60) while the run goes on, from what is finished; a browser that
    /// shows it loads it again.
    #[arg(
        long,
        value_name = "SECONDS",
        num_args = 0..=1,
        require_equals = true,
        default_missing_value = "60",
        value_parser = value_parser!(u64).range(1..),
    )]
    live: Option<u64>,
}

fn parse_hours(text: &str) -> std::result::Result<Duration, String> {
    let hours: f64 = text.parse().map_err(|_| "a number of hours, as in 11.5".to_owned())?;
    let seconds = Duration::try_from_secs_f64(3600.0 * hours);
    seconds.ok().filter(|limit| !limit.is_zero()).ok_or("more than 0 hours".to_owned())
}

/// Runs the experiment, or resumes it.
pub fn run(arguments: &Arguments, typed: &[String], quiet: bool) -> Result<u8> {
    let &Arguments {
        ref request,
        shown,
        allow_path_change,
        shard,
        max_hours,
        checkpoint_minutes: checkpoints,
        lock,
        live,
    } = arguments;
    let write: WritePage = &|prepared, outcome, directory, every| {
        let Prepared { resolved, data, .. } = prepared;
        let (finished, tasks) = (outcome.finished, outcome.tasks);
        let far = format!("{finished} of {tasks} runs are finished");
        let running = Running { far, seconds: every.as_secs() };
        publish_page(&resolved.experiment, data, outcome, directory, running)
    };
    let live = live.map(|seconds| Live { every: Duration::from_secs(seconds), write });
    let arguments = typed;
    let job =
        Job { request, allow_path_change, shard, max_hours, checkpoints, lock, live, arguments };
    job::run(&job, &|measured| shown.publish(measured, quiet))
}
