//! What each study claims: observables, the family that their dependence on depth (or width)
//! follows, and the exponent that theory gives. Declared here, before any data (docs/theory.md,
//! sections 5 and 7).

use serde::Serialize;

use super::series::WEAK;
use crate::experiment::Study;
use crate::model::Closure::{self, Exact, Gia, Nfd};
use crate::model::Parametrization::{self, DepthMup, DepthMupCorrected};

/// How an observable should depend on depth or width.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Family {
    /// Falls like a power: a x^{−p} (1 + b/x).
    Power,
    /// The same plus a floor e/(nL).
    PowerAndFloor,
    /// A sum of both sizes' errors, one exponent declared: a n^{−p} (1 + c/L) + b L^{−q}.
    Sum,
    /// Grows like a power: a x^{p} (1 + b/x).
    Growth,
    /// Tends to a constant: c + a x^{−p}.
    Plateau,
    /// A line in logarithms: a x^{p}, p of either sign.
    Trend,
    /// An optimum that moves: a x^{p}, p of either sign.
    Drift,
}

/// What a claim varies.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Axis {
    /// L, at fixed width.
    Depth,
    /// n, at fixed depth.
    Width,
    /// L at all widths together, which share all parameters.
    Both,
    /// n at all depths together.
    WidthOfAll,
}

/// A row of a study's table of claims.
pub struct Declaration {
    pub observable: &'static str,
    pub words: &'static str,
    pub closures: &'static [Closure],
    /// Empty: all.
    pub parametrizations: &'static [Parametrization],
    pub axis: Axis,
    /// [`LAST`]: of the last one alone.
    pub first_step: u32,
    /// Whether it is an error against the reference.
    pub compares: bool,
    /// Where on the horizon, in quarters of it.
    pub place: Option<usize>,
    pub family: Family,
    /// p₀ of a power claim.
    pub expected: Option<f64>,
    /// Family sum: q of b/L^q, and whether that is the square of an error of one direction.
    pub in_depth: (f64, bool),
}

/// A first step beyond every run.
pub const LAST: u32 = u32::MAX;
/// Places, in quarters of the horizon.
const INPUT: Option<usize> = Some(0);
const MIDDLE: Option<usize> = Some(2);
const END: Option<usize> = Some(4);

const fn error(
    observable: &'static str,
    words: &'static str,
    axis: Axis,
    first_step: u32,
    place: Option<usize>,
) -> Declaration {
    Declaration {
        observable,
        words,
        closures: &Closure::ALL,
        parametrizations: &[],
        axis,
        first_step,
        compares: true,
        place,
        family: Family::Power,
        expected: Some(1.0),
        in_depth: (1.0, false),
    }
}

const fn coupling(observable: &'static str, words: &'static str, axis: Axis) -> Declaration {
    Declaration {
        closures: &[Exact, Nfd],
        compares: false,
        family: Family::PowerAndFloor,
        expected: Some(2.0),
        ..error(observable, words, axis, 1, None)
    }
}

const fn stays(
    observable: &'static str,
    words: &'static str,
    closures: &'static [Closure],
    place: Option<usize>,
) -> Declaration {
    Declaration {
        closures,
        compares: false,
        family: Family::Plateau,
        expected: None,
        ..error(observable, words, Axis::Depth, 1, place)
    }
}

const FORWARD: &str = "forward coupling per layer falls at least like 1/L²";
const BACKWARD: &str = "backward coupling per layer falls at least like 1/L²";
const FORWARD_STAYS: Declaration = stays(
    "coupling.forward.accumulated",
    "forward coupling accumulated over layers does not vanish with L",
    &[Exact, Nfd],
    None,
);
const BACKWARD_STAYS: Declaration = stays(
    "coupling.backward.accumulated.past",
    "backward coupling accumulated over layers does not vanish with L",
    &[Exact, Nfd],
    None,
);
const GAP_OF_F: Declaration = stays(
    "closure_gap.f",
    "mean-square gap of f to the exact network of this width does not vanish with L",
    &[Nfd, Gia],
    None,
);
const GAP_OF_G: Declaration = stays(
    "closure_gap.g",
    "mean-square gap of g_0 to the exact network of this width does not vanish with L",
    &[Nfd, Gia],
    INPUT,
);

/// arXiv 2512.21075, theorem 5.5 (docs/theory.md, section 5).
const TRAINING_CONVERGENCE: &[Declaration] = &[
    error(WEAK, "weak error of f falls at least like 1/L", Axis::Depth, 1, None),
    error("strong.h", "mean-square error of h_L falls at least like 1/L", Axis::Depth, 1, END),
    error("strong.g", "mean-square error of g_0 falls at least like 1/L", Axis::Depth, 0, INPUT),
    error("strong.h", "mean-square error of h_L falls at least like 1/n", Axis::Width, 1, END),
    error("strong.g", "mean-square error of g_0 falls at least like 1/n", Axis::Width, 0, INPUT),
    coupling("coupling.forward.layer", FORWARD, Axis::Depth),
    coupling("coupling.backward.layer.past", BACKWARD, Axis::Depth),
    coupling("coupling.forward.layer", FORWARD, Axis::Both),
    coupling("coupling.backward.layer.past", BACKWARD, Axis::Both),
    FORWARD_STAYS,
    BACKWARD_STAYS,
    GAP_OF_F,
    GAP_OF_G,
];

