//! What the way down launches: loss, signal, every layer with its step, the steps of U and V.

use super::super::arguments::{Append, Finish, Group, Multiply, OutputLayer, Transpose};
use super::super::device::fault::Fault;
use super::super::device::{Address, Buffer, Device, Number};
use super::super::launch::Stored;
use super::Size;
use super::sweep::Sweep;
use super::weights::{Hidden, Trained, Weights};
use super::workspace::Room;
use crate::model::Loss;

/// What training needs beside the forward pass of a batch.
pub struct Descent<T> {
    /// Gradients g of the layer at hand, of all members.
    pub g: Buffer<T>,
    /// Factors with which columns of g enter updates, P a member.
    pub k: Buffer<f64>,
    /// Signal χ at the outputs, P×O a member.
    pub chi: Buffer<f64>,
    /// Labels of the samples, P×O a member.
    pub labels: Buffer<f64>,
    /// A product that is added to another, or recorded.
    pub product: Buffer<T>,
}

impl<T: Number> Descent<T> {
    /// Memory for passes of `samples` samples.
    pub fn new(device: &Device, size: Size, samples: usize) -> Result<Self, Fault> {
        let vectors = size.members * samples * size.ld;
        let outputs = size.members * samples * size.outputs;
        Ok(Descent {
            g: device.zeros(vectors)?,
            k: device.zeros(size.members * samples)?,
            chi: device.zeros(outputs)?,
            labels: device.zeros(outputs)?,
            product: device.zeros(vectors)?,
        })
    }
}

impl Sweep {
    fn ends_of_descent<T: Number>(
        &self,
        weights: &Weights<T>,
        (room, descent): (&Room<T>, &Descent<T>),
    ) -> OutputLayer {
        OutputLayer {
            g: descent.g.at(0),
            chi: descent.chi.at(0),
            labels: descent.labels.at(0),
            k: descent.k.at(0),
            ..self.ends(weights, room)
        }
    }

    /// Computes the signal χ at the outputs from f and the labels.
    pub fn loss<T: Number>(
        &self,
        device: &Device,
        weights: &Weights<T>,
        vectors: (&Room<T>, &Descent<T>),
        loss: Loss,
    ) -> Result<(), Fault> {
        let loss = match loss {
            Loss::Squared => 0,
            Loss::CrossEntropy => 1,
        };
        let ends = OutputLayer { loss, ..self.ends_of_descent(weights, vectors) };
        device.loss(&ends, self.size.members as u32)
    }

    /// Computes the signal g_L that enters the last layer from χ.
    pub fn signal<T: Number>(
        &self,
        device: &Device,
        weights: &Weights<T>,
        vectors: (&Room<T>, &Descent<T>),
    ) -> Result<(), Fault> {
        let ends = self.ends_of_descent(weights, vectors);
        device.signal::<T>(&ends, self.size.members as u32)
    }

