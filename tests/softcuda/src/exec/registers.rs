//! A warp's register file, and views of its rows by type.

use super::code::Row;
use half::{bf16, f16};

/// Lanes of a warp.
pub const LANES: usize = 32;

#[derive(Clone, Copy)]
#[repr(C, align(128))]
struct RowBits([u32; LANES]);

/// Rows and predicates of one warp.
///
/// Row numbers come from the decoder, which hands out only rows below [`Self::new`]'s count (both
/// rows of a 64-bit register). The accessors still check: one comparison per 32 lanes.
pub struct Registers {
    rows: Vec<RowBits>,
    pub preds: Vec<u32>,
    /// Whether the host has the vector instructions.
    pub vector: bool,
}

impl Registers {
    pub fn new(rows: u32, preds: u32) -> Self {
        let mut file = Self {
            rows: vec![RowBits([0; LANES]); rows as usize],
            preds: vec![0; preds as usize],
            vector: super::alu::vector_host(),
        };
        file.preds[0] = !0;
        file
    }

    #[inline(always)]
    pub fn narrow(&self, row: Row) -> &[u32; LANES] {
        &self.rows[row as usize].0
    }

    #[inline(always)]
    pub fn narrow_mut(&mut self, row: Row) -> &mut [u32; LANES] {
        &mut self.rows[row as usize].0
    }

    #[inline(always)]
    pub fn wide(&self, row: Row) -> &[u64; LANES] {
        let pair = &self.rows[row as usize..row as usize + 2];
        // SAFETY: two adjacent rows are 256 bytes, aligned to 128, of plain integers.
        unsafe { &*pair.as_ptr().cast() }
    }

    #[inline(always)]
    pub fn wide_mut(&mut self, row: Row) -> &mut [u64; LANES] {
        let pair = &mut self.rows[row as usize..row as usize + 2];
        // SAFETY: as in `wide`, and the borrow is exclusive.
        unsafe { &mut *pair.as_mut_ptr().cast() }
    }

    /// One lane of a row of either width, as an integer.
    #[inline(always)]
    pub fn lane(&self, row: Row, wide: bool, lane: usize) -> u64 {
        if wide { self.wide(row)[lane] } else { u64::from(self.narrow(row)[lane]) }
    }

    #[inline(always)]
    pub fn set_lane(&mut self, row: Row, wide: bool, lane: usize, value: u64) {
        if wide {
            self.wide_mut(row)[lane] = value;
        } else {
            self.narrow_mut(row)[lane] = value as u32;
        }
    }

    /// Lanes where a predicate holds.
    #[inline(always)]
    pub fn pred(&self, pred: super::code::Pred) -> u32 {
        self.preds[pred.index() as usize] ^ 0_u32.wrapping_sub(pred.0 & 1)
    }

    #[inline(always)]
    pub fn set_pred(&mut self, index: u32, value: u32, mask: u32) {
        let slot = &mut self.preds[index as usize];
        *slot = *slot & !mask | value & mask;
    }
}

/// A type that rows can be read and written as.
pub trait Lane {
    type Value: Copy + Default;
    fn load(file: &Registers, row: Row) -> [Self::Value; LANES];
    fn store(file: &mut Registers, row: Row, values: &[Self::Value; LANES], mask: u32);
}

#[inline(always)]
fn blend<T: Copy>(to: &mut [T; LANES], from: &[T; LANES], mask: u32) {
    if mask == !0 {
        *to = *from;
    } else {
        for lane in 0..LANES {
            to[lane] = if mask >> lane & 1 != 0 { from[lane] } else { to[lane] };
        }
    }
}

macro_rules! lane {
    ($lane:ty, $value:ty, $view:ident, $view_mut:ident, $raw:ty, $from:expr, $to:expr) => {
        impl Lane for $lane {
            type Value = $value;

            #[inline(always)]
            fn load(file: &Registers, row: Row) -> [$value; LANES] {
                let raw = file.$view(row);
                let mut values = [<$value>::default(); LANES];
                for lane in 0..LANES {
                    values[lane] = $from(raw[lane]);
                }
                values
            }

            #[inline(always)]
            fn store(file: &mut Registers, row: Row, values: &[$value; LANES], mask: u32) {
                let mut raw = [0 as $raw; LANES];
                for lane in 0..LANES {
                    raw[lane] = $to(values[lane]);
                }
                blend(file.$view_mut(row), &raw, mask);
            }
        }
    };
}

/// f32 whose denormals are zeros, read or written.
pub struct Flushed;
/// f16 and bf16 compute in f64, which holds their products exactly.
pub struct Half;
pub struct Brain;
/// Two of them in a word, the low one first.
pub struct HalfPair;
pub struct BrainPair;

/// `half` cuts an f64 to 32 bits before it rounds: the lowest bit left stands for what is cut.
fn sticky(x: f64) -> f64 {
    let bits = x.to_bits();
    let (kept, cut) = (bits & !0xffff_ffff, bits & 0xffff_ffff);
    if x.is_nan() { x } else { f64::from_bits(kept | u64::from(cut != 0) << 32) }
}

pub fn to_f16(x: f64) -> f16 {
    f16::from_f64(sticky(x))
}

pub fn to_bf16(x: f64) -> bf16 {
    bf16::from_f64(sticky(x))
}

#[inline(always)]
pub fn flush(x: f32) -> f32 {
    if x.abs() < f32::MIN_POSITIVE { 0.0_f32.copysign(x) } else { x }
}

lane!(u16, u16, narrow, narrow_mut, u32, |x| x as u16, |x| x as u32);
lane!(i16, i16, narrow, narrow_mut, u32, |x| x as u16 as i16, |x: i16| x as u16 as u32);
lane!(u32, u32, narrow, narrow_mut, u32, |x| x, |x| x);
lane!(i32, i32, narrow, narrow_mut, u32, |x| x as i32, |x| x as u32);
lane!(f32, f32, narrow, narrow_mut, u32, f32::from_bits, f32::to_bits);
lane!(u64, u64, wide, wide_mut, u64, |x| x, |x| x);
lane!(i64, i64, wide, wide_mut, u64, |x| x as i64, |x| x as u64);
lane!(f64, f64, wide, wide_mut, u64, f64::from_bits, f64::to_bits);
lane!(Flushed, f32, narrow, narrow_mut, u32, |x| flush(f32::from_bits(x)), |x: f32| flush(x)
    .to_bits());
lane!(Half, f64, narrow, narrow_mut, u32, |x| f16::from_bits(x as u16).to_f64(), |x| u32::from(
    to_f16(x).to_bits()
));
lane!(Brain, f64, narrow, narrow_mut, u32, |x| bf16::from_bits(x as u16).to_f64(), |x| u32::from(
    to_bf16(x).to_bits()
));
lane!(
    HalfPair,
    [f64; 2],
    narrow,
    narrow_mut,
    u32,
    |x| [f16::from_bits(x as u16).to_f64(), f16::from_bits((x >> 16) as u16).to_f64()],
    |x: [f64; 2]| { u32::from(to_f16(x[0]).to_bits()) | u32::from(to_f16(x[1]).to_bits()) << 16 }
);
lane!(
    BrainPair,
    [f64; 2],
    narrow,
    narrow_mut,
    u32,
    |x| [bf16::from_bits(x as u16).to_f64(), bf16::from_bits((x >> 16) as u16).to_f64()],
    |x: [f64; 2]| { u32::from(to_bf16(x[0]).to_bits()) | u32::from(to_bf16(x[1]).to_bits()) << 16 }
);
