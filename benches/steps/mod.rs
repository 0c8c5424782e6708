//! Steps of the dense engine on a device, in f32.

use std::sync::Arc;
use std::time::Instant;

use nfd::backend::crew::{Crew, UnrecordedPass};
use nfd::backend::cuda::dense::{Dense, Members};
use nfd::backend::cuda::device::Device;
use nfd::backend::cuda::device::fault::Fault;
use nfd::backend::{Probe, Update};
use nfd::model::Loss;

use crate::problem::{self, Size, data, noise, seed, update};

/// n, L, P, members: those of benches/dense.rs, more samples on large matrices; and larger ensembles.
pub const SIZES: [Size; 9] = [
    Size { width: 128, depth: 64, samples: 4, members: 16, steps: 50 },
    Size { width: 512, depth: 32, samples: 8, members: 4, steps: 50 },
    Size { width: 1024, depth: 64, samples: 4, members: 1, steps: 50 },
    Size { width: 256, depth: 16, samples: 32, members: 8, steps: 50 },
    Size { width: 4096, depth: 64, samples: 64, members: 1, steps: 20 },
    Size { width: 4096, depth: 32, samples: 128, members: 1, steps: 20 },
    Size { width: 1024, depth: 64, samples: 4, members: 16, steps: 20 },
    Size { width: 4096, depth: 32, samples: 4, members: 1, steps: 20 },
    Size { width: 4096, depth: 32, samples: 32, members: 1, steps: 20 },
];

/// Seconds of the steps of `size` after `warm` others, with weights in bf16 where they are `frozen`; calls
/// `begin` when the device has done those others.
///
/// # Errors
/// Of the device.
pub fn train(
    device: &Arc<Device>,
    size: Size,
    frozen: bool,
    warm: u32,
    begin: impl FnOnce(),
) -> Result<f64, Fault> {
    let seeds: Vec<u64> = (0..size.members).map(seed).collect();
    let train = data(size.samples);
    let ensemble = Members {
        network: problem::network(size),
        seeds: &seeds,
        noise: noise(size, 0),
        probe: Probe { layers: vec![], rows: 0, covariance_columns: 0 },
        samples: (train.clone(), train.select([])),
        batch: size.samples,
        frozen: frozen.then_some((warm + size.steps) as usize),
    };
    let mut crew = Dense::<f32>::new(device.clone(), ensemble)?;
    let batches = vec![(0..size.samples).collect::<Vec<_>>(); size.members];
    let labels = vec![train.labels; size.members];
    // Slowly: what diverges would be as fast, but says nothing.
    let update = Update { rates: update().rates.scaled(1e-3), ..update() };
    let loss = Loss::Squared;
    let pass = |crew: &mut Dense<f32>, step: u32| {
        crew.pass(&UnrecordedPass { step, batches: &batches, labels: &labels, loss, update })
    };
    (0..warm).try_for_each(|step| pass(&mut crew, step))?;
    // Reads from the device, hence waits for it.
    crew.divergences()?;
    begin();
    let start = Instant::now();
    (warm..warm + size.steps).try_for_each(|step| pass(&mut crew, step))?;
    let diverged = crew.divergences()?;
    let seconds = start.elapsed().as_secs_f64();
    assert!(diverged.iter().all(Option::is_none), "{diverged:?}");
    // Its memory is free for others once the device has come so far.
    drop(crew);
    device.free()?;
    Ok(seconds)
}
