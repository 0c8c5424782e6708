//! What `nfd run`, `nfd merge` and `nfd report` print of what was found.

use clap::Args;
use tracing::info;

use super::print;
use crate::error::{Result, exit};
use crate::job::Measured;
use crate::job::prepare::Prepared;
use crate::numbers::count;
use crate::report::publish::{Found, publish};

/// The number of diverged runs that stderr names.
const NAMED: usize = 10;

/// How much is printed: some ten lines, unless something else is asked for.
#[derive(Args, Clone, Copy)]
pub struct Shown {
    /// Print all primary claims with their numbers, and what was found in words.
    #[arg(long, conflicts_with = "json")]
    all: bool,
    /// Print summary.json instead of lines for people.
    #[arg(long)]
    json: bool,
}

impl Shown {
    /// Writes the final files of a run directory, prints what they say, and returns the exit code. Who is `quiet`
    /// prints only what was asked for.
    ///
    /// # Errors
    /// Those of writing the files, and stdout.
    pub fn publish(self, measured: &Measured, quiet: bool) -> Result<u8> {
        let Measured { prepared, directory, outcome } = measured;
        let Prepared { resolved, data, .. } = prepared;
        let Found { short, full, summary } =
            publish(&resolved.experiment, data, outcome, directory)?;
        match self {
            Shown { json: true, .. } => print(&summary)?,
            Shown { all: true, .. } => print(full)?,
            _ if quiet => {}
            _ => print(short)?,
        }
        for (task, divergence) in outcome.diverged.iter().take(NAMED) {
            let layer = divergence.layer.map(|l| format!(" at layer {l}")).unwrap_or_default();
            info!(
                "diverged: {} n={} L={} seed {}, step {}{layer}",
                task.closure.name(),
                task.width,
                task.depth,
                task.seed,
                divergence.step
            );
        }
        let others = outcome.diverged.len().saturating_sub(NAMED);
        if others > 0 {
            info!("diverged: {} in summary.json", count(others as u64, "other run"));
        }
        info!("results in {}", directory.path().display());
        Ok(if outcome.diverged.is_empty() { exit::DONE } else { exit::SOME_DIVERGED })
    }
}
