//! What is kept of a pass, on the host: leading rows, movements and covariances at the probed layers, and
//! the tangent kernel of all layers.

use nalgebra::DMatrix;

use super::{Dense, Size};
use crate::backend::coefficients::covariance;
use crate::backend::cuda::device::Number;
use crate::backend::cuda::device::fault::Fault;
use crate::backend::vectors::Vectors;
use crate::backend::{Covariances, Snapshot};

impl<T: Number> Dense<T> {
    /// The vectors of each member, from those of all.
    fn by_member(&self, all: &[T]) -> Vec<Vectors<T>> {
        let Size { ld, width, .. } = self.launcher.size;
        let samples = self.workspace.samples;
        let of = |own: &[T]| Vectors::from_fn(width, samples, |i, p| own[p * ld + i]);
        all.chunks(samples * ld).map(of).collect()
    }

    /// Snapshots of h at the probed layers, of every member; φ(h) is kept if `follows`.
    pub(super) fn record_features(&mut self, follows: bool) -> Result<Vec<Vec<Snapshot>>, Fault> {
        let mut seen = vec![Vec::new(); self.launcher.size.members];
        for l in self.probe.layers.clone() {
            if self.record {
                let h = self.by_member(&self.workspace.hidden_on_host(&self.device, l)?);
                for ((seen, recorder), h) in seen.iter_mut().zip(&mut self.recorders).zip(&h) {
                    seen.extend(recorder.see_features(l, h));
                }
            }
            if l < self.network.depth {
                let values = match follows {
                    true => self.by_member(&self.workspace.values_on_host(&self.device, l)?),
                    false => Vec::new(),
                };
                for (m, recorder) in self.recorders.iter_mut().enumerate() {
                    recorder.follow_features(l, values.get(m));
                }
            }
        }
        Ok(seen)
    }

    /// Mean squares of z − z⁽⁰⁾ of the pass that is recorded, of every member; the first one sets
    /// z⁽⁰⁾. Empty where they mean nothing: in one-layer blocks, and with minibatches, which are of different
    /// samples in different passes.
    pub(super) fn inner_movement(&mut self) -> Result<Vec<f64>, Fault> {
        let Size { members, depth, inner, .. } = self.launcher.size;
        let samples = self.workspace.samples;
        let Some(inner) = inner.filter(|_| self.record && samples == self.samples[0].len()) else {
            return Ok(Vec::new());
        };
        if self.inner_initial.is_none() {
            self.inner_initial = self.workspace.inner_copied(&self.device)?;
        }
        let Some(initial) = &self.inner_initial else { return Ok(Vec::new()) };
        self.device.clear(&mut self.movement)?;
        self.launcher.inner_movement(&self.device, &self.workspace, initial, &self.movement)?;
        let sums = self.device.read_back(&self.movement, 0..members)?;
        let entries = (inner * samples * depth) as f64;
        Ok(sums.into_iter().map(|sum| sum / entries).collect())
    }

    /// Snapshots of g_l if it is probed, of every member, into `seen`; g is kept if `follows`.
    pub(super) fn record_gradients(
        &mut self,
        l: usize,
        follows: bool,
        seen: &mut [Vec<Snapshot>],
    ) -> Result<(), Fault> {
        if !self.probe.layers.contains(&l) {
            return Ok(());
        }
        let g = match self.record || follows {
            true => {
                let count = self.launcher.size.members * self.workspace.stride();
                self.by_member(&self.device.read_back(self.descent.g(l), 0..count)?)
            }
            false => Vec::new(),
        };
        for (m, (seen, recorder)) in seen.iter_mut().zip(&mut self.recorders).enumerate() {
            recorder.follow_gradients(l, g.get(m).filter(|_| follows));
            if self.record {
                seen.extend(g.get(m).and_then(|g| recorder.see_gradients(l, g)));
            }
        }
        Ok(())
    }

    /// Adds C_φ ∘ C_g of layer l, whose g_l is at hand, to the tangent kernels of every member,
    /// if any are wanted.
    pub(super) fn add_kernels(&self, l: usize, kernels: &mut [DMatrix<f64>]) -> Result<(), Fault> {
        if kernels.is_empty() {
            return Ok(());
        }
        let count = self.launcher.size.members * self.workspace.stride();
        let values = self.by_member(&self.workspace.values_on_host(&self.device, l - 1)?);
        let g = self.by_member(&self.device.read_back(self.descent.g(l), 0..count)?);
        let gram = |x: &Vectors<T>| covariance(&[x.to_matrix()], self.network.width);
        for (kernel, (values, g)) in kernels.iter_mut().zip(values.iter().zip(&g)) {
            *kernel += gram(values).component_mul(&gram(g));
        }
        Ok(())
    }

    /// Covariances of every member, None once they are followed no more.
    pub(super) fn covariances_so_far(&self) -> Vec<Option<Vec<Covariances>>> {
        let follows = self.follows_covariances(self.passes);
        self.recorders
            .iter()
            .map(|recorder| follows.then(|| recorder.covariances(&self.network)))
            .collect()
    }
}
