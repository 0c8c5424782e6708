//! The ranks of a job, as they have answered rank 0's call.

use std::collections::BTreeMap;

use super::messages::{RankAnswer, RankDevice, RankReport};
use crate::ensemble::cores::{self, ProcessCores};
use crate::error::{Error, Result};

/// The answers of all ranks, in their order, none of which has a problem.
pub struct Team {
    answers: Vec<RankAnswer>,
}

impl Team {
    /// The team of ranks that gave these answers.
    ///
    /// # Errors
    /// [`Error::Ranks`] with those that cannot take part.
    pub fn new(answers: Vec<RankAnswer>) -> Result<Team> {
        let problems: Vec<_> = answers.iter().map(|answer| answer.problem.as_deref()).collect();
        let help = "all ranks need the same program, experiment, data and kind of processor";
        refuse_problems(&answers, &problems, help, false)?;
        Ok(Team { answers })
    }

    /// Checks that no rank has reported a failure.
    ///
    /// # Errors
    /// [`Error::Ranks`] with those that have, and this `help`.
    pub fn check_reports(&self, reports: &[RankReport], help: &str) -> Result<()> {
        let problems: Vec<_> = reports.iter().map(|report| report.problem.as_deref()).collect();
        refuse_problems(&self.answers, &problems, help, true)
    }

    /// The number of threads for each rank: its share of the cores that it may use.
    pub fn threads(&self) -> Vec<usize> {
        let cores: Vec<ProcessCores> = self.answers.iter().map(|a| a.cores.clone()).collect();
        cores::share(&cores)
    }

    /// The names of the hosts, each once, in the order of ranks.
    pub fn hosts(&self) -> Vec<String> {
        let mut hosts: Vec<String> = Vec::new();
        for RankAnswer { host, .. } in &self.answers {
            if !hosts.contains(host) {
                hosts.push(host.clone());
            }
        }
        hosts
    }

    /// The GPU of each rank that has one, in the order of ranks.
    pub fn devices(&self) -> Vec<String> {
        let devices = self.answers.iter().filter_map(|answer| answer.device.as_ref());
        devices.map(|device| device.name.clone()).collect()
    }

    /// A warning for each node with more ranks than GPUs.
    pub fn shared_gpus(&self) -> Vec<String> {
        struct Node<'a> {
            host: &'a str,
            devices: usize,
            ranks: usize,
        }
        let mut nodes: BTreeMap<usize, Node> = BTreeMap::new();
        for RankAnswer { host, cores, device, .. } in &self.answers {
            let Some(RankDevice { visible: devices, .. }) = *device else { continue };
            nodes.entry(cores.node).or_insert(Node { host, devices, ranks: 0 }).ranks += 1;
        }
        let crowded = nodes.into_values().filter(|node| node.ranks > node.devices);
        let words = |Node { host, devices, ranks }| {
            format!("{ranks} ranks on {host} share {devices} GPUs: one rank a GPU is best")
        };
        crowded.map(words).collect()
    }
}

/// Refuses to go on where a rank has a problem; `failed` says whether at work or at the start.
fn refuse_problems(
    answers: &[RankAnswer],
    problems: &[Option<&str>],
    help: &str,
    failed: bool,
) -> Result<()> {
    /// The number of ranks that are named: a thousand would say no more.
    const SHOWN: usize = 5;
    let all: Vec<String> = answers
        .iter()
        .zip(problems)
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
    let problem = all[..all.len().min(SHOWN)].join("\n  ") + &more;
    Err(Error::Ranks { problem, help: help.to_owned(), failed })
}
