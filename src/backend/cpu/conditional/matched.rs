//! Noise with exact moments: the Gaussians of a network, changed as little as possible so that over its
//! rows they have mean zero, variance one and no correlations among one another, as at infinite width.
//!
//! Columns are those of V, of U along the inputs, and all fresh answers of training. What they do to a
//! network's outputs begins with their second moments, so most of the outputs' variance goes with the
//! fluctuations of these. The law is no longer that of the network, by O(1/n), like its bias anyway.

use std::collections::HashMap;
use std::sync::Arc;

use nalgebra::DMatrix;

use super::arena::Columns;
use super::kernels;
use super::near::{Near, Start};
use super::panel::{CHUNK, Column, Panel, chunks_in, clear_padding};
use crate::data::Samples;
use crate::rng::noise::{BrownianPath, Direction, Entry, FromRow, Noise, Purpose, Query};
use crate::rng::normal::Instructions;

/// Columns that are combined at once.
const TOGETHER: usize = 16;

/// Which columns a training run draws: those that are matched.
#[derive(Clone, Copy, Debug)]
pub struct Drawn<'a> {
    /// The samples of every pass.
    pub train: &'a Samples,
    /// Updates; the backward pass after the last has noise that is not matched.
    pub steps: u32,
    /// Depth of the noise grid.
    pub depth: usize,
}

impl Drawn<'_> {
    /// Number of columns, the constant one included, with which all others are made uncorrelated.
    pub fn columns(&self) -> usize {
        let Samples { outputs, dimension, .. } = *self.train;
        let samples = self.train.len();
        let answers = (2 * self.steps as usize + 1) * samples * self.depth;
        1 + outputs + samples.min(dimension) + answers
    }

    /// V, then the answers of all layers.
    fn entries(&self) -> Vec<Entry> {
        let readout = (0..self.train.outputs as u32).map(|output| Entry::Readout { output });
        let mut entries: Vec<Entry> = readout.collect();
        let purpose = Purpose::Answer;
        for step in 0..=self.steps {
            for direction in [Direction::Forward, Direction::Backward] {
                if step == self.steps && direction == Direction::Backward {
                    continue;
                }
                let query = Query { purpose, step, direction };
                for layer in 1..=self.depth as u32 {
                    let of = |&sample| Entry::Answer { query, layer, sample };
                    entries.extend(self.train.indices.iter().map(of));
                }
            }
        }
        entries
    }
}

/// The matched columns of one run of n rows, on its noise grid.
pub struct MatchedColumns {
    /// Where a column stands in `panel`, by column, layer and tag of its noise address.
    places: HashMap<[u32; 3], usize>,
    panel: Panel<f32>,
    /// What is added to U along each of `directions`.
    shift: Panel<f32>,
    /// An orthonormal basis of the inputs, d×r.
    directions: DMatrix<f64>,
    /// The first row, where they are some rows of a wider network.
    first: usize,
}

impl MatchedColumns {
    /// Rows `first` to `first` + n of the noise `path`, which is read at the depth of its grid. None
    /// where columns are linearly dependent, as those of too few rows are.
    pub fn new(
        set: Instructions,
        drawn: &Drawn,
        path: &BrownianPath,
        (first, n): (usize, usize),
    ) -> Option<MatchedColumns> {
        let entries = drawn.entries();
        let directions = basis(drawn.train);
        let rank = directions.ncols();
        // The constant column first: nothing else is changed by it but means.
        let fixed = 1 + rank;
        let columns = fixed + entries.len();
        let inputs = along_inputs(path, (first, n), &directions);
        let mut drawn = Panel::<f32>::zeros(n, columns);
        let mut gram = vec![0.0; columns * columns];
        for (c, chunk) in chunks_of_panel(&mut drawn).into_iter().enumerate() {
            chunk[0].fill(1.0);
            chunk[1..fixed].copy_from_slice(inputs.chunk(c));
            for (entry, column) in entries.iter().zip(&mut chunk[fixed..]) {
                path.fill_f32(*entry, first + c * CHUNK, column);
            }
            clear_padding(chunk, c, n);
            kernels::gram(set, chunk, &mut gram);
        }
        let gram = DMatrix::from_fn(columns, columns, |i, j| {
            gram[i.min(j) * columns + i.max(j)] / n as f64
        });
        // G = RᵀR, so Z R^{-1} has the identity.
        let factor = gram.cholesky()?.l().transpose();
        let mut inverse = DMatrix::identity(columns, columns);
        if !factor.solve_upper_triangular_mut(&mut inverse) {
            return None;
        }
        // R^{-1} is triangular: columns from `from` on are made of those before `to`.
        let blocks: Vec<(usize, usize, Vec<f32>)> = (1..columns)
            .step_by(TOGETHER)
            .map(|from| {
                let to = (from + TOGETHER).min(columns);
                let pairs = (0..to).flat_map(|c| (from..to).map(move |p| (c, p)));
                (from, to, pairs.map(|at| inverse[at] as f32).collect())
            })
            .collect();
        let (mut panel, mut shift) = (Panel::zeros(n, entries.len()), Panel::zeros(n, rank));
        let mut matched = vec![[0.0_f32; CHUNK]; columns - 1];
        let parts = chunks_of_panel(&mut panel).into_iter().zip(chunks_of_panel(&mut shift));
        for (c, (answers, shift)) in parts.enumerate() {
            let chunk: Columns<f32> = drawn.chunk(c).iter().collect();
            for (from, to, weights) in &blocks {
                let (near, matched) = (Near::only(&chunk[..*to]), &mut matched[from - 1..to - 1]);
                kernels::combine(set, near, weights, Start::Zero, matched);
            }
            answers.copy_from_slice(&matched[rank..]);
            let pairs = matched[..rank].iter().zip(inputs.chunk(c));
            for (shift, (new, old)) in shift.iter_mut().zip(pairs) {
                *shift = std::array::from_fn(|i| new[i] - old[i]);
            }
        }
        let places = entries.iter().enumerate().map(|(i, entry)| (key(path, *entry, 0), i));
        Some(MatchedColumns { places: places.collect(), panel, shift, directions, first })
    }

