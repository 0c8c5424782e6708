//! The two ends of the network: U, which reads the input, and V, which writes the output.

use super::matrix::{Change, Signal, TrainedMatrix, multiply};
use super::motion::{self, Motion};
use super::products::Step;
use super::weights::{Weights, gaussians};
use crate::backend::archive::{Archive, Walked};
use crate::backend::cpu::simd::format::Format;
use crate::backend::real::Real;
use crate::backend::vectors::Vectors;
use crate::backend::{Network, Update};
use crate::data::Samples;
use crate::model::{Rule, Scales};
use crate::rng::noise::{Entry, Noise};
use crate::rng::normal::Instructions;

/// The input weights U and the readout weights V of a network, and their training.
pub struct Ends<T> {
    set: Instructions,
    /// U, n×d.
    input: TrainedMatrix<T>,
    /// V, n×O.
    readout: Vectors<T>,
    /// Of V, once there is momentum.
    velocity: Option<Vectors<T>>,
    /// Of U and V, by a rule that is not gradient descent.
    motions: [Motion<T>; 2],
    /// X of the last samples that were embedded for training, d×P.
    x: Vectors<T>,
}

/// What an update with rate `rate` makes of D = Σ_p g_p s_pᵀ, and the factor on s.
pub fn step_of<T: Real>(update: &Update, rate: f64) -> (Step<T>, f64) {
    let Update { momentum, weight_decay, .. } = *update;
    match momentum > 0.0 {
        false => (Step::Plain { decay: T::of(-rate * weight_decay) }, -rate),
        true => {
            let (momentum, decay) = (T::of(momentum), T::of(weight_decay));
            (Step::Momentum { momentum, decay, rate: T::of(rate) }, 1.0)
        }
    }
}

impl<T: Format> Ends<T> {
    /// The ends of a network at initialisation.
    pub fn sample(
        set: Instructions,
        noise: &dyn Noise,
        network: &Network,
        dimension: usize,
    ) -> Self {
        let Network { width, outputs, .. } = *network;
        let entry = |coordinate| Entry::Input { coordinate };
        let input = Weights::draw(width, dimension, gaussians::<T>(noise, entry), |u| u);
        let columns: Vec<Vec<T>> = (0..outputs)
            .map(|output| {
                let mut column = vec![T::ZERO; width];
                T::draw(noise, Entry::Readout { output: output as u32 }, 0, &mut column);
                column
            })
            .collect();
        let readout = Vectors::from_fn(width, outputs, |i, o| columns[o][i]);
        let x = Vectors::zeros(dimension, 0);
        let motions = Default::default();
        Ends { set, input: TrainedMatrix::new(input), readout, velocity: None, motions, x }
    }

    /// Writes h_0 = U x / √d of samples that [`Ends::update`] will train on.
    pub fn embed_batch(&mut self, samples: &Samples, h: &mut Vectors<T>) {
        self.x = self.embed(samples, h);
    }

    /// Writes h_0 = U x / √d of some samples, and returns their inputs X, d×P.
    pub fn embed(&self, samples: &Samples, h: &mut Vectors<T>) -> Vectors<T> {
        let d = samples.dimension;
        let entry = |j, p: usize| T::of(samples.inputs[p * d + j]);
        let x = Vectors::from_fn(d, samples.len(), entry);
        multiply(self.set, &self.input.weights, &x, h, None);
        let scale = T::of((d as f64).sqrt().recip());
        h.pieces_mut().as_flattened_mut().iter_mut().for_each(|h| *h = scale * *h);
        x
    }

    /// f = readout · Vᵀh, P×O with the output index fastest.
    pub fn read(&self, scales: &Scales, h: &Vectors<T>) -> Vec<f64> {
        let (samples, outputs) = (h.samples(), self.readout.samples());
        let mut f = vec![0.0; samples * outputs];
        let blocks = h.pieces().chunks(samples.max(1));
        for (h, v) in blocks.zip(self.readout.pieces().chunks(outputs.max(1))) {
            for (h, f) in h.iter().zip(f.chunks_mut(outputs)) {
                for (v, f) in v.iter().zip(f) {
                    *f += v.iter().zip(h).map(|(v, h)| v.widen() * h.widen()).sum::<f64>();
                }
            }
        }
        f.iter_mut().for_each(|f| *f *= scales.readout);
        f
    }

    /// The signal of χ (P×O, output fastest) that enters the last layer, and the factors with which
    /// its columns enter an update: with one output V for every sample, with factor χ_p; with more
    /// V χᵀ, with factor 1.
    pub fn signal(&self, chi: &[f64]) -> (Vectors<T>, Vec<f64>) {
        let (v, outputs) = (&self.readout, self.readout.samples());
        let samples = chi.len() / outputs;
        if outputs == 1 {
            return (Vectors::from_fn(v.rows(), samples, |i, _| v.at(i, 0)), chi.to_vec());
        }
        let entry = |i, p: usize| {
            let chi = &chi[p * outputs..][..outputs];
            T::of(chi.iter().enumerate().map(|(o, chi)| v.at(i, o).widen() * chi).sum())
        };
        (Vectors::from_fn(v.rows(), samples, entry), vec![1.0; samples])
    }

