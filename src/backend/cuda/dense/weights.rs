//! The weights of all members: U, W_1 … W_L, V, what they were, and for `gia` the independent W̃_l that
//! carry gradients.

use super::super::arguments::Draw;
use super::super::device::{Address, Buffer, Device, Number};
use super::super::fault::Fault;
use super::super::launch::Stored;
use super::Size;
use super::drift::Drift;
use crate::rng::noise::{BrownianPath, Direction, Entry, Place};

/// Explicit matrices and, once there is momentum, their velocities.
pub struct Trained<T> {
    /// Of all members.
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

/// W_1 … W_L: \[layer\]\[member\]\[row\]\[column\].
pub enum Hidden<T> {
    /// All numbers in T.
    Full {
        /// W
        forward: Trained<T>,
        /// W̃ of closure `gia`
        backward: Option<Trained<T>>,
    },
    /// The initial ones in bf16, and a drift.
    Frozen {
        /// W⁽⁰⁾
        forward: Buffer<u16>,
        /// W̃⁽⁰⁾ of closure `gia`
        backward: Option<Buffer<u16>>,
        /// W − W⁽⁰⁾
        drift: Drift<T>,
    },
}

/// All weights.
pub struct Weights<T> {
    seeds: Buffer<u64>,
    noise: BrownianPath,
    /// U: \[member\]\[row\]\[coordinate\].
    pub input: Trained<T>,
    /// The hidden ones.
    pub hidden: Hidden<T>,
    /// V: \[member\]\[output\]\[row\].
    pub readout: Trained<T>,
    /// W − W⁽⁰⁾ of one layer, once it was asked for.
    moved: Option<Buffer<T>>,
}

impl<T: Number> Weights<T> {
    /// Draws those of seeds `seeds`, whose noise is read as `noise`, that of any of them.
    pub fn draw(
        device: &Device,
        size: Size,
        seeds: &[u64],
        noise: BrownianPath,
        (own_backward, frozen): (bool, Option<usize>),
    ) -> Result<Self, Fault> {
        let mut weights = Weights {
            seeds: device.copied(seeds)?,
            noise,
            input: Trained::new(device.zeros(size.members * size.width * size.ld_input)?),
            readout: Trained::new(device.zeros(size.members * size.outputs * size.ld)?),
            hidden: Hidden::Full { forward: Trained::new(device.zeros(1)?), backward: None },
            moved: None,
        };
        let input = Draw {
            to: weights.input.weights.at(0),
            stride: (size.width * size.ld_input) as u64,
            row_stride: size.ld_input as u32,
            column_stride: 1,
            rows: size.width as u32,
            columns: size.dimension as u32,
            ..weights.of(Entry::Input { coordinate: 0 })
        };
        device.draw::<T>(&input, Stored::Full, size.members as u32)?;
        let readout = Draw {
            to: weights.readout.weights.at(0),
            stride: (size.outputs * size.ld) as u64,
            row_stride: 1,
            column_stride: size.ld as u32,
            rows: size.width as u32,
            columns: size.outputs as u32,
            ..weights.of(Entry::Readout { output: 0 })
        };
        device.draw::<T>(&readout, Stored::Full, size.members as u32)?;
        let count = size.depth * size.layer();
        weights.hidden = match frozen {
            None => {
                let draw = |direction| -> Result<_, Fault> {
                    let to = device.zeros::<T>(count)?;
                    for l in 1..=size.depth {
                        let at = to.at((l - 1) * size.layer());
                        weights.draw_layer(device, size, (l, direction), at, Stored::Full)?;
                    }
                    Ok(Trained::new(to))
                };
                let forward = draw(Direction::Forward)?;
                let backward = own_backward.then(|| draw(Direction::Backward)).transpose()?;
                Hidden::Full { forward, backward }
            }
            Some(updates) => {
                let draw = |direction| -> Result<_, Fault> {
                    let to = device.zeros::<u16>(count)?;
                    for l in 1..=size.depth {
                        let at = to.at((l - 1) * size.layer());
                        weights.draw_layer(device, size, (l, direction), at, Stored::Half)?;
                    }
                    Ok(to)
                };
                let forward = draw(Direction::Forward)?;
                let backward = own_backward.then(|| draw(Direction::Backward)).transpose()?;
                let drift = Drift::new(device, size, updates)?;
                Hidden::Frozen { forward, backward, drift }
            }
        };
        Ok(weights)
    }

    /// The noise of an entry's matrix.
    fn of(&self, entry: Entry) -> Draw {
        let Place { fine, layer, tag, .. } = self.noise.place(entry);
        let scale = f64::from(fine).sqrt().recip();
        Draw { seeds: self.seeds.at(0), scale, fine, layer, tag, ..Draw::default() }
    }

    fn draw_layer(
        &self,
        device: &Device,
        size: Size,
        (l, direction): (usize, Direction),
        to: Address,
        stored: Stored,
    ) -> Result<(), Fault> {
        let layer = self.layer_of(size, (l, direction));
        device.draw::<T>(&Draw { to, ..layer }, stored, size.members as u32)
    }

    fn layer_of(&self, size: Size, (l, direction): (usize, Direction)) -> Draw {
        let entry = Entry::Weight { direction, layer: l as u32, column: 0 };
        Draw {
            stride: size.matrix() as u64,
            row_stride: size.ld as u32,
            column_stride: 1,
            rows: size.width as u32,
            columns: size.width as u32,
            ..self.of(entry)
        }
    }

    /// W_l − W_l⁽⁰⁾ of all members, the second drawn again.
    pub fn moved(&mut self, device: &Device, size: Size, l: usize) -> Result<Address, Fault> {
        if self.moved.is_none() {
            self.moved = Some(device.zeros(size.layer())?);
        }
        let to = self.moved.as_ref().map(|moved| moved.at(0)).unwrap_or_default();
        let Hidden::Full { forward, .. } = &self.hidden else { return Ok(to) };
        let minus = forward.weights.at((l - 1) * size.layer());
        let layer = self.layer_of(size, (l, Direction::Forward));
        device.draw::<T>(&Draw { to, minus, ..layer }, Stored::Full, size.members as u32)?;
        Ok(to)
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
