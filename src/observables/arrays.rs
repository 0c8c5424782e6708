//! arrays.npz: the rows of results.csv as arrays, for `numpy.load`.
//!
//! Coordinates: closures, widths, depths, seeds, steps, depth_times, outputs. Every observable is
//! one float64 array over (closure, width, depth, seed, step), then depth_time where it lives
//! there; `f` and `difference.f` have a last axis of outputs. Where there are several
//! parametrizations, they come after the closures; several learning_rates after the depths. NaN: not
//! measured.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::hash::Hash;

use super::results::{Row, output_name};
use crate::error::Result;
use crate::model::{Closure, Parametrization};
use crate::store::npz::{Archive, floats, integers, strings};

/// The values that the rows have along each axis.
struct Axes {
    closures: Vec<Closure>,
    parametrizations: Vec<Parametrization>,
    widths: Vec<i64>,
    depths: Vec<i64>,
    learning_rates: Vec<f64>,
    seeds: Vec<i64>,
    steps: Vec<i64>,
    depth_times: Vec<f64>,
    /// Sample, and output where there are several.
    outputs: Vec<(u32, Option<usize>)>,
}

/// The array of one observable: an axis more than those that all have, and the values.
struct Array {
    last: Option<usize>,
    values: Vec<f64>,
}

/// The whole file.
///
/// # Errors
/// [`crate::error::Error::Io`] if encoding fails.
pub fn to_npz(rows: &[Row]) -> Result<Vec<u8>> {
    let axes = Axes::of(rows);
    let mut archive = Archive::new("arrays.npz");
    let names: Vec<_> = axes.closures.iter().map(|closure| closure.name()).collect();
    archive.add("closures", &strings(&names))?;
    let names: Vec<_> = axes.parametrizations.iter().map(|setting| setting.name()).collect();
    archive.add("parametrizations", &strings(&names))?;
    for (name, values) in [
        ("widths", &axes.widths),
        ("depths", &axes.depths),
        ("seeds", &axes.seeds),
        ("steps", &axes.steps),
    ] {
        archive.add(name, &integers(values))?;
    }
    for (name, values) in
        [("learning_rates", &axes.learning_rates), ("depth_times", &axes.depth_times)]
    {
        archive.add(name, &floats(&[values.len()], values))?;
    }
    let names: Vec<_> = axes.outputs.iter().map(|&(p, output)| output_name(p, output)).collect();
    archive.add("outputs", &strings(&names.iter().map(String::as_str).collect::<Vec<_>>()))?;
    for (name, Array { last, values }) in axes.arrays(rows) {
        let mut shape = axes.shape();
        shape.extend(last);
        archive.add(name, &floats(&shape, &values))?;
    }
    archive.finish()
}

impl Axes {
    fn of(rows: &[Row]) -> Self {
        let sizes = |of: fn(&Row) -> i64| {
            let mut values: Vec<i64> = rows.iter().map(of).collect();
            values.sort_unstable();
            values.dedup();
            values
        };
        Axes {
            closures: in_order(rows.iter().map(|row| row.task.closure)),
            parametrizations: in_order(rows.iter().map(|row| row.task.parametrization)),
            widths: sizes(|row| row.task.width as i64),
            depths: sizes(|row| row.task.depth as i64),
            learning_rates: ascending(rows.iter().map(|row| row.task.learning_rate.value())),
            seeds: sizes(|row| row.task.seed as i64),
            steps: sizes(|row| i64::from(row.step)),
            depth_times: ascending(rows.iter().filter_map(|row| row.depth_time)),
            outputs: in_order(rows.iter().filter_map(|row| Some((row.sample?, row.output)))),
        }
    }

    /// The length of every axis that all observables have.
    fn shape(&self) -> Vec<usize> {
        let Axes { closures, widths, depths, seeds, steps, .. } = self;
        let several = |length: usize| (length > 1).then_some(length);
        [
            Some(closures.len()),
            several(self.parametrizations.len()),
            Some(widths.len()),
            Some(depths.len()),
            several(self.learning_rates.len()),
            Some(seeds.len()),
            Some(steps.len()),
        ]
        .into_iter()
        .flatten()
        .collect()
    }

    /// Where a row is on these axes.
    fn index(&self, row: &Row) -> Vec<usize> {
        let task = row.task;
        let size = |values: &[i64], value: i64| values.binary_search(&value).unwrap_or(0);
        let closure = self.closures.iter().position(|c| *c == task.closure);
        let setting = self.parametrizations.iter().position(|p| *p == task.parametrization);
        let rate = task.learning_rate.value();
        let rate = self.learning_rates.binary_search_by(|other| other.total_cmp(&rate));
        let several = |length: usize, at: usize| (length > 1).then_some(at);
        [
            closure,
            several(self.parametrizations.len(), setting.unwrap_or(0)),
            Some(size(&self.widths, task.width as i64)),
            Some(size(&self.depths, task.depth as i64)),
            several(self.learning_rates.len(), rate.unwrap_or(0)),
            Some(size(&self.seeds, task.seed as i64)),
            Some(size(&self.steps, i64::from(row.step))),
        ]
        .into_iter()
        .flatten()
        .collect()
    }

    /// The array of each observable, by name.
    fn arrays(&self, rows: &[Row]) -> BTreeMap<&'static str, Array> {
        let mut arrays = BTreeMap::new();
        let outputs: HashMap<_, _> = self.outputs.iter().copied().zip(0..).collect();
        let shape = self.shape();
        for row in rows {
            let last = match (row.depth_time, row.sample) {
                (Some(time), _) => {
                    let at = self.depth_times.binary_search_by(|t| t.total_cmp(&time));
                    Some((self.depth_times.len(), at.unwrap_or(0)))
                }
                (None, Some(sample)) => {
                    let at = outputs.get(&(sample, row.output)).copied();
                    Some((self.outputs.len(), at.unwrap_or(0)))
                }
                (None, None) => None,
            };
            let (length, at) = last.unwrap_or((1, 0));
            let array = arrays.entry(row.observable.name()).or_insert_with(|| Array {
                last: last.map(|(length, _)| length),
                values: vec![f64::NAN; shape.iter().product::<usize>() * length],
            });
            let flat = shape.iter().zip(self.index(row)).fold(0, |flat, (n, i)| flat * n + i);
            array.values[flat * length + at] = row.value;
        }
        arrays
    }
}

/// Each value once.
fn ascending(values: impl Iterator<Item = f64>) -> Vec<f64> {
    let mut values: Vec<f64> = values.collect();
    values.sort_unstable_by(f64::total_cmp);
    values.dedup();
    values
}

/// Each value once, in the order of their first appearance.
fn in_order<T: Copy + Eq + Hash>(values: impl Iterator<Item = T>) -> Vec<T> {
    let mut seen = HashSet::new();
    values.filter(|value| seen.insert(*value)).collect()
}
