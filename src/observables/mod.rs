//! Observables: what a trajectory shows by itself, what two trajectories show together, and what
//! infinite width predicts; as rows and as arrays.

pub mod arrays;
pub mod limit;
pub mod order_parameters;
pub mod pairs;
pub mod results;
pub mod single;

use crate::data::Samples;
use crate::experiment::Experiment;
use crate::experiment::grid::{Task, quarters};
use crate::observables::results::Row;

/// Outputs of a pass in results.csv: enough to look at.
pub const OUTPUTS_SHOWN: usize = 100;
/// Outputs whose differences to the reference are in results.csv: enough for a weak error.
pub const OUTPUTS_COMPARED: usize = 1000;

/// Names the outputs: `<sample>` with one output, `<sample>.<output>` with more, in the order of f.
pub fn output_names(samples: &Samples) -> Vec<String> {
    let outputs = samples.outputs;
    let name = |index: &u32, output: usize| match outputs {
        1 => format!("{index}"),
        _ => format!("{index}.{output}"),
    };
    samples.indices.iter().flat_map(|index| (0..outputs).map(move |o| name(index, o))).collect()
}

/// Fills in the columns of results.csv that a task fixes.
struct Rows<'a> {
    experiment: &'a Experiment,
    task: Task,
    reference: String,
    rows: Vec<Row>,
}

impl<'a> Rows<'a> {
    fn new(experiment: &'a Experiment, task: Task) -> Self {
        Rows { experiment, task, reference: String::new(), rows: Vec::new() }
    }

    fn push(
        &mut self,
        step: u32,
        depth_time: Option<f64>,
        observable: impl Into<String>,
        value: f64,
    ) {
        let Task { closure, parametrization, width, depth, learning_rate, seed } = self.task;
        self.rows.push(Row {
            closure: closure.name(),
            parametrization: parametrization.name(),
            engine: self.experiment.engine.name(),
            precision: self.experiment.precision.name(),
            width,
            depth,
            learning_rate: learning_rate.value(),
            seed,
            step,
            depth_time,
            reference: self.reference.clone(),
            observable: observable.into(),
            value,
        });
    }
}

/// Of what a run of `depth` kept at each of its quarters: what lies at those common to all depths of
/// the experiment, with their depth times.
fn common<'a, T>(
    experiment: &Experiment,
    depth: usize,
    kept: &'a [T],
) -> impl Iterator<Item = (f64, &'a T)> {
    let horizon = experiment.model.horizon;
    let wanted = experiment.probed_quarters();
    let kept = quarters(depth).into_iter().zip(kept);
    kept.filter(move |(i, _)| wanted.contains(i)).map(move |(i, x)| (i as f64 * horizon / 4.0, x))
}
