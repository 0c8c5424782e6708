//! One matrix of a layer: its weights, what they were, and for `gia` the independent ones that carry
//! gradients.

use super::ends::step_of;
use super::frozen::Frozen;
use super::matrix::{Trained, multiply};
use super::pointwise;
use super::products::Step;
use super::weights::{Weights, draw_weights};
use crate::backend::cpu::simd::format::Format;
use crate::backend::vectors::Vectors;
use crate::backend::{Network, Update};
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

    /// Wᵀg, and the update by D = `scale` Σ_p weight_p g_p φ_pᵀ unless None; `s` is overwritten.
    pub fn backward(
        &mut self,
        g: (&Vectors<T>, &[f64]),
        y: &mut Vectors<T>,
        phi: (&Vectors<T>, &mut Vectors<T>),
        update: Option<(&Update, f64)>,
    ) {
        match self {
            Layer::Explicit(layer) => layer.backward(g, y, phi, update),
            Layer::Frozen(layer) => layer.backward(g, y, phi, update),
        }
    }
}

/// A matrix that is kept with all its numbers in T.
pub struct Explicit<T> {
    set: Instructions,
    weights: Trained<T>,
    /// W⁽⁰⁾, where the movement is asked about.
    initial: Option<Weights<T>>,
    /// W̃ of closure `gia`.
    backward: Option<Trained<T>>,
}

impl<T: Format> Explicit<T> {
    /// A matrix of `network` at initialisation, column j those of `entry(direction, j)`; if
    /// `followed`, its movement can be asked about.
    ///
    /// # Panics
    /// With closure `nfd`, for which no single matrix exists: experiments are validated before.
    pub fn sample(
        set: Instructions,
        noise: &dyn Noise,
        network: &Network,
        entry: impl Fn(Direction, u32) -> Entry + Sync,
        followed: bool,
    ) -> Self {
        let draw = |direction| {
            draw_weights(noise, network.width, |column| entry(direction, column), |w: T| w)
        };
        let weights = draw(Direction::Forward);
        let initial = followed.then(|| weights.clone());
        let backward =
            network.own_backward_weights().then(|| Trained::new(draw(Direction::Backward)));
        Explicit { set, weights: Trained::new(weights), initial, backward }
    }

    /// W φ; with `moved`, what becomes (W − W⁽⁰⁾) φ if that is followed.
    pub fn forward(&self, phi: &Vectors<T>, y: &mut Vectors<T>, moved: Option<&mut Vectors<T>>) {
        let moved = self.initial.as_ref().zip(moved);
        multiply(self.set, &self.weights.weights, phi, y, moved);
    }

    /// Wᵀg, and the update by D = `scale` Σ_p weight_p g_p φ_pᵀ unless None; `s` is overwritten.
    pub fn backward(
        &mut self,
        (g, weights): (&Vectors<T>, &[f64]),
        y: &mut Vectors<T>,
        (phi, s): (&Vectors<T>, &mut Vectors<T>),
        update: Option<(&Update, f64)>,
    ) {
        let update = update.filter(|(update, _)| update.rates.hidden != 0.0);
        let step = match update {
            None => Step::Keep,
            Some((update, scale)) => {
                let (step, factor) = step_of(update, update.rates.hidden);
                let k: Vec<T> = weights.iter().map(|w| T::of(factor * scale * w)).collect();
                pointwise::scale(self.set, &k, phi.pieces(), s.pieces_mut());
                step
            }
        };
        match &mut self.backward {
            None => self.weights.descend(self.set, g, Some(y), (s, step)),
            Some(backward) => {
                backward.descend(self.set, g, Some(y), (s, step));
                if step != Step::Keep {
                    self.weights.descend(self.set, g, None, (s, step));
                }
            }
        }
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
