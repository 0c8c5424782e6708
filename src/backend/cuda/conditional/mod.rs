//! The conditional engine on a device: what all members that are in flight remember.
//!
//! The formulas are those of [`crate::backend::plain::conditional`]. A sweep through all layers of all
//! members is one cooperative launch (`kernels/conditional/sweep.cu`); U is never kept, as on the processor: h_0
//! of all samples follows its own update. Small matrices stay on the device, and nothing comes back before
//! a pass is done. No number of a member depends on how many others are in flight.
//!
//! From the bottom: [`shape`]: how rows and blocks are shared out; [`columns`]: what is remembered;
//! [`workspace`]: vectors of a pass; [`sweep`]: what a pass launches; here: networks; `crew`: when, `record`: what
//! comes back.

pub mod columns;
pub mod cost;
mod crew;
mod record;
pub mod shape;
pub mod sweep;
pub mod workspace;

use std::sync::Arc;

use super::arguments::{Draw, LayerState, StepParameters};
use super::device::fault::Fault;
use super::device::{Buffer, Device, Number};
use super::launch::WeightFormat;
use super::trained::TrainedBuffer;
use crate::backend::coefficients::Queries;
use crate::backend::responses::ResponseFunctions;
use crate::backend::{EVALUATED_AT_ONCE, Network, Probe, Set, Update};
use crate::data::Samples;
use crate::rng::noise::{BrownianPath, Entry};
use columns::StoredColumns;
use record::DeviceRecorder;
use shape::parts_of;
use sweep::{Launcher, joined};
use workspace::Workspace;

/// Numbers of a column are padded to a multiple of this.
pub const PADDING: usize = 32;

/// The sizes that all arrays of a crew follow from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Size {
    /// Number of networks in flight.
    pub members: usize,
    /// Width n of the hidden layers.
    pub width: usize,
    /// Depth L: the number of residual blocks.
    pub depth: usize,
    /// Matrices of a block: 1, or 2 in two-layer blocks, where inner layers have width n too.
    pub per_block: usize,
    /// Dimension d of the inputs.
    pub dimension: usize,
    /// Number O of outputs.
    pub outputs: usize,
    /// Number of training and test samples together.
    pub all: usize,
    /// Width n, padded: numbers from one column to the next.
    pub ld: usize,
    /// The columns that a side of a layer has room for.
    pub capacity: usize,
}

impl Size {
    /// Number of weight matrices of a member, from the input on: of each two-layer block W1 and then W2.
    pub fn matrices_of_member(&self) -> usize {
        self.depth * self.per_block
    }

    /// Number of weight matrices of all members.
    pub fn matrices(&self) -> usize {
        self.members * self.matrices_of_member()
    }

    /// The matrix, from 0 on, that reads h_l, l < L: the W1 of a two-layer block, else W.
    pub fn reader_of(&self, l: usize) -> usize {
        l * self.per_block
    }

    /// The matrix, from 0 on, that writes h_l, l > 0, and reads g_l: the W2 of a two-layer block, else W.
    pub fn writer_of(&self, l: usize) -> usize {
        l * self.per_block - 1
    }

    /// Numbers of a matrix in coefficients, of which there is room for.
    pub fn square(&self) -> usize {
        self.capacity * self.capacity
    }
}

/// Passes for whose columns there is room at first, where the device has none for those of all.
pub const PASSES_AT_FIRST: usize = 2;

/// The most columns that a side of a layer can have: a sample of every pass brings one at most, and more
/// than n are not independent.
pub fn capacity(width: usize, passes: usize, batch: usize) -> usize {
    (passes * batch).min(width)
}

