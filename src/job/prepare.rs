//! From a request to an experiment with its samples and plan, and back from a run directory.

use std::collections::{BTreeMap, HashSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::request::Request;
use crate::data::{self, DataSet};
use crate::ensemble::cost::cost;
use crate::ensemble::limits::Limits;
use crate::ensemble::plan::{Plan, plan};
use crate::ensemble::{cores, machine};
use crate::error::{Error, Result};
use crate::experiment::Resolved;
use crate::experiment::file::ExperimentFile;
use crate::experiment::grid::Task;
use crate::experiment::limit::Block;
use crate::experiment::resolve::resolve;
use crate::experiment::settled::{prefer_gpu, resolve_with};
use crate::model::Loss;
use crate::store::RunStart;
use crate::store::checkpoints::Checkpoints;
use crate::store::files::Disk;
use crate::store::journal;
use crate::store::journals::Journals;
use crate::store::key::Keys;
use crate::store::lock::Locking;
use crate::store::manifest::{self, Launch, Manifest};
use crate::store::timings;
use crate::studies::advice::{Advice, Level, advice};

/// Everything that is known of a run before it starts.
pub struct Prepared {
    /// The experiment, and what was decided where its file left a choice open.
    pub resolved: Resolved,
    /// The training and test samples.
    pub data: DataSet,
    /// The path of the run directory, which need not exist yet.
    pub output: PathBuf,
    /// All tasks and their costs, calibrated by the directory's timings if it has some.
    pub plan: Plan,
}

/// What the journals of a run directory hold.
pub struct Finished {
    /// The journals, whole and damaged records alike.
    pub journals: Journals,
    /// The tasks of the experiment that they have results of.
    pub tasks: HashSet<Task>,
    /// Tasks that are not done and have a checkpoint, with the number of updates before it.
    pub begun: BTreeMap<Task, u32>,
}

impl Prepared {
    /// Resolves the experiment, loads its samples and plans its tasks, in the process that has rank
    /// `local` on its node. Nothing is written.
    ///
    /// # Errors
    /// Those of the experiment file, its samples, and a run directory that is already there.
    pub fn new(request: &Request, local: usize) -> Result<Prepared> {
        let source = request.read_source()?;
        let raw = source.parse()?;
        let mut resolved = resolve(raw.clone(), &source)?;
        let output = request.output_of(&resolved.experiment.name);
        resolved = match manifest::read(&output)? {
            Some(manifest) => resolve_with(&raw, &source, manifest.settled())?,
            None => prefer_gpu(&raw, &source, resolved, || machine::find_gpu(local))?,
        };
        load_and_plan(resolved, output, request.threads())
    }

    /// What the experiment cannot show as it is designed.
    ///
    /// # Errors
    /// [`Error::Design`] with all warnings, where the request is strict and there are any.
    pub fn advice(&self, request: &Request) -> Result<Vec<Advice>> {
        let said = advice(&self.resolved.experiment, &self.data);
        let line = |advice: &Advice| advice.to_string();
        let warnings = said.iter().filter(|advice| advice.level == Level::Warning);
        let warnings: Vec<String> = warnings.map(line).collect();
        if request.is_strict() && !warnings.is_empty() {
            return Err(Error::Design { warnings });
        }
        Ok(said)
    }

    /// Reads the journals of the run directory without touching it, and finds the tasks whose results
    /// they hold if computed on `numeric_path`.
    ///
    /// # Errors
    /// Those of reading the journals.
    pub fn read_finished(&self, numeric_path: &str) -> Result<Finished> {
        let journals = Journals::read(&self.output, |_| true)?;
        let keys = Keys::new(&self.resolved.experiment, &self.data, numeric_path);
        let tasks = self.plan.tasks.iter().map(|(task, _)| *task);
        let tasks: HashSet<Task> =
            tasks.filter(|task| journals.find_any(keys.serving(*task)).is_some()).collect();
        let left =
            self.plan.tasks.iter().map(|(task, _)| *task).filter(|task| !tasks.contains(task));
        let begun = Checkpoints::new(&self.output, Arc::new(Disk)).of(&keys, left);
        Ok(Finished { journals, tasks, begun })
    }

    /// How far the limits are by these journals, a line each; their tasks of all rounds so far join the plan.
    ///
    /// # Errors
    /// Those of reading the journals, and where a network of a limit diverged.
    pub fn look_at_limits(
        &mut self,
        journals: &Journals,
        numeric_path: &str,
    ) -> Result<Vec<String>> {
        let (experiment, data) = (&self.resolved.experiment, &self.data);
        let Some(mut limits) = Limits::new(experiment, data) else { return Ok(Vec::new()) };
        let keys = Keys::new(experiment, data, numeric_path);
        limits.advance_tasks(&|task| {
            let found = journals.find_any(keys.serving(task));
            found.map(|(key, path, at)| journal::read_value(path, key, at)).transpose()
        })?;
        let planned: HashSet<Task> = self.plan.tasks.iter().map(|(task, _)| *task).collect();
        let more = limits.tasks().into_iter().filter(|(task, _)| !planned.contains(task));
        let mut tasks = self.plan.tasks.clone();
        tasks.extend(more);
        tasks.sort_by_key(|(task, _)| *task);
        let lines = limits.describe();
        self.plan = self.plan.share(tasks, self.plan.threads);
        Ok(lines)
    }

    /// How this experiment enters a run directory.
    pub fn start<'a>(
        &'a self,
        numeric_path: &'a str,
        arguments: &'a [String],
        launch: &'a Launch,
        locking: Locking,
    ) -> RunStart<'a> {
        RunStart {
            experiment: &self.resolved.experiment,
            data: &self.data,
            numeric_path,
            allow_path_change: false,
            arguments,
            launch,
            locking,
        }
    }
}

