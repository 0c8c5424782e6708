//! How a matrix follows its gradients by a rule that is not gradient descent (docs/theory.md, section 1.4):
//! D is written to a matrix of its own, becomes the direction of the update there, and is then subtracted.

use nalgebra::DMatrix;
use rayon::prelude::*;

use super::matrix::multiply;
use super::weights::Weights;
use crate::backend::Update;
use crate::backend::archive::{Archive, Walked};
use crate::backend::cpu::simd::format::Format;
use crate::backend::lines::Lines;
use crate::backend::normalized::{QUINTIC, STEPS, normalized};
use crate::backend::vectors::Vectors;
use crate::model::{Norm, Rule};
use crate::rng::normal::Instructions;

/// Numbers that a thread does at a time.
const PART: usize = 4096;

/// What a matrix keeps from update to update; nothing before the first one.
#[derive(Debug, Default)]
pub struct Motion<T> {
    /// v of momentum, or Adam's m, laid out as the matrix.
    velocity: Option<Lines<T>>,
    /// Adam's v, laid out so too.
    squares: Option<Lines<T>>,
}

/// One update of one group of weights.
#[derive(Clone, Copy)]
pub struct Step<'a> {
    /// Momentum, decay, rule and number of the update.
    pub update: &'a Update,
    /// η of the group.
    pub rate: f64,
    /// q, the size of the entries of D.
    pub size: f64,
}

impl<T: Format> Motion<T> {
    /// Turns D into what takes its place in W ← (1 − η λ) W − η D, number by number. A rule that normalises
    /// makes v of it, or what Nesterov's momentum makes of v, which are not normalised yet.
    pub fn redirect(&mut self, Step { update, size, .. }: Step, d: &mut [T]) {
        let count = d.len();
        let zeros = || Lines::zeros(count);
        let (momentum, size) = (update.momentum, size);
        match update.rule {
            Rule::Adam { betas: [beta1, beta2], epsilon } => {
                let [c1, c2] = [beta1, beta2].map(|beta| 1.0 - beta.powi(update.number as i32));
                let m = self.velocity.get_or_insert_with(zeros).par_chunks_mut(PART);
                let v = self.squares.get_or_insert_with(zeros).par_chunks_mut(PART);
                d.par_chunks_mut(PART).zip(m).zip(v).for_each(|((d, m), v)| {
                    for ((d, m), v) in d.iter_mut().zip(m).zip(v) {
                        let s = d.widen() / size;
                        let mean = beta1 * m.widen() + (1.0 - beta1) * s;
                        let square = beta2 * v.widen() + (1.0 - beta2) * s * s;
                        (*m, *v) = (T::of(mean), T::of(square));
                        *d = T::of(size * (mean / c1 / ((square / c2).sqrt() + epsilon)));
                    }
                });
            }
            Rule::Sign | Rule::Normalized { .. } if momentum > 0.0 => {
                let ahead = matches!(update.rule, Rule::Normalized { nesterov: true, .. });
                let v = self.velocity.get_or_insert_with(zeros).par_chunks_mut(PART);
                d.par_chunks_mut(PART).zip(v).for_each(|(d, v)| {
                    for (d, v) in d.iter_mut().zip(v) {
                        let now = momentum * v.widen() + d.widen();
                        *v = T::of(now);
                        *d = T::of(if ahead { momentum * now + d.widen() } else { now });
                    }
                });
            }
            Rule::Sign | Rule::Normalized { .. } | Rule::Descent => {}
        }
        if update.rule == Rule::Sign {
            let sign = |d: &mut T| *d = T::of(size * sign(d.widen()));
            d.par_chunks_mut(PART).for_each(|d| d.iter_mut().for_each(sign));
        }
    }

    /// Walks over what is kept of a matrix of so many numbers.
    ///
    /// # Errors
    /// Those of the archive.
    pub fn archive(&mut self, count: usize, archive: &mut Archive) -> Walked {
        for kept in [&mut self.velocity, &mut self.squares] {
            archive.optional(
                kept,
                || Ok(Lines::zeros(count)),
                |archive, kept| archive.numbers(kept),
            )?;
        }
        Ok(())
    }
}

