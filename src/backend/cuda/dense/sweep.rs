//! What the way up launches, layer by layer; nothing here waits or looks at a number, so that a whole step
//! can be captured as a graph.

use super::super::arguments::{Embed, Multiply, OutputLayer, Squares, StepParameters, Transpose};
use super::super::device::fault::Fault;
use super::super::device::{Address, Buffer, Device, Number};
use super::super::launch::WeightFormat;
use super::super::pass_order::PassOrder;
use super::weights::{Hidden, Weights};
use super::workspace::Workspace;
use super::{Shape, Size};
use crate::model::{Activation, Scales};

/// What stays the same for all passes of a crew, and launches them.
pub struct Launcher {
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

impl Launcher {
    /// The order in which a pass comes by its places.
    pub fn pass_order(&self) -> PassOrder {
        PassOrder { depth: self.size.depth }
    }

    /// Computes h_0 … h_L and f of the samples in `workspace`, from `inputs`. Samples that are only
    /// `evaluated` are the same for all members, and nothing is noted that is not finite.
    pub fn forward<T: Number>(
        &self,
        device: &Device,
        weights: &Weights<T>,
        workspace: &Workspace<T>,
        inputs: &Buffer<f64>,
        evaluated: bool,
    ) -> Result<(), Fault> {
        let Size { members, depth, width, ld, ld_input, dimension, .. } = self.size;
        let samples = workspace.samples as u32;
        let embed = Embed {
            inputs: inputs.at(0),
            positions: workspace.positions.at(0),
            stride: if evaluated { 0 } else { u64::from(samples) },
            x: workspace.x.at(0),
            dimension: dimension as u32,
            ld: ld_input as u32,
        };
        device.embed::<T>(&embed, samples, members as u32)?;
        let common = Multiply {
            y_stride: workspace.stride() as u64,
            first_nonfinite: if evaluated {
                Address::default()
            } else {
                self.first_nonfinite.at(0)
            },
            parameters: self.parameters.at(0),
            factor: 1.0,
            rows: width as u32,
            ld_out: ld as u32,
            samples,
            activation: self.activation as u32,
            places: self.pass_order().count(),
            ..Multiply::default()
        };
        let first = Multiply {
            w: weights.input.values.at(0),
            w_stride: (width * ld_input) as u64,
            x: workspace.x.at(0),
            x_stride: (workspace.samples * ld_input) as u64,
            y: workspace.hidden(0),
            phi: workspace.values(0),
            scale: (dimension as f64).sqrt().recip(),
            ld: ld_input as u32,
            columns: (dimension as u32).next_multiple_of(8),
            ..common
        };
        device.multiply::<T>(&first, WeightFormat::Full, members as u32)?;
        for l in 1..=depth {
            let inner = weights.inner.as_ref().zip(self.scales.inner).zip(workspace.inner(l));
            if let Some(((matrices, scales), [z, values])) = inner {
                let inner = Multiply {
                    w: matrices.forward.values.at(matrices.start(self.size, l)),
                    x: workspace.values(l - 1),
                    x_stride: workspace.stride() as u64,
                    y: z,
                    phi: values,
                    y_stride: workspace.stride_read() as u64,
                    scale: scales.forward,
                    place: l as u32,
                    ld_out: self.size.ld_read() as u32,
                    ..with_matrices(common, self.size.inner())
                };
                device.multiply::<T>(&inner, WeightFormat::Full, members as u32)?;
            }
            let layer = Multiply {
                x: workspace.read_by(l),
                x_stride: workspace.stride_read() as u64,
                h: if self.scales.skip { workspace.hidden(l - 1) } else { Address::default() },
                carry: 1.0,
                y: workspace.hidden(l),
                phi: workspace.values(l),
                scale: self.scales.forward,
                place: l as u32,
                ..common
            };
            let (layer, stored) = self.with_weights(device, weights, workspace, l, layer)?;
            device.multiply::<T>(&layer, stored, members as u32)?;
        }
        let ends = self.ends(weights, workspace);
        let silent = OutputLayer { first_nonfinite: Address::default(), ..ends };
        device.read::<T>(if evaluated { &silent } else { &ends }, members as u32)
    }

