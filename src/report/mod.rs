//! What people read: tables on the terminal, the report with its plots, what to cite. Reads results, computes
//! nothing itself but means over seeds for drawing.

pub mod citations;
mod estimate;
pub mod findings;
pub mod page;
pub mod plot;
pub mod publish;
pub mod table;
pub mod text;

use crate::claims::Claim;
use crate::engine::Divergence;
use crate::experiment::Experiment;
use crate::experiment::grid::Task;
use crate::observables::results::Row;

/// Everything the report shows.
pub struct Report<'a> {
    /// What was asked.
    pub experiment: &'a Experiment,
    /// What the numbers say about the study's claims.
    pub claims: &'a [Claim],
    /// results.csv
    pub rows: &'a [Row],
    /// Runs that left the finite numbers.
    pub diverged: &'a [(Task, Divergence)],
    /// The number of runs.
    pub tasks: usize,
}
