//! Grids of kernels: every kernel can be launched at every width and number of samples that memory allows,
//! and its blocks have every row once.

use std::collections::BTreeSet;

use nfd::backend::cuda::device::image::{KERNEL_FILES, kernel_names};
use nfd::backend::cuda::grid::{self, Grid, TRANSPOSE_SAMPLES, TooLarge};

/// Widths n: small, around 4 × 65 535 and 256 × 65 535 rows, and what people ask for.
const WIDTHS: [u32; 9] = [1, 32, 1000, 65_536, 262_140, 262_141, 300_000, 1_000_000, 10_000_000];
/// Samples P of a batch.
const SAMPLES: [u32; 8] = [1, 2, 4, 8, 9, 33, 256, 1024];
/// Samples of training and test together.
const ALL_SAMPLES: [u32; 3] = [2, 524_281, 10_000_000];
/// Members in flight: up to twice the most that src/ensemble/plan.rs plans.
const MEMBERS: [u32; 3] = [1, 9, 8192];
/// The widest dense layer: its W is 4 TB in f32, more than any device has.
const DENSE: u32 = 1_000_000;

/// The grids of the kernel `name` for networks of this width, with so many samples in a batch and in all.
fn plans(name: &str, width: u32, samples: u32, all: u32, members: u32) -> Vec<Grid> {
    let stem = name.split('_').next().unwrap();
    let size: u64 = if name.contains("f64") { 8 } else { 4 };
    let outputs = [1, 10, 1000];
    let of_outputs = |grid: &dyn Fn(u32) -> Grid| outputs.map(grid).to_vec();
    let width_of_layer = width.min(DENSE);
    match stem {
        // W, and V, whose rows are as many as h has.
        "draw" => vec![
            grid::draw(width_of_layer, width_of_layer, members),
            grid::draw(width, 1000, members),
        ],
        "multiply" => vec![grid::multiply((width, width), samples, members)],
        "transpose" => {
            let counts = [samples.min(TRANSPOSE_SAMPLES), samples % TRANSPOSE_SAMPLES];
            let shape = (width_of_layer, width_of_layer);
            let stored = if name.contains("half") { 2 } else { size };
            let grid = |count| grid::transpose(shape, (samples, count), (size, stored), members);
            counts.into_iter().filter(|&count| count > 0).map(grid).collect()
        }
        "embed" | "append" | "signal" | "gather" | "leading" => {
            // Sets that are one batch, too.
            vec![
                grid::rows_of_samples(width, samples, members),
                grid::rows_of_samples(width, all, members),
            ]
        }
        "products" => vec![grid::rows_of_samples(all, samples, members)],
        "readout" => of_outputs(&|outputs| grid::rows_of_samples(width, outputs, members)),
        "read" => of_outputs(&|outputs| grid::read(u64::from(outputs * samples), 512, members)),
        "collect" => of_outputs(&|outputs| grid::collect(u64::from(outputs * samples), members)),
        "entrywise" => {
            let numbers = u64::from(width_of_layer).pow(2);
            vec![grid::entrywise(numbers, size, members)]
        }
        "loss" => vec![grid::of_members(1, members)],
        "squares" | "drift" => vec![grid::of_members(10_000, members)],
        "inputs" => vec![grid::input_rows(width, 4, all, members)],
        "follow" => vec![grid::input_rows(width, 16 / size as u32, all, members)],
        "sweep" => vec![grid::sweep(members, 512)],
        _ => panic!("no grid of kernel {name} is planned here"),
    }
}

#[test]
fn every_kernel_can_be_launched_at_every_width() {
    let kernels: BTreeSet<String> =
        KERNEL_FILES.iter().flat_map(|file| kernel_names(file.source)).collect();
    assert!(kernels.len() > 30);
    for kernel in &kernels {
        for width in WIDTHS {
            for samples in SAMPLES {
                for (all, members) in ALL_SAMPLES.iter().flat_map(|&all| MEMBERS.map(|m| (all, m)))
                {
                    for grid in plans(kernel, width, samples, all, members) {
                        assert!(
                            grid.checked().is_ok(),
                            "{kernel} at n = {width}, P = {samples}, {all} samples: {grid:?}"
                        );
                    }
                }
            }
        }
    }
}

/// As many threads as rows, and no block without one.
#[test]
fn blocks_have_every_row() {
    let holds = |blocks: u64, of_block: u64, rows: u32| {
        let rows = u64::from(rows);
        assert!(blocks * of_block >= rows && (blocks - 1) * of_block < rows, "{blocks} for {rows}");
    };
    for width in WIDTHS {
        let draw = grid::draw(width, 7, 3).blocks;
        holds(draw[0], 4, width);
        assert_eq!((draw[1], draw[2]), (1, 3));
        let rows = grid::rows_of_samples(width, 5, 3).blocks;
        holds(rows[1], 256, width);
        let entries = grid::entrywise(u64::from(width) * 32, 8, 3).blocks;
        assert_eq!(entries, [(u64::from(width) * 32).div_ceil(512), 1, 3]);
        assert_eq!((rows[0], rows[2]), (5, 3));
        let input = grid::input_rows(width, 2, 17, 3).blocks;
        holds(input[1], 512, width);
        assert_eq!((input[0], input[2]), (3, 3));
        // Eight warps of four rows, of which up to four share a row where it is long.
        holds(grid::multiply((width, 100), 1, 3).blocks[0], 32, width);
        holds(grid::multiply((width, 512), 1, 3).blocks[0], 8, width);
        holds(grid::multiply((width, 512), 8, 3).blocks[0], 16, width);
        let tiles = grid::multiply((width, 512), 70, 3).blocks;
        holds(tiles[0], if width <= 2048 { 16 } else { 32 }, width);
        assert_eq!((tiles[1], tiles[2]), (2, 3));
        let transpose = grid::transpose((width, width), (8, 8), (4, 4), 3).blocks;
        holds(transpose[0], 128, width);
        holds(transpose[1], grid::height(width, 8).into(), width);
        let tiles = grid::transpose((width, width), (9, 9), (8, 8), 3).blocks;
        holds(tiles[0], 64, width);
        holds(tiles[1], grid::height(width, 9).into(), width);
    }
}

#[test]
fn what_no_device_takes_is_refused_with_its_size() {
    let taken = |blocks, shared| Grid { blocks, shared }.checked();
    let most = [(1 << 31) - 1, 65_535, 65_535];
    assert_eq!(taken(most, 101_376), Ok(((0x7FFF_FFFF, 65_535, 65_535), 101_376)));
    for axis in 0..3 {
        for count in [most[axis] + 1, 0] {
            let mut blocks = [1; 3];
            blocks[axis] = count;
            assert_eq!(taken(blocks, 0), Err(TooLarge(Grid { blocks, shared: 0 })));
        }
    }
    let said = taken([1, 65_536, 1], 101_377).unwrap_err().to_string();
    assert!(
        said.starts_with(
            "needs 1 × 65536 × 1 blocks with 101377 bytes of shared memory each, and a device"
        ),
        "{said}"
    );
    // A dense layer of 10⁷ rows: 400 TB of weights.
    assert!(grid::transpose((10_000_000, 10_000_000), (8, 8), (4, 4), 1).checked().is_err());
}
