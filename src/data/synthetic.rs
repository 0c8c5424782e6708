//! Gaussian directions: inputs uniform on the sphere of radius √d once normalised, labels ±1.

use rand::RngExt;

use super::records::{Table, Targets};
use crate::rng::noise::{Direction, Purpose, tag};
use crate::rng::normal::{Instructions, NoiseColumn, fill};
use crate::rng::philox::{self, Philox};

/// `count` samples; a sample does not depend on how many there are.
pub fn draw(dimension: usize, seed: u64, count: usize) -> Table {
    let (mut inputs, mut labels) = (Vec::new(), Vec::new());
    let tag = tag(Purpose::Stream, 0, Direction::Forward);
    let mut row = vec![0.0_f32; dimension];
    for index in 0..count as u32 {
        let column = NoiseColumn { key: philox::key(seed), address: [index, 0, tag] };
        fill(Instructions::detect(), column, 0, &mut row);
        inputs.extend(row.iter().map(|&z| f64::from(z)));
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
