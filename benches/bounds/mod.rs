//! Bounds by counting: what a step takes at least on an H100 SXM by what its kernels were counted to do on the
//! software device (docs/gpu.md). No time that anything was measured to take.

use crate::problem::Size;

/// An engine with weights or columns in f32.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Engine {
    Dense,
    Conditional,
}

/// Engine; n, L, P, members; milliseconds. This is the place for what docs/gpu.md counts.
const COUNTED: &[(Engine, [usize; 4], f64)] = &[];

/// As a column of a table: milliseconds, or `-` where the case was not counted.
pub fn of_case(engine: Engine, size: Size) -> String {
    let Size { width, depth, samples, members, .. } = size;
    let case = (engine, [width, depth, samples, members]);
    let found = COUNTED.iter().find(|(engine, size, _)| (*engine, *size) == case);
    found.map_or("-".to_owned(), |(_, _, milliseconds)| format!("{milliseconds:.3}"))
}
