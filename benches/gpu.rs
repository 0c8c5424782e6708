//! Both engines on a GPU against their floors, the dense one against cuBLAS and PyTorch too.
//!
//! ```text
//! cargo bench --bench gpu [-- --quick] [--limit SECONDS] [--case N,L,P,MEMBERS]
//! ```
//!
//! Every round measures the device and times every program once; of each the best counts. After `--limit`
//! seconds no other case begins, and those that are left out are named. `--case` takes two steps of one
//! dense size and nothing else, for a profiler. What is not on this machine is left out: cuBLAS
//! (`NFD_CUBLAS` may name its library), PyTorch (`NFD_PYTHON` may name a Python that has it).

#![allow(clippy::unwrap_used)]

mod bounds;
mod cublas;
mod device;
mod latency;
mod options;
mod passes;
mod problem;
mod steps;
mod sweeps;
mod torch;

use std::process::exit;
use std::sync::Arc;

use cublas::{Cublas, Precision};
use cudarc::driver::sys::CUdevice_attribute as Attribute;
use device::Gpu;
use nfd::backend::cuda::dense::PADDING;
use nfd::backend::cuda::device::Device;
use nfd::backend::cuda::device::fault::Fault;
use nfd::backend::cuda::grid::{FEW_SAMPLES, parts};
use options::{Options, Watch};
use problem::Size;
use torch::Peer;

/// Whether everything works, not how fast.
const QUICK: [Size; 2] = [
    Size { width: 128, depth: 2, samples: 4, members: 2, steps: 3 },
    Size { width: 64, depth: 2, samples: 9, members: 1, steps: 3 },
];
const ROUNDS: usize = 5;
/// Steps before the clock starts: the first ones allocate and capture.
const WARM: u32 = 2;
/// Fewer steps with bf16 are not timed.
const LEAST_STEPS: u32 = 3;
/// The part of a limit that the dense engine may take before the sweeps have their turn.
const DENSE_PART: f64 = 0.6;