const fn initial(
    observable: &'static str,
    words: &'static str,
    axis: Axis,
    place: Option<usize>,
    in_depth: (f64, bool),
) -> Declaration {
    let expected = match axis {
        Axis::Depth | Axis::Both => in_depth.0,
        Axis::Width | Axis::WidthOfAll => 1.0,
    };
    Declaration {
        family: Family::Sum,
        expected: Some(expected),
        in_depth,
        ..error(observable, words, axis, 0, place)
    }
}

const H_LAW: &str = "mean-square error of h_L at initialisation is a/n + b/L²";
const G_LAW: &str = "mean-square error of g_0 at initialisation is a/n + b/L";

/// The same, figure 1: h errs like an Euler scheme, all in one direction, g like a sum of independent
/// parts.
const PROPAGATION: &[Declaration] = &[
    initial("strong.h", H_LAW, Axis::Both, END, (2.0, true)),
    initial("strong.h", H_LAW, Axis::WidthOfAll, END, (2.0, true)),
    initial("strong.g", G_LAW, Axis::Both, INPUT, (1.0, false)),
    initial("strong.g", G_LAW, Axis::WidthOfAll, INPUT, (1.0, false)),
    Declaration {
        closures: &[Exact],
        compares: false,
        ..error(
            "coupling.backward.accumulated.same",
            "at initialisation backward coupling is an effect of width, of order 1/n",
            Axis::Width,
            0,
            None,
        )
    },
];

const fn gap(observable: &'static str, words: &'static str, place: Option<usize>) -> Declaration {
    Declaration {
        first_step: LAST,
        family: Family::Trend,
        expected: Some(0.0),
        ..stays(observable, words, &[Gia], place)
    }
}

/// Figure 2, declared as docs/theory.md, section 2, has it: the gap of gia does not vanish. Where
/// networks without depth scaling are compared too, the gap may grow: a trend that does not fall is
/// claimed of all, a plateau of depth-μP.
const GRADIENT_INDEPENDENCE: &[Declaration] = &[
    gap("closure_gap.f", "mean-square gap of f to the exact network does not fall with L", None),
    gap("closure_gap.h", "mean-square gap of h_L to the exact network does not fall with L", END),
    gap(
        "closure_gap.loss.test",
        "gap of the test loss to the exact network does not fall with L",
        None,
    ),
    Declaration { first_step: LAST, parametrizations: &[DepthMup], ..GAP_OF_F },
];

const fn spectrum(observable: &'static str, words: &'static str) -> Declaration {
    Declaration {
        axis: Axis::Width,
        first_step: 0,
        family: Family::Trend,
        expected: Some(0.0),
        ..stays(observable, words, &Closure::ALL, MIDDLE)
    }
}

/// Figure 3.
const NONDEGENERACY: &[Declaration] = &[
    spectrum("eigmin.features", "smallest eigenvalue of the features halfway does not fall with n"),
    spectrum(
        "eigmin.gradients",
        "smallest eigenvalue of the gradients halfway does not fall with n",
    ),
];

const fn moves(
    observable: &'static str,
    words: &'static str,
    parametrizations: &'static [Parametrization],
) -> Declaration {
    Declaration {
        parametrizations,
        family: Family::Trend,
        expected: Some(0.0),
        ..stays(observable, words, &Closure::ALL, None)
    }
}

/// Of the source's first version, two-layer blocks: what collapses with depth is what a block's inner
/// matrix adds to its own pre-activation, not how far that moves; with the inner rate corrected it does
/// not, but f moves ever more.
const TRANSFER: &[Declaration] = &[
    Declaration {
        parametrizations: &[DepthMup],
        compares: false,
        ..error(
            "movement.own",
            "movement by the inner layer's own weights falls at least like 1/L in mean square",
            Axis::Depth,
            1,
            None,
        )
    },
    moves(
        "movement.inner",
        "movement of the inner pre-activation does not fall with L",
        &[DepthMup],
    ),
    moves("movement.f", "movement of f does not fall with L", &[DepthMup]),
    moves(
        "movement.own",
        "with corrected rates movement by the inner layer's own weights does not fall with L",
        &[DepthMupCorrected],
    ),
    Declaration {
        parametrizations: &[DepthMupCorrected],
        compares: false,
        family: Family::Growth,
        ..error(
            "movement.f",
            "with corrected rates the movement of f grows at least like L in mean square",
            Axis::Depth,
            1,
            None,
        )
    },
];

/// Where the reuse of weights shows, and what adds up.
const ANATOMY: &[Declaration] = &[
    coupling("coupling.forward.layer", FORWARD, Axis::Depth),
    coupling("coupling.backward.layer.past", BACKWARD, Axis::Depth),
    coupling("coupling.forward.layer", FORWARD, Axis::Both),
    coupling("coupling.backward.layer.past", BACKWARD, Axis::Both),
    FORWARD_STAYS,
    BACKWARD_STAYS,
    stays(
        "coupling.backward.accumulated.same",
        "backward coupling within a pass, accumulated over layers, does not vanish with L",
        &[Exact],
        None,
    ),
    GAP_OF_F,
    GAP_OF_G,
];

/// The table of a study.
pub fn declarations(study: Study) -> &'static [Declaration] {
    match study {
        Study::Propagation => PROPAGATION,
        Study::TrainingConvergence => TRAINING_CONVERGENCE,
        Study::GradientIndependence => GRADIENT_INDEPENDENCE,
        Study::Nondegeneracy => NONDEGENERACY,
        Study::Transfer => TRANSFER,
        Study::Anatomy => ANATOMY,
    }
}
