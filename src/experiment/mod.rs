//! What the user asked for: an experiment file, then a resolved experiment.
//!
//! Each section of the file has a module, in which a field is one entry of a table: what it means, the
//! type that is typed and the type that it resolves to, its default, range and example. From these come
//! what was typed (a `Typed…`, every default absent), the resolved section (nothing left open), the JSON
//! schema and `docs/experiment.md` ([`manual`]). A resolved experiment is itself a valid experiment file,
//! and resolving it again changes nothing. [`file`](mod@file) knows where in the text a field stands.

mod check;
mod comments;
mod data;
mod ensemble;
pub mod file;
mod forms;
pub mod grid;
pub mod limit;
pub mod manual;
mod model;
mod normalization;
mod optimizer;
mod reference;
pub mod resolve;
pub mod run;
mod scales;
mod section;
mod settings;
pub mod settled;
mod study;
mod training;

use std::path::Path;

pub use crate::model::Block;
pub use data::TypedData;
pub use ensemble::{Ensemble, TypedEnsemble};
pub use forms::{OrAuto, Shorthand};
pub use limit::{Limit, TypedLimit};
pub use model::{Group, Model, TypedModel};
pub use optimizer::{Optimizer, Orthogonalization};
pub use reference::{Reference, ReferenceKind, Rows, TypedReference};
pub use settings::{Backend, Engine, Precision, Storage};
pub use settled::Settled;
pub use study::Study;
pub use training::{
    Batch, EndRates, ScheduleKind, Training, TypedEndRates, TypedSchedule, TypedTraining,
};

use crate::data::Request;
use crate::error::Result;
use crate::model::{Parametrization, Rates};
use grid::{Task, quarters};
use section::{Range, section};

/// Noise addresses hold rows in 32 bits of four, but no machine holds such vectors.
const WIDEST: usize = 1 << 30;
/// The finest noise grid, and with it the largest depth.
const FINEST: usize = 1 << 20;

section! {
    /// An experiment: which networks are trained on what, and what they are compared with.
    "": TypedExperiment => Experiment {
        /// Name of the experiment, and of its run directory, `runs/<name>`: letters, digits, '-', '_' and
        /// inner '.', at most 100.
        name: String => String { example: "first-try", }
        /// Question that the report answers: which claims are judged and which figures are drawn.
        study: Option<Study> => Study {
            default: Study::TrainingConvergence,
            example: Study::Transfer,
        }
        /// Samples that the networks are trained and evaluated on.
        data: TypedData => Request { example: serde_json::json!({ "source": "digits" }), }
        /// Network: parametrization, form of the blocks, activation. Default: the defaults of its
        /// fields.
        model: Option<TypedModel> => Model { example: serde_json::json!({ "activation": "relu" }), }
        /// Training: loss, number of updates, learning rates, minibatches, schedule.
        training: TypedTraining => Training {
            example: serde_json::json!({ "steps": 10, "learning_rate": 0.5 }),
        }
        /// Grid of runs: widths, depths, seeds and closures.
        ensemble: TypedEnsemble => Ensemble {
            example: serde_json::json!({ "widths": [1024], "depths": [4, 8, 16], "seeds": 8 }),
        }
        /// What finite networks are compared with: the word of a kind, or an object. Default: doubling.
        reference: Option<Shorthand<TypedReference>> => Reference {
            shown: "doubling",
            example: serde_json::json!({ "width": 65536, "depth": 512 }),
        }
        /// Limit n = L = ∞ of the outputs and order parameters, with its error: where this section
        /// is given, weak errors against the limit are judged as well. Default: none; with study
        /// limit and reference limit, the defaults of its fields.
        #[serde(skip_serializing_if = "Option::is_none")]
        limit: Option<TypedLimit> => Option<Limit> {
            example: serde_json::json!({ "tolerance": 1e-4 }),
        }
        /// Number of layers of the noise grid that all depths share, a common multiple of them. Default:
        /// the least common multiple of all depths; none where nothing is compared.
        finest: Option<u32> => Option<u32> {
            range: Range::Within(1.0, FINEST as f64),
            example: 128,
        }
        /// How training runs are computed. auto: the one that takes less time by the cost model, of
        /// those that can run the whole experiment.
        engine: Option<OrAuto<Engine>> => Engine { shown: "auto", example: Engine::Conditional, }
        /// What carries out the sweeps over the layers. auto: a GPU where there is one and the experiment
        /// can run on it, else the processor.
        backend: Option<OrAuto<Backend>> => Backend { shown: "auto", example: Backend::Cuda, }
        /// Format of vectors and weights; small matrices are always f64. Default: f32, where all learning
        /// rates are at least 1e-4 (conditional) or the updates of a weight at least about 1e-5 (dense),
        /// else f64; f64 on backend plain.
        precision: Option<Precision> => Precision { example: Precision::F64, }
        /// How the hidden weights of the dense engine are kept.
        storage: Option<Storage> => Storage { default: Storage::Full, example: Storage::Bf16, }
    }
}

