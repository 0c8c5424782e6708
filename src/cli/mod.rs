//! The command line: one verb a file, exit codes, messages.

mod cite;
mod compare;
mod completions;
mod container;
mod doctor;
mod export;
mod init;
mod judge;
mod man;
mod merge;
mod outcome;
mod output_file;
mod plan;
mod report;
mod run;
mod schema;
mod status;

use std::ffi::OsString;
use std::io::{self, Write};
use std::process::ExitCode;
use std::time::Instant;

use clap::builder::{PossibleValue, PossibleValuesParser, TypedValueParser};
use clap::{Parser, Subcommand};
use tracing::info;

use crate::error::{Error, Result};
use crate::job::messages::report_error;
use crate::log::{self, FILE, Format};
use crate::store::lock::Choice;

/// Finite deep residual networks, their infinite-depth limit, and how fast the one becomes the
/// other.
#[derive(Parser)]
#[command(name = "nfd", version)]
struct Arguments {
    /// How lines on stderr look; NFD_LOG is their filter (docs/cluster.md).
    #[arg(long, global = true, value_name = "FORMAT", default_value = "human", value_parser = formats())]
    log_format: Format,
    /// Say only warnings and errors; of results print only what --all or --json asks for.
    #[arg(long, short, global = true)]
    quiet: bool,
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
    /// Set runs side by side: how they differ, what they found, their figures over each other.
    Compare(compare::Arguments),
    /// Say what a CSV file of anybody's values shows, by the rules and intervals of the studies.
    Judge(judge::Arguments),
    /// Write one trained network of a run, for PyTorch, JAX and NumPy.
    Export(export::Arguments),
    /// Print BibTeX of what a run relied on.
    Cite(cite::Arguments),
    /// Say what this build and this machine have.
    Doctor(doctor::Arguments),
    /// Write an experiment file to begin with, its fields explained.
    Init(init::Arguments),
    /// Print the JSON schema of experiment files.
    Schema(schema::Arguments),
    /// Print what a shell needs to complete the commands of nfd.
    Completions(completions::Arguments),
    /// Write the manual pages of nfd and its verbs.
    Man(man::Arguments),
}

/// Parses `arguments` (the program's name first), runs the verb, and returns its exit code. Usage errors
/// exit with 2 inside clap.
pub fn main(arguments: Vec<OsString>) -> ExitCode {
    let clock = Instant::now();
    let Arguments { log_format, quiet, verb } = Arguments::parse_from(&arguments);
    let typed: Vec<String> = arguments.iter().map(|a| a.to_string_lossy().into_owned()).collect();
    let result = log::start(log_format, quiet).and_then(|()| run(verb, &typed, quiet));
    let exit_code = result.unwrap_or_else(|error| report_error(&error));
    log::sum_up();
    let (seconds, warnings) = (clock.elapsed().as_secs_f64(), log::warnings());
    info!(target: FILE, exit_code, seconds, warnings, "ended");
    ExitCode::from(exit_code)
}

fn run(verb: Verb, typed: &[String], quiet: bool) -> Result<u8> {
    match verb {
        Verb::Run(verb) => run::run(&verb, typed, quiet),
        Verb::Plan(verb) => plan::run(&verb),
        Verb::Merge(verb) => merge::run(&verb, typed, quiet),
        Verb::Status(verb) => status::run(&verb),
        Verb::Report(verb) => report::run(&verb, typed, quiet),
        Verb::Compare(verb) => compare::run(&verb),
        Verb::Judge(verb) => judge::run(&verb),
        Verb::Export(verb) => export::run(&verb),
        Verb::Cite(verb) => cite::run(&verb),
        Verb::Doctor(verb) => doctor::run(&verb),
        Verb::Init(verb) => init::run(&verb),
        Verb::Schema(verb) => schema::run(&verb),
        Verb::Completions(verb) => completions::run(&verb),
        Verb::Man(verb) => man::run(&verb),
    }
}

/// The words that --lock takes, with their meanings.
fn locks() -> impl TypedValueParser<Value = Choice> {
    let named = |choice: Choice| PossibleValue::new(choice.name()).help(choice.meaning());
    PossibleValuesParser::new(Choice::ALL.map(named))
        .map(|word| Choice::ALL.into_iter().find(|c| c.name() == word).unwrap_or(Choice::Auto))
}

/// The words that --log-format takes, with their meanings.
fn formats() -> impl TypedValueParser<Value = Format> {
    let named = |format: Format| PossibleValue::new(format.name()).help(format.meaning());
    PossibleValuesParser::new(Format::ALL.map(named))
        .map(|word| Format::ALL.into_iter().find(|f| f.name() == word).unwrap_or(Format::Human))
}

/// Prints results to stdout; a reader that has gone away is no error.
fn print(text: impl AsRef<[u8]>) -> Result<()> {
    match io::stdout().lock().write_all(text.as_ref()) {
        Err(source) if source.kind() != io::ErrorKind::BrokenPipe => {
            Err(Error::Io { action: "write", path: "stdout".into(), source })
        }
        _ => Ok(()),
    }
}
