//! A process that is alone.

use super::{Comm, NodeRank, local_rank};

/// A run of one process.
pub struct Solo;

impl Comm for Solo {
    fn rank(&self) -> usize {
        0
    }

    fn size(&self) -> usize {
        1
    }

    fn place(&self) -> NodeRank {
        // A launcher may start shards, which do not know each other.
        NodeRank { node: 0, rank: local_rank(), ranks: 1 }
    }

    fn broadcast(&self, bytes: Vec<u8>) -> Vec<u8> {
        bytes
    }

    fn gather(&self, bytes: Vec<u8>) -> Option<Vec<Vec<u8>>> {
        Some(vec![bytes])
    }

    fn library(&self) -> Option<String> {
        None
    }

    fn abort(&self, code: u8) -> ! {
        std::process::exit(i32::from(code))
    }
}
