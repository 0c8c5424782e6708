//! What was asked, in plain words.

use std::fmt::Write;

use super::words;
use crate::data::selection::Selection;
use crate::data::{Labels, Source};
use crate::experiment::limit::FIRST_DEPTH;
use crate::experiment::{
    Batch, Block, Engine, Ensemble, Experiment, Group, Optimizer, Precision, ReferenceKind, Rows,
    Study, Training,
};
use crate::model::{Closure, Decay, Loss, Parametrization, Schedule};
use crate::report::Report;
use crate::report::text::{count, escape, list, plain};

/// The question in a sentence.
pub fn lead(report: &Report) -> String {
    let Experiment { study, ensemble, training, .. } = report.experiment;
    let question = study.design().question;
    if let Some(limit) = report.experiment.limit.as_ref().filter(|_| *study == Study::Limit) {
        return format!(
            "{question} To a tolerance of {}, {} each, from {} of small networks.",
            plain(limit.tolerance),
            count(u64::from(training.steps), "update"),
            count(report.tasks as u64, "block")
        );
    }
    format!(
        "{question} {} of depth {} and width {}, {} each, {} of noise.",
        count(report.tasks as u64, "training run"),
        sizes(&ensemble.depths),
        sizes(&ensemble.widths),
        count(u64::from(training.steps), "update"),
        count(ensemble.seeds, "seed")
    )
}

/// The first and the last of ascending sizes: "4 to 128".
fn sizes(sizes: &[usize]) -> String {
    match sizes {
        [first, .., last] => format!("{first} to {last}"),
        [one] => one.to_string(),
        [] => "none".to_owned(),
    }
}

/// What was asked, item by item, as HTML.
pub fn answers(report: &Report) -> Vec<(&'static str, String)> {
    let experiment = report.experiment;
    vec![
        ("Data", data(experiment)),
        ("Network", network(experiment)),
        ("Training", training(experiment)),
        ("Grid", grid(experiment)),
        ("Compared with", comparison(experiment)),
        ("Computed", computed(experiment)),
    ]
}

/// Whether the scales are others than those that the page's methods state.
pub fn departs_from_depth_mup(experiment: &Experiment) -> bool {
    let model = &experiment.model;
    model.parametrization != Parametrization::DepthMup
        || model.exponents != model.parametrization.exponents()
}

fn data(experiment: &Experiment) -> String {
    let request = &experiment.data;
    let mut words = count(request.samples as u64, "training sample");
    if request.test_samples > 0 {
        let _ = write!(words, " and {}", count(request.test_samples as u64, "test sample"));
    }
    let classes: Vec<String> = request.classes.iter().flatten().map(ToString::to_string).collect();
    let path = request.path.as_ref().map(|p| p.display().to_string()).unwrap_or_default();
    match request.source {
        Source::Digits => {
            let _ = write!(words, ", 8×8 images of handwritten digits {}", list(&classes));
        }
        Source::Toy => words.push_str(": the bundled pair of vectors of dimension 8"),
        Source::Idx | Source::Cifar10 | Source::Csv | Source::Npy => {
            let _ = write!(words, " from <code>{}</code>", escape(&path));
            if !classes.is_empty() {
                let _ = write!(words, ", classes {}", list(&classes));
            }
        }
        Source::Synthetic => {
            let dimension = request.dimension.unwrap_or(0);
            let _ = write!(words, ", Gaussian directions in dimension {dimension}");
        }
    }
    words.push_str(match request.labels {
        Labels::Sign => "; labels −1 and +1",
        Labels::OneHot => "; one output per class",
        Labels::Values => "; labels as in the file",
    });
    if request.selection == Selection::Stratified {
        words.push_str("; equally many of each class");
    }
    if let Some(seed) = request.split_seed {
        let _ = write!(words, "; chosen at random with seed {seed}");
    }
    if request.standardize {
        words.push_str("; every coordinate with mean 0 and variance 1 over the training samples");
    }
    if request.normalize {
        words.push_str("; inputs scaled to ‖x‖ = √d");
    }
    if request.scale != 1.0 {
        let _ = write!(words, "; inputs times {}", plain(request.scale));
    }
    words
}

fn network(experiment: &Experiment) -> String {
    let model = &experiment.model;
    let block = match model.block {
        Block::OneLayer => "one matrix per residual block",
        Block::TwoLayer => "two matrices per residual block",
    };
    let several: Vec<_> =
        experiment.parametrizations().into_iter().map(words::parametrization).collect();
    let mut words = format!(
        "{}; activation {}; {block}; depth horizon T = {}",
        several.join("; "),
        words::activation(model.activation),
        plain(model.horizon)
    );
    if !model.normalization.is_none() {
        words.push_str("; branches read h over its root mean square");
    }
    if model.exponents != model.parametrization.exponents() {
        let (a, c) = (plain(model.exponents.branch), plain(model.exponents.rate));
        let _ = write!(words, "; own exponents: branch L<sup>−{a}</sup>, rate L<sup>−{c}</sup>");
    }
    if model.gamma != 1.0 {
        let _ = write!(words, "; output divided by γ = {}", plain(model.gamma));
    }
    words
}

