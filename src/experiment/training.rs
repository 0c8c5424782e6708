//! The section `training`: how networks are trained.

use schemars::JsonSchema;
use serde::{Deserialize, Deserializer, Serialize};

use super::Ensemble;
use super::check::Check;
use super::forms::{HasKind, Shorthand, number_or_word};
use super::optimizer::{BETAS, EPSILON, Optimizer, Orthogonalization};
use super::section::{Range, section};
use crate::choice::choice;
use crate::data::{Labels, Request, Source};
use crate::error::Result;
use crate::model::{Decay, Loss, Norm, Rule, Schedule};
use crate::rng::noise::MAX_STEP;

/// Runs of up to this many updates are recorded after each, longer ones about so often.
const RECORDED: u32 = 100;

/// Which samples an update uses.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Batch {
    /// All training samples at every update.
    Full,
    /// Minibatches of so many samples: each epoch is a permutation of the samples by the seed of the
    /// run, cut into minibatches, the remainder left out.
    #[serde(untagged)]
    Of(#[schemars(range(min = 1))] usize),
}

impl Batch {
    /// The number B of samples of an update, of so many `samples`.
    pub fn size(self, samples: usize) -> usize {
        match self {
            Batch::Full => samples,
            Batch::Of(size) => size,
        }
    }
}

impl<'de> Deserialize<'de> for Batch {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> std::result::Result<Self, D::Error> {
        let number = number_or_word(deserializer, "full", "a number of samples or \"full\"")?;
        Ok(number.map_or(Batch::Full, Batch::Of))
    }
}

choice! {
    /// How learning rates change over the updates of a run, after the warm-up.
    pub enum ScheduleKind {
        /// The rates stay as they are.
        Constant = "constant",
        /// The rates fall along half a cosine, to `final` times their value at the last update.
        Cosine = "cosine",
        /// The rates are multiplied by `factor` every `every` updates.
        Step = "step",
    }
}

section! {
    /// Learning rates of the input and the readout weights.
    "training.rates": TypedEndRates (Default) => EndRates {
        /// Learning rate η_in of the input weights U. Default: training.learning_rate.
        input: Option<f64> => f64 { range: Range::Positive, example: 0.25, }
        /// Learning rate η_out of the readout weights V. Default: training.learning_rate.
        readout: Option<f64> => f64 { range: Range::Positive, example: 0.25, }
    }
}

section! {
    /// A schedule of the learning rates: the word of a kind, or an object.
    "training.schedule": TypedSchedule (Default) {
        /// How the rates change after the warm-up.
        kind: Option<ScheduleKind> => ScheduleKind {
            default: ScheduleKind::Constant,
            example: ScheduleKind::Cosine,
        }
        /// Number W of updates of the linear warm-up: update k < W has (k + 1)/W times the rate. At
        /// most training.steps.
        warmup: Option<u32> => u32 { default: 0, range: Range::Within(0.0, MAX_STEP as f64), example: 10, }
        /// Cosine only: the share of the rate that is left at the last update. Default: 0.
        #[serde(rename = "final")]
        last: Option<f64> => f64 { range: Range::Within(0.0, 1.0), example: 0.1, }
        /// Step only, and required there: number of updates between two drops of the rate.
        every: Option<u32> => u32 { range: Range::Within(1.0, MAX_STEP as f64), example: 100, }
        /// Step only, and required there: the factor by which the rate is multiplied each time.
        factor: Option<f64> => f64 { range: Range::Positive, example: 0.5, }
    }
}

impl HasKind for TypedSchedule {
    type Kind = ScheduleKind;
    const FORMS: &'static str =
        "\"constant\", \"cosine\", \"step\", or an object with kind, warmup";
}

