//! `nfd run` asked to stop, by signals and limits of time: it stops within a pass, and the same command goes on.

#![cfg(unix)]

use std::fs;
use std::process::Command;
use std::thread::sleep;
use std::time::{Duration, Instant};

use crate::common::experiments::SLOW;
use crate::common::place::*;
use nfd::store::JOURNAL;

/// A network that takes longer than every start of it: each goes on where the one before was stopped.
#[test]
fn a_network_longer_than_its_time_is_done_in_slices() {
    let job = r#"{
  "name": "long", "data": { "source": "digits", "samples": 4 }, "reference": "none", "engine": "dense",
  "training": { "steps": 1600, "learning_rate": 0.5, "record": 200 },
  "ensemble": { "widths": [512], "depths": [16], "seeds": 1, "closures": ["exact"] }
}"#;
    let place = Place::new(job);
    let clock = Instant::now();
    place.finish("whole", &["--threads", "1"]);
    // Long enough to start and to make some updates.
    let slice = (clock.elapsed().as_secs_f64() / 4.0).max(0.5) / 3600.0;
    let slice = ["--threads", "1", "--max-hours", &slice.to_string()];
    let (mut starts, mut reached) = (0, 0);
    let said = loop {
        starts += 1;
        assert!(starts < 100);
        let done = place.run("sliced", &slice);
        let said = stderr(&done);
        assert_eq!(said.contains("1 tasks go on from checkpoints"), starts > 1, "{said}");
        match done.status.code() {
            Some(75) => {
                assert!(said.contains("0 of 1 tasks are finished, 1 begun, and kept"), "{said}");
                let step = begun_at(&place.path("sliced")).unwrap();
                assert!(step > reached && step <= 1600, "{step} after {reached}");
                reached = step;
            }
            code => break (code == Some(0)).then_some(said).unwrap(),
        }
    };
    assert!(starts > 2 && !said.contains("may never finish"), "{starts} starts: {said}");
    assert!(place.finals("sliced") == place.finals("whole"));
    // Without checkpoints nothing of it is ever kept, and that is said.
    let done = place.run("never", &[&slice[..], &["--checkpoint-minutes", "never"]].concat());
    assert_eq!(done.status.code(), Some(75), "{}", stderr(&done));
    assert!(!place.path("never/checkpoints").exists());
}

/// Row 3: the first signal ends the run within a pass; the same command resumes. Slurm sends SIGCONT
/// beside it, and the like may come twice.
#[test]
fn the_first_signal_stops_and_the_same_command_resumes() {
    let place = Place::new(JOB);
    place.finish("undisturbed", &[]);
    for name in ["TERM", "INT", "USR1", "USR2"] {
        let child = place.start(name, &["--threads", "1"]);
        let journal = place.path(name).join(JOURNAL);
        wait_for("a finished task", || fs::metadata(&journal).is_ok_and(|file| file.len() > 0));
        signal(&child, name);
        signal(&child, "CONT");
        let done = child.wait_with_output().unwrap();
        let said = stderr(&done);
        assert_eq!(done.status.code(), Some(75), "{said}");
        let finished = place.finished(name);
        assert!((1..TASKS).contains(&finished));
        assert!(said.contains(&format!("{finished} of {TASKS} tasks are finished")), "{said}");
        assert!(said.contains("the same command resumes"), "{said}");
        assert!(FINAL.iter().all(|file| !place.path(name).join(file).exists()));

        let said = place.finish(name, &["--threads", "1"]);
        assert!(said.contains(&format!("{finished} tasks are finished already")), "{said}");
        assert!(place.finals(name) == place.finals("undisturbed"), "{name}");
        assert_eq!(place.timings(name), TASKS, "a finished task ran twice");
    }
}

/// Row 4: in the middle of a pass that takes many seconds.
#[test]
fn the_second_signal_ends_at_once() {
    let place = Place::new(SLOW);
    let child = place.start("run", &[]);
    let timings = place.path("run").join("timings.csv");
    wait_for("the start", || fs::metadata(&timings).is_ok_and(|file| file.len() > 0));
    sleep(Duration::from_millis(200));
    signal(&child, "TERM");
    sleep(Duration::from_millis(300));
    let clock = Instant::now();
    signal(&child, "TERM");
    let done = child.wait_with_output().unwrap();
    assert_eq!(done.status.code(), Some(75));
    assert!(clock.elapsed() < Duration::from_secs(2));
    assert!(!stderr(&done).contains("interrupted"), "the first signal had ended it");
    assert_eq!(place.finished("run"), 0);
}

/// One signal that is passed on by two is not taken for a second one.
#[test]
fn signals_close_together_are_one() {
    let place = Place::new(JOB);
    let child = place.start("run", &["--threads", "1"]);
    let journal = place.path("run").join(JOURNAL);
    wait_for("a finished task", || fs::metadata(&journal).is_ok_and(|file| file.len() > 0));
    let both = format!("kill -USR1 {0}; kill -TERM {0}", child.id());
    assert!(Command::new("sh").arg("-c").arg(both).status().unwrap().success());
    let done = child.wait_with_output().unwrap();
    assert_eq!(done.status.code(), Some(75));
    assert!(stderr(&done).contains("the same command resumes"), "{}", stderr(&done));
}

/// A limit of one's own, between tasks, and one that the only task does not fit into.
#[test]
fn a_limit_of_hours_stops_like_a_signal() {
    let place = Place::new(JOB);
    let many = ["--threads", "1", "--set", "ensemble.seeds=60", "--max-hours"];
    let done = place.run("run", &[&many[..], &["0.0001"]].concat());
    assert_eq!(done.status.code(), Some(75), "{}", stderr(&done));
    let finished = place.finished("run");
    assert!(finished < 20 * TASKS && stderr(&done).contains("the same command resumes"));
    place.finish("run", &[&many[..], &["1"]].concat());
    assert_eq!(place.timings("run"), 20 * TASKS);
    for wrong in ["0", "-1", "nan", "soon", "1e300"] {
        let done = place.run("wrong", &["--max-hours", wrong]);
        assert_eq!(done.status.code(), Some(2), "{wrong}");
        assert!(!place.path("wrong").exists());
    }
    let slow = Place::new(SLOW);
    // Narrower: its pass is waited for.
    let set = ["--set", "ensemble.widths=[4000]", "--checkpoint-minutes", "never"];
    let done = slow.run("run", &[&["--max-hours", "0.0001"], &set[..]].concat());
    assert_eq!(done.status.code(), Some(75), "{}", stderr(&done));
    assert!(stderr(&done).contains("longer than --max-hours"), "{}", stderr(&done));
}
