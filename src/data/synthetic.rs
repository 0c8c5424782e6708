//! Gaussian inputs: uniform on the sphere of radius √d once normalised, with labels ±1; or with power laws of their
//! variances and of a linear target.

use rand::RngExt;

use super::records::{Table, Targets};
use crate::rng::noise::{Direction, Purpose, tag};
use crate::rng::normal::{Instructions, NoiseColumn, fill};
use crate::rng::philox::{self, Philox};

/// Power laws of synthetic samples, by the coordinate i from 1 to d.
#[derive(Clone, Copy, Debug, Default)]
pub struct PowerLaws {
    /// Exponent a: coordinate i is x_i = √λ_i z_i with λ_i ∝ i^-a and a mean of one; None for λ_i = 1.
    pub inputs: Option<f64>,
    /// Exponent b: the label is y = Σ √τ_i z_i with τ_i ∝ i^-b and a sum of one; None for random signs.
    pub target: Option<f64>,
}

/// Square roots of i^-exponent for i = 1 to `dimension`, scaled to squares with this sum.
fn roots(dimension: usize, exponent: f64, sum: f64) -> Vec<f64> {
    let squares: Vec<f64> = (1..=dimension).map(|i| (i as f64).powf(-exponent)).collect();
    let scale = sum / squares.iter().sum::<f64>();
    squares.into_iter().map(|square| (scale * square).sqrt()).collect()
}

/// `count` samples; a sample does not depend on how many there are.
pub fn draw(dimension: usize, seed: u64, count: usize, laws: PowerLaws) -> Table {
    let by_coordinate = roots(dimension, laws.inputs.unwrap_or(0.0), dimension as f64);
    let target = laws.target.map(|exponent| roots(dimension, exponent, 1.0));
    let (mut inputs, mut labels) = (Vec::new(), Vec::new());
    let tag = tag(Purpose::Stream, 0, Direction::Forward);
    let mut row = vec![0.0_f32; dimension];
    for index in 0..count as u32 {
        let column = NoiseColumn { key: philox::key(seed), address: [index, 0, tag] };
        fill(Instructions::detect(), column, 0, &mut row);
        let z = || row.iter().map(|&z| f64::from(z));
        inputs.extend(z().zip(&by_coordinate).map(|(z, root)| root * z));
        if let Some(target) = &target {
            labels.push(z().zip(target).map(|(z, root)| root * z).sum());
            continue;
        }
        // Streams of the rand generator differ from the columns above in the layer word: 1.
        let stream = u64::from(tag) << 32 | 1 | u64::from(index) << 1;
        let positive = Philox::stream(seed, stream).random::<bool>();
        labels.push(if positive { 1.0 } else { -1.0 });
    }
    let name = "synthetic".to_owned();
    Table {
        name,
        dimension,
        inputs,
        labels: Targets { outputs: 1, numbers: labels },
        assumed: vec![],
    }
}
