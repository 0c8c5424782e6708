//! How one sweep over the layers is carried out.
//!
//! The seam is coarse: a forward sweep through all layers, and a backward sweep with its update,
//! each returning its statistics. A backend knows networks, samples and noise; it does not know
//! what an experiment is.
//!
//! A network is driven through [`Sweeps`]; several of one shape that go step by step together, as a
//! device has them in flight, through [`crew::Crew`], of which a single network is the smallest.
//!
//! * [`plain`]: short, f64, the oracle of the others;
//! * [`cpu`]: both engines at the speed of the machine, f32 or f64;
//! * [`cuda`]: both engines on an NVIDIA GPU, many networks at a time;
//! * [`cost`]: what runs cost, which every engine states beside its allocations;
//! * [`archive`]: the state of a network as bytes, for checkpoints;
//! * [`normalized`]: what the optimisers of Muon's family make of a matrix;
//! * [`real`], [`lines`], [`vectors`]: numbers, where they lie, and vectors that several backends have.

pub mod archive;
mod coefficients;
pub mod cost;
pub mod cpu;
pub mod crew;
pub mod cuda;
pub mod lines;
mod matrix;
pub mod normalized;
pub mod plain;
pub mod real;
pub(crate) mod record;
mod responses;
pub mod vectors;

use nalgebra::DMatrix;
use serde::{Deserialize, Serialize};

use crate::model::{Activation, Closure, Rates, Rule, Scales};
use archive::{Archive, Walked};

/// One network: what a backend has to know besides samples and noise.
#[derive(Clone, Debug, PartialEq)]
pub struct Network {
    /// Width n of the hidden layers.
    pub width: usize,
    /// Depth L: the number of residual blocks.
    pub depth: usize,
    /// Number O of outputs.
    pub outputs: usize,
    /// The activation φ of the hidden layers.
    pub activation: Activation,
    /// What backward queries condition on in the conditional engine; the dense engine has `gia`
    /// too.
    pub closure: Closure,
    /// The factors with every power of n and L, of forward passes and updates.
    pub scales: Scales,
    /// Conditional engine: a query column whose residual is below this fraction of its norm counts
    /// as being in the span already.
    pub drop_tolerance: f64,
}

impl Network {
    /// Matrices of a residual block: 1, or 2 where it has an inner one.
    pub fn matrices_of_a_block(&self) -> f64 {
        if self.scales.inner.is_some() { 2.0 } else { 1.0 }
    }

    /// Width of the vectors that W, in two-layer blocks W2, reads: n, or that M of the inner layer.
    pub fn width_read(&self) -> usize {
        self.scales.inner.map_or(self.width, |inner| inner.width)
    }

    /// Weights of a residual block: n², or 2 n M where it has an inner matrix.
    pub fn weights_of_a_block(&self) -> f64 {
        self.matrices_of_a_block() * self.width as f64 * self.width_read() as f64
    }

    /// The norms that Σ χ g φᵀ is given by rules that normalise it, of W (W2) and of W1 (docs/theory.md,
    /// section 1.4); in W1, r in the place of g has entries of the size `forward` √n.
    pub fn norms(&self) -> [f64; 2] {
        let norm = ((self.width * self.width_read()) as f64).sqrt();
        [norm, norm * self.scales.forward * (self.width as f64).sqrt()]
    }

    /// The factors s/m² of forward and of backward responses; see [`Covariances::forward_response`].
    fn response_scales(&self) -> [f64; 2] {
        let Scales { forward, inner, .. } = self.scales;
        // m = forward √M, or forward √n.
        let of_outer = (self.width_read() as f64 * forward).recip();
        [of_outer, inner.map_or(of_outer, |inner| inner.forward * of_outer / forward)]
    }

