//! `nfd report DIR`: tables, arrays, summary and page once more, from what is finished.

use std::ffi::OsString;
use std::path::PathBuf;
use std::sync::Arc;

use clap::Args;

use super::publish;
use crate::ensemble;
use crate::error::Result;
use crate::job::request::{Prepared, reopen};
use crate::store::files::Disk;
use crate::store::manifest::{self, Launch};
use crate::store::{RunDirectory, Start};

/// Arguments of `nfd report`.
#[derive(Args)]
pub struct Arguments {
    /// The run directory.
    directory: PathBuf,
    /// Write order_parameters.npz too: covariances over depth time, steps and samples, tangent
    /// kernel, alignment, movement.
    #[arg(long)]
    order_parameters: bool,
}

/// Measures what is finished and writes the final files.
pub fn run(arguments: &Arguments, typed: &[OsString]) -> Result<u8> {
    let Prepared { resolved, data, output, plan } = reopen(&arguments.directory)?;
    let typed: Vec<String> = typed.iter().map(|a| a.to_string_lossy().into_owned()).collect();
    // Nothing is computed: results stay on the path they were made on, whatever this machine has.
    let numeric_path = manifest::read(&output)?.map(|m| m.numeric_path).unwrap_or_default();
    let start = Start {
        experiment: &resolved.experiment,
        data: &data,
        numeric_path: &numeric_path,
        allow_path_change: false,
        arguments: &typed,
        launch: &Launch::alone(),
    };
    let directory = RunDirectory::open(&output, &start, Arc::new(Disk))?;
    let outcome = ensemble::collect(&resolved.experiment, &data, &directory, plan.workers())?;
    if outcome.finished < outcome.tasks {
        eprintln!(
            "nfd: {} of {} tasks are finished; the report is about those",
            outcome.finished, outcome.tasks
        );
    }
    if arguments.order_parameters {
        let file = ensemble::order_parameters(&resolved.experiment, &data, &directory)?;
        directory.write("order_parameters.npz", &file)?;
    }
    publish(&resolved.experiment, &data, &outcome, &directory)
}
