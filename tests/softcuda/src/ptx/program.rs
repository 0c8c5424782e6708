//! A decoded kernel, ready to run.

use crate::exec::code::{Inst, Row};

/// Where an instruction comes from.
#[derive(Clone, Copy, Debug, Default)]
pub struct Site {
    pub ptx_line: u32,
    /// `.loc`: number of the source file (0: unknown) and line.
    pub file: u32,
    pub line: u32,
}

/// What a constant row holds in every lane.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Value {
    Bits(u64),
    /// Address of a module variable, by index.
    Variable(usize),
    /// Start of dynamic shared memory.
    Dynamic,
}

/// Registers that the hardware sets.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Special {
    /// `%tid`, by axis.
    Thread(u8),
    BlockSize(u8),
    Block(u8),
    GridSize(u8),
    Lane,
    Warp,
    Warps,
    Processor,
    Processors,
    GridId,
    LanesEqual,
    LanesBelow,
    LanesUpTo,
    LanesAbove,
    LanesFrom,
    DynamicSharedBytes,
    TotalSharedBytes,
}

#[derive(Debug, Default)]
pub struct Program {
    pub code: Vec<Inst>,
    /// Parallel to `code`.
    pub sites: Vec<Site>,
    /// Index of the first instruction: device functions come before the kernel.
    pub start: u32,
    pub rows: u32,
    pub preds: u32,
    /// Row, whether it's 64 bits wide, value.
    pub constants: Vec<(Row, bool, Value)>,
    pub specials: Vec<(Row, bool, Special)>,
    /// Targets of `brx.idx`.
    pub tables: Vec<Vec<u32>>,
    /// Rows of the operands of `mma`: four of D, four of A, two of B, four of C.
    pub fragments: Vec<[Row; 14]>,
    /// Bytes of the shared variables.
    pub shared: u32,
    /// Bytes of local memory per thread.
    pub local: u32,
}
