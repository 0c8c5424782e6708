//! arrays.npz: the rows of results.csv as arrays, for `numpy.load`.
//!
//! Every observable is one float64 array over closure, parametrization, width, depth, learning_rate, seed
//! and step, in every experiment, however many of each there are; then over depth_time, or over sample
//! and output, where it lives there. `dims.<name>` names the axes of the array `<name>`, and the array
//! with the name of an axis has its coordinates. `labels` are those of the samples that are there, over
//! sample and output. NaN: not measured.

use std::collections::{BTreeMap, HashMap, HashSet};

use super::results::Row;
use crate::data::Samples;
use crate::error::Result;
use crate::model::{Closure, Parametrization};
use crate::store::npz::{Archive, floats, integers, strings};

/// The axes that every observable has, in their order.
const COMMON: [&str; 7] =
    ["closure", "parametrization", "width", "depth", "learning_rate", "seed", "step"];

/// The coordinates along each axis.
struct Axes {
    closures: Vec<Closure>,
    parametrizations: Vec<Parametrization>,
    widths: Vec<i64>,
    depths: Vec<i64>,
    learning_rates: Vec<f64>,
    seeds: Vec<i64>,
    steps: Vec<i64>,
    depth_times: Vec<f64>,
    samples: Vec<i64>,
    outputs: Vec<i64>,
}

/// Where an observable lives beside the common axes.
#[derive(Clone, Copy)]
enum Last {
    Nothing,
    DepthTime,
    SampleAndOutput,
}

/// The array of one observable.
struct Array {
    last: Last,
    values: Vec<f64>,
}

/// The whole file; `train` has the samples that rows are about, and their labels.
///
/// # Errors
/// [`crate::error::Error::Io`] if encoding fails.
pub fn to_npz(rows: &[Row], train: &Samples) -> Result<Vec<u8>> {
    let axes = Axes::of(rows, train);
    let mut archive = Archive::new("arrays.npz");
    let closures: Vec<_> = axes.closures.iter().map(|closure| closure.name()).collect();
    let parametrizations: Vec<_> = axes.parametrizations.iter().map(|p| p.name()).collect();
    for (name, coordinates) in [
        ("closure", strings(&closures)),
        ("parametrization", strings(&parametrizations)),
        ("width", integers(&axes.widths)),
        ("depth", integers(&axes.depths)),
        ("learning_rate", floats(&[axes.learning_rates.len()], &axes.learning_rates)),
        ("seed", integers(&axes.seeds)),
        ("step", integers(&axes.steps)),
        ("depth_time", floats(&[axes.depth_times.len()], &axes.depth_times)),
        ("sample", integers(&axes.samples)),
        ("output", integers(&axes.outputs)),
    ] {
        archive.add(name, &coordinates)?;
    }
    let [samples, outputs] = [&axes.samples, &axes.outputs].map(Vec::len);
    archive.add_named("labels", &["sample", "output"], &[samples, outputs], &axes.labels(train))?;
    let common = axes.common();
    for (name, Array { last, values }) in axes.arrays(rows) {
        let (more, lengths) = axes.more(last);
        let (dims, shape) = ([&COMMON[..], more].concat(), [&common[..], &lengths].concat());
        archive.add_named(name, &dims, &shape, &values)?;
    }
    archive.finish()
}

impl Axes {
    fn of(rows: &[Row], train: &Samples) -> Self {
        let measured: HashSet<u32> = rows.iter().filter_map(|row| row.sample).collect();
        let samples = train.indices.iter().filter(|index| measured.contains(index));
        Axes {
            closures: in_order(rows.iter().map(|row| row.task.closure)),
            parametrizations: in_order(rows.iter().map(|row| row.task.parametrization)),
            widths: ascending(rows.iter().map(|row| row.task.width as i64)),
            depths: ascending(rows.iter().map(|row| row.task.depth as i64)),
            learning_rates: numbers(rows.iter().map(|row| row.task.learning_rate.value())),
            seeds: ascending(rows.iter().map(|row| row.task.seed as i64)),
            steps: ascending(rows.iter().map(|row| i64::from(row.step))),
            depth_times: numbers(rows.iter().filter_map(|row| row.depth_time)),
            samples: samples.map(|&index| i64::from(index)).collect(),
            outputs: (0..train.outputs as i64).collect(),
        }
    }

