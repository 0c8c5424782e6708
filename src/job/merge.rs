//! The run directories of shards become one.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use tracing::{info, warn};

use super::Measured;
use super::prepare::reopen;
use crate::ensemble;
use crate::ensemble::limits::Limits;
use crate::error::{Error, Result};
use crate::experiment::grid::Task;
use crate::log;
use crate::store::RunDirectory;
use crate::store::files::Disk;
use crate::store::lock::{Choice, Locking};
use crate::store::manifest::{self, Launch, Manifest};

/// Takes over every finished task of `shards` into one run directory, `output` or the experiment's own,
/// and measures them once all are there.
///
/// # Errors
/// [`Error::RunDirectory`] where the shards are not of one experiment; [`Error::Unmerged`] where tasks
/// are missing; those of reading, and of writing the directory that they become.
pub fn merge(
    shards: &[PathBuf],
    output: Option<&Path>,
    lock: Choice,
    arguments: &[String],
) -> Result<Measured> {
    let mut begun: Vec<(&PathBuf, Manifest)> = Vec::new();
    for shard in shards {
        match manifest::read(shard)? {
            Some(manifest) => begun.push((shard, manifest)),
            None => warn!("{}: nothing has begun there", shard.display()),
        }
    }
    let Some((first, manifest)) = begun.first() else {
        let directory = shards.first().map(PathBuf::as_path).unwrap_or(Path::new("."));
        return Err(refuse_shard(directory, "has no manifest.json, nor has any other".to_owned()));
    };
    for (shard, there) in &begun[1..] {
        let mut fields = manifest.differences(there);
        for name in ["ensemble", "limit"] {
            let of = |manifest: &Manifest| manifest.experiment[name].to_string();
            if of(manifest) != of(there) {
                fields.push(format!("{name} ({}, here {})", of(manifest), of(there)));
            }
        }
        if !fields.is_empty() {
            let (first, fields) = (first.display(), fields.join(", "));
            return Err(refuse_shard(shard, format!("differs from {first} in {fields}")));
        }
    }
    let prepared = reopen(first)?;
    let experiment = &prepared.resolved.experiment;
    let own = || PathBuf::from("runs").join(&experiment.name);
    let output = output.map_or_else(own, Path::to_owned);
    let launch = Launch::alone();
    let locking = Locking::new(lock);
    let start = prepared.start(&manifest.numeric_path, arguments, &launch, locking);
    let directory = RunDirectory::open(&output, &start, Arc::new(Disk))?;
    log::open_file(directory.path());
    let mut tasks: Vec<Task> = prepared.plan.tasks.iter().map(|(task, _)| *task).collect();
    let mut limits = Limits::new(experiment, &prepared.data);
    let mut taken = vec![0; begun.len()];
    // What a limit's later rounds ask for follows from what was taken over before.
    loop {
        for ((shard, _), taken) in begun.iter().zip(&mut taken) {
            *taken += directory.take_over(shard, &tasks)?;
        }
        let Some(limits) = &mut limits else { break };
        let done = limits.advance(&directory)?;
        let more: Vec<Task> = limits.tasks().into_iter().map(|(task, _)| task).collect();
        let more: Vec<Task> = more.into_iter().filter(|task| !tasks.contains(task)).collect();
        if done || more.is_empty() {
            tasks.extend(more);
            break;
        }
        tasks.extend(more);
    }
    for ((shard, _), taken) in begun.iter().zip(taken) {
        info!("{taken} tasks from {}", shard.display());
    }
    let finished = tasks.iter().filter(|task| directory.has(**task)).count();
    if finished < tasks.len() {
        let directory = directory.path().to_owned();
        return Err(Error::Unmerged { directory, finished, tasks: tasks.len() });
    }
    let (data, workers) = (&prepared.data, prepared.plan.workers());
    let outcome = ensemble::measure(experiment, data, &directory, workers)?;
    Ok(Measured { prepared, directory, outcome })
}

fn refuse_shard(directory: &Path, problem: String) -> Error {
    Error::RunDirectory {
        directory: directory.to_owned(),
        problem,
        help: "merge the run directories of one experiment, made by one version on one kind of \
               processor"
            .to_owned(),
    }
}
