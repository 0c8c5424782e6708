//! Vector registers: the operations that tiles of products need, by intrinsics where there are some.
//! (The compiler finds registers for loops over rows by itself, for tiles of sums only now and then.)
//!
//! Registers of an instruction set are named in kernels compiled for it, and nowhere else: that is
//! what every SAFETY line here rests on. They are passed by name and not through `map` or `from_fn`: a
//! library's function is compiled for no such set, and calls what it could not take in.

use half::bf16;

use super::activation::Tables;
use super::transpose;

/// A register of numbers of one format.
pub trait Register: Copy {
    /// The format.
    type Real: Tables;
    /// A register of binary64 with as many bits.
    type Wide: Register<Real = f64>;
    /// Numbers in it.
    const LANES: usize;
    /// Rows of a square of [`Register::transpose`]; LANES are a multiple.
    const SQUARE: usize;

    /// A register whose lanes are all `x`.
    fn splat(x: Self::Real) -> Self;
    /// The `at`-th register of some rows of a column.
    fn load(column: &[Self::Real], at: usize) -> Self;
    /// Its `at`-th register in binary64, where a register holds [`Register::LANES`] of `Wide`.
    fn load_wide(column: &[Self::Real], at: usize) -> Self::Wide;
    /// The `at`-th register of some rows of a column in bf16, exactly.
    fn load_half(column: &[bf16], at: usize) -> Self;
    /// Writes to the place of the `at`-th register of a column.
    fn store(self, column: &mut [Self::Real], at: usize);
    /// The product and sum self · a + b, lane by lane.
    fn mul_add(self, a: Self, b: Self) -> Self;
    /// Halves added to each other, until one number is left.
    fn sum(self) -> f64;
    /// The sums of four registers, added up in the format.
    fn sums(four: [Self; 4]) -> [Self::Real; 4];
    /// Transposes a square of numbers; a square is its first number and the distance of its rows.
    fn transpose(from: (&[Self::Real], usize), to: (&mut [Self::Real], usize));
}

/// Four f32 or two f64 that the compiler may put where it likes; `FUSED` as in [`crate::backend::real::Real::mul_add`].
#[derive(Clone, Copy)]
pub struct Array<T, const N: usize>([T; N]);

/// Whether the processor without any extension has the fused instruction.
pub const PORTABLE_FUSED: bool = cfg!(any(target_arch = "aarch64", target_feature = "fma"));

impl<T: Tables, const N: usize> Register for Array<T, N> {
    type Real = T;
    type Wide = Array<f64, 2>;
    const LANES: usize = N;
    const SQUARE: usize = N;

    #[inline(always)]
    fn splat(x: T) -> Self {
        Array([x; N])
    }
    #[inline(always)]
    fn load(column: &[T], at: usize) -> Self {
        let mut lanes = [T::ZERO; N];
        lanes.copy_from_slice(&column[at * N..][..N]);
        Array(lanes)
    }
    #[inline(always)]
    fn load_wide(column: &[T], at: usize) -> Array<f64, 2> {
        Array([column[2 * at].widen(), column[2 * at + 1].widen()])
    }
    #[inline(always)]
    fn load_half(column: &[bf16], at: usize) -> Self {
        let mut lanes = [T::ZERO; N];
        for (lane, half) in lanes.iter_mut().zip(&column[at * N..][..N]) {
            *lane = T::of(half.to_f64());
        }
        Array(lanes)
    }
    #[inline(always)]
    fn store(self, column: &mut [T], at: usize) {
        column[at * N..][..N].copy_from_slice(&self.0);
    }
    #[inline(always)]
    fn mul_add(self, a: Self, b: Self) -> Self {
        let mut lanes = self.0;
        for (lane, (a, b)) in lanes.iter_mut().zip(a.0.into_iter().zip(b.0)) {
            *lane = lane.mul_add::<PORTABLE_FUSED>(a, b);
        }
        Array(lanes)
    }
    #[inline(always)]
    fn sum(self) -> f64 {
        let mut lanes = self.0;
        let mut width = N / 2;
        while width > 0 {
            for i in 0..width {
                lanes[i] += lanes[i + width];
            }
            width /= 2;
        }
        lanes[0].widen()
    }
    #[inline(always)]
    fn sums(four: [Self; 4]) -> [T; 4] {
        four.map(|register| T::of(register.sum()))
    }
    #[inline(always)]
    fn transpose(from: (&[T], usize), to: (&mut [T], usize)) {
        transpose::each::<T, N>(from, to);
    }
}

