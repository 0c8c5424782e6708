//! The floating point formats of stored columns.

use std::fmt::Debug;
use std::ops::{Add, AddAssign, Div, Mul, Neg, Sub};
use std::sync::Mutex;

use crate::rng::noise::{Entry, Noise};

/// A format that columns are stored and combined in: binary32 or binary64. Small matrices are f64
/// in either.
pub trait Real:
    Copy
    + Debug
    + Default
    + PartialOrd
    + Send
    + Sync
    + Add<Output = Self>
    + AddAssign
    + Div<Output = Self>
    + Mul<Output = Self>
    + Neg<Output = Self>
    + Sub<Output = Self>
    + bytemuck::Pod
{
    /// The number 0 in this format.
    const ZERO: Self;
    /// The number 1 in this format.
    const ONE: Self;
    /// Inner products of columns that count as orthonormal are off by at most this: twice the rounding
    /// of the coefficients that made them, and of their sums.
    const ORTHONORMAL: f64;

    /// Slabs of stored columns that networks have left, for the next networks of this process.
    fn spare() -> &'static Mutex<Vec<Vec<Self>>>;
    /// The number of this format that is nearest to `x`.
    fn of(x: f64) -> Self;
    /// The same number as binary64, exactly.
    fn widen(self) -> f64;
    /// The nearest number of binary32.
    fn narrow(self) -> f32;
    /// Draws rows of a column of Gaussians, from row `first` on.
    fn draw(noise: &dyn Noise, entry: Entry, first: usize, out: &mut [Self]);
    /// self · a + b: with one rounding if `FUSED`, which must not be asked of a processor without
    /// the instruction (it would be a library call), else with two.
    fn mul_add<const FUSED: bool>(self, a: Self, b: Self) -> Self;
    /// The absolute value of a number.
    fn abs(self) -> Self;
}

macro_rules! real {
    ($real:ty, $orthonormal:expr, $fill:ident) => {
        impl Real for $real {
            const ZERO: Self = 0.0;
            const ONE: Self = 1.0;
            const ORTHONORMAL: f64 = $orthonormal;

            fn spare() -> &'static Mutex<Vec<Vec<Self>>> {
                static SPARE: Mutex<Vec<Vec<$real>>> = Mutex::new(Vec::new());
                &SPARE
            }
            #[inline(always)]
            fn of(x: f64) -> Self {
                x as $real
            }
            #[inline(always)]
            fn widen(self) -> f64 {
                f64::from(self)
            }
            #[inline(always)]
            fn narrow(self) -> f32 {
                self as f32
            }
            fn draw(noise: &dyn Noise, entry: Entry, first: usize, out: &mut [Self]) {
                noise.$fill(entry, first, out);
            }
            #[inline(always)]
            fn mul_add<const FUSED: bool>(self, a: Self, b: Self) -> Self {
                if FUSED { <$real>::mul_add(self, a, b) } else { self * a + b }
            }
            #[inline(always)]
            fn abs(self) -> Self {
                <$real>::abs(self)
            }
        }
    };
}

real!(f32, 2.5e-7, fill_f32);
real!(f64, 4e-15, fill);
