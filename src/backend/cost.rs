//! What a run costs, on paper: the memory that it takes, its work from its sizes, and the speeds that turn
//! work into seconds.
//!
//! Every engine of every backend has a [`Costs`] beside its allocations, in its file `cost.rs`. What an
//! engine computes whatever the backend is here: [`Work::of_dense`], [`Work::of_conditional`].

use super::{EVALUATED_AT_ONCE, Network, Probe};
use crate::model::{Groups, Norm, Rule};

/// What the costs of a run depend on beside its network.
#[derive(Clone, Debug, PartialEq)]
pub struct RunShape {
    /// Number of training samples.
    pub train: usize,
    /// Number of test samples.
    pub test: usize,
    /// Dimension d of the inputs.
    pub dimension: usize,
    /// Samples B of a pass: all training samples, or those of a minibatch.
    pub batch: usize,
    /// Number of passes, the last one, which updates nothing, included.
    pub passes: usize,
    /// Number of passes that are recorded.
    pub recorded: usize,
    /// Layers of the finest grid that the noise is drawn on.
    pub finest: usize,
    /// Bytes of a number in vectors and weights: 4 or 8.
    pub number: usize,
    /// Whether initial hidden weights are kept in bf16 (dense engine).
    pub frozen: bool,
    /// Momentum μ of updates: with some, what is trained has a velocity.
    pub momentum: f64,
    /// What turns gradients into updates.
    pub rule: Rule,
    /// Which groups of weights are trained.
    pub trained: Groups,
    /// What is kept of recorded passes.
    pub probe: Probe,
}

impl RunShape {
    /// Whether passes are of minibatches, and not of all training samples.
    pub fn minibatches(&self) -> bool {
        self.batch < self.train
    }

    /// Samples of training and test that a recorded pass evaluates besides: the test samples, with
    /// minibatches all training samples too.
    pub fn evaluated(&self) -> [usize; 2] {
        [if self.minibatches() { self.train } else { 0 }, self.test]
    }

    /// The most samples that are evaluated together.
    pub fn evaluated_at_once(&self) -> usize {
        let [train, test] = self.evaluated();
        train.max(test).min(EVALUATED_AT_ONCE)
    }

    /// Numbers that are held for each number that is trained: itself, its velocity where there is momentum,
    /// and two running means with Adam.
    pub fn copies(&self) -> f64 {
        1.0 + self.rule.kept(self.momentum) as f64
    }
}

/// Memory that one run takes at its peak.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Footprint {
    /// Bytes of the machine's memory.
    pub host: f64,
    /// Bytes of a device's memory, at most; 0 where there is no device.
    pub device: f64,
    /// Bytes of a device's memory to begin with, where more is taken as it is needed.
    pub device_at_first: f64,
}

/// What one run computes.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Work {
    /// Floating point operations of the products.
    pub flops: f64,
    /// Number of Gaussians drawn.
    pub normals: f64,
    /// Number of activations and derivatives evaluated.
    pub activations: f64,
    /// Bytes of weights that come from memory, because no cache holds them: of dense ones, and on a
    /// GPU of columns.
    pub streamed: f64,
}

/// What one engine of one backend costs.
#[derive(Clone, Copy, Debug)]
pub struct Costs {
    /// The work of a run.
    pub work: fn(&Network, &RunShape) -> Work,
    /// The memory of a run.
    pub footprint: fn(&Network, &RunShape) -> Footprint,
    /// The speeds with numbers of so many bytes, 4 or 8, before any measurement.
    pub speeds: fn(usize) -> Speeds,
    /// Rows that are one thread's least share of a run; None where threads cannot share one.
    pub rows_of_a_thread: Option<usize>,
}

/// Bytes of the host's memory that a run takes whatever its size.
pub const OVERHEAD: f64 = 1e6;

/// Operations of products, for each number cubed, in the time that a singular value decomposition takes; so also five
/// Newton–Schulz steps of small matrices, in f64 and on one thread.
const DECOMPOSITION: f64 = 600.0;

/// Operations of five Newton–Schulz steps by products of whole weight matrices, for each number cubed.
const NEWTON_SCHULZ: f64 = 30.0;

