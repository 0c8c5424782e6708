//! Settings of a run: engine, backend, precision and storage, and what suits which experiment.

use super::Experiment;
use super::check::Check;
use crate::backend::cuda::grid::FEW_SAMPLES;
use crate::choice::choice;
use crate::error::Result;
use crate::model::Rates;

choice! {
    /// How a training run is computed.
    pub enum Engine {
        /// Matrix-free: weights are sampled lazily, by conditioning on the products drawn so far;
        /// time O(n · rank) per layer.
        Conditional = "conditional",
        /// Explicit weight matrices; time O(n²) per layer.
        Dense = "dense",
    }
}

choice! {
    /// What carries out the sweeps over the layers.
    pub enum Backend {
        /// The short, slow reference implementation in f64, the oracle of the tests.
        Plain = "plain",
        /// The fast implementation on processors, in f32 or f64.
        Cpu = "cpu",
        /// One NVIDIA GPU, in f32, tf32x3 or f64.
        Cuda = "cuda",
    }
}

choice! {
    /// The floating point format of vectors and weights.
    pub enum Precision {
        /// Single precision, 32 bits (binary32).
        F32 = "f32",
        /// Double precision, 64 bits (binary64).
        F64 = "f64",
        /// Single precision, but products of matrices with more than eight samples go through the
        /// tensor cores of a GPU, each number split in two of tf32 (11 bits) and three products
        /// added up: right to 4.8e-7 where f32 has a product exactly. Dense engine on backend cuda
        /// only; never chosen automatically.
        Tf32x3 = "tf32x3",
    }
}

choice! {
    /// How the hidden weights of the dense engine are kept.
    pub enum Storage {
        /// Every weight in the format of the run.
        Full = "full",
        /// Initial weights frozen in bf16, what training adds in low-rank factors beside them;
        /// refused when steps × batch exceeds a quarter of the smallest width.
        Bf16 = "bf16",
    }
}

/// Rates from which on f32 columns suffice (measured; docs/theory.md, section 3). Below,
/// differences between steps are of the size of rounding; outputs themselves stay right to 2e-6.
const SLOWEST_IN_F32: f64 = 1e-4;

/// Changes of a weight, which is of order one, that f32 still tells from its rounding, 6e-8, with
/// a hundredth to spare for χ below one.
const SMALLEST_STEP_IN_F32: f64 = 1e-5;

/// The format of vectors and weights, f32 where that is known to be enough; why goes to `decisions`.
///
/// # Errors
/// Where the backend lacks the typed format.
pub fn resolve_precision(
    typed: Option<Precision>,
    experiment: &Experiment,
    check: &Check,
    decisions: &mut Vec<String>,
) -> Result<Precision> {
    if experiment.backend == Backend::Plain {
        let help = "take backend cpu, set precision to f64, or leave it out";
        return match typed {
            Some(Precision::F32 | Precision::Tf32x3) => {
                check.fail("precision", "backend plain computes in f64 only", help)
            }
            _ => Ok(Precision::F64),
        };
    }
    if typed == Some(Precision::Tf32x3) {
        check_tensor_cores(experiment, check)?;
    }
    if let Some(precision) = typed {
        return Ok(precision);
    }
    let (precision, reason) = match (experiment.engine, slowest_rate(experiment)) {
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

/// Refuses products on tensor cores where there are none to do.
///
/// # Errors
/// At `precision`, with the reason.
fn check_tensor_cores(experiment: &Experiment, check: &Check) -> Result<()> {
    let fail = |problem: String, help| check.fail("precision", problem, help);
    if experiment.backend != Backend::Cuda {
        let help = "take backend cuda, or precision f32 or f64";
        return fail("a processor has no tensor cores for tf32x3".to_owned(), help);
    }
    let batch = experiment.training.batch.size(experiment.data.samples);
    if batch <= FEW_SAMPLES as usize {
        let problem = format!(
            "products of {FEW_SAMPLES} samples or fewer are limited by memory and not by \
             arithmetic, and are done in f32 in any case: steps are of {batch}"
        );
        return fail(problem, "take precision f32 or f64, or more samples");
    }
    if experiment.engine == Engine::Conditional {
        let problem = "engine conditional has no products for tensor cores".to_owned();
        return fail(problem, "take engine dense, or precision f32 or f64");
    }
    Ok(())
}

/// The least learning rate of a trained group, anywhere on the grid; in the dense engine, times the
/// factor with which it changes one weight, for χ, g and φ of order one. (r of an inner matrix has the
/// factor m already, which its own factor lacks: together no less than that of the outer one.)
fn slowest_rate(experiment: &Experiment) -> Option<f64> {
    let ensemble = &experiment.ensemble;
    // Without networks of given sizes the engine is conditional, whose updates do not depend on them.
    let width = ensemble.widths.last().copied().unwrap_or(1);
    let depth = ensemble.depths.last().copied().unwrap_or(1);
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

/// Refuses weights in bf16 where nothing is gained by them.
///
/// # Errors
/// At `storage`, with the reason.
pub fn check_storage(experiment: &Experiment, check: &Check) -> Result<()> {
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
