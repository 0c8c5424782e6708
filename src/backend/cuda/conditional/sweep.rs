//! What a pass launches: nothing here waits or looks at a number.

use super::super::arguments::{Drift, Inputs, OutputLayer, StepParameters, Sweep};
use super::super::device::fault::Fault;
use super::super::device::{Address, Buffer, Device, Number};
use super::super::pass_order::PassOrder;
use super::super::trained::TrainedBuffer;
use super::columns::StoredColumns;
use super::shape::summands;
use super::workspace::{Kind, Workspace};
use super::{OutputSignal, Size};
use crate::backend::Network;
use crate::data::Samples;
use crate::model::{Inner, Loss};
use crate::rng::noise::{BrownianPath, Direction, Entry, Purpose, Query};

/// What all members are at some step.
pub struct Networks<'a, T> {
    /// The stored columns of their hidden layers.
    pub columns: &'a StoredColumns<T>,
    /// h_0 of all samples, in the place of U.
    pub h: &'a TrainedBuffer<T>,
    /// The readout weights V.
    pub v: &'a TrainedBuffer<T>,
}

/// What stays the same for all passes of a crew, and launches them.
pub struct Launcher {
    /// The sizes of all arrays.
    pub size: Size,
    /// The shape of every member.
    pub network: Network,
    /// How each member reads its noise.
    pub noise: BrownianPath,
    /// Seed of the noise of each member.
    pub seeds: Buffer<u64>,
    /// Inputs of all samples, d numbers each.
    pub inputs: Buffer<f64>,
    /// What changes from step to step: the step, rates, momentum and weight decay.
    pub parameters: Buffer<StepParameters>,
    /// Where each member left the finite numbers first, counted through all steps.
    pub first_nonfinite: Buffer<u64>,
}

impl Launcher {
    /// The order in which a pass comes by its places.
    pub fn pass_order(&self) -> PassOrder {
        PassOrder { depth: self.size.depth }
    }

    fn members(&self) -> u32 {
        self.size.members as u32
    }

    /// What the kernels of the lower end take.
    fn lower_end<T: Number>(&self, h: &TrainedBuffer<T>) -> Inputs {
        let Size { all, width, ld, dimension, .. } = self.size;
        Inputs {
            h: h.values.at(0),
            velocity: h.velocity_at(0),
            x: self.inputs.at(0),
            seeds: self.seeds.at(0),
            parameters: self.parameters.at(0),
            scale: (dimension as f64).sqrt().recip(),
            update: self.network.scales.update_input,
            all_samples: all as u32,
            width: width as u32,
            ld: ld as u32,
            dimension: dimension as u32,
            tag: self.noise.address(Entry::Input { coordinate: 0 }).tag,
            places: self.pass_order().count(),
            ..Inputs::default()
        }
    }

    /// Computes h_0 of all samples at initialisation.
    pub fn embed<T: Number>(&self, device: &Device, h: &TrainedBuffer<T>) -> Result<(), Fault> {
        device.inputs::<T>(&self.lower_end(h), self.members())
    }

    /// h_0 … h_L and f of the samples in `workspace`, which are remembered and noted, or only evaluated as
    /// those of `purpose`. Couplings are measured if `record`.
    pub fn forward<T: Number>(
        &self,
        device: &Device,
        Networks { columns, h, v }: Networks<T>,
        workspace: &mut Workspace<T>,
        purpose: Purpose,
        step: u32,
        record: bool,
    ) -> Result<(), Fault> {
        let remembered = purpose == Purpose::Answer;
        let noted = if remembered { self.first_nonfinite.at(0) } else { Address::default() };
        let gathered = Inputs {
            positions: workspace.positions.at(0),
            stride: if remembered { workspace.now.samples as u64 } else { 0 },
            selected: workspace.hidden(0),
            first_nonfinite: noted,
            samples: workspace.now.samples as u32,
            ..self.lower_end(h)
        };
        device.gather::<T>(&gathered, self.members())?;
        let query = Query { purpose, step, direction: Direction::Forward };
        self.sweep(device, columns, workspace, query, record)?;
        let ends = OutputLayer { first_nonfinite: noted, ..self.upper_end(workspace, v) };
        device.read::<T>(&ends, self.members())
    }

