//! Samples: bundled sets, CSV files, synthetic directions; selected, normalised, labelled.

mod csv_file;
mod digits;
mod synthetic;

use std::path::PathBuf;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};

/// Where samples come from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Source {
    /// UCI optical digits, bundled: 8×8 pixels, ten classes.
    Digits,
    /// Two vectors of dimension 8, bundled.
    Toy,
    /// A file with a header and numbers: columns x…, then y….
    Csv,
    /// Gaussian directions on the sphere of radius √d, with random signs as labels.
    Synthetic,
}

/// How classes become labels.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Labels {
    /// −1 for the first of two classes, +1 for the second.
    Sign,
    /// One output a class.
    OneHot,
    /// The numbers in the file.
    Values,
}

/// A resolved wish for data; every field that a source does not use is None.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Request {
    /// Where from.
    pub source: Source,
    /// Training samples: the first so many that fit.
    pub samples: usize,
    /// Test samples: those that follow.
    pub test_samples: usize,
    /// Digits: which classes, in the order of their labels.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub classes: Option<Vec<u8>>,
    /// How labels are made.
    pub labels: Labels,
    /// Scale every input to ‖x‖ = √d.
    pub normalize: bool,
    /// CSV: the file.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub path: Option<PathBuf>,
    /// Synthetic: d.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub dimension: Option<usize>,
    /// Synthetic: the seed of inputs and labels, not of the networks.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub seed: Option<u64>,
}

/// Labelled samples.
#[derive(Clone, Debug, PartialEq)]
pub struct Samples {
    /// d
    pub dimension: usize,
    /// O
    pub outputs: usize,
    /// P×d, one sample after the other.
    pub inputs: Vec<f64>,
    /// P×O, one sample after the other.
    pub labels: Vec<f64>,
    /// Positions in the data set: what noise is addressed by.
    pub indices: Vec<u32>,
}

impl Samples {
    /// P
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
    let wanted = request.samples.saturating_add(request.test_samples);
    let (name, mut samples) = match request.source {
        Source::Digits => {
            ("digits".to_owned(), digits::load(request.classes.as_deref(), request.labels, wanted)?)
        }
        Source::Toy => ("toy".to_owned(), csv_file::parse("toy", digits::TOY, wanted)?),
        Source::Csv => {
            let path = request.path.clone().unwrap_or_default();
            (path.display().to_string(), csv_file::load(&path, wanted)?)
        }
        Source::Synthetic => {
            let dimension = request.dimension.unwrap_or(1);
            let seed = request.seed.unwrap_or(0);
            ("synthetic".to_owned(), synthetic::draw(dimension, seed, wanted))
        }
    };
    if samples.len() < wanted {
        return Err(Error::Data {
            source_name: name,
            row: None,
            problem: format!(
                "{} training and {} test samples asked for, but there are {}",
                request.samples,
                request.test_samples,
                samples.len()
            ),
            help: "lower data.samples or data.test_samples, or select more classes".to_owned(),
        });
    }
    if request.normalize {
        samples.normalize(&name)?;
    }
    Ok(DataSet {
        train: samples.select(0..request.samples),
        test: samples.select(request.samples..wanted),
    })
}

impl DataSet {
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
