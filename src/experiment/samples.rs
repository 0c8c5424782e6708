//! Which samples an experiment asks for, from what was typed.

use super::check::Check;
use super::raw;
use crate::data::Source::{Cifar10, Csv, Digits, Idx, Npy, Synthetic, Toy};
use crate::data::selection::Selection;
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
    let has_classes = matches!(source, Digits | Idx | Cifar10);
    let is_table = matches!(source, Csv | Npy);
    if !has_classes && !is_table {
        check.unused("data.classes", &raw.classes, source)?;
        check.unused("data.split_seed", &raw.split_seed, source)?;
    }
    if !(has_classes || is_table && raw.classes.is_some()) {
        check.unused("data.selection", &raw.selection, source)?;
    }
    if matches!(source, Digits | Toy | Synthetic) {
        check.unused("data.path", &raw.path, source)?;
    }
    if source != Npy {
        check.unused("data.label_path", &raw.label_path, source)?;
    }
    if source != Synthetic {
        check.unused("data.dimension", &raw.dimension, source)?;
        check.unused("data.seed", &raw.seed, source)?;
    }
    let classes = raw.classes.or_else(|| has_classes.then(|| vec![0, 1]));
    if let Some(classes) = &classes {
        check.distinct("data.classes", classes)?;
        let most = if matches!(source, Digits | Cifar10) { 9 } else { 255 };
        for (i, &class) in classes.iter().enumerate() {
            check.within(&format!("data.classes[{i}]"), class, 0, most)?;
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
            let problem = format!("source {} has no classes", source.name());
            return check.fail("data.labels", problem, "take labels values");
        }
        _ => {}
    }
    let required = |field: &str, help: &str| {
        let problem = format!("is required with source {}", source.name());
        check.fail(field, problem, help)
    };
    match source {
        Csv | Npy if raw.path.is_none() => return required("data.path", "name the file"),
        Idx | Cifar10 if raw.path.is_none() => return required("data.path", "name the folder"),
        Npy if raw.label_path.is_none() => {
            return required("data.label_path", "name the file of labels");
        }
        _ => {}
    }
    let samples = match (raw.samples, source) {
        (Some(samples), _) => samples,
        (None, Toy) => 2,
        (None, Digits | Synthetic | Idx | Cifar10) => 8,
        (None, Csv | Npy) => return required("data.samples", "add it"),
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
        selection: raw.selection.unwrap_or(Selection::First),
        split_seed: raw.split_seed,
        standardize: raw.standardize.unwrap_or(false),
        normalize: raw.normalize.unwrap_or(has_classes || source == Synthetic),
        path: raw.path,
        label_path: raw.label_path,
        dimension,
        seed: (source == Synthetic).then(|| raw.seed.unwrap_or(0)),
    })
}
