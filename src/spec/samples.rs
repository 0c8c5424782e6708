//! Which samples an experiment asks for, from what was typed.

use super::check::{Check, name_of};
use super::raw;
use crate::data::Source::{Csv, Digits, Synthetic, Toy};
use crate::data::{Labels, Request};
use crate::error::Result;

const MOST_SAMPLES: usize = 1 << 20;
/// Inputs of synthetic samples, 1 GB of them.
const MOST_NUMBERS: usize = 1 << 27;

/// Fills in the defaults of `data`, and refuses what its source does not have.
///
/// # Errors
/// At the offending field.
pub fn samples(raw: raw::Data, check: &Check) -> Result<Request> {
    let source = raw.source;
    if source != Digits {
        check.unused("data.classes", &raw.classes, source)?;
    }
    if source != Csv {
        check.unused("data.path", &raw.path, source)?;
    }
    if source != Synthetic {
        check.unused("data.dimension", &raw.dimension, source)?;
        check.unused("data.seed", &raw.seed, source)?;
    }
    let classes = (source == Digits).then(|| raw.classes.unwrap_or_else(|| vec![0, 1]));
    if let Some(classes) = &classes {
        check.distinct("data.classes", classes)?;
        for (i, &class) in classes.iter().enumerate() {
            check.within(&format!("data.classes[{i}]"), class, 0, 9)?;
        }
    }
    let two = classes.as_ref().is_some_and(|classes| classes.len() == 2);
    let labels = raw.labels.unwrap_or(match (&classes, two) {
        (None, _) => Labels::Values,
        (Some(_), true) => Labels::Sign,
        (Some(_), false) => Labels::OneHot,
    });
    match labels {
        Labels::Sign if !two => {
            let help = "select two classes, or take labels one-hot";
            return check.fail("data.labels", "sign needs exactly two classes", help);
        }
        Labels::OneHot if classes.is_none() => {
            let problem = format!("source {} has no classes", name_of(source));
            return check.fail("data.labels", problem, "take labels values");
        }
        _ => {}
    }
    if source == Csv && raw.path.is_none() {
        return check.fail("data.path", "is required with source csv", "name the file");
    }
    let samples = match (raw.samples, source) {
        (Some(samples), _) => samples,
        (None, Toy) => 2,
        (None, Digits | Synthetic) => 8,
        (None, Csv) => return check.fail("data.samples", "is required with source csv", "add it"),
    };
    let dimension = (source == Synthetic).then(|| raw.dimension.unwrap_or(16));
    if let Some(dimension) = dimension {
        let all = samples.saturating_add(raw.test_samples.unwrap_or(0)).max(1);
        check.within("data.dimension", dimension, 1, MOST_NUMBERS / all)?;
    }
    Ok(Request {
        source,
        samples: check.within("data.samples", samples, 1, MOST_SAMPLES)?,
        test_samples: check.within(
            "data.test_samples",
            raw.test_samples.unwrap_or(0),
            0,
            MOST_SAMPLES,
        )?,
        classes,
        labels,
        normalize: raw.normalize.unwrap_or(matches!(source, Digits | Synthetic)),
        path: raw.path,
        dimension,
        seed: (source == Synthetic).then(|| raw.seed.unwrap_or(0)),
    })
}
