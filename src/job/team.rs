//! What the ranks of a run tell each other: that they are to do the same, with the same program, and
//! what became of it.

use std::collections::BTreeMap;
use std::path::Path;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use xxhash_rust::xxh3::xxh3_64;

use super::request::{Prepared, Typed, again};
use crate::comm::{Comm, Place, broadcast};
use crate::ensemble::cores;
use crate::ensemble::machine::{self, Machine};
use crate::ensemble::plan::free;
use crate::error::{Error, Result};
use crate::experiment::grid::Task;
use crate::store::key::samples_hash;
use crate::store::machine::host;

/// What rank 0 wants to do.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Call {
    /// A hash of the program's file.
    program: String,
    /// A hash of the experiment and run directory that were typed.
    typed: String,
    /// Resolved, as JSON.
    experiment: String,
    samples: String,
    numeric_path: String,
}

impl Call {
    /// That of rank 0.
    pub fn new(typed: &Typed, (prepared, machine): &(Prepared, Machine)) -> Result<Call> {
        Ok(Call {
            program: program_hash()?,
            typed: typed.hash()?,
            experiment: serde_json::to_string(&prepared.resolved.experiment).unwrap_or_default(),
            samples: samples_hash(&prepared.data),
            numeric_path: machine.numeric_path().to_owned(),
        })
    }

    /// What another rank prepares for it, if it can do the same.
    ///
    /// # Errors
    /// What differs, or what it lacks.
    pub fn answer(&self, typed: &Typed, place: Place) -> Result<(Prepared, Machine)> {
        let differs = |what: &str, own: &str, of_rank_0: &str| {
            if own == of_rank_0 {
                return Ok(());
            }
            Err(Error::Ranks {
                problem: format!("{what}: {own}, at rank 0: {of_rank_0}"),
                help: String::new(),
                failed: false,
            })
        };
        differs("another program", &program_hash()?, &self.program)?;
        differs("another experiment or --output", &typed.hash()?, &self.typed)?;
        let text = self.experiment.clone();
        let file = Path::new("the experiment of rank 0");
        let prepared = again(text, file, typed.output()?, typed.threads())?;
        differs("other samples", &samples_hash(&prepared.data), &self.samples)?;
        let machine = Machine::of(&prepared.resolved.experiment, place.local)?;
        differs("another numeric path", machine.numeric_path(), &self.numeric_path)?;
        let mut free = free(&prepared.output);
        free.memory /= place.on_node as f64;
        free.device = machine.device_memory()?;
        let mut plan = prepared.plan.clone();
        plan.fit(free.memory);
        plan.check_running(free)?;
        Ok((prepared, machine))
    }
}

/// Of this process's file.
fn program_hash() -> Result<String> {
    let io = |source| Error::Io { action: "read", path: "the program's own file".into(), source };
    let bytes = std::env::current_exe().and_then(std::fs::read).map_err(io)?;
    Ok(format!("{:016x}", xxh3_64(&bytes)))
}

/// What a rank says about itself before the start.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Answer {
    host: String,
    node: usize,
    cores: Vec<usize>,
    available: usize,
    /// The GPU that it uses, if it is to use one, and how many it sees.
    device: Option<(String, usize)>,
    problem: Option<String>,
}

impl Answer {
    /// Of this rank, which has prepared its machine.
    pub fn new(own: std::result::Result<&Machine, &Error>, place: Place) -> Answer {
        let device = own.ok().and_then(Machine::device);
        Answer {
            host: host(),
            node: place.node,
            cores: cores::allowed(),
            available: cores::available(),
            device: device.map(|name| (name, machine::devices())),
            problem: own.err().map(ToString::to_string),
        }
    }
}

/// All answers, if all ranks can begin.
pub struct Team {
    answers: Vec<Answer>,
}

