//! How far the outputs of finite networks are from their limit, run by run.

use std::collections::BTreeMap;

use super::limits::Limits;
use crate::data::DataSet;
use crate::engine::Trajectory;
use crate::experiment::Experiment;
use crate::experiment::grid::Task;
use crate::observables::{OUTPUTS_COMPARED, Observable, Partner, Row};

/// Differences to the limit, and its error, of all runs of a seed.
///
/// A run has noise of its own, which the limit has not. So where a seed has a network of the same width at
/// a depth L′ of the limit's levels, on the same path, only the difference to that one is taken from the
/// seed, and what depth L′ differs from the limit is the limit's: that is known much better.
pub fn distances(
    experiment: &Experiment,
    data: &DataSet,
    limits: &Limits,
    runs: &BTreeMap<Task, Trajectory>,
) -> Vec<(Task, Vec<Row>)> {
    let quantities = limits.quantities();
    let outputs = data.train.outputs;
    let of_a_step = data.train.len() * outputs;
    let mut all = Vec::new();
    for limit in limits.finished() {
        let estimate = &limit.estimate;
        let shared = experiment.finest.is_some();
        let depths = experiment.ensemble.depths.iter().rev();
        let anchor = depths.copied().find(|depth| shared && estimate.depths.contains(depth));
        for (&task, run) in runs.iter().filter(|(task, _)| task.closure == limit.closure) {
            let beside = anchor.and_then(|depth| runs.get(&Task { depth, ..task }));
            let mut rows = Vec::new();
            for pass in run.passes.iter().filter(|pass| pass.step > 0) {
                let Some(k) = quantities.steps.iter().position(|step| *step == pass.step) else {
                    continue;
                };
                let beside = beside.and_then(|run| run.passes.iter().find(|p| p.step == pass.step));
                for (within, f) in pass.f.iter().enumerate().take(OUTPUTS_COMPARED) {
                    let i = k * of_a_step + within;
                    let number = estimate.number(i);
                    let at = estimate.by_depth(i).into_iter().find(|at| Some(at.depth) == anchor);
                    let (value, error) = match (beside, at) {
                        (Some(beside), Some(at)) => (
                            f - beside.f[within] + at.distance,
                            at.distance_error.hypot(number.bias_bound),
                        ),
                        _ => (f - number.value, number.error()),
                    };
                    for (observable, value) in
                        [(Observable::LimitDifference, value), (Observable::LimitError, error)]
                    {
                        rows.push(Row {
                            task,
                            step: pass.step,
                            depth_time: None,
                            reference: Some(Partner::Limit),
                            observable,
                            sample: Some(data.train.indices[within / outputs]),
                            output: Some(within % outputs),
                            value,
                        });
                    }
                }
            }
            all.push((task, rows));
        }
    }
    all
}