    /// Whether gradients pass through weights W̃ of their own, in the dense engine.
    ///
    /// # Panics
    /// With a closure that has no dense network: experiments are validated before.
    pub fn own_backward_weights(&self) -> bool {
        let name = self.closure.name();
        assert!(self.closure.has_dense_network(), "no dense network has the law of {name}");
        self.closure.has_independent_backward_weights()
    }

    /// Matrices of a weight in the dense engine: W, and W̃ where gradients have weights of their own.
    pub fn matrices_of_a_weight(&self) -> f64 {
        if self.closure.has_independent_backward_weights() { 2.0 } else { 1.0 }
    }
}

/// The measured recipe in f64 (docs/theory.md, section 3). Without the test rounding noise is
/// normalised into the basis and the law is wrong; far below it, it is rounding noise that decides.
pub const DROP_TOLERANCE: f64 = 1e-10;

/// The same for columns in f32: several times the rounding of a feature that is computed anew in
/// every pass, so that what is kept is a direction and not noise (docs/theory.md, section 3, has
/// 2e-7 to 1e-6; at 5e-7 networks without skip connections kept rounding).
pub const DROP_TOLERANCE_F32: f64 = 1e-6;

/// Covariances over steps and samples are followed up to this many columns: beyond, their eigenvalues
/// would cost more than the run.
pub const COVARIANCE_COLUMNS: usize = 128;

/// What is kept of the vectors of a pass.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Probe {
    /// Layers (0..=L, ascending) at which features and gradients are recorded.
    pub layers: Vec<usize>,
    /// Number of leading rows kept there for strong errors.
    pub rows: usize,
    /// Covariances over steps and samples are kept while they have at most this many columns.
    pub covariance_columns: usize,
}

impl Probe {
    /// Looks at no layer: outputs, losses, couplings and ranks only.
    pub fn nothing() -> Probe {
        Probe { layers: vec![], rows: 0, covariance_columns: 0 }
    }

    /// Whether a pass of `batch` samples has a kernel: with one output, whose gradients are g, which
    /// are those of f (not of an independent matrix), one matrix a block, and few enough
    /// samples.
    pub fn has_kernel(&self, network: &Network, batch: usize) -> bool {
        network.outputs == 1
            && network.closure.forward_conditions()
            && network.scales.inner.is_none()
            && self.follows_covariances(1, batch)
    }

    /// Whether covariances over so many passes of so many samples are kept.
    pub fn follows_covariances(&self, passes: usize, samples: usize) -> bool {
        passes * samples <= self.covariance_columns
    }
}

/// The features (or gradients) of one pass at one probed layer.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Snapshot {
    /// The leading rows, P × rows with the row index fastest; empty where nothing is compared with them.
    /// Rounded to f32: that adds at most
    /// 4e-15 of their mean square to a strong error.
    pub rows: Vec<f32>,
    /// Mean square over all rows and samples of the change since step 0; with minibatches, whose
    /// passes are of different samples, of no meaning.
    pub movement: f64,
}

/// Mean squares of the part of the forward answers that the backward queries have fixed, over rows
/// and samples (docs/theory.md, section 3, coupling in full). In two-layer blocks h is reached by
/// answers of W2, and z by those of W1.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct ForwardCoupling {
    /// Mean square of one layer's contribution to h, averaged over layers.
    pub layer: f64,
    /// Mean square of the sum of the contributions over layers.
    pub accumulated: f64,
    /// Two-layer blocks: mean square of the part of z, averaged over layers; None for other blocks.
    pub inner: Option<f64>,
}

/// Mean squares of the part of the backward answers that the forward queries have fixed, split by
/// when the forward columns were appended. In two-layer blocks g is reached by answers of W1, and r by
/// those of W2.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct BackwardCoupling {
    /// Mean square of a layer's contribution by columns of earlier steps, averaged over layers.
    pub layer_past: f64,
    /// Mean square of a layer's contribution by columns of this step, averaged over layers.
    pub layer_same: f64,
    /// Mean square of the sum over layers of contributions by columns of earlier steps.
    pub accumulated_past: f64,
    /// Mean square of the sum over layers of contributions by columns of this step.
    pub accumulated_same: f64,
    /// Two-layer blocks: mean square of the part of r by columns of all steps, averaged over layers;
    /// None for other blocks.
    pub inner: Option<f64>,
}