#[cfg(target_arch = "x86_64")]
mod x86 {
    use std::arch::x86_64::*;

    use half::bf16;

    use super::{Register, transpose};

    macro_rules! register {
        (
            $name:ident, $register:ty, $real:ty, $lanes:expr, $wide:ty, $load_wide:expr, $load_half:expr,
            $sum:expr, $sums:expr, $square:literal, $transpose:path,
            $splat:ident, $load:ident, $store:ident, $fma:ident
        ) => {
            #[doc = concat!("A `", stringify!($register), "`.")]
            #[derive(Clone, Copy)]
            pub struct $name($register);

            impl Register for $name {
                type Real = $real;
                type Wide = $wide;
                const LANES: usize = $lanes;
                const SQUARE: usize = $square;

                #[inline(always)]
                fn splat(x: $real) -> Self {
                    // SAFETY: see the module.
                    $name(unsafe { $splat(x) })
                }
                #[inline(always)]
                fn load(column: &[$real], at: usize) -> Self {
                    let lanes = &column[at * $lanes..][..$lanes];
                    // SAFETY: see the module; `lanes` are as many as are read.
                    $name(unsafe { $load(lanes.as_ptr()) })
                }
                #[inline(always)]
                fn load_wide(column: &[$real], at: usize) -> $wide {
                    let lanes = &column[at * <$wide>::LANES..][..<$wide>::LANES];
                    // SAFETY: see the module; `lanes` are as many as are read.
                    unsafe { $load_wide(lanes.as_ptr()) }
                }
                #[inline(always)]
                fn load_half(column: &[bf16], at: usize) -> Self {
                    let lanes = &column[at * $lanes..][..$lanes];
                    // SAFETY: see the module; `lanes` are as many as are read.
                    $name(unsafe { $load_half(lanes.as_ptr().cast()) })
                }
                #[inline(always)]
                fn store(self, column: &mut [$real], at: usize) {
                    let lanes = &mut column[at * $lanes..][..$lanes];
                    // SAFETY: see the module; `lanes` are as many as are written.
                    unsafe { $store(lanes.as_mut_ptr(), self.0) }
                }
                #[inline(always)]
                fn mul_add(self, a: Self, b: Self) -> Self {
                    // SAFETY: see the module.
                    $name(unsafe { $fma(self.0, a.0, b.0) })
                }
                #[inline(always)]
                fn sum(self) -> f64 {
                    // SAFETY: see the module.
                    unsafe { $sum(self.0) }
                }
                #[inline(always)]
                fn sums(four: [Self; 4]) -> [$real; 4] {
                    let mut out = [0.0; 4];
                    // SAFETY: see the module; `out` has room for what is written.
                    unsafe {
                        $sums([four[0].0, four[1].0, four[2].0, four[3].0], out.as_mut_ptr())
                    };
                    out
                }
                #[inline(always)]
                fn transpose(from: (&[$real], usize), to: (&mut [$real], usize)) {
                    // SAFETY: see the module.
                    unsafe { $transpose(from, to) }
                }
            }
        };
    }

