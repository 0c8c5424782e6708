//! What several suites share: small networks, runs of `nfd` and their files, devices, tools.
#![allow(dead_code, clippy::unwrap_used)]

pub mod conditional;
pub mod crew;
pub mod curves;
pub mod dense;
pub mod experiments;
pub mod exported;
pub mod faults;
pub mod files;
#[cfg(target_os = "linux")]
pub mod gpu_check;
pub mod images;
pub mod limit_found;
pub mod limit_laws;
pub mod limits;
pub mod linear_limit;
pub mod lock_shim;
#[cfg(target_os = "linux")]
pub mod locking;
pub mod logs;
pub mod missing;
#[cfg(target_os = "linux")]
pub mod mpi;
pub mod npz;
pub mod nvrtc;
#[cfg(unix)]
pub mod place;
pub mod report;
pub mod results;
pub mod slices;
#[cfg(target_os = "linux")]
pub mod slurm;
pub mod softcuda;
pub mod two_layer;
pub mod written;

use std::collections::BTreeSet;

use nalgebra::DMatrix;
use nfd::backend::plain::memory::Memory;
use nfd::backend::{DROP_TOLERANCE, Network, Probe, Update};
use nfd::data::Samples;
use nfd::experiment::grid::{LearningRate, Task};
use nfd::model::{
    Activation, Block, Closure, Groups, Loss, Normalization, Parametrization, Rates, ScaleLaw,
};
use nfd::rng::noise::{BrownianPath, Direction, Entry, Noise};
use nfd::rng::philox::Philox;
use rand::RngExt;

/// Those of one-layer blocks.
pub const PARAMETRIZATIONS: [Parametrization; 5] = [
    Parametrization::DepthMup,
    Parametrization::Mup,
    Parametrization::Vanilla,
    Parametrization::Ntk,
    Parametrization::CompleteP,
];

/// A network of one-layer blocks in a named parametrization, T = 1, γ = 1.
pub fn network(
    parametrization: Parametrization,
    activation: Activation,
    closure: Closure,
    sizes: (usize, usize),
    samples: &Samples,
) -> Network {
    network_of(Block::OneLayer, parametrization, activation, closure, sizes, samples)
}

/// The same of any blocks.
pub fn network_of(
    block: Block,
    parametrization: Parametrization,
    activation: Activation,
    closure: Closure,
    (width, depth): (usize, usize),
    samples: &Samples,
) -> Network {
    let law = ScaleLaw { block, ..ScaleLaw::named(parametrization, activation) };
    let scales = law.at(width, depth, samples.dimension);
    Network {
        width,
        depth,
        outputs: samples.outputs,
        activation,
        closure,
        scales,
        drop_tolerance: DROP_TOLERANCE,
    }
}

/// The same with branches that read h over its root mean square. None where h soon becomes 0 by chance, which has
/// none: one unit of relu without a skip connection.
pub fn normalised(network: &Network) -> Option<Network> {
    let mut network = network.clone();
    network.scales.normalization = Normalization::Rms;
    let alone = network.width == 1 && !network.scales.skip;
    (!alone || network.activation != Activation::Relu).then_some(network)
}

/// A task of which tests change what matters to them.
pub fn a_task() -> Task {
    Task {
        closure: Closure::Exact,
        parametrization: Parametrization::DepthMup,
        width: 8,
        depth: 4,
        learning_rate: LearningRate::new(0.5),
        seed: 0,
    }
}

/// Looks at every layer and keeps every row.
pub fn full_probe(depth: usize) -> Probe {
    Probe { layers: (0..=depth).collect(), rows: usize::MAX, covariance_columns: 128 }
}

/// Samples from rows of inputs and labels.
pub fn samples(inputs: &[Vec<f64>], labels: &[Vec<f64>]) -> Samples {
    Samples {
        dimension: inputs[0].len(),
        outputs: labels[0].len(),
        inputs: inputs.concat(),
        labels: labels.concat(),
        indices: (0..inputs.len() as u32).collect(),
    }
}

/// No samples of the same shape.
pub fn none_like(samples: &Samples) -> Samples {
    let (dimension, outputs) = (samples.dimension, samples.outputs);
    Samples { dimension, outputs, inputs: vec![], labels: vec![], indices: vec![] }
}

/// Inputs on the sphere ‖x‖ = √d and labels ±1 (or `outputs` of them), from a small fixed recipe.
pub fn sphere(count: usize, dimension: usize, outputs: usize) -> Samples {
    let mut inputs = Vec::new();
    let mut labels = Vec::new();
    for p in 0..count {
        let x: Vec<f64> =
            (0..dimension).map(|i| (1.7 * (i + 1) as f64 * (p + 2) as f64).sin()).collect();
        let norm = x.iter().map(|v| v * v).sum::<f64>().sqrt();
        inputs.push(x.iter().map(|v| v * (dimension as f64).sqrt() / norm).collect());
        labels.push((0..outputs).map(|o| if (p + o) % 2 == 0 { 1.0 } else { -1.0 }).collect());
    }
    samples(&inputs, &labels)
}

