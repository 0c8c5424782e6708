//! Sets of records with labels, in training files and in test files: what every source is read as.

use super::selection::{LOWER, choose, order, too_few};
use super::{DataSet, Labels, Request, Samples};
use crate::error::{Error, Result};

/// Numbers of all labels, or of all chosen inputs, at most: 2 GB.
pub const MOST_NUMBERS: usize = 1 << 28;

/// The part of a set that records belong to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// Those to train on.
    Train,
    /// Those to test with; a set may have none of its own.
    Test,
}

/// The labels of all records of a part, one record after the other.
#[derive(Clone, Debug, Default)]
pub struct Targets {
    /// The number of labels of a record.
    pub outputs: usize,
    /// The labels of all records; empty where there is no such part.
    pub numbers: Vec<f64>,
}

impl Targets {
    /// Classes as they are: one label a record.
    pub fn of_classes(classes: impl IntoIterator<Item = u8>) -> Targets {
        Targets { outputs: 1, numbers: classes.into_iter().map(f64::from).collect() }
    }

    /// The number of records.
    pub fn len(&self) -> usize {
        self.numbers.len() / self.outputs.max(1)
    }

    /// The classes that labels name: as numbers, or one-hot.
    fn classes(&self, name: &str) -> Result<Vec<u8>> {
        let help = "data.classes needs one label a record, a class of 0 to 255, or one-hot labels; \
                    without it labels are numbers";
        let rows = self.numbers.chunks(self.outputs.max(1));
        if self.outputs > 1 {
            let class = |row: &[f64]| Some(hot(row)?.min(usize::from(u8::MAX)) as u8);
            let wrong = |i| {
                let problem = format!(
                    "has {} label columns and is not one-hot: sample {i} has no single 1 among zeros",
                    self.outputs
                );
                data_error(name, problem, help)
            };
            let rows = rows.enumerate();
            return rows.map(|(i, row)| class(row).ok_or_else(|| wrong(i))).collect();
        }
        let class = |(i, &y): (usize, &f64)| {
            let is_class = y.fract() == 0.0 && (0.0..256.0).contains(&y);
            let problem = || format!("sample {i} has label {y}, which is no class");
            if is_class { Ok(y as u8) } else { Err(data_error(name, problem(), help)) }
        };
        self.numbers.iter().enumerate().map(class).collect()
    }
}

/// The position of the single 1 among zeros.
pub fn hot(label: &[f64]) -> Option<usize> {
    let zeros = label.iter().filter(|&&y| y == 0.0).count();
    let one = label.iter().position(|&y| y == 1.0);
    one.filter(|_| zeros == label.len() - 1)
}

/// A set of which only the labels need be in memory.
pub trait Records {
    /// What it is called in errors.
    fn name(&self) -> String;

    /// What its labels are called in errors.
    fn label_name(&self) -> String {
        self.name()
    }

    /// Dimension d of an input.
    fn dimension(&self) -> usize;

    /// The labels of every record.
    fn labels(&self, part: Part) -> &Targets;

    /// Hands over the inputs of the records at ascending positions, d numbers each.
    ///
    /// # Errors
    /// Where the file is damaged, with the record.
    fn read(&self, part: Part, positions: &[usize], keep: &mut dyn FnMut(&[f64])) -> Result<()>;

    /// What was taken to be so without being said anywhere, in words.
    fn assumed(&self) -> Vec<String> {
        Vec::new()
    }
}

/// A set that is in memory, without test records of its own.
pub struct Table {
    /// What it is called in errors.
    pub name: String,
    /// Dimension d of an input.
    pub dimension: usize,
    /// The inputs of all records, one after the other.
    pub inputs: Vec<f64>,
    /// The labels of all records.
    pub labels: Targets,
    /// What was taken to be so, in words.
    pub assumed: Vec<String>,
}

impl Records for Table {
    fn name(&self) -> String {
        self.name.clone()
    }

    fn dimension(&self) -> usize {
        self.dimension
    }

    fn labels(&self, part: Part) -> &Targets {
        const NONE: &Targets = &Targets { outputs: 0, numbers: Vec::new() };
        if part == Part::Train { &self.labels } else { NONE }
    }

