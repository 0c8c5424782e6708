//! The command line: one verb a file, exit codes, messages.

mod cite;
mod doctor;
mod merge;
mod plan;
mod prepare;
mod progress;
mod publish;
mod report;
mod run;
mod schema;
mod status;
mod team;

use std::ffi::OsString;
use std::io::{self, Write};
use std::process::ExitCode;

use clap::{Parser, Subcommand};

use crate::ensemble::signals;
use crate::error::{Error, Result};

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
    /// Run an experiment and report what it shows; the same command resumes.
    Run(run::Arguments),
    /// Say what an experiment takes, and whether it fits, without running it.
    Plan(plan::Arguments),
    /// Join the run directories of shards and report what they show together.
    Merge(merge::Arguments),
    /// Say what a run directory holds and what is left.
    Status(status::Arguments),
    /// Write the final files of a run directory again, from what is finished.
    Report(report::Arguments),
    /// Print BibTeX of what a run relied on.
    Cite(cite::Arguments),
    /// Say what this build and this machine have.
    Doctor,
    /// Print the JSON schema of experiment files.
    Schema,
}

/// How a verb ended, if not in an error.
enum Ending {
    /// Everything was done.
    Done,
    /// Some tasks diverged; the rest is reported.
    SomeFailed,
    /// The machine computes wrongly.
    MachineAtFault,
    /// As the run that rank 0 leads: with its exit code.
    AsRank0(u8),
}

impl Ending {
    fn code(&self) -> u8 {
        match self {
            Ending::Done => 0,
            Ending::MachineAtFault => 1,
            Ending::SomeFailed => 3,
            Ending::AsRank0(code) => *code,
        }
    }
}

/// Parses `arguments` (the program's name first), runs, and says how it went. Usage errors exit
/// with 2 inside clap.
pub fn main(arguments: Vec<OsString>) -> ExitCode {
    let parsed = Arguments::parse_from(&arguments);
    let result = match parsed.verb {
        Verb::Run(verb) => run::run(&verb, &arguments),
        Verb::Plan(verb) => plan::run(&verb),
        Verb::Merge(verb) => merge::run(&verb, &arguments),
        Verb::Status(verb) => status::run(&verb),
        Verb::Report(verb) => report::run(&verb, &arguments),
        Verb::Cite(verb) => cite::run(&verb),
        Verb::Doctor => doctor::run(),
        Verb::Schema => schema::run(),
    };
    match result {
        Ok(ending) => ExitCode::from(ending.code()),
        Err(error) => {
            eprintln!("nfd: {error}");
            ExitCode::from(exit_code(&error))
        }
    }
}

fn exit_code(error: &Error) -> u8 {
    match error {
        Error::Interrupted { .. } | Error::Unmerged { .. } => signals::EXIT_CODE,
        error if error.is_users() => 2,
        _ => 1,
    }
}

/// Results go to stdout; a reader that has gone away is no error.
fn print(text: &str) -> Result<()> {
    match io::stdout().lock().write_all(text.as_bytes()) {
        Err(source) if source.kind() != io::ErrorKind::BrokenPipe => {
            Err(Error::Io { action: "write", path: "stdout".into(), source })
        }
        _ => Ok(()),
    }
}
