//! The fast engine's activations against the libm oracle: accuracy in both formats, with and without
//! fma, corners, and the same bits from AVX2 code.

use nfd::backend::cpu::conditional::panel::CHUNK;
use nfd::backend::cpu::simd::activation::{slope, value};
use nfd::backend::cpu::simd::format::Format;
use nfd::model::Activation;

type Chunked<T> = fn(Activation, &mut [T; CHUNK]);

/// φ and φ', as the engine and as the oracle compute them.
struct Pair<T> {
    name: &'static str,
    fast: Chunked<T>,
    exact: fn(Activation, f64) -> f64,
}

fn pairs<T: Format, const FUSED: bool>() -> [Pair<T>; 2] {
    [
        Pair { name: "φ", fast: value::<T, FUSED, _>, exact: Activation::value },
        Pair { name: "φ'", fast: slope::<T, FUSED, _>, exact: Activation::derivative },
    ]
}

fn apply<T: Format>(f: Chunked<T>, activation: Activation, points: &[T]) -> Vec<T> {
    let mut out = Vec::with_capacity(points.len());
    for part in points.chunks(CHUNK) {
        let mut chunk = [T::ONE; CHUNK];
        chunk[..part.len()].copy_from_slice(part);
        f(activation, &mut chunk);
        out.extend_from_slice(&chunk[..part.len()]);
    }
    out
}

/// Both signs of: a dense grid to 40, powers from 1e-30 to 1e30, and the neighbourhoods of where
/// something changes: half-integer multiples of ln 2 in the exponent, ends of the polynomials'
/// intervals, saturation, and the exponential's end.
fn points<T: Format>() -> Vec<T> {
    let mut points: Vec<f64> = (0..=100_000).map(|i| f64::from(i) * 4e-4).collect();
    points.extend((-30_000..=30_000).map(|i| 10f64.powf(f64::from(i) * 1e-3)));
    let mut edges = vec![1.0, 3.9, 5.5, 5.95, 8.3, 9.0, 20.0];
    for lowest in [127.0, 1023.0] {
        for k in [lowest - 1.0, lowest - 0.5, lowest, lowest + 0.5] {
            edges.push(k * std::f64::consts::LN_2);
        }
    }
    edges.extend((0..130).map(|k| (f64::from(k) + 0.5) * std::f64::consts::LN_2));
    for y in edges {
        for x in [y, y / 2.0, y.sqrt(), (2.0 * y).sqrt()] {
            points.extend((-40..=40).map(|ulps| x * (1.0 + f64::from(ulps) * 6e-8)));
            points.extend((-40..=40).map(|ulps| x * (1.0 + f64::from(ulps) * f64::EPSILON)));
        }
    }
    points.iter().flat_map(|&x| [T::of(x), T::of(-x)]).collect()
}

/// The largest error relative to max(1, |φ|), and relative to φ on 0 < |x| ≤ 1.
fn errors<T: Format>(pair: &Pair<T>, activation: Activation, points: &[T]) -> (f64, f64) {
    let (mut absolute, mut relative) = (0.0, 0.0);
    for (x, y) in points.iter().zip(apply(pair.fast, activation, points)) {
        let (x, y) = (x.widen(), y.widen());
        let exact = (pair.exact)(activation, x);
        let error = (y - exact).abs();
        assert!(error.is_finite(), "{activation:?} {} at {x:e}: {y:e}", pair.name);
        absolute = f64::max(absolute, error / exact.abs().max(1.0));
        if x.abs() <= 1.0 && x != 0.0 && error > 0.0 {
            relative = f64::max(relative, error / exact.abs());
        }
        let bounded = match (activation, pair.name) {
            (Activation::Tanh | Activation::Erf, "φ") => y.abs() <= 1.0,
            (Activation::Softplus, "φ'") => (0.0..=1.0).contains(&y),
            _ => true,
        };
        assert!(bounded, "{activation:?} {} at {x:e}: {y:e}", pair.name);
    }
    (absolute, relative)
}

/// Prints its table under --nocapture.
fn accurate<T: Format, const FUSED: bool>(absolute: f64, relative: f64) {
    let points = points();
    for activation in Activation::ALL {
        for pair in pairs::<T, FUSED>() {
            let (a, r) = errors(&pair, activation, &points);
            let title = format!("{} fused {FUSED} {activation:?}", std::any::type_name::<T>());
            println!("{title:26} {:2} {a:.1e} {r:.1e}", pair.name);
            assert!(a <= absolute, "{title} {}: {a:e}", pair.name);
            let from_zero = matches!(activation, Activation::Tanh | Activation::Erf);
            assert!(!from_zero || r <= relative, "{title} {}: {r:e}", pair.name);
        }
    }
}

