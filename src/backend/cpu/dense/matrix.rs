//! Products with a whole weight matrix, its rows or columns shared between the threads of the pool
//! that calls. Every number is made by one thread in one order, so none depends on their number.

use half::bf16;
use rayon::prelude::*;

use super::products::{self, Moved, Step, TILES};
use super::weights::{WeightBlock, Weights};
use super::{batched, halves, panels, pointwise};
use crate::backend::Update;
use crate::backend::archive::{Archive, Walked};
use crate::backend::cpu::simd::format::Format;
use crate::backend::lines::Lines;
use crate::backend::vectors::{Piece, ROWS, Vectors};
use crate::rng::normal::Instructions;

/// Writes Y = W X; with `moved`, which holds W⁽⁰⁾, also (W − W⁽⁰⁾) X.
pub fn multiply<T: Format>(
    set: Instructions,
    w: &Weights<T>,
    x: &Vectors<T>,
    y: &mut Vectors<T>,
    moved: Option<(&Weights<T>, &mut Vectors<T>)>,
) {
    let samples = x.samples();
    if samples == 0 {
        return;
    }
    let of_rows = TILES * w.width();
    let rows = w.blocks().chunks(of_rows).zip(y.pieces_mut().chunks_mut(samples));
    let mut moved = moved.map(|(initial, y)| {
        initial.blocks().chunks(of_rows).zip(y.pieces_mut().chunks_mut(samples))
    });
    let mut next = || moved.as_mut().and_then(Iterator::next);
    let rows: Vec<_> =
        rows.map(|(w, y)| (w, y, next().map(|(initial, y)| Moved { initial, y }))).collect();
    let size = panels::size::<T>(set, samples);
    // Panels are gone through as a whole, with the places beyond P.
    if samples >= batched::LEAST_SAMPLES && 4 * samples * ROWS >= 3 * size {
        let mut room = T::room().take();
        let panels = packed(set, x, size, &mut room);
        shared(rows, |(w, y, moved)| batched::forward(set, w, panels, y, moved));
        T::room().set(room);
    } else {
        shared(rows, |(w, y, moved)| products::forward(set, w, x.pieces(), y, moved));
    }
}

/// X with its samples side by side, in blocks of `size` numbers.
fn packed<'a, T: Format>(
    set: Instructions,
    x: &Vectors<T>,
    size: usize,
    room: &'a mut Lines<T>,
) -> &'a [T] {
    let samples = x.samples();
    let count = x.pieces().len() / samples * size;
    if room.len() < count {
        *room = Lines::zeros(count);
    }
    let packed = &mut room[..count];
    let blocks = x.pieces().chunks(samples).zip(packed.chunks_mut(size));
    shared(blocks.collect(), |(x, packed)| panels::pack(set, x, packed));
    packed
}

/// Does the work of all parts, on the threads of the pool that calls.
fn shared<P: Send>(parts: Vec<P>, work: impl Fn(P) + Sync + Send) {
    match rayon::current_num_threads() {
        1 => parts.into_iter().for_each(work),
        _ => parts.into_par_iter().for_each(work),
    }
}

/// Writes Y = W X of a matrix W in bf16.
pub fn multiply_half<T: Format>(
    set: Instructions,
    w: &Weights<bf16>,
    x: &Vectors<T>,
    y: &mut Vectors<T>,
) {
    let rows = w.blocks().chunks(TILES * w.width()).zip(y.pieces_mut().chunks_mut(x.samples()));
    shared(rows.collect(), |(w, y)| halves::forward_half(set, w, x.pieces(), y));
}

/// Writes Y = Wᵀ G of a matrix W in bf16.
pub fn multiply_transposed_half<T: Format>(
    set: Instructions,
    w: &Weights<bf16>,
    g: &Vectors<T>,
    y: &mut Vectors<T>,
) {
    let (samples, width) = (g.samples(), w.width());
    let threads = rayon::current_num_threads().min(width);
    let each = width.div_ceil(threads);
    let parts = y.pieces_mut().chunks_mut(each * samples).enumerate();
    let work = |(i, y): (usize, &mut [Piece<T>])| {
        let columns = i * each..width.min((i + 1) * each);
        halves::backward_half(set, (w.blocks(), width), columns, (g.pieces(), samples), y);
    };
    shared(parts.collect(), work);
}

/// The signal that enters a layer from above, and how it enters updates.
#[derive(Clone, Copy)]
pub struct Signal<'a, T> {
    /// Gradients g_l, or δ_l where there are several outputs, n×P.
    pub g: &'a Vectors<T>,
    /// Factors with which its columns enter an update, one a sample.
    pub weights: &'a [f64],
}

/// The update of one matrix, by D = scale · Σ_p weight_p g_p s_pᵀ.
#[derive(Clone, Copy)]
pub struct MatrixUpdate<'a> {
    /// Rates, momentum and weight decay.
    pub update: &'a Update,
    /// The factor on D, with its powers of n and L.
    pub scale: f64,
    /// The size q of the entries of D: the factor, times the multiplier that r carries in an inner matrix.
    pub size: f64,
}

