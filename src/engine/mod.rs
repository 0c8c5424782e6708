//! What a training run is: the order of passes and updates, and what is recorded.
//!
//! Pass k uses the weights after k updates: forward, loss, test evaluation, backward, then all
//! updates at once. `steps` updates make `steps + 1` passes, the last of which updates nothing.
//! With minibatches a pass is one of a batch; where it is recorded, all samples are evaluated first.
//! Which engine carries out a sweep (conditional or dense) and on which backend is the caller's
//! choice; it is hidden behind [`Sweeps`].

pub mod batches;

use std::sync::atomic::{AtomicBool, Ordering};

use serde::{Deserialize, Serialize};

use crate::backend::{
    BackwardCoupling, Covariances, ForwardCoupling, Set, Snapshot, Sweeps, Update,
};
use crate::model::{Loss, Rates, Schedule};
use batches::Batches;

/// What is trained towards, and how long.
#[derive(Clone, Debug, PartialEq)]
pub struct Training {
    /// The loss.
    pub loss: Loss,
    /// Number of updates.
    pub steps: u32,
    /// Samples of each update.
    pub batches: Batches,
    /// Learning rates before the schedule; zero for frozen groups.
    pub rates: Rates,
    /// The factor on them, update by update.
    pub schedule: Schedule,
    /// μ
    pub momentum: f64,
    /// λ
    pub weight_decay: f64,
    /// Updates between recorded passes; the first and the last are always recorded.
    pub record: u32,
    /// Training labels, P×O.
    pub labels: Vec<f64>,
    /// Test labels; empty when there are no test samples.
    pub test_labels: Vec<f64>,
    /// O
    pub outputs: usize,
}

impl Training {
    /// Whether the pass after `step` updates is recorded.
    fn records(&self, step: u32) -> bool {
        step == self.steps || step.is_multiple_of(self.record)
    }

    /// The update after pass `step`; None after the last.
    fn update(&self, step: u32) -> Option<Update> {
        (step < self.steps).then(|| Update {
            rates: self.rates.scaled(self.schedule.factor(step, self.steps)),
            momentum: self.momentum,
            weight_decay: self.weight_decay,
        })
    }

    /// Labels of the samples at these positions.
    fn labels_of(&self, batch: &[usize]) -> Vec<f64> {
        let o = self.outputs;
        batch.iter().flat_map(|&p| &self.labels[p * o..][..o]).copied().collect()
    }
}

/// Everything kept of one pass.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Pass {
    /// Updates done.
    pub step: u32,
    /// Of all training samples: P×O, output fastest.
    pub f: Vec<f64>,
    /// Training loss, of all samples.
    pub loss: f64,
    /// Test loss.
    pub test_loss: Option<f64>,
    /// h at the probed layers, of the batch.
    pub features: Vec<Snapshot>,
    /// g (δ when O > 1) at the probed layers, of the batch.
    pub gradients: Vec<Snapshot>,
    /// Mean square of n^{-1/2} (W − W⁽⁰⁾) φ(h).
    pub own_movement: f64,
    /// Conditional engine: stored forward columns, mean over layers.
    pub feature_rank: Option<f64>,
    /// Conditional engine: stored backward columns, mean over layers.
    pub gradient_rank: Option<f64>,
    /// Conditional engine only.
    pub forward_coupling: Option<ForwardCoupling>,
    /// Conditional engine only.
    pub backward_coupling: Option<BackwardCoupling>,
}

/// Where a run left the finite numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Divergence {
    /// Updates done.
    pub step: u32,
    /// First layer, in the direction of the sweep, with a non-finite entry; None when only the
    /// outputs or the statistics overflowed.
    pub layer: Option<usize>,
}

/// One training run.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Trajectory {
    /// The recorded passes with finite results, from step 0.
    pub passes: Vec<Pass>,
    /// Covariances over all passes at the probed layers, where few enough columns and no
    /// minibatches.
    pub covariances: Option<Vec<Covariances>>,
    /// Set when the run was stopped because of it.
    pub diverged: Option<Divergence>,
}

