//! Small squares of numbers, transposed from memory to memory.
//!
//! A square is its first number and the distance of its rows.

/// Any square of N × N.
#[inline(always)]
pub fn each<T: Copy, const N: usize>((from, apart): (&[T], usize), (to, width): (&mut [T], usize)) {
    for r in 0..N {
        for c in 0..N {
            to[c * width + r] = from[r * apart + c];
        }
    }
}

/// 8 × 8 in binary32.
///
/// # Safety
/// The processor has AVX2.
///
/// # Panics
/// If a row of either square is not there as a whole.
#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2")]
#[inline]
pub fn eight((from, apart): (&[f32], usize), (to, width): (&mut [f32], usize)) {
    use std::arch::x86_64::*;
    assert!(from.len() >= 7 * apart + 8 && to.len() >= 7 * width + 8);
    // SAFETY: four numbers of row r ≤ 7, from the first or the fifth on, are there: see above.
    let half = |r: usize, at: usize| unsafe { _mm_loadu_ps(from.as_ptr().add(r * apart + at)) };
    // Rows r and r + 4, so that what follows stays within halves of registers.
    let pair = |r: usize, at| _mm256_set_m128(half(r + 4, at), half(r, at));
    for at in [0, 4] {
        let rows = [pair(0, at), pair(1, at), pair(2, at), pair(3, at)];
        let (a, b) = (_mm256_unpacklo_ps(rows[0], rows[1]), _mm256_unpackhi_ps(rows[0], rows[1]));
        let (c, d) = (_mm256_unpacklo_ps(rows[2], rows[3]), _mm256_unpackhi_ps(rows[2], rows[3]));
        let columns = [
            _mm256_shuffle_ps::<0x44>(a, c),
            _mm256_shuffle_ps::<0xEE>(a, c),
            _mm256_shuffle_ps::<0x44>(b, d),
            _mm256_shuffle_ps::<0xEE>(b, d),
        ];
        for (i, column) in columns.into_iter().enumerate() {
            // SAFETY: all of row at + i ≤ 7 is there: see above.
            unsafe { _mm256_storeu_ps(to.as_mut_ptr().add((at + i) * width), column) };
        }
    }
}

/// 4 × 4 in binary64.
///
/// # Safety
/// The processor has AVX2.
///
/// # Panics
/// If a row of either square is not there as a whole.
#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2")]
#[inline]
pub fn four((from, apart): (&[f64], usize), (to, width): (&mut [f64], usize)) {
    use std::arch::x86_64::*;
    assert!(from.len() >= 3 * apart + 4 && to.len() >= 3 * width + 4);
    // SAFETY: two numbers of row r ≤ 3, from the first or the third on, are there: see above.
    let half = |r: usize, at: usize| unsafe { _mm_loadu_pd(from.as_ptr().add(r * apart + at)) };
    let pair = |r: usize, at| _mm256_set_m128d(half(r + 2, at), half(r, at));
    for at in [0, 2] {
        let (a, b) = (pair(0, at), pair(1, at));
        let columns = [_mm256_unpacklo_pd(a, b), _mm256_unpackhi_pd(a, b)];
        for (i, column) in columns.into_iter().enumerate() {
            // SAFETY: all of row at + i ≤ 3 is there: see above.
            unsafe { _mm256_storeu_pd(to.as_mut_ptr().add((at + i) * width), column) };
        }
    }
}