    register!(
        Avx2Single,
        __m256,
        f32,
        8,
        Avx2Double,
        |lanes: *const f32| Avx2Double(_mm256_cvtps_pd(_mm_loadu_ps(lanes))),
        |lanes| from_halves(_mm_loadu_si128(lanes)),
        |x| sum_of_four(halves(x)),
        |[a, b, c, d]: [_; 4], out| {
            _mm_storeu_ps(out, sums_of_four([halves(a), halves(b), halves(c), halves(d)]))
        },
        8,
        transpose::eight,
        _mm256_set1_ps,
        _mm256_loadu_ps,
        _mm256_storeu_ps,
        _mm256_fmadd_ps
    );
    register!(
        Avx2Double,
        __m256d,
        f64,
        4,
        Avx2Double,
        |lanes: *const f64| Avx2Double(_mm256_loadu_pd(lanes)),
        |lanes| {
            let four = _mm_unpacklo_epi16(_mm_setzero_si128(), _mm_loadl_epi64(lanes));
            _mm256_cvtps_pd(_mm_castsi128_ps(four))
        },
        |x| {
            let two = _mm_add_pd(_mm256_castpd256_pd128(x), _mm256_extractf128_pd::<1>(x));
            _mm_cvtsd_f64(_mm_add_pd(two, _mm_unpackhi_pd(two, two)))
        },
        |x, out| _mm256_storeu_pd(out, wide_sums_of_four(x)),
        4,
        transpose::four,
        _mm256_set1_pd,
        _mm256_loadu_pd,
        _mm256_storeu_pd,
        _mm256_fmadd_pd
    );
    register!(
        Avx512Single,
        __m512,
        f32,
        16,
        Avx512Double,
        |lanes: *const f32| Avx512Double(_mm512_cvtps_pd(_mm256_loadu_ps(lanes))),
        |lanes| {
            let wide = _mm512_cvtepu16_epi32(_mm256_loadu_si256(lanes));
            _mm512_castsi512_ps(_mm512_slli_epi32::<16>(wide))
        },
        |x| f64::from(_mm512_reduce_add_ps(x)),
        |[a, b, c, d]: [_; 4], out| {
            let quarters = [quarters(a), quarters(b), quarters(c), quarters(d)];
            _mm_storeu_ps(out, sums_of_four(quarters))
        },
        8,
        transpose::eight,
        _mm512_set1_ps,
        _mm512_loadu_ps,
        _mm512_storeu_ps,
        _mm512_fmadd_ps
    );
    register!(
        Avx512Double,
        __m512d,
        f64,
        8,
        Avx512Double,
        |lanes: *const f64| Avx512Double(_mm512_loadu_pd(lanes)),
        |lanes| _mm512_cvtps_pd(from_halves(_mm_loadu_si128(lanes))),
        |x| _mm512_reduce_add_pd(x),
        |[a, b, c, d]: [_; 4], out| {
            let halves = [wide_halves(a), wide_halves(b), wide_halves(c), wide_halves(d)];
            _mm256_storeu_pd(out, wide_sums_of_four(halves))
        },
        4,
        transpose::four,
        _mm512_set1_pd,
        _mm512_loadu_pd,
        _mm512_storeu_pd,
        _mm512_fmadd_pd
    );

    /// Eight numbers in bf16: the upper halves of binary32.
    #[target_feature(enable = "avx2")]
    #[inline]
    fn from_halves(lanes: __m128i) -> __m256 {
        _mm256_castsi256_ps(_mm256_slli_epi32::<16>(_mm256_cvtepu16_epi32(lanes)))
    }

    /// The halves of a register, added.
    #[target_feature(enable = "avx2")]
    #[inline]
    fn halves(x: __m256) -> __m128 {
        _mm_add_ps(_mm256_castps256_ps128(x), _mm256_extractf128_ps::<1>(x))
    }

    /// The quarters of a register, added.
    #[target_feature(enable = "avx512f,avx2")]
    #[inline]
    fn quarters(x: __m512) -> __m128 {
        let upper = _mm256_castpd_ps(_mm512_extractf64x4_pd::<1>(_mm512_castps_pd(x)));
        halves(_mm256_add_ps(_mm512_castps512_ps256(x), upper))
    }

    /// The halves of a register, added.
    #[target_feature(enable = "avx512f,avx2")]
    #[inline]
    fn wide_halves(x: __m512d) -> __m256d {
        _mm256_add_pd(_mm512_castpd512_pd256(x), _mm512_extractf64x4_pd::<1>(x))
    }

    /// The sums of four registers.
    #[target_feature(enable = "avx2")]
    #[inline]
    fn sums_of_four([a, b, c, d]: [__m128; 4]) -> __m128 {
        _mm_hadd_ps(_mm_hadd_ps(a, b), _mm_hadd_ps(c, d))
    }

    /// The sums of four registers.
    #[target_feature(enable = "avx2")]
    #[inline]
    fn wide_sums_of_four([a, b, c, d]: [__m256d; 4]) -> __m256d {
        let (ab, cd) = (_mm256_hadd_pd(a, b), _mm256_hadd_pd(c, d));
        let lower = _mm256_permute2f128_pd::<0x20>(ab, cd);
        _mm256_add_pd(lower, _mm256_permute2f128_pd::<0x31>(ab, cd))
    }

    /// The sum of four lanes.
    #[inline(always)]
    fn sum_of_four(x: __m128) -> f64 {
        // SAFETY: SSE2 is part of the target.
        unsafe {
            let two = _mm_add_ps(x, _mm_movehl_ps(x, x));
            f64::from(_mm_cvtss_f32(_mm_add_ss(two, _mm_shuffle_ps::<1>(two, two))))
        }
    }
}

#[cfg(target_arch = "x86_64")]
pub use x86::{Avx2Double, Avx2Single, Avx512Double, Avx512Single};
