//! Which samples each update uses: a pure function of seed and step, so that every closure, width,
//! depth, backend and rank of a seed sees the same minibatches.

use rand::seq::SliceRandom;

use crate::rng::noise::{Direction, Purpose, tag};
use crate::rng::philox::Philox;

/// Batches of a training set.
///
/// An epoch is one permutation of the samples, cut into ⌊P/B⌋ batches of exactly B; the P mod B
/// samples that remain are left out of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Batches {
    /// Number P of training samples.
    pub samples: usize,
    /// Number B of samples of an update, at least 1 and at most P.
    pub size: usize,
    /// Seed of the network, which its batches are drawn by.
    pub seed: u64,
}

impl Batches {
    /// Whether every batch is the whole training set.
    pub fn are_full(&self) -> bool {
        self.size == self.samples
    }

    /// Positions in the training set of the samples of `step`: as drawn, or all of them in ascending
    /// order.
    pub fn of(&self, step: u32) -> Vec<usize> {
        let mut positions: Vec<usize> = (0..self.samples).collect();
        if self.are_full() {
            return positions;
        }
        let per_epoch = self.samples / self.size;
        let (epoch, batch) = (step as usize / per_epoch, step as usize % per_epoch);
        // Forward streams are those of synthetic samples (crate::data), which have seeds of their own.
        let stream = tag(Purpose::Stream, 0, Direction::Backward);
        let mut random = Philox::stream(self.seed, u64::from(stream) << 32 | epoch as u64);
        positions.shuffle(&mut random);
        positions[batch * self.size..][..self.size].to_vec()
    }
}
