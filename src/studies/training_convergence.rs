//! How fast training converges with depth, and what the closures leave out (arXiv 2512.21075,
//! theorem 5.5; docs/theory.md, section 5).

use super::{Design, decoupling};
use crate::claims::Declaration;
use crate::claims::SizeAxis::{Depth, Width};
use crate::claims::declaration::{END, INPUT, falls};
use crate::model::Closure::Exact;
use crate::observables::Observable::{FeatureError, GradientError, WeakError, WeakLimitError};

pub const DESIGN: Design = Design {
    title: "convergence of training in depth",
    question: "How fast do residual networks approach their infinite-depth limit while they train?",
    claims: &[
        Declaration {
            primary: Some(Exact),
            of_infinite_width: true,
            ..falls(WeakLimitError, "f approaches its limit at least like 1/L", Depth, 1, None)
        },
        falls(WeakError, "weak error of f falls at least like 1/L", Depth, 1, None),
        Declaration {
            primary: Some(Exact),
            ..falls(FeatureError, "mean-square error of h_L falls at least like 1/L", Depth, 1, END)
        },
        Declaration {
            primary: Some(Exact),
            ..falls(
                GradientError,
                "mean-square error of g_0 falls at least like 1/L",
                Depth,
                0,
                INPUT,
            )
        },
        falls(FeatureError, "mean-square error of h_L falls at least like 1/n", Width, 1, END),
        falls(GradientError, "mean-square error of g_0 falls at least like 1/n", Width, 0, INPUT),
        decoupling::FORWARD,
        decoupling::BACKWARD,
        decoupling::FORWARD_STAYS,
        decoupling::BACKWARD_STAYS,
        decoupling::GAP_OF_F,
        decoupling::GAP_OF_G,
    ],
    figures: &[],
    findings: decoupling::findings,
};