/// A weight matrix that is trained, with its velocity.
#[derive(Clone, Debug, PartialEq)]
pub struct TrainedMatrix<T> {
    /// The weights W as they are now.
    pub weights: Weights<T>,
    /// v, once there is momentum.
    velocity: Option<Weights<T>>,
}

impl<T: Format> TrainedMatrix<T> {
    /// A matrix that was not trained yet.
    pub fn new(weights: Weights<T>) -> Self {
        TrainedMatrix { weights, velocity: None }
    }

    /// Walks over the matrix and its velocity.
    ///
    /// # Errors
    /// Those of the archive.
    pub fn archive(&mut self, archive: &mut Archive) -> Walked {
        self.weights.archive(archive)?;
        let (rows, columns) = (self.weights.rows(), self.weights.columns());
        let rest = || Ok(Weights::zeros(rows, columns));
        archive.optional(&mut self.velocity, rest, |archive, velocity| velocity.archive(archive))
    }

    /// Writes Y = WᵀG (unless None), then makes the change of W; `scratch` is overwritten.
    pub fn descend(
        &mut self,
        set: Instructions,
        g: &Vectors<T>,
        y: Option<&mut Vectors<T>>,
        change: &Change<T>,
        scratch: &mut Vectors<T>,
    ) {
        if let Step::Momentum { .. } = change.step {
            let (rows, columns) = (self.weights.rows(), self.weights.columns());
            self.velocity.get_or_insert_with(|| Weights::zeros(rows, columns));
        }
        descend(set, (&mut self.weights, self.velocity.as_mut()), g, y, change, scratch);
    }
}

/// The step that D = Σ_p k_p g_p x_pᵀ makes of a matrix.
pub struct Change<'a, T> {
    /// The vectors x_p that the matrix was multiplied with.
    pub x: &'a Vectors<T>,
    /// k_p, unless the step keeps the matrix.
    pub k: &'a [T],
    /// How the matrix follows D.
    pub step: Step<T>,
}

/// What one thread does of [`TrainedMatrix::descend`]: some columns of the matrix.
struct Part<'a, T> {
    w: Tiles<'a, T>,
    v: Tiles<'a, T>,
    x: &'a [Piece<T>],
    y: Option<&'a mut [Piece<T>]>,
}

fn descend<T: Format>(
    set: Instructions,
    (w, v): (&mut Weights<T>, Option<&mut Weights<T>>),
    g: &Vectors<T>,
    y: Option<&mut Vectors<T>>,
    &Change { x, k, step }: &Change<T>,
    scratch: &mut Vectors<T>,
) {
    let (samples, width) = (g.samples(), w.width());
    if samples == 0 || width == 0 {
        return;
    }
    let few = samples < batched::LEAST_SAMPLES;
    if few && step != Step::Keep {
        pointwise::scale(set, k, x.pieces(), scratch.pieces_mut());
    }
    let threads = rayon::current_num_threads().min(width);
    let each = width.div_ceil(threads);
    let mut v = v.map_or_else(Vec::new, |v| columns(v, each)).into_iter();
    let mut y = y.map(|y| y.pieces_mut().chunks_mut(each * samples));
    let x = if few { &*scratch } else { x };
    let x = x.pieces().chunks(each * samples);
    let part = |(w, x)| Part {
        w,
        v: v.next().unwrap_or_default(),
        x,
        y: y.as_mut().and_then(Iterator::next),
    };
    let parts: Vec<Part<T>> = columns(w, each).into_iter().zip(x).map(part).collect();
    let g = (g.pieces(), samples);
    shared(parts, |Part { mut w, mut v, x, y }: Part<T>| match few {
        true => products::backward(set, &mut w, &mut v, g, y, (x, step)),
        false => {
            let mut room = Lines::zeros(batched::STRIPS * samples * ROWS);
            let room = room.as_chunks_mut().0;
            batched::backward(set, &mut w, &mut v, g, y, (x, k, step), room);
        }
    });
}

/// Some blocks of each tile.
type Tiles<'a, T> = Vec<&'a mut [WeightBlock<T>]>;

/// Ranges of `each` blocks of columns, each with its part of every tile.
fn columns<T: Format>(w: &mut Weights<T>, each: usize) -> Vec<Tiles<'_, T>> {
    let (width, tiles) = (w.width(), w.tiles());
    let mut ranges: Vec<Tiles<T>> =
        (0..width.div_ceil(each)).map(|_| Vec::with_capacity(tiles)).collect();
    for tile in w.blocks_mut().chunks_mut(width) {
        for (range, part) in ranges.iter_mut().zip(tile.chunks_mut(each)) {
            range.push(part);
        }
    }
    ranges
}
