//! The dense engine on a device: explicit weights of all members that are in flight.
//!
//! The formulas are those of [`crate::backend::plain::dense`], the kernels those of `kernels/`. A
//! training step that nobody looks at is one launch of a captured graph: forward, loss, backward with
//! all updates; what changes from step to step lies in the memory of the device. No number of a member
//! depends on how many others are in flight.
//!
//! From the bottom: [`room`]: vectors; [`drift`], [`weights`]: matrices; [`sweep`]: what a pass launches;
//! here: when, and what comes back.

pub mod drift;
pub mod room;
pub mod sweep;
pub mod weights;

use std::sync::Arc;

use cudarc::driver::CudaGraph;

use super::device::{Buffer, Device, Number};
use super::fault::Fault;
use super::launch::Moment;
use crate::backend::cpu::dense::record::Recorder;
use crate::backend::cpu::dense::vectors::Vectors;
use crate::backend::crew::{Crew, Unseen};
use crate::backend::{
    BackwardSweep, Covariances, Divergence, EVALUATED_AT_ONCE, ForwardSweep, Network, Probe, Set,
    Snapshot, Update,
};
use crate::data::Samples;
use crate::rng::noise::BrownianPath;
use room::Room;
use sweep::{Descent, Sweep};
use weights::{Hidden, Weights};

/// Numbers of a row are padded to a multiple of this.
pub const PADDING: usize = 32;

/// Sizes of all arrays.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Size {
    /// Networks.
    pub members: usize,
    /// n
    pub width: usize,
    /// L
    pub depth: usize,
    /// d
    pub dimension: usize,
    /// O
    pub outputs: usize,
    /// B: samples of an update.
    pub batch: usize,
    /// n, padded.
    pub ld: usize,
    /// d, padded.
    pub ld_input: usize,
    /// Columns of a drift, padded; 0 where there is none.
    pub ld_drift: usize,
}

impl Size {
    /// Numbers of a hidden matrix.
    pub fn matrix(&self) -> usize {
        self.width * self.ld
    }

    /// Numbers of a layer of all members.
    pub fn layer(&self) -> usize {
        self.members * self.matrix()
    }

    /// Numbers of one factor of a drift.
    pub fn drift(&self) -> usize {
        self.width * self.ld_drift
    }
}

/// What a crew is made of.
#[derive(Clone, Debug)]
pub struct Ensemble<'a> {
    /// Every member.
    pub network: Network,
    /// Of each member.
    pub seeds: &'a [u64],
    /// How each reads its noise.
    pub noise: BrownianPath,
    /// What is kept.
    pub probe: Probe,
    /// Training and test samples.
    pub samples: (Samples, Samples),
    /// Samples of an update.
    pub batch: usize,
    /// Initial hidden weights frozen in bf16, for so many updates at most.
    pub frozen: Option<usize>,
}

/// Networks in flight.
pub struct Dense<T: Number> {
    device: Arc<Device>,
    network: Network,
    probe: Probe,
    samples: [Samples; 2],
    inputs: [Buffer<f64>; 2],
    sweep: Sweep,
    weights: Weights<T>,
    room: Room<T>,
    descent: Descent<T>,
    evaluation: Option<Room<T>>,
    /// Σ ((W − W⁽⁰⁾)φ)², one of each member.
    movement: Buffer<f64>,
    /// Positions that are in the room, and those whose labels are there.
    batches: Vec<Vec<usize>>,
    labelled: Vec<Vec<usize>>,
    /// One step.
    graph: Option<CudaGraph>,
    /// Whether the last forward pass was recorded.
    record: bool,
    passes: usize,
    recorders: Vec<Recorders<T>>,
}

/// What is kept of one member.
struct Recorders<T> {
    features: Recorder<T>,
    /// Its history is of φ(h), which covariances are of.
    values: Recorder<T>,
    gradients: Recorder<T>,
}

