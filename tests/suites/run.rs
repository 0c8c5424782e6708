//! `nfd run` from the outside: the files it leaves, the same bytes for any number of threads, pairs
//! and gaps recomputed from single runs, divergence.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

use crate::common::experiments::small;
use crate::common::results::{Row, final_files, moments, nfd, rows, run_job};
use serde_json::Value;

type Key = (String, usize, usize, u64, u32, String, Option<u64>, Option<u32>);

fn index(rows: &[Row]) -> BTreeMap<Key, f64> {
    let key = |r: &Row| {
        let (name, time) = (r.observable.clone(), r.depth_time.map(f64::to_bits));
        (r.closure.clone(), r.width, r.depth, r.seed, r.step, name, time, r.sample)
    };
    let index: BTreeMap<_, _> = rows.iter().map(|r| (key(r), r.value)).collect();
    assert_eq!(index.len(), rows.len(), "two rows for one number");
    index
}

#[test]
fn any_number_of_threads_leaves_the_same_bytes() {
    let folder = tempfile::tempdir().unwrap();
    let job = small(folder.path());
    let files = |threads: &str| {
        let (_guard, run) = run_job(&job, &["--threads", threads]);
        final_files(&run)
    };
    let one = files("1");
    assert!(one.keys().filter(|name| name.ends_with(".svg")).count() >= 10, "{:?}", one.keys());
    for threads in ["2", "3", "16"] {
        assert!(files(threads) == one, "{threads} threads");
    }
}

#[test]
fn files_have_their_final_columns_and_fields() {
    let folder = tempfile::tempdir().unwrap();
    let (_guard, run) = run_job(&small(folder.path()), &["--set", "data.test_samples=2"]);
    let results = fs::read_to_string(run.join("results.csv")).unwrap();
    let header = "closure,parametrization,engine,precision,width,depth,learning_rate,seed,step,\
                  depth_time,sample,output,reference,observable,value";
    assert_eq!(results.lines().next(), Some(header));

    let all = rows(&run);
    let mut observables: Vec<&str> = all.iter().map(|r| r.observable.as_str()).collect();
    observables.sort_unstable();
    observables.dedup();
    let expected = [
        "accuracy.test",
        "accuracy.train",
        "closure_gap.f",
        "closure_gap.g",
        "closure_gap.h",
        "closure_gap.loss.test",
        "closure_gap.loss.train",
        "coupling.backward.accumulated.past",
        "coupling.backward.accumulated.same",
        "coupling.backward.layer.past",
        "coupling.backward.layer.same",
        "coupling.forward.accumulated",
        "coupling.forward.layer",
        "difference.f",
        "eigmax.features",
        "eigmax.gradients",
        "eigmin.features",
        "eigmin.gradients",
        "f",
        "loss.test",
        "loss.train",
        "movement.f",
        "movement.own",
        "movement.total",
        "rank.features",
        "rank.gradients",
        "strong.g",
        "strong.h",
    ];
    assert_eq!(observables, expected);
    assert!(all.iter().all(|r| r.value.is_finite()));
    // Each output by its sample in the data set, and, there being one of each, as output 0.
    let of = |r: &&Row| r.observable == "f" || r.observable == "difference.f";
    let places: BTreeSet<_> = all.iter().filter(of).map(|r| (r.sample, r.output)).collect();
    assert_eq!(places, [0, 1, 10].map(|sample| (Some(sample), Some(0))).into());
    assert!(all.iter().filter(|r| !of(r)).all(|r| (r.sample, r.output) == (None, None)));

    let summary: Value =
        serde_json::from_slice(&fs::read(run.join("summary.json")).unwrap()).unwrap();
    let claim = &summary["claims"][0];
    for field in [
        "id",
        "statement",
        "observable",
        "step",
        "family",
        "exponent",
        "ci95",
        "plateau",
        "plateau_ci95",
        "plateau_upper",
        "primary",
        "simultaneous",
        "extrapolated_with",
        "at_start",
        "next",
        "expected",
        "rule",
        "verdict",
        "points",
        "seeds",
        "diverged",
    ] {
        assert!(claim.get(field).is_some(), "{field}");
    }
    let manifest: Value =
        serde_json::from_slice(&fs::read(run.join("manifest.json")).unwrap()).unwrap();
    assert_eq!(manifest["experiment"]["finest"], 16);
    assert!(manifest["arguments"].as_array().unwrap().len() > 3);
    let leftovers = fs::read_dir(&run)
        .unwrap()
        .filter(|e| e.as_ref().unwrap().file_name().to_string_lossy().starts_with('.'));
    assert_eq!(leftovers.count(), 0);
}

