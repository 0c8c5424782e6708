//! The weights of all members: U, W_1 … W_L, V, what they were, the inner matrices of two-layer blocks,
//! and for `gia` the independent W̃_l that carry gradients.

use cudarc::driver::{DeviceRepr, ValidAsZeroBits};

use super::super::arguments::Draw;
use super::super::device::fault::Fault;
use super::super::device::{Address, Buffer, Device, Number};
use super::super::launch::WeightFormat;
use super::super::trained::TrainedBuffer;
use super::drift::Drift;
use super::{Shape, Size};
use crate::backend::Update;
use crate::backend::archive::{Archive, Walked};
use crate::model::Rule;
use crate::rng::noise::{BrownianPath, Direction, Entry, NoiseAddress};

/// Matrices of all layers whose numbers are all kept in T, \[layer\]\[member\]\[row\]\[column\].
pub struct Matrices<T> {
    /// The rows and columns that all of them have.
    pub shape: Shape,
    /// The weights W of forward passes.
    pub forward: TrainedBuffer<T>,
    /// The independent weights W̃ that carry gradients in closure `gia`; None elsewhere.
    pub backward: Option<TrainedBuffer<T>>,
}

/// The hidden weights W_1 … W_L, in two-layer blocks the outer ones W2: \[layer\]\[member\]\[row\]\[column\].
pub enum Hidden<T> {
    /// All numbers of the weights, in T.
    Full(Matrices<T>),
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

/// The noise of the first column of the matrix of a layer.
type EntryOf = fn(Direction, u32) -> Entry;

fn hidden_entry(direction: Direction, layer: u32) -> Entry {
    Entry::Weight { direction, layer, column: 0 }
}

fn inner_entry(direction: Direction, layer: u32) -> Entry {
    Entry::Inner { direction, layer, column: 0 }
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
    pub input: TrainedBuffer<T>,
    /// The hidden weights of all layers.
    pub hidden: Hidden<T>,
    /// The inner matrices W1 of two-layer blocks; None where blocks have one layer.
    pub inner: Option<Matrices<T>>,
    /// Readout weights V: \[member\]\[output\]\[row\].
    pub readout: TrainedBuffer<T>,
    /// W − W⁽⁰⁾ of what reads h in one layer, once it was asked for.
    moved: Option<Buffer<T>>,
}

impl<T: Number> Weights<T> {
    /// Draws the weights of the networks of `seeds`, whose noise is read as `noise`, that of any of
    /// them. Initial hidden weights of one-layer blocks can be `frozen`, for so many updates.
    pub fn draw(
        device: &Device,
        size: Size,
        seeds: &[u64],
        noise: BrownianPath,
        own_backward: bool,
        frozen: Option<usize>,
    ) -> Result<Self, Fault> {
        let source = Source { size, seeds: device.copied(seeds)?, noise };
        let input = TrainedBuffer::new(device.zeros(size.members * size.width * size.ld_input)?);
        let entries = Draw {
            out: input.values.at(0),
            stride: (size.width * size.ld_input) as u64,
            row_stride: size.ld_input as u32,
            column_stride: 1,
            rows: size.width as u32,
            columns: size.dimension as u32,
            ..source.of(Entry::Input { coordinate: 0 })
        };
        device.draw::<T>(&entries, WeightFormat::Full, size.members as u32)?;
        let readout = TrainedBuffer::new(device.zeros(size.members * size.outputs * size.ld)?);
        let entries = Draw {
            out: readout.values.at(0),
            stride: (size.outputs * size.ld) as u64,
            row_stride: 1,
            column_stride: size.ld as u32,
            rows: size.width as u32,
            columns: size.outputs as u32,
            ..source.of(Entry::Readout { output: 0 })
        };
        device.draw::<T>(&entries, WeightFormat::Full, size.members as u32)?;
        let hidden = match frozen {
            None => Hidden::Full(Matrices::draw(
                device,
                &source,
                (hidden_entry, size.outer()),
                own_backward,
            )?),
            Some(updates) => {
                let draw = |direction| {
                    source.draw::<T, u16>(
                        device,
                        (hidden_entry, size.outer()),
                        direction,
                        WeightFormat::Half,
                    )
                };
                let forward = draw(Direction::Forward)?;
                let backward = own_backward.then(|| draw(Direction::Backward)).transpose()?;
                Hidden::Frozen { forward, backward, drift: Drift::new(device, size, updates)? }
            }
        };
        let inner = size
            .inner
            .map(|_| Matrices::draw(device, &source, (inner_entry, size.inner()), own_backward));
        Ok(Weights { source, input, hidden, inner: inner.transpose()?, readout, moved: None })
    }