impl<T: Number> Dense<T> {
    /// Networks at initialisation.
    ///
    /// # Errors
    /// When the device has not enough memory, or fails.
    pub fn new(device: Arc<Device>, ensemble: Ensemble) -> Result<Self, Fault> {
        let Ensemble { network, seeds, noise, probe, samples: (train, test), batch, frozen } =
            ensemble;
        let padded = |n: usize| n.next_multiple_of(PADDING);
        let size = Size {
            members: seeds.len(),
            width: network.width,
            depth: network.depth,
            dimension: train.dimension,
            outputs: network.outputs,
            batch,
            ld: padded(network.width),
            ld_input: padded(train.dimension),
            ld_drift: frozen.map_or(0, |updates| padded((updates * batch).max(1))),
        };
        let kind = (network.own_backward_weights(), frozen);
        let recorders = seeds.iter().map(|_| Recorders {
            features: Recorder::new(&probe),
            values: Recorder::new(&probe),
            gradients: Recorder::new(&probe),
        });
        let sweep = Sweep {
            size,
            activation: network.activation,
            scales: network.scales,
            moment: device.zeros(1)?,
            first_nonfinite: device.copied(&vec![u64::MAX; size.members])?,
        };
        Ok(Dense {
            weights: Weights::draw(&device, size, seeds, noise, kind)?,
            room: Room::new(&device, size, batch, true)?,
            descent: Descent::new(&device, size, batch)?,
            inputs: [device.copied(&train.inputs)?, device.copied(&test.inputs)?],
            samples: [train, test],
            movement: device.zeros(size.members)?,
            evaluation: None,
            batches: Vec::new(),
            labelled: Vec::new(),
            graph: None,
            record: false,
            passes: 0,
            recorders: recorders.collect(),
            sweep,
            network,
            probe,
            device,
        })
    }

    /// Entry (i, j) of W_l of a member, by row and column; for tests.
    ///
    /// # Errors
    /// As of [`Crew::forward`].
    pub fn weights_of(&self, member: usize, l: usize) -> Result<Option<Vec<T>>, Fault> {
        let size = self.sweep.size;
        let Hidden::Full { forward, .. } = &self.weights.hidden else { return Ok(None) };
        let first = (l - 1) * size.layer() + member * size.matrix();
        let all = self.device.read_back(&forward.weights, first..first + size.matrix())?;
        let rows = all.chunks(size.ld).flat_map(|row| row[..size.width].iter().copied());
        Ok(Some(rows.collect()))
    }

    /// U of a member, by row and column, and V, output by output; for tests.
    ///
    /// # Errors
    /// As of [`Crew::forward`].
    pub fn ends_of(&self, member: usize) -> Result<(Vec<T>, Vec<T>), Fault> {
        let size = self.sweep.size;
        let block =
            |buffer: &Buffer<T>, rows: usize, ld: usize, there: usize| -> Result<_, Fault> {
                let first = member * rows * ld;
                let all = self.device.read_back(buffer, first..first + rows * ld)?;
                Ok(all.chunks(ld).flat_map(|row| row[..there].iter().copied()).collect())
            };
        let u = block(&self.weights.input.weights, size.width, size.ld_input, size.dimension)?;
        let v = block(&self.weights.readout.weights, size.outputs, size.ld, size.width)?;
        Ok((u, v))
    }

    /// Samples that recorded passes evaluate together: of the test set, and with minibatches of the
    /// training set.
    fn evaluated_at_once(&self) -> usize {
        let [train, test] = [&self.samples[0], &self.samples[1]].map(Samples::len);
        let minibatches = self.sweep.size.batch < train;
        test.max(if minibatches { train } else { 0 }).min(EVALUATED_AT_ONCE)
    }

    fn follows_covariances(&self, passes: usize) -> bool {
        self.probe.follows_covariances(passes, self.samples[0].len())
    }

    /// What the device has to know of a pass.
    fn begin(&mut self, step: u32, update: Option<&Update>) -> Result<(), Fault> {
        let mut moment = Moment { step: u64::from(step), ..Moment::default() };
        if let Some(Update { rates, momentum, weight_decay }) = update {
            moment.rates = [rates.input, rates.hidden, rates.readout];
            (moment.momentum, moment.weight_decay) = (*momentum, *weight_decay);
            if *momentum > 0.0 {
                self.weights.set_in_motion(&self.device, self.sweep.size)?;
            }
        }
        self.device.write(&mut self.sweep.moment, &[moment])
    }

