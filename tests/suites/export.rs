//! `nfd export`: what is in the file is the network that was run. Held to a forward pass and to finite
//! differences written here, and by examples/verify_*.py to autograd.

use std::fs;
use std::path::Path;
use std::process::Command;

use crate::common::exported::{
    File, experiment, export, independent, matrix_free, minibatches, normalised_blocks, path_of,
    rounded, run, two_layers,
};
use crate::common::results::{nfd, rows};
use crate::common::written::Written;
use nfd::ensemble::plan::Free;
use nfd::error::Error;
use nfd::experiment::grid::tasks;
use nfd::export::Export;
use nfd::export::selection::Wanted;
use nfd::job::prepare::reopen;
use serde_json::{Value, json};

/// Fails unless both have the same length and differ by at most so much of the largest.
fn assert_close(got: &[f64], want: &[f64], tolerance: f64, what: &str) {
    assert_eq!(got.len(), want.len(), "{what}");
    let largest = want.iter().fold(0.0_f64, |largest, value| largest.max(value.abs()));
    for (got, want) in got.iter().zip(want) {
        assert!((got - want).abs() <= tolerance * largest, "{what}: {got} and {want}");
    }
}

/// Of sums of forty products and a few layers: 100 roundings.
fn rounding(experiment: &Value) -> f64 {
    if experiment["precision"] == "f32" { 100.0 * 6e-8 } else { 100.0 * 1.1e-16 }
}

#[test]
fn weights_give_the_outputs_that_the_run_has() {
    for experiment in
        [minibatches(), two_layers(), independent(), matrix_free(), rounded(), normalised_blocks()]
    {
        let (_guard, run) = run(&experiment);
        let file = File::of_npz(&path_of(&export(&run, &["--format", "npz"])));
        let written = Written::of(&experiment, &file);
        let tolerance = rounding(&experiment);
        let steps = file.array("step");
        let f = file.array("f.train").chunks(file.array("labels.train").len());
        let f: Vec<&[f64]> = f.collect();
        assert_eq!(f.len(), steps.len());
        let last = steps.len() - 1;
        assert_eq!(steps[last], experiment["training"]["steps"].as_f64().unwrap());
        for (when, at) in [("initial", 0), ("trained", last)] {
            let weights = file.weights(when);
            let got = written.outputs(&weights, file.array("inputs.train"));
            assert_close(&got, f[at], tolerance, when);
            let losses = [
                (written.loss(&got, file.array("labels.train")), file.array("loss.train")[at]),
                (
                    written.loss(
                        &written.outputs(&weights, file.array("inputs.test")),
                        file.array("labels.test"),
                    ),
                    file.array("loss.test")[at],
                ),
            ];
            for (got, want) in losses {
                assert_close(&[got], &[want], tolerance, when);
            }
        }
        // The run's own numbers: to the last bit where it had the same weights in the same format.
        let same = file.about["initial_weights"] == "drawn";
        let (mut compared, mut apart, mut largest) = (0, 0.0_f64, 0.0_f64);
        for row in rows(&run).iter().filter(|row| row.observable == "f") {
            let at = steps.iter().position(|step| *step == f64::from(row.step)).unwrap();
            let samples = file.array("sample.train");
            let sample = f64::from(row.sample.unwrap());
            let p = samples.iter().position(|index| *index == sample).unwrap();
            let got = f[at][p * written.outputs + row.output.unwrap()];
            apart = apart.max((got - row.value).abs());
            largest = largest.max(row.value.abs());
            compared += 1;
        }
        assert_eq!(compared, steps.len() * f[0].len());
        assert_eq!(file.about["difference_from_run"], apart / largest);
        assert!(if same { apart == 0.0 } else { apart <= 1e-12 * largest }, "{apart:e}");
        // Every power of the width and the depth.
        for (group, factor) in written.multipliers(file.about["block"] == "two-layer") {
            let got = file.about["multipliers"][group].as_f64().unwrap();
            assert_close(&[got], &[factor], 1e-15, group);
        }
    }
}

