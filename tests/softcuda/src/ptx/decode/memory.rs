//! Loads, stores, atomics, copies, fences and address spaces.

use super::modifiers::Modifiers;
use super::operands::Address;
use super::{Decoder, Symbol};
use crate::exec::code::{Atomic, Op, Row};
use crate::exec::reach::{Access, At, Order, Scope};
use crate::ptx::syntax::Operand;
use crate::ptx::types::Ty;

/// Hints about caches and eviction: they change time, not values.
const HINTS: [&str; 18] = [
    "ca",
    "cg",
    "cs",
    "lu",
    "cv",
    "wb",
    "wt",
    "nc",
    "uniform",
    "L1::no_allocate",
    "L1::evict_normal",
    "L1::evict_unchanged",
    "L1::evict_first",
    "L1::evict_last",
    "L2::64B",
    "L2::128B",
    "L2::256B",
    "weak",
];

const SPACES: [(&str, At); 6] = [
    ("global", At::Global),
    ("const", At::Global),
    ("shared", At::Shared),
    ("shared::cta", At::Shared),
    ("local", At::Local),
    ("param", At::Param),
];

const ATOMICS: [(&str, Atomic); 10] = [
    ("add", Atomic::Add),
    ("min", Atomic::Min),
    ("max", Atomic::Max),
    ("and", Atomic::And),
    ("or", Atomic::Or),
    ("xor", Atomic::Xor),
    ("exch", Atomic::Exch),
    ("cas", Atomic::Cas),
    ("inc", Atomic::Inc),
    ("dec", Atomic::Dec),
];

fn scope(modifiers: &mut Modifiers<'_>) -> Scope {
    let table = [
        ("cta", Scope::Block),
        ("cluster", Scope::Device),
        ("gpu", Scope::Device),
        ("gl", Scope::Device),
        ("sys", Scope::Device),
    ];
    modifiers.pick(&table).unwrap_or(Scope::Device)
}

fn order(modifiers: &mut Modifiers<'_>, default: Order) -> Order {
    let table = [
        ("volatile", Order::Relaxed),
        ("relaxed", Order::Relaxed),
        ("acquire", Order::Acquire),
        ("release", Order::Release),
        ("acq_rel", Order::AcquireRelease),
    ];
    modifiers.pick(&table).unwrap_or(default)
}

