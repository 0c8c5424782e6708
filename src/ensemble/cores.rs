//! The cores that a process may use, and what is left of them when others may use the same.

use std::collections::HashMap;

/// Numbers of the cores that this process may run on; where the system does not tell, as many as it
/// says there are.
pub fn allowed() -> Vec<usize> {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let list = status.lines().find_map(|line| line.strip_prefix("Cpus_allowed_list:"));
    list.and_then(|list| parse(list.trim())).unwrap_or_else(|| (0..available()).collect())
}

/// Threads that the system gives this process: its cores, and no more than its quota of time.
pub fn available() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from)
}

/// As in "0-3,8".
fn parse(list: &str) -> Option<Vec<usize>> {
    let mut cores = Vec::new();
    for part in list.split(',') {
        let (first, last) = part.split_once('-').unwrap_or((part, part));
        cores.extend(first.parse().ok()?..=last.parse::<usize>().ok()?);
    }
    Some(cores)
}

/// Threads for each process: of every core its share among the processes of that node which may use it,
/// and one at least. `processes` gives the node of each, its cores and the threads available to it.
pub fn shares(processes: &[(usize, Vec<usize>, usize)]) -> Vec<usize> {
    let mut users: HashMap<(usize, usize), f64> = HashMap::new();
    for (node, cores, _) in processes {
        cores.iter().for_each(|&core| *users.entry((*node, core)).or_default() += 1.0);
    }
    let threads = |(node, cores, available): &(usize, Vec<usize>, usize)| {
        let share: f64 = cores.iter().map(|&core| 1.0 / users[&(*node, core)]).sum();
        // Sums of thirds come out below a whole number.
        ((share + 1e-6) as usize).clamp(1, (*available).max(1))
    };
    processes.iter().map(threads).collect()
}

#[cfg(test)]
mod tests {
    use super::{parse, shares};

    #[test]
    fn lists_of_cores_are_those_of_linux() {
        assert_eq!(parse("0-3,8"), Some(vec![0, 1, 2, 3, 8]));
        assert_eq!(parse("5"), Some(vec![5]));
        assert_eq!(parse(""), None);
        assert_eq!(parse("0-"), None);
    }

    #[test]
    fn cores_are_shared_where_ranks_may_use_the_same() {
        let all: Vec<usize> = (0..12).collect();
        // Bound to cores of their own; unbound; three on one node, of which each has a quota.
        assert_eq!(shares(&[(0, vec![0, 1], 2), (0, vec![2, 3], 2)]), [2, 2]);
        assert_eq!(shares(&vec![(0, all.clone(), 12); 3]), [4, 4, 4]);
        assert_eq!(shares(&vec![(0, all.clone(), 3); 3]), [3, 3, 3]);
        // More ranks than cores; cores of the same number on two nodes; one bound inside another.
        assert_eq!(shares(&vec![(0, vec![0, 1], 2); 5]), [1; 5]);
        assert_eq!(shares(&[(0, vec![0, 1], 2), (1, vec![0, 1], 2)]), [2, 2]);
        assert_eq!(shares(&[(0, vec![0, 1, 2, 3], 4), (0, vec![0, 1], 2)]), [3, 1]);
    }
}
