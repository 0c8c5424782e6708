//! Both engines on a GPU against their floors, the dense one against cuBLAS and PyTorch too.
//!
//! ```text
//! cargo bench --bench gpu [-- --quick]
//! ```
//!
//! Every round measures the device and times every program once; of each the best counts. What is not
//! on this machine is left out: cuBLAS (`NFD_CUBLAS` may name its library), PyTorch (`NFD_PYTHON` may
//! name a Python that has it).

#![allow(clippy::unwrap_used)]

mod cublas;
mod problem;
mod sweeps;
mod torch;

use std::sync::Arc;
use std::time::Instant;

use cublas::{Cublas, Memory};
use cudarc::driver::sys::CUdevice_attribute as Attribute;
use cudarc::driver::{CudaContext, CudaSlice, CudaStream, DevicePtr, DriverError};
use nfd::backend::crew::{Crew, UnrecordedPass};
use nfd::backend::cuda::dense::{Dense, Members, PADDING};
use nfd::backend::cuda::device::Device;
use nfd::backend::cuda::device::fault::Fault;
use nfd::backend::cuda::grid::parts;
use nfd::backend::{Probe, Update};
use nfd::model::Loss;
use problem::{Size, data, noise, seed, update};
use torch::Peer;

/// n, L, P, members: those of benches/dense.rs, and larger ones.
const SIZES: [Size; 8] = [
    Size { width: 128, depth: 64, samples: 4, members: 16, steps: 50 },
    Size { width: 512, depth: 32, samples: 8, members: 4, steps: 50 },
    Size { width: 1024, depth: 64, samples: 4, members: 1, steps: 50 },
    Size { width: 256, depth: 16, samples: 32, members: 8, steps: 50 },
    Size { width: 1024, depth: 64, samples: 4, members: 16, steps: 20 },
    Size { width: 4096, depth: 32, samples: 4, members: 1, steps: 20 },
    Size { width: 4096, depth: 32, samples: 32, members: 1, steps: 20 },
    Size { width: 4096, depth: 32, samples: 4, members: 4, steps: 20 },
];
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
const COPIES: usize = 10;

fn main() {
    // `cargo test --all-targets` starts benches too, without this.
    if !std::env::args().any(|argument| argument == "--bench") {
        return;
    }
    let quick = std::env::args().any(|argument| argument == "--quick");
    let device = Device::open(0).unwrap_or_else(|fault| {
        eprintln!("{fault}");
        std::process::exit(1)
    });
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
    println!(
        "\nHidden weights trained, full batch, tanh, depth-mup, squared loss, vectors in f32. Best of\n\
         {} rounds, milliseconds a step of all members. floor: the larger of what any program moves\n\
         (f32: 12 bytes a weight; bf16: 4, and the drift) at the rate of a copy and its flops at the\n\
         peak of fma (calculated); moved: what our kernels do by their headers, against the copy's\n\
         rate. cuBLAS: the three products alone; both others in f32. *: fits into L2, whose rate is\n\
         not measured.\n",
        rounds(quick)
    );
    println!(
        "   n   L  P members stored       MB  copy GB/s   floor (flops)     ours  x floor  moved \
         GB/s  of copy   cuBLAS  PyTorch"
    );
    let sizes: &[Size] = if quick { &QUICK } else { &SIZES };
    let device = Arc::new(device);
    for &size in sizes {
        match compare(size, rounds(quick), &device, &mut gpu, cublas.as_ref(), torch.as_mut()) {
            Ok(()) => {}
            Err(fault @ Fault::OutOfMemory { .. }) => {
                println!("{} left out: {fault}", name_of(size));
            }
            Err(fault) => panic!("{}: {fault}", name_of(size)),
        }
    }
    let (bytes, peak) = (2.0 * gpu.bytes(), 2.0 * gpu.peak());
    let sizes: &[Size] = if quick { &sweeps::QUICK } else { &sweeps::SIZES };
    sweeps::compare(sizes, rounds(quick), &device, peak, || bytes / gpu.copy().unwrap());
}

