//! Arithmetic that Rust's operators don't have: directed rounding, PTX's minimum and maximum, the
//! approximate functions, bit permutations.

use super::code::{Directed, Toward};
use std::cmp::Ordering;

/// PTX's minimum: a NaN loses, −0 is below +0.
macro_rules! extremes {
    ($float:ty, $nan:expr, $min:ident, $max:ident, $min_nan:ident, $max_nan:ident) => {
        #[inline(always)]
        pub fn $min(a: $float, b: $float) -> $float {
            if a.is_nan() {
                return if b.is_nan() { $nan } else { b };
            }
            if a < b || b.is_nan() || (a == b && a.is_sign_negative()) { a } else { b }
        }

        #[inline(always)]
        pub fn $max(a: $float, b: $float) -> $float {
            if a.is_nan() {
                return if b.is_nan() { $nan } else { b };
            }
            if a > b || b.is_nan() || (a == b && a.is_sign_positive()) { a } else { b }
        }

        #[inline(always)]
        pub fn $min_nan(a: $float, b: $float) -> $float {
            if a.is_nan() || b.is_nan() { $nan } else { $min(a, b) }
        }

        #[inline(always)]
        pub fn $max_nan(a: $float, b: $float) -> $float {
            if a.is_nan() || b.is_nan() { $nan } else { $max(a, b) }
        }
    };
}

const NAN32: f32 = f32::from_bits(0x7fff_ffff);
const NAN64: f64 = f64::from_bits(0x7fff_ffff_ffff_ffff);

extremes!(f32, NAN32, min32, max32, min_nan32, max_nan32);
extremes!(f64, NAN64, min64, max64, min_nan64, max_nan64);

/// Sum and its exact error.
fn two_sum(a: f64, b: f64) -> (f64, f64) {
    let sum = a + b;
    let back = sum - a;
    (sum, (a - (sum - back)) + (b - back))
}

/// Sum rounded to odd: rounding it again, to fewer than 52 bits, is as if rounded once.
pub fn odd_sum(a: f64, b: f64) -> f64 {
    let (sum, error) = two_sum(a, b);
    if error == 0.0 || !sum.is_finite() || sum.to_bits() & 1 == 1 {
        return sum;
    }
    // The neighbour on the side of the error is the odd one of the two that enclose the sum.
    if (error > 0.0) == (sum > 0.0) {
        f64::from_bits(sum.to_bits() + 1)
    } else {
        f64::from_bits(sum.to_bits() - 1)
    }
}

fn order(x: f64) -> Ordering {
    x.partial_cmp(&0.0).unwrap_or(Ordering::Equal)
}

/// Sign of an exact sum, by growing an expansion without rounding error.
fn sign_of_sum(terms: [f64; 4]) -> Ordering {
    let mut parts = [0.0; 4];
    for (count, term) in terms.into_iter().enumerate() {
        let mut carried = term;
        for part in &mut parts[..count] {
            let (sum, error) = two_sum(carried, *part);
            (carried, *part) = (sum, error);
        }
        parts[count] = carried;
    }
    let largest = parts.iter().rev().find(|part| **part != 0.0);
    largest.map_or(Ordering::Equal, |part| order(*part))
}

/// The neighbour that directed rounding wants, given the nearest float and where the exact value
/// lies relative to it.
macro_rules! step {
    ($name:ident, $float:ty) => {
        pub fn $name(nearest: $float, exact: Ordering, toward: Toward) -> $float {
            let negative = nearest < 0.0 || (nearest == 0.0 && exact == Ordering::Less);
            match (exact, toward) {
                (Ordering::Less, Toward::Down) => nearest.next_down(),
                (Ordering::Greater, Toward::Up) => nearest.next_up(),
                (Ordering::Less, Toward::Zero) if !negative => nearest.next_down(),
                (Ordering::Greater, Toward::Zero) if negative => nearest.next_up(),
                _ => nearest,
            }
        }
    };
}

step!(step32, f32);
step!(step64, f64);

/// f32 operations through f64, where each is exact but for a rest whose sign is known.
pub fn directed32(op: Directed, toward: Toward, a: f32, b: f32, c: f32) -> f32 {
    let (x, y, z) = (f64::from(a), f64::from(b), f64::from(c));
    let (value, rest) = match op {
        Directed::Add => two_sum(x, y),
        Directed::Sub => two_sum(x, -y),
        Directed::Mul => (x * y, 0.0),
        Directed::Fma => two_sum(x * y, z),
        Directed::Div => quotient(x, y),
        Directed::Rcp => quotient(1.0, x),
        Directed::Sqrt => (x.sqrt(), (-x.sqrt()).mul_add(x.sqrt(), x)),
    };
    if !value.is_finite() {
        return value as f32;
    }
    if value == 0.0 {
        return zero(op, toward, value, x, y, z) as f32;
    }
    let nearest = value as f32;
    let exact = order(value - f64::from(nearest)).then(order(rest));
    step32(nearest, exact, toward)
}

