//! The conditional engine on a device against its floor: the columns that its sweeps read, at the rate of
//! a copy.

use std::sync::Arc;

use nfd::backend::cuda::device::Device;
use nfd::backend::cuda::device::fault::Fault;

use crate::options::Watch;
use crate::passes::{Run, train};
use crate::problem::Size;

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
            match train(device, size, || ()).map(|passes| passes.iter().sum::<Run>()) {
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
