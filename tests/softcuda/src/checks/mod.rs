//! The sanitizer: what checked mode keeps in mind beyond the values themselves.

use crate::exec::FaultKind;
use crate::exec::code::Scope;

/// A thread.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Who {
    pub block: u32,
    pub warp: u32,
    pub lane: u32,
}

/// What an access does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Use {
    Read,
    Write,
    /// Volatile, relaxed, acquiring or releasing: no race among themselves.
    StrongRead,
    StrongWrite,
    Atomic,
    /// An asynchronous copy was started.
    PendingWrite,
}

impl Use {
    pub fn reads(self) -> bool {
        matches!(self, Self::Read | Self::StrongRead | Self::Atomic)
    }

    pub fn writes(self) -> bool {
        !matches!(self, Self::Read | Self::StrongRead)
    }

    pub fn strong(self) -> bool {
        matches!(self, Self::StrongRead | Self::StrongWrite | Self::Atomic)
    }
}

/// The earlier one of two accesses.
#[derive(Clone, Copy, Debug)]
pub struct Other {
    pub who: Who,
    pub pc: usize,
    pub write: bool,
}

/// Why an access is wrong.
#[derive(Clone, Debug)]
pub struct Clash {
    pub kind: FaultKind,
    pub what: String,
    pub other: Option<Other>,
}

/// The state of a checked launch.
#[derive(Debug)]
pub struct Checker {
    random: u64,
}

impl Checker {
    pub fn new(_threads: u32, _shared_bytes: u64, seed: u64) -> Self {
        Self { random: seed ^ 0x9e37_79b9_7f4a_7c15 }
    }

    fn random(&mut self) -> u64 {
        // SplitMix64.
        self.random = self.random.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.random;
        z = (z ^ z >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ z >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ z >> 31
    }

    /// The numbers below `count` in random order.
    pub fn shuffled(&mut self, count: usize) -> Vec<usize> {
        let mut order: Vec<usize> = (0..count).collect();
        for k in (1..count).rev() {
            order.swap(k, (self.random() % (k as u64 + 1)) as usize);
        }
        order
    }

    /// A short turn of random length.
    pub fn quantum(&mut self) -> i64 {
        16 + (self.random() % 512) as i64
    }

    pub fn start_block(&mut self, _block: u32) {}
    pub fn end_block(&mut self, _block: u32) {}
    pub fn access(
        &mut self,
        _: Who,
        _shared: bool,
        _: u64,
        _: u32,
        _: Use,
        _pc: usize,
    ) -> Result<(), Clash> {
        Ok(())
    }
    pub fn fence(&mut self, _: Who, _: Scope) {}
    pub fn observe(&mut self, _: Who, _key: u64, _acquire: bool, _: Scope) {}
    pub fn publish(&mut self, _: Who, _key: u64, _release: bool, _modifies: bool, _: Scope) {}
    pub fn sync_warp(&mut self, _block: u32, _warp: u32, _mask: u32) {}
    pub fn sync_block(&mut self, _block: u32, _lanes: &[(u32, u32)]) {}
}