section! {
    /// How every network is trained: with sgd W ← W − η v, v ← μ v + D + λ W, where −η D is the update of
    /// gradient descent in the parametrization.
    "training": TypedTraining => Training {
        /// Loss of the outputs f against the labels y, averaged over samples.
        loss: Option<Loss> => Loss { default: Loss::Squared, example: Loss::CrossEntropy, }
        /// Number K of updates. K updates make K + 1 passes; 0 shows the initialisation only.
        steps: u32 => u32 { range: Range::Within(0.0, MAX_STEP as f64), example: 10, }
        /// Learning rate η of the hidden weights, before the factors of the parametrization.
        /// Required, unless ensemble.learning_rates names several. Default: the smallest of
        /// ensemble.learning_rates.
        learning_rate: Option<f64> => f64 { range: Range::Positive, example: 0.5, }
        /// Learning rates of the input and the readout weights. Default: training.learning_rate for
        /// both.
        rates: Option<TypedEndRates> => EndRates { example: serde_json::json!({ "input": 0.1 }), }
        /// Samples that an update uses: all of them, or minibatches of B (a number of at most
        /// data.samples): each epoch is a permutation of the samples, cut into minibatches.
        batch: Option<Batch> => Batch { default: Batch::Full, example: Batch::Of(4), }
        /// Optimizer that turns gradients into updates.
        optimizer: Option<Optimizer> => Optimizer {
            default: Optimizer::Sgd,
            example: Optimizer::Muon,
        }
        /// Muon only: how the orthogonal factor is found. Default: exact.
        #[serde(skip_serializing_if = "Option::is_none")]
        orthogonalization: Option<Orthogonalization> => Option<Orthogonalization> {
            example: Orthogonalization::NewtonSchulz,
        }
        /// muon, normalized-sgd and spectral only: whether an update uses μ v plus the gradient,
        /// with the v just updated, in place of v (Nesterov's momentum). Default: false.
        #[serde(skip_serializing_if = "Option::is_none")]
        nesterov: Option<bool> => Option<bool> { example: true, }
        /// adam and adamw only: the decay rates β₁ and β₂ of the running means of gradients and of
        /// their squares. Default: [0.9, 0.999].
        #[serde(skip_serializing_if = "Option::is_none")]
        betas: Option<[f64; 2]> => Option<[f64; 2]> { range: Range::BelowOne, example: [0.9, 0.95], }
        /// adam and adamw only: ε in W ← W − η m/(√v + ε), where gradients are scaled to order one,
        /// so that ε means the same at every width and depth. Default: 1e-8.
        #[serde(skip_serializing_if = "Option::is_none")]
        epsilon: Option<f64> => Option<f64> { range: Range::Positive, example: 1e-6, }
        /// Momentum μ of the updates: v ← μ v + D + λ W. Not with adam and adamw, which have betas.
        momentum: Option<f64> => f64 { default: 0.0, range: Range::BelowOne, example: 0.9, }
        /// Weight decay λ: the share of a trained weight that is lost at every update at η = 1, the
        /// same at every width and depth. Frozen groups do not decay. With sgd it enters the
        /// momentum v, with the other optimizers it is decoupled from it; not with adam.
        weight_decay: Option<f64> => f64 {
            default: 0.0,
            range: Range::Within(0.0, 1e12),
            example: 0.001,
        }
        /// Factor on all learning rates, update by update: the word of a kind, or an object. Default:
        /// constant.
        schedule: Option<Shorthand<TypedSchedule>> => Schedule {
            shown: "constant",
            example: serde_json::json!({ "kind": "cosine", "warmup": 2, "final": 0.1 }),
        }
        /// Number of updates between two recorded passes; the first and the last pass are always
        /// recorded. If more than 101 passes are recorded, only every k-th and the last are
        /// compared with another run's vectors, and judged; k is the smallest number that leaves at
        /// most 102. Default: 1, in runs of more than 100 updates K/100, rounded up.
        record: Option<u32> => u32 { range: Range::Within(1.0, MAX_STEP as f64), example: 5, }
    }
}

impl Training {
    /// The steps whose passes are recorded, ascending.
    pub fn recorded_steps(&self) -> impl Iterator<Item = u32> + use<> {
        (0..self.steps).step_by(self.record as usize).chain([self.steps])
    }

