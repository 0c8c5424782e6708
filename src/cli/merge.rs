//! `nfd merge DIR...`: the run directories of shards become one, and the final files are written.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use clap::Args;

use super::publish;
use crate::ensemble;
use crate::error::{Error, Result};
use crate::experiment::grid::Task;
use crate::job::request::{Prepared, reopen};
use crate::store::files::Disk;
use crate::store::manifest::{self, Launch, Manifest};
use crate::store::{RunDirectory, Start};

/// Arguments of `nfd merge`.
#[derive(Args)]
pub struct Arguments {
    /// Run directories of one experiment, as `nfd run --shard I/N` makes them.
    #[arg(required = true)]
    shards: Vec<PathBuf>,
    /// The run directory that they become [default: runs/<name>].
    #[arg(long, value_name = "DIR")]
    output: Option<PathBuf>,
}

/// Takes over every finished task; the final files only when all are.
pub fn run(arguments: &Arguments, typed: &[OsString]) -> Result<u8> {
    let mut begun: Vec<(&PathBuf, Manifest)> = Vec::new();
    for shard in &arguments.shards {
        match manifest::read(shard)? {
            Some(manifest) => begun.push((shard, manifest)),
            None => eprintln!("nfd: warning: {}: nothing has begun there", shard.display()),
        }
    }
    let Some((first, manifest)) = begun.first() else {
        let directory = arguments.shards.first().map(PathBuf::as_path).unwrap_or(Path::new("."));
        return Err(different(directory, "has no manifest.json, nor has any other".to_owned()));
    };
    for (shard, there) in &begun[1..] {
        let of = |manifest: &Manifest| manifest.experiment["ensemble"].to_string();
        let mut fields = manifest.differences(there);
        if of(manifest) != of(there) {
            fields.push(format!("ensemble ({}, here {})", of(manifest), of(there)));
        }
        if !fields.is_empty() {
            let (first, fields) = (first.display(), fields.join(", "));
            return Err(different(shard, format!("differs from {first} in {fields}")));
        }
    }
    let Prepared { resolved, data, plan, .. } = reopen(first)?;
    let experiment = &resolved.experiment;
    let named = || PathBuf::from("runs").join(&experiment.name);
    let output = arguments.output.clone().unwrap_or_else(named);
    let typed: Vec<String> = typed.iter().map(|a| a.to_string_lossy().into_owned()).collect();
    let start = Start {
        experiment,
        data: &data,
        numeric_path: &manifest.numeric_path,
        allow_path_change: false,
        arguments: &typed,
        launch: &Launch::alone(),
    };
    let directory = RunDirectory::open(&output, &start, Arc::new(Disk))?;
    let tasks: Vec<Task> = plan.tasks.iter().map(|(task, _)| *task).collect();
    for (shard, _) in &begun {
        let taken = directory.take_over(shard, &tasks)?;
        eprintln!("nfd: {taken} tasks from {}", shard.display());
    }
    let finished = tasks.iter().filter(|task| directory.has(**task)).count();
    if finished < tasks.len() {
        let directory = directory.path().to_owned();
        return Err(Error::Unmerged { directory, finished, tasks: tasks.len() });
    }
    let outcome = ensemble::collect(experiment, &data, &directory, plan.workers())?;
    publish(experiment, &data, &outcome, &directory)
}

fn different(directory: &Path, problem: String) -> Error {
    Error::RunDirectory {
        directory: directory.to_owned(),
        problem,
        help: "merge the run directories of one experiment, made by one version on one kind of \
               processor"
            .to_owned(),
    }
}
