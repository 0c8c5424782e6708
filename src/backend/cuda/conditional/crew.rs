//! When a pass launches what, and what comes back of it.

use std::io;

use super::record::LayerSums;
use super::sweep::Networks;
use super::workspace::Kind;
use super::{Conditional, parts};
use crate::backend::archive::{Archive, Walked};
use crate::backend::coefficients::{Queries, covariances};
use crate::backend::crew::{Crew, UnrecordedPass};
use crate::backend::cuda::device::Number;
use crate::backend::cuda::device::fault::Fault;
use crate::backend::responses::ResponseFunctions;
use crate::backend::{
    BackwardCoupling, BackwardSweep, Covariances, Divergence, ForwardCoupling, ForwardSweep, Set,
    Update,
};
use crate::model::Scales;
use crate::rng::noise::Purpose;

impl<T: Number> Crew for Conditional<T> {
    type Fault = Fault;

    fn members(&self) -> usize {
        self.size().members
    }

    fn forward(
        &mut self,
        step: u32,
        batches: &[Vec<usize>],
        record: bool,
    ) -> Result<Vec<ForwardSweep>, Fault> {
        self.make_room()?;
        let size = self.size();
        self.begin(step, None)?;
        self.choose(batches)?;
        self.record = record;
        self.passes += 1;
        let networks = Networks { columns: &self.columns, h: &self.h, v: &self.v };
        let (device, workspace) = (&self.device, &mut self.workspace);
        self.launcher.forward(device, networks, workspace, Purpose::Answer, step, record)?;
        self.follow_queries(0, self.follows_covariances(self.passes))?;
        let each = self.workspace.now.samples * size.outputs;
        let f = self.device.read_back(&self.workspace.f, 0..size.members * each)?;
        let states = self.states()?;
        let places = self.launcher.pass_order();
        let first = self.first_nonfinite()?;
        let nonfinite = |m: usize| {
            let (at, place) = first[m]?;
            (at == step && place < places.of_outputs()).then_some(place as usize)
        };
        let mut sweeps: Vec<_> = (0..size.members)
            .map(|m| ForwardSweep {
                f: f[m * each..][..each].to_vec(),
                features: Vec::new(),
                own_movement: 0.0,
                inner_movement: None,
                ranks: (0..size.depth)
                    .map(|l| states[size.reader_of(l) * size.members + m].rank[0] as usize)
                    .collect(),
                coupling: None,
                nonfinite: nonfinite(m),
            })
            .collect();
        if !record {
            return Ok(sweeps);
        }
        let accumulated = self.accumulated(0)?;
        let vectors = size.members * self.workspace.now.samples * size.ld;
        let (device, hidden) = (&self.device, &self.workspace.hidden);
        let features =
            self.features.look(device, &self.probe, hidden, |l| l * size.per_block * vectors)?;
        let Scales { forward, update_hidden, inner, .. } = self.launcher.network.scales;
        // Of the matrix that reads h.
        let reader = inner.map_or((forward, update_hidden), |inner| (inner.forward, inner.update));
        let entries = (size.width * self.workspace.now.samples * size.depth) as f64;
        for (m, (matrices, features)) in self.layer_sums()?.iter().zip(features).enumerate() {
            let mut coupling = ForwardCoupling {
                accumulated: accumulated[m],
                inner: inner.map(|_| 0.0),
                ..Default::default()
            };
            let kept = |matrix: usize| states[matrix * size.members + m].kept;
            for l in 0..size.depth {
                let (below, above) = (size.reader_of(l), size.writer_of(l + 1));
                let LayerSums { along, rows } = matrices[below];
                if let Some(sum) = &mut coupling.inner {
                    *sum += along[0] * (reader.0 * kept(below)).powi(2) / entries;
                }
                coupling.layer +=
                    matrices[above].along[0] * (forward * kept(above)).powi(2) / entries;
                // ‖QB M C‖² = ‖M C‖²; wanted is n^{-1/2} (W − W⁽⁰⁾)φ.
                let squares = match kept(below) == 1.0 {
                    true => along[1] * reader.1.powi(2),
                    false => rows[1] / reader.0.powi(2),
                };
                sweeps[m].own_movement += squares / (entries * size.width as f64);
            }
            sweeps[m].coupling = Some(coupling);
            sweeps[m].features = features;
        }
        for (sweep, movement) in sweeps.iter_mut().zip(self.inner_movement()?) {
            sweep.inner_movement = Some(movement);
        }
        Ok(sweeps)
    }

