//! Comparisons, conversions and moves.

use super::Decoder;
use super::arithmetic::LOGICS;
use super::modifiers::Modifiers;
use crate::exec::code::{Compare, Logic, Mode, Op, Pred, Toward, Un};
use crate::ptx::syntax::Operand;
use crate::ptx::types::Ty;

const COMPARES: [(&str, Compare); 18] = [
    ("eq", Compare::Eq),
    ("ne", Compare::Ne),
    ("lt", Compare::Lt),
    ("le", Compare::Le),
    ("gt", Compare::Gt),
    ("ge", Compare::Ge),
    ("lo", Compare::Lt),
    ("ls", Compare::Le),
    ("hi", Compare::Gt),
    ("hs", Compare::Ge),
    ("equ", Compare::Equ),
    ("neu", Compare::Neu),
    ("ltu", Compare::Ltu),
    ("leu", Compare::Leu),
    ("gtu", Compare::Gtu),
    ("geu", Compare::Geu),
    ("num", Compare::Num),
    ("nan", Compare::Nan),
];

impl<'a> Decoder<'a, '_> {
    pub(super) fn comparison(
        &mut self,
        base: &str,
        modifiers: &mut Modifiers<'_>,
        operands: &[Operand<'a>],
    ) -> Result<(), String> {
        let compare = modifiers.pick(&COMPARES).ok_or("no comparison")?;
        let combine = modifiers.pick(&LOGICS);
        let result = if base == "set" { Some(modifiers.ty()?) } else { None };
        let ty = modifiers.flushed_ty()?;
        let ty = if ty.float() || ty.signed() { ty } else { ty.integer() };
        let a = self.source(Self::operand(operands, 1)?, ty)?;
        let b = self.source(Self::operand(operands, 2)?, ty)?;
        let third = match combine {
            Some(_) => self.pred_source(Self::operand(operands, 3)?)?,
            None => Pred::TRUE,
        };
        let first = Self::operand(operands, 0)?;
        let (p, q) = match (result, first) {
            (Some(_), _) => (Pred::SINK, Pred::SINK),
            (None, Operand::Pair(p, q)) => (self.pred_register(p)?, self.pred_register(q)?),
            (None, other) => (self.pred_target(other)?, Pred::SINK),
        };
        // The second target is written last: a sink of both keeps the wrong one.
        let hidden = if result.is_some() { self.new_slot(Ty::Pred).at } else { p };
        self.emit(Op::Setp(compare, ty, combine), [hidden, q, a, b, third.0, 0], 0);
        if let Some(result) = result {
            let to = self.target(first, false)?;
            let yes = if result.float() { 0x3f80_0000 } else { 0xffff_ffff };
            let (yes, no) = (self.bits(yes, false), self.bits(0, false));
            let choice = Pred::new(hidden, false).0;
            self.emit(Op::Selp { wide: false }, [to, yes, no, choice, 0, 0], 0);
        }
        Ok(())
    }

    pub(super) fn conversion(
        &mut self,
        modifiers: &mut Modifiers<'_>,
        operands: &[Operand<'a>],
    ) -> Result<(), String> {
        if modifiers.flag("tf32") {
            let known = modifiers.flag("rna") && modifiers.ty()? == Ty::F32;
            let to_tf32 = Op::Un(Un::RoundTf32, Ty::U32);
            return match known {
                true => self.uniform(to_tf32, Ty::U32, operands, 1).map(drop),
                false => Err("to tf32 but `.rna` of f32".to_owned()),
            };
        }
        let table = [
            ("rn", Mode::Nearest),
            ("rz", Mode::Toward(Toward::Zero)),
            ("rm", Mode::Toward(Toward::Down)),
            ("rp", Mode::Toward(Toward::Up)),
            ("rni", Mode::IntegerNearest),
            ("rzi", Mode::Integer(Toward::Zero)),
            ("rmi", Mode::Integer(Toward::Down)),
            ("rpi", Mode::Integer(Toward::Up)),
        ];
        let mode = modifiers.pick(&table).unwrap_or(Mode::None);
        let (flush, saturate) = (modifiers.flag("ftz"), modifiers.flag("sat"));
        let (mut to, mut from) = (modifiers.ty()?, modifiers.ty()?);
        if matches!(to, Ty::BF16x2 | Ty::F16x2) {
            if from != Ty::F32 || mode != Mode::Nearest || saturate || operands.len() != 3 {
                return Err("this packed conversion".to_owned());
            }
            let ty = if to == Ty::BF16x2 { Ty::BF16 } else { Ty::F16 };
            let r = self.rows(Ty::F32, operands, 2)?;
            self.emit(Op::ConvertPair(ty), r, 0);
            return Ok(());
        }
        if operands.len() != 2 || to == Ty::Pred || from == Ty::Pred {
            return Err("not two values".to_owned());
        }
        if flush {
            to = if to == Ty::F32 { Ty::F32z } else { to };
            from = if from == Ty::F32 { Ty::F32z } else { from };
        }
        // Bits of a wider register beyond the source type don't count.
        let a = self.source(Self::operand(operands, 1)?, from)?;
        let Some(slot) = self.any_target(Self::operand(operands, 0)?)? else { return Ok(()) };
        let plain = !to.float() && !from.float() && !saturate;
        if plain {
            // One canonical pair of types per effect, for the fast paths.
            let same_width = to.bytes() == from.bytes() && from.bytes() >= 4;
            if same_width && slot.ty.wide() == to.wide() {
                self.copy(slot.at, a, to.wide());
                return Ok(());
            }
            if to.bytes() < from.bytes() && to.bytes() == 4 {
                (to, from) = (Ty::U32, Ty::U64);
            } else if from == Ty::U32 && to == Ty::S64 {
                to = Ty::U64;
            } else if from == Ty::S32 && to == Ty::U64 {
                to = Ty::S64;
            } else if from == Ty::U16 && to == Ty::S32 {
                to = Ty::U32;
            }
        }
        let op = Op::Convert(to, from, mode, saturate);
        if slot.ty.wide() == to.wide() {
            self.emit(op, [slot.at, a, 0, 0, 0, 0], 0);
        } else if slot.ty.wide() && !to.float() {
            // A narrow result in a wide register is extended by its sign.
            let row = self.new_row(false);
            self.emit(op, [row, a, 0, 0, 0, 0], 0);
            let extend = if to.signed() {
                Op::Convert(Ty::S64, Ty::S32, Mode::None, false)
            } else {
                Op::Convert(Ty::U64, Ty::U32, Mode::None, false)
            };
            self.emit(extend, [slot.at, row, 0, 0, 0, 0], 0);
        } else {
            return Err("the target register doesn't fit".to_owned());
        }
        Ok(())
    }

    pub(super) fn movement(
        &mut self,
        modifiers: &mut Modifiers<'_>,
        operands: &[Operand<'a>],
    ) -> Result<(), String> {
        let ty = modifiers.ty()?;
        let (to, from) = (Self::operand(operands, 0)?, Self::operand(operands, 1)?);
        if ty == Ty::Pred {
            let to = self.pred_target(to)?;
            let from = self.pred_source(from)?;
            self.emit(Op::Logic(Logic::And), [to, from.0, Pred::TRUE.0, 0, 0, 0], 0);
            return Ok(());
        }
        let part = |count: usize| match ty.bytes() / count as u32 {
            4 => Ok(Ty::U32),
            2 => Ok(Ty::U16),
            1 => Ok(Ty::U8),
            _ => Err("parts of this size".to_owned()),
        };
        match (to, from) {
            (to, Operand::Vector(parts)) if matches!(parts.len(), 2 | 4) => {
                let ty_part = part(parts.len())?;
                let mut r = [0; 6];
                for (index, part) in parts.iter().enumerate() {
                    r[index + 1] = self.source(part, ty_part)?;
                }
                r[0] = self.target(to, ty.wide())?;
                let (bytes, count) = (ty_part.bytes() as u8, parts.len() as u8);
                self.emit(Op::Pack { bytes, count }, r, 0);
            }
            (Operand::Vector(parts), from) if matches!(parts.len(), 2 | 4) => {
                let ty_part = part(parts.len())?;
                let mut r = [0; 6];
                r[4] = self.source(from, ty)?;
                for (index, part) in parts.iter().enumerate() {
                    r[index] = self.target(part, false)?;
                }
                // The source may be one of the targets.
                if r[..parts.len()].contains(&r[4]) {
                    self.copy(self.scratch, r[4], ty.wide());
                    r[4] = self.scratch;
                }
                let (bytes, count) = (ty_part.bytes() as u8, parts.len() as u8);
                self.emit(Op::Unpack { bytes, count }, r, 0);
            }
            _ => {
                let from = self.source(from, ty)?;
                let to = self.target(to, ty.wide())?;
                self.copy(to, from, ty.wide());
            }
        }
        Ok(())
    }
}
