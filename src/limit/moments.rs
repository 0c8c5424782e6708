//! Means and squared deviations of independent samples, number by number.

use serde::{Deserialize, Serialize};

/// The mean of independent samples of several numbers, and the sums of their squared deviations from it.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Moments {
    /// Number of samples.
    pub count: u64,
    /// The mean of every number.
    pub mean: Vec<f64>,
    /// The sum of squared deviations of every number.
    pub squares: Vec<f64>,
}

impl Moments {
    /// Adds a sample.
    pub fn push(&mut self, sample: &[f64]) {
        self.merge(&Moments { count: 1, mean: sample.to_vec(), squares: vec![0.0; sample.len()] });
    }

    /// Adds the samples of another, by the pairwise formula: nothing cancels.
    pub fn merge(&mut self, other: &Moments) {
        if self.count == 0 {
            *self = other.clone();
            return;
        }
        let (a, b) = (self.count as f64, other.count as f64);
        for (i, mean) in self.mean.iter_mut().enumerate() {
            let apart = other.mean[i] - *mean;
            *mean += apart * (b / (a + b));
            self.squares[i] += other.squares[i] + apart * apart * (a * b / (a + b));
        }
        self.count += other.count;
    }

    /// The variance of one sample of number `i`; infinite of fewer than two samples.
    pub fn variance(&self, i: usize) -> f64 {
        match self.count {
            0 | 1 => f64::INFINITY,
            count => self.squares[i] / (count - 1) as f64,
        }
    }

    /// The variance of the mean of number `i`.
    pub fn variance_of_mean(&self, i: usize) -> f64 {
        self.variance(i) / self.count as f64
    }
}
