//! Names and symbols in words.

use std::borrow::Borrow;

use crate::claims::{Axis, Claim};
use crate::experiment::{ReferenceKind, Study};
use crate::model::{Activation, Closure, Parametrization};
use crate::report::Report;
use crate::report::plot::KINDS;
use crate::report::text::{capital, count, escape, exponent};
use crate::stats::verdict::Verdict;

/// A study's subject, above the title of the page.
pub fn study(study: Study) -> &'static str {
    match study {
        Study::Propagation => "errors at initialisation, in width and depth",
        Study::TrainingConvergence => "convergence of training in depth",
        Study::GradientIndependence => "independent backward weights in training",
        Study::Nondegeneracy => "nondegeneracy of features and gradients",
        Study::Transfer => "transfer of learning rates between depths",
        Study::Anatomy => "anatomy of the coupling",
    }
}

/// The name of an activation in a sentence.
pub fn activation(activation: Activation) -> &'static str {
    match activation {
        Activation::Identity => "identity (a linear network)",
        Activation::Tanh => "tanh",
        Activation::Relu => "relu",
        Activation::Erf => "erf",
        Activation::Gelu => "gelu",
        Activation::Softplus => "softplus",
    }
}

/// A parametrization and its scales, as HTML.
pub fn parametrization(parametrization: Parametrization) -> &'static str {
    match parametrization {
        Parametrization::DepthMup => {
            "depth-μP: branches scaled by L<sup>−1/2</sup>, learning rates free of depth"
        }
        Parametrization::DepthMupCorrected => {
            "corrected depth-μP: branches scaled by L<sup>−1/2</sup>, the inner matrix of a block \
             learning √L times as fast, the other rates free of depth"
        }
        Parametrization::Mup => "μP: branches of order one at every depth",
        Parametrization::Vanilla => "vanilla: no skip connection",
        Parametrization::Ntk => {
            "NTK, the lazy control: branches scaled by L<sup>−1/2</sup>, \
             f = n<sup>−1/2</sup>V<sup>⊤</sup>h<sub>L</sub>"
        }
    }
}

/// What a closure is, after its name.
pub fn closure(closure: Closure) -> &'static str {
    match closure {
        Closure::Exact => "the finite network itself",
        Closure::Nfd => {
            "Neural Feature Dynamics: backward weights of each pass drawn freshly, the covariances \
             made by training kept"
        }
        Closure::Gia => {
            "gradient-independence assumption: independent backward weights that receive the same \
             updates"
        }
    }
}

/// A sign for a verdict, beside its word.
pub fn sign(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Supported => "✓",
        Verdict::Contradicted => "✗",
        Verdict::Inconclusive => "?",
    }
}

/// The class that has a closure's colour.
pub fn class(closure: Closure) -> String {
    format!("k{}", closure as usize % KINDS)
}

/// How many claims have a verdict.
pub fn tally<C: Borrow<Claim>>(claims: &[C], verdict: Verdict) -> usize {
    claims.iter().filter(|claim| (*claim).borrow().verdict == verdict).count()
}

/// A number of training runs in words: "one run", "3 runs".
pub fn runs(number: usize) -> String {
    count(number as u64, "run")
}

/// When in training a step is: "after 3 updates".
pub fn step(step: u32) -> String {
    match step {
        0 => "at initialisation".to_owned(),
        1 => "after one update".to_owned(),
        k => format!("after {k} updates"),
    }
}

/// The size that a claim holds along its axis: "n = 4096".
pub fn held(claim: &Claim) -> String {
    match (claim.axis, claim.held) {
        (Axis::Depth, Some(width)) => format!("n = {width}"),
        (Axis::Width, Some(depth)) => format!("L = {depth}"),
        (Axis::WidthOfAll, _) => "all L".to_owned(),
        _ => "all n".to_owned(),
    }
}

/// A claim's statement as HTML, with a capital and its indices lowered.
pub fn statement(text: &str) -> String {
    let capital = escape(&capital(text));
    capital.replace("h_L", "h<sub>L</sub>").replace("g_0", "g<sub>0</sub>")
}

