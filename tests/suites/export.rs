//! `nfd export`: what is in the file is the network that was run. Held to a forward pass and to finite
//! differences written here, and by examples/verify_*.py to autograd.

use std::collections::BTreeMap;
use std::fs;
use std::io::{Cursor, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use crate::common::missing::{python, skipped};
use crate::common::npz::member;
use crate::common::results::{nfd, rows, run_job};
use nfd::ensemble::plan::Free;
use nfd::error::Error;
use nfd::experiment::grid::tasks;
use nfd::export::Export;
use nfd::export::selection::Wanted;
use nfd::job::prepare::reopen;
use safetensors::SafeTensors;
use serde_json::{Value, json};
use tempfile::TempDir;
use zip::ZipArchive;

const ROOT: &str = env!("CARGO_MANIFEST_DIR");

/// A small experiment of one network, with these fields in the place of its own.
fn experiment(changes: &[(&str, Value)]) -> Value {
    let mut experiment = json!({
        "name": "export",
        "data": { "source": "digits", "samples": 6, "test_samples": 3 },
        "model": { "train": ["input", "hidden", "readout"] },
        "training": { "steps": 5, "learning_rate": 0.2 },
        "ensemble": { "widths": [40], "depths": [3], "seeds": 1, "closures": ["exact"] },
        "reference": "none", "engine": "dense", "precision": "f64"
    });
    for (field, value) in changes {
        let (section, name) = field.split_once('.').unwrap_or(("", field));
        match section {
            "" => experiment[name] = value.clone(),
            _ => experiment[section][name] = value.clone(),
        }
    }
    experiment
}

/// Everything that updates have, in one-layer blocks.
fn minibatches() -> Value {
    experiment(&[
        ("model.horizon", json!(2.0)),
        ("model.gamma", json!(0.5)),
        ("training.rates", json!({ "input": 0.1, "readout": 0.3 })),
        ("training.batch", json!(2)),
        ("training.momentum", json!(0.5)),
        ("training.weight_decay", json!(0.01)),
        ("training.schedule", json!({ "kind": "cosine", "warmup": 2, "final": 0.1 })),
        ("training.record", json!(2)),
    ])
}

/// Two-layer blocks, several outputs, and the other loss, activation, schedule and format.
fn two_layers() -> Value {
    experiment(&[
        ("data.classes", json!([0, 1, 2])),
        ("data.labels", json!("one-hot")),
        ("model.block", json!("two-layer")),
        ("model.activation", json!("relu")),
        ("training.loss", json!("cross-entropy")),
        ("training.momentum", json!(0.8)),
        ("training.schedule", json!({ "kind": "step", "every": 2, "factor": 0.5 })),
        ("precision", json!("f32")),
    ])
}

/// Gradients through weights of their own, all but the hidden weights frozen.
fn independent() -> Value {
    experiment(&[
        ("ensemble.closures", json!(["gia"])),
        ("model.train", json!(["hidden"])),
        ("model.parametrization", json!("mup")),
        ("training.learning_rate", json!(0.05)),
        ("training.weight_decay", json!(0.02)),
    ])
}

/// A network whose run never had its weights.
fn matrix_free() -> Value {
    experiment(&[("engine", json!("conditional")), ("training.momentum", json!(0.5))])
}

/// Initial weights in bf16.
fn rounded() -> Value {
    experiment(&[
        ("storage", json!("bf16")),
        ("ensemble.widths", json!([128])),
        ("training.steps", json!(2)),
    ])
}

/// A run of an experiment: its folder, and its directory.
fn run(experiment: &Value) -> (TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("job.json");
    fs::write(&file, experiment.to_string()).unwrap();
    run_job(&file.display().to_string(), &[])
}

fn export(run: &Path, arguments: &[&str]) -> Output {
    let directory = run.display().to_string();
    nfd(&[&["export", &directory], arguments].concat())
}

/// The path that an export that has to succeed prints.
fn path_of(done: &Output) -> PathBuf {
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    PathBuf::from(String::from_utf8_lossy(&done.stdout).trim())
}

/// Arrays by name with their shapes, and the constants.
struct File {
    arrays: BTreeMap<String, (Vec<usize>, Vec<f64>)>,
    about: Value,
}

fn numbers(kind: &str, bytes: &[u8]) -> Vec<f64> {
    let eight = bytes.chunks_exact(8).map(|b| <[u8; 8]>::try_from(b).unwrap());
    match kind {
        "<f8" | "F64" => eight.map(f64::from_le_bytes).collect(),
        "<i8" | "I64" => eight.map(|b| i64::from_le_bytes(b) as f64).collect(),
        "<f4" | "F32" => {
            let four = bytes.chunks_exact(4).map(|b| <[u8; 4]>::try_from(b).unwrap());
            four.map(|b| f64::from(f32::from_le_bytes(b))).collect()
        }
        _ => panic!("numbers of type {kind}"),
    }
}

impl File {
    fn of_npz(path: &Path) -> File {
        let mut archive = ZipArchive::new(Cursor::new(fs::read(path).unwrap())).unwrap();
        let names: Vec<String> =
            archive.file_names().map(|name| name.unwrap().into_owned()).collect();
        let mut arrays = BTreeMap::new();
        let mut about = Value::Null;
        for name in names.iter().map(|name| name.strip_suffix(".npy").unwrap()) {
            let (header, bytes) = member(&mut archive, name);
            let kind = header.split('\'').nth(3).unwrap();
            if name == "nfd" {
                let codes =
                    bytes.chunks_exact(4).map(|b| u32::from_le_bytes(b.try_into().unwrap()));
                let text: String = codes.map(|code| char::from_u32(code).unwrap()).collect();
                about = serde_json::from_str(&text).unwrap();
                continue;
            }
            let (_, shape) = header.split_once("'shape': (").unwrap();
            let shape = shape.split(')').next().unwrap().split(',').filter(|l| !l.is_empty());
            let shape = shape.map(|length| length.parse().unwrap()).collect();
            arrays.insert(name.to_owned(), (shape, numbers(kind, &bytes)));
        }
        File { arrays, about }
    }

    fn of_safetensors(path: &Path) -> File {
        let bytes = fs::read(path).unwrap();
        let (_, header) = SafeTensors::read_metadata(&bytes).unwrap();
        let about = serde_json::from_str(&header.metadata().as_ref().unwrap()["nfd"]).unwrap();
        let tensors = SafeTensors::deserialize(&bytes).unwrap();
        let array = |(name, tensor): (&str, safetensors::tensor::TensorView)| {
            let values = numbers(&format!("{:?}", tensor.dtype()), tensor.data());
            (name.to_owned(), (tensor.shape().to_vec(), values))
        };
        File { arrays: tensors.iter().map(array).collect(), about }
    }

    fn array(&self, name: &str) -> &[f64] {
        &self.arrays[name].1
    }

    fn shape(&self, name: &str) -> &[usize] {
        &self.arrays[name].0
    }

    /// The weights of `when`, by name.
    fn weights(&self, when: &str) -> BTreeMap<String, Vec<f64>> {
        let own = self.arrays.iter().filter_map(|(name, (_, values))| {
            Some((name.strip_prefix(&format!("{when}."))?.to_owned(), values.clone()))
        });
        own.collect()
    }
}

/// A network as docs/theory.md, section 1, writes it.
struct Written {
    width: usize,
    depth: usize,
    dimension: usize,
    outputs: usize,
    /// √(T/L), in mup √T
    branch: f64,
    gamma: f64,
    relu: bool,
    cross_entropy: bool,
}

impl Written {
    fn of(experiment: &Value, file: &File) -> Written {
        let model = &experiment["model"];
        let [width, depth] = ["widths", "depths"]
            .map(|list| experiment["ensemble"][list][0].as_u64().unwrap() as usize);
        let horizon = model["horizon"].as_f64().unwrap_or(1.0);
        let per_layer = if model["parametrization"] == "mup" { 1.0 } else { depth as f64 };
        Written {
            width,
            depth,
            dimension: file.shape("inputs.train")[1],
            outputs: file.shape("labels.train")[1],
            branch: (horizon / per_layer).sqrt(),
            gamma: model["gamma"].as_f64().unwrap_or(1.0),
            relu: model["activation"] == "relu",
            cross_entropy: experiment["training"]["loss"] == "cross-entropy",
        }
    }

    /// The factors on the products with weights.
    fn multipliers(&self, two_layers: bool) -> BTreeMap<&'static str, f64> {
        let n = self.width as f64;
        let (input, readout) = ((self.dimension as f64).sqrt(), n * self.gamma);
        let mut factors = BTreeMap::from([("U", 1.0 / input), ("V", 1.0 / readout)]);
        match two_layers {
            false => factors.extend([("W", self.branch / n.sqrt())]),
            true => factors.extend([("W1", 1.0 / n.sqrt()), ("W2", self.branch / n.sqrt())]),
        }
        factors
    }

    fn phi(&self, u: f64) -> f64 {
        if self.relu { u.max(0.0) } else { u.tanh() }
    }

    /// f of one input.
    fn output(&self, weights: &BTreeMap<String, Vec<f64>>, x: &[f64]) -> Vec<f64> {
        let n = self.width;
        let product = |w: &[f64], v: &[f64], factor: f64| -> Vec<f64> {
            let row = |row: &[f64]| factor * row.iter().zip(v).map(|(w, v)| w * v).sum::<f64>();
            w.chunks(v.len()).map(row).collect()
        };
        let layer = |name: &str, l: usize| &weights[name][l * n * n..][..n * n];
        let values = |h: &[f64]| -> Vec<f64> { h.iter().map(|u| self.phi(*u)).collect() };
        let two_layers = weights.contains_key("W1");
        let factors = self.multipliers(two_layers);
        let mut h = product(&weights["U"], x, factors["U"]);
        for l in 0..self.depth {
            let added = match two_layers {
                false => product(layer("W", l), &values(&h), factors["W"]),
                true => {
                    let z = product(layer("W1", l), &values(&h), factors["W1"]);
                    product(layer("W2", l), &values(&z), factors["W2"])
                }
            };
            h.iter_mut().zip(added).for_each(|(h, added)| *h += added);
        }
        let sum =
            |o: usize| -> f64 { (0..n).map(|i| weights["V"][i * self.outputs + o] * h[i]).sum() };
        (0..self.outputs).map(|o| factors["V"] * sum(o)).collect()
    }

    fn outputs(&self, weights: &BTreeMap<String, Vec<f64>>, inputs: &[f64]) -> Vec<f64> {
        inputs.chunks(self.dimension).flat_map(|x| self.output(weights, x)).collect()
    }

    fn loss(&self, f: &[f64], labels: &[f64]) -> f64 {
        let of = |(f, y): (&[f64], &[f64])| -> f64 {
            let all: f64 = f.iter().map(|f| f.exp()).sum();
            let terms = f.iter().zip(y).map(|(f, y)| match self.cross_entropy {
                true => y * (all.ln() - f),
                false => 0.5 * (f - y).powi(2),
            });
            terms.sum()
        };
        let samples = f.chunks(self.outputs).zip(labels.chunks(self.outputs));
        samples.map(of).sum::<f64>() / (f.len() / self.outputs) as f64
    }
}

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
    for experiment in [minibatches(), two_layers(), independent(), matrix_free(), rounded()] {
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
    refused(&["--closure", "exact", "--seed", "1"], 2, &["say which by --width 16, 24"]);
    refused(&["--width", "17"], 2, &["no network is meant; there are --closure exact"]);
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

/// Changes an array of an export by a line of Python, in which `a` are the arrays.
const CHANGE: &str = r#"
import json, sys
import numpy as np
a = dict(np.load(sys.argv[1]))
about = json.loads(str(a["nfd"]))
exec(sys.argv[2])
a["nfd"] = np.array(json.dumps(about))
np.savez(sys.argv[3], **a)
"#;

/// Trains exported networks by a script of examples/, which then has to notice what is changed.
fn verified_by(script: &str, python: &str) {
    let verify = |file: &Path| {
        let mut command = Command::new(python);
        command.current_dir(ROOT).arg(format!("examples/{script}")).arg(file);
        command.env("PYTHONDONTWRITEBYTECODE", "1").output().unwrap()
    };
    for (what, experiment) in [
        ("minibatches", minibatches()),
        ("two_layers", two_layers()),
        ("independent", independent()),
    ] {
        let (guard, run) = run(&experiment);
        let file = path_of(&export(&run, &["--format", "npz"]));
        let done = verify(&file);
        let said = String::from_utf8_lossy(&done.stderr);
        assert!(done.status.success(), "{what}: {}{said}", String::from_utf8_lossy(&done.stdout));
        if what != "minibatches" {
            continue;
        }
        for (line, differs) in [
            ("about['learning_rates']['V'] *= 1.001", "outputs, losses"),
            ("a['batches'] = a['batches'][[1, 0, 2, 3, 4]]", "outputs, losses"),
            ("a['trained.V'][3] += 1e-8; a['f.train'][1, 2] = np.nan", "outputs, V"),
        ] {
            let changed = guard.path().join("changed.npz");
            let mut command = Command::new(python);
            command.args(["-c", CHANGE]).arg(&file).arg(line).arg(&changed);
            assert!(command.output().unwrap().status.success(), "{line}");
            let done = verify(&changed);
            let said = String::from_utf8_lossy(&done.stderr);
            assert_eq!(done.status.code(), Some(1), "{line}: {said}");
            assert!(said.contains(&format!("differ in {differs}")), "{line}: {said}");
        }
    }
}

#[test]
fn jax_trains_the_same_network() {
    match python("numpy, jax") {
        Some(python) => verified_by("verify_jax.py", &python),
        None => skipped("jax_trains_the_same_network", "NumPy or JAX"),
    }
}

/// PyTorch's own package brings gigabytes of CUDA libraries, so that the checks do not install it.
#[test]
fn pytorch_trains_the_same_network() {
    match python("numpy, torch") {
        Some(python) => verified_by("verify_torch.py", &python),
        None => {
            // Not eprintln: the test harness would swallow it.
            let line = "pytorch_trains_the_same_network: SKIPPED, no NumPy or PyTorch (pip install torch)\n";
            std::io::stderr().write_all(line.as_bytes()).unwrap();
        }
    }
}

/// The other format, by the package of its authors.
#[test]
fn scripts_read_safetensors_too() {
    let Some(python) = python("numpy, jax, safetensors") else {
        return skipped("scripts_read_safetensors_too", "NumPy, JAX or safetensors");
    };
    let (_guard, run) = run(&independent());
    let file = path_of(&export(&run, &[]));
    let mut command = Command::new(python);
    command.current_dir(ROOT).arg("examples/verify_jax.py").arg(file);
    let done = command.env("PYTHONDONTWRITEBYTECODE", "1").output().unwrap();
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
}
