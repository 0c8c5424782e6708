//! Decoded instructions.
//!
//! Every source is a row of the warp's register file: registers have one, and so has each distinct
//! constant and special register that a kernel names. So no instruction asks what kind of operand
//! it has.

use super::reach::{Access, At, Scope};
use crate::ptx::Ty;

/// Row of the register file: 32 lanes of 32 bits. A 64-bit register takes two adjacent rows.
pub type Row = u32;

/// A predicate and whether it's negated. Predicate 0 is always true, 1 is the carry flag.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pred(pub u32);

impl Pred {
    pub const TRUE: Self = Self(0);
    pub const CARRY: u32 = 1;
    /// Where results that nobody wants go.
    pub const SINK: u32 = 2;
    pub const FIRST_FREE: u32 = 3;

    pub fn new(index: u32, negated: bool) -> Self {
        Self(index << 1 | u32::from(negated))
    }

    #[inline(always)]
    pub fn index(self) -> u32 {
        self.0 >> 1
    }

    pub fn negated(self) -> Self {
        Self(self.0 ^ 1)
    }
}

/// One instruction. What `r` and `imm` mean is up to the operation.
#[derive(Clone, Copy, Debug)]
pub struct Inst {
    pub op: Op,
    pub guard: Pred,
    pub r: [Row; 6],
    pub imm: i64,
}

/// Two sources: `r0 = r1 op r2`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Bin {
    Add,
    Sub,
    Mul,
    MulHi,
    /// Twice as wide as its sources, whose type it carries.
    MulWide,
    Div,
    Rem,
    Min,
    Max,
    /// A NaN wins.
    MinNan,
    MaxNan,
    And,
    Or,
    Xor,
    Shl,
    Shr,
    /// Sign of `r1`, magnitude of `r2`.
    Copysign,
}

/// One source: `r0 = op r1`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Un {
    Mov,
    Neg,
    Abs,
    Not,
    Cnot,
    Popc,
    Clz,
    Bfind,
    BfindShift,
    Brev,
    Sqrt,
    Rcp,
    Rsqrt,
    Ex2,
    Lg2,
    Sin,
    Cos,
    Tanh,
    /// `.approx.ftz.f64`: the upper word of the result, the lower one zero.
    RcpUpper,
    /// Clamps to [0, 1]; NaN is 0.
    Saturate,
    /// From f32 to the nearest number of tf32.
    RoundTf32,
}

/// Three sources: `r0 = op(r1, r2, r3)`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tri {
    Fma,
    Mad,
    MadHi,
    MadWide,
    Sad,
    /// `imm` is the truth table.
    Lop3,
    Prmt,
    Bfe,
    ShfLeftClamp,
    ShfLeftWrap,
    ShfRightClamp,
    ShfRightWrap,
    Dp4a,
    Dp4aSigned,
}

