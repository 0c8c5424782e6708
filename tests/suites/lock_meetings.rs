//! Processes that meet in a run directory, on one host and on two, whatever locks each of them has.

#![cfg(target_os = "linux")]

use std::fs;
use std::os::unix::process::ExitStatusExt;
use std::process::Child;
use std::thread::sleep;
use std::time::{Duration, Instant};

use crate::common::faults::{open_locked, tiny};
use crate::common::locking::{
    ENOSYS, NO_LOCKS, Place, Refused, TASKS, end, owner, signal, stderr, unshare_options, wait_for,
    wait_for_owner,
};
use nfd::engine::Trajectory;
use nfd::experiment::grid::tasks;
use nfd::store::JOURNAL;
use nfd::store::journal::read_contents;
use nfd::store::lock::{Choice, Locking};
use nfd::store::timings::Timing;

/// Whatever each of the two takes, the second is refused while the first is at work, and takes over at
/// once when that was killed; a file system that grants flock on one machine only included.
#[test]
fn two_processes_meet_with_any_two_locks() {
    let place = Place::new();
    let kinds: [Refused; 4] = [[None; 2], [Some(ENOSYS), None], NO_LOCKS, [Some(0), Some(0)]];
    for (i, first) in kinds.into_iter().enumerate() {
        let name = format!("run{i}");
        let slow = ["run", "slow.json", "--threads", "1", "--output", &name];
        let run = place.path(&name);
        let mut holder = place.nfd(first, &slow).spawn().unwrap();
        wait_for_owner(&run, &holder);
        for second in kinds {
            let said = end(place.nfd(second, &slow), 2);
            let pid = format!("pid {}", holder.id());
            for part in ["is in use by host ", &pid, "wait until it has ended"] {
                assert!(said.contains(part), "{first:?} {second:?}: {said}");
            }
        }
        let status = end(place.nfd([None; 2], &["status", &name]), 0);
        assert!(status.contains(&format!("in use by host {}", owner(&run).unwrap().process.host)));
        for second in kinds {
            holder.kill().unwrap();
            holder.wait().unwrap();
            let status = end(place.nfd([None; 2], &["status", &name]), 0);
            assert!(!status.contains("in use by"), "{status}");
            let clock = Instant::now();
            holder = place.nfd(second, &slow).spawn().unwrap();
            wait_for_owner(&run, &holder);
            assert!(clock.elapsed() < Duration::from_secs(10), "{first:?} {second:?}");
        }
        holder.kill().unwrap();
        holder.wait().unwrap();
    }
}

/// A process that sleeps so long that another host takes over finds that out before it writes, says so,
/// and what either has finished is in the results, which are those of an undisturbed run. Without locks,
/// and with locks that each host grants by itself.
#[test]
fn a_sleeper_is_taken_over_by_another_host_and_does_not_write() {
    if unshare_options().is_none() {
        eprintln!("no host names of one's own: unshare --uts is not allowed here");
        return;
    }
    let place = Place::new();
    let job = |run| ["run", "job.json", "--threads", "1", "--output", run];
    end(place.nfd([None; 2], &job("undisturbed")), 0);
    let cases: Vec<_> =
        [NO_LOCKS, [Some(0), Some(0)]].into_iter().zip(["sleeper0", "sleeper1"]).collect();
    let sleepers: Vec<Child> = cases
        .iter()
        .map(|&(refused, run)| {
            let child = place.nfd_on("node-a", refused, &job(run)).spawn().unwrap();
            let finished = || read_contents(&place.path(run).join(JOURNAL)).unwrap().index.len();
            // The last of what is written of a task: a process stopped between journal and timings finds on
            // waking that these have grown, before it looks who owns the directory.
            let timings = || fs::read_to_string(place.path(run).join("timings.csv"));
            wait_for("a finished task", || timings().is_ok_and(|text| text.lines().count() > 1));
            signal(&child, "STOP");
            assert!(finished() < TASKS, "stopped too late");
            child
        })
        .collect();
    let others: Vec<Child> = cases
        .iter()
        .map(|&(refused, run)| place.nfd_on("node-b", refused, &job(run)).spawn().unwrap())
        .collect();
    for ((other, sleeper), (refused, run)) in others.into_iter().zip(sleepers).zip(cases) {
        let done = other.wait_with_output().unwrap();
        let said = stderr(&done);
        assert!(done.status.success() && said.contains("gives no sign of life"), "{said}");
        assert!(said.contains("host node-a"), "{said}");
        assert_eq!(place.results(run), place.results("undisturbed"), "{refused:?}");
        let read = |name: &str| fs::read(place.path(run).join(name)).unwrap();
        let files = || (place.results(run), read(JOURNAL), read("logs/rank-0.jsonl"));
        let left = files();
        signal(&sleeper, "CONT");
        let done = sleeper.wait_with_output().unwrap();
        let said = stderr(&done);
        assert_eq!((done.status.code(), done.status.signal()), (Some(2), None), "{said}");
        assert!(said.contains("no longer this process's"), "{said}");
        assert_eq!(files(), left);
        assert_eq!(owner(&place.path(run)).unwrap().process.host, "node-b");
    }
}

