//! Vectors of many samples with the samples side by side, as products of matrices read them:
//! \[block of 32 rows\]\[register of samples\]\[row\]\[sample\].
//!
//! [`crate::backend::vectors::Vectors`] have the rows side by side; the way there and back is a
//! transposition of squares in registers.

use crate::backend::cpu::simd::dispatch::kernel;
use crate::backend::cpu::simd::format::Format;
use crate::backend::cpu::simd::lanes::Register;
use crate::backend::real::Real;
use crate::backend::vectors::{Piece, ROWS};
use crate::rng::normal::Instructions;

/// Numbers of a panel: 32 rows of a register of samples.
pub const fn panel<R: Register>() -> usize {
    ROWS * R::LANES
}

kernel! {
    /// Writes one block of vectors, `from` with its P pieces, to its panels; the samples that the last
    /// register has beyond P are 0.
    pack(from: &[Piece<T>], to: &mut [T]) = pack_body
}
kernel! {
    /// Samples of a register; what is given is not looked at.
    lanes(number: T) -> usize = lanes_body
}

/// Numbers of the panels of a block of P samples.
pub fn size<T: Format>(set: Instructions, samples: usize) -> usize {
    samples.next_multiple_of(lanes(set, T::ZERO)) * ROWS
}

#[inline(always)]
fn lanes_body<R: Register, const C: usize, const FUSED: bool>(_: R::Real) -> usize {
    R::LANES
}

#[inline(always)]
fn pack_body<R: Register, const C: usize, const FUSED: bool>(
    from: &[Piece<R::Real>],
    to: &mut [R::Real],
) {
    for (from, to) in from.chunks(R::LANES).zip(to.chunks_exact_mut(panel::<R>())) {
        let whole = from.len() / R::SQUARE * R::SQUARE;
        for p in (0..whole).step_by(R::SQUARE) {
            for r in (0..ROWS).step_by(R::SQUARE) {
                let from = &from.as_flattened()[p * ROWS + r..];
                R::transpose((from, ROWS), (&mut to[r * R::LANES + p..], R::LANES));
            }
        }
        for p in whole..R::LANES {
            for r in 0..ROWS {
                to[r * R::LANES + p] = from.get(p).map_or(R::Real::ZERO, |from| from[r]);
            }
        }
    }
}

/// Writes the block of vectors whose rows of samples are `from`.
#[inline(always)]
pub(super) fn unpack<R: Register>(from: &[R::Real], to: &mut [Piece<R::Real>]) {
    let samples = to.len();
    let stride = samples.next_multiple_of(R::LANES);
    let whole = samples / R::SQUARE * R::SQUARE;
    let to = to.as_flattened_mut();
    for p in (0..whole).step_by(R::SQUARE) {
        for r in (0..ROWS).step_by(R::SQUARE) {
            let from = &from[r * stride + p..];
            R::transpose((from, stride), (&mut to[p * ROWS + r..], ROWS));
        }
    }
    for p in whole..samples {
        for r in 0..ROWS {
            to[p * ROWS + r] = from[r * stride + p];
        }
    }
}
