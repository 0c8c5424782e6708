//! results.csv by what identifies a number, and the curves that claims are made of.

use std::collections::HashMap;

use crate::model::{Closure, Parametrization};
use crate::observables::results::Row;
use crate::stats::curve::{Curve, Point, Reduction, Values};
use crate::stats::fit::Reference;

/// Formed here from the rows `difference.f.*`.
pub const WEAK: &str = "weak.f";

/// Closure, parametrization, bits of the learning rate; width, depth; step, observable, bits of the
/// depth time.
type Key<'a> = ((&'a str, &'a str, u64), (usize, usize), (u32, &'a str, Option<u64>));

/// An index over rows.
pub struct Index<'a> {
    seeds: usize,
    rows: HashMap<Key<'a>, Vec<&'a Row>>,
    /// Observables named difference.f.*, in order.
    differences: Vec<&'a str>,
}

/// What a curve is about.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Subject<'a> {
    /// Closure
    pub closure: Closure,
    /// Parametrization
    pub parametrization: Parametrization,
    /// η
    pub learning_rate: f64,
    /// Updates done.
    pub step: u32,
    /// Observable, or [`WEAK`].
    pub observable: &'a str,
    /// Where on the horizon.
    pub depth_time: Option<f64>,
}

impl<'a> Index<'a> {
    /// Over all rows of an experiment with this many seeds.
    pub fn new(rows: &'a [Row], seeds: u64) -> Self {
        let mut index = Index { seeds: seeds as usize, rows: HashMap::new(), differences: vec![] };
        for row in rows {
            let time = row.depth_time.map(f64::to_bits);
            let name = row.observable.as_str();
            let setting = (row.closure, row.parametrization, row.learning_rate.to_bits());
            let key = (setting, (row.width, row.depth), (row.step, name, time));
            index.rows.entry(key).or_default().push(row);
            if name.starts_with("difference.f.") && !index.differences.contains(&name) {
                index.differences.push(name);
            }
        }
        index
    }

    /// The curve of `subject` over `sizes` (width, depth), with `xz` of each. Sizes without any number
    /// are left out, then seeds that lack one at any of the others: every point is of the same
    /// seeds, or survivors of the deepest networks would be compared with all of the shallow ones.
    pub fn curve(
        &self,
        subject: Subject<'a>,
        sizes: &[(usize, usize)],
        xz: impl Fn((usize, usize)) -> (f64, f64),
        reference: Reference,
    ) -> (Curve, Vec<(usize, usize)>) {
        let reduction = match subject.observable {
            WEAK => Reduction::RootMeanSquareOfMeans,
            _ => Reduction::Mean,
        };
        let mut curve = Curve { points: Vec::new(), reduction, reference, seeds: self.seeds };
        let mut present = Vec::new();
        for &(width, depth) in sizes {
            let (x, z) = xz((width, depth));
            let point = Point { x, z, values: self.values(subject, (width, depth)) };
            if curve.value(&point, None).is_some() {
                curve.points.push(point);
                present.push((width, depth));
            }
        }
        let whole = |seed: &usize| {
            curve.points.iter().flat_map(|p| &p.values).all(|seeds| seeds[*seed].is_some())
        };
        let kept: Vec<usize> = (0..self.seeds).filter(whole).collect();
        for values in curve.points.iter_mut().flat_map(|point| &mut point.values) {
            *values = kept.iter().map(|&seed| values[seed]).collect();
        }
        curve.seeds = kept.len();
        (curve, present)
    }

    /// The values of `subject` at (width, depth), by output and seed.
    pub fn values(&self, subject: Subject<'a>, size: (usize, usize)) -> Values {
        let Subject { closure, parametrization, learning_rate, step, observable, depth_time } =
            subject;
        let setting = (closure.name(), parametrization.name(), learning_rate.to_bits());
        let single = [observable];
        let names = if observable == WEAK { &self.differences[..] } else { &single };
        let seeds_of = |&name: &&'a str| {
            let time = depth_time.map(f64::to_bits);
            let mut values = vec![None; self.seeds];
            let rows = self.rows.get(&(setting, size, (step, name, time)));
            for row in rows.into_iter().flatten() {
                values[row.seed as usize] = Some(row.value);
            }
            values
        };
        names.iter().map(seeds_of).collect()
    }
}
