//! `nfd plan FILE`: what an experiment takes, before it starts, and whether it fits.

use std::fmt::Write;
use std::num::NonZeroUsize;

use clap::Args;
use tracing::{info, warn};

use super::print;
use crate::comm;
use crate::data::DataSet;
use crate::ensemble::checkpointing::CheckpointEvery;
use crate::ensemble::cost::Cost;
use crate::ensemble::deal::{Prediction, predict};
use crate::ensemble::limits::Limits;
use crate::ensemble::machine::Machine;
use crate::ensemble::plan::{Free, Plan};
use crate::error::{Error, Result, exit};
use crate::experiment::Experiment;
use crate::experiment::grid::Task;
use crate::job::messages::say_advice;
use crate::job::prepare::Prepared;
use crate::job::request::Request;
use crate::model::Closure;
use crate::report::table::align;

/// Arguments of `nfd plan`.
#[derive(Args)]
pub struct Arguments {
    #[command(flatten)]
    request: Request,
    /// Say what it takes on so many MPI ranks, each with --threads, as in --ranks 1,8,64.
    #[arg(long, value_name = "N", value_delimiter = ',')]
    ranks: Vec<NonZeroUsize>,
}

/// Prints the plan; an error when it does not fit into memory or onto the disk.
pub fn run(arguments: &Arguments) -> Result<u8> {
    let local = comm::local_rank();
    let prepared = Prepared::new(&arguments.request, local)?;
    for decision in &prepared.resolved.decisions {
        info!("{decision}");
    }
    say_advice(&prepared.advice(&arguments.request)?);
    // A cluster's login node has no GPU and plans for those that have one.
    let machine = match Machine::find(&prepared.resolved.experiment, local) {
        Err(error @ Error::Device { .. }) => {
            warn!("{error}\n  planned without a look at the device");
            None
        }
        machine => Some(machine?),
    };
    let path = machine.as_ref().map_or("none", Machine::numeric_path);
    let finished = prepared.read_finished(path)?.tasks;
    let Prepared { output, mut plan, resolved, data } = prepared;
    let device = machine.as_ref().map_or(Ok(None), Machine::device_memory)?;
    let free = Free { device, ..Free::detect(&output, 1) };
    // The nodes of a cluster have memory of their own.
    let scaled = scaling(&plan, &arguments.ranks);
    plan.fit(free.memory);
    print(describe(&plan))?;
    print(&scaled)?;
    print(&limits(&resolved.experiment, &data, &plan)?)?;
    if let Some(device) = free.device {
        let largest = plan
            .tasks
            .iter()
            .map(|(_, cost)| cost)
            .max_by(|a, b| a.device_bytes.total_cmp(&b.device_bytes));
        if let Some(cost) = largest {
            let (first, most) = (cost.device_bytes_at_first / 1e9, cost.device_bytes / 1e9);
            let takes = match cost.device_bytes > device {
                true => format!("{first:.3} to {most:.3} GB, by the columns that it keeps,"),
                false => format!("{most:.3} GB"),
            };
            print(format!(
                "device: {:.2} GB free, {takes} for the largest network, {} of it in flight\n",
                device / 1e9,
                plan.in_flight(cost, device),
            ))?;
        }
    }
    print(checkpoints(&plan))?;
    plan.check(free, &|task| finished.contains(&task))?;
    Ok(exit::DONE)
}

/// What checkpoints take, where a network is long enough for one; empty where none is.
fn checkpoints(plan: &Plan) -> String {
    let seconds = plan.longest_seconds(&plan.tasks);
    let CheckpointEvery(period) = CheckpointEvery::default();
    let Some(period) = period.filter(|period| seconds > period.as_secs_f64()) else {
        return String::new();
    };
    let largest =
        |of: fn(&Cost) -> f64| plan.tasks.iter().map(|(_, cost)| of(cost)).fold(0.0, f64::max);
    let most = largest(|cost| if cost.device_bytes > 0.0 { cost.device_bytes } else { cost.bytes });
    format!(
        "checkpoints: the longest network takes about {:.1} h, and is saved every {} minutes in a \
         file of at most \
         {:.2} GB\n",
        seconds / 3600.0,
        period.as_secs() / 60,
        most / 1e9
    )
}

/// What the limits take, by a pilot: their first round, computed now and not kept; empty without any.
fn limits(experiment: &Experiment, data: &DataSet, plan: &Plan) -> Result<String> {
    /// Seconds that a pilot may take.
    const SHORT: f64 = 60.0;
    let Some(mut limits) = Limits::new(experiment, data) else { return Ok(String::new()) };
    let first = plan.share(limits.tasks(), plan.threads).wall_seconds();
    if first > SHORT {
        return Ok(format!(
            "limits: the first round, above, takes about {first:.0} s; what comes after follows from its \
             variances\n"
        ));
    }
    limits.compute(plan.threads, 1)?;
    let line = |(closure, seconds): (Closure, Option<f64>)| {
        let seconds = plan.speeds.factor * seconds.unwrap_or(0.0) / plan.threads as f64;
        format!("limit of {}: by a pilot about {:.0} s in all\n", closure.name(), seconds.ceil())
    };
    Ok(limits.predicted().into_iter().map(line).collect())
}

/// The table of task kinds and the totals.
fn describe(plan: &Plan) -> String {
    let header = [
        "closure",
        "parametrization",
        "width",
        "depth",
        "rate",
        "tasks",
        "flops",
        "normals",
        "s each",
        "GB each",
    ];
    let mut lines = vec![header.map(str::to_owned)];
    for group in plan.tasks.chunk_by(|a, b| a.0.kind() == b.0.kind()) {
        let (task, cost): &(Task, Cost) = &group[0];
        lines.push([
            task.closure.name().to_owned(),
            task.parametrization.name().to_owned(),
            task.width.to_string(),
            task.depth.to_string(),
            task.learning_rate.value().to_string(),
            group.len().to_string(),
            format!("{:.2e}", cost.work.flops),
            format!("{:.2e}", cost.work.normals),
            format!("{:.2}", plan.speeds.seconds(&cost.work)),
            format!("{:.3}", cost.bytes / 1e9),
        ]);
    }
    let mut out = align(&lines);
    // Writing to a String cannot fail.
    let _ = writeln!(out, "{}", plan.totals());
    out
}

/// The table of what several ranks take; empty for none.
fn scaling(plan: &Plan, ranks: &[NonZeroUsize]) -> String {
    if ranks.is_empty() {
        return String::new();
    }
    let header = ["ranks", "threads each", "makespan s", "efficiency", "idle"];
    let mut lines = vec![header.map(str::to_owned)];
    for ranks in ranks {
        let Prediction { ranks, makespan, efficiency, idle } = predict(plan, ranks.get());
        lines.push([
            ranks.to_string(),
            plan.threads.to_string(),
            format!("{makespan:.1}"),
            format!("{efficiency:.3}"),
            format!("{idle:.3}"),
        ]);
    }
    align(&lines)
}
