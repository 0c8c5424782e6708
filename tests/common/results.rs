//! Reads what a run of the program left.

use std::collections::BTreeMap;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

use serde::Deserialize;

/// A line of results.csv.
#[derive(Clone, Debug, Deserialize)]
pub struct Row {
    pub closure: String,
    pub engine: String,
    pub width: usize,
    pub depth: usize,
    pub seed: u64,
    pub step: u32,
    pub depth_time: Option<f64>,
    pub sample: Option<u32>,
    pub output: Option<usize>,
    pub reference: String,
    pub observable: String,
    pub value: f64,
}

/// `nfd` with the given arguments, in the repository's root.
pub fn nfd(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_nfd"))
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .args(arguments)
        .output()
        .unwrap()
}

/// Runs a job of the repository into a fresh directory; returns the directory.
pub fn run_job(job: &str, extra: &[&str]) -> (tempfile::TempDir, PathBuf) {
    let parent = tempfile::tempdir().unwrap();
    let directory = parent.path().join("run");
    let output = directory.display().to_string();
    let mut arguments = vec!["run", job, "--output", &output];
    arguments.extend(extra);
    let done = nfd(&arguments);
    let stderr = String::from_utf8_lossy(&done.stderr);
    assert!(done.status.success(), "{job}: {stderr}");
    (parent, directory)
}

pub fn rows(directory: &Path) -> Vec<Row> {
    let mut reader = csv::Reader::from_path(directory.join("results.csv")).unwrap();
    reader.deserialize().map(Result::unwrap).collect()
}

/// Everything that is a pure function of the experiment: name and bytes, plots included.
pub fn final_files(directory: &Path) -> BTreeMap<String, Vec<u8>> {
    let names = ["results.csv", "arrays.npz", "summary.json", "figures.json", "report.html"]
        .map(str::to_owned);
    let plots = std::fs::read_dir(directory.join("plots")).unwrap();
    let plot = |entry: std::io::Result<std::fs::DirEntry>| {
        format!("plots/{}", entry.unwrap().file_name().display())
    };
    let names = names.into_iter().chain(plots.map(plot));
    names.map(|name| (name.clone(), std::fs::read(directory.join(&name)).unwrap())).collect()
}

/// Mean and standard error over seeds of one number.
pub fn moments(values: &[f64]) -> (f64, f64) {
    let n = values.len() as f64;
    let mean = values.iter().sum::<f64>() / n;
    let variance = values.iter().map(|v| (v - mean).powi(2)).sum::<f64>() / (n - 1.0);
    (mean, (variance / n).sqrt())
}

/// `nfd judge` of a text, which has to end within two minutes.
pub fn piped(text: &str, arguments: &[&str]) -> Output {
    let mut child = Command::new(env!("CARGO_BIN_EXE_nfd"))
        .args(["judge", "-"])
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    // One that refuses its arguments may be gone before it reads.
    let _ = child.stdin.take().unwrap().write_all(text.as_bytes());
    // Its answers are shorter than a pipe is long.
    let end = Instant::now() + Duration::from_secs(120);
    while child.try_wait().unwrap().is_none() {
        if Instant::now() > end {
            child.kill().unwrap();
            panic!("no end with {arguments:?} of {text}");
        }
        std::thread::sleep(Duration::from_millis(5));
    }
    child.wait_with_output().unwrap()
}
