//! Operations on one to three sources, for every type that they take.

use super::lanewise::{bin, fuse, slow, tri, un};
use crate::exec::code::{Bin, Inst, Tri, Un};
use crate::exec::math;
use crate::exec::registers::{Brain, BrainPair, Flushed, Half, HalfPair, Registers};
use crate::exec::tensor::round_tf32;
use crate::ptx::Ty;

/// The Rust type of an integer type.
macro_rules! ints {
    ($ty:expr, $t:ident => $body:expr) => {
        match $ty {
            Ty::U16 | Ty::B16 => {
                type $t = u16;
                $body
            }
            Ty::S16 => {
                type $t = i16;
                $body
            }
            Ty::S32 => {
                type $t = i32;
                $body
            }
            Ty::U64 | Ty::B64 => {
                type $t = u64;
                $body
            }
            Ty::S64 => {
                type $t = i64;
                $body
            }
            _ => {
                type $t = u32;
                $body
            }
        }
    };
}

pub(super) use ints;

/// A float operation on each format; pairs go elementwise.
macro_rules! float_bin {
    ($ty:expr, $i:expr, $file:expr, $mask:expr, |$a:ident, $b:ident| $narrow:expr, $wide:expr) => {
        match $ty {
            Ty::F64 => bin::<f64, f64, f64>($i, $file, $mask, |$a, $b| $wide),
            Ty::F32z => bin::<Flushed, Flushed, Flushed>($i, $file, $mask, |$a, $b| $narrow),
            Ty::F16 => bin::<Half, Half, Half>($i, $file, $mask, |$a, $b| $wide),
            Ty::BF16 => bin::<Brain, Brain, Brain>($i, $file, $mask, |$a, $b| $wide),
            Ty::F16x2 => bin::<HalfPair, HalfPair, HalfPair>($i, $file, $mask, |a, b| {
                let f = |$a: f64, $b: f64| $wide;
                [f(a[0], b[0]), f(a[1], b[1])]
            }),
            Ty::BF16x2 => bin::<BrainPair, BrainPair, BrainPair>($i, $file, $mask, |a, b| {
                let f = |$a: f64, $b: f64| $wide;
                [f(a[0], b[0]), f(a[1], b[1])]
            }),
            _ => bin::<f32, f32, f32>($i, $file, $mask, |$a, $b| $narrow),
        }
    };
}

macro_rules! float_un {
    ($ty:expr, $i:expr, $file:expr, $mask:expr, |$a:ident| $narrow:expr, $wide:expr) => {
        match $ty {
            Ty::F64 => un::<f64, f64>($i, $file, $mask, |$a| $wide),
            Ty::F32z => un::<Flushed, Flushed>($i, $file, $mask, |$a| $narrow),
            Ty::F16 => un::<Half, Half>($i, $file, $mask, |$a| $wide),
            Ty::BF16 => un::<Brain, Brain>($i, $file, $mask, |$a| $wide),
            _ => un::<f32, f32>($i, $file, $mask, |$a| $narrow),
        }
    };
}

