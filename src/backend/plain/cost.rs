//! What a run costs in the oracle's engines.

use crate::backend::Network;
use crate::backend::cost::{Costs, Footprint, RunShape, Speeds, Work, rows_of_a_query};
use crate::model::Rule;

/// The costs of the conditional engine.
pub const CONDITIONAL: Costs = Costs {
    work: Work::of_conditional,
    footprint: footprint_of_conditional,
    speeds,
    rows_of_a_thread: None,
};

/// The costs of the dense engine.
pub const DENSE: Costs =
    Costs { work: Work::of_dense, footprint: footprint_of_dense, speeds, rows_of_a_thread: None };

/// Speeds of one core of a server processor (2021): an activation takes tens of nanoseconds.
fn speeds(_number: usize) -> Speeds {
    Speeds::uncalibrated([6.0e9, 3.5e8, 5.0e7, 3.0e10])
}

fn footprint_of_conditional(network: &Network, run: &RunShape) -> Footprint {
    let (n, depth) = (network.width as f64, network.depth as f64);
    // QF, AF, QB, BB, and a copy of one of them while it grows; M and both Θ.
    let matrices = network.matrices_of_a_block();
    let wide = rows_of_a_query(network);
    let last = n.max(2.0 * wide - n).min(run.batch as f64 * run.passes as f64);
    let columns = wide * last * (4.0 * matrices * depth + 1.0);
    let weights = columns + (2.0 + run.copies()) * matrices * depth * last * last;
    // A query and its answer with all their parts.
    footprint(network, run, weights, 10.0)
}

fn footprint_of_dense(network: &Network, run: &RunShape) -> Footprint {
    let depth = network.depth as f64;
    // W and its initial value; the drift of one layer; W̃ in gia.
    let matrices = network.matrices_of_a_weight();
    let layers = network.matrices_of_a_block();
    let each = network.weights_of_a_block() / layers;
    // By another rule than descent: S, its running means, and what a decomposition takes.
    let working = if run.rule == Rule::Descent { 2.0 } else { 10.0 };
    let weights = each * ((layers * matrices * run.copies() + 1.0) * depth + working);
    footprint(network, run, weights, 4.0)
}

/// Of so many numbers in weights, and so many vectors of a sample that is evaluated: before and after a
/// layer, and what one layer makes of it.
fn footprint(network: &Network, run: &RunShape, weights: f64, evaluated: f64) -> Footprint {
    let (n, depth, outputs) = (network.width as f64, network.depth as f64, network.outputs as f64);
    let (batch, samples) = (run.batch as f64, run.train as f64);
    let (dimension, probes) = (run.dimension as f64, run.probe.layers.len() as f64);
    let (trained, together) = (run.copies(), run.evaluated_at_once() as f64);
    let layers = network.matrices_of_a_block();
    // Rows of z and r beside those of h and g.
    let inner = (layers - 1.0) * network.width_read() as f64 / n;
    // z of step 0, where steps are of the same samples.
    let followed = if run.minibatches() { 0.0 } else { inner };
    // h and g where probed at step 0, h of every layer; z and what it was.
    let vectors = batch * (depth * (1.0 + inner + followed) + 1.0 + 2.0 * probes);
    let evaluation = together * evaluated * (1.0 + inner) / layers;
    // g of every layer too, and r; U and V.
    let vectors = n * (vectors + batch * ((1.0 + inner) * depth + 1.0) + evaluation)
        + n * (dimension + outputs) * trained
        + batch * batch
        + samples * dimension;
    // Measured: 8 % over the arrays, for what lives for one layer and the allocator.
    Footprint { host: 1.1 * 8.0 * (weights + vectors), device: 0.0, device_at_first: 0.0 }
}
