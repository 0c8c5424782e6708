//! A disk that fails at a chosen call, what is written to it, and a whole run on it, in process.

use std::fs::File;
use std::io;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use nalgebra::DMatrix;
use nfd::backend::Covariances;
use nfd::data;
use nfd::engine::{Divergence, Trajectory};
use nfd::ensemble::checkpointing::Watch;
use nfd::ensemble::machine::Machine;
use nfd::ensemble::{self, plan::plan};
use nfd::error::Result;
use nfd::experiment::Experiment;
use nfd::experiment::file::ExperimentFile;
use nfd::experiment::resolve::resolve;
use nfd::observables::arrays;
use nfd::observables::results::to_csv;
use nfd::store::files::{Disk, Files};
use nfd::store::lock::{Choice, Locking};
use nfd::store::manifest::Launch;
use nfd::store::{RunDirectory, RunStart};

/// How the disk fails.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Fault {
    /// One call, as with EIO.
    Once,
    /// That call and all after it, as when the disk is full.
    From,
    /// A write takes half of the bytes, the rest and all later calls fail.
    Half,
}

/// Fails at the `at`-th call, from 1.
pub struct Failing {
    pub fault: Fault,
    pub at: usize,
    pub calls: AtomicUsize,
}

impl Failing {
    pub fn new(fault: Fault, at: usize) -> Self {
        Failing { fault, at, calls: AtomicUsize::new(0) }
    }

    pub fn failed(&self) -> bool {
        self.calls.load(Ordering::SeqCst) >= self.at
    }

    /// The number of this call, or the error.
    fn call(&self) -> io::Result<usize> {
        let call = self.calls.fetch_add(1, Ordering::SeqCst) + 1;
        let fails = match self.fault {
            Fault::Once => call == self.at,
            Fault::From => call >= self.at,
            Fault::Half => call > self.at,
        };
        const ENOSPC: i32 = 28;
        if fails { Err(io::Error::from_raw_os_error(ENOSPC)) } else { Ok(call) }
    }
}

impl Files for Failing {
    fn create(&self, path: &Path) -> io::Result<File> {
        self.call().and_then(|_| Disk.create(path))
    }

    fn create_new(&self, path: &Path) -> io::Result<File> {
        self.call().and_then(|_| Disk.create_new(path))
    }

    fn link(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.call().and_then(|_| Disk.link(from, to))
    }

    fn open_to_append(&self, path: &Path) -> io::Result<File> {
        self.call().and_then(|_| Disk.open_to_append(path))
    }

    fn write(&self, file: &mut File, bytes: &[u8]) -> io::Result<usize> {
        let half = self.call()? == self.at && self.fault == Fault::Half;
        Disk.write(file, if half { &bytes[..bytes.len().div_ceil(2)] } else { bytes })
    }

    fn truncate(&self, file: &File, length: u64) -> io::Result<()> {
        self.call().and_then(|_| Disk.truncate(file, length))
    }

    fn sync(&self, file: &File) -> io::Result<()> {
        self.call().and_then(|_| Disk.sync(file))
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.call().and_then(|_| Disk.rename(from, to))
    }
}

/// A tiny experiment.
pub fn tiny(seeds: u64) -> Experiment {
    let text = format!(
        r#"{{ "name": "tiny", "data": {{ "source": "toy" }},
        "training": {{ "steps": 1, "learning_rate": 0.5 }},
        "ensemble": {{ "widths": [6], "depths": [2, 4], "seeds": {seeds}, "closures": ["exact"] }} }}"#
    );
    let source = ExperimentFile::new(Path::new("tiny.json"), text, &[]).unwrap();
    resolve(source.parse().unwrap(), &source).unwrap().experiment
}

/// Opens `path` for `experiment` on `numeric_path`.
pub fn open(
    path: &Path,
    experiment: &Experiment,
    numeric_path: &str,
    allow_path_change: bool,
    files: Arc<dyn Files>,
) -> Result<RunDirectory> {
    let locking = Locking::new(Choice::Auto);
    open_with(path, experiment, (numeric_path, allow_path_change), locking, files)
}

/// Opens `path` for `experiment` with a lock of a certain kind.
pub fn open_locked(path: &Path, experiment: &Experiment, locking: Locking) -> Result<RunDirectory> {
    open_with(path, experiment, ("portable", false), locking, Arc::new(Disk))
}

fn open_with(
    path: &Path,
    experiment: &Experiment,
    (numeric_path, allow_path_change): (&str, bool),
    locking: Locking,
    files: Arc<dyn Files>,
) -> Result<RunDirectory> {
    let data = data::load(&experiment.data).unwrap();
    let arguments = ["nfd".to_owned()];
    let launch = &Launch::alone();
    let arguments = &arguments;
    let data = &data;
    let start =
        RunStart { experiment, data, numeric_path, allow_path_change, arguments, launch, locking };
    RunDirectory::open(path, &start, files)
}

/// What `nfd run` does, up to its summary; returns the final files' bytes.
pub fn run(path: &Path, experiment: &Experiment, files: Arc<dyn Files>) -> Result<[Vec<u8>; 2]> {
    let directory = open(path, experiment, "portable", false, files)?;
    let data = data::load(&experiment.data).unwrap();
    let stop = AtomicBool::new(false);
    let plan = plan(experiment, &data, 1, (experiment.costs().speeds)(experiment.number_bytes()));
    let machine = Machine::find(experiment, 0)?;
    let watch = Watch::until(&stop);
    assert!(ensemble::run(experiment, &data, &directory, &plan, &machine, watch, &|_| {})?);
    let outcome = ensemble::measure(experiment, &data, &directory, 1)?;
    let files = [to_csv(experiment, &outcome.rows)?, arrays::to_npz(&outcome.rows, &data.train)?];
    directory.write("results.csv", &files[0])?;
    directory.write("arrays.npz", &files[1])?;
    Ok(files)
}

/// What a task may leave: for every i another, of another length, with numbers that decimal text would lose.
pub fn value(i: usize) -> Trajectory {
    let matrix = DMatrix::from_fn(i + 1, i + 1, |r, c| 0.1 + (r * 3 + c) as f64 / 3.0);
    Trajectory {
        passes: vec![],
        covariances: Some(vec![Covariances {
            features: Some(matrix.clone()),
            forward_response: Some(matrix),
            ..Covariances::default()
        }]),
        diverged: (i == 1).then_some(Divergence { step: 4, layer: Some(300) }),
    }
}