/// −1, 0 or 1, and NaN for NaN.
fn sign(x: f64) -> f64 {
    if x == 0.0 { 0.0 } else { x.signum() }
}

/// W ← (1 − η λ) W − η D, number by number.
pub fn subtract<T: Format>(Step { update, rate, .. }: Step, d: &[T], w: &mut [T]) {
    let kept = 1.0 - rate * update.weight_decay;
    w.par_chunks_mut(PART).zip(d.par_chunks(PART)).for_each(|(w, d)| {
        for (w, d) in w.iter_mut().zip(d) {
            *w = T::of(kept * w.widen() - rate * d.widen());
        }
    });
}

/// Replaces a matrix v by `scale` N(v), where N divides it by its norm or takes its polar factor, exactly or by
/// Newton–Schulz.
pub fn normalize<T: Format>(set: Instructions, v: &mut Weights<T>, norm: Norm, scale: f64) {
    let (rows, columns) = (v.rows(), v.columns());
    if v.numbers_mut().iter().all(|v| *v == T::ZERO) {
        return;
    }
    match norm {
        Norm::Frobenius => {
            let norm = frobenius(v);
            scaled(v, scale / norm);
        }
        Norm::NewtonSchulz => {
            newton_schulz(set, v);
            scaled(v, scale);
        }
        Norm::Polar | Norm::Spectral => {
            let whole = DMatrix::from_fn(rows, columns, |i, j| v.at(i, j).widen());
            let unit = normalized(&whole, norm);
            v.change(|i, j, _| T::of(scale * unit[(i, j)]));
        }
    }
}

/// v ← `factor` v
fn scaled<T: Format>(v: &mut Weights<T>, factor: f64) {
    v.numbers_mut().par_chunks_mut(PART).for_each(|v| {
        v.iter_mut().for_each(|v| *v = T::of(factor * v.widen()));
    });
}

/// ‖v‖_F; sums run in one order.
fn frobenius<T: Format>(v: &mut Weights<T>) -> f64 {
    let largest = v.numbers_mut().iter().map(|v| v.widen().abs()).fold(0.0, f64::max);
    let square = |v: &T| (v.widen() / largest).powi(2);
    largest * v.numbers_mut().iter().map(square).sum::<f64>().sqrt()
}

/// Five steps X ← a X + (b A + c A²) X with A = XXᵀ, from v/‖v‖_F, by the products of the engine.
fn newton_schulz<T: Format>(set: Instructions, x: &mut Weights<T>) {
    let (rows, columns) = (x.rows(), x.columns());
    // Products of the smaller side.
    if rows > columns {
        let mut transposed = Weights::zeros(columns, rows);
        transposed.change(|i, j, _| x.at(j, i));
        newton_schulz(set, &mut transposed);
        return x.change(|i, j, _| transposed.at(j, i));
    }
    let norm = frobenius(x);
    scaled(x, norm.recip());
    let [a, b, c] = QUINTIC.map(T::of);
    let mut factor = Weights::zeros(rows, rows);
    let mut gram = Vectors::zeros(rows, rows);
    let mut product = Vectors::zeros(rows, columns);
    for _ in 0..STEPS {
        let transposed = Vectors::from_fn(columns, rows, |i, j| x.at(j, i));
        multiply(set, x, &transposed, &mut gram, None);
        drop(transposed); // its memory is that of the next two
        factor.change(|i, j, _| gram.at(i, j));
        let mut square = Vectors::zeros(rows, rows);
        multiply(set, &factor, &gram, &mut square, None);
        factor.change(|i, j, _| b * gram.at(i, j) + c * square.at(i, j));
        drop(square);
        let straight = Vectors::from_fn(rows, columns, |i, j| x.at(i, j));
        multiply(set, &factor, &straight, &mut product, None);
        x.change(|i, j, x| a * x + product.at(i, j));
    }
}
