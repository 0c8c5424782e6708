//! Choices that an existing run directory has made already.

use super::raw::{self, BackendChoice, EngineChoice};
use super::resolve::resolve;
use super::source::Source;
use super::{Backend, Block, Engine, Precision, Resolved};
use crate::error::Result;

/// What an experiment that leaves it open takes over from its run directory.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Settled {
    /// The engine of the tasks there.
    pub engine: Option<Engine>,
    /// What carried out their sweeps.
    pub backend: Option<Backend>,
    /// Their floating point format.
    pub precision: Option<Precision>,
    /// Their noise grid.
    pub finest: Option<u32>,
}

/// [`resolve`], but an engine, backend, precision or noise grid that was not typed is the settled one, wherever the
/// rest of the experiment can live with it.
///
/// # Errors
/// As [`resolve`].
pub fn resolve_with(raw: &raw::Experiment, source: &Source, settled: Settled) -> Result<Resolved> {
    let mut raw = raw.clone();
    let mut decisions = Vec::new();
    let fits = |raw: &raw::Experiment| resolve(raw.clone(), source).is_ok();
    if let (None | Some(EngineChoice::Auto), Some(engine)) = (raw.engine, settled.engine) {
        let typed = raw.engine.replace(match engine {
            Engine::Conditional => EngineChoice::Conditional,
            Engine::Dense => EngineChoice::Dense,
        });
        if fits(&raw) {
            decisions.push(format!("engine {}: that of the run directory", engine.name()));
        } else {
            raw.engine = typed;
        }
    }
    if let (None | Some(BackendChoice::Auto), Some(backend)) = (raw.backend, settled.backend) {
        let typed = raw.backend.replace(match backend {
            Backend::Plain => BackendChoice::Plain,
            Backend::Cpu => BackendChoice::Cpu,
            Backend::Cuda => BackendChoice::Cuda,
        });
        if fits(&raw) {
            decisions.push(format!("backend {}: that of the run directory", backend.name()));
        } else {
            raw.backend = typed;
        }
    }
    if let (None, Some(precision)) = (raw.precision, settled.precision) {
        raw.precision = Some(precision);
        if fits(&raw) {
            decisions.push(format!("precision {}: that of the run directory", precision.name()));
        } else {
            raw.precision = None;
        }
    }
    if let (None, Some(finest)) = (raw.finest, settled.finest) {
        raw.finest = Some(finest);
        if fits(&raw) {
            decisions.push(format!("finest {finest}: that of the run directory"));
        } else {
            raw.finest = None;
        }
    }
    let mut resolved = resolve(raw, source)?;
    resolved.decisions.extend(decisions);
    Ok(resolved)
}

/// What `resolved` becomes where its backend was left open and there is `gpu`, named, or why there is
/// none.
///
/// # Errors
/// As [`resolve`].
pub fn prefer_gpu(
    raw: &raw::Experiment,
    source: &Source,
    resolved: Resolved,
    gpu: impl FnOnce() -> std::result::Result<String, String>,
) -> Result<Resolved> {
    let open = matches!(raw.backend, None | Some(BackendChoice::Auto));
    // Two-layer blocks run on the processor.
    if !open || resolved.experiment.model.block == Block::TwoLayer {
        return Ok(resolved);
    }
    let engine = Some(match resolved.experiment.engine {
        Engine::Conditional => EngineChoice::Conditional,
        Engine::Dense => EngineChoice::Dense,
    });
    let on_gpu = raw::Experiment { engine, backend: Some(BackendChoice::Cuda), ..raw.clone() };
    let Resolved { mut experiment, mut decisions } = resolved;
    decisions.retain(|decision| !decision.starts_with("backend "));
    match gpu() {
        Ok(name) => {
            experiment = resolve(on_gpu, source)?.experiment;
            decisions.push(format!("backend cuda: {name}"));
        }
        Err(reason) => decisions.push(format!("backend cpu: {reason}")),
    }
    Ok(Resolved { experiment, decisions })
}
