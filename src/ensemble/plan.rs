//! What an experiment will take, before it starts, and whether this machine has it.

use std::path::Path;

use sysinfo::{Disks, System};

use super::cost::{Cost, Rates, cost};
use crate::data::DataSet;
use crate::error::{Error, Result};
use crate::spec::Experiment;
use crate::spec::grid::{Task, tasks};

/// The whole of an experiment.
#[derive(Clone, Debug, PartialEq)]
pub struct Plan {
    /// Every task and its cost.
    pub tasks: Vec<(Task, Cost)>,
    /// Worker threads.
    pub threads: usize,
    /// What turns costs into seconds.
    pub rates: Rates,
}

/// Plans the experiment for `threads` workers.
pub fn plan(experiment: &Experiment, data: &DataSet, threads: usize, rates: Rates) -> Plan {
    let tasks = tasks(experiment).into_iter().map(|task| (task, cost(experiment, data, task)));
    Plan { tasks: tasks.collect(), threads, rates }
}

impl Plan {
    /// Workers that have something to do.
    fn workers(&self) -> usize {
        self.threads.clamp(1, self.tasks.len().max(1))
    }

    /// Seconds on one core, all tasks together.
    pub fn core_seconds(&self) -> f64 {
        self.tasks.iter().map(|(_, cost)| self.rates.seconds(cost)).sum()
    }

    /// Wall time: the work shared evenly, but no less than the longest task.
    pub fn wall_seconds(&self) -> f64 {
        let longest = self.tasks.iter().map(|(_, cost)| self.rates.seconds(cost));
        longest.fold(self.core_seconds() / self.workers() as f64, f64::max)
    }

    /// Peak memory: the largest tasks at once, one a worker; afterwards every worker measures the
    /// results of one seed at a time, and all lines of results are held.
    pub fn bytes(&self) -> f64 {
        /// A line in memory, as text and in the arrays.
        const LINE: f64 = 400.0;
        let mut running: Vec<f64> = self.tasks.iter().map(|(_, cost)| cost.bytes).collect();
        running.sort_by(|a, b| b.total_cmp(a));
        let of_a_seed = self.tasks.iter().filter(|(task, _)| task.seed == 0);
        let of_a_seed: f64 = of_a_seed.map(|(_, cost)| cost.result_bytes).sum();
        let working: f64 = running.iter().take(self.workers()).sum();
        working.max(of_a_seed * self.workers() as f64 + LINE * self.rows())
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

    /// Refuses what cannot fit into `free` memory and disk.
    ///
    /// # Errors
    /// [`Error::TooLarge`] with what is needed and what there is.
    pub fn check(&self, free: Free, finished: &dyn Fn(Task) -> bool) -> Result<()> {
        let refuse = |what, needed: f64, available: f64, help: &str| {
            Err(Error::TooLarge { what, needed, available, help: help.to_owned() })
        };
        if self.bytes() > free.memory {
            let help = "lower ensemble.widths, reference.rows or --threads";
            return refuse("memory", self.bytes(), free.memory, help);
        }
        let needed = self.disk_bytes(finished);
        if let Some(disk) = free.disk.filter(|&disk| needed > disk) {
            let help = "lower reference.rows or ensemble.seeds, or choose another --output";
            return refuse("disk", needed, disk, help);
        }
        Ok(())
    }
}

/// What the machine has left, in bytes.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Free {
    /// Memory, within the process's limits.
    pub memory: f64,
    /// Disk at the run directory; None when it cannot be told.
    pub disk: Option<f64>,
}

/// Looks at the machine; `directory` need not exist yet.
pub fn free(directory: &Path) -> Free {
    let mut system = System::new();
    system.refresh_memory();
    let memory = match system.cgroup_limits() {
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
    Free { memory: memory as f64, disk }
}
