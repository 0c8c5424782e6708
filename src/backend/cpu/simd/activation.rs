//! Activations and their derivatives over some rows of a column, without a branch or a call in the
//! loops, so that the compiler turns them into vectors of its caller's instruction set.
//!
//! The oracle is [`Activation`], and its corners are kept: NaN is never hidden, and values at ±∞
//! are its values (tests/suites/activation.rs).

mod tables;

use std::f64::consts::{FRAC_1_SQRT_2, FRAC_2_SQRT_PI};

pub use tables::Tables;

use crate::model::Activation;

/// Applies the activation in place, x ← φ(x); `FUSED` as in
/// [`crate::backend::real::Real::mul_add`].
#[inline(always)]
pub fn value<T: Tables, const FUSED: bool, const N: usize>(activation: Activation, x: &mut [T; N]) {
    match activation {
        Activation::Identity => {}
        Activation::Tanh => each(x, tanh::<T, FUSED>),
        Activation::Relu => each(x, relu),
        Activation::Erf => in_two_loops(x, ln_erfc::<T, FUSED>, erf::<T, FUSED>),
        Activation::Gelu => each(x, gelu::<T, FUSED>),
        Activation::Softplus => in_two_loops(x, exp_minus::<T, FUSED>, softplus::<T, FUSED>),
    }
}

/// Applies its derivative in place, x ← φ'(x); `FUSED` as in
/// [`crate::backend::real::Real::mul_add`].
#[inline(always)]
pub fn slope<T: Tables, const FUSED: bool, const N: usize>(activation: Activation, x: &mut [T; N]) {
    match activation {
        Activation::Identity => *x = [T::ONE; N],
        Activation::Tanh => each(x, tanh_slope::<T, FUSED>),
        Activation::Relu => each(x, relu_slope),
        Activation::Erf => each(x, erf_slope::<T, FUSED>),
        Activation::Gelu => each(x, gelu_slope::<T, FUSED>),
        Activation::Softplus => each(x, logistic::<T, FUSED>),
    }
}

#[inline(always)]
fn each<T: Tables, const N: usize>(x: &mut [T; N], f: impl Fn(T) -> T) {
    for x in x {
        *x = f(*x);
    }
}

/// x ← outer(x, inner(x)). A long chain of operations is faster in halves: more of them are in
/// flight at a time.
#[inline(always)]
fn in_two_loops<T: Tables, const N: usize>(
    x: &mut [T; N],
    inner: impl Fn(T) -> T,
    outer: impl Fn(T, T) -> T,
) {
    let mut between = *x;
    each(&mut between, inner);
    for (x, between) in x.iter_mut().zip(&between) {
        *x = outer(*x, *between);
    }
}

/// With E = e^{2x} − 1: tanh x = E/(E + 2), which is 1 in either format from x = 20 on.
#[inline(always)]
fn tanh<T: Tables, const FUSED: bool>(x: T) -> T {
    let y = x + x;
    let limit = T::of(40.0);
    let e = expm1::<T, FUSED>(if y > limit { limit } else { y });
    e / (e + T::of(2.0))
}

/// With z = e^{−2|x|}: 1 − tanh² x = 4z/(1 + z)², without the cancellation.
#[inline(always)]
fn tanh_slope<T: Tables, const FUSED: bool>(x: T) -> T {
    let z = exp::<T, FUSED>(x.abs() * T::of(-2.0));
    let d = T::ONE + z;
    T::of(4.0) * z / (d * d)
}

/// max(x, 0). Adding 0 changes no number; without it the compiler makes the store conditional, one
/// by one.
#[inline(always)]
fn relu<T: Tables>(x: T) -> T {
    if x < T::ZERO { T::ZERO } else { x + T::ZERO }
}

#[inline(always)]
fn relu_slope<T: Tables>(x: T) -> T {
    let at_most_one = if x > T::ZERO { T::ONE } else { x };
    if at_most_one <= T::ZERO { T::ZERO } else { at_most_one }
}

/// |erf x| = 1 − e^{ln erfc |x|}: one polynomial for all x, and no cancellation near zero.
#[inline(always)]
fn erf<T: Tables, const FUSED: bool>(x: T, ln_erfc: T) -> T {
    expm1::<T, FUSED>(ln_erfc).copysign(x)
}

/// ln erfc |x|; from |x| = 6 on its value there, with which erf x is ±1 in either format.
#[inline(always)]
fn ln_erfc<T: Tables, const FUSED: bool>(x: T) -> T {
    let limit = T::of(6.0);
    let a = if x.abs() > limit { limit } else { x.abs() };
    a * polynomial::<T, FUSED>(T::LN_ERFC, a)
}

/// 2/√π e^{−x²}
#[inline(always)]
fn erf_slope<T: Tables, const FUSED: bool>(x: T) -> T {
    T::of(FRAC_2_SQRT_PI) * exp::<T, FUSED>(-(x * x))
}