    /// Updates between two recorded passes whose vectors are compared with another run's: of all recorded
    /// passes where they are about a hundred or fewer, else about so many. Vectors take some
    /// thousand times the room of what is computed from them.
    pub fn compared_every(&self) -> u32 {
        let recorded = self.recorded_steps().count() as u32;
        self.record * recorded.div_ceil(RECORDED + 1)
    }

    /// The recorded steps whose vectors are compared, ascending; the last is among them.
    pub fn compared_steps(&self) -> impl Iterator<Item = u32> + use<> {
        (0..self.steps).step_by(self.compared_every() as usize).chain([self.steps])
    }

    /// What turns gradients into updates.
    pub fn rule(&self) -> Rule {
        let norm = match (self.optimizer, self.orthogonalization) {
            (Optimizer::Muon, Some(Orthogonalization::NewtonSchulz)) => Norm::NewtonSchulz,
            (Optimizer::Muon, _) => Norm::Polar,
            (Optimizer::NormalizedSgd, _) => Norm::Frobenius,
            (Optimizer::Spectral, _) => Norm::Spectral,
            (Optimizer::Adam | Optimizer::Adamw, _) => {
                let betas = self.betas.unwrap_or(BETAS);
                return Rule::Adam { betas, epsilon: self.epsilon.unwrap_or(EPSILON) };
            }
            (Optimizer::Signsgd, _) => return Rule::Sign,
            (Optimizer::Sgd | Optimizer::Adagrad | Optimizer::Rmsprop, _) => return Rule::Descent,
        };
        Rule::Normalized { norm, nesterov: self.nesterov.unwrap_or(false) }
    }
}

impl TypedTraining {
    /// Fills in the defaults, for these samples and the learning rates of the grid.
    ///
    /// # Errors
    /// At the offending field.
    pub fn resolve(self, ensemble: &Ensemble, data: &Request, check: &Check) -> Result<Training> {
        self.check_ranges(check)?;
        let first = ensemble.learning_rates.as_ref().map(|rates| rates[0]);
        let Some(learning_rate) = self.learning_rate.or(first) else {
            let help = "add training.learning_rate, or several as ensemble.learning_rates";
            return check.fail("training", "has no learning_rate", help);
        };
        if first.is_some_and(|first| first != learning_rate) {
            let problem = format!("{learning_rate} is not the least of ensemble.learning_rates");
            return check.fail("training.learning_rate", problem, "remove it");
        }
        let loss = self.loss();
        if loss == Loss::CrossEntropy {
            require_classes(data, check)?;
        }
        check_fields(&self, check)?;
        let batch = match self.batch() {
            Batch::Of(size) if size == data.samples => Batch::Full,
            Batch::Of(size) => Batch::Of(check.within("training.batch", size, 1, data.samples)?),
            Batch::Full => Batch::Full,
        };
        let (optimizer, momentum, weight_decay) =
            (self.optimizer(), self.momentum(), self.weight_decay());
        let adam = optimizer.is_adam();
        let muon = optimizer == Optimizer::Muon;
        let orthogonalization =
            muon.then(|| self.orthogonalization.unwrap_or(Orthogonalization::Exact));
        let betas = adam.then(|| self.betas.unwrap_or(BETAS));
        let epsilon = adam.then(|| self.epsilon.unwrap_or(EPSILON));
        let steps = self.steps;
        let rates = self.rates.unwrap_or_default();
        rates.check_ranges(check)?;
        Ok(Training {
            loss,
            steps,
            learning_rate,
            rates: EndRates {
                input: rates.input.unwrap_or(learning_rate),
                readout: rates.readout.unwrap_or(learning_rate),
            },
            batch,
            optimizer,
            orthogonalization,
            nesterov: self.nesterov.filter(|nesterov| *nesterov),
            betas,
            epsilon,
            momentum,
            weight_decay,
            schedule: match self.schedule {
                Some(Shorthand(schedule)) => schedule.resolve(steps, check)?,
                None => Schedule::CONSTANT,
            },
            record: self.record.unwrap_or(steps.div_ceil(RECORDED).max(1)),
        })
    }
}

