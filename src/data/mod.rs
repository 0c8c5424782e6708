//! Samples: bundled sets, files that people have, synthetic directions; selected, standardised, normalised,
//! labelled.
//!
//! [`Source`] says where from. Sets of records with classes (digits, IDX, CIFAR-10) share one way:
//! `classified` takes what [`selection`] chooses; tables (CSV, NPY) come as numbers. Nothing is ever
//! fetched.

mod cifar;
mod classified;
mod csv_file;
mod digits;
mod idx;
mod npy;
pub mod selection;
mod synthetic;

use std::path::PathBuf;

use serde::Serialize;

use crate::choice::choice;
use crate::error::{Error, Result};
use cifar::Cifar;
use classified::data_error;
use digits::Digits;
use idx::Idx;
use selection::Selection;

choice! {
    /// Where samples come from.
    pub enum Source {
        /// UCI handwritten digits, bundled: 8×8 pixels (d = 64), ten classes.
        Digits = "digits",
        /// Two vectors of dimension d = 8 with one label each, bundled.
        Toy = "toy",
        /// A folder with MNIST's or Fashion-MNIST's four IDX files, plain or gzip.
        Idx = "idx",
        /// A folder with the six files of CIFAR-10's binary version.
        Cifar10 = "cifar10",
        /// A file of numbers, plain or gzip, with a header: columns x…, then y….
        Csv = "csv",
        /// Two files as numpy.save writes them: inputs, and labels; samples along the first axis.
        Npy = "npy",
        /// Gaussian directions on the sphere of radius √d, with random signs as labels.
        Synthetic = "synthetic",
    }
}

choice! {
    /// How classes become labels.
    pub enum Labels {
        /// −1 for the first of two classes, +1 for the second.
        Sign = "sign",
        /// One output a class: 1 for the class of the sample, else 0.
        OneHot = "one-hot",
        /// The numbers that the file or source gives.
        Values = "values",
    }
}

/// A resolved wish for data; every field that a source does not use is None.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Request {
    /// Where the samples come from.
    pub source: Source,
    /// Training samples: the first so many that fit.
    pub samples: usize,
    /// Test samples: of the set's own, or those that follow.
    pub test_samples: usize,
    /// Which classes are taken, in the order of their labels; None for a table whose labels are numbers.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub classes: Option<Vec<u8>>,
    /// How labels are made.
    pub labels: Labels,
    /// How many samples of each class are taken.
    #[serde(skip_serializing_if = "as_they_come")]
    pub selection: Selection,
    /// Takes samples in a random order instead of that of the file.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub split_seed: Option<u64>,
    /// Shift and scale every coordinate to mean 0 and variance 1 over the training samples, first.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub standardize: bool,
    /// Scale every input to ‖x‖ = √d.
    pub normalize: bool,
    /// The file or folder that has the samples.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub path: Option<PathBuf>,
    /// The file of labels, of NPY data.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub label_path: Option<PathBuf>,
    /// Dimension d of the inputs, of synthetic data.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub dimension: Option<usize>,
    /// Of synthetic data, the seed of inputs and labels, not of the networks.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub seed: Option<u64>,
}

fn as_they_come(selection: &Selection) -> bool {
    *selection == Selection::First
}

/// Samples with their labels, of a training or a test set.
#[derive(Clone, Debug, PartialEq)]
pub struct Samples {
    /// Dimension d of the inputs.
    pub dimension: usize,
    /// Number O of outputs of a sample.
    pub outputs: usize,
    /// Inputs, P×d, one sample after the other.
    pub inputs: Vec<f64>,
    /// Labels, P×O, one sample after the other.
    pub labels: Vec<f64>,
    /// Positions in the data set: what noise is addressed by.
    pub indices: Vec<u32>,
}

impl Samples {
    /// The number P of samples.
    pub fn len(&self) -> usize {
        self.indices.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.indices.is_empty()
    }