/// x P(z ≤ x), z ~ N(0,1)
#[inline(always)]
fn gelu<T: Tables, const FUSED: bool>(x: T) -> T {
    let (density, mills) = gaussian_tail::<T, FUSED>(x.abs());
    x * from_lower_half(x, density * mills)
}

/// P(z ≤ x) + x e^{−x²/2}/√2π
#[inline(always)]
fn gelu_slope<T: Tables, const FUSED: bool>(x: T) -> T {
    let a = x.abs();
    let (density, mills) = gaussian_tail::<T, FUSED>(a);
    let minus_peak = T::of(-0.5 * FRAC_2_SQRT_PI * FRAC_1_SQRT_2);
    // At ±∞ this is 0·∞ = NaN, as in the oracle.
    from_lower_half(x, density * a.mul_add::<FUSED>(minus_peak, mills))
}

/// e^{−a²/2} and P(z ≤ −a) e^{a²/2}, for a ≥ 0; the latter from a = 8.5 on as there, where the former
/// is below 3e-16.
#[inline(always)]
fn gaussian_tail<T: Tables, const FUSED: bool>(a: T) -> (T, T) {
    let limit = T::of(8.5);
    let b = if a > limit { limit } else { a };
    let mills = polynomial::<T, FUSED>(T::MILLS, b / (b + T::MILLS_MAP));
    (exp::<T, FUSED>(T::of(-0.5) * a * a), mills)
}

/// f(x), from f(−|x|), where f(x) + f(−x) = 1.
#[inline(always)]
fn from_lower_half<T: Tables>(x: T, at_minus_abs: T) -> T {
    if x < T::ZERO { at_minus_abs } else { T::ONE - at_minus_abs }
}

/// max(x, 0) + ln(1 + z) with z = e^{−|x|}, where ln(1 + z) = 2 atanh(z/(2 + z)).
#[inline(always)]
fn softplus<T: Tables, const FUSED: bool>(x: T, z: T) -> T {
    let s = z / (T::of(2.0) + z);
    s.mul_add::<FUSED>(polynomial::<T, FUSED>(T::ATANH, s * s), relu(x))
}

/// e^{−|x|}
#[inline(always)]
fn exp_minus<T: Tables, const FUSED: bool>(x: T) -> T {
    exp::<T, FUSED>(-x.abs())
}

/// 1/(1 + e^{−x}), from the side on which the exponential does not overflow.
#[inline(always)]
fn logistic<T: Tables, const FUSED: bool>(x: T) -> T {
    let z = exp_minus::<T, FUSED>(x);
    (if x < T::ZERO { z } else { T::ONE }) / (T::ONE + z)
}

/// e^y − 1, also relative to itself; y as in [`reduced`].
#[inline(always)]
fn expm1<T: Tables, const FUSED: bool>(y: T) -> T {
    let (scale, p) = reduced::<T, FUSED>(y);
    scale.mul_add::<FUSED>(p, scale - T::ONE)
}

/// e^y; 0 from about −87.7 (binary32) or −708.7 (binary64) downwards; y as in [`reduced`].
#[inline(always)]
fn exp<T: Tables, const FUSED: bool>(y: T) -> T {
    let (scale, p) = reduced::<T, FUSED>(y);
    scale.mul_add::<FUSED>(p, scale)
}

/// (2^k, e^r − 1) with y = k ln 2 + r, |r| ≤ ½ ln 2, for y ≤ 88; where k is at its lowest, 2^k is 0.
///
/// k ln 2 is rounded, which multiplies e^y by at most 1 ± |y| ulp: small beside 1 where y ≤ 0, and
/// not more than the last bit of y does.
#[inline(always)]
fn reduced<T: Tables, const FUSED: bool>(y: T) -> (T, T) {
    // NaN is not below: unlike in a maximum, it stays.
    let y = if y < T::LOWEST { T::LOWEST } else { y };
    let rounded = y.mul_add::<FUSED>(T::LOG2_E, T::ROUND);
    let r = (rounded - T::ROUND).mul_add::<FUSED>(T::MINUS_LN_2, y);
    let p = (r * r).mul_add::<FUSED>(polynomial::<T, FUSED>(T::EXPM1, r), r);
    (T::power_of_two(rounded), p)
}

/// Two or more coefficients, constant term first. Horner's rule in x² for the even and the odd ones,
/// which do not wait for each other.
#[inline(always)]
fn polynomial<T: Tables, const FUSED: bool>(coefficients: &[T], x: T) -> T {
    let square = x * x;
    let last = coefficients.len() - 1;
    let (mut value, mut next) = (coefficients[last], coefficients[last - 1]);
    for &c in coefficients[..last - 1].iter().rev() {
        (value, next) = (next, value.mul_add::<FUSED>(square, c));
    }
    value.mul_add::<FUSED>(x, next)
}