    /// Adds rows `first`.. of a column to `out`.
    fn add(panel: &Panel<f32>, (column, factor): (usize, f32), first: usize, out: &mut [f32]) {
        let mut out = out;
        let mut first = first;
        // Rows are asked for in pieces of any length, of which each ends with its chunk at the latest.
        while !out.is_empty() && first < panel.rows().next_multiple_of(CHUNK) {
            let (chunk, from) = (first / CHUNK, first % CHUNK);
            let (piece, rest) = out.split_at_mut(out.len().min(CHUNK - from));
            let rows = &panel.chunk(chunk)[column][from..];
            piece.iter_mut().zip(rows).for_each(|(out, row)| *out += factor * row);
            first += piece.len();
            out = rest;
        }
    }
}

/// Matched columns as the noise of a network on their grid, or of a shallower one.
pub struct MatchedNoise {
    columns: Arc<MatchedColumns>,
    /// Noise that is not matched, read at the depth of the network.
    path: FromRow<BrownianPath>,
}

impl MatchedNoise {
    /// The noise of a network that reads `path`, on the grid of `columns`.
    pub fn new(columns: Arc<MatchedColumns>, path: BrownianPath) -> MatchedNoise {
        let first = columns.first;
        MatchedNoise { columns, path: FromRow { noise: path, first } }
    }
}

impl Noise for MatchedNoise {
    fn fill(&self, entry: Entry, first: usize, out: &mut [f64]) {
        let mut rows = vec![0.0_f32; out.len()];
        self.fill_f32(entry, first, &mut rows);
        out.iter_mut().zip(rows).for_each(|(out, row)| *out = f64::from(row));
    }

    fn fill_f32(&self, entry: Entry, first: usize, out: &mut [f32]) {
        let MatchedColumns { places, panel, shift, directions, .. } = &*self.columns;
        if let Entry::Input { coordinate } = entry {
            self.path.fill_f32(entry, first, out);
            for (column, along) in directions.row(coordinate as usize).iter().enumerate() {
                MatchedColumns::add(shift, (column, *along as f32), first, out);
            }
            return;
        }
        let path = &self.path.noise;
        if !places.contains_key(&key(path, entry, 0)) {
            return self.path.fill_f32(entry, first, out);
        }
        let fine = path.address(entry).fine;
        out.fill(0.0);
        for layer in 0..fine {
            if let Some(&column) = places.get(&key(path, entry, layer)) {
                MatchedColumns::add(panel, (column, 1.0), first, out);
            }
        }
        if fine > 1 {
            let scale = f64::from(fine).sqrt().recip() as f32;
            out.iter_mut().for_each(|out| *out *= scale);
        }
    }
}

/// What names the `layer`-th of the fine layers that an entry sums.
fn key(path: &BrownianPath, entry: Entry, layer: u32) -> [u32; 3] {
    let address = path.address(entry);
    [address.column, address.layer + layer, address.tag]
}

/// An orthonormal basis of the inputs, d×r: those that are new by more than rounding.
fn basis(samples: &Samples) -> DMatrix<f64> {
    const NEW: f64 = 1e-8;
    let d = samples.dimension;
    let mut basis: Vec<nalgebra::DVector<f64>> = Vec::new();
    for input in samples.inputs.chunks(d) {
        let input = nalgebra::DVector::from_column_slice(input);
        let mut left = input.clone();
        // Twice is enough.
        for _ in 0..2 {
            for direction in &basis {
                left -= direction * direction.dot(&left);
            }
        }
        if left.norm() > NEW * input.norm() {
            basis.push(left.normalize());
        }
    }
    match basis.is_empty() {
        true => DMatrix::zeros(d, 0),
        false => DMatrix::from_columns(&basis),
    }
}

/// U along each direction, n×r: standard normals.
fn along_inputs(
    path: &BrownianPath,
    (first, n): (usize, usize),
    directions: &DMatrix<f64>,
) -> Panel<f32> {
    let mut panel = Panel::zeros(n, directions.ncols());
    let mut drawn = [0.0_f32; CHUNK];
    for (c, chunk) in chunks_of_panel(&mut panel).into_iter().enumerate() {
        for coordinate in 0..directions.nrows() {
            let entry = Entry::Input { coordinate: coordinate as u32 };
            path.fill_f32(entry, first + c * CHUNK, &mut drawn);
            for (along, column) in directions.row(coordinate).iter().zip(&mut *chunk) {
                let along = *along as f32;
                column.iter_mut().zip(&drawn).for_each(|(sum, z)| *sum += along * z);
            }
        }
        clear_padding(chunk, c, n);
    }
    panel
}

/// All chunks of a panel in order, to be written to.
fn chunks_of_panel(panel: &mut Panel<f32>) -> Vec<&mut [Column<f32>]> {
    let (chunks, columns) = (chunks_in(panel.rows()), panel.columns());
    match columns {
        0 => (0..chunks).map(|_| &mut [][..]).collect(),
        _ => panel.all_mut().chunks_mut(columns).collect(),
    }
}
