//! PTX: its text, and what a kernel looks like once it's decoded.

use crate::memory::Memory;
use std::sync::Arc;

/// One parameter of a kernel in the packed parameter buffer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Parameter {
    pub offset: u32,
    pub size: u32,
    pub align: u32,
}

/// A kernel (`.entry`).
#[derive(Debug)]
pub struct Function {
    name: String,
    parameters: Vec<Parameter>,
    static_shared: u32,
    registers: u32,
    local_bytes: u32,
    max_threads: u32,
}

impl Function {
    pub fn name(&self) -> &str {
        &self.name
    }

    pub fn parameters(&self) -> &[Parameter] {
        &self.parameters
    }

    /// Bytes of the packed parameter buffer.
    pub fn parameter_bytes(&self) -> u32 {
        self.parameters.last().map_or(0, |p| p.offset + p.size)
    }

    /// Bytes of shared memory that the kernel declares itself.
    pub fn static_shared(&self) -> u32 {
        self.static_shared
    }

    /// Virtual registers, in 32-bit units.
    pub fn registers(&self) -> u32 {
        self.registers
    }

    pub fn local_bytes(&self) -> u32 {
        self.local_bytes
    }

    /// Most threads of a block: `.maxntid` or `.reqntid`, else 1024.
    pub fn max_threads(&self) -> u32 {
        self.max_threads
    }
}

/// A parsed module. It has no addresses yet: see [`Module::load`].
#[derive(Debug)]
pub struct Module {
    functions: Vec<Function>,
}

/// A module whose variables lie in device memory.
#[derive(Debug)]
pub struct Loaded {
    module: Arc<Module>,
}

/// Reads PTX and decodes each kernel. An error names the line.
pub fn parse(_text: &str) -> Result<Module, String> {
    Err("not yet".into())
}

impl Module {
    pub fn functions(&self) -> &[Function] {
        &self.functions
    }

    /// Index of the kernel of this name.
    pub fn function(&self, name: &str) -> Option<usize> {
        self.functions.iter().position(|f| f.name == name)
    }

    /// Allocates and initialises the module's variables.
    pub fn load(self: Arc<Self>, _memory: &Memory) -> Result<Loaded, String> {
        Ok(Loaded { module: self })
    }
}

impl Loaded {
    pub fn module(&self) -> &Arc<Module> {
        &self.module
    }

    /// Address and bytes of a module variable.
    pub fn variable(&self, _name: &str) -> Option<(u64, u64)> {
        None
    }

    /// Frees the module's variables.
    pub fn unload(&self, _memory: &Memory) -> Result<(), String> {
        Ok(())
    }
}
