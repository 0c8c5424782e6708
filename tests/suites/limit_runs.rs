//! Study `limit` as a program that people run: the files it leaves, the same bytes however it was shared,
//! stopped or repeated.

#![cfg(unix)]

use std::collections::BTreeMap;
use std::fs;
use std::io::Cursor;
use std::process::{Child, Command};
use std::thread::sleep;
use std::time::{Duration, Instant};

use crate::common::limits::{FIRST_ROUND, Line, Place, TOLERANCE, lines, said};
use crate::common::npz::{floats, member};
use nfd::job::prepare::reopen;
use nfd::store::{JOURNAL, timings};
use zip::ZipArchive;

/// One closure, for which the second round is the last.
const TWO_ROUNDS: [&str; 2] = ["--set", "ensemble.closures=[\"gia\"]"];

/// Every line holds together, all lines together are complete, and both files have the same numbers.
///
/// A value and its distance to the limit are sums of the same means in different orders: below 1 each, so
/// apart by some roundings of 1e-16.
#[test]
fn limits_are_written_number_by_number() {
    let place = Place::new();
    place.run("run", &[]);
    let text = fs::read_to_string(place.path("run/limit.csv")).unwrap();
    let header = "closure,step,quantity,sample,output,depth,value,standard_error,bias_bound,distance,distance_error";
    assert_eq!(text.lines().next(), Some(header));

    let mut by_quantity: BTreeMap<(String, u32, String, Option<u32>), Vec<Line>> = BTreeMap::new();
    for line in lines(&place.path("run")) {
        assert!(line.value.is_finite() && line.standard_error > 0.0, "{line:?}");
        let output = [line.sample.is_some(), line.output == Some(0)];
        assert_eq!(output, [line.quantity == "f"; 2], "{line:?}");
        let key = (line.closure.clone(), line.step, line.quantity.clone(), line.sample);
        by_quantity.entry(key).or_default().push(line);
    }
    // Two closures; before and after the update; two outputs and the loss.
    assert_eq!(by_quantity.len(), 2 * 2 * 3);
    let archive = fs::read(place.path("run/limit.npz")).unwrap();
    let mut archive = ZipArchive::new(Cursor::new(archive)).unwrap();
    let mut numbers = |name: &str| floats(&member(&mut archive, name).1);
    let names = ["f", "f_error", "f_bias", "loss", "loss_error", "loss_bias"];
    let arrays: BTreeMap<&str, Vec<f64>> =
        names.map(|name| (name, numbers(name))).into_iter().collect();
    let weights = numbers("levels_weight");
    assert_eq!((arrays["f"].len(), arrays["loss"].len()), (2 * 2 * 2, 2 * 2));

    for ((closure, step, quantity, sample), lines) in &by_quantity {
        let (limit, levels) = lines.split_last().unwrap();
        assert_eq!(limit.depth, "inf");
        assert!(limit.distance.is_none() && limit.distance_error.is_none(), "{limit:?}");
        let bias = limit.bias_bound.unwrap();
        for (k, line) in levels.iter().enumerate() {
            assert_eq!(line.depth, (4 << k).to_string());
            assert!(line.bias_bound.is_none() && line.distance_error.unwrap() > 0.0, "{line:?}");
            let apart = line.value - limit.value;
            assert!((apart - line.distance.unwrap()).abs() <= 1e-14, "{line:?} {limit:?}");
        }
        assert!(levels.len() >= 3 && weights.len() >= 2 * levels.len());
        if quantity != "loss" && *step > 0 {
            let budget = TOLERANCE / 2_f64.sqrt();
            assert!(limit.standard_error <= budget && bias <= budget, "{limit:?}");
        }
        // Axes: closure, step, then sample.
        let row = 2 * usize::from(closure == "gia") + *step as usize;
        let i = sample.map_or(row, |sample| 2 * row + sample as usize);
        let of = |suffix: &str| arrays[format!("{quantity}{suffix}").as_str()][i];
        let written = (limit.value, limit.standard_error, bias);
        assert_eq!((of(""), of("_error"), of("_bias")), written, "{closure} {step} {quantity}");
    }
}

