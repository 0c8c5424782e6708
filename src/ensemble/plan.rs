//! What an experiment will take, before it starts, and whether this machine has it.

use std::collections::BTreeMap;
use std::path::Path;

use sysinfo::{Disks, System};

use super::cost::{Cost, cost};
use super::limits::Limits;
use crate::backend::cost::Speeds;
use crate::data::DataSet;
use crate::error::{Error, Result};
use crate::experiment::grid::{Task, tasks};
use crate::experiment::{Backend, Experiment};

/// The most networks on a device at once; a grid takes 65 535 of them.
const MOST_IN_FLIGHT: usize = 4096;

/// All tasks of an experiment, with what they take.
#[derive(Clone, Debug, PartialEq)]
pub struct Plan {
    /// Every task with its cost.
    pub tasks: Vec<(Task, Cost)>,
    /// The number of threads, all workers together.
    pub threads: usize,
    /// What turns costs into seconds.
    pub speeds: Speeds,
    /// Bytes of a device that this process may use where others share it.
    pub device_share: Option<f64>,
    /// The most tasks at once.
    workers: usize,
    /// Rows that are one thread's least share of a task; None where threads cannot share one.
    least_share: Option<usize>,
}

/// Plans the experiment for `threads` threads; of its limits the first round.
pub fn plan(experiment: &Experiment, data: &DataSet, threads: usize, speeds: Speeds) -> Plan {
    let tasks = tasks(experiment).into_iter().map(|task| (task, cost(experiment, data, task)));
    let mut tasks: Vec<_> = tasks.collect();
    tasks.extend(Limits::new(experiment, data).iter().flat_map(Limits::tasks));
    let least_share = experiment.costs().rows_of_a_thread;
    // A device takes the place of all threads.
    let threads = if experiment.backend == Backend::Cuda { 1 } else { threads };
    let workers = threads.clamp(1, tasks.len().max(1));
    Plan { tasks, threads, speeds, device_share: None, workers, least_share }
}

impl Plan {
    /// The most tasks that run at once.
    pub fn workers(&self) -> usize {
        self.workers
    }

    /// Threads for `task`, taken when it and `left` − 1 more tasks are left to take: an even share,
    /// or fewer where the task has too few rows.
    pub fn threads_of(&self, task: Task, left: usize) -> usize {
        let most = self.least_share.map_or(1, |rows| task.width / rows);
        (self.threads / self.workers.min(left).max(1)).clamp(1, most.max(1))
    }

    /// Runs fewer tasks at once where so many do not fit into `memory` bytes: threads then share
    /// the rows of a task.
    pub fn fit(&mut self, memory: f64) {
        while self.workers > 1 && self.bytes() > memory {
            self.workers -= 1;
        }
    }

    /// Bytes that this process may use of a device with `free` bytes: what is free, or its share of it.
    ///
    /// What is free when others share the device depends on what they are about, so the share was taken
    /// before any of them began.
    pub fn device_room(&self, free: f64) -> f64 {
        self.device_share.map_or(free, |share| free.min(share))
    }

    /// Networks of this kind in flight on a device of which they may use `room` bytes: nine tenths of it,
    /// because it allocates in pages of its own. One that may need more than there is runs alone, and takes
    /// memory as it needs it.
    pub fn in_flight(&self, cost: &Cost, room: f64) -> usize {
        (0.9 * room / cost.device_bytes.max(1.0)).clamp(1.0, MOST_IN_FLIGHT as f64) as usize
    }

    /// Memory that the largest network takes on a device, at most, in bytes; 0 without one.
    pub fn device_bytes(&self) -> f64 {
        self.tasks.iter().map(|(_, cost)| cost.device_bytes).fold(0.0, f64::max)
    }

    /// Seconds that all tasks together take on one core.
    pub fn core_seconds(&self) -> f64 {
        self.tasks.iter().map(|(_, cost)| self.speeds.seconds(&cost.work)).sum()
    }

