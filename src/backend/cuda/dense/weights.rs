//! The weights of all members: U, W_1 … W_L, V, what they were, and for `gia` the independent W̃_l that
//! carry gradients.

use cudarc::driver::{DeviceRepr, ValidAsZeroBits};

use super::super::arguments::Draw;
use super::super::device::fault::Fault;
use super::super::device::{Address, Buffer, Device, Number};
use super::super::launch::Stored;
use super::Size;
use super::drift::Drift;
use crate::rng::noise::{BrownianPath, Direction, Entry, NoiseAddress};

/// Explicit matrices and, once there is momentum, their velocities.
pub struct Trained<T> {
    /// The weights as they are now, of all members.
    pub weights: Buffer<T>,
    /// Laid out as the weights.
    pub velocity: Option<Buffer<T>>,
}

impl<T: Number> Trained<T> {
    fn new(weights: Buffer<T>) -> Self {
        Trained { weights, velocity: None }
    }

    /// Of number `index`, or null where nothing has a velocity.
    pub fn velocity_at(&self, index: usize) -> Address {
        self.velocity.as_ref().map(|velocity| velocity.at(index)).unwrap_or_default()
    }

    /// Gives it velocities, `count` numbers.
    fn set_in_motion(&mut self, device: &Device, count: usize) -> Result<(), Fault> {
        if self.velocity.is_none() {
            self.velocity = Some(device.zeros(count)?);
        }
        Ok(())
    }
}

/// The hidden weights W_1 … W_L, \[layer\]\[member\]\[row\]\[column\].
pub enum Hidden<T> {
    /// All numbers of the weights, in T.
    Full {
        /// The weights W of forward passes.
        forward: Trained<T>,
        /// The independent weights W̃ that carry gradients in closure `gia`; None elsewhere.
        backward: Option<Trained<T>>,
    },
    /// The initial numbers in bf16, and a drift.
    Frozen {
        /// The initial weights W⁽⁰⁾ of forward passes.
        forward: Buffer<u16>,
        /// The initial weights W̃⁽⁰⁾ that carry gradients in closure `gia`; None elsewhere.
        backward: Option<Buffer<u16>>,
        /// What training adds to them, W − W⁽⁰⁾ without weight decay.
        drift: Drift<T>,
    },
}

/// Where the members' Gaussians come from.
struct Source {
    size: Size,
    seeds: Buffer<u64>,
    noise: BrownianPath,
}

/// All weights of all members, and the noise that they were drawn from.
pub struct Weights<T> {
    source: Source,
    /// Input weights U: \[member\]\[row\]\[coordinate\].
    pub input: Trained<T>,
    /// The hidden weights of all layers.
    pub hidden: Hidden<T>,
    /// Readout weights V: \[member\]\[output\]\[row\].
    pub readout: Trained<T>,
    /// W − W⁽⁰⁾ of one layer, once it was asked for.
    moved: Option<Buffer<T>>,
}