/// Repeated, nothing runs and every file is written again as it was; and threads change nothing.
#[test]
fn repetitions_and_threads_change_nothing() {
    let place = Place::new();
    place.run("run", &["--threads", "1"]);
    let (wanted, ran) = (place.finals("run"), place.ran("run"));
    assert!(ran > FIRST_ROUND, "more rounds than one: {ran}");
    assert_eq!(place.finished("run"), ran);
    let said = place.run("run", &["--threads", "2"]);
    assert!(said.contains(&format!("{FIRST_ROUND} tasks are finished already")), "{said}");
    assert!(place.finals("run") == wanted);
    assert_eq!(place.ran("run"), ran, "a finished block ran again");
    for threads in ["2", "7"] {
        place.run(threads, &["--threads", threads]);
        assert!(place.finals(threads) == wanted, "{threads} threads");
        assert_eq!(place.ran(threads), ran);
    }
}

/// A finer tolerance of the same width takes the blocks of the coarser one, and leaves what a fresh
/// directory has; and back again, without any work.
#[test]
fn tolerances_are_refined_in_place() {
    let place = Place::new();
    let coarse = ["--set", "limit.tolerance=1e-2"];
    place.run("run", &coarse);
    let (before, there) = (place.finals("run"), place.ran("run"));
    let said = place.run("run", &[]);
    assert!(said.contains(&format!("{FIRST_ROUND} tasks are finished already")), "{said}");
    place.run("fresh", &[]);
    assert!(place.finals("run") == place.finals("fresh"));
    let (all, fresh) = (place.ran("run"), place.ran("fresh"));
    assert!(there < fresh && all < there + fresh - FIRST_ROUND + 1, "{there} {all} {fresh}");
    assert_eq!(place.finished("run"), all, "a finished block ran again");
    place.run("run", &coarse);
    assert!(place.finals("run") == before);
    // Another width has blocks of its own, beside these.
    place.run("run", &["--set", "limit.width=512", "--set", "limit.tolerance=0.1"]);
    assert_eq!(place.ran("run"), all + FIRST_ROUND);
    place.run("run", &[]);
    assert!(place.finals("run") == place.finals("fresh"));
}

/// Repetitions have independent noise: no number of one is that of another, and all are the same limit.
///
/// Values of step 1 differ by two standard errors together times a normal, biases by their bounds; of four
/// such comparisons one is beyond 5 standard errors in 2e-6 of all such tests. Would miss a bias below
/// 5 standard errors, 0.03 here. Keys are fixed.
#[test]
fn repetitions_are_independent_and_agree() {
    let place = Place::new();
    place.run("a", &[]);
    place.run("b", &["--set", "limit.repetition=1"]);
    let (a, b) = (lines(&place.path("a")), lines(&place.path("b")));
    let ends = |lines: &[Line]| -> Vec<Line> {
        lines.iter().filter(|line| line.depth == "inf").cloned().collect()
    };
    let (a, b) = (ends(&a), ends(&b));
    assert_eq!(a.len(), b.len());
    for (a, b) in a.iter().zip(&b) {
        assert_eq!((&a.closure, a.step, &a.quantity), (&b.closure, b.step, &b.quantity));
        assert!(a.value != b.value, "{a:?}");
        if a.step > 0 && a.quantity != "loss" {
            let error = 5.0 * a.standard_error.hypot(b.standard_error);
            let bias = a.bias_bound.unwrap() + b.bias_bound.unwrap();
            assert!((a.value - b.value).abs() <= error + bias, "{a:?} {b:?}");
        }
    }
}

fn signal(child: &Child, name: &str) {
    let sent = Command::new("sh").arg("-c").arg(format!("kill -{name} {}", child.id())).status();
    assert!(sent.unwrap().success());
}