/// What a forward sweep through all layers returns.
#[derive(Clone, Debug, PartialEq)]
pub struct ForwardSweep {
    /// Outputs f of the batch, B×O with the output index fastest.
    pub f: Vec<f64>,
    /// Snapshots of h_l at the probed layers; empty when the pass is not recorded.
    pub features: Vec<Snapshot>,
    /// Mean square of n^{-1/2} (W − W⁽⁰⁾) φ(h), over rows, samples and layers; 0 when the pass is
    /// not recorded. In two-layer blocks W is the inner matrix W1.
    pub own_movement: f64,
    /// Two-layer blocks: mean square of z_l − z_l⁽⁰⁾, the whole change of the inner pre-activation
    /// since step 0, over rows, samples and layers. None for other blocks, when the pass is not
    /// recorded, and with minibatches, whose passes are of different samples.
    pub inner_movement: Option<f64>,
    /// Number of stored forward columns of each layer, in two-layer blocks of W1; empty in the dense engine.
    pub ranks: Vec<usize>,
    /// How much of the forward answers was fixed by backward queries; None in the dense engine,
    /// which never sees the split, and when the pass is not recorded.
    pub coupling: Option<ForwardCoupling>,
    /// The first layer whose features are not all finite; None where all are.
    pub nonfinite: Option<usize>,
}

/// What a backward sweep through all layers returns.
#[derive(Clone, Debug, PartialEq)]
pub struct BackwardSweep {
    /// Snapshots of g_l (δ_l when O > 1) at the probed layers; empty when the pass is not recorded.
    pub gradients: Vec<Snapshot>,
    /// Number of stored backward columns of each layer, in two-layer blocks of W2; empty in the dense
    /// engine.
    pub ranks: Vec<usize>,
    /// How much of the backward answers was fixed by forward queries; None in the dense engine, and
    /// when the pass is not recorded.
    pub coupling: Option<BackwardCoupling>,
    /// Σ_l C_φ ∘ C_g over layers, C_φ = n^{-1} φ(h_{l−1})ᵀφ(h_{l−1}) and C_g = n^{-1} g_lᵀ g_l: P×P,
    /// the tangent kernel of the hidden weights but for its factor. None where [`Probe::has_kernel`]
    /// says so, and when the pass is not recorded.
    pub kernel: Option<DMatrix<f64>>,
    /// The first layer met, from above, whose gradients are not all finite; None where all are.
    pub nonfinite: Option<usize>,
}

/// Empirical covariances over all steps and samples seen, and responses of answers to queries, at one
/// layer: the entry of columns (step k, sample p) and (step k', sample p') is at (kP+p, k'P+p').
///
/// m is the branch multiplier, m² = T/L in depth-μP; g is δ when O > 1. Responses are those of the
/// initial weights: while weights decay, h and g have them times the share that is left.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Covariances {
    /// The covariance n^{-1} φ(h_l)ᵀφ(h_l); None at l = L, which no layer reads.
    #[serde(with = "matrix")]
    pub features: Option<DMatrix<f64>>,
    /// The covariance n^{-1} g_lᵀ g_l; None at l = 0.
    #[serde(with = "matrix")]
    pub gradients: Option<DMatrix<f64>>,
    /// A, what the forward answers of layer l owe to its backward queries: m² Σ A g_l over the samples of
    /// earlier passes is their part of h_l. 0 for pairs that are not k' < k; None at l = 0 and in the
    /// dense engine.
    #[serde(with = "matrix")]
    pub forward_response: Option<DMatrix<f64>>,
    /// B, what the backward answers of layer l + 1 owe to its forward queries: φ'(h_l) m² Σ B φ(h_l) over the
    /// samples of passes so far is their part of g_l; J φ'(x_l) m² Σ B φ(x_l) where branches read x = h / ρ and
    /// J is ∂x/∂h. 0 for pairs that are not k' ≤ k; None at l = L and in the dense engine.
    #[serde(with = "matrix")]
    pub backward_response: Option<DMatrix<f64>>,
}

