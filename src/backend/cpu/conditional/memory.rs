//! What one initial weight matrix has been asked and has answered, as [`crate::backend::plain::memory`]
//! has it, with columns in panels.

use nalgebra::DMatrix;

use super::arena::{Arena, Columns, Stack, Stored};
use super::kernels;
use super::near::{Ahead, Near, Start};
use super::orthogonal::{Expansion, rows_of};
use super::panel::{CHUNK, Column, chunk_after, chunks_of, clear_padding};
use super::tiles::{sum, sum_with};
use crate::backend::archive::{Archive, Walked};
use crate::backend::coefficients::Drift;
use crate::backend::cpu::simd::format::Format;
use crate::backend::cpu::simd::hints::{Level, prefetch_rows};
use crate::model::Closure;
use crate::rng::normal::Instructions;

/// Rows of Z that are drawn at a time.
const DRAWN: usize = 128;

/// The queries of one direction, orthonormalised, and the answers to them.
#[derive(Clone, Debug)]
pub struct Side {
    /// Orthonormal queries QF (or QB) that were asked so far, n×r, n the columns of W (or its rows).
    pub basis: Stack,
    /// Their answers AF = W⁽⁰⁾QF (or BB = W⁽⁰⁾ᵀQB), m×r, m the rows of W (or its columns).
    pub answers: Stack,
    /// Θ: the part of the answers along the other side's basis, r_other×r.
    pub overlap: DMatrix<f64>,
}

/// The answer to one query: all that does not grow with n, and fresh Gaussians.
#[derive(Clone, Debug)]
pub struct Answer {
    /// The query in coefficients, and its new columns Q.
    pub expansion: Expansion,
    /// Z, m×r', the arena's last panel; whoever computes the answer's rows makes
    /// A_new = Z − Q_other `excess` of it.
    pub fresh: Stack,
    /// Q_otherᵀZ − (answers of the other side)ᵀQ over its columns that are conditioned on, used×r'.
    pub excess: DMatrix<f64>,
    /// The conditioned part of A_new along the other side's basis, r_other×r'.
    pub overlap: DMatrix<f64>,
}

impl Side {
    /// Of queries with `asked` rows, answered with `answered` rows.
    fn new(asked: usize, answered: usize) -> Self {
        let overlap = DMatrix::zeros(0, 0);
        Side { basis: Stack::new(asked), answers: Stack::new(answered), overlap }
    }

    /// The number r of stored columns.
    pub fn rank(&self) -> usize {
        self.basis.columns()
    }

