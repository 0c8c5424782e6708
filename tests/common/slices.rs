//! Experiments that are trained in slices: stopped at every checkpoint that they keep, and started again.

use std::io;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use nfd::data;
use nfd::engine::Trajectory;
use nfd::ensemble::checkpointing::{CheckpointEvery, Watch};
use nfd::ensemble::machine::Machine;
use nfd::ensemble::{self, plan::plan};
use nfd::experiment::Experiment;
use nfd::experiment::grid::tasks;
use nfd::store::files::{Disk, Files};

use super::experiments::resolve_text;
use super::faults::open;

/// Experiments with every kind of state that networks have, on small networks: `setting` makes one of them.
pub const SETTINGS: [&str; 7] = [
    // All closures, all passes recorded and followed by covariances.
    r#""engine": "conditional", "data": { "source": "digits", "samples": 2 }, "model": { "activation": "relu" },
    "training": { "steps": 5, "learning_rate": 0.5 },
    "closures": ["exact", "fresh", "gia", "forward-only", "backward-only", "backward-past"]"#,
    // Minibatches beside the whole, test samples, momentum, decay, a schedule, unrecorded passes.
    r#""engine": "conditional", "data": { "source": "digits", "samples": 6, "test_samples": 3 },
    "model": { "train": ["input", "hidden", "readout"] },
    "training": { "steps": 7, "learning_rate": 0.5, "batch": 2, "record": 3, "momentum": 0.9,
        "weight_decay": 0.05, "schedule": "cosine" }, "closures": ["exact"]"#,
    // Several outputs.
    r#""engine": "conditional", "data": { "source": "digits", "samples": 5, "classes": [0, 1, 2] },
    "training": { "steps": 4, "learning_rate": 0.5, "loss": "cross-entropy" }, "closures": ["exact", "gia"]"#,
    // Dense, two matrices for gia.
    r#""engine": "dense", "data": { "source": "digits", "samples": 3, "test_samples": 2 },
    "model": { "train": ["input", "hidden", "readout"] },
    "training": { "steps": 6, "learning_rate": 0.5, "momentum": 0.9, "weight_decay": 0.05 },
    "closures": ["exact", "gia"]"#,
    // Unrecorded passes of many samples.
    r#""engine": "dense", "data": { "source": "digits", "samples": 40 },
    "training": { "steps": 7, "learning_rate": 0.5, "batch": 20, "record": 4 }, "closures": ["exact"]"#,
    // Initial weights in bf16, and a drift.
    r#""engine": "dense", "data": { "source": "digits", "samples": 2 }, "storage": "bf16",
    "model": { "train": ["input", "hidden", "readout"] },
    "training": { "steps": 6, "learning_rate": 0.5, "momentum": 0.5, "weight_decay": 0.05, "record": 2 },
    "closures": ["exact", "gia"]"#,
    // Two matrices a block.
    r#""engine": "dense", "data": { "source": "digits", "samples": 3 }, "model": { "block": "two-layer" },
    "training": { "steps": 5, "learning_rate": 0.5, "momentum": 0.5 }, "closures": ["exact", "gia"]"#,
];

/// The same with optimizers that backend cuda has too.
pub const ENTRYWISE: [&str; 2] = [
    r#""engine": "dense", "data": { "source": "digits", "samples": 3 },
    "model": { "train": ["input", "hidden", "readout"] },
    "training": { "steps": 5, "learning_rate": 0.2, "weight_decay": 0.05, "optimizer": "adamw" },
    "closures": ["exact", "gia"]"#,
    r#""engine": "dense", "data": { "source": "digits", "samples": 20 },
    "model": { "block": "two-layer", "inner_width": "0.5n" },
    "training": { "steps": 5, "learning_rate": 0.1, "batch": 10, "record": 3, "momentum": 0.8,
        "optimizer": "signsgd" }, "closures": ["exact", "gia"]"#,
];

