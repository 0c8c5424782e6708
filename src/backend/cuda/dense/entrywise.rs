//! How weights follow a rule that looks at every single number of a step's sums (docs/theory.md, section 1.4):
//! kernels that make the steps of gradient descent gather the sums here, and one launch makes the update of them.

use super::super::arguments::{Entrywise, Group};
use super::super::device::fault::Fault;
use super::super::device::{Address, Buffer, Device, Number};
use super::super::trained::TrainedBuffer;
use super::Size;
use super::sweep::Launcher;
use crate::backend::Update;
use crate::model::Rule;

/// The sums S of one step over its samples, each laid out as the weights that follow them. There is memory for the
/// hidden matrices of one layer, which have it by turns.
pub struct Gathered<T> {
    /// Of a hidden matrix W of all members, in two-layer blocks of W2.
    pub outer: Buffer<T>,
    /// Of an inner matrix W1 of all members; None where blocks have one matrix.
    pub inner: Option<Buffer<T>>,
    /// Of the input weights U of all members.
    pub input: Buffer<T>,
    /// Of the readout weights V of all members.
    pub readout: Buffer<T>,
}

impl<T: Number> Gathered<T> {
    /// Memory for the sums of networks of this size.
    ///
    /// # Errors
    /// When the device has not enough memory, or fails.
    pub fn new(device: &Device, size: Size) -> Result<Self, Fault> {
        Ok(Gathered {
            outer: device.zeros(size.layer(size.outer()))?,
            inner: size.inner.map(|_| device.zeros(size.layer(size.inner()))).transpose()?,
            input: device.zeros(size.members * size.width * size.ld_input)?,
            readout: device.zeros(size.members * size.outputs * size.ld)?,
        })
    }
}

/// One update of a group of weights by such a rule.
#[derive(Clone, Copy)]
pub struct Step<'a> {
    /// The rule, with its momentum and decay.
    pub update: &'a Update,
    /// Where S is gathered.
    pub sums: Address,
    /// The size q of the entries of D = q S.
    pub size: f64,
}

impl Launcher {
    /// Moves the weights from number `start` on, `count` numbers a member.
    pub(super) fn follow<T: Number>(
        &self,
        device: &Device,
        (Step { update, sums, size }, group): (Step, Group),
        weights: (&TrainedBuffer<T>, Option<&TrainedBuffer<T>>),
        (start, count): (usize, usize),
    ) -> Result<(), Fault> {
        let (first, second) = weights;
        let (betas, epsilon) = match update.rule {
            Rule::Adam { betas, epsilon } => (betas, epsilon),
            Rule::Sign | Rule::Descent | Rule::Normalized { .. } => Default::default(),
        };
        let args = Entrywise {
            w: first.values.at(start),
            w2: second.map(|w| w.values.at(start)).unwrap_or_default(),
            sum: sums,
            mean: first.velocity_at(start),
            square: first.squares_at(start),
            parameters: self.parameters.at(0),
            size,
            betas,
            epsilon,
            momentum: update.momentum,
            weight_decay: update.weight_decay,
            count: count as u64,
            weight_group: group as u32,
            ..Entrywise::default()
        };
        device.entrywise::<T>(&args, self.size.members as u32)
    }
}