#[test]
fn binary32_is_accurate() {
    accurate::<f32, true>(2e-7, 4e-7);
    accurate::<f32, false>(2e-7, 4e-7);
}

#[test]
fn binary64_is_accurate() {
    accurate::<f64, true>(2.0 * f64::EPSILON, 1e-15);
    accurate::<f64, false>(2.0 * f64::EPSILON, 1e-15);
}

/// As the oracle at NaN, ±∞, ±0 and the largest and smallest numbers, in every lane, with ordinary
/// numbers as neighbours.
fn corners<T: Format, const FUSED: bool>(largest: T, smallest: T) {
    let corners = [
        T::of(f64::NAN),
        -T::of(f64::NAN),
        T::of(f64::INFINITY),
        T::of(f64::NEG_INFINITY),
        T::ZERO,
        -T::ZERO,
        largest,
        -largest,
    ];
    let points: Vec<T> = (0..8 * CHUNK).map(|i| corners[(i / 9 + i) % 8]).collect();
    for activation in Activation::ALL {
        for pair in pairs::<T, FUSED>() {
            for (x, y) in points.iter().zip(apply(pair.fast, activation, &points)) {
                let (x, y) = (x.widen(), y.widen());
                let exact = (pair.exact)(activation, x);
                let name = format!("{activation:?} {} at {x}: {y:e}, not {exact:e}", pair.name);
                let close = (y - exact).abs() <= 2e-7 && x == 0.0;
                assert!(y == exact || y.is_nan() && exact.is_nan() || close, "{name}");
                let from_zero = pair.name == "φ" && activation != Activation::Softplus;
                assert!(!(x == 0.0 && from_zero) || y == 0.0, "{name}");
            }
            let mut chunk = [T::ONE; CHUNK];
            for i in [0, 5, CHUNK - 1] {
                chunk = [T::ONE; CHUNK];
                chunk[i] = T::of(f64::NAN);
                (pair.fast)(activation, &mut chunk);
                let constant = activation == Activation::Identity && pair.name == "φ'";
                let nans = chunk.iter().filter(|y| y.widen().is_nan()).count();
                assert_eq!(nans, usize::from(!constant), "{activation:?} {}", pair.name);
            }
            assert!(chunk[1].widen() > 0.0);
        }
        for x in [smallest, -smallest] {
            let y = apply(value::<T, FUSED, _>, activation, &[x])[0].widen();
            let exact = activation.value(x.widen());
            assert!((y - exact).abs() <= 2e-7 * exact.abs(), "{activation:?} {y:e} {exact:e}");
        }
    }
}

#[test]
fn corners_are_the_oracles() {
    corners::<f32, true>(f32::MAX, 2.0 * f32::MIN_POSITIVE);
    corners::<f32, false>(f32::MAX, 2.0 * f32::MIN_POSITIVE);
    corners::<f64, true>(f64::MAX, 2.0 * f64::MIN_POSITIVE);
    corners::<f64, false>(f64::MAX, 2.0 * f64::MIN_POSITIVE);
}

#[cfg(target_arch = "x86_64")]
mod avx2 {
    use super::*;

    #[target_feature(enable = "avx2,fma")]
    fn compiled<T: Format>(derivative: bool, activation: Activation, x: &mut [T; CHUNK]) {
        if derivative {
            slope::<T, true, _>(activation, x);
        } else {
            value::<T, true, _>(activation, x);
        }
    }

    fn same_numbers<T: Format>() {
        let points = points::<T>();
        for activation in Activation::ALL {
            for (derivative, pair) in [false, true].into_iter().zip(pairs::<T, true>()) {
                let scalar = apply(pair.fast, activation, &points);
                for (points, scalar) in points.chunks_exact(CHUNK).zip(scalar.chunks_exact(CHUNK)) {
                    let mut chunk = [T::ZERO; CHUNK];
                    chunk.copy_from_slice(points);
                    // SAFETY: the one caller has seen both features.
                    unsafe { compiled(derivative, activation, &mut chunk) };
                    assert!(chunk == *scalar, "{activation:?} {}", pair.name);
                }
            }
        }
    }

    #[test]
    fn the_same_numbers_from_vector_instructions() {
        if is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma") {
            same_numbers::<f32>();
            same_numbers::<f64>();
        }
    }
}
