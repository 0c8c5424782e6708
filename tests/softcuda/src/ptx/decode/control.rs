//! Branches, calls, barriers, and what the lanes of a warp do together.

use super::Decoder;
use super::modifiers::Modifiers;
use crate::exec::code::{Atomic, Op, Pred, Reduce, Shuffle, Vote};
use crate::ptx::syntax::{Instruction, Operand};
use crate::ptx::types::Ty;

/// Name of the function that an instruction calls, if it does.
pub fn callee<'a>(instruction: &Instruction<'a>) -> Option<&'a str> {
    if !matches!(instruction.opcode, "call" | "call.uni") {
        return None;
    }
    instruction.operands.iter().find_map(|operand| match operand {
        Operand::Word(name) => Some(*name),
        _ => None,
    })
}

impl<'a> Decoder<'a, '_> {
    /// Whether it was one of these.
    pub(super) fn control(
        &mut self,
        base: &str,
        modifiers: &mut Modifiers<'_>,
        operands: &[Operand<'a>],
    ) -> Result<bool, String> {
        match base {
            "bra" => {
                modifiers.ignore(&["uni"]);
                let Operand::Word(label) = Self::operand(operands, 0)? else {
                    return Err("no label".to_owned());
                };
                self.branches.push((self.out.code.len(), label, self.site.ptx_line));
                self.emit(Op::Branch, [0; 6], 0);
            }
            "brx" => {
                modifiers.ignore(&["idx", "uni"]);
                let index = self.source(Self::operand(operands, 0)?, Ty::U32)?;
                let Operand::Word(label) = Self::operand(operands, 1)? else {
                    return Err("no table".to_owned());
                };
                self.table_uses.push((self.out.code.len(), label, self.site.ptx_line));
                self.emit(Op::BranchIndex, [index, 0, 0, 0, 0, 0], 0);
            }
            "call" => {
                modifiers.ignore(&["uni"]);
                self.call(operands)?;
            }
            "ret" => {
                modifiers.ignore(&["uni"]);
                self.leave();
            }
            "exit" => self.emit(Op::Exit, [0; 6], 0),
            "trap" => self.emit(Op::Trap, [0; 6], 0),
            "brkpt" | "pmevent" => {}
            "griddepcontrol" => modifiers.ignore(&["launch_dependents", "wait"]),
            "nanosleep" => {
                modifiers.ty()?;
                self.emit(Op::Pause, [0; 6], 0);
            }
            "bar" | "barrier" => self.barrier(base, modifiers, operands)?,
            "shfl" => self.shuffle(modifiers, operands)?,
            "vote" => self.vote(modifiers, operands)?,
            "match" => {
                if !modifiers.flag("sync") {
                    return Err("without `.sync`".to_owned());
                }
                let (any, all) = (modifiers.flag("any"), modifiers.flag("all"));
                let ty = modifiers.ty()?;
                if any == all {
                    return Err("neither `.any` nor `.all`".to_owned());
                }
                let value = self.source(Self::operand(operands, 1)?, ty)?;
                let members = self.source(Self::operand(operands, 2)?, Ty::U32)?;
                let (to, pred) = self.with_pred(Self::operand(operands, 0)?)?;
                let r = [to, value, 0, 0, members, pred];
                self.emit(Op::Match { wide: ty.wide(), all }, r, 0);
            }
            "mma" => self.matrix_product(modifiers, operands)?,
            "redux" => {
                if !modifiers.flag("sync") {
                    return Err("without `.sync`".to_owned());
                }
                let table = [
                    ("add", Atomic::Add),
                    ("min", Atomic::Min),
                    ("max", Atomic::Max),
                    ("and", Atomic::And),
                    ("or", Atomic::Or),
                    ("xor", Atomic::Xor),
                ];
                let op = modifiers.pick(&table).ok_or("no operation")?;
                let ty = modifiers.ty()?;
                if ty.bytes() != 4 || ty.float() {
                    return Err("of this type".to_owned());
                }
                let value = self.source(Self::operand(operands, 1)?, ty)?;
                let members = self.source(Self::operand(operands, 2)?, Ty::U32)?;
                let to = self.target(Self::operand(operands, 0)?, false)?;
                let ty = if ty.signed() { ty } else { ty.integer() };
                self.emit(Op::Redux(op, ty), [to, value, 0, 0, members, 0], 0);
            }
            "activemask" => {
                modifiers.ty()?;
                let to = self.target(Self::operand(operands, 0)?, false)?;
                self.emit(Op::ActiveMask, [to, 0, 0, 0, 0, 0], 0);
            }
            _ => return Ok(false),
        }
        Ok(true)
    }

    /// Return or exit.
    pub(super) fn leave(&mut self) {
        match self.return_row {
            Some(row) => self.emit(Op::Return, [row, 0, 0, 0, 0, 0], 0),
            None => self.emit(Op::Exit, [0; 6], 0),
        }
    }

    pub(super) fn resolve_branches(&mut self) -> Result<(), String> {
        for (at, label, line) in std::mem::take(&mut self.branches) {
            let Some(target) = self.labels.get(label) else {
                return Err(format!("line {line}: no label `{label}`"));
            };
            self.out.code[at].imm = i64::from(*target);
        }
        for (at, name, line) in std::mem::take(&mut self.table_uses) {
            let Some(labels) = self.tables.get(name) else {
                return Err(format!("line {line}: no table `{name}`"));
            };
            let targets = labels.iter().map(|label| self.labels.get(label).copied());
            let Some(targets) = targets.collect() else {
                return Err(format!("line {line}: `{name}` names a label that isn't there"));
            };
            self.out.code[at].imm = self.out.tables.len() as i64;
            self.out.tables.push(targets);
        }
        Ok(())
    }

    /// Arguments and results are local variables that are copied before and after the jump.
    fn call(&mut self, operands: &[Operand<'a>]) -> Result<(), String> {
        let name = operands.iter().find_map(|operand| match operand {
            Operand::Word(name) => Some(*name),
            _ => None,
        });
        let at = operands.iter().position(|operand| matches!(operand, Operand::Word(_)));
        let (Some(name), Some(at)) = (name, at) else {
            return Err("no function".to_owned());
        };
        let list = |index: Option<usize>| match index.and_then(|i| operands.get(i)) {
            Some(Operand::List(list)) => list.as_slice(),
            _ => &[],
        };
        let (results, arguments) = (list(at.checked_sub(1)), list(Some(at + 1)));
        if operands.len() > at + 2 {
            return Err("a prototype: indirect calls".to_owned());
        }
        let Some(Some(callee)) = self.callees.get(name).cloned() else {
            return Err(format!("no function `{name}`"));
        };
        if arguments.len() != callee.parameters.len() || results.len() != callee.returns.len() {
            return Err(format!("`{name}` takes other arguments"));
        }
        for (argument, (to, bytes)) in arguments.iter().zip(&callee.parameters) {
            let from = self.argument(argument)?;
            self.emit(Op::CopyLocal, [*to, from, *bytes, 0, 0, 0], 0);
        }
        self.emit(Op::Call, [callee.return_row, 0, 0, 0, 0, 0], i64::from(callee.start));
        for (result, (from, bytes)) in results.iter().zip(&callee.returns) {
            let to = self.argument(result)?;
            self.emit(Op::CopyLocal, [to, *from, *bytes, 0, 0, 0], 0);
        }
        Ok(())
    }

    fn argument(&mut self, operand: &Operand<'a>) -> Result<u32, String> {
        if let Operand::Word(name) = operand
            && let Some(super::Symbol::Local(at)) = self.symbol(name)?
        {
            return Ok(at);
        }
        Err(format!("{operand:?} as an argument"))
    }

    fn barrier(
        &mut self,
        base: &str,
        modifiers: &mut Modifiers<'_>,
        operands: &[Operand<'a>],
    ) -> Result<(), String> {
        modifiers.ignore(&["cta"]);
        // `bar` is `barrier` with `.aligned`.
        let aligned = modifiers.flag("aligned") || base == "bar";
        if modifiers.flag("warp") {
            if !modifiers.flag("sync") {
                return Err("without `.sync`".to_owned());
            }
            let members = self.source(Self::operand(operands, 0)?, Ty::U32)?;
            self.emit(Op::WarpSync, [0, 0, 0, 0, members, 0], 0);
            return Ok(());
        }
        let arrive = modifiers.flag("arrive");
        if !arrive && !modifiers.flag("red") && !modifiers.flag("sync") {
            return Err("neither `.sync`, `.red` nor `.arrive`".to_owned());
        }
        let table = [("popc", Reduce::Popc), ("and", Reduce::And), ("or", Reduce::Or)];
        let reduce = modifiers.pick(&table).unwrap_or(Reduce::None);
        let mut r = [0; 6];
        let mut operands = operands.iter();
        r[0] = match reduce {
            Reduce::None => self.sink,
            Reduce::Popc => {
                modifiers.ty()?;
                self.target(operands.next().ok_or("no target")?, false)?
            }
            _ => {
                modifiers.ty()?;
                self.pred_target(operands.next().ok_or("no target")?)?
            }
        };
        r[1] = self.source(operands.next().ok_or("no barrier")?, Ty::U32)?;
        let mut rest: Vec<&Operand<'a>> = operands.collect();
        r[3] = Pred::TRUE.0;
        if reduce != Reduce::None {
            r[3] = self.pred_source(rest.pop().ok_or("no predicate")?)?.0;
        }
        let counted = !rest.is_empty();
        if let Some(count) = rest.first() {
            r[2] = self.source(count, Ty::U32)?;
        }
        self.emit(Op::Barrier { reduce, aligned, arrive }, r, i64::from(counted));
        Ok(())
    }

    /// A target with a predicate behind a bar.
    fn with_pred(&mut self, operand: &Operand<'a>) -> Result<(u32, u32), String> {
        match operand {
            Operand::Pair(to, pred) => {
                Ok((self.target(&Operand::Word(to), false)?, self.pred_register(pred)?))
            }
            other => Ok((self.target(other, false)?, Pred::SINK)),
        }
    }

    fn shuffle(
        &mut self,
        modifiers: &mut Modifiers<'_>,
        operands: &[Operand<'a>],
    ) -> Result<(), String> {
        if !modifiers.flag("sync") {
            return Err("without `.sync`".to_owned());
        }
        let table = [
            ("up", Shuffle::Up),
            ("down", Shuffle::Down),
            ("bfly", Shuffle::Butterfly),
            ("idx", Shuffle::Index),
        ];
        let how = modifiers.pick(&table).ok_or("no direction")?;
        modifiers.ty()?;
        let value = self.source(Self::operand(operands, 1)?, Ty::B32)?;
        let by = self.source(Self::operand(operands, 2)?, Ty::U32)?;
        let clamp = self.source(Self::operand(operands, 3)?, Ty::U32)?;
        let members = self.source(Self::operand(operands, 4)?, Ty::U32)?;
        let (to, pred) = self.with_pred(Self::operand(operands, 0)?)?;
        self.emit(Op::Shuffle(how), [to, value, by, clamp, members, pred], 0);
        Ok(())
    }

    /// `mma` of 16 × 8 with 8 × 8 numbers of tf32, added up in f32.
    fn matrix_product(
        &mut self,
        modifiers: &mut Modifiers<'_>,
        operands: &[Operand<'a>],
    ) -> Result<(), String> {
        let known = ["sync", "aligned", "m16n8k8", "row", "col", "f32", "tf32", "tf32", "f32"];
        if !known.iter().all(|part| modifiers.flag(part)) {
            return Err("of these shapes and types".to_owned());
        }
        let mut rows = Vec::new();
        for (index, count) in [4, 4, 2, 4].into_iter().enumerate() {
            let parts = match Self::operand(operands, index)? {
                Operand::Vector(parts) if parts.len() == count => parts,
                _ => return Err(format!("operand {} is not of {count} registers", index + 1)),
            };
            for part in parts {
                let row = match index {
                    0 => self.target(part, false),
                    _ => self.source(part, Ty::B32),
                };
                rows.push(row?);
            }
        }
        let rows = rows.try_into().map_err(|_| "not of 14 registers")?;
        let all = self.bits(u64::from(u32::MAX), false);
        let at = self.out.fragments.len() as i64;
        self.out.fragments.push(rows);
        self.emit(Op::MultiplyMatrices, [0, 0, 0, 0, all, 0], at);
        Ok(())
    }

    fn vote(
        &mut self,
        modifiers: &mut Modifiers<'_>,
        operands: &[Operand<'a>],
    ) -> Result<(), String> {
        if !modifiers.flag("sync") {
            return Err("without `.sync`".to_owned());
        }
        let table = [
            ("all", Vote::All),
            ("any", Vote::Any),
            ("uni", Vote::Uniform),
            ("ballot", Vote::Ballot),
        ];
        let how = modifiers.pick(&table).ok_or("no kind")?;
        modifiers.ty()?;
        let first = Self::operand(operands, 0)?;
        let to = match how {
            Vote::Ballot => self.target(first, false)?,
            _ => self.pred_target(first)?,
        };
        let pred = self.pred_source(Self::operand(operands, 1)?)?;
        let members = self.source(Self::operand(operands, 2)?, Ty::U32)?;
        self.emit(Op::Vote(how), [to, pred.0, 0, 0, members, 0], 0);
        Ok(())
    }
}
