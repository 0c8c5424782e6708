//! `nfd cite DIR`: BibTeX of what a run relied on.

use std::path::PathBuf;

use clap::Args;

use super::prepare::read;
use super::{Ending, print};
use crate::error::Result;
use crate::experiment::resolve::resolve;
use crate::experiment::source::Source;
use crate::report::citations::bibtex;
use crate::store::manifest;

/// Arguments of `nfd cite`.
#[derive(Args)]
pub struct Arguments {
    /// The run directory.
    directory: PathBuf,
}

/// Prints the entries.
pub fn run(arguments: &Arguments) -> Result<Ending> {
    let manifest = read(&arguments.directory)?;
    let file = arguments.directory.join(manifest::NAME);
    let source = Source::new(&file, manifest.experiment.to_string(), &[])?;
    let experiment = resolve(source.parse()?, &source)?.experiment;
    print(&bibtex(&experiment, &manifest.version, manifest.git_commit.as_deref()))?;
    Ok(Ending::Done)
}
