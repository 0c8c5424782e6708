//! Standard normals from Philox words, to the same last bit on every processor and device.
//!
//! Box–Muller on word pairs (0,1) and (2,3): with `u` from the first and an angle from the second,
//!
//! ```text
//! z, z' = √(−2 ln u) · (cos, sin)
//! ```
//!
//! Only operations that IEEE 754 rounds correctly are used (conversion, add, multiply, fma, square
//! root, integer arithmetic), so `__fmaf_rn`, `__fsqrt_rn` and `__uint2float_rn` give the same bits
//! on a GPU. The logarithm, sine and cosine are near-minimax polynomials of our own, in f32.
//!
//! `u = (word + ½) 2⁻³²`, so |z| reaches √(−2 ln 2⁻³³) = 6.76 and the tail beyond, of probability
//! 1e-11, is cut. Relative error of one normal: below 3e-7.

use super::philox::{self, BLOCKS};

/// −2 ln(1+t)/t on [√½−1, √2−1], relative error 5e-9; the constant term is exactly −2.
const LOG: [f32; 10] = [
    -2.0,
    0.999_999_76,
    -0.666_666_5,
    0.500_031_7,
    -0.400_039_37,
    0.332_180_26,
    -0.283_636_72,
    0.264_869_24,
    -0.258_093_06,
    0.152_422_12,
];
/// sin(πy/2)/y in y², |y| ≤ ½, relative error 3e-8 (the rounding of π/2).
const SIN: [f32; 4] = [1.570_796_4, -0.645_963_5, 0.079_680_03, -0.004_601_658];
/// cos(πy/2) in y², |y| ≤ ½, error 7e-9.
const COS: [f32; 5] = [1.0, -1.233_700_5, 0.253_669_2, -0.020_860_072, 0.000_903_631_7];
const MINUS_2_LN_2: f32 = -1.386_294_4;
const TWO_POW_M32: f32 = 1.0 / 4_294_967_296.0;
const TWO_POW_M33: f32 = TWO_POW_M32 / 2.0;
/// The bits of √½: mantissas are reduced to [√½, √2).
const SQRT_HALF_BITS: u32 = 0x3F35_04F3;

/// Four normals from four random words.
// Like all that `fill` calls it must be inlined, to be compiled for the instruction set of its caller.
#[inline(always)]
pub fn box_muller(words: [u32; 4]) -> [f32; 4] {
    let [w0, w1, w2, w3] = words;
    let (z0, z1) = pair(w0, w1);
    let (z2, z3) = pair(w2, w3);
    [z0, z1, z2, z3]
}

/// Horner's rule, highest coefficient first, one rounding a step.
#[inline(always)]
fn polynomial<const N: usize>(coefficients: &[f32; N], x: f32) -> f32 {
    let mut value = coefficients[N - 1];
    for i in (0..N - 1).rev() {
        value = value.mul_add(x, coefficients[i]);
    }
    value
}

#[inline(always)]
fn pair(radius_word: u32, angle_word: u32) -> (f32, f32) {
    // Radius: u = m 2^e with m in [√½, √2); −2 ln u = −2 ln 2 · e + t·LOG(t), t = m − 1 exactly.
    let u = (radius_word as f32).mul_add(TWO_POW_M32, TWO_POW_M33);
    let exponent = (u.to_bits().wrapping_sub(SQRT_HALF_BITS) as i32) >> 23;
    let t = f32::from_bits(u.to_bits().wrapping_sub((exponent << 23) as u32)) - 1.0;
    let radius = (exponent as f32).mul_add(MINUS_2_LN_2, t * polynomial(&LOG, t)).sqrt();

    // Angle: the top two bits pick the quarter turn, the others a place in it, y in [−½, ½].
    let y = ((angle_word << 2) as i32 as f32).mul_add(TWO_POW_M32, TWO_POW_M33);
    let square = y * y;
    let sine = y * polynomial(&SIN, square);
    let cosine = polynomial(&COS, square);
    let quarter = angle_word >> 30;
    // cos(q+y) = c, −s, −c, s and sin(q+y) = s, c, −s, −c for q = 0..3 quarter turns. The upper bit
    // of q is the sign of both, which the radius takes to both at once.
    let (x, y) = if quarter & 1 == 0 { (cosine, sine) } else { (-sine, cosine) };
    let signed = f32::from_bits(radius.to_bits() ^ (quarter >> 1 << 31));
    (signed * x, signed * y)
}

