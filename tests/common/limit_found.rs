//! The limits of an experiment, computed in the process.

use std::collections::HashMap;
use std::path::Path;
use std::sync::atomic::AtomicBool;

use nfd::data::{self, DataSet};
use nfd::ensemble::blocks::average;
use nfd::ensemble::limits::Limits;
use nfd::experiment::Experiment;
use nfd::experiment::file::ExperimentFile;
use nfd::experiment::limit::Block;
use nfd::experiment::resolve::resolve;
use nfd::limit::{BlockRecord, Finished, LevelSummary, Number, Quantities};
use nfd::model::Closure;

/// The limits of an experiment.
pub struct Found {
    pub experiment: Experiment,
    pub data: DataSet,
    pub quantities: Quantities,
    pub limits: Vec<Finished>,
}

/// The toy set's limit after one update of hidden weights, with these fields set otherwise.
pub fn limits_of(overrides: &[&str]) -> Found {
    let text = r#"{ "name": "e", "study": "limit", "data": { "source": "toy" },
        "model": { "train": ["hidden"] }, "training": { "steps": 1, "learning_rate": 1.0 },
        "ensemble": { "closures": ["exact"] }, "limit": { "width": 2048, "tolerance": 5e-3 } }"#;
    let overrides: Vec<String> = overrides.iter().map(|&s| s.to_owned()).collect();
    let source = ExperimentFile::new(Path::new("e.json"), text.to_owned(), &overrides).unwrap();
    let experiment = resolve(source.parse().unwrap(), &source).unwrap().experiment;
    let data = data::load(&experiment.data).unwrap();
    let (quantities, limits) = compute(&experiment, &data);
    Found { experiment, data, quantities, limits }
}

/// Goes through all rounds.
fn compute(experiment: &Experiment, data: &DataSet) -> (Quantities, Vec<Finished>) {
    let limit = experiment.limit.as_ref().unwrap();
    let mut limits = Limits::new(experiment, data).unwrap();
    let mut done: HashMap<Block, BlockRecord> = HashMap::new();
    while !limits.advance_with(&|block| Ok(done.get(&block).cloned())).unwrap() {
        for block in limits.tasks().into_iter().filter_map(|(task, _)| Block::of(task)) {
            done.entry(block).or_insert_with(|| {
                average(experiment, limit, data, block, &AtomicBool::new(false)).unwrap()
            });
        }
    }
    (limits.quantities().clone(), limits.finished())
}

impl Found {
    pub fn limit(&self, closure: Closure) -> &Finished {
        self.limits.iter().find(|limit| limit.closure == closure).unwrap()
    }

    /// The numbers of an array.
    pub fn numbers(&self, closure: Closure, name: &str) -> Vec<Number> {
        let estimate = &self.limit(closure).estimate;
        self.quantities.range(name).map(|i| estimate.number(i)).collect()
    }

    /// What each level has taken.
    pub fn levels(&self, closure: Closure) -> Vec<LevelSummary> {
        let width = self.experiment.limit.as_ref().unwrap().width;
        self.limit(closure).estimate.summaries(self.quantities.targets.clone(), width)
    }

    /// S, inner products of samples over the dimension, and labels.
    pub fn gram_and_labels(&self) -> (Vec<Vec<f64>>, Vec<f64>) {
        let train = &self.data.train;
        let d = train.dimension;
        let inputs = || train.inputs.chunks(d);
        let dot = |a: &[f64], b: &[f64]| a.iter().zip(b).map(|(a, b)| a * b).sum::<f64>();
        let row = |a: &[f64]| inputs().map(|b| dot(a, b) / d as f64).collect();
        (inputs().map(row).collect(), train.labels.clone())
    }
}