/// The same rate in the named groups.
pub fn rates(rate: f64, groups: Groups) -> Rates {
    let of = |trained| if trained { rate } else { 0.0 };
    Rates { input: of(groups.input), hidden: of(groups.hidden), readout: of(groups.readout) }
}

/// Gradient descent and nothing else.
pub fn descent(rates: Rates) -> Update {
    Update::descent(rates)
}

/// Positions of a full batch.
pub fn all(samples: &Samples) -> Vec<usize> {
    (0..samples.len()).collect()
}

pub const HIDDEN: Groups = Groups { input: false, hidden: true, readout: false };
pub const ALL: Groups = Groups { input: true, hidden: true, readout: true };

/// χ of the squared loss.
pub fn chi(f: &[f64], samples: &Samples) -> Vec<f64> {
    Loss::Squared.chi(f, &samples.labels, samples.outputs)
}

/// |a − b| ≤ tolerance · max(1, |b|); false for NaN.
pub fn close(a: f64, b: f64, tolerance: f64) -> bool {
    (a - b).abs() <= tolerance * b.abs().max(1.0)
}

/// Choices of one value for each of some options, of which there are `sizes`, in which every value of
/// every option meets every value of every other; only the pairs `apart`, (option, value) twice in
/// order of options, never meet.
pub fn covering<const N: usize>(
    sizes: [usize; N],
    apart: &[[(usize, usize); 2]],
) -> Vec<[usize; N]> {
    // Of so many choices at random the one with the most new pairs, which halves their number.
    const CANDIDATES: usize = 300;
    let mut random = Philox::stream(11, 0);
    let mut seen = BTreeSet::new();
    let mut choices = Vec::new();
    let of = |i: usize, j: usize| sizes[i] * sizes[j];
    let pairs: usize = (0..N).map(|i| (i + 1..N).map(|j| of(i, j)).sum::<usize>()).sum();
    while seen.len() < pairs - apart.len() {
        let candidates = (0..CANDIDATES).filter_map(|_| {
            let choice = sizes.map(|size| random.random_range(0..size));
            let met = |i: usize| (i + 1..N).map(move |j| [(i, choice[i]), (j, choice[j])]);
            let met: Vec<_> = (0..N).flat_map(met).collect();
            let new = met.iter().filter(|pair| !seen.contains(*pair)).count();
            (new > 0 && !met.iter().any(|pair| apart.contains(pair))).then_some((new, choice, met))
        });
        if let Some((_, choice, met)) = candidates.max_by_key(|(new, ..)| *new) {
            seen.extend(met);
            choices.push(choice);
        }
    }
    choices
}

/// A weight matrix that would have given all the answers in `memory` (docs/theory.md, section 3):
/// AF QFᵀ + QB BBᵀ(I − QF QFᵀ) + P_QB^⊥ W̃ P_QF^⊥.
pub fn assemble(memory: &Memory, seed: u64, layer: u32) -> DMatrix<f64> {
    let w = normals(memory, seed, layer, Direction::Forward);
    let (qf, qb) = (&memory.forward.basis, &memory.backward.basis);
    &memory.forward.answers * qf.transpose()
        + qb * memory.backward.answers.transpose() * beside(qf)
        + beside(qb) * w * beside(qf)
}

/// W and W̃ that would have given the answers of `gia`, whose two sides know nothing of each other:
/// AF QFᵀ + Z P_QF^⊥ and QB BBᵀ + P_QB^⊥ Z̃.
pub fn assemble_apart(memory: &Memory, seed: u64, layer: u32) -> (DMatrix<f64>, DMatrix<f64>) {
    let draw = |direction| normals(memory, seed, layer, direction);
    let (ahead, back) = (&memory.forward, &memory.backward);
    (
        &ahead.answers * ahead.basis.transpose() + draw(Direction::Forward) * beside(&ahead.basis),
        &back.basis * back.answers.transpose() + beside(&back.basis) * draw(Direction::Backward),
    )
}

/// I − Q Qᵀ.
fn beside(q: &DMatrix<f64>) -> DMatrix<f64> {
    DMatrix::identity(q.nrows(), q.nrows()) - q * q.transpose()
}

/// Normals of the shape of the matrix behind `memory`.
fn normals(memory: &Memory, seed: u64, layer: u32, direction: Direction) -> DMatrix<f64> {
    let (rows, columns) = (memory.backward.basis.nrows(), memory.forward.basis.nrows());
    let mut w = DMatrix::zeros(rows, columns);
    let noise = BrownianPath::new(seed, layer, layer);
    for (j, out) in w.as_mut_slice().chunks_mut(rows).enumerate() {
        noise.fill(Entry::Weight { direction, layer, column: j as u32 }, 0, out);
    }
    w
}
