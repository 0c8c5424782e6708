//! How far tasks are, as it is told while they are trained.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::sleep;
use std::time::Duration;

use nfd::data;
use nfd::ensemble;
use nfd::ensemble::checkpointing::Watch;
use nfd::ensemble::cost::share_before;
use nfd::ensemble::machine::Machine;
use nfd::ensemble::plan::plan;
use nfd::ensemble::progress::{Part, Progress, Tally};
use nfd::experiment::Experiment;
use nfd::experiment::grid::tasks;
use nfd::store::files::Disk;

use crate::common::experiments::resolve_text;
use crate::common::faults::open;
use crate::common::slices::ALWAYS;

/// One network of some two seconds, of twelve passes.
fn one_network(engine: &str) -> Experiment {
    let text = format!(
        r#"{{ "name": "told", "data": {{ "source": "digits", "samples": 4 }}, "engine": "{engine}",
        "training": {{ "steps": 11, "learning_rate": 0.1 }}, "reference": "none",
        "ensemble": {{ "widths": [20000], "depths": [16], "seeds": 1, "closures": ["exact"] }},
        "backend": "cpu", "precision": "f32" }}"#
    );
    let narrow = ["ensemble.widths=[600]"];
    resolve_text(&text, if engine == "dense" { &narrow } else { &[] }).unwrap().experiment
}

#[test]
fn parts_add_up_to_the_whole() {
    let told = Mutex::new(Vec::new());
    let report = |progress: Progress| told.lock().unwrap().push(progress);
    let tally = Tally::new(40.0, (1, 5), &report);
    let before = |step: u32| f64::from(step) / 10.0;
    let (first, second) =
        (Part::new(&tally, (1, 10.0), &before), Part::new(&tally, (3, 30.0), &before));
    first.reaches(0);
    // Half of it was done by an earlier start: 25 seconds are left of all.
    second.reaches(5);
    first.reaches(5);
    second.reaches(10);
    second.ends();
    first.ends();
    let told = told.into_inner().unwrap();
    let shares = [0.0, 0.0, 5.0 / 25.0, 20.0 / 25.0, 20.0 / 25.0, 1.0];
    for (i, (told, share)) in told.iter().zip(shares).enumerate() {
        assert!((told.share - share).abs() < 1e-12, "{i}: {told:?}, not {share}");
    }
    assert_eq!(told.iter().map(|told| told.finished).collect::<Vec<_>>(), [1, 1, 1, 1, 4, 5]);
    assert!(told.iter().all(|told| told.tasks == 5));
}

#[test]
fn shares_grow_as_columns_do() {
    for (engine, half) in [("dense", 0.5), ("conditional", 0.25)] {
        let experiment = one_network(engine);
        let data = data::load(&experiment.data).unwrap();
        let at = |step| share_before(&experiment, &data, tasks(&experiment)[0], step);
        assert_eq!((at(0), at(12)), (0.0, 1.0));
        assert!((1..=12).all(|step| at(step) > at(step - 1)), "{engine}");
        // Passes of the conditional engine cost as much as there are columns, so half of them a quarter of the
        // whole, and what every pass costs besides.
        assert!((half - 0.01..half + 0.1).contains(&at(6)), "{engine}: {}", at(6));
    }
}

#[test]
fn long_tasks_tell_how_far_they_are() {
    let experiment = one_network("conditional");
    let data = data::load(&experiment.data).unwrap();
    let folder = tempfile::tempdir().unwrap();
    // Stopped in its middle, then to the end.
    let starts: Vec<Vec<Progress>> = [0.4, 2.0]
        .map(|enough| {
            let directory =
                open(folder.path(), &experiment, "portable", false, Arc::new(Disk)).unwrap();
            let speeds = (experiment.costs().speeds)(experiment.number_bytes());
            let plan = plan(&experiment, &data, 1, speeds);
            let machine = Machine::find(&experiment, 0).unwrap();
            let (stop, told) = (AtomicBool::new(false), Mutex::new(Vec::new()));
            let report = |progress: Progress| {
                told.lock().unwrap().push(progress);
                // Whoever hears this takes longer than the time between two tellings: every pass is told, on a
                // machine of any speed.
                sleep(Duration::from_millis(110));
                stop.fetch_or(progress.share > enough, Ordering::Relaxed);
            };
            let watch = Watch::until(&stop).keeping(&directory, ALWAYS);
            let done =
                ensemble::run(&experiment, &data, &directory, &plan, &machine, watch, &report);
            assert_eq!(done.unwrap(), enough > 1.0);
            told.into_inner().unwrap()
        })
        .into();
    for told in &starts {
        assert_eq!(told[0], Progress { share: 0.0, finished: 0, tasks: 1 });
        assert!(told.windows(2).all(|pair| pair[0].share <= pair[1].share), "{told:?}");
    }
    assert_eq!(starts[0].last().unwrap().finished, 0);
    // Before each of 12 passes, and after the last; the pass at which the first start stopped is told by both.
    assert_eq!(starts.iter().map(Vec::len).sum::<usize>(), 12 + 1 + 1, "{starts:?}");
    let last = Progress { share: 1.0, finished: 1, tasks: 1 };
    assert!((starts[1].last().unwrap().share - 1.0).abs() < 1e-12);
    assert_eq!(Progress { share: 1.0, ..*starts[1].last().unwrap() }, last);
}