pub fn directed64(op: Directed, toward: Toward, a: f64, b: f64, c: f64) -> f64 {
    let (value, rest) = match op {
        Directed::Add => two_sum(a, b),
        Directed::Sub => two_sum(a, -b),
        Directed::Mul => (a * b, a.mul_add(b, -(a * b))),
        Directed::Div => quotient(a, b),
        Directed::Rcp => quotient(1.0, a),
        Directed::Sqrt => (a.sqrt(), (-a.sqrt()).mul_add(a.sqrt(), a)),
        Directed::Fma => {
            let (product, value) = (a * b, a.mul_add(b, c));
            let sign = sign_of_sum([a.mul_add(b, -product), product, c, -value]);
            (value, f64::from(sign as i8))
        }
    };
    if value.is_infinite() && a.is_finite() && (op == Directed::Rcp || b.is_finite()) {
        let divides_by_zero =
            (op == Directed::Div && b == 0.0) || (op == Directed::Rcp && a == 0.0);
        if c.is_finite() && !divides_by_zero {
            let inward = if value > 0.0 { Ordering::Less } else { Ordering::Greater };
            return step64(value, inward, toward);
        }
        return value;
    }
    if !value.is_finite() {
        return value;
    }
    if value == 0.0 && rest == 0.0 {
        return zero(op, toward, value, a, b, c);
    }
    step64(value, order(rest), toward)
}

fn quotient(a: f64, b: f64) -> (f64, f64) {
    let value = a / b;
    (value, (-value).mul_add(b, a) * b.signum())
}

/// A sum that cancels is −0 when rounding down.
fn zero(op: Directed, toward: Toward, value: f64, a: f64, b: f64, c: f64) -> f64 {
    let cancels = match op {
        Directed::Add => a.is_sign_negative() != b.is_sign_negative(),
        Directed::Sub => a.is_sign_negative() == b.is_sign_negative(),
        Directed::Fma => (a * b).is_sign_negative() != c.is_sign_negative(),
        _ => false,
    };
    if cancels && toward == Toward::Down { -0.0 } else { value }
}

/// `prmt`, default mode.
pub fn prmt(a: u32, b: u32, selector: u32) -> u32 {
    let bytes = u64::from(b) << 32 | u64::from(a);
    (0..4).fold(0, |result, i| {
        let select = selector >> (4 * i);
        let byte = (bytes >> (8 * (select & 7))) as u8;
        let byte = if select & 8 != 0 { ((byte as i8) >> 7) as u8 } else { byte };
        result | u32::from(byte) << (8 * i)
    })
}

/// `bfe` of a value of `width` bits.
pub fn bfe(value: u64, position: u32, length: u32, width: u32, signed: bool) -> u64 {
    let (position, length) = (position & 255, length & 255);
    if length == 0 {
        return 0;
    }
    let sign_at = (position + length - 1).min(width - 1);
    let fill = signed && value >> sign_at & 1 != 0;
    let shifted = if position >= 64 { 0 } else { value >> position };
    let kept = length.min(width.saturating_sub(position));
    let mask = if kept >= 64 { !0 } else { (1_u64 << kept) - 1 };
    if fill { shifted & mask | !mask } else { shifted & mask }
}

/// `bfi`: bits of `from` into `into`.
pub fn bfi(from: u64, into: u64, position: u32, length: u32, width: u32) -> u64 {
    let (position, length) = (position & 255, length & 255);
    if position >= width || length == 0 {
        return into;
    }
    let length = length.min(width - position);
    let mask = (if length >= 64 { !0 } else { (1_u64 << length) - 1 }) << position;
    into & !mask | from << position & mask
}

#[inline(always)]
pub fn lop3(a: u32, b: u32, c: u32, table: u32) -> u32 {
    let (mut result, rows) = (0, [!a & !b & !c, !a & !b & c, !a & b & !c, !a & b & c]);
    let upper = [a & !b & !c, a & !b & c, a & b & !c, a & b & c];
    for i in 0..4 {
        result |= rows[i] & 0_u32.wrapping_sub(table >> i & 1);
        result |= upper[i] & 0_u32.wrapping_sub(table >> (i + 4) & 1);
    }
    result
}

pub fn dp4a_unsigned(a: u32, b: u32, c: u32) -> u32 {
    let (a, b) = (a.to_le_bytes(), b.to_le_bytes());
    (0..4).fold(c, |sum, i| sum.wrapping_add(u32::from(a[i]) * u32::from(b[i])))
}

pub fn dp4a_signed(a: u32, b: u32, c: u32) -> u32 {
    let (a, b) = (a.to_le_bytes(), b.to_le_bytes());
    (0..4)
        .fold(c, |sum, i| sum.wrapping_add((i32::from(a[i] as i8) * i32::from(b[i] as i8)) as u32))
}

/// The `.approx` functions: f64 results, rounded. Hardware differs in the last bits.
pub fn ex2(x: f32) -> f32 {
    libm::exp2(f64::from(x)) as f32
}

pub fn lg2(x: f32) -> f32 {
    libm::log2(f64::from(x)) as f32
}

pub fn sin(x: f32) -> f32 {
    libm::sin(f64::from(x)) as f32
}

pub fn cos(x: f32) -> f32 {
    libm::cos(f64::from(x)) as f32
}

pub fn tanh(x: f32) -> f32 {
    libm::tanh(f64::from(x)) as f32
}

pub fn rsqrt(x: f32) -> f32 {
    (1.0 / f64::from(x).sqrt()) as f32
}

/// `rcp.approx.ftz.f64` and its kin: 20 bits of mantissa, denormals flushed.
pub fn upper(x: f64, f: impl Fn(f64) -> f64) -> f64 {
    let flush = |x: f64| if x.abs() < f64::MIN_POSITIVE { 0.0_f64.copysign(x) } else { x };
    let result = flush(f(flush(x)));
    f64::from_bits(result.to_bits() & !0xffff_ffff)
}
