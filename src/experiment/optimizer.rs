//! What turns gradients into updates: the words for it, and what goes with which.

use super::check::Check;
use super::{Backend, Engine, Experiment, Storage};
use crate::choice::choice;
use crate::error::Result;
use crate::model::Rule;

choice! {
    /// What turns gradients into updates (docs/theory.md, section 1.4). The changes of the hidden weights
    /// have the same powers of n and L with all of them.
    pub enum Optimizer {
        /// (Stochastic) gradient descent, with momentum, weight decay and schedules.
        Sgd = "sgd",
        /// Muon: the change of a hidden matrix is the polar factor of its momentum. Input and
        /// readout weights follow sgd, here and in spectral and normalized-sgd.
        Muon = "muon",
        /// Hidden matrices change by their momentum over its Frobenius norm.
        NormalizedSgd = "normalized-sgd",
        /// Hidden matrices change by their momentum over its largest singular value.
        Spectral = "spectral",
        /// Adam, in every group of weights; dense engine.
        Adam = "adam",
        /// Adam with decoupled weight decay; dense engine.
        Adamw = "adamw",
        /// Every weight changes by the sign of its momentum; dense engine.
        Signsgd = "signsgd",
        /// Refused: not built, and its updates are not of low rank.
        Adagrad = "adagrad",
        /// Refused: not built, and its updates are not of low rank.
        Rmsprop = "rmsprop",
    }
}

choice! {
    /// How Muon finds the orthogonal factor.
    pub enum Orthogonalization {
        /// The polar factor, by singular values, of which those below 1e-6 of the largest count as zero.
        Exact = "exact",
        /// The approximation used in practice: five steps of the quintic Newton–Schulz iteration
        /// with coefficients 3.4445, −4.7750 and 2.0315, which brings singular values near 1 but
        /// not to 1.
        NewtonSchulz = "newton-schulz",
    }
}

/// β₁ and β₂ of Adam where nothing is typed.
pub const BETAS: [f64; 2] = [0.9, 0.999];

/// ε of Adam where nothing is typed.
pub const EPSILON: f64 = 1e-8;

impl Optimizer {
    /// Whether it divides hidden matrices by a norm of theirs.
    pub fn normalizes(self) -> bool {
        matches!(self, Optimizer::Muon | Optimizer::NormalizedSgd | Optimizer::Spectral)
    }

    /// Whether it is Adam, with or without weight decay.
    pub fn is_adam(self) -> bool {
        matches!(self, Optimizer::Adam | Optimizer::Adamw)
    }
}

/// Refuses what the optimizer of `experiment` cannot be computed with.
///
/// # Errors
/// At the optimizer, with the reason.
pub fn check_optimizer(experiment: &Experiment, check: &Check) -> Result<()> {
    let (rule, name) = (experiment.training.rule(), experiment.training.optimizer.name());
    let fail = |problem: String, help| check.fail("training.optimizer", problem, help);
    if experiment.engine == Engine::Conditional && !rule.keeps_low_rank() {
        return fail(
            format!(
                "{name} divides the change of every single weight by its own size: the change of W is \
                 then not of low rank, which the conditional engine needs"
            ),
            "take engine dense and closures exact and gia, or an optimizer that keeps low ranks: sgd, \
             muon, normalized-sgd, spectral",
        );
    }
    if rule == Rule::Descent {
        return Ok(());
    }
    if experiment.backend == Backend::Cuda && matches!(rule, Rule::Normalized { .. }) {
        let problem = format!("backend cuda has no optimizer {name}");
        return fail(problem, "take backend cpu, or optimizer sgd, adam, adamw or signsgd");
    }
    if experiment.storage == Storage::Bf16 {
        let problem = format!("{name} does not keep its updates as shares of gradients");
        return fail(problem, "take storage full, or optimizer sgd");
    }
    Ok(())
}
