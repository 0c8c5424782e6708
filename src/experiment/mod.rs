//! What the user asked for: an experiment file, then a resolved experiment.
//!
//! In two stages: [`raw`] is what was typed (every default absent), [`resolve`] makes of it an
//! [`Experiment`] in which nothing is left open. A resolved experiment is itself a valid experiment
//! file, and resolving it again changes nothing. [`source`] knows where in the file a field stands.

mod blocks;
mod check;
mod choices;
pub mod grid;
pub mod raw;
pub mod resolve;
mod samples;
pub mod settled;
pub mod source;
mod training;
pub mod work;

use std::path::Path;

pub use crate::model::Block;
pub use choices::{Backend, Batch, Engine, Group, Optimizer, Precision, Storage, Study};
pub use settled::Settled;

use serde::Serialize;

use crate::choice::choice;
use crate::data::Request;
use crate::error::Result;
use crate::model::{
    Activation, Closure, Exponents, Groups, Loss, Parametrization, Rates, ScaleLaw, Schedule,
};
use grid::{Task, quarters};

/// The network.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Model {
    /// Powers of width and depth.
    pub parametrization: Parametrization,
    /// Of the branch and the hidden rate.
    pub exponents: Exponents,
    /// The branch.
    pub block: Block,
    /// φ
    pub activation: Activation,
    /// T
    pub horizon: f64,
    /// γ
    pub gamma: f64,
    /// Trained groups.
    pub train: Vec<Group>,
}

impl Model {
    /// Its scales at any width and depth.
    pub fn scale_law(&self) -> ScaleLaw {
        ScaleLaw {
            parametrization: self.parametrization,
            exponents: self.exponents,
            block: self.block,
            activation: self.activation,
            horizon: self.horizon,
            gamma: self.gamma,
        }
    }

    /// Trained groups as flags.
    pub fn groups(&self) -> Groups {
        let has = |group| self.train.contains(&group);
        Groups {
            input: has(Group::Input),
            hidden: has(Group::Hidden),
            readout: has(Group::Readout),
        }
    }
}

/// Learning rates of the ends.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct EndRates {
    /// η_in
    pub input: f64,
    /// η_out
    pub readout: f64,
}

/// How it is trained.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Training {
    /// The loss.
    pub loss: Loss,
    /// Updates.
    pub steps: u32,
    /// η of the hidden weights.
    pub learning_rate: f64,
    /// η of the ends.
    pub rates: EndRates,
    /// Samples an update uses.
    pub batch: Batch,
    /// How.
    pub optimizer: Optimizer,
    /// μ
    pub momentum: f64,
    /// λ
    pub weight_decay: f64,
    /// The factor on all rates, update by update.
    pub schedule: Schedule,
    /// Updates between recorded passes; the first and the last are always recorded.
    pub record: u32,
}

impl Training {
    /// The steps whose passes are recorded, ascending.
    pub fn recorded_steps(&self) -> impl Iterator<Item = u32> + use<> {
        (0..self.steps).step_by(self.record as usize).chain([self.steps])
    }
}

/// The grid of runs.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Ensemble {
    /// n, ascending.
    pub widths: Vec<usize>,
    /// L, ascending.
    pub depths: Vec<usize>,
    /// Seeds 0 .. seeds.
    pub seeds: u64,
    /// In the order of the tables.
    pub closures: Vec<Closure>,
    /// Where there are several, in the order of the tables; the first is the model's.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub parametrizations: Option<Vec<Parametrization>>,
    /// η where there are several, ascending; the first is the training's. At the others all groups
    /// keep their proportions.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub learning_rates: Option<Vec<f64>>,
}

choice! {
    /// What finite networks are compared with.
    pub enum ReferenceKind {
        /// Depth L is compared with depth 2L at the same width.
        Doubling = "doubling",
        /// All are compared with one wide and deep network.
        Network = "network",
        /// Nothing is compared: every depth has its own noise.
        None = "none",
    }
}

/// Leading rows of h and g kept for strong errors.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rows {
    /// Every row.
    All,
    /// The first so many.
    First(usize),
}

impl Rows {
    /// As a bound on the row index.
    pub fn limit(self) -> usize {
        match self {
            Rows::All => usize::MAX,
            Rows::First(rows) => rows,
        }
    }
}

impl Serialize for Rows {
    fn serialize<S: serde::Serializer>(
        &self,
        serializer: S,
    ) -> std::result::Result<S::Ok, S::Error> {
        match self {
            Rows::All => serializer.serialize_str("all"),
            Rows::First(rows) => serializer.serialize_u64(*rows as u64),
        }
    }
}

/// The comparison.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Reference {
    /// With what.
    pub kind: ReferenceKind,
    /// n_ref
    #[serde(skip_serializing_if = "Option::is_none")]
    pub width: Option<usize>,
    /// L_ref
    #[serde(skip_serializing_if = "Option::is_none")]
    pub depth: Option<usize>,
    /// Rows compared.
    pub rows: Rows,
}

/// A resolved experiment: nothing left open.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Experiment {
    /// Names the run directory.
    pub name: String,
    /// The question.
    pub study: Study,
    /// The samples.
    pub data: Request,
    /// The network.
    pub model: Model,
    /// How it is trained.
    pub training: Training,
    /// The grid of runs.
    pub ensemble: Ensemble,
    /// What they are compared with.
    pub reference: Reference,
    /// The noise grid; None: each depth its own.
    pub finest: Option<u32>,
    /// Conditional or dense.
    pub engine: Engine,
    /// What carries out the sweeps.
    pub backend: Backend,
    /// Floating point format.
    pub precision: Precision,
    /// How dense weights are kept.
    pub storage: Storage,
}

/// A resolved experiment and why its open choices fell as they did, one line a choice.
#[derive(Clone, Debug, PartialEq)]
pub struct Resolved {
    /// The experiment.
    pub experiment: Experiment,
    /// The reasons.
    pub decisions: Vec<String>,
}

impl Experiment {
    /// Those of the grid.
    pub fn parametrizations(&self) -> Vec<Parametrization> {
        let several = self.ensemble.parametrizations.clone();
        several.unwrap_or_else(|| vec![self.model.parametrization])
    }

    /// η of the grid, ascending.
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
    let source = source::Source::read(file, overrides)?;
    let raw = source.parse()?;
    resolve::resolve(raw, &source)
}
