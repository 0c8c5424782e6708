//! Runs that finished and did not train are named, and nothing else is.

use std::fs;
use std::path::Path;

use crate::common::results::run_job;
use nfd::claims::stability::{Unstable, name, unstable, withheld};
use nfd::experiment::grid::{Task, tasks};
use nfd::experiment::{Experiment, load};
use nfd::model::Closure;
use nfd::observables::{Observable, Row};
use serde_json::Value;

fn experiment(overrides: &[&str]) -> Experiment {
    let job = Path::new(env!("CARGO_MANIFEST_DIR")).join("jobs/quickstart.json");
    let overrides = overrides.iter().chain(&["limit=null"]);
    let overrides: Vec<String> = overrides.map(|&s| s.to_owned()).collect();
    load(&job, &overrides).unwrap().experiment
}

/// Rows of a run: its loss, and the output of one sample, step by step.
fn rows(task: Task, steps: &[(f64, f64)]) -> Vec<Row> {
    let row = |step: usize, observable, sample, value| {
        let (depth_time, reference, output) = (None, None, None);
        let step = step as u32;
        Row { task, step, depth_time, reference, observable, sample, output, value }
    };
    let both = |(step, &(loss, f)): (usize, &(f64, f64))| {
        [row(step, Observable::Output, Some(3), f), row(step, Observable::TrainingLoss, None, loss)]
    };
    steps.iter().enumerate().flat_map(both).collect()
}

#[test]
fn a_run_is_unstable_when_its_loss_rises_or_its_outputs_leave_the_labels() {
    let full = experiment(&[]);
    let batches = experiment(&["training.batch=2"]);
    let one_hot = ["data.labels=\"one-hot\"", "training.loss=\"cross-entropy\""];
    let classes = experiment(&one_hot);
    let task = tasks(&full)[0];
    let of = |experiment: &Experiment, steps: &[(f64, f64)]| {
        let found = unstable(experiment, &rows(task, steps), 1.0, &[]);
        assert!(found.len() <= 1 && found.iter().all(|run| run.task == task));
        found.into_iter().next().map(|run| (run.step, run.why))
    };
    let said = |step, words: &str| Some((step, words.to_owned()));
    assert_eq!(of(&full, &[(0.5, 0.0), (0.5004, 0.1), (0.2, 0.3)]), None);
    let rose = [(0.5, 0.0), (0.501, 0.1), (1.2e44, 0.3), (0.2, 0.3)];
    let words = "loss 1.20×10⁴⁴ after 2 updates, 0.500 at the start";
    assert_eq!(of(&full, &rose), said(2, words));
    assert_eq!(of(&full, &rose[..2]).unwrap().0, 1);
    // The losses of minibatches differ.
    assert_eq!(of(&batches, &[(0.5, 0.0), (0.99, 0.1)]), None);
    assert_eq!(of(&batches, &[(0.5, 0.0), (1.01, 0.1)]).unwrap().0, 1);
    // Outputs of either sign, and of a squared loss alone.
    assert_eq!(of(&full, &[(0.5, 0.0), (0.5, 9.9), (0.5, -9.9)]), None);
    let left = [(0.5, 0.0), (0.5, -11.0), (0.5, 10.5)];
    assert_eq!(of(&full, &left), said(1, "|f| = 11.0 after one update, labels of at most 1.00"));
    assert_eq!(of(&classes, &left), None);
    // What diverged did not finish.
    assert_eq!(unstable(&full, &rows(task, &rose), 1.0, &[task]), []);
}

#[test]
fn claims_on_unstable_runs_are_withheld_with_their_number() {
    let experiment =
        experiment(&["ensemble.seeds=4", "ensemble.widths=[64]", "ensemble.depths=[4,8]"]);
    let of =
        |task: &Task| Unstable { task: *task, step: 1, why: "loss 3 after one update".to_owned() };
    let all = tasks(&experiment);
    let exact = |task: &Task| task.closure == Closure::Exact;
    let bad: Vec<Unstable> = all.iter().filter(|t| exact(t) && t.depth == 8).map(of).collect();
    let words = withheld(&experiment, &bad, exact);
    let expected = "withheld: 4 of 8 runs of this setting are unstable, as exact n=64 L=8 seed 0: loss 3 \
                    after one update";
    assert_eq!(words.as_deref(), Some(expected));
    assert_eq!(withheld(&experiment, &bad, |task| task.closure == Closure::Gia), None);
    assert_eq!(withheld(&experiment, &[], exact), None);
    let one = withheld(&experiment, &bad[..1], |task| exact(task) && task.depth == 8).unwrap();
    assert!(one.starts_with("withheld: 1 of 4 runs of this setting is unstable"), "{one}");
}

#[test]
fn the_report_names_unstable_runs_first() {
    let sizes = [
        "ensemble.widths=[64]",
        "ensemble.depths=[4,8]",
        "ensemble.seeds=2",
        "ensemble.closures=[\"exact\",\"gia\"]",
        "limit=null",
    ];
    let ran = |rate: &str| {
        let rate = format!("training.learning_rate={rate}");
        let set = sizes.iter().copied().chain([rate.as_str()]);
        let arguments: Vec<&str> = set.flat_map(|field| ["--set", field]).collect();
        let (guard, run) = run_job("jobs/quickstart.json", &arguments);
        let summary: Value =
            serde_json::from_slice(&fs::read(run.join("summary.json")).unwrap()).unwrap();
        let page = fs::read_to_string(run.join("report.html")).unwrap();
        drop(guard);
        (summary, page)
    };
    let (summary, page) = ran("30");
    let runs = summary["unstable"].as_array().unwrap();
    assert!(!runs.is_empty(), "{summary:#}");
    let experiment = experiment(&sizes);
    for run in runs {
        let field = |name: &str| run[name].as_u64().unwrap();
        let is = |task: &&Task| {
            task.closure.name() == run["closure"]
                && (task.width, task.depth) == (field("width") as usize, field("depth") as usize)
                && task.seed == field("seed")
        };
        let task = tasks(&experiment).iter().find(is).copied().unwrap();
        let why = run["why"].as_str().unwrap();
        assert!(field("step") > 0 && run["learning_rate"] == 30.0, "{run}");
        assert!(page.contains(&name(&experiment, &task)) && page.contains(why), "{run}");
    }
    let first = summary["findings"][0].as_str().unwrap();
    let words = format!("Unstable: {} runs of 8 (exact n=64 L=4 seed ", runs.len());
    assert!(first.starts_with(&words), "{first}");
    assert!(page.contains("Unstable and diverged runs"));

    let (summary, page) = ran("1");
    assert_eq!(summary["unstable"], Value::Array(vec![]));
    assert!(!page.contains("Unstable"));
    assert!(!summary["findings"].to_string().contains("Unstable"));
}
