//! `nfd run FILE`: resolve, plan, train the ensemble, write the run directory, print the summary.
//!
//! Several ranks share the tasks. Rank 0 resolves the experiment and calls; the others answer whether
//! they can do the same; rank 0 opens the directory and deals; everyone works and reports; rank 0
//! reduces. Between these, no message. A process that is alone goes the same way.

use std::collections::HashSet;
use std::ffi::OsString;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use clap::Args;

use super::{plan, publish};
use crate::comm::{self, Comm};
use crate::ensemble::deal::{Shard, deal};
use crate::ensemble::machine::Machine;
use crate::ensemble::plan::{Free, Plan};
use crate::ensemble::{self, signals};
use crate::error::{Error, Result, exit};
use crate::experiment::grid::Task;
use crate::job::progress::Display;
use crate::job::request::{Prepared, Typed};
use crate::job::team::{Answer, Call, Orders, Report, Team, Told, listen, tell};
use crate::store::files::Disk;
use crate::store::manifest::Launch;
use crate::store::{RunDirectory, Start};

/// Arguments of `nfd run`.
#[derive(Args)]
pub struct Arguments {
    #[command(flatten)]
    typed: Typed,
    /// Take over a run directory that was begun with other vector instructions; its tasks are done
    /// again, for no result may mix the two.
    #[arg(long)]
    allow_path_change: bool,
    /// Do only part I of N of the tasks, in a run directory of its own [default:
    /// runs/<name>.shard-I-of-N]; `nfd merge` joins them.
    #[arg(long, value_name = "I/N")]
    shard: Option<Shard>,
    /// Stop after so many hours, with exit code 75: the same command resumes.
    #[arg(long, value_name = "H", value_parser = hours)]
    max_hours: Option<Duration>,
}

fn hours(text: &str) -> std::result::Result<Duration, String> {
    let hours: f64 = text.parse().map_err(|_| "a number of hours, as in 11.5".to_owned())?;
    let seconds = Duration::try_from_secs_f64(3600.0 * hours);
    seconds.ok().filter(|limit| !limit.is_zero()).ok_or("more than 0 hours".to_owned())
}

/// Runs the verb.
pub fn run(arguments: &Arguments, typed: &[OsString]) -> Result<u8> {
    let comm = comm::start(arguments.shard.is_some())?;
    let stop = signals::stop_flag(arguments.max_hours)?;
    match comm.rank() {
        0 => Ok(lead(arguments, typed, &*comm, &stop).unwrap_or_else(|code| code)),
        _ => follow(arguments, &*comm, &stop),
    }
}

/// Says what went wrong while the other ranks still wait. Afterwards is too late: once one has ended
/// with an exit code, mpirun ends the others, whatever they still have to say.
fn said<T>(result: Result<T>) -> Told<T> {
    result.map_err(|error| {
        eprintln!("nfd: {error}");
        error.exit_code()
    })
}

