//! Noise addresses: which Gaussian belongs to which entry.
//!
//! ```text
//! key     = seed
//! counter = (row div 4, sample or column, fine layer, purpose · step · direction)
//! ```
//!
//! Row i is the same number at every width. A layer of a depth-L network sums a block of
//! finest/L fine layers, so all depths of a seed are discretisations of one Brownian path.

use super::normal::{self, Column, Instructions};
use super::philox;

/// What a stream of noise is for; the top four bits of the last counter word.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// U; column = input coordinate.
    Input = 0,
    /// V; column = output.
    Readout = 1,
    /// A dense W (direction forward) or W̃ (backward); column = column of the matrix.
    Weight = 2,
    /// Z of a training query of the conditional engine; column = sample.
    Answer = 3,
    /// Z of a test query, drawn and discarded; column = sample.
    TestAnswer = 4,
    /// Streams of the `rand` generator.
    Stream = 15,
}

/// Forward queries ask for Wφ, backward ones for Wᵀg.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    /// W φ(h).
    Forward = 0,
    /// Wᵀ g.
    Backward = 1,
}

/// Steps that fit the counter word: 27 bits.
pub const MAX_STEP: u32 = (1 << 27) - 1;

/// The last counter word.
pub fn tag(purpose: Purpose, step: u32, direction: Direction) -> u32 {
    (purpose as u32) << 28 | (step & MAX_STEP) << 1 | direction as u32
}

/// One query of the conditional engine: who asks and when.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Query {
    /// [`Purpose::Answer`] or [`Purpose::TestAnswer`].
    pub purpose: Purpose,
    /// Number of updates done.
    pub step: u32,
    /// Which way.
    pub direction: Direction,
}

/// A source of the Gaussians of one training run. Every method overwrites `out`, whose length is
/// the width, with independent N(0,1) entries.
pub trait Noise: Send {
    /// Column `coordinate` of U.
    fn input(&self, coordinate: u32, out: &mut [f64]);
    /// Column `output` of V.
    fn readout(&self, output: u32, out: &mut [f64]);
    /// Column `column` of the dense W (or W̃, backward) of layer `layer` = 1..=L.
    fn weight(&self, direction: Direction, layer: u32, column: u32, out: &mut [f64]);
    /// Column `sample` of the conditional engine's Z of layer `layer` = 1..=L.
    fn answer(&self, query: Query, layer: u32, sample: u32, out: &mut [f64]);
}

/// The noise of one seed at one depth: layer l sums fine layers (l−1)r+1 ..= lr in ascending order,
/// times r^{-1/2}, r = finest/L (theory: section 4).
#[derive(Clone, Debug)]
pub struct BrownianPath {
    key: [u32; 2],
    fine_per_layer: u32,
    instructions: Instructions,
}

impl BrownianPath {
    /// The path of `seed` on a grid of `finest` layers, read at `depth`.
    ///
    /// # Panics
    /// If `depth` is zero or does not divide `finest`: experiments are validated before.
    pub fn new(seed: u64, finest: u32, depth: u32) -> Self {
        assert!(depth > 0 && finest.is_multiple_of(depth), "depth {depth} must divide {finest}");
        BrownianPath {
            key: philox::key(seed),
            fine_per_layer: finest / depth,
            instructions: Instructions::detect(),
        }
    }

    fn single(&self, address: [u32; 3], out: &mut [f64]) {
        self.sum(|_| address, 1, out);
    }

    fn layer(&self, column: u32, layer: u32, tag: u32, out: &mut [f64]) {
        let first = (layer - 1) * self.fine_per_layer + 1;
        self.sum(|fine| [column, first + fine, tag], self.fine_per_layer, out);
    }

    /// Sums `count` columns in ascending order and scales by count^{-1/2}.
    fn sum(&self, address: impl Fn(u32) -> [u32; 3], count: u32, out: &mut [f64]) {
        const ROWS: usize = 1024; // the buffer stays in the first-level cache
        let mut buffer = [0.0_f32; ROWS];
        let scale = f64::from(count).sqrt().recip();
        for (chunk, out) in out.chunks_mut(ROWS).enumerate() {
            let buffer = &mut buffer[..out.len()];
            let first_block = (chunk * ROWS / 4) as u32;
            out.fill(0.0);
            for fine in 0..count {
                let column = Column { key: self.key, address: address(fine) };
                normal::fill(self.instructions, column, first_block, buffer);
                for (sum, z) in out.iter_mut().zip(&*buffer) {
                    *sum += f64::from(*z);
                }
            }
            if count > 1 {
                out.iter_mut().for_each(|sum| *sum *= scale);
            }
        }
    }
}

impl Noise for BrownianPath {
    fn input(&self, coordinate: u32, out: &mut [f64]) {
        self.single([coordinate, 0, tag(Purpose::Input, 0, Direction::Forward)], out);
    }

    fn readout(&self, output: u32, out: &mut [f64]) {
        self.single([output, 0, tag(Purpose::Readout, 0, Direction::Forward)], out);
    }

    fn weight(&self, direction: Direction, layer: u32, column: u32, out: &mut [f64]) {
        self.layer(column, layer, tag(Purpose::Weight, 0, direction), out);
    }

    fn answer(&self, query: Query, layer: u32, sample: u32, out: &mut [f64]) {
        self.layer(sample, layer, tag(query.purpose, query.step, query.direction), out);
    }
}