    /// Computes g_L … g_0 of the signal that is in the workspace.
    pub fn backward<T: Number>(
        &self,
        device: &Device,
        columns: &StoredColumns<T>,
        workspace: &mut Workspace<T>,
        step: u32,
        record: bool,
    ) -> Result<(), Fault> {
        let query = Query { purpose: Purpose::Answer, step, direction: Direction::Backward };
        self.sweep(device, columns, workspace, query, record)
    }

    /// One cooperative launch.
    fn sweep<T: Number>(
        &self,
        device: &Device,
        columns: &StoredColumns<T>,
        workspace: &mut Workspace<T>,
        query: Query,
        record: bool,
    ) -> Result<(), Fault> {
        let Size { members, depth, per_block, capacity, width, ld, .. } = self.size;
        let Network { activation, closure, scales, drop_tolerance, .. } = self.network;
        let inner = scales.inner.unwrap_or(Inner { width, forward: 0.0, update: 0.0 });
        device.clear(&mut workspace.arrivals)?;
        let upward = query.direction == Direction::Forward;
        let place = |query| self.noise.address(Entry::Answer { query, layer: 1, sample: 0 });
        let (place, of_inner) = (place(query), place(query.of_inner()));
        let both = |of: &[Buffer<f64>; 2]| [of[0].at(0), of[1].at(0)];
        let columns_of = |of: &[Buffer<T>; 2]| [of[0].at(0), of[1].at(0)];
        let mut sweep = Sweep {
            basis: columns_of(&columns.basis),
            answers: columns_of(&columns.answers),
            overlap: both(&columns.overlap),
            drift: columns.drift.at(0),
            states: columns.states.at(0),
            coefficients: both(&workspace.coefficients),
            hidden: workspace.hidden.at(0),
            levels: workspace.levels.at(0),
            residual: workspace.residual.at(0),
            squares: workspace.squares.at(0),
            row_squares: workspace.row_squares.at(0),
            seeds: self.seeds.at(0),
            parameters: self.parameters.at(0),
            positions: workspace.indices.at(0),
            arrivals: workspace.arrivals.at(0),
            partials: workspace.partials.at(0),
            partials_stride: workspace.small.partials as u64,
            scratch: workspace.scratch.at(0),
            scratch_stride: workspace.small.scratch as u64,
            choices: workspace.choices.at(0),
            choices_stride: workspace.small.choices as u64,
            forward: [scales.forward, inner.forward],
            drift_scale: [scales.forward * scales.update_hidden, inner.forward * inner.update],
            noise_scale: f64::from(place.fine).sqrt().recip(),
            tolerance: drop_tolerance.powi(2),
            orthonormal: T::ORTHONORMAL,
            members: members as u32,
            matrices: self.size.matrices_of_member() as u32,
            per_block: per_block as u32,
            capacity: capacity as u32,
            rows: workspace.rows() as u32,
            width: width as u32,
            ld: ld as u32,
            samples: workspace.now.samples as u32,
            activation: activation as u32,
            closure: 4 * closure.forward() as u32 + closure.backward() as u32,
            skip: u32::from(scales.skip),
            blocks: workspace.now.teams.1 as u32,
            height: workspace.now.shape.height as u32,
            parts: workspace.now.shape.parts as u32,
            fine_layers: place.fine,
            tag: [place.tag, of_inner.tag],
            first_place: if upward { 0 } else { self.pass_order().of_signal(depth) },
            places: self.pass_order().count(),
            upward: u32::from(upward),
            ..Sweep::default()
        };
        match &mut workspace.kind {
            Kind::Remembered { signal, slots, accumulated, .. } => {
                sweep.signal = signal.at(0);
                sweep.slots = slots.at(0);
                sweep.first_nonfinite = self.first_nonfinite.at(0);
                sweep.positions_stride = workspace.now.samples as u64;
                if record {
                    accumulated.iter_mut().try_for_each(|sum| device.clear(sum))?;
                    sweep.accumulated = [accumulated[0].at(0), accumulated[1].at(0)];
                }
            }
            Kind::Forgotten { news, fresh } => {
                sweep.new_columns = news.at(0);
                sweep.new_answers = fresh.at(0);
            }
        }
        device.sweep::<T>(&sweep, workspace.now.shape.samples_of_thread, workspace.now.teams.0)
    }

