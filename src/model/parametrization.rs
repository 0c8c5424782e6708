//! Parametrizations: every power of the width and the depth that appears in the program.
//!
//! ```text
//! h_l = [h_{l-1}] + forward · W_l φ(h_{l-1})          (no skip in `vanilla`)
//! f   = readout · Vᵀ h_L
//! ΔW  = −η update_hidden Σ χ g φᵀ,   ΔU = −η_in update_input Σ χ g_0 xᵀ,
//! ΔV  = −η_out update_readout Σ χ h_L
//! ```
//!
//! Two-layer blocks have an inner matrix W1 beside the outer one, W2 in the place of W:
//!
//! ```text
//! z_l = inner.forward · W1_l φ(h_{l-1}),   h_l = h_{l-1} + forward · W2_l φ(z_l)
//! r_l = φ'(z_l) ∘ (forward · W2_lᵀ g_l),   g_{l-1} = g_l + φ'(h_{l-1}) ∘ (inner.forward · W1_lᵀ r_l)
//! ΔW2 = −η update_hidden Σ χ g φ(z)ᵀ,      ΔW1 = −η inner.update Σ χ r φ(h)ᵀ
//! ```
//!
//! W1 has M rows, W2 as many columns; M is n unless it is set. `forward` is m M^{-1/2} there;
//! inner.forward = n^{-1/2} has no power of L, as z is to be of order one, and r carries the branch
//! multiplier m already.
//!
//! g is the backward feature of order one, ∂f/∂h divided by `readout`. Source: docs/theory.md,
//! section 1; depth-μP is arXiv 2310.02244.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Activation, InnerWidth, Normalization};
use crate::choice::choice;

choice! {
    /// The named parametrizations: how branches, outputs and rates scale with width n and depth L.
    pub enum Parametrization {
        /// Depth-μP: branches times L^{-1/2}, learning rates independent of depth.
        DepthMup = "depth-mup",
        /// μP in width only: branches of order one at every depth.
        Mup = "mup",
        /// No skip connection: h_l = σ n^{-1/2} W φ(h_{l-1}).
        Vanilla = "vanilla",
        /// The lazy (kernel) control: branches times L^{-1/2}, f = n^{-1/2} Vᵀ h_L.
        Ntk = "ntk",
        /// Depth-μP of two-layer blocks, the rate of the inner matrix times √L: without it, what
        /// that matrix learns vanishes with depth (arXiv 2512.21075, version 1).
        DepthMupCorrected = "depth-mup-corrected",
        /// CompleteP: branches times L^{-1}, the rate of the hidden weights times L (arXiv 2505.01618).
        CompleteP = "complete-p",
        /// Two-layer blocks as means over their M inner units: branches times √(n/M) L^{-1}, the rate of the
        /// hidden weights times L M/n; complete-p where M = n (arXiv 2509.10167).
        MeanField = "mean-field",
    }
}

choice! {
    /// The form of a residual branch.
    pub enum Block {
        /// One matrix per block: h_l = h_{l-1} + m n^{-1/2} W φ(h_{l-1}).
        OneLayer = "one-layer",
        /// Two matrices per block: h_l = h_{l-1} + m M^{-1/2} W2 φ(n^{-1/2} W1 φ(h_{l-1})), M the
        /// width of the inner layer.
        TwoLayer = "two-layer",
    }
}

impl Block {
    /// How many matrices a block has, 1 or 2.
    pub fn matrices(self) -> f64 {
        match self {
            Block::OneLayer => 1.0,
            Block::TwoLayer => 2.0,
        }
    }
}

/// Exponents of the depth L in the branches and in the learning rate of the hidden weights.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Exponents {
    /// Exponent a of the branch multiplier m = √T · L^{-a}.
    #[schemars(range(min = -10, max = 10), example = 0.75)]
    pub branch: f64,
    /// Exponent c of the factor L^{-c} on the learning rate of the hidden weights.
    #[schemars(range(min = -10, max = 10), example = 0.5)]
    pub rate: f64,
}

/// Which groups of weights are trained.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Groups {
    /// Whether the input weights U are trained.
    pub input: bool,
    /// Whether the hidden weights W_1 … W_L are trained.
    pub hidden: bool,
    /// Whether the readout weights V are trained.
    pub readout: bool,
}

/// Learning rates, before the factors of [`Scales`]; zero for a group that is not trained.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Rates {
    /// Learning rate η_in of the input weights U.
    pub input: f64,
    /// Learning rate η of the hidden weights W.
    pub hidden: f64,
    /// Learning rate η_out of the readout weights V.
    pub readout: f64,
}

impl Rates {
    /// The rates of all groups times `factor`.
    pub fn scaled(self, factor: f64) -> Rates {
        let Rates { input, hidden, readout } = self;
        Rates { input: factor * input, hidden: factor * hidden, readout: factor * readout }
    }
}

/// All factors of one network; see the module's formulas.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Scales {
    /// Whether blocks have a skip connection: h_l = h_{l-1} + …, which vanilla lacks.
    pub skip: bool,
    /// What a block reads in the place of h: φ(h) is φ of that in every formula here.
    pub normalization: Normalization,
    /// Factor m n^{-1/2} on W φ(h) and on Wᵀ g; in two-layer blocks m M^{-1/2} on W2 φ(z) and on W2ᵀ g.
    pub forward: f64,
    /// Factor on Vᵀ h_L in the output f.
    pub readout: f64,
    /// Factor on −η Σ χ g φᵀ in the update ΔW.
    pub update_hidden: f64,
    /// Factor on −η_in Σ χ g_0 xᵀ in the update ΔU.
    pub update_input: f64,
    /// Factor on −η_out Σ χ h_L in the update ΔV.
    pub update_readout: f64,
    /// Factors of the inner matrices W1; None where blocks have one matrix.
    pub inner: Option<Inner>,
}

