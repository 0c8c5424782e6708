//! `nfd compare DIR DIR…`: runs side by side, as a page and in a few lines. Changes no run directory.

use std::path::{Path, PathBuf};

use clap::Args;
use tracing::info;

use super::print;
use crate::error::{Result, exit};
use crate::report::compare::Comparison;
use crate::store::files;

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
    let comparison = Comparison::read(directories)?;
    let folder = output.parent().filter(|folder| !folder.as_os_str().is_empty());
    let name = output.file_name().unwrap_or_default().to_string_lossy();
    let page = comparison.html();
    files::replace(&files::Disk, folder.unwrap_or(Path::new(".")), &name, page.as_bytes())?;
    print(&comparison.text())?;
    info!("comparison in {}", output.display());
    Ok(exit::DONE)
}
