//! The dotted parts of an opcode. Each must be asked for by someone: what is left over at the end
//! is an error, so nothing is silently ignored.

use crate::ptx::types::Ty;

pub struct Modifiers<'a> {
    base: &'a str,
    left: Vec<&'a str>,
}

impl<'a> Modifiers<'a> {
    pub fn new(opcode: &'a str) -> Self {
        let mut parts = opcode.split('.');
        Self { base: parts.next().unwrap_or_default(), left: parts.collect() }
    }

    pub fn base(&self) -> &'a str {
        self.base
    }

    /// Takes a modifier, if it's there.
    pub fn flag(&mut self, name: &str) -> bool {
        let found = self.left.iter().position(|part| *part == name);
        found.map(|at| self.left.remove(at)).is_some()
    }

    /// Takes those that change nothing here.
    pub fn ignore(&mut self, names: &[&str]) {
        self.left.retain(|part| !names.contains(part));
    }

    /// Takes the first modifier that a table knows.
    pub fn pick<T: Copy>(&mut self, table: &[(&str, T)]) -> Option<T> {
        for at in 0..self.left.len() {
            if let Some((_, value)) = table.iter().find(|(name, _)| *name == self.left[at]) {
                self.left.remove(at);
                return Some(*value);
            }
        }
        None
    }

    /// Takes the first type.
    pub fn ty(&mut self) -> Result<Ty, String> {
        for at in 0..self.left.len() {
            if let Some(ty) = Ty::parse(self.left[at]) {
                self.left.remove(at);
                return Ok(ty);
            }
        }
        Err("no type".to_owned())
    }

    /// The first type, with `.ftz` folded in.
    pub fn flushed_ty(&mut self) -> Result<Ty, String> {
        let (flush, ty) = (self.flag("ftz"), self.ty()?);
        Ok(if flush && ty == Ty::F32 { Ty::F32z } else { ty })
    }

    pub fn finish(self) -> Result<(), String> {
        match self.left.first() {
            Some(part) => Err(format!("modifier `.{part}` isn't supported")),
            None => Ok(()),
        }
    }
}
