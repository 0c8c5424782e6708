//! Noise addresses: which Gaussian belongs to which entry.
//!
//! ```text
//! key     = seed
//! counter = (row div 4, sample or column, fine layer, purpose · step · direction)
//! ```
//!
//! Row i is the same number at every width. A layer of a depth-L network sums a block of
//! finest/L fine layers, so all depths of a seed are discretisations of one Brownian path.

use std::ops::{AddAssign, MulAssign};

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
    /// Z of a training sample that is only evaluated, drawn and discarded; column = sample.
    TrainAnswer = 5,
    /// A W1 (direction forward) or W̃1 (backward) of a two-layer block; column = column of the
    /// matrix. W2 has [`Purpose::Weight`].
    Inner = 6,
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
    /// [`Purpose::Answer`], [`Purpose::TestAnswer`] or [`Purpose::TrainAnswer`].
    pub purpose: Purpose,
    /// Number of updates done.
    pub step: u32,
    /// Which way.
    pub direction: Direction,
}

/// One column of Gaussians, by what it belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Entry {
    /// Column `coordinate` of U.
    Input {
        /// Input coordinate.
        coordinate: u32,
    },
    /// Column `output` of V.
    Readout {
        /// Output.
        output: u32,
    },
    /// A column of the dense W (or W̃, backward) of layer 1..=L.
    Weight {
        /// W or W̃.
        direction: Direction,
        /// Layer
        layer: u32,
        /// Column of the matrix.
        column: u32,
    },
    /// The same of the W1 (or W̃1, backward) of a two-layer block, whose W2 is [`Entry::Weight`].
    Inner {
        /// W1 or W̃1.
        direction: Direction,
        /// Layer
        layer: u32,
        /// Column of the matrix.
        column: u32,
    },
    /// A column of the conditional engine's Z of layer 1..=L.
    Answer {
        /// Who asks.
        query: Query,
        /// Layer
        layer: u32,
        /// Position of the sample in its data set.
        sample: u32,
    },
}

/// A source of the Gaussians of one training run.
pub trait Noise: Send + Sync {
    /// Writes rows `first..` of a column, as many as `out` holds; `first` is a multiple of four.
    fn fill(&self, entry: Entry, first: usize, out: &mut [f64]);

    /// The same in f32.
    fn fill_f32(&self, entry: Entry, first: usize, out: &mut [f32]);
}

/// The address of an entry's noise.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    /// r: the fine layers that are summed.
    pub fine: u32,
    /// Sample, column, coordinate or output.
    pub column: u32,
    /// The first of the fine layers.
    pub layer: u32,
    /// Purpose, step and direction.
    pub tag: u32,
}

/// The noise of one seed at one depth: layer l sums fine layers (l−1)r+1 ..= lr in ascending order,
/// times r^{-1/2}, r = finest/L (docs/theory.md, section 4).
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

    /// Where the noise of an entry is found, for those who draw it themselves.
    pub fn place(&self, entry: Entry) -> Place {
        let forward = Direction::Forward;
        let fine = self.fine_per_layer;
        let once =
            |column, purpose| Place { fine: 1, column, layer: 0, tag: tag(purpose, 0, forward) };
        let layers =
            |layer: u32, column, tag| Place { fine, column, layer: (layer - 1) * fine + 1, tag };
        match entry {
            Entry::Input { coordinate } => once(coordinate, Purpose::Input),
            Entry::Readout { output } => once(output, Purpose::Readout),
            Entry::Weight { direction, layer, column } => {
                layers(layer, column, tag(Purpose::Weight, 0, direction))
            }
            Entry::Inner { direction, layer, column } => {
                layers(layer, column, tag(Purpose::Inner, 0, direction))
            }
            Entry::Answer { query, layer, sample } => {
                layers(layer, sample, tag(query.purpose, query.step, query.direction))
            }
        }
    }

    /// Adds the fine layers of `entry` in ascending order and scales by count^{-1/2}, in the
    /// format of `out`.
    fn sum<T>(&self, entry: Entry, first: usize, out: &mut [T], scale: impl Fn(f64) -> T)
    where
        T: Copy + From<f32> + AddAssign + MulAssign,
    {
        const ROWS: usize = 512; // the buffer stays in the first-level cache
        let mut buffer = [0.0_f32; ROWS];
        let Place { fine: count, column, layer, tag } = self.place(entry);
        let scale = scale(f64::from(count).sqrt().recip());
        for (chunk, out) in out.chunks_mut(ROWS).enumerate() {
            let buffer = &mut buffer[..out.len()];
            let first_block = ((first + chunk * ROWS) / 4) as u32;
            for fine in 0..count {
                let column = Column { key: self.key, address: [column, layer + fine, tag] };
                normal::fill(self.instructions, column, first_block, buffer);
                let normals = out.iter_mut().zip(buffer.iter().map(|z| T::from(*z)));
                if fine == 0 {
                    normals.for_each(|(sum, z)| *sum = z);
                } else {
                    normals.for_each(|(sum, z)| *sum += z);
                }
            }
            if count > 1 {
                out.iter_mut().for_each(|sum| *sum *= scale);
            }
        }
    }
}

impl Noise for BrownianPath {
    fn fill(&self, entry: Entry, first: usize, out: &mut [f64]) {
        self.sum(entry, first, out, |scale| scale);
    }

    fn fill_f32(&self, entry: Entry, first: usize, out: &mut [f32]) {
        let Place { fine: count, column, layer, tag } = self.place(entry);
        if count > 1 {
            return self.sum(entry, first, out, |scale| scale as f32);
        }
        // The normals themselves, drawn where they belong.
        let column = Column { key: self.key, address: [column, layer, tag] };
        normal::fill(self.instructions, column, (first / 4) as u32, out);
    }
}
