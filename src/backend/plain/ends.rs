//! The two ends of the network, explicit in both engines: U, which reads the input, and V, which
//! writes the output.

use nalgebra::DMatrix;

use crate::model::{Rates, Scales};
use crate::rng::noise::{Entry, Noise};

/// U and V.
#[derive(Clone, Debug, PartialEq)]
pub struct Ends {
    /// n×d
    pub u: DMatrix<f64>,
    /// n×O
    pub v: DMatrix<f64>,
}

/// The backward signal that enters the last layer: its columns G, n×P, and the factor χ with which
/// each enters an update.
///
/// With one output G = V for every sample and the factor is χ_p; with more, G = V χᵀ, the factor 1.
#[derive(Clone, Debug, PartialEq)]
pub struct Signal {
    /// g_L or δ_L
    pub g: DMatrix<f64>,
    /// One a sample.
    pub weights: Vec<f64>,
}

impl Ends {
    /// Initial weights.
    pub fn sample(noise: &dyn Noise, width: usize, dimension: usize, outputs: usize) -> Self {
        let mut u = DMatrix::zeros(width, dimension);
        for (j, column) in u.as_mut_slice().chunks_mut(width).enumerate() {
            noise.fill(Entry::Input { coordinate: j as u32 }, 0, column);
        }
        let mut v = DMatrix::zeros(width, outputs);
        for (o, column) in v.as_mut_slice().chunks_mut(width).enumerate() {
            noise.fill(Entry::Readout { output: o as u32 }, 0, column);
        }
        Ends { u, v }
    }

    /// h_0 = U x / √d.
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

    /// ΔU from g_0 = `g` weighted by `weights`, and ΔV from h_L = `h` and χ.
    #[allow(clippy::too_many_arguments)]
    pub fn update(
        &mut self,
        scales: &Scales,
        rates: Rates,
        x: &DMatrix<f64>,
        h: &DMatrix<f64>,
        chi: &[f64],
        g: &DMatrix<f64>,
        weights: &[f64],
    ) {
        if rates.input != 0.0 {
            let rate = rates.input * scales.update_input;
            let mut weighted = x.clone();
            for (mut column, weight) in weighted.column_iter_mut().zip(weights) {
                column *= rate * weight;
            }
            self.u -= g * weighted.transpose();
        }
        if rates.readout != 0.0 {
            let chi = DMatrix::from_column_slice(self.v.ncols(), h.ncols(), chi);
            self.v -= h * chi.transpose() * (rates.readout * scales.update_readout);
        }
    }
}