    /// Computes g_{l−1} of g_l, and makes the step of W_l if `moves`.
    pub fn descend<T: Number>(
        &self,
        device: &Device,
        weights: &Weights<T>,
        (room, descent): (&Room<T>, &Descent<T>),
        l: usize,
        moves: bool,
    ) -> Result<(), Fault> {
        let Size { members, width, ld, .. } = self.size;
        let start = (l - 1) * self.size.layer();
        let finish = Finish {
            parts: room.parts.at(0),
            h: room.hidden(l - 1),
            g: descent.g.at(0),
            stride: room.stride() as u64,
            first_nonfinite: self.first_nonfinite.at(0),
            parameters: self.parameters.at(0),
            factor: 1.0,
            carry: if self.scales.skip { 1.0 } else { 0.0 },
            scale: self.scales.forward,
            rows: width as u32,
            part_count: self.size.parts(room.samples) as u32,
            ld: ld as u32,
            samples: room.samples as u32,
            activation: self.activation as u32,
            place: self.places().of_signal(l - 1),
            places: self.places().count(),
            ..Finish::default()
        };
        let sweep = Transpose {
            w_stride: self.size.matrix() as u64,
            g: descent.g.at(0),
            g_stride: room.stride() as u64,
            x: if moves { room.values(l - 1) } else { Address::default() },
            x_stride: room.stride() as u64,
            k: descent.k.at(0),
            parts: room.parts.at(0),
            parameters: self.parameters.at(0),
            update: self.scales.update_hidden,
            rows: width as u32,
            ld: ld as u32,
            columns: (width as u32).next_multiple_of(8),
            ld_g: ld as u32,
            samples: room.samples as u32,
            weight_group: Group::Hidden as u32,
            ..Transpose::default()
        };
        let of = |w: &Trained<T>, sweep| Transpose {
            w: w.weights.at(start),
            velocity: w.velocity_at(start),
            ..sweep
        };
        match &weights.hidden {
            Hidden::Full { forward, backward: None } => {
                device.transpose::<T>(&of(forward, sweep), Stored::Full, members as u32)?;
                device.finish::<T>(&finish, members as u32)
            }
            Hidden::Full { forward, backward: Some(backward) } => {
                device.transpose::<T>(&of(backward, sweep), Stored::Full, members as u32)?;
                let only_moves = Transpose { parts: Address::default(), ..sweep };
                device.transpose::<T>(&of(forward, only_moves), Stored::Full, members as u32)?;
                device.finish::<T>(&finish, members as u32)
            }
            Hidden::Frozen { forward, backward, drift } => {
                let mut finish = Finish { factor: drift.kept(), ..finish };
                if drift.updates() > 0 {
                    let along = self.along(device, weights, room, (l, sweep.g), false)?;
                    let product = Multiply {
                        w: drift.s.at((l - 1) * members * self.size.drift()),
                        w_stride: self.size.drift() as u64,
                        x: along,
                        x_stride: (room.samples * self.size.ld_drift) as u64,
                        y: descent.product.at(0),
                        y_stride: room.stride() as u64,
                        parameters: self.parameters.at(0),
                        factor: 1.0,
                        scale: 1.0,
                        rows: width as u32,
                        ld: self.size.ld_drift as u32,
                        columns: self.columns_of_drift(drift.updates()).next_multiple_of(8),
                        ld_out: ld as u32,
                        samples: room.samples as u32,
                        ..Multiply::default()
                    };
                    device.multiply::<T>(&product, Stored::Full, members as u32)?;
                    finish.y2 = descent.product.at(0);
                }
                let w = backward.as_ref().unwrap_or(forward).at(start);
                let sweep = Transpose { w, x: Address::default(), ..sweep };
                device.transpose::<T>(&sweep, Stored::Half, members as u32)?;
                if moves {
                    self.append(device, weights, (room, descent), l)?;
                }
                device.finish::<T>(&finish, members as u32)
            }
        }
    }

    /// The factors of an update of W_l, after those that are there.
    fn append<T: Number>(
        &self,
        device: &Device,
        weights: &Weights<T>,
        (room, descent): (&Room<T>, &Descent<T>),
        l: usize,
    ) -> Result<(), Fault> {
        let Hidden::Frozen { drift, .. } = &weights.hidden else { return Ok(()) };
        let start = (l - 1) * self.size.members * self.size.drift()
            + self.columns_of_drift(drift.updates()) as usize;
        let g = Append {
            x: descent.g.at(0),
            x_stride: room.stride() as u64,
            drift: drift.g.at(start),
            drift_stride: self.size.drift() as u64,
            rows: self.size.width as u32,
            ld: self.size.ld as u32,
            ld_drift: self.size.ld_drift as u32,
            samples: room.samples as u32,
            ..Append::default()
        };
        device.append::<T>(&g, self.size.members as u32)?;
        let s = Append {
            x: room.values(l - 1),
            k: descent.k.at(0),
            update: self.scales.update_hidden,
            drift: drift.s.at(start),
            ..g
        };
        device.append::<T>(&s, self.size.members as u32)
    }

    /// Makes the steps of U and V.
    pub fn step_ends<T: Number>(
        &self,
        device: &Device,
        weights: &Weights<T>,
        (room, descent): (&Room<T>, &Descent<T>),
    ) -> Result<(), Fault> {
        let Size { members, width, ld, ld_input, dimension, .. } = self.size;
        let input = Transpose {
            w: weights.input.weights.at(0),
            w_stride: (width * ld_input) as u64,
            velocity: weights.input.velocity_at(0),
            g: descent.g.at(0),
            g_stride: room.stride() as u64,
            x: room.x.at(0),
            x_stride: (room.samples * ld_input) as u64,
            k: descent.k.at(0),
            parameters: self.parameters.at(0),
            update: self.scales.update_input,
            rows: width as u32,
            ld: ld_input as u32,
            columns: (dimension as u32).next_multiple_of(8),
            ld_g: ld as u32,
            samples: room.samples as u32,
            weight_group: Group::Input as u32,
            ..Transpose::default()
        };
        device.transpose::<T>(&input, Stored::Full, members as u32)?;
        let ends = self.ends_of_descent(weights, (room, descent));
        device.readout::<T>(&ends, members as u32)
    }
}
