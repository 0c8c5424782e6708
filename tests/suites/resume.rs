//! `nfd run` killed, repeated, enlarged and contradicted: the same bytes, or a refusal.

#![cfg(unix)]

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command};
use std::thread::sleep;
use std::time::Instant;

use crate::common::experiments::SLOW;
use crate::common::place::*;
use nfd::store::{JOURNAL, lock};

const SIGKILL: i32 = 9;

/// Every file below, with its bytes.
fn snapshot(folder: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut files = BTreeMap::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            files.extend(snapshot(&path));
        } else {
            files.insert(path.clone(), fs::read(&path).unwrap());
        }
    }
    files
}

/// Row 1. Kills at random instants of a fixed sequence, again and again in one directory until a
/// start gets through; at least twelve of them in the middle of the tasks, each of which is kept after every
/// update.
#[test]
fn kills_at_random_instants_change_nothing() {
    const WANTED: usize = 12;
    let place = Place::new(JOB);
    let clock = Instant::now();
    place.finish("undisturbed", &["--threads", "1"]);
    let whole = clock.elapsed();
    let undisturbed = place.finals("undisturbed");
    let (mut random, mut midway, mut kills) = (1_u64, 0, 0);
    for round in 0.. {
        let name = format!("killed{round}");
        loop {
            let mut child = place.start(&name, &["--threads", "1", "--checkpoint-minutes", "0"]);
            // Knuth's generator, its upper bits.
            random = random.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
            sleep(whole.mul_f64(0.6 * (random >> 40) as f64 / (1 << 24) as f64));
            child.kill().unwrap();
            let done = child.wait_with_output().unwrap();
            if done.status.signal() != Some(SIGKILL) {
                assert!(done.status.success(), "{}", stderr(&done));
                break;
            }
            kills += 1;
            let finished = place.finished(&name);
            midway += usize::from(finished > 0 && finished < TASKS);
        }
        assert!(place.finals(&name) == undisturbed, "round {round}");
        assert_eq!(place.finished(&name), TASKS);
        // A kill may cost the line of a task, or a task its time, but none runs twice otherwise.
        assert!(place.timings(&name) <= TASKS);
        assert!(round < 60, "only {midway} of {kills} kills hit the tasks");
        if midway >= WANTED {
            break;
        }
    }
}

/// Row 10.
#[test]
fn two_processes_do_not_share_a_directory() {
    let place = Place::new(SLOW);
    let started = |child: &Child| {
        let owner = format!("pid {},", child.id());
        wait_for("the lock", || {
            lock::find_holder(&place.path("run")).unwrap().is_some_and(|who| who.contains(&owner))
        });
    };
    let mut first = place.start("run", &[]);
    started(&first);
    let second = place.run("run", &[]);
    let said = stderr(&second);
    assert_eq!(second.status.code(), Some(2), "{said}");
    assert!(said.contains("is in use by host "), "{said}");
    assert!(said.contains(&format!("pid {}", first.id())), "{said}");
    first.kill().unwrap();
    first.wait().unwrap();
    let mut third = place.start("run", &[]);
    started(&third);
    third.kill().unwrap();
    third.wait().unwrap();
}

