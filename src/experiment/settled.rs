//! Choices that an existing run directory has made already, or that the machine at hand makes.

use super::file::ExperimentFile;
use super::resolve::resolve;
use super::{Backend, Engine, Experiment, OrAuto, Precision, Resolved, TypedExperiment};
use crate::error::{Error, Result};

/// What an experiment that leaves it open takes over from its run directory.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Settled {
    /// The engine of the tasks in the directory.
    pub engine: Option<Engine>,
    /// The backend that carried out their sweeps.
    pub backend: Option<Backend>,
    /// The floating point format of their vectors and weights.
    pub precision: Option<Precision>,
    /// Number of layers of their noise grid.
    pub finest: Option<u32>,
}

/// [`resolve`], but an engine, backend, precision or noise grid that was not typed is the settled one,
/// wherever the rest of the experiment can live with it.
///
/// # Errors
/// As [`resolve`].
pub fn resolve_with(
    open: &TypedExperiment,
    file: &ExperimentFile,
    settled: Settled,
) -> Result<Resolved> {
    let mut typed = open.clone();
    let mut decisions = Vec::new();
    let mut take_over = |what: String, settle: &dyn Fn(&mut TypedExperiment)| {
        let mut candidate = typed.clone();
        settle(&mut candidate);
        if resolve(candidate.clone(), file).is_ok() {
            typed = candidate;
            decisions.push(format!("{what}: that of the run directory"));
        }
    };
    let Settled { engine, backend, precision, finest } = settled;
    if let (None, Some(engine)) = (OrAuto::fixed(open.engine), engine) {
        let what = format!("engine {}", engine.name());
        take_over(what, &|typed| typed.engine = Some(OrAuto::Fixed(engine)));
    }
    if let (None, Some(backend)) = (OrAuto::fixed(open.backend), backend) {
        let what = format!("backend {}", backend.name());
        take_over(what, &|typed| typed.backend = Some(OrAuto::Fixed(backend)));
    }
    if let (None, Some(precision)) = (open.precision, precision) {
        let what = format!("precision {}", precision.name());
        take_over(what, &|typed| typed.precision = Some(precision));
    }
    if let (None, Some(finest)) = (open.finest, finest) {
        take_over(format!("finest {finest}"), &|typed| typed.finest = Some(finest));
    }
    let mut resolved = resolve(typed, file)?;
    resolved.decisions.extend(decisions);
    Ok(resolved)
}

/// What `resolved` becomes where its backend was left open and there is `gpu`, named, or why there is
/// none.
///
/// # Errors
/// As [`resolve`].
pub fn prefer_gpu(
    typed: &TypedExperiment,
    file: &ExperimentFile,
    resolved: Resolved,
    gpu: impl FnOnce() -> std::result::Result<String, String>,
) -> Result<Resolved> {
    let open = OrAuto::fixed(typed.backend).is_none();
    // Limits run on the processor, and what needs tensor cores on a GPU.
    let Experiment { limit, backend, .. } = &resolved.experiment;
    if !open || limit.is_some() || *backend == Backend::Cuda {
        return Ok(resolved);
    }
    let engine = Some(OrAuto::Fixed(resolved.experiment.engine));
    let backend = Some(OrAuto::Fixed(Backend::Cuda));
    let on_gpu = TypedExperiment { engine, backend, ..typed.clone() };
    let Resolved { mut experiment, mut decisions } = resolved;
    decisions.retain(|decision| !decision.starts_with("backend "));
    match gpu() {
        Ok(name) => match resolve(on_gpu, file) {
            Ok(resolved) => {
                experiment = resolved.experiment;
                decisions.push(format!("backend cuda: {name}"));
            }
            // It was resolved for the processor: what is wrong is wrong of this backend.
            Err(Error::Experiment { problem, .. }) => {
                decisions.push(format!("backend cpu: {problem}"));
            }
            Err(error) => return Err(error),
        },
        Err(reason) => decisions.push(format!("backend cpu: {reason}")),
    }
    Ok(Resolved { experiment, decisions })
}