    /// Puts the samples of a pass into the room.
    fn choose(&mut self, batches: &[Vec<usize>]) -> Result<(), Fault> {
        if self.batches == batches {
            return Ok(());
        }
        let positions: Vec<u32> = batches.iter().flatten().map(|&p| p as u32).collect();
        self.device.write(&mut self.room.positions, &positions)?;
        self.batches = batches.to_vec();
        Ok(())
    }

    /// The vectors of each member, from those of all.
    fn by_member(&self, all: &[T]) -> Vec<Vectors<T>> {
        let Size { ld, width, .. } = self.sweep.size;
        let samples = self.room.samples;
        let of = |own: &[T]| Vectors::from_fn(width, samples, |i, p| own[p * ld + i]);
        all.chunks(samples * ld).map(of).collect()
    }

    /// Looks at h of the probed layers.
    fn look_forward(&mut self, follows: bool) -> Result<Vec<Vec<Snapshot>>, Fault> {
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
    fn look_backward(
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

    /// Where each member left the finite numbers first: the step, and the place in it.
    fn first_nonfinite(&self) -> Result<Vec<Option<(u32, u32)>>, Fault> {
        let members = self.sweep.size.members;
        let places = u64::from(self.sweep.places());
        let first = self.device.read_back(&self.sweep.first_nonfinite, 0..members)?;
        let decode = |first: u64| {
            (first != u64::MAX).then(|| ((first / places) as u32, (first % places) as u32))
        };
        Ok(first.into_iter().map(decode).collect())
    }

    /// The layer of a place: of h on the way up, of g on the way down.
    fn layer_of(&self, place: u32) -> Option<usize> {
        let outputs = self.sweep.place_of_outputs();
        match place.cmp(&outputs) {
            std::cmp::Ordering::Less => Some(place as usize),
            std::cmp::Ordering::Equal => None,
            std::cmp::Ordering::Greater => {
                Some(self.network.depth - (place - outputs - 1) as usize)
            }
        }
    }

    fn launch_forward(&self) -> Result<(), Fault> {
        let of = (&self.inputs[0], false, true);
        self.sweep.forward(&self.device, &self.weights, &self.room, of)
    }

    /// One step from the samples in the room to the last update.
    fn launch_step(&self, pass: &Unseen) -> Result<(), Fault> {
        let (device, weights) = (&*self.device, &self.weights);
        let vectors = (&self.room, &self.descent);
        self.launch_forward()?;
        self.sweep.loss(device, weights, vectors, pass.loss)?;
        self.sweep.signal(device, weights, vectors)?;
        for l in (1..=self.network.depth).rev() {
            self.sweep.descend(device, weights, vectors, l, true)?;
        }
        self.sweep.step_ends(device, weights, vectors)
    }

    /// The factors of an update are in the drift.
    fn step_drift(&mut self, update: &Update) -> Result<(), Fault> {
        match &mut self.weights.hidden {
            Hidden::Frozen { drift, .. } if update.rates.hidden != 0.0 => {
                drift.step(&self.device, update)
            }
            _ => Ok(()),
        }
    }
}

impl<T: Number> Crew for Dense<T> {
    type Fault = Fault;

    fn members(&self) -> usize {
        self.sweep.size.members
    }

    fn forward(
        &mut self,
        step: u32,
        batches: &[Vec<usize>],
        record: bool,
    ) -> Result<Vec<ForwardSweep>, Fault> {
        let Size { members, depth, width, outputs, .. } = self.sweep.size;
        self.begin(step, None)?;
        self.choose(batches)?;
        self.record = record;
        self.passes += 1;
        self.launch_forward()?;
        let mut own_movement = vec![0.0; members];
        if record {
            self.device.clear(&mut self.movement)?;
            let vectors = (&self.room, &self.descent.product);
            self.sweep.movement(&self.device, &mut self.weights, vectors, &self.movement)?;
            let sums = self.device.read_back(&self.movement, 0..members)?;
            // Entries, times n for the power of n^{-1/2} (W − W⁽⁰⁾)φ.
            let entries = (width * width * self.room.samples * depth) as f64;
            own_movement = sums.into_iter().map(|sum| sum / entries).collect();
        }
        let each = self.room.samples * outputs;
        let f = self.device.read_back(&self.room.f, 0..members * each)?;
        let follows = self.follows_covariances(self.passes);
        let features = self.look_forward(follows)?;
        let nonfinite = self.first_nonfinite()?.into_iter().map(|first| {
            let (at, place) = first?;
            (at == step && place < self.sweep.place_of_outputs()).then_some(place as usize)
        });
        let sweeps = f.chunks(each).zip(features).zip(own_movement).zip(nonfinite).map(
            |(((f, features), own_movement), nonfinite)| ForwardSweep {
                f: f.to_vec(),
                features,
                own_movement,
                ranks: Vec::new(),
                coupling: None,
                nonfinite,
            },
        );
        Ok(sweeps.collect())
    }

    fn evaluate(&mut self, _step: u32, set: Set) -> Result<Vec<Vec<f64>>, Fault> {
        let (size, device) = (self.sweep.size, &self.device);
        let index = match set {
            Set::Train => 0,
            Set::Test => 1,
        };
        let mut f = vec![Vec::new(); size.members];
        let positions: Vec<u32> = (0..self.samples[index].len() as u32).collect();
        for part in positions.chunks(EVALUATED_AT_ONCE) {
            if self.evaluation.as_ref().is_none_or(|room| room.most < part.len()) {
                // Not both at once: what is freed in the stream's order is free when it gets there.
                self.evaluation = None;
                device.wait()?;
                let most = self.evaluated_at_once().max(part.len());
                self.evaluation = Some(Room::new(device, size, most, false)?);
            }
            let Some(room) = &mut self.evaluation else { continue };
            room.turn_to(device, part.len())?;
            device.write(&mut room.positions, part)?;
            let of = (&self.inputs[index], true, false);
            self.sweep.forward(device, &self.weights, room, of)?;
            let each = part.len() * size.outputs;
            let all = device.read_back(&room.f, 0..size.members * each)?;
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
        let mut seen = vec![Vec::new(); self.sweep.size.members];
        let moves = update.is_some_and(|update| update.rates.hidden != 0.0);
        self.sweep.signal(&self.device, &self.weights, (&self.room, &self.descent))?;
        for l in (0..=self.network.depth).rev() {
            self.look_backward(l, follows, &mut seen)?;
            if l > 0 {
                let vectors = (&self.room, &self.descent);
                self.sweep.descend(&self.device, &self.weights, vectors, l, moves)?;
            }
        }
        if let Some(update) = update {
            let vectors = (&self.room, &self.descent);
            self.sweep.step_ends(&self.device, &self.weights, vectors)?;
            self.step_drift(update)?;
        }
        let nonfinite = self.first_nonfinite()?.into_iter().map(|first| {
            let (at, place) = first?;
            let below = place > self.sweep.place_of_outputs();
            (at == step && below).then(|| self.layer_of(place)).flatten()
        });
        let sweeps = seen.into_iter().zip(nonfinite).map(|(mut gradients, nonfinite)| {
            gradients.reverse();
            BackwardSweep { gradients, ranks: Vec::new(), coupling: None, nonfinite }
        });
        Ok(sweeps.collect())
    }

    fn pass(&mut self, pass: &Unseen) -> Result<(), Fault> {
        if self.follows_covariances(self.passes + 1) {
            // Looked at after all: by the covariances.
            let forward = self.forward(pass.step, pass.batches, false)?;
            let outputs = self.sweep.size.outputs;
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
        let divergence = |(step, place)| Divergence { step, layer: self.layer_of(place) };
        Ok(first.into_iter().map(|first| first.map(divergence)).collect())
    }

    fn covariances(&self) -> Vec<Option<Vec<Covariances>>> {
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
