//! What the way up launches, layer by layer; nothing here waits or looks at a number, so that a whole step
//! can be captured as a graph.

use super::super::arguments::{
    Embed, Finish, Multiply, OutputLayer, Squares, StepParameters, Transpose,
};
use super::super::device::fault::Fault;
use super::super::device::{Address, Buffer, Device, Number};
use super::super::launch::Stored;
use super::super::pass_order::Places;
use super::Size;
use super::weights::{Hidden, Weights};
use super::workspace::Room;
use crate::model::{Activation, Scales};

/// What stays the same for all passes of a crew, and launches them.
pub struct Sweep {
    /// The sizes of all arrays.
    pub size: Size,
    /// The activation φ of the hidden layers.
    pub activation: Activation,
    /// The factors with every power of n and L.
    pub scales: Scales,
    /// What changes from step to step: the step, rates, momentum and weight decay.
    pub parameters: Buffer<StepParameters>,
    /// Of every member, the first place of a pass where a number was not finite, counted through all
    /// steps; the largest u64 before there is one.
    pub first_nonfinite: Buffer<u64>,
}

impl Sweep {
    /// The order in which a pass comes by its places.
    pub fn places(&self) -> Places {
        Places { depth: self.size.depth }
    }

    /// h_0 … h_L and f of the samples in `room`, from `inputs`; what is not finite is noted if `noted`.
    pub fn forward<T: Number>(
        &self,
        device: &Device,
        weights: &Weights<T>,
        room: &Room<T>,
        (inputs, shared, noted): (&Buffer<f64>, bool, bool),
    ) -> Result<(), Fault> {
        let Size { members, depth, width, ld, ld_input, dimension, .. } = self.size;
        let samples = room.samples as u32;
        let embed = Embed {
            inputs: inputs.at(0),
            positions: room.positions.at(0),
            stride: if shared { 0 } else { u64::from(samples) },
            x: room.x.at(0),
            dimension: dimension as u32,
            ld: ld_input as u32,
        };
        device.embed::<T>(&embed, samples, members as u32)?;
        let common = Multiply {
            y_stride: room.stride() as u64,
            first_nonfinite: if noted { self.first_nonfinite.at(0) } else { Address::default() },
            parameters: self.parameters.at(0),
            factor: 1.0,
            rows: width as u32,
            ld_out: ld as u32,
            samples,
            activation: self.activation as u32,
            places: self.places().count(),
            ..Multiply::default()
        };
        let first = Multiply {
            w: weights.input.weights.at(0),
            w_stride: (width * ld_input) as u64,
            x: room.x.at(0),
            x_stride: (room.samples * ld_input) as u64,
            y: room.hidden(0),
            phi: room.values(0),
            scale: (dimension as f64).sqrt().recip(),
            ld: ld_input as u32,
            columns: (dimension as u32).next_multiple_of(8),
            ..common
        };
        device.multiply::<T>(&first, Stored::Full, members as u32)?;
        for l in 1..=depth {
            let layer = Multiply {
                x: room.values(l - 1),
                x_stride: room.stride() as u64,
                h: if self.scales.skip { room.hidden(l - 1) } else { Address::default() },
                carry: 1.0,
                y: room.hidden(l),
                phi: room.values(l),
                scale: self.scales.forward,
                place: l as u32,
                ..common
            };
            let (layer, stored) = self.with_weights(device, weights, room, l, layer)?;
            device.multiply::<T>(&layer, stored, members as u32)?;
        }
        let ends = self.ends(weights, room);
        let silent = OutputLayer { first_nonfinite: Address::default(), ..ends };
        device.read::<T>(if noted { &ends } else { &silent }, members as u32)
    }

    /// A product of the samples' φ(h_{l−1}) with W_l.
    fn with_weights<T: Number>(
        &self,
        device: &Device,
        weights: &Weights<T>,
        room: &Room<T>,
        l: usize,
        product: Multiply,
    ) -> Result<(Multiply, Stored), Fault> {
        let Size { ld, width, .. } = self.size;
        let start = (l - 1) * self.size.layer();
        let product = Multiply {
            w_stride: self.size.matrix() as u64,
            ld: ld as u32,
            columns: (width as u32).next_multiple_of(8),
            ..product
        };
        Ok(match &weights.hidden {
            Hidden::Full { forward, .. } => {
                (Multiply { w: forward.weights.at(start), ..product }, Stored::Full)
            }
            Hidden::Frozen { forward, drift, .. } => {
                let product = Multiply { w: forward.at(start), factor: drift.kept(), ..product };
                if drift.updates() == 0 {
                    return Ok((product, Stored::Half));
                }
                let along = self.along(device, weights, room, (l, product.x), true)?;
                let columns = self.columns_of_drift(drift.updates());
                let product = Multiply {
                    w2: drift.g.at((l - 1) * self.size.members * self.size.drift()),
                    w2_stride: self.size.drift() as u64,
                    x2: along,
                    x2_stride: (room.samples * self.size.ld_drift) as u64,
                    ld2: self.size.ld_drift as u32,
                    columns2: columns.next_multiple_of(8),
                    ..product
                };
                (product, Stored::Half)
            }
        })
    }