/// Networks of one shape that are to go step by step together.
#[derive(Clone, Debug)]
pub struct Members<'a> {
    /// The shape that all of them have.
    pub network: Network,
    /// Seed of the noise of each network.
    pub seeds: &'a [u64],
    /// How each network reads its noise.
    pub noise: BrownianPath,
    /// What is kept of recorded passes.
    pub probe: Probe,
    /// Training samples and test samples.
    pub samples: (Samples, Samples),
    /// Number B of samples of an update.
    pub batch: usize,
    /// Number of passes of the whole training, the last one included.
    pub passes: usize,
    /// Passes for whose columns there is room at first: all of them, or [`PASSES_AT_FIRST`] where the
    /// device has no room for those of all, and takes it as columns are kept.
    pub passes_at_first: usize,
}

/// What a pass of all members sends back down.
pub struct OutputSignal {
    /// Signal χ at the outputs, P×O a member.
    pub chi: Buffer<f64>,
    /// Labels of the samples, P×O a member.
    pub labels: Buffer<f64>,
    /// Factors with which columns of g enter updates, P a member.
    pub k: Buffer<f64>,
    /// Inner products of inputs, by which g_0 of each sample moves h_0 of all: P × all a member.
    pub products: Buffer<f64>,
}

/// Networks of the conditional engine that are in flight on one device.
pub struct Conditional<T: Number> {
    device: Arc<Device>,
    launcher: Launcher,
    probe: Probe,
    samples: [Samples; 2],
    batch: usize,
    columns: StoredColumns<T>,
    h: TrainedBuffer<T>,
    v: TrainedBuffer<T>,
    workspace: Workspace<T>,
    signal: OutputSignal,
    evaluation: Option<Workspace<T>>,
    /// Positions that are in the workspace, and those whose labels are there.
    batches: Vec<Vec<usize>>,
    labelled: Vec<Vec<usize>>,
    /// Whether the last forward pass was recorded.
    record: bool,
    passes: usize,
    /// The most columns that a side of a layer can have.
    most: usize,
    /// No side of a layer has more columns after this pass.
    kept: usize,
    features: DeviceRecorder<T>,
    gradients: DeviceRecorder<T>,
    /// The movement of z in two-layer blocks, and where it is looked at; None where blocks have one layer.
    inner: Option<(Probe, DeviceRecorder<T>)>,
    /// Of each member, forward and backward; only at probed layers.
    queries: Vec<[Queries; 2]>,
    /// Responses of forward and backward answers of each member, at the same layers.
    responses: Vec<[ResponseFunctions; 2]>,
}

impl<T: Number> Conditional<T> {
    /// Networks at their initialisation.
    ///
    /// # Errors
    /// When the device has not enough memory, or fails.
    pub fn new(device: Arc<Device>, ensemble: Members) -> Result<Self, Fault> {
        let Members { network, seeds, noise, probe, samples: (train, test), .. } = ensemble;
        let Members { batch, passes, passes_at_first, .. } = ensemble;
        let most = capacity(network.width, passes, batch);
        let size = Size {
            members: seeds.len(),
            width: network.width,
            depth: network.depth,
            per_block: network.matrices_of_a_block() as usize,
            dimension: train.dimension,
            outputs: network.outputs,
            all: train.len() + test.len(),
            ld: network.width.next_multiple_of(PADDING),
            capacity: capacity(network.width, passes_at_first, batch),
        };
        let launcher = Launcher {
            size,
            noise,
            seeds: device.copied(seeds)?,
            inputs: device.copied(&joined(&train, &test))?,
            parameters: device.zeros(1)?,
            first_nonfinite: device.copied(&vec![u64::MAX; size.members])?,
            network,
        };
        let h = TrainedBuffer::new(device.zeros(size.members * size.all * size.ld)?);
        launcher.embed(&device, &h)?;
        let v = TrainedBuffer::new(device.zeros(size.members * size.outputs * size.ld)?);
        let place = launcher.noise.address(Entry::Readout { output: 0 });
        let readout = Draw {
            out: v.values.at(0),
            stride: (size.outputs * size.ld) as u64,
            seeds: launcher.seeds.at(0),
            scale: 1.0,
            row_stride: 1,
            column_stride: size.ld as u32,
            rows: size.width as u32,
            columns: size.outputs as u32,
            fine_layers: place.fine,
            first_fine_layer: place.layer,
            tag: place.tag,
            ..Draw::default()
        };
        device.draw::<T>(&readout, WeightFormat::Full, size.members as u32)?;
        let each = size.members * batch;
        let queries = [Queries::new(size.depth), Queries::new(size.depth)];
        let scales = launcher.network.response_scales();
        let responses = scales.map(|scale| ResponseFunctions::new(size.depth, scale));
        // z of every block, of which no rows are kept.
        let inner = Probe { layers: (1..=size.depth).collect(), rows: 0, ..probe.clone() };
        let inner = (size.per_block == 2).then(|| {
            let recorder = DeviceRecorder::new(&device, size, &inner, batch)?;
            Ok::<_, Fault>((inner, recorder))
        });
        Ok(Conditional {
            columns: StoredColumns::new(&device, size)?,
            workspace: Workspace::new(&device, size, &[batch], Some(&probe.layers))?,
            signal: OutputSignal {
                chi: device.zeros(each * size.outputs)?,
                labels: device.zeros(each * size.outputs)?,
                k: device.zeros(each)?,
                products: device.zeros(each * size.all)?,
            },
            features: DeviceRecorder::new(&device, size, &probe, batch)?,
            gradients: DeviceRecorder::new(&device, size, &probe, batch)?,
            queries: vec![queries; size.members],
            responses: vec![responses; size.members],
            inner: inner.transpose()?,
            samples: [train, test],
            evaluation: None,
            batches: Vec::new(),
            labelled: Vec::new(),
            record: false,
            passes: 0,
            most,
            kept: 0,
            launcher,
            probe,
            batch,
            h,
            v,
            device,
        })
    }

