//! What two trajectories of one seed show together: strong errors, signed differences of outputs,
//! gaps between closures. Both runs read the same Brownian path (docs/theory.md, section 4), see
//! the same minibatches and record the same steps.

use super::{OUTPUTS_COMPARED, Rows, common, output_names};
use crate::backend::Snapshot;
use crate::data::Samples;
use crate::engine::Trajectory;
use crate::experiment::Experiment;
use crate::experiment::grid::Task;
use crate::observables::results::Row;

/// `run` against its partner: `difference.f.<output>` (signed), `strong.h` and `strong.g` (mean
/// squares over the common rows and the samples of the step's batch at equal depth time and step).
pub fn against_reference(
    experiment: &Experiment,
    train: &Samples,
    (task, run): (Task, &Trajectory),
    (partner, reference): (Task, &Trajectory),
) -> Vec<Row> {
    let mut rows = Rows::new(experiment, task);
    rows.reference = match partner.width == task.width {
        true => format!("depth={}", partner.depth),
        false => format!("width={} depth={}", partner.width, partner.depth),
    };
    let names = output_names(train);
    for (a, b) in run.passes.iter().zip(&reference.passes) {
        let k = a.step;
        let outputs = names.iter().zip(a.f.iter().zip(&b.f));
        for (name, (fa, fb)) in outputs.take(OUTPUTS_COMPARED) {
            rows.push(k, None, format!("difference.f.{name}"), fa - fb);
        }
        push_gaps(&mut rows, k, "strong.h", train, &a.features, (partner.depth, &b.features));
        push_gaps(&mut rows, k, "strong.g", train, &a.gradients, (partner.depth, &b.gradients));
    }
    rows.rows
}

/// `run` against the exact closure at the same width and depth: mean squares of the differences of
/// f, h and g, and signed differences of the losses.
pub fn closure_gap(
    experiment: &Experiment,
    train: &Samples,
    (task, run): (Task, &Trajectory),
    exact: &Trajectory,
) -> Vec<Row> {
    let mut rows = Rows::new(experiment, task);
    rows.reference = "closure=exact".to_owned();
    for (a, b) in run.passes.iter().zip(&exact.passes) {
        let k = a.step;
        let squares: f64 = a.f.iter().zip(&b.f).map(|(a, b)| (a - b).powi(2)).sum();
        rows.push(k, None, "closure_gap.f", squares / a.f.len() as f64);
        rows.push(k, None, "closure_gap.loss.train", a.loss - b.loss);
        if let (Some(a), Some(b)) = (a.test_loss, b.test_loss) {
            rows.push(k, None, "closure_gap.loss.test", a - b);
        }
        push_gaps(&mut rows, k, "closure_gap.h", train, &a.features, (task.depth, &b.features));
        push_gaps(&mut rows, k, "closure_gap.g", train, &a.gradients, (task.depth, &b.gradients));
    }
    rows.rows
}

fn push_gaps(
    rows: &mut Rows,
    step: u32,
    observable: &str,
    train: &Samples,
    a: &[Snapshot],
    (depth, b): (usize, &[Snapshot]),
) {
    let experiment = rows.experiment;
    let samples = experiment.training.batch.size(train.len());
    let pairs = common(experiment, rows.task.depth, a).zip(common(experiment, depth, b));
    for ((time, a), (_, b)) in pairs {
        rows.push(step, Some(time), observable, mean_square_gap(&a.rows, &b.rows, samples));
    }
}

/// Mean square difference over samples and the rows that both have; both are samples × rows with
/// the row index fastest.
fn mean_square_gap(a: &[f32], b: &[f32], samples: usize) -> f64 {
    let (rows_a, rows_b) = (a.len() / samples, b.len() / samples);
    let common = rows_a.min(rows_b);
    let mut sum = 0.0;
    for (a, b) in a.chunks(rows_a).zip(b.chunks(rows_b)) {
        for (a, b) in a[..common].iter().zip(&b[..common]) {
            sum += (f64::from(*a) - f64::from(*b)).powi(2);
        }
    }
    sum / (common * samples) as f64
}
