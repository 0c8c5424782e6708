//! Noise: the cipher against its published vectors, normals bit for bit against exact arithmetic,
//! and their distribution with stated error levels.

use nfd::rng::noise::{BrownianPath, Direction, Entry, Noise, Purpose, Query};
use nfd::rng::normal::{Instructions, NoiseColumn, box_muller, fill};
use nfd::rng::philox::{self, Philox};
use rand::{Rng, SeedableRng};
use serde::Deserialize;

/// Random123's known-answer vectors for philox4x32-10 (its file kat_vectors).
#[test]
fn philox_known_answers() {
    let pi = [0x243f_6a88, 0x85a3_08d3, 0x1319_8a2e, 0x0370_7344];
    let cases = [
        ([0; 2], [0; 4], [0x6627_e8d5, 0xe169_c58d, 0xbc57_ac4c, 0x9b00_dbd8]),
        ([u32::MAX; 2], [u32::MAX; 4], [0x408f_276d, 0x41c8_3b0e, 0xa20b_c7c6, 0x6d54_51fd]),
        ([0xa409_3822, 0x299f_31d0], pi, [0xd16c_fe09, 0x94fd_cceb, 0x5001_e420, 0x2412_6ea1]),
    ];
    for (key, counter, expected) in cases {
        assert_eq!(philox::block(key, counter), expected);
    }
}

#[test]
fn rand_generator_reads_blocks_in_order() {
    let mut generator = Philox::seed_from_u64(5);
    let mut again = generator.clone();
    let words: Vec<u32> = (0..9).map(|_| generator.next_u32()).collect();
    let mut bytes = [0; 36];
    again.fill_bytes(&mut bytes);
    assert_eq!(bytes.to_vec(), words.iter().flat_map(|w| w.to_le_bytes()).collect::<Vec<u8>>());

    let stream = 0xF000_0001_0000_0002;
    let mut generator = Philox::stream(77, stream);
    for block in 0..3 {
        let counter = [block, 0, stream as u32, (stream >> 32) as u32];
        for word in philox::block(philox::key(77), counter) {
            assert_eq!(generator.next_u32(), word);
        }
    }
}

#[derive(Deserialize)]
struct Golden {
    edges: Vec<Edge>,
    columns: Vec<GoldenColumn>,
}
#[derive(Deserialize)]
struct Edge {
    words: [u32; 4],
    normals: [u32; 4],
}
#[derive(Deserialize)]
struct GoldenColumn {
    seed: String,
    address: [u32; 3],
    normals: Vec<u32>,
}

/// golden/normals.json comes from exact rational arithmetic (golden/normals.py).
#[test]
fn normals_match_exact_arithmetic_bit_for_bit_on_every_path() {
    let golden: Golden = serde_json::from_str(include_str!("../golden/normals.json")).unwrap();
    for edge in &golden.edges {
        assert_eq!(box_muller(edge.words).map(f32::to_bits), edge.normals, "{:x?}", edge.words);
    }
    for column in &golden.columns {
        let place =
            NoiseColumn { key: philox::key(column.seed.parse().unwrap()), address: column.address };
        for instructions in Instructions::available() {
            // Ragged lengths and starts: whole vectors, tails, and single rows.
            for (first, len) in [(0, 400), (0, 1), (3, 67), (17, 130), (99, 4), (1, 63), (2, 65)] {
                let mut rows = vec![f32::NAN; len];
                fill(instructions, place, first, &mut rows);
                let bits: Vec<u32> = rows.iter().map(|z| z.to_bits()).collect();
                assert_eq!(
                    bits,
                    column.normals[4 * first as usize..][..len],
                    "{instructions:?} {first} {len}"
                );
            }
        }
    }
}

/// Every length up to past two vectors of blocks, with the row counter wrapping in between.
#[test]
fn fill_is_box_muller_of_consecutive_blocks() {
    let column =
        NoiseColumn { key: [0x89ab_cdef, 0xfedc_ba98], address: [u32::MAX, 7, 0x3000_0001] };
    let [sample, layer, tag] = column.address;
    for first in [0, u32::MAX - 20] {
        let blocks = (0..36).map(|i| [first.wrapping_add(i), sample, layer, tag]);
        let expected: Vec<u32> = blocks
            .flat_map(|counter| box_muller(philox::block(column.key, counter)).map(f32::to_bits))
            .collect();
        for instructions in Instructions::available() {
            for len in 0..=expected.len() {
                let mut rows = vec![f32::NAN; len];
                fill(instructions, column, first, &mut rows);
                let bits: Vec<u32> = rows.iter().map(|z| z.to_bits()).collect();
                assert_eq!(bits, expected[..len], "{instructions:?} {first} {len}");
            }
        }
    }
}

