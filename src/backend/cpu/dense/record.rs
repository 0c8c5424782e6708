//! What is kept of a pass: leading rows, movements and covariances at the probed layers.

use nalgebra::DMatrix;

use super::vectors::Vectors;
use crate::backend::coefficients::covariance;
use crate::backend::real::Real;
use crate::backend::{Probe, Snapshot};

/// One kind of vector at the probed layers.
pub struct Recorder<T> {
    /// Those of the first look, by position among the probed layers.
    initial: Vec<Option<Vectors<T>>>,
    /// Of every pass, while covariances are followed.
    history: Vec<Vec<DMatrix<f64>>>,
}

impl<T: Real> Recorder<T> {
    /// Nothing seen yet.
    pub fn new(probe: &Probe) -> Self {
        let layers = probe.layers.len();
        Recorder { initial: vec![None; layers], history: vec![Vec::new(); layers] }
    }

    /// Looks at the vectors of `layer` if it is probed; the first look sets the reference.
    pub fn look(&mut self, probe: &Probe, layer: usize, x: &Vectors<T>) -> Option<Snapshot> {
        let position = probe.layers.iter().position(|&probed| probed == layer)?;
        let initial = self.initial[position].get_or_insert_with(|| x.clone());
        let mut sum = 0.0;
        let difference = |(x, y): (&T, &T)| (x.widen() - y.widen()).powi(2);
        // With minibatches the last pass may be of as many samples, never of more or fewer.
        for (x, initial) in x.pieces().iter().zip(initial.pieces()) {
            sum += x.iter().zip(initial).map(difference).sum::<f64>();
        }
        let rows = (0..x.samples()).flat_map(|p| x.column(p).take(probe.rows));
        let entries = (x.rows() * x.samples()).max(1);
        Some(Snapshot { rows: rows.map(Real::narrow).collect(), movement: sum / entries as f64 })
    }

    /// Keeps what the covariances need of `layer` if it is probed, and while they are followed.
    pub fn follow(&mut self, probe: &Probe, layer: usize, x: &Vectors<T>, follows: bool) {
        let Some(position) = probe.layers.iter().position(|&probed| probed == layer) else {
            return;
        };
        match follows {
            true => self.history[position].push(x.to_matrix()),
            false => self.history[position].clear(),
        }
    }

    /// n^{-1} times the inner products of all that was followed at the probed layer `position`.
    pub fn covariance(&self, position: usize, width: usize) -> DMatrix<f64> {
        covariance(&self.history[position], width)
    }
}
