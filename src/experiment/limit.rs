//! The section `limit`: to what tolerance the limit n = L = ∞ is computed; and the tasks that it is
//! computed from, which are blocks of small independent networks.

use super::check::Check;
use super::grid::{LearningRate, Task};
use super::section::{Range, section};
use super::{
    Backend, Engine, Ensemble, Experiment, Optimizer, Reference, ReferenceKind, Rows, Storage,
    Study, TypedExperiment, WIDEST,
};
use crate::error::Result;
use crate::model::{Block as ResidualBlock, Closure, Parametrization};

/// The depth of the shallowest networks: each further level has twice the depth of the one before. The
/// quarters of the horizon are layers from there on.
pub const FIRST_DEPTH: usize = 4;
/// Beyond this depth no level is added.
pub const LAST_DEPTH: usize = 4096;
/// Networks of the first blocks of a level.
const FIRST_BLOCK: u64 = 16;
/// Blocks after which they have twice as many networks.
const DOUBLING: u64 = 64;
/// Rows of a network go in halves and quarters, of which noise is drawn four rows at a time.
const ROWS: usize = 16;

section! {
    /// The limit of infinite width and depth, by networks of growing depth and extrapolation.
    "limit": TypedLimit (Default) => Limit {
        /// Error allowed in every output f after every recorded update: standard error and bias
        /// bound are each at most this over √2.
        tolerance: Option<f64> => f64 { default: 1e-3, range: Range::Within(1e-7, 1.0), example: 1e-4, }
        /// Width n of the networks that are averaged, a multiple of 16. Their bias, of order 1/n,
        /// is measured by halves and quarters of their rows, and removed. Default: 4096, doubled
        /// for every power of ten, whole or begun, by which the tolerance is below 1e-3.
        width: Option<usize> => usize {
            range: Range::Within(256.0, WIDEST as f64),
            example: 16384,
        }
        /// Whether the noise of shallow networks is made to have exact first and second moments, which
        /// takes most of their variance away. What it adds to the bias is measured with it.
        whitening: Option<bool> => bool { default: true, example: false, }
        /// Number of an independent repetition: each has noise of its own.
        repetition: Option<u32> => u32 {
            default: 0,
            range: Range::Within(0.0, MOST_REPETITIONS as f64),
            example: 1,
        }
    }
}

/// Repetitions have 20 bits in a noise key.
const MOST_REPETITIONS: u32 = (1 << 20) - 1;

impl TypedLimit {
    /// Fills in the defaults.
    ///
    /// # Errors
    /// At the offending field.
    fn resolve(&self, check: &Check) -> Result<Limit> {
        self.check_ranges(check)?;
        let tenths = (1e-3 / self.tolerance()).log10().clamp(0.0, 8.0).ceil();
        let width = self.width.unwrap_or(4096 << tenths as u32);
        if !width.is_multiple_of(ROWS) {
            let help = format!("take {}", width.next_multiple_of(ROWS));
            return check.fail("limit.width", format!("{width} is no multiple of {ROWS}"), &help);
        }
        let (tolerance, whitening, repetition) =
            (self.tolerance(), self.whitening(), self.repetition());
        Ok(Limit { tolerance, width, whitening, repetition })
    }
}

/// Whether an experiment computes limits: by its study, its reference, or because it says how well.
pub fn asks_for_limit(typed: &TypedExperiment) -> bool {
    let by_reference =
        typed.reference.as_ref().is_some_and(|r| r.0.kind == Some(ReferenceKind::Limit));
    typed.study() == Study::Limit || by_reference || typed.limit.is_some()
}

/// The section of a resolved experiment; None where it computes no limit.
///
/// # Errors
/// Where the limit of the experiment does not exist, or is not one that this program computes.
pub fn resolve_limit(
    asked: bool,
    typed: Option<TypedLimit>,
    experiment: &Experiment,
    check: &Check,
) -> Result<Option<Limit>> {
    if !asked {
        return Ok(None);
    }
    let limit = typed.unwrap_or_default().resolve(check)?;
    let Experiment { model, training, ensemble, .. } = experiment;
    let only = [Parametrization::DepthMup];
    if experiment.parametrizations() != only {
        let help = "take depth-mup alone, or leave the limit out";
        let problem = "only depth-μP has a limit of infinite depth that this program computes";
        return check.fail("model.parametrization", problem, help);
    }
    if model.exponents != Parametrization::DepthMup.exponents() {
        let problem = "the limit is that of the exponents of depth-μP";
        return check.fail("model.exponents", problem, "leave the exponents out, or the limit");
    }
    if model.block == ResidualBlock::TwoLayer {
        let problem = "the limit of two-layer blocks is not computed by this program";
        return check.fail("model.block", problem, "take one-layer blocks, or leave the limit out");
    }
    if !model.normalization.is_none() {
        let problem = "the limit of normalised branches is not computed by this program";
        let help = "take normalization none, or leave the limit out";
        return check.fail("model.normalization", problem, help);
    }
    if ensemble.learning_rates.is_some() {
        let problem = "the limit is computed at one learning rate";
        let help = "set training.learning_rate alone, in an experiment for each rate";
        return check.fail("ensemble.learning_rates", problem, help);
    }
    if training.optimizer != Optimizer::Sgd {
        let problem = "the limit is that of gradient descent";
        let help = "take optimizer sgd, or leave the limit out";
        return check.fail("training.optimizer", problem, help);
    }
    if training.batch.size(experiment.data.samples) < experiment.data.samples {
        let problem = "every order of minibatches has a limit of its own";
        return check.fail("training.batch", problem, "take batch full, or leave the limit out");
    }
    if experiment.backend == Backend::Cuda {
        let problem = "limits are computed on the processor";
        return check.fail("backend", problem, "take backend cpu, or leave the limit out");
    }
    if experiment.study == Study::Limit && experiment.engine == Engine::Dense {
        let problem = "limits are computed by the conditional engine";
        return check.fail("engine", problem, "take engine conditional, or leave it out");
    }
    Ok(Some(limit))
}