impl<'a> Decoder<'a, '_> {
    /// Whether it was one of these.
    pub(super) fn memory(
        &mut self,
        base: &str,
        modifiers: &mut Modifiers<'_>,
        operands: &[Operand<'a>],
    ) -> Result<bool, String> {
        match base {
            "ld" | "ldu" => self.load(modifiers, operands)?,
            "st" => self.store(modifiers, operands)?,
            "atom" | "red" => self.atomic(base == "atom", modifiers, operands)?,
            "cvta" => self.convert_address(modifiers, operands)?,
            "isspacep" => {
                let at = modifiers.pick(&SPACES).ok_or("no space")?;
                let to = self.pred_target(Self::operand(operands, 0)?)?;
                let address = self.source(Self::operand(operands, 1)?, Ty::U64)?;
                self.emit(Op::IsSpace(at), [to, address, 0, 0, 0, 0], 0);
            }
            "membar" | "fence" => {
                modifiers.ignore(&["sc", "acq_rel"]);
                let scope = scope(modifiers);
                self.emit(Op::Fence(scope), [0; 6], 0);
            }
            "prefetch" | "prefetchu" | "applypriority" | "discard" => {
                modifiers.ignore(&["global", "local", "L1", "L2", "L2::evict_last"]);
                modifiers.ignore(&["L2::evict_normal"]);
                if base == "discard" {
                    return Err("discards data".to_owned());
                }
            }
            "cp" => self.copy_async(modifiers, operands)?,
            _ => return Ok(false),
        }
        Ok(true)
    }

    /// The space of an access. Parameters of device functions and of calls lie in local memory.
    fn space(&self, modifiers: &mut Modifiers<'_>, address: &Address) -> Result<At, String> {
        modifiers.ignore(&["param::entry", "param::func"]);
        let at = modifiers.pick(&SPACES).unwrap_or(At::Generic);
        Ok(match (at, address.symbol) {
            (At::Param, Some(Symbol::Local(_))) => At::Local,
            (At::Generic, Some(symbol)) => match symbol {
                Symbol::Variable(_) => At::Global,
                Symbol::Shared(_) | Symbol::Dynamic => At::Shared,
                Symbol::Local(_) => At::Local,
                Symbol::Param(_) => At::Param,
            },
            (at, _) => at,
        })
    }

    fn access(
        &mut self,
        modifiers: &mut Modifiers<'_>,
        address: &Address,
        default: Order,
    ) -> Result<(Access, Ty), String> {
        modifiers.ignore(&HINTS);
        let order = order(modifiers, default);
        let scope = scope(modifiers);
        let at = self.space(modifiers, address)?;
        let count = modifiers.pick(&[("v2", 2), ("v4", 4)]).unwrap_or(1);
        let ty = modifiers.ty()?;
        if ty == Ty::Pred {
            return Err("predicates in memory".to_owned());
        }
        let access = Access {
            at,
            bytes: ty.bytes() as u8,
            count,
            signed: ty.signed(),
            wide: ty.wide(),
            wide_address: address.wide,
            order,
            scope,
        };
        Ok((access, ty))
    }

    fn elements<'o>(operand: &'o Operand<'a>, count: u8) -> Result<&'o [Operand<'a>], String> {
        let elements = match operand {
            Operand::Vector(elements) => elements,
            other => std::slice::from_ref(other),
        };
        if elements.len() == usize::from(count) {
            Ok(elements)
        } else {
            Err(format!("{} elements, not {count}", elements.len()))
        }
    }

    fn load(
        &mut self,
        modifiers: &mut Modifiers<'_>,
        operands: &[Operand<'a>],
    ) -> Result<(), String> {
        let address = self.address(Self::operand(operands, 1)?)?;
        let (mut access, _) = self.access(modifiers, &address, Order::Weak)?;
        let mut r = [self.sink, self.sink, self.sink, self.sink, address.row, 0];
        let elements = Self::elements(Self::operand(operands, 0)?, access.count)?;
        let mut wide = None;
        for (index, element) in elements.iter().enumerate() {
            let Some(slot) = self.any_target(element)? else { continue };
            if wide.is_some_and(|wide| wide != slot.ty.wide()) {
                return Err("registers of several widths".to_owned());
            }
            if access.wide && !slot.ty.wide() {
                return Err("a register narrower than the data".to_owned());
            }
            wide = Some(slot.ty.wide());
            r[index] = slot.at;
        }
        access.wide = wide.unwrap_or(access.wide);
        // A target may be the address: lanes are done one by one, element by element.
        if r[..4].contains(&address.row) && access.count > 1 {
            self.copy(self.scratch, address.row, address.wide);
            r[4] = self.scratch;
        }
        self.emit(Op::Load(access), r, address.offset);
        Ok(())
    }

    fn store(
        &mut self,
        modifiers: &mut Modifiers<'_>,
        operands: &[Operand<'a>],
    ) -> Result<(), String> {
        let address = self.address(Self::operand(operands, 0)?)?;
        let (access, ty) = self.access(modifiers, &address, Order::Weak)?;
        let mut r = [0, 0, 0, 0, address.row, 0];
        let elements = Self::elements(Self::operand(operands, 1)?, access.count)?;
        for (index, element) in elements.iter().enumerate() {
            r[index] = self.source(element, ty)?;
        }
        self.emit(Op::Store(access), r, address.offset);
        Ok(())
    }

    fn atomic(
        &mut self,
        returns: bool,
        modifiers: &mut Modifiers<'_>,
        operands: &[Operand<'a>],
    ) -> Result<(), String> {
        let first = usize::from(returns);
        let address = self.address(Self::operand(operands, first)?)?;
        let op = modifiers.pick(&ATOMICS).ok_or("no operation")?;
        modifiers.ignore(&["noftz"]);
        let (access, ty) = self.access(modifiers, &address, Order::Relaxed)?;
        let fits = match op {
            Atomic::Add => matches!(ty, Ty::F32 | Ty::F64) || !ty.float(),
            _ => !ty.float(),
        };
        if !fits || ty.bytes() < 4 || access.count != 1 {
            return Err("this atomic of this type".to_owned());
        }
        let mut r: [Row; 6] = [self.sink, 0, 0, u32::from(returns), address.row, 0];
        r[1] = self.source(Self::operand(operands, first + 1)?, ty)?;
        r[2] = r[1];
        if op == Atomic::Cas {
            r[2] = self.source(Self::operand(operands, first + 2)?, ty)?;
        }
        if returns {
            r[0] = self.target(Self::operand(operands, 0)?, ty.wide())?;
        }
        let ty = if ty.float() || ty.signed() { ty } else { ty.integer() };
        self.emit(Op::Atomic(op, ty, access), r, address.offset);
        Ok(())
    }

    /// Generic addresses have a window for each space but global, whose addresses they are.
    fn convert_address(
        &mut self,
        modifiers: &mut Modifiers<'_>,
        operands: &[Operand<'a>],
    ) -> Result<(), String> {
        use crate::exec::code::Bin;
        let to_space = modifiers.flag("to");
        let names = [
            ("global", "global"),
            ("const", "const"),
            ("shared", "shared"),
            ("shared::cta", "shared"),
            ("local", "local"),
            ("param", "param"),
            ("param::entry", "param"),
        ];
        let space = modifiers.pick(&names).ok_or("no space")?;
        if !modifiers.ty()?.wide() {
            return Err("32-bit addresses".to_owned());
        }
        let from = self.source(Self::operand(operands, 1)?, Ty::U64)?;
        let to = self.target(Self::operand(operands, 0)?, true)?;
        match self.window_row(space) {
            None => self.copy(to, from, true),
            Some(window) => {
                let op = if to_space { Bin::Sub } else { Bin::Add };
                self.emit(Op::Bin(op, Ty::U64), [to, from, window, 0, 0, 0], 0);
            }
        }
        Ok(())
    }

    fn copy_async(
        &mut self,
        modifiers: &mut Modifiers<'_>,
        operands: &[Operand<'a>],
    ) -> Result<(), String> {
        if !modifiers.flag("async") {
            return Err("this kind of copy".to_owned());
        }
        if modifiers.flag("commit_group") {
            self.emit(Op::CopyCommit, [0; 6], 0);
            return Ok(());
        }
        let all = modifiers.flag("wait_all");
        if all || modifiers.flag("wait_group") {
            let left = match operands.first() {
                Some(Operand::Int(left)) if !all => *left as i64,
                None if all => -1,
                _ => return Err("these operands".to_owned()),
            };
            self.emit(Op::CopyWait, [0; 6], left);
            return Ok(());
        }
        modifiers.ignore(&HINTS);
        modifiers.ignore(&["shared", "shared::cta", "global"]);
        let target = self.address(Self::operand(operands, 0)?)?;
        let source = self.address(Self::operand(operands, 1)?)?;
        let Operand::Int(bytes @ (4 | 8 | 16)) = Self::operand(operands, 2)? else {
            return Err("this size".to_owned());
        };
        if !source.wide || target.offset != 0 && !target.wide {
            return Err("these addresses".to_owned());
        }
        let size = match operands.get(3) {
            Some(size) => self.source(size, Ty::U32)?,
            None => self.bits(*bytes, false),
        };
        let offset = self.bits(target.offset as u64, true);
        let r = [target.row, source.row, size, offset, 0, 0];
        let op = Op::CopyAsync { bytes: *bytes as u8, wide_target: target.wide };
        self.emit(op, r, source.offset);
        Ok(())
    }
}