/// Reads the manifest of a run directory that must be there.
///
/// # Errors
/// [`Error::RunDirectory`] where there is none, or a damaged one.
pub fn read_manifest(directory: &Path) -> Result<Manifest> {
    manifest::read(directory)?.ok_or_else(|| Error::RunDirectory {
        directory: directory.to_owned(),
        problem: "has no manifest.json: it is not a run directory".to_owned(),
        help: "name a directory that `nfd run` has made".to_owned(),
    })
}

/// Prepares the experiment that the run directory `directory` holds.
///
/// # Errors
/// As [`read_manifest`], and those of loading the samples.
pub fn reopen(directory: &Path) -> Result<Prepared> {
    let text = read_manifest(directory)?.experiment.to_string();
    let file = directory.join(manifest::NAME);
    prepare_resolved(text, &file, directory.to_owned(), cores::available())
}

/// Prepares a resolved experiment, which is itself an experiment file: `text`, as found in `file`.
///
/// # Errors
/// Those of the experiment and of loading its samples.
pub fn prepare_resolved(
    text: String,
    file: &Path,
    output: PathBuf,
    threads: usize,
) -> Result<Prepared> {
    let source = ExperimentFile::new(file, text, &[])?;
    load_and_plan(resolve(source.parse()?, &source)?, output, threads)
}

fn load_and_plan(resolved: Resolved, output: PathBuf, threads: usize) -> Result<Prepared> {
    let data = data::load(&resolved.experiment.data)?;
    if resolved.experiment.training.loss == Loss::CrossEntropy {
        data.require_classes(&resolved.experiment.data)?;
    }
    if !resolved.experiment.model.normalization.is_none() {
        data.require_directions(&resolved.experiment.data)?;
    }
    let experiment = &resolved.experiment;
    // A directory may hold blocks of a limit that is not this one.
    let limit = experiment.limit.as_ref();
    let is_own = |(task, _): &(Task, f64)| {
        let same = |block: Block| limit.is_some_and(|l| block.task(experiment, l) == *task);
        Block::of(*task).is_none_or(same)
    };
    let timed: Vec<_> = timings::read(&output)
        .into_iter()
        .filter(is_own)
        .map(|(task, seconds)| (cost(experiment, &data, task).work, seconds))
        .collect();
    let speeds = (experiment.costs().speeds)(experiment.number_bytes());
    let plan = plan(experiment, &data, threads, speeds.calibrated(&timed));
    Ok(Prepared { resolved, data, output, plan })
}
