//! Order parameters of an ensemble, as arrays for notebooks (docs/theory.md, section 7):
//!
//! ```text
//! C_phi, C_g   (kind, depth time, step, step', sample, sample')   n^{-1} φ(h)ᵀφ(h) and n^{-1} gᵀg
//! A, B         (kind, depth time, step, step', sample, sample')   responses of h to g and of g to φ(h)
//! kernel       (kind, step, sample, sample')                      K, with df = −η K χ
//! alignment    (kind, step)                                       yᵀ K y / (‖K‖ ‖y‖²)
//! movement_own, movement_total                                    as in results.csv
//! ```
//!
//! A layer has m² Σ A g of earlier steps in its h, and φ'(h) m² Σ B φ(h) of steps so far in its g, because W
//! answers both ways: m is the branch multiplier, m² = T/L in depth-μP, so that A and B tend to limits
//! as n and L grow. Normalised branches have φ(x) for φ(h), and their derivative before what comes back
//! (docs/theory.md, section 1.5). Where queries repeat one another (g at the end of the horizon, while V is frozen) they
//! share a response alike; one that is new by a share ρ of itself has it known to n^{-1/2}/ρ.
//!
//! A kind is all of a task but its seed. Each is a mean over seeds, with `<name>_error` its standard
//! error; `dims.<name>` names the axes of an array. NaN where nothing was recorded: C, A and B of
//! minibatches or of more than 128 columns, φ(h) and B at the end of the horizon, g and A at its
//! beginning; A and B of dense networks; the kernel of `gia`, whose gradients are not those of f, and
//! of several outputs.

use std::collections::BTreeMap;

use super::compute::common;
use crate::data::DataSet;
use crate::engine::Trajectory;
use crate::error::Result;
use crate::experiment::Experiment;
use crate::experiment::grid::Task;
use crate::stats::{mean, standard_error};
use crate::store::npz::{Archive, floats, integers, strings};

/// Arrays of one run by name, NaN where there is nothing.
pub type Arrays = BTreeMap<&'static str, Vec<f64>>;

/// Their shapes, the same for all runs.
pub struct Shapes {
    /// Depth times at which vectors are looked at.
    pub times: Vec<f64>,
    passes: usize,
    /// Recorded steps.
    pub steps: Vec<u32>,
    samples: usize,
}

impl Shapes {
    /// The shapes that runs of `experiment` on these samples have.
    pub fn new(experiment: &Experiment, data: &DataSet) -> Self {
        let horizon = experiment.model.horizon;
        let times = experiment.probed_quarters().into_iter().map(|i| i as f64 * horizon / 4.0);
        Shapes {
            times: times.collect(),
            passes: experiment.training.steps as usize + 1,
            steps: experiment.training.recorded_steps().collect(),
            samples: data.train.len(),
        }
    }

    /// The shape of the array `name`: C, A and B empty where a run has no covariances.
    pub fn of(&self, name: &str, has_covariances: bool) -> Vec<usize> {
        let Shapes { times, passes, steps, samples } = self;
        let (d, k, r, p) = (times.len(), *passes, steps.len(), *samples);
        match name {
            "C_phi" | "C_g" | "A" | "B" if has_covariances => vec![d, k, k, p, p],
            "C_phi" | "C_g" | "A" | "B" => vec![d, 0, 0, 0, 0],
            "kernel" => vec![r, p, p],
            "movement_total" => vec![d, r],
            _ => vec![r],
        }
    }
}

/// The axes of the array `name` of one kind: `pass` counts all passes, `step` the recorded ones.
pub fn dims(name: &str) -> &'static [&'static str] {
    match name {
        "C_phi" | "C_g" | "A" | "B" => {
            &["depth_time", "pass", "other_pass", "sample", "other_sample"]
        }
        "kernel" => &["step", "sample", "other_sample"],
        "movement_total" => &["depth_time", "step"],
        _ => &["step"],
    }
}

/// The names of the arrays of a run.
pub const NAMES: [&str; 8] =
    ["C_phi", "C_g", "A", "B", "kernel", "alignment", "movement_own", "movement_total"];

