//! Arithmetic; what rounds or carries is in [`super::rounded`].

use super::Decoder;
use super::modifiers::Modifiers;
use crate::exec::code::{Bin, Class, Logic, Op, Pred, Row, Tri, Un};
use crate::ptx::syntax::Operand;
use crate::ptx::types::Ty;

pub(super) const LOGICS: [(&str, Logic); 3] =
    [("and", Logic::And), ("or", Logic::Or), ("xor", Logic::Xor)];

impl<'a> Decoder<'a, '_> {
    /// Whether it was one of these.
    pub(super) fn arithmetic(
        &mut self,
        base: &str,
        modifiers: &mut Modifiers<'_>,
        operands: &[Operand<'a>],
    ) -> Result<bool, String> {
        match base {
            "add" | "sub" | "addc" | "subc" => self.sum(base, modifiers, operands)?,
            "mul" | "mul24" => self.product(modifiers, operands)?,
            "mad" | "madc" | "fma" | "mad24" => self.multiply_add(base, modifiers, operands)?,
            "div" => self.quotient(modifiers, operands)?,
            "rem" | "min" | "max" | "copysign" => {
                let nan = modifiers.flag("NaN");
                let ty = modifiers.flushed_ty()?;
                let op = match base {
                    "rem" => Bin::Rem,
                    "min" if nan => Bin::MinNan,
                    "min" => Bin::Min,
                    "max" if nan => Bin::MaxNan,
                    "max" => Bin::Max,
                    _ => Bin::Copysign,
                };
                if matches!(ty, Ty::F16x2 | Ty::BF16x2) && base == "copysign" {
                    return Err("packed copysign".to_owned());
                }
                self.uniform(Op::Bin(op, ty), ty, operands, 2)?;
            }
            "and" | "or" | "xor" | "not" => self.bitwise(base, modifiers, operands)?,
            "shl" | "shr" => {
                let ty = modifiers.ty()?;
                let op = if base == "shl" { Bin::Shl } else { Bin::Shr };
                let to = self.target(Self::operand(operands, 0)?, ty.wide())?;
                let a = self.source(Self::operand(operands, 1)?, ty)?;
                let b = self.source(Self::operand(operands, 2)?, Ty::U32)?;
                self.emit(Op::Bin(op, ty), [to, a, b, 0, 0, 0], 0);
            }
            "neg" | "abs" | "cnot" | "brev" => {
                let ty = modifiers.flushed_ty()?;
                let op = match base {
                    "neg" => Un::Neg,
                    "abs" => Un::Abs,
                    "cnot" => Un::Cnot,
                    _ => Un::Brev,
                };
                self.uniform(Op::Un(op, ty), ty, operands, 1)?;
            }
            "popc" | "clz" | "bfind" => {
                let shift = modifiers.flag("shiftamt");
                let ty = modifiers.ty()?;
                let op = match base {
                    "popc" => Un::Popc,
                    "clz" => Un::Clz,
                    _ if shift => Un::BfindShift,
                    _ => Un::Bfind,
                };
                let to = self.target(Self::operand(operands, 0)?, false)?;
                let a = self.source(Self::operand(operands, 1)?, ty)?;
                self.emit(Op::Un(op, ty), [to, a, 0, 0, 0, 0], 0);
            }
            "sqrt" | "rcp" | "rsqrt" | "ex2" | "lg2" | "sin" | "cos" | "tanh" => {
                self.function_of_one(base, modifiers, operands)?;
            }
            "lop3" => {
                modifiers.ty()?;
                let Operand::Int(table) = Self::operand(operands, 4)? else {
                    return Err("a truth table that isn't a constant".to_owned());
                };
                let r = self.rows(Ty::U32, operands, 3)?;
                self.emit(Op::Tri(Tri::Lop3, Ty::U32), r, *table as i64);
            }
            "prmt" => {
                modifiers.ty()?;
                self.uniform(Op::Tri(Tri::Prmt, Ty::U32), Ty::U32, operands, 3)?;
            }
            "shf" => {
                let (left, wrap) = (modifiers.flag("l"), modifiers.flag("wrap"));
                modifiers.ignore(&["r", "clamp"]);
                modifiers.ty()?;
                let op = match (left, wrap) {
                    (true, true) => Tri::ShfLeftWrap,
                    (true, false) => Tri::ShfLeftClamp,
                    (false, true) => Tri::ShfRightWrap,
                    (false, false) => Tri::ShfRightClamp,
                };
                self.uniform(Op::Tri(op, Ty::U32), Ty::U32, operands, 3)?;
            }
            "bfe" => {
                let ty = modifiers.ty()?;
                let to = self.target(Self::operand(operands, 0)?, ty.wide())?;
                let a = self.source(Self::operand(operands, 1)?, ty)?;
                let b = self.source(Self::operand(operands, 2)?, Ty::U32)?;
                let c = self.source(Self::operand(operands, 3)?, Ty::U32)?;
                self.emit(Op::Tri(Tri::Bfe, ty), [to, a, b, c, 0, 0], 0);
            }
            "bfi" => {
                let ty = modifiers.ty()?;
                let to = self.target(Self::operand(operands, 0)?, ty.wide())?;
                let a = self.source(Self::operand(operands, 1)?, ty)?;
                let b = self.source(Self::operand(operands, 2)?, ty)?;
                let c = self.source(Self::operand(operands, 3)?, Ty::U32)?;
                let d = self.source(Self::operand(operands, 4)?, Ty::U32)?;
                self.emit(Op::Bfi(ty.wide()), [to, a, b, c, d, 0], 0);
            }
            "sad" => {
                let ty = modifiers.ty()?;
                self.uniform(Op::Tri(Tri::Sad, ty), ty, operands, 3)?;
            }
            "dp4a" => {
                let (a, b) = (modifiers.ty()?, modifiers.ty()?);
                let op = match (a, b) {
                    (Ty::U32, Ty::U32) => Tri::Dp4a,
                    (Ty::S32, Ty::S32) => Tri::Dp4aSigned,
                    _ => return Err("operands of mixed signs".to_owned()),
                };
                self.uniform(Op::Tri(op, Ty::U32), Ty::U32, operands, 3)?;
            }
            "setp" | "set" => self.comparison(base, modifiers, operands)?,
            "testp" => {
                let table = [
                    ("finite", Class::Finite),
                    ("infinite", Class::Infinite),
                    ("number", Class::Number),
                    ("notanumber", Class::NotANumber),
                    ("normal", Class::Normal),
                    ("subnormal", Class::Subnormal),
                ];
                let class = modifiers.pick(&table).ok_or("no class")?;
                let ty = modifiers.ty()?;
                let to = self.pred_target(Self::operand(operands, 0)?)?;
                let a = self.source(Self::operand(operands, 1)?, ty)?;
                self.emit(Op::Testp(class, ty), [to, a, 0, 0, 0, 0], 0);
            }
            "selp" => {
                let ty = modifiers.ty()?;
                let mut r = self.rows(ty, operands, 2)?;
                r[3] = self.pred_source(Self::operand(operands, 3)?)?.0;
                self.emit(Op::Selp { wide: ty.wide() }, r, 0);
            }
            "slct" => {
                let ty = modifiers.flushed_ty()?;
                let by = modifiers.ty()?;
                let mut r = self.rows(ty, operands, 2)?;
                r[3] = self.source(Self::operand(operands, 3)?, by)?;
                self.emit(Op::Slct { wide: ty.wide(), float: by.float() }, r, 0);
            }
            "cvt" => self.conversion(modifiers, operands)?,
            "mov" => self.movement(modifiers, operands)?,
            _ => return Ok(false),
        }
        Ok(true)
    }

    /// Target and `sources` sources of one type.
    pub(super) fn rows(
        &mut self,
        ty: Ty,
        operands: &[Operand<'a>],
        sources: usize,
    ) -> Result<[Row; 6], String> {
        let mut r = [0; 6];
        for (index, row) in r.iter_mut().enumerate().skip(1).take(sources) {
            *row = self.source(Self::operand(operands, index)?, ty)?;
        }
        r[0] = self.target(Self::operand(operands, 0)?, ty.wide())?;
        Ok(r)
    }

    pub(super) fn uniform(
        &mut self,
        op: Op,
        ty: Ty,
        operands: &[Operand<'a>],
        sources: usize,
    ) -> Result<Row, String> {
        let r = self.rows(ty, operands, sources)?;
        if operands.len() != sources + 1 {
            return Err(format!("{} operands, not {}", operands.len(), sources + 1));
        }
        self.emit(op, r, 0);
        Ok(r[0])
    }

    fn bitwise(
        &mut self,
        base: &str,
        modifiers: &mut Modifiers<'_>,
        operands: &[Operand<'a>],
    ) -> Result<(), String> {
        let ty = modifiers.ty()?;
        let logic = LOGICS.iter().find(|(name, _)| *name == base).map(|(_, logic)| *logic);
        if ty == Ty::Pred {
            let to = self.pred_target(Self::operand(operands, 0)?)?;
            let a = self.pred_source(Self::operand(operands, 1)?)?;
            let (logic, a, b) = match logic {
                Some(logic) => (logic, a, self.pred_source(Self::operand(operands, 2)?)?),
                None => (Logic::And, a.negated(), Pred::TRUE),
            };
            self.emit(Op::Logic(logic), [to, a.0, b.0, 0, 0, 0], 0);
            return Ok(());
        }
        let ty = ty.integer();
        match logic {
            Some(Logic::And) => self.uniform(Op::Bin(Bin::And, ty), ty, operands, 2)?,
            Some(Logic::Or) => self.uniform(Op::Bin(Bin::Or, ty), ty, operands, 2)?,
            Some(Logic::Xor) => self.uniform(Op::Bin(Bin::Xor, ty), ty, operands, 2)?,
            None => self.uniform(Op::Un(Un::Not, ty), ty, operands, 1)?,
        };
        Ok(())
    }
}