    /// The plan of one of several ranks: for `tasks` alone, on so many threads.
    pub fn share(&self, tasks: Vec<(Task, Cost)>, threads: usize) -> Plan {
        // A device takes the place of all threads.
        let threads = if self.device_bytes() > 0.0 { 1 } else { threads };
        let workers = threads.clamp(1, tasks.len().max(1));
        Plan { tasks, threads, workers, ..self.clone() }
    }

    /// Tasks that are not `finished`, in the order in which workers take them: seed by seed, so that
    /// what an interrupted run has is complete in itself, the longest of a seed first.
    pub fn queue(&self, finished: impl Fn(Task) -> bool) -> Vec<(Task, Cost)> {
        let seconds = |(_, cost): &(Task, Cost)| self.speeds.seconds(&cost.work);
        let mut queue = self.tasks.clone();
        queue.retain(|(task, _)| !finished(*task));
        queue.sort_by(|a, b| {
            (a.0.seed.cmp(&b.0.seed)).then(seconds(b).total_cmp(&seconds(a))).then(a.0.cmp(&b.0))
        });
        queue
    }

    /// Wall time: the workers take the queue's tasks one after the other. No less than all work on all
    /// threads: the last tasks have more threads than are idle when they begin.
    pub fn wall_seconds(&self) -> f64 {
        let queue = self.queue(|_| false);
        let mut free_at = vec![0.0_f64; self.workers];
        for (i, (task, cost)) in queue.iter().enumerate() {
            let threads = self.threads_of(*task, queue.len() - i) as f64;
            if let Some(next) = free_at.iter_mut().min_by(|a, b| a.total_cmp(b)) {
                *next += self.speeds.seconds(&cost.work) / threads;
            }
        }
        free_at.into_iter().fold(self.core_seconds() / self.threads as f64, f64::max)
    }

    /// Peak memory: that of running; afterwards every worker measures the results of one seed at a time,
    /// and all lines of results are held.
    pub fn bytes(&self) -> f64 {
        /// A line in memory, as text and in the arrays.
        const LINE: f64 = 400.0;
        let mut of_seeds = BTreeMap::new();
        for (task, cost) in &self.tasks {
            *of_seeds.entry(task.seed).or_insert(0.0) += cost.result_bytes;
        }
        let of_a_seed = of_seeds.into_values().fold(0.0, f64::max);
        self.running_bytes().max(of_a_seed * self.workers() as f64 + LINE * self.rows())
    }

    /// The largest tasks at once, one a worker.
    fn running_bytes(&self) -> f64 {
        let mut running: Vec<f64> = self.tasks.iter().map(|(_, cost)| cost.bytes).collect();
        running.sort_by(|a, b| b.total_cmp(a));
        // What is looked at of networks in flight comes back of all of them.
        let at_once = if self.device_bytes() > 0.0 { MOST_IN_FLIGHT } else { self.workers() };
        running.iter().take(at_once).sum()
    }

    fn rows(&self) -> f64 {
        self.tasks.iter().map(|(_, cost)| cost.rows).sum()
    }

    /// What the run directory grows by: records of the tasks that are not finished, and all lines of
    /// results, as text and as arrays.
    pub fn disk_bytes(&self, finished: &dyn Fn(Task) -> bool) -> f64 {
        const LINE: f64 = 120.0;
        let left = self.tasks.iter().filter(|(task, _)| !finished(*task));
        left.map(|(_, cost)| cost.result_bytes).sum::<f64>() + LINE * self.rows()
    }

    /// Tasks, time, memory and disk of the whole plan, in one line of words.
    pub fn totals(&self) -> String {
        let Speeds { timings, .. } = self.speeds;
        let by = match timings {
            0 => "uncalibrated".to_owned(),
            n => format!("calibrated by {n} timings"),
        };
        format!(
            "{} tasks, {} at once on {} threads, about {:.0} s ({by}), {:.2} GB of memory, {:.2} GB of disk",
            self.tasks.len(),
            self.workers(),
            self.threads,
            self.wall_seconds().ceil(),
            self.bytes() / 1e9,
            self.disk_bytes(&|_| false) / 1e9
        )
    }

