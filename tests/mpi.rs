//! `nfd run` on several MPI ranks: the same bytes for any number of them, however they are killed; and
//! ranks that do not fit together, panic or cannot write end the job.

#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used)]

mod common;

use std::collections::HashSet;
use std::fs;
use std::path::Path;
use std::process::{Command, Output};
use std::sync::OnceLock;
use std::thread::sleep;
use std::time::{Duration, Instant};

use common::logs::{about, json_lines, log_of};
use common::missing::skipped;
use common::mpi::{Job, Mpi, kill};
use nfd::store::journals::Journals;

const FINAL: [&str; 4] = ["results.csv", "arrays.npz", "summary.json", "report.html"];

/// 36 tasks, together some two seconds on one core without optimisation.
const JOB: &str = r#"{
  "name": "ranks",
  "data": { "source": "digits", "samples": 3 },
  "training": { "steps": 2, "learning_rate": 0.5 },
  "ensemble": { "widths": [400], "depths": [4, 8, 16], "seeds": 4 },
  "engine": "conditional"
}
"#;
const TASKS: usize = 36;

fn folder() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("job.json"), JOB).unwrap();
    folder
}

/// The final files of a run on one process, without MPI.
fn solo() -> &'static [Vec<u8>] {
    static FILES: OnceLock<Vec<Vec<u8>>> = OnceLock::new();
    FILES.get_or_init(|| {
        let folder = folder();
        let mut command = Command::new(env!("CARGO_BIN_EXE_nfd"));
        command.current_dir(&folder).args(["run", "job.json", "--output", "solo"]);
        let done = command.args(["--threads", "2"]).output().unwrap();
        assert!(done.status.success(), "{}", said(&done));
        finals(&folder.path().join("solo"))
    })
}

fn finals(run: &Path) -> Vec<Vec<u8>> {
    FINAL.iter().map(|name| fs::read(run.join(name)).unwrap()).collect()
}

fn said(done: &Output) -> String {
    String::from_utf8_lossy(&done.stderr).into_owned()
}

/// Finished tasks of a run directory.
fn finished(run: &Path) -> usize {
    let journals = Journals::read(run, |_| true).unwrap();
    let keys = journals.files.iter().flat_map(|(_, contents)| contents.index.keys());
    keys.collect::<HashSet<_>>().len()
}

/// How many tasks have run, by the timings of all ranks.
fn ran(run: &Path) -> usize {
    let lines = |path: &Path| fs::read_to_string(path).map_or(0, |text| text.lines().count());
    let count = |path: &Path| lines(path).saturating_sub(1);
    let ranks = fs::read_dir(run.join("journal")).unwrap().map(|entry| entry.unwrap().path());
    let ranks = ranks.filter(|path| path.extension().is_some_and(|kind| kind == "csv"));
    ranks.map(|path| count(&path)).sum::<usize>() + count(&run.join("timings.csv"))
}

fn end(command: Command) -> Output {
    Job::start(command).end_within(Duration::from_secs(60))
}

fn same_for_any_ranks(mpi: &Mpi, counts: &[(usize, &str)]) {
    let folder = folder();
    let wanted = solo();
    for &(ranks, threads) in counts {
        let output = format!("{ranks}-{threads}");
        let done = end(mpi.run(folder.path(), ranks, &output, &["--threads", threads]));
        assert_eq!(done.status.code(), Some(0), "{}", said(&done));
        let run = folder.path().join(&output);
        assert!(finals(&run) == wanted, "{ranks} ranks, {threads} threads");
        assert_eq!((finished(&run), ran(&run)), (TASKS, TASKS));
        let used = Journals::read(&run, |_| true).unwrap();
        let used = used.files.iter().filter(|(_, contents)| !contents.index.is_empty()).count();
        assert_eq!(used, ranks, "every rank has had tasks");
        // The table is printed once.
        let table = String::from_utf8(done.stdout).unwrap();
        assert_eq!(table.matches("page: ").count(), 1);
    }
}