/// Stopped and killed in the first round and in later ones, one after the other in one directory.
#[test]
fn interruptions_change_nothing() {
    let place = Place::new();
    place.run("undisturbed", &[]);
    let (wanted, all) = (place.finals("undisturbed"), place.ran("undisturbed"));
    let arguments = ["run", "job.json", "--output", "run", "--threads", "1"];
    // Hours that are over before the first block is.
    let done = place.nfd(&[&arguments[..], &["--max-hours", "1e-7"]].concat());
    assert_eq!(done.status.code(), Some(75), "{}", said(&done));
    let (mut early, mut late) = (0, 0);
    for (i, &name) in ["INT", "KILL"].iter().cycle().enumerate() {
        let mut child = place.command(&arguments).spawn().unwrap();
        let before = place.finished("run");
        let clock = Instant::now();
        // A few blocks more than there were.
        while place.finished("run") < before + 5 && child.try_wait().unwrap().is_none() {
            assert!(clock.elapsed() < Duration::from_secs(60), "waited for blocks");
            sleep(Duration::from_millis(1));
        }
        // It may have ended meanwhile.
        if child.try_wait().unwrap().is_none() {
            signal(&child, name);
        }
        let done = child.wait_with_output().unwrap();
        if done.status.success() {
            break;
        }
        assert!(i < 100, "it never ends");
        let (said, finished) = (said(&done), place.finished("run"));
        assert!(finished <= all && !said.contains("panicked"), "{said}");
        assert!(!place.path("run/limit.csv").exists(), "an unfinished limit is no result");
        if name == "INT" {
            assert_eq!(done.status.code(), Some(75), "{said}");
            assert!(said.contains(&format!("{finished} of ")), "{finished}: {said}");
            assert!(said.contains("the same command resumes"), "{said}");
        }
        if finished < FIRST_ROUND { early += 1 } else { late += 1 }
    }
    assert!(early >= 2 && late >= 2, "{early} {late}");
    assert!(place.finals("run") == wanted);
    assert_eq!(place.finished("run"), all);
    // A kill may fall between a block and its timing.
    assert!(place.ran("run") <= all, "a finished block ran again");
}

/// A record of the first round and the last record of all are lost, and done again.
#[test]
fn damaged_journals_are_mended() {
    let place = Place::new();
    place.run("run", &[]);
    let (wanted, all) = (place.finals("run"), place.ran("run"));
    let journal = place.path("run").join(JOURNAL);
    let mut bytes = fs::read(&journal).unwrap();
    bytes[100] ^= 4;
    bytes.truncate(bytes.len() - 5);
    fs::write(&journal, &bytes).unwrap();
    let said = place.run("run", &[]);
    assert!(said.contains("is torn or damaged and is dropped"), "{said}");
    assert!(said.contains(&format!("{} tasks are finished already", FIRST_ROUND - 1)), "{said}");
    assert!(place.finals("run") == wanted);
    assert_eq!(place.ran("run"), all + 2);
}

/// Both shards do the first round and half of the second: where that is enough, they are the whole.
#[test]
fn shards_of_two_rounds_are_the_whole() {
    let place = Place::new();
    place.run("whole", &TWO_ROUNDS);
    let (wanted, whole) = (place.finals("whole"), place.ran("whole"));
    for shard in ["1/2", "2/2"] {
        place.run(&shard[..1], &[&TWO_ROUNDS[..], &["--shard", shard]].concat());
        assert!(!place.path(&shard[..1]).join("limit.csv").exists(), "a part is no result");
    }
    let (first, second) = (place.ran("1"), place.ran("2"));
    assert!(first < whole && second < whole, "{first} {second} {whole}");
    assert_eq!(first + second, whole + FIRST_ROUND / 2, "every later block once");
    let merge = ["merge", "1", "2", "--output", "merged"];
    place.good(&merge);
    assert!(place.finals("merged") == wanted);
    let said = place.good(&merge);
    assert!(said.contains("0 tasks from 1"), "{said}");
    assert!(place.finals("merged") == wanted);
}

