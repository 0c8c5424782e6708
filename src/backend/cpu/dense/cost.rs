//! What a run of the dense engine costs on the processor.

use crate::backend::cost::{Costs, Footprint, OVERHEAD, RunShape, Speeds, Work};
use crate::backend::{COVARIANCE_COLUMNS, Network};
use crate::model::{Norm, Normalization, Rule};

/// The costs of this engine. Threads meet after every layer: each has rows of a weight matrix that take
/// long beside the meeting.
pub const COSTS: Costs =
    Costs { work: Work::of_dense, footprint, speeds, rows_of_a_thread: Some(256) };

/// Speeds of one core of a server processor with AVX2 (2021); benches/NOTES.md has the runs.
fn speeds(number: usize) -> Speeds {
    Speeds::uncalibrated(match number {
        4 => [5.5e10, 3.5e8, 1.0e9, 3.0e10],
        _ => [2.7e10, 3.0e8, 5.0e8, 3.0e10],
    })
}

fn footprint(network: &Network, run: &RunShape) -> Footprint {
    let (n, depth, outputs) = (network.width as f64, network.depth as f64, network.outputs as f64);
    let (batch, passes, size) = (run.batch as f64, run.passes as f64, run.number as f64);
    let (trained, together) = (run.copies(), run.evaluated_at_once() as f64);
    let (dimension, probes) = (run.dimension as f64, run.probe.layers.len() as f64);
    // Matrices of a block, and of those without the one that reads h.
    let layers = network.matrices_of_a_block();
    // Rows of z beside those of h.
    let inner = (layers - 1.0) * network.width_read() as f64 / n;
    let each = network.weights_of_a_block() / layers;
    // z of step 0, where steps are of the same samples.
    let followed = if run.minibatches() { 0.0 } else { inner };
    let matrices = network.matrices_of_a_weight();
    let weights = match run.frozen {
        // W, W̃ of gia and their velocities, W⁽⁰⁾ of what reads h; one more while a matrix is drawn, or D and
        // what is made of it.
        false => {
            let held = match run.rule {
                Rule::Descent => matrices * trained,
                // What W follows, W̃ does.
                _ => matrices + trained - 1.0,
            };
            each * (((layers * held + 1.0) * depth + 1.0) * size + normalizing(run.rule, size))
        }
        // Half of four bytes each; two columns a sample and update.
        true => {
            let drift = 2.0 * n * batch * (passes - 1.0) * depth;
            n * n * (matrices * depth * 2.0 + size) + drift * size
        }
    };
    // h and g where probed at step 0, h of every layer; z and what it was.
    let vectors = batch * (depth * (1.0 + inner + followed) + 1.0 + 2.0 * probes);
    // φ(h) of every layer too, φ(z), g and two vectors of a layer, with an inner layer W2ᵀg and a scaled
    // φ(z); X and U; panels of φ.
    let vectors = vectors
        + batch * ((1.0 + inner) * depth + 3.0 + 2.0 * inner)
        + (4.0 + inner + inner) * together;
    // x and what comes back to it; of samples evaluated together x.
    let normalized = match network.scales.normalization {
        Normalization::None => 0.0,
        Normalization::Rms => 2.0 * batch + together,
    };
    let vectors = vectors + normalized;
    let ends = (dimension + outputs) * trained;
    let host = weights
        + size * ((vectors + ends) * n + (batch + together) * dimension)
        + 8.0 * COVARIANCE_COLUMNS as f64 * 2.0 * probes * n.min(COVARIANCE_COLUMNS as f64)
        + OVERHEAD;
    Footprint { host, device: 0.0, device_at_first: 0.0 }
}

/// Bytes for each number of a matrix that is normalised, beside D.
fn normalizing(rule: Rule, size: f64) -> f64 {
    match rule {
        // X, its Gram matrix and a product as vectors, the factor, and panels.
        Rule::Normalized { norm: Norm::NewtonSchulz, .. } => 5.0 * size,
        // In f64: D, v, its factors, and their product.
        Rule::Normalized { norm: Norm::Polar, .. } => 6.0 * 8.0,
        Rule::Normalized { norm: Norm::Spectral, .. } => 4.0 * 8.0,
        Rule::Normalized { norm: Norm::Frobenius, .. } | Rule::Descent => 0.0,
        Rule::Adam { .. } | Rule::Sign => 0.0,
    }
}