/// Rank 0.
fn lead(arguments: &Arguments, typed: &[OsString], comm: &dyn Comm, stop: &AtomicBool) -> Told<u8> {
    let called = said(call(arguments, comm));
    tell(comm, &called.as_ref().map(|(_, call)| call.clone()).map_err(|code| *code));
    let (own, _) = called?;
    let answers = comm::gather(comm, &Answer::new(Ok(&own.1), comm.place()));
    let (Prepared { resolved, data, plan, .. }, machine) = &own;
    let experiment = &resolved.experiment;

    let team = Team::agree(answers);
    let begun = said(team.and_then(|team| begin(arguments, typed, comm, &own, team)));
    tell(comm, &begun.as_ref().map(|(_, _, orders)| orders.clone()).map_err(|code| *code));
    let (team, directory, mut orders) = begun?;
    let joined = comm::gather(comm, &Report::new(Ok(())));
    let well = said(team.all_well(&joined, "see that all ranks reach the run directory"));
    tell(comm, &well);
    well?;

    let display = Display::new(comm.size());
    let progress = |share, done, all| display.update(share, done, all);
    let own = orders.swap_remove(0);
    let all = Orders { tasks: plan.tasks.iter().map(|(task, _)| *task).collect(), ..own };
    let share = share_of(plan, own, comm);
    let ran = ensemble::run(experiment, data, &directory, (&share, machine), stop, &progress);
    display.finish();

    let reports = comm::gather(comm, &Report::new(ran.as_ref()));
    let ended = ran.and_then(|_| {
        directory.look_again()?;
        team.all_well(&reports, "finished tasks are kept: the same command resumes")?;
        let finished = plan.tasks.iter().filter(|(task, _)| directory.has(*task)).count();
        let (tasks, path) = (plan.tasks.len(), directory.path().to_owned());
        if finished < tasks {
            return Err(Error::Interrupted { directory: path, finished, tasks });
        }
        if let Some(shard) = arguments.shard {
            let path = path.display();
            eprintln!("nfd: shard {shard} is done: {tasks} tasks in {path}, for `nfd merge`");
            return Ok(exit::DONE);
        }
        // Seeds are measured by as many workers as there are for all tasks, not for those that were left.
        let workers = share_of(plan, all, comm).workers();
        let outcome = ensemble::collect(experiment, data, &directory, workers)?;
        publish(experiment, data, &outcome, &directory)
    });
    let ended = said(ended);
    tell::<()>(comm, &Err(ended.as_ref().map_or_else(|code| *code, |code| *code)));
    ended
}

/// What is to be done, before anybody else knows.
fn call(arguments: &Arguments, comm: &dyn Comm) -> Result<((Prepared, Machine), Call)> {
    let typed = match arguments.shard {
        Some(shard) => arguments.typed.in_shard(shard)?,
        None => arguments.typed.clone(),
    };
    let mut prepared = typed.prepare(comm.place().local)?;
    let plan = &mut prepared.plan;
    if let Some(Shard { index, of }) = arguments.shard {
        let tasks = deal(&plan.tasks, &plan.rates, of).swap_remove(index - 1);
        *plan = plan.share(tasks, plan.threads);
    }
    let machine = Machine::of(&prepared.resolved.experiment, comm.place().local)?;
    let own = (prepared, machine);
    let call = Call::new(&arguments.typed, &own)?;
    Ok((own, call))
}

/// Opens the run directory and deals what is left to do.
fn begin(
    arguments: &Arguments,
    typed: &[OsString],
    comm: &dyn Comm,
    (prepared, machine): &(Prepared, Machine),
    team: Team,
) -> Result<(Team, RunDirectory, Vec<Orders>)> {
    let Prepared { resolved, output, plan, .. } = prepared;
    let threads = match arguments.typed.typed_threads() {
        Some(threads) => vec![threads; comm.size()],
        None => team.threads(),
    };
    let mut plan = plan.share(plan.tasks.clone(), threads[0]);
    let mut free = Free { device: machine.device_memory()?, ..ensemble::plan::free(output) };
    free.memory /= comm.place().on_node as f64;
    let (_, finished) = prepared.finished(machine.numeric_path())?;
    plan.fit(free.memory);
    plan.check(free, &|task| finished.contains(&task))?;

    let typed: Vec<String> = typed.iter().map(|a| a.to_string_lossy().into_owned()).collect();
    let launch = Launch {
        ranks: comm.size(),
        hosts: team.hosts(),
        devices: team.devices(),
        mpi: comm.library(),
        shard: arguments.shard.map(|shard| shard.to_string()),
        ..Launch::alone()
    };
    let start = start(arguments, (prepared, machine), &typed, &launch);
    let directory = RunDirectory::open(output, &start, Arc::new(Disk))?;

    eprintln!("{}", serde_json::to_string_pretty(&resolved.experiment).unwrap_or_default());
    for decision in &resolved.decisions {
        eprintln!("nfd: {decision}");
    }
    eprintln!("nfd: {}", plan::totals(&plan));
    let left = plan.queue(|task| directory.has(task));
    if comm.size() > 1 {
        eprintln!("nfd: {}", plan::ranks(&plan.share(left.clone(), plan.threads), comm.size()));
    }
    let longest = left.iter().map(|(task, cost)| {
        plan.rates.seconds(&cost.work) / plan.threads_of(*task, left.len()) as f64
    });
    let (longest, limit) = (longest.fold(0.0, f64::max), arguments.max_hours);
    let limit = limit.map(|limit| limit.as_secs_f64()).filter(|&limit| longest > limit);
    let limit = limit.map(|_| {
        let hours = longest / 3600.0;
        format!(
            "one network takes about {hours:.2} h, longer than --max-hours: it may never be done"
        )
    });
    for warning in directory.warnings().iter().chain(&team.crowded()).chain(&limit) {
        eprintln!("nfd: warning: {warning}");
    }
    let finished = plan.tasks.len() - left.len();
    if finished > 0 {
        eprintln!("nfd: {finished} tasks are finished already");
    }
    let hands = deal(&left, &plan.rates, comm.size());
    let orders = threads.into_iter().zip(hands).map(|(threads, hand)| Orders {
        threads,
        tasks: hand.into_iter().map(|(task, _)| task).collect(),
    });
    Ok((team, directory, orders.collect()))
}