    /// What the kernels of the upper end take.
    fn upper_end<T: Number>(&self, workspace: &Workspace<T>, v: &TrainedBuffer<T>) -> OutputLayer {
        let Size { width, depth, ld, outputs, .. } = self.size;
        OutputLayer {
            v: v.values.at(0),
            velocity: v.velocity_at(0),
            h: workspace.hidden(depth),
            g: workspace.signal(depth),
            f: workspace.f.at(0),
            parts: workspace.f_parts.at(0),
            part_count: summands(width) as u32,
            parameters: self.parameters.at(0),
            scale: self.network.scales.readout,
            update: self.network.scales.update_readout,
            rows: width as u32,
            ld: ld as u32,
            samples: workspace.now.samples as u32,
            outputs: outputs as u32,
            place_f: self.pass_order().of_outputs(),
            place_g: self.pass_order().of_signal(depth),
            places: self.pass_order().count(),
            ..OutputLayer::default()
        }
    }

    fn upper_end_of_training<T: Number>(
        &self,
        workspace: &Workspace<T>,
        v: &TrainedBuffer<T>,
        signal: &OutputSignal,
    ) -> OutputLayer {
        OutputLayer {
            chi: signal.chi.at(0),
            labels: signal.labels.at(0),
            k: signal.k.at(0),
            first_nonfinite: self.first_nonfinite.at(0),
            ..self.upper_end(workspace, v)
        }
    }

    /// Computes the signal χ at the outputs from f and the labels.
    pub fn loss<T: Number>(
        &self,
        device: &Device,
        workspace: &Workspace<T>,
        v: &TrainedBuffer<T>,
        signal: &OutputSignal,
        loss: Loss,
    ) -> Result<(), Fault> {
        let loss = loss as u32;
        let ends = OutputLayer { loss, ..self.upper_end_of_training(workspace, v, signal) };
        device.loss(&ends, self.members())
    }

    /// Computes the signal g_L that enters the last layer from χ.
    pub fn signal<T: Number>(
        &self,
        device: &Device,
        workspace: &Workspace<T>,
        v: &TrainedBuffer<T>,
        signal: &OutputSignal,
    ) -> Result<(), Fault> {
        device.signal::<T>(&self.upper_end_of_training(workspace, v, signal), self.members())
    }

    /// Makes all updates of a pass: of M, h_0 and V.
    pub fn update<T: Number>(
        &self,
        device: &Device,
        Networks { columns, h, v }: Networks<T>,
        workspace: &Workspace<T>,
        signal: &OutputSignal,
    ) -> Result<(), Fault> {
        let drift = Drift {
            states: columns.states.at(0),
            m: columns.drift.at(0),
            velocity: columns.velocity.as_ref().map(|n| n.at(0)).unwrap_or_default(),
            forward: workspace.coefficients[0].at(0),
            backward: workspace.coefficients[1].at(0),
            k: signal.k.at(0),
            parameters: self.parameters.at(0),
            capacity: self.size.capacity as u32,
            rows: workspace.rows() as u32,
            samples: workspace.now.samples as u32,
            padding: 0,
        };
        device.drift(&drift, self.size.matrices_of_member() as u32, self.members())?;
        let follow = Inputs {
            positions: workspace.positions.at(0),
            stride: workspace.now.samples as u64,
            selected: workspace.signal(0),
            factors: signal.k.at(0),
            products: signal.products.at(0),
            samples: workspace.now.samples as u32,
            ..self.lower_end(h)
        };
        device.products(&follow, self.members())?;
        device.follow::<T>(&follow, self.members())?;
        device.readout::<T>(&self.upper_end_of_training(workspace, v, signal), self.members())
    }
}

/// Inputs of the samples of training and test, one after the other.
pub fn joined(train: &Samples, test: &Samples) -> Vec<f64> {
    [&train.inputs[..], &test.inputs].concat()
}