#[inline(never)]
pub(super) fn binary(op: Bin, ty: Ty, i: &Inst, mask: u32, file: &mut Registers) {
    if ty.float() {
        return match op {
            Bin::Add => float_bin!(ty, i, file, mask, |a, b| a + b, a + b),
            Bin::Sub => float_bin!(ty, i, file, mask, |a, b| a - b, a - b),
            Bin::Mul => float_bin!(ty, i, file, mask, |a, b| a * b, a * b),
            Bin::Div => float_bin!(ty, i, file, mask, |a, b| a / b, a / b),
            Bin::Min => {
                float_bin!(ty, i, file, mask, |a, b| math::min32(a, b), math::min64(a, b));
            }
            Bin::Max => {
                float_bin!(ty, i, file, mask, |a, b| math::max32(a, b), math::max64(a, b));
            }
            Bin::MinNan => {
                float_bin!(ty, i, file, mask, |a, b| math::min_nan32(a, b), math::min_nan64(a, b));
            }
            Bin::MaxNan => {
                float_bin!(ty, i, file, mask, |a, b| math::max_nan32(a, b), math::max_nan64(a, b));
            }
            _ => float_bin!(ty, i, file, mask, |a, b| b.copysign(a), b.copysign(a)),
        };
    }
    match op {
        Bin::Add => ints!(ty, T => bin::<T, T, T>(i, file, mask, |a, b| a.wrapping_add(b))),
        Bin::Sub => ints!(ty, T => bin::<T, T, T>(i, file, mask, |a, b| a.wrapping_sub(b))),
        Bin::Mul => ints!(ty, T => bin::<T, T, T>(i, file, mask, |a, b| a.wrapping_mul(b))),
        Bin::And => ints!(ty, T => bin::<T, T, T>(i, file, mask, |a, b| a & b)),
        Bin::Or => ints!(ty, T => bin::<T, T, T>(i, file, mask, |a, b| a | b)),
        Bin::Xor => ints!(ty, T => bin::<T, T, T>(i, file, mask, |a, b| a ^ b)),
        Bin::Min | Bin::MinNan => ints!(ty, T => bin::<T, T, T>(i, file, mask, |a, b| a.min(b))),
        Bin::Max | Bin::MaxNan => ints!(ty, T => bin::<T, T, T>(i, file, mask, |a, b| a.max(b))),
        // Division by zero is all ones, its remainder the dividend, as on hardware.
        Bin::Div => ints!(ty, T => bin::<T, T, T>(i, file, mask, |a, b| {
            if b == 0 { !0 } else { a.wrapping_div(b) }
        })),
        Bin::Rem => ints!(ty, T => bin::<T, T, T>(i, file, mask, |a, b| {
            if b == 0 { a } else { a.wrapping_rem(b) }
        })),
        // Shifts beyond the width give 0, or the sign.
        Bin::Shl => ints!(ty, T => bin::<T, u32, T>(i, file, mask, |a, b| {
            if b < T::BITS { a << b } else { 0 }
        })),
        Bin::Shr => ints!(ty, T => bin::<T, u32, T>(i, file, mask, |a, b| {
            // All but the last bit, then that one: what is left is 0 or the sign.
            a >> b.min(T::BITS - 1) >> u32::from(b >= T::BITS)
        })),
        Bin::MulHi => match ty {
            Ty::S16 => bin::<i16, i16, i16>(i, file, mask, |a, b| {
                ((i32::from(a) * i32::from(b)) >> 16) as i16
            }),
            Ty::U16 | Ty::B16 => bin::<u16, u16, u16>(i, file, mask, |a, b| {
                ((u32::from(a) * u32::from(b)) >> 16) as u16
            }),
            Ty::S32 => bin::<i32, i32, i32>(i, file, mask, |a, b| {
                ((i64::from(a) * i64::from(b)) >> 32) as i32
            }),
            Ty::S64 => bin::<i64, i64, i64>(i, file, mask, |a, b| {
                ((i128::from(a) * i128::from(b)) >> 64) as i64
            }),
            Ty::U64 | Ty::B64 => bin::<u64, u64, u64>(i, file, mask, |a, b| {
                ((u128::from(a) * u128::from(b)) >> 64) as u64
            }),
            _ => bin::<u32, u32, u32>(i, file, mask, |a, b| {
                ((u64::from(a) * u64::from(b)) >> 32) as u32
            }),
        },
        Bin::MulWide => match ty {
            Ty::S16 => bin::<i16, i16, i32>(i, file, mask, |a, b| i32::from(a) * i32::from(b)),
            Ty::U16 | Ty::B16 => {
                bin::<u16, u16, u32>(i, file, mask, |a, b| u32::from(a) * u32::from(b));
            }
            Ty::S32 => bin::<i32, i32, i64>(i, file, mask, |a, b| i64::from(a) * i64::from(b)),
            _ => bin::<u32, u32, u64>(i, file, mask, |a, b| u64::from(a) * u64::from(b)),
        },
        Bin::Copysign => {}
    }
}

