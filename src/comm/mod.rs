//! How the processes ("ranks") of one run talk: seldom, in small messages, all of them at once. One
//! trait, two implementations: a process that is alone, and MPI (cargo feature `mpi`).

mod launcher;
#[cfg(feature = "mpi")]
mod mpi;
mod solo;

use serde::Serialize;
use serde::de::DeserializeOwned;
use tracing::error;

use crate::error::Result;
use crate::log;

/// The processes of a run, as one of them sees them. Every call is made by all of them, in the same order.
pub trait Comm {
    /// The rank of this process among all, from 0.
    fn rank(&self) -> usize;

    /// The number of processes.
    fn size(&self) -> usize;

    /// Where this process is among those of its node.
    fn place(&self) -> NodeRank;

    /// Gives rank 0's bytes to every rank.
    fn broadcast(&self, bytes: Vec<u8>) -> Vec<u8>;

    /// Gives the bytes of all ranks, in their order, to rank 0; None elsewhere.
    fn gather(&self, bytes: Vec<u8>) -> Option<Vec<Vec<u8>>>;

    /// Name and version of the library that connects them; None for a process that is alone.
    fn library(&self) -> Option<String>;

    /// Ends all processes at once, with this exit code.
    fn abort(&self, code: u8) -> !;
}

/// Where a process is among those of its node.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NodeRank {
    /// The number of the node: the lowest rank on it.
    pub node: usize,
    /// The rank among the processes of the node, from 0.
    pub rank: usize,
    /// The number of ranks on the node.
    pub ranks: usize,
}

/// Joins the other processes that a launcher has started with this one. With `alone` set it does not
/// look for others: a shard.
///
/// From here on a panic ends all of them.
///
/// # Errors
/// [`crate::error::Error::Ranks`] where a launcher has started several processes and they cannot reach each other: each
/// would do the whole run.
pub fn start(alone: bool) -> Result<Box<dyn Comm>> {
    if alone {
        return Ok(Box::new(solo::Solo));
    }
    #[cfg(feature = "mpi")]
    let comm = mpi::Mpi::start()?;
    #[cfg(not(feature = "mpi"))]
    let comm = solo::Solo;
    log::set_rank(comm.rank());
    launcher::check(comm.size(), comm.library().as_deref())?;
    Ok(Box::new(comm))
}

/// The rank of this process on its node, as its launcher says; 0 without one.
pub fn local_rank() -> usize {
    launcher::local_rank().unwrap_or(0)
}

/// Name and version of the MPI library of this build; None without one.
pub fn library() -> Option<String> {
    #[cfg(feature = "mpi")]
    return Some(mpi::library());
    #[cfg(not(feature = "mpi"))]
    None
}

/// Gives rank 0's value to every rank; what the others hand over is not looked at.
///
/// A message that is not what was expected ends the job: the ranks run programs that do not fit together.
pub fn broadcast<T: Serialize + DeserializeOwned>(comm: &dyn Comm, value: &T) -> T {
    let bytes = encode(comm, value);
    decode(comm, &comm.broadcast(bytes))
}

/// Gives the values of all ranks, in their order, to rank 0; elsewhere none. A message that is not what was
/// expected ends the job, as in [`broadcast`].
pub fn gather<T: Serialize + DeserializeOwned>(comm: &dyn Comm, value: &T) -> Vec<T> {
    let all = comm.gather(encode(comm, value)).unwrap_or_default();
    all.iter().map(|bytes| decode(comm, bytes)).collect()
}

fn encode(comm: &dyn Comm, value: &impl Serialize) -> Vec<u8> {
    postcard::to_allocvec(value).unwrap_or_else(|error| abort_garbled(comm, error))
}

fn decode<T: DeserializeOwned>(comm: &dyn Comm, bytes: &[u8]) -> T {
    postcard::from_bytes(bytes).unwrap_or_else(|error| abort_garbled(comm, error))
}

/// Ends all ranks: ending this one alone would leave the others waiting for it.
fn abort_garbled(comm: &dyn Comm, error: postcard::Error) -> ! {
    error!(
        "a message between ranks is not what was expected: {error}\n  check that all ranks run the \
         same binary"
    );
    comm.abort(1)
}
