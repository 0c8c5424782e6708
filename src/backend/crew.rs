//! Networks of one shape that take every step together: as many members of an ensemble as a device has
//! in flight.

use std::convert::Infallible;

use super::{BackwardSweep, Covariances, Divergence, ForwardSweep, Set, Sweeps, Update};
use crate::model::Loss;

/// A pass that nobody looks at.
#[derive(Clone, Copy, Debug)]
pub struct Unseen<'a> {
    /// Updates done.
    pub step: u32,
    /// Positions of the samples of each member.
    pub batches: &'a [Vec<usize>],
    /// Their labels, B×O a member.
    pub labels: &'a [Vec<f64>],
    /// What is descended.
    pub loss: Loss,
    /// The update after it.
    pub update: Update,
}

/// Members in step. What is said of one network in [`Sweeps`] holds for each; results are in the order
/// of the members.
pub trait Crew {
    /// What can go wrong beside the mathematics.
    type Fault;

    /// How many there are.
    fn members(&self) -> usize;

    /// See [`Sweeps::forward`].
    ///
    /// # Errors
    /// What the machine refuses; the members are lost then.
    fn forward(
        &mut self,
        step: u32,
        batches: &[Vec<usize>],
        record: bool,
    ) -> Result<Vec<ForwardSweep>, Self::Fault>;

    /// See [`Sweeps::evaluate`].
    ///
    /// # Errors
    /// As of [`Crew::forward`].
    fn evaluate(&mut self, step: u32, set: Set) -> Result<Vec<Vec<f64>>, Self::Fault>;

    /// See [`Sweeps::backward`].
    ///
    /// # Errors
    /// As of [`Crew::forward`].
    fn backward(
        &mut self,
        step: u32,
        chi: &[Vec<f64>],
        update: Option<&Update>,
    ) -> Result<Vec<BackwardSweep>, Self::Fault>;

    /// A pass and its update, of which nothing is kept but where it left the finite numbers.
    ///
    /// # Errors
    /// As of [`Crew::forward`]; possibly only by a later call.
    fn pass(&mut self, pass: &Unseen) -> Result<(), Self::Fault>;

    /// Where the unseen passes so far left the finite numbers.
    ///
    /// # Errors
    /// As of [`Crew::forward`].
    fn divergences(&mut self) -> Result<Vec<Option<Divergence>>, Self::Fault>;

    /// See [`Sweeps::covariances`].
    fn covariances(&self) -> Vec<Option<Vec<Covariances>>>;
}

/// A crew of one.
pub struct Single<'a> {
    network: &'a mut dyn Sweeps,
    divergence: Option<Divergence>,
}

impl<'a> Single<'a> {
    /// A network at initialisation.
    pub fn new(network: &'a mut dyn Sweeps) -> Self {
        Single { network, divergence: None }
    }
}

impl Crew for Single<'_> {
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

    fn pass(&mut self, pass: &Unseen) -> Result<(), Infallible> {
        if self.divergence.is_some() {
            return Ok(());
        }
        let Unseen { step, batches, labels, loss, update } = pass;
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
}
