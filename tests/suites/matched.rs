//! Noise with exact moments: what it promises of every network that reads it.

use std::sync::Arc;

use crate::common::*;
use nfd::backend::cpu::conditional::matched::{Drawn, MatchedColumns, MatchedNoise};
use nfd::rng::noise::{BrownianPath, Direction, Entry, Noise, Purpose, Query};
use nfd::rng::normal::Instructions;

const ROWS: usize = 1536;
const STEPS: u32 = 1;

fn noise(first: usize, grid: u32, depth: u32) -> MatchedNoise {
    let train = sphere(2, 5, 1);
    let drawn = Drawn { train: &train, steps: STEPS, depth: grid as usize };
    let path = BrownianPath::new(3, grid, grid);
    let columns =
        MatchedColumns::new(Instructions::detect(), &drawn, &path, (first, ROWS)).unwrap();
    MatchedNoise::new(Arc::new(columns), BrownianPath::new(3, grid, depth))
}

fn answer(step: u32, direction: Direction, layer: u32, sample: u32) -> Entry {
    let purpose = Purpose::Answer;
    Entry::Answer { query: Query { purpose, step, direction }, layer, sample }
}

/// A column, asked for in pieces of `piece` rows.
fn column(noise: &dyn Noise, entry: Entry, piece: usize) -> Vec<f64> {
    let mut rows = vec![0.0_f32; ROWS];
    for (i, out) in rows.chunks_mut(piece).enumerate() {
        noise.fill_f32(entry, i * piece, out);
    }
    rows.iter().map(|&x| f64::from(x)).collect()
}

fn product(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(a, b)| a * b).sum::<f64>() / ROWS as f64
}

/// V, U along the inputs and the answers of all passes have mean 0, variance 1 and no correlations,
/// whatever the pieces in which rows are asked for. Entries are f32, sums of 1536 of them: 1e-5.
#[test]
fn moments_are_exact_in_pieces_of_any_length() {
    let train = sphere(2, 5, 1);
    for piece in [4, 64, 100, 512, 768, ROWS] {
        let noise = noise(0, 4, 4);
        let u: Vec<Vec<f64>> =
            (0..5).map(|coordinate| column(&noise, Entry::Input { coordinate }, piece)).collect();
        let along = |x: &[f64]| -> Vec<f64> {
            (0..ROWS).map(|i| (0..5).map(|c| u[c][i] * x[c]).sum::<f64>()).collect()
        };
        let (x, y) = (&train.inputs[..5], &train.inputs[5..]);
        let norm = |x: &[f64]| x.iter().map(|x| x * x).sum::<f64>();
        let inner: f64 = x.iter().zip(y).map(|(x, y)| x * y).sum();
        let (ux, uy) = (along(x), along(y));
        for (found, wanted) in
            [(product(&ux, &ux), norm(x)), (product(&uy, &uy), norm(y)), (product(&ux, &uy), inner)]
        {
            assert!((found - wanted).abs() < 1e-4, "{piece}: {found} {wanted}");
        }
        let mut columns = vec![column(&noise, Entry::Readout { output: 0 }, piece)];
        for (step, direction) in
            [(0, Direction::Forward), (0, Direction::Backward), (1, Direction::Forward)]
        {
            for layer in 1..=4 {
                for &sample in &train.indices {
                    columns.push(column(&noise, answer(step, direction, layer, sample), piece));
                }
            }
        }
        let constant = vec![1.0; ROWS];
        for (i, a) in columns.iter().enumerate() {
            for b in [&constant, &ux, &uy].into_iter().chain(&columns[..i]) {
                assert!(product(a, b).abs() < 1e-5, "{piece}: {i} {}", product(a, b));
            }
            assert!((product(a, a) - 1.0).abs() < 1e-5, "{piece}: {i}");
        }
    }
}

/// The rows of a half are those of the whole network's noise, changed a little: not those of another. And
/// they are not the noise itself.
#[test]
fn rows_stay_near_their_own_noise() {
    let entry = answer(1, Direction::Forward, 3, sphere(2, 5, 1).indices[1]);
    for first in [0, ROWS] {
        let mut own = vec![0.0_f32; ROWS];
        BrownianPath::new(3, 4, 4).fill_f32(entry, first, &mut own);
        let own: Vec<f64> = own.iter().map(|&x| f64::from(x)).collect();
        let matched = column(&noise(first, 4, 4), entry, 512);
        let apart: f64 = own.iter().zip(&matched).map(|(a, b)| (a - b).powi(2)).sum();
        // Of 28 columns each takes a share of about 1/n of the rows' variance.
        let share = apart / ROWS as f64;
        assert!(share > 1e-4 && share < 0.1, "{first}: {share}");
    }
}

/// A network of half the depth reads sums of two layers over √2, as of any noise.
#[test]
fn shallower_networks_read_the_same_path() {
    let sample = sphere(2, 5, 1).indices[0];
    let (fine, coarse) = (noise(0, 4, 4), noise(0, 4, 2));
    let at = |noise: &MatchedNoise, layer| {
        column(noise, answer(0, Direction::Backward, layer, sample), 512)
    };
    let (a, b, sum) = (at(&fine, 3), at(&fine, 4), at(&coarse, 2));
    for i in 0..ROWS {
        assert!(close(sum[i], (a[i] + b[i]) / 2.0_f64.sqrt(), 1e-6), "{i}");
    }
}
