//! `nfd merge DIR...`: the run directories of shards become one, and the final files are written.

use std::path::PathBuf;

use clap::Args;

use super::locks;
use super::outcome::Shown;
use crate::error::Result;
use crate::job::merge::merge;
use crate::store::lock::Choice;

/// Arguments of `nfd merge`.
#[derive(Args)]
pub struct Arguments {
    /// Run directories of one experiment, as `nfd run --shard I/N` makes them.
    #[arg(required = true)]
    shards: Vec<PathBuf>,
    /// The run directory that they become [default: runs/<name>].
    #[arg(long, value_name = "DIR")]
    output: Option<PathBuf>,
    /// What keeps another run away from the run directory.
    #[arg(long, value_name = "LOCK", default_value = "auto", value_parser = locks())]
    lock: Choice,
    #[command(flatten)]
    shown: Shown,
}

/// Merges the shards and publishes what they show together, once all tasks are finished.
pub fn run(arguments: &Arguments, typed: &[String], quiet: bool) -> Result<u8> {
    let Arguments { shards, output, lock, shown } = arguments;
    shown.publish(&merge(shards, output.as_deref(), *lock, typed)?, quiet)
}