    /// Asks for the image of an expanded query, conditioning on the first `used` columns of the
    /// `other` side; `draw` gives rows of the column of Z that belongs to a sample.
    ///
    /// Reads that side's basis and answers and the new columns, writes Z: in one pass where queries have
    /// as many rows as answers, so that what is read comes from memory while Z is drawn.
    fn ask<T: Format>(
        &self,
        set: Instructions,
        (other, used): (&Side, usize),
        (arena, expansion): (&mut Arena<T>, Expansion),
        draw: impl Fn(usize, usize, &mut [T]) + Sync,
    ) -> Answer {
        let (rows, count) = (self.answers.rows(), expansion.kept.len());
        let length = used * count;
        let one_pass = self.basis.rows() == rows;
        let mut fresh = Stack::new(rows);
        let mut sums = arena.append(&mut fresh, count, |stored, tiles| {
            let columns =
                |stack, chunk| -> Columns<T> { stored.chunk(stack, chunk).take(used).collect() };
            let lengths = if one_pass { 2 * length } else { length };
            sum_with(tiles, lengths, |tile, mut z, out| {
                let (from_z, from_q) = out.split_at_mut(length);
                let chunks = chunks_of(tile, rows);
                for (place, chunk) in chunks.enumerate() {
                    let z = z.chunk(place);
                    let next = chunk_after(chunk, rows);
                    let (basis, answers) = (&other.basis, &other.answers);
                    let mut ahead = columns(basis, next);
                    if one_pass {
                        ahead.extend(columns(answers, next));
                    }
                    for (k, (column, &sample)) in z.iter_mut().zip(&expansion.kept).enumerate() {
                        // A share of the next chunk comes while this part is drawn.
                        for first in (0..CHUNK).step_by(DRAWN) {
                            let of_next = (k * CHUNK + first) / count;
                            let share = of_next..of_next + DRAWN / count;
                            ahead.iter().for_each(|column| {
                                prefetch_rows(Level::Second, column.as_slice(), share.clone())
                            });
                            let rows = first..first + DRAWN;
                            draw(sample, chunk * CHUNK + first, &mut column[rows]);
                        }
                    }
                    clear_padding(z, chunk, rows);
                    kernels::dots(set, Near::only(&columns(basis, chunk)), z, from_z);
                    if one_pass {
                        let here = columns(answers, chunk);
                        known_products(set, stored, &here, (&expansion.new, chunk), from_q);
                    }
                }
            })
        });
        if !one_pass {
            let (stored, rows) = (arena.stored(), self.basis.rows());
            sums.extend(sum(rows, length, |tile, out| {
                for chunk in chunks_of(tile, rows) {
                    let here: Columns<T> = stored.chunk(&other.answers, chunk).take(used).collect();
                    known_products(set, stored, &here, (&expansion.new, chunk), out);
                }
            }));
        }
        let (from_z, from_q) = sums.split_at(length);
        let from_z = DMatrix::from_row_slice(used, count, from_z);
        let mut known = DMatrix::zeros(used, count);
        let mut done = 0;
        for columns in expansion.new.widths() {
            let own = &from_q[used * done..][..used * columns];
            let own = DMatrix::from_row_slice(used, columns, own);
            known.columns_mut(done, columns).copy_from(&own);
            done += columns;
        }
        let excess = from_z - &known;
        let overlap = known.resize_vertically(other.rank(), 0.0);
        Answer { expansion, fresh, excess, overlap }
    }

    /// t: the conditioned part of a whole answer, not remembered yet, along the other side's basis,
    /// r_other×P.
    pub fn coupling(&self, answer: &Answer) -> DMatrix<f64> {
        let Expansion { along, fresh, .. } = &answer.expansion;
        &self.overlap * along + &answer.overlap * fresh
    }

    fn archive(&mut self, archive: &mut Archive) -> Walked {
        self.basis.archive(archive)?;
        self.answers.archive(archive)?;
        archive.matrix(&mut self.overlap)
    }

    fn append(&mut self, other: &mut Side, answer: &Answer) {
        self.basis.join(&answer.expansion.new);
        self.answers.join(&answer.fresh);
        let (rows, before) = self.overlap.shape();
        let added = answer.overlap.ncols();
        let mut overlap = std::mem::take(&mut self.overlap).resize(rows, before + added, 0.0);
        overlap.columns_mut(before, added).copy_from(&answer.overlap);
        self.overlap = overlap;
        // The other side's answers were drawn before these columns existed: zero rows.
        other.overlap.resize_vertically_mut(self.rank(), 0.0);
    }
}

/// Adds the products of a chunk of the other side's answers with the new columns, panel by panel.
fn known_products<T: Format>(
    set: Instructions,
    stored: Stored<T>,
    answers: &[&Column<T>],
    (new, chunk): (&Stack, usize),
    sums: &mut [f64],
) {
    let mut rest = sums;
    for q in stored.panels(new, chunk) {
        let (own, after) = rest.split_at_mut(answers.len() * q.len());
        kernels::dots(set, Near::only(answers), q, own);
        rest = after;
    }
}

/// One layer's weight matrix: initial part by questions and answers, drift in factors.
#[derive(Clone, Debug)]
pub struct Memory {
    closure: Closure,
    /// The forward side: queries QF, answers AF and overlap Θ_F.
    pub forward: Side,
    /// The backward side: queries QB, answers BB and overlap Θ_B.
    pub backward: Side,
    /// What training has made of W⁽⁰⁾, in coefficients.
    pub drift: Drift,
    /// Number of forward columns that were there before this step.
    pub earlier: usize,
}

impl Memory {
    /// The memory of a matrix of so many rows and columns that nobody has asked anything yet.
    pub fn new((rows, columns): (usize, usize), closure: Closure) -> Self {
        let (forward, backward) = (Side::new(columns, rows), Side::new(rows, columns));
        Memory { closure, forward, backward, drift: Drift::new(), earlier: 0 }
    }

