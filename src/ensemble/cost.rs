//! What a task costs, on paper: flops, normals and bytes from its sizes, at the largest rank it can
//! reach, and the rates that turn them into seconds.

use super::task::COVARIANCE_COLUMNS;
use crate::data::DataSet;
use crate::model::Closure;
use crate::spec::grid::{Task, quarters};
use crate::spec::{Engine, Experiment};

/// The work and memory of one task.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Cost {
    /// Floating point operations of the products.
    pub flops: f64,
    /// Gaussians drawn.
    pub normals: f64,
    /// Activations and derivatives evaluated.
    pub activations: f64,
    /// Memory while it runs.
    pub bytes: f64,
    /// Its result: its journal record, and memory while its seed is measured.
    pub result_bytes: f64,
    /// Its lines in results.csv.
    pub rows: f64,
}

/// What one core does in a second.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Rates {
    /// Flops
    pub flops: f64,
    /// Normals
    pub normals: f64,
    /// Activations
    pub activations: f64,
    /// Measured over estimated seconds; 1 without measurements.
    pub factor: f64,
    /// Timings it rests on.
    pub timings: usize,
}

impl Rates {
    /// Of backend plain on one core of an AVX-512 server processor of 2023; no measurement of the
    /// machine at hand.
    pub const UNCALIBRATED: Rates =
        Rates { flops: 6.0e9, normals: 8.0e8, activations: 5.0e7, factor: 1.0, timings: 0 };

    /// Scaled by the median ratio of measured to estimated seconds.
    pub fn calibrated(measured: &[(Cost, f64)]) -> Rates {
        let plain = Rates::UNCALIBRATED;
        let mut ratios: Vec<f64> =
            measured.iter().map(|(cost, seconds)| seconds / plain.seconds(cost)).collect();
        ratios.retain(|ratio| ratio.is_finite() && *ratio > 0.0);
        ratios.sort_by(f64::total_cmp);
        match ratios.get(ratios.len() / 2) {
            Some(&factor) => Rates { factor, timings: ratios.len(), ..plain },
            None => plain,
        }
    }

    /// The time of a task on one core.
    pub fn seconds(&self, cost: &Cost) -> f64 {
        self.factor
            * (cost.flops / self.flops
                + cost.normals / self.normals
                + cost.activations / self.activations)
    }
}

/// The cost of one task.
pub fn cost(experiment: &Experiment, data: &DataSet, task: Task) -> Cost {
    let (n, depth) = (task.width as f64, task.depth as f64);
    let samples = data.train.len() as f64;
    let tests = data.test.len() as f64;
    let passes = f64::from(experiment.training.steps) + 1.0;
    let fine = f64::from(experiment.finest.unwrap_or(task.depth as u32));
    let (flops, normals, weights) = match experiment.engine {
        Engine::Conditional => {
            // Ranks grow by at most P columns a pass, to at most n. Orthogonalisation reads the
            // basis four times, the answer and its drift some six: 40 n r P, forward and backward.
            let growing = passes.min((n / samples).floor());
            let total = samples * growing * (growing + 1.0) / 2.0 + n * (passes - growing);
            let last = n.min(samples * passes);
            let flops = depth * n * total * (40.0 * samples + 12.0 * tests);
            let normals = passes * fine * n * (2.0 * samples + tests);
            // QF, AF, QB, BB, and a copy of one of them while it grows; M and both Θ.
            (flops, normals, n * last * (4.0 * depth + 1.0) + 3.0 * depth * last * last)
        }
        Engine::Dense => {
            let flops = passes * depth * n * n * (8.0 * samples + 2.0 * tests);
            // W and its initial value; the drift of one layer; W̃ in gia.
            let matrices = 2.0 + f64::from(u8::from(task.closure == Closure::Gia));
            (flops, n * n * fine * (matrices - 1.0), n * n * (matrices * depth + 2.0))
        }
    };
    let rows = n.min(experiment.reference.rows.limit() as f64);
    let probes = quarters(task.depth).len() as f64;
    let outputs = samples * data.train.outputs as f64;
    let covariance = (passes * samples).min(COVARIANCE_COLUMNS as f64);
    // h and g of every layer; their values at step 0 where probed; U.
    let vectors = n * samples * 2.0 * (depth + 1.0 + probes)
        + n * data.train.dimension as f64
        + samples * samples;
    Cost {
        flops,
        normals,
        activations: passes * depth * n * (2.0 * samples + tests),
        // Measured: 8 % over the arrays, for what lives for one layer and the allocator.
        bytes: 1.1 * 8.0 * (weights + vectors),
        result_bytes: passes * (8.0 * (probes * rows * samples + outputs) + 400.0)
            + 8.0 * 2.0 * probes * covariance * covariance,
        // f and its difference, and at most nine numbers with and sixteen without a depth time.
        rows: passes * (2.0 * outputs + 9.0 * probes + 16.0),
    }
}
