//! The rounds in which blocks are asked for, replayed from those that are finished: what comes next
//! depends on nothing else, so that a run that was interrupted, shared or repeated ends alike.

use std::collections::BTreeMap;

use super::allocation::{CostOf, Next, Shortfall, depth_of, next, wanted};
use super::estimate::{Estimate, LEAST_LEVELS, Level};
use super::quantities::Quantities;
use super::{BlockRecord, Moments};
use crate::backend::Divergence;
use crate::error::Result;
use crate::experiment::Limit;
use crate::experiment::limit::{Block, Part, blocks_for};
use crate::model::Closure;

/// The limit of one closure, as far as it is known.
#[derive(Clone, Debug, PartialEq)]
pub struct Finished {
    /// The closure that it is of.
    pub closure: Closure,
    /// The levels that it is formed from.
    pub estimate: Estimate,
    /// Why the tolerance is not reached, if it is not.
    pub shortfall: Option<Shortfall>,
}

/// How far the limit of a closure is.
#[derive(Clone, Debug, PartialEq)]
pub enum State {
    /// Blocks of the round at hand are missing.
    Open,
    /// Nothing is left to do.
    Finished(Finished),
    /// A network left the finite numbers: there is no limit to be had.
    Diverged(usize, Divergence),
}

/// The rounds of one closure.
pub struct Replay {
    closure: Closure,
    limit: Limit,
    targets: std::ops::Range<usize>,
    loss: std::ops::Range<usize>,
    /// Blocks that have been asked for, by depth and part.
    asked: BTreeMap<(usize, Part), u64>,
    /// Blocks that are merged into `levels`.
    merged: BTreeMap<(usize, Part), u64>,
    levels: Vec<Level>,
    /// How often blocks were asked for.
    rounds: usize,
    state: State,
}

impl Replay {
    /// The first round: a few blocks of each part at the first three depths, more where they are cheap.
    pub fn new(closure: Closure, limit: &Limit, quantities: &Quantities) -> Replay {
        let parts = |blocks| [(Part::Whole, blocks), (Part::Divided, 1)];
        let first = (0..LEAST_LEVELS).flat_map(|k| {
            parts(1 << (LEAST_LEVELS - k)).map(|(part, blocks)| ((depth_of(k), part), blocks))
        });
        Replay {
            closure,
            limit: limit.clone(),
            targets: quantities.targets.clone(),
            loss: quantities.range("loss"),
            asked: first.collect(),
            merged: BTreeMap::new(),
            levels: Vec::new(),
            rounds: 1,
            state: State::Open,
        }
    }

    /// Goes on with what `load` has, as many rounds as that allows.
    ///
    /// # Errors
    /// Those of `load`.
    pub fn advance(
        &mut self,
        cost: CostOf,
        load: &dyn Fn(Block) -> Result<Option<BlockRecord>>,
    ) -> Result<&State> {
        while self.state == State::Open && self.merge(load)? {
            if let Some(explosion) = self.explosion() {
                self.finish(LEAST_LEVELS, Some(explosion));
                break;
            }
            let sizes = (self.limit.tolerance, self.limit.width);
            match next(&self.levels, &self.targets, sizes, cost) {
                Next::More(more) => {
                    self.rounds += 1;
                    let before = self.asked.clone();
                    for (depth, part, networks) in more {
                        let blocks = self.asked.entry((depth, part)).or_insert(0);
                        *blocks = (*blocks).max(blocks_for(networks));
                    }
                    if self.asked == before {
                        let problem =
                            "there are no more networks: noise has keys for so many".to_owned();
                        let help = "take a larger tolerance".to_owned();
                        self.finish(LEAST_LEVELS, Some(Shortfall { problem, help }));
                    }
                }
                Next::Done(levels) => self.finish(levels, None),
                Next::Short(levels, shortfall) => self.finish(levels, Some(shortfall)),
            }
        }
        Ok(&self.state)
    }

    /// Why no number of networks would do: training that explodes has variances without end.
    fn explosion(&self) -> Option<Shortfall> {
        /// Rounding and noise of losses that hardly move stay below.
        const TIMES: f64 = 2.0;
        let losses = self.levels.first()?.whole.mean.get(self.loss.clone())?;
        let start = *losses.first()?;
        let most = losses.iter().copied().fold(start, f64::max);
        let problem = format!(
            "training explodes: at depth {} the loss rises from {start:.2e} to {most:.2e}",
            depth_of(0)
        );
        let help = "take a smaller training.learning_rate or model.horizon".to_owned();
        (most > TIMES * start).then_some(Shortfall { problem, help })
    }

    fn finish(&mut self, levels: usize, shortfall: Option<Shortfall>) {
        let depths = (0..levels).map(depth_of).collect();
        let estimate = Estimate { levels: self.levels[..levels].to_vec(), depths };
        let closure = self.closure;
        self.state = State::Finished(Finished { closure, estimate, shortfall });
    }

    /// Takes in the blocks of the round; whether all are there.
    fn merge(&mut self, load: &dyn Fn(Block) -> Result<Option<BlockRecord>>) -> Result<bool> {
        for (&(depth, part), &asked) in &self.asked {
            let merged = self.merged.entry((depth, part)).or_insert(0);
            while *merged < asked {
                let block = Block { closure: self.closure, depth, part, number: *merged };
                let Some(record) = load(block)? else { return Ok(false) };
                if let Some(at) = record.diverged {
                    self.state = State::Diverged(depth, at);
                    return Ok(false);
                }
                let index = (depth / depth_of(0)).ilog2() as usize;
                while self.levels.len() <= index {
                    self.levels.push(Level::default());
                }
                let level = &mut self.levels[index];
                match part {
                    Part::Whole => level.whole.merge(&record.value),
                    Part::Divided => {
                        level.divided.merge(&record.value);
                        level.change.merge(record.change.as_ref().unwrap_or(&Moments::default()));
                    }
                }
                *merged += 1;
            }
        }
        Ok(true)
    }

    /// Every block that has been asked for, finished or not.
    pub fn asked(&self) -> Vec<Block> {
        let closure = self.closure;
        let blocks = |(&(depth, part), &count): (&(usize, Part), &u64)| {
            (0..count).map(move |number| Block { closure, depth, part, number })
        };
        self.asked.iter().flat_map(blocks).collect()
    }

    /// What all networks cost that the levels so far ask for, to the end; None before there are any.
    pub fn predicted_cost(&self, cost: CostOf) -> Option<f64> {
        self.so_far()?;
        let sizes = (self.limit.tolerance, self.limit.width);
        let wanted = wanted(&self.levels, &self.targets, sizes.0, cost);
        Some(wanted.into_iter().map(|(level, part, n)| n * cost(depth_of(level), part)).sum())
    }

    /// How far it is.
    pub fn state(&self) -> &State {
        &self.state
    }

    /// The number of the round at hand, from 1.
    pub fn round(&self) -> usize {
        self.rounds
    }

    /// The estimate of all levels so far, where there are enough and all have begun.
    pub fn so_far(&self) -> Option<Estimate> {
        let begun = |level: &&Level| level.whole.count > 1 && level.divided.count > 1;
        let levels: Vec<Level> = self.levels.iter().take_while(begun).cloned().collect();
        let depths = (0..levels.len()).map(depth_of).collect();
        (levels.len() >= LEAST_LEVELS).then_some(Estimate { levels, depths })
    }

    /// The closure that it is of.
    pub fn closure(&self) -> Closure {
        self.closure
    }
}
