//! A block of networks of the limit: trained one after the other, averaged as they come.

use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use super::task::{conditional, training};
use crate::backend::cost::Work;
use crate::backend::cpu::conditional::matched::{Drawn, MatchedColumns, MatchedNoise};
use crate::data::DataSet;
use crate::engine::{self, Divergence};
use crate::experiment::grid::Task;
use crate::experiment::limit::{Block, FIRST_DEPTH, Part};
use crate::experiment::run::DataSizes;
use crate::experiment::{Experiment, Limit};
use crate::limit::{BlockRecord, Moments, Quantities};
use crate::rng::noise::{BrownianPath, FromRow, Noise};
use crate::rng::normal::Instructions;

/// Rows for every column that is made uncorrelated with all others, of the whole network: its quarters
/// have four.
const ROWS_OF_A_COLUMN: usize = 16;

/// Trains the networks of `block` and averages what has a limit; None when `stop` was set before.
///
/// Differences on one noise are of the same rows: those of a half or quarter are a network of their own,
/// of that width, whose noise is that of these rows.
pub fn average(
    experiment: &Experiment,
    limit: &Limit,
    data: &DataSet,
    block: Block,
    stop: &AtomicBool,
) -> Option<BlockRecord> {
    let experiment = &experiment.of_limit(limit);
    let quantities = Quantities::new(experiment, data);
    let mut record = BlockRecord { value: Moments::default(), change: None, diverged: None };
    let mut changes = Moments::default();
    let n = limit.width;
    for network in block.networks() {
        let one = Rows { experiment, limit, data, quantities: &quantities, block, network };
        let mean = |parts: usize| -> Outcome {
            let rows = n / parts;
            let mut sum = vec![0.0; quantities.length];
            for part in 0..parts {
                let values = one.difference((part * rows, rows), stop)?;
                sum.iter_mut().zip(values).for_each(|(sum, value)| *sum += value / parts as f64);
            }
            Ok(sum)
        };
        let averaged = mean(1).and_then(|whole| match block.part {
            Part::Whole => Ok((whole, None)),
            Part::Divided => {
                let (halves, quarters) = (mean(2)?, mean(4)?);
                let bias: Vec<f64> = whole.iter().zip(&halves).map(|(w, h)| w - h).collect();
                let pairs = bias.iter().zip(halves.iter().zip(&quarters));
                let change = |(bias, (h, q)): (&f64, (&f64, &f64))| (2.0 * bias - (h - q)) / 3.0;
                let change = pairs.map(change).collect();
                Ok((bias, Some(change)))
            }
        });
        match averaged {
            Ok((value, change)) => {
                record.value.push(&value);
                change.iter().for_each(|change: &Vec<f64>| changes.push(change));
            }
            Err(None) => return None,
            Err(diverged) => {
                let nothing = Moments::default();
                return Some(BlockRecord { value: nothing, change: None, diverged });
            }
        }
    }
    record.change = (block.part == Part::Divided).then_some(changes);
    Some(record)
}

/// Numbers of a run, or why there are none: it diverged, or was stopped.
type Outcome = Result<Vec<f64>, Option<Divergence>>;

/// One network of a block, as a whole or some rows of it.
struct Rows<'a> {
    experiment: &'a Experiment,
    limit: &'a Limit,
    data: &'a DataSet,
    quantities: &'a Quantities,
    block: Block,
    network: u64,
}

impl Rows<'_> {
    /// What the network of these rows has at the depth of the level more than at half of it.
    fn difference(&self, rows: (usize, usize), stop: &AtomicBool) -> Outcome {
        let Rows { experiment, limit, data, block, network, .. } = *self;
        let (key, depth) = (block.noise_key(limit, network), block.depth as u32);
        let drawn = drawn(experiment, data, block.depth);
        let columns = whitens(limit, &drawn).then(|| {
            let path = BrownianPath::new(key, depth, depth);
            MatchedColumns::new(Instructions::detect(), &drawn, &path, rows)
        });
        let columns = columns.flatten().map(Arc::new);
        let noise = |read: usize| -> Box<dyn Noise> {
            let path = BrownianPath::new(key, depth, read as u32);
            match &columns {
                Some(columns) => Box::new(MatchedNoise::new(columns.clone(), path)),
                None => Box::new(FromRow { noise: path, first: rows.0 }),
            }
        };
        let at = |depth: usize| self.values(rows.1, depth, noise(depth), stop);
        let mut values = at(block.depth)?;
        if let Some(shallower) = block.shallower() {
            let less = at(shallower)?;
            values.iter_mut().zip(less).for_each(|(value, less)| *value -= less);
        }
        Ok(values)
    }

    fn values(
        &self,
        width: usize,
        depth: usize,
        noise: Box<dyn Noise>,
        stop: &AtomicBool,
    ) -> Outcome {
        let Rows { experiment, limit, data, quantities, block, .. } = *self;
        let task = Task { width, depth, ..block.task(experiment, limit) };
        let network = experiment.network(DataSizes::of(data), task);
        let probe = experiment.probe(depth);
        let samples = (data.train.clone(), data.test.clone());
        let mut network = conditional(experiment, network, noise, probe, samples);
        let training = training(experiment, data, task);
        let run = engine::train(&mut *network, &training, stop).ok_or(None)?;
        match run.diverged {
            Some(at) => Err(Some(at)),
            None => Ok(quantities.of(experiment, data, task, &run)),
        }
    }
}

/// The columns that networks of the limit draw on a grid of `depth` layers.
fn drawn<'a>(experiment: &Experiment, data: &'a DataSet, depth: usize) -> Drawn<'a> {
    Drawn { train: &data.train, steps: experiment.training.steps, depth }
}

/// Whether the columns of a level have their moments matched: at the first depth, whose variance is
/// nearly all there is and whose columns are few. (At the next the variance falls by three, and the work
/// grows by as much.)
fn whitens(limit: &Limit, drawn: &Drawn) -> bool {
    let few = ROWS_OF_A_COLUMN * drawn.columns() <= limit.width;
    limit.whitening && few && drawn.depth == FIRST_DEPTH
}

/// The work of one network of a block of this depth and part, halves and quarters and the shallower
/// network included.
pub fn work_of_one(experiment: &Experiment, limit: &Limit, data: &DataSet, block: Block) -> Work {
    let experiment = &experiment.of_limit(limit);
    let sizes = DataSizes::of(data);
    let at = |depth: usize| {
        let task = Task { depth, ..block.task(experiment, limit) };
        let run = experiment.run_shape(sizes, task);
        let run = crate::backend::cost::RunShape { finest: block.depth, ..run };
        (experiment.costs().work)(&experiment.network(sizes, task), &run)
    };
    let mut work = at(block.depth);
    if let Some(shallower) = block.shallower() {
        work = work.plus(&at(shallower));
    }
    let drawn = drawn(experiment, data, block.depth);
    if whitens(limit, &drawn) {
        // Products in f64 for the moments, then combinations of all columns.
        work.flops += 6.0 * limit.width as f64 * (drawn.columns() as f64).powi(2);
    }
    match block.part {
        Part::Whole => work,
        Part::Divided => work.times(3.0),
    }
}