    fn evaluate(&mut self, step: u32, set: Set) -> Result<Vec<Vec<f64>>, Fault> {
        let size = self.size();
        let (count, purpose) = match set {
            Set::Train => (self.samples[0].len(), Purpose::TrainAnswer),
            Set::Test => (self.samples[1].len(), Purpose::TestAnswer),
        };
        let mut f = vec![Vec::new(); size.members];
        for part in parts(count) {
            self.choose_evaluated(set, &part)?;
            let Some(workspace) = &mut self.evaluation else { continue };
            let networks = Networks { columns: &self.columns, h: &self.h, v: &self.v };
            self.launcher.forward(&self.device, networks, workspace, purpose, step, false)?;
            let each = part.len() * size.outputs;
            let all = self.device.read_back(&workspace.f, 0..size.members * each)?;
            f.iter_mut().zip(all.chunks(each)).for_each(|(f, part)| f.extend_from_slice(part));
        }
        Ok(f)
    }

    fn backward(
        &mut self,
        step: u32,
        chi: &[Vec<f64>],
        update: Option<&Update>,
    ) -> Result<Vec<BackwardSweep>, Fault> {
        let size = self.size();
        self.begin(step, update)?;
        self.device.write(&mut self.signal.chi, &chi.concat())?;
        self.launcher.signal(&self.device, &self.workspace, &self.v, &self.signal)?;
        let (device, workspace) = (&self.device, &mut self.workspace);
        self.launcher.backward(device, &self.columns, workspace, step, self.record)?;
        self.follow_queries(1, self.follows_covariances(self.passes))?;
        let states = self.states()?;
        let places = self.launcher.pass_order();
        let first = self.first_nonfinite()?;
        let nonfinite = |m: usize| {
            let (at, place) = first[m]?;
            (at == step && place > places.of_outputs()).then(|| places.layer(place)).flatten()
        };
        let mut sweeps: Vec<_> = (0..size.members)
            .map(|m| BackwardSweep {
                gradients: Vec::new(),
                ranks: (1..=size.depth)
                    .map(|l| states[size.writer_of(l) * size.members + m].rank[1] as usize)
                    .collect(),
                kernel: None,
                coupling: None,
                nonfinite: nonfinite(m),
            })
            .collect();
        if self.record {
            let accumulated = [self.accumulated(0)?, self.accumulated(1)?];
            let entries = (size.width * self.workspace.now.samples * size.depth) as f64;
            for (m, matrices) in self.layer_sums()?.iter().enumerate() {
                let readers = || (0..size.depth).map(|l| matrices[size.reader_of(l)]);
                let writers = (1..=size.depth).map(|l| matrices[size.writer_of(l)]);
                sweeps[m].coupling = Some(BackwardCoupling {
                    layer_past: readers().map(|sums| sums.rows[0]).sum::<f64>() / entries,
                    layer_same: readers().map(|sums| sums.rows[1]).sum::<f64>() / entries,
                    accumulated_past: accumulated[0][m],
                    accumulated_same: accumulated[1][m],
                    inner: (size.per_block == 2)
                        .then(|| writers.map(|sums| sums.rows[0]).sum::<f64>() / entries),
                });
            }
            let vectors = size.members * self.workspace.now.samples * size.ld;
            if let Kind::Remembered { signal, slots_of, .. } = &self.workspace.kind {
                let first = |l: usize| slots_of[l * size.per_block] * vectors;
                let seen = self.gradients.look(&self.device, &self.probe, signal, first)?;
                sweeps.iter_mut().zip(seen).for_each(|(sweep, seen)| sweep.gradients = seen);
            }
            if self.probe.has_kernel(&self.launcher.network, self.batch) {
                let kernels = self.kernels()?;
                sweeps.iter_mut().zip(kernels).for_each(|(sweep, kernel)| sweep.kernel = kernel);
            }
        }
        if update.is_some() {
            let networks = Networks { columns: &self.columns, h: &self.h, v: &self.v };
            self.launcher.update(&self.device, networks, &self.workspace, &self.signal)?;
        }
        Ok(sweeps)
    }

