//! Processes that MPI connects.

use std::thread;
use std::time::Duration;

use mpi::environment::{Universe, initialize_with_threading, library_version};
use mpi::topology::SimpleCommunicator;
use mpi::traits::{Communicator, CommunicatorCollectives, Root};
use mpi::{Count, Threading};
use tracing::error;

use super::{Comm, NodeRank};
use crate::error::{Error, Result};

/// One of the ranks that MPI connects.
pub struct Mpi {
    world: SimpleCommunicator,
    place: NodeRank,
    /// Last, because its end is that of MPI.
    _universe: Universe,
}

impl Mpi {
    /// Joins the other ranks.
    ///
    /// # Errors
    /// [`Error::Ranks`] when MPI does not let the main thread communicate while others compute.
    pub fn start() -> Result<Self> {
        let refused = |problem: &str| Error::Ranks {
            problem: problem.to_owned(),
            help: "use an MPI library that supports MPI_THREAD_FUNNELED".to_owned(),
            failed: true,
        };
        let (universe, threading) = initialize_with_threading(Threading::Funneled)
            .ok_or_else(|| refused("MPI is in use already"))?;
        if threading < Threading::Funneled {
            return Err(refused("MPI does not allow threads"));
        }
        abort_on_panic();
        let world = universe.world();
        let rank = world.rank();
        let node = world.split_shared(rank);
        let mut first = rank;
        node.process_at_rank(0).broadcast_into(&mut first);
        let place = NodeRank {
            node: first as usize,
            rank: node.rank() as usize,
            ranks: node.size() as usize,
        };
        Ok(Mpi { world, place, _universe: universe })
    }
}

impl Mpi {
    /// Waits until all ranks are here, asleep: MPI's own waiting would take a core for hours from the rank
    /// that is waited for, where they share one.
    fn meet(&self) {
        const NAP: Duration = Duration::from_millis(2);
        let mut barrier = self.world.immediate_barrier();
        while let Err(not_yet) = barrier.test() {
            barrier = not_yet;
            thread::sleep(NAP);
        }
    }
}

/// Unwinding would end in MPI_Finalize, which waits for the other ranks, and they for this one.
fn abort_on_panic() {
    let report = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |panic| {
        let world = SimpleCommunicator::world();
        error!("rank {} panicked; the job ends, finished tasks are kept", world.rank());
        report(panic);
        world.abort(1);
    }));
}

impl Comm for Mpi {
    fn rank(&self) -> usize {
        self.world.rank() as usize
    }

    fn size(&self) -> usize {
        self.world.size() as usize
    }

    fn place(&self) -> NodeRank {
        self.place
    }

    fn broadcast(&self, mut bytes: Vec<u8>) -> Vec<u8> {
        self.meet();
        let root = self.world.process_at_rank(0);
        let mut length = bytes.len() as u64;
        root.broadcast_into(&mut length);
        bytes.resize(length as usize, 0);
        root.broadcast_into(&mut bytes[..]);
        bytes
    }

    fn gather(&self, bytes: Vec<u8>) -> Option<Vec<Vec<u8>>> {
        self.meet();
        let root = self.world.process_at_rank(0);
        let length = bytes.len() as Count;
        if self.world.rank() > 0 {
            root.gather_into(&length);
            root.gather_varcount_into(&bytes[..]);
            return None;
        }
        let mut lengths = vec![0; self.size()];
        root.gather_into_root(&length, &mut lengths[..]);
        let mut starts: Vec<Count> = vec![0];
        for length in &lengths {
            starts.push(starts[starts.len() - 1] + length);
        }
        let mut all = vec![0_u8; starts[lengths.len()] as usize];
        let mut parts = mpi::datatype::PartitionMut::new(&mut all[..], &lengths[..], &starts[..]);
        root.gather_varcount_into_root(&bytes[..], &mut parts);
        let part = |i: usize| all[starts[i] as usize..starts[i + 1] as usize].to_vec();
        Some((0..lengths.len()).map(part).collect())
    }

    fn library(&self) -> Option<String> {
        Some(library())
    }

    fn abort(&self, code: u8) -> ! {
        self.world.abort(i32::from(code))
    }
}

/// Name and version of the MPI library.
pub fn library() -> String {
    let version = library_version().unwrap_or_default();
    // Open MPI adds its package and build, MPICH pages of options.
    let name = version.lines().next().unwrap_or_default().split(',').next().unwrap_or_default();
    name.split_whitespace().collect::<Vec<_>>().join(" ")
}
