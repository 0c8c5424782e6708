//! Study `limit` as a program that people run: a small job, its run directories and their lines.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use nfd::store::JOURNAL;
use nfd::store::journal::read_contents;
use serde::Deserialize;

/// Networks so narrow that both closures need more than the first round, and `exact` a third: together
/// less than a second.
pub const JOB: &str = r#"{
  "name": "parts",
  "study": "limit",
  "data": { "source": "toy" },
  "training": { "steps": 1, "learning_rate": 1.0 },
  "ensemble": { "closures": ["exact", "gia"] },
  "limit": { "tolerance": 5e-3, "width": 256 }
}
"#;
pub const TOLERANCE: f64 = 5e-3;
/// Blocks of the first round, which is that of every limit: 8 + 4 + 2 whole and 3 divided a closure.
pub const FIRST_ROUND: usize = 2 * 17;
/// A job in a folder of its own, and run directories beside it.
pub struct Place {
    folder: tempfile::TempDir,
}

impl Place {
    pub fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("job.json"), JOB).unwrap();
        Place { folder }
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_nfd"));
        command.current_dir(&self.folder).args(arguments);
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
        command
    }

    pub fn nfd(&self, arguments: &[&str]) -> Output {
        self.command(arguments).output().unwrap()
    }

    /// What `nfd run` into the directory `name` said.
    pub fn run(&self, name: &str, extra: &[&str]) -> String {
        self.good(&[&["run", "job.json", "--output", name], extra].concat())
    }

    /// What a command said that has to succeed.
    pub fn good(&self, arguments: &[&str]) -> String {
        let done = self.nfd(arguments);
        assert_eq!(done.status.code(), Some(0), "{arguments:?}: {}", said(&done));
        assert!(!said(&done).contains("panicked"), "{}", said(&done));
        said(&done)
    }

    /// All files of a run directory but those that tell how the run went, by name.
    pub fn finals(&self, name: &str) -> BTreeMap<String, Vec<u8>> {
        let mut files = BTreeMap::new();
        for folder in ["", "plots/"] {
            let entries = fs::read_dir(self.path(name).join(folder)).into_iter().flatten();
            for entry in entries.map(Result::unwrap).filter(|entry| entry.path().is_file()) {
                let file = format!("{folder}{}", entry.file_name().display());
                let told = ["manifest.json", "timings.csv", "lock"].contains(&file.as_str());
                if !told && !file.starts_with("lock.owner-") {
                    files.insert(file, fs::read(entry.path()).unwrap());
                }
            }
        }
        for needed in ["limit.csv", "limit.npz", "summary.json", "report.html"] {
            assert!(files.contains_key(needed), "no {needed} in {name}: {:?}", files.keys());
        }
        files
    }

    /// How many blocks have run there.
    pub fn ran(&self, name: &str) -> usize {
        fs::read_to_string(self.path(name).join("timings.csv")).unwrap().lines().count() - 1
    }

    /// How many are finished there.
    pub fn finished(&self, name: &str) -> usize {
        read_contents(&self.path(name).join(JOURNAL)).map_or(0, |contents| contents.index.len())
    }
}

pub fn said(done: &Output) -> String {
    String::from_utf8_lossy(&done.stderr).into_owned()
}

/// A line of limit.csv.
#[derive(Clone, Debug, Deserialize)]
pub struct Line {
    pub closure: String,
    pub step: u32,
    pub quantity: String,
    pub sample: Option<u32>,
    pub output: Option<usize>,
    pub depth: String,
    pub value: f64,
    pub standard_error: f64,
    pub bias_bound: Option<f64>,
    pub distance: Option<f64>,
    pub distance_error: Option<f64>,
}

pub fn lines(run: &Path) -> Vec<Line> {
    let mut reader = csv::Reader::from_path(run.join("limit.csv")).unwrap();
    reader.deserialize().map(Result::unwrap).collect()
}