#[inline(never)]
pub(super) fn unary(op: Un, ty: Ty, i: &Inst, mask: u32, file: &mut Registers) {
    let float = ty.float();
    let wide = ty.wide();
    match op {
        Un::Mov if wide => un::<u64, u64>(i, file, mask, |a| a),
        Un::Mov => un::<u32, u32>(i, file, mask, |a| a),
        Un::Neg if float => match ty {
            Ty::F16 | Ty::BF16 => un::<u16, u16>(i, file, mask, |a| a ^ 0x8000),
            Ty::F16x2 | Ty::BF16x2 => un::<u32, u32>(i, file, mask, |a| a ^ 0x8000_8000),
            _ => float_un!(ty, i, file, mask, |a| -a, -a),
        },
        Un::Abs if float => match ty {
            Ty::F16 | Ty::BF16 => un::<u16, u16>(i, file, mask, |a| a & 0x7fff),
            Ty::F16x2 | Ty::BF16x2 => un::<u32, u32>(i, file, mask, |a| a & 0x7fff_7fff),
            _ => float_un!(ty, i, file, mask, |a| a.abs(), a.abs()),
        },
        Un::Neg => ints!(ty, T => un::<T, T>(i, file, mask, |a| (0 as T).wrapping_sub(a))),
        Un::Abs => match ty {
            Ty::S16 => un::<i16, i16>(i, file, mask, |a| a.wrapping_abs()),
            Ty::S64 => un::<i64, i64>(i, file, mask, |a| a.wrapping_abs()),
            _ => un::<i32, i32>(i, file, mask, |a| a.wrapping_abs()),
        },
        Un::Not => ints!(ty, T => un::<T, T>(i, file, mask, |a| !a)),
        Un::Cnot => ints!(ty, T => un::<T, T>(i, file, mask, |a| T::from(a == 0))),
        Un::Popc if wide => un::<u64, u32>(i, file, mask, |a| a.count_ones()),
        Un::Popc => un::<u32, u32>(i, file, mask, |a| a.count_ones()),
        Un::Clz if wide => un::<u64, u32>(i, file, mask, |a| a.leading_zeros()),
        Un::Clz => un::<u32, u32>(i, file, mask, |a| a.leading_zeros()),
        Un::Brev if wide => un::<u64, u64>(i, file, mask, |a| a.reverse_bits()),
        Un::Brev => un::<u32, u32>(i, file, mask, |a| a.reverse_bits()),
        Un::Bfind | Un::BfindShift => {
            let bits = 8 * ty.bytes();
            slow(i, file, mask, [false, wide, wide, wide], &|[a, ..]| {
                let extended = if !ty.signed() {
                    a
                } else if wide {
                    a ^ ((a as i64) >> 63) as u64
                } else {
                    u64::from(a as u32 ^ ((a as i32) >> 31) as u32)
                };
                match extended.checked_ilog2() {
                    None => u64::from(u32::MAX),
                    Some(top) if op == Un::Bfind => u64::from(top),
                    Some(top) => u64::from(bits - 1 - top),
                }
            });
        }
        Un::RoundTf32 => un::<u32, u32>(i, file, mask, round_tf32),
        Un::Sqrt => float_un!(ty, i, file, mask, |a| a.sqrt(), a.sqrt()),
        Un::Rcp => float_un!(ty, i, file, mask, |a| 1.0 / a, 1.0 / a),
        Un::Saturate => {
            float_un!(
                ty,
                i,
                file,
                mask,
                |a| if a > 0.0 { a.min(1.0) } else { 0.0 },
                if a > 0.0 { a.min(1.0) } else { 0.0 }
            );
        }
        Un::Rsqrt if wide => un::<f64, f64>(i, file, mask, |a| 1.0 / a.sqrt()),
        Un::RcpUpper => un::<f64, f64>(i, file, mask, |a| math::upper(a, |x| 1.0 / x)),
        Un::Rsqrt => approximate(i, mask, ty, math::rsqrt, file),
        Un::Ex2 => approximate(i, mask, ty, math::ex2, file),
        Un::Lg2 => approximate(i, mask, ty, math::lg2, file),
        Un::Sin => approximate(i, mask, ty, math::sin, file),
        Un::Cos => approximate(i, mask, ty, math::cos, file),
        Un::Tanh => approximate(i, mask, ty, math::tanh, file),
    }
}

#[inline(never)]
fn approximate(i: &Inst, mask: u32, ty: Ty, f: fn(f32) -> f32, file: &mut Registers) {
    if ty == Ty::F32z {
        un::<Flushed, Flushed>(i, file, mask, f);
    } else {
        un::<f32, f32>(i, file, mask, f);
    }
}

