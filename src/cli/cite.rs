//! `nfd cite DIR`: BibTeX of what a run relied on.

use std::path::PathBuf;

use clap::Args;

use super::print;
use crate::error::{Result, exit};
use crate::experiment::file::ExperimentFile;
use crate::experiment::resolve::resolve;
use crate::job::prepare::read_manifest;
use crate::report::citations::bibtex;
use crate::store::manifest;

/// Arguments of `nfd cite`.
#[derive(Args)]
pub struct Arguments {
    /// The run directory to cite.
    directory: PathBuf,
}

/// Prints the BibTeX entries on stdout.
pub fn run(arguments: &Arguments) -> Result<u8> {
    let manifest = read_manifest(&arguments.directory)?;
    let file = arguments.directory.join(manifest::NAME);
    let source = ExperimentFile::new(&file, manifest.experiment.to_string(), &[])?;
    let experiment = resolve(source.parse()?, &source)?.experiment;
    print(bibtex(&experiment, &manifest.version, manifest.git_commit.as_deref()))?;
    Ok(exit::DONE)
}
