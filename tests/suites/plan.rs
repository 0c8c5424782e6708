//! `nfd plan`, `status`, `report` and `doctor`: what is said before, during and after a run.

use std::fs;
use std::path::Path;

use crate::common::a_task;
use crate::common::results::{final_files, nfd};
use nfd::data;
use nfd::ensemble::cost::cost;
use nfd::ensemble::plan::{Free, Plan, plan};
use nfd::experiment::grid::Task;
use nfd::experiment::load;
use nfd::experiment::work::Rates;
use nfd::model::Closure;

const JOB: &str = r#"{
  "name": "small",
  "data": { "source": "digits", "samples": 3 },
  "training": { "steps": 1, "learning_rate": 0.5 },
  "ensemble": { "widths": [48], "depths": [4, 8], "seeds": 2, "closures": ["exact"] },
  "engine": "conditional"
}
"#;

fn job(folder: &Path) -> String {
    let file = folder.join("small.json");
    fs::write(&file, JOB).unwrap();
    file.display().to_string()
}

fn stdout(arguments: &[&str]) -> String {
    let done = nfd(arguments);
    let stderr = String::from_utf8_lossy(&done.stderr);
    assert!(done.status.success(), "{arguments:?}: {stderr}");
    String::from_utf8(done.stdout).unwrap()
}

/// Closed forms at sizes where one term is known.
#[test]
fn costs_are_those_of_the_formulas() {
    let folder = tempfile::tempdir().unwrap();
    let file = job(folder.path());
    let experiment = load(Path::new(&file), &[]).unwrap().experiment;
    let data = data::load(&experiment.data).unwrap();
    let at = |width, depth| {
        cost(
            &experiment,
            &data,
            Task { closure: Closure::Exact, width, depth, seed: 0, ..a_task() },
        )
    };
    let (small, wide, deep) = (at(1024, 4), at(2048, 4), at(1024, 8));
    // Two passes, two directions, three samples, the common grid of eight layers: at any depth.
    assert_eq!(small.work.normals, 2.0 * 2.0 * 3.0 * 8.0 * 1024.0);
    assert_eq!(deep.work.normals, small.work.normals);
    // 20 n r P a query, rank 3, then 6; but layer 1 has three columns to the end while the input is
    // frozen, and layer L is asked about V alone.
    assert_eq!(small.work.flops, 20.0 * 1024.0 * 3.0 * (6.0 * (3.0 + 6.0) + (3.0 + 3.0) + 2.0));
    assert_eq!(deep.work.flops, 20.0 * 1024.0 * 3.0 * (14.0 * (3.0 + 6.0) + (3.0 + 3.0) + 2.0));
    assert_eq!(wide.work.flops, 2.0 * small.work.flops);
    // All but M, both Θ, a copy and the queries' coefficients (rank 6, four layers), and a constant,
    // grows with the width.
    let small_matrices = 8.0 * (4.0 * 4.0 * 36.0 + 36.0) + 1e6;
    assert!((2.0 * small.bytes - wide.bytes - small_matrices).abs() <= 1e-6);
    // Ranks end at the width.
    assert_eq!(
        at(4, 4).work.flops,
        20.0 * 4.0 * 3.0 * (6.0 * (3.0 + 4.0) + (3.0 + 3.0) + (1.0 + 1.0))
    );
    // f64 doubles the columns and is counted in whole chunks of 512 rows.
    let set = ["precision=f64".to_owned()];
    let double = load(Path::new(&file), &set).unwrap().experiment;
    let task = Task { closure: Closure::Exact, width: 1000, depth: 4, seed: 0, ..a_task() };
    let constant = small_matrices;
    let expected = 2.0 * (small.bytes - constant) + constant;
    assert!((cost(&double, &data, task).bytes - expected).abs() <= 1e-6);
}

