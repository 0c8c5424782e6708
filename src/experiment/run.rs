//! A task in the terms of a backend: its network, the shape of its run and what the run costs.

use super::grid::{Task, quarters};
use super::{Backend, Batch, Engine, Experiment, Precision, Storage};
use crate::backend::cost::{Costs, RunShape, Work};
use crate::backend::{
    COVARIANCE_COLUMNS, DROP_TOLERANCE, DROP_TOLERANCE_F32, Network, Probe, cpu, cuda, plain,
};
use crate::data::DataSet;

/// Sizes of the data, as far as networks and costs depend on them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DataSizes {
    /// Number of training samples.
    pub train: usize,
    /// Number of test samples.
    pub test: usize,
    /// Dimension d of the inputs.
    pub dimension: usize,
    /// Outputs O of the network.
    pub outputs: usize,
}

impl DataSizes {
    /// Those of data that is loaded.
    pub fn of(data: &DataSet) -> DataSizes {
        DataSizes {
            train: data.train.len(),
            test: data.test.len(),
            dimension: data.train.dimension,
            outputs: data.train.outputs,
        }
    }
}

impl Experiment {
    /// The network of `task`; all but its scales is the same at every parametrization, which is the
    /// experiment's own.
    pub fn network(&self, sizes: DataSizes, task: Task) -> Network {
        let Task { closure, width, depth, .. } = task;
        Network {
            width,
            depth,
            outputs: sizes.outputs,
            activation: self.model.activation,
            closure,
            scales: self.model.scale_law().at(width, depth, sizes.dimension),
            drop_tolerance: match self.precision {
                Precision::F32 | Precision::Tf32x3 => DROP_TOLERANCE_F32,
                Precision::F64 => DROP_TOLERANCE,
            },
        }
    }

    /// What is kept of the vectors of a network of this depth.
    pub fn probe(&self, depth: usize) -> Probe {
        Probe {
            layers: quarters(depth).into_iter().map(|i| i * depth / 4).collect(),
            rows: self.reference.rows.limit(),
            // Minibatches have no samples in common over which to follow them.
            covariance_columns: match self.training.batch {
                Batch::Full => COVARIANCE_COLUMNS,
                Batch::Of(_) => 0,
            },
        }
    }

    /// The shape of the run of `task`.
    pub fn run_shape(&self, sizes: DataSizes, task: Task) -> RunShape {
        let training = &self.training;
        RunShape {
            train: sizes.train,
            test: sizes.test,
            dimension: sizes.dimension,
            batch: training.batch.size(sizes.train),
            passes: training.steps as usize + 1,
            recorded: training.recorded_steps().count(),
            finest: self.finest.map_or(task.depth, |finest| finest as usize),
            number: self.number_bytes(),
            frozen: self.storage == Storage::Bf16,
            momentum: training.momentum,
            rule: training.rule(),
            trained: self.model.groups(),
            probe: self.probe(task.depth),
        }
    }

    /// Bytes of a number in vectors and weights.
    pub fn number_bytes(&self) -> usize {
        match self.precision {
            Precision::F32 | Precision::Tf32x3 => 4,
            Precision::F64 => 8,
        }
    }

    /// What the experiment's engine costs on its backend.
    pub fn costs(&self) -> &'static Costs {
        match (self.backend, self.engine) {
            (Backend::Plain, Engine::Conditional) => &plain::cost::CONDITIONAL,
            (Backend::Plain, Engine::Dense) => &plain::cost::DENSE,
            (Backend::Cpu, Engine::Conditional) => &cpu::conditional::cost::COSTS,
            (Backend::Cpu, Engine::Dense) => &cpu::dense::cost::COSTS,
            (Backend::Cuda, Engine::Conditional) => &cuda::conditional::cost::COSTS,
            (Backend::Cuda, Engine::Dense) => &cuda::dense::cost::COSTS,
        }
    }

    /// The work of the run of `task`.
    pub fn work(&self, sizes: DataSizes, task: Task) -> Work {
        (self.costs().work)(&self.network(sizes, task), &self.run_shape(sizes, task))
    }
}
