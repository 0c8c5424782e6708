//! What one initial weight matrix has been asked and has answered, as [`super::super::plain::memory`]
//! has it, with columns in panels.

use nalgebra::DMatrix;

use super::kernels::{self, Stored};
use super::orthogonal::{Expansion, rows_of};
use super::panel::{CHUNK, Column, Columns, Panel, Stack, chunks_of, clear_padding};
use super::real::Real;
use super::tiles::sum_with;
use crate::backend::coefficients::Drift;
use crate::model::Closure;
use crate::rng::normal::Instructions;

/// The queries of one direction, orthonormalised, and the answers to them.
#[derive(Clone, Debug)]
pub struct Side<T> {
    /// QF (or QB), n×r.
    pub basis: Stack<T>,
    /// AF = W⁽⁰⁾QF (or BB = W⁽⁰⁾ᵀQB), n×r.
    pub answers: Stack<T>,
    /// Θ: the part of the answers along the other side's basis, r_other×r.
    pub overlap: DMatrix<f64>,
}

/// The answer to one query: all that does not grow with n, and fresh Gaussians.
#[derive(Clone, Debug)]
pub struct Answer<T> {
    /// The query in coefficients, and its new columns Q.
    pub expansion: Expansion<T>,
    /// Z, n×r'; whoever computes the answer's rows makes A_new = Z − Q_other `excess` of it.
    pub fresh: Panel<T>,
    /// Q_otherᵀZ − (answers of the other side)ᵀQ over its columns that are conditioned on, used×r'.
    pub excess: DMatrix<f64>,
    /// The conditioned part of A_new along the other side's basis, r_other×r'.
    pub overlap: DMatrix<f64>,
    /// t: that of the whole answer, r_other×P.
    pub coupling: DMatrix<f64>,
}

impl<T: Real> Side<T> {
    fn new() -> Self {
        Side { basis: Stack::new(), answers: Stack::new(), overlap: DMatrix::zeros(0, 0) }
    }

    /// r
    pub fn rank(&self) -> usize {
        self.basis.columns()
    }

    /// Asks for the image of an expanded query, conditioning on the first `used` columns of the
    /// `other` side; `draw` gives rows of the column of Z that belongs to a sample.
    ///
    /// One pass: reads that side's basis and answers and the new columns, writes Z.
    fn ask(
        &self,
        set: Instructions,
        (other, used): (&Side<T>, usize),
        (rows, expansion): (usize, Expansion<T>),
        draw: impl Fn(usize, usize, &mut [T]) + Sync,
    ) -> Answer<T> {
        let count = expansion.kept.len();
        let mut fresh = Panel::zeros(rows, count);
        let length = used * count;
        let sums = sum_with(fresh.tiles_mut(), 2 * length, |tile, mut z, out| {
            let (from_z, from_q) = out.split_at_mut(length);
            let chunks = chunks_of(tile, rows);
            for (place, chunk) in chunks.clone().enumerate() {
                let z = z.chunk(place);
                for (column, &sample) in z.iter_mut().zip(&expansion.kept) {
                    draw(sample, chunk * CHUNK, column);
                }
                clear_padding(z, chunk, rows);
                let next = (chunk + 1).min(chunks.end - 1);
                let near = |chunk| -> (Columns<T>, Columns<T>) {
                    let Side { basis, answers, .. } = other;
                    (
                        basis.chunk(chunk).take(used).collect(),
                        answers.chunk(chunk).take(used).collect(),
                    )
                };
                let ((basis, answers), ahead) = (near(chunk), near(next));
                let basis = Stored { here: &basis, ahead: &ahead.0 };
                let mut answers = Stored { here: &answers, ahead: &ahead.1 };
                kernels::dots(set, basis, z, from_z);
                let mut done = 0;
                for new in expansion.new.panels() {
                    let own = &mut from_q[used * done..][..used * new.columns()];
                    kernels::dots(set, answers, new.chunk(chunk), own);
                    answers.ahead = &[];
                    done += new.columns();
                }
            }
        });
        let (from_z, from_q) = sums.split_at(length);
        let from_z = DMatrix::from_row_slice(used, count, from_z);
        let mut known = DMatrix::zeros(used, count);
        let mut done = 0;
        for new in expansion.new.panels() {
            let own = &from_q[used * done..][..used * new.columns()];
            let own = DMatrix::from_row_slice(used, new.columns(), own);
            known.columns_mut(done, new.columns()).copy_from(&own);
            done += new.columns();
        }
        let excess = from_z - &known;
        let overlap = known.resize_vertically(other.rank(), 0.0);
        let coupling = &self.overlap * &expansion.along + &overlap * &expansion.fresh;
        Answer { expansion, fresh, excess, overlap, coupling }
    }

