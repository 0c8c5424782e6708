//! One rank of a job, prepared to take part: what it does the same way whether it leads or follows.

use std::path::Path;
use std::sync::atomic::AtomicBool;

use tracing::info;

use super::Job;
use super::messages::{Call, Hand, Share, program_hash};
use super::prepare::{Prepared, prepare_resolved};
use crate::comm::{Comm, NodeRank};
use crate::ensemble;
use crate::ensemble::checkpointing::{CheckpointEvery, Watch};
use crate::ensemble::cost::cost;
use crate::ensemble::deal::{Shard, deal};
use crate::ensemble::machine::Machine;
use crate::ensemble::plan::{Free, Plan};
use crate::ensemble::progress::ReportProgress;
use crate::error::{Error, Result};
use crate::experiment::Backend;
use crate::experiment::grid::Task;
use crate::experiment::limit::Block;
use crate::log::{self, FILE};
use crate::store::key::samples_hash;
use crate::store::lock::Locking;
use crate::store::machine::host;
use crate::store::manifest::Launch;
use crate::store::{RunDirectory, RunStart};

/// An experiment that this rank has prepared, and the machine that is to carry it out.
pub struct Member {
    pub prepared: Prepared,
    pub machine: Machine,
    /// Where this process is among the ranks of its node.
    place: NodeRank,
    checkpoints: CheckpointEvery,
}

impl Member {
    /// Prepares rank 0 from the job's request.
    pub fn prepare(job: &Job, place: NodeRank) -> Result<Member> {
        let request = match job.shard {
            Some(shard) => &job.request.in_shard(shard)?,
            None => job.request,
        };
        let mut prepared = Prepared::new(request, place.rank)?;
        let plan = &mut prepared.plan;
        if let Some(Shard { index, of }) = job.shard {
            // What comes after the first round of a limit follows from it: every shard has it whole.
            let (first_round, tasks): (Vec<_>, Vec<_>) =
                plan.tasks.iter().partition(|(task, _)| Block::of(*task).is_some());
            let mut tasks = deal(&tasks, &plan.speeds, of).swap_remove(index - 1);
            tasks.extend(first_round);
            *plan = plan.share(tasks, plan.threads);
        }
        let machine = Machine::find(&prepared.resolved.experiment, place.rank)?;
        Ok(Member { prepared, machine, place, checkpoints: job.checkpoints })
    }

    /// Prepares another rank as rank 0 calls for, and checks that it would do the same.
    pub fn prepare_called(job: &Job, call: &Call, place: NodeRank) -> Result<Member> {
        let check_same = |what: &str, own: &str, of_rank_0: &str| {
            if own == of_rank_0 {
                return Ok(());
            }
            Err(Error::Ranks {
                problem: format!("{what}: {own}, at rank 0: {of_rank_0}"),
                help: String::new(),
                failed: false,
            })
        };
        let request = job.request;
        check_same("another program", &program_hash()?, &call.program)?;
        check_same("another experiment or --output", &request.hash()?, &call.request)?;
        let file = Path::new("the experiment of rank 0");
        let text = call.experiment.clone();
        let prepared = prepare_resolved(text, file, request.output()?, request.threads())?;
        check_same("other samples", &samples_hash(&prepared.data), &call.samples)?;
        let machine = Machine::find(&prepared.resolved.experiment, place.rank)?;
        check_same("another numeric path", machine.numeric_path(), &call.numeric_path)?;
        let member = Member { prepared, machine, place, checkpoints: job.checkpoints };
        let free = member.free()?;
        let mut plan = member.prepared.plan.clone();
        plan.fit(free.memory);
        plan.check_running(free)?;
        Ok(member)
    }

    /// What rank 0, prepared as this member, calls the others for.
    pub fn call(&self, job: &Job) -> Result<Call> {
        let Prepared { resolved, data, .. } = &self.prepared;
        Ok(Call {
            program: program_hash()?,
            request: job.request.hash()?,
            experiment: serde_json::to_string(&resolved.experiment).unwrap_or_default(),
            samples: samples_hash(data),
            numeric_path: self.machine.numeric_path().to_owned(),
        })
    }

    /// What this rank may use of its node and its device.
    pub fn free(&self) -> Result<Free> {
        let device = self.machine.device_memory()?;
        Ok(Free { device, ..Free::detect(&self.prepared.output, self.place.ranks) })
    }

    /// How this rank enters the run directory.
    pub fn start<'a>(&'a self, job: &'a Job, launch: &'a Launch) -> RunStart<'a> {
        let locking = Locking::new(job.lock);
        let path = self.machine.numeric_path();
        let start = self.prepared.start(path, job.arguments, launch, locking);
        RunStart { allow_path_change: job.allow_path_change, ..start }
    }

    /// How often a task that is being trained is kept; backend plain, the short one, keeps none.
    pub fn checkpoints(&self) -> CheckpointEvery {
        match self.prepared.resolved.experiment.backend {
            Backend::Plain => CheckpointEvery(None),
            _ => self.checkpoints,
        }
    }

    /// Opens this rank's log in `directory`, and begins it with what runs where.
    pub fn log_start(&self, directory: &RunDirectory, comm: &dyn Comm, share: &Share) {
        log::open_file(directory.path());
        let NodeRank { node, rank: rank_on_node, .. } = comm.place();
        info!(
            target: FILE,
            version = env!("CARGO_PKG_VERSION"),
            commit = option_env!("NFD_GIT_COMMIT"),
            host = host(),
            pid = std::process::id(),
            ranks = comm.size(),
            node,
            rank_on_node,
            threads = share.threads,
            device = self.machine.device(),
            numeric_path = self.machine.numeric_path(),
            mpi = comm.library(),
            slurm_job = std::env::var("SLURM_JOB_ID").ok(),
            "started"
        );
    }

    /// The plan of `hand` within this rank's share of the memory of its node and GPU.
    pub fn plan_hand(&self, Hand { share, tasks }: &Hand) -> Plan {
        let Prepared { resolved, data, .. } = &self.prepared;
        let planned = |task: &Task| (*task, cost(&resolved.experiment, data, *task));
        let mut tasks: Vec<_> = tasks.iter().map(planned).collect();
        // In the order of the plan: a device takes those of one kind together.
        tasks.sort_by_key(|(task, _)| *task);
        let mut plan = self.prepared.plan.share(tasks, share.threads);
        plan.device_share = share.device;
        plan.fit(Free::detect(&self.prepared.output, self.place.ranks).memory);
        plan
    }

    /// Trains the networks of `hand` into `directory`, until `stop` is set.
    pub fn run(
        &self,
        directory: &RunDirectory,
        hand: &Hand,
        stop: &AtomicBool,
        progress: ReportProgress,
    ) -> Result<bool> {
        let Prepared { resolved, data, .. } = &self.prepared;
        let plan = self.plan_hand(hand);
        let watch = Watch::until(stop).keeping(directory, self.checkpoints());
        ensemble::run(&resolved.experiment, data, directory, &plan, &self.machine, watch, progress)
    }
}
