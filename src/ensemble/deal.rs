//! Which rank or shard does which tasks, and how long all of them then take.

use std::fmt;
use std::str::FromStr;

use super::cost::Cost;
use super::plan::Plan;
use crate::experiment::grid::Task;
use crate::experiment::work::Rates;

/// One of several parts of an experiment's tasks, each run by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shard {
    /// The number of this part, from 1.
    pub index: usize,
    /// The number of all parts.
    pub of: usize,
}

impl FromStr for Shard {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || "write I/N with I from 1 to N, as in 3/8".to_owned();
        let (index, of) = text.split_once('/').ok_or_else(wrong)?;
        let number = |text: &str| text.parse().map_err(|_| wrong());
        let (index, of) = (number(index)?, number(of)?);
        if (1..=of).contains(&index) { Ok(Shard { index, of }) } else { Err(wrong()) }
    }
}

impl fmt::Display for Shard {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{}/{}", self.index, self.of)
    }
}

/// Deals `tasks` to `ranks` hands: the longest first, each onto the hand with the least to do, the first
/// of those. Depends on the cost model alone, not on its calibration, and so is the same on all machines.
/// Each hand keeps the order of `tasks`.
pub fn deal(tasks: &[(Task, Cost)], rates: &Rates, ranks: usize) -> Vec<Vec<(Task, Cost)>> {
    let rates = Rates { factor: 1.0, ..*rates };
    let seconds: Vec<f64> = tasks.iter().map(|(_, cost)| rates.seconds(&cost.work)).collect();
    let mut longest_first: Vec<usize> = (0..tasks.len()).collect();
    longest_first.sort_by(|&a, &b| seconds[b].total_cmp(&seconds[a]).then(a.cmp(&b)));
    let mut loads = vec![0.0_f64; ranks];
    let mut owners = vec![0; tasks.len()];
    for i in longest_first {
        let least = (0..ranks).min_by(|&a, &b| loads[a].total_cmp(&loads[b]));
        owners[i] = least.unwrap_or(0);
        loads[owners[i]] += seconds[i];
    }
    let hand = |rank| {
        let own = tasks.iter().zip(&owners).filter(move |(_, owner)| **owner == rank);
        own.map(|(task, _)| *task).collect()
    };
    (0..ranks).map(hand).collect()
}

/// How long a plan takes on several ranks.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Prediction {
    /// The number of ranks, each with the plan's threads.
    pub ranks: usize,
    /// Seconds until the last rank is done.
    pub makespan: f64,
    /// The time of one rank over `ranks` times the makespan: 1 where nothing is lost.
    pub efficiency: f64,
    /// The share of all threads' time until then in which they do not work.
    pub idle: f64,
}

/// Predicts what `plan` takes on `ranks` ranks, as dealt.
pub fn predict(plan: &Plan, ranks: usize) -> Prediction {
    let hands = deal(&plan.tasks, &plan.rates, ranks);
    let walls = hands.into_iter().map(|hand| plan.share(hand, plan.threads).wall_seconds());
    let makespan = walls.fold(0.0, f64::max);
    let given = ranks as f64 * makespan;
    let share = |seconds: f64| if given > 0.0 { seconds / given } else { 1.0 };
    Prediction {
        ranks,
        makespan,
        efficiency: share(plan.wall_seconds()),
        // A sum in another order may differ in its last bit.
        idle: (1.0 - share(plan.core_seconds() / plan.threads as f64)).max(0.0),
    }
}