impl Team {
    /// # Errors
    /// [`Error::Ranks`] with those that cannot begin.
    pub fn agree(answers: Vec<Answer>) -> Result<Team> {
        let problems = answers.iter().map(|answer| (answer, answer.problem.as_deref()));
        let help = "all ranks need the same program, experiment, data and kind of processor";
        none_of(problems.collect(), help, false)?;
        Ok(Team { answers })
    }

    /// # Errors
    /// [`Error::Ranks`] with those whose report is of a failure.
    pub fn all_well(&self, reports: &[Report], help: &str) -> Result<()> {
        let problems = reports.iter().map(|report| report.problem.as_deref());
        none_of(self.answers.iter().zip(problems).collect(), help, true)
    }

    /// Threads of each rank.
    pub fn threads(&self) -> Vec<usize> {
        let of = |a: &Answer| (a.node, a.cores.clone(), a.available);
        cores::shares(&self.answers.iter().map(of).collect::<Vec<_>>())
    }

    /// Each once, in the order of ranks.
    pub fn hosts(&self) -> Vec<String> {
        let mut hosts: Vec<String> = Vec::new();
        for Answer { host, .. } in &self.answers {
            if !hosts.contains(host) {
                hosts.push(host.clone());
            }
        }
        hosts
    }

    /// The GPU of each rank that has one, in the order of ranks.
    pub fn devices(&self) -> Vec<String> {
        let named = self.answers.iter().filter_map(|answer| answer.device.as_ref());
        named.map(|(name, _)| name.clone()).collect()
    }

    /// Nodes with more ranks than GPUs, in words.
    pub fn crowded(&self) -> Vec<String> {
        let mut nodes: BTreeMap<usize, (&str, usize, usize)> = BTreeMap::new();
        for answer in &self.answers {
            let Some((_, devices)) = answer.device else { continue };
            nodes.entry(answer.node).or_insert((&answer.host, devices, 0)).2 += 1;
        }
        let crowded = nodes.into_values().filter(|(_, devices, ranks)| ranks > devices);
        let words = |(host, devices, ranks)| {
            format!("{ranks} ranks on {host} share {devices} GPUs: one rank a GPU is best")
        };
        crowded.map(words).collect()
    }
}

fn none_of(problems: Vec<(&Answer, Option<&str>)>, help: &str, failed: bool) -> Result<()> {
    /// Named; a thousand would say no more.
    const SHOWN: usize = 5;
    let all: Vec<String> = problems
        .iter()
        .enumerate()
        .filter_map(|(rank, (answer, problem))| {
            Some(format!("rank {rank} on {}: {}", answer.host, problem.as_deref()?.trim_end()))
        })
        .collect();
    if all.is_empty() {
        return Ok(());
    }
    let more = match all.len().saturating_sub(SHOWN) {
        0 => String::new(),
        more => format!("\n  and {more} ranks more"),
    };
    let problem =
        all.iter().take(SHOWN).map(String::as_str).collect::<Vec<_>>().join("\n  ") + &more;
    Err(Error::Ranks { problem, help: help.to_owned(), failed })
}

/// What a rank is to do.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Orders {
    /// Threads
    pub threads: usize,
    /// Tasks
    pub tasks: Vec<Task>,
}

/// What became of it.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Report {
    problem: Option<String>,
}

impl Report {
    /// Of a rank that got through, or did not.
    pub fn new<T>(done: std::result::Result<T, &Error>) -> Report {
        Report { problem: done.err().map(ToString::to_string) }
    }
}

/// What rank 0 tells all others: a value, or the exit code with which it ends.
pub type Told<T> = std::result::Result<T, u8>;

/// Tells the other ranks.
pub fn tell<T: Serialize + DeserializeOwned>(comm: &dyn Comm, told: &Told<T>) {
    let _: Told<T> = broadcast(comm, told);
}

/// What rank 0 tells.
pub fn listen<T: Serialize + DeserializeOwned>(comm: &dyn Comm) -> Told<T> {
    broadcast(comm, &Err(0))
}
