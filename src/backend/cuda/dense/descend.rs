//! What the way down launches: loss, signal, every layer with its step, the steps of U and V.

use super::super::arguments::{Append, Group, Multiply, OutputLayer, Transpose};
use super::super::device::fault::Fault;
use super::super::device::{Address, Buffer, Device, Number};
use super::super::launch::WeightFormat;
use super::super::trained::TrainedBuffer;
use super::entrywise::{Gathered, Step};
use super::sweep::Launcher;
use super::weights::{Hidden, Matrices, Weights};
use super::workspace::Workspace;
use super::{Shape, Size};
use crate::backend::Update;
use crate::model::{Loss, Rule};

/// What training needs beside the forward pass of a batch.
pub struct Descent<T> {
    /// Gradients g of the layer at hand and of the one below it, by turns.
    g: [Buffer<T>; 2],
    /// Gradients at z of the layer at hand, in two-layer blocks.
    inner: Option<Buffer<T>>,
    /// Factors with which columns of g enter updates, P a member.
    pub k: Buffer<f64>,
    /// Signal χ at the outputs, P×O a member.
    pub chi: Buffer<f64>,
    /// Labels of the samples, P×O a member.
    pub labels: Buffer<f64>,
    /// A product that is added to another, or recorded.
    pub product: Buffer<T>,
    /// Sums of a step, once weights follow a rule that looks at every number of them.
    gathered: Option<Gathered<T>>,
}

impl<T: Number> Descent<T> {
    /// Memory for passes of `samples` samples.
    pub fn new(device: &Device, size: Size, samples: usize) -> Result<Self, Fault> {
        let vectors = size.members * samples * size.ld;
        let read = size.members * samples * size.ld_read();
        let outputs = size.members * samples * size.outputs;
        Ok(Descent {
            g: [device.zeros(vectors)?, device.zeros(vectors)?],
            inner: size.inner.map(|_| device.zeros(read)).transpose()?,
            k: device.zeros(size.members * samples)?,
            chi: device.zeros(outputs)?,
            labels: device.zeros(outputs)?,
            product: device.zeros(vectors.max(read))?,
            gathered: None,
        })
    }

    /// Makes room for what steps of `rule` need.
    ///
    /// # Errors
    /// When the device has not enough memory, or fails.
    pub fn prepare(&mut self, device: &Device, size: Size, rule: Rule) -> Result<(), Fault> {
        if rule != Rule::Descent && self.gathered.is_none() {
            self.gathered = Some(Gathered::new(device, size)?);
        }
        Ok(())
    }

    /// Gradients g_l of all members, between those of the layers above and below it.
    pub fn g(&self, l: usize) -> &Buffer<T> {
        &self.g[l % 2]
    }
}

impl Launcher {
    fn ends_of_descent<T: Number>(
        &self,
        weights: &Weights<T>,
        (workspace, descent): (&Workspace<T>, &Descent<T>),
    ) -> OutputLayer {
        OutputLayer {
            g: descent.g(self.size.depth).at(0),
            chi: descent.chi.at(0),
            labels: descent.labels.at(0),
            k: descent.k.at(0),
            ..self.ends(weights, workspace)
        }
    }

    /// Computes the signal χ at the outputs from f and the labels.
    pub fn loss<T: Number>(
        &self,
        device: &Device,
        weights: &Weights<T>,
        vectors: (&Workspace<T>, &Descent<T>),
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
        vectors: (&Workspace<T>, &Descent<T>),
    ) -> Result<(), Fault> {
        let ends = self.ends_of_descent(weights, vectors);
        device.signal::<T>(&ends, self.size.members as u32)
    }

