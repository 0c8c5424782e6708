//! Comparisons: a bit per lane.

use super::typed::ints;
use crate::exec::code::Compare;
use crate::exec::registers::{Brain, Flushed, Half, LANES, Lane, Registers};
use crate::ptx::Ty;
use std::cmp::Ordering;

/// Lanes for which a comparison holds.
#[inline(always)]
fn compare_as<T: Lane>(
    a: u32,
    b: u32,
    file: &Registers,
    f: impl Fn(T::Value, T::Value) -> bool,
) -> u32 {
    #[cfg(target_arch = "x86_64")]
    if file.vector {
        // SAFETY: `vector` says that the host has the features.
        return unsafe { compare_vector::<T>(a, b, file, f) };
    }
    compare_portable::<T>(a, b, file, &f)
}

#[cfg(target_arch = "x86_64")]
#[inline(never)]
#[target_feature(enable = "avx2,fma,bmi1,bmi2,lzcnt,popcnt")]
fn compare_vector<T: Lane>(
    a: u32,
    b: u32,
    file: &Registers,
    f: impl Fn(T::Value, T::Value) -> bool,
) -> u32 {
    let (a, b) = (T::load(file, a), T::load(file, b));
    let mut bits = 0;
    for lane in 0..LANES {
        bits |= u32::from(f(a[lane], b[lane])) << lane;
    }
    bits
}

#[inline(never)]
fn compare_portable<T: Lane>(
    a: u32,
    b: u32,
    file: &Registers,
    f: &dyn Fn(T::Value, T::Value) -> bool,
) -> u32 {
    let (a, b) = (T::load(file, a), T::load(file, b));
    (0..LANES).fold(0, |bits, lane| bits | u32::from(f(a[lane], b[lane])) << lane)
}

#[inline(never)]
pub(super) fn compare(op: Compare, ty: Ty, a: u32, b: u32, file: &Registers) -> u32 {
    macro_rules! ordered {
        ($t:ty) => {
            match op {
                Compare::Eq | Compare::Equ => compare_as::<$t>(a, b, file, |a, b| a == b),
                Compare::Ne | Compare::Neu => compare_as::<$t>(a, b, file, |a, b| a != b),
                Compare::Lt | Compare::Ltu => compare_as::<$t>(a, b, file, |a, b| a < b),
                Compare::Le | Compare::Leu => compare_as::<$t>(a, b, file, |a, b| a <= b),
                Compare::Gt | Compare::Gtu => compare_as::<$t>(a, b, file, |a, b| a > b),
                Compare::Ge | Compare::Geu => compare_as::<$t>(a, b, file, |a, b| a >= b),
                Compare::Num | Compare::Nan => 0,
            }
        };
    }
    if !ty.float() {
        return ints!(ty, T => ordered!(T));
    }
    fn apart<V: PartialOrd>(a: V, b: V) -> bool {
        matches!(a.partial_cmp(&b), Some(Ordering::Less | Ordering::Greater))
    }
    fn ordered<V: PartialOrd>(a: V, b: V) -> bool {
        a.partial_cmp(&b).is_some()
    }
    // Rust's `==` and `<` are ordered, its `!=` is unordered; negation makes the rest.
    macro_rules! float {
        ($t:ty) => {
            match op {
                Compare::Eq => compare_as::<$t>(a, b, file, |a, b| a == b),
                Compare::Neu => compare_as::<$t>(a, b, file, |a, b| a != b),
                Compare::Lt => compare_as::<$t>(a, b, file, |a, b| a < b),
                Compare::Le => compare_as::<$t>(a, b, file, |a, b| a <= b),
                Compare::Gt => compare_as::<$t>(a, b, file, |a, b| a > b),
                Compare::Ge => compare_as::<$t>(a, b, file, |a, b| a >= b),
                Compare::Geu => !compare_as::<$t>(a, b, file, |a, b| a < b),
                Compare::Gtu => !compare_as::<$t>(a, b, file, |a, b| a <= b),
                Compare::Leu => !compare_as::<$t>(a, b, file, |a, b| a > b),
                Compare::Ltu => !compare_as::<$t>(a, b, file, |a, b| a >= b),
                Compare::Ne => compare_as::<$t>(a, b, file, apart),
                Compare::Equ => !compare_as::<$t>(a, b, file, apart),
                Compare::Num => compare_as::<$t>(a, b, file, ordered),
                Compare::Nan => !compare_as::<$t>(a, b, file, ordered),
            }
        };
    }
    match ty {
        Ty::F64 => float!(f64),
        Ty::F32z => float!(Flushed),
        Ty::F16 => float!(Half),
        Ty::BF16 => float!(Brain),
        _ => float!(f32),
    }
}
