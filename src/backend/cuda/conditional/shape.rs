//! How rows, sums and blocks are shared out: as `kernels/conditional/sweep.cu` has it.

use super::super::device::Number;

/// Threads of a block.
const THREADS: usize = 256;
/// Parts of a sum over rows, at most; fewer where many samples make each of them large.
const PARTS: usize = 512;
/// Samples up to which there are so many.
const FEW: usize = 32;

/// Columns that one warp factors in shared memory, as `kernels/conditional/cholesky.cuh` has it: so many samples
/// are few, and their new columns are asked about in the pass that makes them.
const PANEL: usize = 32;

/// Rows of a vector that one block sums by itself.
const SUMMED: usize = 1 << 14;

/// Number of blocks that sum up a vector of so many numbers.
pub fn summands(numbers: usize) -> usize {
    numbers.div_ceil(SUMMED).min(PARTS)
}

/// How the rows of columns are shared out, by their length and the number of samples.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shape {
    /// Samples that one thread works on, by which kernels are named.
    pub samples_of_thread: usize,
    /// Rows of one part of a column.
    pub height: usize,
    /// Number of parts of a column.
    pub parts: usize,
}

impl Shape {
    /// The shape for columns of `ld` numbers and `samples` samples.
    pub fn new<T: Number>(ld: usize, samples: usize) -> Shape {
        let samples_of_thread = if samples <= 8 { 2 } else { 8 };
        let groups = samples.div_ceil(samples_of_thread).next_power_of_two().min(4);
        let chunk = THREADS / groups * (16 / size_of::<T>());
        let most = (PARTS * FEW / samples.max(FEW)).max(1);
        let height = chunk * ld.div_ceil(chunk * most);
        Shape { samples_of_thread, height, parts: ld.div_ceil(height) }
    }

    /// Number of teams, and of thread blocks in each, of `members` networks on a device that holds
    /// `resident` blocks.
    pub fn teams(self, members: usize, resident: usize) -> (usize, usize) {
        let blocks = (resident / members).clamp(1, self.parts);
        (members.min(resident / blocks), blocks)
    }
}

/// Numbers in the small matrices of a team that asks about `samples` samples.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Small {
    /// Numbers for sums in parts, in f64.
    pub partials: usize,
    /// Numbers for all other small matrices, in f64.
    pub scratch: usize,
    /// Numbers for the columns that are kept, and for what was decided.
    pub choices: usize,
}

impl Small {
    /// The numbers with up to `capacity` stored columns.
    pub fn new(shape: Shape, capacity: usize, samples: usize) -> Small {
        let tall = (capacity + samples) * samples;
        // New columns of few samples are asked about while they are made.
        let asked = if samples <= PANEL { tall + 2 * capacity * samples } else { 0 };
        Small {
            partials: asked.max(2 * tall) * shape.parts,
            scratch: 8 * tall + 6 * samples * samples + 2 * samples,
            choices: (4 + 3 * samples).next_multiple_of(32),
        }
    }

    /// Enough numbers for any of these numbers of samples: fewer may take more parts.
    pub fn most<T: Number>(ld: usize, capacity: usize, numbers: &[usize]) -> Small {
        let of = |&samples: &usize| Small::new(Shape::new::<T>(ld, samples), capacity, samples);
        let none = Small { partials: 0, scratch: 0, choices: 0 };
        numbers.iter().map(of).fold(none, |a, b| Small {
            partials: a.partials.max(b.partials),
            scratch: a.scratch.max(b.scratch),
            choices: a.choices.max(b.choices),
        })
    }
}

/// How many samples are evaluated at a time, of sets of these sizes, at most `most`.
pub fn parts_of(sets: [usize; 2], most: usize) -> Vec<usize> {
    let mut numbers: Vec<usize> =
        sets.iter().flat_map(|&set| [set.min(most), set % most]).filter(|&n| n > 0).collect();
    numbers.sort_unstable();
    numbers.dedup();
    numbers
}
