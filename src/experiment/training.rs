//! How networks are trained, from what was typed.

use super::check::Check;
use super::raw::{self, ScheduleKind};
use super::{Batch, EndRates, Ensemble, Optimizer, Training};
use crate::data::{Labels, Request, Source};
use crate::error::Result;
use crate::model::{Decay, Loss, Schedule};
use crate::rng::noise::MAX_STEP;

/// Runs of up to this many updates are recorded after each, longer ones about so often.
const RECORDED: u32 = 100;

/// Fills in the defaults of `training`, for these samples and the learning rates of the grid.
///
/// # Errors
/// At the offending field.
pub fn training(
    raw: raw::Training,
    ensemble: &Ensemble,
    data: &Request,
    check: &Check,
) -> Result<Training> {
    let steps = check.within("training.steps", raw.steps, 0, MAX_STEP)?;
    let first = ensemble.learning_rates.as_ref().map(|rates| rates[0]);
    let Some(learning_rate) = raw.learning_rate.or(first) else {
        let help = "add training.learning_rate, or several as ensemble.learning_rates";
        return check.fail("training", "has no learning_rate", help);
    };
    check.positive("training.learning_rate", learning_rate)?;
    if first.is_some_and(|first| first != learning_rate) {
        let problem = format!("{learning_rate} is not the least of ensemble.learning_rates");
        return check.fail("training.learning_rate", problem, "remove it");
    }
    let loss = raw.loss.unwrap_or(Loss::Squared);
    if loss == Loss::CrossEntropy {
        require_classes(data, check)?;
    }
    let momentum = raw.momentum.unwrap_or(0.0);
    if !(0.0..1.0).contains(&momentum) {
        let help = "take at least 0 and less than 1, or gradients never fade";
        return check.fail("training.momentum", format!("{momentum} is out of range"), help);
    }
    let batch = match raw.batch.unwrap_or(Batch::Full) {
        Batch::Of(size) => match check.within("training.batch", size, 1, data.samples)? {
            all if all == data.samples => Batch::Full,
            size => Batch::Of(size),
        },
        Batch::Full => Batch::Full,
    };
    let rates = raw.rates.unwrap_or_default();
    let rate = |field, rate: Option<f64>| check.positive(field, rate.unwrap_or(learning_rate));
    let record = raw.record.unwrap_or(steps.div_ceil(RECORDED).max(1));
    Ok(Training {
        loss,
        steps,
        learning_rate,
        rates: EndRates {
            input: rate("training.rates.input", rates.input)?,
            readout: rate("training.rates.readout", rates.readout)?,
        },
        batch,
        optimizer: optimizer(raw.optimizer, check)?,
        momentum,
        weight_decay: {
            let weight_decay = raw.weight_decay.unwrap_or(0.0);
            check.within("training.weight_decay", weight_decay, 0.0, 1e12)?
        },
        schedule: schedule(raw.schedule.unwrap_or_default(), steps, check)?,
        record: check.within("training.record", record, 1, MAX_STEP)?,
    })
}

/// Refuses cross-entropy where labels are known not to name classes; those of files are looked at
/// once they are loaded.
fn require_classes(data: &Request, check: &Check) -> Result<()> {
    let fail = |problem: String, help| check.fail("training.loss", problem, help);
    match (data.source, data.labels) {
        (Source::Csv | Source::Npy, _) if data.classes.is_none() => Ok(()),
        (Source::Toy | Source::Synthetic, _) => fail(
            format!(
                "cross-entropy needs an output a class, but source {} has one output",
                data.source.name()
            ),
            "take loss squared, or another source",
        ),
        (_, Labels::OneHot) => match data.classes.as_ref().map_or(0, Vec::len) {
            0 | 1 => {
                fail("cross-entropy needs two classes or more".to_owned(), "add to data.classes")
            }
            _ => Ok(()),
        },
        (_, Labels::Sign | Labels::Values) => fail(
            "cross-entropy needs one-hot labels, an output a class".to_owned(),
            "set data.labels to one-hot, or take loss squared",
        ),
    }
}

fn optimizer(typed: Option<Optimizer>, check: &Check) -> Result<Optimizer> {
    match typed.unwrap_or(Optimizer::Sgd) {
        Optimizer::Sgd => Ok(Optimizer::Sgd),
        Optimizer::Adam | Optimizer::Adamw | Optimizer::Adagrad | Optimizer::Rmsprop => check.fail(
            "training.optimizer",
            "adaptive optimizers divide every weight's update by its own history: the change of W \
             is then no longer of low rank, which the conditional engine's law needs",
            "take sgd, with training.momentum, .weight_decay and .schedule",
        ),
    }
}

fn schedule(raw: raw::Schedule, steps: u32, check: &Check) -> Result<Schedule> {
    let kind = raw.kind.unwrap_or(ScheduleKind::Constant);
    for (field, there, of) in [
        ("final", raw.last.is_some(), ScheduleKind::Cosine),
        ("every", raw.every.is_some(), ScheduleKind::Step),
        ("factor", raw.factor.is_some(), ScheduleKind::Step),
    ] {
        if there && kind != of {
            let problem = format!("does not apply to schedule {}", kind.name());
            return check.fail(&format!("training.schedule.{field}"), problem, "remove it");
        }
    }
    let warmup = check.within("training.schedule.warmup", raw.warmup.unwrap_or(0), 0, steps)?;
    let required = |field: &str| {
        check.fail(
            &format!("training.schedule.{field}"),
            "is required with schedule step",
            "add it",
        )
    };
    let decay = match kind {
        ScheduleKind::Constant => Decay::Constant,
        ScheduleKind::Cosine => {
            let last = raw.last.unwrap_or(0.0);
            let last = check.within("training.schedule.final", last, 0.0, 1.0)?;
            if steps - warmup < 2 {
                let problem = format!("cosine has {} updates after its warm-up", steps - warmup);
                let help = "it falls from the first update to the last: add steps, or lower warmup";
                return check.fail("training.schedule", problem, help);
            }
            Decay::Cosine { last }
        }
        ScheduleKind::Step => {
            let Some(every) = raw.every else { return required("every") };
            let Some(factor) = raw.factor else { return required("factor") };
            Decay::Step {
                every: check.within("training.schedule.every", every, 1, MAX_STEP)?,
                factor: check.positive("training.schedule.factor", factor)?,
            }
        }
    };
    Ok(Schedule { decay, warmup })
}
