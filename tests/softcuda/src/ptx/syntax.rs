//! PTX as it's written, before names are resolved.

use super::types::Ty;

/// Where a variable lives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Space {
    Global,
    Const,
    Shared,
    Local,
    Param,
}

/// An operand.
#[derive(Clone, Debug, PartialEq)]
pub enum Operand<'a> {
    Word(&'a str),
    Int(u64),
    F32(u32),
    F64(u64),
    /// `!p`.
    Not(&'a str),
    /// `d|p`.
    Pair(&'a str, &'a str),
    /// `symbol+4`.
    Sum(&'a str, i64),
    /// `[base+4]`; no base is an absolute address.
    Address(Option<&'a str>, i64),
    /// `{a, b}`.
    Vector(Vec<Self>),
    /// `(a, b)`.
    List(Vec<Self>),
}

/// An instruction.
#[derive(Clone, Debug)]
pub struct Instruction<'a> {
    /// Predicate, and whether it's negated.
    pub guard: Option<(&'a str, bool)>,
    pub opcode: &'a str,
    pub operands: Vec<Operand<'a>>,
    pub line: u32,
}

/// One piece of an initialiser.
#[derive(Clone, Debug)]
pub enum Initial<'a> {
    Bits(u64),
    /// Address of a variable, plus bytes.
    Symbol(&'a str, i64),
}

/// A variable of any space, parameters among them.
#[derive(Clone, Debug)]
pub struct Variable<'a> {
    pub space: Space,
    pub name: &'a str,
    pub ty: Ty,
    pub align: u32,
    pub bytes: u64,
    /// `.extern` or of unsized arrays.
    pub external: bool,
    pub initial: Vec<Initial<'a>>,
    pub line: u32,
}

/// One statement of a body.
#[derive(Clone, Debug)]
pub enum Statement<'a> {
    Label(&'a str),
    /// `.reg .b32 %r<count>` or one register.
    Registers {
        name: &'a str,
        ty: Ty,
        count: Option<u32>,
    },
    Variable(Variable<'a>),
    Open,
    Close,
    /// `.loc file line`.
    Place {
        file: u32,
        line: u32,
    },
    /// `label: .branchtargets …`.
    Targets {
        label: &'a str,
        targets: Vec<&'a str>,
    },
    Instruction(Instruction<'a>),
}

/// An `.entry` or `.func` with its body, or a prototype without.
#[derive(Clone, Debug)]
pub struct Routine<'a> {
    pub entry: bool,
    pub name: &'a str,
    pub returns: Vec<Variable<'a>>,
    pub parameters: Vec<Variable<'a>>,
    pub body: Option<Vec<Statement<'a>>>,
    pub max_threads: Option<u32>,
    pub line: u32,
}

/// A whole file.
#[derive(Clone, Debug, Default)]
pub struct File<'a> {
    /// `.file` numbers and names.
    pub sources: Vec<(u32, &'a str)>,
    pub variables: Vec<Variable<'a>>,
    pub routines: Vec<Routine<'a>>,
}
