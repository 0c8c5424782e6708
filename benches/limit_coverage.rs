//! How often the limit of study `limit` is within its stated errors: many independent repetitions of a small
//! run, against a reference that took a hundred times longer (docs/theory.md, section 5.3).
//!
//! ```text
//! cargo bench --bench limit_coverage
//! cargo bench --bench limit_coverage -- --repetitions 50 --tolerance 5e-3 --width 4096 --first 1000
//! ```
//!
//! Networks of width 1024 would take four times as long: their quarters scatter so much that a bound of
//! the bias in width takes hundreds of them. `--first` is the number of the first repetition. Of 200 repetitions a share of 68 % is known to ±3.3 %
//! (one standard error), one of 95 % to ±1.6 %; numbers of one repetition are correlated.

#![allow(clippy::unwrap_used)]

use std::collections::HashMap;
use std::path::Path;
use std::sync::atomic::AtomicBool;

use nfd::data::{self, DataSet};
use nfd::ensemble::blocks::average;
use nfd::ensemble::limits::Limits;
use nfd::experiment::Experiment;
use nfd::experiment::file::ExperimentFile;
use nfd::experiment::limit::Block;
use nfd::experiment::resolve::resolve;
use nfd::limit::{BlockRecord, Number};

/// E f after one and two updates of both samples, and its standard error.
const REFERENCE: [[(f64, f64); 2]; 2] =
    [[(0.7396, 1e-4), (0.7397, 1e-4)], [(0.97566, 7e-5), (0.97571, 7e-5)]];

/// The share of repetitions within one standard error, and by how much it may be missed.
const WITHIN: (f64, f64) = (0.683, 0.07);

fn main() {
    let arguments: Vec<String> = std::env::args().collect();
    // `cargo test --all-targets` starts benches too, without this.
    if !arguments.iter().any(|argument| argument == "--bench") {
        return;
    }
    let option = |name: &str, default: &str| {
        let at = arguments.iter().position(|argument| argument == name);
        let given = at.and_then(|at| arguments.get(at + 1));
        given.cloned().unwrap_or_else(|| default.to_owned())
    };
    let repetitions: u32 = option("--repetitions", "200").parse().unwrap();
    let first: u32 = option("--first", "0").parse().unwrap();
    let (tolerance, width) = (option("--tolerance", "3e-3"), option("--width", "2048"));
    let text = format!(
        r#"{{ "name": "coverage", "study": "limit", "data": {{ "source": "toy" }},
            "model": {{ "train": ["hidden"] }}, "training": {{ "steps": 2, "learning_rate": 3.0 }},
            "ensemble": {{ "closures": ["exact"] }},
            "limit": {{ "tolerance": {tolerance}, "width": {width} }} }}"#
    );
    let source = ExperimentFile::new(Path::new("coverage.json"), text, &[]).unwrap();
    let mut experiment = resolve(source.parse().unwrap(), &source).unwrap().experiment;
    let data = data::load(&experiment.data).unwrap();
    let started = std::time::Instant::now();
    let mut all: Vec<Vec<Number>> = Vec::new();
    for repetition in first..first + repetitions {
        if let Some(limit) = &mut experiment.limit {
            limit.repetition = repetition;
        }
        all.push(outputs(&experiment, &data));
        eprintln!("{} of {repetitions}: {:?}", all.len(), started.elapsed());
    }
    println!("{repetitions} repetitions, tolerance {tolerance}, width {width}\n");
    println!(
        "| k | sample | mean error | rms error | rms stated | mean bound | within 1 | within 2 | within bound |\n\
         |---|---|---|---|---|---|---|---|---|"
    );
    let mut shares = Vec::new();
    for (k, samples) in REFERENCE.iter().enumerate() {
        for (p, &(truth, truth_error)) in samples.iter().enumerate() {
            let numbers: Vec<Number> = all.iter().map(|numbers| numbers[2 * (k + 1) + p]).collect();
            shares.push(row((k + 1, p), &numbers, (truth, truth_error)));
        }
    }
    let share = shares.iter().sum::<f64>() / shares.len() as f64;
    let (wanted, apart) = WITHIN;
    let verdict = if (share - wanted).abs() <= apart { "as stated" } else { "NOT as stated" };
    println!(
        "\nWithin one standard error: {:.1} % of all, wanted {:.0} % ± {:.0}: {verdict}. {:.0} s.",
        100.0 * share,
        100.0 * wanted,
        100.0 * apart,
        started.elapsed().as_secs_f64()
    );
}

/// The outputs of one limit, by step and sample.
fn outputs(experiment: &Experiment, data: &DataSet) -> Vec<Number> {
    let limit = experiment.limit.as_ref().unwrap();
    let mut limits = Limits::new(experiment, data).unwrap();
    let mut done: HashMap<Block, BlockRecord> = HashMap::new();
    while !limits.advance_with(&|block| Ok(done.get(&block).cloned())).unwrap() {
        for block in limits.tasks().into_iter().filter_map(|(task, _)| Block::of(task)) {
            done.entry(block).or_insert_with(|| {
                average(experiment, limit, data, block, &AtomicBool::new(false)).unwrap()
            });
        }
    }
    let range = limits.quantities().range("f");
    let finished = limits.finished();
    range.map(|i| finished[0].estimate.number(i)).collect()
}

/// Prints a line of the table; the share within one standard error, that of the reference included.
fn row((k, p): (usize, usize), numbers: &[Number], (truth, truth_error): (f64, f64)) -> f64 {
    let n = numbers.len() as f64;
    let mean = |of: &dyn Fn(&Number) -> f64| numbers.iter().map(of).sum::<f64>() / n;
    let error = |number: &Number| number.value - truth;
    let within = |of: &dyn Fn(&Number) -> f64| {
        mean(&|number| if error(number).abs() <= of(number) { 1.0 } else { 0.0 })
    };
    let offset = mean(&error);
    let square = mean(&|number| error(number).powi(2));
    let stated = mean(&|number| number.standard_error.powi(2)).sqrt();
    let of_mean = ((square - offset * offset) / n).sqrt().hypot(truth_error);
    let [one, two] =
        [1.0, 2.0].map(|times| within(&|number| times * number.standard_error.hypot(truth_error)));
    println!(
        "| {k} | {p} | {offset:+.1e} ± {of_mean:.1e} | {:.2e} | {stated:.2e} | {:.2e} | {:.1} % | {:.1} % | {:.1} % |",
        square.sqrt(),
        mean(&|number| number.bias_bound),
        100.0 * one,
        100.0 * two,
        100.0 * within(&Number::error)
    );
    one
}
