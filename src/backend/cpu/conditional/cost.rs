//! What a run of the conditional engine costs on the processor.

use super::panel::{CHUNK, TILE};
use crate::backend::Network;
use crate::backend::cost::{
    Costs, Footprint, OVERHEAD, Ranks, RunShape, Speeds, Work, rows_of_a_query,
};
use crate::model::{Normalization, Rule};

/// The costs of this engine. Threads meet after every layer: each has two tiles of rows or more.
pub const COSTS: Costs = Costs {
    work: Work::of_conditional,
    footprint,
    speeds,
    rows_of_a_thread: Some(2 * CHUNK * TILE),
};

/// Speeds of one core of a server processor with AVX2 (2021); benches/NOTES.md has the runs.
fn speeds(number: usize) -> Speeds {
    Speeds::uncalibrated(match number {
        4 => [2.5e10, 3.5e8, 2.0e8, 3.0e10],
        _ => [1.2e10, 3.0e8, 1.0e8, 3.0e10],
    })
}

fn footprint(network: &Network, run: &RunShape) -> Footprint {
    let Ranks { stored, largest, .. } = Ranks::of(network, run);
    let (depth, outputs) = (network.depth as f64, network.outputs as f64);
    let (samples, tests, batch) = (run.train as f64, run.test as f64, run.batch as f64);
    let (trained, together) = (run.copies(), run.evaluated_at_once() as f64);
    let rows = network.width.next_multiple_of(CHUNK) as f64;
    let probes = run.probe.layers.len() as f64;
    let own = |trains: bool| if trains { trained } else { 1.0 };
    // h_0 of all samples, not only of the batch; V.
    let inputs =
        (samples + tests) * own(run.trained.input) - if run.minibatches() { 0.0 } else { batch };
    let ends = inputs + outputs * own(run.trained.readout);
    // h and g where probed at step 0, h of every layer.
    let vectors = batch * (depth + 1.0 + 2.0 * probes);
    // g, the residual and two sums of couplings; of samples evaluated together two layers, a residual,
    // its new columns and their answers.
    let working = 4.0 * batch + 5.0 * together;
    // x, what comes back to it and its two coupled parts; of samples evaluated together x.
    let normalized = match network.scales.normalization {
        Normalization::None => 0.0,
        Normalization::Rms => 4.0 * batch + together,
    };
    // z of every layer, and what it was where steps are of the same samples; r, a query of it, and the part
    // of it that is coupled; of samples evaluated together z, a query of it, its new columns and answers.
    let of_inner = network.scales.inner.map_or(0.0, |inner| {
        let kept = if run.minibatches() { 1.0 } else { 2.0 };
        let columns = batch * (kept * depth + 3.0) + 4.0 * together;
        columns * inner.width.next_multiple_of(CHUNK) as f64
    });
    // A query and its answer; a chunk more in each than it has rows.
    let stored = 2.0 * stored * (rows_of_a_query(network) - network.width as f64 + rows);
    let columns = vectors + ends + working + normalized;
    // M, its velocity and both Θ, with a copy of one while it grows, and all queries in coefficients.
    // A norm of the velocity is found with some six more.
    let working = if run.rule == Rule::Descent { 1.0 } else { 7.0 };
    let squares = (3.0 + trained) * depth * network.matrices_of_a_block() + working;
    let small = 8.0 * squares * largest * largest + OVERHEAD;
    Footprint {
        host: (stored + columns * rows + of_inner) * run.number as f64 + small,
        device: 0.0,
        device_at_first: 0.0,
    }
}
