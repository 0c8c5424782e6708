//! From syntax to [`Program`]: names become rows, addresses and instruction indices.
//!
//! A kernel is decoded together with the device functions that it calls. Each of them exists once
//! per kernel, with registers and local memory of its own, so there is no recursion. Functions come
//! before their callers: a lower address runs first, which makes diverged callers meet again behind
//! the call.

mod arithmetic;
mod control;
mod memory;
mod modifiers;
mod moves;
mod operands;
mod rounded;

use super::program::{Program, Site, Special, Value};
use super::syntax::{File, Instruction, Routine, Space, Statement, Variable};
use super::types::Ty;
use crate::exec::code::{Inst, Op, Pred, Row};
use modifiers::Modifiers;
use std::collections::HashMap;

/// What a variable's name stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Symbol {
    Variable(usize),
    Shared(u32),
    Dynamic,
    Local(u32),
    /// Parameter of the kernel.
    Param(u32),
}

/// A register.
#[derive(Clone, Copy, Debug)]
struct Slot {
    /// Row, or index of a predicate.
    at: Row,
    ty: Ty,
}

/// `.reg .b32 %r<100>`: members get their row when they're first used.
struct Family<'a> {
    prefix: &'a str,
    ty: Ty,
    count: u32,
    members: HashMap<u32, Slot>,
}

#[derive(Default)]
struct Scope<'a> {
    registers: HashMap<&'a str, Slot>,
    families: Vec<Family<'a>>,
    symbols: HashMap<&'a str, Symbol>,
}

/// A device function that is already decoded.
#[derive(Clone)]
struct Callee {
    start: u32,
    return_row: Row,
    /// Local offset and bytes.
    parameters: Vec<(u32, u32)>,
    returns: Vec<(u32, u32)>,
}

pub struct Decoder<'a, 'f> {
    file: &'f File<'a>,
    out: Program,
    constants: HashMap<(Value, bool), Row>,
    specials: HashMap<(Special, bool), Row>,
    scopes: Vec<Scope<'a>>,
    /// Shared variables of the module that this kernel has met.
    shared: HashMap<&'a str, Symbol>,
    /// None while a function is being decoded.
    callees: HashMap<&'a str, Option<Callee>>,
    labels: HashMap<&'a str, u32>,
    branches: Vec<(usize, &'a str, u32)>,
    tables: HashMap<&'a str, Vec<&'a str>>,
    table_uses: Vec<(usize, &'a str, u32)>,
    return_row: Option<Row>,
    site: Site,
    guard: Pred,
    sink: Row,
    scratch: Row,
}

/// Decodes a kernel. An error names the line.
pub fn kernel<'a>(file: &File<'a>, routine: &Routine<'a>) -> Result<Program, String> {
    let mut decoder = Decoder {
        file,
        out: Program { preds: Pred::FIRST_FREE, ..Program::default() },
        constants: HashMap::new(),
        specials: HashMap::new(),
        scopes: Vec::new(),
        shared: HashMap::new(),
        callees: HashMap::new(),
        labels: HashMap::new(),
        branches: Vec::new(),
        tables: HashMap::new(),
        table_uses: Vec::new(),
        return_row: None,
        site: Site::default(),
        guard: Pred::TRUE,
        sink: 0,
        scratch: 0,
    };
    decoder.sink = decoder.new_row(true);
    decoder.scratch = decoder.new_row(true);
    decoder.routine(routine)?;
    Ok(decoder.out)
}

/// Offset of the next variable in a sequence of them, which moves on.
pub fn place(end: &mut u32, variable: &Variable<'_>) -> Result<u32, String> {
    let at = end.checked_next_multiple_of(variable.align);
    let next = at.and_then(|at| at.checked_add(u32::try_from(variable.bytes).ok()?));
    let (Some(at), Some(next)) = (at, next) else {
        return Err(format!("line {}: `{}` is too large", variable.line, variable.name));
    };
    *end = next;
    Ok(at)
}

impl<'a> Decoder<'a, '_> {
    /// Decodes a body behind what is there; returns and parameters are in `self.callees` after.
    fn routine(&mut self, routine: &Routine<'a>) -> Result<(), String> {
        let name = routine.name;
        let Some(body) = &routine.body else {
            return Err(format!(
                "line {}: `{name}` has no body: calls out of the module aren't supported",
                routine.line
            ));
        };
        self.callees.insert(name, None);
        for statement in body {
            if let Statement::Instruction(instruction) = statement
                && let Some(callee) = control::callee(instruction)
            {
                self.function(callee, instruction.line)?;
            }
        }
        let mut scope = Scope::default();
        let (mut parameters, mut returns, mut offset) = (Vec::new(), Vec::new(), 0);
        for formal in &routine.parameters {
            let symbol = if routine.entry {
                Symbol::Param(place(&mut offset, formal)?)
            } else {
                let at = place(&mut self.out.local, formal)?;
                parameters.push((at, formal.bytes as u32));
                Symbol::Local(at)
            };
            scope.symbols.insert(formal.name, symbol);
        }
        for formal in &routine.returns {
            let at = place(&mut self.out.local, formal)?;
            returns.push((at, formal.bytes as u32));
            scope.symbols.insert(formal.name, Symbol::Local(at));
        }
        self.scopes = vec![scope];
        self.labels.clear();
        self.tables.clear();
        self.return_row = (!routine.entry).then(|| self.new_row(false));
        self.site = Site { ptx_line: routine.line, ..Site::default() };
        let start = self.out.code.len() as u32;
        for statement in body {
            self.statement(statement)?;
        }
        // Falling off the end returns.
        self.guard = Pred::TRUE;
        self.leave();
        self.resolve_branches()?;
        self.out.start = start;
        if let Some(return_row) = self.return_row {
            let callee = Callee { start, return_row, parameters, returns };
            self.callees.insert(name, Some(callee));
        }
        Ok(())
    }

