//! `cvt`: between integers and floats of all widths.

use super::code::{Mode, Toward};
use super::math::{step32, step64};
use super::registers::{flush, to_bf16, to_f16};
use crate::ptx::Ty;
use half::{bf16, f16};
use std::cmp::Ordering;

/// One value, in and out as raw bits.
pub fn convert(bits: u64, to: Ty, from: Ty, mode: Mode, saturate: bool) -> u64 {
    match (from.float(), to.float()) {
        (false, false) => integer(widen(bits, from), to, saturate),
        (false, true) => from_integer(widen(bits, from), to, mode),
        (true, false) => {
            let value = round(float(bits, from), mode);
            // `as` saturates, and NaN is 0.
            integer(value as i128, to, true)
        }
        (true, true) => {
            let value = round(float(bits, from), mode);
            let value = if !saturate {
                value
            } else if value.is_nan() {
                0.0
            } else {
                value.clamp(0.0, 1.0) + 0.0
            };
            let toward = match mode {
                Mode::Toward(toward) => Some(toward),
                _ => None,
            };
            narrow(value, to, toward)
        }
    }
}

fn widen(bits: u64, from: Ty) -> i128 {
    match from {
        Ty::S8 => i128::from(bits as i8),
        Ty::S16 => i128::from(bits as i16),
        Ty::S32 => i128::from(bits as i32),
        Ty::S64 => i128::from(bits as i64),
        _ => match from.bytes() {
            1 => i128::from(bits as u8),
            2 => i128::from(bits as u16),
            4 => i128::from(bits as u32),
            _ => i128::from(bits),
        },
    }
}

fn integer(value: i128, to: Ty, saturate: bool) -> u64 {
    let bits = 8 * to.bytes();
    let (low, high) = if to.signed() {
        (-(1_i128 << (bits - 1)), (1_i128 << (bits - 1)) - 1)
    } else {
        (0, (1_i128 << bits) - 1)
    };
    // A narrow signed result extends to the register it's written to.
    let value = if saturate { value.clamp(low, high) } else { value };
    match (to.signed(), bits) {
        (true, 8) => value as i8 as i64 as u64,
        (true, 16) => value as i16 as i64 as u64,
        (true, 32) => value as i32 as i64 as u64,
        (_, 8) => u64::from(value as u8),
        (_, 16) => u64::from(value as u16),
        (_, 32) => u64::from(value as u32),
        _ => value as u64,
    }
}

fn from_integer(value: i128, to: Ty, mode: Mode) -> u64 {
    let toward = if let Mode::Toward(toward) = mode { Some(toward) } else { None };
    match to {
        Ty::F32 | Ty::F32z => {
            let nearest = value as f32;
            let exact = toward.map(|toward| step32(nearest, value.cmp(&(nearest as i128)), toward));
            u64::from(exact.unwrap_or(nearest).to_bits())
        }
        Ty::F64 => {
            let nearest = value as f64;
            let exact = toward.map(|toward| step64(nearest, value.cmp(&(nearest as i128)), toward));
            exact.unwrap_or(nearest).to_bits()
        }
        // Up to 53 bits are exact in f64, and beyond f16 and bf16 overflow or round the same.
        _ => narrow(value as f64, to, toward),
    }
}

fn float(bits: u64, from: Ty) -> f64 {
    match from {
        Ty::F16 => f16::from_bits(bits as u16).to_f64(),
        Ty::BF16 => bf16::from_bits(bits as u16).to_f64(),
        Ty::F32 => f64::from(f32::from_bits(bits as u32)),
        Ty::F32z => f64::from(flush(f32::from_bits(bits as u32))),
        _ => f64::from_bits(bits),
    }
}

fn round(value: f64, mode: Mode) -> f64 {
    match mode {
        Mode::IntegerNearest => value.round_ties_even(),
        Mode::Integer(Toward::Zero) => value.trunc(),
        Mode::Integer(Toward::Down) => value.floor(),
        Mode::Integer(Toward::Up) => value.ceil(),
        _ => value,
    }
}

fn narrow(value: f64, to: Ty, toward: Option<Toward>) -> u64 {
    let relative = |nearest: f64| value.partial_cmp(&nearest).unwrap_or(Ordering::Equal);
    match to {
        Ty::F16 | Ty::BF16 if value.is_nan() => 0x7fff,
        Ty::F16 => {
            let nearest = to_f16(value);
            let order = relative(nearest.to_f64());
            u64::from(toward.map_or(nearest.to_bits(), |t| step_bits(nearest.to_bits(), order, t)))
        }
        Ty::BF16 => {
            let nearest = to_bf16(value);
            let order = relative(nearest.to_f64());
            u64::from(toward.map_or(nearest.to_bits(), |t| step_bits(nearest.to_bits(), order, t)))
        }
        Ty::F32 | Ty::F32z => {
            let nearest = value as f32;
            let order = relative(f64::from(nearest));
            let result = toward.map_or(nearest, |toward| step32(nearest, order, toward));
            u64::from(if to == Ty::F32z { flush(result) } else { result }.to_bits())
        }
        _ => value.to_bits(),
    }
}

/// [`step32`] on the bits of a 16-bit float.
fn step_bits(bits: u16, exact: Ordering, toward: Toward) -> u16 {
    let magnitude = bits & 0x7fff;
    let negative = bits >> 15 != 0 && magnitude != 0 || magnitude == 0 && exact == Ordering::Less;
    let down = match (exact, toward) {
        (Ordering::Less, Toward::Down) => true,
        (Ordering::Less, Toward::Zero) if !negative => true,
        (Ordering::Greater, Toward::Up) => false,
        (Ordering::Greater, Toward::Zero) if negative => false,
        _ => return bits,
    };
    match (magnitude, down) {
        (0, true) => 0x8001,
        (0, false) => 1,
        _ if negative == down => bits + 1,
        _ => bits - 1,
    }
}
