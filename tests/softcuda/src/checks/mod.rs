//! The sanitizer: what checked mode keeps in mind beyond the values themselves.
//!
//! [`order`] knows which accesses happen before which, [`shadow`] who accessed each byte last. Two
//! accesses to a byte race if neither happens before the other, one writes, and not both are
//! strong: a race is found in whatever order the interpreter happened to run the two.

mod order;
mod shadow;

use crate::exec::FaultKind;
use crate::exec::reach::Scope;
use order::Order;
use rustc_hash::FxHashMap;
use shadow::Shadow;

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
    threads: u32,
    shared_bytes: usize,
    order: Order,
    global: Shadow,
    shared: FxHashMap<u32, SharedState>,
}

/// Shared memory of one block.
#[derive(Debug, Default)]
struct SharedState {
    bytes: Vec<Content>,
    shadow: Shadow,
}

/// What a byte of shared memory holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Content {
    Nothing,
    Data,
    /// An asynchronous copy is on its way.
    Pending,
}

impl Checker {
    pub fn new(threads: u32, shared_bytes: u64, seed: u64) -> Self {
        Self {
            random: seed,
            threads,
            shared_bytes: shared_bytes as usize,
            order: Order::default(),
            global: Shadow::default(),
            shared: FxHashMap::default(),
        }
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

    pub fn start_block(&mut self, block: u32) {
        self.order.start(block, self.threads);
        let bytes = vec![Content::Nothing; self.shared_bytes];
        self.shared.insert(block, SharedState { bytes, shadow: Shadow::default() });
    }

    pub fn end_block(&mut self, block: u32) {
        self.order.end(block);
        self.shared.remove(&block);
    }

    /// Notes an access, unless it's wrong. Bounds and alignment are known to be right.
    pub fn access(
        &mut self,
        who: Who,
        shared: bool,
        address: u64,
        bytes: u32,
        kind: Use,
        pc: usize,
    ) -> Result<(), Clash> {
        if !shared {
            return self.global.access(&self.order, who, address, bytes, kind, pc).map_err(
                |(what, other)| Clash { kind: FaultKind::GlobalRace, what, other: Some(other) },
            );
        }
        let Some(state) = self.shared.get_mut(&who.block) else { return Ok(()) };
        let range = address as usize..address as usize + bytes as usize;
        let Some(content) = state.bytes.get_mut(range) else { return Ok(()) };
        if kind.reads() {
            let missing = content.iter().position(|c| *c != Content::Data);
            if let Some(index) = missing {
                let reason = match content[index] {
                    Content::Pending => "an asynchronous copy hasn't been waited for",
                    _ => "nothing was written there",
                };
                let at = address + index as u64;
                let what = format!("read of {bytes} bytes at {address:#x}: at {at:#x} {reason}");
                return Err(Clash { kind: FaultKind::UninitialisedShared, what, other: None });
            }
        }
        if kind.writes() {
            let pending = kind == Use::PendingWrite;
            content.fill(if pending { Content::Pending } else { Content::Data });
        }
        state.shadow.access(&self.order, who, address, bytes, kind, pc).map_err(|(what, other)| {
            Clash { kind: FaultKind::SharedRace, what, other: Some(other) }
        })
    }

    /// A fence.
    pub fn fence(&mut self, who: Who, scope: Scope) {
        self.order.fence(who, scope);
    }

    /// A strong read of the variable `key`.
    pub fn observe(&mut self, who: Who, key: u64, acquires: bool, scope: Scope) {
        self.order.observe(who, key, acquires, scope);
    }

    /// A strong write; `modifies` where it's the second half of an atomic.
    pub fn publish(&mut self, who: Who, key: u64, releases: bool, modifies: bool, scope: Scope) {
        self.order.publish(who, key, releases, modifies, scope);
    }

    /// Lanes of a warp met.
    pub fn sync_warp(&mut self, block: u32, warp: u32, mask: u32) {
        self.order.sync_warp(block, warp, mask);
    }

    /// Lanes of the warps of a block met at a barrier.
    pub fn sync_block(&mut self, block: u32, lanes: &[(u32, u32)]) {
        self.order.sync_block(block, lanes);
    }
}