/// Minibatches: columns and vectors of the batch, evaluations of all samples where recorded.
#[test]
fn minibatches_cost_their_batches_and_evaluations() {
    let folder = tempfile::tempdir().unwrap();
    let file = job(folder.path());
    let at = |pairs: &[&str]| {
        let mut set: Vec<String> = pairs.iter().map(|&s| s.to_owned()).collect();
        set.extend(["training.steps=7", "backend=plain"].map(str::to_owned));
        let experiment = load(Path::new(&file), &set).unwrap().experiment;
        let data = data::load(&experiment.data).unwrap();
        let task = Task { closure: Closure::Exact, width: 1024, depth: 4, seed: 0, ..a_task() };
        cost(&experiment, &data, task)
    };
    let batch = ["training.batch=1", "training.record=3", "data.test_samples=2"];
    let (n, fine) = (1024.0, 8.0);
    // Eight passes, two directions, one sample; steps 0, 3, 6 and 7 evaluate three and two samples.
    let small = at(&batch);
    assert_eq!(small.work.normals, fine * n * (8.0 * 2.0 + 4.0 * 5.0));
    assert_eq!(small.work.activations, 4.0 * n * (8.0 * 2.0 + 4.0 * 5.0));
    // A column a pass in six directions of layers; layer 1 meets three inputs, layer L one V.
    let asked = 6.0 * 36.0 + (1.0 + 2.0 + 6.0 * 3.0) + 8.0;
    assert_eq!(small.work.flops, n * asked * (20.0 + 6.0 * 5.0 * 4.0 / 8.0));
    let dense = [&batch[..], &["engine=dense"]].concat();
    let once = at(&dense);
    assert_eq!(once.work.flops, 4.0 * n * n * (8.0 * 6.0 + 4.0 * 2.0 * (1.0 + 5.0)));
    // Momentum: a velocity for every weight and input weight, V's too; 64 pixels.
    let twice = at(&[&dense[..], &["training.momentum=0.5"]].concat());
    let velocities = 4.0 * n * n + n * (64.0 + 1.0);
    assert!((twice.bytes - once.bytes - 1.1 * 8.0 * velocities).abs() <= 1e-3);
}

#[test]
fn rates_are_calibrated_by_the_median_ratio() {
    let folder = tempfile::tempdir().unwrap();
    let experiment = load(Path::new(&job(folder.path())), &[]).unwrap().experiment;
    let data = data::load(&experiment.data).unwrap();
    let costs: Vec<_> = [4, 8, 8]
        .map(|depth| {
            cost(
                &experiment,
                &data,
                Task { closure: Closure::Exact, width: 48, depth, seed: 0, ..a_task() },
            )
        })
        .into();
    let plain = Rates::uncalibrated(experiment.engine, experiment.backend, experiment.precision);
    let timed = |factors: [f64; 3]| -> Vec<_> {
        costs.iter().zip(factors).map(|(c, f)| (c.work, f * plain.seconds(&c.work))).collect()
    };
    // One task that was held up does not spoil the estimate.
    let rates = plain.calibrated(&timed([3.0, 2.5, 100.0]));
    assert!((rates.factor - 3.0).abs() <= 1e-12 && rates.timings == 3);
    assert!((rates.seconds(&costs[0].work) / plain.seconds(&costs[0].work) - 3.0).abs() <= 1e-12);
    assert_eq!(plain.calibrated(&[]), plain);

    // Wall time: shared work, but no less than the longest task.
    let of = |threads| plan(&experiment, &data, threads, plain);
    let longest = of(1).tasks.iter().map(|(_, c)| plain.seconds(&c.work)).fold(0.0, f64::max);
    assert!((of(1).wall_seconds() - of(1).core_seconds()).abs() <= 1e-15);
    assert_eq!(of(100).wall_seconds(), longest);

    // What does not fit is refused; what fits exactly is not.
    let none = |_: Task| false;
    let (bytes, disk) = (of(2).bytes(), of(2).disk_bytes(&none));
    let free = |memory, disk| Free { memory, disk, device: None };
    assert!(of(2).check(free(bytes, Some(disk)), &none).is_ok());
    let message = of(2).check(free(bytes * 0.999, None), &none).unwrap_err().to_string();
    assert!(message.contains("not enough memory"), "{message}");
    let message = of(2).check(free(bytes, Some(disk * 0.999)), &none).unwrap_err().to_string();
    assert!(message.contains("not enough disk"), "{message}");
    // What is journalled already needs no room: a full disk can be resumed on.
    assert!(of(2).check(free(bytes, Some(disk * 0.999)), &|_| true).is_ok());
}

/// Tasks that are many share out the threads; those that are few and wide share their own rows; and
/// where so many do not fit into memory, fewer run at once.
#[test]
fn threads_share_tasks_or_rows() {
    let folder = tempfile::tempdir().unwrap();
    let file = job(folder.path());
    let at = |width: usize, threads: usize| {
        let set = format!("ensemble.widths=[{width}]");
        let experiment = load(Path::new(&file), &[set]).unwrap().experiment;
        let data = data::load(&experiment.data).unwrap();
        let rates =
            Rates::uncalibrated(experiment.engine, experiment.backend, experiment.precision);
        plan(&experiment, &data, threads, rates)
    };
    let threads = |plan: &Plan, left| plan.threads_of(plan.tasks[0].0, left);
    // Four tasks on three threads: one each, and the last has them all.
    let many = at(1_000_000, 3);
    assert_eq!((many.workers(), threads(&many, 4), threads(&many, 1)), (3, 1, 3));
    // Four tasks on eight: two each.
    let few = at(1_000_000, 8);
    assert_eq!((few.workers(), threads(&few, 4)), (4, 2));
    // Too narrow to be shared: less than two tiles a thread.
    assert_eq!(threads(&at(12_000, 8), 1), 1);
    assert_eq!(threads(&at(17_000, 8), 1), 2);

    let mut tight = at(1_000_000, 4);
    let (all, one) = (tight.bytes(), at(1_000_000, 1).bytes());
    tight.fit(all);
    assert_eq!(tight.workers(), 4);
    tight.fit(all - 1.0);
    assert!(tight.workers() < 4 && tight.bytes() < all);
    tight.fit(0.0);
    assert_eq!((tight.workers(), tight.bytes(), threads(&tight, 4)), (1, one, 4));
    // One task at a time on four threads is as fast as four at once.
    let seconds = tight.core_seconds() / 4.0;
    assert!((tight.wall_seconds() - seconds).abs() <= 1e-9 * seconds);
}