    /// Computes g_{l−1} of g_l, and makes the step of W_l if there is an `update`; in two-layer blocks those of
    /// W2_l and W1_l.
    pub fn descend<T: Number>(
        &self,
        device: &Device,
        weights: &Weights<T>,
        (workspace, descent): (&Workspace<T>, &Descent<T>),
        l: usize,
        update: Option<&Update>,
    ) -> Result<(), Fault> {
        let Size { members, width, ld, .. } = self.size;
        let moves = update.is_some();
        let (size, inner_size) = self.scales.sizes(width);
        let (g, below) = (descent.g(l).at(0), descent.g(l - 1).at(0));
        let sweep = Transpose {
            g,
            g_stride: workspace.stride() as u64,
            x: if moves { workspace.read_by(l) } else { Address::default() },
            x_stride: workspace.stride_read() as u64,
            k: descent.k.at(0),
            parts: workspace.parts.at(0),
            arrivals: workspace.arrivals.at(0),
            h: workspace.hidden(l - 1),
            carried: g,
            out: below,
            stride: workspace.stride() as u64,
            first_nonfinite: self.first_nonfinite.at(0),
            parameters: self.parameters.at(0),
            update: self.scales.update_hidden,
            factor: 1.0,
            carry: if self.scales.skip { 1.0 } else { 0.0 },
            scale: self.scales.forward,
            ld_g: ld as u32,
            samples: workspace.samples as u32,
            weight_group: Group::Hidden as u32,
            activation: self.activation as u32,
            place: self.pass_order().of_signal(l - 1),
            places: self.pass_order().count(),
            ..Transpose::default()
        };
        match &weights.hidden {
            Hidden::Full(outer) => {
                let step =
                    |sums: &Buffer<T>, size| Some(Step { update: update?, sums: sums.at(0), size });
                let gathered = descent.gathered.as_ref();
                let of_outer = gathered.and_then(|gathered| step(&gathered.outer, size));
                let inner = weights.inner.as_ref().zip(self.scales.inner).zip(workspace.inner(l));
                let Some((((matrices, scales), [z, _]), r)) = inner.zip(descent.inner.as_ref())
                else {
                    return self.descend_through(device, (outer, l), sweep, of_outer);
                };
                let stride = workspace.stride_read() as u64;
                let to_inner = Transpose { h: z, out: r.at(0), carry: 0.0, stride, ..sweep };
                self.descend_through(device, (outer, l), to_inner, of_outer)?;
                let to_below = Transpose {
                    g: r.at(0),
                    g_stride: stride,
                    x: if moves { workspace.values(l - 1) } else { Address::default() },
                    x_stride: workspace.stride() as u64,
                    update: scales.update,
                    scale: scales.forward,
                    ld_g: self.size.ld_read() as u32,
                    ..sweep
                };
                let sums = gathered.and_then(|gathered| gathered.inner.as_ref());
                let of_inner = sums.zip(inner_size).and_then(|(sums, size)| step(sums, size));
                self.descend_through(device, (matrices, l), to_below, of_inner)
            }
            Hidden::Frozen { forward, backward, drift } => {
                let sweep = with_shape(sweep, self.size.outer());
                let mut sweep = Transpose { factor: drift.kept(), x: Address::default(), ..sweep };
                let start = (l - 1) * self.size.layer(self.size.outer());
                if drift.updates() > 0 {
                    let along = self.along(device, weights, workspace, (l, sweep.g), false)?;
                    let product = Multiply {
                        w: drift.s.at((l - 1) * members * self.size.drift()),
                        w_stride: self.size.drift() as u64,
                        x: along,
                        x_stride: (workspace.samples * self.size.ld_drift) as u64,
                        y: descent.product.at(0),
                        y_stride: workspace.stride() as u64,
                        parameters: self.parameters.at(0),
                        factor: 1.0,
                        scale: 1.0,
                        rows: width as u32,
                        ld: self.size.ld_drift as u32,
                        columns: self.columns_of_drift(drift.updates()).next_multiple_of(8),
                        ld_out: ld as u32,
                        samples: workspace.samples as u32,
                        ..Multiply::default()
                    };
                    device.multiply::<T>(&product, WeightFormat::Full, members as u32)?;
                    sweep.y2 = descent.product.at(0);
                }
                sweep.w = backward.as_ref().unwrap_or(forward).at(start);
                device.transpose::<T>(&sweep, WeightFormat::Half, members as u32)?;
                if moves {
                    self.append(device, weights, (workspace, descent), l)?;
                }
                Ok(())
            }
        }
    }

    /// Computes WᵀG of the matrices of layer l, W̃ᵀG where gradients have weights of their own, and makes the step
    /// of all of them; `by` a rule that is not gradient descent, if there is one.
    fn descend_through<T: Number>(
        &self,
        device: &Device,
        (matrices, l): (&Matrices<T>, usize),
        sweep: Transpose,
        by: Option<Step>,
    ) -> Result<(), Fault> {
        let start = matrices.start(self.size, l);
        let sweep = with_shape(sweep, matrices.shape);
        if let Some(step) = by {
            let (forward, backward) = (&matrices.forward, matrices.backward.as_ref());
            let w = backward.unwrap_or(forward).values.at(start);
            let gathering = Transpose { w, ..gathering(sweep, step) };
            device.transpose::<T>(&gathering, WeightFormat::Full, self.size.members as u32)?;
            // W and W̃ follow the same gradients, so that one set of running means serves both.
            let (weights, numbers) = ((forward, backward), (start, matrices.shape.numbers()));
            return self.follow(device, (step, Group::Hidden), weights, numbers);
        }
        let launch = |w: &TrainedBuffer<T>, sweep: Transpose| {
            let (w, velocity) = (w.values.at(start), w.velocity_at(start));
            let sweep = Transpose { w, velocity, ..sweep };
            device.transpose::<T>(&sweep, WeightFormat::Full, self.size.members as u32)
        };
        match &matrices.backward {
            None => launch(&matrices.forward, sweep),
            Some(backward) => {
                launch(backward, sweep)?;
                launch(&matrices.forward, Transpose { parts: Address::default(), ..sweep })
            }
        }
    }

