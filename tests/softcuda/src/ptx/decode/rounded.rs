//! What rounds, saturates or carries: sums, products, quotients, functions of one number.

use super::Decoder;
use super::modifiers::Modifiers;
use crate::exec::code::{Bin, Directed, Mode, Op, Row, Toward, Tri, Un};
use crate::ptx::syntax::Operand;
use crate::ptx::types::Ty;

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

    pub(super) fn sum(
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

    pub(super) fn product(
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

    pub(super) fn multiply_add(
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

    pub(super) fn quotient(
        &mut self,
        modifiers: &mut Modifiers<'_>,
        operands: &[Operand<'a>],
    ) -> Result<(), String> {
        let round = rounding(modifiers);
        let ty = modifiers.flushed_ty()?;
        self.rounded(round, Directed::Div, Op::Bin(Bin::Div, ty), ty, operands, 2).map(drop)
    }

    pub(super) fn function_of_one(
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
