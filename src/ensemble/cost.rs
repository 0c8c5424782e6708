//! What a task costs, on paper: flops, normals and bytes from its sizes, at the largest rank it can
//! reach. Rates are typical of one core of this decade, uncalibrated.

use crate::data::DataSet;
use crate::spec::grid::{Task, quarters};
use crate::spec::{Engine, Experiment};

/// f64 flops a second in the plain products, one core.
const FLOPS: f64 = 2.0e9;
/// Normals a second, one core, AVX2.
const NORMALS: f64 = 3.0e8;
/// Activations or derivatives a second, one core.
const ACTIVATIONS: f64 = 5.0e7;

/// An estimate.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Cost {
    /// Time of one task on one core.
    pub seconds: f64,
    /// Memory while it runs.
    pub bytes: f64,
    /// Memory of what it leaves, while its seed is measured; about what it takes on disk.
    pub kept_bytes: f64,
}

/// The cost of one task.
pub fn cost(experiment: &Experiment, data: &DataSet, task: Task) -> Cost {
    let (n, depth) = (task.width as f64, task.depth as f64);
    let samples = data.train.len() as f64;
    let passes = f64::from(experiment.training.steps) + 1.0;
    let tests = data.test.len() as f64;
    let fine = f64::from(experiment.finest.unwrap_or(task.depth as u32));
    let mut flops = 0.0;
    let activations = passes * depth * n * (2.0 * samples + tests);
    let (normals, weights) = match experiment.engine {
        Engine::Conditional => {
            let mut rank = 0.0;
            for pass in 1..=experiment.training.steps + 1 {
                rank = n.min(samples * f64::from(pass));
                flops += depth * n * rank * (40.0 * samples + 12.0 * tests);
            }
            (passes * fine * n * (2.0 * samples + tests), 4.0 * n * rank * depth)
        }
        Engine::Dense => {
            flops += passes * depth * n * n * (8.0 * samples + 2.0 * tests);
            (n * n * fine, 2.0 * n * n * depth)
        }
    };
    let rows = n.min(experiment.reference.rows.limit() as f64);
    let probes = quarters(task.depth).len() as f64;
    let vectors = 2.0 * n * samples * (depth + 1.0) + n * data.train.dimension as f64;
    Cost {
        seconds: flops / FLOPS + normals / NORMALS + activations / ACTIVATIONS,
        bytes: 8.0 * (weights + vectors),
        kept_bytes: 4.0 * passes * probes * 2.0 * rows * samples,
    }
}
