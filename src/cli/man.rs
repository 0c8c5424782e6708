//! `nfd man DIR`: the manual pages of nfd and its verbs.

use std::path::PathBuf;

use clap::{Args, CommandFactory};

use crate::error::{Error, Result, exit};

/// Arguments of `nfd man`.
#[derive(Args)]
pub struct Arguments {
    /// The folder that the pages are written to, as ~/.local/share/man/man1.
    directory: PathBuf,
}

/// Writes the manual pages of nfd and its verbs; the folder is made where it is missing.
pub fn run(arguments: &Arguments) -> Result<u8> {
    let Arguments { directory } = arguments;
    let io = |source| Error::Io { action: "write", path: directory.clone(), source };
    std::fs::create_dir_all(directory).map_err(io)?;
    clap_mangen::generate_to(super::Arguments::command(), directory).map_err(io)?;
    Ok(exit::DONE)
}
