//! Networks whose scales no number holds are refused before anything runs.

use super::check::Check;
use super::{Experiment, Precision};
use crate::error::Result;

/// Refuses an experiment in which a factor of a network, or the square of its outputs at initialisation,
/// is too small or too large for the numbers that it is computed in.
///
/// # Errors
/// At the field that is to blame.
pub fn check_scales(experiment: &Experiment, check: &Check) -> Result<()> {
    for parametrization in experiment.parametrizations() {
        for rate in experiment.learning_rates() {
            let alone = experiment.with(parametrization, rate);
            let Some(problem) = fault(&alone) else { continue };
            return check.fail(culprit(alone), problem, "take a value nearer to its default");
        }
    }
    Ok(())
}

/// The first factor that numbers do not hold, in words.
fn fault(experiment: &Experiment) -> Option<String> {
    let (least, most) = match experiment.precision {
        Precision::F32 | Precision::Tf32x3 => (f64::from(f32::MIN_POSITIVE), f64::from(f32::MAX)),
        Precision::F64 => (f64::MIN_POSITIVE, f64::MAX),
    };
    let (law, rates) = (experiment.model.scale_law(), experiment.rates());
    // Factors are powers of the sizes: they are extreme at the ends. A limit has no sizes of its own.
    let ends = |sizes: &[usize]| [*sizes.first().unwrap_or(&1), *sizes.last().unwrap_or(&1)];
    let (widths, depths) = (ends(&experiment.ensemble.widths), ends(&experiment.all_depths()));
    for (n, depth) in widths.into_iter().flat_map(|n| depths.map(|depth| (n, depth))) {
        let scales = law.at(n, depth, 1);
        let (inner, inner_update) = scales.inner.map_or((1.0, 1.0), |i| (i.forward, i.update));
        let always =
            [("on W φ(h)", scales.forward), ("on W1 φ(h)", inner), ("on outputs", scales.readout)];
        // At rate 0 a group is not trained.
        let updates = [
            ("on updates of the hidden weights", rates.hidden, scales.update_hidden),
            ("on updates of the inner weights", rates.hidden, inner_update),
            ("on updates of the input weights", rates.input, scales.update_input),
            ("on updates of the readout weights", rates.readout, scales.update_readout),
        ];
        let updates = updates.into_iter().filter(|(_, rate, _)| *rate > 0.0);
        let updates = updates.map(|(what, rate, factor)| (what, rate * factor));
        for (what, factor) in always.into_iter().chain(updates) {
            if !(least..=most).contains(&factor) {
                let numbers = experiment.precision.name();
                return Some(format!(
                    "at n = {n}, L = {depth} the factor {what} is {factor:.1e}, which {numbers} does not \
                     hold"
                ));
            }
        }
        // A loss is computed in f64, of outputs that are about this large at initialisation.
        let output = scales.readout * (n as f64).sqrt();
        if !output.powi(2).is_normal() {
            return Some(format!(
                "at n = {n}, L = {depth} outputs of a size of {output:.1e} have a square that no number \
                 holds"
            ));
        }
    }
    None
}

/// The field that is to blame: the first with whose default nothing is wrong.
fn culprit(experiment: Experiment) -> &'static str {
    let mends = |change: fn(&mut Experiment)| {
        let mut mended = experiment.clone();
        change(&mut mended);
        fault(&mended).is_none()
    };
    let exponents = |e: &mut Experiment| e.model.exponents = e.model.parametrization.exponents();
    match () {
        () if mends(|e| e.model.gamma = 1.0) => "model.gamma",
        () if mends(|e| e.model.horizon = 1.0) => "model.horizon",
        () if mends(exponents) => "model.exponents",
        () => "training.learning_rate",
    }
}
