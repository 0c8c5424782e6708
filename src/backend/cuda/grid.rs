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
/// The most dynamic shared memory that every device of these kernels has for a block, in bytes.
const MOST_SHARED: u64 = 99 << 10;
/// Dynamic shared memory that a kernel has without asking for more, in bytes.
pub const UNASKED_SHARED: u32 = 48 << 10;
/// Rows that a warp of `multiply` has in registers.
const ROWS: u64 = 4;
/// Up to so many samples, `multiply` and `transpose` have all of them in registers; beyond, there are tiles.
pub const FEW_SAMPLES: u32 = 8;
/// Columns of W that a block of `transpose_tiles` has.
const TILE_WIDTH: u64 = 64;
/// Up to so many samples, blocks of `transpose_tiles` may have fewer rows.
pub const LOW_SAMPLES: u32 = 32;
/// Shared memory of `multiply_tiles`.
const MULTIPLY_SHARED: u64 = UNASKED_SHARED as u64;
/// The most samples of one launch of `transpose`.
pub const TRANSPOSE_SAMPLES: u32 = 256;
/// Samples of one thread in `inputs` and `follow`.
const INPUT_SAMPLES: u64 = 8;
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

/// Rows of W that one block of `transpose` walks down: as many as leave a device enough blocks for a matrix
/// of n × n, in a multiple of what a block has at once.
pub fn height(rows: u32, samples: u32) -> u32 {
    match samples {
        ..=FEW_SAMPLES => match rows {
            0..=128 => 16,
            129..=1024 => 32,
            _ => 64,
        },
        // 256 blocks.
        _ => {
            let least = if samples <= LOW_SAMPLES { 32 } else { 64 };
            let all = u64::from(rows).pow(2) / (256 * TILE_WIDTH);
            all.next_power_of_two().clamp(least, 1024) as u32
        }
    }
}

/// Rows of W that a block of `transpose_tiles` has in shared memory at once, in numbers of `size` bytes.
fn rows_at_once(lot: u64, size: u64) -> u64 {
    if lot == 64 && size == 4 { 64 } else { 32 }
}

/// Parts in which `transpose` leaves its product with a matrix of `rows` rows.
pub fn parts(rows: u32, samples: u32) -> u32 {
    rows.div_ceil(height(rows, samples))
}

/// Samples S of one warp in `multiply` and `transpose`, the number at the end of their names.
pub fn samples_of_warp(samples: u32) -> u32 {
    match samples {
        1 => 1,
        2..=4 => 4,
        _ => 8,
    }
}

/// Rows and samples of a tile of `multiply_tiles`, the numbers at the end of its names.
pub fn tile_of_product(rows: u32, samples: u32) -> [u32; 2] {
    // Narrow matrices have more tiles, wide ones less to read.
    [if rows <= 2048 { 16 } else { 32 }, samples.next_power_of_two().clamp(16, 64)]
}

/// Samples of a lot and lots of `transpose_tiles`, the numbers at the end of its names.
pub fn lots(samples: u32) -> [u32; 2] {
    [samples.next_power_of_two().clamp(16, 64), samples.div_ceil(64).next_power_of_two()]
}

/// Warps that share the columns of a row in `multiply`: fewer rows a block where there is enough for each.
pub fn slices(columns: u32, samples: u32) -> u32 {
    let most = if samples <= 4 { 4 } else { 2 };
    (columns / 128).clamp(1, most).next_power_of_two()
}

/// `draw` of `rows` × `columns` numbers a member.
pub fn draw(rows: u32, columns: u32, members: u32) -> Grid {
    Grid::new(u64::from(rows.div_ceil(4)), over_threads(columns), members)
}

/// `multiply` of W with `rows` rows of `columns` numbers that are read, and `samples` vectors; above
/// [`FEW_SAMPLES`] `multiply_tiles`.
pub fn multiply((rows, columns): (u32, u32), samples: u32, members: u32) -> Grid {
    if samples <= FEW_SAMPLES {
        let of_block = WARPS / u64::from(slices(columns, samples)) * ROWS;
        return Grid::new(u64::from(rows).div_ceil(of_block), u64::from(members), 1);
    }
    let [of_block, of_tile] = tile_of_product(rows, samples);
    let tiles = u64::from(samples.div_ceil(of_tile));
    let grid = Grid::new(u64::from(rows.div_ceil(of_block)), tiles, members);
    Grid { shared: MULTIPLY_SHARED, ..grid }
}

/// `transpose` of W with `rows` rows and `columns` padded columns, `samples` of the whole batch and `count` of
/// this launch, in numbers of `size` bytes and weights of `stored`; above [`FEW_SAMPLES`] `transpose_tiles`.
pub fn transpose(
    (rows, columns): (u32, u32),
    (samples, count): (u32, u32),
    (size, stored): (u64, u64),
    members: u32,
) -> Grid {
    let mut width = TILE_WIDTH;
    let shared = if samples <= FEW_SAMPLES {
        width = 32 * 16 / size;
        let of_warp = u64::from(samples_of_warp(count));
        // G of all rows of the block; then the sums of its warps.
        of_warp * size * (WARPS * width).max(u64::from(height(rows, samples)))
    } else {
        let [lot, lots] = lots(count).map(u64::from);
        let tile = rows_at_once(lot, size);
        // X, G and k_p G, k_p, W; then the sums of warps that share rows. Rows of X and W are longer than they
        // would have to be without tensor cores.
        let padded = width + 8;
        let numbers = lot * padded + 2 * tile * (lot + 4) + lot * lots;
        (numbers * size + tile * (width * stored + 16)).max(width * padded * size)
    };
    let parts = u64::from(parts(rows, samples));
    Grid { shared, ..Grid::new(u64::from(columns).div_ceil(width), parts, members) }
}

/// Blocks of `transpose` along the columns of the widest matrix, at most, of a member.
pub fn most_blocks_of_columns(columns: u32) -> u32 {
    columns.div_ceil(TILE_WIDTH as u32)
}

/// `embed`, `append`, `signal`, `gather` and `leading`: a thread has a row of a sample.
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

/// `entrywise` of so many numbers of `size` bytes a member: a thread has 16 bytes.
pub fn entrywise(numbers: u64, size: u64, members: u32) -> Grid {
    Grid::new((numbers * size).div_ceil(16 * u64::from(THREADS)), 1, members)
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
