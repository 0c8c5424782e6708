//! `nfd completions SHELL`: what a shell needs to complete the commands of nfd.

use clap::{Args, CommandFactory};
use clap_complete::{Shell, generate};

use super::print;
use crate::error::{Result, exit};

/// Arguments of `nfd completions`.
#[derive(Args)]
pub struct Arguments {
    /// The shell, as in `source <(nfd completions bash)`.
    shell: Shell,
}

/// Prints the script that a shell runs to complete the commands of nfd.
pub fn run(arguments: &Arguments) -> Result<u8> {
    let mut script = Vec::new();
    generate(arguments.shell, &mut super::Arguments::command(), "nfd", &mut script);
    print(script)?;
    Ok(exit::DONE)
}