impl<T: Number> Weights<T> {
    /// Draws the weights of the networks of `seeds`, whose noise is read as `noise`, that of any of
    /// them.
    pub fn draw(
        device: &Device,
        size: Size,
        seeds: &[u64],
        noise: BrownianPath,
        (own_backward, frozen): (bool, Option<usize>),
    ) -> Result<Self, Fault> {
        let source = Source { size, seeds: device.copied(seeds)?, noise };
        let input = Trained::new(device.zeros(size.members * size.width * size.ld_input)?);
        let entries = Draw {
            out: input.weights.at(0),
            stride: (size.width * size.ld_input) as u64,
            row_stride: size.ld_input as u32,
            column_stride: 1,
            rows: size.width as u32,
            columns: size.dimension as u32,
            ..source.of(Entry::Input { coordinate: 0 })
        };
        device.draw::<T>(&entries, Stored::Full, size.members as u32)?;
        let readout = Trained::new(device.zeros(size.members * size.outputs * size.ld)?);
        let entries = Draw {
            out: readout.weights.at(0),
            stride: (size.outputs * size.ld) as u64,
            row_stride: 1,
            column_stride: size.ld as u32,
            rows: size.width as u32,
            columns: size.outputs as u32,
            ..source.of(Entry::Readout { output: 0 })
        };
        device.draw::<T>(&entries, Stored::Full, size.members as u32)?;
        let hidden = match frozen {
            None => {
                let draw = |direction| source.draw::<T, T>(device, direction, Stored::Full);
                let forward = Trained::new(draw(Direction::Forward)?);
                let backward = own_backward.then(|| draw(Direction::Backward)).transpose()?;
                Hidden::Full { forward, backward: backward.map(Trained::new) }
            }
            Some(updates) => {
                let draw = |direction| source.draw::<T, u16>(device, direction, Stored::Half);
                let forward = draw(Direction::Forward)?;
                let backward = own_backward.then(|| draw(Direction::Backward)).transpose()?;
                Hidden::Frozen { forward, backward, drift: Drift::new(device, size, updates)? }
            }
        };
        Ok(Weights { source, input, hidden, readout, moved: None })
    }

    /// Writes W_l − W_l⁽⁰⁾ of all members, the second drawn again, and returns where it begins.
    pub fn moved(&mut self, device: &Device, size: Size, l: usize) -> Result<Address, Fault> {
        if self.moved.is_none() {
            self.moved = Some(device.zeros(size.layer())?);
        }
        let out = self.moved.as_ref().map(|moved| moved.at(0)).unwrap_or_default();
        let Hidden::Full { forward, .. } = &self.hidden else { return Ok(out) };
        let minuend = forward.weights.at((l - 1) * size.layer());
        let layer = self.source.layer(l, Direction::Forward);
        device.draw::<T>(&Draw { out, minuend, ..layer }, Stored::Full, size.members as u32)?;
        Ok(out)
    }

    /// Gives everything that is trained a velocity.
    pub fn set_in_motion(&mut self, device: &Device, size: Size) -> Result<(), Fault> {
        self.input.set_in_motion(device, size.members * size.width * size.ld_input)?;
        self.readout.set_in_motion(device, size.members * size.outputs * size.ld)?;
        if let Hidden::Full { forward, backward } = &mut self.hidden {
            let count = size.depth * size.layer();
            forward.set_in_motion(device, count)?;
            backward.as_mut().map_or(Ok(()), |w| w.set_in_motion(device, count))?;
        }
        Ok(())
    }
}

impl Source {
    /// The noise of an entry's matrix.
    fn of(&self, entry: Entry) -> Draw {
        let NoiseAddress { fine, layer, tag, .. } = self.noise.address(entry);
        let scale = f64::from(fine).sqrt().recip();
        Draw {
            seeds: self.seeds.at(0),
            scale,
            fine_layers: fine,
            first_fine_layer: layer,
            tag,
            ..Draw::default()
        }
    }

    /// That of W_l or W̃_l, to be written somewhere.
    fn layer(&self, l: usize, direction: Direction) -> Draw {
        let entry = Entry::Weight { direction, layer: l as u32, column: 0 };
        Draw {
            stride: self.size.matrix() as u64,
            row_stride: self.size.ld as u32,
            column_stride: 1,
            rows: self.size.width as u32,
            columns: self.size.width as u32,
            ..self.of(entry)
        }
    }

    /// All layers of all members, drawn in T and stored as W.
    fn draw<T: Number, W: DeviceRepr + ValidAsZeroBits>(
        &self,
        device: &Device,
        direction: Direction,
        stored: Stored,
    ) -> Result<Buffer<W>, Fault> {
        let drawn = device.zeros::<W>(self.size.depth * self.size.layer())?;
        for l in 1..=self.size.depth {
            let out = drawn.at((l - 1) * self.size.layer());
            let layer = Draw { out, ..self.layer(l, direction) };
            device.draw::<T>(&layer, stored, self.size.members as u32)?;
        }
        Ok(drawn)
    }
}
