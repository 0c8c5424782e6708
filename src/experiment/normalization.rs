//! Which experiments can have branches that read h over its root mean square.

use super::check::Check;
use super::{Backend, Experiment};
use crate::error::Result;

/// Refuses normalised branches where they are not built.
///
/// # Errors
/// At `model.normalization`, with the reason.
pub fn check_normalization(experiment: &Experiment, check: &Check) -> Result<()> {
    if experiment.model.normalization.is_none() {
        return Ok(());
    }
    let problem = match experiment.backend {
        Backend::Plain => return Ok(()),
        Backend::Cpu => "backend cpu has no normalised branches",
        Backend::Cuda => "backend cuda has no normalised branches",
    };
    check.fail("model.normalization", problem, "take backend plain, or normalization none")
}