    /// Updates U by Σ χ g_0 xᵀ and V by Σ χ h_L, from χ (P×O), the signal g_0 and h_L.
    pub fn update(
        &mut self,
        scales: &Scales,
        update: &Update,
        chi: &[f64],
        Signal { g, weights }: Signal<T>,
        h: &Vectors<T>,
    ) {
        if update.rule.of_ends() != Rule::Descent {
            self.follow(scales, update, chi, (g, weights), h);
            return;
        }
        if update.rates.input != 0.0 {
            let (step, factor) = step_of(update, update.rates.input);
            let factor = factor * scales.update_input;
            let k: Vec<T> = weights.iter().map(|w| T::of(factor * w)).collect();
            let mut scratch = Vectors::zeros(self.x.rows(), self.x.samples());
            let change = Change { x: &self.x, k: &k, step };
            self.input.descend(self.set, g, None, &change, &mut scratch);
        }
        if update.rates.readout != 0.0 {
            self.update_readout(scales.update_readout, update, chi, h);
        }
    }

    /// The same by a rule that is not gradient descent.
    fn follow(
        &mut self,
        scales: &Scales,
        update: &Update,
        chi: &[f64],
        (g, weights): (&Vectors<T>, &[f64]),
        h: &Vectors<T>,
    ) {
        let [of_u, of_v] = &mut self.motions;
        let (size, rate) = (scales.update_input, update.rates.input);
        if rate != 0.0 {
            let u = &mut self.input.weights;
            let mut direction = TrainedMatrix::new(Weights::zeros(u.rows(), u.columns()));
            let k: Vec<T> = weights.iter().map(|w| T::of(size * w)).collect();
            let sum = Change { x: &self.x, k: &k, step: Step::Plain { decay: T::ZERO } };
            let mut scratch = Vectors::zeros(self.x.rows(), self.x.samples());
            direction.descend(self.set, g, None, &sum, &mut scratch);
            let step = motion::Step { update, rate, size };
            let direction = direction.weights.numbers_mut();
            of_u.redirect(step, direction);
            motion::subtract(step, direction, u.numbers_mut());
        }
        let (size, rate) = (scales.update_readout, update.rates.readout);
        if rate != 0.0 {
            let outputs = self.readout.samples();
            let entry = |i, o| {
                let of = |(p, chi): (usize, &[f64])| h.at(i, p).widen() * chi[o];
                T::of(size * chi.chunks(outputs).enumerate().map(of).sum::<f64>())
            };
            let mut direction = Vectors::from_fn(h.rows(), outputs, entry);
            let step = motion::Step { update, rate, size };
            let direction = direction.pieces_mut().as_flattened_mut();
            of_v.redirect(step, direction);
            motion::subtract(step, direction, self.readout.pieces_mut().as_flattened_mut());
        }
    }

    fn update_readout(&mut self, scale: f64, update: &Update, chi: &[f64], h: &Vectors<T>) {
        let Update { rates, momentum, weight_decay, .. } = *update;
        let (outputs, v) = (self.readout.samples(), &mut self.readout);
        if momentum > 0.0 && self.velocity.is_none() {
            self.velocity = Some(Vectors::zeros(v.rows(), outputs));
        }
        let mut velocity = self.velocity.as_mut().map(Vectors::pieces_mut);
        let blocks = v.pieces_mut().chunks_mut(outputs).zip(h.pieces().chunks(h.samples()));
        for (b, (v, h)) in blocks.enumerate() {
            for (o, v) in v.iter_mut().enumerate() {
                let mut direction = v.map(|v| v.widen() * weight_decay);
                for (h, chi) in h.iter().zip(chi.chunks(outputs)) {
                    let factor = scale * chi[o];
                    direction.iter_mut().zip(h).for_each(|(d, h)| *d += factor * h.widen());
                }
                if let Some(velocity) = &mut velocity {
                    let velocity = &mut velocity[b * outputs + o];
                    for (d, velocity) in direction.iter_mut().zip(velocity) {
                        *d += momentum * velocity.widen();
                        *velocity = T::of(*d);
                    }
                }
                v.iter_mut()
                    .zip(direction)
                    .for_each(|(v, d)| *v = T::of(v.widen() - rates.readout * d));
            }
        }
    }

    /// Walks over U, V and their velocities.
    ///
    /// # Errors
    /// Those of the archive.
    pub fn archive(&mut self, archive: &mut Archive) -> Walked {
        self.input.archive(archive)?;
        self.readout.archive(archive)?;
        let rest = || Ok(Vectors::default());
        archive
            .optional(&mut self.velocity, rest, |archive, velocity| velocity.archive(archive))?;
        let counts =
            [self.input.weights.numbers_mut().len(), self.readout.pieces().as_flattened().len()];
        let mut motions = self.motions.iter_mut().zip(counts);
        motions.try_for_each(|(motion, count)| motion.archive(count, archive))
    }

    /// The input weights U, n×d, for tests.
    pub fn input(&self) -> &Weights<T> {
        &self.input.weights
    }

    /// The readout weights V, n×O, for tests.
    pub fn readout(&self) -> &Vectors<T> {
        &self.readout
    }
}
