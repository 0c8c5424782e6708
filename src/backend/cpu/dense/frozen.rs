//! A layer whose initial weights stay as they are, in bf16, beside a low-rank drift.
//!
//! ```text
//! W = a W⁽⁰⁾ + Σ_k α_k D_k,   v = b W⁽⁰⁾ + Σ_k β_k D_k,   D_k = Σ_p g_kp s_kpᵀ
//! ```
//!
//! Every update adds one D, in factors, and changes the numbers before the others: momentum, weight
//! decay and schedules change nothing else (docs/theory.md, sections 1 and 3). Adding updates to
//! weights in bf16 would swallow them: its rounding is 2⁻⁹ of a weight.

use half::bf16;
use rayon::prelude::*;

use super::matrix::{MatrixUpdate, Signal, multiply_half, multiply_transposed_half};
use super::weights::{Weights, draw_weights};
use super::{halves, pointwise};
use crate::backend::Network;
use crate::backend::archive::{Archive, Walked};
use crate::backend::coefficients::Shares;
use crate::backend::cpu::simd::format::Format;
use crate::backend::vectors::Vectors;
use crate::rng::noise::{Direction, Entry, Noise};
use crate::rng::normal::Instructions;

/// The matrix W_l of one layer, frozen in bf16, with what training adds to it in factors.
pub struct Frozen<T> {
    set: Instructions,
    /// W⁽⁰⁾
    initial: Weights<bf16>,
    /// W̃⁽⁰⁾ of closure `gia`.
    backward: Option<Weights<bf16>>,
    /// a, b, α, β
    shares: Shares,
    drift: Vec<Factors<T>>,
}

/// One D_k.
struct Factors<T> {
    g: Vectors<T>,
    s: Vectors<T>,
}

impl<T: Format> Frozen<T> {
    /// Layer `l` of `network`, at initialisation.
    ///
    /// # Panics
    /// With a closure for which no single matrix exists: experiments are validated before.
    pub fn sample(set: Instructions, noise: &dyn Noise, network: &Network, l: usize) -> Self {
        let draw = |direction| {
            let store = |w: T| bf16::from_f32(w.narrow());
            let entry = move |column| Entry::Weight { direction, layer: l as u32, column };
            draw_weights(noise, (network.width, network.width), entry, store)
        };
        let initial = draw(Direction::Forward);
        let backward = network.own_backward_weights().then(|| draw(Direction::Backward));
        Frozen { set, initial, backward, shares: Shares::new(), drift: Vec::new() }
    }

    /// Writes W φ to `y`; with `moved`, (W − W⁽⁰⁾) φ to it.
    pub fn forward(&self, phi: &Vectors<T>, y: &mut Vectors<T>, moved: Option<&mut Vectors<T>>) {
        multiply_half(self.set, &self.initial, phi, y);
        if let Some(moved) = moved {
            let factor = T::of(self.shares.kept() - 1.0);
            scaled(y, factor, moved);
            self.add_drift(phi, moved, |factors| (&factors.s, &factors.g));
        }
        self.keep(y);
        self.add_drift(phi, y, |factors| (&factors.s, &factors.g));
    }

    /// Writes Wᵀg to `y`, then makes the update with s_p = φ_p unless None; `s` is overwritten.
    pub fn backward(
        &mut self,
        Signal { g, weights }: Signal<T>,
        y: &mut Vectors<T>,
        phi: &Vectors<T>,
        s: &mut Vectors<T>,
        update: Option<MatrixUpdate>,
    ) {
        multiply_transposed_half(self.set, self.backward.as_ref().unwrap_or(&self.initial), g, y);
        self.keep(y);
        self.add_drift(g, y, |factors| (&factors.g, &factors.s));
        let update = update.filter(|of| of.update.rates.hidden != 0.0);
        let Some(MatrixUpdate { update, scale, .. }) = update else { return };
        let k: Vec<T> = weights.iter().map(|w| T::of(scale * w)).collect();
        pointwise::scale(self.set, &k, phi.pieces(), s.pieces_mut());
        let (g, s) = (g.clone(), s.clone());
        self.drift.push(Factors { g, s });
        self.shares.update(update);
    }

    /// Walks over what training adds to the matrix.
    ///
    /// # Errors
    /// Those of the archive.
    pub fn archive(&mut self, archive: &mut Archive) -> Walked {
        self.shares.archive(archive)?;
        let none = || Factors { g: Vectors::default(), s: Vectors::default() };
        archive.list(&mut self.drift, none, |archive, factors| {
            factors.g.archive(archive)?;
            factors.s.archive(archive)
        })
    }

    /// y ← a y
    fn keep(&self, y: &mut Vectors<T>) {
        let a = T::of(self.shares.kept());
        if a != T::ONE {
            y.pieces_mut().as_flattened_mut().iter_mut().for_each(|y| *y = a * *y);
        }
    }

    /// y += Σ_k α_k r_k q_kᵀ x, with (q, r) the `sides` of the factors.
    fn add_drift(
        &self,
        x: &Vectors<T>,
        y: &mut Vectors<T>,
        sides: impl Fn(&Factors<T>) -> (&Vectors<T>, &Vectors<T>) + Sync,
    ) {
        let samples = x.samples();
        let alpha: Vec<f64> = self.shares.of_updates().collect();
        let coefficients = |(factors, alpha): (&Factors<T>, &f64)| {
            let q = sides(factors).0;
            let mut k = vec![T::ZERO; q.samples() * samples];
            halves::inner(self.set, (q.pieces(), q.samples()), x.pieces(), &mut k);
            k.iter_mut().for_each(|k| *k = T::of(alpha * k.widen()));
            k
        };
        let one = rayon::current_num_threads() == 1;
        let k: Vec<Vec<T>> = match one {
            true => self.drift.iter().zip(&alpha).map(coefficients).collect(),
            false => self.drift.par_iter().zip(&alpha).map(coefficients).collect(),
        };
        let add = |(b, y): (usize, &mut [_])| {
            for (factors, k) in self.drift.iter().zip(&k) {
                let r = sides(factors).1;
                let block = &r.pieces()[b * r.samples()..][..r.samples()];
                halves::add_columns(self.set, k, block, y);
            }
        };
        match one {
            true => y.pieces_mut().chunks_mut(samples).enumerate().for_each(add),
            false => y.pieces_mut().par_chunks_mut(samples).enumerate().for_each(add),
        }
    }
}

/// y ← factor · x
fn scaled<T: Format>(x: &Vectors<T>, factor: T, y: &mut Vectors<T>) {
    let y = y.pieces_mut().as_flattened_mut();
    y.iter_mut().zip(x.pieces().as_flattened()).for_each(|(y, x)| *y = factor * *x);
}