    /// `product`, of what W_l reads with W_l.
    fn with_weights<T: Number>(
        &self,
        device: &Device,
        weights: &Weights<T>,
        workspace: &Workspace<T>,
        l: usize,
        product: Multiply,
    ) -> Result<(Multiply, WeightFormat), Fault> {
        let product = with_matrices(product, self.size.outer());
        let start = (l - 1) * self.size.layer(self.size.outer());
        Ok(match &weights.hidden {
            Hidden::Full(hidden) => {
                (Multiply { w: hidden.forward.values.at(start), ..product }, WeightFormat::Full)
            }
            Hidden::Frozen { forward, drift, .. } => {
                let product = Multiply { w: forward.at(start), factor: drift.kept(), ..product };
                if drift.updates() == 0 {
                    return Ok((product, WeightFormat::Half));
                }
                let along = self.along(device, weights, workspace, (l, product.x), true)?;
                let columns = self.columns_of_drift(drift.updates());
                let product = Multiply {
                    w2: drift.g.at((l - 1) * self.size.members * self.size.drift()),
                    w2_stride: self.size.drift() as u64,
                    x2: along,
                    x2_stride: (workspace.samples * self.size.ld_drift) as u64,
                    ld2: self.size.ld_drift as u32,
                    columns2: columns.next_multiple_of(8),
                    ..product
                };
                (product, WeightFormat::Half)
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
        workspace: &Workspace<T>,
        (l, x): (usize, Address),
        forward: bool,
    ) -> Result<Address, Fault> {
        let Size { members, width, ld, ld_drift, batch, .. } = self.size;
        let (Hidden::Frozen { drift, .. }, Some(along)) = (&weights.hidden, &workspace.along)
        else {
            return Ok(Address::default());
        };
        let side = if forward { &drift.s } else { &drift.g };
        let columns = self.columns_of_drift(drift.updates());
        let coefficients = Transpose {
            w: side.at((l - 1) * members * self.size.drift()),
            w_stride: self.size.drift() as u64,
            g: x,
            g_stride: workspace.stride() as u64,
            parts: workspace.parts.at(0),
            arrivals: workspace.arrivals.at(0),
            out: along.at(0),
            stride: (workspace.samples * ld_drift) as u64,
            alpha: drift.alpha.at(0),
            parameters: self.parameters.at(0),
            factor: 1.0,
            rows: width as u32,
            ld: ld_drift as u32,
            columns: columns.next_multiple_of(8),
            entries: columns,
            ld_g: ld as u32,
            samples: workspace.samples as u32,
            update_columns: batch as u32,
            ..Transpose::default()
        };
        device.transpose::<T>(&coefficients, WeightFormat::Full, members as u32)?;
        Ok(along.at(0))
    }

    /// Adds up Σ ((W_l − W_l⁽⁰⁾) φ(h_{l−1}))² of all layers, one number a member; in two-layer blocks
    /// W is the inner matrix.
    pub fn movement<T: Number>(
        &self,
        device: &Device,
        weights: &mut Weights<T>,
        (workspace, product): (&Workspace<T>, &Buffer<T>),
        sums: &Buffer<f64>,
    ) -> Result<(), Fault> {
        let Size { members, depth, .. } = self.size;
        for l in 1..=depth {
            let moved = Multiply {
                x: workspace.values(l - 1),
                x_stride: workspace.stride() as u64,
                y: product.at(0),
                y_stride: workspace.stride_read() as u64,
                parameters: self.parameters.at(0),
                scale: 1.0,
                ld_out: self.size.ld_read() as u32,
                samples: workspace.samples as u32,
                ..Multiply::default()
            };
            let (layer, stored) = match &weights.hidden {
                // Entry by entry: the difference of two products would be mostly rounding.
                Hidden::Full(_) => {
                    let w = weights.moved(device, self.size, l)?;
                    let moved = with_matrices(moved, self.size.inner());
                    (Multiply { w, factor: 1.0, ..moved }, WeightFormat::Full)
                }
                Hidden::Frozen { .. } => {
                    let (layer, stored) =
                        self.with_weights(device, weights, workspace, l, moved)?;
                    (Multiply { factor: layer.factor - 1.0, ..layer }, stored)
                }
            };
            device.multiply::<T>(&layer, stored, members as u32)?;
            let squares = Squares {
                y: product.at(0),
                stride: workspace.stride_read() as u64,
                sums: sums.at(0),
                ..Squares::default()
            };
            device.squares::<T>(&squares, 1, members as u32)?;
        }
        Ok(())
    }

    /// Adds up Σ (z_l − z_l⁽⁰⁾)² of all layers of two-layer blocks, one number a member.
    pub fn inner_movement<T: Number>(
        &self,
        device: &Device,
        workspace: &Workspace<T>,
        initial: &Buffer<T>,
        sums: &Buffer<f64>,
    ) -> Result<(), Fault> {
        let layer = self.size.members * workspace.stride_read();
        for l in 1..=self.size.depth {
            let squares = Squares {
                y: workspace.inner(l).map(|[z, _]| z).unwrap_or_default(),
                stride: workspace.stride_read() as u64,
                minus: initial.at((l - 1) * layer),
                sums: sums.at(0),
            };
            device.squares::<T>(&squares, 1, self.size.members as u32)?;
        }
        Ok(())
    }

    /// The arguments of the kernels of the output layer.
    pub fn ends<T: Number>(&self, weights: &Weights<T>, workspace: &Workspace<T>) -> OutputLayer {
        OutputLayer {
            v: weights.readout.values.at(0),
            velocity: weights.readout.velocity_at(0),
            h: workspace.hidden(self.size.depth),
            f: workspace.f.at(0),
            first_nonfinite: self.first_nonfinite.at(0),
            parameters: self.parameters.at(0),
            scale: self.scales.readout,
            update: self.scales.update_readout,
            rows: self.size.width as u32,
            ld: self.size.ld as u32,
            samples: workspace.samples as u32,
            outputs: self.size.outputs as u32,
            place_f: self.pass_order().of_outputs(),
            place_g: self.pass_order().of_signal(self.size.depth),
            places: self.pass_order().count(),
            ..OutputLayer::default()
        }
    }
}

/// `product`, with matrices of this shape, whose address it leaves as it is.
fn with_matrices(product: Multiply, shape: Shape) -> Multiply {
    Multiply {
        w_stride: shape.numbers() as u64,
        rows: shape.rows as u32,
        ld: shape.ld() as u32,
        columns: (shape.columns as u32).next_multiple_of(8),
        ..product
    }
}
