//! Operands: registers, constants, special registers, addresses.

use super::{Decoder, Slot, Symbol};
use crate::exec::code::{Bin, Op, Pred, Row, Un};
use crate::exec::window;
use crate::ptx::program::{Special, Value};
use crate::ptx::syntax::Operand;
use crate::ptx::types::Ty;

/// An address operand.
pub struct Address {
    pub row: Row,
    pub wide: bool,
    pub offset: i64,
    /// The variable that it names, if it names one.
    pub symbol: Option<Symbol>,
}

fn special(name: &str) -> Option<Special> {
    let axis = |suffix: &str| match suffix {
        "x" => Some(0),
        "y" => Some(1),
        "z" => Some(2),
        _ => None,
    };
    if let Some((register, suffix)) = name.split_once('.') {
        let axis = axis(suffix)?;
        return Some(match register {
            "%tid" => Special::Thread(axis),
            "%ntid" => Special::BlockSize(axis),
            "%ctaid" => Special::Block(axis),
            "%nctaid" => Special::GridSize(axis),
            _ => return None,
        });
    }
    Some(match name {
        "%laneid" => Special::Lane,
        "%warpid" => Special::Warp,
        "%nwarpid" => Special::Warps,
        "%smid" => Special::Processor,
        "%nsmid" => Special::Processors,
        "%gridid" => Special::GridId,
        "%lanemask_eq" => Special::LanesEqual,
        "%lanemask_lt" => Special::LanesBelow,
        "%lanemask_le" => Special::LanesUpTo,
        "%lanemask_gt" => Special::LanesAbove,
        "%lanemask_ge" => Special::LanesFrom,
        "%dynamic_smem_size" => Special::DynamicSharedBytes,
        "%total_smem_size" => Special::TotalSharedBytes,
        _ => return None,
    })
}

