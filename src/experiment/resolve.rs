//! From what was typed to an experiment in which nothing is left open.

use super::blocks::{blocks, two_layer};
use super::check::Check;
use super::grid::{LearningRate, tasks};
use super::raw::{self, BackendChoice, EngineChoice};
use super::samples::samples;
use super::source::Source;
use super::training::training;
use super::work::{Rates as Speeds, Work};
use super::{
    Backend, Block, Engine, Ensemble, Experiment, Group, Model, Precision, Reference,
    ReferenceKind, Resolved, Rows, Storage, Study,
};
use crate::data::Labels;
use crate::error::Result;
use crate::model::{Activation, Closure, Parametrization, Rates};

/// Rows of h and g kept for strong errors unless asked otherwise.
const DEFAULT_ROWS: usize = 512;
/// Noise addresses hold rows in 32 bits of four, but no machine holds such vectors.
const WIDEST: usize = 1 << 30;
const FINEST: usize = 1 << 20;
const MOST_SEEDS: u64 = 1 << 20;
const MOST_TASKS: usize = 1 << 20;

/// Rates from which on f32 columns suffice (measured; docs/theory.md, section 3). Below,
/// differences between steps are of the size of rounding; outputs themselves stay right to 2e-6.
const SLOWEST_IN_F32: f64 = 1e-4;

/// Changes of a weight, which is of order one, that f32 still tells from its rounding, 6e-8, with
/// a hundredth to spare for χ below one.
const SMALLEST_STEP_IN_F32: f64 = 1e-5;

