//! One matrix of a layer: its weights, what they were, and for `gia` the independent ones that carry
//! gradients.

use super::ends::step_of;
use super::frozen::Frozen;
use super::matrix::{Change, MatrixUpdate, Signal, TrainedMatrix, multiply};
use super::motion::{self, Motion};
use super::products::Step;
use super::weights::{Weights, draw_weights};
use crate::backend::Network;
use crate::backend::archive::{Archive, Walked};
use crate::backend::cpu::simd::format::Format;
use crate::backend::vectors::Vectors;
use crate::model::Rule;
use crate::rng::noise::{Direction, Entry, Noise};
use crate::rng::normal::Instructions;

/// W_l (W2 of a two-layer block, whose W1 is an [`super::inner::Inner`]), all its numbers in T or the
/// initial ones frozen in bf16.
pub enum Layer<T> {
    /// All numbers of the matrix, in T.
    Explicit(Explicit<T>),
    /// The initial numbers in bf16, and a low-rank drift in T.
    Frozen(Frozen<T>),
}

impl<T: Format> Layer<T> {
    /// Writes W φ to `y`; with `moved`, (W − W⁽⁰⁾) φ to it.
    pub fn forward(&self, phi: &Vectors<T>, y: &mut Vectors<T>, moved: Option<&mut Vectors<T>>) {
        match self {
            Layer::Explicit(layer) => layer.forward(phi, y, moved),
            Layer::Frozen(layer) => layer.forward(phi, y, moved),
        }
    }

    /// Writes Wᵀg to `y`, then makes the update with s_p = φ_p unless None; `scratch` is overwritten.
    pub fn backward(
        &mut self,
        signal: Signal<T>,
        y: &mut Vectors<T>,
        phi: &Vectors<T>,
        scratch: &mut Vectors<T>,
        update: Option<MatrixUpdate>,
    ) {
        match self {
            Layer::Explicit(layer) => layer.backward(signal, y, phi, scratch, update),
            Layer::Frozen(layer) => layer.backward(signal, y, phi, scratch, update),
        }
    }

    /// Walks over what training has made of the layer.
    ///
    /// # Errors
    /// Those of the archive.
    pub fn archive(&mut self, archive: &mut Archive) -> Walked {
        match self {
            Layer::Explicit(layer) => layer.archive(archive),
            Layer::Frozen(layer) => layer.archive(archive),
        }
    }
}

/// A matrix that is kept with all its numbers in T.
pub struct Explicit<T> {
    set: Instructions,
    weights: TrainedMatrix<T>,
    /// W⁽⁰⁾, where the movement is asked about.
    initial: Option<Weights<T>>,
    /// W̃ of closure `gia`.
    backward: Option<TrainedMatrix<T>>,
    /// Of both, by a rule that is not gradient descent.
    motion: Motion<T>,
}

impl<T: Format> Explicit<T> {
    /// A matrix of `network`, of so many rows and columns, at initialisation, column j those of
    /// `entry(direction, j)`; if `followed`, its movement can be asked about.
    ///
    /// # Panics
    /// With a closure for which no single matrix exists: experiments are validated before.
    pub fn sample(
        set: Instructions,
        noise: &dyn Noise,
        (network, shape): (&Network, (usize, usize)),
        entry: impl Fn(Direction, u32) -> Entry + Sync,
        followed: bool,
    ) -> Self {
        let draw =
            |direction| draw_weights(noise, shape, |column| entry(direction, column), |w: T| w);
        let weights = draw(Direction::Forward);
        let initial = followed.then(|| weights.clone());
        let backward =
            network.own_backward_weights().then(|| TrainedMatrix::new(draw(Direction::Backward)));
        let motion = Motion::default();
        Explicit { set, weights: TrainedMatrix::new(weights), initial, backward, motion }
    }

