//! The tasks of an ensemble on one device: as many networks of a kind in flight as its memory holds.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant, SystemTime};

use tracing::{debug, info};

use super::checkpointing::Watch;
use super::cost::{Cost, share_before};
use super::machine::device_error;
use super::plan::Plan;
use super::progress::{Part, ReportProgress, Tally};
use super::{logged, task};
use crate::backend::cuda::device::Device;
use crate::backend::cuda::device::fault::Fault;
use crate::data::DataSet;
use crate::error::Result;
use crate::experiment::Experiment;
use crate::experiment::grid::Task;
use crate::log::FILE;
use crate::store::RunDirectory;
use crate::store::timings::Timing;

/// Runs the tasks that `store` does not hold yet; whether all of them are done now.
///
/// No number depends on how many networks are in flight. Where the device has less memory than was
/// planned, because others use it, half as many are tried.
///
/// # Errors
/// [`crate::error::Error::Device`] when it fails, or has not even memory for one network; the store's.
pub fn run(
    experiment: &Experiment,
    data: &DataSet,
    store: &RunDirectory,
    plan: &Plan,
    device: &Arc<Device>,
    watch: Watch,
    progress: ReportProgress,
) -> Result<bool> {
    let all = plan.tasks.len();
    let queue: Vec<_> = plan.tasks.iter().filter(|(task, _)| !store.has(*task)).collect();
    let seconds = |of: &[&(Task, Cost)]| -> f64 {
        of.iter().map(|(_, cost)| plan.speeds.seconds(&cost.work)).sum()
    };
    let tally = Tally::new(seconds(&queue), (all - queue.len(), all), progress);
    let begun = store.begun(queue.iter().map(|(task, _)| *task));
    let mut kinds: Vec<_> = queue.chunk_by(|a, b| a.0.kind() == b.0.kind()).collect();
    kinds.sort_by(|a, b| seconds(b).total_cmp(&seconds(a)));
    for mut left in kinds {
        let free = device.free().map_err(device_error)?;
        let room = plan.device_room(free as f64);
        let mut in_flight = plan.in_flight(&left[0].1, room);
        while !left.is_empty() {
            if watch.stop().load(Ordering::Relaxed) {
                return Ok(false);
            }
            // Networks in flight are in step: those that go on from checkpoints, after as many updates.
            let step = begun.get(&left[0].0);
            let in_step = left.iter().take_while(|(task, _)| begun.get(task) == step);
            let (now, later) = left.split_at(in_step.take(in_flight).count());
            let (started, clock) = (SystemTime::now(), Instant::now());
            let members: Vec<Task> = now.iter().map(|(task, _)| *task).collect();
            debug!(target: FILE, networks = members.len(), first = ?members[0], "begin together");
            let before = |step| share_before(experiment, data, members[0], step);
            let part = Part::new(&tally, (members.len(), seconds(now)), &before);
            let watch = watch.telling(&part);
            match task::train_on_device(experiment, data, &members, (device, room), watch) {
                Ok(None) => return Ok(false),
                Ok(Some(trajectories)) => {
                    let seconds_each = clock.elapsed().as_secs_f64() / members.len() as f64;
                    for (task, trajectory) in members.iter().zip(&trajectories) {
                        let timing = Timing { threads: 1, started, seconds: seconds_each };
                        store.finish(*task, trajectory, timing)?;
                        let took = Duration::from_secs_f64(seconds_each);
                        logged::span(*task).in_scope(|| logged::ended(took, trajectory.diverged));
                    }
                    part.ends();
                    left = later;
                }
                Err(Fault::OutOfMemory { .. }) if members.len() > 1 => {
                    in_flight = members.len() / 2;
                    info!(
                        target: FILE,
                        networks = members.len(),
                        "the device has too little memory for so many networks together: trying \
                         {in_flight}"
                    );
                }
                Err(fault) => return Err(device_error(fault)),
            }
        }
    }
    Ok(true)
}
