//! results.csv: one number a line, every line complete in itself.

use serde::Serialize;

use super::Observable;
use crate::error::{Error, Result};
use crate::experiment::Experiment;
use crate::experiment::grid::Task;

/// One number that was measured.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Row {
    /// The run that it is of.
    pub task: Task,
    /// Updates done before the pass.
    pub step: u32,
    /// Depth time t = lT/L, of an observable that has one.
    pub depth_time: Option<f64>,
    /// What the run was compared with, if with another.
    pub reference: Option<Partner>,
    /// What was measured: a row of the table.
    pub observable: Observable,
    /// The sample's index in its data set, of an observable with a number for every output.
    pub sample: Option<u32>,
    /// The output of that sample, from 0: its class, where labels are one-hot.
    pub output: Option<usize>,
    /// The number that was measured.
    pub value: f64,
}

/// The run that another is compared with: of the same seed, and otherwise the same task.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Partner {
    /// A network of other sizes.
    Network {
        /// Its width n.
        width: usize,
        /// Its depth L.
        depth: usize,
    },
    /// The exact closure at the same sizes.
    ExactClosure,
    /// The limit of infinite width and depth.
    Limit,
}

impl Row {
    /// The column `reference`, empty for none.
    fn reference_name(&self) -> String {
        match self.reference {
            None => String::new(),
            Some(Partner::Network { width, depth }) if width == self.task.width => {
                format!("depth={depth}")
            }
            Some(Partner::Network { width, depth }) => format!("width={width} depth={depth}"),
            Some(Partner::ExactClosure) => "closure=exact".to_owned(),
            Some(Partner::Limit) => "limit".to_owned(),
        }
    }
}

/// A line of results.csv, its columns in order.
#[derive(Serialize)]
pub(super) struct Line {
    pub closure: &'static str,
    pub parametrization: &'static str,
    pub engine: &'static str,
    pub precision: &'static str,
    pub width: usize,
    pub depth: usize,
    pub learning_rate: f64,
    pub seed: u64,
    pub step: u32,
    pub depth_time: Option<f64>,
    pub sample: Option<u32>,
    pub output: Option<usize>,
    pub reference: String,
    pub observable: &'static str,
    pub value: f64,
}

/// The lines of some rows.
pub(super) fn lines(experiment: &Experiment, rows: &[Row]) -> impl Iterator<Item = Line> {
    let (engine, precision) = (experiment.engine.name(), experiment.precision.name());
    rows.iter().map(move |row| {
        let Task { closure, parametrization, width, depth, learning_rate, seed } = row.task;
        Line {
            closure: closure.name(),
            parametrization: parametrization.name(),
            engine,
            precision,
            width,
            depth,
            learning_rate: learning_rate.value(),
            seed,
            step: row.step,
            depth_time: row.depth_time,
            sample: row.sample,
            output: row.output,
            reference: row.reference_name(),
            observable: row.observable.name(),
            value: row.value,
        }
    })
}

/// The whole file, header included; numbers as short as they can be without loss.
///
/// # Errors
/// [`Error::Io`] if encoding fails.
pub fn to_csv(experiment: &Experiment, rows: &[Row]) -> Result<Vec<u8>> {
    let fail = |source: csv::Error| Error::Io {
        action: "encode",
        path: "results.csv".into(),
        source: std::io::Error::other(source),
    };
    let mut writer = csv::Writer::from_writer(Vec::new());
    for line in lines(experiment, rows) {
        writer.serialize(line).map_err(fail)?;
    }
    writer.into_inner().map_err(|error| fail(error.into_error().into()))
}
