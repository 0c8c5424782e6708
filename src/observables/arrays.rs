//! arrays.npz: the rows of results.csv as arrays, for `numpy.load`.
//!
//! Coordinates: closures, widths, depths, seeds, steps, depth_times, outputs. Every observable is
//! one float64 array over (closure, width, depth, seed, step), then depth_time where it lives
//! there; `f` and `difference.f` have a last axis of outputs. Where there are several
//! parametrizations, they come after the closures; several learning_rates after the depths. NaN: not
//! measured.

use std::collections::{BTreeMap, HashMap, HashSet};

use super::results::Row;
use crate::error::Result;
use crate::store::npz::{Archive, floats, integers, strings};

/// Observables with a number for every output: `<name>.<output>`.
const PER_OUTPUT: [&str; 2] = ["f", "difference.f"];

/// The values that the rows have along each axis.
struct Axes<'a> {
    closures: Vec<&'a str>,
    parametrizations: Vec<&'a str>,
    widths: Vec<i64>,
    depths: Vec<i64>,
    learning_rates: Vec<f64>,
    seeds: Vec<i64>,
    steps: Vec<i64>,
    depth_times: Vec<f64>,
    outputs: Vec<&'a str>,
}

/// One observable: an axis more than those that all have, and the values.
struct Observable {
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
    archive.add("closures", &strings(&axes.closures))?;
    archive.add("parametrizations", &strings(&axes.parametrizations))?;
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
    archive.add("outputs", &strings(&axes.outputs))?;
    for (name, Observable { last, values }) in axes.observables(rows) {
        let mut shape = axes.shape();
        shape.extend(last);
        archive.add(name, &floats(&shape, &values))?;
    }
    archive.finish()
}

/// The array an observable belongs to, and its output where it has one.
fn split(observable: &str) -> (&str, Option<&str>) {
    PER_OUTPUT
        .iter()
        .find_map(|name| Some((*name, observable.strip_prefix(name)?.strip_prefix('.')?)))
        .map_or((observable, None), |(name, output)| (name, Some(output)))
}

impl<'a> Axes<'a> {
    fn of(rows: &'a [Row]) -> Self {
        let sizes = |of: fn(&Row) -> i64| {
            let mut values: Vec<i64> = rows.iter().map(of).collect();
            values.sort_unstable();
            values.dedup();
            values
        };
        Axes {
            closures: in_order(rows.iter().map(|row| row.closure)),
            parametrizations: in_order(rows.iter().map(|row| row.parametrization)),
            widths: sizes(|row| row.width as i64),
            depths: sizes(|row| row.depth as i64),
            learning_rates: ascending(rows.iter().map(|row| row.learning_rate)),
            seeds: sizes(|row| row.seed as i64),
            steps: sizes(|row| i64::from(row.step)),
            depth_times: ascending(rows.iter().filter_map(|row| row.depth_time)),
            outputs: in_order(rows.iter().filter_map(|row| split(&row.observable).1)),
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
        let position = |values: &[i64], value: i64| values.binary_search(&value).unwrap_or(0);
        let named = |names: &[&str], name| names.iter().position(|n| *n == name).unwrap_or(0);
        let rate = self.learning_rates.binary_search_by(|rate| rate.total_cmp(&row.learning_rate));
        let several = |length: usize, at: usize| (length > 1).then_some(at);
        [
            Some(named(&self.closures, row.closure)),
            several(
                self.parametrizations.len(),
                named(&self.parametrizations, row.parametrization),
            ),
            Some(position(&self.widths, row.width as i64)),
            Some(position(&self.depths, row.depth as i64)),
            several(self.learning_rates.len(), rate.unwrap_or(0)),
            Some(position(&self.seeds, row.seed as i64)),
            Some(position(&self.steps, i64::from(row.step))),
        ]
        .into_iter()
        .flatten()
        .collect()
    }

    /// By name.
    fn observables(&self, rows: &'a [Row]) -> BTreeMap<&'a str, Observable> {
        let mut observables = BTreeMap::new();
        let outputs: HashMap<_, _> = self.outputs.iter().zip(0..).collect();
        let shape = self.shape();
        for row in rows {
            let (name, output) = split(&row.observable);
            let last = match (row.depth_time, output) {
                (Some(time), _) => {
                    let at = self.depth_times.binary_search_by(|t| t.total_cmp(&time));
                    Some((self.depth_times.len(), at.unwrap_or(0)))
                }
                (None, Some(output)) => {
                    Some((self.outputs.len(), outputs.get(&output).copied().unwrap_or(0)))
                }
                (None, None) => None,
            };
            let (length, at) = last.unwrap_or((1, 0));
            let observable = observables.entry(name).or_insert_with(|| Observable {
                last: last.map(|(length, _)| length),
                values: vec![f64::NAN; shape.iter().product::<usize>() * length],
            });
            let flat = shape.iter().zip(self.index(row)).fold(0, |flat, (n, i)| flat * n + i);
            observable.values[flat * length + at] = row.value;
        }
        observables
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
fn in_order<'a>(values: impl Iterator<Item = &'a str>) -> Vec<&'a str> {
    let mut seen = HashSet::new();
    values.filter(|value| seen.insert(*value)).collect()
}