    fn pass(&mut self, pass: &UnrecordedPass) -> Result<(), Fault> {
        self.make_room()?;
        let follows = self.follows_covariances(self.passes + 1);
        self.passes += 1;
        self.begin(pass.step, Some(&pass.update))?;
        self.choose(pass.batches)?;
        if self.labelled != pass.batches {
            self.device.write(&mut self.signal.labels, &pass.labels.concat())?;
            self.labelled = pass.batches.to_vec();
        }
        let networks = Networks { columns: &self.columns, h: &self.h, v: &self.v };
        let (device, launcher, signal) = (&self.device, &self.launcher, &self.signal);
        let workspace = &mut self.workspace;
        launcher.forward(device, networks, workspace, Purpose::Answer, pass.step, false)?;
        launcher.loss(device, &self.workspace, &self.v, signal, pass.loss)?;
        launcher.signal(device, &self.workspace, &self.v, signal)?;
        launcher.backward(device, &self.columns, &mut self.workspace, pass.step, false)?;
        self.follow_queries(0, follows)?;
        self.follow_queries(1, follows)?;
        let networks = Networks { columns: &self.columns, h: &self.h, v: &self.v };
        self.launcher.update(&self.device, networks, &self.workspace, &self.signal)
    }

    fn divergences(&mut self) -> Result<Vec<Option<Divergence>>, Fault> {
        let places = self.launcher.pass_order();
        let divergence = |(step, place)| Divergence { step, layer: places.layer(place) };
        Ok(self.first_nonfinite()?.into_iter().map(|first| first.map(divergence)).collect())
    }

    fn covariances(&self) -> Vec<Option<Vec<Covariances>>> {
        let follows = self.follows_covariances(self.passes);
        let of = |([forward, backward], [a, b]): (&[Queries; 2], &[ResponseFunctions; 2])| {
            let (queries, responses) = ((forward, backward), Some((a, b)));
            follows.then(|| covariances(&self.probe, queries, responses, self.size().width))
        };
        self.queries.iter().zip(&self.responses).map(of).collect()
    }

    fn archive(&mut self, member: usize, archive: &mut Archive) -> Walked {
        let (device, size) = (self.device.clone(), self.size());
        let most = self.columns.archive_states(&device, archive, (size, member))?;
        if archive.reads() {
            self.hold(most).map_err(io::Error::other)?;
        }
        let size = self.size();
        self.columns.archive(&device, archive, (size, member), most)?;
        for (ends, each) in
            [(&mut self.h, size.all * size.ld), (&mut self.v, size.outputs * size.ld)]
        {
            let range = std::iter::once(member * each..(member + 1) * each);
            ends.archive(&device, archive, size.members * each, range)?;
        }
        archive.count(&mut self.passes)?;
        self.queries[member].iter_mut().try_for_each(|queries| queries.archive(archive))?;
        self.responses[member].iter_mut().try_for_each(|responses| responses.archive(archive))?;
        self.features.archive(&device, archive, member)?;
        self.gradients.archive(&device, archive, member)?;
        self.inner.as_mut().map_or(Ok(()), |(_, inner)| inner.archive(&device, archive, member))
    }
}