#[inline(never)]
pub(super) fn ternary(op: Tri, ty: Ty, i: &Inst, mask: u32, file: &mut Registers) {
    match op {
        Tri::Fma => match ty {
            Ty::F64 => fuse::<f64>(i, file, mask),
            Ty::F32z => fuse::<Flushed>(i, file, mask),
            Ty::F16 => fuse::<Half>(i, file, mask),
            Ty::BF16 => fuse::<Brain>(i, file, mask),
            Ty::F16x2 => fuse::<HalfPair>(i, file, mask),
            Ty::BF16x2 => fuse::<BrainPair>(i, file, mask),
            _ => fuse::<f32>(i, file, mask),
        },
        Tri::Mad => ints!(ty, T => tri::<T, T, T, T>(i, file, mask, |a, b, c| {
            a.wrapping_mul(b).wrapping_add(c)
        })),
        Tri::MadWide => match ty {
            Ty::S16 => tri::<i16, i16, i32, i32>(i, file, mask, |a, b, c| {
                (i32::from(a) * i32::from(b)).wrapping_add(c)
            }),
            Ty::U16 => tri::<u16, u16, u32, u32>(i, file, mask, |a, b, c| {
                (u32::from(a) * u32::from(b)).wrapping_add(c)
            }),
            Ty::S32 => tri::<i32, i32, i64, i64>(i, file, mask, |a, b, c| {
                (i64::from(a) * i64::from(b)).wrapping_add(c)
            }),
            _ => tri::<u32, u32, u64, u64>(i, file, mask, |a, b, c| {
                (u64::from(a) * u64::from(b)).wrapping_add(c)
            }),
        },
        Tri::MadHi => match ty {
            Ty::S32 => tri::<i32, i32, i32, i32>(i, file, mask, |a, b, c| {
                (((i64::from(a) * i64::from(b)) >> 32) as i32).wrapping_add(c)
            }),
            Ty::S64 => tri::<i64, i64, i64, i64>(i, file, mask, |a, b, c| {
                (((i128::from(a) * i128::from(b)) >> 64) as i64).wrapping_add(c)
            }),
            Ty::U64 => tri::<u64, u64, u64, u64>(i, file, mask, |a, b, c| {
                (((u128::from(a) * u128::from(b)) >> 64) as u64).wrapping_add(c)
            }),
            _ => tri::<u32, u32, u32, u32>(i, file, mask, |a, b, c| {
                (((u64::from(a) * u64::from(b)) >> 32) as u32).wrapping_add(c)
            }),
        },
        Tri::Sad => ints!(ty, T => tri::<T, T, T, T>(i, file, mask, |a, b, c| {
            c.wrapping_add(if a < b { b.wrapping_sub(a) } else { a.wrapping_sub(b) })
        })),
        Tri::Lop3 => {
            let table = i.imm as u32;
            tri::<u32, u32, u32, u32>(i, file, mask, |a, b, c| math::lop3(a, b, c, table));
        }
        Tri::Prmt => tri::<u32, u32, u32, u32>(i, file, mask, math::prmt),
        Tri::Bfe => {
            let wide = ty.wide();
            slow(i, file, mask, [wide, wide, false, false], &|[a, b, c, _]| {
                math::bfe(a, b as u32, c as u32, 8 * ty.bytes(), ty.signed())
            });
        }
        // A funnel shift moves the 64 bits {r2, r1}.
        Tri::ShfLeftClamp => tri::<u32, u32, u32, u32>(i, file, mask, |a, b, c| {
            ((u64::from(b) << 32 | u64::from(a)) << c.min(32) >> 32) as u32
        }),
        Tri::ShfLeftWrap => tri::<u32, u32, u32, u32>(i, file, mask, |a, b, c| {
            ((u64::from(b) << 32 | u64::from(a)) << (c & 31) >> 32) as u32
        }),
        Tri::ShfRightClamp => tri::<u32, u32, u32, u32>(i, file, mask, |a, b, c| {
            ((u64::from(b) << 32 | u64::from(a)) >> c.min(32)) as u32
        }),
        Tri::ShfRightWrap => tri::<u32, u32, u32, u32>(i, file, mask, |a, b, c| {
            ((u64::from(b) << 32 | u64::from(a)) >> (c & 31)) as u32
        }),
        Tri::Dp4a => tri::<u32, u32, u32, u32>(i, file, mask, math::dp4a_unsigned),
        Tri::Dp4aSigned => tri::<u32, u32, u32, u32>(i, file, mask, math::dp4a_signed),
    }
}