#[test]
fn bytes_do_not_depend_on_ranks_or_threads() {
    let Some(mpi) = Mpi::open("bytes_do_not_depend_on_ranks_or_threads") else { return };
    same_for_any_ranks(&mpi, &[(1, "2"), (2, "1"), (3, "2"), (5, "1")]);
}

#[test]
fn bytes_do_not_depend_on_the_library() {
    let Some(mpi) = Mpi::mpich("bytes_do_not_depend_on_the_library") else { return };
    same_for_any_ranks(&mpi, &[(1, "1"), (2, "1"), (3, "1")]);
}

/// Every rank has a log of its own, of what it did itself; people hear rank 0, and of others what went wrong.
#[test]
fn every_rank_has_a_log() {
    let Some(mpi) = Mpi::open("every_rank_has_a_log") else { return };
    let folder = folder();
    let run = folder.path().join("logged");
    let more = ["--threads", "1", "--log-format", "json"];
    let start = || {
        let mut command = mpi.run(folder.path(), 3, "logged", &more);
        command.env("NFD_LOG", "info");
        end(command)
    };
    let done = start();
    assert_eq!(done.status.code(), Some(0), "{}", said(&done));
    assert!(json_lines(&said(&done)).iter().all(|line| line["rank"] == 0), "{}", said(&done));
    assert_eq!(fs::read_dir(run.join("logs")).unwrap().count(), 3);
    let logs: Vec<_> = (0..3).map(|rank| log_of(&run, rank)).collect();
    let mut pids = HashSet::new();
    let mut tasks = HashSet::new();
    for log in &logs {
        let started = about(log, "started");
        assert_eq!((started.len(), &started[0]["ranks"]), (1, &3.into()));
        pids.insert(started[0]["pid"].as_u64().unwrap());
        let own = about(log, "done");
        assert!(!own.is_empty(), "every rank has had tasks");
        tasks.extend(own.iter().map(|line| line["task"].to_string()));
        assert_eq!(log.last().unwrap()["exit_code"], 0);
        assert_eq!(about(log, "results in").len(), usize::from(log[0]["rank"] == 0));
    }
    assert_eq!((pids.len(), tasks.len()), (3, TASKS));

    // A warning of another rank reaches people, in its name, and is counted at the end.
    let journal = run.join("journal/rank-2.journal");
    let mut bytes = fs::read(&journal).unwrap();
    bytes.pop();
    fs::write(&journal, bytes).unwrap();
    let done = start();
    assert_eq!(done.status.code(), Some(0), "{}", said(&done));
    let lines = json_lines(&said(&done));
    let warnings: Vec<_> = lines.iter().filter(|line| line["level"] == "WARN").collect();
    assert!(warnings.iter().any(|line| line["rank"] == 2), "{}", said(&done));
    let counted = format!("{} warning", warnings.len());
    assert_eq!(about(&lines, &counted).len(), 1, "{counted}: {}", said(&done));

    if Command::new("jq").arg("--version").output().is_err() {
        return skipped("every_rank_has_a_log", "jq");
    }
    let script =
        r#"select(.message == "done") | [.rank, .task.depth, .task.seed, .seconds] | @csv"#;
    let files = (0..3).map(|rank| run.join(format!("logs/rank-{rank}.jsonl")));
    let read = Command::new("jq").args(["-r", script]).args(files).output().unwrap();
    assert!(read.status.success(), "{}", said(&read));
    // The damaged record was done again.
    assert_eq!(String::from_utf8(read.stdout).unwrap().lines().count(), TASKS + 1);
}