/// Evaluations of an activation in the time that one weight takes to follow a rule that is not gradient descent, of
/// which D is made apart from W: 6 ns, measured with Adam in f32 at n = 512.
const FOLLOWED: f64 = 6.0;

/// Bytes of weights that a core finds in its caches again.
const CACHED: f64 = 8e6;

impl Work {
    /// The work of both.
    pub fn plus(&self, other: &Work) -> Work {
        Work {
            flops: self.flops + other.flops,
            normals: self.normals + other.normals,
            activations: self.activations + other.activations,
            streamed: self.streamed + other.streamed,
        }
    }

    /// So many times this work.
    pub fn times(&self, count: f64) -> Work {
        Work {
            flops: self.flops * count,
            normals: self.normals * count,
            activations: self.activations * count,
            streamed: self.streamed * count,
        }
    }

    /// The work of the dense engine.
    pub fn of_dense(network: &Network, run: &RunShape) -> Work {
        let (passes, batch) = (run.passes as f64, run.batch as f64);
        let (recorded, fine) = (run.recorded as f64, run.finest as f64);
        let layers = network.matrices_of_a_block();
        let matrices = network.matrices_of_a_weight();
        let each = network.weights_of_a_block();
        let weights = network.depth as f64 * each;
        // Read forward, read and written backward, and W⁽⁰⁾ for the own movement; in bf16 read twice.
        let (held, traffic) = match run.frozen {
            false => {
                let size = run.number as f64;
                (size, size * (matrices * 3.0 * passes + recorded / layers))
            }
            true => (2.0, 2.0 * 2.0 * passes),
        };
        let cached = matrices * weights * held <= CACHED;
        let normalizing = match run.rule {
            Rule::Normalized { norm: Norm::Polar | Norm::Spectral, .. } => DECOMPOSITION,
            Rule::Normalized { norm: Norm::NewtonSchulz, .. } => NEWTON_SCHULZ,
            _ => 0.0,
        };
        Work {
            // The own movement is of one matrix a block.
            flops: weights
                * (passes * 6.0 * batch
                    + recorded * 2.0 * (batch / layers + evaluated(run))
                    + (passes - 1.0) * normalizing * network.width as f64),
            normals: each * fine * matrices,
            activations: activations(network, run)
                + match run.rule {
                    Rule::Descent => 0.0,
                    _ => FOLLOWED * weights * (passes - 1.0),
                },
            streamed: if cached { 0.0 } else { weights * traffic },
        }
    }

    /// The work of the conditional engine where reading columns takes no time beside what is done to
    /// them.
    pub fn of_conditional(network: &Network, run: &RunShape) -> Work {
        let (passes, batch) = (run.passes as f64, run.batch as f64);
        let (recorded, fine) = (run.recorded as f64, run.finest as f64);
        // Rows of a query and of its answer, a mean over both directions.
        let rows = rows_of_a_query(network);
        let layers = network.matrices_of_a_block();
        // A query of r columns is projected three times or four, its answer and drift read some five
        // arrays more, and the couplings one: 20 n r P.
        let evaluated_each = 6.0 * evaluated(run) * recorded / passes;
        let ranks = Ranks::of(network, run);
        let normalizing = match run.rule {
            // Ranks grow from update to update: of their cubes a quarter of the last on average.
            Rule::Normalized { .. } => {
                0.25 * DECOMPOSITION * ranks.largest.powi(3) * (passes - 1.0) * network.depth as f64
            }
            _ => 0.0,
        };
        Work {
            flops: rows * ranks.asked * (20.0 * batch + evaluated_each) + normalizing * layers,
            normals: layers * fine * rows * (passes * 2.0 * batch + recorded * evaluated(run)),
            activations: activations(network, run),
            streamed: 0.0,
        }
    }
}

/// Samples that a recorded pass evaluates besides.
fn evaluated(run: &RunShape) -> f64 {
    run.evaluated().iter().sum::<usize>() as f64
}

fn activations(network: &Network, run: &RunShape) -> f64 {
    let (passes, recorded, batch) = (run.passes as f64, run.recorded as f64, run.batch as f64);
    // Of h, and of z.
    let rows = network.matrices_of_a_block() * rows_of_a_query(network);
    network.depth as f64 * rows * (passes * 2.0 * batch + recorded * evaluated(run))
}