/// Trains a network at initialisation; None when given up between two passes because `stop` is set.
///
/// A pass with a non-finite number ends the run, recorded or not; nothing of it is kept.
pub fn train(
    network: &mut dyn Sweeps,
    training: &Training,
    stop: &AtomicBool,
) -> Option<Trajectory> {
    let mut run = Trajectory::default();
    for step in 0..=training.steps {
        if stop.load(Ordering::Relaxed) {
            return None;
        }
        match pass(network, training, step) {
            Ok(pass) => run.passes.extend(pass),
            Err(divergence) => {
                run.diverged = Some(divergence);
                break;
            }
        }
        if training.records(step) {
            run.covariances = network.covariances().or(run.covariances);
        }
    }
    Some(run)
}

/// One pass and its update; what was seen of it, if it is recorded.
fn pass(
    network: &mut dyn Sweeps,
    training: &Training,
    step: u32,
) -> Result<Option<Pass>, Divergence> {
    let Training { loss, outputs, .. } = *training;
    let record = training.records(step);
    let batch = training.batches.of(step);
    let full = training.batches.are_full();
    // Before the batch's pass, which adds to what the conditional engine remembers.
    let all = (record && !full).then(|| network.evaluate(step, Set::Train));

    let forward = network.forward(step, &batch, record);
    let coupling = forward.coupling.unwrap_or_default();
    let numbers = [forward.own_movement, coupling.layer, coupling.accumulated];
    check(step, forward.nonfinite, &numbers, &forward.features)?;
    check(step, None, &forward.f, &[])?;

    let labels = training.labels_of(&batch);
    let chi = loss.chi(&forward.f, &labels, outputs);
    let f = all.unwrap_or(forward.f);
    let seen = if record { Some(losses(network, training, step, &f)?) } else { None };

    let backward = network.backward(step, &chi, training.update(step).as_ref());
    let coupling = backward.coupling.unwrap_or_default();
    let numbers = [coupling.accumulated_past, coupling.accumulated_same];
    check(step, backward.nonfinite, &numbers, &backward.gradients)?;

    let mean = |ranks: &[usize]| {
        (!ranks.is_empty()).then(|| ranks.iter().sum::<usize>() as f64 / ranks.len() as f64)
    };
    Ok(seen.map(|(loss, test_loss)| Pass {
        step,
        feature_rank: mean(&forward.ranks),
        gradient_rank: mean(&backward.ranks),
        f,
        loss,
        test_loss,
        features: forward.features,
        gradients: backward.gradients,
        own_movement: forward.own_movement,
        forward_coupling: forward.coupling,
        backward_coupling: backward.coupling,
    }))
}

/// Those of all training samples, with outputs `f`, and of the test samples where there are some.
fn losses(
    network: &mut dyn Sweeps,
    training: &Training,
    step: u32,
    f: &[f64],
) -> Result<(f64, Option<f64>), Divergence> {
    let Training { loss, outputs, .. } = *training;
    let train = loss.value(f, &training.labels, outputs);
    check(step, None, f, &[])?;
    check(step, None, &[train], &[])?;
    let test = (!training.test_labels.is_empty()).then(|| {
        let f = network.evaluate(step, Set::Test);
        loss.value(&f, &training.test_labels, outputs)
    });
    check(step, None, &[test.unwrap_or(0.0)], &[])?;
    Ok((train, test))
}

/// An error unless everything that will be recorded is finite.
fn check(
    step: u32,
    nonfinite: Option<usize>,
    numbers: &[f64],
    snapshots: &[Snapshot],
) -> Result<(), Divergence> {
    let rows_finite = |s: &Snapshot| s.movement.is_finite() && s.rows.iter().all(|v| v.is_finite());
    let fine = nonfinite.is_none()
        && numbers.iter().all(|v| v.is_finite())
        && snapshots.iter().all(rows_finite);
    if fine { Ok(()) } else { Err(Divergence { step, layer: nonfinite }) }
}
