//! Passes of the conditional engine on a device, in f32, and what they have to do.

use std::iter::Sum;
use std::sync::Arc;
use std::time::Instant;

use nfd::backend::crew::Crew;
use nfd::backend::cuda::conditional::{Conditional, Members};
use nfd::backend::cuda::device::Device;
use nfd::backend::cuda::device::fault::Fault;
use nfd::backend::{DROP_TOLERANCE_F32, Network, Probe, Update};
use nfd::model::Loss;

use crate::problem::{self, Size, data, noise, seed, update};

/// What a pass or several took, and what they had to do.
#[derive(Clone, Copy, Debug, Default)]
pub struct Run {
    /// Wall time.
    pub seconds: f64,
    /// Bytes that any program moves that keeps columns in memory: seven arrays a query, new columns and
    /// vectors.
    pub bytes: f64,
    /// Of the products with columns.
    pub flops: f64,
    /// Gaussians that are drawn.
    pub normals: f64,
    /// Columns of all layers and networks after the last pass, forward and backward.
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

/// Trains all members, full batch: what every pass took but the first, which has nothing to read. Calls
/// `before` when the device has done all before a pass.
///
/// # Errors
/// Of the device.
pub fn train(
    device: &Arc<Device>,
    size: Size,
    mut before: impl FnMut(),
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
        before();
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
