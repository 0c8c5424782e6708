//! What a run directory's final files say, read without touching them.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use serde::Deserialize;
use serde::de::DeserializeOwned;

use crate::error::{Error, Result};
use crate::job::prepare::read_manifest;
use crate::report::plot::Plot;
use crate::stats::verdict::Verdict;
use crate::store::journals::FOLDER;
use crate::store::manifest::Manifest;

/// A run as its final files have it.
pub struct Run {
    /// What it is called: the name of its directory.
    pub name: String,
    /// Its resolved experiment, and what computed it.
    pub manifest: Manifest,
    /// What is claimed of it.
    pub summary: Summary,
    /// Its figures as numbers.
    pub figures: Vec<Plot>,
}

/// What is read of summary.json.
#[derive(Deserialize)]
pub struct Summary {
    experiment_hash: String,
    /// All claims, primary ones and others.
    pub claims: Vec<Claim>,
    /// The number of tasks of the experiment.
    pub tasks: usize,
    /// The number of those that are finished.
    pub finished: usize,
}

/// What is read of a claim in summary.json.
#[derive(Clone, Debug, PartialEq, Deserialize)]
pub struct Claim {
    id: String,
    /// The claim in words.
    pub statement: String,
    /// The closure of which it is claimed.
    pub closure: String,
    /// The parametrization of which it is claimed.
    pub parametrization: String,
    /// What varies along it.
    pub axis: String,
    /// Whether it is a primary claim of its study.
    pub primary: bool,
    /// What is claimed about.
    pub observable: String,
    /// Updates before the pass.
    pub step: u32,
    /// The exponent that was found.
    pub exponent: Option<f64>,
    /// The 95 % interval of the exponent.
    pub ci95: Option<[f64; 2]>,
    /// The constant beside what falls, or to which it tends.
    pub plateau: Option<f64>,
    /// The 95 % interval of the constant.
    pub plateau_ci95: Option<[f64; 2]>,
    verdict: String,
    /// The number of seeds at every point.
    pub seeds: u64,
}

impl Claim {
    /// The verdict; inconclusive where its name is not known.
    pub fn verdict(&self) -> Verdict {
        let named = Verdict::ALL.into_iter().find(|verdict| verdict.name() == self.verdict);
        named.unwrap_or(Verdict::Inconclusive)
    }

    /// Where it was made: "n=8192, k=2, 8 seeds".
    pub fn place(&self) -> String {
        let sizes = self.id.split('/').nth(2).unwrap_or_default();
        format!("{sizes}, k={}, {} seeds", self.step, self.seeds)
    }
}

impl Run {
    /// Reads the run in `directory`, to be called `name`.
    ///
    /// # Errors
    /// [`Error::RunDirectory`] where it is no run directory, or its final files are missing, damaged or
    /// older than what is finished.
    pub fn read(directory: &Path, name: String) -> Result<Run> {
        let manifest = read_manifest(directory)?;
        let summary: Summary = read_json(directory, "summary.json")?;
        let figures = read_json(directory, "figures.json")?;
        let old = |problem: &str| Err(refuse(directory, problem.to_owned()));
        if summary.experiment_hash != manifest.experiment_hash {
            return old("its summary.json is of another experiment than its manifest.json");
        }
        // Of a run that is whole nothing can be newer.
        if summary.finished < summary.tasks && has_grown(directory) {
            return old("tasks have finished since its summary.json was written");
        }
        Ok(Run { name, manifest, summary, figures })
    }
}

fn refuse(directory: &Path, problem: String) -> Error {
    let help = format!("run `nfd report {}` first", directory.display());
    Error::RunDirectory { directory: directory.to_owned(), problem, help }
}

fn read_json<T: DeserializeOwned>(directory: &Path, name: &str) -> Result<T> {
    let path = directory.join(name);
    let text = match fs::read(&path) {
        Ok(text) => text,
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            return Err(refuse(
                directory,
                format!("has no {name}: its final files are not written"),
            ));
        }
        Err(source) => return Err(Error::Io { action: "read", path, source }),
    };
    let fail = |error| {
        let what = "is damaged, or of another version of nfd";
        refuse(directory, format!("its {name} {what} ({error})"))
    };
    serde_json::from_slice(&text).map_err(fail)
}

/// Whether a journal was written to after summary.json.
fn has_grown(directory: &Path) -> bool {
    let time = |path: PathBuf| -> Option<SystemTime> { fs::metadata(path).ok()?.modified().ok() };
    let Some(written) = time(directory.join("summary.json")) else { return true };
    let journals = fs::read_dir(directory.join(FOLDER)).into_iter().flatten().flatten();
    journals.filter_map(|entry| time(entry.path())).any(|journal| journal > written)
}
