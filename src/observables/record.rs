//! From trajectories to rows: each recorded pass of a run beside the pass it is compared with.
//!
//! Both runs of a pair read the same Brownian path (docs/theory.md, section 4), see the same
//! minibatches and record the same steps.

use super::compute::{At, Spectra, common};
use super::{Against, Observable, Partner, Row, Values};
use crate::data::Samples;
use crate::engine::{Pass, Trajectory};
use crate::experiment::Experiment;
use crate::experiment::grid::Task;

/// A finished run: its task, and what it recorded.
#[derive(Clone, Copy)]
pub struct Run<'a> {
    /// Which run it is.
    pub task: Task,
    /// What it recorded, pass by pass.
    pub trajectory: &'a Trajectory,
}

/// The observables of one run, step by step.
pub fn of_run(experiment: &Experiment, train: &Samples, run: Run) -> Vec<Row> {
    let mut rows = Rows { experiment, train, run, reference: None, rows: Vec::new() };
    let passes = &run.trajectory.passes;
    for pass in passes {
        rows.compare(Against::Start, pass, run.task.depth, &passes[0]);
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
        Against::Limit => Partner::Limit,
        _ => Partner::Network { width: other.task.width, depth: other.task.depth },
    };
    let mut rows = Rows { experiment, train, run, reference: Some(reference), rows: Vec::new() };
    for (pass, beside) in run.trajectory.passes.iter().zip(&other.trajectory.passes) {
        rows.compare(against, pass, other.task.depth, beside);
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
    /// Adds a row, unless its number has overflowed: what was recorded is finite, but its squares and
    /// differences need not be.
    fn push(&mut self, step: u32, depth_time: Option<f64>, observable: Observable, value: f64) {
        if !value.is_finite() {
            return;
        }
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

    /// All observables against this, of one pass and the one beside it, of a run of this depth.
    fn compare(&mut self, against: Against, pass: &Pass, depth: usize, beside: &Pass) {
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
                        let before = self.rows.len();
                        self.push(pass.step, None, observable, value);
                        let (sample, output) = (i / train.outputs, i % train.outputs);
                        for row in &mut self.rows[before..] {
                            row.sample = Some(train.indices[sample]);
                            row.output = Some(output);
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
