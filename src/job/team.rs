//! The ranks of a job, as they have answered rank 0's call.

use std::collections::{BTreeMap, BTreeSet};

use super::messages::{RankAnswer, RankReport, Share};
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

    /// What each rank may use: its share of the cores that it may run on, or so many threads, and of its GPU.
    pub fn shares(&self, threads: Option<usize>) -> Vec<Share> {
        let cores = self.answers.iter().map(|answer| answer.cores.clone());
        let threads = match threads {
            Some(threads) => vec![threads; self.answers.len()],
            None => cores::share(&cores.collect::<Vec<ProcessCores>>()),
        };
        let shares = threads.into_iter().zip(self.device_shares());
        shares.map(|(threads, device)| Share { threads, device }).collect()
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

    /// A warning for each node whose ranks share GPUs.
    pub fn shared_gpus(&self) -> Vec<String> {
        let mut nodes: BTreeMap<usize, (&str, BTreeSet<[u8; 16]>, usize)> = BTreeMap::new();
        for RankAnswer { host, cores, device, .. } in &self.answers {
            let Some(device) = device else { continue };
            let (_, devices, ranks) = nodes.entry(cores.node).or_insert((host, BTreeSet::new(), 0));
            devices.insert(device.identity);
            *ranks += 1;
        }
        let nodes = nodes.into_values().map(|(host, devices, ranks)| (host, devices.len(), ranks));
        let crowded = nodes.filter(|(_, devices, ranks)| ranks > devices);
        let words = |(host, devices, ranks)| {
            let gpus = if devices == 1 {
                "a GPU and its".into()
            } else {
                format!("{devices} GPUs and their")
            };
            format!("{ranks} ranks on {host} share {gpus} memory: one rank per GPU is best")
        };
        crowded.map(words).collect()
    }

    /// The bytes that each rank may use of a GPU that it shares with other ranks, in the order of ranks; None
    /// where it has one for itself, or none.
    ///
    /// Ranks are known to share a GPU by its identity: whether each sees one GPU or all of them, the numbers
    /// that it sees them under tell nothing.
    fn device_shares(&self) -> Vec<Option<f64>> {
        let gpu = |answer: &RankAnswer| {
            answer.device.as_ref().map(|device| (answer.cores.node, device.identity))
        };
        let share = |answer: &RankAnswer| {
            let own = gpu(answer)?;
            let sharing = self.answers.iter().filter(|other| gpu(other) == Some(own));
            let free = sharing.flat_map(|other| &other.device).map(|device| device.free);
            let ranks = free.clone().count();
            // The rank that looked last saw what all others take by having opened it.
            (ranks > 1).then(|| free.fold(f64::INFINITY, f64::min) / ranks as f64)
        };
        self.answers.iter().map(share).collect()
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::job::messages::RankDevice;

    /// A rank on a node, with the GPU of this identity, of which it sees so many bytes free.
    fn answer(node: usize, gpu: Option<(u8, f64)>) -> RankAnswer {
        let device = |(identity, free)| RankDevice {
            name: "a GPU".to_owned(),
            identity: [identity; 16],
            free,
        };
        RankAnswer {
            host: format!("node{node}"),
            cores: ProcessCores { node, allowed: vec![0], available: 1 },
            device: gpu.map(device),
            problem: None,
        }
    }

    #[test]
    fn ranks_of_one_gpu_share_what_is_free_of_it() {
        for (ranks, shares, warnings) in [
            // One rank a GPU, all or one of them visible: it may use all that it then finds free.
            (vec![(0, Some((1, 80.0))), (0, Some((2, 70.0)))], vec![None, None], vec![]),
            (vec![(0, None), (0, None)], vec![None, None], vec![]),
            // Three ranks on two GPUs: the first and the last have one between them, less their contexts.
            (
                vec![(0, Some((1, 80.0))), (0, Some((2, 80.0))), (0, Some((1, 79.0)))],
                vec![Some(39.5), None, Some(39.5)],
                vec!["3 ranks on node0 share 2 GPUs and their memory: one rank per GPU is best"],
            ),
            // GPUs of two machines that say the same of themselves are two.
            (vec![(0, Some((1, 80.0))), (1, Some((1, 80.0)))], vec![None, None], vec![]),
            (
                vec![(0, Some((1, 9.0))), (1, Some((1, 6.0))), (1, Some((1, 5.0)))],
                vec![None, Some(2.5), Some(2.5)],
                vec!["2 ranks on node1 share a GPU and its memory: one rank per GPU is best"],
            ),
        ] {
            let answers = ranks.iter().map(|&(node, gpu)| answer(node, gpu)).collect();
            let team = Team::new(answers).unwrap();
            let found: Vec<_> = team.shares(Some(1)).iter().map(|share| share.device).collect();
            assert_eq!(found, shares, "{ranks:?}");
            assert_eq!(team.shared_gpus(), warnings, "{ranks:?}");
        }
    }
}