/// A resolved experiment and why its open choices fell as they did.
#[derive(Clone, Debug, PartialEq)]
pub struct Resolved {
    /// The experiment with nothing left open.
    pub experiment: Experiment,
    /// The reasons for what was left open, one line a choice.
    pub decisions: Vec<String>,
}

impl Experiment {
    /// The parametrizations of the grid.
    pub fn parametrizations(&self) -> Vec<Parametrization> {
        let several = self.ensemble.parametrizations.clone();
        several.unwrap_or_else(|| vec![self.model.parametrization])
    }

    /// The learning rates η of the grid, ascending.
    pub fn learning_rates(&self) -> Vec<f64> {
        let several = self.ensemble.learning_rates.clone();
        several.unwrap_or_else(|| vec![self.training.learning_rate])
    }

    /// The experiment with the parametrization and the learning rate of `task` alone.
    pub fn of(&self, task: Task) -> Experiment {
        self.with(task.parametrization, task.learning_rate.value())
    }

    /// The experiment with one parametrization and one learning rate of the grid.
    pub fn with(&self, parametrization: Parametrization, rate: f64) -> Experiment {
        let mut alone = self.clone();
        if alone.ensemble.parametrizations.take().is_some() {
            alone.model.parametrization = parametrization;
            alone.model.exponents = parametrization.exponents();
        }
        if alone.ensemble.learning_rates.take().is_some() {
            let Training { learning_rate, rates, .. } = &mut alone.training;
            let factor = rate / *learning_rate;
            *learning_rate = rate;
            *rates = EndRates { input: factor * rates.input, readout: factor * rates.readout };
        }
        alone
    }

    /// Learning rates, zero for groups that are not trained.
    pub fn rates(&self) -> Rates {
        let groups = self.model.groups();
        let of = |trained, rate| if trained { rate } else { 0.0 };
        Rates {
            input: of(groups.input, self.training.rates.input),
            hidden: of(groups.hidden, self.training.learning_rate),
            readout: of(groups.readout, self.training.rates.readout),
        }
    }

    /// All depths that run, the reference's included, ascending.
    pub fn all_depths(&self) -> Vec<usize> {
        let mut depths = self.ensemble.depths.clone();
        depths.extend(self.reference.depth);
        depths.sort_unstable();
        depths.dedup();
        depths
    }

    /// Quarters i of the horizon at which vectors are compared: those whose layer iL/4 exists at
    /// every depth.
    pub fn probed_quarters(&self) -> Vec<usize> {
        let depths = self.all_depths();
        (0..=4).filter(|i| depths.iter().all(|&depth| quarters(depth).contains(i))).collect()
    }
}

/// Reads, overrides and resolves an experiment file. `overrides` are `field=value` pairs.
///
/// # Errors
/// [`crate::error::Error::Experiment`] with line, column and field; [`crate::error::Error::Io`].
pub fn load(file: &Path, overrides: &[String]) -> Result<Resolved> {
    let file = file::ExperimentFile::read(file, overrides)?;
    resolve::resolve(file.parse()?, &file)
}