/// One update of every group is −rate · (∂loss/∂W + decay · W) of the batch, by central differences of the
/// forward pass above.
#[test]
fn an_update_is_the_gradient_times_the_rate() {
    let two = [("model.block", json!("two-layer")), ("training.weight_decay", json!(0.1))];
    for (mut experiment, groups) in [(minibatches(), 3), (experiment(&two), 4)] {
        experiment["training"]["steps"] = json!(1);
        experiment["training"]["schedule"] = json!({ "kind": "constant", "warmup": 1 });
        let (_guard, run) = run(&experiment);
        let file = File::of_npz(&path_of(&export(&run, &["--format", "npz"])));
        let written = Written::of(&experiment, &file);
        let all: Vec<f64> = (0..file.shape("inputs.train")[0]).map(|p| p as f64).collect();
        let batch = file.arrays.get("batches").map_or(&all, |(_, positions)| positions);
        let of_batch = |name: &str| -> Vec<f64> {
            let length = file.shape(name)[1];
            batch
                .iter()
                .flat_map(|p| file.array(name)[*p as usize * length..][..length].to_vec())
                .collect()
        };
        let (inputs, labels) = (of_batch("inputs.train"), of_batch("labels.train"));
        let (initial, trained) = (file.weights("initial"), file.weights("trained"));
        assert_eq!(initial.len(), groups);
        for (name, before) in &initial {
            let rate = file.about["learning_rates"][name].as_f64().unwrap();
            let decay = file.about["weight_decays"][name].as_f64().unwrap();
            for at in [0, before.len() / 2 + 1] {
                let loss = |by: f64| {
                    let mut weights = initial.clone();
                    weights.get_mut(name).unwrap()[at] += by;
                    written.loss(&written.outputs(&weights, &inputs), &labels)
                };
                let gradient = (loss(1e-4) - loss(-1e-4)) / 2e-4;
                let want = -rate * file.array("schedule")[0] * (gradient + decay * before[at]);
                let got = trained[name][at] - before[at];
                // The third derivative's part, and rounding of the loss over the step.
                assert!(
                    (got - want).abs() <= 1e-6 * want.abs() + 1e-10 * rate,
                    "{name}: {got}, {want}"
                );
            }
        }
    }
}

/// The batches are permutations, epoch by epoch, and those of the update's own gradient above.
#[test]
fn batches_and_schedule_are_those_of_the_run() {
    let (_guard, run) = run(&minibatches());
    let file = File::of_npz(&path_of(&export(&run, &["--format", "npz"])));
    assert_eq!(file.shape("batches"), [5, 2]);
    let mut epoch = file.array("batches")[..6].to_vec();
    assert_ne!(epoch, [0.0, 1.0, 2.0, 3.0, 4.0, 5.0]);
    epoch.sort_by(f64::total_cmp);
    assert_eq!(epoch, [0.0, 1.0, 2.0, 3.0, 4.0, 5.0]);
    // A warm-up of two updates, then half a cosine from 1 to 0.1 in three.
    assert_close(file.array("schedule"), &[0.5, 1.0, 1.0, 0.55, 0.1], 1e-15, "schedule");
}

#[test]
fn both_formats_have_the_same_and_the_same_bytes_again() {
    let (_guard, run) = run(&two_layers());
    let npz = path_of(&export(&run, &["--format", "npz"]));
    let tensors = path_of(&export(&run, &[]));
    assert_eq!(npz, run.join("exact-n40-L3-seed0.npz"));
    assert_eq!(tensors, run.join("exact-n40-L3-seed0.safetensors"));
    let (a, b) = (File::of_npz(&npz), File::of_safetensors(&tensors));
    assert_eq!(a.about, b.about);
    assert_eq!(a.arrays, b.arrays);
    assert_eq!(a.shape("trained.W2"), [3, 40, 40]);
    let about = &a.about;
    assert_eq!(about["version"], env!("CARGO_PKG_VERSION"));
    assert_eq!((&about["experiment"], &about["precision"]), (&json!("export"), &json!("f32")));
    // What was there is replaced, by the same.
    for path in [npz, tensors] {
        let before = fs::read(&path).unwrap();
        let name = path.display().to_string();
        fs::write(&path, "something else").unwrap();
        assert_eq!(path_of(&export(&run, &["--output", &name])), path);
        assert_eq!(fs::read(&path).unwrap(), before);
    }
    let left = fs::read_dir(&run).unwrap().map(|entry| entry.unwrap().file_name());
    assert!(!left.into_iter().any(|name| name.to_string_lossy().ends_with(".tmp")));
}

/// A matrix-free run had no weights: those of the file are drawn, and its answers agree with them.
#[test]
fn a_matrix_free_network_has_matrices_that_give_its_answers() {
    for closure in ["exact", "gia"] {
        // Few queries, so that most of W is not fixed by them.
        let dense = experiment(&[
            ("ensemble.closures", json!([closure])),
            ("data.samples", json!(2)),
            ("training.steps", json!(1)),
        ]);
        let mut conditional = dense.clone();
        conditional["engine"] = json!("conditional");
        let files = [&dense, &conditional].map(|experiment| {
            let (_guard, run) = run(experiment);
            File::of_npz(&path_of(&export(&run, &["--format", "npz"])))
        });
        let [dense, assembled] = &files;
        assert_eq!(dense.about["initial_weights"], "drawn");
        assert_eq!(assembled.about["initial_weights"], "assembled");
        assert!(assembled.about["difference_from_run"].as_f64().unwrap() <= 1e-12);
        // Another network of the same law: standard normals, as far as 4800 of them tell.
        let w = assembled.array("initial.W");
        assert_ne!(w, dense.array("initial.W"));
        assert_eq!(assembled.array("initial.U"), dense.array("initial.U"));
        let count = w.len() as f64;
        let mean = w.iter().sum::<f64>() / count;
        let variance = w.iter().map(|w| w * w).sum::<f64>() / count;
        // Five standard errors.
        assert!(mean.abs() <= 5.0 / count.sqrt(), "{mean}");
        assert!((variance - 1.0).abs() <= 5.0 * (2.0 / count).sqrt(), "{variance}");
        assert_eq!(assembled.arrays.contains_key("initial.W_backward"), closure == "gia");
    }
}

