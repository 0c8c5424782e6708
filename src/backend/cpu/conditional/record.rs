//! What is kept of a pass: leading rows and movements at the probed layers.

use super::kernels;
use super::panel::{Panel, chunks_of};
use super::tiles;
use crate::backend::archive::{Archive, Walked};
use crate::backend::cpu::simd::format::Format;
use crate::backend::real::Real;
use crate::backend::{Probe, Snapshot};
use crate::rng::normal::Instructions;

/// Snapshots of one kind of vector, against its values at step 0.
pub struct PanelRecorder<T> {
    /// By position among the probed layers.
    initial: Vec<Option<Panel<T>>>,
}

impl<T: Format> PanelRecorder<T> {
    /// The recorder of a network of which nothing was recorded yet.
    pub fn new(probe: &Probe) -> Self {
        PanelRecorder { initial: vec![None; probe.layers.len()] }
    }

    /// Walks over what movements are measured from.
    ///
    /// # Errors
    /// Those of the archive.
    pub fn archive(&mut self, archive: &mut Archive) -> Walked {
        for initial in &mut self.initial {
            let none = || Ok(Panel::default());
            archive.optional(initial, none, |archive, initial| initial.archive(archive))?;
        }
        Ok(())
    }

    /// A snapshot of the vectors of `layer` if it is probed; the first one sets the reference of
    /// movements.
    pub fn look(
        &mut self,
        set: Instructions,
        probe: &Probe,
        layer: usize,
        x: &Panel<T>,
    ) -> Option<Snapshot> {
        let position = probe.layers.iter().position(|&probed| probed == layer)?;
        let (n, samples) = (x.rows(), x.columns());
        let movement = match &self.initial[position] {
            None => {
                self.initial[position] = Some(x.clone());
                0.0
            }
            Some(initial) => squared_distance(set, x, initial) / (n * samples) as f64,
        };
        let rows = (0..samples).flat_map(|p| x.column(p).take(probe.rows));
        Some(Snapshot { rows: rows.map(Real::narrow).collect(), movement })
    }
}

/// The sum of squares of the differences of two panels of one shape.
pub fn squared_distance<T: Format>(set: Instructions, x: &Panel<T>, y: &Panel<T>) -> f64 {
    let n = x.rows();
    let sums = tiles::sum(n, 1, |tile, out| {
        for chunk in chunks_of(tile, n) {
            out[0] += kernels::squared_distance(set, x.chunk(chunk), y.chunk(chunk));
        }
    });
    sums[0]
}
