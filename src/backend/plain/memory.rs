//! What one initial weight matrix has been asked and has answered.
//!
//! W⁽⁰⁾ is never built. Conditioned on its answers to earlier queries, its answer to a new one is a
//! known part plus a fresh Gaussian (docs/theory.md, section 3):
//!
//! ```text
//! Φ = [QF Q] [C; S]
//! A_new = Z − QB QBᵀZ + QB (BBᵀQ)
//! W⁽⁰⁾Φ = AF C + A_new S
//! ```
//!
//! and the same with the roles of (QF, AF) and (QB, BB) exchanged for W⁽⁰⁾ᵀG.

use nalgebra::DMatrix;

use super::expansion::{Expansion, expand};
use crate::backend::coefficients::Drift;
use crate::model::Closure;

/// The queries of one direction, orthonormalised, and the answers to them.
#[derive(Clone, Debug, PartialEq)]
pub struct Side {
    /// Orthonormal queries QF (or QB) that were asked so far, n×r, n the columns of W (or its rows).
    pub basis: DMatrix<f64>,
    /// Their answers AF = W⁽⁰⁾QF (or BB = W⁽⁰⁾ᵀQB), m×r, m the rows of W (or its columns).
    pub answers: DMatrix<f64>,
    /// Θ: the part of the answers that lay along the other side's basis when they were drawn, as
    /// coefficients; r_other×r.
    pub overlap: DMatrix<f64>,
    tolerance: f64,
}

/// The answer to one query.
#[derive(Clone, Debug, PartialEq)]
pub struct Answer {
    /// The query X, along the stored columns and the new ones.
    pub expansion: Expansion,
    /// Answers A_new (or B_new) to the new columns, m×r'.
    pub fresh: DMatrix<f64>,
    /// Its conditioned part along the other side's basis, r_other×r'.
    pub overlap: DMatrix<f64>,
    /// The whole answer W⁽⁰⁾Φ (or W⁽⁰⁾ᵀG), m×P.
    pub value: DMatrix<f64>,
    /// t: the conditioned part of `value`, along the other side's basis, r_other×P.
    pub coupling: DMatrix<f64>,
}

impl Side {
    /// Of queries with `asked` rows, answered with `answered` rows.
    fn new(asked: usize, answered: usize, tolerance: f64) -> Self {
        let [basis, answers] = [asked, answered].map(|rows| DMatrix::zeros(rows, 0));
        Side { basis, answers, overlap: DMatrix::zeros(0, 0), tolerance }
    }

    /// The number r of stored columns.
    pub fn rank(&self) -> usize {
        self.basis.ncols()
    }

    /// Asks for the image of `x`, conditioning on the first `used` columns of the `other` side;
    /// `draw` gives Z\[:, kept\].
    fn ask(
        &self,
        other: &Side,
        used: usize,
        x: &DMatrix<f64>,
        draw: &mut dyn FnMut(&[usize]) -> DMatrix<f64>,
    ) -> Answer {
        let expansion = expand(&self.basis, x, self.tolerance);
        let basis = other.basis.columns(0, used);
        let known = other.answers.columns(0, used).tr_mul(&expansion.new);
        let z = draw(&expansion.kept);
        let fresh = &z - basis * (basis.tr_mul(&z) - &known);
        let value = &self.answers * &expansion.along + &fresh * &expansion.fresh;
        let overlap = known.resize_vertically(other.rank(), 0.0);
        let coupling = &self.overlap * &expansion.along + &overlap * &expansion.fresh;
        Answer { expansion, fresh, overlap, value, coupling }
    }

    fn append(&mut self, other: &mut Side, answer: &Answer) {
        append_columns(&mut self.basis, &answer.expansion.new);
        append_columns(&mut self.answers, &answer.fresh);
        append_columns(&mut self.overlap, &answer.overlap);
        // The other side's answers were drawn before these columns existed: zero rows.
        other.overlap.resize_vertically_mut(self.rank(), 0.0);
    }
}

fn append_columns(matrix: &mut DMatrix<f64>, new: &DMatrix<f64>) {
    let columns = matrix.ncols();
    matrix.resize_mut(new.nrows(), columns + new.ncols(), 0.0);
    matrix.columns_mut(columns, new.ncols()).copy_from(new);
}

/// One layer's weight matrix: initial part by questions and answers, drift in factors.
#[derive(Clone, Debug, PartialEq)]
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
    pub fn new((rows, columns): (usize, usize), closure: Closure, drop_tolerance: f64) -> Self {
        Memory {
            closure,
            forward: Side::new(columns, rows, drop_tolerance),
            backward: Side::new(rows, columns, drop_tolerance),
            drift: Drift::new(),
            earlier: 0,
        }
    }

    /// Asks for W⁽⁰⁾Φ of the features Φ of P samples; the answer is remembered only by
    /// [`Memory::remember_forward`].
    pub fn ask_forward(
        &self,
        phi: &DMatrix<f64>,
        draw: &mut dyn FnMut(&[usize]) -> DMatrix<f64>,
    ) -> Answer {
        let used = if self.closure.forward_conditions() { self.backward.rank() } else { 0 };
        self.forward.ask(&self.backward, used, phi, draw)
    }

    /// Asks for W⁽⁰⁾ᵀG of the gradients G of P samples; the answer is remembered only by
    /// [`Memory::remember_backward`].
    pub fn ask_backward(
        &self,
        g: &DMatrix<f64>,
        draw: &mut dyn FnMut(&[usize]) -> DMatrix<f64>,
    ) -> Answer {
        let used = self.closure.backward_conditions(self.earlier, self.forward.rank()).end;
        self.backward.ask(&self.forward, used, g, draw)
    }

    /// Appends the columns of a forward answer; they count as this step's until the next call.
    pub fn remember_forward(&mut self, answer: &Answer) {
        self.earlier = self.forward.rank();
        self.forward.append(&mut self.backward, answer);
    }

    /// Appends the columns of a backward answer to the memory.
    pub fn remember_backward(&mut self, answer: &Answer) {
        self.backward.append(&mut self.forward, answer);
    }

    /// QB M C: the drift applied to a forward query with coefficients `along` the basis.
    pub fn drift_forward(&self, along: &DMatrix<f64>) -> DMatrix<f64> {
        let along = self.drift.forward(along);
        self.backward.basis.columns(0, along.nrows()) * along
    }

    /// QF Mᵀ C: the transposed drift applied to a backward query.
    pub fn drift_backward(&self, along: &DMatrix<f64>) -> DMatrix<f64> {
        let along = self.drift.backward(along);
        self.forward.basis.columns(0, along.nrows()) * along
    }
}