    fn size(&self) -> Size {
        self.launcher.size
    }

    /// Makes room for the columns that the pass to come may add.
    fn make_room(&mut self) -> Result<(), Fault> {
        let size = self.size();
        if size.capacity == self.most {
            return Ok(());
        }
        if self.kept + self.batch > size.capacity {
            let ranks = self.states()?.into_iter().flat_map(|state| state.rank);
            self.kept = ranks.max().unwrap_or(0) as usize;
        }
        self.kept += self.batch;
        if self.kept <= size.capacity {
            return Ok(());
        }
        let needed = self.kept.min(self.most);
        let larger = (size.capacity * 3 / 2).clamp(needed, self.most);
        // Four arrays, of which one is there twice meanwhile, and a tenth for all that is smaller.
        let column = (size.matrices() * size.ld * size_of::<T>()) as f64;
        let bytes = 1.1 * column * (4.0 * larger as f64 - 3.0 * size.capacity as f64);
        let fits = bytes <= self.device.free()? as f64;
        // Made anew, somewhat larger, when samples are evaluated.
        self.evaluation = None;
        self.grow(if fits { larger } else { needed })
    }

    /// Makes room for layers of which no side has more than `kept` columns.
    fn hold(&mut self, kept: usize) -> Result<(), Fault> {
        self.kept = self.kept.max(kept);
        if kept <= self.size().capacity {
            return Ok(());
        }
        self.evaluation = None;
        self.grow(kept)
    }

    /// Gives every side of a layer room for `capacity` columns, more than before.
    fn grow(&mut self, capacity: usize) -> Result<(), Fault> {
        self.columns.grow(&self.device, self.launcher.size, capacity)?;
        self.launcher.size.capacity = capacity;
        self.workspace.grow(&self.device, capacity)
    }

    fn follows_covariances(&self, passes: usize) -> bool {
        self.probe.follows_covariances(passes, self.samples[0].len())
    }

    /// What the device has to know of a pass.
    fn begin(&mut self, step: u32, update: Option<&Update>) -> Result<(), Fault> {
        let (device, size) = (&self.device, self.launcher.size);
        let mut parameters = StepParameters { step: u64::from(step), ..StepParameters::default() };
        if let Some(Update { rates, momentum, weight_decay, .. }) = update {
            parameters.rates = [rates.input, rates.hidden, rates.readout];
            (parameters.momentum, parameters.weight_decay) = (*momentum, *weight_decay);
            if *momentum > 0.0 {
                self.h.set_in_motion(device, (size.members * size.all * size.ld, 1))?;
                self.v.set_in_motion(device, (size.members * size.outputs * size.ld, 1))?;
                self.columns.set_in_motion(device, size)?;
            }
        }
        device.write(&mut self.launcher.parameters, &[parameters])
    }

