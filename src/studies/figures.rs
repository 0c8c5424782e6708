//! Figures as data: what is on which axis, and which rows make a line. The report draws them.
//!
//! What a figure does not vary is held: at the greatest width and depth, after the last update, at the
//! least learning rate, in the exact closure and in depth-μP where the experiment has them.

use crate::model::Closure;
use crate::observables::Observable::{self, *};

/// A figure of means over seeds.
pub struct Figure {
    /// Its file, without ending; letters, digits and dashes.
    pub name: &'static str,
    /// Its heading, in a few words.
    pub title: &'static str,
    /// What is shown; several, with a label each, where there is a line for each of them.
    pub shown: &'static [(Observable, &'static str)],
    /// What varies along the horizontal axis.
    pub across: Across,
    /// What there is a line for each of.
    pub by: By,
    /// What there is a figure for each of, if there are several figures.
    pub each: Option<By>,
    /// The closure that is held, if not the one that is held otherwise.
    pub closure: Option<Closure>,
    /// Whether bands of one standard deviation over seeds take the place of standard errors.
    pub has_bands: bool,
    /// What is said below it; where it is empty, what the observable means.
    pub caption: &'static str,
}

/// What varies along the horizontal axis of a figure.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Across {
    /// The updates k, from 0.
    Step,
    /// Depth time t, from 0 to the horizon T.
    DepthTime,
    /// The depth L of the networks.
    Depth,
    /// The learning rate η of the hidden weights.
    LearningRate,
}

/// What the lines of a figure, or several figures, differ in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum By {
    /// The updates k, from the observable's first step on; at most six of them.
    Step,
    /// The depth L of the networks; at most six of them.
    Depth,
    /// The closures of the experiment.
    Closure,
    /// The parametrizations of the experiment.
    Parametrization,
    /// The observables that are shown.
    Observable,
}

/// Lines over the updates, one a closure: what a figure that says nothing else is.
pub const LINES: Figure = Figure {
    name: "",
    title: "",
    shown: &[],
    across: Across::Step,
    by: By::Closure,
    each: None,
    closure: None,
    has_bands: false,
    caption: "",
};

/// What every experiment shows, whatever its study.
pub const COMMON: &[Figure] = &[
    Figure {
        by: By::Depth,
        ..of_closures("loss-by-depth", "Training loss by depth", &[(TrainingLoss, "")])
    },
    of_closures("loss-by-closure", "Training loss by closure", &[(TrainingLoss, "")]),
    of_closures("test-loss-by-closure", "Test loss by closure", &[(TestLoss, "")]),
    Figure {
        by: By::Depth,
        caption: "One sample, the first.",
        ..of_closures("output-by-depth", "Output by depth", &[(Output, "")])
    },
    Figure {
        caption: "One sample, the first.",
        ..of_closures("output-by-closure", "Output by closure", &[(Output, "")])
    },
    along_depth("movement-along-depth", "How far features move", &[(FeatureMovement, "")]),
    Figure {
        by: By::Depth,
        ..of_closures("own-movement", "Movement by a layer’s own weights", &[(OwnMovement, "")])
    },
    of_closures("rank-features", "Rank of stored features", &[(FeatureRank, "")]),
    of_closures("rank-gradients", "Rank of stored gradients", &[(GradientRank, "")]),
    along_depth(
        "eigmin-features",
        "Smallest eigenvalue, features",
        &[(LeastFeatureEigenvalue, "")],
    ),
    along_depth(
        "eigmin-gradients",
        "Smallest eigenvalue, gradients",
        &[(LeastGradientEigenvalue, "")],
    ),
];

const fn of_closures(
    name: &'static str,
    title: &'static str,
    shown: &'static [(Observable, &'static str)],
) -> Figure {
    Figure { name, title, shown, ..LINES }
}

const fn along_depth(
    name: &'static str,
    title: &'static str,
    shown: &'static [(Observable, &'static str)],
) -> Figure {
    Figure { name, title, shown, across: Across::DepthTime, by: By::Step, ..LINES }
}
