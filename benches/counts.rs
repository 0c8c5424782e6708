//! What both engines ask of a GPU, counted by the software device, and the bounds of an H100 that follow.
//!
//! ```text
//! cargo bench --bench counts [-- [--tf32x3] [--dense N,L,P,MEMBERS]... [--sweep N,L,P,MEMBERS,PASSES]...]
//! ```
//!
//! With `--tf32x3` dense networks are computed in this precision, else in f32, as sweeps are.
//!
//! No GPU is needed, and nothing is timed. A bound says how long a device takes at least; what it takes beyond
//! that (latency, replays, the clock it runs at) is not counted. The software device must be there
//! (`tests/run.sh` builds it). With `nvdisasm` (or `NFD_NVDISASM`, its path) and kernels for all architectures
//! (no `NFD_CUDA_TARGETS`) instructions are the machine's, else those of PTX.

#![allow(clippy::unwrap_used)]

mod counted;
mod issued;
mod passes;
mod problem;
mod steps;

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::Path;
use std::process::{Command, exit};
use std::sync::Arc;

use counted::{Bound, CACHE, DRAM, FLOPS, MULTIPROCESSORS};
use issued::Issued;
use nfd::backend::cuda::dense::PADDING;
use nfd::backend::cuda::device::Device;
use nfd::backend::cuda::device::fault::Fault;
use problem::Size;

/// Sizes of the dense engine that are counted where none is named: the first of those that are timed.
const DENSE: usize = 6;
/// n, L, P, members and passes of the conditional engine.
const SWEEPS: [Size; 3] = [
    Size { width: 10_000, depth: 64, samples: 8, members: 1, steps: 12 },
    Size { width: 100_000, depth: 64, samples: 8, members: 1, steps: 12 },
    Size { width: 1_000_000, depth: 64, samples: 4, members: 1, steps: 25 },
];
/// Wider networks are counted at a tenth of their width on a tenth of the multiprocessors.
const WIDEST: usize = 200_000;
/// Warps of a block.
const WARPS: f64 = 8.0;
/// The depth at which sweeps are counted.
const SWEPT: usize = 2;

const TF32X3: &str = "--tf32x3";
const USAGE: &str =
    "usage: counts --bench [--tf32x3] [--dense N,L,P,MEMBERS]... [--sweep N,L,P,MEMBERS,PASSES]...";

fn main() {
    let mut words = std::env::args().skip(1);
    let (mut dense, mut sweeps, mut bench, mut tf32x3) = (Vec::new(), Vec::new(), false, false);
    while let Some(word) = words.next() {
        match word.as_str() {
            "--bench" => bench = true,
            TF32X3 => tf32x3 = true,
            "--dense" | "--sweep" | "--child-dense" | "--child-sweep" => {
                let size = words.next().and_then(|numbers| size_of(&numbers));
                let size = size.unwrap_or_else(|| refuse(&word));
                match word.as_str() {
                    "--dense" => dense.push(size),
                    "--sweep" => sweeps.push(size),
                    child => return run_child(child == "--child-dense", tf32x3, size),
                }
            }
            _ if bench => refuse(&word),
            // Of cargo test, for others.
            _ => {}
        }
    }
    if !bench {
        return;
    }
    if dense.is_empty() && sweeps.is_empty() {
        (dense, sweeps) = (steps::SIZES[..DENSE].to_vec(), SWEEPS.to_vec());
    }
    let device = Path::new(env!("CARGO_MANIFEST_DIR")).join("target/softcuda");
    if !device.join("libcuda.so.1").exists() {
        eprintln!("no software device in {}: tests/run.sh builds it", device.display());
        exit(1);
    }
    let counting = Counting { device: &device, issued: Issued::read(), tf32x3 };
    let done = counting.dense(&dense).and_then(|()| counting.sweeps(&sweeps));
    if let Err(error) = done {
        eprintln!("{error}");
        exit(1);
    }
}

fn refuse(word: &str) -> ! {
    eprintln!("{word}: not understood\n{USAGE}");
    exit(2)
}

/// N,L,P,MEMBERS and perhaps PASSES.
fn size_of(text: &str) -> Option<Size> {
    Size::read(text, 1).or_else(|| {
        let (size, passes) = text.rsplit_once(',')?;
        Size::read(size, passes.parse().ok().filter(|passes| *passes > 0)?)
    })
}

struct Counting<'a> {
    /// The folder of the software device.
    device: &'a Path,
    issued: Issued,
    /// Whether dense networks are computed in 3xTF32.
    tf32x3: bool,
}

