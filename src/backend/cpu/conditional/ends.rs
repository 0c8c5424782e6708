//! The two ends of the network, both trained: V, and in place of U, which is never kept, what it
//! makes of every sample.

use nalgebra::DMatrix;

use super::arena::Columns;
use super::kernels;
use super::near::{Near, Start};
use super::orthogonal::rows_of;
use super::panel::{CHUNK, Panel, chunks_of, clear_padding};
use super::tiles;
use crate::backend::Update;
use crate::backend::archive::{Archive, Walked};
use crate::backend::cpu::simd::format::Format;
use crate::data::Samples;
use crate::rng::noise::{Entry, Noise};
use crate::rng::normal::Instructions;

/// Columns that follow their gradients: V, or h_0 in the place of U.
pub struct TrainedPanel<T> {
    /// The columns as they are now, n rows each.
    pub columns: Panel<T>,
    /// Once there is momentum.
    velocity: Option<Panel<T>>,
}

impl<T: Format> TrainedPanel<T> {
    fn new(columns: Panel<T>) -> Self {
        TrainedPanel { columns, velocity: None }
    }

    /// The readout weights V at initialisation, n×O.
    pub fn readout(noise: &dyn Noise, width: usize, outputs: usize) -> Self {
        let mut v = Panel::zeros(width, outputs);
        tiles::sum_with(v.tiles_mut(), 0, |tile, mut v, _| {
            for (place, chunk) in chunks_of(tile, width).enumerate() {
                for (o, column) in v.chunk(place).iter_mut().enumerate() {
                    T::draw(noise, Entry::Readout { output: o as u32 }, chunk * CHUNK, column);
                }
                clear_padding(v.chunk(place), chunk, width);
            }
        });
        TrainedPanel::new(v)
    }

    /// Walks over the columns and their velocity.
    ///
    /// # Errors
    /// Those of the archive.
    pub fn archive(&mut self, archive: &mut Archive) -> Walked {
        self.columns.archive(archive)?;
        let none = || Ok(Panel::default());
        archive.optional(&mut self.velocity, none, |archive, velocity| velocity.archive(archive))
    }

    /// v ← μ v + X K + λ w, then w ← w − η v, row by row; K has a row for each column of X.
    pub fn follow(
        &mut self,
        set: Instructions,
        (update, rate): (&Update, f64),
        x: &Panel<T>,
        k: &DMatrix<f64>,
    ) {
        if rate == 0.0 {
            return;
        }
        let Update { momentum, weight_decay, .. } = *update;
        let n = x.rows();
        let chunk_of_x = |chunk| -> Columns<T> { x.chunk(chunk).iter().collect() };
        if momentum == 0.0 {
            let k = rows_of::<T>(k, -rate);
            // Not as the factor 1 − η λ, whose rounding would be that of a rate.
            let decay = T::of(-rate * weight_decay);
            tiles::sum_with(self.columns.tiles_mut(), 0, |tile, mut w, _| {
                for (place, chunk) in chunks_of(tile, n).enumerate() {
                    let w = w.chunk(place);
                    if weight_decay > 0.0 {
                        w.as_flattened_mut().iter_mut().for_each(|w| *w += *w * decay);
                    }
                    kernels::combine(set, Near::only(&chunk_of_x(chunk)), &k, Start::Here, w);
                }
            });
            return;
        }
        let k = rows_of::<T>(k, 1.0);
        let [momentum, decay, rate] = [momentum, weight_decay, -rate].map(T::of);
        let columns = self.columns.columns();
        let velocity = self.velocity.get_or_insert_with(|| Panel::zeros(n, columns));
        let own = self.columns.tiles_mut().into_iter().zip(velocity.tiles_mut()).collect();
        tiles::sum_with(own, 0, |tile, (mut w, mut v), _| {
            for (place, chunk) in chunks_of(tile, n).enumerate() {
                let (w, v) = (w.chunk(place), v.chunk(place));
                let pairs = v.as_flattened_mut().iter_mut().zip(w.as_flattened());
                pairs.for_each(|(v, w)| *v = *v * momentum + *w * decay);
                kernels::combine(set, Near::only(&chunk_of_x(chunk)), &k, Start::Here, v);
                let pairs = w.as_flattened_mut().iter_mut().zip(v.as_flattened());
                pairs.for_each(|(w, v)| *w += *v * rate);
            }
        });
    }
}

/// The lower end of the network: a set of samples and h_0 of each.
pub struct Inputs<T> {
    /// The samples of the set.
    pub samples: Samples,
    /// The input features h_0 of all of them, n×P.
    pub h: TrainedPanel<T>,
}

impl<T: Format> Inputs<T> {
    /// At initialisation, U drawn and forgotten a coordinate at a time.
    pub fn embed(set: Instructions, noise: &dyn Noise, width: usize, samples: Samples) -> Self {
        let (d, count) = (samples.dimension, samples.len());
        let scale = (d as f64).sqrt().recip();
        let x: Vec<T> = (0..d)
            .flat_map(|j| (0..count).map(move |p| (j, p)))
            .map(|(j, p)| T::of(samples.inputs[p * d + j] * scale))
            .collect();
        let mut h = Panel::zeros(width, count);
        tiles::sum_with(h.tiles_mut(), 0, |tile, mut h, _| {
            if count == 0 {
                return;
            }
            let mut u = [T::ZERO; CHUNK];
            for (place, chunk) in chunks_of(tile, width).enumerate() {
                let h = h.chunk(place);
                for (j, x) in x.chunks(count).enumerate() {
                    T::draw(noise, Entry::Input { coordinate: j as u32 }, chunk * CHUNK, &mut u);
                    kernels::combine(set, Near::only(&[&u]), x, Start::Here, h);
                }
                clear_padding(h, chunk, width);
            }
        });
        Inputs { samples, h: TrainedPanel::new(h) }
    }

    /// h_0 of the samples at `positions`, in that order.
    pub fn gather(&self, positions: &[usize], h: &mut Panel<T>) {
        let all = &self.h.columns;
        tiles::sum_with(h.tiles_mut(), 0, |tile, mut h, _| {
            for (place, chunk) in chunks_of(tile, all.rows()).enumerate() {
                for (h, &p) in h.chunk(place).iter_mut().zip(positions) {
                    *h = all.chunk(chunk)[p];
                }
            }
        });
    }

    /// ⟨x_p, x⟩ d^{-1/2} of sample p of this set and sample q of `others`.
    pub fn product(&self, p: usize, others: &Samples, q: usize) -> f64 {
        let d = self.samples.dimension;
        let (x, y) = (&self.samples.inputs[p * d..][..d], &others.inputs[q * d..][..d]);
        x.iter().zip(y).map(|(x, y)| x * y).sum::<f64>() / (d as f64).sqrt()
    }
}