fn rounds(quick: bool) -> usize {
    if quick { 1 } else { ROUNDS }
}

fn name_of(size: Size) -> String {
    let Size { width, depth, samples, members, .. } = size;
    format!("{width:4} {depth:3} {samples:2} {members:7}")
}

fn compare(
    size: Size,
    rounds: usize,
    device: &Arc<Device>,
    gpu: &mut Gpu,
    cublas: Option<&Cublas>,
    mut torch: Option<&mut Peer>,
) -> Result<(), Fault> {
    // The plan allows a drift of n/4 columns.
    let frozen_steps = (size.width / 4 / size.samples) as u32;
    let frozen_steps = size.steps.min(frozen_steps.saturating_sub(WARM));
    let frozen = Size { steps: frozen_steps, ..size };
    let [mut copy, mut ours, mut half, mut theirs, mut pytorch] = [f64::INFINITY; 5];
    for _ in 0..rounds {
        copy = copy.min(gpu.copy().map_err(|error| Fault::of(error, "a copy"))?);
        ours = ours.min(train(device, size, false)?);
        if frozen.steps >= LEAST_STEPS {
            half = half.min(train(device, frozen, true)?);
        }
        if let Some(cublas) = cublas {
            theirs = theirs.min(or_left_out(size, "cuBLAS", gpu.products(cublas, size)));
        }
        if let Some(peer) = &mut torch {
            pytorch = pytorch.min(or_left_out(size, "PyTorch", peer.train(size)));
        }
    }
    let rate = 2.0 * gpu.bytes() / copy;
    let peak = 2.0 * gpu.peak();
    for (size, seconds, stored) in [(size, ours, "f32"), (frozen, half, "bf16")] {
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
            "{} {stored:>6} {:8.1}{} {:9.1} {:7.3} {:7.3} {:8.3} {:8.2} {:11.1} {:7.0}% {}{}",
            name_of(size),
            paper.weights * 1e-6,
            if paper.weights <= gpu.cache as f64 { "*" } else { " " },
            rate * 1e-9,
            floor * 1e3,
            flops * 1e3,
            seconds * 1e3,
            seconds / floor,
            paper.moved / seconds * 1e-9,
            100.0 * paper.moved / seconds / rate,
            other(theirs),
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
        // x, h, y, phi of multiply; g, x of transpose; four of finish, which reads parts that
        // transpose wrote.
        let beside = 4.0 * vectors * (10.0 + 2.0 * parts);
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
    let seeds: Vec<u64> = (0..size.members).map(seed).collect();
    let train = data(size.samples);
    let ensemble = Members {
        network: problem::network(size),
        seeds: &seeds,
        noise: noise(size, 0),
        probe: Probe { layers: vec![], rows: 0, covariance_columns: 0 },
        samples: (train.clone(), train.select([])),
        batch: size.samples,
        frozen: frozen.then_some((WARM + size.steps) as usize),
    };
    let mut crew = Dense::<f32>::new(device.clone(), ensemble)?;
    let batches = vec![(0..size.samples).collect::<Vec<_>>(); size.members];
    let labels = vec![train.labels; size.members];
    // Slowly: what diverges would be as fast, but says nothing.
    let update = Update { rates: update().rates.scaled(1e-3), ..update() };
    let loss = Loss::Squared;
    let mut start = Instant::now();
    for step in 0..WARM + size.steps {
        if step == WARM {
            // Reads from the device, hence waits for it.
            crew.divergences()?;
            start = Instant::now();
        }
        crew.pass(&UnrecordedPass { step, batches: &batches, labels: &labels, loss, update })?;
    }
    let diverged = crew.divergences()?;
    let seconds = start.elapsed().as_secs_f64();
    assert!(diverged.iter().all(Option::is_none), "{diverged:?}");
    // Its memory is free for others once the device has come so far.
    drop(crew);
    device.free()?;
    Ok(seconds / f64::from(size.steps))
}

// ---------------------------------------------------------------- the device

/// The device by itself.
struct Gpu {
    stream: Arc<CudaStream>,
    from: CudaSlice<f32>,
    to: CudaSlice<f32>,
    /// Bytes of L2.
    cache: usize,
}

impl Gpu {
    /// With two buffers of so many bytes.
    fn new(bytes: usize) -> Result<Gpu, DriverError> {
        let stream = CudaContext::new(0)?.new_stream()?;
        // A small odd number in every place: power depends on what is computed with.
        let pattern: Vec<f32> = (0..bytes as u32 / 4).map(|i| (i as f32 * 0.7).sin()).collect();
        let (from, to) = (stream.clone_htod(&pattern)?, stream.clone_htod(&pattern)?);
        let mut gpu = Gpu { stream, from, to, cache: 0 };
        gpu.cache = gpu.attribute(Attribute::CU_DEVICE_ATTRIBUTE_L2_CACHE_SIZE);
        Ok(gpu)
    }

    /// 0 where the driver does not tell.
    fn attribute(&self, which: Attribute) -> usize {
        self.stream.context().attribute(which).map_or(0, |value| value.max(0) as usize)
    }

    /// Units that do an fma of f32 a cycle.
    fn cores(&self) -> usize {
        let each = match self.stream.context().compute_capability() {
            Ok((8, 0)) => 64,
            _ => 128,
        };
        each * self.attribute(Attribute::CU_DEVICE_ATTRIBUTE_MULTIPROCESSOR_COUNT)
    }

    /// Their fma a second.
    fn peak(&self) -> f64 {
        1e3 * (self.cores() * self.attribute(Attribute::CU_DEVICE_ATTRIBUTE_CLOCK_RATE)) as f64
    }

    /// Of one buffer.
    fn bytes(&self) -> f64 {
        4.0 * self.from.len() as f64
    }

    /// Seconds of a copy from one to the other.
    fn copy(&mut self) -> Result<f64, DriverError> {
        self.stream.memcpy_dtod(&self.from, &mut self.to)?;
        self.stream.synchronize()?;
        let start = Instant::now();
        for _ in 0..COPIES {
            self.stream.memcpy_dtod(&self.from, &mut self.to)?;
        }
        self.stream.synchronize()?;
        Ok(start.elapsed().as_secs_f64() / COPIES as f64)
    }

    /// Numbers that repeat.
    fn numbers(&self, count: usize) -> Result<CudaSlice<f32>, DriverError> {
        let mut numbers = self.stream.alloc_zeros(count)?;
        for first in (0..count).step_by(self.from.len()) {
            let part = self.from.len().min(count - first);
            let mut to = numbers.slice_mut(first..first + part);
            self.stream.memcpy_dtod(&self.from.slice(..part), &mut to)?;
        }
        Ok(numbers)
    }

    /// Seconds of the products of a step.
    fn products(&self, cublas: &Cublas, size: Size) -> Result<f64, String> {
        let Size { width, depth, samples, members, steps } = size;
        let numbers = |count| self.numbers(count).map_err(|error| error.to_string());
        let w = numbers(depth * members * width * width)?;
        let [x, y] = [numbers(members * samples * width)?, numbers(members * samples * width)?];
        let at = |slice: &CudaSlice<f32>| slice.device_ptr(&self.stream).0;
        let memory = Memory { w: at(&w), x: at(&x), y: at(&y) };
        let wait = || self.stream.synchronize().map_err(|error| error.to_string());
        let mut start = Instant::now();
        for step in 0..WARM + steps {
            if step == WARM {
                wait()?;
                start = Instant::now();
            }
            // SAFETY: allocated above for this size.
            unsafe { cublas.step(size, &memory) }?;
        }
        wait()?;
        let seconds = start.elapsed().as_secs_f64();
        // As in `train`.
        drop((w, x, y));
        wait()?;
        Ok(seconds / f64::from(steps))
    }
}
