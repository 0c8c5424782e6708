//! The job scripts of `jobs/`, as they are, on a real Slurm of one node: interrupted, requeued and
//! resumed, sharded and merged, they leave the bytes of one undisturbed process; nothing is requeued
//! for ever, or that would only fail again.

#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used)]

mod common;

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use common::missing::skipped;
use common::place::begun_at;
use common::results::final_files;
use common::slurm::{self, Slurm, wait_for};
use nfd::store::journal::read_contents;

const PLAIN: &str = env!("CARGO_BIN_EXE_nfd");
/// Many tasks, of some 10 s together on one core.
const JOB: &str = r#"{
  "name": "stopped",
  "data": { "source": "digits", "samples": 3 },
  "training": { "steps": 2, "learning_rate": 0.5 },
  "ensemble": { "widths": [WIDTH], "depths": [4, 8, 16], "seeds": 24 },
  "engine": "conditional"
}
"#;
const TASKS: usize = 216;
/// For the program that is built like a user's.
const WIDE: usize = 30_000;
/// For that with MPI, which tests/run.sh builds without optimisation.
const NARROW: usize = 400;

fn job(width: usize) -> String {
    JOB.replace("WIDTH", &width.to_string())
}

/// Final files of one process that nothing disturbed.
fn undisturbed(width: usize) -> &'static BTreeMap<String, Vec<u8>> {
    static FILES: [OnceLock<BTreeMap<String, Vec<u8>>>; 2] = [OnceLock::new(), OnceLock::new()];
    FILES[usize::from(width == WIDE)].get_or_init(|| {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("job.json"), job(width)).unwrap();
        let mut command = Command::new(PLAIN);
        let done = command.args(["run", "job.json"]).current_dir(folder.path()).output().unwrap();
        assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
        final_files(&folder.path().join("runs/stopped"))
    })
}

fn assert_undisturbed(run: &Path, width: usize) {
    for ((name, bytes), (of, expected)) in final_files(run).iter().zip(undisturbed(width)) {
        assert!(name == of && bytes == expected, "{name} differs in {}", run.display());
    }
    assert_eq!(final_files(run).len(), undisturbed(width).len());
}

/// The build with MPI, or a line that says what is skipped for want of it or of Slurm.
fn openmpi(test: &str) -> Option<PathBuf> {
    let Some(nfd) = std::env::var_os("NFD_OPENMPI") else {
        skipped(test, "nfd built for OpenMPI in NFD_OPENMPI");
        return None;
    };
    let nfd = fs::canonicalize(nfd).unwrap();
    slurm(test).then_some(nfd)
}

fn slurm(test: &str) -> bool {
    let missing = slurm::missing();
    missing.inspect(|program| skipped(test, program)).is_none()
}

fn script(name: &str) -> String {
    format!("{}/jobs/{name}", env!("CARGO_MANIFEST_DIR"))
}

/// Started, with the experiment in its folder.
fn start(width: usize) -> Slurm {
    let slurm = Slurm::start();
    fs::write(slurm.work.join("job.json"), job(width)).unwrap();
    slurm
}

/// Submits `jobs/cluster.sbatch` with two ranks on the one node; returns the id.
fn cluster(slurm: &Slurm, nfd: &Path, restarts: u32, arguments: &[&str]) -> String {
    let mut sbatch = slurm.command("sbatch");
    sbatch.args(["--parsable", "--nodes=1", "--ntasks-per-node=2", "--cpus-per-task=1"]);
    // So far from the limit that no warning comes but the test's.
    sbatch.arg("--time=60").arg(script("cluster.sbatch")).args(arguments);
    sbatch.env("NFD", nfd).env("MAX_RESTARTS", restarts.to_string());
    let done = sbatch.output().unwrap();
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    String::from_utf8(done.stdout).unwrap().trim().to_owned()
}

fn journals(run: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(run.join("journal")).into_iter().flatten().flatten();
    let files = entries.map(|entry| entry.path());
    files.filter(|path| path.extension().is_some_and(|kind| kind == "journal")).collect()
}

/// Tasks in all journals of a run directory.
fn finished(run: &Path) -> usize {
    journals(run).iter().map(|file| read_contents(file).unwrap().index.len()).sum()
}

/// Until a run of the job has finished one.
fn wait_for_a_task(slurm: &Slurm, id: &str, run: &Path) {
    let some = |file: &PathBuf| fs::metadata(file).is_ok_and(|file| file.len() > 0);
    let begun = |job: &slurm::Job| job.state == "RUNNING" && journals(run).iter().any(some);
    slurm.wait_until(id, "at work on the second task", begun);
}