#[test]
fn pairs_are_those_of_the_single_runs() {
    let folder = tempfile::tempdir().unwrap();
    let (_guard, run) = run_job(&small(folder.path()), &[]);
    let all = rows(&run);
    let index = index(&all);
    let f = |closure: &str, depth, seed, step, sample| {
        index[&(closure.to_owned(), 48, depth, seed, step, "f".to_owned(), None, Some(sample))]
    };
    let (mut pairs, mut gaps) = (0, 0);
    for row in &all {
        if row.observable == "difference.f" {
            pairs += 1;
            assert_eq!(row.reference, format!("depth={}", 2 * row.depth));
            let sample = row.sample.unwrap();
            let f = |depth| f(&row.closure, depth, row.seed, row.step, sample);
            assert_eq!(row.value, f(row.depth) - f(2 * row.depth));
        }
        if row.observable == "closure_gap.f" {
            gaps += 1;
            assert_eq!(row.reference, "closure=exact");
            let f = |closure: &str, sample| f(closure, row.depth, row.seed, row.step, sample);
            let square = |s| (f(&row.closure, s) - f("exact", s)).powi(2);
            let mean = (square(0) + square(1) + square(10)) / 3.0;
            assert!((row.value - mean).abs() <= 1e-15 * mean.max(1e-3), "{} {mean}", row.value);
        }
    }
    // Two depths with a partner, three samples, steps, seeds and closures; two closures with gaps.
    assert_eq!((pairs, gaps), (2 * 3 * 3 * 3 * 3, 2 * 3 * 3 * 3));
}

/// Before any update closures agree forward, so their only gap is in g; docs/theory.md, section 2.
#[test]
fn closures_share_one_path() {
    let folder = tempfile::tempdir().unwrap();
    let (_guard, run) = run_job(&small(folder.path()), &["--set", "ensemble.widths=[2000]"]);
    for row in rows(&run) {
        if row.step == 0 && ["closure_gap.f", "closure_gap.h"].contains(&row.observable.as_str()) {
            assert_eq!(row.value, 0.0, "{row:?}");
        }
        // gia and fresh draw the same backward answers at step 0; they leave out what exact keeps:
        // O(1/n) of a gradient of order one.
        if row.step == 0 && row.observable == "closure_gap.g" && row.depth_time == Some(0.0) {
            assert!(row.value > 0.0 && row.value < 0.05, "{row:?}");
        }
    }
}

#[test]
fn where_nothing_moves_covariances_degenerate() {
    let folder = tempfile::tempdir().unwrap();
    let (_guard, run) = run_job(&small(folder.path()), &["--set", "ensemble.widths=[400]"]);
    let mut seen = 0;
    for row in rows(&run) {
        let (name, time) = (row.observable.as_str(), row.depth_time);
        let frozen = match name {
            "eigmin.features" => time == Some(0.0) && row.step > 0, // U is frozen
            "eigmin.gradients" => time == Some(1.0),                // V for every sample
            _ => continue,
        };
        seen += 1;
        if frozen {
            assert!(row.value.abs() <= 1e-12, "{row:?}");
        } else if row.step == 0 && name == "eigmin.features" {
            assert!(row.value > 1e-3, "{row:?}");
        } else {
            assert!(row.value > 0.0, "{row:?}");
        }
    }
    // Features at 0, ¼, ½, ¾ and gradients at ¼, ½, ¾, 1.
    assert_eq!(seen, 8 * 3 * 3 * 3 * 3);
}

#[test]
fn test_samples_do_not_disturb_training() {
    let folder = tempfile::tempdir().unwrap();
    let job = small(folder.path());
    let (_a, without) = run_job(&job, &[]);
    let (_b, with) = run_job(&job, &["--set", "data.test_samples=4"]);
    let strip = |directory: &Path| -> Vec<String> {
        let text = fs::read_to_string(directory.join("results.csv")).unwrap();
        let of_test = |line: &str| line.contains("loss.test") || line.contains("accuracy.test");
        text.lines().filter(|line| !of_test(line)).map(str::to_owned).collect()
    };
    assert_eq!(strip(&without), strip(&with));
    assert!(rows(&with).iter().any(|r| r.observable == "loss.test" && r.value > 0.0));
}

#[test]
fn dense_engine_runs_and_shares_depths() {
    let folder = tempfile::tempdir().unwrap();
    let dense = ["--set", "engine=dense", "--set", "ensemble.closures=[\"exact\",\"gia\"]"];
    let (_guard, run) = run_job(&small(folder.path()), &dense);
    let all = rows(&run);
    assert!(all.iter().all(|r| r.engine == "dense" && !r.observable.starts_with("coupling")));
    let mean = |name: &str, depth, step, time| {
        let of = |r: &&Row| {
            r.observable == name && (r.depth, r.step, r.depth_time) == (depth, step, time)
        };
        let values: Vec<f64> = all.iter().filter(of).map(|r| r.value).collect();
        assert_eq!(values.len(), 6, "{name}");
        moments(&values).0
    };
    // One path: depths 8 and 16 are nearer to each other than 4 and 8, and all far nearer than
    // independent networks, whose g_0 of order one differ by order one.
    let (coarse, fine) = (mean("strong.g", 4, 0, Some(0.0)), mean("strong.g", 8, 0, Some(0.0)));
    assert!(fine < coarse && coarse < 0.2, "{coarse} {fine}");
    assert!(mean("loss.train", 16, 2, None) < mean("loss.train", 16, 0, None));
}