    /// Seconds that the longest of the tasks in `left` takes, on the threads that it then has.
    pub fn longest_seconds(&self, left: &[(Task, Cost)]) -> f64 {
        let seconds = |(task, cost): &(Task, Cost)| {
            self.speeds.seconds(&cost.work) / self.threads_of(*task, left.len()) as f64
        };
        left.iter().map(seconds).fold(0.0, f64::max)
    }

    /// Refuses what cannot fit into `free` memory and disk.
    ///
    /// # Errors
    /// [`Error::TooLarge`] with what is needed and what there is.
    pub fn check(&self, free: Free, finished: &dyn Fn(Task) -> bool) -> Result<()> {
        if self.bytes() > free.memory {
            return Err(too_large("memory", self.bytes(), free.memory, LESS_MEMORY));
        }
        self.check_running(free)?;
        let needed = self.disk_bytes(finished);
        if let Some(disk) = free.disk.filter(|&disk| needed > disk) {
            let help = "lower reference.rows or ensemble.seeds, or choose another --output";
            return Err(too_large("disk", needed, disk, help));
        }
        Ok(())
    }

    /// Refuses what a rank cannot run that only trains networks, and leaves measuring and disk to rank 0.
    ///
    /// # Errors
    /// [`Error::TooLarge`] with what is needed and what there is.
    pub fn check_running(&self, free: Free) -> Result<()> {
        if self.running_bytes() > free.memory {
            return Err(too_large("memory", self.running_bytes(), free.memory, LESS_MEMORY));
        }
        let costs = self.tasks.iter().map(|(_, cost)| cost);
        let at_first = costs.map(|cost| cost.device_bytes_at_first).fold(0.0, f64::max);
        if let Some(device) = free.device.filter(|&device| at_first > device) {
            let help = "lower ensemble.widths or data.samples, start one rank per GPU, or take backend \
                 cpu";
            return Err(too_large("device memory", at_first, device, help));
        }
        Ok(())
    }
}

const LESS_MEMORY: &str = "lower ensemble.widths, reference.rows or --threads";

fn too_large(what: &'static str, needed: f64, available: f64, help: &str) -> Error {
    Error::TooLarge { what, needed, available, help: help.to_owned() }
}

/// What the machine has left for this process, in bytes.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Free {
    /// Memory of this process's share of the node, within its limits.
    pub memory: f64,
    /// Disk space at the run directory; None when it cannot be told.
    pub disk: Option<f64>,
    /// Memory of the device that it uses; None without one.
    pub device: Option<f64>,
}

impl Free {
    /// Looks at the machine for a process that shares its node with others, `ranks` in all; `directory`
    /// need not exist yet.
    pub fn detect(directory: &Path, ranks: usize) -> Free {
        let mut system = System::new();
        system.refresh_memory();
        // Without /proc it knows nothing of any memory, and sysinfo panics at the question.
        let limits = (system.total_memory() > 0).then(|| system.cgroup_limits()).flatten();
        let memory = match limits {
            Some(limits) => system.available_memory().min(limits.free_memory),
            None => system.available_memory(),
        };
        let there = directory.ancestors().find_map(|path| path.canonicalize().ok());
        let there = there.or_else(|| std::env::current_dir().ok());
        let disks = Disks::new_with_refreshed_list();
        let disk = there.and_then(|there| {
            let holding = disks.iter().filter(|disk| there.starts_with(disk.mount_point()));
            let nearest = holding.max_by_key(|disk| disk.mount_point().as_os_str().len())?;
            Some(nearest.available_space() as f64)
        });
        Free { memory: memory as f64 / ranks as f64, disk, device: None }
    }
}