#[test]
fn what_cannot_be_exported_is_refused_and_nothing_is_written() {
    let several = experiment(&[
        ("ensemble.widths", json!([16, 24])),
        ("ensemble.seeds", json!(2)),
        ("ensemble.closures", json!(["exact", "fresh"])),
        ("engine", json!("conditional")),
    ]);
    let (guard, run) = run(&several);
    let to = guard.path().join("network.npz").display().to_string();
    let refused = |arguments: &[&str], code: i32, words: &[&str]| {
        let done = export(&run, &[arguments, &["--output", &to]].concat());
        let said = String::from_utf8_lossy(&done.stderr);
        assert_eq!(done.status.code(), Some(code), "{said}");
        for word in words {
            assert!(said.contains(word), "{word}: {said}");
        }
        assert!(!Path::new(&to).exists());
    };
    let lists = ["8 networks", "--closure exact, fresh; --width 16, 24; --seed 0, 1"];
    refused(&[], 2, &lists);
    refused(&["--closure", "exact", "--seed", "1"], 2, &["choose one by --width 16, 24"]);
    refused(&["--width", "17"], 2, &["no network of the run matches; there are --closure exact"]);
    refused(
        &["--closure", "fresh", "--width", "16", "--seed", "1"],
        2,
        &["closure fresh is defined by conditioning", "exact or gia"],
    );
    refused(&["--closure", "none"], 2, &["exact, fresh, gia"]);
    // Of those that there are, one; memory and disk are looked at before anything is trained.
    let prepared = reopen(&run).unwrap();
    let wanted = Wanted { seed: Some(1), width: Some(16), ..Wanted::default() };
    assert!(wanted.only(&tasks(&prepared.resolved.experiment)).is_err());
    let task = Wanted { closure: Some(nfd::model::Closure::Exact), ..wanted };
    let task = task.only(&tasks(&prepared.resolved.experiment)).unwrap();
    let export = Export::new(&prepared, task).unwrap();
    let needs = export.needs();
    let free = Free { memory: 1e12, disk: None, device: None };
    assert!(export.check(free).is_ok());
    for (what, free) in [
        ("memory", Free { memory: 0.99 * needs.memory, ..free }),
        ("disk", Free { disk: Some(0.99 * needs.file), ..free }),
    ] {
        let error = export.check(free).unwrap_err();
        assert!(matches!(error, Error::TooLarge { what: which, .. } if which == what), "{error}");
    }
    // U, W and V, twice, and three sets of samples at most beside them.
    assert_eq!(needs.file, 2.0 * 8.0 * (16.0 * 64.0 + 3.0 * 256.0 + 16.0));
    assert!(needs.memory >= 2.0 * needs.file);
}

/// A file takes its place by its name: what is no file, a device or a pipe, would be lost.
#[cfg(unix)]
#[test]
fn only_files_are_replaced() {
    use std::os::unix::fs::FileTypeExt;
    let (guard, run) = run(&experiment(&[("training.steps", json!(1))]));
    let [folder, pipe, missing] =
        ["folder.npz", "pipe.npz", "none/network.npz"].map(|name| guard.path().join(name));
    fs::create_dir(&folder).unwrap();
    assert!(Command::new("mkfifo").arg(&pipe).status().unwrap().success());
    for (path, word) in [(&folder, "is no file"), (&pipe, "is no file"), (&missing, "no folder")] {
        let done = export(&run, &["--output", &path.display().to_string()]);
        let said = String::from_utf8_lossy(&done.stderr);
        assert_eq!(done.status.code(), Some(2), "{said}");
        assert!(said.contains(word) && !said.contains("trained once more"), "{said}");
    }
    assert!(folder.is_dir() && !missing.exists());
    assert!(fs::metadata(&pipe).unwrap().file_type().is_fifo());
}

#[test]
fn a_network_that_diverges_has_no_weights() {
    let (guard, run) = {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("job.json");
        let wild = experiment(&[
            ("training.learning_rate", json!(1e6)),
            ("model.activation", json!("identity")),
            ("training.steps", json!(200)),
        ]);
        fs::write(&file, wild.to_string()).unwrap();
        let run = folder.path().join("run");
        let [file, output] = [&file, &run].map(|path| path.display().to_string());
        assert_eq!(nfd(&["run", &file, "--output", &output]).status.code(), Some(3));
        (folder, run)
    };
    let done = export(&run, &[]);
    let said = String::from_utf8_lossy(&done.stderr);
    assert_eq!(done.status.code(), Some(2), "{said}");
    assert!(said.contains("diverged after") && said.contains("smaller learning rate"), "{said}");
    // Nor has a directory that is none.
    assert_eq!(export(guard.path(), &[]).status.code(), Some(2));
}