/// Rows of a vector that a hidden matrix is multiplied with, a mean over its two sides: n where blocks have
/// one matrix, (n + M)/2 where they have two.
pub fn rows_of_a_query(network: &Network) -> f64 {
    (network.width + network.width_read()) as f64 / 2.0
}

/// Columns of the conditional engine, the most there can be; each has a query and its answer.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Ranks {
    /// Stored columns after the last pass, of both directions and all matrices.
    pub stored: f64,
    /// Stored columns of one matrix and direction.
    pub largest: f64,
    /// The sum over all queries of the columns that each meets, its own included.
    pub asked: f64,
}

impl Ranks {
    /// The columns of a run of `network`.
    pub fn of(network: &Network, run: &RunShape) -> Self {
        let (n, samples) = (network.width as f64, run.train as f64);
        let (passes, batch) = (run.passes as f64, run.batch as f64);
        // Every pass brings `each` columns at most, until all together are `limit`.
        let growing = |each: f64, limit: f64| {
            let growing = passes.min((limit / each).floor());
            let sum = each * growing * (growing + 1.0) / 2.0 + limit * (passes - growing);
            (limit.min(passes * each), sum)
        };
        let (largest, inner) = growing(batch, n);
        // Layer 1 reads h_0, which brings nothing new while the input is frozen; layer L is asked
        // about combinations of V, as many as there are outputs.
        let (first, first_asked) =
            growing(batch, if run.trained.input { n } else { n.min(samples) });
        let outputs = network.outputs as f64;
        let each = batch.min(outputs);
        let (last, last_asked) =
            growing(each, if run.trained.readout { n } else { n.min(outputs) });
        let others = 2.0 * (network.depth as f64 - 1.0);
        // φ(z) and r of an inner layer.
        let (stored_inner, asked_inner) = match network.scales.inner {
            None => (0.0, 0.0),
            Some(inner) => growing(batch, inner.width as f64),
        };
        let of_inner = 2.0 * network.depth as f64;
        Ranks {
            stored: others * largest + first + last + of_inner * stored_inner,
            largest: largest.max(stored_inner),
            asked: others * inner + first_asked + last_asked + of_inner * asked_inner,
        }
    }
}

/// What one core, or one GPU, does in a second.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Speeds {
    /// Floating point operations of products a second.
    pub flops: f64,
    /// Gaussians drawn a second.
    pub normals: f64,
    /// Activations and derivatives evaluated a second.
    pub activations: f64,
    /// Bytes of weights a second that are in memory and not in a cache, beside what is done to them.
    pub streamed: f64,
    /// Measured over estimated seconds; 1 without measurements.
    pub factor: f64,
    /// Number of timings that the factor rests on.
    pub timings: usize,
}

impl Speeds {
    /// Speeds that no measurement of the machine at hand has corrected: \[flops, normals, activations,
    /// streamed bytes\] a second.
    pub const fn uncalibrated([flops, normals, activations, streamed]: [f64; 4]) -> Speeds {
        Speeds { flops, normals, activations, streamed, factor: 1.0, timings: 0 }
    }

    /// These speeds, slower by the median ratio of measured to estimated seconds.
    pub fn calibrated(self, measured: &[(Work, f64)]) -> Speeds {
        let plain = Speeds { factor: 1.0, ..self };
        let mut ratios: Vec<f64> =
            measured.iter().map(|(work, seconds)| seconds / plain.seconds(work)).collect();
        ratios.retain(|ratio| ratio.is_finite() && *ratio > 0.0);
        ratios.sort_by(f64::total_cmp);
        match ratios.get(ratios.len() / 2) {
            Some(&factor) => Speeds { factor, timings: ratios.len(), ..plain },
            None => self,
        }
    }

    /// Seconds that `work` takes on one core, or one GPU.
    pub fn seconds(&self, work: &Work) -> f64 {
        self.factor
            * (work.flops / self.flops
                + work.normals / self.normals
                + work.activations / self.activations
                + work.streamed / self.streamed)
    }
}
