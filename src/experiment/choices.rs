//! What an experiment chooses between, by the names that files and results have for it.

use serde::Serialize;

use crate::choice::choice;

choice! {
    /// Questions the program answers.
    pub enum Study {
        /// How fast training dynamics converge in depth, and what the closures leave out.
        TrainingConvergence = "training-convergence",
        /// Errors at initialisation, in width and depth together.
        Propagation = "propagation",
        /// What independent backward weights change in training, by depth and parametrization.
        GradientIndependence = "gradient-independence",
        /// Whether features and gradients of all samples and steps stay linearly independent.
        Nondegeneracy = "nondegeneracy",
        /// Whether learning rates transfer between depths, and which weights move.
        Transfer = "transfer",
        /// Couplings by direction and age, per layer and summed, closure by closure.
        Anatomy = "anatomy",
    }
}

choice! {
    /// A group of weights.
    pub enum Group {
        /// The input weights U, n×d.
        Input = "input",
        /// The hidden weights W_1 … W_L, n×n each (two-layer blocks: both matrices).
        Hidden = "hidden",
        /// The readout weights V, n×O.
        Readout = "readout",
    }
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

choice! {
    /// What turns gradients into updates.
    ///
    /// The others are known by name only: they are refused with the reason.
    pub enum Optimizer {
        /// (Stochastic) gradient descent, with momentum, weight decay and schedules.
        Sgd = "sgd",
        /// Refused: its updates are not of low rank.
        Adam = "adam",
        /// Refused: its updates are not of low rank.
        Adamw = "adamw",
        /// Refused: its updates are not of low rank.
        Adagrad = "adagrad",
        /// Refused: its updates are not of low rank.
        Rmsprop = "rmsprop",
    }
}

choice! {
    /// How a training run is computed.
    pub enum Engine {
        /// Matrix-free: weights are sampled lazily, by conditioning on the answers they have given;
        /// time O(n · rank).
        Conditional = "conditional",
        /// Explicit weight matrices; time O(n²).
        Dense = "dense",
    }
}

choice! {
    /// What carries out the sweeps.
    pub enum Backend {
        /// The short, slow reference implementation in f64, the oracle of the tests.
        Plain = "plain",
        /// The fast implementation on processors, in f32 or f64.
        Cpu = "cpu",
        /// One NVIDIA GPU, in f32 or f64.
        Cuda = "cuda",
    }
}

choice! {
    /// The floating point format of vectors and weights.
    pub enum Precision {
        /// Single precision, 32 bits (binary32).
        F32 = "f32",
        /// Double precision, 64 bits (binary64).
        F64 = "f64",
    }
}

choice! {
    /// How the hidden weights of the dense engine are kept.
    pub enum Storage {
        /// Every weight in the format of the run.
        Full = "full",
        /// Initial weights frozen in bf16, what training adds in low-rank factors beside them.
        Bf16 = "bf16",
    }
}
