//! What a training run is: the order of passes and updates, and what is recorded.
//!
//! Pass k uses the weights after k updates: forward, loss, test evaluation, backward, then all
//! updates at once. `steps` updates make `steps + 1` passes, the last of which updates nothing.
//! With minibatches a pass is one of a batch; where it is recorded, all samples are evaluated first.
//! Which engine carries out a sweep (conditional or dense) and on which backend is the caller's
//! choice; it is hidden behind [`Sweeps`].

pub mod batches;
mod course;

use std::sync::atomic::{AtomicBool, Ordering};

use serde::{Deserialize, Serialize};
use tracing::{trace, trace_span};

pub use crate::backend::Divergence;
use crate::backend::crew::{Crew, Single, UnrecordedPass};
use crate::backend::{
    BackwardCoupling, BackwardSweep, Covariances, ForwardCoupling, ForwardSweep, Set, Snapshot,
    Sweeps, Update,
};
use crate::data::Samples;
use crate::model::loss::accuracy;
use crate::model::{Loss, Rates, Rule, Schedule};
use batches::Batches;
pub use course::Course;

/// What one network is trained towards, and how long.
#[derive(Clone, Debug, PartialEq)]
pub struct Training {
    /// The loss that updates descend.
    pub loss: Loss,
    /// Number of updates; there is one pass more, which updates nothing.
    pub steps: u32,
    /// Which samples each update uses.
    pub batches: Batches,
    /// Learning rates before the schedule; zero for frozen groups.
    pub rates: Rates,
    /// The factor on all learning rates, update by update.
    pub schedule: Schedule,
    /// Momentum μ of every group of weights.
    pub momentum: f64,
    /// Weight decay λ of every group of weights.
    pub weight_decay: f64,
    /// What turns gradients into updates.
    pub rule: Rule,
    /// Updates between recorded passes; the first and the last are always recorded.
    pub record: u32,
    /// Labels of the training samples, P×O with the output index fastest.
    pub labels: Vec<f64>,
    /// Test labels; empty when there are no test samples.
    pub test_labels: Vec<f64>,
    /// Number O of outputs of the network.
    pub outputs: usize,
}

impl Training {
    /// Full-batch gradient descent on the squared loss at constant rates, without test samples; every
    /// pass is recorded.
    pub fn descent(train: &Samples, rates: Rates, steps: u32) -> Training {
        let samples = train.len();
        Training {
            loss: Loss::Squared,
            steps,
            batches: Batches { samples, size: samples, seed: 0 },
            rates,
            schedule: Schedule::CONSTANT,
            momentum: 0.0,
            weight_decay: 0.0,
            rule: Rule::Descent,
            record: 1,
            labels: train.labels.clone(),
            test_labels: vec![],
            outputs: train.outputs,
        }
    }

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
            rule: self.rule,
            number: step + 1,
        })
    }

    /// Labels of the samples at these positions.
    fn labels_of(&self, batch: &[usize]) -> Vec<f64> {
        let o = self.outputs;
        batch.iter().flat_map(|&p| &self.labels[p * o..][..o]).copied().collect()
    }
}

/// Everything that is kept of one recorded pass.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Pass {
    /// Number of updates that were done before the pass.
    pub step: u32,
    /// Outputs f at all training samples, P×O with the output index fastest.
    pub f: Vec<f64>,
    /// Training loss over all training samples.
    pub loss: f64,
    /// Loss over all test samples; None where there are none.
    pub test_loss: Option<f64>,
    /// Share of test samples whose class has the largest output; None where there are no classes.
    pub test_accuracy: Option<f64>,
    /// Snapshots of h at the probed layers, of the samples of the pass.
    pub features: Vec<Snapshot>,
    /// g (δ when O > 1) at the probed layers, of the batch.
    pub gradients: Vec<Snapshot>,
    /// Mean square of n^{-1/2} (W − W⁽⁰⁾) φ(h); in two-layer blocks of the inner matrix.
    pub own_movement: f64,
    /// Two-layer blocks without minibatches: mean square of the change of the inner pre-activation
    /// since step 0.
    pub inner_movement: Option<f64>,
    /// Stored forward columns of a layer, mean over layers; None in the dense engine.
    pub feature_rank: Option<f64>,
    /// Stored backward columns of a layer, mean over layers; None in the dense engine.
    pub gradient_rank: Option<f64>,
    /// Couplings of the forward answers; None in the dense engine.
    pub forward_coupling: Option<ForwardCoupling>,
    /// Couplings of the backward answers; None in the dense engine.
    pub backward_coupling: Option<BackwardCoupling>,
    /// Tangent kernel of the hidden weights, P×P, but for its factor; None where
    /// [`BackwardSweep::kernel`] is.
    pub kernel: Option<Vec<f64>>,
}

