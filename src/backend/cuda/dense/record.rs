//! What is looked at of a pass: leading rows, movements and covariances at the probed layers, on the host.

use super::{Dense, Size};
use crate::backend::cpu::dense::record::Recorder;
use crate::backend::cpu::dense::vectors::Vectors;
use crate::backend::cuda::device::Number;
use crate::backend::cuda::device::fault::Fault;
use crate::backend::{Covariances, Network, Probe, Snapshot};

/// What is kept of one member.
pub struct Recorders<T> {
    features: Recorder<T>,
    /// Its history is of φ(h), which covariances are of.
    values: Recorder<T>,
    gradients: Recorder<T>,
}

impl<T: Number> Recorders<T> {
    /// Nothing seen yet.
    pub fn new(probe: &Probe) -> Self {
        Recorders {
            features: Recorder::new(probe),
            values: Recorder::new(probe),
            gradients: Recorder::new(probe),
        }
    }
}

impl<T: Number> Dense<T> {
    /// The vectors of each member, from those of all.
    fn by_member(&self, all: &[T]) -> Vec<Vectors<T>> {
        let Size { ld, width, .. } = self.sweep.size;
        let samples = self.room.samples;
        let of = |own: &[T]| Vectors::from_fn(width, samples, |i, p| own[p * ld + i]);
        all.chunks(samples * ld).map(of).collect()
    }

    /// Looks at h of the probed layers.
    pub(super) fn look_forward(&mut self, follows: bool) -> Result<Vec<Vec<Snapshot>>, Fault> {
        let mut seen = vec![Vec::new(); self.sweep.size.members];
        for l in self.probe.layers.clone() {
            if self.record {
                let h = self.by_member(&self.room.hidden_on_host(&self.device, l)?);
                for ((seen, recorders), h) in seen.iter_mut().zip(&mut self.recorders).zip(&h) {
                    seen.extend(recorders.features.look(&self.probe, l, h));
                }
            }
            if l < self.network.depth {
                let values = match follows {
                    true => self.by_member(&self.room.values_on_host(&self.device, l)?),
                    false => vec![Vectors::zeros(0, 0); seen.len()],
                };
                for (recorders, values) in self.recorders.iter_mut().zip(&values) {
                    recorders.values.follow(&self.probe, l, values, follows);
                }
            }
        }
        Ok(seen)
    }

    /// Looks at g_l, if it is probed.
    pub(super) fn look_backward(
        &mut self,
        l: usize,
        follows: bool,
        seen: &mut [Vec<Snapshot>],
    ) -> Result<(), Fault> {
        if !self.probe.layers.contains(&l) {
            return Ok(());
        }
        let look = self.record || follows;
        let g = match look {
            true => {
                let count = self.sweep.size.members * self.room.stride();
                self.by_member(&self.device.read_back(&self.descent.g, 0..count)?)
            }
            false => vec![Vectors::zeros(0, 0); seen.len()],
        };
        for ((seen, recorders), g) in seen.iter_mut().zip(&mut self.recorders).zip(&g) {
            recorders.gradients.follow(&self.probe, l, g, follows);
            if self.record {
                seen.extend(recorders.gradients.look(&self.probe, l, g));
            }
        }
        Ok(())
    }

    /// Of every member.
    pub(super) fn covariances_so_far(&self) -> Vec<Option<Vec<Covariances>>> {
        let follows = self.follows_covariances(self.passes);
        let Network { width, depth, .. } = self.network;
        let of = |recorders: &Recorders<T>| {
            let at = |(i, &layer): (usize, &usize)| Covariances {
                features: (layer < depth).then(|| recorders.values.covariance(i, width)),
                gradients: (layer > 0).then(|| recorders.gradients.covariance(i, width)),
            };
            follows.then(|| self.probe.layers.iter().enumerate().map(at).collect())
        };
        self.recorders.iter().map(of).collect()
    }
}