/// Refuses fields of `typed` that its optimizer does not have, and optimizers that are not built.
///
/// # Errors
/// At the offending field.
pub fn check_fields(typed: &TypedTraining, check: &Check) -> Result<()> {
    let optimizer = typed.optimizer();
    let name = optimizer.name();
    if matches!(optimizer, Optimizer::Adagrad | Optimizer::Rmsprop) {
        let problem = format!("{name} is not built");
        return check.fail("training.optimizer", problem, "take adam, adamw or signsgd, or sgd");
    }
    for (field, there, of) in [
        ("orthogonalization", typed.orthogonalization.is_some(), optimizer == Optimizer::Muon),
        ("nesterov", typed.nesterov.is_some(), optimizer.normalizes()),
        ("betas", typed.betas.is_some(), optimizer.is_adam()),
        ("epsilon", typed.epsilon.is_some(), optimizer.is_adam()),
    ] {
        if there && !of {
            let problem = format!("does not apply to optimizer {name}");
            return check.fail(&format!("training.{field}"), problem, "remove it");
        }
    }
    if optimizer.is_adam() && typed.momentum() != 0.0 {
        let problem = format!("{name} has its momentum in training.betas");
        return check.fail("training.momentum", problem, "remove it, or set training.betas");
    }
    if optimizer == Optimizer::Adam && typed.weight_decay() != 0.0 {
        let problem = "adam would divide the decay of a weight by the history of its gradients";
        let help = "take adamw, whose decay is decoupled from them";
        return check.fail("training.weight_decay", problem, help);
    }
    Ok(())
}

impl TypedSchedule {
    fn resolve(self, steps: u32, check: &Check) -> Result<Schedule> {
        let kind = self.kind();
        for (field, there, of) in [
            ("final", self.last.is_some(), ScheduleKind::Cosine),
            ("every", self.every.is_some(), ScheduleKind::Step),
            ("factor", self.factor.is_some(), ScheduleKind::Step),
        ] {
            let field = format!("training.schedule.{field}");
            if there && kind != of {
                let problem = format!("does not apply to schedule {}", kind.name());
                return check.fail(&field, problem, "remove it");
            }
            if !there && kind == of && of == ScheduleKind::Step {
                return check.fail(&field, "is required with schedule step", "add it");
            }
        }
        let warmup = check.within("training.schedule.warmup", self.warmup(), 0, steps)?;
        let last = self.last.unwrap_or(0.0);
        check.within("training.schedule.final", last, 0.0, 1.0)?;
        self.check_ranges(check)?;
        let decay = match (kind, self.every, self.factor) {
            (ScheduleKind::Step, Some(every), Some(factor)) => Decay::Step { every, factor },
            (ScheduleKind::Cosine, ..) => Decay::Cosine { last },
            _ => Decay::Constant,
        };
        if kind == ScheduleKind::Cosine && steps - warmup < 2 {
            let problem = format!("cosine has {} updates after its warm-up", steps - warmup);
            let help = "it falls from the first update to the last: add steps, or lower warmup";
            return check.fail("training.schedule", problem, help);
        }
        Ok(Schedule { decay, warmup })
    }
}

/// Refuses cross-entropy where labels are known not to name classes; those of files are looked at
/// once they are loaded.
fn require_classes(data: &Request, check: &Check) -> Result<()> {
    let fail = |problem: String, help| check.fail("training.loss", problem, help);
    match (data.source, data.labels) {
        (Source::Csv | Source::Npy, _) if data.classes.is_none() => Ok(()),
        (Source::Toy | Source::Synthetic, _) => fail(
            format!(
                "cross-entropy needs an output a class, but source {} has one output",
                data.source.name()
            ),
            "take loss squared, or another source",
        ),
        (_, Labels::OneHot) => match data.classes.as_ref().map_or(0, Vec::len) {
            0 | 1 => {
                fail("cross-entropy needs two classes or more".to_owned(), "add to data.classes")
            }
            _ => Ok(()),
        },
        (_, Labels::Sign | Labels::Values) => fail(
            "cross-entropy needs one-hot labels, an output a class".to_owned(),
            "set data.labels to one-hot, or take loss squared",
        ),
    }
}
