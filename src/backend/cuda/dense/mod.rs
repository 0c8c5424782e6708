//! The dense engine on a device: explicit weights of all members that are in flight.
//!
//! The formulas are those of [`crate::backend::plain::dense`], the kernels those of `kernels/`. A
//! training step that nobody looks at is one launch of a captured graph: forward, loss, backward with
//! all updates; what changes from step to step lies in the memory of the device. No number of a member
//! depends on how many others are in flight.
//!
//! From the bottom: [`workspace`]: vectors; [`drift`], [`weights`]: matrices; [`sweep`], [`descend`]: what a
//! pass launches, up and down; [`entrywise`]: steps that are not gradient descent; here: networks; `crew`: when, `record`: what comes back.

pub mod cost;
mod crew;
pub mod descend;
pub mod drift;
pub mod entrywise;
mod record;
pub mod sweep;
pub mod weights;
pub mod workspace;

use std::sync::Arc;

use cudarc::driver::CudaGraph;

use super::arguments::StepParameters;
use super::device::fault::Fault;
use super::device::{Buffer, Device, Number};
use crate::backend::crew::UnrecordedPass;
use crate::backend::record::Recorder;
use crate::backend::{EVALUATED_AT_ONCE, Network, Probe, Update};
use crate::data::Samples;
use crate::model::Rule;
use crate::rng::noise::BrownianPath;
use descend::Descent;
use sweep::Launcher;
use weights::{Hidden, Matrices, Weights};
use workspace::Workspace;

/// Numbers of a row are padded to a multiple of this.
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
    /// Dimension d of the inputs.
    pub dimension: usize,
    /// Number O of outputs.
    pub outputs: usize,
    /// Number B of samples of an update.
    pub batch: usize,
    /// Width n, padded: numbers from one row to the next.
    pub ld: usize,
    /// Dimension d, padded: numbers from one row of U to the next.
    pub ld_input: usize,
    /// Columns of a factor of the drift, padded; 0 where there is none.
    pub ld_drift: usize,
    /// Width M of the inner layer of two-layer blocks; None where blocks have one matrix.
    pub inner: Option<usize>,
}

/// A hidden matrix of one member; it lies row by row, each padded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shape {
    /// Rows of the matrix.
    pub rows: usize,
    /// Columns of the matrix, without padding.
    pub columns: usize,
}

impl Shape {
    /// Numbers from one row to the next.
    pub fn ld(self) -> usize {
        self.columns.next_multiple_of(PADDING)
    }

    /// Numbers of the matrix, padding included.
    pub fn numbers(self) -> usize {
        self.rows * self.ld()
    }
}

impl Size {
    /// The sizes of so many `members` with inputs of this `dimension` and updates of `batch` samples; where initial
    /// weights are `frozen`, for so many updates.
    pub fn new(
        network: &Network,
        (members, dimension, batch): (usize, usize, usize),
        frozen: Option<usize>,
    ) -> Size {
        let padded = |n: usize| n.next_multiple_of(PADDING);
        Size {
            members,
            width: network.width,
            depth: network.depth,
            dimension,
            outputs: network.outputs,
            batch,
            ld: padded(network.width),
            ld_input: padded(dimension),
            ld_drift: frozen.map_or(0, |updates| padded((updates * batch).max(1))),
            inner: network.scales.inner.map(|inner| inner.width),
        }
    }

    /// The matrices W, n×n, in two-layer blocks W2, n×M.
    pub fn outer(&self) -> Shape {
        Shape { rows: self.width, columns: self.width_read() }
    }

    /// The matrices W1 of two-layer blocks, M×n.
    pub fn inner(&self) -> Shape {
        Shape { rows: self.width_read(), columns: self.width }
    }

    /// Width of the vectors that W, in two-layer blocks W2, reads: n, or M.
    fn width_read(&self) -> usize {
        self.inner.unwrap_or(self.width)
    }

    /// Numbers of such a vector, padding included.
    pub fn ld_read(&self) -> usize {
        self.outer().ld()
    }