impl<'a> Decoder<'a, '_> {
    pub(super) fn operand<'o>(
        operands: &'o [Operand<'a>],
        index: usize,
    ) -> Result<&'o Operand<'a>, String> {
        operands.get(index).ok_or_else(|| format!("has no operand {}", index + 1))
    }

    pub(super) fn constant(&mut self, value: Value, wide: bool) -> Row {
        // Equal rows are shared: a narrow constant is cut to its 32 bits first.
        let value = match value {
            Value::Bits(bits) if !wide => Value::Bits(bits & 0xffff_ffff),
            other => other,
        };
        if let Some(row) = self.constants.get(&(value, wide)) {
            return *row;
        }
        let row = self.new_row(wide);
        self.constants.insert((value, wide), row);
        self.out.constants.push((row, wide, value));
        row
    }

    pub(super) fn bits(&mut self, bits: u64, wide: bool) -> Row {
        self.constant(Value::Bits(bits), wide)
    }

    /// Row of a source of this type.
    pub(super) fn source(&mut self, operand: &Operand<'a>, ty: Ty) -> Result<Row, String> {
        let wide = ty.wide();
        match operand {
            Operand::Word(name) => {
                if let Some(slot) = self.slot(name) {
                    return self.fit(slot, wide, name);
                }
                if matches!(*name, "%clock" | "%clock64" | "%globaltimer" | "%globaltimer_lo") {
                    let row = self.new_row(wide);
                    self.emit(Op::Clock { wide }, [row, 0, 0, 0, 0, 0], 0);
                    return Ok(row);
                }
                if *name == "WARP_SZ" {
                    return Ok(self.bits(32, wide));
                }
                if let Some(special) = special(name) {
                    if let Some(row) = self.specials.get(&(special, wide)) {
                        return Ok(*row);
                    }
                    let row = self.new_row(wide);
                    self.specials.insert((special, wide), row);
                    self.out.specials.push((row, wide, special));
                    return Ok(row);
                }
                self.symbol_row(name, 0, wide)
            }
            Operand::Sum(name, offset) => self.symbol_row(name, *offset, wide),
            Operand::Int(value) if ty.float() => {
                Err(format!("the integer {value} where a float should be"))
            }
            Operand::Int(value) => Ok(self.bits(*value, wide)),
            Operand::F32(bits) => match ty {
                Ty::F64 => {
                    let value = f64::from(f32::from_bits(*bits));
                    Ok(self.bits(value.to_bits(), true))
                }
                _ => Ok(self.bits(u64::from(*bits), wide)),
            },
            Operand::F64(bits) => match ty {
                Ty::F32 | Ty::F32z => {
                    let value = f64::from_bits(*bits) as f32;
                    Ok(self.bits(u64::from(value.to_bits()), false))
                }
                _ => Ok(self.bits(*bits, wide)),
            },
            other => Err(format!("{other:?} can't be a source")),
        }
    }

    /// A row with the address of a variable in its own space.
    fn symbol_row(&mut self, name: &str, offset: i64, wide: bool) -> Result<Row, String> {
        let Some(symbol) = self.symbol(name)? else {
            return Err(format!("`{name}` isn't declared"));
        };
        let add = |at: u32| u64::from(at).wrapping_add_signed(offset);
        Ok(match symbol {
            Symbol::Shared(at) | Symbol::Local(at) | Symbol::Param(at) => self.bits(add(at), wide),
            Symbol::Variable(_) | Symbol::Dynamic if offset != 0 => {
                let (base, to) = (self.symbol_row(name, 0, wide)?, self.new_row(wide));
                let (by, ty) =
                    (self.bits(offset as u64, wide), if wide { Ty::U64 } else { Ty::U32 });
                self.emit(Op::Bin(Bin::Add, ty), [to, base, by, 0, 0, 0], 0);
                to
            }
            Symbol::Variable(index) => self.constant(Value::Variable(index), wide),
            Symbol::Dynamic => self.constant(Value::Dynamic, wide),
        })
    }

    /// A register's row, checked for its width. A wide one may be cut down: `cvt` and `st` allow
    /// registers wider than their type.
    fn fit(&mut self, slot: Slot, wide: bool, name: &str) -> Result<Row, String> {
        if slot.ty == Ty::Pred {
            return Err(format!("predicate `{name}` where a value should be"));
        }
        match (slot.ty.wide(), wide) {
            (true, false) => {
                let row = self.new_row(false);
                let op = Op::Unpack { bytes: 4, count: 2 };
                self.emit(op, [row, self.sink, 0, 0, slot.at, 0], 0);
                Ok(row)
            }
            (false, true) => Err(format!("`{name}` has 32 bits, not 64")),
            _ => Ok(slot.at),
        }
    }

    /// Row that a result of this width goes to.
    pub(super) fn target(&mut self, operand: &Operand<'a>, wide: bool) -> Result<Row, String> {
        let Operand::Word(name) = operand else {
            return Err(format!("{operand:?} can't be a target"));
        };
        if *name == "_" {
            return Ok(self.sink);
        }
        let slot = self.slot(name).ok_or_else(|| format!("no register `{name}`"))?;
        if slot.ty == Ty::Pred || slot.ty.wide() != wide {
            return Err(format!("register `{name}` is of another width than the result"));
        }
        Ok(slot.at)
    }

    /// A register, for instructions that allow any width.
    pub(super) fn any_target(&mut self, operand: &Operand<'a>) -> Result<Option<Slot>, String> {
        match operand {
            Operand::Word("_") => Ok(None),
            Operand::Word(name) => match self.slot(name) {
                Some(slot) if slot.ty != Ty::Pred => Ok(Some(slot)),
                _ => Err(format!("no register `{name}`")),
            },
            _ => Err(format!("{operand:?} isn't a register")),
        }
    }

    /// Index of a predicate register.
    pub(super) fn pred_register(&mut self, name: &str) -> Result<u32, String> {
        if name == "_" {
            return Ok(Pred::SINK);
        }
        match self.slot(name) {
            Some(slot) if slot.ty == Ty::Pred => Ok(slot.at),
            _ => Err(format!("no predicate `{name}`")),
        }
    }

    pub(super) fn pred_target(&mut self, operand: &Operand<'a>) -> Result<u32, String> {
        match operand {
            Operand::Word(name) => self.pred_register(name),
            _ => Err(format!("{operand:?} isn't a predicate")),
        }
    }

    /// A predicate as a source: register, negation or constant.
    pub(super) fn pred_source(&mut self, operand: &Operand<'a>) -> Result<Pred, String> {
        Ok(match operand {
            Operand::Word(name) => Pred::new(self.pred_register(name)?, false),
            Operand::Not(name) => Pred::new(self.pred_register(name)?, true),
            Operand::Int(0) => Pred::TRUE.negated(),
            Operand::Int(_) => Pred::TRUE,
            _ => return Err(format!("{operand:?} isn't a predicate")),
        })
    }

    pub(super) fn address(&mut self, operand: &Operand<'a>) -> Result<Address, String> {
        let Operand::Address(base, offset) = operand else {
            return Err(format!("{operand:?} isn't an address"));
        };
        let Some(name) = base else {
            let row = self.bits(0, true);
            return Ok(Address { row, wide: true, offset: *offset, symbol: None });
        };
        if let Some(slot) = self.slot(name) {
            if slot.ty == Ty::Pred {
                return Err(format!("predicate `{name}` as an address"));
            }
            let wide = slot.ty.wide();
            return Ok(Address { row: slot.at, wide, offset: *offset, symbol: None });
        }
        let symbol = self.symbol(name)?;
        let row = self.symbol_row(name, 0, true)?;
        Ok(Address { row, wide: true, offset: *offset, symbol })
    }

    /// Copies a row.
    pub(super) fn copy(&mut self, to: Row, from: Row, wide: bool) {
        let ty = if wide { Ty::U64 } else { Ty::U32 };
        self.emit(Op::Un(Un::Mov, ty), [to, from, 0, 0, 0, 0], 0);
    }

    /// Row of the window of a space, for `cvta`.
    pub(super) fn window_row(&mut self, space: &str) -> Option<Row> {
        let base = match space {
            "shared" => window::SHARED,
            "local" => window::LOCAL,
            "param" => window::PARAM,
            _ => return None,
        };
        Some(self.bits(base, true))
    }
}
