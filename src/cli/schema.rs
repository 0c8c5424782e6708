//! `nfd schema`: the JSON schema of experiment files, for editors and checkers, or a page to read.

use clap::Args;

use super::print;
use crate::error::{Result, exit};
use crate::experiment::manual;

/// Arguments of `nfd schema`.
#[derive(Args)]
pub struct Arguments {
    /// Print docs/experiment.md instead, a page on every field.
    #[arg(long)]
    markdown: bool,
}

/// Prints the schema, or the page.
pub fn run(arguments: &Arguments) -> Result<u8> {
    match arguments.markdown {
        true => print(manual::page())?,
        false => print(format!("{:#}\n", manual::schema()))?,
    }
    Ok(exit::DONE)
}
