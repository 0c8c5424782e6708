//! From trajectories to rows: each recorded pass of a run beside the pass it is compared with.
//!
//! Both runs of a pair read the same Brownian path (docs/theory.md, section 4), see the same
//! minibatches and record the same steps.

use nalgebra::DMatrix;

use super::{Against, Observable, Partner, Row, Values};
use crate::backend::{Covariances, Snapshot};
use crate::data::Samples;
use crate::engine::{Pass, Trajectory};
use crate::experiment::Experiment;
use crate::experiment::grid::{Task, quarters};

/// A finished run: its task, and what it recorded.
#[derive(Clone, Copy)]
pub struct Run<'a> {
    /// Which run it is.
    pub task: Task,
    /// What it recorded, pass by pass.
    pub trajectory: &'a Trajectory,
}

/// A recorded pass, with all that an observable is computed from.
#[derive(Clone, Copy)]
pub struct At<'a> {
    /// What was asked for.
    pub experiment: &'a Experiment,
    /// The training samples with their labels.
    pub train: &'a Samples,
    /// The depth L of the run.
    pub depth: usize,
    /// What was recorded of it.
    pub pass: &'a Pass,
}

impl<'a> At<'a> {
    /// Of what a run kept at each of its quarters of the horizon: what lies at those common to all
    /// depths of the experiment, with their depth times.
    pub fn common<T>(&self, kept: &'a [T]) -> impl Iterator<Item = (f64, &'a T)> + use<'a, T> {
        common(self.experiment, self.depth, kept)
    }
}

/// Smallest and largest eigenvalue of a covariance.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Ends {
    /// The smallest of its eigenvalues.
    pub least: f64,
    /// The largest of its eigenvalues.
    pub largest: f64,
}

/// The spectra of both covariances at one depth time, where they were recorded.
pub struct Spectra {
    /// Of n^{-1} φ(h)ᵀφ(h), over samples and passes so far.
    pub features: Option<Ends>,
    /// Of n^{-1} gᵀg, over samples and passes so far.
    pub gradients: Option<Ends>,
}

/// The observables of one run, step by step.
pub fn of_run(experiment: &Experiment, train: &Samples, run: Run) -> Vec<Row> {
    let mut rows = Rows { experiment, train, run, reference: None, rows: Vec::new() };
    let passes = &run.trajectory.passes;
    for pass in passes {
        rows.compare(Against::Start, pass, (run.task.depth, &passes[0]));
        rows.push_spectra(pass.step);
    }
    rows.rows
}

/// What a run shows beside `other`: its reference, or the exact closure of the same sizes.
pub fn of_pair(
    experiment: &Experiment,
    train: &Samples,
    run: Run,
    against: Against,
    other: Run,
) -> Vec<Row> {
    let reference = match against {
        Against::Exact => Partner::ExactClosure,
        _ => Partner::Network { width: other.task.width, depth: other.task.depth },
    };
    let mut rows = Rows { experiment, train, run, reference: Some(reference), rows: Vec::new() };
    for (pass, beside) in run.trajectory.passes.iter().zip(&other.trajectory.passes) {
        rows.compare(against, pass, (other.task.depth, beside));
    }
    rows.rows
}

/// Rows of one run, as they are made.
struct Rows<'a> {
    experiment: &'a Experiment,
    train: &'a Samples,
    run: Run<'a>,
    reference: Option<Partner>,
    rows: Vec<Row>,
}