/// Title of the vertical axis, and what was measured, as HTML.
pub fn observable(name: &str, report: &Report) -> (&'static str, String) {
    let reference = &report.experiment.reference;
    let partner = match (reference.kind, reference.width, reference.depth) {
        (ReferenceKind::Network, Some(width), Some(depth)) => {
            format!("the reference network (n = {width}, L = {depth})")
        }
        _ => "the network of twice the depth".to_owned(),
    };
    let pair = format!("{partner} of the same seed, on the same Brownian path");
    match name {
        "weak.f" => (
            "weak error of f",
            format!(
                "The output minus that of {pair}: averaged over seeds, then root mean square over \
                 outputs. A weak error: what is left when noise is averaged away."
            ),
        ),
        "strong.h" => (
            "mean-square error of h_L",
            format!("Last features minus those of {pair}; mean square over rows and samples."),
        ),
        "strong.g" => (
            "mean-square error of g_0",
            format!(
                "First backward features minus those of {pair}; mean square over rows and samples."
            ),
        ),
        "coupling.forward.layer" => (
            "forward coupling per layer, mean square",
            "What a layer’s forward product W<sub>l</sub>φ(h) owes to answers that W<sub>l</sub> \
             gave in backward passes; mean square over rows and samples, then over layers."
                .to_owned(),
        ),
        "coupling.backward.layer.past" => (
            "backward coupling per layer, mean square",
            "What a layer’s backward product W<sub>l</sub><sup>⊤</sup>g owes to forward answers of \
             earlier steps; mean square over rows and samples, then over layers. At finite width it \
             has a floor of order 1/(nL)."
                .to_owned(),
        ),
        "coupling.forward.accumulated" => (
            "forward coupling summed, mean square",
            "The forward coupling summed along depth: small terms of one sign add up.".to_owned(),
        ),
        "coupling.backward.accumulated.same" => (
            "backward coupling within a pass, mean square",
            "The backward coupling to answers of the same pass, summed along depth.".to_owned(),
        ),
        "closure_gap.loss.test" => (
            "gap of the test loss to exact",
            "Test loss of the closure minus that of the exact network of the same size and noise."
                .to_owned(),
        ),
        "closure_gap.h" => (
            "gap of h_L to exact, mean square",
            "Last features of the closure minus those of the exact network of the same size and \
             noise."
                .to_owned(),
        ),
        "eigmin.features" => (
            "smallest eigenvalue, features",
            "Of the covariance n<sup>−1</sup>φ(h)<sup>⊤</sup>φ(h) over samples and the first k + 1 \
             passes, at half of the horizon."
                .to_owned(),
        ),
        "eigmin.gradients" => (
            "smallest eigenvalue, gradients",
            "Of the covariance n<sup>−1</sup>g<sup>⊤</sup>g over samples and the first k + 1 passes, at \
             half of the horizon."
                .to_owned(),
        ),
        "movement.own" => (
            "movement by own weights, mean square",
            "Mean square of n<sup>−1/2</sup>(W − W<sup>(0)</sup>)φ(h) over rows, samples and layers; in \
             two-layer blocks of the inner matrix."
                .to_owned(),
        ),
        "movement.inner" => (
            "movement of the inner pre-activation, mean square",
            "Mean square of its change since initialisation, by whatever weights, over rows, samples \
             and layers."
                .to_owned(),
        ),
        "movement.f" => (
            "movement of f, mean square",
            "Mean square over outputs of f<sup>(k)</sup> − f<sup>(0)</sup>.".to_owned(),
        ),
        "optimum.learning_rate" => (
            "best learning rate",
            "Vertex of the parabola through the least mean loss after the last update and its \
             neighbours among the rates that were tried, logarithm against logarithm."
                .to_owned(),
        ),
        "coupling.backward.accumulated.past" => (
            "backward coupling summed, mean square",
            "The backward coupling to earlier steps summed along depth.".to_owned(),
        ),
        "closure_gap.f" => (
            "gap of f to exact, mean square",
            "Output of the closure minus output of the exact network of the same size and noise. \
             What stays as L grows is what the closure leaves out."
                .to_owned(),
        ),
        "closure_gap.g" => (
            "gap of g_0 to exact, mean square",
            "First backward features of the closure minus those of the exact network of the same \
             size and noise. What stays as L grows is what the closure leaves out."
                .to_owned(),
        ),
        _ => ("value", String::new()),
    }
}

/// A claim's exponents between neighbouring points, in a row.
pub fn local_slopes(claim: &Claim) -> String {
    let slopes = claim.local_exponents.iter().map(|p| p.map_or("–".to_owned(), exponent));
    slopes.collect::<Vec<_>>().join(" · ")
}

/// An exponent as theory gives it: 1, not 1.00.
pub fn exponent_of_theory(value: f64) -> String {
    if value.fract() == 0.0 { format!("{value}") } else { exponent(value) }
}