    /// Puts the samples of a pass into the workspace.
    fn choose(&mut self, batches: &[Vec<usize>]) -> Result<(), Fault> {
        if self.batches == batches {
            return Ok(());
        }
        let all = batches.iter().flatten();
        let positions: Vec<u32> = all.clone().map(|&p| p as u32).collect();
        let indices: Vec<u32> = all.map(|&p| self.samples[0].indices[p]).collect();
        self.device.write(&mut self.workspace.positions, &positions)?;
        self.device.write(&mut self.workspace.indices, &indices)?;
        self.batches = batches.to_vec();
        Ok(())
    }

    /// Turns to the samples of `set` at `part`, to be evaluated.
    fn choose_evaluated(&mut self, set: Set, part: &[usize]) -> Result<(), Fault> {
        let device = &self.device;
        if self.evaluation.as_ref().is_none_or(|workspace| !workspace.is_for(part.len())) {
            // Not both at once: what is freed in the stream's order is free when it gets there.
            self.evaluation = None;
            device.wait()?;
            let mut numbers = self.evaluated_at_once();
            numbers.push(part.len());
            self.evaluation = Some(Workspace::new(device, self.launcher.size, &numbers, None)?);
        }
        let (samples, before) = match set {
            Set::Train => (&self.samples[0], 0),
            Set::Test => (&self.samples[1], self.samples[0].len()),
        };
        if let Some(workspace) = &mut self.evaluation {
            let positions: Vec<u32> = part.iter().map(|&p| (before + p) as u32).collect();
            let indices: Vec<u32> = part.iter().map(|&p| samples.indices[p]).collect();
            workspace.turn_to(part.len());
            device.write(&mut workspace.positions, &positions)?;
            device.write(&mut workspace.indices, &indices)?;
        }
        Ok(())
    }

    /// Samples that recorded passes evaluate together: of the test set, and with minibatches of the
    /// training set.
    fn evaluated_at_once(&self) -> Vec<usize> {
        let [train, test] = [&self.samples[0], &self.samples[1]].map(Samples::len);
        let minibatches = self.batch < train;
        parts_of([if minibatches { train } else { 0 }, test], EVALUATED_AT_ONCE)
    }

    /// Ranks and factors of all matrices, \[matrix\]\[member\].
    fn states(&self) -> Result<Vec<LayerState>, Fault> {
        self.device.read_back(&self.columns.states, 0..self.size().matrices())
    }

    /// Where each member left the finite numbers first: the step, and the place in it.
    fn first_nonfinite(&self) -> Result<Vec<Option<(u32, u32)>>, Fault> {
        let members = self.size().members;
        let first = self.device.read_back(&self.launcher.first_nonfinite, 0..members)?;
        Ok(first.into_iter().map(|noted| self.launcher.pass_order().read(noted)).collect())
    }

    /// h_l of all members after the last forward pass, \[member\]\[sample\]\[row\] with rows padded; for
    /// tests.
    ///
    /// # Errors
    /// As of [`crate::backend::crew::Crew::forward`].
    pub fn hidden(&self, l: usize) -> Result<Vec<T>, Fault> {
        let each = self.size().members * self.batch * self.size().ld;
        self.device.read_back(&self.workspace.hidden, l * each..(l + 1) * each)
    }
}

/// Parts in which samples are evaluated.
fn parts(count: usize) -> impl Iterator<Item = Vec<usize>> {
    (0..count)
        .step_by(EVALUATED_AT_ONCE)
        .map(move |first| (first..count.min(first + EVALUATED_AT_ONCE)).collect())
}
