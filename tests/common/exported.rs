//! Networks that are exported, and what is in the file.

use std::collections::BTreeMap;
use std::fs;
use std::io::Cursor;
use std::path::{Path, PathBuf};
use std::process::Output;

use safetensors::SafeTensors;
use serde_json::{Value, json};
use tempfile::TempDir;
use zip::ZipArchive;

use super::npz::member;
use super::results::{nfd, run_job};

/// A small experiment of one network, with these fields in the place of its own.
pub fn experiment(changes: &[(&str, Value)]) -> Value {
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
pub fn minibatches() -> Value {
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
pub fn two_layers() -> Value {
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
pub fn independent() -> Value {
    experiment(&[
        ("ensemble.closures", json!(["gia"])),
        ("model.train", json!(["hidden"])),
        ("model.parametrization", json!("mup")),
        ("training.learning_rate", json!(0.05)),
        ("training.weight_decay", json!(0.02)),
    ])
}

/// Adam with decay, in two-layer blocks: every group has an ε of its own.
pub fn adam() -> Value {
    experiment(&[
        ("model.block", json!("two-layer")),
        ("model.inner_width", json!("2n")),
        ("model.horizon", json!(2.0)),
        ("training.optimizer", json!("adamw")),
        ("training.weight_decay", json!(0.1)),
        ("training.epsilon", json!(1e-2)),
        ("training.betas", json!([0.8, 0.9])),
        ("training.schedule", json!({ "kind": "step", "every": 2, "factor": 0.5 })),
    ])
}

/// Muon as it is practised, with all that it has; of a run that never had its weights, so that they are those
/// of the conditional engine.
pub fn muon() -> Value {
    experiment(&[
        ("engine", json!("conditional")),
        ("model.parametrization", json!("mean-field")),
        ("model.block", json!("two-layer")),
        ("model.inner_width", json!(20)),
        ("training.optimizer", json!("muon")),
        ("training.orthogonalization", json!("newton-schulz")),
        ("training.nesterov", json!(true)),
        ("training.momentum", json!(0.8)),
        ("training.weight_decay", json!(0.1)),
        ("ensemble.closures", json!(["gia"])),
    ])
}

/// Polar factors.
pub fn polar() -> Value {
    experiment(&[
        ("training.optimizer", json!("muon")),
        ("training.momentum", json!(0.5)),
        ("training.batch", json!(3)),
    ])
}

/// Signs, of the hidden weights alone.
pub fn signs() -> Value {
    experiment(&[
        ("model.train", json!(["hidden"])),
        ("training.optimizer", json!("signsgd")),
        ("training.momentum", json!(0.5)),
        ("training.weight_decay", json!(0.1)),
    ])
}

/// Normalised branches without a skip connection, with gradients through weights of their own.
pub fn normalised() -> Value {
    experiment(&[
        ("data.scale", json!(0.5)),
        ("model.normalization", json!("rms")),
        ("model.parametrization", json!("vanilla")),
        ("training.learning_rate", json!(0.05)),
        ("training.momentum", json!(0.5)),
        ("training.batch", json!(3)),
        ("ensemble.closures", json!(["gia"])),
    ])
}

/// Normalised branches of two layers, whose weights no run has had.
pub fn normalised_blocks() -> Value {
    experiment(&[
        ("data.scale", json!(0.5)),
        ("model.normalization", json!("rms")),
        ("model.block", json!("two-layer")),
        ("engine", json!("conditional")),
    ])
}

/// A network whose run never had its weights.
pub fn matrix_free() -> Value {
    experiment(&[("engine", json!("conditional")), ("training.momentum", json!(0.5))])
}

/// Initial weights in bf16.
pub fn rounded() -> Value {
    experiment(&[
        ("storage", json!("bf16")),
        ("ensemble.widths", json!([128])),
        ("training.steps", json!(2)),
    ])
}

/// A run of an experiment: its folder, and its directory.
pub fn run(experiment: &Value) -> (TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("job.json");
    fs::write(&file, experiment.to_string()).unwrap();
    run_job(&file.display().to_string(), &[])
}

pub fn export(run: &Path, arguments: &[&str]) -> Output {
    let directory = run.display().to_string();
    nfd(&[&["export", &directory], arguments].concat())
}

/// The path that an export that has to succeed prints.
pub fn path_of(done: &Output) -> PathBuf {
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    PathBuf::from(String::from_utf8_lossy(&done.stdout).trim())
}

/// Arrays by name with their shapes, and the constants.
pub struct File {
    pub arrays: BTreeMap<String, (Vec<usize>, Vec<f64>)>,
    pub about: Value,
}

pub fn numbers(kind: &str, bytes: &[u8]) -> Vec<f64> {
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
    pub fn of_npz(path: &Path) -> File {
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

    pub fn of_safetensors(path: &Path) -> File {
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

    pub fn array(&self, name: &str) -> &[f64] {
        &self.arrays[name].1
    }

    pub fn shape(&self, name: &str) -> &[usize] {
        &self.arrays[name].0
    }

    /// The weights of `when`, by name.
    pub fn weights(&self, when: &str) -> BTreeMap<String, Vec<f64>> {
        let own = self.arrays.iter().filter_map(|(name, (_, values))| {
            Some((name.strip_prefix(&format!("{when}."))?.to_owned(), values.clone()))
        });
        own.collect()
    }
}