/// Widths against a wider reference at one depth: the strong error falls like 1/n.
#[test]
fn strong_errors_fall_with_width() {
    let folder = tempfile::tempdir().unwrap();
    let wide = [
        "--set",
        "ensemble.widths=[32,64,128,256,512,1024]",
        "--set",
        "ensemble.depths=[4]",
        "--set",
        "reference.width=8192",
        "--set",
        "reference.rows=64",
        "--set",
        "ensemble.seeds=64",
    ];
    let (_guard, run) = run_job(&small(folder.path()), &wide);
    let summary: Value =
        serde_json::from_slice(&fs::read(run.join("summary.json")).unwrap()).unwrap();
    let claims: Vec<&Value> =
        summary["claims"].as_array().unwrap().iter().filter(|c| c["axis"] == "width").collect();
    // h after 1 and 2 updates, g after 0, 1 and 2, three closures.
    assert_eq!(claims.len(), 3 * (2 + 3));
    for claim in claims {
        let ends = claim["ci95"].as_array().unwrap();
        let (low, high) = (ends[0].as_f64().unwrap(), ends[1].as_f64().unwrap());
        assert!(low <= 1.05 && 0.95 <= high, "{}: [{low}, {high}]", claim["id"]);
        // Over the whole range: 1, and 0.04 that 1/n_ref adds; two errors of some 15 % move it by 0.06.
        let value = |i: usize| claim["curve"][i]["value"].as_f64().unwrap();
        let slope = (value(0) / value(5)).ln() / 32_f64.ln();
        assert!((slope - 1.04).abs() <= 0.25, "{}: {slope}", claim["id"]);
    }
}

#[test]
fn diverged_tasks_are_counted_and_the_rest_is_reported() {
    let folder = tempfile::tempdir().unwrap();
    let output = folder.path().join("run").display().to_string();
    let job = small(folder.path());
    let done = nfd(&[
        "run",
        &job,
        "--output",
        &output,
        "--set",
        "model.activation=relu",
        "--set",
        "training.learning_rate=1e12",
        "--set",
        "training.steps=30",
    ]);
    let stderr = String::from_utf8_lossy(&done.stderr);
    assert_eq!(done.status.code(), Some(3), "{stderr}");
    assert!(stderr.contains("diverged: exact n=48 L=4 seed 0, step "), "{stderr}");
    let all = rows(Path::new(&output));
    assert!(!all.is_empty() && all.iter().all(|r| r.value.is_finite()));
    assert!(all.iter().all(|r| r.step < 30));
    let text = fs::read(Path::new(&output).join("summary.json")).unwrap();
    let summary: Value = serde_json::from_slice(&text).unwrap();
    assert_eq!(summary["diverged"].as_array().unwrap().len(), 27);
    assert_eq!(summary["claims"][0]["diverged"], 9);
}

#[test]
fn a_reader_that_goes_away_is_no_error() {
    let folder = tempfile::tempdir().unwrap();
    let job = small(folder.path());
    let mut child = Command::new(env!("CARGO_BIN_EXE_nfd"))
        .args(["run", &job, "--output"])
        .arg(folder.path().join("run"))
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    drop(child.stdout.take());
    let done = child.wait_with_output().unwrap();
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    assert!(!String::from_utf8_lossy(&done.stderr).contains("panicked"));
}

/// Real data: docs/theory.md, section 5, gives the couplings of the first eight digits at n = 4096
/// after one update, for L = 4 … 32.
#[test]
fn digits_have_the_couplings_of_the_theory() {
    let (_guard, run) = run_job(
        "jobs/quickstart.json",
        &[
            "--set",
            "limit=null",
            "--set",
            "ensemble.closures=[\"exact\"]",
            "--set",
            "ensemble.depths=[4,8,16,32]",
            "--set",
            "ensemble.seeds=8",
            "--set",
            "training.steps=1",
            "--set",
            "ensemble.widths=[4096]",
        ],
    );
    let all = rows(&run);
    for (name, table) in [
        ("coupling.forward.layer", [4.6e-5, 1.65e-5, 5.1e-6, 1.5e-6]),
        ("coupling.backward.layer.past", [2.9e-4, 1.5e-4, 8.0e-5, 4.4e-5]),
    ] {
        for (depth, table) in [4, 8, 16, 32].into_iter().zip(table) {
            let of = |r: &&Row| r.observable == name && r.depth == depth && r.step == 1;
            let values: Vec<f64> = all.iter().filter(of).map(|r| r.value).collect();
            let (mean, error) = moments(&values);
            // The table's own error is taken to be ours: it has as many seeds.
            let bound = 4.0 * error * 2_f64.sqrt();
            assert!(
                (mean - table).abs() <= bound,
                "{name} at {depth}: {mean:e} ± {error:e}, {table:e}"
            );
            assert!(bound < 0.8 * table, "{name} at {depth}: the bound {bound:e} says nothing");
        }
    }
}