    /// Numbers of one layer's matrices of all members.
    pub fn layer(&self, of: Shape) -> usize {
        self.members * of.numbers()
    }

    /// Numbers of one factor of a drift.
    pub fn drift(&self) -> usize {
        self.width * self.ld_drift
    }
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
    /// Number of updates, at most, where initial hidden weights are frozen in bf16, of one-layer
    /// blocks only; None where weights are kept in full.
    pub frozen: Option<usize>,
}

/// Networks of the dense engine that are in flight on one device.
pub struct Dense<T: Number> {
    device: Arc<Device>,
    network: Network,
    probe: Probe,
    samples: [Samples; 2],
    inputs: [Buffer<f64>; 2],
    launcher: Launcher,
    weights: Weights<T>,
    workspace: Workspace<T>,
    descent: Descent<T>,
    evaluation: Option<Workspace<T>>,
    /// Σ ((W − W⁽⁰⁾)φ)², one of each member.
    movement: Buffer<f64>,
    /// z_1 … z_L of the first recorded pass, once there was one, in two-layer blocks without minibatches.
    inner_initial: Option<Buffer<T>>,
    /// Positions that are in the workspace, and those whose labels are there.
    batches: Vec<Vec<usize>>,
    labelled: Vec<Vec<usize>>,
    /// One step.
    graph: Option<CudaGraph>,
    /// Whether the last forward pass was recorded.
    record: bool,
    passes: usize,
    recorders: Vec<Recorder<T>>,
}

impl<T: Number> Dense<T> {
    /// Networks at their initialisation.
    ///
    /// # Errors
    /// When the device has not enough memory, or fails.
    pub fn new(device: Arc<Device>, ensemble: Members) -> Result<Self, Fault> {
        let Members { network, seeds, noise, probe, samples: (train, test), batch, frozen } =
            ensemble;
        let size = Size::new(&network, (seeds.len(), train.dimension, batch), frozen);
        let own_backward = network.own_backward_weights();
        let recorders = seeds.iter().map(|_| Recorder::new(&probe));
        let launcher = Launcher {
            size,
            activation: network.activation,
            scales: network.scales,
            parameters: device.zeros(1)?,
            first_nonfinite: device.copied(&vec![u64::MAX; size.members])?,
        };
        Ok(Dense {
            weights: Weights::draw(&device, size, seeds, noise, own_backward, frozen)?,
            workspace: Workspace::new(&device, size, batch, true)?,
            descent: Descent::new(&device, size, batch)?,
            inputs: [device.copied(&train.inputs)?, device.copied(&test.inputs)?],
            samples: [train, test],
            movement: device.zeros(size.members)?,
            evaluation: None,
            inner_initial: None,
            batches: Vec::new(),
            labelled: Vec::new(),
            graph: None,
            record: false,
            passes: 0,
            recorders: recorders.collect(),
            launcher,
            network,
            probe,
            device,
        })
    }

    /// The entries (i, j) of W_l of a member, by row and column, in two-layer blocks of W2_l; for tests.
    ///
    /// # Errors
    /// As of [`crate::backend::crew::Crew::forward`].
    pub fn weights_of(&self, member: usize, l: usize) -> Result<Option<Vec<T>>, Fault> {
        let Hidden::Full(hidden) = &self.weights.hidden else { return Ok(None) };
        self.matrix_of(hidden, member, l).map(Some)
    }

    /// The entries (i, j) of the inner matrix W1_l of a member, by row and column, None where blocks have
    /// one layer; for tests.
    ///
    /// # Errors
    /// When the device fails.
    pub fn inner_weights_of(&self, member: usize, l: usize) -> Result<Option<Vec<T>>, Fault> {
        self.weights.inner.as_ref().map(|inner| self.matrix_of(inner, member, l)).transpose()
    }

    fn matrix_of(&self, of: &Matrices<T>, member: usize, l: usize) -> Result<Vec<T>, Fault> {
        let size = self.launcher.size;
        let first = of.start(size, l) + member * of.shape.numbers();
        let all = self.device.read_back(&of.forward.values, first..first + of.shape.numbers())?;
        let entries = |row: &[T]| row[..of.shape.columns].to_vec();
        Ok(all.chunks(of.shape.ld()).flat_map(entries).collect())
    }

