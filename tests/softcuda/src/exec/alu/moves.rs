//! Conversions, packing, carry chains and directed rounding.

use super::lanewise::{bin, slow, tri, un};
use super::typed::unary;
use crate::exec::code::{Class, Directed, Inst, Mode, Pred, Toward, Un};
use crate::exec::convert::convert;
use crate::exec::math;
use crate::exec::registers::{Flushed, LANES, Lane, Registers};
use crate::ptx::Ty;

#[inline(never)]
pub(super) fn cvt(
    to: Ty,
    from: Ty,
    mode: Mode,
    saturate: bool,
    i: &Inst,
    mask: u32,
    file: &mut Registers,
) {
    match (to, from, mode, saturate) {
        (Ty::U64, Ty::U32, Mode::None, false) => un::<u32, u64>(i, file, mask, u64::from),
        (Ty::S64, Ty::S32, Mode::None, false) => un::<i32, i64>(i, file, mask, i64::from),
        (Ty::U32, Ty::U64, Mode::None, false) => un::<u64, u32>(i, file, mask, |a| a as u32),
        (Ty::U32, Ty::U16, Mode::None, false) => un::<u16, u32>(i, file, mask, u32::from),
        (Ty::F32, Ty::U32, Mode::Nearest, false) => un::<u32, f32>(i, file, mask, |a| a as f32),
        (Ty::F32, Ty::S32, Mode::Nearest, false) => un::<i32, f32>(i, file, mask, |a| a as f32),
        (Ty::F64, Ty::S32, Mode::Nearest, false) => un::<i32, f64>(i, file, mask, f64::from),
        (Ty::F64, Ty::F32, Mode::None, false) => un::<f32, f64>(i, file, mask, f64::from),
        (Ty::F32, Ty::F64, Mode::Nearest, false) => un::<f64, f32>(i, file, mask, |a| a as f32),
        (Ty::F32, Ty::F32, Mode::None, true) => unary(Un::Saturate, Ty::F32, i, mask, file),
        (Ty::F32, Ty::F32, Mode::IntegerNearest, false) => {
            un::<f32, f32>(i, file, mask, |a| a.round_ties_even());
        }
        _ => {
            let wide = [to.wide(), from.wide(), false, false];
            slow(i, file, mask, wide, &|[a, ..]| convert(a, to, from, mode, saturate));
        }
    }
}

#[inline(never)]
pub(super) fn pair(ty: Ty, i: &Inst, mask: u32, file: &mut Registers) {
    slow(i, file, mask, [false; 4], &|[a, b, ..]| {
        let part = |x| convert(x, ty, Ty::F32, Mode::Nearest, false);
        part(a) << 16 | part(b)
    });
}

#[inline(never)]
pub(super) fn directed(
    op: Directed,
    toward: Toward,
    ty: Ty,
    i: &Inst,
    mask: u32,
    file: &mut Registers,
) {
    match ty {
        Ty::F64 => slow(i, file, mask, [true; 4], &|[a, b, c, _]| {
            let [a, b, c] = [a, b, c].map(f64::from_bits);
            math::directed64(op, toward, a, b, c).to_bits()
        }),
        Ty::F32z => tri::<Flushed, Flushed, Flushed, Flushed>(i, file, mask, |a, b, c| {
            math::directed32(op, toward, a, b, c)
        }),
        _ => tri::<f32, f32, f32, f32>(i, file, mask, |a, b, c| {
            math::directed32(op, toward, a, b, c)
        }),
    }
}

#[inline(never)]
pub(super) fn bit_insert(i: &Inst, mask: u32, wide: bool, file: &mut Registers) {
    for lane in (0..LANES).filter(|lane| mask >> lane & 1 != 0) {
        let (from, into) = (file.lane(i.r[1], wide, lane), file.lane(i.r[2], wide, lane));
        let (position, length) = (file.narrow(i.r[3])[lane], file.narrow(i.r[4])[lane]);
        let value = math::bfi(from, into, position, length, if wide { 64 } else { 32 });
        file.set_lane(i.r[0], wide, lane, value);
    }
}

#[inline(never)]
pub(super) fn test(class: Class, ty: Ty, i: &Inst, mask: u32, file: &mut Registers) {
    let wide = ty.wide();
    let mut bits = 0;
    for lane in 0..LANES {
        let raw = file.lane(i.r[1], wide, lane);
        // The class is of the value's own format: a denormal f32 is normal as an f64.
        let category = if wide {
            f64::from_bits(raw).classify()
        } else {
            f32::from_bits(raw as u32).classify()
        };
        use std::num::FpCategory::{Infinite, Nan, Normal, Subnormal};
        let holds = match class {
            Class::Finite => !matches!(category, Infinite | Nan),
            Class::Infinite => category == Infinite,
            Class::Number => category != Nan,
            Class::NotANumber => category == Nan,
            Class::Normal => category == Normal,
            Class::Subnormal => category == Subnormal,
        };
        bits |= u32::from(holds) << lane;
    }
    file.set_pred(i.r[0], bits, mask);
}

#[inline(never)]
pub(super) fn pack(i: &Inst, mask: u32, bytes: u8, count: u8, file: &mut Registers) {
    if bytes == 4 {
        return bin::<u32, u32, u64>(i, file, mask, |a, b| u64::from(b) << 32 | u64::from(a));
    }
    let wide = bytes * count == 8;
    let mut out = [0; LANES];
    for part in 0..u32::from(count) {
        let row = file.narrow(i.r[part as usize + 1]);
        let bits = 8 * u32::from(bytes);
        for lane in 0..LANES {
            out[lane] |= (u64::from(row[lane]) & ((1 << bits) - 1)) << (bits * part);
        }
    }
    if wide {
        u64::store(file, i.r[0], &out, mask);
    } else {
        u32::store(file, i.r[0], &out.map(|x| x as u32), mask);
    }
}

#[inline(never)]
pub(super) fn unpack(i: &Inst, mask: u32, bytes: u8, count: u8, file: &mut Registers) {
    let source =
        if bytes * count == 8 { *file.wide(i.r[4]) } else { file.narrow(i.r[4]).map(u64::from) };
    let bits = 8 * u32::from(bytes);
    for part in 0..u32::from(count) {
        let mut out = [0; LANES];
        for lane in 0..LANES {
            out[lane] = (source[lane] >> (bits * part) & ((1 << bits) - 1)) as u32;
        }
        u32::store(file, i.r[part as usize], &out, mask);
    }
}

#[inline(never)]
pub(super) fn carry(i: &Inst, mask: u32, flags: [bool; 4], file: &mut Registers) {
    let [subtract, wide, reads, writes] = flags;
    let flag = file.preds[Pred::CARRY as usize];
    let mut flag_out = 0;
    let bits = if wide { 64 } else { 32 };
    for lane in 0..LANES {
        let a = u128::from(file.lane(i.r[1], wide, lane));
        let b = u128::from(file.lane(i.r[2], wide, lane));
        let extra = if reads { u128::from(flag >> lane & 1) } else { 0 };
        // A borrow is bit `bits` of the difference.
        let sum = if subtract { a.wrapping_sub(b).wrapping_sub(extra) } else { a + b + extra };
        flag_out |= u32::from(sum >> bits & 1 != 0) << lane;
        if mask >> lane & 1 != 0 {
            file.set_lane(i.r[0], wide, lane, sum as u64);
        }
    }
    if writes {
        file.set_pred(Pred::CARRY, flag_out, mask);
    }
}
