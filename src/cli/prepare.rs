//! From what was typed to an experiment with its data, and back from a run directory.

use std::collections::HashSet;
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};

use clap::Args;

use crate::data::{self, DataSet};

use crate::ensemble::machine;
use crate::ensemble::plan::{Plan, plan};
use crate::error::{Error, Result};
use crate::model::Loss;
use crate::spec::Resolved;
use crate::spec::grid::Task;
use crate::spec::resolve::resolve;
use crate::spec::settled::{prefer_gpu, resolve_with};
use crate::spec::source::Source;
use crate::spec::work::{Rates, Work};
use crate::store::journal::{self, Contents};
use crate::store::key::Keys;
use crate::store::{JOURNAL, manifest, timings};

/// What `run` and `plan` take.
#[derive(Args)]
pub struct Typed {
    /// The experiment, a JSON file.
    file: PathBuf,
    /// Replace a field, as in --set ensemble.seeds=4; may be repeated.
    #[arg(long = "set", value_name = "FIELD=VALUE")]
    set: Vec<String>,
    /// The run directory [default: runs/<name>].
    #[arg(long, value_name = "DIR")]
    output: Option<PathBuf>,
    /// What carries out the sweeps, instead of the experiment's choice.
    #[arg(long, value_name = "BACKEND")]
    backend: Option<String>,
    /// Worker threads [default: all cores]. Results do not depend on it.
    #[arg(long, value_name = "N")]
    threads: Option<NonZeroUsize>,
}

/// Everything that is known before starting.
pub struct Prepared {
    /// The experiment and its decisions.
    pub resolved: Resolved,
    /// Its samples.
    pub data: DataSet,
    /// The run directory, there or not.
    pub output: PathBuf,
    /// What it takes, by the directory's timings if it has some.
    pub plan: Plan,
}

impl Typed {
    /// Resolves, loads, plans. Nothing is written.
    pub fn prepare(&self) -> Result<Prepared> {
        let mut overrides = self.set.clone();
        overrides.extend(self.backend.iter().map(|backend| format!("backend={backend}")));
        let source = Source::read(&self.file, &overrides)?;
        let raw = source.parse()?;
        let mut resolved = resolve(raw.clone(), &source)?;
        let output = match &self.output {
            Some(output) => output.clone(),
            None => PathBuf::from("runs").join(&resolved.experiment.name),
        };
        resolved = match manifest::read(&output)? {
            Some(manifest) => resolve_with(&raw, &source, manifest.settled())?,
            None => prefer_gpu(&raw, &source, resolved, machine::gpu)?,
        };
        prepared(resolved, output, self.threads)
    }
}

impl Prepared {
    /// What the run directory's journal holds, read without touching it, and which tasks of the
    /// experiment are among that if computed on `numeric_path`.
    pub fn finished(&self, numeric_path: &str) -> Result<(Contents, HashSet<Task>)> {
        let contents = journal::contents(&self.output.join(JOURNAL))?;
        let keys = Keys::new(&self.resolved.experiment, &self.data, numeric_path);
        let tasks = self.plan.tasks.iter().map(|(task, _)| *task);
        let finished = tasks.filter(|task| contents.index.contains_key(&keys.of(*task))).collect();
        Ok((contents, finished))
    }
}

/// The experiment that `directory` holds.
pub fn reopen(directory: &Path) -> Result<Prepared> {
    let Some(manifest) = manifest::read(directory)? else {
        return Err(Error::RunDirectory {
            directory: directory.to_owned(),
            problem: "has no manifest.json: it is not a run directory".to_owned(),
            help: "name a directory that `nfd run` has made".to_owned(),
        });
    };
    // A resolved experiment is an experiment file.
    let text = manifest.experiment.to_string();
    let source = Source::new(&directory.join(manifest::NAME), text, &[])?;
    prepared(resolve(source.parse()?, &source)?, directory.to_owned(), None)
}

fn prepared(
    resolved: Resolved,
    output: PathBuf,
    threads: Option<NonZeroUsize>,
) -> Result<Prepared> {
    let data = data::load(&resolved.experiment.data)?;
    if resolved.experiment.training.loss == Loss::CrossEntropy {
        data.require_classes(&resolved.experiment.data)?;
    }
    let threads = threads.map_or_else(
        || std::thread::available_parallelism().map_or(1, NonZeroUsize::get),
        NonZeroUsize::get,
    );
    let experiment = &resolved.experiment;
    let timed: Vec<_> = timings::read(&output)
        .into_iter()
        .map(|(task, seconds)| (Work::of(experiment, data.train.outputs, task), seconds))
        .collect();
    let rates = Rates::uncalibrated(experiment.engine, experiment.backend, experiment.precision);
    let plan = plan(experiment, &data, threads, rates.calibrated(&timed));
    Ok(Prepared { resolved, data, output, plan })
}
