//! The two ends of the network, explicit in both engines: U, which reads the input, and V, which
//! writes the output.

use nalgebra::DMatrix;

use super::motion::{Motion, Step};
use super::weighted;
use crate::backend::Update;
use crate::model::Scales;
use crate::rng::noise::{Entry, Noise};

/// The input weights U and the readout weights V of a network, and their training.
#[derive(Clone, Debug, PartialEq)]
pub struct Ends {
    /// The input weights U, n×d.
    pub u: DMatrix<f64>,
    /// The readout weights V, n×O.
    pub v: DMatrix<f64>,
    /// Of U and V.
    motions: [Motion; 2],
}

/// The backward signal that enters the last layer: its columns G, n×P, and the factor χ with which
/// each enters an update.
///
/// With one output G = V for every sample and the factor is χ_p; with more, G = V χᵀ, the factor 1.
#[derive(Clone, Debug, PartialEq)]
pub struct Signal {
    /// The signal g_L (δ_L when O > 1) that enters the last layer, n×P.
    pub g: DMatrix<f64>,
    /// Factors with which the columns of g enter updates, one a sample.
    pub weights: Vec<f64>,
}

impl Ends {
    /// The ends of a network with given weights, not trained yet.
    pub fn new(u: DMatrix<f64>, v: DMatrix<f64>) -> Self {
        Ends { u, v, motions: Default::default() }
    }

    /// The ends of a network at initialisation.
    pub fn sample(noise: &dyn Noise, width: usize, dimension: usize, outputs: usize) -> Self {
        let mut u = DMatrix::zeros(width, dimension);
        for (j, column) in u.as_mut_slice().chunks_mut(width).enumerate() {
            noise.fill(Entry::Input { coordinate: j as u32 }, 0, column);
        }
        let mut v = DMatrix::zeros(width, outputs);
        for (o, column) in v.as_mut_slice().chunks_mut(width).enumerate() {
            noise.fill(Entry::Readout { output: o as u32 }, 0, column);
        }
        Ends::new(u, v)
    }

    /// The input features h_0 = U x / √d, n×P.
    pub fn embed(&self, x: &DMatrix<f64>) -> DMatrix<f64> {
        &self.u * x / (x.nrows() as f64).sqrt()
    }

    /// f = readout · Vᵀ h_L, P×O with the output index fastest.
    pub fn read(&self, scales: &Scales, h: &DMatrix<f64>) -> Vec<f64> {
        let f = self.v.tr_mul(h) * scales.readout; // O×P, columns are samples
        f.as_slice().to_vec()
    }

    /// The signal of χ, P×O with the output index fastest.
    pub fn signal(&self, chi: &[f64]) -> Signal {
        let outputs = self.v.ncols();
        let samples = chi.len() / outputs;
        if outputs == 1 {
            let g = DMatrix::from_fn(self.v.nrows(), samples, |i, _| self.v[i]);
            Signal { g, weights: chi.to_vec() }
        } else {
            let chi = DMatrix::from_column_slice(outputs, samples, chi);
            Signal { g: &self.v * chi, weights: vec![1.0; samples] }
        }
    }

    /// U and V follow D_U = c_U Σ χ g_0 xᵀ and D_V = c_V Σ χ h_L, from g_0 = `g` weighted by
    /// `weights`, and h_L = `h`.
    #[allow(clippy::too_many_arguments)]
    pub fn update(
        &mut self,
        scales: &Scales,
        update: &Update,
        x: &DMatrix<f64>,
        h: &DMatrix<f64>,
        chi: &[f64],
        g: &DMatrix<f64>,
        weights: &[f64],
    ) {
        let [of_u, of_v] = &mut self.motions;
        let step = |rate, size| Step { update, rate, rule: update.rule.of_ends(), size };
        let direction = g * weighted(x, weights).transpose() * scales.update_input;
        of_u.follow(&mut self.u, step(update.rates.input, scales.update_input), direction);
        let chi = DMatrix::from_column_slice(self.v.ncols(), h.ncols(), chi);
        let direction = h * chi.transpose() * scales.update_readout;
        of_v.follow(&mut self.v, step(update.rates.readout, scales.update_readout), direction);
    }
}
