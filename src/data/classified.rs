//! Sets of records with a class each: bytes, such as pixels, in training files and in test files.

use super::selection::choose;
use super::{DataSet, Labels, Request, Samples};
use crate::error::{Error, Result};

/// The part of a set that records belong to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// Those to train on.
    Train,
    /// Those to test with; a set may have none of its own.
    Test,
}

/// A set of which only the classes are in memory.
pub trait Classified {
    /// What it is called in errors.
    fn name(&self) -> String;

    /// Dimension d of an input.
    fn dimension(&self) -> usize;

    /// The class of every record.
    fn classes_of(&self, part: Part) -> &[u8];

    /// The records at ascending positions, d bytes each.
    ///
    /// # Errors
    /// Where the file is damaged, with the record.
    fn read(&self, part: Part, positions: &[usize]) -> Result<Vec<Vec<u8>>>;
}

/// The samples that `request` asks for: training ones, and test ones from the set's own, or those that
/// follow where it has none. Indices count all records, training ones first.
///
/// # Errors
/// When there are not so many, or the set is damaged.
pub fn load(set: &dyn Classified, request: &Request) -> Result<DataSet> {
    let classes = request.classes.as_deref().unwrap_or(&[0, 1]);
    let (train, test) = (request.samples, request.test_samples);
    let own_test = !set.classes_of(Part::Test).is_empty();
    let wanted = if own_test { train } else { train.saturating_add(test) };
    let of = |part: Part, wanted: usize| {
        let chosen = choose(set.classes_of(part), classes, wanted, request);
        chosen.map_err(|(problem, help)| data_error(&set.name(), problem, help))
    };
    let chosen = of(Part::Train, wanted)?;
    let (chosen, rest) = chosen.split_at(train);
    let train = samples(set, Part::Train, chosen, (classes, request.labels))?;
    let test = match own_test {
        true => samples(set, Part::Test, &of(Part::Test, test)?, (classes, request.labels))?,
        false => samples(set, Part::Train, rest, (classes, request.labels))?,
    };
    Ok(DataSet { train, test })
}

fn samples(
    set: &dyn Classified,
    part: Part,
    positions: &[usize],
    (classes, labels): (&[u8], Labels),
) -> Result<Samples> {
    let outputs = if labels == Labels::OneHot { classes.len() } else { 1 };
    let mut samples = Samples::new(set.dimension(), outputs);
    let mut order: Vec<usize> = (0..positions.len()).collect();
    order.sort_unstable_by_key(|&i| positions[i]);
    let ascending: Vec<usize> = order.iter().map(|&i| positions[i]).collect();
    let mut records = vec![Vec::new(); positions.len()];
    for (record, &i) in set.read(part, &ascending)?.into_iter().zip(&order) {
        records[i] = record;
    }
    let before = if part == Part::Train { 0 } else { set.classes_of(Part::Train).len() };
    for (&position, record) in positions.iter().zip(&records) {
        let input: Vec<f64> = record.iter().map(|&byte| f64::from(byte)).collect();
        let label = label(set.classes_of(part)[position], classes, labels);
        samples.push((before + position) as u32, &input, &label);
    }
    Ok(samples)
}

/// The label of a class, which is one of `classes`.
pub fn label(class: u8, classes: &[u8], labels: Labels) -> Vec<f64> {
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