#[test]
fn what_cannot_fit_is_refused_before_anything_is_written() {
    let folder = tempfile::tempdir().unwrap();
    let (file, output) = (job(folder.path()), folder.path().join("run"));
    let name = output.display().to_string();
    for verb in ["plan", "run"] {
        let done = nfd(&[verb, &file, "--output", &name, "--set", "ensemble.widths=[1000000000]"]);
        let stderr = String::from_utf8_lossy(&done.stderr);
        assert_eq!(done.status.code(), Some(2), "{stderr}");
        assert!(
            stderr.contains("not enough memory") && stderr.contains("ensemble.widths"),
            "{stderr}"
        );
        assert!(!output.exists());
    }
}

#[test]
fn plan_status_and_report_follow_a_run() {
    let folder = tempfile::tempdir().unwrap();
    let (file, output) = (job(folder.path()), folder.path().join("run"));
    let name = output.display().to_string();
    let planned = stdout(&["plan", &file, "--output", &name]);
    assert!(planned.contains("4 tasks") && planned.contains("uncalibrated"), "{planned}");
    assert!(!output.exists(), "a plan writes nothing");
    let early = nfd(&["status", &name]);
    assert_eq!(early.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&early.stderr).contains("not a run directory"));

    let table = stdout(&["run", &file, "--output", &name]);
    let planned = stdout(&["plan", &file, "--output", &name]);
    assert!(planned.contains("calibrated by 4 timings"), "{planned}");
    let status = stdout(&["status", &name]);
    assert!(status.contains("small: 4 of 4 tasks finished, about 0 core seconds left"), "{status}");
    assert!(status.contains("2 of 2"), "{status}");

    // The final files are a function of the journal: lost ones come back as they were.
    let before = final_files(&output);
    let manifest = fs::read(output.join("manifest.json")).unwrap();
    for file in before.keys() {
        fs::remove_file(output.join(file)).unwrap();
    }
    assert_eq!(stdout(&["report", &name]), table);
    assert!(final_files(&output) == before);
    // Who looks at a run is not who made it.
    assert!(fs::read(output.join("manifest.json")).unwrap() == manifest);

    // With more seeds asked for, the directory holds half of what is left to do.
    let more = nfd(&["plan", &file, "--output", &name, "--set", "ensemble.seeds=4"]);
    assert!(String::from_utf8_lossy(&more.stdout).contains("8 tasks"));
}

#[test]
fn doctor_finds_this_machine_well() {
    let findings = stdout(&["doctor"]);
    for words in ["instructions", "bit-equal on all instruction sets", "memory free", "GPU"] {
        assert!(findings.contains(words), "{findings}");
    }
}

/// Looking at networks takes memory of the host, and all that are in flight are looked at.
#[test]
fn networks_on_a_device_count_together() {
    let folder = tempfile::tempdir().unwrap();
    let file = job(folder.path());
    let bytes = |seeds: usize| {
        let dense = ["engine=dense", "backend=cuda", "ensemble.closures=[\"exact\"]"];
        let mut set = dense.map(str::to_owned).to_vec();
        // So wide that vectors outweigh lines of results.
        set.push("ensemble.widths=[4096]".to_owned());
        set.push(format!("ensemble.seeds={seeds}"));
        let experiment = load(Path::new(&file), &set).unwrap().experiment;
        let data = data::load(&experiment.data).unwrap();
        let rates =
            Rates::uncalibrated(experiment.engine, experiment.backend, experiment.precision);
        let plan = plan(&experiment, &data, 4, rates);
        assert!(plan.device_bytes() > 0.0);
        let of_each: f64 = plan.tasks.iter().map(|(_, cost)| cost.bytes).sum();
        assert!(plan.bytes() >= of_each);
        plan.bytes()
    };
    assert!(bytes(64) > 6.0 * bytes(8));
}
