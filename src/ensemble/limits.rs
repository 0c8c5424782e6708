//! The limits of an experiment, closure by closure: which tasks they ask for, and how far they are.

use std::collections::HashMap;
use std::sync::atomic::AtomicBool;

use super::blocks::{self, work_of_one};
use super::cost::{Cost, cost_of_block};
use super::in_parallel;
use crate::data::DataSet;
use crate::error::{Error, Result};
use crate::experiment::grid::Task;
use crate::experiment::limit::{Block, Part};
use crate::experiment::{Experiment, Limit, Study};
use crate::limit::{BlockRecord, Finished, Quantities, Replay, State};
use crate::model::Closure;
use crate::numbers::measured;
use crate::store::RunDirectory;

/// The limits of an experiment, as far as they are.
pub struct Limits<'a> {
    experiment: &'a Experiment,
    data: &'a DataSet,
    limit: &'a Limit,
    quantities: Quantities,
    replays: Vec<Replay>,
}

impl<'a> Limits<'a> {
    /// At their beginning; None where the experiment asks for none.
    pub fn new(experiment: &'a Experiment, data: &'a DataSet) -> Option<Limits<'a>> {
        let limit = experiment.limit.as_ref()?;
        let quantities = Quantities::new(&experiment.of_limit(limit), data);
        let closures = experiment.ensemble.closures.iter();
        let replays = closures.map(|&closure| Replay::new(closure, limit, &quantities)).collect();
        Some(Limits { experiment, data, limit, quantities, replays })
    }

    /// The tasks of all blocks that have been asked for so far.
    pub fn tasks(&self) -> Vec<(Task, Cost)> {
        let blocks = self.replays.iter().flat_map(Replay::asked);
        blocks.map(|block| self.planned(block)).collect()
    }

    fn planned(&self, block: Block) -> (Task, Cost) {
        (
            block.task(self.experiment, self.limit),
            cost_of_block(self.experiment, self.limit, self.data, block),
        )
    }

    /// Goes on with the blocks that `store` has, as many rounds as those allow; whether nothing is left
    /// to do.
    ///
    /// # Errors
    /// The store's; [`Error::NoLimit`] where a network diverged.
    pub fn advance(&mut self, store: &RunDirectory) -> Result<bool> {
        self.advance_tasks(&|task| store.load::<BlockRecord>(task))
    }

    /// The same with records by task.
    ///
    /// # Errors
    /// Those of `load`; [`Error::NoLimit`] where a network diverged.
    pub fn advance_tasks(
        &mut self,
        load: &dyn Fn(Task) -> Result<Option<BlockRecord>>,
    ) -> Result<bool> {
        let Limits { experiment, limit, .. } = *self;
        self.advance_with(&|block| load(block.task(experiment, limit)))
    }

    /// The same with blocks from anywhere.
    ///
    /// # Errors
    /// Those of `load`; [`Error::NoLimit`] where a network diverged.
    pub fn advance_with(
        &mut self,
        load: &dyn Fn(Block) -> Result<Option<BlockRecord>>,
    ) -> Result<bool> {
        let Limits { experiment, data, limit, .. } = *self;
        let mut done = true;
        for replay in &mut self.replays {
            let closure = replay.closure();
            let seconds = seconds_of_one(experiment, limit, data, closure);
            match replay.advance(&seconds, load)? {
                State::Open => done = false,
                State::Finished(_) => {}
                // Beside other things that an experiment asks for, a limit that is not there is left out.
                State::Diverged(..) if experiment.study != Study::Limit => {}
                State::Diverged(depth, at) => {
                    return Err(Error::NoLimit {
                        problem: format!(
                            "{}: a network of width {} and depth {depth} diverged after {} updates",
                            closure.name(),
                            limit.width,
                            at.step
                        ),
                        help: "take a smaller training.learning_rate or model.horizon".to_owned(),
                    });
                }
            }
        }
        Ok(done)
    }

    /// Computes so many rounds at most on `threads` workers, without recording them anywhere; whether nothing
    /// is left to do.
    ///
    /// # Errors
    /// [`Error::NoLimit`] where a network diverged.
    pub fn compute(&mut self, threads: usize, rounds: usize) -> Result<bool> {
        let Limits { experiment, data, limit, .. } = *self;
        let never = AtomicBool::new(false);
        let mut made: HashMap<Block, BlockRecord> = HashMap::new();
        for _ in 0..rounds {
            let mut asked: Vec<Block> = self.replays.iter().flat_map(Replay::asked).collect();
            asked.retain(|block| !made.contains_key(block));
            let averaged = in_parallel(threads, &asked, |&block| {
                let record = blocks::average(experiment, limit, data, block, &never);
                Ok(record.map(|record| (block, record)))
            })?;
            made.extend(averaged.unwrap_or_default());
            if self.advance_with(&|block| Ok(made.get(&block).cloned()))? {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// What the limits take in all, by what is known so far, closure by closure: seconds of one core of the
    /// cost model.
    pub fn predicted(&self) -> Vec<(Closure, Option<f64>)> {
        let Limits { experiment, data, limit, .. } = *self;
        let predicted = |replay: &Replay| {
            let closure = replay.closure();
            let seconds = seconds_of_one(experiment, limit, data, closure);
            (closure, replay.predicted_cost(&seconds))
        };
        self.replays.iter().map(predicted).collect()
    }

    /// Those that are finished.
    pub fn finished(&self) -> Vec<Finished> {
        let finished = |replay: &Replay| match replay.state() {
            State::Finished(finished) => Some(finished.clone()),
            _ => None,
        };
        self.replays.iter().filter_map(finished).collect()
    }

    /// Which numbers they have.
    pub fn quantities(&self) -> &Quantities {
        &self.quantities
    }

    /// How far each is, in a line of words.
    pub fn describe(&self) -> Vec<String> {
        let worst = |replay: &Replay| {
            let estimate = replay.so_far()?;
            let targets = self.quantities.targets.clone();
            let numbers: Vec<_> = targets.map(|i| estimate.number(i)).collect();
            let most = |of: &dyn Fn(usize) -> f64| (0..numbers.len()).map(of).fold(0.0, f64::max);
            let depth = estimate.depths.last().copied().unwrap_or(0);
            Some(format!(
                "standard error {}, bias at most {} of f, from depths to {depth}",
                measured(most(&|i| numbers[i].standard_error)),
                measured(most(&|i| numbers[i].bias_bound)),
            ))
        };
        let line = |replay: &Replay| {
            let name = replay.closure().name();
            let state = match replay.state() {
                State::Finished(Finished { shortfall: None, .. }) => "done".to_owned(),
                State::Finished(_) => "tolerance not reached".to_owned(),
                State::Diverged(depth, at) => {
                    format!("none: a network of depth {depth} diverged after {} updates", at.step)
                }
                _ => format!("round {}", replay.round()),
            };
            let errors = worst(replay).unwrap_or_else(|| "nothing known yet".to_owned());
            format!("limit of {name}: {state}: {errors}")
        };
        self.replays.iter().map(line).collect()
    }
}

/// Seconds of one network of a depth and part by the uncalibrated cost model, which does not depend on the
/// machine: what is asked for next must not.
fn seconds_of_one<'a>(
    experiment: &'a Experiment,
    limit: &'a Limit,
    data: &'a DataSet,
    closure: Closure,
) -> impl Fn(usize, Part) -> f64 + use<'a> {
    let alone = experiment.of_limit(limit);
    let speeds = (alone.costs().speeds)(alone.number_bytes());
    move |depth, part| {
        let block = Block { closure, depth, part, number: 0 };
        speeds.seconds(&work_of_one(experiment, limit, data, block))
    }
}
