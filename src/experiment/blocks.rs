//! What goes with which form of a residual branch.

use super::check::Check;
use super::raw::{self, BackendChoice};
use super::{Engine, Ensemble, Model, Storage};
use crate::error::Result;
use crate::model::{Block, Closure, Parametrization};

/// Whether blocks have an inner matrix.
pub fn two_layer(raw: &raw::Experiment) -> bool {
    raw.model.as_ref().and_then(|model| model.block) == Some(Block::TwoLayer)
}

/// Refuses what the blocks of `model` cannot have.
///
/// Two-layer blocks are dense networks on the processor: conditioning on the answers of two matrices
/// a layer, and kernels for them on a device, are not there.
pub fn blocks(
    engine: Engine,
    model: &Model,
    ensemble: &Ensemble,
    (backend, storage): (Option<BackendChoice>, Option<Storage>),
    check: &Check,
) -> Result<()> {
    let (field, all) = match &ensemble.parametrizations {
        Some(several) => ("ensemble.parametrizations", several.clone()),
        None => ("model.parametrization", vec![model.parametrization]),
    };
    if model.block == Block::OneLayer {
        if all.contains(&Parametrization::DepthMupCorrected) {
            return check.fail(
                field,
                "depth-mup-corrected corrects the rate of an inner matrix, which one-layer blocks lack",
                "take block two-layer, or parametrization depth-mup",
            );
        }
        return Ok(());
    }
    let help = "take engine dense, and closures exact and gia";
    if engine == Engine::Conditional {
        let problem = "engine conditional has no two-layer blocks";
        return check.fail("model.block", problem, help);
    }
    if ensemble.closures.contains(&Closure::Nfd) {
        let problem = "closure nfd has no two-layer blocks: it has no dense network";
        return check.fail("model.block", problem, help);
    }
    if all.contains(&Parametrization::Vanilla) {
        return check.fail(
            field,
            "two-layer blocks have a skip connection, vanilla has none",
            "take another parametrization, or block one-layer",
        );
    }
    if backend == Some(BackendChoice::Cuda) {
        let problem = "two-layer blocks run on the processor";
        return check.fail("backend", problem, "take backend cpu or plain, or leave it out");
    }
    if storage == Some(Storage::Bf16) {
        let problem = "two-layer blocks keep all their numbers";
        return check.fail("storage", problem, "take storage full, or leave it out");
    }
    Ok(())
}
