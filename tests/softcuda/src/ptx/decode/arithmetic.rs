//! Arithmetic.

use super::Decoder;
use super::modifiers::Modifiers;
use crate::exec::code::{Bin, Class, Directed, Logic, Mode, Op, Pred, Row, Toward, Tri, Un};
use crate::ptx::syntax::Operand;
use crate::ptx::types::Ty;

pub(super) const LOGICS: [(&str, Logic); 3] =
    [("and", Logic::And), ("or", Logic::Or), ("xor", Logic::Xor)];

/// Rounding of an operation: to nearest, or directed. `full` and `approx` are approximations.
enum Rounding {
    Nearest,
    Directed(Toward),
    Approximate,
}

fn rounding(modifiers: &mut Modifiers<'_>) -> Rounding {
    if modifiers.flag("approx") || modifiers.flag("full") {
        return Rounding::Approximate;
    }
    let table = [
        ("rn", None),
        ("rz", Some(Toward::Zero)),
        ("rm", Some(Toward::Down)),
        ("rp", Some(Toward::Up)),
    ];
    match modifiers.pick(&table) {
        Some(Some(toward)) => Rounding::Directed(toward),
        _ => Rounding::Nearest,
    }
}

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
            "div" => {
                let round = rounding(modifiers);
                let ty = modifiers.flushed_ty()?;
                self.rounded(round, Directed::Div, Op::Bin(Bin::Div, ty), ty, operands, 2)?;
            }
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

    fn uniform(
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

    /// An operation with a rounding mode.
    fn rounded(
        &mut self,
        round: Rounding,
        directed: Directed,
        nearest: Op,
        ty: Ty,
        operands: &[Operand<'a>],
        sources: usize,
    ) -> Result<Row, String> {
        let op = match round {
            Rounding::Directed(toward) if matches!(ty, Ty::F32 | Ty::F32z | Ty::F64) => {
                Op::Directed(directed, toward, ty)
            }
            Rounding::Directed(_) => return Err("directed rounding of this type".to_owned()),
            _ => nearest,
        };
        self.uniform(op, ty, operands, sources)
    }

    fn saturated(&mut self, row: Row, saturate: bool, ty: Ty) -> Result<(), String> {
        if saturate {
            if !matches!(ty, Ty::F32 | Ty::F32z | Ty::F16 | Ty::BF16) {
                return Err("saturation of this type".to_owned());
            }
            self.emit(Op::Un(Un::Saturate, ty), [row, row, 0, 0, 0, 0], 0);
        }
        Ok(())
    }

    fn sum(
        &mut self,
        base: &str,
        modifiers: &mut Modifiers<'_>,
        operands: &[Operand<'a>],
    ) -> Result<(), String> {
        let (writes, saturate) = (modifiers.flag("cc"), modifiers.flag("sat"));
        let round = rounding(modifiers);
        let ty = modifiers.flushed_ty()?;
        let (subtract, reads) = (base.starts_with("sub"), base.ends_with('c'));
        if reads || writes {
            let op = Op::Carry { subtract, wide: ty.wide(), reads, writes };
            return self.uniform(op, ty, operands, 2).map(drop);
        }
        let (op, directed) =
            if subtract { (Bin::Sub, Directed::Sub) } else { (Bin::Add, Directed::Add) };
        if saturate && ty == Ty::S32 {
            // Exact in 64 bits, then cut down.
            let r = self.rows(ty, operands, 2)?;
            let (a, b) = (self.new_row(true), self.new_row(true));
            let widen = Op::Convert(Ty::S64, Ty::S32, Mode::None, false);
            self.emit(widen, [a, r[1], 0, 0, 0, 0], 0);
            self.emit(widen, [b, r[2], 0, 0, 0, 0], 0);
            self.emit(Op::Bin(op, Ty::S64), [a, a, b, 0, 0, 0], 0);
            let narrow = Op::Convert(Ty::S32, Ty::S64, Mode::None, true);
            self.emit(narrow, [r[0], a, 0, 0, 0, 0], 0);
            return Ok(());
        }
        let to = self.rounded(round, directed, Op::Bin(op, ty), ty, operands, 2)?;
        self.saturated(to, saturate, ty)
    }

    fn product(
        &mut self,
        modifiers: &mut Modifiers<'_>,
        operands: &[Operand<'a>],
    ) -> Result<(), String> {
        let saturate = modifiers.flag("sat");
        let part = modifiers.pick(&[("lo", "lo"), ("hi", "hi"), ("wide", "wide")]);
        let round = rounding(modifiers);
        let ty = modifiers.flushed_ty()?;
        if modifiers.base() == "mul24" {
            return Err("24-bit products".to_owned());
        }
        match part {
            Some("wide") => {
                let a = self.source(Self::operand(operands, 1)?, ty)?;
                let b = self.source(Self::operand(operands, 2)?, ty)?;
                let to = self.target(Self::operand(operands, 0)?, ty.bytes() == 4)?;
                self.emit(Op::Bin(Bin::MulWide, ty), [to, a, b, 0, 0, 0], 0);
            }
            Some("hi") => drop(self.uniform(Op::Bin(Bin::MulHi, ty), ty, operands, 2)?),
            _ => {
                let nearest = Op::Bin(Bin::Mul, ty);
                let to = self.rounded(round, Directed::Mul, nearest, ty, operands, 2)?;
                self.saturated(to, saturate, ty)?;
            }
        }
        Ok(())
    }

    fn multiply_add(
        &mut self,
        base: &str,
        modifiers: &mut Modifiers<'_>,
        operands: &[Operand<'a>],
    ) -> Result<(), String> {
        let (writes, saturate) = (modifiers.flag("cc"), modifiers.flag("sat"));
        let part = modifiers.pick(&[("lo", "lo"), ("hi", "hi"), ("wide", "wide")]);
        let round = rounding(modifiers);
        let ty = modifiers.flushed_ty()?;
        if base == "mad24" {
            return Err("24-bit products".to_owned());
        }
        let reads = base == "madc";
        if ty.float() {
            let nearest = Op::Tri(Tri::Fma, ty);
            let to = self.rounded(round, Directed::Fma, nearest, ty, operands, 3)?;
            return self.saturated(to, saturate, ty);
        }
        if saturate {
            return Err("saturating integer multiply-add".to_owned());
        }
        if reads || writes {
            // The product, then a sum with carry.
            let r = self.rows(ty, operands, 3)?;
            let op = if part == Some("hi") { Bin::MulHi } else { Bin::Mul };
            let product = self.new_row(ty.wide());
            self.emit(Op::Bin(op, ty), [product, r[1], r[2], 0, 0, 0], 0);
            let op = Op::Carry { subtract: false, wide: ty.wide(), reads, writes };
            self.emit(op, [r[0], product, r[3], 0, 0, 0], 0);
            return Ok(());
        }
        match part {
            Some("wide") => {
                let sum = match ty {
                    Ty::S32 => Ty::S64,
                    Ty::U32 => Ty::U64,
                    _ => Ty::U32,
                };
                let a = self.source(Self::operand(operands, 1)?, ty)?;
                let b = self.source(Self::operand(operands, 2)?, ty)?;
                let c = self.source(Self::operand(operands, 3)?, sum)?;
                let to = self.target(Self::operand(operands, 0)?, sum.wide())?;
                self.emit(Op::Tri(Tri::MadWide, ty), [to, a, b, c, 0, 0], 0);
                Ok(())
            }
            Some("hi") if ty.bytes() == 2 => Err("high half of 16-bit products".to_owned()),
            Some("hi") => self.uniform(Op::Tri(Tri::MadHi, ty), ty, operands, 3).map(drop),
            _ => self.uniform(Op::Tri(Tri::Mad, ty), ty, operands, 3).map(drop),
        }
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

    fn function_of_one(
        &mut self,
        base: &str,
        modifiers: &mut Modifiers<'_>,
        operands: &[Operand<'a>],
    ) -> Result<(), String> {
        let round = rounding(modifiers);
        let ty = modifiers.flushed_ty()?;
        if !matches!(ty, Ty::F32 | Ty::F32z | Ty::F64) {
            return Err("this function of this type".to_owned());
        }
        let approximate = matches!(round, Rounding::Approximate);
        let (op, directed) = match base {
            "sqrt" => (Un::Sqrt, Some(Directed::Sqrt)),
            "rcp" if approximate && ty == Ty::F64 => (Un::RcpUpper, None),
            "rcp" => (Un::Rcp, Some(Directed::Rcp)),
            "rsqrt" if modifiers.base() == "rsqrt" && ty == Ty::F64 => (Un::Rsqrt, None),
            "rsqrt" => (Un::Rsqrt, None),
            "ex2" => (Un::Ex2, None),
            "lg2" => (Un::Lg2, None),
            "sin" => (Un::Sin, None),
            "cos" => (Un::Cos, None),
            _ => (Un::Tanh, None),
        };
        if ty == Ty::F64 && matches!(op, Un::Ex2 | Un::Lg2 | Un::Sin | Un::Cos | Un::Tanh) {
            return Err("this function of f64".to_owned());
        }
        match directed {
            Some(directed) => self.rounded(round, directed, Op::Un(op, ty), ty, operands, 1)?,
            None => self.uniform(Op::Un(op, ty), ty, operands, 1)?,
        };
        Ok(())
    }
}
