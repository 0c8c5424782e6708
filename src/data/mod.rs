//! Samples: bundled sets, files that people have, synthetic directions; selected, standardised, normalised,
//! scaled, labelled.
//!
//! [`Source`] says where from. Every source is read as a set of `records`, of which [`selection`] chooses;
//! what a file is, `file` tells by how it begins. Nothing is ever fetched.

mod cifar;
mod csv_file;
mod dialect;
mod digits;
mod file;
mod idx;
mod npy;
mod number;
mod records;
pub mod selection;
mod synthetic;

use std::path::PathBuf;

use serde::Serialize;

use crate::choice::choice;
use crate::error::{Error, Result};
use cifar::Cifar;
use idx::Idx;
use npy::Npy;
use records::hot;
use selection::Selection;
use synthetic::PowerLaws;

choice! {
    /// Where samples come from.
    pub enum Source {
        /// UCI handwritten digits, bundled: 8×8 pixels (d = 64), ten classes.
        Digits = "digits",
        /// Two vectors of dimension d = 8 with one label each, bundled.
        Toy = "toy",
        /// A folder with the four IDX files of MNIST or a relative of it.
        Idx = "idx",
        /// A folder with the six files of CIFAR-10's binary version.
        Cifar10 = "cifar10",
        /// A file of numbers, one sample per row: columns of inputs and of labels.
        Csv = "csv",
        /// Arrays of NumPy: inputs and labels, as two files or in an archive; samples along the first axis.
        Npy = "npy",
        /// Gaussian directions on the sphere of radius √d, with random signs as labels; or inputs and a linear
        /// target by power laws.
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
    /// Training samples: the first that qualify.
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
    /// What every input is multiplied by, last.
    #[serde(skip_serializing_if = "is_one")]
    pub scale: f64,
    /// The file or folder that has the samples.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub path: Option<PathBuf>,
    /// The file of labels, of NPY data.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub label_path: Option<PathBuf>,
    /// Of synthetic data, the exponent of a power law of the inputs' variances.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub input_exponent: Option<f64>,
    /// Of synthetic data, the exponent of a power law of a linear target.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub target_exponent: Option<f64>,
    /// Dimension d of the inputs, of synthetic data.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub dimension: Option<usize>,
    /// Of synthetic data, the seed of inputs and labels, not of the networks.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub seed: Option<u64>,
}

fn is_one(scale: &f64) -> bool {
    *scale == 1.0
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
    /// What was taken to be so in files that do not say it, in words.
    pub assumed: Vec<String>,
}

/// Loads what was asked for.
///
/// # Errors
/// [`Error::Data`] names the file and the line; [`Error::Io`] a file that cannot be read.
pub fn load(request: &Request) -> Result<DataSet> {
    let path = request.path.clone().unwrap_or_default();
    // Where samples are taken as they come, what is behind them need not be read.
    let in_order = request.split_seed.is_none() && request.classes.is_none();
    let wanted = request.samples.saturating_add(request.test_samples);
    let rows = if in_order { wanted } else { usize::MAX };
    let mut set = match request.source {
        Source::Digits => records::load(&digits::digits()?, request),
        Source::Idx => records::load(&Idx::open(&path)?, request),
        Source::Cifar10 => records::load(&Cifar::open(&path)?, request),
        Source::Toy => {
            records::load(&csv_file::parse("toy", digits::TOY, digits::TOY, rows)?, request)
        }
        Source::Csv => records::load(&csv_file::load(&path, rows)?, request),
        Source::Npy => {
            records::load(&Npy::open(&path, request.label_path.as_deref(), rows)?, request)
        }
        Source::Synthetic => {
            let (dimension, seed) = (request.dimension.unwrap_or(1), request.seed.unwrap_or(0));
            let laws =
                PowerLaws { inputs: request.input_exponent, target: request.target_exponent };
            records::load(&synthetic::draw(dimension, seed, wanted, laws), request)
        }
    }?;
    if request.standardize {
        set.standardize();
    }
    if request.normalize {
        let name = match &request.path {
            Some(path) => path.display().to_string(),
            None => request.source.name().to_owned(),
        };
        set.train.normalize(&name)?;
        set.test.normalize(&name)?;
    }
    let inputs = set.train.inputs.iter_mut().chain(&mut set.test.inputs);
    inputs.for_each(|x| *x *= request.scale);
    Ok(set)
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

    /// Refuses inputs of zeros: h_0 = 0 has no root mean square that a branch could divide it by.
    ///
    /// # Errors
    /// [`Error::Data`] with the first such sample.
    pub fn require_directions(&self, request: &Request) -> Result<()> {
        for samples in [&self.train, &self.test] {
            let mut inputs = samples.inputs.chunks(samples.dimension);
            if let Some(p) = inputs.position(|input| input.iter().all(|x| *x == 0.0)) {
                let source_name = match &request.path {
                    Some(path) => path.display().to_string(),
                    None => request.source.name().to_owned(),
                };
                return Err(Error::Data {
                    source_name,
                    row: None,
                    problem: format!(
                        "all inputs of sample {} are 0, which model.normalization rms would divide by \
                         their root mean square",
                        samples.indices[p]
                    ),
                    help: "remove the sample, or take normalization none".to_owned(),
                });
            }
        }
        Ok(())
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
            let help = "write labels with a column per class, 1 for the class and else 0, or take \
                        loss squared"
                .to_owned();
            Err(Error::Data { source_name: source_name.clone(), row: None, problem, help })
        };
        if self.train.outputs < 2 {
            return refuse("loss cross-entropy needs two label columns or more".to_owned());
        }
        for samples in [&self.train, &self.test] {
            if let Some(p) =
                samples.labels.chunks(samples.outputs).position(|label| hot(label).is_none())
            {
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
