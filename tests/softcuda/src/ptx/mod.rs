//! PTX: its text, and what a kernel looks like once it's decoded.
//!
//! [`parse`] reads a file ([`lexer`], [`parser`], [`syntax`]) and decodes each kernel ([`decode`])
//! to a [`Program`]. What the device doesn't know is an error that names the line.

mod decode;
mod lexer;
mod parser;
pub mod program;
mod syntax;
mod types;

use crate::memory::Memory;
pub use program::Program;
use std::collections::HashMap;
use std::sync::Arc;
use syntax::{File, Initial, Routine, Space, Variable};
pub use types::Ty;

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
    max_threads: u32,
    program: Program,
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
        self.program.shared
    }

    /// Virtual registers, in 32-bit units.
    pub fn registers(&self) -> u32 {
        self.program.rows
    }

    pub fn local_bytes(&self) -> u32 {
        self.program.local
    }

    /// Most threads of a block: `.maxntid` or `.reqntid`, else 1024.
    pub fn max_threads(&self) -> u32 {
        self.max_threads
    }

    pub fn program(&self) -> &Program {
        &self.program
    }
}

/// A variable in device memory.
#[derive(Debug)]
struct Global {
    name: String,
    bytes: u64,
    /// What it starts as.
    data: Vec<u8>,
    /// Where in `data` the address of a variable belongs, and what is added to it.
    relocations: Vec<(usize, usize, i64)>,
    /// Shared variables have a place in the table, but not in device memory.
    shared: bool,
}

/// A parsed module. It has no addresses yet: see [`Module::load`].
#[derive(Debug)]
pub struct Module {
    functions: Vec<Function>,
    globals: Vec<Global>,
    sources: HashMap<u32, String>,
}

/// A module whose variables lie in device memory.
#[derive(Debug)]
pub struct Loaded {
    module: Arc<Module>,
    /// Of each variable; 0 for shared ones.
    addresses: Vec<u64>,
}

/// Reads PTX and decodes each kernel. An error names the line.
pub fn parse(text: &str) -> Result<Module, String> {
    let file = parser::file(text)?;
    let entries = file.routines.iter().filter(|r| r.entry && r.body.is_some());
    let functions = entries.map(|r| function(&file, r)).collect::<Result<_, _>>()?;
    let globals = file.variables.iter().map(|v| global(&file, v)).collect::<Result<_, _>>()?;
    let sources = file.sources.iter().map(|(number, name)| (*number, (*name).to_owned()));
    Ok(Module { functions, globals, sources: sources.collect() })
}

fn function(file: &File<'_>, routine: &Routine<'_>) -> Result<Function, String> {
    let (mut parameters, mut end) = (Vec::new(), 0);
    for formal in &routine.parameters {
        let offset = decode::place(&mut end, formal)?;
        parameters.push(Parameter { offset, size: formal.bytes as u32, align: formal.align });
    }
    Ok(Function {
        name: routine.name.to_owned(),
        parameters,
        max_threads: routine.max_threads.unwrap_or(1024),
        program: decode::kernel(file, routine)?,
    })
}

fn global(file: &File<'_>, variable: &Variable<'_>) -> Result<Global, String> {
    let shared = variable.space == Space::Shared;
    if variable.external && !shared {
        return Err(format!(
            "line {}: `{}` isn't defined in this module",
            variable.line, variable.name
        ));
    }
    let (mut data, mut relocations) = (Vec::new(), Vec::new());
    for initial in &variable.initial {
        let bits = match initial {
            Initial::Bits(bits) => *bits,
            Initial::Symbol(name, offset) => {
                let of_name = |v: &Variable<'_>| v.name == *name && v.space != Space::Shared;
                let Some(index) = file.variables.iter().position(of_name) else {
                    return Err(format!("line {}: no variable `{name}`", variable.line));
                };
                if !variable.ty.wide() {
                    return Err(format!("line {}: an address in a narrow variable", variable.line));
                }
                relocations.push((data.len(), index, *offset));
                0
            }
        };
        data.extend_from_slice(&bits.to_le_bytes()[..variable.ty.bytes() as usize]);
    }
    let name = variable.name.to_owned();
    Ok(Global { name, bytes: variable.bytes, data, relocations, shared })
}

impl Module {
    pub fn functions(&self) -> &[Function] {
        &self.functions
    }

    /// Index of the kernel of this name.
    pub fn function(&self, name: &str) -> Option<usize> {
        self.functions.iter().position(|f| f.name == name)
    }

    /// Name of a source file by its number.
    pub fn source(&self, number: u32) -> Option<&str> {
        self.sources.get(&number).map(String::as_str)
    }

    /// Allocates and initialises the module's variables.
    pub fn load(self: Arc<Self>, memory: &Memory) -> Result<Loaded, String> {
        let mut loaded = Loaded { addresses: Vec::new(), module: self };
        let module = Arc::clone(&loaded.module);
        let placed = loaded.place(&module, memory);
        if placed.is_err() {
            loaded.unload(memory)?;
        }
        placed.map(|()| loaded)
    }
}

impl Loaded {
    fn place(&mut self, module: &Module, memory: &Memory) -> Result<(), String> {
        for global in &module.globals {
            let address = if global.shared {
                0
            } else {
                memory.alloc(global.bytes).ok_or("out of memory for a module's variables")?
            };
            self.addresses.push(address);
        }
        for (global, address) in module.globals.iter().zip(&self.addresses) {
            if global.shared {
                continue;
            }
            let mut data = global.data.clone();
            for (at, target, offset) in &global.relocations {
                let value = self.addresses[*target].wrapping_add_signed(*offset);
                data[*at..at + 8].copy_from_slice(&value.to_le_bytes());
            }
            memory.fill8(*address, 0, global.bytes)?;
            memory.write(*address, &data)?;
        }
        Ok(())
    }

    pub fn module(&self) -> &Arc<Module> {
        &self.module
    }

    /// Address and bytes of a module variable.
    pub fn variable(&self, name: &str) -> Option<(u64, u64)> {
        let index = self.module.globals.iter().position(|g| g.name == name && !g.shared)?;
        Some((self.addresses[index], self.module.globals[index].bytes))
    }

    pub(crate) fn address(&self, index: usize) -> u64 {
        self.addresses[index]
    }

    /// Frees the module's variables.
    pub fn unload(&self, memory: &Memory) -> Result<(), String> {
        self.addresses.iter().filter(|a| **a != 0).try_for_each(|a| memory.free(*a))
    }
}