/// Row 3 on a cluster: the warning stops every rank, the job requeues itself and resumes.
#[test]
fn a_cluster_job_is_warned_requeued_and_resumed() {
    let Some(nfd) = openmpi("a_cluster_job_is_warned_requeued_and_resumed") else { return };
    let slurm = start(NARROW);
    let run = slurm.work.join("runs/stopped");
    let id = cluster(&slurm, &nfd, 1, &["job.json"]);
    wait_for_a_task(&slurm, &id, &run);
    // The same call to the controller as that of --signal=B:USR1@300.
    slurm.ask("scancel", &["--batch", "--signal=USR1", &id]);
    slurm.restart(&id, 1);
    let log = slurm.work.join(format!("nfd-{id}.out"));
    let said = fs::read_to_string(&log).unwrap();
    assert!(said.contains("tasks 0-1: Exited with exit code 75"), "{said}");
    assert!(said.contains("the same command resumes"), "{said}");
    let before = finished(&run);
    assert!((1..TASKS).contains(&before), "{before}");
    assert!(!run.join("results.csv").exists());

    let job = slurm.wait_for(&id, &["COMPLETED"]);
    assert_eq!((job.restarts, job.exit.as_str()), (1, "0:0"));
    let said = fs::read_to_string(&log).unwrap();
    assert!(said.contains(&format!("{before} tasks are finished already")), "{said}");
    assert!(said.contains("Exited with exit code 75"), "the log of the first start is lost");
    assert_undisturbed(&run, NARROW);
    assert_eq!(finished(&run), TASKS, "a finished task ran twice");
    let each: Vec<usize> =
        journals(&run).iter().map(|file| read_contents(file).unwrap().index.len()).collect();
    assert!(each.len() == 2 && each.iter().all(|&own| own > TASKS / 4), "not shared: {each:?}");
}

/// One network that takes longer than every start of the job: warned before the end of each, it is requeued, and
/// goes on where it was.
#[test]
fn a_network_longer_than_the_time_limit_is_done_over_several_starts() {
    let Some(nfd) = openmpi("a_network_longer_than_the_time_limit_is_done_over_several_starts")
    else {
        return;
    };
    const STARTS: u32 = 3;
    let job = r#"{ "name": "stopped", "data": { "source": "digits", "samples": 4 }, "reference": "none",
        "training": { "steps": 200, "learning_rate": 0.5, "record": 50 }, "engine": "dense",
        "ensemble": { "widths": [200], "depths": [16], "seeds": 1, "closures": ["exact"] } }"#;
    let slurm = Slurm::start();
    fs::write(slurm.work.join("job.json"), job).unwrap();
    let whole = tempfile::tempdir().unwrap();
    let mut command = Command::new(PLAIN);
    command.arg("run").arg(slurm.work.join("job.json")).current_dir(whole.path());
    assert!(command.output().unwrap().status.success());
    let run = slurm.work.join("runs/stopped");
    let id = cluster(&slurm, &nfd, STARTS, &["job.json", "--checkpoint-minutes", "0"]);
    let step = || begun_at(&run).unwrap_or(0);
    let mut reached = 0;
    for start in 1..=STARTS {
        let further = |job: &slurm::Job| job.state == "RUNNING" && step() > reached + 20;
        slurm.wait_until(&id, "further with its network", further);
        slurm.ask("scancel", &["--batch", "--signal=USR1", &id]);
        slurm.restart(&id, start);
        assert!(step() > reached + 20 && step() < 200, "{} after {reached}", step());
        reached = step();
        assert_eq!(finished(&run), 0);
    }
    let job = slurm.wait_for(&id, &["COMPLETED"]);
    assert_eq!((job.restarts, job.exit.as_str()), (STARTS, "0:0"));
    let said = fs::read_to_string(slurm.work.join(format!("nfd-{id}.out"))).unwrap();
    assert_eq!(said.matches("1 tasks go on from checkpoints").count(), STARTS as usize, "{said}");
    assert_eq!(final_files(&run), final_files(&whole.path().join("runs/stopped")));
}

/// What never gets done ends, and what fails or is cancelled is not tried again.
#[test]
fn requeues_have_an_end() {
    let Some(nfd) = openmpi("requeues_have_an_end") else { return };
    let slurm = start(NARROW);
    // Long enough for a task, too short for all of them.
    let short = cluster(&slurm, &nfd, 1, &["job.json", "--max-hours", "0.0005"]);
    fs::write(slurm.work.join("bad.json"), job(NARROW).replace("\"seeds\"", "\"sedes\"")).unwrap();
    let bad = cluster(&slurm, &nfd, 9, &["bad.json", "--output", "bad"]);
    let job = slurm.wait_for(&bad, &["FAILED"]);
    assert_eq!((job.restarts, job.exit.as_str()), (0, "2:0"));
    slurm.restart(&short, 1);
    let job = slurm.wait_for(&short, &["FAILED"]);
    assert_eq!((job.restarts, job.exit.as_str()), (1, "75:0"));
    assert!((1..TASKS).contains(&finished(&slurm.work.join("runs/stopped"))));

    let unwanted = cluster(&slurm, &nfd, 9, &["job.json", "--output", "unwanted"]);
    wait_for_a_task(&slurm, &unwanted, &slurm.work.join("unwanted"));
    slurm.ask("scancel", &[&unwanted]);
    assert_eq!(slurm.wait_for(&unwanted, &["CANCELLED"]).restarts, 0);
    let left = || slurm.ask("squeue", &["--noheader"]).trim().is_empty().then_some(());
    wait_for("an empty queue", left, || slurm.logs());
}