    /// The lengths of the axes that every observable has.
    fn common(&self) -> [usize; 7] {
        [
            self.closures.len(),
            self.parametrizations.len(),
            self.widths.len(),
            self.depths.len(),
            self.learning_rates.len(),
            self.seeds.len(),
            self.steps.len(),
        ]
    }

    /// The names of the other axes, and their lengths.
    fn more(&self, last: Last) -> (&'static [&'static str], Vec<usize>) {
        match last {
            Last::Nothing => (&[], vec![]),
            Last::DepthTime => (&["depth_time"], vec![self.depth_times.len()]),
            Last::SampleAndOutput => {
                (&["sample", "output"], vec![self.samples.len(), self.outputs.len()])
            }
        }
    }

    /// Where a row is on the common axes.
    fn index(&self, row: &Row) -> [usize; 7] {
        let task = row.task;
        let closure = self.closures.iter().position(|closure| *closure == task.closure);
        let setting = self.parametrizations.iter().position(|p| *p == task.parametrization);
        [
            closure.unwrap_or(0),
            setting.unwrap_or(0),
            place(&self.widths, task.width as i64),
            place(&self.depths, task.depth as i64),
            place_of_number(&self.learning_rates, task.learning_rate.value()),
            place(&self.seeds, task.seed as i64),
            place(&self.steps, i64::from(row.step)),
        ]
    }

    /// The labels of the samples along the axis, sample by sample.
    fn labels(&self, train: &Samples) -> Vec<f64> {
        let of = train.indices.iter().zip(train.labels.chunks(train.outputs));
        let samples: HashSet<i64> = self.samples.iter().copied().collect();
        let there = of.filter(|(index, _)| samples.contains(&i64::from(**index)));
        there.flat_map(|(_, labels)| labels).copied().collect()
    }

    /// The array of each observable, by name.
    fn arrays(&self, rows: &[Row]) -> BTreeMap<&'static str, Array> {
        let mut arrays = BTreeMap::new();
        let common = self.common();
        let samples: HashMap<i64, usize> = self.samples.iter().copied().zip(0..).collect();
        for row in rows {
            let (last, at) = match (row.depth_time, row.sample, row.output) {
                (Some(time), ..) => (Last::DepthTime, place_of_number(&self.depth_times, time)),
                (None, Some(sample), Some(output)) => {
                    let sample = samples.get(&i64::from(sample)).copied().unwrap_or(0);
                    (Last::SampleAndOutput, sample * self.outputs.len() + output)
                }
                _ => (Last::Nothing, 0),
            };
            let length: usize = self.more(last).1.iter().product();
            let array = arrays.entry(row.observable.name()).or_insert_with(|| Array {
                last,
                values: vec![f64::NAN; common.iter().product::<usize>() * length],
            });
            let flat = common.iter().zip(self.index(row)).fold(0, |flat, (n, i)| flat * n + i);
            array.values[flat * length + at] = row.value;
        }
        arrays
    }
}

/// Where a number is among ascending ones.
fn place(values: &[i64], value: i64) -> usize {
    values.binary_search(&value).unwrap_or(0)
}

/// The same of floating-point numbers.
fn place_of_number(values: &[f64], value: f64) -> usize {
    values.binary_search_by(|other| other.total_cmp(&value)).unwrap_or(0)
}

/// Each value once.
fn ascending(values: impl Iterator<Item = i64>) -> Vec<i64> {
    let mut values: Vec<i64> = values.collect();
    values.sort_unstable();
    values.dedup();
    values
}

/// Each number once.
fn numbers(values: impl Iterator<Item = f64>) -> Vec<f64> {
    let mut values: Vec<f64> = values.collect();
    values.sort_unstable_by(f64::total_cmp);
    values.dedup();
    values
}

/// Each value once, in the order of their first appearance.
fn in_order<T: Copy + PartialEq>(values: impl Iterator<Item = T>) -> Vec<T> {
    let mut seen = Vec::new();
    for value in values {
        if !seen.contains(&value) {
            seen.push(value);
        }
    }
    seen
}
