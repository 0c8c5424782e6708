//! The conditional engine on a device against its floor: the columns that its sweeps read, at the rate of
//! a copy.

use std::iter::Sum;
use std::sync::Arc;
use std::time::Instant;

use nfd::backend::crew::Crew;
use nfd::backend::cuda::conditional::{Conditional, Members};
use nfd::backend::cuda::device::Device;
use nfd::backend::cuda::device::fault::Fault;
use nfd::backend::{DROP_TOLERANCE_F32, Network, Probe, Update};
use nfd::model::Loss;

use crate::options::Watch;
use crate::problem::{self, Size, data, noise, seed, update};

/// One network that fills the device, and small ones that share it.
pub const SIZES: [Size; 4] = [
    Size { width: 100_000, depth: 16, samples: 8, members: 1, steps: 6 },
    Size { width: 1_000_000, depth: 8, samples: 4, members: 1, steps: 6 },
    Size { width: 20_000, depth: 64, samples: 2, members: 16, steps: 6 },
    Size { width: 20_000, depth: 16, samples: 32, members: 4, steps: 4 },
];
/// With --quick.
pub const QUICK: [Size; 2] = [
    Size { width: 300, depth: 2, samples: 2, members: 2, steps: 2 },
    Size { width: 200, depth: 2, samples: 9, members: 1, steps: 1 },
];

/// Times and prints all sizes; `copy` measures the rate of a copy in bytes a second, `peak` is that of
/// flops. Every round has both. Returns the names of those that failed.
pub fn compare(
    sizes: &[Size],
    (rounds, watch): (usize, &Watch),
    device: &Arc<Device>,
    peak: f64,
    mut copy: impl FnMut() -> f64,
) -> Vec<String> {
    let mut failed = Vec::new();
    println!(
        "\nConditional engine: hidden weights trained, full batch, tanh, depth-mup, f32, all passes but\n\
         the first. Best of {rounds} rounds, milliseconds. floor: what is read of columns (seven arrays a\n\
         query) and written at the rate of a copy, or flops at the peak of fma, whichever is larger.\n\n      \
         n   L  P members passes  copy GB/s     floor   (flops)      ours  x floor  normals \
         G/s"
    );
    for &size in sizes {
        let Size { width, depth, samples, members, steps } = size;
        let name = format!("{width:7} {depth:3} {samples:2} {members:7} {steps:6}");
        if watch.is_over() {
            println!("{name} left out: no time is left");
            continue;
        }
        let mut rate: f64 = 0.0;
        let mut best: Option<Run> = None;
        for round in 0..rounds {
            if round > 0 && watch.is_over() {
                println!("{name} {round} of {rounds} rounds: no time is left");
                break;
            }
            rate = rate.max(copy());
            match train(device, size, |_| Ok(())).map(|passes| passes.iter().sum::<Run>()) {
                Ok(run) if best.is_none_or(|best| run.seconds < best.seconds) => best = Some(run),
                Ok(_) => {}
                Err(fault @ Fault::OutOfMemory { .. }) => {
                    println!("{name} left out: {fault}");
                    break;
                }
                Err(fault) => {
                    println!("{name} FAILED: {fault}");
                    failed.push(name.clone());
                    break;
                }
            }
        }
        let Some(run) = best else { continue };
        let flops = run.flops / peak;
        let floor = flops.max(run.bytes / rate);
        println!(
            "{name} {:10.1} {:9.3} {:9.3} {:9.3} {:8.2} {:12.2}",
            rate * 1e-9,
            floor * 1e3,
            flops * 1e3,
            run.seconds * 1e3,
            run.seconds / floor,
            run.normals / run.seconds * 1e-9,
        );
    }
    failed
}

/// What a pass or several took, and what they had to do.
#[derive(Clone, Copy, Debug, Default)]
pub struct Run {
    pub seconds: f64,
    /// Bytes that any program moves that keeps columns in memory: seven arrays a query, new columns and
    /// vectors.
    pub bytes: f64,
    /// Of the products with columns.
    pub flops: f64,
    /// Gaussians
    pub normals: f64,
    /// Columns of all layers and networks, forward and backward.
    pub columns: f64,
}

impl<'a> Sum<&'a Run> for Run {
    fn sum<I: Iterator<Item = &'a Run>>(runs: I) -> Run {
        runs.fold(Run::default(), |sum, run| Run {
            seconds: sum.seconds + run.seconds,
            bytes: sum.bytes + run.bytes,
            flops: sum.flops + run.flops,
            normals: sum.normals + run.normals,
            columns: run.columns,
        })
    }
}

/// Trains all members, full batch: every pass but the first, which has nothing to read. Calls `before` with
/// the number of a pass when the device has done all before it.
///
/// # Errors
/// Of the device.
pub fn train(
    device: &Arc<Device>,
    size: Size,
    mut before: impl FnMut(u32) -> Result<(), Fault>,
) -> Result<Vec<Run>, Fault> {
    let seeds: Vec<u64> = (0..size.members).map(seed).collect();
    let train = data(size.samples);
    let ensemble = Members {
        network: Network { drop_tolerance: DROP_TOLERANCE_F32, ..problem::network(size) },
        seeds: &seeds,
        noise: noise(size, 0),
        probe: Probe { layers: vec![], rows: 0, covariance_columns: 0 },
        samples: (train.clone(), train.select([])),
        batch: size.samples,
        passes: size.steps as usize + 1,
        passes_at_first: size.steps as usize + 1,
    };
    let mut crew = Conditional::<f32>::new(device.clone(), ensemble)?;
    let batches = vec![(0..size.samples).collect::<Vec<_>>(); size.members];
    let mut runs = Vec::new();
    let (n, p) = (size.width as f64, size.samples as f64);
    // Columns of every layer, forward and backward.
    let mut ranks = vec![[0.0; 2]; size.members * size.depth];
    for step in 0..=size.steps {
        before(step)?;
        let mut run = Run::default();
        let start = Instant::now();
        let forward = crew.forward(step, &batches, false)?;
        let chi: Vec<_> =
            forward.iter().map(|sweep| Loss::Squared.chi(&sweep.f, &train.labels, 1)).collect();
        let update: Update = update();
        let backward = crew.backward(step, &chi, Some(&update))?;
        device.free()?;
        let seconds = start.elapsed().as_secs_f64();
        let sides = [
            forward.iter().flat_map(|sweep| &sweep.ranks).collect::<Vec<_>>(),
            backward.iter().flat_map(|sweep| &sweep.ranks).collect::<Vec<_>>(),
        ];
        for (side, all) in sides.into_iter().enumerate() {
            for (layer, &rank) in all.into_iter().enumerate() {
                let [own, other] = [ranks[layer][side], ranks[layer][1 - side]];
                let new = rank as f64 - own;
                ranks[layer][side] = rank as f64;
                run.columns += rank as f64;
                // The own basis three times and the answers once, the other's twice and once; vectors
                // read and written, new columns and their answers written.
                run.bytes += 4.0 * n * (4.0 * own + 3.0 * other + 2.0 * p + 2.0 * new);
                run.flops +=
                    2.0 * n * p * (5.0 * own + other) + 2.0 * n * new * (3.0 * other + own);
                run.normals += n * new;
            }
        }
        if step > 0 {
            runs.push(Run { seconds, ..run });
        }
    }
    Ok(runs)
}
