//! What the software device counted of launches, and how long an H100 would take for it at least.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{Seek, SeekFrom};
use std::path::Path;

use serde::Deserialize;

use crate::issued::Issued;

/// Multiprocessors of an H100 SXM, and clocks a second.
pub const MULTIPROCESSORS: u64 = 132;
const CLOCK: f64 = 1.755e9;
/// Bytes a second of its memory and of its second-level cache.
pub const DRAM: f64 = 3.35e12;
const L2: f64 = 5.5e12;
/// Instructions of warps that a multiprocessor issues in a clock.
const ISSUES: f64 = 4.0;
/// Products of matrices in tf32 (`mma` of 16 × 8 × 8) that the tensor cores of a multiprocessor do in a clock: their
/// peak, 495 TFLOP/s of all. `mma` is said to come to about 62 % of it on this chip, which is no bound.
const MATRIX_PRODUCTS: f64 = 1.0;
/// Seconds from one launch of a graph to the next, whatever is launched.
const LAUNCH: f64 = 1.2e-6;
/// Operations a second of its f32 units, a fused multiply-add being two.
pub const FLOPS: f64 = MULTIPROCESSORS as f64 * 128.0 * 2.0 * CLOCK;
/// Bytes of the second-level cache that hold what a launch left for the next.
pub const CACHE: u64 = 40 << 20;
const SECTOR: f64 = 32.0;

/// A row of the software device's file: a launch, or one line of its source.
#[derive(Debug, Deserialize)]
struct Row {
    kernel: String,
    grid_x: u64,
    grid_y: u64,
    grid_z: u64,
    /// `file:line`; empty: the whole launch.
    line: String,
    instructions: u64,
    wavefronts: u64,
    l2_sectors: u64,
    dram_sectors: u64,
    shared_load_wavefronts: u64,
    shared_store_wavefronts: u64,
    shared_ideal: u64,
    shuffles: u64,
    barriers: u64,
    fences: u64,
    matrix_products: u64,
}

/// Seconds that one launch or several take at least, for each thing that may bound them, and what they ask
/// for.
#[derive(Clone, Copy, Debug, Default)]
pub struct Bound {
    /// How many.
    pub launches: f64,
    /// Seconds for what they ask of memory.
    pub dram: f64,
    /// Seconds for what they ask of the second-level cache.
    pub l2: f64,
    /// Seconds for wavefronts of global and shared memory and exchanges between lanes, of which a
    /// multiprocessor has one a clock.
    pub pipeline: f64,
    /// Seconds for issuing their instructions.
    pub issue: f64,
    /// Seconds of tensor cores at their peak.
    pub tensor: f64,
    /// The longest of these seconds and those of a launch, launch by launch.
    pub total: f64,
    /// Wavefronts of shared memory.
    pub shared: f64,
    /// Those without bank conflicts.
    pub shared_ideal: f64,
    /// Arrivals of warps at barriers of their block.
    pub barriers: f64,
    /// Fences of warps.
    pub fences: f64,
    /// Thread blocks of all launches.
    pub blocks: f64,
}

impl Bound {
    fn each(&mut self) -> [&mut f64; 12] {
        let Bound { launches, dram, l2, pipeline, issue, tensor, total, .. } = self;
        let [shared, ideal] = [&mut self.shared, &mut self.shared_ideal];
        [
            launches,
            dram,
            l2,
            pipeline,
            issue,
            tensor,
            total,
            shared,
            ideal,
            &mut self.barriers,
            &mut self.fences,
            &mut self.blocks,
        ]
    }

    /// `self + factor × more`.
    pub fn plus(mut self, factor: f64, mut more: Bound) -> Bound {
        self.each().into_iter().zip(more.each()).for_each(|(sum, more)| *sum += factor * *more);
        self
    }

    /// What bounds most of the time, in words.
    pub fn limiter(&self) -> &'static str {
        let launches = self.launches * LAUNCH;
        let all = [(self.dram, "DRAM"), (self.l2, "L2"), (self.pipeline, "shared memory and L1")];
        let all = all.into_iter().chain([
            (self.issue, "issue"),
            (self.tensor, "tensor cores"),
            (launches, "launches"),
        ]);
        all.max_by(|a, b| a.0.total_cmp(&b.0)).map_or("", |(_, name)| name)
    }
}

/// A launch: its row, and of its lines the instructions that are issued and the wavefronts of waiting.
struct Launch {
    row: Row,
    instructions: f64,
    waits: f64,
}

/// The launches in a file from a byte on, on a device with so many multiprocessors, by kernel.
///
/// # Errors
/// When the file cannot be read.
pub fn read(
    file: &Path,
    from: u64,
    issued: &Issued,
    multiprocessors: u64,
) -> Result<BTreeMap<String, Bound>, String> {
    let failed = |error: &dyn std::fmt::Display| format!("{}: {error}", file.display());
    // The columns' names stand in the first line only.
    let mut names = csv::Reader::from_path(file).map_err(|error| failed(&error))?;
    let names = names.headers().map_err(|error| failed(&error))?.clone();
    let mut rest = File::open(file).map_err(|error| failed(&error))?;
    rest.seek(SeekFrom::Start(from)).map_err(|error| failed(&error))?;
    let mut rows = csv::ReaderBuilder::new().has_headers(false).from_reader(rest);
    let mut launches: Vec<Launch> = Vec::new();
    for record in rows.records() {
        let record = record.map_err(|error| failed(&error))?;
        let row: Row = record.deserialize(Some(&names)).map_err(|error| failed(&error))?;
        if row.line.is_empty() {
            launches.push(Launch { row, instructions: 0.0, waits: 0.0 });
        } else if let Some(launch) = launches.last_mut() {
            // How often a barrier of a grid is asked depends on the order of blocks.
            match issued.waits(&row.line) {
                true => launch.waits += (row.wavefronts + row.shuffles) as f64,
                false => {
                    let each = issued.of(&row.kernel, &row.line);
                    launch.instructions += row.instructions as f64 * each;
                }
            }
        }
    }
    let mut kernels: BTreeMap<String, Bound> = BTreeMap::new();
    for launch in launches {
        let bound = bound(&launch, multiprocessors);
        let kernel = kernels.entry(launch.row.kernel).or_default();
        *kernel = kernel.plus(1.0, bound);
    }
    Ok(kernels)
}

/// Of a launch; its blocks have equal work, so that a multiprocessor that has more of them holds all up.
fn bound(Launch { row, instructions, waits }: &Launch, multiprocessors: u64) -> Bound {
    let blocks = row.grid_x * row.grid_y * row.grid_z;
    let busiest = blocks.div_ceil(multiprocessors) as f64 / blocks as f64;
    let shared = (row.shared_load_wavefronts + row.shared_store_wavefronts) as f64;
    let pipeline = (row.wavefronts + row.shuffles) as f64 - waits + shared;
    let mut bound = Bound {
        launches: 1.0,
        dram: row.dram_sectors as f64 * SECTOR / DRAM,
        l2: row.l2_sectors as f64 * SECTOR / L2,
        pipeline: pipeline * busiest / CLOCK,
        issue: instructions * busiest / ISSUES / CLOCK,
        tensor: row.matrix_products as f64 * busiest / MATRIX_PRODUCTS / CLOCK,
        total: 0.0,
        shared,
        shared_ideal: row.shared_ideal as f64,
        barriers: row.barriers as f64,
        fences: row.fences as f64,
        blocks: blocks as f64,
    };
    let all = [bound.dram, bound.l2, bound.pipeline, bound.issue, bound.tensor];
    bound.total = all.into_iter().fold(LAUNCH, f64::max);
    bound
}