/// What one training run has shown: its recorded passes, and where it diverged if it did.
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

impl Trajectory {
    /// Drops the rows of h and g of the passes that are not `kept`; how far they moved stays.
    pub fn drop_rows(&mut self, kept: impl Fn(u32) -> bool) {
        for pass in self.passes.iter_mut().filter(|pass| !kept(pass.step)) {
            for snapshot in pass.features.iter_mut().chain(&mut pass.gradients) {
                snapshot.rows = Vec::new();
            }
        }
    }
}

/// Trains a network at initialisation; None when given up between two passes because `stop` is set.
///
/// A pass with a non-finite number ends the run, recorded or not; nothing of it is kept.
pub fn train(
    network: &mut dyn Sweeps,
    training: &Training,
    stop: &AtomicBool,
) -> Option<Trajectory> {
    let Ok(runs) = train_together(&mut Single::new(network), std::slice::from_ref(training), stop);
    runs?.pop()
}

/// Trains networks at initialisation that go step by step together; their trainings differ in labels
/// and batches only. What is said of one in [`train`] holds for each.
///
/// # Errors
/// The crew's.
pub fn train_together<C: Crew>(
    crew: &mut C,
    trainings: &[Training],
    stop: &AtomicBool,
) -> Result<Option<Vec<Trajectory>>, C::Fault> {
    let course = Course::new(crew.members());
    go_on(crew, trainings, course, &mut |_, _| !stop.load(Ordering::Relaxed))
}

/// Trains networks from where `course` says that they are, otherwise as [`train_together`] does. Before every
/// pass `goes_on` is asked, and may look at them: None when it says no.
///
/// # Errors
/// The crew's.
pub fn go_on<C: Crew>(
    crew: &mut C,
    trainings: &[Training],
    mut course: Course,
    goes_on: &mut dyn FnMut(&mut C, &mut Course) -> bool,
) -> Result<Option<Vec<Trajectory>>, C::Fault> {
    let Some(first) = trainings.first() else { return Ok(Some(course.runs)) };
    for step in course.step..=first.steps {
        let _step = trace_span!("step", step).entered();
        trace!("begins");
        course.step = step;
        if !goes_on(crew, &mut course) {
            return Ok(None);
        }
        if none_left(&course.runs) {
            break; // left between two recorded passes, and seen when a checkpoint was kept
        }
        match first.update(step) {
            Some(update) if !first.records(step) => {
                let batches: Vec<_> = trainings.iter().map(|t| t.batches.of(step)).collect();
                let labels = trainings.iter().zip(&batches).map(|(t, batch)| t.labels_of(batch));
                let labels: Vec<_> = labels.collect();
                let loss = first.loss;
                let (batches, labels) = (&batches[..], &labels[..]);
                crew.pass(&UnrecordedPass { step, batches, labels, loss, update })?;
            }
            _ => {
                course.see_divergences(crew)?;
                pass(crew, trainings, step, &mut course.runs)?;
                if none_left(&course.runs) {
                    break; // perhaps before there was anything to have a covariance
                }
                for (run, covariances) in course.runs.iter_mut().zip(crew.covariances()) {
                    if run.diverged.is_none() {
                        run.covariances = covariances.or(run.covariances.take());
                    }
                }
            }
        }
        if none_left(&course.runs) {
            break;
        }
    }
    Ok(Some(course.runs))
}