impl Experiment {
    /// The experiment of the networks of a limit: the conditional engine at the limit's width, with what is
    /// kept at every quarter of the horizon, and no rows.
    pub fn of_limit(&self, limit: &Limit) -> Experiment {
        let mut alone = self.clone();
        alone.engine = Engine::Conditional;
        alone.storage = Storage::Full;
        alone.finest = None;
        alone.reference =
            Reference { kind: ReferenceKind::None, width: None, depth: None, rows: Rows::First(0) };
        alone.ensemble.widths = vec![limit.width];
        alone.ensemble.depths = vec![FIRST_DEPTH];
        alone
    }
}

/// Refuses sizes of finite networks in an experiment of the limit alone.
///
/// # Errors
/// At the first of them.
pub fn refuse_sizes(ensemble: &Ensemble, check: &Check) -> Result<()> {
    let help = "leave it out; study training-convergence with reference limit compares finite \
                networks with the limit";
    for (field, there) in [
        ("ensemble.widths", !ensemble.widths.is_empty()),
        ("ensemble.depths", !ensemble.depths.is_empty()),
        ("ensemble.seeds", ensemble.seeds > 0),
    ] {
        if there {
            return check.fail(field, "study limit has no networks of given sizes", help);
        }
    }
    Ok(())
}

/// What a block of networks is averaged for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Part {
    /// What depth L has more than depth L/2, on one noise; at the first depth its value.
    Whole,
    /// The same less the mean of its halves and quarters of rows, each a network of its own: the bias
    /// of finite width.
    Divided,
}

/// A block of networks of one level, independent of all others: a task.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Block {
    /// The closure that they have.
    pub closure: Closure,
    /// Depth L of the deeper networks of a level: 4, 8, 16, …
    pub depth: usize,
    /// What they are averaged for.
    pub part: Part,
    /// The number of the block, from 0.
    pub number: u64,
}

/// Set in the seed of a block's task, and in the noise keys of its networks: no seed of an ensemble
/// reaches it.
const OF_LIMIT: u64 = 1 << 63;
const WHITENED: u64 = 1 << 62;
const DIVIDED: u64 = 1 << 61;
/// Where the number of the repetition stands in the seed of a task.
const REPETITION: u32 = 40;

impl Block {
    /// The task that stands for the block.
    pub fn task(self, experiment: &Experiment, limit: &Limit) -> Task {
        let mut seed = OF_LIMIT | u64::from(limit.repetition) << REPETITION | self.number;
        if limit.whitening {
            seed |= WHITENED;
        }
        if self.part == Part::Divided {
            seed |= DIVIDED;
        }
        Task {
            closure: self.closure,
            parametrization: Parametrization::DepthMup,
            width: limit.width,
            depth: self.depth,
            learning_rate: LearningRate::new(experiment.training.learning_rate),
            seed,
        }
    }

    /// The block that a task stands for; None of a network of an ensemble.
    pub fn of(task: Task) -> Option<Block> {
        let Task { closure, depth, seed, .. } = task;
        let part = if seed & DIVIDED > 0 { Part::Divided } else { Part::Whole };
        let number = seed & ((1 << REPETITION) - 1);
        (seed & OF_LIMIT > 0).then_some(Block { closure, depth, part, number })
    }

    /// The networks before this block, and those up to its end.
    pub fn networks(self) -> std::ops::Range<u64> {
        networks_of(self.number)..networks_of(self.number + 1)
    }

    /// The noise key of network `network` of all those of its level and part.
    pub fn noise_key(self, limit: &Limit, network: u64) -> u64 {
        /// Networks of a part have 32 bits, levels 6.
        const LEVEL: u32 = 53;
        let part = if self.part == Part::Divided { 1 << 59 } else { 0 };
        let level = u64::from(self.depth.ilog2());
        OF_LIMIT | part | level << LEVEL | u64::from(limit.repetition) << 32 | network
    }

    /// The depth on the same noise that is subtracted; None at the first depth.
    pub fn shallower(self) -> Option<usize> {
        (self.depth > FIRST_DEPTH).then_some(self.depth / 2)
    }
}

/// The networks of the first `blocks` blocks of a part: 16 each at first, so that there is something to
/// share, and twice as many after every 64 blocks, so that a million of them are a few hundred tasks.
pub fn networks_of(blocks: u64) -> u64 {
    let (doublings, rest) = (blocks / DOUBLING, blocks % DOUBLING);
    FIRST_BLOCK * (DOUBLING * ((1 << doublings) - 1) + rest * (1 << doublings))
}

/// The least number of blocks that have at least so many networks.
pub fn blocks_for(networks: f64) -> u64 {
    /// Of so many networks an estimate would take years; and noise keys have 32 bits for them.
    const MOST: u64 = 22 * DOUBLING;
    (1..MOST).find(|&blocks| networks_of(blocks) as f64 >= networks).unwrap_or(MOST)
}