fn training(experiment: &Experiment) -> String {
    let training = &experiment.training;
    let batch = match training.batch {
        Batch::Full => "full-batch gradient descent".to_owned(),
        Batch::Of(size) => format!("gradient descent on minibatches of {size}"),
    };
    let loss = match training.loss {
        Loss::Squared => "the squared loss",
        Loss::CrossEntropy => "cross-entropy",
    };
    let groups: Vec<String> = experiment
        .model
        .train
        .iter()
        .map(|group| match group {
            Group::Input => format!("input (η = {})", plain(training.rates.input)),
            Group::Hidden => format!("hidden (η = {})", plain(training.learning_rate)),
            Group::Readout => format!("readout (η = {})", plain(training.rates.readout)),
        })
        .collect();
    let trained = if groups.is_empty() { "no".to_owned() } else { list(&groups) };
    let mut words = format!(
        "{} of {batch} on {loss}; {trained} weights are trained",
        count(u64::from(training.steps), "step")
    );
    if let Some(rates) = &experiment.ensemble.learning_rates {
        let rates: Vec<String> = rates.iter().copied().map(plain).collect();
        let _ = write!(words, "; all rates at η = {} of the hidden weights", list(&rates));
    }
    words.push_str(&optimizer(training));
    if training.momentum > 0.0 {
        let _ = write!(words, "; momentum μ = {}", plain(training.momentum));
    }
    if training.weight_decay > 0.0 {
        let _ = write!(words, "; weight decay λ = {}", plain(training.weight_decay));
    }
    words.push_str(&schedule(training.schedule));
    if training.record > 1 {
        let _ = write!(words, "; recorded every {} steps and after the last", training.record);
    }
    words
}

/// What turns gradients into updates, unless it is gradient descent.
fn optimizer(training: &Training) -> String {
    if training.optimizer == Optimizer::Sgd {
        return String::new();
    }
    let mut words = format!("; by {}", training.optimizer.name());
    if let Some(orthogonalization) = training.orthogonalization {
        let _ = write!(words, " ({})", orthogonalization.name());
    }
    if training.nesterov == Some(true) {
        words.push_str(" with Nesterov's momentum");
    }
    if let Some(([beta1, beta2], epsilon)) = training.betas.zip(training.epsilon) {
        let numbers = [beta1, beta2, epsilon].map(plain).join(", ");
        let _ = write!(words, " with β₁, β₂, ε = {numbers}");
    }
    words
}

fn schedule(Schedule { decay, warmup }: Schedule) -> String {
    let mut words = match warmup {
        0 => String::new(),
        _ => format!("; rates rise linearly over the first {}", count(u64::from(warmup), "step")),
    };
    match decay {
        Decay::Constant => {}
        Decay::Cosine { last } => {
            let _ = write!(words, "; rates fall along half a cosine to {} times η", plain(last));
        }
        Decay::Step { every, factor } => {
            let every = count(u64::from(every), "step");
            let _ = write!(words, "; rates are multiplied by {} every {every}", plain(factor));
        }
    }
    words
}

fn grid(experiment: &Experiment) -> String {
    let numbers =
        |sizes: &[usize]| sizes.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
    let ensemble = &experiment.ensemble;
    if let Some(limit) = experiment.limit.as_ref().filter(|_| experiment.study == Study::Limit) {
        return format!(
            "depths L = {FIRST_DEPTH}, {}, …, as many as the tolerance takes; width n = {}; as many \
             independent networks of each as it takes",
            2 * FIRST_DEPTH,
            limit.width
        );
    }
    format!(
        "depths L = {}; widths n = {}; {} a point",
        numbers(&ensemble.depths),
        numbers(&ensemble.widths),
        seeds(ensemble)
    )
}

/// How many seeds, and which where they do not begin at 0: "8 seeds (8 to 15)".
fn seeds(ensemble: &Ensemble) -> String {
    let number = count(ensemble.seeds, "seed");
    match ensemble.first_seed {
        0 => number,
        first if ensemble.seeds == 1 => format!("{number} ({first})"),
        first => format!("{number} ({first} to {})", ensemble.all_seeds().end - 1),
    }
}

fn comparison(experiment: &Experiment) -> String {
    let reference = &experiment.reference;
    let rows = match reference.rows {
        Rows::All => "all rows".to_owned(),
        Rows::First(rows) => format!("the first {rows} rows"),
    };
    let mut words = match (reference.kind, reference.width, reference.depth) {
        (ReferenceKind::None, ..) if experiment.study == Study::Limit => {
            return "networks of half the depth, and halves and quarters of rows, on the same noise"
                .to_owned();
        }
        (ReferenceKind::Limit, ..) => {
            return "the limit of infinite width and depth, also computed".to_owned();
        }
        (ReferenceKind::None, ..) => {
            let noise = match experiment.finest {
                None => "every depth has its own noise",
                Some(_) => "the closures of a seed share their noise, and so do depths",
            };
            return format!("nothing; {noise}");
        }
        (ReferenceKind::Network, Some(width), Some(depth)) => {
            format!("one network of width {width} and depth {depth}")
        }
        _ => "the network of twice the depth, at the same width".to_owned(),
    };
    let _ = write!(words, "; strong errors over {rows} of h and g");
    if let Some(finest) = experiment.finest {
        let _ = write!(words, "; one Brownian path per seed, in {finest} blocks");
    }
    if experiment.ensemble.closures.contains(&Closure::Exact)
        && experiment.ensemble.closures.len() > 1
    {
        words.push_str("; closures with <code>exact</code> of the same size");
    }
    if experiment.limit.is_some() {
        words.push_str("; outputs with the limit of infinite width and depth, also computed");
    }
    words
}

fn computed(experiment: &Experiment) -> String {
    let engine = match experiment.engine {
        Engine::Conditional => {
            "matrix-free, by conditioning on products already drawn (exact in law)"
        }
        Engine::Dense => "with explicit weight matrices",
    };
    let path = match (experiment.engine, experiment.precision) {
        (Engine::Conditional, Precision::F32) if experiment.data.test_samples > 0 => {
            "; test losses are those of f64 in law, but a seed\u{2019}s may differ by some percent"
        }
        (_, Precision::Tf32x3) => {
            ": f32, with products on tensor cores, of numbers split in two of tf32"
        }
        _ => "",
    };
    format!("{engine}; {}{path}", experiment.precision.name())
}
