//! Everything that can go wrong in the library, with what, where and what to do next.

use std::fmt;
use std::path::PathBuf;

use thiserror::Error;

/// A place in an experiment: a position in its file, or a command-line override.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Place {
    /// A line and a column of the experiment file, from 1.
    File {
        /// Path of the experiment file.
        file: PathBuf,
        /// The line's number, from 1.
        line: usize,
        /// The column in characters, from 1.
        column: usize,
    },
    /// A field set on the command line by `--set FIELD=…`.
    Override {
        /// The dotted path that was set.
        field: String,
    },
    /// A field that is not written anywhere: a default that does not fit the rest.
    Default {
        /// Path of the experiment file.
        file: PathBuf,
    },
}

impl fmt::Display for Place {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Place::File { file, line, column } => write!(out, "{}:{line}:{column}", file.display()),
            Place::Override { field } => write!(out, "--set {field}"),
            Place::Default { file } => write!(out, "{} (by default)", file.display()),
        }
    }
}

/// Everything that can go wrong; its text says what, where, and what to do next.
#[derive(Debug, Error)]
pub enum Error {
    /// The experiment does not say what can be run.
    #[error("{place}: {field}: {problem}\n  {help}")]
    Experiment {
        /// Where it is written.
        place: Place,
        /// Dotted path of the field; the file itself for a syntax error.
        field: String,
        /// What is wrong, in words.
        problem: String,
        /// What to do about it, in words.
        help: String,
    },
    /// The experiment cannot show what its study asks, and strictness was asked for.
    #[error(
        "--strict: the experiment as designed cannot show what its study asks\n{}\n  \
         mend this, or leave --strict out",
        .warnings.join("\n")
    )]
    Design {
        /// All warnings about the design, a line each.
        warnings: Vec<String>,
    },
    /// Data cannot be loaded or does not fit.
    #[error("{source_name}{}: {problem}\n  {help}", .row.map(|r| format!(", line {r}")).unwrap_or_default())]
    Data {
        /// A file, or the name of a bundled set.
        source_name: String,
        /// Line of the file, from 1.
        row: Option<u64>,
        /// What is wrong, in words.
        problem: String,
        /// What to do about it, in words.
        help: String,
    },
    /// A setting of the environment, or an option, cannot be used.
    #[error("{name}: {problem}\n  {help}")]
    Setting {
        /// The name of the variable or option.
        name: &'static str,
        /// What is wrong, in words.
        problem: String,
        /// What to do about it, in words.
        help: String,
    },
    /// The run directory is not usable for this experiment.
    #[error("{}: {problem}\n  {help}", .directory.display())]
    RunDirectory {
        /// Path of the run directory.
        directory: PathBuf,
        /// What is wrong, in words.
        problem: String,
        /// What to do about it, in words.
        help: String,
    },
    /// A file could not be written: the disk is full, or fails.
    #[error(
        "cannot write {} ({bytes} bytes needed): {source}\n  \
         what was there before is intact; make room and repeat the command",
        .path.display()
    )]
    Write {
        /// Path of the file.
        path: PathBuf,
        /// The number of bytes that were to be written.
        bytes: u64,
        /// The reason that the system gives.
        source: std::io::Error,
    },
    /// A signal asked to stop.
    #[error(
        "interrupted: {finished} of {tasks} tasks are finished{} and kept in {}\n  \
         the same command resumes",
        match begun { 0 => String::new(), begun => format!(", {begun} begun,") },
        .directory.display()
    )]
    Interrupted {
        /// The run directory that holds them.
        directory: PathBuf,
        /// The number of finished tasks.
        finished: usize,
        /// The number of tasks that checkpoints hold.
        begun: usize,
        /// The number of all tasks.
        tasks: usize,
    },
    /// Shards that are not whole together.
    #[error(
        "{finished} of {tasks} tasks are finished and kept in {}\n  \
         run the missing shards to their end and repeat the command, or let `nfd run` do the rest there",
        .directory.display()
    )]
    Unmerged {
        /// The run directory that holds them.
        directory: PathBuf,
        /// The number of finished tasks.
        finished: usize,
        /// The number of all tasks.
        tasks: usize,
    },
    /// A limit that cannot be computed.
    #[error("{problem}\n  {help}")]
    NoLimit {
        /// What happened, and where.
        problem: String,
        /// What to do about it, in words.
        help: String,
    },
    /// The machine has less than the experiment needs.
    #[error(
        "not enough {what}: {:.2} GB needed, {:.2} GB free\n  {help}",
        .needed / 1e9, .available / 1e9
    )]
    TooLarge {
        /// What there is not enough of: memory, device memory or disk.
        what: &'static str,
        /// The number of bytes that the experiment needs.
        needed: f64,
        /// The number of bytes that are free.
        available: f64,
        /// What to do about it, in words.
        help: String,
    },
    /// A GPU is missing, or failed.
    #[error("{problem}\n  {help}")]
    Device {
        /// What is missing or failed, in words.
        problem: String,
        /// What to do about it, in words.
        help: String,
        /// Whether a device was there and failed.
        failed: bool,
    },
    /// The processes of one run do not fit together, or one of them failed.
    #[error("{problem}\n  {help}")]
    Ranks {
        /// What went wrong, and at which rank.
        problem: String,
        /// What to do about it, in words.
        help: String,
        /// Whether one failed at work, rather than was started wrongly.
        failed: bool,
    },
    /// The operating system refused.
    #[error("cannot {action} {}: {source}", .path.display())]
    Io {
        /// A verb: "read", "create", "write".
        action: &'static str,
        /// What it was done to.
        path: PathBuf,
        /// The reason that the system gives.
        source: std::io::Error,
    },
}

/// A result of this library, or one of its errors.
pub type Result<T> = std::result::Result<T, Error>;

/// Exit codes of the program.
pub mod exit {
    /// Everything that was asked for is done.
    pub const DONE: u8 = 0;
    /// The machine, a device, a disk or another process failed, or computes wrongly.
    pub const FAILED: u8 = 1;
    /// What the user asked for cannot be done.
    pub const USAGE: u8 = 2;
    /// Some tasks left the finite numbers; everything else is reported.
    pub const SOME_DIVERGED: u8 = 3;
    /// Interrupted, the EX_TEMPFAIL of sysexits.h: the same command resumes.
    pub const INTERRUPTED: u8 = 75;
}

impl Error {
    /// The exit code of a process that ends with this error.
    pub fn exit_code(&self) -> u8 {
        match self {
            Error::Interrupted { .. } | Error::Unmerged { .. } => exit::INTERRUPTED,
            error if error.is_users() => exit::USAGE,
            _ => exit::FAILED,
        }
    }

    /// Whether the user's input is at fault rather than the machine: what it names may not be there.
    pub fn is_users(&self) -> bool {
        if let Error::Io { action: "read", source, .. } = self
            && source.kind() == std::io::ErrorKind::NotFound
        {
            return true;
        }
        !matches!(
            self,
            Error::Io { .. }
                | Error::Write { .. }
                | Error::Interrupted { .. }
                | Error::Unmerged { .. }
                | Error::Device { failed: true, .. }
                | Error::Ranks { failed: true, .. }
        )
    }
}