fn main() {
    let options = match Options::read(std::env::args().skip(1)) {
        Ok(Some(options)) => options,
        Ok(None) => return,
        Err(wrong) => {
            eprintln!("{wrong}");
            exit(2)
        }
    };
    let device = Arc::new(Device::open(0).unwrap_or_else(|fault| {
        eprintln!("{fault}");
        exit(1)
    }));
    let tensor = Device::open(0).map(|device| Arc::new(device.in_tf32x3())).ok();
    if let Some(size) = options.case {
        let seconds = train(&device, size, false).unwrap_or_else(|fault| {
            eprintln!("{}: {fault}", name_of(size));
            exit(1)
        });
        println!("{} {:9.3} ms a step", name_of(size), seconds * 1e3);
        return;
    }
    let (watch, dense_watch) =
        (Watch::start(options.limit), Watch::start(options.limit.map(|all| all * DENSE_PART)));
    let quick = options.quick;
    let mut gpu = Gpu::new(if quick { 16 << 20 } else { 512 << 20 }).unwrap();
    let (clock, cores) = (gpu.attribute(Attribute::CU_DEVICE_ATTRIBUTE_CLOCK_RATE), gpu.cores());
    println!(
        "{}, kernels for {}: {cores} f32 units, at {} MHz at most, {} MB of L2",
        device.name().unwrap(),
        device.path(),
        clock / 1000,
        gpu.cache >> 20,
    );
    let cublas = Cublas::open(gpu.stream.cu_stream())
        .inspect(|cublas| println!("cuBLAS {}", cublas.version))
        .inspect_err(|missing| println!("cuBLAS: left out, {missing}"))
        .ok();
    let mut torch = Peer::start();
    let mut failed = Vec::new();
    println!("copy           {:.1} GB/s", 2.0 * gpu.bytes() / gpu.copy().unwrap() * 1e-9);
    let dense = |size| train(&device, size, false);
    if let Err(fault) = latency::measure(rounds(quick), &device, &watch, dense) {
        println!("FAILED: {fault}");
        failed.push("graph, barriers".to_owned());
    }
    println!(
        "\nHidden weights trained, full batch, tanh, depth-mup, squared loss, vectors in f32. Best of\n\
         {} rounds, milliseconds a step of all members. floor: the larger of what any program moves\n\
         (f32: 12 bytes a weight; bf16: 4, and the drift) at the rate of a copy and its flops at the\n\
         peak of fma (calculated); moved: what our kernels do by their headers, against the copy's\n\
         rate. cuBLAS: the three products alone, in f32 and TF32, launched or as a graph, the better;\n\
         PyTorch in f32. tf32x3: ours on tensor cores. H100: its bound by counting (cargo bench --bench counts). *: fits into L2, whose\n\
         rate is not measured.\n",
        rounds(quick)
    );
    println!(
        "   n   L   P members stored       MB  copy GB/s   floor (flops)     H100     ours  x floor  \
         moved GB/s  of copy   cuBLAS     TF32  PyTorch"
    );
    let sizes: &[Size] = if quick { &QUICK } else { &steps::SIZES };
    for &size in sizes {
        if dense_watch.is_over() {
            println!("{} left out: no time is left", name_of(size));
            continue;
        }
        let others = (cublas.as_ref(), torch.as_mut());
        let devices = (&device, tensor.as_ref().filter(|_| size.samples > FEW_SAMPLES as usize));
        match compare(size, (rounds(quick), &dense_watch), devices, &mut gpu, others) {
            Ok(()) => {}
            Err(fault @ Fault::OutOfMemory { .. }) => {
                println!("{} left out: {fault}", name_of(size));
            }
            Err(fault) => {
                println!("{} FAILED: {fault}", name_of(size));
                failed.push(name_of(size));
            }
        }
    }
    let (bytes, peak) = (2.0 * gpu.bytes(), 2.0 * gpu.peak());
    let sizes: &[Size] = if quick { &sweeps::QUICK } else { &sweeps::SIZES };
    let rounds = (rounds(quick), &watch);
    failed.extend(sweeps::compare(sizes, rounds, &device, peak, || bytes / gpu.copy().unwrap()));
    if !failed.is_empty() {
        println!("\nFAILED: {}", failed.join("; "));
        exit(1);
    }
}

fn rounds(quick: bool) -> usize {
    if quick { 1 } else { ROUNDS }
}

fn name_of(size: Size) -> String {
    let Size { width, depth, samples, members, .. } = size;
    format!("{width:4} {depth:3} {samples:3} {members:7}")
}