    /// Writes W φ to `y`; with `moved`, (W − W⁽⁰⁾) φ to it if that is followed.
    pub fn forward(&self, phi: &Vectors<T>, y: &mut Vectors<T>, moved: Option<&mut Vectors<T>>) {
        let moved = self.initial.as_ref().zip(moved);
        multiply(self.set, &self.weights.weights, phi, y, moved);
    }

    /// Writes Wᵀg to `y`, then makes the update with s_p = φ_p unless None; `scratch` is overwritten.
    pub fn backward(
        &mut self,
        Signal { g, weights }: Signal<T>,
        y: &mut Vectors<T>,
        phi: &Vectors<T>,
        scratch: &mut Vectors<T>,
        update: Option<MatrixUpdate>,
    ) {
        let update = update.filter(|of| of.update.rates.hidden != 0.0);
        if let Some(update) = update.filter(|of| of.update.rule != Rule::Descent) {
            let keep = Change { x: phi, k: &[], step: Step::Keep };
            let carries = self.backward.as_mut().unwrap_or(&mut self.weights);
            carries.descend(self.set, g, Some(y), &keep, scratch);
            self.follow((g, weights), phi, scratch, update);
            return;
        }
        let (step, k) =
            update.map_or((Step::Keep, vec![]), |MatrixUpdate { update, scale, .. }| {
                let (step, factor) = step_of(update, update.rates.hidden);
                (step, weights.iter().map(|w| T::of(factor * scale * w)).collect())
            });
        let change = Change { x: phi, k: &k, step };
        match &mut self.backward {
            None => self.weights.descend(self.set, g, Some(y), &change, scratch),
            Some(backward) => {
                backward.descend(self.set, g, Some(y), &change, scratch);
                if step != Step::Keep {
                    self.weights.descend(self.set, g, None, &change, scratch);
                }
            }
        }
    }

    /// W and W̃ follow D = scale · Σ_p weight_p g_p φ_pᵀ by a rule that is not gradient descent.
    fn follow(
        &mut self,
        (g, weights): (&Vectors<T>, &[f64]),
        phi: &Vectors<T>,
        scratch: &mut Vectors<T>,
        MatrixUpdate { update, scale, size }: MatrixUpdate,
    ) {
        let (rows, columns) = (self.weights.weights.rows(), self.weights.weights.columns());
        let mut direction = TrainedMatrix::new(Weights::zeros(rows, columns));
        let k: Vec<T> = weights.iter().map(|w| T::of(scale * w)).collect();
        let sum = Change { x: phi, k: &k, step: Step::Plain { decay: T::ZERO } };
        direction.descend(self.set, g, None, &sum, scratch);
        let step = motion::Step { update, rate: update.rates.hidden, size };
        let mut direction = direction.weights;
        self.motion.redirect(step, direction.numbers_mut());
        if let Rule::Normalized { norm, .. } = update.rule {
            motion::normalize(
                self.set,
                &mut direction,
                norm,
                size * ((rows * columns) as f64).sqrt(),
            );
        }
        for matrix in [Some(&mut self.weights), self.backward.as_mut()].into_iter().flatten() {
            motion::subtract(step, direction.numbers_mut(), matrix.weights.numbers_mut());
        }
    }

    /// Walks over W and W̃ and what their training keeps.
    ///
    /// # Errors
    /// Those of the archive.
    pub fn archive(&mut self, archive: &mut Archive) -> Walked {
        self.weights.archive(archive)?;
        self.motion.archive(self.weights.weights.numbers_mut().len(), archive)?;
        self.backward.as_mut().map_or(Ok(()), |backward| backward.archive(archive))
    }

    /// The weights W that forward passes use.
    pub fn weights(&self) -> &Weights<T> {
        &self.weights.weights
    }

    /// The independent weights W̃ that carry gradients in closure `gia`; None elsewhere.
    pub fn backward_weights(&self) -> Option<&Weights<T>> {
        self.backward.as_ref().map(|backward| &backward.weights)
    }
}