/// Three shards, of which the last, whose job id is that of the array, is warned and requeued: the
/// merge waits for it.
#[test]
fn an_array_is_merged() {
    if !slurm("an_array_is_merged") {
        return;
    }
    let slurm = start(WIDE);
    let mut submit = slurm.command(&script("array.sbatch"));
    submit.arg("job.json").env("NFD", PLAIN).env("SHARDS", "3");
    let done = submit.output().unwrap();
    let said = String::from_utf8(done.stdout).unwrap();
    assert!(done.status.success(), "{said} {}", String::from_utf8_lossy(&done.stderr));
    let ids = said.trim().strip_prefix("array ").and_then(|ids| ids.split_once(", merge "));
    let (array, merge) = ids.unwrap();
    let shard = |i: usize| slurm.work.join(format!("runs/job.shard-{i}-of-3"));

    let last = format!("{array}_3");
    wait_for_a_task(&slurm, &last, &shard(3));
    slurm.ask("scancel", &["--batch", "--signal=USR1", &last]);
    slurm.wait_for(&format!("{array}_1"), &["COMPLETED"]);
    slurm.wait_for(&format!("{array}_2"), &["COMPLETED"]);
    assert_eq!(slurm.job(merge).state, "PENDING");
    slurm.restart(&last, 1);
    slurm.wait_for(merge, &["COMPLETED"]);
    for (i, restarts) in [(1, 0), (2, 0), (3, 1)] {
        let job = slurm.job(&format!("{array}_{i}"));
        let expected = ("COMPLETED", restarts, "0:0");
        assert_eq!((job.state.as_str(), job.restarts, job.exit.as_str()), expected, "shard {i}");
    }
    assert_undisturbed(&slurm.work.join("runs/job"), WIDE);
    let shares: Vec<usize> = (1..=3).map(|i| finished(&shard(i))).collect();
    assert_eq!(shares.iter().sum::<usize>(), TASKS, "{shares:?}");
}

/// Rehearsed without Slurm.
#[test]
fn a_laptop_runs_ranks() {
    let Some(nfd) = openmpi("a_laptop_runs_ranks") else { return };
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("job.json"), job(NARROW)).unwrap();
    // `mpirun` may be that of another library.
    let launcher = slurm::which("mpirun.openmpi").or_else(|| slurm::which("mpirun")).unwrap();
    std::os::unix::fs::symlink(launcher, folder.path().join("mpirun")).unwrap();
    let path = format!("{}:{}", folder.path().display(), std::env::var("PATH").unwrap());
    // mpirun itself may hang when ranks do.
    let mut command = Command::new("timeout");
    command.args(["-k", "5", "60", &script("laptop.sh"), "job.json", "--threads", "1"]);
    command.env("NFD", nfd).env("RANKS", "2").env("PATH", path).current_dir(folder.path());
    command.env("OMPI_ALLOW_RUN_AS_ROOT", "1").env("OMPI_ALLOW_RUN_AS_ROOT_CONFIRM", "1");
    let done = command.output().unwrap();
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    let run = folder.path().join("runs/stopped");
    assert_undisturbed(&run, NARROW);
    assert_eq!(journals(&run).len(), 2);
}

/// What reaches the program on nodes with GPUs, shown by a stand-in for it: Slurm's choice of GPUs, and
/// the arguments.
#[test]
fn gpus_are_those_that_slurm_gives() {
    if !slurm("gpus_are_those_that_slurm_gives") {
        return;
    }
    let slurm = start(WIDE);
    let stub = slurm.work.join("stub");
    fs::write(&stub, "#!/bin/sh\necho \"gpus ${CUDA_VISIBLE_DEVICES-none}: $*\"\n").unwrap();
    slurm.ask("chmod", &["+x", "stub"]);
    let mut develop = slurm.command(&script("dev-gpu.sh"));
    develop.args(["job.json", "--set", "ensemble.seeds=4"]).env("NFD", &stub);
    let done = develop.stdin(std::process::Stdio::null()).output().unwrap();
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    let said = String::from_utf8(done.stdout).unwrap();
    let expected = "gpus 0: doctor\ngpus 0: run --backend cuda job.json --set ensemble.seeds=4\n";
    assert_eq!(said, expected);

    let mut sbatch = slurm.command("sbatch");
    sbatch.args(["--wait", "--parsable", "--nodes=1", "--gpus-per-node=2", "--time=60"]);
    let done = sbatch.arg(script("cluster.sbatch")).arg("job.json").env("NFD", &stub).output();
    let id = String::from_utf8(done.unwrap().stdout).unwrap();
    let log = fs::read_to_string(slurm.work.join(format!("nfd-{}.out", id.trim()))).unwrap();
    assert_eq!(log, "gpus 0,1: run --threads 16 job.json\n".repeat(2));
}