    fn new(dimension: usize, outputs: usize) -> Self {
        Samples { dimension, outputs, inputs: vec![], labels: vec![], indices: vec![] }
    }

    fn push(&mut self, index: u32, input: &[f64], label: &[f64]) {
        self.inputs.extend_from_slice(input);
        self.labels.extend_from_slice(label);
        self.indices.push(index);
    }

    /// The samples at these positions, in that order.
    pub fn select(&self, positions: impl IntoIterator<Item = usize>) -> Samples {
        let (d, o) = (self.dimension, self.outputs);
        let mut selected = Samples::new(d, o);
        for p in positions {
            let (input, label) = (&self.inputs[p * d..][..d], &self.labels[p * o..][..o]);
            selected.push(self.indices[p], input, label);
        }
        selected
    }

    /// The classes that the only label column names.
    fn classes(&self, name: &str) -> Result<Vec<u8>> {
        let refuse = |problem: String| {
            let help = "data.classes needs one label column with a class of 0 to 255 a row; without it \
                        labels are numbers";
            Err(data_error(name, problem, help))
        };
        if self.outputs != 1 {
            return refuse(format!("has {} label columns", self.outputs));
        }
        let class = |y: f64| (y.fract() == 0.0 && (0.0..256.0).contains(&y)).then_some(y as u8);
        let classes: Option<Vec<u8>> = self.labels.iter().map(|&y| class(y)).collect();
        let wrong = || self.labels.iter().position(|&y| class(y).is_none());
        match (classes, wrong()) {
            (Some(classes), _) => Ok(classes),
            (None, at) => {
                let at = at.unwrap_or(0);
                refuse(format!("sample {at} has label {}, which is no class", self.labels[at]))
            }
        }
    }

    /// The first whose label is not a single one among zeros, by its position.
    fn first_not_one_hot(&self) -> Option<usize> {
        let one_hot = |label: &[f64]| {
            let count = |value: f64| label.iter().filter(|&&y| y == value).count();
            count(1.0) == 1 && count(0.0) == label.len() - 1
        };
        self.labels.chunks(self.outputs).position(|label| !one_hot(label))
    }

    /// Scales every input to ‖x‖ = √d.
    fn normalize(&mut self, source_name: &str) -> Result<()> {
        let target = (self.dimension as f64).sqrt();
        for (input, index) in self.inputs.chunks_mut(self.dimension).zip(&self.indices) {
            let norm = input.iter().map(|x| x * x).sum::<f64>().sqrt();
            if !(norm > 0.0 && norm.is_finite()) {
                return Err(Error::Data {
                    source_name: source_name.to_owned(),
                    row: None,
                    problem: format!("sample {index} has norm {norm} and no direction"),
                    help: "remove it, or set data.normalize to false".to_owned(),
                });
            }
            input.iter_mut().for_each(|x| *x *= target / norm);
        }
        Ok(())
    }
}

/// Training and test samples.
#[derive(Clone, Debug, PartialEq)]
pub struct DataSet {
    /// What is trained on.
    pub train: Samples,
    /// What is evaluated; may be empty.
    pub test: Samples,
}

/// Loads what was asked for.
///
/// # Errors
/// [`Error::Data`] names the file and the line; [`Error::Io`] a file that cannot be read.
pub fn load(request: &Request) -> Result<DataSet> {
    let path = request.path.clone().unwrap_or_default();
    let name = path.display().to_string();
    let (name, mut set) = match request.source {
        Source::Digits => ("digits".to_owned(), classified::load(&Digits::new()?, request)?),
        Source::Idx => (name, classified::load(&Idx::open(&path)?, request)?),
        Source::Cifar10 => (name, classified::load(&Cifar::open(&path)?, request)?),
        Source::Toy => {
            ("toy".to_owned(), table("toy", request, |n| csv_file::parse("toy", digits::TOY, n))?)
        }
        Source::Csv => (name.clone(), table(&name, request, |n| csv_file::load(&path, n))?),
        Source::Npy => {
            let labels = request.label_path.clone().unwrap_or_default();
            (name.clone(), table(&name, request, |n| npy::load(&path, &labels, n))?)
        }
        Source::Synthetic => {
            let (dimension, seed) = (request.dimension.unwrap_or(1), request.seed.unwrap_or(0));
            let draw = |wanted| Ok(synthetic::draw(dimension, seed, wanted));
            ("synthetic".to_owned(), table("synthetic", request, draw)?)
        }
    };
    if request.standardize {
        set.standardize();
    }
    if request.normalize {
        set.train.normalize(&name)?;
        set.test.normalize(&name)?;
    }
    Ok(set)
}

