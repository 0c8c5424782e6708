//! What one trajectory shows.

use nalgebra::DMatrix;

use super::{OUTPUTS_SHOWN, Rows, common, output_names};
use crate::data::Labels;
use crate::data::Samples;
use crate::engine::Trajectory;
use crate::experiment::grid::Task;
use crate::experiment::{Batch, Experiment};
use crate::model::loss::accuracy;
use crate::observables::results::Row;

/// The observables of one run, step by step.
pub fn rows(
    experiment: &Experiment,
    task: Task,
    train: &Samples,
    trajectory: &Trajectory,
) -> Vec<Row> {
    let mut rows = Rows::new(experiment, task);
    let names = output_names(train);
    for pass in &trajectory.passes {
        let k = pass.step;
        for (name, f) in names.iter().zip(&pass.f).take(OUTPUTS_SHOWN) {
            rows.push(k, None, format!("f.{name}"), *f);
        }
        rows.push(k, None, "loss.train", pass.loss);
        if let Some(loss) = pass.test_loss {
            rows.push(k, None, "loss.test", loss);
        }
        if experiment.data.labels != Labels::Values {
            rows.push(k, None, "accuracy.train", accuracy(&pass.f, &train.labels, train.outputs));
            if let Some(accuracy) = pass.test_accuracy {
                rows.push(k, None, "accuracy.test", accuracy);
            }
        }
        if let Some(c) = &pass.forward_coupling {
            rows.push(k, None, "coupling.forward.layer", c.layer);
            rows.push(k, None, "coupling.forward.accumulated", c.accumulated);
        }
        if let Some(c) = &pass.backward_coupling {
            rows.push(k, None, "coupling.backward.layer.past", c.layer_past);
            rows.push(k, None, "coupling.backward.layer.same", c.layer_same);
            rows.push(k, None, "coupling.backward.accumulated.past", c.accumulated_past);
            rows.push(k, None, "coupling.backward.accumulated.same", c.accumulated_same);
        }
        if let Some(rank) = pass.feature_rank {
            rows.push(k, None, "rank.features", rank);
        }
        if let Some(rank) = pass.gradient_rank {
            rows.push(k, None, "rank.gradients", rank);
        }
        rows.push(k, None, "movement.own", pass.own_movement);
        let initial = &trajectory.passes[0].f;
        let moved: f64 = pass.f.iter().zip(initial).map(|(f, f0)| (f - f0).powi(2)).sum();
        rows.push(k, None, "movement.f", moved / initial.len() as f64);
        if let Some(movement) = pass.inner_movement {
            rows.push(k, None, "movement.inner", movement);
        }
        if experiment.training.batch != Batch::Full {
            continue; // what follows compares the samples of one step with those of another
        }
        for (time, features) in common(experiment, task.depth, &pass.features) {
            rows.push(k, Some(time), "movement.total", features.movement);
        }
        // The covariances of the first k + 1 passes are the leading part of those of all passes.
        let columns = (k as usize + 1) * train.len();
        let covariances = trajectory.covariances.as_deref().unwrap_or_default();
        for (time, at) in common(experiment, task.depth, covariances) {
            if let Some([least, largest]) = ends_of_spectrum(&at.features, columns) {
                rows.push(k, Some(time), "eigmin.features", least);
                rows.push(k, Some(time), "eigmax.features", largest);
            }
            if let Some([least, largest]) = ends_of_spectrum(&at.gradients, columns) {
                rows.push(k, Some(time), "eigmin.gradients", least);
                rows.push(k, Some(time), "eigmax.gradients", largest);
            }
        }
    }
    rows.rows
}

/// Smallest and largest eigenvalue of the leading `columns` × `columns` part, where it was recorded.
fn ends_of_spectrum(covariance: &Option<DMatrix<f64>>, columns: usize) -> Option<[f64; 2]> {
    let covariance = covariance.as_ref().filter(|c| c.nrows() >= columns)?;
    let part = covariance.view((0, 0), (columns, columns)).clone_owned();
    let spectrum = part.symmetric_eigenvalues();
    Some([spectrum.min(), spectrum.max()])
}
