//! `nfd report DIR`: tables, arrays, summary and page once more, from what is finished.

use std::path::PathBuf;

use clap::Args;

use super::locks;
use super::outcome::Shown;
use crate::error::Result;
use crate::job::{Measured, measure_again};
use crate::observables::parquet::to_parquet;
use crate::store::lock::Choice;

/// Arguments of `nfd report`.
#[derive(Args)]
pub struct Arguments {
    /// The run directory to report on.
    directory: PathBuf,
    /// Write order_parameters.npz too: covariances and responses over depth time, steps and
    /// samples, tangent kernel, alignment, movement.
    #[arg(long)]
    order_parameters: bool,
    /// Write results.parquet too: results.csv with types, in columns.
    #[arg(long)]
    parquet: bool,
    /// What keeps another run away from the run directory.
    #[arg(long, value_name = "LOCK", default_value = "auto", value_parser = locks())]
    lock: Choice,
    #[command(flatten)]
    shown: Shown,
}

/// Measures what is finished and writes the final files.
pub fn run(arguments: &Arguments, typed: &[String], quiet: bool) -> Result<u8> {
    let Arguments { directory, order_parameters, parquet, lock, shown } = arguments;
    let measured = measure_again(directory, typed, *order_parameters, *lock)?;
    let Measured { prepared, directory, outcome } = &measured;
    if *parquet {
        let file = to_parquet(&prepared.resolved.experiment, &outcome.rows)?;
        directory.write("results.parquet", &file)?;
    }
    shown.publish(&measured, quiet)
}
