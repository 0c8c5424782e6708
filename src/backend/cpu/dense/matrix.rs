//! Products with a whole weight matrix, its rows or columns shared between the threads of the pool
//! that calls. Every number is made by one thread in one order, so none depends on their number.

use rayon::prelude::*;

use super::products::{self, Step, TILES};
use super::vectors::Vectors;
use super::weights::{Block, Weights};
use crate::backend::cpu::format::Format;
use crate::rng::normal::Instructions;

/// Y = W X; with `moved`, W⁽⁰⁾ and what becomes (W − W⁽⁰⁾) X.
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
    let work = |(w, y, moved): (_, _, Option<(_, _)>)| {
        products::forward(set, w, x.pieces(), y, moved);
    };
    let rows: Vec<_> = match moved {
        None => rows.map(|(w, y)| (w, y, None)).collect(),
        Some((initial, moved)) => {
            let moved = moved.pieces_mut().chunks_mut(samples);
            let moved = initial.blocks().chunks(of_rows).zip(moved);
            rows.zip(moved).map(|((w, y), moved)| (w, y, Some(moved))).collect()
        }
    };
    match rayon::current_num_threads() {
        1 => rows.into_iter().for_each(work),
        _ => rows.into_par_iter().for_each(work),
    }
}

/// A matrix that can be trained.
#[derive(Clone, Debug, PartialEq)]
pub struct Trained<T> {
    /// W
    pub weights: Weights<T>,
    /// v, once there is momentum.
    velocity: Option<Weights<T>>,
}

impl<T: Format> Trained<T> {
    /// At rest.
    pub fn new(weights: Weights<T>) -> Self {
        Trained { weights, velocity: None }
    }

    /// Y = WᵀG (unless None), then the `step` of W by D = Σ_p g_p s_pᵀ.
    pub fn descend(
        &mut self,
        set: Instructions,
        g: &Vectors<T>,
        y: Option<&mut Vectors<T>>,
        (s, step): (&Vectors<T>, Step<T>),
    ) {
        if let Step::Momentum { .. } = step {
            let (rows, columns) = (self.weights.rows(), self.weights.columns());
            self.velocity.get_or_insert_with(|| Weights::zeros(rows, columns));
        }
        descend(set, (&mut self.weights, self.velocity.as_mut()), g, y, (s, step));
    }
}

fn descend<T: Format>(
    set: Instructions,
    (w, v): (&mut Weights<T>, Option<&mut Weights<T>>),
    g: &Vectors<T>,
    y: Option<&mut Vectors<T>>,
    (s, step): (&Vectors<T>, Step<T>),
) {
    let (samples, width) = (g.samples(), w.width());
    if samples == 0 || width == 0 {
        return;
    }
    let threads = rayon::current_num_threads().min(width);
    let each = width.div_ceil(threads);
    let mut w = columns(w, each);
    let mut v = v.map_or_else(Vec::new, |v| columns(v, each));
    v.resize_with(w.len(), Vec::new);
    let mut y: Vec<_> = match y {
        Some(y) => y.pieces_mut().chunks_mut(each * samples).map(Some).collect(),
        None => w.iter().map(|_| None).collect(),
    };
    let s = s.pieces().chunks(each * samples);
    let work = |(((w, v), y), s): (((&mut Tiles<T>, &mut Tiles<T>), &mut Option<_>), &[_])| {
        products::backward(set, w, v, g.pieces(), s, y.as_deref_mut(), samples, step);
    };
    let ranges = w.iter_mut().zip(&mut v).zip(&mut y).zip(s);
    match threads {
        1 => ranges.for_each(work),
        _ => ranges.collect::<Vec<_>>().into_par_iter().for_each(work),
    }
}

/// Some blocks of each tile.
type Tiles<'a, T> = Vec<&'a mut [Block<T>]>;

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