/// The factors of the inner matrix W1 of a two-layer block.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Inner {
    /// Width M of the inner layer: W1 is M×n, W2 n×M.
    pub width: usize,
    /// Factor n^{-1/2} on W1 φ(h) and on W1ᵀ r.
    pub forward: f64,
    /// Factor on −η Σ χ r φ(h)ᵀ in the update ΔW1.
    pub update: f64,
}

impl Scales {
    /// Sizes q of the entries of D = q S in a hidden matrix, and in an inner one where there is one, in a network of
    /// this width n: S has entries of order one, as χ, g and φ have (docs/theory.md, section 1.4).
    pub fn sizes(&self, width: usize) -> (f64, Option<f64>) {
        // r = φ' ∘ (forward · W2ᵀ g) has entries of forward √n, which is no part of S.
        let of_inner = |inner: Inner| inner.update * self.forward * (width as f64).sqrt();
        (self.update_hidden, self.inner.map(of_inner))
    }
}

impl Parametrization {
    /// The parametrization's depth exponents. `vanilla` has none: its branch multiplier is σ.
    pub fn exponents(self) -> Exponents {
        let branch = match self {
            Parametrization::DepthMup
            | Parametrization::Ntk
            | Parametrization::DepthMupCorrected => 0.5,
            Parametrization::Mup | Parametrization::Vanilla => 0.0,
            // c = 1 − 2a: what L layers move h by, m² L^{-c} L, is then of order one.
            Parametrization::CompleteP | Parametrization::MeanField => {
                return Exponents { branch: 1.0, rate: -1.0 };
            }
        };
        Exponents { branch, rate: 0.0 }
    }

    /// Exponent e of the factor L^e on the learning rate of inner matrices.
    fn inner_rate(self) -> f64 {
        if self == Parametrization::DepthMupCorrected { 0.5 } else { 0.0 }
    }
}

/// What fixes the scales of a network of any width and depth.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ScaleLaw {
    /// Which named parametrization it is.
    pub parametrization: Parametrization,
    /// Depth exponents: those of the parametrization, or the user's.
    pub exponents: Exponents,
    /// Whether a residual branch has one matrix or two.
    pub block: Block,
    /// Width M of the inner layer of two-layer blocks.
    pub inner_width: InnerWidth,
    /// What the branch of a block reads in the place of h.
    pub normalization: Normalization,
    /// Activation φ, from which `vanilla` takes its σ.
    pub activation: Activation,
    /// Depth horizon T, the sum of the squared branch multipliers of depth-μP.
    pub horizon: f64,
    /// Output divisor γ: f is divided by γ, all rates are multiplied by γ².
    pub gamma: f64,
}

impl ScaleLaw {
    /// One-layer blocks in a named parametrization with its own exponents, which read h as it is, T = 1 and
    /// γ = 1.
    pub fn named(parametrization: Parametrization, activation: Activation) -> ScaleLaw {
        ScaleLaw {
            parametrization,
            exponents: parametrization.exponents(),
            block: Block::OneLayer,
            inner_width: InnerWidth::default(),
            normalization: Normalization::None,
            activation,
            horizon: 1.0,
            gamma: 1.0,
        }
    }

    /// The law of another parametrization, with the exponents of that one; for its own parametrization
    /// the law stays as it is.
    pub fn of(self, parametrization: Parametrization) -> ScaleLaw {
        if parametrization == self.parametrization {
            return self;
        }
        ScaleLaw { parametrization, exponents: parametrization.exponents(), ..self }
    }

    /// The factors of a network of width n, depth L and input dimension d.
    pub fn at(&self, width: usize, depth: usize, dimension: usize) -> Scales {
        let n = width as f64;
        let depth = depth as f64;
        let skip = self.parametrization != Parametrization::Vanilla;
        let branch = if skip {
            self.horizon.sqrt() * depth.powf(-self.exponents.branch)
        } else {
            self.activation.vanilla_scale()
        };
        // ∂f/∂h = readout · g. In μP raw rates are n η, in ntk η; times γ².
        let (readout, raw_rate) = match self.parametrization {
            Parametrization::Ntk => (n.sqrt().recip(), 1.0),
            _ => (n.recip(), n),
        };
        let update = raw_rate * readout * self.gamma;
        let inner_width = self.inner_width.at(width);
        let read = match self.block {
            Block::OneLayer => n,
            Block::TwoLayer => inner_width as f64,
        };
        // Of n over the inner width, where blocks are means over inner units.
        let shape = if self.parametrization == Parametrization::MeanField { n / read } else { 1.0 };
        let forward = branch * shape.sqrt() / read.sqrt();
        let update_hidden = update * depth.powf(-self.exponents.rate) / shape;
        let inner = Inner {
            width: inner_width,
            forward: n.sqrt().recip(),
            update: update_hidden / n.sqrt() * depth.powf(self.parametrization.inner_rate()),
        };
        Scales {
            skip,
            normalization: self.normalization,
            forward,
            readout: readout / self.gamma,
            update_hidden: update_hidden * forward,
            update_input: update / (dimension as f64).sqrt(),
            update_readout: update,
            inner: (self.block == Block::TwoLayer).then_some(inner),
        }
    }
}
