//! The cores that a process may use, and what is left of them when others may use the same.

use std::collections::HashMap;

use serde::{Deserialize, Serialize};

/// The cores that one process may use.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProcessCores {
    /// The number of its node: processes of one node may share cores.
    pub node: usize,
    /// The numbers of the cores.
    pub allowed: Vec<usize>,
    /// The most threads that the system runs of it at once, by cores and quota.
    pub available: usize,
}

impl ProcessCores {
    /// Asks the system about this process, which runs on this node.
    pub fn detect(node: usize) -> ProcessCores {
        ProcessCores { node, allowed: allowed(), available: available() }
    }
}

/// Numbers of the cores that this process may run on; where the system does not tell, as many as it
/// says there are.
fn allowed() -> Vec<usize> {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let list = status.lines().find_map(|line| line.strip_prefix("Cpus_allowed_list:"));
    list.and_then(|list| parse_list(list.trim())).unwrap_or_else(|| (0..available()).collect())
}

/// Threads that the system gives this process: its cores, and no more than its quota of time.
pub fn available() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from)
}

/// The numbers in a list such as "0-3,8".
fn parse_list(list: &str) -> Option<Vec<usize>> {
    let mut cores = Vec::new();
    for part in list.split(',') {
        let (first, last) = part.split_once('-').unwrap_or((part, part));
        cores.extend(first.parse().ok()?..=last.parse::<usize>().ok()?);
    }
    Some(cores)
}

/// Threads for each of several processes: of every core its share among the processes of that node which
/// may use it, and one at least.
pub fn share(processes: &[ProcessCores]) -> Vec<usize> {
    let mut users: HashMap<(usize, usize), f64> = HashMap::new();
    for ProcessCores { node, allowed, .. } in processes {
        allowed.iter().for_each(|&core| *users.entry((*node, core)).or_default() += 1.0);
    }
    let threads = |ProcessCores { node, allowed, available }: &ProcessCores| {
        let share: f64 = allowed.iter().map(|&core| 1.0 / users[&(*node, core)]).sum();
        // Sums of thirds come out below a whole number.
        ((share + 1e-6) as usize).clamp(1, (*available).max(1))
    };
    processes.iter().map(threads).collect()
}

#[cfg(test)]
mod tests {
    use super::{ProcessCores, parse_list, share};

    #[test]
    fn lists_of_cores_are_those_of_linux() {
        assert_eq!(parse_list("0-3,8"), Some(vec![0, 1, 2, 3, 8]));
        assert_eq!(parse_list("5"), Some(vec![5]));
        assert_eq!(parse_list(""), None);
        assert_eq!(parse_list("0-"), None);
    }

    #[test]
    fn cores_are_shared_where_ranks_may_use_the_same() {
        let process = |node, allowed: &[usize], available| ProcessCores {
            node,
            allowed: allowed.to_vec(),
            available,
        };
        let all: Vec<usize> = (0..12).collect();
        // Bound to cores of their own; unbound; three on one node, of which each has a quota.
        assert_eq!(share(&[process(0, &[0, 1], 2), process(0, &[2, 3], 2)]), [2, 2]);
        assert_eq!(share(&vec![process(0, &all, 12); 3]), [4, 4, 4]);
        assert_eq!(share(&vec![process(0, &all, 3); 3]), [3, 3, 3]);
        // More ranks than cores; cores of the same number on two nodes; one bound inside another.
        assert_eq!(share(&vec![process(0, &[0, 1], 2); 5]), [1; 5]);
        assert_eq!(share(&[process(0, &[0, 1], 2), process(1, &[0, 1], 2)]), [2, 2]);
        assert_eq!(share(&[process(0, &[0, 1, 2, 3], 4), process(0, &[0, 1], 2)]), [3, 1]);
    }
}
