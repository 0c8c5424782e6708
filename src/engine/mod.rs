//! What a training run is: the order of passes and updates, and what is recorded.
//!
//! Pass k uses the weights after k updates: forward, loss, test evaluation, backward, then all
//! updates at once. `steps` updates make `steps + 1` passes, the last of which updates nothing.
//! Which engine carries out a sweep (conditional or dense) and on which backend is the caller's
//! choice; it is hidden behind [`Sweeps`].

use std::sync::atomic::{AtomicBool, Ordering};

use serde::{Deserialize, Serialize};

use crate::backend::{BackwardCoupling, Covariances, ForwardCoupling, Snapshot, Sweeps};
use crate::model::{Loss, Rates};

/// What is trained towards, and how long.
#[derive(Clone, Debug, PartialEq)]
pub struct Training {
    /// The loss.
    pub loss: Loss,
    /// Number of updates.
    pub steps: u32,
    /// Learning rates; zero for frozen groups.
    pub rates: Rates,
    /// Training labels, P×O.
    pub labels: Vec<f64>,
    /// Test labels; empty when there are no test samples.
    pub test_labels: Vec<f64>,
    /// O
    pub outputs: usize,
}

/// Everything kept of one pass.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Pass {
    /// P×O, output fastest.
    pub f: Vec<f64>,
    /// Training loss.
    pub loss: f64,
    /// Test loss.
    pub test_loss: Option<f64>,
    /// h at the probed layers.
    pub features: Vec<Snapshot>,
    /// g (δ when O > 1) at the probed layers.
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
    /// The passes with finite results, from step 0.
    pub passes: Vec<Pass>,
    /// Covariances over the recorded passes at the probed layers, where few enough columns.
    pub covariances: Option<Vec<Covariances>>,
    /// Set when the run was stopped because of it.
    pub diverged: Option<Divergence>,
}

/// Trains a network at initialisation; None when given up between two passes because `stop` is set.
///
/// A pass with a non-finite number ends the run; nothing of it is kept.
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
            Ok(pass) => run.passes.push(pass),
            Err(divergence) => {
                run.diverged = Some(divergence);
                break;
            }
        }
        run.covariances = network.covariances().or(run.covariances);
    }
    Some(run)
}

fn pass(network: &mut dyn Sweeps, training: &Training, step: u32) -> Result<Pass, Divergence> {
    let outputs = training.outputs;
    let forward = network.forward(step);
    let loss = training.loss.value(&forward.f, &training.labels, outputs);
    let coupling = forward.coupling.unwrap_or_default();
    let numbers = [loss, forward.own_movement, coupling.layer, coupling.accumulated];
    check(step, forward.nonfinite, &numbers, &forward.features)?;

    let test_loss = (!training.test_labels.is_empty()).then(|| {
        let f = network.evaluate(step);
        training.loss.value(&f, &training.test_labels, outputs)
    });
    check(step, None, &[test_loss.unwrap_or(0.0)], &[])?;

    let chi = training.loss.chi(&forward.f, &training.labels, outputs);
    let update = (step < training.steps).then_some(training.rates);
    let backward = network.backward(step, &chi, update);
    let coupling = backward.coupling.unwrap_or_default();
    let numbers = [coupling.accumulated_past, coupling.accumulated_same];
    check(step, backward.nonfinite, &numbers, &backward.gradients)?;

    let mean = |ranks: &[usize]| {
        (!ranks.is_empty()).then(|| ranks.iter().sum::<usize>() as f64 / ranks.len() as f64)
    };
    Ok(Pass {
        feature_rank: mean(&forward.ranks),
        gradient_rank: mean(&backward.ranks),
        f: forward.f,
        loss,
        test_loss,
        features: forward.features,
        gradients: backward.gradients,
        own_movement: forward.own_movement,
        forward_coupling: forward.coupling,
        backward_coupling: backward.coupling,
    })
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