    fn read(&self, _: Part, positions: &[usize], keep: &mut dyn FnMut(&[f64])) -> Result<()> {
        positions.iter().for_each(|&p| keep(&self.inputs[p * self.dimension..][..self.dimension]));
        Ok(())
    }

    fn assumed(&self) -> Vec<String> {
        self.assumed.clone()
    }
}

/// The samples that `request` asks for: training ones, and test ones from the set's own, or those that
/// follow where it has none. Indices count all records, training ones first.
///
/// # Errors
/// When there are not so many, or the set is damaged.
pub fn load(set: &dyn Records, request: &Request) -> Result<DataSet> {
    let (train, test) = (request.samples, request.test_samples);
    let own_test = set.labels(Part::Test).len() > 0;
    let both = train.saturating_add(test);
    let of = |part: Part, wanted: usize| -> Result<(Vec<usize>, Option<Vec<u8>>)> {
        let labels = set.labels(part);
        let Some(wished) = &request.classes else {
            let mut all = order(labels.len(), request.split_seed);
            if all.len() < wanted {
                return Err(data_error(&set.name(), too_few(request, all.len()), LOWER));
            }
            all.truncate(wanted);
            return Ok((all, None));
        };
        let classes = labels.classes(&set.label_name())?;
        let chosen = choose(&classes, wished, wanted, request);
        let refuse = |(problem, help)| data_error(&set.name(), problem, help);
        Ok((chosen.map_err(refuse)?, Some(classes)))
    };
    let (chosen, classes) = of(Part::Train, if own_test { train } else { both })?;
    let (chosen, rest) = chosen.split_at(train);
    let train = samples(set, Part::Train, chosen, classes.as_deref(), request)?;
    let test = if own_test {
        let (chosen, classes) = of(Part::Test, test)?;
        samples(set, Part::Test, &chosen, classes.as_deref(), request)?
    } else {
        samples(set, Part::Train, rest, classes.as_deref(), request)?
    };
    Ok(DataSet { train, test, assumed: set.assumed() })
}

/// The samples at these positions, of which `classes` are those of all records.
fn samples(
    set: &dyn Records,
    part: Part,
    positions: &[usize],
    classes: Option<&[u8]>,
    request: &Request,
) -> Result<Samples> {
    let targets = set.labels(part);
    let wished = request.classes.as_deref().unwrap_or(&[]);
    let outputs = match (classes, request.labels) {
        (None, _) => targets.outputs,
        (Some(_), Labels::OneHot) => wished.len(),
        (Some(_), _) => 1,
    };
    let d = set.dimension();
    if positions.len().saturating_mul(d) > MOST_NUMBERS {
        let problem = format!("{} samples of {d} numbers take too much memory", positions.len());
        return Err(data_error(&set.name(), problem, LOWER));
    }
    let before = if part == Part::Train { 0 } else { set.labels(Part::Train).len() };
    let mut order: Vec<usize> = (0..positions.len()).collect();
    order.sort_unstable_by_key(|&i| positions[i]);
    let ascending: Vec<usize> = order.iter().map(|&i| positions[i]).collect();
    let mut samples = Samples::new(d, outputs);
    let mut left = ascending.iter();
    set.read(part, &ascending, &mut |input| {
        let Some(&position) = left.next() else { return };
        let label = match classes {
            Some(classes) => label(classes[position], wished, request.labels),
            None => targets.numbers[position * outputs..][..outputs].to_vec(),
        };
        samples.push((before + position) as u32, input, &label);
    })?;
    if order.is_sorted() {
        return Ok(samples);
    }
    let mut places = vec![0; order.len()];
    order.iter().enumerate().for_each(|(read, &i)| places[i] = read);
    Ok(samples.select(places))
}

/// The label of a class, which is one of `classes`.
fn label(class: u8, classes: &[u8], labels: Labels) -> Vec<f64> {
    let position = classes.iter().position(|&c| c == class).unwrap_or(0);
    match labels {
        Labels::Sign => vec![if position == 0 { -1.0 } else { 1.0 }],
        Labels::Values => vec![f64::from(class)],
        Labels::OneHot => (0..classes.len()).map(|o| f64::from(u8::from(o == position))).collect(),
    }
}

/// Of a whole set.
pub fn data_error(name: &str, problem: String, help: impl Into<String>) -> Error {
    Error::Data { source_name: name.to_owned(), row: None, problem, help: help.into() }
}
