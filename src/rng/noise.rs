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

use super::normal::{self, Instructions, NoiseColumn};
use super::philox;

/// What a stream of noise is for; the top four bits of the last counter word.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// Input weights U; column = input coordinate.
    Input = 0,
    /// Readout weights V; column = output.
    Readout = 1,
    /// A dense hidden matrix W (direction forward) or gia's own backward one W̃ (backward); column =
    /// column of the matrix.
    Weight = 2,
    /// Fresh part Z of a training query of the conditional engine; column = sample.
    Answer = 3,
    /// Fresh part Z of a test query, drawn and discarded; column = sample.
    TestAnswer = 4,
    /// Fresh part Z of a training sample that is only evaluated, drawn and discarded; column = sample.
    TrainAnswer = 5,
    /// Inner matrix W1 (direction forward) or W̃1 (backward) of a two-layer block; column = column of
    /// the matrix. W2 has [`Purpose::Weight`].
    Inner = 6,
    /// [`Purpose::Answer`] of the inner matrix W1 of a two-layer block; W2 has that one.
    InnerAnswer = 7,
    /// [`Purpose::TestAnswer`] of the inner matrix W1 of a two-layer block.
    InnerTestAnswer = 8,
    /// [`Purpose::TrainAnswer`] of the inner matrix W1 of a two-layer block.
    InnerTrainAnswer = 9,
    /// Streams of the `rand` generator, for all that is not a Gaussian weight.
    Stream = 15,
}

/// Which way a weight matrix is applied: forward queries ask for Wφ, backward ones for Wᵀg.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    /// The matrix itself, as in W φ(h).
    Forward = 0,
    /// The transposed matrix, as in Wᵀ g.
    Backward = 1,
}

/// The largest step that fits its 27 bits of the counter word.
pub const MAX_STEP: u32 = (1 << 27) - 1;

/// The last counter word: purpose in the top four bits, then the step, then the direction.
pub fn tag(purpose: Purpose, step: u32, direction: Direction) -> u32 {
    (purpose as u32) << 28 | (step & MAX_STEP) << 1 | direction as u32
}

/// A query of the conditional engine, as far as its noise depends on it: what for, when and which way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Query {
    /// [`Purpose::Answer`], [`Purpose::TestAnswer`] or [`Purpose::TrainAnswer`], or that of an inner
    /// matrix.
    pub purpose: Purpose,
    /// Number of updates done before the query.
    pub step: u32,
    /// Whether W or Wᵀ is applied.
    pub direction: Direction,
}

impl Query {
    /// The query of the inner matrix W1 of a two-layer block that goes with this one of W2.
    pub fn of_inner(self) -> Query {
        let purpose = match self.purpose {
            Purpose::Answer => Purpose::InnerAnswer,
            Purpose::TestAnswer => Purpose::InnerTestAnswer,
            Purpose::TrainAnswer => Purpose::InnerTrainAnswer,
            other => other,
        };
        Query { purpose, ..self }
    }
}

/// One column of Gaussians, by what it belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Entry {
    /// Column `coordinate` of U.
    Input {
        /// The input coordinate, 0 to d − 1.
        coordinate: u32,
    },
    /// Column `output` of V.
    Readout {
        /// The output, 0 to O − 1.
        output: u32,
    },
    /// A column of the dense matrix W (or W̃, backward) of a layer.
    Weight {
        /// Forward for W, backward for W̃.
        direction: Direction,
        /// The layer, 1 to L.
        layer: u32,
        /// Column of the matrix.
        column: u32,
    },
    /// A column of the inner matrix W1 (or W̃1, backward) of a two-layer block, whose W2 is
    /// [`Entry::Weight`].
    Inner {
        /// Forward for W1, backward for W̃1.
        direction: Direction,
        /// The layer, 1 to L.
        layer: u32,
        /// Column of the matrix.
        column: u32,
    },
    /// A column of the fresh part Z of a conditional answer.
    Answer {
        /// The query that the column answers.
        query: Query,
        /// The layer, 1 to L.
        layer: u32,
        /// Position of the sample in its data set.
        sample: u32,
    },
}

/// A source of the Gaussians of one training run.
pub trait Noise: Send + Sync {
    /// Writes rows `first..` of a column, as many as `out` holds; `first` is a multiple of four.
    fn fill(&self, entry: Entry, first: usize, out: &mut [f64]);

    /// Writes rows `first..` of a column in f32, as [`Noise::fill`] does in f64.
    fn fill_f32(&self, entry: Entry, first: usize, out: &mut [f32]);
}

/// The noise of some rows of a network, as that of a network of its own: row i is row `first` + i.
pub struct FromRow<N> {
    /// The noise of the whole network.
    pub noise: N,
    /// The first of the rows, a multiple of four.
    pub first: usize,
}

impl<N: Noise> Noise for FromRow<N> {
    fn fill(&self, entry: Entry, first: usize, out: &mut [f64]) {
        self.noise.fill(entry, self.first + first, out);
    }

    fn fill_f32(&self, entry: Entry, first: usize, out: &mut [f32]) {
        self.noise.fill_f32(entry, self.first + first, out);
    }
}

/// Where the noise of an entry is found: the counter words but for the row, and how many fine layers
/// are summed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NoiseAddress {
    /// How many fine layers r are summed.
    pub fine: u32,
    /// Second counter word: sample, matrix column, input coordinate or output.
    pub column: u32,
    /// Third counter word of the first of the fine layers.
    pub layer: u32,
    /// Last counter word: purpose, step and direction.
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
    pub fn address(&self, entry: Entry) -> NoiseAddress {
        let forward = Direction::Forward;
        let fine = self.fine_per_layer;
        let once = |column, purpose| NoiseAddress {
            fine: 1,
            column,
            layer: 0,
            tag: tag(purpose, 0, forward),
        };
        let layers = |layer: u32, column, tag| NoiseAddress {
            fine,
            column,
            layer: (layer - 1) * fine + 1,
            tag,
        };
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
        let NoiseAddress { fine: count, column, layer, tag } = self.address(entry);
        let scale = scale(f64::from(count).sqrt().recip());
        for (chunk, out) in out.chunks_mut(ROWS).enumerate() {
            let buffer = &mut buffer[..out.len()];
            let first_block = ((first + chunk * ROWS) / 4) as u32;
            for fine in 0..count {
                let column = NoiseColumn { key: self.key, address: [column, layer + fine, tag] };
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
        let NoiseAddress { fine: count, column, layer, tag } = self.address(entry);
        if count > 1 {
            return self.sum(entry, first, out, |scale| scale as f32);
        }
        // The normals themselves, drawn where they belong.
        let column = NoiseColumn { key: self.key, address: [column, layer, tag] };
        normal::fill(self.instructions, column, (first / 4) as u32, out);
    }
}
