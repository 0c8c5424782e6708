//! When a pass launches what, and what comes back of it.

use nalgebra::DMatrix;

use super::weights::Hidden;
use super::{Dense, Shape, Size, Workspace};
use crate::backend::archive::{Archive, Walked};
use crate::backend::crew::{Crew, UnrecordedPass};
use crate::backend::cuda::device::Number;
use crate::backend::cuda::device::fault::Fault;
use crate::backend::{
    BackwardSweep, Covariances, Divergence, EVALUATED_AT_ONCE, ForwardSweep, Set, Update,
};

impl<T: Number> Crew for Dense<T> {
    type Fault = Fault;

    fn members(&self) -> usize {
        self.launcher.size.members
    }

    fn forward(
        &mut self,
        step: u32,
        batches: &[Vec<usize>],
        record: bool,
    ) -> Result<Vec<ForwardSweep>, Fault> {
        let Size { members, depth, outputs, .. } = self.launcher.size;
        self.begin(step, None)?;
        self.choose(batches)?;
        self.record = record;
        self.passes += 1;
        self.launch_forward()?;
        let mut own_movement = vec![0.0; members];
        if record {
            self.device.clear(&mut self.movement)?;
            let vectors = (&self.workspace, &self.descent.product);
            self.launcher.movement(&self.device, &mut self.weights, vectors, &self.movement)?;
            let sums = self.device.read_back(&self.movement, 0..members)?;
            // Entries, times n for the power of n^{-1/2} (W − W⁽⁰⁾)φ.
            let Shape { rows, columns } = self.launcher.size.inner();
            let entries = (rows * columns * self.workspace.samples * depth) as f64;
            own_movement = sums.into_iter().map(|sum| sum / entries).collect();
        }
        let inner_movement = self.inner_movement()?;
        let each = self.workspace.samples * outputs;
        let f = self.device.read_back(&self.workspace.f, 0..members * each)?;
        let follows = self.follows_covariances(self.passes);
        let features = self.record_features(follows)?;
        let nonfinite = self.first_nonfinite()?.into_iter().map(|first| {
            let (at, place) = first?;
            (at == step && place < self.launcher.pass_order().of_outputs())
                .then_some(place as usize)
        });
        let all = f.chunks(each).zip(features).zip(own_movement).zip(nonfinite).enumerate();
        let sweeps = all.map(|(m, (((f, features), own_movement), nonfinite))| ForwardSweep {
            f: f.to_vec(),
            features,
            own_movement,
            inner_movement: inner_movement.get(m).copied(),
            ranks: Vec::new(),
            coupling: None,
            nonfinite,
        });
        Ok(sweeps.collect())
    }