    fn append(&mut self, other: &mut Side<T>, answer: Answer<T>) {
        self.basis.append(answer.expansion.new);
        self.answers.push(answer.fresh);
        let (rows, before) = self.overlap.shape();
        let added = answer.overlap.ncols();
        let mut overlap = std::mem::take(&mut self.overlap).resize(rows, before + added, 0.0);
        overlap.columns_mut(before, added).copy_from(&answer.overlap);
        self.overlap = overlap;
        // The other side's answers were drawn before these columns existed: zero rows.
        other.overlap.resize_vertically_mut(self.rank(), 0.0);
    }
}

/// One layer's weight matrix: initial part by questions and answers, drift in factors.
#[derive(Clone, Debug)]
pub struct Memory<T> {
    closure: Closure,
    /// QF, AF, Θ_F.
    pub forward: Side<T>,
    /// QB, BB, Θ_B.
    pub backward: Side<T>,
    /// W − W⁽⁰⁾.
    pub drift: Drift,
    /// Forward columns that were there before this step.
    pub earlier: usize,
}

impl<T: Real> Memory<T> {
    /// A matrix that nobody has asked anything yet.
    pub fn new(closure: Closure) -> Self {
        let (forward, backward) = (Side::new(), Side::new());
        Memory { closure, forward, backward, drift: Drift::new(), earlier: 0 }
    }

    /// W⁽⁰⁾Φ of an expanded Φ with `rows` rows; remembered only by [`Memory::remember_forward`].
    pub fn ask_forward(
        &self,
        set: Instructions,
        query: (usize, Expansion<T>),
        draw: impl Fn(usize, usize, &mut [T]) + Sync,
    ) -> Answer<T> {
        let used = if self.closure.forward_conditions() { self.backward.rank() } else { 0 };
        self.forward.ask(set, (&self.backward, used), query, draw)
    }

    /// W⁽⁰⁾ᵀG of an expanded G; remembered only by [`Memory::remember_backward`].
    pub fn ask_backward(
        &self,
        set: Instructions,
        query: (usize, Expansion<T>),
        draw: impl Fn(usize, usize, &mut [T]) + Sync,
    ) -> Answer<T> {
        let used = self.closure.backward_conditions(self.earlier, self.forward.rank()).end;
        self.backward.ask(set, (&self.forward, used), query, draw)
    }

    /// Appends the columns of a forward answer, whose `fresh` is A_new by now; they count as this
    /// step's until the next call.
    pub fn remember_forward(&mut self, answer: Answer<T>) {
        self.earlier = self.forward.rank();
        self.forward.append(&mut self.backward, answer);
    }

    /// Appends the columns of a backward answer.
    pub fn remember_backward(&mut self, answer: Answer<T>) {
        self.backward.append(&mut self.forward, answer);
    }
}

/// What makes the rows of an answer, in the format of the columns: everything that all rows share.
pub struct Image<T> {
    set: Instructions,
    /// −`excess`, used×r'.
    excess: Vec<T>,
    used: usize,
    /// scale · \[C; S\] along \[answers, A_new\].
    answers: Vec<T>,
    /// −(drift scale) M C along the other side's basis.
    drift: Vec<T>,
    drifted: usize,
}

impl<T: Real> Image<T> {
    /// Of scale · W⁽⁰⁾X plus the trained part, `drift` along the other side's basis.
    pub fn new(
        set: Instructions,
        answer: &Answer<T>,
        scale: f64,
        (drift, drift_scale): (&DMatrix<f64>, f64),
    ) -> Self {
        Image {
            set,
            excess: rows_of(&answer.excess, -1.0),
            used: answer.excess.nrows(),
            answers: rows_of(&answer.expansion.coefficients(), scale),
            drift: rows_of(drift, -drift_scale),
            drifted: drift.nrows(),
        }
    }

    /// One chunk: makes A_new of Z in `fresh` and adds the image to `y`; `basis` is the other
    /// side's, `answers` are this side's.
    pub fn add<'a>(
        &self,
        basis: Stored<T>,
        (mut answers, ahead): (Columns<'a, T>, Columns<'a, T>),
        fresh: &'a mut [Column<T>],
        y: &mut [Column<T>],
    ) {
        kernels::combine(self.set, basis.first(self.used), &self.excess, fresh);
        answers.extend(&*fresh);
        let answers = Stored { here: &answers, ahead: &ahead };
        kernels::combine(self.set, answers, &self.answers, y);
        kernels::combine(self.set, basis.first(self.drifted), &self.drift, y);
    }
}
