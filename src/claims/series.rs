//! results.csv by what identifies a number, and the curves that claims are made of.

use std::collections::HashMap;
use std::ops::Range;

use crate::experiment::grid::{LearningRate, Task};
use crate::model::{Closure, Parametrization};
use crate::observables::{Observable, Row};
use crate::stats::curve::{Curve, Point, Reduction, Reference, Values, without_floor};

/// What identifies a number but for its seed: the task of seed 0, the step, the observable, the bits
/// of the depth time, sample and output.
#[derive(PartialEq, Eq, Hash)]
struct Key {
    kind: Task,
    step: u32,
    observable: Observable,
    depth_time: Option<u64>,
    output: Output,
}

/// Sample and output, of an observable that has them.
type Output = (Option<u32>, Option<usize>);

/// An index over rows.
pub struct Index {
    first_seed: u64,
    seeds: usize,
    values: HashMap<Key, Vec<(u64, f64)>>,
    /// The outputs that have a difference to the reference, in order.
    differences: Vec<Output>,
    /// The outputs that have a difference to the limit, in order.
    limits: Vec<Output>,
}

/// What a curve is about.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Subject {
    /// The closure of its runs.
    pub closure: Closure,
    /// The parametrization of its runs.
    pub parametrization: Parametrization,
    /// Learning rate η of the hidden weights.
    pub learning_rate: f64,
    /// Updates done before the pass.
    pub step: u32,
    /// What is measured, or formed from several rows.
    pub observable: Observable,
    /// Depth time t, of an observable that has one.
    pub depth_time: Option<f64>,
}

/// A point of a curve: what is measured there, and where.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Place {
    /// What is measured, and after how many updates.
    pub subject: Subject,
    /// Width n of its networks.
    pub width: usize,
    /// Depth L of its networks.
    pub depth: usize,
    /// A smaller width, with which the point is extrapolated to infinite width.
    pub narrower: Option<usize>,
    /// What varies along the curve.
    pub x: f64,
    /// The other size of a sum.
    pub z: f64,
}

impl Index {
    /// Over all rows of an experiment of these seeds.
    pub fn new(rows: &[Row], seeds: Range<u64>) -> Self {
        let mut values = HashMap::new();
        let (mut differences, mut limits) = (Vec::new(), Vec::new());
        for row in rows {
            let output = (row.sample, row.output);
            let key = Key {
                kind: row.task.kind(),
                step: row.step,
                observable: row.observable,
                depth_time: row.depth_time.map(f64::to_bits),
                output,
            };
            values.entry(key).or_insert_with(Vec::new).push((row.task.seed, row.value));
            if row.observable == Observable::OutputDifference && !differences.contains(&output) {
                differences.push(output);
            }
            if row.observable == Observable::LimitDifference && !limits.contains(&output) {
                limits.push(output);
            }
        }
        let (first_seed, seeds) = (seeds.start, (seeds.end - seeds.start) as usize);
        Index { first_seed, seeds, values, differences, limits }
    }

    /// The curve over `places`, and those of them that it has ([`Curve::keep_whole`]).
    pub fn curve(&self, places: &[Place], reference: Reference) -> (Curve, Vec<Place>) {
        let reduction = match places.first().map(|place| place.subject.observable) {
            Some(Observable::WeakError | Observable::WeakLimitError) => {
                Reduction::RootMeanSquareOfMeans
            }
            _ => Reduction::Mean,
        };
        let point = |place: &Place| Point { x: place.x, z: place.z, values: self.at(place) };
        let points = places.iter().map(point).collect();
        let shared_error = places.last().map_or(vec![], |place| self.limit_error(place));
        let mut curve = Curve { points, reduction, reference, seeds: self.seeds, shared_error };
        let present = curve.keep_whole().points.into_iter().map(|i| places[i]).collect();
        (curve, present)
    }

    /// The values at a place, by output and seed.
    pub fn at(&self, place: &Place) -> Values {
        let of = |width: usize| self.values(place.subject, (width, place.depth));
        match place.narrower {
            None => of(place.width),
            Some(narrower) => without_floor([
                (narrower as f64, &of(narrower)),
                (place.width as f64, &of(place.width)),
            ]),
        }
    }

    /// The error of the limit in differences to it, by output; nothing of other observables.
    fn limit_error(&self, place: &Place) -> Vec<f64> {
        if place.subject.observable != Observable::WeakLimitError {
            return vec![];
        }
        let subject = Subject { observable: Observable::LimitError, ..place.subject };
        let values = self.values(subject, (place.width, place.depth));
        values.iter().map(|seeds| seeds.iter().flatten().copied().next().unwrap_or(0.0)).collect()
    }

    /// The values of `subject` at (width, depth), by output and seed.
    pub fn values(&self, subject: Subject, (width, depth): (usize, usize)) -> Values {
        let Subject { closure, parametrization, step, .. } = subject;
        let learning_rate = LearningRate::new(subject.learning_rate);
        let kind = Task { closure, parametrization, width, depth, learning_rate, seed: 0 };
        let depth_time = subject.depth_time.map(f64::to_bits);
        let (observable, outputs) = match subject.observable {
            Observable::WeakError => (Observable::OutputDifference, &self.differences[..]),
            Observable::WeakLimitError => (Observable::LimitDifference, &self.limits[..]),
            Observable::LimitError => (Observable::LimitError, &self.limits[..]),
            measured => (measured, &[(None, None)][..]),
        };
        let seeds_of = |&output: &Output| {
            let mut values = vec![None; self.seeds];
            let key = Key { kind, step, observable, depth_time, output };
            for &(seed, value) in self.values.get(&key).into_iter().flatten() {
                values[(seed - self.first_seed) as usize] = Some(value);
            }
            values
        };
        outputs.iter().map(seeds_of).collect()
    }
}
