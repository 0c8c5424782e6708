//! Rank 0, which leads the others through the phases of a job.

use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use tracing::{info, warn};

use super::live::beside;
use super::member::Member;
use super::messages::{
    Call, Hand, Phase, RankAnswer, RankReport, Share, Told, report_error, say_advice, tell,
    tell_end,
};
use super::prepare::Prepared;
use super::progress::Display;
use super::team::Team;
use super::{Job, Measured, Publish};
use crate::comm::{Comm, gather};
use crate::ensemble;
use crate::ensemble::checkpointing::CheckpointEvery;
use crate::ensemble::cost::Cost;
use crate::ensemble::deal::{Prediction, Shard, deal, predict};
use crate::ensemble::limits::Limits;
use crate::ensemble::plan::Plan;
use crate::error::{Error, Result, exit};
use crate::experiment::Resolved;
use crate::experiment::grid::Task;
use crate::experiment::limit::Block;
use crate::log::{self, FILE};
use crate::store::RunDirectory;
use crate::store::files::Disk;
use crate::store::manifest::Launch;

/// Goes through the phases of a job at rank 0, and returns the exit code.
pub fn lead(job: &Job, comm: &dyn Comm, stop: &AtomicBool, publish: Publish) -> Told<u8> {
    // Call.
    let member = tell(comm, call(job, comm))?;
    // Answer.
    let answers = gather(comm, &RankAnswer::new(Ok(&member.machine), comm.place()));
    // Deal.
    let begun = Team::new(answers).and_then(|team| begin(job, comm, &member, team));
    let Begun { team, directory, shares, mut hand } = tell(comm, begun)?;
    let joined = gather(comm, &RankReport::new(Ok(())));
    let all_joined = team.check_reports(&joined, "see that all ranks can reach the run directory");
    tell(comm, all_joined.map(|own| Phase { own, message: () }))?;
    let display = Display::new(directory.path(), comm.rank(), comm.size());
    let Prepared { resolved, data, .. } = &member.prepared;
    let mut limits = Limits::new(&resolved.experiment, data);
    let ran = loop {
        // Run.
        let show = |progress| display.update(progress, || directory.is_held());
        let run = || member.run(&directory, &hand, stop, &show);
        let ran = beside(job.live, &member.prepared, &directory, run);
        // Report.
        let reports = gather(comm, &RankReport::new(ran.as_ref()));
        log::set_warnings_elsewhere(reports.iter().skip(1).map(|report| report.warnings).sum());
        let next = ran.and_then(|complete| {
            directory.read_other_journals()?;
            team.check_reports(&reports, "finished tasks are kept: the same command resumes")?;
            let limits = limits.as_mut().filter(|_| complete);
            limits
                .map_or(Ok(None), |limits| next_round(job, &member, limits, (&directory, &shares)))
        });
        // Another round, of limits that are not there yet.
        match next {
            Ok(Some(hands)) => {
                hand = hands[0].clone();
                tell(comm, Ok(Phase { own: (), message: hands }))?;
            }
            Ok(None) => break Ok(()),
            Err(error) => break Err(error),
        }
    };
    drop(display);
    let asked = limits.iter().flat_map(Limits::tasks).map(|(task, _)| task).collect();
    drop(limits);
    let ended = ran.and_then(|()| {
        directory.read_other_ranks()?;
        close(job, member, directory, (hand.share, asked), publish)
    });
    let code = ended.unwrap_or_else(|error| report_error(&error));
    // Once another process has ended, a launcher may end this one.
    log::sum_up();
    tell_end(comm, code);
    Ok(code)
}

/// What is to be done, before anybody else knows.
fn call(job: &Job, comm: &dyn Comm) -> Result<Phase<Member, Call>> {
    let own = Member::prepare(job, comm.place())?;
    say_advice(&own.prepared.advice(job.request)?);
    let message = own.call(job)?;
    Ok(Phase { own, message })
}

/// A job whose tasks are dealt.
struct Begun {
    team: Team,
    directory: RunDirectory,
    /// What each rank may use.
    shares: Vec<Share>,
    /// The tasks of rank 0 itself.
    hand: Hand,
}

/// Opens the run directory and deals what is left to do.
fn begin(
    job: &Job,
    comm: &dyn Comm,
    member: &Member,
    team: Team,
) -> Result<Phase<Begun, Vec<Hand>>> {
    let Prepared { output, plan, .. } = &member.prepared;
    let shares = team.shares(job.request.typed_threads());
    let mut plan = plan.share(plan.tasks.clone(), shares[0].threads);
    let mut free = member.free()?;
    // The largest network may be another rank's.
    let least = shares.iter().filter_map(|share| share.device).fold(f64::INFINITY, f64::min);
    free.device = free.device.map(|device| device.min(least));
    let finished = member.prepared.read_finished(member.machine.numeric_path())?.tasks;
    plan.fit(free.memory);
    plan.check(free, &|task| finished.contains(&task))?;

    let launch = Launch {
        ranks: comm.size(),
        hosts: team.hosts(),
        devices: team.devices(),
        mpi: comm.library(),
        shard: job.shard.map(|shard| shard.to_string()),
        ..Launch::alone()
    };
    let directory = RunDirectory::open(output, &member.start(job, &launch), Arc::new(Disk))?;
    member.log_start(&directory, comm, &shares[0]);
    let left = plan.queue(|task| directory.has(task));
    announce(member, &plan, &left, comm.size());
    // Of a limit's block nothing is kept before it is done.
    let kept = |task| member.checkpoints() != CheckpointEvery(None) && Block::of(task).is_none();
    let unkept: Vec<_> = left.iter().filter(|(task, _)| !kept(*task)).copied().collect();
    let too_long =
        job.max_hours.and_then(|limit| warn_of_limit(limit, plan.longest_seconds(&unkept)));
    for warning in directory.warnings().iter().chain(&team.shared_gpus()).chain(&too_long) {
        warn!("{warning}");
    }
    let finished = plan.tasks.len() - left.len();
    if finished > 0 {
        info!("{finished} tasks are finished already");
    }
    let begun = directory.begun(left.iter().map(|(task, _)| *task)).len();
    if begun > 0 {
        info!("{begun} tasks go on from checkpoints");
    }
    let hands = deal_hands(&left, &plan, &shares);
    Ok(Phase { own: Begun { team, directory, shares, hand: hands[0].clone() }, message: hands })
}