impl Counting<'_> {
    /// Counts one step or pass at the depth of `size`, of a network that has `depth` layers and reads so many
    /// numbers in each.
    fn count(
        &self,
        engine: &str,
        size: Size,
        (depth, streamed): (usize, usize),
        multiprocessors: u64,
    ) -> Result<(BTreeMap<String, Bound>, String), String> {
        let folder = tempfile::tempdir().map_err(|error| error.to_string())?;
        let file = folder.path().join("counts.csv");
        let Size { width, samples, members, steps, .. } = size;
        // The layers that are counted have their share of the cache; more where they stream more through it
        // than it holds, as then nothing is left of a layer until the next step in any case.
        let all = CACHE * multiprocessors / MULTIPROCESSORS;
        let streamed = (4 * streamed * members * size.depth) as u64;
        let cache = (all * size.depth as u64 / depth as u64).max(all.min(streamed / 2));
        let output = Command::new(std::env::current_exe().map_err(|error| error.to_string())?)
            .args(self.tf32x3.then_some(TF32X3))
            .args([engine, &format!("{width},{},{samples},{members},{steps}", size.depth)])
            .env("LD_LIBRARY_PATH", self.device)
            .env("SOFTCUDA_COUNT", &file)
            .env("SOFTCUDA_L2", cache.to_string())
            .env("SOFTCUDA_SMS", multiprocessors.to_string())
            .env("SOFTCUDA_MEMORY", (1_u64 << 34).to_string())
            .output()
            .map_err(|error| error.to_string())?;
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        let begin = text.split_whitespace().next().and_then(|from| from.parse().ok());
        let Some(begin) = begin.filter(|_| output.status.success()) else {
            return Err(format!("{engine} {width}: {}", String::from_utf8_lossy(&output.stderr)));
        };
        Ok((counted::read(&file, begin, &self.issued, multiprocessors)?, text))
    }

    /// Prints one step of every size, as two depths have it, and what its kernels have of it.
    fn dense(&self, sizes: &[Size]) -> Result<(), String> {
        println!(
            "One step of the dense engine in {} on an H100 SXM, bound by counting, in milliseconds \
             (instructions of {}):\n\n\
             | n, L, P, members | launches | DRAM | L2 | shared, L1 | issue | tensor cores | bound | floor | floor / bound | most by | shared / ideal |\n\
             |---|---|---|---|---|---|---|---|---|---|---|---|",
            if self.tf32x3 { "tf32x3" } else { "f32" },
            self.instructions()
        );
        let mut kernels = String::new();
        for &size in sizes {
            let Size { width, depth, samples, members, .. } = size;
            let at = |layers| {
                let counted = Size { depth: layers, steps: 1, ..size };
                self.count("--child-dense", counted, (depth, width * width), MULTIPROCESSORS)
            };
            let (shallow, deep) = (at(1)?.0, at(2)?.0);
            let all: BTreeMap<&str, Bound> = (deep.iter())
                .map(|(name, two)| {
                    let layer = two.plus(-1.0, shallow.get(name).copied().unwrap_or_default());
                    (name.as_str(), two.plus(depth as f64 - 2.0, layer))
                })
                .collect();
            let step = all.values().fold(Bound::default(), |sum, more| sum.plus(1.0, *more));
            let (case, floor) = (format!("{width}, {depth}, {samples}, {members}"), floor(size));
            println!(
                "| {case} | {:.0} | {} | {} | {:.0} % | {} | {:.2} |",
                step.launches,
                milliseconds(&step),
                ms(floor),
                100.0 * floor / step.total,
                step.limiter(),
                step.shared / step.shared_ideal,
            );
            for (name, kernel) in all.iter().filter(|(_, kernel)| kernel.total > 0.02 * step.total)
            {
                let _ = writeln!(
                    kernels,
                    "| {case} | {name} | {:.0} | {} |",
                    kernel.launches,
                    milliseconds(kernel)
                );
            }
        }
        println!(
            "\nKernels with more than 2 % of a step:\n\n\
             | n, L, P, members | kernel | launches | DRAM | L2 | shared, L1 | issue | tensor cores | bound |\n\
             |---|---|---|---|---|---|---|---|---|\n{kernels}"
        );
        Ok(())
    }

    /// Prints the last pass of every size, a layer of it.
    fn sweeps(&self, sizes: &[Size]) -> Result<(), String> {
        println!(
            "One layer of a pass of the conditional engine in f32, both directions, in milliseconds \
             (instructions of {}; widths above {WIDEST}: a tenth of them on a tenth of the multiprocessors):\n\n\
             | n, P, networks | columns | barriers of the grid | of a block | DRAM | L2 | shared, L1 | issue | tensor cores | bound | floor | floor / bound | most by |\n\
             |---|---|---|---|---|---|---|---|---|---|---|---|---|",
            self.instructions()
        );
        for &size in sizes {
            let Size { width, depth, samples, members, .. } = size;
            let tenth = if width > WIDEST { 10 } else { 1 };
            let small = Size { width: width / tenth, depth: SWEPT, ..size };
            // Two bases and their images, at the last pass.
            let columns = 4 * small.width * samples * size.steps as usize;
            let multiprocessors = MULTIPROCESSORS / tenth as u64;
            let (kernels, text) =
                self.count("--child-sweep", small, (depth, columns), multiprocessors)?;
            let numbers: Vec<f64> =
                text.split_whitespace().filter_map(|word| word.parse().ok()).collect();
            let &[_, bytes, flops, columns] = numbers.as_slice() else {
                return Err(format!("{width}: {text}"));
            };
            let sweeps = kernels.iter().filter(|(name, _)| name.starts_with("sweep"));
            let sweeps = sweeps.fold(Bound::default(), |sum, (_, more)| sum.plus(1.0, *more));
            let layer = Bound::default().plus(1.0 / SWEPT as f64, sweeps);
            // A tenth of the machine has a tenth of its memory's rate.
            let rates =
                Bound { dram: layer.dram * tenth as f64, l2: layer.l2 * tenth as f64, ..layer };
            let bound =
                [rates.dram, rates.l2, rates.pipeline, rates.issue].into_iter().fold(0.0, f64::max);
            let rates = Bound { total: bound, ..rates };
            let layers = (SWEPT * members) as f64;
            let per_block = |count: f64| count / (sweeps.blocks / sweeps.launches);
            let floor = (bytes / DRAM).max(flops / FLOPS) * tenth as f64 / SWEPT as f64;
            println!(
                "| {width}, {samples}, {members} | {:.0} | {:.0} | {:.0} | {} | {} | {:.0} % | {} |",
                columns / layers / 2.0,
                // Two fences a barrier of the grid.
                per_block(rates.fences / 2.0),
                per_block(rates.barriers / WARPS),
                milliseconds(&rates),
                ms(floor),
                100.0 * floor / bound,
                rates.limiter(),
            );
        }
        Ok(())
    }

    fn instructions(&self) -> &'static str {
        if self.issued.disassembled { "the machine, by nvdisasm" } else { "PTX" }
    }
}