    /// The factors of an update of W_l, after those that are there.
    fn append<T: Number>(
        &self,
        device: &Device,
        weights: &Weights<T>,
        (workspace, descent): (&Workspace<T>, &Descent<T>),
        l: usize,
    ) -> Result<(), Fault> {
        let Hidden::Frozen { drift, .. } = &weights.hidden else { return Ok(()) };
        let start = (l - 1) * self.size.members * self.size.drift()
            + self.columns_of_drift(drift.updates()) as usize;
        let g = Append {
            x: descent.g(l).at(0),
            x_stride: workspace.stride() as u64,
            drift: drift.g.at(start),
            drift_stride: self.size.drift() as u64,
            rows: self.size.width as u32,
            ld: self.size.ld as u32,
            ld_drift: self.size.ld_drift as u32,
            samples: workspace.samples as u32,
            ..Append::default()
        };
        device.append::<T>(&g, self.size.members as u32)?;
        let s = Append {
            x: workspace.values(l - 1),
            k: descent.k.at(0),
            update: self.scales.update_hidden,
            drift: drift.s.at(start),
            ..g
        };
        device.append::<T>(&s, self.size.members as u32)
    }

    /// Makes the steps of U and V of an update.
    pub fn step_ends<T: Number>(
        &self,
        device: &Device,
        weights: &Weights<T>,
        (workspace, descent): (&Workspace<T>, &Descent<T>),
        update: &Update,
    ) -> Result<(), Fault> {
        let Size { members, width, ld, ld_input, dimension, outputs, .. } = self.size;
        let input = Transpose {
            w: weights.input.values.at(0),
            w_stride: (width * ld_input) as u64,
            velocity: weights.input.velocity_at(0),
            g: descent.g(0).at(0),
            g_stride: workspace.stride() as u64,
            x: workspace.x.at(0),
            x_stride: (workspace.samples * ld_input) as u64,
            k: descent.k.at(0),
            parameters: self.parameters.at(0),
            update: self.scales.update_input,
            rows: width as u32,
            ld: ld_input as u32,
            columns: (dimension as u32).next_multiple_of(8),
            ld_g: ld as u32,
            samples: workspace.samples as u32,
            weight_group: Group::Input as u32,
            ..Transpose::default()
        };
        let ends = self.ends_of_descent(weights, (workspace, descent));
        let Some(gathered) = &descent.gathered else {
            device.transpose::<T>(&input, WeightFormat::Full, members as u32)?;
            return device.readout::<T>(&ends, members as u32);
        };
        let step = Step { update, sums: gathered.input.at(0), size: input.update };
        device.transpose::<T>(&gathering(input, step), WeightFormat::Full, members as u32)?;
        let (u, numbers) = ((&weights.input, None), (0, width * ld_input));
        self.follow(device, (step, Group::Input), u, numbers)?;
        let step = Step { sums: gathered.readout.at(0), size: ends.update, ..step };
        let gathering = OutputLayer { velocity: step.sums, update: 1.0, gathers: 1, ..ends };
        device.readout::<T>(&gathering, members as u32)?;
        let (v, numbers) = ((&weights.readout, None), (0, outputs * ld));
        self.follow(device, (step, Group::Readout), v, numbers)
    }
}

/// The same without a step, whose sums are gathered.
fn gathering(sweep: Transpose, Step { sums, size, .. }: Step) -> Transpose {
    Transpose { velocity: sums, update: sweep.update / size, gathers: 1, ..sweep }
}

/// `sweep`, of matrices of this shape, whose address it leaves as it is.
fn with_shape(sweep: Transpose, shape: Shape) -> Transpose {
    Transpose {
        w_stride: shape.numbers() as u64,
        rows: shape.rows as u32,
        ld: shape.ld() as u32,
        columns: (shape.columns as u32).next_multiple_of(8),
        entries: shape.columns as u32,
        ..sweep
    }
}
