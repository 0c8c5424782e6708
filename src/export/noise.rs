//! Where the initial weights of an exported network come from: the noise that the run drew them from, or
//! the answers that it gave without having them.

use std::sync::atomic::AtomicBool;

use half::bf16;
use nalgebra::DMatrix;

use crate::backend::Probe;
use crate::backend::plain::conditional::Conditional;
use crate::backend::plain::memory::{Memory, Side};
use crate::data::{DataSet, Samples};
use crate::engine;
use crate::ensemble::task::{noise, training};
use crate::experiment::Experiment;
use crate::experiment::grid::Task;
use crate::experiment::run::DataSizes;
use crate::model::Closure;
use crate::rng::noise::{BrownianPath, Direction, Entry, Noise};

/// What the initial hidden weights of an exported network are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Initial {
    /// Those that the dense engine draws.
    Drawn,
    /// The same, rounded to bf16, as `storage: bf16` keeps them.
    Rounded,
    /// Matrices that would have given all answers of the conditional engine.
    Assembled,
}

impl Initial {
    /// The word that the file has for it.
    pub fn name(self) -> &'static str {
        match self {
            Initial::Drawn => "drawn",
            Initial::Rounded => "rounded to bf16",
            Initial::Assembled => "assembled",
        }
    }
}

/// The noise that has the initial weights of the network of `task`, as `run` had them; of
/// [`Initial::Assembled`] the whole training is done once, matrix-free.
///
/// # Panics
/// With a closure that has no dense network: those are refused before.
pub fn initial_noise(
    initial: Initial,
    run: &Experiment,
    data: &DataSet,
    task: Task,
) -> Box<dyn Noise> {
    let path = noise(run, task);
    match initial {
        Initial::Drawn => Box::new(path),
        Initial::Rounded => Box::new(Rounded(path)),
        Initial::Assembled => Box::new(assemble(path, run, data, task)),
    }
}

/// Noise whose hidden weights are rounded to bf16.
struct Rounded(BrownianPath);

impl Noise for Rounded {
    fn fill(&self, entry: Entry, first: usize, out: &mut [f64]) {
        self.0.fill(entry, first, out);
        if let Entry::Weight { .. } = entry {
            out.iter_mut().for_each(|w| *w = bf16::from_f32(*w as f32).to_f64());
        }
    }

    fn fill_f32(&self, entry: Entry, first: usize, out: &mut [f32]) {
        self.0.fill_f32(entry, first, out);
        if let Entry::Weight { .. } = entry {
            out.iter_mut().for_each(|w| *w = bf16::from_f32(*w).to_f32());
        }
    }
}

/// Noise whose hidden weights are given.
struct Assembled {
    path: BrownianPath,
    /// W, or the W2 of two-layer blocks.
    outer: Given,
    /// The W1 of two-layer blocks.
    inner: Given,
}

/// Given matrices of one kind.
#[derive(Default)]
struct Given {
    /// W_1 … W_L
    forward: Vec<DMatrix<f64>>,
    /// W̃_1 … W̃_L of closure `gia`; none elsewhere.
    backward: Vec<DMatrix<f64>>,
}

impl Noise for Assembled {
    fn fill(&self, entry: Entry, first: usize, out: &mut [f64]) {
        let (given, (direction, layer, column)) = match entry {
            Entry::Weight { direction, layer, column } => (&self.outer, (direction, layer, column)),
            Entry::Inner { direction, layer, column } => (&self.inner, (direction, layer, column)),
            _ => return self.path.fill(entry, first, out),
        };
        let weights = match direction {
            Direction::Forward => &given.forward,
            Direction::Backward => &given.backward,
        };
        let column = weights[layer as usize - 1].column(column as usize);
        out.iter_mut().zip(column.iter().skip(first)).for_each(|(w, given)| *w = *given);
    }

    fn fill_f32(&self, entry: Entry, first: usize, out: &mut [f32]) {
        let mut wide = vec![0.0; out.len()];
        self.fill(entry, first, &mut wide);
        out.iter_mut().zip(wide).for_each(|(w, wide)| *w = wide as f32);
    }
}

/// Trains the network of `task` by the conditional engine, in f64, and assembles matrices from what it was
/// asked. They have the law of the weights given these answers (docs/theory.md, section 3), and as initial
/// weights of the dense engine take the same path.
fn assemble(path: BrownianPath, run: &Experiment, data: &DataSet, task: Task) -> Assembled {
    let mut training = training(run, data, task);
    // What is only evaluated is forgotten: nothing of it is needed.
    training.test_labels.clear();
    training.record = training.steps.max(1);
    let none: Samples = data.test.select([]);
    let network = run.network(DataSizes::of(data), task);
    let (noise, probe) = (Box::new(path.clone()), Probe::nothing());
    let mut asked = Conditional::new(network, noise, probe, data.train.clone(), none);
    // A network that diverges does so again as a dense one, where it is noticed.
    let _ = engine::train(&mut asked, &training, &AtomicBool::new(false));
    let of = |direction, layer, column| Entry::Weight { direction, layer, column };
    let outer = given(&path, task.closure, asked.layers(), of);
    let of = |direction, layer, column| Entry::Inner { direction, layer, column };
    let inner = given(&path, task.closure, asked.inner(), of);
    Assembled { path, outer, inner }
}

/// Matrices of one kind, whose fresh normals are those of the dense engine's weights at `entry`.
fn given(
    path: &BrownianPath,
    closure: Closure,
    memories: &[Memory],
    entry: impl Fn(Direction, u32, u32) -> Entry,
) -> Given {
    let mut given = Given::default();
    for (layer, memory) in (1..).zip(memories) {
        let Memory { forward: ahead, backward: back, .. } = memory;
        let draw = |direction| {
            let (rows, columns) = (back.basis.nrows(), ahead.basis.nrows());
            let mut w = DMatrix::zeros(rows, columns);
            for (column, out) in (0..).zip(w.as_mut_slice().chunks_mut(rows)) {
                path.fill(entry(direction, layer, column), 0, out);
            }
            w
        };
        match closure {
            Closure::Gia => {
                given.forward.push(answers(ahead) + rest(draw(Direction::Forward), ahead));
                let transposed = draw(Direction::Backward).transpose();
                given.backward.push((answers(back) + rest(transposed, back)).transpose());
            }
            _ => {
                let unknown = rest(draw(Direction::Forward), ahead);
                // (I − P_B) W̃ (I − P_F), and QB BBᵀ (I − P_F)
                let beside = &unknown - &back.basis * back.basis.tr_mul(&unknown);
                let known = rest(&back.basis * back.answers.transpose(), ahead);
                given.forward.push(answers(ahead) + known + beside);
            }
        }
    }
    given
}

/// A Qᵀ: what is known of a matrix by its answers A to queries Q.
fn answers(side: &Side) -> DMatrix<f64> {
    &side.answers * side.basis.transpose()
}

/// W (I − Q Qᵀ): what is left of a matrix beside the queries Q.
fn rest(w: DMatrix<f64>, side: &Side) -> DMatrix<f64> {
    let along = &w * &side.basis;
    w - along * side.basis.transpose()
}