/// Rounding other than to nearest.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Toward {
    Zero,
    Down,
    Up,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Directed {
    Add,
    Sub,
    Mul,
    Div,
    Fma,
    Sqrt,
    Rcp,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Compare {
    Eq,
    Ne,
    Lt,
    Le,
    Gt,
    Ge,
    /// Unordered variants: true where a side is NaN.
    Equ,
    Neu,
    Ltu,
    Leu,
    Gtu,
    Geu,
    Num,
    Nan,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Logic {
    And,
    Or,
    Xor,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Class {
    Finite,
    Infinite,
    Number,
    NotANumber,
    Normal,
    Subnormal,
}

/// Rounding of a conversion: to the target's precision, or to an integer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    None,
    Nearest,
    Toward(Toward),
    IntegerNearest,
    Integer(Toward),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Atomic {
    Add,
    Min,
    Max,
    And,
    Or,
    Xor,
    Exch,
    Cas,
    Inc,
    Dec,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shuffle {
    Up,
    Down,
    Butterfly,
    Index,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Vote {
    All,
    Any,
    Uniform,
    Ballot,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reduce {
    None,
    Popc,
    And,
    Or,
}

#[derive(Clone, Copy, Debug)]
pub enum Op {
    Bin(Bin, Ty),
    Un(Un, Ty),
    Tri(Tri, Ty),
    /// `r0 = bfi(r1, r2, r3, r4)`, wide or not.
    Bfi(bool),
    /// `r0 = op(r1, r2, r3)`.
    Directed(Directed, Toward, Ty),
    /// Predicates `r0`, `r1`; sources `r2`, `r3`; combined with predicate `r4`.
    Setp(Compare, Ty, Option<Logic>),
    /// Predicate `r0`, source `r1`.
    Testp(Class, Ty),
    /// `r0 = r3 ? r1 : r2`.
    Selp {
        wide: bool,
    },
    /// `r0 = r3 >= 0 ? r1 : r2`.
    Slct {
        wide: bool,
        float: bool,
    },
    /// Predicates: `r0 = r1 op r2`.
    Logic(Logic),
    /// `r0 = r1`, from type `.1` to type `.0`.
    Convert(Ty, Ty, Mode, bool),
    /// Two floats to a packed pair of bf16 or f16: `r0 = {r1, r2}`, the first one high.
    ConvertPair(Ty),
    /// `r0 = {r1, …}`, of parts of `bytes` bytes, `count` of them.
    Pack {
        bytes: u8,
        count: u8,
    },
    /// `{r0, …} = r4`.
    Unpack {
        bytes: u8,
        count: u8,
    },
    /// `r0 = r1 ± r2 ± carry`.
    Carry {
        subtract: bool,
        wide: bool,
        reads: bool,
        writes: bool,
    },
    // From here on, not of one lane alone.
    /// To `imm`.
    Branch,
    /// To entry `r0` of table `imm`.
    BranchIndex,
    /// To `imm`, return address to `r0`.
    Call,
    /// To the address in `r0`.
    Return,
    Exit,
    Trap,
    /// Nothing to do, but it takes time.
    Pause,
    /// `r0..=r3` from address `r4 + imm`.
    Load(Access),
    /// `r0..=r3` to address `r4 + imm`.
    Store(Access),
    /// Local memory: `r2` bytes to `r0` from `r1`.
    CopyLocal,
    /// `r0` = old value at `r4 + imm`, operands `r1`, `r2`; `r3` is 1 where the result is wanted.
    Atomic(Atomic, Ty, Access),
    /// Local windows: `r0 = r1` lies in the window of `.0`: predicate.
    IsSpace(At),
    /// To shared `r0` from global `r1`, `r2` bytes of source (row), `bytes` in all.
    CopyAsync {
        bytes: u8,
        wide_target: bool,
    },
    CopyCommit,
    /// All groups but the newest `imm` have landed; negative: all copies.
    CopyWait,
    Fence(Scope),
    /// `r0` from `r1` by `r2` with clamp `r3`, mask `r4`; predicate `r5`.
    Shuffle(Shuffle),
    /// `r0` (row or predicate) of predicate `r1` among `r4`.
    Vote(Vote),
    /// `r0` = lanes with the same `r1` among `r4`; all: predicate `r5`.
    Match {
        wide: bool,
        all: bool,
    },
    /// `r0` of `r1` among `r4`.
    Redux(Atomic, Ty),
    /// Of matrices in f32 and tf32 among `r4`: rows `imm` of [`crate::ptx::Program::fragments`].
    MultiplyMatrices,
    /// Lanes `r4`.
    WarpSync,
    ActiveMask,
    /// Barrier `r1`, threads `r2` (`imm` is 1 where given), reduction of predicate `r3` to `r0`.
    Barrier {
        reduce: Reduce,
        aligned: bool,
        arrive: bool,
    },
    /// `r0` = instructions so far, wide or not.
    Clock {
        wide: bool,
    },
}

impl Op {
    /// Whether each lane is on its own, so that runs of such instructions need no scheduling.
    #[inline(always)]
    pub fn straight(&self) -> bool {
        matches!(
            self,
            Self::Bin(..)
                | Self::Un(..)
                | Self::Tri(..)
                | Self::Bfi(..)
                | Self::Directed(..)
                | Self::Setp(..)
                | Self::Testp(..)
                | Self::Selp { .. }
                | Self::Slct { .. }
                | Self::Logic(..)
                | Self::Convert(..)
                | Self::ConvertPair(..)
                | Self::Pack { .. }
                | Self::Unpack { .. }
                | Self::Carry { .. }
        )
    }
}
