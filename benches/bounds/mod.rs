//! Bounds of an H100 for steps of the dense engine, as `cargo bench --bench counts` printed them.

/// n, L, P, members and milliseconds a step, a line a size.
const COUNTED: &str = include_str!("dense.csv");

use crate::problem::Size;

/// Seconds that an H100 takes at least for a step, where they were counted.
pub fn of(size: Size) -> Option<f64> {
    let wanted = [size.width, size.depth, size.samples, size.members].map(|number| number as f64);
    COUNTED.lines().skip(1).find_map(|line| {
        let numbers: Vec<f64> = line.split(',').filter_map(|word| word.parse().ok()).collect();
        let (ms, sizes) = numbers.split_last()?;
        (sizes == wanted).then_some(ms * 1e-3)
    })
}
