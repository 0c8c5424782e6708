//! Covariances and tangent kernel at initialisation, at infinite width.
//!
//! ```text
//! Σ_0 = XᵀX/d,  Σ_l = Σ_{l-1} + m² E[φ(u)φ(u)ᵀ],   u ~ N(0, Σ_{l-1})
//! Γ_L = 1,      Γ_{l-1} = Γ_l ∘ (1 + m² E[φ'(u)φ'(u)ᵀ])
//! K   = r Σ_l m² E[φφᵀ]_{l-1} ∘ Γ_l                  (gia: Γ replaced by 1)
//! ```
//!
//! m² = T/L in depth-μP, r the hidden rate factor; without skip connection Σ_{l-1} and the 1 are
//! missing. Normalised branches read u/√diag Σ: u then has the correlations of Σ for covariance, and
//! E[φ'φ'ᵀ] of samples p and q is over √(Σ_pp Σ_qq) in Γ. One small step moves f by −η K χ. Source:
//! docs/theory.md, section 6.

use nalgebra::DMatrix;

use crate::data::Samples;
use crate::model::gaussian::{Covariance, derivative_kernel, feature_kernel, is_affordable};
use crate::model::{Activation, Closure, Normalization, Scales};

/// The state of a network of infinite width and finite depth at initialisation, P×P matrices.
#[derive(Clone, Debug, PartialEq)]
pub struct InfiniteWidth {
    /// Σ_0 … Σ_L: n^{-1} E\[h_lᵀ h_l\].
    pub features: Vec<DMatrix<f64>>,
    /// Γ_0 … Γ_L: n^{-1} E\[g_lᵀ g_l\], one output.
    pub gradients: Vec<DMatrix<f64>>,
    /// E\[φφᵀ\] of layers 0 … L−1.
    pub kernels: Vec<DMatrix<f64>>,
}

/// The squared branch multiplier m², T/L in depth-μP.
pub(super) fn branch_squared(scales: &Scales, width: usize) -> f64 {
    scales.forward.powi(2) * width as f64
}

/// Runs both recursions at `depth`. `scales` are those of any `width`, which drops out. None when a
/// variance grows beyond what quadrature affords ([`is_affordable`]), and of two-layer blocks, whose
/// recursions these are not.
pub fn infinite_width(
    samples: &Samples,
    activation: Activation,
    scales: &Scales,
    width: usize,
    depth: usize,
) -> Option<InfiniteWidth> {
    if scales.inner.is_some() {
        return None;
    }
    let count = samples.len();
    let branch = branch_squared(scales, width);
    let x = DMatrix::from_column_slice(samples.dimension, count, &samples.inputs);
    let mut features = vec![x.tr_mul(&x) / samples.dimension as f64];
    let mut kernels = Vec::new();
    for l in 0..depth {
        let read = read(&features[l], scales.normalization);
        if !read.diagonal().iter().all(|&v| is_affordable(activation, v)) {
            return None;
        }
        let kernel = pairwise(&read, |c| feature_kernel(activation, c));
        let carried = if scales.skip { features[l].clone() } else { DMatrix::zeros(count, count) };
        features.push(carried + &kernel * branch);
        kernels.push(kernel);
    }
    let mut gradients = vec![DMatrix::from_element(count, count, 1.0); depth + 1];
    for l in (0..depth).rev() {
        let carried = f64::from(u8::from(scales.skip));
        let read = read(&features[l], scales.normalization);
        let mut slope = pairwise(&read, |c| derivative_kernel(activation, c));
        if scales.normalization == Normalization::Rms {
            slope.component_div_assign(&roots(&features[l]));
        }
        gradients[l] = gradients[l + 1].component_mul(&slope.map(|s| carried + branch * s));
    }
    Some(InfiniteWidth { features, gradients, kernels })
}

impl InfiniteWidth {
    /// The tangent kernel of the hidden weights as the closure sees it, P×P.
    pub fn tangent_kernel(&self, closure: Closure, scales: &Scales, width: usize) -> DMatrix<f64> {
        // η K χ with K = readout · forward · update_hidden · n² Σ E[φφᵀ] ∘ Γ.
        let factor =
            scales.readout * scales.forward * scales.update_hidden * (width as f64).powi(2);
        let count = self.features[0].nrows();
        let mut sum = DMatrix::zeros(count, count);
        for (kernel, gradient) in self.kernels.iter().zip(&self.gradients[1..]) {
            sum += match closure.forward_conditions() {
                true => kernel.component_mul(gradient),
                false => kernel.clone(),
            };
        }
        sum * factor
    }
}

/// The covariance of what branches read of features with the covariance `features`.
fn read(features: &DMatrix<f64>, normalization: Normalization) -> DMatrix<f64> {
    match normalization {
        Normalization::None => features.clone(),
        Normalization::Rms => features.component_div(&roots(features)),
    }
}

/// The products ρ_p ρ_q of root mean squares of samples.
fn roots(features: &DMatrix<f64>) -> DMatrix<f64> {
    let rho = features.diagonal().map(f64::sqrt);
    &rho * rho.transpose()
}

/// Applies a kernel to every pair of samples.
fn pairwise(covariance: &DMatrix<f64>, kernel: impl Fn(Covariance) -> f64) -> DMatrix<f64> {
    let count = covariance.nrows();
    let mut out = DMatrix::zeros(count, count);
    for p in 0..count {
        for q in 0..=p {
            let c = Covariance {
                uu: covariance[(p, p)],
                uv: covariance[(p, q)],
                vv: covariance[(q, q)],
            };
            out[(p, q)] = kernel(c);
            out[(q, p)] = out[(p, q)];
        }
    }
    out
}