/// The instruction set that normals are generated with. All three give the same bits; the name is
/// part of a run's numeric path because other sweeps differ in rounding between them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Instructions {
    /// What every processor of the target has. On x86-64 an fma is then a library call: slow, right.
    Portable,
    /// AVX2 with fused multiply-add.
    Avx2,
    /// AVX-512 F, DQ, BW and VL.
    Avx512,
}

impl Instructions {
    /// All that this processor can run, the fastest last.
    pub fn available() -> Vec<Instructions> {
        #[allow(unused_mut)]
        let mut sets = vec![Instructions::Portable];
        #[cfg(target_arch = "x86_64")]
        {
            if is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma") {
                sets.push(Instructions::Avx2);
                if ["avx512f", "avx512dq", "avx512bw", "avx512vl"].iter().all(|f| has_avx512(f)) {
                    sets.push(Instructions::Avx512);
                }
            }
        }
        sets
    }

    /// The fastest of [`Instructions::available`].
    pub fn detect() -> Instructions {
        *Instructions::available().last().unwrap_or(&Instructions::Portable)
    }

    /// The set's name in `manifest.json`.
    pub fn name(self) -> &'static str {
        match self {
            Instructions::Portable => "portable",
            Instructions::Avx2 => "avx2",
            Instructions::Avx512 => "avx512",
        }
    }
}

#[cfg(target_arch = "x86_64")]
fn has_avx512(feature: &str) -> bool {
    match feature {
        "avx512f" => is_x86_feature_detected!("avx512f"),
        "avx512dq" => is_x86_feature_detected!("avx512dq"),
        "avx512bw" => is_x86_feature_detected!("avx512bw"),
        _ => is_x86_feature_detected!("avx512vl"),
    }
}

/// Where a column of normals begins: the key, and the counter of its rows 0..3 (whose first word,
/// row div 4, is zero).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NoiseColumn {
    /// The two words of the seed.
    pub key: [u32; 2],
    /// The three upper counter words: sample or column, fine layer, purpose·step·direction.
    pub address: [u32; 3],
}

/// Writes the normals of rows `4·first_block ..` of `column`, as many as `out` holds.
pub fn fill(instructions: Instructions, column: NoiseColumn, first_block: u32, out: &mut [f32]) {
    match instructions {
        Instructions::Portable => fill_vectors(column, first_block, out),
        #[cfg(target_arch = "x86_64")]
        // SAFETY: a value other than Portable comes from `available`, which has seen the features.
        Instructions::Avx2 => unsafe { fill_avx2(column, first_block, out) },
        #[cfg(target_arch = "x86_64")]
        // SAFETY: as above.
        Instructions::Avx512 => unsafe { fill_avx512(column, first_block, out) },
        #[cfg(not(target_arch = "x86_64"))]
        _ => fill_vectors(column, first_block, out),
    }
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2,fma")]
fn fill_avx2(column: NoiseColumn, first_block: u32, out: &mut [f32]) {
    fill_vectors(column, first_block, out);
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx512f,avx512dq,avx512bw,avx512vl,avx2,fma")]
fn fill_avx512(column: NoiseColumn, first_block: u32, out: &mut [f32]) {
    fill_vectors(column, first_block, out);
}

/// The rows of [`BLOCKS`] blocks at a time, in arrays that the compiler turns into vector registers
/// of the instruction set of its caller.
#[inline(always)]
fn fill_vectors(column: NoiseColumn, first_block: u32, out: &mut [f32]) {
    let keys = philox::round_keys(column.key);
    let mut block = first_block;
    let mut chunks = out.chunks_exact_mut(4 * BLOCKS);
    for chunk in &mut chunks {
        let normals = normals(philox::blocks(&keys, block, column.address));
        chunk.copy_from_slice(normals.as_flattened());
        block = block.wrapping_add(BLOCKS as u32);
    }
    // Apart from the others, because a copy of unknown length would make each of them pass memory.
    let rest = chunks.into_remainder();
    if !rest.is_empty() {
        let normals = normals(philox::blocks(&keys, block, column.address));
        rest.copy_from_slice(&normals.as_flattened()[..rest.len()]);
    }
}

#[inline(always)]
fn normals(words: [[u32; BLOCKS]; 4]) -> [[f32; 4]; BLOCKS] {
    let mut normals = [[0.0; 4]; BLOCKS];
    for i in 0..BLOCKS {
        normals[i] = box_muller([words[0][i], words[1][i], words[2][i], words[3][i]]);
    }
    normals
}
