//! The inner half of a two-layer block: W1_l, between h_{l−1} and what W2_l reads.
//!
//! ```text
//! z = n^{-1/2} W1 φ(h),   r = φ'(z) ∘ (m n^{-1/2} W2ᵀ g),   D = factor Σ_p χ_p r_p φ(h_p)ᵀ
//! ```

use super::layer::Explicit;
use super::matrix::{MatrixUpdate, Signal};
use super::pointwise;
use crate::backend::archive::{Archive, Walked};
use crate::backend::cpu::simd::format::Format;
use crate::backend::vectors::Vectors;
use crate::backend::{Network, Update};
use crate::model::{self, Activation};
use crate::rng::noise::{Entry, Noise};
use crate::rng::normal::Instructions;

/// The inner matrix W1_l of a two-layer block, and the pre-activation z_l that it makes.
pub struct Inner<T> {
    set: Instructions,
    activation: Activation,
    scales: model::Inner,
    /// The size q of the entries of D.
    size: f64,
    matrix: Explicit<T>,
    /// z_l of the last batch, M×P.
    z: Vectors<T>,
    /// φ(z_l) of it; after the backward pass r_l, as nobody asks for φ(z_l) any more.
    value: Vectors<T>,
    /// z_l of the first recorded pass.
    initial: Option<Vectors<T>>,
}

impl<T: Format> Inner<T> {
    /// That of layer `l` of `network`, at initialisation; None where blocks have one layer.
    ///
    /// # Panics
    /// With a closure for which no single matrix exists: experiments are validated before.
    pub fn sample(
        set: Instructions,
        noise: &dyn Noise,
        network: &Network,
        l: usize,
    ) -> Option<Self> {
        let scales = network.scales.inner?;
        let entry = |direction, column| Entry::Inner { direction, layer: l as u32, column };
        let none = || Vectors::zeros(scales.width, 0);
        Some(Inner {
            set,
            activation: network.activation,
            scales,
            size: network.scales.sizes(network.width).1?,
            matrix: Explicit::sample(
                set,
                noise,
                (network, (scales.width, network.width)),
                entry,
                true,
            ),
            z: none(),
            value: none(),
            initial: None,
        })
    }

    /// The vectors z and φ(z) of a batch, which the caller gives their size.
    pub fn vectors_mut(&mut self) -> [&mut Vectors<T>; 2] {
        [&mut self.z, &mut self.value]
    }

    /// φ(z_l) of the last batch, which W2 reads.
    pub fn value(&self) -> &Vectors<T> {
        &self.value
    }

    /// z and φ(z) from φ(h); with `moved`, what becomes (W1 − W1⁽⁰⁾) φ(h). Whether z is finite.
    pub fn forward(&mut self, phi: &Vectors<T>, moved: Option<&mut Vectors<T>>) -> bool {
        let (mut z, mut value) = (std::mem::take(&mut self.z), std::mem::take(&mut self.value));
        let finite = self.answer(phi, &mut z, &mut value, moved);
        (self.z, self.value) = (z, value);
        finite
    }

    /// Writes z and φ(z) of samples of which nothing is kept; whether z is finite.
    pub fn answer(
        &self,
        phi: &Vectors<T>,
        z: &mut Vectors<T>,
        value: &mut Vectors<T>,
        moved: Option<&mut Vectors<T>>,
    ) -> bool {
        self.matrix.forward(phi, z, moved);
        let scale = T::of(self.scales.forward);
        let finite = pointwise::scale_branch(self.set, z.pieces_mut(), scale);
        pointwise::value(self.set, self.activation, z.pieces(), value.pieces_mut());
        value.clear_padding(); // φ(0) need not be 0
        finite
    }

    /// Mean square over rows and samples of z − z⁽⁰⁾; the first call sets the reference z⁽⁰⁾.
    pub fn movement(&mut self) -> f64 {
        let initial = self.initial.get_or_insert_with(|| self.z.clone());
        let difference = |(z, initial): (&T, &T)| (z.widen() - initial.widen()).powi(2);
        let blocks = self.z.pieces().iter().zip(initial.pieces());
        let squares = blocks.map(|(z, initial)| z.iter().zip(initial).map(difference).sum::<f64>());
        squares.sum::<f64>() / (self.z.rows() * self.z.samples()).max(1) as f64
    }

    /// Writes W1ᵀ r to `y`, r from `back` = W2ᵀ g, on which there is still the factor `scale`, and makes
    /// the update of W1, in which column p of r has the factor `weights[p]`; `scratch` is overwritten.
    /// Returns the factor that is still on W1ᵀ r.
    pub fn backward(
        &mut self,
        weights: &[f64],
        (back, scale): (&Vectors<T>, T),
        y: &mut Vectors<T>,
        phi: &Vectors<T>,
        scratch: &mut Vectors<T>,
        update: Option<&Update>,
    ) -> T {
        let (z, r) = (self.z.pieces(), self.value.pieces_mut());
        pointwise::descend(self.set, self.activation, z, back.pieces(), r, T::ZERO, scale);
        let update = update.map(|update| MatrixUpdate {
            update,
            scale: self.scales.update,
            size: self.size,
        });
        let signal = Signal { g: &self.value, weights };
        self.matrix.backward(signal, y, phi, scratch, update);
        T::of(self.scales.forward)
    }

    /// Walks over W1 and what its movement is measured from.
    ///
    /// # Errors
    /// Those of the archive.
    pub fn archive(&mut self, archive: &mut Archive) -> Walked {
        self.matrix.archive(archive)?;
        let none = || Ok(Vectors::default());
        archive.optional(&mut self.initial, none, |archive, initial| initial.archive(archive))
    }

    /// The inner matrix W1_l with its training, for tests.
    pub fn matrix(&self) -> &Explicit<T> {
        &self.matrix
    }
}