fn compare(
    size: Size,
    (rounds, watch): (usize, &Watch),
    (device, tensor): (&Arc<Device>, Option<&Arc<Device>>),
    gpu: &mut Gpu,
    (cublas, mut torch): (Option<&Cublas>, Option<&mut Peer>),
) -> Result<(), Fault> {
    // The plan allows a drift of n/4 columns.
    let frozen_steps = (size.width / 4 / size.samples) as u32;
    let frozen_steps = size.steps.min(frozen_steps.saturating_sub(WARM));
    let frozen = Size { steps: frozen_steps, ..size };
    let [mut copy, mut ours, mut half, mut f32s, mut tf32, mut pytorch] = [f64::INFINITY; 6];
    let mut split = f64::INFINITY;
    for round in 0..rounds {
        if round > 0 && watch.is_over() {
            println!("{} {round} of {rounds} rounds: no time is left", name_of(size));
            break;
        }
        copy = copy.min(gpu.copy().map_err(|error| Fault::of(error, "a copy"))?);
        ours = ours.min(train(device, size, false)?);
        if let Some(tensor) = tensor {
            split = split.min(train(tensor, size, false)?);
        }
        if frozen.steps >= LEAST_STEPS {
            half = half.min(train(device, frozen, true)?);
        }
        if let Some(cublas) = cublas {
            let products =
                |precision, name| or_left_out(size, name, gpu.products(cublas, size, precision));
            f32s = f32s.min(products(Precision::F32, "cuBLAS"));
            tf32 = tf32.min(products(Precision::Tf32, "cuBLAS TF32"));
        }
        if let Some(peer) = &mut torch {
            pytorch = pytorch.min(or_left_out(size, "PyTorch", peer.train(size)));
        }
    }
    let rate = 2.0 * gpu.bytes() / copy;
    let peak = 2.0 * gpu.peak();
    let rows = [(size, ours, "f32"), (size, split, "tf32x3"), (frozen, half, "bf16")];
    for (size, seconds, stored) in rows {
        if stored == "tf32x3" && tensor.is_none() {
            continue;
        }
        if seconds.is_infinite() {
            println!("{} {stored:>6} left out: room for {} steps", name_of(size), size.steps);
            continue;
        }
        let paper = Paper::of(size, stored == "bf16");
        let (bytes, flops) = (paper.least / rate, paper.flops / peak);
        let floor = bytes.max(flops);
        let other = |seconds: f64| match seconds.is_finite() && stored == "f32" {
            true => format!("{:9.3}", seconds * 1e3),
            false => format!("{:>9}", "-"),
        };
        println!(
            "{} {stored:>6} {:8.1}{} {:9.1} {:7.3} {:7.3}{} {:8.3} {:8.2} {:11.1} {:7.0}% {}{}{}",
            name_of(size),
            paper.weights * 1e-6,
            if paper.weights <= gpu.cache as f64 { "*" } else { " " },
            rate * 1e-9,
            floor * 1e3,
            flops * 1e3,
            other(bounds::of(size).unwrap_or(f64::INFINITY)),
            seconds * 1e3,
            seconds / floor,
            paper.moved / seconds * 1e-9,
            100.0 * paper.moved / seconds / rate,
            other(f32s),
            other(tf32),
            other(pytorch),
        );
    }
    Ok(())
}

/// Infinite, with a line that says so, if it failed.
fn or_left_out(size: Size, what: &str, seconds: Result<f64, String>) -> f64 {
    seconds.unwrap_or_else(|error| {
        println!("{} {what} left out: {error}", name_of(size));
        f64::INFINITY
    })
}

/// What a step is on paper, of all members.
struct Paper {
    /// Bytes of weights.
    weights: f64,
    /// Bytes that any program moves.
    least: f64,
    /// Bytes that ours move beyond caches, by the headers of `kernels/`.
    moved: f64,
    flops: f64,
}

impl Paper {
    /// On average over the steps that are timed.
    fn of(size: Size, frozen: bool) -> Paper {
        let Size { width: n, samples: p, steps, .. } = size;
        let ld = n.next_multiple_of(PADDING);
        let layers = (size.depth * size.members) as f64;
        let parts = f64::from(parts(n as u32, p as u32));
        let (matrix, vectors) = ((n * ld) as f64, (p * ld) as f64);
        // x, h, y, phi of multiply; g, x, parts that are written and read, h, g and g' of transpose.
        let beside = 4.0 * vectors * (9.0 + 2.0 * parts);
        let [weights, least, beside, flops] = match frozen {
            false => [4.0 * matrix, 12.0 * matrix, beside, 6.0 * p as f64 * matrix],
            true => {
                // Columns of the drift so far: G and S are read once each on both ways.
                let columns = p as f64 * (f64::from(WARM) + f64::from(steps - 1) / 2.0);
                let drift = 4.0 * 4.0 * n as f64 * columns;
                let appended = 2.0 * 4.0 * vectors;
                // Coefficients in parts, twice, and the columns that are appended are read.
                let coefficients = 2.0 * 2.0 * 4.0 * columns * p as f64 * parts;
                let flops = 4.0 * p as f64 * matrix + 8.0 * (p * n) as f64 * columns;
                let least = 4.0 * matrix + drift + appended;
                [2.0 * matrix, least, beside + coefficients + appended, flops]
            }
        };
        Paper {
            weights: layers * weights,
            least: layers * least,
            moved: layers * (least + beside),
            flops: layers * flops,
        }
    }
}

/// Seconds of one of our steps.
fn train(device: &Arc<Device>, size: Size, frozen: bool) -> Result<f64, Fault> {
    Ok(steps::train(device, size, frozen, WARM, || ())? / f64::from(size.steps))
}