fn start<'a>(
    arguments: &Arguments,
    (prepared, machine): (&'a Prepared, &'a Machine),
    typed: &'a [String],
    launch: &'a Launch,
) -> Start<'a> {
    Start {
        experiment: &prepared.resolved.experiment,
        data: &prepared.data,
        numeric_path: machine.numeric_path(),
        allow_path_change: arguments.allow_path_change,
        arguments: typed,
        launch,
    }
}

/// The plan of one rank, within its share of the node's memory.
fn share_of(plan: &Plan, Orders { threads, tasks }: Orders, comm: &dyn Comm) -> Plan {
    let own: HashSet<Task> = tasks.into_iter().collect();
    let tasks = plan.tasks.iter().filter(|(task, _)| own.contains(task)).copied().collect();
    let mut share = plan.share(tasks, threads);
    let free = ensemble::plan::free(&PathBuf::new());
    share.fit(free.memory / comm.place().on_node as f64);
    share
}

/// Any other rank. What it has to say goes to rank 0.
fn follow(arguments: &Arguments, comm: &dyn Comm, stop: &AtomicBool) -> Result<u8> {
    let call: Call = match listen(comm) {
        Ok(call) => call,
        Err(code) => return Ok(code),
    };
    let own = call.answer(&arguments.typed, comm.place());
    comm::gather(comm, &Answer::new(own.as_ref().map(|(_, machine)| machine), comm.place()));
    let mut orders: Vec<Orders> = match listen(comm) {
        Ok(orders) => orders,
        Err(code) => return Ok(code),
    };
    // Rank 0 has heard of an error, and told to end.
    let (prepared, machine) = own?;
    let launch = Launch::alone();
    let start = start(arguments, (&prepared, &machine), &[], &launch);
    let joined = RunDirectory::join(&prepared.output, &start, comm.rank(), Arc::new(Disk));
    comm::gather(comm, &Report::new(joined.as_ref()));
    if let Err(code) = listen::<()>(comm) {
        return Ok(code);
    }
    let directory = joined?;
    for warning in directory.warnings() {
        eprintln!("nfd: rank {}: warning: {warning}", comm.rank());
    }
    let share = share_of(&prepared.plan, orders.swap_remove(comm.rank()), comm);
    let (experiment, data) = (&prepared.resolved.experiment, &prepared.data);
    let ran = ensemble::run(experiment, data, &directory, (&share, &machine), stop, &|_, _, _| {});
    comm::gather(comm, &Report::new(ran.as_ref()));
    Ok(listen::<()>(comm).err().unwrap_or_default())
}
