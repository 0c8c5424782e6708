//! What is kept of a pass: leading rows and movements at the probed layers.

use nalgebra::DMatrix;

use super::mean_square;
use crate::backend::{Probe, Snapshot};

/// The whole change of the pre-activations z of inner layers, against their first recorded values.
#[derive(Clone, Debug, Default)]
pub struct InnerRecorder {
    initial: Vec<DMatrix<f64>>,
}

impl InnerRecorder {
    /// Mean square over rows, samples and layers of z − z⁽⁰⁾; the first look sets the reference.
    pub fn movement(&mut self, now: &[DMatrix<f64>]) -> f64 {
        if self.initial.is_empty() {
            self.initial = now.to_vec();
        }
        let pairs = now.iter().zip(&self.initial);
        pairs.map(|(z, initial)| mean_square(&(z - initial))).sum::<f64>() / now.len() as f64
    }
}

/// Snapshots of one kind of vector, against its values at step 0.
#[derive(Clone, Debug, Default)]
pub struct MatrixRecorder {
    initial: Vec<DMatrix<f64>>,
}

impl MatrixRecorder {
    /// Looks at `vectors[layer]` at every probed layer, if at all; the first look sets the reference.
    pub fn snapshots(
        &mut self,
        probe: &Probe,
        vectors: &[DMatrix<f64>],
        record: bool,
    ) -> Vec<Snapshot> {
        if !record {
            return Vec::new();
        }
        if self.initial.is_empty() {
            self.initial = probe.layers.iter().map(|&layer| vectors[layer].clone()).collect();
        }
        probe
            .layers
            .iter()
            .zip(&self.initial)
            .map(|(&layer, initial)| {
                let x = &vectors[layer];
                let rows = probe.rows.min(x.nrows());
                let rows = x.rows(0, rows).iter().map(|&v| v as f32).collect();
                Snapshot { rows, movement: mean_square(&(x - initial)) }
            })
            .collect()
    }
}
