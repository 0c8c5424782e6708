//! Planted curves: values by size and seed whose laws are known.

use nfd::stats::curve::{Curve, Point, Reduction, Reference};

/// Sizes that double.
pub const SIZES: [f64; 6] = [4.0, 8.0, 16.0, 32.0, 64.0, 128.0];

/// Seeds of every curve.
pub const SEEDS: usize = 8;

/// Student's t of 7 degrees of freedom that is exceeded with probability 2.5 %, from tables.
pub const T7: f64 = 2.364_624_251_0;

/// Numbers of the seeds that add up to zero, with standard deviation 1 (n − 1 in the denominator).
pub fn spread() -> [f64; SEEDS] {
    let deviation = (SEEDS as f64 / (SEEDS as f64 - 1.0)).sqrt();
    std::array::from_fn(|seed| if seed % 2 == 0 { 1.0 } else { -1.0 } / deviation)
}

/// A curve of values by size and seed.
pub fn curve_of(sizes: &[f64], reference: Reference, value: impl Fn(f64, usize) -> f64) -> Curve {
    let point = |&x: &f64| {
        let values = vec![(0..SEEDS).map(|seed| Some(value(x, seed))).collect()];
        Point { x, z: 0.0, values }
    };
    let points = sizes.iter().map(point).collect();
    Curve { points, reduction: Reduction::Mean, reference, seeds: SEEDS, shared_error: vec![] }
}

/// A curve without noise.
pub fn planted(sizes: &[f64], reference: Reference, law: impl Fn(f64) -> f64) -> Curve {
    curve_of(sizes, reference, |x, _| law(x))
}

/// Whether two numbers are as close, of numbers below 1 in absolute terms.
pub fn close(a: f64, b: f64, tolerance: f64) -> bool {
    (a - b).abs() <= tolerance * b.abs().max(1.0)
}
