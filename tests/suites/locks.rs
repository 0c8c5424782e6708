//! Run directories on file systems without locks, with locks of one kind, or with locks that hold on
//! one machine only; and processes that meet there, on one host and on two.

#![cfg(target_os = "linux")]

use std::fs;
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::Arc;
use std::thread::sleep;
use std::time::{Duration, Instant};

use crate::common::faults::{open_locked, tiny};
use crate::common::lock_shim;
use nfd::engine::Trajectory;
use nfd::experiment::grid::tasks;
use nfd::store::files::Disk;
use nfd::store::journal::read_contents;
use nfd::store::lock::owner::{Newest, Owner};
use nfd::store::lock::{Choice, Lock, Locking};
use nfd::store::timings::Timing;
use nfd::store::{JOURNAL, lock};

/// 18 tasks of some 20 ms each.
const JOB: &str = r#"{
  "name": "locked",
  "data": { "source": "digits", "samples": 3 },
  "training": { "steps": 2, "learning_rate": 0.5 },
  "ensemble": { "widths": [1500], "depths": [8, 16, 32], "seeds": 6, "closures": ["exact"] },
  "engine": "conditional"
}"#;
const TASKS: usize = 18;

/// One task of many seconds, on one thread.
const SLOW: &str = r#"{
  "name": "slow",
  "data": { "source": "toy" },
  "training": { "steps": 1, "learning_rate": 0.5 },
  "ensemble": { "widths": [20000], "depths": [4], "seeds": 1, "closures": ["exact"] },
  "engine": "conditional", "finest": 262144
}"#;

/// How flock and fcntl end: both as they are here, or with these errors; 0 grants everything.
type Refused = [Option<i32>; 2];
const ENOSYS: i32 = 38;
const NO_LOCKS: Refused = [Some(ENOSYS), Some(ENOSYS)];

/// A folder with jobs, run directories and the library that stands before flock and fcntl.
struct Place {
    folder: tempfile::TempDir,
    shim: PathBuf,
}

impl Place {
    fn new() -> Place {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("job.json"), JOB).unwrap();
        fs::write(folder.path().join("slow.json"), SLOW).unwrap();
        let shim = lock_shim::build(folder.path());
        Place { folder, shim }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// `nfd` with these arguments, in the folder, where locks are refused so.
    fn nfd(&self, refused: Refused, arguments: &[&str]) -> Command {
        self.prepare(Command::new(env!("CARGO_BIN_EXE_nfd")), refused, arguments)
    }

    /// The same on a host of this name.
    fn nfd_on(&self, host: &str, refused: Refused, arguments: &[&str]) -> Command {
        let mut command = Command::new("unshare");
        command.args(unshare_options().unwrap()).args(["--uts", "sh", "-c"]);
        command
            .arg(format!("hostname {host} && exec \"$0\" \"$@\""))
            .arg(env!("CARGO_BIN_EXE_nfd"));
        self.prepare(command, refused, arguments)
    }

    fn prepare(&self, mut command: Command, refused: Refused, arguments: &[&str]) -> Command {
        command.args(arguments).current_dir(self.folder.path());
        for (name, error) in ["STAND_IN_FLOCK", "STAND_IN_FCNTL"].into_iter().zip(refused) {
            command.envs(error.map(|error| (name, error.to_string())));
        }
        command.env("LD_PRELOAD", &self.shim).stdout(Stdio::piped()).stderr(Stdio::piped());
        command
    }

    fn results(&self, run: &str) -> Vec<u8> {
        fs::read(self.path(run).join("results.csv")).unwrap()
    }
}

/// How `unshare` gives a process a host name of its own here: as root, or as one's own root; None where
/// neither is allowed.
fn unshare_options() -> Option<&'static [&'static str]> {
    let ways: [&[&str]; 2] = [&[], &["--map-root-user"]];
    ways.into_iter().find(|way| {
        let mut command = Command::new("unshare");
        command.args(*way).args(["--uts", "hostname", "elsewhere"]).stderr(Stdio::null());
        command.status().is_ok_and(|status| status.success())
    })
}

fn stderr(done: &Output) -> String {
    String::from_utf8_lossy(&done.stderr).into_owned()
}

/// Runs to the end, with this exit code; what it said.
fn end(mut command: Command, code: i32) -> String {
    let done = command.output().unwrap();
    assert_eq!(done.status.code(), Some(code), "{}", stderr(&done));
    stderr(&done) + &String::from_utf8_lossy(&done.stdout)
}

fn signal(child: &Child, name: &str) {
    let mut kill = Command::new("kill");
    assert!(kill.arg(format!("-{name}")).arg(child.id().to_string()).status().unwrap().success());
}

fn wait_for(what: &str, ready: impl Fn() -> bool) {
    let clock = Instant::now();
    while !ready() {
        assert!(clock.elapsed() < Duration::from_secs(60), "waited for {what}");
        sleep(Duration::from_millis(1));
    }
}

/// Who holds the run directory, by its owner file.
fn owner(run: &Path) -> Option<Owner> {
    run.is_dir()
        .then(|| Newest::find(&run.join("lock")).unwrap())?
        .and_then(|newest| newest.owner())
}

fn wait_for_owner(run: &Path, child: &Child) {
    wait_for("the lock", || owner(run).is_some_and(|owner| owner.process.pid == child.id()));
}