    /// Decodes a function that is called, unless it has been.
    fn function(&mut self, name: &'a str, line: u32) -> Result<(), String> {
        match self.callees.get(name) {
            Some(Some(_)) => return Ok(()),
            Some(None) => return Err(format!("line {line}: `{name}` calls itself")),
            None => {}
        }
        let of_name = |r: &&Routine<'a>| r.name == name && !r.entry;
        let mut candidates = self.file.routines.iter().filter(of_name);
        let found = candidates.clone().find(|r| r.body.is_some()).or(candidates.next());
        let Some(routine) = found else {
            return Err(format!("line {line}: no function `{name}`"));
        };
        self.routine(routine)
    }

    fn statement(&mut self, statement: &Statement<'a>) -> Result<(), String> {
        match statement {
            Statement::Label(label) => {
                let at = self.out.code.len() as u32;
                if self.labels.insert(label, at).is_some() {
                    return Err(format!("label `{label}` is there twice"));
                }
            }
            Statement::Registers { name, ty, count: Some(count) } => {
                let family =
                    Family { prefix: name, ty: *ty, count: *count, members: HashMap::new() };
                if let Some(scope) = self.scopes.last_mut() {
                    scope.families.push(family);
                }
            }
            Statement::Registers { name, ty, count: None } => {
                let slot = self.new_slot(*ty);
                if let Some(scope) = self.scopes.last_mut() {
                    scope.registers.insert(name, slot);
                }
            }
            Statement::Variable(variable) => {
                let symbol = match variable.space {
                    Space::Shared => self.shared_variable(variable)?,
                    _ => Symbol::Local(place(&mut self.out.local, variable)?),
                };
                if let Some(scope) = self.scopes.last_mut() {
                    scope.symbols.insert(variable.name, symbol);
                }
            }
            Statement::Open => self.scopes.push(Scope::default()),
            Statement::Close => {
                self.scopes.pop();
            }
            Statement::Place { file, line } => {
                // Line 0 marks what the compiler made up: the last real line says more.
                if *line != 0 {
                    (self.site.file, self.site.line) = (*file, *line);
                }
            }
            Statement::Targets { label, targets } => {
                self.tables.insert(label, targets.clone());
            }
            Statement::Instruction(instruction) => {
                self.site.ptx_line = instruction.line;
                self.instruction(instruction).map_err(|error| {
                    format!("line {}: `{}`: {error}", instruction.line, instruction.opcode)
                })?;
            }
        }
        Ok(())
    }

