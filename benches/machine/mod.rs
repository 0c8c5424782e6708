//! What the machine can do, measured on the spot: the rates that floors are made of.

use std::hint::black_box;
use std::time::Instant;

use nfd::backend::cpu::conditional::panel::{CHUNK, Panel};
use nfd::rng::normal::{self, Instructions};
use rayon::prelude::*;

/// What the machine can do, all threads together.
#[derive(Clone, Copy, Debug, Default)]
pub struct Rates {
    /// Bytes a second, read in order.
    pub read: f64,
    /// Bytes a second of a buffer that is read and written in place, each byte counted once.
    pub modify: f64,
    /// f32 operations a second, an fma counting two.
    pub flops: f64,
    /// Normals a second.
    pub normals: f64,
}

/// A buffer to measure with, and the best so far.
pub struct Machine {
    buffer: Panel<f32>,
    set: Instructions,
    /// Of all measurements.
    pub best: Rates,
}

impl Machine {
    /// With a buffer of so many bytes, shared by all threads: what level of memory holds it is what
    /// is measured. Products are computed with the instruction set `set`.
    pub fn new(bytes: usize, set: Instructions) -> Self {
        // One chunk of so many columns is contiguous, in pages like stored columns'.
        let columns = bytes.div_ceil(4 * CHUNK);
        Machine { buffer: Panel::zeros(CHUNK, columns), set, best: Rates::default() }
    }

    /// Measures all rates of the threads of the pool that calls.
    pub fn measure(&mut self) {
        for _ in 0..3 {
            let threads = rayon::current_num_threads();
            let mut tiles = self.buffer.tiles_mut();
            let buffer = tiles[0].chunk(0).as_flattened_mut();
            let part = buffer.len().div_ceil(threads);
            // What lies in a cache is gone over so often that the start does not count.
            let times = LEAST_BYTES.div_ceil(size_of_val(buffer)).max(1);
            let bytes = (times * size_of_val(buffer)) as f64;
            let add_one = |part: &mut [f32]| part.iter_mut().for_each(|x| *x += 1.0);
            let modify = seconds(|| {
                let again = |part: &mut [f32]| (0..times).for_each(|_| add_one(black_box(part)));
                buffer.par_chunks_mut(part).for_each(again)
            });
            // Sums of integers may be taken in any order, hence in vector registers.
            let sum = |part: &[f32]| part.iter().fold(0, |s: u32, x| s.wrapping_add(x.to_bits()));
            let read = seconds(|| {
                let again = |part: &[f32]| {
                    (0..times).fold(0, |s: u32, _| s.wrapping_add(sum(black_box(part))))
                };
                buffer.par_chunks(part).map(again).reduce(|| 0, u32::wrapping_add)
            });

            const FMA_ROUNDS: usize = 200_000;
            let set = self.set;
            let fma = seconds(|| rayon::broadcast(|_| fma_chains(set, FMA_ROUNDS)));
            let operations = threads * 2 * FMA_ROUNDS * CHAINS * lanes(set);

            const FILLS: u32 = 2000;
            let normals = seconds(|| {
                rayon::broadcast(|_| {
                    let mut rows = [0.0; CHUNK];
                    let column = normal::NoiseColumn { key: [1, 2], address: [3, 4, 5] };
                    for fill in 0..FILLS {
                        normal::fill(set, column, fill * CHUNK as u32 / 4, black_box(&mut rows));
                    }
                })
            });
            let best = &mut self.best;
            best.read = best.read.max(bytes / read);
            best.modify = best.modify.max(bytes / modify);
            best.flops = best.flops.max(operations as f64 / fma);
            best.normals = best.normals.max((threads * FILLS as usize * CHUNK) as f64 / normals);
        }
    }
}

/// Bytes that one measurement goes over at least.
const LEAST_BYTES: usize = 128 << 20;

/// How long `work` takes.
pub fn seconds<R>(work: impl FnOnce() -> R) -> f64 {
    let start = Instant::now();
    black_box(work());
    start.elapsed().as_secs_f64()
}

/// Independent sums: more than the latency of two fma units needs, and all in registers.
const CHAINS: usize = 12;

fn lanes(set: Instructions) -> usize {
    match set {
        Instructions::Portable => 4,
        Instructions::Avx2 => 8,
        Instructions::Avx512 => 16,
    }
}

fn fma_chains(set: Instructions, rounds: usize) -> f32 {
    #[cfg(target_arch = "x86_64")]
    #[target_feature(enable = "avx2,fma")]
    fn avx2(rounds: usize) -> f32 {
        chains::<8, true>(rounds)
    }
    #[cfg(target_arch = "x86_64")]
    #[target_feature(enable = "avx512f,avx512dq,avx512bw,avx512vl,avx2,fma")]
    fn avx512(rounds: usize) -> f32 {
        use std::arch::x86_64::{_mm512_fmadd_ps, _mm512_reduce_add_ps, _mm512_set1_ps};
        // By name: sixteen numbers of an array are not put into one register by themselves.
        let (a, b) = black_box((_mm512_set1_ps(0.999), _mm512_set1_ps(0.001)));
        let mut sums = black_box([_mm512_set1_ps(1.0); CHAINS]);
        for _ in 0..rounds {
            for sum in &mut sums {
                *sum = _mm512_fmadd_ps(*sum, a, b);
            }
        }
        let mut total = 0.0;
        for sum in sums {
            total += _mm512_reduce_add_ps(sum);
        }
        total
    }
    match set {
        #[cfg(target_arch = "x86_64")]
        // SAFETY: a value other than Portable comes from `Instructions::detect`, which has seen the
        // features.
        Instructions::Avx2 => unsafe { avx2(rounds) },
        #[cfg(target_arch = "x86_64")]
        // SAFETY: as above.
        Instructions::Avx512 => unsafe { avx512(rounds) },
        _ => chains::<4, false>(rounds),
    }
}

#[inline(always)]
fn chains<const LANES: usize, const FUSED: bool>(rounds: usize) -> f32 {
    let (a, b) = black_box(([0.999_f32; LANES], [0.001_f32; LANES]));
    // Hidden, or the compiler would find all sums equal.
    let mut sums = black_box([[1.0_f32; LANES]; CHAINS]);
    for _ in 0..rounds {
        for sum in &mut sums {
            for i in 0..LANES {
                sum[i] = if FUSED { sum[i].mul_add(a[i], b[i]) } else { sum[i] * a[i] + b[i] };
            }
        }
    }
    sums.as_flattened().iter().sum()
}