    pub(super) fn columns_of_drift(&self, updates: usize) -> u32 {
        (updates * self.size.batch) as u32
    }

    /// α Sᵀφ, or α Gᵀg where not `forward`.
    pub(super) fn along<T: Number>(
        &self,
        device: &Device,
        weights: &Weights<T>,
        room: &Room<T>,
        (l, x): (usize, Address),
        forward: bool,
    ) -> Result<Address, Fault> {
        let Size { members, width, ld, ld_drift, batch, .. } = self.size;
        let (Hidden::Frozen { drift, .. }, Some(along)) = (&weights.hidden, &room.along) else {
            return Ok(Address::default());
        };
        let side = if forward { &drift.s } else { &drift.g };
        let columns = self.columns_of_drift(drift.updates());
        let product = Transpose {
            w: side.at((l - 1) * members * self.size.drift()),
            w_stride: self.size.drift() as u64,
            g: x,
            g_stride: room.stride() as u64,
            parts: room.parts.at(0),
            parameters: self.parameters.at(0),
            rows: width as u32,
            ld: ld_drift as u32,
            columns: columns.next_multiple_of(8),
            ld_g: ld as u32,
            samples: room.samples as u32,
            ..Transpose::default()
        };
        device.transpose::<T>(&product, Stored::Full, members as u32)?;
        let coefficients = Finish {
            parts: room.parts.at(0),
            g: along.at(0),
            stride: (room.samples * ld_drift) as u64,
            alpha: drift.alpha.at(0),
            parameters: self.parameters.at(0),
            factor: 1.0,
            rows: columns,
            update_columns: batch as u32,
            part_count: self.size.parts(room.samples) as u32,
            ld: ld_drift as u32,
            samples: room.samples as u32,
            ..Finish::default()
        };
        device.finish::<T>(&coefficients, members as u32)?;
        Ok(along.at(0))
    }

    /// Adds up Σ ((W_l − W_l⁽⁰⁾) φ(h_{l−1}))² of all layers, one number a member.
    pub fn movement<T: Number>(
        &self,
        device: &Device,
        weights: &mut Weights<T>,
        (room, product): (&Room<T>, &Buffer<T>),
        sums: &Buffer<f64>,
    ) -> Result<(), Fault> {
        let Size { members, depth, ld, width, .. } = self.size;
        for l in 1..=depth {
            let moved = Multiply {
                x: room.values(l - 1),
                x_stride: room.stride() as u64,
                y: product.at(0),
                y_stride: room.stride() as u64,
                parameters: self.parameters.at(0),
                scale: 1.0,
                rows: width as u32,
                ld_out: ld as u32,
                samples: room.samples as u32,
                ..Multiply::default()
            };
            let (layer, stored) = self.with_weights(device, weights, room, l, moved)?;
            let layer = match &weights.hidden {
                // Entry by entry: the difference of two products would be mostly rounding.
                Hidden::Full { .. } => {
                    Multiply { w: weights.moved(device, self.size, l)?, factor: 1.0, ..layer }
                }
                Hidden::Frozen { .. } => Multiply { factor: layer.factor - 1.0, ..layer },
            };
            device.multiply::<T>(&layer, stored, members as u32)?;
            let squares = Squares {
                y: product.at(0),
                stride: room.stride() as u64,
                sums: sums.at(0),
                ..Squares::default()
            };
            device.squares::<T>(&squares, 1, members as u32)?;
        }
        Ok(())
    }

    /// The arguments of the kernels of the output layer.
    pub fn ends<T: Number>(&self, weights: &Weights<T>, room: &Room<T>) -> OutputLayer {
        OutputLayer {
            v: weights.readout.weights.at(0),
            velocity: weights.readout.velocity_at(0),
            h: room.hidden(self.size.depth),
            f: room.f.at(0),
            first_nonfinite: self.first_nonfinite.at(0),
            parameters: self.parameters.at(0),
            scale: self.scales.readout,
            update: self.scales.update_readout,
            rows: self.size.width as u32,
            ld: self.size.ld as u32,
            samples: room.samples as u32,
            outputs: self.size.outputs as u32,
            place_f: self.places().of_outputs(),
            place_g: self.places().of_signal(self.size.depth),
            places: self.places().count(),
            ..OutputLayer::default()
        }
    }
}
