//! Which numbers of a run have a limit, in one row: outputs, losses, then order parameters.

use std::ops::Range;

use crate::data::DataSet;
use crate::engine::Trajectory;
use crate::experiment::Experiment;
use crate::experiment::grid::Task;
use crate::observables::order_parameters::{NAMES, Shapes, arrays};

/// The numbers of a run, array by array.
#[derive(Clone, Debug, PartialEq)]
pub struct Quantities {
    /// Name, shape and first number of every array, those of `f` first.
    pub arrays: Vec<(&'static str, Vec<usize>, usize)>,
    /// Recorded steps.
    pub steps: Vec<u32>,
    /// Depth times of what has them.
    pub times: Vec<f64>,
    /// The outputs that are to have the tolerance: those of trained networks, or all where none are
    /// trained.
    pub targets: Range<usize>,
    /// How many numbers there are.
    pub length: usize,
}

impl Quantities {
    /// The numbers that runs of `experiment` ([`Experiment::of_limit`]) have on these samples.
    pub fn new(experiment: &Experiment, data: &DataSet) -> Self {
        let shapes = Shapes::new(experiment, data);
        let (recorded, samples) = (shapes.steps.len(), data.train.len());
        let outputs = data.train.outputs;
        let passes = experiment.training.steps as usize + 1;
        let follows = experiment.probe(4).follows_covariances(passes, samples);
        let own = [
            ("f", vec![recorded, samples, outputs]),
            ("loss", vec![recorded]),
            ("test_loss", vec![recorded]),
        ];
        let of_runs = NAMES.into_iter().map(|name| (name, shapes.of(name, follows)));
        let (mut all, mut length) = (Vec::new(), 0);
        for (name, shape) in own.into_iter().chain(of_runs) {
            let size: usize = shape.iter().product();
            all.push((name, shape, length));
            length += size;
        }
        let of_a_step = samples * outputs;
        let first = if recorded > 1 { of_a_step } else { 0 };
        Quantities {
            arrays: all,
            steps: shapes.steps,
            times: shapes.times,
            targets: first..recorded * of_a_step,
            length,
        }
    }

    /// The numbers of a run of `kind`, NaN where it has none.
    pub fn of(
        &self,
        experiment: &Experiment,
        data: &DataSet,
        kind: Task,
        run: &Trajectory,
    ) -> Vec<f64> {
        let shapes = Shapes::new(experiment, data);
        let mut numbers = vec![f64::NAN; self.length];
        let mut order_parameters = arrays(experiment, data, &shapes, kind, run);
        for (name, shape, first) in &self.arrays {
            let size: usize = shape.iter().product();
            let place = &mut numbers[*first..first + size];
            let passes = run.passes.iter();
            match *name {
                "f" => {
                    let f = passes.flat_map(|pass| &pass.f);
                    place.iter_mut().zip(f).for_each(|(place, f)| *place = *f);
                }
                "loss" => place.iter_mut().zip(passes).for_each(|(place, pass)| *place = pass.loss),
                "test_loss" => {
                    for (place, pass) in place.iter_mut().zip(passes) {
                        *place = pass.test_loss.unwrap_or(f64::NAN);
                    }
                }
                name => {
                    let array = order_parameters.remove(name).unwrap_or_default();
                    place.iter_mut().zip(array).for_each(|(place, value)| *place = value);
                }
            }
        }
        numbers
    }

    /// Where the numbers of the array `name` are.
    pub fn range(&self, name: &str) -> Range<usize> {
        let found = self.arrays.iter().find(|(n, ..)| *n == name);
        found.map_or(0..0, |(_, shape, first)| *first..first + shape.iter().product::<usize>())
    }
}
