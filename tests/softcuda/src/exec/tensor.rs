//! `mma`: a product of small matrices whose entries lie in the registers of a warp, a few in each lane.
//!
//! D = A B + C with A 16 × 8, B 8 × 8, C and D 16 × 8; A and B in tf32 (f32 without its lowest 13 bits), C and D
//! in f32. Of lane 4 g + t, with h = 0, 1:
//!
//! ```text
//! A, numbers 0…3   rows g + 8 h, columns t + 4 k: number h + 2 k
//! B, numbers 0, 1  rows t + 4 k, column g: number k
//! C, D, 0…3        rows g + 8 h, columns 2 t + j: number j + 2 h
//! ```
//!
//! Products are exact. In which order hardware adds them up, and to how many bits, is not documented. Here the
//! eight products and the entry of C are cut to 25 bits, of which the first is the first bit of the largest of
//! them, their sum is exact, and what it has beyond 24 bits is cut off: toward zero, with one bit more than
//! a number has, which is the least that was measured on hardware (Fasi, Higham, Mikaitis, Pranesh 2021).

use super::FaultKind;
use super::code::Inst;
use super::machine::Stop;
use super::warp::Turn;

/// Bits of an f32 that tf32 does not have.
pub const BEYOND_TF32: u32 = 0x1fff;

/// The nearest number of tf32, of two that are equally near the larger (`cvt.rna.tf32.f32`).
pub fn round_tf32(bits: u32) -> u32 {
    if f32::from_bits(bits).is_nan() {
        return 0x7fff_ffff & !BEYOND_TF32;
    }
    let infinite = f32::from_bits(bits).is_infinite();
    if infinite { bits } else { (bits + 0x1000) & !BEYOND_TF32 }
}

/// The sum of nine numbers, as it is described above.
fn sum(addends: [f64; 9]) -> f32 {
    let largest = addends.iter().fold(0.0_f64, |most, x| most.max(x.abs()));
    let plain: f64 = addends.iter().sum();
    // What is not finite stays so; a zero has the sign that it has in any order.
    if !plain.is_finite() || largest == 0.0 {
        return plain as f32;
    }
    // The 25th bit of the largest: no product of f32 is so small that its exponent had no room for it.
    let exponent = (largest.to_bits() >> 52) - 24;
    let [unit, units] = [exponent, 2046 - exponent].map(|exponent| f64::from_bits(exponent << 52));
    let sum: i32 = addends.iter().map(|x| (x * units) as i32).sum();
    let exact = f64::from(sum) * unit;
    let nearest = exact as f32;
    let beyond = f64::from(nearest).abs() > exact.abs() && exact.abs() < 2.0_f64.powi(128);
    if beyond { f32::from_bits(nearest.to_bits() - 1) } else { nearest }
}

impl Turn<'_, '_> {
    /// Does the product of all 32 lanes.
    ///
    /// # Errors
    /// Where some are absent; in checked mode also where an operand has bits that tf32 does not have, of which
    /// the documentation does not say what becomes.
    pub(super) fn multiply_matrices(
        &mut self,
        inst: &Inst,
        exec: u32,
        pc: usize,
    ) -> Result<(), Box<Stop>> {
        if exec != !0 {
            let what = format!("a product of matrices by lanes {exec:#010x} alone");
            return self.stop(FaultKind::AbsentLanes, pc, exec.trailing_zeros() as usize, what);
        }
        let rows = self.machine.program.fragments[inst.imm as usize];
        let row = |turn: &Self, index: usize| *turn.warp.file.narrow(rows[index]);
        let (mut a, mut b, mut c) = ([[0.0; 8]; 16], [[0.0; 8]; 8], [[0.0; 8]; 16]);
        for number in 0..6 {
            let bits = row(self, 4 + number);
            for (lane, bits) in bits.into_iter().enumerate() {
                if self.check.is_some() && bits & BEYOND_TF32 != 0 {
                    let what = format!("{bits:#010x} was not rounded to tf32");
                    return self.stop(FaultKind::Unrounded, pc, lane, what);
                }
                let value = f64::from(f32::from_bits(bits & !BEYOND_TF32));
                let (g, t) = (lane / 4, lane % 4);
                match number {
                    0..4 => a[g + number % 2 * 8][t + number / 2 * 4] = value,
                    _ => b[t + (number - 4) * 4][g] = value,
                }
            }
        }
        for number in 0..4 {
            let bits = row(self, 10 + number);
            for (lane, bits) in bits.into_iter().enumerate() {
                let value = f64::from(f32::from_bits(bits));
                c[lane / 4 + number / 2 * 8][lane % 4 * 2 + number % 2] = value;
            }
        }
        for (number, &to) in rows[..4].iter().enumerate() {
            let out = self.warp.file.narrow_mut(to);
            for (lane, out) in out.iter_mut().enumerate() {
                let (i, j) = (lane / 4 + number / 2 * 8, lane % 4 * 2 + number % 2);
                let mut addends = [c[i][j]; 9];
                (0..8).for_each(|k| addends[k] = a[i][k] * b[k][j]);
                *out = sum(addends).to_bits();
            }
        }
        Ok(())
    }
}
