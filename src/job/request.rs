//! From what was typed to an experiment with its data, and back from a run directory.

use std::collections::HashSet;
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};

use clap::Args;

use crate::data::{self, DataSet};

use crate::ensemble::deal::Shard;
use crate::ensemble::plan::{Plan, plan};
use crate::ensemble::{cores, machine};
use crate::error::{Error, Result};
use crate::experiment::Resolved;
use crate::experiment::grid::Task;
use crate::experiment::resolve::resolve;
use crate::experiment::settled::{prefer_gpu, resolve_with};
use crate::experiment::source::Source;
use crate::experiment::work::{Rates, Work};
use crate::model::Loss;
use crate::store::journals::Journals;
use crate::store::key::{Keys, experiment_hash};
use crate::store::manifest::{self, Manifest};
use crate::store::timings;

/// What `run` and `plan` take.
#[derive(Args, Clone)]
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
    /// Worker threads, of each rank [default: all cores given to it]. Results do not depend on it.
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
    /// Resolves, loads, plans, in the process that is number `local` of its node. Nothing is written.
    pub fn prepare(&self, local: usize) -> Result<Prepared> {
        let source = self.source()?;
        let raw = source.parse()?;
        let mut resolved = resolve(raw.clone(), &source)?;
        let output = self.folder(&resolved.experiment.name);
        resolved = match manifest::read(&output)? {
            Some(manifest) => resolve_with(&raw, &source, manifest.settled())?,
            None => prefer_gpu(&raw, &source, resolved, || machine::gpu(local))?,
        };
        prepared(resolved, output, self.threads())
    }

    /// The run directory.
    pub fn output(&self) -> Result<PathBuf> {
        Ok(self.folder(&self.named()?))
    }

    /// The same of an experiment of this name.
    fn folder(&self, name: &str) -> PathBuf {
        self.output.clone().unwrap_or_else(|| PathBuf::from("runs").join(name))
    }

    /// The experiment's name.
    fn named(&self) -> Result<String> {
        let source = self.source()?;
        Ok(resolve(source.parse()?, &source)?.experiment.name)
    }

    fn source(&self) -> Result<Source> {
        let mut overrides = self.set.clone();
        overrides.extend(self.backend.iter().map(|backend| format!("backend={backend}")));
        Source::read(&self.file, &overrides)
    }

    /// Those typed, or all that this process has.
    pub fn threads(&self) -> usize {
        self.typed_threads().unwrap_or_else(cores::available)
    }

    /// None where they are left to the machine.
    pub fn typed_threads(&self) -> Option<usize> {
        self.threads.map(NonZeroUsize::get)
    }

    /// The run directory is a shard's, unless one was typed.
    pub fn in_shard(&self, shard: Shard) -> Result<Typed> {
        let mut typed = self.clone();
        if typed.output.is_none() {
            let Shard { index, of } = shard;
            let folder = format!("{}.shard-{index}-of-{of}", self.named()?);
            typed.output = Some(PathBuf::from("runs").join(folder));
        }
        Ok(typed)
    }

    /// The same for experiments and run directories that are the same, on all ranks.
    pub fn hash(&self) -> Result<String> {
        let source = self.source()?;
        let experiment = resolve(source.parse()?, &source)?.experiment;
        // Debug: a path need not be text.
        Ok(experiment_hash(&(experiment, format!("{:?}", self.output))))
    }
}

impl Prepared {
    /// What the run directory's journals hold, read without touching it, and which tasks of the
    /// experiment are among that if computed on `numeric_path`.
    pub fn finished(&self, numeric_path: &str) -> Result<(Journals, HashSet<Task>)> {
        let journals = Journals::read(&self.output, |_| true)?;
        let keys = Keys::new(&self.resolved.experiment, &self.data, numeric_path);
        let tasks = self.plan.tasks.iter().map(|(task, _)| *task);
        let finished = tasks.filter(|task| journals.find(keys.of(*task)).is_some()).collect();
        Ok((journals, finished))
    }
}

/// The manifest of a run directory.
pub fn read(directory: &Path) -> Result<Manifest> {
    manifest::read(directory)?.ok_or_else(|| Error::RunDirectory {
        directory: directory.to_owned(),
        problem: "has no manifest.json: it is not a run directory".to_owned(),
        help: "name a directory that `nfd run` has made".to_owned(),
    })
}

/// The experiment that `directory` holds.
pub fn reopen(directory: &Path) -> Result<Prepared> {
    let text = read(directory)?.experiment.to_string();
    again(text, &directory.join(manifest::NAME), directory.to_owned(), cores::available())
}

/// The same from a resolved experiment, which is an experiment file: `text`, as found in `file`.
pub fn again(text: String, file: &Path, output: PathBuf, threads: usize) -> Result<Prepared> {
    let source = Source::new(file, text, &[])?;
    prepared(resolve(source.parse()?, &source)?, output, threads)
}

fn prepared(resolved: Resolved, output: PathBuf, threads: usize) -> Result<Prepared> {
    let data = data::load(&resolved.experiment.data)?;
    if resolved.experiment.training.loss == Loss::CrossEntropy {
        data.require_classes(&resolved.experiment.data)?;
    }
    let experiment = &resolved.experiment;
    let timed: Vec<_> = timings::read(&output)
        .into_iter()
        .map(|(task, seconds)| (Work::of(experiment, data.train.outputs, task), seconds))
        .collect();
    let rates = Rates::uncalibrated(experiment.engine, experiment.backend, experiment.precision);
    let plan = plan(experiment, &data, threads, rates.calibrated(&timed));
    Ok(Prepared { resolved, data, output, plan })
}
