//! How a claim is declared, before any data: of which observable, along which sizes, by which family
//! of curves, and with which exponent of theory (docs/theory.md, sections 5 and 7).

use serde::Serialize;

use crate::experiment::{Experiment, ReferenceKind};
use crate::model::{Closure, Parametrization};
use crate::observables::Observable;

/// How an observable should depend on depth or width.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Family {
    /// Falls at least like x^{−p}.
    Falls,
    /// A sum of both sizes' errors, one exponent declared: a n^{−p} (1 + c/L) + b L^{−q}.
    Sum,
    /// Grows at least like x^{p}.
    Growth,
    /// Does not vanish: tends to a positive constant, or grows.
    Stays,
    /// An optimum that does not move.
    Drift,
}

/// The size that a claim varies, and what it does with the other.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum SizeAxis {
    /// The depth L, at a fixed width.
    Depth,
    /// The width n, at a fixed depth.
    Width,
    /// The depth L at all widths together, which share all parameters.
    DepthOfAll,
    /// The width n at all depths together, which share all parameters.
    WidthOfAll,
}

impl SizeAxis {
    /// The letter for what varies.
    pub fn symbol(self) -> &'static str {
        match self {
            SizeAxis::Depth | SizeAxis::DepthOfAll => "L",
            SizeAxis::Width | SizeAxis::WidthOfAll => "n",
        }
    }

    /// Whether the width varies along it, not the depth.
    pub fn is_width(self) -> bool {
        matches!(self, SizeAxis::Width | SizeAxis::WidthOfAll)
    }
}

/// A claim as a study declares it: a row of its table of claims.
pub struct Declaration {
    /// What is claimed about.
    pub observable: Observable,
    /// The claim in words, the same for all closures, sizes and steps.
    pub statement: &'static str,
    /// The closures of which it is claimed.
    pub closures: &'static [Closure],
    /// The parametrizations of which it is claimed; empty for all.
    pub parametrizations: &'static [Parametrization],
    /// The size along which it is claimed.
    pub axis: SizeAxis,
    /// The first step of which it is claimed; [`LAST`] for the last step alone.
    pub first_step: u32,
    /// Where on the horizon, in quarters of it, of an observable with a depth time.
    pub place: Option<usize>,
    /// The family of curves.
    pub family: Family,
    /// The exponent p₀ that theory gives; None of what stays.
    pub expected: Option<f64>,
    /// Whether it is claimed of infinite width: at finite width the observable has a term in 1/n that
    /// is removed by a pair of widths, and one width says nothing.
    pub of_infinite_width: bool,
    /// The closure for which it is one of the study's primary claims, if it is one.
    pub primary: Option<Closure>,
    /// Of a sum: its part in depth.
    pub in_depth: DepthError,
}

impl Declaration {
    /// The closure for which it is a primary claim of this experiment, if it is one: where outputs are
    /// compared with the limit, of that and not of a reference.
    pub fn primary_in(&self, experiment: &Experiment) -> Option<Closure> {
        let limit = experiment.reference.kind == ReferenceKind::Limit;
        let there = match self.observable {
            Observable::WeakLimitError => limit,
            observable => !(limit && observable.compares_with_reference()),
        };
        self.primary.filter(|_| there)
    }
}

/// The part b L^{−q} of a sum of errors.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct DepthError {
    /// Its exponent q of the depth.
    pub exponent: f64,
    /// Whether it is the square of an error of one direction, as that of an Euler scheme.
    pub aligned: bool,
}

/// A first step beyond every run: the last step alone.
pub const LAST: u32 = u32::MAX;
/// At the beginning of the horizon, where the input enters.
pub const INPUT: Option<usize> = Some(0);
/// Halfway along the horizon.
pub const MIDDLE: Option<usize> = Some(2);
/// At the end of the horizon, before the readout.
pub const END: Option<usize> = Some(4);

/// Something that falls at least like 1/x, of all closures and parametrizations.
pub const fn falls(
    observable: Observable,
    statement: &'static str,
    axis: SizeAxis,
    first_step: u32,
    place: Option<usize>,
) -> Declaration {
    Declaration {
        observable,
        statement,
        closures: &Closure::ALL,
        parametrizations: &[],
        axis,
        first_step,
        place,
        family: Family::Falls,
        expected: Some(1.0),
        of_infinite_width: false,
        primary: None,
        in_depth: DepthError { exponent: 1.0, aligned: false },
    }
}

/// Something that does not vanish with depth, after the first update.
pub const fn stays(
    observable: Observable,
    statement: &'static str,
    closures: &'static [Closure],
    place: Option<usize>,
) -> Declaration {
    Declaration {
        closures,
        family: Family::Stays,
        expected: None,
        ..falls(observable, statement, SizeAxis::Depth, 1, place)
    }
}