/// More seeds, depths, widths and closures: what is there is used, and the files are those of a
/// fresh directory. And back again.
#[test]
fn experiments_grow_and_shrink_in_one_directory() {
    let place = Place::new(JOB);
    let set = |fields: &[&'static str]| -> Vec<&'static str> {
        fields.iter().flat_map(|field| ["--set", *field]).collect()
    };
    let small = set(&[
        "ensemble.widths=[48]",
        "ensemble.depths=[4,8]",
        "ensemble.seeds=2",
        "ensemble.closures=[\"exact\"]",
        "finest=16",
    ]);
    // Depth 2 has no layer at a quarter: what is compared changes, what was computed does not. The
    // engine and the noise grid are left open: they are those of the directory.
    let large = set(&[
        "ensemble.widths=[48,64]",
        "ensemble.depths=[2,4,8]",
        "ensemble.seeds=3",
        "ensemble.closures=[\"exact\",\"gia\"]",
        "engine=auto",
    ]);
    let fresh = [large.clone(), set(&["finest=16"])].concat();
    place.finish("grown", &small);
    let before = place.finals("grown");
    assert_eq!(place.timings("grown"), 4);

    let said = place.finish("grown", &large);
    assert!(said.contains("finest 16: that of the run directory"), "{said}");
    assert!(said.contains("engine conditional: that of the run directory"), "{said}");
    assert!(said.contains("4 tasks are finished already"), "{said}");
    assert_eq!(place.timings("grown"), 36);
    place.finish("fresh", &fresh);
    assert_eq!(place.timings("fresh"), 36);
    assert!(place.finals("grown") == place.finals("fresh"));

    place.finish("grown", &small);
    assert_eq!(place.timings("grown"), 36, "a finished task ran twice");
    assert!(place.finals("grown") == before);
}

/// Row 7: every field that tasks share.
#[test]
fn contradicting_experiments_are_refused() {
    let place = Place::new(JOB);
    let table = place.path("table.csv");
    fs::write(&table, "x0,x1,y\n1,0,1\n0,1,-1\n").unwrap();
    let csv = format!("data={{\"source\":\"csv\",\"path\":{:?},\"samples\":2}}", table);
    let base = ["--set", "ensemble.widths=[48]", "--set", "ensemble.depths=[4,8]"];
    let base = [&base[..], &["--set", "ensemble.closures=[\"exact\"]"]].concat();
    let base = [&base[..], &["--set", &csv]].concat();
    place.finish("run", &base);
    let before = snapshot(&place.path("run"));
    let refused = |extra: &[&str], fields: &[&str]| {
        let sets: Vec<&str> = extra.iter().flat_map(|field| ["--set", *field]).collect();
        let done = place.run("run", &[&base[..], &sets].concat());
        let said = stderr(&done);
        assert_eq!(done.status.code(), Some(2), "{extra:?}: {said}");
        assert!(fields.iter().all(|field| said.contains(field)), "{extra:?}: {said}");
        assert!(said.contains("choose another --output"), "{said}");
        assert!(snapshot(&place.path("run")) == before, "{extra:?} changed something");
    };
    refused(&["data.samples=1"], &["data.samples (2, now 1)"]);
    refused(&["data.test_samples=1", "data.samples=1"], &["data.samples", "data.test_samples"]);
    refused(&["model.activation=relu"], &["model.activation (\"tanh\", now \"relu\")"]);
    refused(&["model.gamma=2"], &["model.gamma (1.0, now 2.0)"]);
    refused(&["training.steps=1"], &["training.steps (2, now 1)"]);
    refused(&["training.learning_rate=0.1"], &["training.learning_rate (0.5, now 0.1)"]);
    refused(&["engine=dense"], &["engine (\"conditional\", now \"dense\")"]);
    refused(&["finest=32"], &["finest (8, now 32)"]);
    refused(&["ensemble.depths=[4,16]"], &["finest (8, now 16)"]);
    refused(&["reference.rows=7"], &["reference.rows (512, now 7)"]);
    fs::write(&table, "x0,x1,y\n1,0,1\n0.5,1,-1\n").unwrap();
    refused(&[], &["samples in data"]);
}

/// Rows 5 and 6, from outside: the warning is seen, one task is redone, the bytes are the same.
#[test]
fn a_damaged_journal_is_mended() {
    let place = Place::new(JOB);
    let small = ["--set", "ensemble.widths=[48]"];
    place.finish("run", &small);
    let undisturbed = place.finals("run");
    let journal = place.path("run").join(JOURNAL);
    let mut bytes = fs::read(&journal).unwrap();
    bytes[100] ^= 4;
    bytes.truncate(bytes.len() - 5);
    fs::write(&journal, &bytes).unwrap();
    let said = place.finish("run", &small);
    assert!(said.contains("warning: ") && said.contains("record 1 (bytes 0 to "), "{said}");
    assert!(said.contains("is torn or damaged and is dropped"), "{said}");
    assert!(said.contains("25 tasks are finished already"), "{said}");
    assert!(place.finals("run") == undisturbed);
    assert_eq!(place.timings("run"), TASKS + 2);
}

/// Row 8, from outside: a limit on file sizes stands for a full disk.
#[test]
fn a_full_disk_is_reported_and_costs_nothing() {
    let place = Place::new(JOB);
    let small = ["--set", "ensemble.widths=[48]"];
    place.finish("undisturbed", &small);
    let limited = place.command("run", &small);
    let mut shell = Command::new("sh");
    shell.arg("-c").arg("trap '' XFSZ; ulimit -f 100; exec \"$0\" \"$@\"");
    let done = shell.arg(limited.get_program()).args(limited.get_args()).output().unwrap();
    let said = stderr(&done);
    assert_eq!(done.status.code(), Some(1), "{said}");
    assert!(said.contains("rank-0.journal (") && said.contains(" bytes needed)"), "{said}");
    let finished = place.finished("run");
    assert!((1..TASKS).contains(&finished), "{finished}");
    place.finish("run", &small);
    assert!(place.finals("run") == place.finals("undisturbed"));
    assert_eq!(place.timings("run"), TASKS);
}
