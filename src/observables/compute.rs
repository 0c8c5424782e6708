//! What the functions of the table compute from: a recorded pass with its run, spectra at one depth
//! time, and mean squares of differences.

use nalgebra::DMatrix;

use crate::backend::{Covariances, Snapshot};
use crate::data::Samples;
use crate::engine::Pass;
use crate::experiment::Experiment;
use crate::experiment::grid::quarters;

/// A recorded pass, with all that an observable is computed from.
#[derive(Clone, Copy)]
pub struct At<'a> {
    /// What was asked for.
    pub experiment: &'a Experiment,
    /// The training samples with their labels.
    pub train: &'a Samples,
    /// The depth L of the run.
    pub depth: usize,
    /// What was recorded of it.
    pub pass: &'a Pass,
}

impl<'a> At<'a> {
    /// Of what a run kept at each of its quarters of the horizon: what lies at those common to all
    /// depths of the experiment, with their depth times.
    pub fn common<T>(&self, kept: &'a [T]) -> impl Iterator<Item = (f64, &'a T)> + use<'a, T> {
        common(self.experiment, self.depth, kept)
    }
}

/// Smallest and largest eigenvalue of a covariance.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Ends {
    /// The smallest of its eigenvalues.
    pub least: f64,
    /// The largest of its eigenvalues.
    pub largest: f64,
}

/// The spectra of both covariances at one depth time, where they were recorded.
pub struct Spectra {
    /// Of n^{-1} φ(h)ᵀφ(h), over samples and passes so far.
    pub features: Option<Ends>,
    /// Of n^{-1} gᵀg, over samples and passes so far.
    pub gradients: Option<Ends>,
}

impl Spectra {
    /// Of the leading `columns` × `columns` part.
    pub(super) fn of(covariances: &Covariances, columns: usize) -> Self {
        let ends = |covariance: &Option<DMatrix<f64>>| {
            let covariance = covariance.as_ref().filter(|c| c.nrows() >= columns)?;
            let part = covariance.view((0, 0), (columns, columns)).clone_owned();
            let spectrum = part.symmetric_eigenvalues();
            Some(Ends { least: spectrum.min(), largest: spectrum.max() })
        };
        Spectra { features: ends(&covariances.features), gradients: ends(&covariances.gradients) }
    }
}

/// Of what a run of `depth` kept at each of its quarters: what lies at those common to all depths of
/// the experiment, with their depth times.
pub(super) fn common<'a, T>(
    experiment: &Experiment,
    depth: usize,
    kept: &'a [T],
) -> impl Iterator<Item = (f64, &'a T)> + use<'a, T> {
    let horizon = experiment.model.horizon;
    let wanted = experiment.probed_quarters();
    let kept = quarters(depth).into_iter().zip(kept);
    kept.filter(move |(i, _)| wanted.contains(i)).map(move |(i, x)| (i as f64 * horizon / 4.0, x))
}

/// Mean squares of the differences of h at the common depth times.
pub(super) fn feature_gaps(at: &At, other: &At) -> Vec<(f64, f64)> {
    gaps((at, &at.pass.features), (other, &other.pass.features))
}

/// Mean squares of the differences of g at the common depth times.
pub(super) fn gradient_gaps(at: &At, other: &At) -> Vec<(f64, f64)> {
    gaps((at, &at.pass.gradients), (other, &other.pass.gradients))
}

fn gaps((at, a): (&At, &[Snapshot]), (other, b): (&At, &[Snapshot])) -> Vec<(f64, f64)> {
    let samples = at.experiment.training.batch.size(at.train.len());
    let pairs = at.common(a).zip(other.common(b));
    // Of recorded passes close together only some keep their rows.
    let pairs = pairs.filter(|((_, a), (_, b))| !a.rows.is_empty() && !b.rows.is_empty());
    pairs.map(|((time, a), (_, b))| (time, mean_square_gap(&a.rows, &b.rows, samples))).collect()
}

/// Mean square difference over samples and the rows that both have; both are samples × rows with
/// the row index fastest.
fn mean_square_gap(a: &[f32], b: &[f32], samples: usize) -> f64 {
    let (rows_a, rows_b) = (a.len() / samples, b.len() / samples);
    let common = rows_a.min(rows_b);
    let mut sum = 0.0;
    for (a, b) in a.chunks(rows_a).zip(b.chunks(rows_b)) {
        for (a, b) in a[..common].iter().zip(&b[..common]) {
            sum += (f64::from(*a) - f64::from(*b)).powi(2);
        }
    }
    sum / (common * samples) as f64
}

/// Σ (a − b)² over the number of entries.
pub(super) fn mean_square_difference(a: &[f64], b: &[f64]) -> f64 {
    let squares: f64 = a.iter().zip(b).map(|(a, b)| (a - b).powi(2)).sum();
    squares / a.len() as f64
}
