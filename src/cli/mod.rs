//! The command line: one verb a file, exit codes, messages.

mod progress;
mod run;

use std::ffi::OsString;
use std::process::ExitCode;

use clap::{Parser, Subcommand};

use crate::ensemble::signals;
use crate::error::Error;

/// Finite deep residual networks, their infinite-depth limit, and how fast the one becomes the
/// other.
#[derive(Parser)]
#[command(name = "nfd", version)]
struct Arguments {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Subcommand)]
enum Verb {
    /// Run an experiment and report what it shows.
    Run(run::Arguments),
}

/// How a verb ended, if not in an error.
enum Ending {
    /// Everything was done.
    Done,
    /// Some tasks diverged; the rest is reported.
    SomeFailed,
}

/// Parses `arguments` (the program's name first), runs, and says how it went. Usage errors exit
/// with 2 inside clap.
pub fn main(arguments: Vec<OsString>) -> ExitCode {
    let parsed = Arguments::parse_from(&arguments);
    let result = match parsed.verb {
        Verb::Run(verb) => run::run(&verb, &arguments),
    };
    match result {
        Ok(Ending::Done) => ExitCode::SUCCESS,
        Ok(Ending::SomeFailed) => ExitCode::from(3),
        Err(error) => {
            eprintln!("nfd: {error}");
            ExitCode::from(exit_code(&error))
        }
    }
}

fn exit_code(error: &Error) -> u8 {
    match error {
        Error::Interrupted { .. } => signals::EXIT_CODE,
        error if error.is_users() => 2,
        _ => 1,
    }
}
