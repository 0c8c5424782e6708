//! Outputs, losses and order parameters at n = L = ∞, to a tolerance (docs/theory.md, section 8): no
//! network of finite size is compared with it here.

use super::Design;

pub const DESIGN: Design = Design {
    title: "the limit of infinite width and depth",
    question: "What do residual networks become as width and depth grow without bound?",
    claims: &[],
    figures: &[],
    findings: |_| Vec::new(),
};
