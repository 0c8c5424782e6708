//! Loops over the lanes of a warp.

use crate::exec::code::Inst;
use crate::exec::math;
use crate::exec::registers::{Brain, BrainPair, Flushed, Half, HalfPair, LANES, Lane, Registers};

/// A loop over the lanes, as vector code where the host can run it. The portable one calls its
/// function lane by lane, so that it's compiled once per types, not once per operation: the results
/// are the same.
macro_rules! lanewise {
    ($name:ident, $vector:ident, $portable:ident, $($lane:ident $value:ident $row:literal),+) => {
        #[inline(always)]
        pub(super) fn $name<$($lane: Lane,)+ R: Lane>(
            i: &Inst,
            file: &mut Registers,
            mask: u32,
            f: impl Fn($($lane::Value),+) -> R::Value,
        ) {
            #[cfg(target_arch = "x86_64")]
            if file.vector {
                // SAFETY: `vector` says that the host has the features.
                return unsafe { $vector::<$($lane,)+ R>(i, file, mask, f) };
            }
            $portable::<$($lane,)+ R>(i, file, mask, &f);
        }

        #[cfg(target_arch = "x86_64")]
        #[inline(never)]
        #[target_feature(enable = "avx2,fma,bmi1,bmi2,lzcnt,popcnt")]
        fn $vector<$($lane: Lane,)+ R: Lane>(
            i: &Inst,
            file: &mut Registers,
            mask: u32,
            f: impl Fn($($lane::Value),+) -> R::Value,
        ) {
            $(let $value = $lane::load(file, i.r[$row]);)+
            let mut out = [R::Value::default(); LANES];
            for lane in 0..LANES {
                out[lane] = f($($value[lane]),+);
            }
            R::store(file, i.r[0], &out, mask);
        }

        #[inline(never)]
        fn $portable<$($lane: Lane,)+ R: Lane>(
            i: &Inst,
            file: &mut Registers,
            mask: u32,
            f: &dyn Fn($($lane::Value),+) -> R::Value,
        ) {
            $(let $value = $lane::load(file, i.r[$row]);)+
            let mut out = [R::Value::default(); LANES];
            for lane in 0..LANES {
                out[lane] = f($($value[lane]),+);
            }
            R::store(file, i.r[0], &out, mask);
        }
    };
}

lanewise!(un, un_vector, un_portable, A a 1);
lanewise!(bin, bin_vector, bin_portable, A a 1, B b 2);
lanewise!(tri, tri_vector, tri_portable, A a 1, B b 2, C c 3);

/// A lane type that can be multiplied and added with one rounding.
pub(super) trait Fuse: Lane {
    fn fuse(a: Self::Value, b: Self::Value, c: Self::Value) -> Self::Value;
}

macro_rules! fuse {
    ($lane:ty, $value:ty, |$a:ident, $b:ident, $c:ident| $body:expr) => {
        impl Fuse for $lane {
            #[inline(always)]
            fn fuse($a: $value, $b: $value, $c: $value) -> $value {
                $body
            }
        }
    };
}

fuse!(f32, f32, |a, b, c| a.mul_add(b, c));
fuse!(f64, f64, |a, b, c| a.mul_add(b, c));
fuse!(Flushed, f32, |a, b, c| a.mul_add(b, c));
fuse!(Half, f64, |a, b, c| math::odd_sum(a * b, c));
fuse!(Brain, f64, |a, b, c| math::odd_sum(a * b, c));
fuse!(HalfPair, [f64; 2], |a, b, c| [Half::fuse(a[0], b[0], c[0]), Half::fuse(a[1], b[1], c[1])]);
fuse!(BrainPair, [f64; 2], |a, b, c| [
    Brain::fuse(a[0], b[0], c[0]),
    Brain::fuse(a[1], b[1], c[1])
]);

/// Fused multiply-add. Not a closure: only in a function of the right features is it an instruction
/// rather than a call.
pub(super) fn fuse<T: Fuse>(i: &Inst, file: &mut Registers, mask: u32) {
    #[cfg(target_arch = "x86_64")]
    if file.vector {
        // SAFETY: `vector` says that the host has the features.
        return unsafe { fuse_vector::<T>(i, file, mask) };
    }
    fuse_all::<T>(i, file, mask);
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2,fma,bmi1,bmi2,lzcnt,popcnt")]
fn fuse_vector<T: Fuse>(i: &Inst, file: &mut Registers, mask: u32) {
    fuse_all::<T>(i, file, mask);
}

#[inline(always)]
fn fuse_all<T: Fuse>(i: &Inst, file: &mut Registers, mask: u32) {
    let (a, b, c) = (T::load(file, i.r[1]), T::load(file, i.r[2]), T::load(file, i.r[3]));
    let mut out = [T::Value::default(); LANES];
    for lane in 0..LANES {
        out[lane] = T::fuse(a[lane], b[lane], c[lane]);
    }
    T::store(file, i.r[0], &out, mask);
}

/// For operations too long to be vector code: only the lanes that count, out of line.
#[inline(never)]
pub(super) fn slow(
    i: &Inst,
    file: &mut Registers,
    mask: u32,
    wide: [bool; 4],
    f: &dyn Fn([u64; 4]) -> u64,
) {
    for lane in (0..LANES).filter(|lane| mask >> lane & 1 != 0) {
        let mut sources = [0; 4];
        for (k, source) in sources.iter_mut().enumerate().take(3) {
            *source = file.lane(i.r[k + 1], wide[k + 1], lane);
        }
        file.set_lane(i.r[0], wide[0], lane, f(sources));
    }
}
