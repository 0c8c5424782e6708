//! `nfd compare DIR DIR…`: runs side by side, as a page and in a few lines. Changes no run directory.

use std::path::PathBuf;

use clap::Args;
use tracing::info;

use super::output_file::OutputFile;
use super::print;
use crate::error::{Result, exit};
use crate::report::compare::Comparison;

/// Arguments of `nfd compare`.
#[derive(Args)]
pub struct Arguments {
    /// The run directories to compare, two or more, whose final files are written.
    #[arg(required = true, num_args = 2.., value_name = "DIR")]
    directories: Vec<PathBuf>,
    /// Where to write the page.
    #[arg(long, value_name = "FILE", default_value = "compare.html")]
    output: PathBuf,
}

/// Writes the page and prints what it says in short.
pub fn run(arguments: &Arguments) -> Result<u8> {
    let Arguments { directories, output } = arguments;
    let file = OutputFile::new(output, "--output")?;
    let comparison = Comparison::read(directories)?;
    file.write(comparison.html().as_bytes())?;
    print(comparison.text())?;
    info!("comparison in {}", output.display());
    Ok(exit::DONE)
}