    /// U of a member, by row and column, and V, output by output; for tests.
    ///
    /// # Errors
    /// As of [`crate::backend::crew::Crew::forward`].
    pub fn ends_of(&self, member: usize) -> Result<(Vec<T>, Vec<T>), Fault> {
        let size = self.launcher.size;
        let block =
            |buffer: &Buffer<T>, rows: usize, ld: usize, there: usize| -> Result<_, Fault> {
                let first = member * rows * ld;
                let all = self.device.read_back(buffer, first..first + rows * ld)?;
                Ok(all.chunks(ld).flat_map(|row| row[..there].iter().copied()).collect())
            };
        let u = block(&self.weights.input.values, size.width, size.ld_input, size.dimension)?;
        let v = block(&self.weights.readout.values, size.outputs, size.ld, size.width)?;
        Ok((u, v))
    }

    /// Samples that recorded passes evaluate together: of the test set, and with minibatches of the
    /// training set.
    fn evaluated_at_once(&self) -> usize {
        let [train, test] = [&self.samples[0], &self.samples[1]].map(Samples::len);
        let minibatches = self.launcher.size.batch < train;
        test.max(if minibatches { train } else { 0 }).min(EVALUATED_AT_ONCE)
    }

    fn follows_covariances(&self, passes: usize) -> bool {
        self.probe.follows_covariances(passes, self.samples[0].len())
    }

    /// What the device has to know of a pass.
    fn begin(&mut self, step: u32, update: Option<&Update>) -> Result<(), Fault> {
        let mut parameters = StepParameters { step: u64::from(step), ..StepParameters::default() };
        if let Some(update) = update {
            let Update { rates, momentum, weight_decay, rule, number } = *update;
            parameters.rates = [rates.input, rates.hidden, rates.readout];
            if rule == Rule::Descent {
                (parameters.momentum, parameters.weight_decay) = (momentum, weight_decay);
            }
            if let Rule::Adam { betas, .. } = rule {
                parameters.corrections = betas.map(|beta| 1.0 - beta.powi(number as i32));
            }
            let (device, size) = (&self.device, self.launcher.size);
            self.descent.prepare(device, size, rule)?;
            self.weights.set_in_motion(device, size, update)?;
        }
        self.device.write(&mut self.launcher.parameters, &[parameters])
    }

    /// Puts the samples of a pass into the workspace.
    fn choose(&mut self, batches: &[Vec<usize>]) -> Result<(), Fault> {
        if self.batches == batches {
            return Ok(());
        }
        let positions: Vec<u32> = batches.iter().flatten().map(|&p| p as u32).collect();
        self.device.write(&mut self.workspace.positions, &positions)?;
        self.batches = batches.to_vec();
        Ok(())
    }

    /// Where each member left the finite numbers first: the step, and the place in it.
    fn first_nonfinite(&self) -> Result<Vec<Option<(u32, u32)>>, Fault> {
        let members = self.launcher.size.members;
        let first = self.device.read_back(&self.launcher.first_nonfinite, 0..members)?;
        Ok(first.into_iter().map(|noted| self.launcher.pass_order().read(noted)).collect())
    }

    fn launch_forward(&self) -> Result<(), Fault> {
        let inputs = &self.inputs[0];
        self.launcher.forward(&self.device, &self.weights, &self.workspace, inputs, false)
    }

    /// One step from the samples in the workspace to the last update.
    fn launch_step(&self, pass: &UnrecordedPass) -> Result<(), Fault> {
        let (device, weights) = (&*self.device, &self.weights);
        let vectors = (&self.workspace, &self.descent);
        self.launch_forward()?;
        self.launcher.loss(device, weights, vectors, pass.loss)?;
        self.launcher.signal(device, weights, vectors)?;
        for l in (1..=self.network.depth).rev() {
            self.launcher.descend(device, weights, vectors, l, Some(&pass.update))?;
        }
        self.launcher.step_ends(device, weights, vectors, &pass.update)
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