    fn shared_variable(&mut self, variable: &Variable<'a>) -> Result<Symbol, String> {
        if variable.external {
            return Ok(Symbol::Dynamic);
        }
        if !variable.initial.is_empty() {
            return Err(format!("line {}: shared memory has no initial value", variable.line));
        }
        Ok(Symbol::Shared(place(&mut self.out.shared, variable)?))
    }

    fn instruction(&mut self, instruction: &Instruction<'a>) -> Result<(), String> {
        self.guard = match instruction.guard {
            Some((name, negated)) => Pred::new(self.pred_register(name)?, negated),
            None => Pred::TRUE,
        };
        let mut modifiers = Modifiers::new(instruction.opcode);
        let operands = &instruction.operands;
        let base = modifiers.base();
        if !self.control(base, &mut modifiers, operands)?
            && !self.memory(base, &mut modifiers, operands)?
            && !self.arithmetic(base, &mut modifiers, operands)?
        {
            return Err("not an instruction that the software device knows".to_owned());
        }
        modifiers.finish()
    }

    /// Appends an instruction under the guard of the current one.
    fn emit(&mut self, op: Op, r: [Row; 6], imm: i64) {
        self.out.code.push(Inst { op, guard: self.guard, r, imm });
        self.out.sites.push(self.site);
    }

    fn new_row(&mut self, wide: bool) -> Row {
        let row = self.out.rows;
        self.out.rows += if wide { 2 } else { 1 };
        row
    }

    fn new_slot(&mut self, ty: Ty) -> Slot {
        let at = if ty == Ty::Pred {
            self.out.preds += 1;
            self.out.preds - 1
        } else {
            self.new_row(ty.wide())
        };
        Slot { at, ty }
    }

    /// A register by name, innermost scope first.
    fn slot(&mut self, name: &str) -> Option<Slot> {
        let digits = name.len() - name.bytes().rev().take_while(u8::is_ascii_digit).count();
        let (prefix, number) = name.split_at(digits);
        let number = number.parse::<u32>().ok();
        for depth in (0..self.scopes.len()).rev() {
            if let Some(slot) = self.scopes[depth].registers.get(name) {
                return Some(*slot);
            }
            let Some(number) = number else { continue };
            let wanted = |f: &Family<'a>| f.prefix == prefix && number < f.count;
            let Some(index) = self.scopes[depth].families.iter().position(wanted) else {
                continue;
            };
            if let Some(slot) = self.scopes[depth].families[index].members.get(&number) {
                return Some(*slot);
            }
            let slot = self.new_slot(self.scopes[depth].families[index].ty);
            self.scopes[depth].families[index].members.insert(number, slot);
            return Some(slot);
        }
        None
    }

    /// A variable by name: of the body, then of the module.
    fn symbol(&mut self, name: &str) -> Result<Option<Symbol>, String> {
        let local = self.scopes.iter().rev().find_map(|scope| scope.symbols.get(name));
        if let Some(symbol) = local.or(self.shared.get(name)) {
            return Ok(Some(*symbol));
        }
        let Some(index) = self.file.variables.iter().position(|v| v.name == name) else {
            return Ok(None);
        };
        let variable = &self.file.variables[index];
        if variable.space != Space::Shared {
            return Ok(Some(Symbol::Variable(index)));
        }
        let symbol = self.shared_variable(variable)?;
        self.shared.insert(variable.name, symbol);
        Ok(Some(symbol))
    }
}