/// Training and test samples of a table, of which `read` gives the first so many rows.
fn table(
    name: &str,
    request: &Request,
    read: impl FnOnce(usize) -> Result<Samples>,
) -> Result<DataSet> {
    let wanted = request.samples.saturating_add(request.test_samples);
    let in_order = request.split_seed.is_none() && request.classes.is_none();
    let mut samples = read(if in_order { wanted } else { usize::MAX })?;
    let chosen = match &request.classes {
        Some(classes) => {
            let labels = samples.classes(name)?;
            let chosen = selection::choose(&labels, classes, wanted, request);
            let chosen = chosen.map_err(|(problem, help)| data_error(name, problem, help))?;
            let labelled = labels.iter().map(|&c| classified::label(c, classes, request.labels));
            samples.labels = labelled.flatten().collect();
            samples.outputs = if request.labels == Labels::OneHot { classes.len() } else { 1 };
            chosen
        }
        None => selection::order(samples.len(), request.split_seed),
    };
    if chosen.len() < wanted {
        let problem = selection::too_few(request, chosen.len());
        return Err(data_error(name, problem, selection::LOWER));
    }
    let (train, test) = chosen[..wanted].split_at(request.samples);
    let select = |positions: &[usize]| samples.select(positions.iter().copied());
    Ok(DataSet { train: select(train), test: select(test) })
}

impl DataSet {
    /// Shifts and scales every coordinate to mean 0 and variance 1 over the training samples; one that does
    /// not vary there becomes 0.
    fn standardize(&mut self) {
        let (d, count) = (self.train.dimension, self.train.len() as f64);
        let of = |j: usize| self.train.inputs.iter().skip(j).step_by(d);
        let scales: Vec<(f64, f64)> = (0..d)
            .map(|j| {
                let mean = of(j).sum::<f64>() / count;
                let variance = of(j).map(|x| (x - mean).powi(2)).sum::<f64>() / count;
                (mean, if variance > 0.0 { variance.sqrt().recip() } else { 0.0 })
            })
            .collect();
        for samples in [&mut self.train, &mut self.test] {
            let inputs = samples.inputs.chunks_mut(d);
            inputs.flat_map(|x| x.iter_mut().zip(&scales)).for_each(|(x, (mean, scale))| {
                *x = (*x - mean) * scale;
            });
        }
    }

    /// Refuses labels that name no class: cross-entropy measures probabilities of classes.
    ///
    /// # Errors
    /// [`Error::Data`] with the first such sample.
    pub fn require_classes(&self, request: &Request) -> Result<()> {
        let source_name = match &request.path {
            Some(path) => path.display().to_string(),
            None => "data".to_owned(),
        };
        let refuse = |problem: String| {
            let help = "write labels as one 1 and otherwise 0, a column a class, or take loss \
                        squared"
                .to_owned();
            Err(Error::Data { source_name: source_name.clone(), row: None, problem, help })
        };
        if self.train.outputs < 2 {
            return refuse("loss cross-entropy needs two label columns or more".to_owned());
        }
        for samples in [&self.train, &self.test] {
            if let Some(p) = samples.first_not_one_hot() {
                let (index, o) = (samples.indices[p], samples.outputs);
                let label = &samples.labels[p * o..][..o];
                return refuse(format!(
                    "loss cross-entropy needs one-hot labels, but sample {index} has {label:?}"
                ));
            }
        }
        Ok(())
    }
}