    fn evaluate(&mut self, _step: u32, set: Set) -> Result<Vec<Vec<f64>>, Fault> {
        let (size, device) = (self.launcher.size, &self.device);
        let index = match set {
            Set::Train => 0,
            Set::Test => 1,
        };
        let mut f = vec![Vec::new(); size.members];
        let positions: Vec<u32> = (0..self.samples[index].len() as u32).collect();
        for part in positions.chunks(EVALUATED_AT_ONCE) {
            if self.evaluation.as_ref().is_none_or(|workspace| workspace.most < part.len()) {
                // Not both at once: what is freed in the stream's order is free when it gets there.
                self.evaluation = None;
                device.wait()?;
                let most = self.evaluated_at_once().max(part.len());
                self.evaluation = Some(Workspace::new(device, size, most, false)?);
            }
            let Some(workspace) = &mut self.evaluation else { continue };
            workspace.turn_to(device, part.len())?;
            device.write(&mut workspace.positions, part)?;
            self.launcher.forward(device, &self.weights, workspace, &self.inputs[index], true)?;
            let each = part.len() * size.outputs;
            let all = device.read_back(&workspace.f, 0..size.members * each)?;
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
        self.begin(step, update)?;
        self.device.write(&mut self.descent.chi, &chi.concat())?;
        let follows = self.follows_covariances(self.passes);
        let mut seen = vec![Vec::new(); self.launcher.size.members];
        let samples = self.workspace.samples;
        let wanted = self.record && self.probe.has_kernel(&self.network, samples);
        let wanted = if wanted { self.launcher.size.members } else { 0 };
        let mut kernels = vec![DMatrix::zeros(samples, samples); wanted];
        let moving = update.filter(|update| update.rates.hidden != 0.0);
        self.launcher.signal(&self.device, &self.weights, (&self.workspace, &self.descent))?;
        for l in (0..=self.network.depth).rev() {
            self.record_gradients(l, follows, &mut seen)?;
            if l > 0 {
                self.add_kernels(l, &mut kernels)?;
                let vectors = (&self.workspace, &self.descent);
                self.launcher.descend(&self.device, &self.weights, vectors, l, moving)?;
            }
        }
        if let Some(update) = update {
            let vectors = (&self.workspace, &self.descent);
            self.launcher.step_ends(&self.device, &self.weights, vectors, update)?;
            self.step_drift(update)?;
        }
        let nonfinite = self.first_nonfinite()?.into_iter().map(|first| {
            let (at, place) = first?;
            let below = place > self.launcher.pass_order().of_outputs();
            (at == step && below).then(|| self.launcher.pass_order().layer(place)).flatten()
        });
        let mut kernels = kernels.into_iter();
        let sweeps = seen.into_iter().zip(nonfinite).map(|(mut gradients, nonfinite)| {
            gradients.reverse();
            let kernel = kernels.next();
            BackwardSweep { gradients, ranks: Vec::new(), coupling: None, kernel, nonfinite }
        });
        Ok(sweeps.collect())
    }

    fn pass(&mut self, pass: &UnrecordedPass) -> Result<(), Fault> {
        if self.follows_covariances(self.passes + 1) {
            // Looked at after all: by the covariances.
            let forward = self.forward(pass.step, pass.batches, false)?;
            let outputs = self.launcher.size.outputs;
            let chi = forward.iter().zip(pass.labels);
            let chi: Vec<_> =
                chi.map(|(forward, labels)| pass.loss.chi(&forward.f, labels, outputs)).collect();
            self.backward(pass.step, &chi, Some(&pass.update))?;
            return Ok(());
        }
        self.passes += 1;
        self.begin(pass.step, Some(&pass.update))?;
        self.choose(pass.batches)?;
        if self.labelled != pass.batches {
            self.device.write(&mut self.descent.labels, &pass.labels.concat())?;
            self.labelled = pass.batches.to_vec();
        }
        if let Hidden::Frozen { .. } = self.weights.hidden {
            // Its drift grows from step to step.
            self.launch_step(pass)?;
            return self.step_drift(&pass.update);
        }
        if self.graph.is_none() {
            self.graph = self.device.capture(|| self.launch_step(pass))?;
        }
        match &self.graph {
            Some(graph) => graph.launch().map_err(|error| Fault::of(error, "the graph of a step")),
            None => self.launch_step(pass),
        }
    }

    fn divergences(&mut self) -> Result<Vec<Option<Divergence>>, Fault> {
        let first = self.first_nonfinite()?;
        let divergence =
            |(step, place)| Divergence { step, layer: self.launcher.pass_order().layer(place) };
        Ok(first.into_iter().map(|first| first.map(divergence)).collect())
    }

    fn covariances(&self) -> Vec<Option<Vec<Covariances>>> {
        self.covariances_so_far()
    }

    fn archive(&mut self, member: usize, archive: &mut Archive) -> Walked {
        let (device, size) = (&self.device, self.launcher.size);
        self.weights.archive(device, archive, (size, member))?;
        let each = self.workspace.stride_read();
        let layers = (0..size.depth).map(|l| {
            let first = (l * size.members + member) * each;
            first..first + each
        });
        let count = size.depth * size.members * each;
        device.archive_optional(archive, &mut self.inner_initial, count, layers)?;
        archive.count(&mut self.passes)?;
        self.recorders[member].archive(archive)
    }
}
