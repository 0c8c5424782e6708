//! What several studies claim and find of couplings, and of what a closure leaves out.

use super::Results;
use crate::claims::declaration::{INPUT, falls, stays};
use crate::claims::{Declaration, SizeAxis};
use crate::model::Closure::{self, Exact, Gia, Nfd};
use crate::model::Parametrization;
use crate::numbers::measured;
use crate::observables::Observable;
use crate::stats::verdict::Verdict;

/// The forward coupling of a layer falls with depth.
pub const FORWARD: Declaration = Declaration {
    primary: Some(Exact),
    ..coupling(
        Observable::ForwardCoupling,
        "forward coupling per layer falls at least like 1/L² at infinite width",
    )
};
/// The backward coupling of a layer falls with depth.
pub const BACKWARD: Declaration = coupling(
    Observable::BackwardCoupling,
    "backward coupling per layer falls at least like 1/L² at infinite width",
);
/// The forward coupling, summed along depth, stays.
pub const FORWARD_STAYS: Declaration = Declaration {
    of_infinite_width: true,
    ..stays(
        Observable::ForwardCouplingAccumulated,
        "forward coupling accumulated over layers does not vanish with L",
        &[Exact, Nfd],
        None,
    )
};
/// The backward coupling, summed along depth, stays.
pub const BACKWARD_STAYS: Declaration = Declaration {
    of_infinite_width: true,
    ..stays(
        Observable::BackwardCouplingAccumulated,
        "backward coupling accumulated over layers does not vanish with L",
        &[Exact, Nfd],
        None,
    )
};
/// The gap of the output to the exact network stays.
pub const GAP_OF_F: Declaration = Declaration {
    of_infinite_width: true,
    primary: Some(Gia),
    ..stays(
        Observable::OutputGap,
        "mean-square gap of f to the exact network does not vanish with L",
        &[Nfd, Gia],
        None,
    )
};
/// The gap of the first backward features to the exact network stays.
pub const GAP_OF_G: Declaration = Declaration {
    of_infinite_width: true,
    ..stays(
        Observable::GradientGap,
        "mean-square gap of g_0 to the exact network does not vanish with L",
        &[Nfd, Gia],
        INPUT,
    )
};

const fn coupling(observable: Observable, statement: &'static str) -> Declaration {
    Declaration {
        closures: &[Exact, Nfd],
        expected: Some(2.0),
        of_infinite_width: true,
        ..falls(observable, statement, SizeAxis::Depth, 1, None)
    }
}

/// Which closures keep a gap to the exact network, in depth-μP.
pub fn findings(results: &Results) -> Vec<String> {
    let sentence = |closure: Closure| {
        let claims = results.claims.iter().filter(|claim| {
            claim.observable == Observable::OutputGap
                && claim.closure == closure
                && claim.parametrization == Parametrization::DepthMup
                && claim.verdict == Verdict::Supported
        });
        let claim = claims.max_by_key(|claim| (claim.step, claim.held))?;
        let last = claim.curve.last()?;
        let said = match closure {
            Gia => {
                "Independent backward weights that receive the same updates do not give the network's f"
            }
            _ => "Decoupling within a pass leaves a small gap too",
        };
        Some(format!(
            "{said}: f of {} stays away from that of the exact network, by {} in mean square at \
             L = {}.",
            closure.name(),
            measured(last.value),
            last.depth
        ))
    };
    [Gia, Nfd].into_iter().filter_map(sentence).collect()
}
