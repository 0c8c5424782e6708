//! `nfd run --shard` and `nfd merge`: parts of an experiment that are run apart and joined.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::Arc;

use crate::common::results::final_files;
use nfd::data;
use nfd::engine::Trajectory;
use nfd::experiment::grid::tasks;
use nfd::experiment::load;
use nfd::store::files::Disk;
use nfd::store::lock::{Choice, Locking};
use nfd::store::manifest::{self, Launch};
use nfd::store::timings::Timing;
use nfd::store::{RunDirectory, RunStart};

/// 18 tasks of some milliseconds.
const JOB: &str = r#"{
  "name": "parts",
  "data": { "source": "digits", "samples": 3 },
  "training": { "steps": 1, "learning_rate": 0.5 },
  "ensemble": { "widths": [40], "depths": [4, 8, 16], "seeds": 2 },
  "engine": "conditional"
}
"#;
const TASKS: usize = 18;

fn folder() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("job.json"), JOB).unwrap();
    folder
}

fn nfd(folder: &Path, arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_nfd"));
    command.current_dir(folder).args(arguments).output().unwrap()
}

fn said(done: &Output) -> String {
    String::from_utf8_lossy(&done.stderr).into_owned()
}

fn good(folder: &Path, arguments: &[&str]) -> String {
    let done = nfd(folder, arguments);
    assert_eq!(done.status.code(), Some(0), "{arguments:?}: {}", said(&done));
    said(&done)
}

fn lines(path: PathBuf) -> usize {
    fs::read_to_string(path).unwrap().lines().count() - 1
}

#[test]
fn shards_merged_are_the_whole() {
    let folder = folder();
    let place = folder.path();
    good(place, &["run", "job.json", "--output", "whole"]);
    let wanted = final_files(&place.join("whole"));
    for of in [1, 2, 3, 5] {
        let mut names = Vec::new();
        for index in 1..=of {
            good(place, &["run", "job.json", "--shard", &format!("{index}/{of}")]);
            let name = format!("runs/parts.shard-{index}-of-{of}");
            assert!(!place.join(&name).join("results.csv").exists(), "a part is no result");
            names.push(name);
        }
        let ran = names.iter().map(|name| lines(place.join(name).join("timings.csv")));
        assert_eq!(ran.sum::<usize>(), TASKS, "every task once");
        let output = format!("merged{of}");
        let mut arguments = vec!["merge", "--output", &output];
        arguments.extend(names.iter().map(String::as_str));
        good(place, &arguments);
        assert!(final_files(&place.join(&output)) == wanted, "{of} shards");
        assert_eq!(lines(place.join(&output).join("timings.csv")), TASKS);
        // Again: nothing to take over, the same bytes.
        let said = good(place, &arguments);
        assert!(said.contains("0 tasks from"), "{said}");
        assert!(final_files(&place.join(&output)) == wanted);
        assert_eq!(lines(place.join(&output).join("timings.csv")), TASKS);
    }
}

#[test]
fn a_missing_shard_is_no_result_and_may_come_later() {
    let folder = folder();
    let place = folder.path();
    good(place, &["run", "job.json", "--output", "whole"]);
    good(place, &["run", "job.json", "--shard", "1/2"]);
    let shards = ["runs/parts.shard-1-of-2", "runs/parts.shard-2-of-2"];
    let done = nfd(place, &["merge", shards[0], shards[1]]);
    assert_eq!(done.status.code(), Some(75), "{}", said(&done));
    assert!(said(&done).contains("of 18 tasks are finished"), "{}", said(&done));
    assert!(said(&done).contains("shard-2-of-2: nothing has begun there"), "{}", said(&done));
    assert!(!place.join("runs/parts/results.csv").exists());
    // The rest may be run there as well.
    good(place, &["run", "job.json", "--shard", "2/2"]);
    good(place, &["merge", shards[0], shards[1]]);
    assert!(final_files(&place.join("runs/parts")) == final_files(&place.join("whole")));
    nfd(place, &["merge", shards[1], "--output", "rest"]);
    good(place, &["run", "job.json", "--output", "rest"]);
    assert!(final_files(&place.join("rest")) == final_files(&place.join("whole")));
}

#[test]
fn what_does_not_belong_together_is_not_merged() {
    let folder = folder();
    let place = folder.path();
    good(place, &["run", "job.json", "--shard", "1/2"]);
    let first = "runs/parts.shard-1-of-2";
    for (set, field) in [
        ("training.learning_rate=0.25", "training.learning_rate"),
        ("ensemble.seeds=3", "ensemble"),
        ("data.samples=2", "data.samples"),
    ] {
        let output = format!("other-{field}");
        good(place, &["run", "job.json", "--shard", "2/2", "--set", set, "--output", &output]);
        let done = nfd(place, &["merge", first, &output, "--output", "merged"]);
        assert_eq!(done.status.code(), Some(2), "{set}: {}", said(&done));
        assert!(said(&done).contains(field), "{}", said(&done));
        assert!(!place.join("merged").exists());
    }
    for (arguments, words) in [
        (vec!["merge", "absent"], "manifest.json"),
        (vec!["merge"], "required"),
        (vec!["run", "job.json", "--shard", "0/3"], "I/N"),
        (vec!["run", "job.json", "--shard", "4/3"], "I/N"),
        (vec!["run", "job.json", "--shard", "1"], "I/N"),
    ] {
        let done = nfd(place, &arguments);
        assert_eq!(done.status.code(), Some(2), "{arguments:?}: {}", said(&done));
        assert!(said(&done).contains(words), "{arguments:?}: {}", said(&done));
    }
}

/// Two results of one task would mean that one machine computes wrongly.
#[test]
fn different_numbers_of_one_task_are_refused() {
    let folder = folder();
    let place = folder.path();
    good(place, &["run", "job.json", "--output", "right"]);
    let experiment = load(&place.join("job.json"), &[]).unwrap().experiment;
    let data = data::load(&experiment.data).unwrap();
    let numeric_path = manifest::read(&place.join("right")).unwrap().unwrap().numeric_path;
    let start = RunStart {
        experiment: &experiment,
        data: &data,
        numeric_path: &numeric_path,
        allow_path_change: false,
        arguments: &[],
        launch: &Launch::alone(),
        locking: Locking::new(Choice::Auto),
    };
    let open = |name: &str| RunDirectory::open(&place.join(name), &start, Arc::new(Disk)).unwrap();
    let task = tasks(&experiment)[3];
    let mut run: Trajectory = open("right").load(task).unwrap().unwrap();
    run.passes[0].f[0] += 1e-12;
    let timing = Timing { threads: 1, started: std::time::SystemTime::UNIX_EPOCH, seconds: 1.0 };
    open("wrong").finish(task, &run, timing).unwrap();
    let done = nfd(place, &["merge", "right", "wrong", "--output", "merged"]);
    assert_eq!(done.status.code(), Some(2), "{}", said(&done));
    assert!(said(&done).contains("other numbers"), "{}", said(&done));
    assert!(!place.join("merged/results.csv").exists());
}
