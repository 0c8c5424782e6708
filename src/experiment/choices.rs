//! What an experiment chooses between, by the names that files and results have for it.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Questions the program answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Study {
    /// How fast training dynamics converge in depth, and what the closures leave out.
    TrainingConvergence,
    /// Errors at initialisation, in width and depth together.
    Propagation,
    /// What independent backward weights change in training, by depth and parametrization.
    GradientIndependence,
    /// Whether features and gradients of all samples and steps stay linearly independent.
    Nondegeneracy,
    /// Whether learning rates transfer between depths, and which weights move.
    Transfer,
    /// Couplings by direction and age, per layer and summed, closure by closure.
    Anatomy,
}

/// A group of weights.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Group {
    /// U
    Input,
    /// W_1 … W_L
    Hidden,
    /// V
    Readout,
}

/// Which samples an update uses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Batch {
    /// All of them.
    Full,
    /// Minibatches of so many, fewer than there are; see [`crate::engine::batches`].
    Of(usize),
}

impl Batch {
    /// B, of so many `samples`.
    pub fn size(self, samples: usize) -> usize {
        match self {
            Batch::Full => samples,
            Batch::Of(size) => size,
        }
    }
}

impl Serialize for Batch {
    fn serialize<S: serde::Serializer>(
        &self,
        serializer: S,
    ) -> std::result::Result<S::Ok, S::Error> {
        match self {
            Batch::Full => serializer.serialize_str("full"),
            Batch::Of(size) => serializer.serialize_u64(*size as u64),
        }
    }
}

/// What turns gradients into updates.
///
/// The others are known by name only: they are refused with the reason.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Optimizer {
    /// With momentum, weight decay and schedules.
    Sgd,
    /// Refused.
    Adam,
    /// Refused.
    Adamw,
    /// Refused.
    Adagrad,
    /// Refused.
    Rmsprop,
}

/// How a training run is computed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Engine {
    /// Matrix-free, by conditioning on answers.
    Conditional,
    /// Explicit weights.
    Dense,
}

impl Engine {
    /// Its name in experiments and results.
    pub fn name(self) -> &'static str {
        match self {
            Engine::Conditional => "conditional",
            Engine::Dense => "dense",
        }
    }
}

/// What carries out the sweeps.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Backend {
    /// The f64 oracle.
    Plain,
    /// The fast one, f32 or f64.
    Cpu,
    /// One NVIDIA GPU, f32 or f64.
    Cuda,
}

impl Backend {
    /// Its name in experiments.
    pub fn name(self) -> &'static str {
        match self {
            Backend::Plain => "plain",
            Backend::Cpu => "cpu",
            Backend::Cuda => "cuda",
        }
    }
}

/// The floating point format of vectors and weights.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Precision {
    /// binary32
    F32,
    /// binary64
    F64,
}

impl Precision {
    /// Its name in experiments and results.
    pub fn name(self) -> &'static str {
        match self {
            Precision::F32 => "f32",
            Precision::F64 => "f64",
        }
    }
}

/// How the hidden weights of the dense engine are kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Storage {
    /// All their numbers in the format of the run.
    Full,
    /// Initial ones frozen in bf16, what training adds in low-rank factors.
    Bf16,
}