/// Fills in defaults and checks everything that can be checked without loading data.
///
/// An engine that was left open is the one whose work takes less time, by the uncalibrated cost
/// model, of those that can do the experiment.
///
/// # Errors
/// [`crate::error::Error::Experiment`] at the offending field.
pub fn resolve(raw: raw::Experiment, source: &Source) -> Result<Resolved> {
    match raw.engine.unwrap_or(EngineChoice::Auto) {
        EngineChoice::Conditional => resolve_in(Engine::Conditional, raw, source),
        EngineChoice::Dense => resolve_in(Engine::Dense, raw, source),
        EngineChoice::Auto if two_layer(&raw) => {
            let mut resolved = resolve_in(Engine::Dense, raw, source)?;
            let reason = "engine dense: the only one that has two-layer blocks";
            resolved.decisions.insert(0, reason.to_owned());
            Ok(resolved)
        }
        EngineChoice::Auto => {
            let conditional = resolve_in(Engine::Conditional, raw.clone(), source);
            let (mut resolved, reason) = match (conditional, resolve_in(Engine::Dense, raw, source))
            {
                (Ok(conditional), Ok(dense)) => {
                    let [a, b] = [&conditional, &dense].map(seconds);
                    let reason = format!("{a:.1e} core seconds by estimate, dense {b:.1e}");
                    (if a <= b { conditional } else { dense }, reason)
                }
                (Ok(resolved), Err(_)) => {
                    let what = "closure nfd or networks of different widths compared";
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
    let rates = Speeds::uncalibrated(experiment.engine, experiment.backend, experiment.precision);
    let work = |task| Work::of(experiment, outputs, task);
    tasks(experiment).into_iter().map(|task| rates.seconds(&work(task))).sum()
}

fn resolve_in(engine: Engine, raw: raw::Experiment, source: &Source) -> Result<Resolved> {
    let check = Check { source };
    check.name(&raw.name)?;
    let data = samples(raw.data, &check)?;
    let ensemble = ensemble(raw.ensemble, &check)?;
    let model = model(raw.model.unwrap_or_default(), &ensemble, &check)?;
    let training = training(raw.training, &ensemble, &data, &check)?;
    blocks(engine, &model, &ensemble, (raw.backend, raw.storage), &check)?;
    if engine == Engine::Dense && ensemble.closures.contains(&Closure::Nfd) {
        return Err(source.error(
            "ensemble.closures",
            "closure nfd has no dense network: no single matrix satisfies its two conditions",
            "take engine conditional, or closures exact and gia",
        ));
    }
    let reference = reference(raw.reference.unwrap_or_default(), &ensemble, engine, &check)?;
    let mut experiment = Experiment {
        name: raw.name,
        study: raw.study.unwrap_or(Study::TrainingConvergence),
        data,
        model,
        training,
        ensemble,
        reference,
        finest: raw.finest,
        engine,
        // Both are decided below.
        backend: Backend::Plain,
        precision: Precision::F64,
        storage: raw.storage.unwrap_or(Storage::Full),
    };
    let mut decisions = Vec::new();
    experiment.backend = match raw.backend.unwrap_or(BackendChoice::Auto) {
        BackendChoice::Plain => Backend::Plain,
        BackendChoice::Cpu => Backend::Cpu,
        BackendChoice::Cuda => Backend::Cuda,
        BackendChoice::Auto => {
            decisions.push(match experiment.model.block {
                Block::OneLayer => "backend cpu: the fast one".to_owned(),
                Block::TwoLayer => "backend cpu: two-layer blocks run on the processor".to_owned(),
            });
            Backend::Cpu
        }
    };
    experiment.precision = precision(raw.precision, &experiment, &check, &mut decisions)?;
    frozen(&experiment, &check)?;
    experiment.finest = finest(&experiment, &check)?;
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

fn model(raw: raw::Model, ensemble: &Ensemble, check: &Check) -> Result<Model> {
    let first = ensemble.parametrizations.as_ref().map(|several| several[0]);
    let parametrization = raw.parametrization.or(first).unwrap_or(Parametrization::DepthMup);
    if first.is_some_and(|first| first != parametrization) {
        let problem = "is not the first of ensemble.parametrizations";
        return check.fail("model.parametrization", problem, "remove it");
    }
    if first.is_some() && raw.exponents.is_some_and(|own| own != parametrization.exponents()) {
        let problem = "each of ensemble.parametrizations has exponents of its own";
        return check.fail("model.exponents", problem, "remove them");
    }
    let exponents = raw.exponents.unwrap_or_else(|| parametrization.exponents());
    for (field, value) in [("branch", exponents.branch), ("rate", exponents.rate)] {
        check.within(&format!("model.exponents.{field}"), value, -10.0, 10.0)?;
    }
    if parametrization == Parametrization::Vanilla && exponents.branch != 0.0 {
        let help = "remove it: vanilla's multiplier is the activation's own σ";
        return check.fail("model.exponents.branch", "vanilla has no branch exponent", help);
    }
    let train = raw.train.unwrap_or_else(|| vec![Group::Hidden]);
    let names: Vec<&str> = train.iter().map(|group| group.name()).collect();
    check.distinct("model.train", &names)?;
    Ok(Model {
        parametrization,
        exponents,
        block: raw.block.unwrap_or(Block::OneLayer),
        activation: raw.activation.unwrap_or(Activation::Tanh),
        horizon: check.positive("model.horizon", raw.horizon.unwrap_or(1.0))?,
        gamma: check.positive("model.gamma", raw.gamma.unwrap_or(1.0))?,
        train,
    })
}

fn ensemble(raw: raw::Ensemble, check: &Check) -> Result<Ensemble> {
    let mut closures = raw.closures.unwrap_or_else(|| Closure::ALL.to_vec());
    check.distinct("ensemble.closures", &closures)?;
    closures.sort_unstable();
    let parametrizations = match raw.parametrizations {
        None => None,
        Some(mut several) => {
            check.distinct("ensemble.parametrizations", &several)?;
            several.sort_unstable();
            Some(several)
        }
    };
    let learning_rates = match raw.learning_rates {
        None => None,
        Some(mut several) => {
            for (i, &rate) in several.iter().enumerate() {
                check.positive(&format!("ensemble.learning_rates[{i}]"), rate)?;
            }
            let rates: Vec<_> = several.iter().copied().map(LearningRate::new).collect();
            check.distinct("ensemble.learning_rates", &rates)?;
            several.sort_unstable_by(f64::total_cmp);
            Some(several)
        }
    };
    Ok(Ensemble {
        parametrizations,
        learning_rates,
        widths: check.sizes("ensemble.widths", raw.widths, WIDEST)?,
        depths: check.sizes("ensemble.depths", raw.depths, FINEST)?,
        seeds: check.within("ensemble.seeds", raw.seeds, 1, MOST_SEEDS)?,
        closures,
    })
}

/// The format of vectors and weights: f32 where that is known to be enough.
fn precision(
    typed: Option<Precision>,
    experiment: &Experiment,
    check: &Check,
    decisions: &mut Vec<String>,
) -> Result<Precision> {
    if experiment.backend == Backend::Plain {
        let help = "take backend cpu, set precision to f64, or leave it out";
        return match typed {
            Some(Precision::F32) => {
                check.fail("precision", "backend plain computes in f64 only", help)
            }
            _ => Ok(Precision::F64),
        };
    }
    if let Some(precision) = typed {
        return Ok(precision);
    }
    let (precision, reason) = match (experiment.engine, slowest(experiment)) {
        (_, None) => (Precision::F32, "nothing is trained".to_owned()),
        (Engine::Conditional, Some(rate)) if rate < SLOWEST_IN_F32 => (
            Precision::F64,
            format!("learning rate {rate} moves features by less than f32 resolves"),
        ),
        (Engine::Conditional, Some(_)) => {
            (Precision::F32, format!("all learning rates are at least {SLOWEST_IN_F32}"))
        }
        (Engine::Dense, Some(step)) if step < SMALLEST_STEP_IN_F32 => {
            (Precision::F64, format!("f32 weights would swallow updates of size {step:.1e}"))
        }
        (Engine::Dense, Some(_)) => {
            (Precision::F32, format!("all updates are of size {SMALLEST_STEP_IN_F32} or larger"))
        }
    };
    decisions.push(format!("precision {}: {reason}", precision.name()));
    Ok(precision)
}

/// Refuses weights in bf16 where nothing is gained by them.
fn frozen(experiment: &Experiment, check: &Check) -> Result<()> {
    if experiment.storage == Storage::Full {
        return Ok(());
    }
    let help = "take engine dense with backend cpu, or leave storage out";
    if experiment.engine == Engine::Conditional {
        return check.fail("storage", "engine conditional has no weights to store", help);
    }
    if experiment.backend == Backend::Plain {
        return check.fail("storage", "backend plain stores weights in f64", help);
    }
    let training = &experiment.training;
    let columns =
        training.batch.size(experiment.data.samples).saturating_mul(training.steps as usize);
    let narrowest = experiment.ensemble.widths[0];
    if columns > narrowest / 4 {
        let problem = format!(
            "{columns} columns of drift (steps times batch) are more than a quarter of width {narrowest}: \
             with them frozen weights take as much memory and time as full ones"
        );
        return check.fail("storage", problem, "take fewer steps or samples, or storage full");
    }
    Ok(())
}

/// The least learning rate of a trained group, anywhere on the grid; in the dense engine, times the
/// factor with which it changes one weight, for χ, g and φ of order one. (r of an inner matrix has the
/// factor m already, which its own factor lacks: together no less than that of the outer one.)
fn slowest(experiment: &Experiment) -> Option<f64> {
    let ensemble = &experiment.ensemble;
    let (width, depth) = (*ensemble.widths.last()?, *ensemble.depths.last()?);
    let of = |parametrization| {
        let experiment = experiment.with(parametrization, experiment.learning_rates()[0]);
        let rates = experiment.rates();
        match experiment.engine {
            Engine::Conditional => rates,
            Engine::Dense => {
                let scales = experiment.model.scale_law().at(width, depth, 1);
                Rates {
                    input: rates.input * scales.update_input,
                    hidden: rates.hidden * scales.update_hidden,
                    readout: rates.readout * scales.update_readout,
                }
            }
        }
    };
    let rates = experiment.parametrizations().into_iter().map(of);
    let all = rates.flat_map(|rates| [rates.hidden, rates.input, rates.readout]);
    all.filter(|rate| *rate > 0.0).min_by(f64::total_cmp)
}

fn reference(
    raw: raw::Reference,
    ensemble: &Ensemble,
    engine: Engine,
    check: &Check,
) -> Result<Reference> {
    let named = raw.width.is_some() || raw.depth.is_some();
    let kind = raw.kind.unwrap_or(match named {
        true => ReferenceKind::Network,
        false => ReferenceKind::Doubling,
    });
    let rows = raw.rows.unwrap_or(Rows::First(DEFAULT_ROWS));
    if let Rows::First(rows) = rows {
        check.within("reference.rows", rows, 1, WIDEST)?;
    }
    if kind != ReferenceKind::Network {
        if named {
            let help = "remove width and depth, or take kind network";
            return check.fail("reference", "only kind network has a width and a depth", help);
        }
        return Ok(Reference { kind, width: None, depth: None, rows });
    }
    let width = far(raw.width, &ensemble.widths, 8, "reference.width", check)?;
    let depth = far(raw.depth, &ensemble.depths, 4, "reference.depth", check)?;
    check.within("reference.width", width, 1, WIDEST)?;
    check.within("reference.depth", depth, 1, FINEST)?;
    if engine == Engine::Dense && ensemble.widths != [width] {
        let help = "take one width for all, or engine conditional, in which they share one path";
        return check.fail(
            "reference.width",
            "dense networks of different widths share no noise",
            help,
        );
    }
    Ok(Reference { kind, width: Some(width), depth: Some(depth), rows })
}

/// A reference size: the only size there is, or at least `factor` times the largest.
fn far(
    given: Option<usize>,
    sizes: &[usize],
    factor: usize,
    field: &str,
    check: &Check,
) -> Result<usize> {
    let largest = sizes[sizes.len() - 1];
    let least = largest.saturating_mul(factor);
    match given {
        None if sizes.len() == 1 => Ok(largest),
        None => check.fail(field, "is required", &format!("take at least {least}")),
        Some(size) if sizes == [size] || size >= least => Ok(size),
        Some(size) => {
            let problem = format!("{size} is too close to {largest} to stand for the limit");
            check.fail(field, problem, &format!("take at least {least}"))
        }
    }
}

/// The noise grid: what was asked for, else the least common multiple of the depths where vectors
/// of different depths are compared.
fn finest(experiment: &Experiment, check: &Check) -> Result<Option<u32>> {
    let depths = experiment.all_depths();
    let Some(given) = experiment.finest else {
        if experiment.reference.kind == ReferenceKind::None {
            return Ok(None);
        }
        let common = depths.iter().try_fold(1_usize, |common, &depth| {
            (common / gcd(common, depth)).checked_mul(depth).filter(|&grid| grid <= FINEST)
        });
        return match common {
            Some(grid) => Ok(Some(grid as u32)),
            None => check.fail(
                "ensemble.depths",
                format!("no noise grid of at most {FINEST} layers holds them all"),
                "take depths that divide one another, such as 4, 8, 16, or reference none",
            ),
        };
    };
    check.within("finest", given as usize, 1, FINEST)?;
    for depth in depths {
        if !(given as usize).is_multiple_of(depth) {
            let problem = format!("{given} is not a multiple of depth {depth}");
            let help = "take a common multiple of all depths, or leave it out";
            return check.fail("finest", problem, help);
        }
    }
    Ok(Some(given))
}

fn gcd(a: usize, b: usize) -> usize {
    if b == 0 { a } else { gcd(b, a % b) }
}
