//! Errors at initialisation, in width and depth together (arXiv 2512.21075, figure 1): h errs like an
//! Euler scheme, all in one direction, g like a sum of independent parts.

use super::Design;
use crate::claims::declaration::{DepthError, END, INPUT, falls};
use crate::claims::{Declaration, Family, SizeAxis};
use crate::model::Closure::Exact;
use crate::observables::Observable::{
    self, BackwardCouplingWithinAccumulated, FeatureError, GradientError,
};

pub const DESIGN: Design = Design {
    title: "errors at initialisation, in width and depth",
    question: "How far are residual networks at initialisation from their limit of infinite width and \
               depth?",
    claims: &[
        sum(FeatureError, H_LAW, SizeAxis::DepthOfAll, END, OF_H),
        sum(FeatureError, H_LAW, SizeAxis::WidthOfAll, END, OF_H),
        sum(GradientError, G_LAW, SizeAxis::DepthOfAll, INPUT, OF_G),
        sum(GradientError, G_LAW, SizeAxis::WidthOfAll, INPUT, OF_G),
        Declaration {
            closures: &[Exact],
            ..falls(
                BackwardCouplingWithinAccumulated,
                "at initialisation backward coupling is an effect of width, of order 1/n",
                SizeAxis::Width,
                0,
                None,
            )
        },
    ],
    figures: &[],
    findings: |_| Vec::new(),
};

const H_LAW: &str = "mean-square error of h_L at initialisation is at most of order 1/n + 1/L²";
const G_LAW: &str = "mean-square error of g_0 at initialisation is at most of order 1/n + 1/L";
const OF_H: DepthError = DepthError { exponent: 2.0, aligned: true };
const OF_G: DepthError = DepthError { exponent: 1.0, aligned: false };

const fn sum(
    observable: Observable,
    statement: &'static str,
    axis: SizeAxis,
    place: Option<usize>,
    in_depth: DepthError,
) -> Declaration {
    let expected = match axis {
        SizeAxis::Depth | SizeAxis::DepthOfAll => in_depth.exponent,
        SizeAxis::Width | SizeAxis::WidthOfAll => 1.0,
    };
    Declaration {
        family: Family::Sum,
        primary: Some(Exact),
        expected: Some(expected),
        in_depth,
        ..falls(observable, statement, axis, 0, place)
    }
}