/// Deals tasks to ranks, one for each share.
fn deal_hands(left: &[(Task, Cost)], plan: &Plan, shares: &[Share]) -> Vec<Hand> {
    let hand = |(&share, tasks): (&Share, Vec<(Task, Cost)>)| Hand {
        share,
        tasks: tasks.into_iter().map(|(task, _)| task).collect(),
    };
    shares.iter().zip(deal(left, &plan.speeds, shares.len())).map(hand).collect()
}

/// Goes on with the limits once all tasks of a round are done, and deals the next; None when there is
/// nothing left to do here. A shard has its share of the second round, and no third.
fn next_round(
    job: &Job,
    member: &Member,
    limits: &mut Limits,
    (directory, shares): (&RunDirectory, &[Share]),
) -> Result<Option<Vec<Hand>>> {
    let done = limits.advance(directory)?;
    for line in limits.describe() {
        info!("{line}");
    }
    if done {
        return Ok(None);
    }
    let plan = &member.prepared.plan;
    let mut asked = limits.tasks();
    if let Some(Shard { index, of }) = job.shard {
        asked = deal(&asked, &plan.speeds, of).swap_remove(index - 1);
    }
    let round = plan.share(asked, shares[0].threads);
    let left = round.queue(|task| directory.has(task));
    if left.is_empty() {
        return Ok(None);
    }
    let threads = shares.iter().map(|share| share.threads).sum();
    let seconds = plan.share(left.clone(), threads).wall_seconds();
    let blocks = left.len();
    info!("{blocks} more blocks of networks, about {seconds:.0} s");
    Ok(Some(deal_hands(&left, plan, shares)))
}

/// Says on stderr what is about to run.
fn announce(member: &Member, plan: &Plan, left: &[(Task, Cost)], ranks: usize) {
    let Resolved { experiment, decisions } = &member.prepared.resolved;
    let resolved = serde_json::to_string(experiment).unwrap_or_default();
    info!(target: FILE, experiment = resolved, "the experiment");
    for decision in decisions {
        info!("{decision}");
    }
    info!("{}", plan.totals());
    if ranks > 1 {
        let Prediction { makespan, efficiency, .. } =
            predict(&plan.share(left.to_vec(), plan.threads), ranks);
        let (seconds, efficiency) = (makespan.ceil(), 100.0 * efficiency);
        info!("dealt to {ranks} ranks: about {seconds:.0} s, {efficiency:.0} % efficiency");
    }
}

/// A warning where one network may take longer than the time there is for it.
fn warn_of_limit(limit: Duration, longest_seconds: f64) -> Option<String> {
    let hours = longest_seconds / 3600.0;
    (longest_seconds > limit.as_secs_f64()).then(|| {
        format!(
            "one task takes about {hours:.2} h, longer than --max-hours, and no checkpoints of it \
             are kept: it may never finish"
        )
    })
}

/// Measures and publishes a job that is done; a shard leaves that to `nfd merge`.
fn close(
    job: &Job,
    member: Member,
    directory: RunDirectory,
    (share, asked): (Share, Vec<Task>),
    publish: Publish,
) -> Result<u8> {
    let mut all: Vec<Task> = member.prepared.plan.tasks.iter().map(|(task, _)| *task).collect();
    all.extend(asked);
    all.sort_unstable();
    all.dedup();
    if job.shard.is_some() {
        // Of a limit's later rounds a shard has what was dealt to it.
        let own = |task: &Task| Block::of(*task).is_none() || directory.has(*task);
        all.retain(own);
    }
    let finished = all.iter().filter(|task| directory.has(**task)).count();
    let (tasks, path) = (all.len(), directory.path());
    if finished < tasks {
        let begun = directory.begun(all.into_iter()).len();
        return Err(Error::Interrupted { directory: path.to_owned(), finished, begun, tasks });
    }
    if let Some(shard) = job.shard {
        let path = path.display();
        info!("shard {shard} is done: {tasks} tasks in {path}, for `nfd merge`");
        return Ok(exit::DONE);
    }
    // Seeds are measured by as many workers as there are for all tasks, not for those that were left.
    let workers = member.plan_hand(&Hand { share, tasks: all }).workers();
    let prepared = member.prepared;
    let (experiment, data) = (&prepared.resolved.experiment, &prepared.data);
    let outcome = ensemble::measure(experiment, data, &directory, workers)?;
    publish(&Measured { prepared, directory, outcome })
}
