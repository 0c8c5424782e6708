//! The section `data`: which samples an experiment asks for.

use std::path::PathBuf;

use super::check::Check;
use super::section::{Range, section};
use crate::data::Source::{Cifar10, Csv, Digits, Idx, Npy, Synthetic, Toy};
use crate::data::selection::Selection;
use crate::data::{Labels, Request, Source};
use crate::error::Result;

const MOST_SAMPLES: usize = 1 << 20;
/// Inputs of synthetic samples, 1 GB of them.
const MOST_NUMBERS: usize = 1 << 27;

section! {
    /// The samples: inputs x of dimension d and labels y with an entry for every output. Nothing is ever
    /// fetched.
    "data": TypedData {
        /// Where samples come from: bundled sets, files of yours, or random directions.
        source: Source => Source { example: Source::Digits, }
        /// Number P of training samples: the first P that qualify. Default: 8 (toy: 2); required
        /// for csv and npy.
        samples: Option<usize> => usize { range: Range::Within(1.0, MOST_SAMPLES as f64), example: 16, }
        /// Number of test samples, on which networks are evaluated but not trained: from the set's
        /// own test part (idx, cifar10, archives of npy), else those that follow the training
        /// samples.
        test_samples: Option<usize> => usize {
            default: 0,
            range: Range::Within(0.0, MOST_SAMPLES as f64),
            example: 100,
        }
        /// Classes from which samples are taken, in the order of their labels: 0 to 9 (digits,
        /// cifar10), 0 to 255 (others). Default: 0 and 1 where the source has classes, none for csv
        /// and npy, whose labels then are numbers.
        classes: Option<Vec<u8>> => Option<Vec<u8>> { range: Range::Within(0.0, 255.0), example: [3, 5], }
        /// How labels y are made. Default: sign for two classes, one-hot for other numbers of classes,
        /// values without classes.
        labels: Option<Labels> => Labels { example: Labels::OneHot, }
        /// How many samples of each class are taken.
        selection: Option<Selection> => Selection {
            default: Selection::First,
            example: Selection::Stratified,
        }
        /// Seed of a random order in which samples are taken. Default: the order of the file.
        split_seed: Option<u64> => Option<u64> { example: 1, }
        /// Shift and scale every coordinate of the inputs to mean 0 and variance 1 over the training
        /// samples, before they are normalised.
        standardize: Option<bool> => bool { default: false, example: true, }
        /// Scale every input to the norm ‖x‖ = √d, which the scales of the networks assume. Default: true
        /// for every source except toy, whose inputs have that norm, and except inputs by a power law,
        /// whose norms are √d in the root mean square.
        normalize: Option<bool> => bool { example: false, }
        /// Multiply every input by this number, after all else. Input weights of standard deviation σ_u instead
        /// of 1 are inputs times σ_u, also where they are trained.
        scale: Option<f64> => f64 { default: 1.0, range: Range::Positive, example: 0.5, }
        /// The file (csv; npy: of the inputs, or an archive of inputs and labels) or the folder
        /// (idx, cifar10) of the samples, plain or gzip, whatever their names end with; for idx
        /// also a folder followed by the common beginning of the names of four files in it.
        /// Default: none; required for csv, npy, idx and cifar10.
        path: Option<PathBuf> => Option<PathBuf> { example: "samples.csv", }
        /// Source npy only: the file of the labels. Default: none, labels are in the archive of the inputs.
        label_path: Option<PathBuf> => Option<PathBuf> { example: "labels.npy", }
        /// Source synthetic only: the dimension d of the inputs. Default: 16.
        dimension: Option<usize> => Option<usize> {
            range: Range::Within(1.0, MOST_NUMBERS as f64),
            example: 64,
        }
        /// Source synthetic only: exponent a of a power law of the inputs: coordinate i is Gaussian of variance
        /// λ_i ∝ i^-a, with a mean of one over the d coordinates. Default: none, all coordinates alike.
        input_exponent: Option<f64> => Option<f64> { range: Range::Within(0.0, 10.0), example: 1.5, }
        /// Source synthetic only: exponent b of a power law of a linear target: y = Σ √τ_i z_i, with z_i the
        /// coordinate over its standard deviation, τ_i ∝ i^-b and Σ τ_i = 1. Default: none, random signs.
        target_exponent: Option<f64> => Option<f64> { range: Range::Within(0.0, 10.0), example: 2.0, }
        /// Source synthetic only: the seed of inputs and labels, not of the networks. Default: 0.
        seed: Option<u64> => Option<u64> { example: 1, }
    }
}

impl TypedData {
    /// Fills in the defaults, and refuses what the source does not have.
    ///
    /// # Errors
    /// At the offending field.
    pub fn resolve(self, check: &Check) -> Result<Request> {
        self.check_ranges(check)?;
        let source = self.source;
        let has_classes = matches!(source, Digits | Idx | Cifar10);
        let is_table = matches!(source, Csv | Npy);
        if !has_classes && !is_table {
            check.unused("data.classes", &self.classes, source)?;
            check.unused("data.split_seed", &self.split_seed, source)?;
        }
        if !(has_classes || is_table && self.classes.is_some()) {
            check.unused("data.selection", &self.selection, source)?;
        }
        if matches!(source, Digits | Toy | Synthetic) {
            check.unused("data.path", &self.path, source)?;
        }
        if source != Npy {
            check.unused("data.label_path", &self.label_path, source)?;
        }
        if source != Synthetic {
            check.unused("data.dimension", &self.dimension, source)?;
            check.unused("data.seed", &self.seed, source)?;
            check.unused("data.input_exponent", &self.input_exponent, source)?;
            check.unused("data.target_exponent", &self.target_exponent, source)?;
        }
        let (test_samples, selection, standardize, scale) =
            (self.test_samples(), self.selection(), self.standardize(), self.scale());
        let classes = self.classes.or_else(|| has_classes.then(|| vec![0, 1]));
        if let Some(classes) = &classes {
            check.distinct("data.classes", classes)?;
            let most = if matches!(source, Digits | Cifar10) { 9 } else { 255 };
            for (i, &class) in classes.iter().enumerate() {
                check.within(&format!("data.classes[{i}]"), class, 0, most)?;
            }
        }
        let two = classes.as_ref().is_some_and(|classes| classes.len() == 2);
        let labels = self.labels.unwrap_or(match (&classes, two) {
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
            Csv | Npy if self.path.is_none() => return required("data.path", "name the file"),
            Idx | Cifar10 if self.path.is_none() => {
                return required("data.path", "name the folder");
            }
            _ => {}
        }
        let samples = match (self.samples, source) {
            (Some(samples), _) => samples,
            (None, Toy) => 2,
            (None, Digits | Synthetic | Idx | Cifar10) => 8,
            (None, Csv | Npy) => return required("data.samples", "add it"),
        };
        let dimension = (source == Synthetic).then(|| self.dimension.unwrap_or(16));
        if let Some(dimension) = dimension {
            let all = samples.saturating_add(test_samples).max(1);
            check.within("data.dimension", dimension, 1, MOST_NUMBERS / all)?;
        }
        Ok(Request {
            source,
            samples,
            test_samples,
            classes,
            labels,
            selection,
            split_seed: self.split_seed,
            standardize,
            normalize: self.normalize.unwrap_or(source != Toy && self.input_exponent.is_none()),
            scale,
            path: self.path,
            label_path: self.label_path,
            input_exponent: self.input_exponent,
            target_exponent: self.target_exponent,
            dimension,
            seed: (source == Synthetic).then(|| self.seed.unwrap_or(0)),
        })
    }
}
