//! Arithmetic: instructions whose lanes are independent, 32 at a time.
//!
//! Each operation is a loop over whole rows, compiled to vector code for AVX2 with FMA, with a
//! portable fallback. Lanes that are masked off are computed and dropped.

mod compare;
mod lanewise;
mod moves;
mod typed;

use super::code::{Inst, Logic, Op, Pred};
use super::registers::{LANES, Lane, Registers};
use compare::compare;
use lanewise::slow;
use moves::{bit_insert, carry, cvt, directed, pack, pair, test, unpack};
use typed::{binary, ternary, unary};

/// Runs `code[at..]` for the lanes in `active` until an instruction that isn't straight or `limit`
/// is reached; says where that is.
#[inline]
pub fn run(code: &[Inst], mut at: usize, limit: usize, active: u32, file: &mut Registers) -> usize {
    while at < limit {
        let Some(inst) = code.get(at) else { break };
        if !inst.op.straight() {
            break;
        }
        let mask = active & file.pred(inst.guard);
        if mask != 0 {
            step(inst, mask, file);
        }
        at += 1;
    }
    at
}

/// Whether the host has the instructions that the vector code is compiled for.
pub fn vector_host() -> bool {
    #[cfg(target_arch = "x86_64")]
    return is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma");
    #[cfg(not(target_arch = "x86_64"))]
    false
}

#[inline(never)]
fn step(i: &Inst, mask: u32, file: &mut Registers) {
    match i.op {
        Op::Bin(op, ty) => binary(op, ty, i, mask, file),
        Op::Un(op, ty) => unary(op, ty, i, mask, file),
        Op::Tri(op, ty) => ternary(op, ty, i, mask, file),
        Op::Setp(compare, ty, combine) => {
            let (a, b) = (i.r[2], i.r[3]);
            let result = self::compare(compare, ty, a, b, file);
            let (mut first, mut second) = (result, !result);
            if let Some(logic) = combine {
                let third = file.pred(Pred(i.r[4]));
                (first, second) = (apply(logic, first, third), apply(logic, second, third));
            }
            file.set_pred(i.r[0], first, mask);
            file.set_pred(i.r[1], second, mask);
        }
        Op::Selp { wide } => {
            let choice = file.pred(Pred(i.r[3]));
            if wide {
                let (a, b) = (*file.wide(i.r[1]), *file.wide(i.r[2]));
                let mut out = b;
                for lane in 0..LANES {
                    out[lane] = if choice >> lane & 1 != 0 { a[lane] } else { b[lane] };
                }
                u64::store(file, i.r[0], &out, mask);
            } else {
                let (a, b) = (*file.narrow(i.r[1]), *file.narrow(i.r[2]));
                let mut out = b;
                for lane in 0..LANES {
                    out[lane] = if choice >> lane & 1 != 0 { a[lane] } else { b[lane] };
                }
                u32::store(file, i.r[0], &out, mask);
            }
        }
        Op::Logic(logic) => {
            let value = apply(logic, file.pred(Pred(i.r[1])), file.pred(Pred(i.r[2])));
            file.set_pred(i.r[0], value, mask);
        }
        Op::Convert(to, from, mode, saturate) => cvt(to, from, mode, saturate, i, mask, file),
        Op::Pack { bytes, count } => pack(i, mask, bytes, count, file),
        Op::Unpack { bytes, count } => unpack(i, mask, bytes, count, file),
        Op::Carry { subtract, wide, reads, writes } => {
            carry(i, mask, [subtract, wide, reads, writes], file);
        }
        Op::Slct { wide, float } => {
            slow(i, file, mask, [wide, wide, wide, false], &|[a, b, c, _]| {
                let first = if float { f32::from_bits(c as u32) >= 0.0 } else { c as i32 >= 0 };
                if first { a } else { b }
            })
        }
        Op::Directed(op, toward, ty) => directed(op, toward, ty, i, mask, file),
        Op::Bfi(wide) => bit_insert(i, mask, wide, file),
        Op::ConvertPair(ty) => pair(ty, i, mask, file),
        Op::Testp(class, ty) => test(class, ty, i, mask, file),
        _ => {}
    }
}

#[inline(always)]
fn apply(logic: Logic, a: u32, b: u32) -> u32 {
    match logic {
        Logic::And => a & b,
        Logic::Or => a | b,
        Logic::Xor => a ^ b,
    }
}
