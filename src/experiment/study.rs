//! The field `study`: which question an experiment asks.

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
        /// Outputs, losses and order parameters at n = L = ∞, to a tolerance.
        Limit = "limit",
        /// Couplings by direction and age, per layer and summed, closure by closure.
        Anatomy = "anatomy",
    }
}