/// Against f64 Box–Muller with the standard library's functions: relative error below 3e-7 of the
/// radius, over words that cover every octave and quarter.
#[test]
fn normals_are_accurate() {
    let mut worst = 0.0_f64;
    for i in 0..200_000_u32 {
        let radius_word = i.wrapping_mul(2_654_435_761) >> (i % 32);
        let angle_word = i.wrapping_mul(0x9E37_79B9);
        // u itself is an f32 number; near 1 that makes ln u coarse, which is part of the definition.
        let u =
            f64::from((f64::from(radius_word as f32) / 2_f64.powi(32) + 0.5_f64.powi(33)) as f32);
        let radius = (-2.0 * u.ln()).sqrt();
        let y = (f64::from((angle_word << 2) as i32) + 0.5) / 2_f64.powi(32);
        let angle = std::f64::consts::FRAC_PI_2 * (y + f64::from(angle_word >> 30));
        let [x, y, ..] = box_muller([radius_word, angle_word, 0, 0]);
        for (got, want) in [(x, radius * angle.cos()), (y, radius * angle.sin())] {
            let error = (f64::from(got) - want).abs();
            if radius > 0.0 {
                worst = worst.max(error / radius);
            }
            assert!(error <= 3e-7 * radius, "{radius_word:x} {angle_word:x}: {got} {want}");
        }
    }
    assert!(worst > 1e-8, "the comparison is vacuous: {worst}");
}