    /// Walks over all that the matrix was asked and has answered, in the columns of an arena.
    ///
    /// # Errors
    /// Those of the archive.
    pub fn archive(&mut self, archive: &mut Archive) -> Walked {
        self.forward.archive(archive)?;
        self.backward.archive(archive)?;
        self.drift.archive(archive)?;
        archive.count(&mut self.earlier)
    }

    /// W⁽⁰⁾Φ of an expanded Φ; remembered only by [`Memory::remember_forward`].
    pub fn ask_forward<T: Format>(
        &self,
        set: Instructions,
        query: (&mut Arena<T>, Expansion),
        draw: impl Fn(usize, usize, &mut [T]) + Sync,
    ) -> Answer {
        let used = if self.closure.forward_conditions() { self.backward.rank() } else { 0 };
        self.forward.ask(set, (&self.backward, used), query, draw)
    }

    /// W⁽⁰⁾ᵀG of an expanded G; remembered only by [`Memory::remember_backward`].
    pub fn ask_backward<T: Format>(
        &self,
        set: Instructions,
        query: (&mut Arena<T>, Expansion),
        draw: impl Fn(usize, usize, &mut [T]) + Sync,
    ) -> Answer {
        let used = self.closure.backward_conditions(self.earlier, self.forward.rank()).end;
        self.backward.ask(set, (&self.forward, used), query, draw)
    }

    /// Appends the columns of a forward answer, whose `fresh` is A_new by now; they count as this
    /// step's until the next call.
    pub fn remember_forward(&mut self, answer: &Answer) {
        self.earlier = self.forward.rank();
        self.forward.append(&mut self.backward, answer);
    }

    /// Appends the columns of a backward answer to the memory.
    pub fn remember_backward(&mut self, answer: &Answer) {
        self.backward.append(&mut self.forward, answer);
    }
}

/// What makes the rows of an answer, in the format of the columns: everything that all rows share.
pub struct AnswerRows<T> {
    set: Instructions,
    /// r'
    fresh: usize,
    /// −`excess`, used×r'.
    excess: Vec<T>,
    used: usize,
    /// scale · \[C; S\] along \[answers, A_new\].
    answers: Vec<T>,
    /// −(drift scale) M C along the other side's basis.
    drift: Vec<T>,
    drifted: usize,
}

impl<T: Format> AnswerRows<T> {
    /// Of scale · W⁽⁰⁾X plus the trained part, `drift` along the other side's basis.
    pub fn new(
        set: Instructions,
        answer: &Answer,
        scale: f64,
        (drift, drift_scale): (&DMatrix<f64>, f64),
    ) -> Self {
        AnswerRows {
            set,
            fresh: answer.expansion.kept.len(),
            excess: rows_of(&answer.excess, -1.0),
            used: answer.excess.nrows(),
            answers: rows_of(&answer.expansion.coefficients(), scale),
            drift: rows_of(drift, -drift_scale),
            drifted: drift.nrows(),
        }
    }

    /// The number r' of new columns of the answer.
    pub fn fresh(&self) -> usize {
        self.fresh
    }

    /// One chunk of A_new: made of Z in `fresh`; `basis` is the other side's. A product, which asks
    /// for a share of what lies `ahead`.
    pub fn condition(&self, basis: &[&Column<T>], ahead: &mut Ahead<T>, fresh: &mut [Column<T>]) {
        let used = ahead.with(&basis[..self.used]);
        kernels::combine(self.set, used, &self.excess, Start::Here, fresh);
    }

    /// One chunk of `y`: `start` and the image, of this side's `answers`, A_new included. Two more.
    pub fn write(
        &self,
        basis: &[&Column<T>],
        answers: &[&Column<T>],
        ahead: &mut Ahead<T>,
        (start, y): (Start<T>, &mut [Column<T>]),
    ) {
        kernels::combine(self.set, ahead.with(answers), &self.answers, start, y);
        let drifted = ahead.with(&basis[..self.drifted]);
        kernels::combine(self.set, drifted, &self.drift, Start::Here, y);
    }
}