/// Where a third round is needed, merging says what to do, and doing it gives the whole.
#[test]
fn shards_that_need_a_third_round_are_finished_by_a_run() {
    let place = Place::new();
    place.run("whole", &[]);
    for shard in ["1/2", "2/2"] {
        place.run(&shard[..1], &["--shard", shard]);
    }
    let done = place.nfd(&["merge", "1", "2", "--output", "merged"]);
    assert_eq!(done.status.code(), Some(75), "{}", said(&done));
    let remedy = "let `nfd run` do the rest there";
    assert!(said(&done).contains(remedy), "{}", said(&done));
    assert!(!place.path("merged/limit.csv").exists());
    place.run("merged", &[]);
    assert!(place.finals("merged") == place.finals("whole"));
    assert_eq!(place.ran("merged"), place.ran("whole"));

    // A shard alone is finished by a run as well, and one of another limit is refused.
    place.run("1", &[]);
    assert!(place.finals("1") == place.finals("whole"));
    place.run("other", &["--shard", "2/2", "--set", "limit.tolerance=1e-2"]);
    let done = place.nfd(&["merge", "2", "other", "--output", "both"]);
    assert_eq!(done.status.code(), Some(2), "{}", said(&done));
    assert!(said(&done).contains("limit ({\"tolerance\":0.005,"), "{}", said(&done));
    assert!(!place.path("both").exists());
}

/// Before, during and after; `nfd report` writes what the run has written.
#[test]
fn plan_status_and_report_know_limits() {
    let place = Place::new();
    let stdout = |arguments: &[&str]| {
        let done = place.nfd(arguments);
        assert_eq!(done.status.code(), Some(0), "{arguments:?}: {}", said(&done));
        String::from_utf8(done.stdout).unwrap()
    };
    let named = |text: &str| assert!(text.contains("exact") && text.contains("gia"), "{text}");
    let plan = ["plan", "job.json", "--output", "run"];
    let planned = stdout(&plan);
    named(&planned);
    assert!(planned.contains(&format!("{FIRST_ROUND} tasks")), "{planned}");
    assert!(!place.path("run").exists(), "a plan writes nothing");

    let stopped = ["run", "job.json", "--output", "run", "--max-hours", "1e-7"];
    assert_eq!(place.nfd(&stopped).status.code(), Some(75));
    named(&stdout(&["status", "run"]));
    // Of an unfinished limit there is nothing to say yet, in few words and without a panic.
    let early = place.nfd(&["report", "run"]);
    assert!(matches!(early.status.code(), Some(0 | 75)), "{}", said(&early));

    let table = stdout(&["run", "job.json", "--output", "run"]);
    let before = place.finals("run");
    let status = stdout(&["status", "run"]);
    named(&status);
    assert!(status.contains("about 0 core seconds left"), "{status}");
    for file in before.keys() {
        fs::remove_file(place.path("run").join(file)).unwrap();
    }
    assert_eq!(stdout(&["report", "run"]), table);
    assert!(place.finals("run") == before);
    named(&stdout(&plan));
}

/// Plans are calibrated by blocks as blocks, of 16 networks and more, and by those of this limit alone.
///
/// The median ratio and the mean of 34 timings on a busy machine are within a factor of 4; blocks taken
/// for single networks made it 16 and more.
#[test]
fn timings_of_blocks_calibrate_plans() {
    let place = Place::new();
    place.run("run", &["--threads", "1"]);
    place.run("run", &["--threads", "1", "--set", "limit.width=2048"]);
    let prepared = reopen(&place.path("run")).unwrap();
    let first: BTreeMap<_, f64> = timings::read(&place.path("run")).into_iter().collect();
    let tasks = prepared.plan.tasks.iter().map(|(task, _)| task);
    let took: f64 = tasks.clone().map(|task| first[task]).sum();
    let ratio = prepared.plan.core_seconds() / took;
    assert_eq!(tasks.count(), FIRST_ROUND);
    assert!((0.25..=4.0).contains(&ratio), "{ratio}");
}