/// The rounds of a limit: every one is dealt anew to all ranks, and the files are those of one process. A
/// limit that diverges ends all ranks with the exit code of a user's mistake.
#[test]
fn limits_do_not_depend_on_ranks() {
    let Some(mpi) = Mpi::open("limits_do_not_depend_on_ranks") else { return };
    let folder = folder();
    // Rounds of 17, 3 blocks and one, together some ten seconds on one core without optimisation.
    let job = r#"{
      "name": "limits", "study": "limit", "data": { "source": "toy" },
      "training": { "steps": 0, "learning_rate": 1.0 },
      "ensemble": { "closures": ["gia"] },
      "limit": { "tolerance": 1e-2, "width": 256, "whitening": false }
    }"#;
    fs::write(folder.path().join("job.json"), job).unwrap();
    let finals = |name: &str| -> Vec<Vec<u8>> {
        let names = ["limit.csv", "limit.npz", "summary.json", "report.html"];
        names.map(|file| fs::read(folder.path().join(name).join(file)).unwrap()).into()
    };
    let mut command = Command::new(env!("CARGO_BIN_EXE_nfd"));
    let done = command.current_dir(&folder).args(["run", "job.json", "--output", "solo"]).output();
    let done = done.unwrap();
    assert!(done.status.success(), "{}", said(&done));
    let blocks = ran(&folder.path().join("solo"));
    assert!(blocks > 17, "more rounds than one: {blocks}");
    for ranks in [2, 3] {
        let output = format!("ranks{ranks}");
        let done = end(mpi.run(folder.path(), ranks, &output, &["--threads", "1"]));
        assert_eq!(done.status.code(), Some(0), "{}", said(&done));
        assert!(finals(&output) == finals("solo"), "{ranks} ranks");
        let run = folder.path().join(&output);
        assert_eq!((finished(&run), ran(&run)), (blocks, blocks));
        let journals = Journals::read(&run, |_| true).unwrap();
        let used = journals.files.iter().filter(|(_, contents)| !contents.index.is_empty());
        assert_eq!(used.count(), ranks, "every rank has had blocks");
    }
    let set = ["--set", "model.activation=relu", "--set", "training.learning_rate=1e12"];
    let set = [&set[..], &["--set", "training.steps=30"]].concat();
    let done = end(mpi.run(folder.path(), 2, "diverged", &set));
    assert_eq!(done.status.code(), Some(2), "{}", said(&done));
    assert!(said(&done).contains("diverged after"), "{}", said(&done));
    assert!(!folder.path().join("diverged/limit.csv").exists());
}

/// Row 17 of what may go wrong: at seeded instants a rank, all processes, or the launcher is killed;
/// the job ends soon, what was finished stays, and another number of ranks makes the same bytes.
#[test]
fn kills_lose_nothing_and_change_nothing() {
    let Some(mpi) = Mpi::open("kills_lose_nothing_and_change_nothing") else { return };
    let folder = folder();
    let wanted = solo();
    let program = mpi.program("nfd");
    let mut random = 7_u64;
    let mut next = |below: u64| {
        random = random.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
        (random >> 33) % below
    };
    let mut midway = [0; 3];
    for round in 0.. {
        if midway.iter().all(|&kills| kills >= 2) {
            break;
        }
        assert!(round < 40, "so few kills hit the middle: {midway:?}");
        let victim = round % 3;
        let output = format!("killed{round}");
        let run = folder.path().join(&output);
        let ranks = [2, 3, 5][next(3) as usize];
        let always = ["--threads", "1", "--checkpoint-minutes", "0"];
        let mut job = Job::start(mpi.run(folder.path(), ranks, &output, &always));
        // By what is done and not by time alone: how long the whole takes depends on the machine.
        let enough = 1 + next(TASKS as u64 / 2) as usize;
        let begun = || run.join("journal").is_dir() && ran(&run) >= enough;
        let clock = Instant::now();
        while !begun() {
            assert!(clock.elapsed() < Duration::from_secs(30));
            sleep(Duration::from_millis(2));
        }
        sleep(Duration::from_millis(next(50)));
        let pids = job.ranks(&program);
        let launcher = job.id();
        let at_kill = ran(&run);
        match (victim, pids.as_slice()) {
            (_, []) => {}
            (0, pids) => kill(pids[next(pids.len() as u64) as usize], "KILL"),
            (1, pids) => {
                kill(launcher, "KILL");
                pids.iter().for_each(|&pid| kill(pid, "KILL"));
            }
            _ => kill(launcher, "KILL"),
        }
        let done = job.end_within(Duration::from_secs(30));
        let before = finished(&run);
        assert!(before == TASKS || !done.status.success(), "{victim}: {}", said(&done));
        if at_kill == TASKS {
            continue; // it came too late
        }
        // What is left may be done all the same: ranks go on for a second without their launcher.
        midway[victim] += 1;
        let started = ran(&run);
        let ranks = [3, 1, 2][next(3) as usize];
        let done = end(mpi.run(folder.path(), ranks, &output, &["--threads", "1"]));
        assert!(done.status.success(), "{}", said(&done));
        assert!(finals(&run) == wanted, "round {round}");
        // A kill may fall between a record and its timing.
        let again = ran(&run) - started;
        assert!(again == TASKS - before, "{again} tasks ran, {before} of {TASKS} were finished");
    }
}