/// Four processes at once on one directory, without locks of the file system, killed and started again
/// at random instants: one at a time is at work, and the results are those of an undisturbed run.
#[test]
fn a_crowd_without_locks_loses_nothing() {
    let place = Place::new();
    let run = ["run", "job.json", "--threads", "1", "--output", "crowd"];
    let mut random = 7_u64;
    let mut started = 0;
    loop {
        let crowd: Vec<Child> =
            (0..4).map(|_| place.nfd(NO_LOCKS, &run).spawn().unwrap()).collect();
        started += crowd.len();
        // Knuth's generator, its upper bits.
        random = random.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
        sleep(Duration::from_millis(30 + 300 * (random >> 40) / (1 << 24)));
        let mut is_done = false;
        for mut child in crowd {
            if started < 60 {
                child.kill().unwrap();
            }
            let done = child.wait_with_output().unwrap();
            let said = stderr(&done);
            match (done.status.signal(), done.status.code()) {
                (Some(_), _) => {}
                (None, Some(0)) => is_done = true,
                _ => assert!(said.contains("is in use by"), "{said}"),
            }
        }
        if is_done && started >= 60 {
            break;
        }
    }
    let contents = read_contents(&place.path("crowd").join(JOURNAL)).unwrap();
    assert_eq!((contents.index.len(), contents.torn, contents.damaged.len()), (TASKS, 0, 0));
    end(place.nfd([None; 2], &["run", "job.json", "--threads", "1", "--output", "alone"]), 0);
    assert_eq!(place.results("crowd"), place.results("alone"));
}

/// A host is refused while another is at work, whatever locks they have, and told by whom.
#[test]
fn two_hosts_do_not_share_a_directory() {
    if unshare_options().is_none() {
        eprintln!("no host names of one's own: unshare --uts is not allowed here");
        return;
    }
    let place = Place::new();
    for (refused, run) in [(NO_LOCKS, "run0"), ([Some(0), Some(0)], "run1"), ([None; 2], "run2")] {
        let slow = ["run", "slow.json", "--threads", "1", "--output", run];
        let mut holder = place.nfd_on("node-a", refused, &slow).spawn().unwrap();
        wait_for("the lock", || {
            owner(&place.path(run)).is_some_and(|o| o.process.host == "node-a")
        });
        let said = end(place.nfd_on("node-b", refused, &slow), 2);
        assert!(said.contains("in use by host node-a"), "{said}");
        let status = end(place.nfd_on("node-b", refused, &["status", run]), 0);
        assert!(
            status.contains("in use by host node-a") && !status.contains("no sign"),
            "{status}"
        );
        holder.kill().unwrap();
        holder.wait().unwrap();
        let status = end(place.nfd_on("node-b", refused, &["status", run]), 0);
        assert!(status.contains("no sign of life and may have ended"), "{status}");
    }
}

/// Two processes without a lock: whoever finds that the other has written stops, and nothing that was
/// finished is lost.
#[test]
fn without_a_lock_the_second_writer_is_noticed() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("run");
    let experiment = tiny(1);
    let locking = Locking::new(Choice::None);
    let [one, two] = [(); 2].map(|()| open_locked(&path, &experiment, locking).unwrap());
    let tasks = tasks(&experiment);
    let timing = Timing { threads: 1, started: std::time::SystemTime::UNIX_EPOCH, seconds: 1.0 };
    let value = Trajectory::default();
    one.finish(tasks[0], &value, timing).unwrap();
    let error = two.finish(tasks[1], &value, timing).unwrap_err().to_string();
    assert!(error.contains("another process has written here"), "{error}");
    drop((one, two));
    let again = open_locked(&path, &experiment, locking).unwrap();
    assert!(again.warnings().is_empty() && again.has(tasks[0]) && !again.has(tasks[1]));
}
