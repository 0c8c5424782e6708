//! Networks of one shape that take every step together: as many members of an ensemble as a device has
//! in flight.

use std::convert::Infallible;
use std::ops::DerefMut;

use super::archive::{Archive, Walked};
use super::{BackwardSweep, Covariances, Divergence, ForwardSweep, Set, Sweeps, Update};
use crate::model::Loss;

/// A pass that is not recorded, and its update.
#[derive(Clone, Copy, Debug)]
pub struct UnrecordedPass<'a> {
    /// Number of updates that were done before the pass.
    pub step: u32,
    /// Positions of each member's samples among the training samples, B a member.
    pub batches: &'a [Vec<usize>],
    /// Labels of these samples, B×O a member with the output index fastest.
    pub labels: &'a [Vec<f64>],
    /// The loss whose derivative by f is the signal χ.
    pub loss: Loss,
    /// The update that follows the pass.
    pub update: Update,
}

/// Members in step. What is said of one network in [`Sweeps`] holds for each; results are in the order
/// of the members.
pub trait Crew {
    /// What can go wrong beside the mathematics: what a device refuses, or nothing.
    type Fault: std::error::Error + Send + Sync + 'static;

    /// The number of networks in the crew.
    fn members(&self) -> usize;

    /// The forward pass `step` of every member through its samples; see [`Sweeps::forward`].
    ///
    /// # Errors
    /// What the machine refuses; the members are lost then.
    fn forward(
        &mut self,
        step: u32,
        batches: &[Vec<usize>],
        record: bool,
    ) -> Result<Vec<ForwardSweep>, Self::Fault>;

    /// Outputs of every member at all samples of `set`; see [`Sweeps::evaluate`].
    ///
    /// # Errors
    /// As of [`Crew::forward`].
    fn evaluate(&mut self, step: u32, set: Set) -> Result<Vec<Vec<f64>>, Self::Fault>;

    /// The backward pass of every member, with its χ, and the update; see [`Sweeps::backward`].
    ///
    /// # Errors
    /// As of [`Crew::forward`].
    fn backward(
        &mut self,
        step: u32,
        chi: &[Vec<f64>],
        update: Option<&Update>,
    ) -> Result<Vec<BackwardSweep>, Self::Fault>;

    /// Makes a pass and its update, of which nothing is kept but where it left the finite numbers.
    ///
    /// # Errors
    /// As of [`Crew::forward`]; possibly only by a later call.
    fn pass(&mut self, pass: &UnrecordedPass) -> Result<(), Self::Fault>;

    /// Where the unrecorded passes so far left the finite numbers, member by member.
    ///
    /// # Errors
    /// As of [`Crew::forward`].
    fn divergences(&mut self) -> Result<Vec<Option<Divergence>>, Self::Fault>;

    /// Covariances of every member over the passes so far; see [`Sweeps::covariances`].
    fn covariances(&self) -> Vec<Option<Vec<Covariances>>>;

    /// Walks over the state of a member between two passes; see [`Sweeps::archive`]. It does not say where
    /// unrecorded passes left the finite numbers, which [`Crew::divergences`] does.
    ///
    /// # Errors
    /// Those of the archive; `Other` with what the machine refuses.
    fn archive(&mut self, member: usize, archive: &mut Archive) -> Walked;
}

/// A crew of one network, owned or borrowed, on any backend that has [`Sweeps`].
pub struct Single<N> {
    network: N,
    divergence: Option<Divergence>,
}

impl<N> Single<N> {
    /// The crew of a network that is at its initialisation.
    pub fn new(network: N) -> Self {
        Single { network, divergence: None }
    }
}

impl<N: DerefMut<Target: Sweeps>> Crew for Single<N> {
    type Fault = Infallible;

    fn members(&self) -> usize {
        1
    }

    fn forward(
        &mut self,
        step: u32,
        batches: &[Vec<usize>],
        record: bool,
    ) -> Result<Vec<ForwardSweep>, Infallible> {
        Ok(vec![self.network.forward(step, &batches[0], record)])
    }

    fn evaluate(&mut self, step: u32, set: Set) -> Result<Vec<Vec<f64>>, Infallible> {
        Ok(vec![self.network.evaluate(step, set)])
    }

    fn backward(
        &mut self,
        step: u32,
        chi: &[Vec<f64>],
        update: Option<&Update>,
    ) -> Result<Vec<BackwardSweep>, Infallible> {
        Ok(vec![self.network.backward(step, &chi[0], update)])
    }

    fn pass(&mut self, pass: &UnrecordedPass) -> Result<(), Infallible> {
        if self.divergence.is_some() {
            return Ok(());
        }
        let UnrecordedPass { step, batches, labels, loss, update } = pass;
        let forward = self.network.forward(*step, &batches[0], false);
        let finite = forward.f.iter().all(|f| f.is_finite());
        if forward.nonfinite.is_some() || !finite {
            self.divergence = Some(Divergence { step: *step, layer: forward.nonfinite });
            return Ok(());
        }
        let outputs = labels[0].len() / batches[0].len();
        let chi = loss.chi(&forward.f, &labels[0], outputs);
        let backward = self.network.backward(*step, &chi, Some(update));
        let layer = backward.nonfinite;
        self.divergence = layer.map(|_| Divergence { step: *step, layer });
        Ok(())
    }

    fn divergences(&mut self) -> Result<Vec<Option<Divergence>>, Infallible> {
        Ok(vec![self.divergence])
    }

    fn covariances(&self) -> Vec<Option<Vec<Covariances>>> {
        vec![self.network.covariances()]
    }

    fn archive(&mut self, _member: usize, archive: &mut Archive) -> Walked {
        self.network.archive(archive)
    }
}