/// A set of samples that is evaluated without being trained on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Set {
    /// All training samples, beside those of a minibatch.
    Train,
    /// The test samples of the data set.
    Test,
}

/// Samples that are evaluated together: what bounds the memory of a large set.
pub const EVALUATED_AT_ONCE: usize = 256;

/// How weights follow their gradients, each group of them; by [`Rule::Descent`]
///
/// ```text
/// v ← μ v + D + λ W,   W ← W − η v,   v = 0 at first
/// ```
///
/// ΔW = −η D is the update of [`crate::model::parametrization`], all its powers of n and L within
/// D; λ is a share of the weight at every η, whatever the width and the depth. A group with rate 0
/// is frozen: it does not decay either.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Update {
    /// Learning rate η of each group, the schedule's factor included.
    pub rates: Rates,
    /// Momentum μ: the share of the velocity that stays from update to update.
    pub momentum: f64,
    /// Weight decay λ: the share of a weight in its own direction of descent.
    pub weight_decay: f64,
    /// What is made of D.
    pub rule: Rule,
    /// Which update of the run it is, from 1 on.
    pub number: u32,
}

impl Update {
    /// The first update of plain gradient descent at these rates.
    pub fn descent(rates: Rates) -> Update {
        Update { rates, momentum: 0.0, weight_decay: 0.0, rule: Rule::Descent, number: 1 }
    }
}

/// Where a run left the finite numbers: its step and layer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Divergence {
    /// Number of updates that were done before.
    pub step: u32,
    /// First layer, in the direction of the sweep, with a non-finite entry; None when only the
    /// outputs or the statistics overflowed.
    pub layer: Option<usize>,
}

/// One training run on some backend.
///
/// The caller alternates [`Sweeps::forward`] and [`Sweeps::backward`]; h, f, χ and g of a pass use
/// the weights before its update, and all updates apply after it.
pub trait Sweeps {
    /// Pass `step` through the training samples at the positions `batch`: all of them in ascending
    /// order, or always the same number of them. The pass is looked at closely if `record`.
    fn forward(&mut self, step: u32, batch: &[usize], record: bool) -> ForwardSweep;

    /// Outputs at all samples of `set` with the weights of `step`; nothing is remembered.
    ///
    /// In the conditional engine the output of each sample is exact in law, and so are those of
    /// [`EVALUATED_AT_ONCE`] samples together; but evaluations of different steps, or of more
    /// samples, are not jointly consistent: each draws its own fresh answers.
    fn evaluate(&mut self, step: u32, set: Set) -> Vec<f64>;

    /// The backward pass of the last forward one, with χ (B×O), and the update unless None.
    fn backward(&mut self, step: u32, chi: &[f64], update: Option<&Update>) -> BackwardSweep;

    /// Covariances over the passes so far at each probed layer, None once they would have more
    /// columns than the probe allows. All passes are of the same samples, or it allows none.
    fn covariances(&self) -> Option<Vec<Covariances>>;

    /// Walks over the state between two passes, which is read into a network at its initialisation. What then
    /// follows has the same bits as without.
    ///
    /// # Errors
    /// Those of the archive; the network is lost when it cannot be read. `Unsupported` from a backend that
    /// keeps no checkpoints.
    fn archive(&mut self, archive: &mut Archive) -> Walked {
        let _ = archive;
        Err(std::io::ErrorKind::Unsupported.into())
    }
}
