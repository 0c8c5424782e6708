//! How the processes of one run talk: seldom, in small messages, all of them at once. One trait, two
//! houses: a process that is alone, and MPI (cargo feature `mpi`).

mod launcher;
#[cfg(feature = "mpi")]
mod mpi;
mod solo;

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::error::{Error, Result};

/// The processes of a run. Every call is made by all of them, in the same order.
pub trait Comm {
    /// Of this process, from 0.
    fn rank(&self) -> usize;

    /// Processes.
    fn size(&self) -> usize;

    /// Of this process.
    fn place(&self) -> Place;

    /// Rank 0's bytes, at every rank.
    fn broadcast(&self, bytes: Vec<u8>) -> Vec<u8>;

    /// The bytes of all ranks in their order, at rank 0; None elsewhere.
    fn gather(&self, bytes: Vec<u8>) -> Option<Vec<Vec<u8>>>;

    /// What connects them; None for one that is alone.
    fn library(&self) -> Option<String>;
}

/// Where a process is among those of its node.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    /// The lowest rank of the node.
    pub node: usize,
    /// Rank on the node.
    pub local: usize,
    /// Ranks on the node.
    pub on_node: usize,
}

/// Joins the other processes that a launcher has started with this one. With `alone` set it does not
/// look for others: a shard.
///
/// From here on a panic ends all of them.
///
/// # Errors
/// [`Error::Ranks`] where a launcher has started several processes and they cannot reach each other: each
/// would do the whole run.
pub fn start(alone: bool) -> Result<Box<dyn Comm>> {
    if alone {
        return Ok(Box::new(solo::Solo));
    }
    #[cfg(feature = "mpi")]
    let comm = mpi::Mpi::start()?;
    #[cfg(not(feature = "mpi"))]
    let comm = solo::Solo;
    launcher::check(comm.size(), comm.library().as_deref())?;
    Ok(Box::new(comm))
}

/// What this process's launcher says of its rank on the node; 0 without one.
pub fn local_rank() -> usize {
    launcher::local_rank().unwrap_or(0)
}

/// What this build joins processes with.
pub fn library() -> Option<String> {
    #[cfg(feature = "mpi")]
    return Some(mpi::library());
    #[cfg(not(feature = "mpi"))]
    None
}

/// Rank 0's value, at every rank; what the others hand over is not looked at.
///
/// # Errors
/// [`Error::Ranks`] when a value cannot be told.
pub fn broadcast<T: Serialize + DeserializeOwned>(comm: &dyn Comm, value: &T) -> Result<T> {
    decode(&comm.broadcast(encode(value)?))
}

/// The values of all ranks in their order, at rank 0; elsewhere none.
///
/// # Errors
/// [`Error::Ranks`] when a value cannot be told.
pub fn gather<T: Serialize + DeserializeOwned>(comm: &dyn Comm, value: &T) -> Result<Vec<T>> {
    let all = comm.gather(encode(value)?).unwrap_or_default();
    all.iter().map(|bytes| decode(bytes)).collect()
}

fn encode(value: &impl Serialize) -> Result<Vec<u8>> {
    postcard::to_allocvec(value).map_err(garbled)
}

fn decode<T: DeserializeOwned>(bytes: &[u8]) -> Result<T> {
    postcard::from_bytes(bytes).map_err(garbled)
}

fn garbled(error: postcard::Error) -> Error {
    Error::Ranks {
        problem: format!("a message between ranks is not what was expected: {error}"),
        help: "see that all ranks run one binary".to_owned(),
        failed: true,
    }
}
