//! Running a kernel.
//!
//! [`code`] is what the decoder makes of PTX, with [`reach`] for memory, [`registers`] what it works on, [`alu`] the
//! arithmetic. A [`warp`] decides which lanes run, [`access`] goes to memory, [`meeting`] is
//! where lanes wait for each other, [`collective`] and [`tensor`] what they do then; a [`block`] has barriers, a [`grid`]
//! an order of blocks.

mod access;
mod alu;
mod atomic;
mod block;
pub mod code;
mod collective;
mod convert;
mod copies;
mod grid;
mod machine;
mod math;
mod meeting;
mod pointers;
pub mod reach;
mod registers;
mod tensor;
mod warp;
pub mod window;

use crate::ptx::Loaded;
pub use grid::launch;
use std::fmt;

/// What to launch.
#[derive(Debug)]
pub struct Launch<'a> {
    pub module: &'a Loaded,
    /// Index of the kernel: [`crate::ptx::Module::function`].
    pub function: usize,
    pub grid: [u32; 3],
    pub block: [u32; 3],
    pub dynamic_shared: u32,
    /// Packed by the layout of [`crate::ptx::Function::parameters`].
    pub parameters: Vec<u8>,
    /// All blocks are resident at once and make progress in turn.
    pub cooperative: bool,
}

/// How to run.
#[derive(Clone, Copy, Debug)]
pub struct Options {
    /// Run the sanitizer, on one thread.
    pub checked: bool,
    /// Seed of the order of blocks and warps in checked mode.
    pub seed: u64,
    /// Host threads of an unchecked launch.
    pub threads: usize,
    /// Warp instructions after which a launch is taken to hang.
    pub watchdog: u64,
    /// Count what the launch does ([`crate::counters`]), on one thread, with a second-level cache of so many
    /// bytes.
    pub counting: Option<u64>,
}

impl Default for Options {
    fn default() -> Self {
        Self { checked: false, seed: 0, threads: 1, watchdog: 1 << 40, counting: None }
    }
}

/// What went wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FaultKind {
    /// The launch itself is wrong: shapes, parameters, shared memory.
    InvalidLaunch,
    OutOfBounds,
    UseAfterFree,
    Misaligned,
    UninitialisedGlobal,
    UninitialisedShared,
    SharedRace,
    GlobalRace,
    BarrierDivergence,
    AbsentLanes,
    /// An operand of `mma` has bits that its format does not have.
    Unrounded,
    Deadlock,
    Watchdog,
    Trap,
}

/// A fault and where it happened.
#[derive(Clone, Debug)]
pub struct Fault {
    pub kind: FaultKind,
    pub message: String,
    pub kernel: String,
    /// Line of the PTX, 0 where none is to blame.
    pub ptx_line: u32,
    /// `file:line` of the CUDA source where the PTX says so.
    pub source: Option<String>,
    pub block: [u32; 3],
    pub thread: [u32; 3],
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ([bx, by, bz], [tx, ty, tz]) = (self.block, self.thread);
        write!(f, "{}: {}: {}", self.kernel, self.kind, self.message)?;
        write!(f, "; block ({bx},{by},{bz}), thread ({tx},{ty},{tz})")?;
        if self.ptx_line != 0 {
            write!(f, ", PTX line {}", self.ptx_line)?;
        }
        self.source.as_ref().map_or(Ok(()), |source| write!(f, ", {source}"))
    }
}

impl std::error::Error for Fault {}

impl fmt::Display for FaultKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::InvalidLaunch => "invalid launch",
            Self::OutOfBounds => "out of bounds",
            Self::UseAfterFree => "use after free",
            Self::Misaligned => "misaligned access",
            Self::UninitialisedGlobal => "read of uninitialised global memory",
            Self::UninitialisedShared => "read of uninitialised shared memory",
            Self::SharedRace => "race in shared memory",
            Self::GlobalRace => "race in global memory",
            Self::BarrierDivergence => "divergent barrier",
            Self::AbsentLanes => "absent lanes",
            Self::Unrounded => "operand that was not rounded",
            Self::Deadlock => "deadlock",
            Self::Watchdog => "watchdog",
            Self::Trap => "trap",
        })
    }
}
