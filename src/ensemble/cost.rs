//! What a task costs: its work, and the memory and disk that it takes.

use super::blocks::work_of_one;
use crate::backend::COVARIANCE_COLUMNS;
use crate::backend::cost::{Footprint, RunShape, Work};
use crate::data::DataSet;
use crate::experiment::grid::{Task, is_compared};
use crate::experiment::limit::{Block, Part};
use crate::experiment::run::DataSizes;
use crate::experiment::{Experiment, Limit, ReferenceKind};
use crate::limit::Quantities;
use crate::observables::{Against, OUTPUTS_COMPARED, OUTPUTS_SHOWN, Observable};

/// The work and memory of one task.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Cost {
    /// What the task computes: operations, normals, bytes.
    pub work: Work,
    /// Bytes of memory that the task takes while it runs.
    pub bytes: f64,
    /// Bytes of a GPU's memory that the task takes while it runs there, at most.
    pub device_bytes: f64,
    /// Bytes of a GPU's memory with which it can begin.
    pub device_bytes_at_first: f64,
    /// Bytes of its result: of its journal record, and of memory while its seed is measured.
    pub result_bytes: f64,
    /// Number of its lines in results.csv.
    pub rows: f64,
}

/// The cost of one task, of a network or of a block of the limit's.
pub fn cost(experiment: &Experiment, data: &DataSet, task: Task) -> Cost {
    if let Some((limit, block)) = experiment.limit.as_ref().zip(Block::of(task)) {
        return cost_of_block(experiment, limit, data, block);
    }
    let sizes = DataSizes::of(data);
    let (network, run) = (experiment.network(sizes, task), experiment.run_shape(sizes, task));
    let costs = experiment.costs();
    let Footprint { host, device, device_at_first } = (costs.footprint)(&network, &run);
    let (recorded, batch) = (run.recorded as f64, run.batch as f64);
    let rows = task.width.min(run.probe.rows) as f64;
    let with_rows = match is_compared(experiment, task) {
        true => experiment.training.compared_steps().count() as f64,
        false => 0.0,
    };
    let probes = run.probe.layers.len() as f64;
    let outputs = (sizes.train * sizes.outputs) as f64;
    let shown = outputs.min(OUTPUTS_SHOWN as f64);
    let compared = match experiment.reference.kind {
        ReferenceKind::None => 0.0,
        _ => outputs.min(OUTPUTS_COMPARED as f64),
    };
    let count = |along_depth: bool| {
        // What is formed from rows is in no row itself.
        let written = |o: &&Observable| !o.has_outputs() && o.entry().against != Against::Rows;
        let single = Observable::ALL.iter().filter(written);
        single.filter(|o| o.has_depth_time() == along_depth).count() as f64
    };
    let covariance = match run.minibatches() {
        false => (run.passes as f64 * batch).min(COVARIANCE_COLUMNS as f64),
        true => 0.0,
    };
    Cost {
        work: (costs.work)(&network, &run),
        bytes: host,
        device_bytes: device,
        device_bytes_at_first: device_at_first,
        // Of rows, features and gradients in four bytes each.
        result_bytes: with_rows * 8.0 * probes * rows * batch
            + recorded * (8.0 * outputs + 400.0)
            + 8.0 * 2.0 * probes * covariance * covariance,
        // At most: not every run has every observable.
        rows: recorded * (shown + compared + count(true) * probes + count(false)),
    }
}

/// The estimated share of the work of a network, from 0 to 1, that lies before its pass after `step` updates:
/// of flops, of which the conditional engine needs more for every pass.
pub fn share_before(experiment: &Experiment, data: &DataSet, task: Task, step: u32) -> f64 {
    let (sizes, costs) = (DataSizes::of(data), experiment.costs());
    let (network, run) = (experiment.network(sizes, task), experiment.run_shape(sizes, task));
    let flops = |passes: usize| match passes {
        0 => 0.0,
        _ => {
            let recorded = (run.recorded * passes).div_ceil(run.passes);
            (costs.work)(&network, &RunShape { passes, recorded, ..run.clone() }).flops
        }
    };
    flops(step as usize) / flops(run.passes)
}

/// The cost of a block.
pub fn cost_of_block(experiment: &Experiment, limit: &Limit, data: &DataSet, block: Block) -> Cost {
    let alone = &experiment.of_limit(limit);
    let (sizes, task) = (DataSizes::of(data), block.task(experiment, limit));
    let networks = block.networks();
    let Footprint { host, .. } =
        (alone.costs().footprint)(&alone.network(sizes, task), &alone.run_shape(sizes, task));
    // Matched columns and what they are made of, an eighth of all rows at most.
    let matched =
        if limit.whitening { 3.0 * 4.0 / 16.0 * (limit.width as f64).powi(2) } else { 0.0 };
    let moments = if block.part == Part::Whole { 2.0 } else { 4.0 };
    Cost {
        work: work_of_one(experiment, limit, data, block)
            .times((networks.end - networks.start) as f64),
        bytes: host + matched,
        device_bytes: 0.0,
        device_bytes_at_first: 0.0,
        result_bytes: 8.0 * moments * Quantities::new(alone, data).length as f64,
        rows: 0.0,
    }
}