/// DRAM, L2, shared memory and L1, issue, tensor cores, and the bound, as cells of a table.
fn milliseconds(bound: &Bound) -> String {
    let Bound { dram, l2, pipeline, issue, tensor, total, .. } = *bound;
    [dram, l2, pipeline, issue, tensor, total].map(ms).join(" | ")
}

fn ms(seconds: f64) -> String {
    format!("{:.3}", seconds * 1e3)
}

/// Seconds of what any program must do in a step in f32: read W twice and write it once, or its products.
fn floor(size: Size) -> f64 {
    let Size { width, depth, samples, members, .. } = size;
    let weights = (width * width.next_multiple_of(PADDING) * depth * members) as f64;
    (12.0 * weights / DRAM).max(6.0 * samples as f64 * weights / FLOPS)
}

/// In a process whose driver is the software device: trains, and prints from which byte on its file has the
/// last pass.
fn run_child(dense: bool, tf32x3: bool, size: Size) {
    let done = if dense { dense_step(tf32x3, size) } else { sweep(size) };
    if let Err(fault) = done {
        eprintln!("{fault}");
        exit(1);
    }
}

/// How long the file of counts is.
fn counted_so_far() -> u64 {
    let file = std::env::var_os("SOFTCUDA_COUNT").unwrap();
    std::fs::metadata(file).map_or(0, |about| about.len())
}

/// The second step, which finds in the cache what the first one left.
fn dense_step(tf32x3: bool, size: Size) -> Result<(), Fault> {
    let device = Device::open(0)?;
    let device = Arc::new(if tf32x3 { device.in_tf32x3() } else { device });
    steps::train(&device, size, false, 1, || println!("{}", counted_so_far())).map(drop)
}

/// The last pass, and its bytes, flops and columns.
fn sweep(size: Size) -> Result<(), Fault> {
    let device = Arc::new(Device::open(0)?);
    let mut begin = 0;
    let passes = passes::train(&device, size, || begin = counted_so_far())?;
    if let Some(last) = passes.last() {
        println!("{begin} {} {} {}", last.bytes, last.flops, last.columns);
    }
    Ok(())
}