/// A signal to the launcher reaches every rank.
#[test]
fn a_signal_ends_all_ranks_and_the_same_command_resumes() {
    let name = "a_signal_ends_all_ranks_and_the_same_command_resumes";
    let Some(mpi) = Mpi::open(name) else { return };
    let folder = folder();
    let wanted = solo();
    let run = folder.path().join("run");
    let mut started = 0;
    for signal in ["USR1", "USR2"] {
        let mut job = Job::start(mpi.run(folder.path(), 2, "run", &["--threads", "1"]));
        let clock = Instant::now();
        while !(run.join("journal/rank-1.journal").exists() && finished(&run) > started) {
            assert!(clock.elapsed() < Duration::from_secs(30));
            sleep(Duration::from_millis(2));
        }
        job.ranks(&mpi.program("nfd"));
        kill(job.id(), signal);
        let done = job.end_within(Duration::from_secs(20));
        assert_eq!(done.status.code(), Some(75), "{signal}: {}", said(&done));
        assert!(said(&done).contains("the same command resumes"), "{}", said(&done));
        assert!(!run.join("summary.json").exists());
        started = finished(&run);
        assert!(started > 0 && started < TASKS, "{started}");
    }
    let done = end(mpi.run(folder.path(), 3, "run", &[]));
    assert!(done.status.success(), "{}", said(&done));
    assert!(finals(&run) == wanted);
    assert_eq!(ran(&run), TASKS);
}

#[test]
fn a_panicking_rank_ends_the_job() {
    let Some(mpi) = Mpi::open("a_panicking_rank_ends_the_job") else { return };
    let mut command = mpi.launcher();
    command.args(["-n", "3"]).arg(mpi.program("panicking_rank"));
    let done = Job::start(command).end_within(Duration::from_secs(20));
    assert!(!done.status.success());
    let said = said(&done);
    assert!(said.contains("rank 1 panicked") && said.contains("planted"), "{said}");
}

