//! What people read: tables on the terminal, the report with its plots, runs side by side, what to cite. Reads results, computes
//! nothing itself but means over seeds for drawing.

pub mod best_rates;
pub mod citations;
pub mod compare;
mod estimate;
pub mod findings;
pub mod judged;
mod limit_files;
pub mod limits;
pub mod page;
pub mod plot;
pub mod publish;
mod short;
pub mod table;
pub mod text;

use crate::claims::Claim;
use crate::claims::best_rate::BestRate;
use crate::claims::stability::Unstable;
use crate::engine::Divergence;
use crate::experiment::Experiment;
use crate::experiment::grid::Task;
use crate::observables::results::Row;

/// Everything that a report shows: the question, the runs and what they say.
pub struct Report<'a> {
    /// The resolved experiment, which says what was asked.
    pub experiment: &'a Experiment,
    /// What the numbers say about the study's claims.
    pub claims: &'a [Claim],
    /// The rows of results.csv, in its order.
    pub rows: &'a [Row],
    /// Runs that finished and did not train.
    pub unstable: &'a [Unstable],
    /// The best learning rates by size, of several that were tried.
    pub best_rates: &'a [BestRate],
    /// Runs that left the finite numbers.
    pub diverged: &'a [(Task, Divergence)],
    /// The limit n = L = ∞, where the experiment computes it.
    pub limits: Option<&'a limits::Limits<'a>>,
    /// The number of training runs, diverged ones included.
    pub tasks: usize,
    /// How far the run is, where it goes on.
    pub running: Option<Running>,
}

/// How far a run is that goes on.
pub struct Running {
    /// What is finished, in words.
    pub far: String,
    /// Seconds until the page is written anew.
    pub seconds: u64,
}
