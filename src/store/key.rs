//! What makes two tasks the same: everything that their numbers depend on, and nothing else.

use serde::Serialize;
use serde_json::json;
use xxhash_rust::xxh3::{Xxh3, xxh3_64, xxh3_128};

use crate::data::{DataSet, Samples};
use crate::experiment::Experiment;
use crate::experiment::grid::{LearningRate, Task, is_compared};
use crate::experiment::limit::Block;
use crate::model::Parametrization;

/// Raise it whenever the same task would give other numbers: noise addresses, engines' recipes,
/// what is recorded at which layers.
pub const SCHEME: u32 = 3;

/// The hash of everything that defines a task.
pub type Key = u128;

/// Keys of the tasks of one experiment.
#[derive(Clone, Debug)]
pub struct Keys {
    /// What all tasks of a parametrization and learning rate share, as text.
    common: Vec<(Parametrization, LearningRate, String)>,
    experiment: Experiment,
}

impl Keys {
    /// The keys for tasks of `experiment` on these samples, computed on `numeric_path`.
    pub fn new(experiment: &Experiment, data: &DataSet, numeric_path: &str) -> Self {
        let samples = samples_hash(data);
        let rates = experiment.learning_rates();
        let parametrizations = experiment.parametrizations();
        let settings = parametrizations.iter().flat_map(|&p| rates.iter().map(move |&r| (p, r)));
        let common = |(parametrization, rate)| {
            let alone = experiment.with(parametrization, rate);
            let common = json!({
                "scheme": SCHEME,
                "numeric_path": numeric_path,
                "data": alone.data,
                "samples": samples,
                "model": alone.model,
                "training": alone.training,
                "engine": alone.engine,
                "backend": alone.backend,
                "precision": alone.precision,
                "storage": alone.storage,
                "rows": alone.reference.rows,
            });
            (parametrization, LearningRate::new(rate), common.to_string())
        };
        let common = settings.map(common).collect();
        Keys { common, experiment: experiment.clone() }
    }

    /// The key under which a task is recorded.
    pub fn of(&self, task: Task) -> Key {
        self.key(task, is_compared(&self.experiment, task))
    }

    /// The keys of all records that serve for a task: one that is compared with nothing may have been
    /// recorded in a larger experiment.
    pub fn serving(&self, task: Task) -> impl Iterator<Item = Key> + use<> {
        let own = self.of(task);
        let larger = self.key(task, true);
        [Some(own), (larger != own).then_some(larger)].into_iter().flatten()
    }

    /// The key of the record of a task, with the rows that comparisons need or with none.
    fn key(&self, task: Task, with_rows: bool) -> Key {
        let Task { closure, parametrization, width, depth, learning_rate, seed } = task;
        let finest = self.experiment.finest.unwrap_or(depth as u32);
        let mut own = json!([finest, closure, width, depth, seed]).to_string();
        let (training, every) =
            (&self.experiment.training, self.experiment.training.compared_every());
        if Block::of(task).is_none() {
            match with_rows {
                true if every == training.record => {}
                true => own += &format!("rows every {every}"),
                false => own += "no rows",
            }
        }
        let setting = |(p, rate, _): &&(_, _, _)| (*p, *rate) == (parametrization, learning_rate);
        let text = match self.common.iter().find(setting) {
            Some((_, _, common)) => format!("{common}{own}"),
            // The task is none of the experiment.
            None => format!("{parametrization:?}{learning_rate:?}{own}"),
        };
        xxh3_128(text.as_bytes())
    }
}

/// A hash of the loaded samples, all bits of them.
pub fn samples_hash(data: &DataSet) -> String {
    let mut hash = Xxh3::new();
    for samples in [&data.train, &data.test] {
        let Samples { dimension, outputs, inputs, labels, indices } = samples;
        for size in [*dimension, *outputs, inputs.len(), labels.len(), indices.len()] {
            hash.update(&(size as u64).to_le_bytes());
        }
        inputs.iter().chain(labels).for_each(|number| hash.update(&number.to_le_bytes()));
        indices.iter().for_each(|index| hash.update(&index.to_le_bytes()));
    }
    format!("{:032x}", hash.digest128())
}

/// A hash of a resolved experiment: which one a file belongs to.
pub fn experiment_hash(experiment: &impl Serialize) -> String {
    let text = serde_json::to_string(experiment).unwrap_or_default();
    format!("{:016x}", xxh3_64(text.as_bytes()))
}
