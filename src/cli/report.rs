//! `nfd report DIR`: tables, arrays, summary and page once more, from what is finished.

use std::path::PathBuf;

use clap::Args;

use super::publish;
use crate::error::Result;
use crate::job::measure_again;

/// Arguments of `nfd report`.
#[derive(Args)]
pub struct Arguments {
    /// The run directory to report on.
    directory: PathBuf,
    /// Write order_parameters.npz too: covariances and responses over depth time, steps and
    /// samples, tangent kernel, alignment, movement.
    #[arg(long)]
    order_parameters: bool,
}

/// Measures what is finished and writes the final files.
pub fn run(arguments: &Arguments, typed: &[String]) -> Result<u8> {
    publish(&measure_again(&arguments.directory, typed, arguments.order_parameters)?)
}
