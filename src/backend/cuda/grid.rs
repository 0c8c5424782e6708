//! Grids: with how many thread blocks each kernel is launched, by the rule in the header of its file.
//!
//! A device takes 2³¹ − 1 blocks along x and 65 535 along y and z. So x has what can be many (samples,
//! rows that are dealt out by fours), y what 256 threads share, z the members. Every launch is checked
//! here, and tests plan all kernels for widths to 10⁷.

use thiserror::Error;

/// Threads of a block, in every kernel.
pub const THREADS: u32 = 256;
/// Warps of a block, in every kernel.
const WARPS: u64 = 8;
/// The most blocks along x, y and z, on every device since compute capability 3.0.
const MOST_BLOCKS: [u64; 3] = [(1 << 31) - 1, 65_535, 65_535];
/// The most dynamic shared memory that a kernel has without asking for more, in bytes.
const MOST_SHARED: u64 = 48 << 10;
/// Rows that a warp of `multiply` or `transpose` has in registers.
const ROWS: u64 = 4;
/// Rows of W that a block of `transpose` has in shared memory at once.
const TILE: u64 = WARPS * ROWS;
/// The most samples of one launch of `transpose`.
pub const TRANSPOSE_SAMPLES: u32 = 32;
/// Samples of one thread in `inputs` and `follow`.
const INPUT_SAMPLES: u64 = 8;
/// Up to so many samples, a block of `transpose` has fewer rows and its product more parts.
pub const FEW_SAMPLES: usize = 8;

/// The thread blocks of a launch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Grid {
    /// Number of blocks along x, y and z.
    pub blocks: [u64; 3],
    /// Dynamic shared memory of a block, in bytes.
    pub shared: u64,
}

/// A grid that no device takes.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
#[error(
    "needs {x} × {y} × {z} blocks with {shared} bytes of shared memory each, and a device takes at most \
     {most_x} × {most_y} × {most_z} with {most_shared}: take smaller widths, fewer samples or fewer seeds at once",
    x = .0.blocks[0], y = .0.blocks[1], z = .0.blocks[2], shared = .0.shared,
    most_x = MOST_BLOCKS[0], most_y = MOST_BLOCKS[1], most_z = MOST_BLOCKS[2], most_shared = MOST_SHARED
)]
pub struct TooLarge(pub Grid);

/// Blocks along x, y and z as a launch takes them.
pub type Blocks = (u32, u32, u32);

impl Grid {
    fn new(x: u64, y: u64, z: u32) -> Grid {
        Grid { blocks: [x, y, u64::from(z)], shared: 0 }
    }

    /// The numbers of blocks and bytes, if a device takes them.
    ///
    /// # Errors
    /// [`TooLarge`] if there are too many along an axis, or none.
    pub fn checked(self) -> Result<(Blocks, u32), TooLarge> {
        let fits = self.blocks.iter().zip(MOST_BLOCKS).all(|(&n, most)| (1..=most).contains(&n));
        if !fits || self.shared > MOST_SHARED {
            return Err(TooLarge(self));
        }
        let [x, y, z] = self.blocks.map(|n| n as u32);
        Ok(((x, y, z), self.shared as u32))
    }
}

/// Blocks of 256 threads for so many numbers.
fn over_threads(numbers: u32) -> u64 {
    u64::from(numbers.div_ceil(THREADS))
}

/// Rows of W that one block of `transpose` walks down: more samples leave more to be added up.
pub fn height(samples: u32) -> u32 {
    if samples as usize <= FEW_SAMPLES { 64 } else { 128 }
}

/// Parts in which `transpose` leaves its product with a matrix of `rows` rows.
pub fn parts(rows: u32, samples: u32) -> u32 {
    rows.div_ceil(height(samples))
}

/// Samples S of one warp in `multiply` and `transpose`, the number at the end of their names.
pub fn samples_of_warp(samples: u32) -> u32 {
    match samples {
        1 => 1,
        2..=4 => 4,
        _ => 8,
    }
}

/// `draw` of `rows` × `columns` numbers a member.
pub fn draw(rows: u32, columns: u32, members: u32) -> Grid {
    Grid::new(u64::from(rows.div_ceil(4)), over_threads(columns), members)
}

/// `multiply` of W with `rows` rows and `samples` vectors.
pub fn multiply(rows: u32, samples: u32, members: u32) -> Grid {
    let of_warp = samples_of_warp(samples);
    let sharing = u64::from(samples.div_ceil(of_warp).next_power_of_two()).min(WARPS);
    Grid::new(u64::from(rows).div_ceil(WARPS / sharing * ROWS), u64::from(members), 1)
}

/// `transpose` of W with `rows` rows and `columns` padded columns, `samples` of the whole batch and
/// `count` of this launch, in numbers of `size` bytes.
pub fn transpose(
    (rows, columns): (u32, u32),
    samples: u32,
    count: u32,
    size: u64,
    members: u32,
) -> Grid {
    let of_warp = u64::from(samples_of_warp(count));
    let room = u64::from(count).div_ceil(of_warp).next_power_of_two() * of_warp;
    let width = 32 * 16 / size;
    // s, g, and W where warps share its rows.
    let shared = room * width + TILE * room + if room > of_warp { TILE * width } else { 0 };
    let grid =
        Grid::new(u64::from(columns).div_ceil(width), u64::from(parts(rows, samples)), members);
    Grid { shared: shared * size, ..grid }
}

/// `finish`, `embed`, `append`, `signal`, `gather` and `leading`: a thread has a row of a sample.
/// `readout` likewise has a row of an output, `products` a sample beside a sample of the pass.
pub fn rows_of_samples(rows: u32, samples: u32, members: u32) -> Grid {
    Grid::new(u64::from(samples), over_threads(rows), members)
}

/// `read`: a block has a part of the rows of an output of a sample.
pub fn read(outputs: u64, parts: u32, members: u32) -> Grid {
    Grid::new(outputs, u64::from(members), parts)
}

/// `collect`: a thread has an output of a sample.
pub fn collect(outputs: u64, members: u32) -> Grid {
    Grid::new(outputs.div_ceil(u64::from(THREADS)), u64::from(members), 1)
}

/// `loss`, `squares` and `drift`: a number of blocks for each member.
pub fn of_members(blocks: u32, members: u32) -> Grid {
    Grid::new(u64::from(blocks), u64::from(members), 1)
}

/// `inputs` and `follow`: a thread has `rows_of_thread` rows of eight samples.
pub fn input_rows(ld: u32, rows_of_thread: u32, all_samples: u32, members: u32) -> Grid {
    let rows = u64::from(ld).div_ceil(u64::from(THREADS * rows_of_thread));
    Grid::new(u64::from(all_samples).div_ceil(INPUT_SAMPLES), rows, members)
}

/// `sweep`: teams of thread blocks that are all resident.
pub fn sweep(teams: u32, blocks: u32) -> Grid {
    Grid::new(u64::from(teams) * u64::from(blocks), 1, 1)
}