/// Every error that flock has been seen to end with where a file system has none, and fcntl beside it:
/// the next kind of lock is taken, which is said, and the results are those of any other run.
#[test]
fn without_flock_the_next_lock_is_taken_and_named() {
    const EIO: i32 = 5;
    const EINVAL: i32 = 22;
    const ENOLCK: i32 = 37;
    const EOPNOTSUPP: i32 = 95;
    const ENOTSUPP: i32 = 524; // of the kernel alone, but let through by autofs and some NFS
    let place = Place::new();
    let said = end(place.nfd([None; 2], &["run", "job.json", "--output", "flock"]), 0);
    assert!(!said.contains("locked by"), "{said}");
    assert_eq!(owner(&place.path("flock")).unwrap().by, "flock");
    for error in [EIO, EINVAL, ENOLCK, ENOSYS, EOPNOTSUPP, ENOTSUPP] {
        for (fcntl, by, named) in [
            (None, "fcntl", "locked by fcntl"),
            (Some(error), "file", "an owner file with a heartbeat"),
        ] {
            let run = format!("{by}{error}");
            let command = place.nfd([Some(error), fcntl], &["run", "job.json", "--output", &run]);
            let said = end(command, 0);
            for part in [named, "as it has no flock: ", &format!("os error {error}")] {
                assert!(said.contains(part), "{error}: {part}: {said}");
            }
            let owner = owner(&place.path(&run)).unwrap();
            assert_eq!((&*owner.by, owner.released), (by, true));
            assert_eq!(place.results(&run), place.results("flock"));
        }
    }
}

/// What is asked for by name is taken or refused, never replaced.
#[test]
fn a_lock_that_is_named_is_that_or_none() {
    let place = Place::new();
    for (choice, refused) in [("flock", [Some(ENOSYS), None]), ("fcntl", [None, Some(ENOSYS)])] {
        let run = ["run", "job.json", "--output", choice, "--lock", choice];
        let said = end(place.nfd(refused, &run), 2);
        for part in [choice, "cannot be locked by", "Function not implemented", "leave --lock out"]
        {
            assert!(said.contains(part), "{part}: {said}");
        }
        end(place.nfd([None; 2], &run), 0);
        assert_eq!(owner(&place.path(choice)).unwrap().by, choice);
    }
    end(place.nfd([None; 2], &["run", "job.json", "--output", "file", "--lock", "file"]), 0);
    assert_eq!(owner(&place.path("file")).unwrap().by, "file");
    assert!(!place.path("file").join("lock").exists());
    let said =
        end(place.nfd(NO_LOCKS, &["run", "job.json", "--output", "none", "--lock", "none"]), 0);
    assert!(said.contains("nothing keeps another run away"), "{said}");
    assert_eq!(owner(&place.path("none")), None);
    for verb in ["report", "merge"] {
        let said = end(place.nfd(NO_LOCKS, &[verb, "flock", "--lock", "flock"]), 2);
        assert!(said.contains("cannot be locked by flock"), "{said}");
    }
}

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
            wait_for("a finished task", || finished() > 0);
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
        let files = || (place.results(run), fs::read(place.path(run).join(JOURNAL)).unwrap());
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

#[test]
fn the_doctor_names_the_lock_of_a_folder() {
    let place = Place::new();
    for (refused, parts) in [
        ([None; 2], ["locks          flock: in .", "fcntl works"]),
        ([Some(ENOSYS), None], ["locks          fcntl: in .", "flock does not work (Function not"]),
        (NO_LOCKS, ["locks          file: in .", "owner file works"]),
        ([Some(0), Some(0)], ["locks          file: in .", "flock does not work (granted twice)"]),
    ] {
        let said = end(place.nfd(refused, &["doctor"]), 0);
        for part in parts {
            assert!(said.contains(part), "{refused:?}: {part}: {said}");
        }
    }
    let said = end(place.nfd([None; 2], &["doctor", "nowhere"]), 0);
    assert!(said.contains("locks          unknown in nowhere"), "{said}");
    let left = fs::read_dir(place.folder.path()).unwrap().map(|e| e.unwrap().file_name());
    assert!(left.into_iter().all(|name| !name.to_string_lossy().starts_with('.')));
}

/// Two processes without a lock: whoever finds that the other has written stops, and nothing that was
/// finished is lost.
#[test]
fn without_a_lock_the_second_writer_is_noticed() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("run");
    let experiment = tiny(1);
    let locking = Locking::new(Choice::None, |_| ());
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

/// Who has lost the lock by removal of its owner file writes nothing any more.
#[test]
fn an_owner_without_its_file_does_not_write() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("run");
    let experiment = tiny(1);
    let locking = Locking::new(Choice::File, |_| ());
    let directory = open_locked(&path, &experiment, locking).unwrap();
    directory.write("results.csv", b"1").unwrap();
    fs::remove_file(path.join("lock.owner-1")).unwrap();
    for wrote in [directory.write("results.csv", b"2"), directory.write_plots(&[])] {
        assert!(wrote.unwrap_err().to_string().contains("no longer this process's"));
    }
    assert_eq!(fs::read(path.join("results.csv")).unwrap(), b"1");
    assert_eq!(lock::find_holder(&path).unwrap(), None);
    let again = Lock::take(&*Arc::new(Disk), &path, &locking).unwrap();
    assert!(again.check().is_ok() && lock::find_holder(&path).unwrap().is_some());
}