/// One recorded pass and its update; what was seen of it goes to the runs that have not diverged.
fn pass<C: Crew>(
    crew: &mut C,
    trainings: &[Training],
    step: u32,
    runs: &mut [Trajectory],
) -> Result<(), C::Fault> {
    let Some(first) = trainings.first() else { return Ok(()) };
    if none_left(runs) {
        return Ok(());
    }
    let batches: Vec<_> = trainings.iter().map(|training| training.batches.of(step)).collect();
    // Before the batch's pass, which adds to what the conditional engine remembers.
    let all = match first.batches.are_full() {
        true => None,
        false => Some(crew.evaluate(step, Set::Train)?),
    };
    let forward = crew.forward(step, &batches, true)?;
    let chi: Vec<_> = trainings
        .iter()
        .zip(&batches)
        .zip(&forward)
        .map(|((t, batch), forward)| t.loss.chi(&forward.f, &t.labels_of(batch), t.outputs))
        .collect();
    let mut seen: Vec<Pass> = forward
        .into_iter()
        .zip(trainings)
        .enumerate()
        .map(|(m, (forward, training))| {
            let f = all.as_ref().map(|all| all[m].clone());
            let pass = Pass::of_forward(step, forward, f, training);
            pass.unwrap_or_else(|divergence| {
                runs[m].diverged.get_or_insert(divergence);
                Pass::default()
            })
        })
        .collect();
    if none_left(runs) {
        return Ok(());
    }
    if !first.test_labels.is_empty() {
        for (m, f) in crew.evaluate(step, Set::Test)?.into_iter().enumerate() {
            let Training { loss, test_labels, outputs, .. } = &trainings[m];
            seen[m].test_loss = Some(loss.value(&f, test_labels, *outputs));
            seen[m].test_accuracy = Some(accuracy(&f, test_labels, *outputs));
        }
    }
    for (run, pass) in runs.iter_mut().zip(&seen) {
        let finite = check(step, None, &[pass.test_loss.unwrap_or(0.0)], &[]);
        run.diverged = run.diverged.or(finite.err());
    }
    if none_left(runs) {
        return Ok(());
    }
    let backward = crew.backward(step, &chi, first.update(step).as_ref())?;
    for ((run, mut pass), backward) in runs.iter_mut().zip(seen).zip(backward) {
        let finite = pass.add_backward(backward);
        run.diverged = run.diverged.or(finite.err());
        if run.diverged.is_none() {
            run.passes.push(pass);
        }
    }
    Ok(())
}

fn none_left(runs: &[Trajectory]) -> bool {
    runs.iter().all(|run| run.diverged.is_some())
}

impl Pass {
    /// What a forward sweep shows; `f` is of all training samples where the batch is not.
    fn of_forward(
        step: u32,
        forward: ForwardSweep,
        f: Option<Vec<f64>>,
        training: &Training,
    ) -> Result<Pass, Divergence> {
        let ForwardSweep { own_movement, inner_movement, nonfinite, coupling, .. } = forward;
        let ForwardCoupling { layer, accumulated, inner } = coupling.unwrap_or_default();
        let [moved, inner] = [inner_movement, inner].map(Option::unwrap_or_default);
        let numbers = [own_movement, moved, layer, accumulated, inner];
        check(step, nonfinite, &numbers, &forward.features)?;
        check(step, None, &forward.f, &[])?;
        let f = f.unwrap_or(forward.f);
        check(step, None, &f, &[])?;
        let loss = training.loss.value(&f, &training.labels, training.outputs);
        check(step, None, &[loss], &[])?;
        let (features, feature_rank) = (forward.features, mean(&forward.ranks));
        Ok(Pass {
            step,
            f,
            loss,
            features,
            own_movement,
            inner_movement,
            feature_rank,
            forward_coupling: coupling,
            ..Pass::default()
        })
    }

    /// What the backward sweep shows.
    fn add_backward(&mut self, backward: BackwardSweep) -> Result<(), Divergence> {
        let coupling = backward.coupling.unwrap_or_default();
        let BackwardCoupling { layer_past, layer_same, accumulated_past, accumulated_same, inner } =
            coupling;
        let inner = inner.unwrap_or_default();
        let numbers = [layer_past, layer_same, accumulated_past, accumulated_same, inner];
        check(self.step, backward.nonfinite, &numbers, &backward.gradients)?;
        let kernel = backward.kernel.as_ref().map_or(&[][..], |kernel| kernel.as_slice());
        check(self.step, None, kernel, &[])?;
        self.gradient_rank = mean(&backward.ranks);
        self.gradients = backward.gradients;
        self.backward_coupling = backward.coupling;
        self.kernel = backward.kernel.map(|kernel| kernel.as_slice().to_vec());
        Ok(())
    }
}

fn mean(ranks: &[usize]) -> Option<f64> {
    (!ranks.is_empty()).then(|| ranks.iter().sum::<usize>() as f64 / ranks.len() as f64)
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