impl Rows<'_> {
    fn push(&mut self, step: u32, depth_time: Option<f64>, observable: Observable, value: f64) {
        let (task, reference) = (self.run.task, self.reference);
        let (sample, output) = (None, None);
        self.rows.push(Row {
            task,
            step,
            depth_time,
            reference,
            observable,
            sample,
            output,
            value,
        });
    }

    /// All observables against this, of one pass and the one beside it.
    fn compare(&mut self, against: Against, pass: &Pass, (depth, beside): (usize, &Pass)) {
        let Rows { experiment, train, run, .. } = *self;
        let at = At { experiment, train, depth: run.task.depth, pass };
        let other = At { depth, pass: beside, ..at };
        for &observable in Observable::ALL {
            let entry = observable.entry();
            if entry.against != against {
                continue;
            }
            match entry.values {
                Values::Number(compute) => {
                    if let Some(value) = compute(&at, &other) {
                        self.push(pass.step, None, observable, value);
                    }
                }
                Values::AlongDepth(compute) => {
                    for (time, value) in compute(&at, &other) {
                        self.push(pass.step, Some(time), observable, value);
                    }
                }
                Values::Outputs(compute) => {
                    for (i, value) in compute(&at, &other).into_iter().enumerate() {
                        self.push(pass.step, None, observable, value);
                        let (sample, output) = (i / train.outputs, i % train.outputs);
                        if let Some(row) = self.rows.last_mut() {
                            row.sample = Some(train.indices[sample]);
                            row.output = (train.outputs > 1).then_some(output);
                        }
                    }
                }
                Values::Spectrum(_) | Values::Formed => {}
            }
        }
    }

    /// The ends of the spectra after so many steps, depth time by depth time.
    fn push_spectra(&mut self, step: u32) {
        // The covariances of the first k + 1 passes are the leading part of those of all passes.
        let columns = (step as usize + 1) * self.train.len();
        let covariances = self.run.trajectory.covariances.as_deref().unwrap_or_default();
        for (time, at) in common(self.experiment, self.run.task.depth, covariances) {
            let spectra = Spectra::of(at, columns);
            for &observable in Observable::ALL {
                if let Values::Spectrum(end) = observable.entry().values
                    && let Some(value) = end(&spectra)
                {
                    self.push(step, Some(time), observable, value);
                }
            }
        }
    }
}

impl Spectra {
    /// Of the leading `columns` × `columns` part.
    fn of(covariances: &Covariances, columns: usize) -> Self {
        let ends = |covariance: &Option<DMatrix<f64>>| {
            let covariance = covariance.as_ref().filter(|c| c.nrows() >= columns)?;
            let part = covariance.view((0, 0), (columns, columns)).clone_owned();
            let spectrum = part.symmetric_eigenvalues();
            Some(Ends { least: spectrum.min(), largest: spectrum.max() })
        };
        Spectra { features: ends(&covariances.features), gradients: ends(&covariances.gradients) }
    }
}

/// Of what a run of `depth` kept at each of its quarters: what lies at those common to all depths of
/// the experiment, with their depth times.
pub(super) fn common<'a, T>(
    experiment: &Experiment,
    depth: usize,
    kept: &'a [T],
) -> impl Iterator<Item = (f64, &'a T)> + use<'a, T> {
    let horizon = experiment.model.horizon;
    let wanted = experiment.probed_quarters();
    let kept = quarters(depth).into_iter().zip(kept);
    kept.filter(move |(i, _)| wanted.contains(i)).map(move |(i, x)| (i as f64 * horizon / 4.0, x))
}

/// Mean squares of the differences of h at the common depth times.
pub(super) fn feature_gaps(at: &At, other: &At) -> Vec<(f64, f64)> {
    gaps((at, &at.pass.features), (other, &other.pass.features))
}

/// Mean squares of the differences of g at the common depth times.
pub(super) fn gradient_gaps(at: &At, other: &At) -> Vec<(f64, f64)> {
    gaps((at, &at.pass.gradients), (other, &other.pass.gradients))
}

fn gaps((at, a): (&At, &[Snapshot]), (other, b): (&At, &[Snapshot])) -> Vec<(f64, f64)> {
    let samples = at.experiment.training.batch.size(at.train.len());
    let pairs = at.common(a).zip(other.common(b));
    pairs.map(|((time, a), (_, b))| (time, mean_square_gap(&a.rows, &b.rows, samples))).collect()
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

/// Σ (a − b)² over the number of entries.
pub(super) fn mean_square_difference(a: &[f64], b: &[f64]) -> f64 {
    let squares: f64 = a.iter().zip(b).map(|(a, b)| (a - b).powi(2)).sum();
    squares / a.len() as f64
}
