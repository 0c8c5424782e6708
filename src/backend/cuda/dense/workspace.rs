//! Memory for the vectors of some samples of every member.
//!
//! Vectors lie \[layer\]\[member\]\[sample\]\[row\], each padded with zeros to a multiple of 32 rows.

use super::super::device::fault::Fault;
use super::super::device::{Address, Buffer, Device, Number};
use super::super::grid::{FEW_SAMPLES, LOW_SAMPLES, most_blocks_of_columns, parts};
use super::Size;

/// Memory for a forward pass of some samples of every member.
pub struct Workspace<T> {
    /// Number P of samples at present.
    pub samples: usize,
    /// The largest number of samples that there is memory for.
    pub most: usize,
    /// Layers that are kept: all of them, or two by turns.
    levels: usize,
    /// Positions of the samples, P a member, or P for all.
    pub positions: Buffer<u32>,
    /// Inputs X of the samples of each member.
    pub x: Buffer<T>,
    hidden: Buffer<T>,
    values: Buffer<T>,
    /// z and φ(z) of two-layer blocks; None where blocks have one layer.
    inner: Option<[Buffer<T>; 2]>,
    /// Products in parts, to be added up.
    pub parts: Buffer<T>,
    /// Parts that are there, of every member and block of columns; zeros between launches.
    pub arrivals: Buffer<u32>,
    /// Coefficients along a drift; None where there is none.
    pub along: Option<Buffer<T>>,
    /// Outputs f, P×O a member.
    pub f: Buffer<f64>,
    size: Size,
}

impl<T: Number> Workspace<T> {
    /// Memory for `samples` samples, which keeps every layer or only the last two.
    pub fn new(device: &Device, size: Size, samples: usize, every: bool) -> Result<Self, Fault> {
        let levels = if every { size.depth + 1 } else { 2 };
        let vectors = size.members * samples * size.ld;
        let along = size.members * samples * size.ld_drift;
        let of_inner = || {
            let layers = if every { size.depth } else { 1 };
            device.zeros(layers * size.members * samples * size.ld_read())
        };
        let inner = size.inner.map(|_| Ok::<_, Fault>([of_inner()?, of_inner()?]));
        let (columns, parts) = (most_columns(size), most_numbers_of_parts(size, samples));
        Ok(Workspace {
            samples,
            most: samples,
            levels,
            positions: device.zeros(size.members * samples)?,
            x: device.zeros(size.members * samples * size.ld_input)?,
            hidden: device.zeros(levels * vectors)?,
            values: device.zeros(levels * vectors)?,
            inner: inner.transpose()?,
            parts: device.zeros(parts * size.members)?,
            arrivals: device
                .zeros(size.members * most_blocks_of_columns(columns as u32) as usize)?,
            along: match size.ld_drift {
                0 => None,
                _ => Some(device.zeros(along)?),
            },
            f: device.zeros(size.members * samples * size.outputs)?,
            size,
        })
    }

    /// Turns to so many samples, at most as many as there is memory for.
    pub fn turn_to(&mut self, device: &Device, samples: usize) -> Result<(), Fault> {
        if samples != self.samples {
            self.samples = samples;
            // What lies in the padding of the new layout.
            device.clear(&mut self.x)?;
            device.clear(&mut self.hidden)?;
            device.clear(&mut self.values)?;
            self.inner.iter_mut().flatten().try_for_each(|inner| device.clear(inner))?;
            self.along.as_mut().map_or(Ok(()), |along| device.clear(along))?;
        }
        Ok(())
    }

    /// Numbers of one member's vectors in one layer.
    pub fn stride(&self) -> usize {
        self.samples * self.size.ld
    }

    /// Numbers of one member's vectors that W reads, in one layer: of φ(h), in two-layer blocks of z and φ(z).
    pub fn stride_read(&self) -> usize {
        self.samples * self.size.ld_read()
    }

    fn layer(&self, l: usize) -> usize {
        l % self.levels * self.size.members * self.stride()
    }

    /// Where h_l of all members begins.
    pub fn hidden(&self, l: usize) -> Address {
        self.hidden.at(self.layer(l))
    }

    /// Where φ(h_l) of all members begins.
    pub fn values(&self, l: usize) -> Address {
        self.values.at(self.layer(l))
    }

    /// Where z_l of a two-layer block begins, and φ(z_l); None where blocks have one layer.
    pub fn inner(&self, l: usize) -> Option<[Address; 2]> {
        let first = (l - 1) % (self.levels - 1) * self.size.members * self.stride_read();
        self.inner.as_ref().map(|inner| inner.each_ref().map(|vectors| vectors.at(first)))
    }

    /// Where what W_l reads begins: φ(h_{l−1}), in two-layer blocks φ(z_l).
    pub fn read_by(&self, l: usize) -> Address {
        self.inner(l).map_or_else(|| self.values(l - 1), |[_, values]| values)
    }

    /// Copies z_1 … z_L of all members, one after the other, to memory of their own.
    pub fn inner_copied(&self, device: &Device) -> Result<Option<Buffer<T>>, Fault> {
        let count = self.size.depth * self.size.members * self.stride_read();
        let copied = |[z, _]: &[Buffer<T>; 2]| device.copy_of(z, 0..count);
        self.inner.as_ref().map(copied).transpose()
    }

    /// Copies h_l of all members to the host.
    pub fn hidden_on_host(&self, device: &Device, l: usize) -> Result<Vec<T>, Fault> {
        let first = self.layer(l);
        device.read_back(&self.hidden, first..first + self.size.members * self.stride())
    }

    /// Copies φ(h_l) of all members to the host.
    pub fn values_on_host(&self, device: &Device, l: usize) -> Result<Vec<T>, Fault> {
        let first = self.layer(l);
        device.read_back(&self.values, first..first + self.size.members * self.stride())
    }
}

/// Columns of the widest matrix that has a product in parts, padded.
fn most_columns(size: Size) -> usize {
    size.ld.max(size.ld_read()).max(size.ld_drift)
}

/// Numbers of all parts of a member's products of up to `samples` samples with the matrices of a block, or with
/// a factor of a drift.
pub fn most_numbers_of_parts(size: Size, samples: usize) -> usize {
    let of_outer = most_parts(size.width, samples) * size.ld_read().max(size.ld_drift);
    let of_inner = size.inner.map_or(0, |inner| most_parts(inner, samples) * size.ld);
    of_outer.max(of_inner)
}

/// Rows of all parts of products of up to `samples` samples with a matrix of `rows` rows: few samples
/// leave more of them.
fn most_parts(rows: usize, samples: usize) -> usize {
    let of = |samples: usize| samples * parts(rows as u32, samples as u32) as usize;
    let fewer = [FEW_SAMPLES, LOW_SAMPLES].map(|most| of(samples.min(most as usize)));
    fewer.into_iter().fold(of(samples), usize::max)
}
