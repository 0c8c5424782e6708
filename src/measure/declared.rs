//! What each study claims: observables, the family that their dependence on depth (or width)
//! follows, and the exponent that theory gives. Declared here, before any data (theory: section 5).

use serde::Serialize;

use super::series::WEAK;
use crate::model::Closure::{self, Exact, Gia, Nfd};

/// How an observable should depend on depth or width.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Family {
    /// Falls like a power: a x^{−p} (1 + b/x).
    Power,
    /// The same plus a floor e/(nL).
    PowerAndFloor,
    /// Tends to a constant: c + a x^{−p}.
    Plateau,
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
}

/// A row of the study's table of claims.
pub struct Declaration {
    pub observable: &'static str,
    pub words: &'static str,
    pub closures: &'static [Closure],
    pub axis: Axis,
    pub first_step: u32,
    /// Whether it is an error against the reference.
    pub compares: bool,
    /// Where on the horizon.
    pub place: Place,
    pub family: Family,
    /// p₀ of a power claim.
    pub expected: Option<f64>,
}

#[derive(Clone, Copy, PartialEq)]
pub enum Place {
    Nowhere,
    Input,
    End,
}

const fn error(
    observable: &'static str,
    words: &'static str,
    axis: Axis,
    first_step: u32,
    place: Place,
) -> Declaration {
    let (closures, family, expected) = (&Closure::ALL, Family::Power, Some(1.0));
    let compares = true;
    Declaration { observable, words, closures, axis, first_step, compares, place, family, expected }
}

const fn coupling(observable: &'static str, words: &'static str, axis: Axis) -> Declaration {
    Declaration {
        closures: &[Exact, Nfd],
        compares: false,
        family: Family::PowerAndFloor,
        expected: Some(2.0),
        ..error(observable, words, axis, 1, Place::Nowhere)
    }
}

const fn stays(
    observable: &'static str,
    words: &'static str,
    closures: &'static [Closure],
    place: Place,
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

/// The claims of the study training-convergence (theory: section 5; arXiv 2512.21075, theorem 5.5).
pub const TRAINING_CONVERGENCE: [Declaration; 13] = [
    error(WEAK, "weak error of f falls at least like 1/L", Axis::Depth, 1, Place::Nowhere),
    error(
        "strong.h",
        "mean-square error of h_L falls at least like 1/L",
        Axis::Depth,
        1,
        Place::End,
    ),
    error(
        "strong.g",
        "mean-square error of g_0 falls at least like 1/L",
        Axis::Depth,
        0,
        Place::Input,
    ),
    error(
        "strong.h",
        "mean-square error of h_L falls at least like 1/n",
        Axis::Width,
        1,
        Place::End,
    ),
    error(
        "strong.g",
        "mean-square error of g_0 falls at least like 1/n",
        Axis::Width,
        0,
        Place::Input,
    ),
    coupling("coupling.forward.layer", FORWARD, Axis::Depth),
    coupling("coupling.backward.layer.past", BACKWARD, Axis::Depth),
    coupling("coupling.forward.layer", FORWARD, Axis::Both),
    coupling("coupling.backward.layer.past", BACKWARD, Axis::Both),
    stays(
        "coupling.forward.accumulated",
        "forward coupling accumulated over layers does not vanish with L",
        &[Exact, Nfd],
        Place::Nowhere,
    ),
    stays(
        "coupling.backward.accumulated.past",
        "backward coupling accumulated over layers does not vanish with L",
        &[Exact, Nfd],
        Place::Nowhere,
    ),
    stays(
        "closure_gap.f",
        "mean-square gap of f to the exact network of this width does not vanish with L",
        &[Nfd, Gia],
        Place::Nowhere,
    ),
    stays(
        "closure_gap.g",
        "mean-square gap of g_0 to the exact network of this width does not vanish with L",
        &[Nfd, Gia],
        Place::Input,
    ),
];