/// (name, estimate, expected, standard deviation of the estimate)
type Statistic = (&'static str, f64, f64, f64);

/// Two-sided moment and tail statistics of a sample that should be N(0,1), n independent entries.
fn distribution_statistics(z: &[f32]) -> Vec<Statistic> {
    let n = z.len() as f64;
    let mean = |f: &dyn Fn(f64) -> f64| z.iter().map(|&z| f(f64::from(z))).sum::<f64>() / n;
    let sd = |variance: f64| (variance / n).sqrt();
    let mut statistics = vec![
        ("mean", mean(&|z| z), 0.0, sd(1.0)),
        ("second moment", mean(&|z| z * z), 1.0, sd(2.0)),
        ("third moment", mean(&|z| z.powi(3)), 0.0, sd(15.0)),
        ("fourth moment", mean(&|z| z.powi(4)), 3.0, sd(96.0)),
        ("sixth moment", mean(&|z| z.powi(6)), 15.0, sd(10_395.0 - 225.0)),
    ];
    for (name, t, sign) in [
        ("P(z>1)", 1.0, 1.0),
        ("P(z<-1)", 1.0, -1.0),
        ("P(z>3)", 3.0, 1.0),
        ("P(z<-3)", 3.0, -1.0),
        ("P(z>4)", 4.0, 1.0),
        ("P(z<-4)", 4.0, -1.0),
        ("P(z>4.8)", 4.8, 1.0),
        ("P(z<-4.8)", 4.8, -1.0),
    ] {
        let p = 0.5 * libm::erfc(t / std::f64::consts::SQRT_2);
        statistics.push((name, mean(&|z| f64::from(sign * z > t)), p, sd(p * (1.0 - p))));
    }
    for (name, lag) in [("lag 1", 1), ("lag 2", 2), ("lag 4", 4), ("lag 1024", 1024)] {
        let product =
            z.iter().zip(&z[lag..]).map(|(a, b)| f64::from(*a) * f64::from(*b)).sum::<f64>();
        statistics.push((name, product / n, 0.0, sd(1.0)));
    }
    let squares = z.chunks_exact(2).map(|p| f64::from(p[0]).powi(2) * f64::from(p[1]).powi(2));
    // Var(x²y²) = 9 − 1 over n/2 pairs.
    statistics.push(("pair squares", squares.sum::<f64>() / (n / 2.0), 1.0, sd(16.0)));
    statistics
}

/// The largest |z| over all statistics.
fn worst(statistics: &[Statistic]) -> f64 {
    statistics.iter().map(|(_, got, want, sd)| ((got - want) / sd).abs()).fold(0.0, f64::max)
}

/// Family-wise level 1e-3 over 18 two-sided statistics: Bonferroni bound |z| ≤ 4.03. The rarest
/// tail expects 6.7 counts in 2^23, for which the bound is still above the Poisson 1 - 5e-5 quantile.
#[test]
fn normals_have_gaussian_moments_and_tails() {
    const BOUND: f64 = 4.03;
    let mut z = vec![0.0; 1 << 23];
    for (i, part) in z.chunks_mut(1 << 20).enumerate() {
        let column = NoiseColumn { key: philox::key(2024), address: [i as u32, 1, 0x3000_0000] };
        fill(Instructions::detect(), column, 0, part);
    }
    let statistics = distribution_statistics(&z);
    for (name, got, want, sd) in &statistics {
        assert!(((got - want) / sd).abs() <= BOUND, "{name}: {got}, expected {want} ± {sd}");
    }
    // Twins that must fail: a scale off by 0.2 % (4 sd of the second moment per 0.2 %: 5.8), a tail
    // cut at 4.5, a mean of 0.002 (5.8 sd), and neighbours that share 0.3 % of their variance.
    let scaled: Vec<f32> = z.iter().map(|z| z * 1.002).collect();
    assert!(worst(&distribution_statistics(&scaled)) > BOUND);
    let shifted: Vec<f32> = z.iter().map(|z| z + 0.002).collect();
    assert!(worst(&distribution_statistics(&shifted)) > BOUND);
    let cut: Vec<f32> = z.iter().map(|z| z.clamp(-3.8, 3.8)).collect();
    assert!(worst(&distribution_statistics(&cut)) > BOUND);
    let mut smeared = z.clone();
    for i in 1..smeared.len() {
        smeared[i] = z[i] * 0.999_995_5 + 0.003 * z[i - 1];
    }
    assert!(worst(&distribution_statistics(&smeared)) > BOUND);
}

fn answer(seed: u64, finest: u32, depth: u32, layer: u32, width: usize) -> Vec<f64> {
    let query = Query { purpose: Purpose::Answer, step: 2, direction: Direction::Backward };
    let mut out = vec![f64::NAN; width];
    BrownianPath::new(seed, finest, depth).fill(
        Entry::Answer { query, layer, sample: 9 },
        0,
        &mut out,
    );
    out
}

/// Layer l of depth L is the normalised sum of its two halves at depth 2L, and rows do not depend
/// on the width.
#[test]
fn depths_and_widths_share_one_path() {
    for (coarse, fine) in [(4, 8), (8, 16), (4, 16)] {
        let ratio = fine / coarse;
        for layer in 1..=coarse {
            let mut sum = vec![0.0; 37];
            for part in (layer - 1) * ratio + 1..=layer * ratio {
                for (sum, z) in sum.iter_mut().zip(answer(3, 16, fine, part, 37)) {
                    *sum += z;
                }
            }
            let whole = answer(3, 16, coarse, layer, 5000);
            for (sum, z) in sum.iter().zip(whole) {
                // Two roundings of sums of at most 16 terms of size < 7.
                assert!((sum / f64::from(ratio).sqrt() - z).abs() <= 16.0 * 7.0 * 1.2e-16);
            }
        }
    }
    assert_eq!(answer(3, 16, 16, 1, 5000)[..37], answer(3, 16, 16, 1, 37));
}

/// No two kinds of noise share a counter, nor do the two matrices of a block: all streams of one seed differ
/// in every row.
#[test]
fn addresses_do_not_collide() {
    let path = BrownianPath::new(1, 4, 4);
    let width = 64;
    let mut columns: Vec<Vec<f64>> = Vec::new();
    let mut draw = |entry| {
        let mut out = vec![0.0; width];
        path.fill(entry, 0, &mut out);
        columns.push(out);
    };
    for column in 0..3 {
        draw(Entry::Input { coordinate: column });
        draw(Entry::Readout { output: column });
        for layer in 1..=4 {
            for direction in [Direction::Forward, Direction::Backward] {
                draw(Entry::Weight { direction, layer, column });
                draw(Entry::Inner { direction, layer, column });
                for step in 0..3 {
                    for purpose in [Purpose::Answer, Purpose::TestAnswer, Purpose::TrainAnswer] {
                        let query = Query { purpose, step, direction };
                        draw(Entry::Answer { query, layer, sample: column });
                        draw(Entry::Answer { query: query.of_inner(), layer, sample: column });
                    }
                }
            }
        }
    }
    let mut seen: Vec<u64> = columns.iter().flatten().map(|z| z.to_bits()).collect();
    let total = seen.len();
    seen.sort_unstable();
    seen.dedup();
    // f32 normals collide by chance: about total²/2 · 3e-8 pairs.
    let chance = (total as f64).powi(2) / 2.0 * 3e-8;
    assert!(((total - seen.len()) as f64) < 4.0 * chance + 10.0, "{} of {total}", seen.len());
}
