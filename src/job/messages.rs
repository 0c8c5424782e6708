//! The messages between the ranks of a job.

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use tracing::{error, info, warn};
use xxhash_rust::xxh3::xxh3_64;

use crate::comm::{Comm, NodeRank, broadcast};
use crate::ensemble::cores::ProcessCores;
use crate::ensemble::machine::Machine;
use crate::error::{Error, Result};
use crate::experiment::grid::Task;
use crate::log;
use crate::store::machine::host;
use crate::studies::advice::{Advice, Level};

/// Phase "call", from rank 0: what is to be done, in enough detail that another rank can do the same and
/// sees whether it would.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Call {
    /// Hash of the program's file.
    pub program: String,
    /// Hash of the experiment and run directory that were typed.
    pub request: String,
    /// The resolved experiment, as JSON.
    pub experiment: String,
    /// Hash of the loaded samples.
    pub samples: String,
    /// The instructions or device that the bits of results depend on.
    pub numeric_path: String,
}

/// A hash of the file of the program that runs.
///
/// # Errors
/// [`Error::Io`]
pub fn program_hash() -> Result<String> {
    let io = |source| Error::Io { action: "read", path: "the program's own file".into(), source };
    let bytes = std::env::current_exe().and_then(std::fs::read).map_err(io)?;
    Ok(format!("{:016x}", xxh3_64(&bytes)))
}

/// Phase "answer", from every rank: where it runs and with what, and why it cannot do what rank 0 calls
/// for, if it cannot.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct RankAnswer {
    /// The name of its host.
    pub host: String,
    /// The cores that it may use.
    pub cores: ProcessCores,
    /// The GPU that it uses, where it uses one.
    pub device: Option<RankDevice>,
    /// The error that keeps it from taking part.
    pub problem: Option<String>,
}

/// The GPU of a rank.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct RankDevice {
    /// Model, number and driver, in words.
    pub name: String,
    /// What tells it from all others of the node.
    pub identity: [u8; 16],
    /// Bytes of its memory that are free, now that this rank has opened it.
    pub free: f64,
}

impl RankDevice {
    /// The GPU of this rank; None where it uses none.
    fn of(machine: &Machine) -> Result<Option<RankDevice>> {
        let Some(name) = machine.device() else { return Ok(None) };
        let identity = machine.device_identity()?.unwrap_or_default();
        Ok(Some(RankDevice { name, identity, free: machine.device_memory()?.unwrap_or(0.0) }))
    }
}

impl RankAnswer {
    /// The answer of this rank, which has prepared itself or failed to.
    pub fn new(machine: std::result::Result<&Machine, &Error>, place: NodeRank) -> RankAnswer {
        let device = machine.map(RankDevice::of);
        let (device, problem) = match &device {
            Ok(Ok(device)) => (device.clone(), None),
            Ok(Err(own)) => (None, Some(own.to_string())),
            Err(error) => (None, Some(error.to_string())),
        };
        RankAnswer { host: host(), cores: ProcessCores::detect(place.node), device, problem }
    }
}

/// What a rank may use of its node.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub struct Share {
    /// The number of its threads.
    pub threads: usize,
    /// Bytes of a GPU that it shares with other ranks; None without those.
    pub device: Option<f64>,
}

/// Phase "deal", from rank 0 to each: the tasks that it is to do.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Hand {
    /// What it may use to do them.
    pub share: Share,
    /// The tasks, in the order of the plan.
    pub tasks: Vec<Task>,
}

/// Phases "deal" and "report", from every rank: whether it has joined the run directory, or done its
/// tasks.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct RankReport {
    /// The error that it failed with, if it did.
    pub problem: Option<String>,
    /// The number of its warnings so far.
    pub warnings: usize,
}

impl RankReport {
    /// The report of a rank with this result.
    pub fn new<T>(result: std::result::Result<T, &Error>) -> RankReport {
        let problem = result.err().map(ToString::to_string);
        RankReport { problem, warnings: log::warnings() }
    }
}

/// What rank 0 tells all others at the end of a phase: a message, or the exit code with which the job
/// ends.
pub type Told<T> = std::result::Result<T, u8>;

/// The end of a phase at rank 0.
pub struct Phase<T, M> {
    /// What rank 0 itself goes on with.
    pub own: T,
    /// What the other ranks are told.
    pub message: M,
}

/// Ends a phase at rank 0: tells the other ranks its message. An error is printed first, while they still
/// wait: once one process has ended with an exit code, mpirun ends the others, whatever they still have
/// to say.
///
/// # Errors
/// The exit code with which the job ends.
pub fn tell<T, M>(comm: &dyn Comm, phase: Result<Phase<T, M>>) -> Told<T>
where
    M: Serialize + DeserializeOwned,
{
    let (own, told) = match phase {
        Ok(Phase { own, message }) => (Ok(own), Ok(message)),
        Err(error) => {
            let code = report_error(&error);
            (Err(code), Err(code))
        }
    };
    let _: Told<M> = broadcast(comm, &told);
    own
}

/// Tells the other ranks that the job has ended, and with which exit code.
pub fn tell_end(comm: &dyn Comm, code: u8) {
    let _: Told<()> = broadcast(comm, &Err(code));
}

/// Hears what rank 0 tells at the end of a phase.
///
/// # Errors
/// The exit code with which the job ends.
pub fn listen<M: Serialize + DeserializeOwned>(comm: &dyn Comm) -> Told<M> {
    broadcast(comm, &Err(0))
}

/// Says what an experiment cannot show as it is designed.
pub fn say_advice(advice: &[Advice]) {
    for advice in advice {
        match advice.level {
            Level::Note => info!("{advice}"),
            Level::Warning => warn!("{advice}"),
        }
    }
}

/// Says an error and gives its exit code.
pub fn report_error(error: &Error) -> u8 {
    error!("{error}");
    error.exit_code()
}
