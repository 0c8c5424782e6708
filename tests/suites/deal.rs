//! Tasks dealt to ranks, and what `nfd plan --ranks` predicts of it: closed cases.

use std::path::Path;

use crate::common::results::nfd;
use nfd::data;
use nfd::ensemble::cost::Cost;
use nfd::ensemble::deal::{deal, predict};
use nfd::ensemble::plan::{Plan, plan};
use nfd::experiment::grid::Task;
use nfd::experiment::load;
use nfd::experiment::work::{Rates, Work};

const TOY: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/jobs/toy.json");

/// A plan of as many tasks as there are `seconds`, which take so long, on `threads` threads.
fn of(seconds: &[f64], threads: usize, factor: f64) -> Plan {
    let set = [format!("ensemble.seeds={}", seconds.len()), "ensemble.depths=[4]".to_owned()];
    // So narrow that threads do not share a task.
    let one = ["ensemble.closures=[\"exact\"]", "ensemble.widths=[100]"].map(str::to_owned);
    let set = [&set[..], &one].concat();
    let experiment = load(Path::new(TOY), &set).unwrap().experiment;
    let data = data::load(&experiment.data).unwrap();
    let rates = Rates::uncalibrated(experiment.engine, experiment.backend, experiment.precision);
    let plain = plan(&experiment, &data, threads, Rates { factor, ..rates });
    let with = |(&(task, cost), seconds): (&(Task, Cost), &f64)| {
        let work =
            Work { flops: 0.0, normals: seconds * rates.normals, activations: 0.0, streamed: 0.0 };
        (task, Cost { work, ..cost })
    };
    let tasks = plain.tasks.iter().zip(seconds).map(with).collect();
    plain.share(tasks, threads)
}

fn close(a: f64, b: f64) -> bool {
    (a - b).abs() <= 1e-9 * b.abs().max(1.0)
}

#[test]
fn the_longest_go_first_onto_the_least_loaded() {
    // Graham's example: the best deal to three ends at 9, the longest first at 11.
    let seconds = [5.0, 5.0, 4.0, 4.0, 3.0, 3.0, 3.0];
    let plan = of(&seconds, 1, 1.0);
    let hands = deal(&plan.tasks, &plan.rates, 3);
    let seeds: Vec<Vec<u64>> =
        hands.iter().map(|hand| hand.iter().map(|(task, _)| task.seed).collect()).collect();
    assert_eq!(seeds, [vec![0, 4, 6], vec![1, 5], vec![2, 3]]);
    let told = predict(&plan, 3);
    assert!(close(told.makespan, 11.0) && close(told.efficiency, 27.0 / 33.0), "{told:?}");
    assert!(close(told.idle, 6.0 / 33.0), "{told:?}");
    // Whatever a calibration says: shards on other machines must deal alike.
    let calibrated = of(&seconds, 1, 1.7);
    assert_eq!(deal(&calibrated.tasks, &calibrated.rates, 3), hands);
    assert!(close(predict(&calibrated, 3).makespan, 1.7 * 11.0));
}

#[test]
fn predictions_are_those_of_closed_cases() {
    for (seconds, threads, ranks, makespan, efficiency, idle) in [
        // As many equal tasks as fit; one more; fewer than ranks; one rank.
        (vec![2.0; 8], 1, 4, 4.0, 1.0, 0.0),
        (vec![2.0; 5], 1, 4, 4.0, 10.0 / 16.0, 6.0 / 16.0),
        (vec![2.0; 2], 1, 8, 2.0, 4.0 / 16.0, 12.0 / 16.0),
        (vec![1.0, 2.0, 3.0], 1, 1, 6.0, 1.0, 0.0),
        // Two threads a rank take a task each: three ranks have 2, 2 and 1 of five tasks. One rank
        // would take three rounds.
        (vec![2.0; 5], 2, 3, 2.0, 1.0, 1.0 - 10.0 / 12.0),
        // One long task bounds everything.
        (vec![10.0, 1.0, 1.0, 1.0], 1, 4, 10.0, 13.0 / 40.0, 27.0 / 40.0),
    ] {
        let told = predict(&of(&seconds, threads, 1.0), ranks);
        assert_eq!(told.ranks, ranks);
        assert!(close(told.makespan, makespan), "{seconds:?} on {ranks}: {told:?}");
        assert!(close(told.efficiency, efficiency), "{seconds:?} on {ranks}: {told:?}");
        assert!(close(told.idle, idle), "{seconds:?} on {ranks}: {told:?}");
    }
}

/// No rank has more than the least one and one task: greedy. Every task is dealt once.
#[test]
fn deals_of_a_job_are_whole_and_even() {
    let experiment = load(Path::new(TOY), &[]).unwrap().experiment;
    let data = data::load(&experiment.data).unwrap();
    let rates = Rates::uncalibrated(experiment.engine, experiment.backend, experiment.precision);
    let plan = plan(&experiment, &data, 1, rates);
    for ranks in [1, 2, 3, 7, 64, 1000] {
        let hands = deal(&plan.tasks, &rates, ranks);
        let mut all: Vec<Task> = hands.iter().flatten().map(|(task, _)| *task).collect();
        all.sort();
        let mut wanted: Vec<Task> = plan.tasks.iter().map(|(task, _)| *task).collect();
        wanted.sort();
        assert_eq!(all, wanted);
        let load = |hand: &Vec<(Task, Cost)>| -> f64 {
            hand.iter().map(|(_, cost)| rates.seconds(&cost.work)).sum()
        };
        let least = hands.iter().map(load).fold(f64::INFINITY, f64::min);
        for hand in &hands {
            let shortest =
                hand.iter().map(|(_, c)| rates.seconds(&c.work)).fold(f64::INFINITY, f64::min);
            assert!(hand.is_empty() || load(hand) - shortest <= least * (1.0 + 1e-12));
        }
    }
}

#[test]
fn the_table_has_a_line_for_every_count() {
    let folder = tempfile::tempdir().unwrap();
    let output = folder.path().join("run").display().to_string();
    let arguments = ["plan", TOY, "--output", &output, "--threads", "1", "--ranks", "1,8,64"];
    let done = nfd(&arguments);
    let text = String::from_utf8(done.stdout).unwrap();
    let counts: Vec<&str> = text
        .lines()
        .skip_while(|line| !line.contains("makespan"))
        .skip(1)
        .map(|line| line.split_whitespace().next().unwrap())
        .collect();
    assert_eq!(counts, ["1", "8", "64"], "{text}");
    assert!(!nfd(&["plan", TOY, "--ranks", "0"]).status.success());
}