/// Row 18, and a build without MPI, and one for another MPI.
#[test]
fn ranks_that_do_not_fit_together_are_refused() {
    let Some(mpi) = Mpi::open("ranks_that_do_not_fit_together_are_refused") else { return };
    let folder = folder();
    let place = folder.path();
    let other = place.join("other");
    let mut bytes = fs::read(mpi.program("nfd")).unwrap();
    bytes.push(0);
    fs::copy(mpi.program("nfd"), &other).unwrap();
    fs::write(&other, bytes).unwrap();
    fs::write(place.join("other.json"), JOB.replace("\"seeds\": 4", "\"seeds\": 5")).unwrap();

    let pair = |second: &Path, more: &[&str]| {
        let mut command = mpi.run(place, 1, "run", &[]);
        command.args([":", "-n", "1"]).arg(second).args(more);
        command
    };
    let nfd = mpi.program("nfd");
    let plain = Path::new(env!("CARGO_BIN_EXE_nfd"));
    let mut without = mpi.launcher();
    without.current_dir(place).args(["-n", "2"]).arg(plain);
    without.args(["run", "job.json", "--output", "run"]);
    let mut cases = vec![
        (pair(&other, &["run", "job.json", "--output", "run"]), "another program"),
        (pair(&nfd, &["run", "other.json", "--output", "run"]), "another experiment or --output"),
        (pair(&nfd, &["run", "job.json", "--output", "elsewhere"]), "another experiment"),
        (pair(&nfd, &["run", "absent.json", "--output", "run"]), "rank 1 on"),
        (without, "this build has no MPI"),
    ];
    if let Some(mpich) = Mpi::mpich("ranks_that_do_not_fit_together_are_refused") {
        let mut foreign = mpi.launcher();
        foreign.current_dir(place).args(["-n", "2"]).arg(mpich.program("nfd"));
        foreign.args(["run", "job.json", "--output", "run"]);
        cases.push((foreign, "1 of them found each other"));
    }
    for (command, expected) in cases {
        let done = end(command);
        assert_eq!(done.status.code(), Some(2), "{expected}: {}", said(&done));
        assert!(said(&done).contains(expected), "{expected}: {}", said(&done));
        assert!(!place.join("run").exists() && !place.join("elsewhere").exists(), "{expected}");
    }
}

/// Before anything is computed.
#[test]
fn a_rank_that_cannot_write_stops_the_start() {
    let Some(mpi) = Mpi::open("a_rank_that_cannot_write_stops_the_start") else { return };
    let folder = folder();
    let journal = folder.path().join("run/journal/rank-1.journal");
    fs::create_dir_all(&journal).unwrap();
    let done = end(mpi.run(folder.path(), 2, "run", &[]));
    assert_eq!(done.status.code(), Some(1), "{}", said(&done));
    assert!(said(&done).contains("rank-1.journal"), "{}", said(&done));
    fs::remove_dir(&journal).unwrap();
    assert_eq!(finished(&folder.path().join("run")), 0);
    let done = end(mpi.run(folder.path(), 2, "run", &[]));
    assert!(done.status.success(), "{}", said(&done));
}

/// Three ranks take two GPUs of a node in turn, those of the software device.
#[test]
fn ranks_take_gpus_in_turn() {
    let Some(mpi) = Mpi::open("ranks_take_gpus_in_turn") else { return };
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let (driver, compiler) = (root.join("target/softcuda"), root.join("target/nvrtc"));
    if !driver.join("libcuda.so.1").exists() || !compiler.exists() {
        return skipped("ranks_take_gpus_in_turn", "software CUDA device and NVRTC");
    }
    let folder = folder();
    let job = r#"{
      "name": "ranks", "data": { "source": "digits", "samples": 2 },
      "training": { "steps": 1, "learning_rate": 0.5 },
      "ensemble": { "widths": [16], "depths": [2, 4], "seeds": 2, "closures": ["exact"] },
      "engine": "dense", "backend": "cuda"
    }"#;
    fs::write(folder.path().join("job.json"), job).unwrap();
    let mut command = mpi.run(folder.path(), 3, "run", &[]);
    command.env("LD_LIBRARY_PATH", &driver).env("NFD_NVRTC", &compiler);
    command.env("SOFTCUDA_DEVICES", "2").env("NFD_CACHE", folder.path().join("kernels"));
    let done = Job::start(command).end_within(Duration::from_secs(180));
    assert!(done.status.success(), "{}", said(&done));
    assert!(said(&done).contains("3 ranks on") && said(&done).contains("share 2 GPUs"));
    let launch = nfd::store::manifest::read(&folder.path().join("run")).unwrap().unwrap().launch;
    assert_eq!((launch.ranks, launch.devices.len()), (3, 3));
    for (device, number) in launch.devices.iter().zip([0, 1, 0]) {
        assert!(device.contains(&format!("number {number},")), "{:?}", launch.devices);
    }
}