/// The file of all `kinds`, whose finished runs `load` gives, seed by seed.
///
/// # Errors
/// Those of `load`; [`crate::error::Error::Io`] if encoding fails.
pub fn to_npz(
    experiment: &Experiment,
    data: &DataSet,
    kinds: &[Task],
    load: impl Fn(Task) -> Result<Vec<Trajectory>>,
) -> Result<Vec<u8>> {
    let shapes = Shapes::new(experiment, data);
    let mut has_covariances = false;
    // Means and errors of each name, kind by kind: the runs of one kind are held at a time.
    let mut reduced = Vec::new();
    for &kind in kinds {
        let runs = load(kind)?;
        let there = runs.iter().any(|run| run.covariances.is_some());
        has_covariances |= there;
        let runs = runs.iter().map(|run| arrays(experiment, data, &shapes, kind, run));
        let runs: Vec<Arrays> = runs.collect();
        reduced.push(NAMES.map(|name| {
            let length = shapes.of(name, there).iter().product();
            over_seeds(&runs, name, length)
        }));
    }
    let mut all: BTreeMap<String, Vec<f64>> = BTreeMap::new();
    for of_kind in reduced {
        for (name, (mut means, mut errors)) in NAMES.into_iter().zip(of_kind) {
            let length = shapes.of(name, has_covariances).iter().product();
            means.resize(length, f64::NAN);
            errors.resize(length, f64::NAN);
            all.entry(name.to_owned()).or_default().extend(means);
            all.entry(format!("{name}_error")).or_default().extend(errors);
        }
    }
    let mut archive = Archive::new("order_parameters.npz");
    let text = |of: fn(&Task) -> &'static str| strings(&kinds.iter().map(of).collect::<Vec<_>>());
    let sizes = |of: fn(&Task) -> usize| -> Vec<u8> {
        integers(&kinds.iter().map(|kind| of(kind) as i64).collect::<Vec<_>>())
    };
    let rates: Vec<f64> = kinds.iter().map(|kind| kind.learning_rate.value()).collect();
    for (name, of_kinds) in [
        ("closure", text(|kind| kind.closure.name())),
        ("parametrization", text(|kind| kind.parametrization.name())),
        ("width", sizes(|kind| kind.width)),
        ("depth", sizes(|kind| kind.depth)),
        ("learning_rate", floats(&[rates.len()], &rates)),
    ] {
        archive.add(name, &of_kinds)?;
        archive.add(&format!("dims.{name}"), &strings(&["kind"]))?;
    }
    let steps: Vec<i64> = shapes.steps.iter().map(|&step| i64::from(step)).collect();
    archive.add("step", &integers(&steps))?;
    archive.add("depth_time", &floats(&[shapes.times.len()], &shapes.times))?;
    let samples: Vec<i64> = data.train.indices.iter().map(|&index| i64::from(index)).collect();
    archive.add("sample", &integers(&samples))?;
    for (name, values) in &all {
        let plain = name.strip_suffix("_error").unwrap_or(name);
        let mut shape = vec![kinds.len()];
        shape.extend(shapes.of(plain, has_covariances));
        let dims = [&["kind"], dims(plain)].concat();
        archive.add_named(name, &dims, &shape, values)?;
    }
    archive.finish()
}

/// Mean and standard error of each entry over the runs that have it.
fn over_seeds(runs: &[Arrays], name: &str, length: usize) -> (Vec<f64>, Vec<f64>) {
    let entry = |i: usize| {
        let values = runs.iter().filter_map(|run| run[name].get(i).copied());
        let values: Vec<f64> = values.filter(|value| value.is_finite()).collect();
        (mean(&values), standard_error(&values))
    };
    (0..length).map(entry).unzip()
}

/// The arrays of one run of `kind`, NaN where it has nothing.
pub fn arrays(
    experiment: &Experiment,
    data: &DataSet,
    shapes: &Shapes,
    kind: Task,
    run: &Trajectory,
) -> Arrays {
    let empty = |name| vec![f64::NAN; shapes.of(name, run.covariances.is_some()).iter().product()];
    let mut arrays: Arrays = NAMES.into_iter().map(|name| (name, empty(name))).collect();
    let mut set = |name: &'static str, i: usize, value: f64| {
        if let Some(entry) = arrays.get_mut(name).and_then(|array| array.get_mut(i)) {
            *entry = value;
        }
    };
    let (steps, samples, passes) = (shapes.steps.len(), shapes.samples, shapes.passes);
    let covariances = run.covariances.as_deref().unwrap_or_default();
    for (d, (_, at)) in common(experiment, kind.depth, covariances).enumerate() {
        for (name, matrix) in [
            ("C_phi", &at.features),
            ("C_g", &at.gradients),
            ("A", &at.forward_response),
            ("B", &at.backward_response),
        ] {
            let Some(matrix) = matrix else { continue };
            // A diverged run has fewer passes.
            for (row, column) in
                (0..matrix.nrows()).flat_map(|i| (0..matrix.ncols()).map(move |j| (i, j)))
            {
                let (k, p, l, q) =
                    (row / samples, row % samples, column / samples, column % samples);
                let at = (((d * passes + k) * passes + l) * samples + p) * samples + q;
                set(name, at, matrix[(row, column)]);
            }
        }
    }
    let law = experiment.model.scale_law().of(kind.parametrization);
    let scales = law.at(kind.width, kind.depth, data.train.dimension);
    let factor =
        scales.readout * scales.forward * scales.update_hidden * (kind.width as f64).powi(2);
    let labels = &data.train.labels;
    for pass in &run.passes {
        let Some(r) = shapes.steps.iter().position(|&step| step == pass.step) else { continue };
        set("movement_own", r, pass.own_movement);
        for (d, (_, features)) in common(experiment, kind.depth, &pass.features).enumerate() {
            set("movement_total", d * steps + r, features.movement);
        }
        let Some(kernel) = &pass.kernel else { continue };
        for (i, value) in kernel.iter().enumerate() {
            set("kernel", r * samples * samples + i, factor * value);
        }
        set("alignment", r, alignment(kernel, labels));
    }
    arrays
}

/// yᵀ K y / (‖K‖ ‖y‖²), K P×P.
fn alignment(kernel: &[f64], labels: &[f64]) -> f64 {
    let rows = kernel.chunks(labels.len()).zip(labels);
    let dot = |row: &[f64]| row.iter().zip(labels).map(|(k, y)| k * y).sum::<f64>();
    let product: f64 = rows.map(|(row, y)| y * dot(row)).sum();
    let square = |values: &[f64]| values.iter().map(|v| v * v).sum::<f64>();
    product / (square(kernel).sqrt() * square(labels))
}
