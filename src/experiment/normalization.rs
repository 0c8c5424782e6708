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
    if experiment.backend == Backend::Cuda {
        let problem = "backend cuda has no normalised branches";
        return check.fail(
            "model.normalization",
            problem,
            "take backend cpu, or normalization none",
        );
    }
    Ok(())
}