/// The same with optimizers that backend cuda does not have.
pub const NORMALIZING: [&str; 2] = [
    r#""engine": "conditional", "data": { "source": "digits", "samples": 3 },
    "model": { "train": ["input", "hidden", "readout"] },
    "training": { "steps": 5, "learning_rate": 0.2, "momentum": 0.8, "weight_decay": 0.05,
        "optimizer": "muon", "nesterov": true }, "closures": ["exact", "gia"]"#,
    r#""engine": "dense", "data": { "source": "digits", "samples": 3 }, "model": { "block": "two-layer" },
    "training": { "steps": 5, "learning_rate": 0.2, "momentum": 0.8,
        "optimizer": "muon", "orthogonalization": "newton-schulz" }, "closures": ["exact", "gia"]"#,
];

/// One of the [`SETTINGS`] on a backend.
pub fn setting(text: &str, backend: &str, precision: &str) -> Experiment {
    setting_of(text, backend, precision, 70, "2, 4")
}

/// The same of other sizes.
pub fn setting_of(
    text: &str,
    backend: &str,
    precision: &str,
    width: usize,
    depths: &str,
) -> Experiment {
    let (rest, closures) = text.split_once("\"closures\": ").unwrap();
    let text = format!(
        r#"{{ "name": "slices", {rest} "backend": "{backend}", "precision": "{precision}",
        "ensemble": {{ "widths": [{width}], "depths": [{depths}], "seeds": 2, "closures": {closures} }} }}"#
    );
    resolve_text(&text, &[]).unwrap().experiment
}

/// After every update.
pub const ALWAYS: CheckpointEvery = CheckpointEvery(Some(Duration::ZERO));

/// A disk that asks to stop when a checkpoint takes its place.
#[derive(Default)]
pub struct Stopping {
    pub stop: Arc<AtomicBool>,
}

impl Files for Stopping {
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        Disk.rename(from, to)?;
        if to.parent().is_some_and(|folder| folder.ends_with("checkpoints")) {
            self.stop.store(true, Ordering::SeqCst);
        }
        Ok(())
    }
}

/// Trains what is left of an experiment, on `threads` threads, into the run directory `path`; whether it is
/// done.
pub fn train(
    path: &Path,
    experiment: &Experiment,
    threads: usize,
    (files, stop): (Arc<dyn Files>, &AtomicBool),
    every: CheckpointEvery,
) -> bool {
    let directory = open(path, experiment, "portable", false, files).unwrap();
    let data = data::load(&experiment.data).unwrap();
    let speeds = (experiment.costs().speeds)(experiment.number_bytes());
    let plan = plan(experiment, &data, threads, speeds);
    let machine = Machine::find(experiment, 0).unwrap();
    let watch = Watch::until(stop).keeping(&directory, every);
    ensemble::run(experiment, &data, &directory, &plan, &machine, watch, &|_| {}).unwrap()
}

/// All that the tasks have left in `path`.
pub fn trajectories(path: &Path, experiment: &Experiment) -> Vec<Trajectory> {
    let directory = open(path, experiment, "portable", false, Arc::new(Disk)).unwrap();
    let load = |task| directory.load(task).unwrap().unwrap();
    tasks(experiment).into_iter().map(load).collect()
}

/// Whether an experiment shows the same, every bit, when it is stopped at every checkpoint and goes on with
/// another number of threads; the number of its starts.
pub fn assert_the_same_in_slices(experiment: &Experiment) -> usize {
    let folder = tempfile::tempdir().unwrap();
    let (whole, sliced) = (folder.path().join("whole"), folder.path().join("sliced"));
    let never = AtomicBool::new(false);
    assert!(train(&whole, experiment, 1, (Arc::new(Disk), &never), CheckpointEvery(None)));
    assert!(!whole.join("checkpoints").exists());
    let mut starts = 0;
    loop {
        starts += 1;
        assert!(starts < 1000);
        let disk = Stopping::default();
        let stop = disk.stop.clone();
        if train(&sliced, experiment, 1 + starts % 3, (Arc::new(disk), &stop), ALWAYS) {
            break;
        }
    }
    let (whole, sliced) = (trajectories(&whole, experiment), trajectories(&sliced, experiment));
    for (task, (whole, sliced)) in tasks(experiment).iter().zip(whole.iter().zip(&sliced)) {
        assert!(whole == sliced, "{task}: {whole:?}\n{sliced:?}");
    }
    assert!(!folder.path().join("sliced/checkpoints").exists(), "checkpoints of what is done");
    starts
}
