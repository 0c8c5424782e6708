//! What a launch in a graph and a barrier of a grid cost: networks so small that nothing else does. Of a deep
//! and a shallow one the difference counts, from which all that is done once a pass falls out.

use std::sync::Arc;
use std::time::Instant;

use nfd::backend::crew::Crew;
use nfd::backend::cuda::conditional::{Conditional, Members};
use nfd::backend::cuda::device::Device;
use nfd::backend::cuda::device::fault::Fault;
use nfd::backend::{DROP_TOLERANCE_F32, Network, Probe};

use crate::options::Watch;
use crate::problem::{self, Size, data, noise, seed};

/// One sample, one network.
const SMALL: Size = Size { width: 32, depth: 64, samples: 1, members: 1, steps: 50 };
const SWEPT: Size = Size { width: 1024, depth: 64, samples: 1, members: 1, steps: 1 };
/// Launches of a layer in a captured step: multiply, transpose.
const LAUNCHES: f64 = 2.0;

/// Prints both; `dense` trains a size of the dense engine, in seconds a step.
///
/// # Errors
/// Of the device.
pub fn measure(
    rounds: usize,
    device: &Arc<Device>,
    watch: &Watch,
    dense: impl Fn(Size) -> Result<f64, Fault>,
) -> Result<(), Fault> {
    let graph = a_layer(SMALL, rounds, watch, dense)?;
    println!(
        "graph          {:.2} us a launch: n = {}, P = 1, {:.2} us a layer of the dense step's graph",
        graph / LAUNCHES,
        SMALL.width,
        graph
    );
    // Its kernels are loaded and its memory is taken for the first time.
    sweep(device, SWEPT)?;
    let swept = a_layer(SWEPT, rounds, watch, |size| sweep(device, size))?;
    println!(
        "barriers       {swept:.2} us a layer of a conditional sweep forward: n = {}, P = 1, no columns",
        SWEPT.width
    );
    Ok(())
}

/// Microseconds of a layer, from two depths; of each the best round.
fn a_layer(
    size: Size,
    rounds: usize,
    watch: &Watch,
    time: impl Fn(Size) -> Result<f64, Fault>,
) -> Result<f64, Fault> {
    let shallow = Size { depth: size.depth / 2, ..size };
    let mut best = [f64::INFINITY; 2];
    for round in 0..rounds {
        if round > 0 && watch.is_over() {
            break;
        }
        for (best, size) in best.iter_mut().zip([size, shallow]) {
            *best = best.min(time(size)?);
        }
    }
    Ok((best[0] - best[1]) * 1e6 / (size.depth - shallow.depth) as f64)
}

/// Seconds of the first sweep forward, which has no columns to read.
fn sweep(device: &Arc<Device>, size: Size) -> Result<f64, Fault> {
    let train = data(size.samples);
    let ensemble = Members {
        network: Network { drop_tolerance: DROP_TOLERANCE_F32, ..problem::network(size) },
        seeds: &[seed(0)],
        noise: noise(size, 0),
        probe: Probe { layers: vec![], rows: 0, covariance_columns: 0 },
        samples: (train.clone(), train.select([])),
        batch: size.samples,
        passes: 1,
        passes_at_first: 1,
    };
    let mut crew = Conditional::<f32>::new(device.clone(), ensemble)?;
    let batch = [(0..size.samples).collect::<Vec<_>>()];
    device.free()?;
    let start = Instant::now();
    crew.forward(0, &batch, false)?;
    device.free()?;
    Ok(start.elapsed().as_secs_f64())
}
