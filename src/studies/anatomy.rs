//! Where the reuse of weights shows, and what adds up: couplings by direction and age, per layer and
//! summed, closure by closure.

use super::figures::{Across, By, Figure, LINES};
use super::{Design, decoupling};
use crate::claims::Declaration;
use crate::claims::declaration::stays;
use crate::model::Closure::Exact;
use crate::observables::Observable::{
    self, BackwardCoupling, BackwardCouplingAccumulated, BackwardCouplingWithin,
    BackwardCouplingWithinAccumulated, ForwardCoupling, ForwardCouplingAccumulated,
};

pub const DESIGN: Design = Design {
    title: "anatomy of the coupling",
    question: "Where does the reuse of weights show, and what does it add up to?",
    claims: &[
        decoupling::FORWARD,
        decoupling::BACKWARD,
        Declaration { primary: Some(Exact), ..decoupling::FORWARD_STAYS },
        decoupling::BACKWARD_STAYS,
        Declaration {
            of_infinite_width: true,
            ..stays(
                BackwardCouplingWithinAccumulated,
                "backward coupling within a pass, accumulated over layers, does not vanish with L",
                &[Exact],
                None,
            )
        },
        decoupling::GAP_OF_F,
        decoupling::GAP_OF_G,
    ],
    figures: &[
        couplings(
            "couplings-layer",
            "Couplings per layer",
            &[
                (ForwardCoupling, "forward"),
                (BackwardCoupling, "backward, past"),
                (BackwardCouplingWithin, "backward, same pass"),
            ],
        ),
        couplings(
            "couplings-accumulated",
            "Couplings summed along depth",
            &[
                (ForwardCouplingAccumulated, "forward"),
                (BackwardCouplingAccumulated, "backward, past"),
                (BackwardCouplingWithinAccumulated, "backward, same pass"),
            ],
        ),
    ],
    findings: decoupling::findings,
};

const fn couplings(
    name: &'static str,
    title: &'static str,
    shown: &'static [(Observable, &'static str)],
) -> Figure {
    Figure {
        name,
        title,
        shown,
        across: Across::Depth,
        by: By::Observable,
        each: Some(By::Closure),
        caption: "Forward products are coupled to backward queries of earlier passes, backward \
                  products to forward queries of earlier passes and of the same pass. Bars of one \
                  standard error.",
        ..LINES
    }
}
