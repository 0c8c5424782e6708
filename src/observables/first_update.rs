//! What the first update will show, estimated before anything is run: how far f will move, and whether
//! the 1/L² law of couplings will stand above its floor.
//!
//! Everything is made of the covariances Σ and Γ of infinite width, with χ = −y/P as f begins near 0
//! (docs/theory.md, sections 2, 5 and 6). Of m ≤ 8 samples, which stand for all:
//!
//! ```text
//! response   λ = largest eigenvalue of (η T ∫ E[φφᵀ]∘Γ dt + η_in Σ_0∘Γ_0 + η_out Σ_T)/m
//! law        c(t) = E[φ'φ'ᵀ] ∘ ∫_0^t (E[φφᵀ] + c) ds,   L²·coupling → η² T mean_p ∫ Σ_qr χ_q c_pq Γ_qr c_pr χ_r dt
//! floor      e = P mean(Γ_0 − 1):   a fresh backward query meets P stored answers by chance
//! ```
//!
//! How rough that is: λ is right for a small step at any depth that is not small. The law is that of
//! the forward coupling; the past backward one is of the same size (0.022 and 0.024 on the toy set),
//! and both bend at steps that move f by order one. In the floor φ' and φ are taken as independent.
//! Against the measured figures of section 5 law and floor are within a factor of two, which is what
//! advice needs, and a claim does not.

use nalgebra::DMatrix;

use super::limit::{InfiniteWidth, branch_squared, infinite_width};
use crate::data::Samples;
use crate::experiment::Experiment;
use crate::model::{Block, Closure, Parametrization, ScaleLaw};

/// Layers of the network that stands for deeper ones.
const LAYERS: usize = 16;
/// Samples that stand for all: some hundredths of a second of quadrature.
const SAMPLES: usize = 8;

/// Estimates of what the first update does in one parametrization, at the least learning rate.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct FirstUpdate {
    /// λ: one small update moves f by at most λ times its distance from the labels, and gradient
    /// descent on the squared loss cannot settle where λ is above 2.
    pub response: f64,
    /// Coefficient c of the law c/L² of couplings per layer, after the update.
    pub coupling: f64,
    /// Coefficient e of the floor e/(nL) of backward couplings per layer.
    pub floor: f64,
}

impl FirstUpdate {
    /// The estimates for `parametrization`. Two-layer blocks are taken for one-layer ones. None where the
    /// quadrature cannot follow the variances.
    pub fn estimate(
        experiment: &Experiment,
        train: &Samples,
        parametrization: Parametrization,
    ) -> Option<FirstUpdate> {
        let alone = experiment.with(parametrization, experiment.learning_rates()[0]);
        let some = train.select(0..train.len().min(SAMPLES));
        let law = ScaleLaw { block: Block::OneLayer, ..alone.model.scale_law() };
        let width = experiment.ensemble.widths[0]; // drops out of every formula
        let depth = experiment.ensemble.depths[0].clamp(LAYERS / 2, LAYERS);
        let scales = law.at(width, depth, train.dimension);
        let limit = infinite_width(&some, alone.model.activation, &scales, width, depth)?;
        let rates = alone.rates();
        let response = limit.tangent_kernel(Closure::Exact, &scales, width) * rates.hidden
            + limit.features[0].component_mul(&limit.gradients[0]) * rates.input
            + &limit.features[depth] * rates.readout;
        let response = (response / some.len() as f64).symmetric_eigenvalues().max();
        let f = vec![0.0; some.labels.len()];
        let chi = alone.training.loss.chi(&f, &some.labels, some.outputs);
        let coupling =
            rates.hidden.powi(2) * coupling(&limit, branch_squared(&scales, width), &chi);
        let floor = train.len() as f64 * (limit.gradients[0].diagonal().mean() - 1.0);
        Some(FirstUpdate { response, coupling, floor })
    }

    /// The floor of backward couplings per layer at this width and depth, as a share of their law.
    pub fn floor_share(&self, width: usize, depth: usize) -> f64 {
        self.floor * depth as f64 / (width as f64 * self.coupling)
    }
}

/// L² times the coupling per layer at η = 1 after one small update, by `chi` (P×1), in layers of squared
/// branch multiplier τ.
fn coupling(limit: &InfiniteWidth, tau: f64, chi: &[f64]) -> f64 {
    let samples = limit.features[0].nrows();
    let layers = limit.kernels.len() as f64;
    let chi = DMatrix::from_row_slice(1, samples, &chi[..samples]);
    let mut moved = DMatrix::zeros(samples, samples);
    let mut sum = 0.0;
    for (l, kernel) in limit.kernels.iter().enumerate() {
        let (before, after) = (&limit.gradients[l], &limit.gradients[l + 1]);
        // Γ_{l-1} = Γ_l ∘ (1 + τ E[φ'φ'ᵀ]); the layer's own part of the integral counts half.
        let slope = before.zip_map(after, |before, after| (before / after - 1.0) / tau);
        let own = kernel * (0.5 * tau);
        let c = slope.component_mul(&(&moved + &own));
        moved += own + (kernel * 0.5 + &c) * tau;
        for p in 0..samples {
            let row = chi.component_mul(&c.rows(p, 1));
            sum += (&row * after * row.transpose())[(0, 0)];
        }
    }
    (tau * layers).powi(2) * sum / (layers * samples as f64)
}