    /// Writes W_l − W_l⁽⁰⁾ of all members, the second drawn again, and returns where it begins; in
    /// two-layer blocks of the inner matrix.
    pub fn moved(&mut self, device: &Device, size: Size, l: usize) -> Result<Address, Fault> {
        let (matrices, entry): (_, EntryOf) = match (&self.inner, &self.hidden) {
            (Some(inner), _) => (inner, inner_entry),
            (None, Hidden::Full(hidden)) => (hidden, hidden_entry),
            (None, Hidden::Frozen { .. }) => return Ok(Address::default()),
        };
        if self.moved.is_none() {
            self.moved = Some(device.zeros(size.layer(matrices.shape))?);
        }
        let out = self.moved.as_ref().map(|moved| moved.at(0)).unwrap_or_default();
        let minuend = matrices.forward.values.at(matrices.start(size, l));
        let layer = self.source.layer((entry, matrices.shape), l, Direction::Forward);
        device.draw::<T>(
            &Draw { out, minuend, ..layer },
            WeightFormat::Full,
            size.members as u32,
        )?;
        Ok(out)
    }

    /// Walks over what training has made of the weights of a member.
    ///
    /// # Errors
    /// Those of the archive and of the device.
    pub fn archive(
        &mut self,
        device: &Device,
        archive: &mut Archive,
        (size, member): (Size, usize),
    ) -> Walked {
        let ends = [
            (&mut self.input, size.width * size.ld_input),
            (&mut self.readout, size.outputs * size.ld),
        ];
        for (end, each) in ends {
            let range = member * each..(member + 1) * each;
            end.archive(device, archive, size.members * each, std::iter::once(range))?;
        }
        match &mut self.hidden {
            Hidden::Full(hidden) => hidden.archive(device, archive, (size, member))?,
            Hidden::Frozen { drift, .. } => drift.archive(device, archive, (size, member))?,
        }
        let inner = self.inner.as_mut();
        inner.map_or(Ok(()), |inner| inner.archive(device, archive, (size, member)))
    }

    /// Makes room for what the rule of `update` keeps from update to update of everything that is trained. W̃ of
    /// `gia` has its own only where it descends: by other rules it moves by what is kept of W.
    pub fn set_in_motion(
        &mut self,
        device: &Device,
        size: Size,
        &Update { rule, momentum, .. }: &Update,
    ) -> Result<(), Fault> {
        let (kept, descends) = (rule.kept(momentum), rule == Rule::Descent);
        let (input, readout) = (size.width * size.ld_input, size.outputs * size.ld);
        self.input.set_in_motion(device, (size.members * input, kept))?;
        self.readout.set_in_motion(device, (size.members * readout, kept))?;
        let hidden = match &mut self.hidden {
            Hidden::Full(hidden) => Some(hidden),
            Hidden::Frozen { .. } => None,
        };
        for Matrices { forward, backward, shape } in hidden.into_iter().chain(&mut self.inner) {
            let count = (size.depth * size.layer(*shape), kept);
            forward.set_in_motion(device, count)?;
            if let Some(backward) = backward.as_mut().filter(|_| descends) {
                backward.set_in_motion(device, count)?;
            }
        }
        Ok(())
    }
}

impl<T: Number> Matrices<T> {
    /// The first number of layer l, from 1 on.
    pub fn start(&self, size: Size, l: usize) -> usize {
        (l - 1) * size.layer(self.shape)
    }

    fn draw(
        device: &Device,
        source: &Source,
        of: (EntryOf, Shape),
        own_backward: bool,
    ) -> Result<Self, Fault> {
        let draw = |direction| source.draw::<T, T>(device, of, direction, WeightFormat::Full);
        let forward = TrainedBuffer::new(draw(Direction::Forward)?);
        let backward = own_backward.then(|| draw(Direction::Backward)).transpose()?;
        Ok(Matrices { shape: of.1, forward, backward: backward.map(TrainedBuffer::new) })
    }

    fn archive(
        &mut self,
        device: &Device,
        archive: &mut Archive,
        (size, member): (Size, usize),
    ) -> Walked {
        let layers = (0..size.depth).map(|l| {
            let first = l * size.layer(self.shape) + member * self.shape.numbers();
            first..first + self.shape.numbers()
        });
        let count = size.depth * size.layer(self.shape);
        for matrices in std::iter::once(&mut self.forward).chain(&mut self.backward) {
            matrices.archive(device, archive, count, layers.clone())?;
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
    fn layer(&self, (entry, shape): (EntryOf, Shape), l: usize, direction: Direction) -> Draw {
        Draw {
            stride: shape.numbers() as u64,
            row_stride: shape.ld() as u32,
            column_stride: 1,
            rows: shape.rows as u32,
            columns: shape.columns as u32,
            ..self.of(entry(direction, l as u32))
        }
    }

    /// All layers of all members, drawn in T and stored as W.
    fn draw<T: Number, W: DeviceRepr + ValidAsZeroBits>(
        &self,
        device: &Device,
        of: (EntryOf, Shape),
        direction: Direction,
        stored: WeightFormat,
    ) -> Result<Buffer<W>, Fault> {
        let each = self.size.layer(of.1);
        let drawn = device.zeros::<W>(self.size.depth * each)?;
        for l in 1..=self.size.depth {
            let out = drawn.at((l - 1) * each);
            let layer = Draw { out, ..self.layer(of, l, direction) };
            device.draw::<T>(&layer, stored, self.size.members as u32)?;
        }
        Ok(drawn)
    }
}
