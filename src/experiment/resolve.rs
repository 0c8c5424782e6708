//! From what was typed to an experiment in which nothing is left open.

use super::check::Check;
use super::file::ExperimentFile;
use super::grid::tasks;
use super::limit::{asks_for_limit, refuse_sizes, resolve_limit};
use super::model::{check_blocks, check_blocks_on_device};
use super::normalization::check_normalization;
use super::optimizer::check_optimizer;
use super::reference::resolve_finest;
use super::run::DataSizes;
use super::scales::check_scales;
use super::settings::{check_storage, resolve_precision};
use super::{
    Backend, Engine, Ensemble, Experiment, OrAuto, Precision, Resolved, Shorthand, Study,
    TypedExperiment,
};
use crate::data::{Labels, Request};
use crate::error::Result;

const MOST_TASKS: usize = 1 << 20;

/// Fills in defaults and checks everything that can be checked without loading data.
///
/// An engine that was left open is the one whose work takes less time, by the uncalibrated cost
/// model, of those that can do the experiment.
///
/// # Errors
/// [`crate::error::Error::Experiment`] at the offending field.
pub fn resolve(typed: TypedExperiment, file: &ExperimentFile) -> Result<Resolved> {
    match OrAuto::fixed(typed.engine) {
        Some(engine) => resolve_in(engine, typed, file),
        None if typed.study() == Study::Limit => {
            let mut resolved = resolve_in(Engine::Conditional, typed, file)?;
            let reason = "engine conditional: limits are computed by it";
            resolved.decisions.insert(0, reason.to_owned());
            Ok(resolved)
        }
        None => {
            let conditional = resolve_in(Engine::Conditional, typed.clone(), file);
            let (mut resolved, reason) = match (conditional, resolve_in(Engine::Dense, typed, file))
            {
                (Ok(conditional), Ok(dense)) => {
                    let [a, b] = [&conditional, &dense].map(seconds);
                    let reason = format!("{a:.1e} core seconds by estimate, dense {b:.1e}");
                    (if a <= b { conditional } else { dense }, reason)
                }
                (Ok(resolved), Err(_)) => {
                    let what =
                        "closures other than exact and gia, or comparisons of different widths";
                    (resolved, format!("no dense networks give {what}"))
                }
                (Err(_), Ok(resolved)) => (resolved, "the only one that can".to_owned()),
                (Err(error), Err(_)) => return Err(error),
            };
            let name = resolved.experiment.engine.name();
            resolved.decisions.insert(0, format!("engine {name}: {reason}"));
            Ok(resolved)
        }
    }
}

/// What the cost model says of all tasks together.
fn seconds(resolved: &Resolved) -> f64 {
    let experiment = &resolved.experiment;
    // Files tell their outputs when they are loaded; only the ends of the network depend on them.
    let outputs = match experiment.data.labels {
        Labels::OneHot => experiment.data.classes.as_ref().map_or(1, Vec::len),
        Labels::Sign | Labels::Values => 1,
    };
    let Request { samples: train, test_samples: test, .. } = experiment.data;
    // Work does not depend on the dimension of the inputs.
    let sizes = DataSizes { train, test, dimension: 1, outputs };
    let speeds = (experiment.costs().speeds)(experiment.number_bytes());
    let work = |task| experiment.work(sizes, task);
    tasks(experiment).into_iter().map(|task| speeds.seconds(&work(task))).sum()
}

fn resolve_in(engine: Engine, typed: TypedExperiment, file: &ExperimentFile) -> Result<Resolved> {
    let check = Check { file };
    check.run_name(&typed.name)?;
    typed.check_ranges(&check)?;
    let asks_for_limit = asks_for_limit(&typed);
    let (study, storage, backend) = (typed.study(), typed.storage(), OrAuto::fixed(typed.backend));
    let data = typed.data.resolve(&check)?;
    let ensemble = typed.ensemble.resolve(study, &check)?;
    let model = typed.model.unwrap_or_default().resolve(&ensemble, &check)?;
    let training = typed.training.resolve(&ensemble, &data, &check)?;
    check_blocks(&model, &ensemble, storage, &check)?;
    let no_dense = ensemble.closures.iter().find(|closure| !closure.has_dense_network());
    if let (Engine::Dense, Some(closure)) = (engine, no_dense) {
        let name = closure.name();
        return check.fail(
            "ensemble.closures",
            format!(
                "closure {name} has no dense network: no single matrix satisfies its two conditions"
            ),
            "take engine conditional, or closures exact and gia",
        );
    }
    let reference = typed.reference.map(|Shorthand(reference)| reference).unwrap_or_default();
    let reference = match study {
        Study::Limit => {
            refuse_sizes(&ensemble, &check)?;
            reference.without_partners(&check)?
        }
        _ => reference.resolve(&ensemble, engine, &check)?,
    };
    let (otherwise, reason) = match typed.precision {
        Some(Precision::Tf32x3) => (Backend::Cuda, "backend cuda: the only one with tensor cores"),
        _ => (Backend::Cpu, "backend cpu: the fast one"),
    };
    let mut experiment = Experiment {
        name: typed.name,
        study,
        data,
        reference,
        model,
        training,
        ensemble,
        limit: None,
        finest: typed.finest,
        engine,
        backend: backend.unwrap_or(otherwise),
        // Decided below.
        precision: Precision::F64,
        storage,
    };
    let mut decisions = Vec::new();
    if backend.is_none() {
        decisions.push(reason.to_owned());
    }
    experiment.precision = resolve_precision(typed.precision, &experiment, &check, &mut decisions)?;
    check_blocks_on_device(&experiment, &check)?;
    check_normalization(&experiment, &check)?;
    check_scales(&experiment, &check)?;
    check_storage(&experiment, &check)?;
    check_optimizer(&experiment, &check)?;
    experiment.finest = resolve_finest(&experiment, &check)?;
    experiment.limit = resolve_limit(asks_for_limit, typed.limit, &experiment, &check)?;
    let Ensemble { widths, depths, seeds, closures, .. } = &experiment.ensemble;
    let settings = experiment.parametrizations().len() * experiment.learning_rates().len();
    let tasks = (widths.len() * depths.len() + 1)
        .saturating_mul(closures.len() * settings)
        .saturating_mul(*seeds as usize);
    if tasks > MOST_TASKS {
        let help = format!("take fewer seeds, widths or depths: at most {MOST_TASKS} runs");
        return check.fail("ensemble.seeds", format!("makes {tasks} runs"), &help);
    }
    Ok(Resolved { experiment, decisions })
}
