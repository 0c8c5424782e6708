//! limit.csv and limit.npz: what was found of the limit, number by number.

use std::collections::BTreeMap;

use serde::Serialize;

use super::limits::Limits;
use crate::error::{Error, Result};
use crate::limit::{Finished, LevelSummary, Number};
use crate::observables::order_parameters;
use crate::store::npz::{Archive, floats, integers, strings};

/// A line of limit.csv, its columns in order.
#[derive(Serialize)]
struct Line<'a> {
    closure: &'a str,
    step: u32,
    /// f, loss or test_loss.
    quantity: &'a str,
    /// Of f: the sample's index in its data set, and the output, from 0.
    sample: Option<u32>,
    output: Option<usize>,
    /// L, at infinite width; "inf" of the limit.
    depth: String,
    value: f64,
    standard_error: f64,
    /// Of the limit alone.
    bias_bound: Option<f64>,
    /// The value less its limit.
    distance: Option<f64>,
    distance_error: Option<f64>,
}

/// What is named in limit.csv, step by step.
pub const NAMED: [&str; 3] = ["f", "loss", "test_loss"];

/// The whole of limit.csv: outputs and losses in the limit, and at every depth at infinite width.
///
/// # Errors
/// [`Error::Io`] if encoding fails.
pub fn to_csv(limits: &Limits) -> Result<Vec<u8>> {
    let fail = |source: csv::Error| Error::Io {
        action: "encode",
        path: "limit.csv".into(),
        source: std::io::Error::other(source),
    };
    let mut writer = csv::Writer::from_writer(Vec::new());
    let quantities = &limits.quantities;
    for Finished { closure, estimate, .. } in limits.finished {
        for name in NAMED {
            let range = quantities.range(name);
            let of_a_step = range.len() / quantities.steps.len().max(1);
            for i in range.clone() {
                let (k, within) = ((i - range.start) / of_a_step, (i - range.start) % of_a_step);
                let of = (name == "f").then(|| limits.outputs[within]);
                let (sample, output) = of.unzip();
                let Number { value, standard_error, bias_bound } = estimate.number(i);
                if value.is_nan() {
                    continue;
                }
                let (closure, step) = (closure.name(), quantities.steps[k]);
                for at in estimate.by_depth(i) {
                    let line = Line {
                        closure,
                        step,
                        quantity: name,
                        sample,
                        output,
                        depth: at.depth.to_string(),
                        value: at.value,
                        standard_error: at.standard_error,
                        bias_bound: None,
                        distance: Some(at.distance),
                        distance_error: Some(at.distance_error),
                    };
                    writer.serialize(line).map_err(fail)?;
                }
                let line = Line {
                    closure,
                    step,
                    quantity: name,
                    sample,
                    output,
                    depth: "inf".to_owned(),
                    value,
                    standard_error,
                    bias_bound: Some(bias_bound),
                    distance: None,
                    distance_error: None,
                };
                writer.serialize(line).map_err(fail)?;
            }
        }
    }
    writer.into_inner().map_err(|error| fail(error.into_error().into()))
}

/// The whole of limit.npz: every quantity by closure, with `<name>_error` its standard error and
/// `<name>_bias` the bound of its bias; `levels_…` what each depth has taken, 0 where a closure has no
/// such level. `dims.<name>` names the axes of an array, and the array with the name of an axis has its
/// coordinates.
///
/// # Errors
/// [`Error::Io`] if encoding fails.
pub fn to_npz(limits: &Limits) -> Result<Vec<u8>> {
    let Limits { limit, finished: limits, ref quantities, ref outputs } = *limits;
    let mut archive = Archive::new("limit.npz");
    let closures: Vec<&str> = limits.iter().map(|limit| limit.closure.name()).collect();
    archive.add("closure", &strings(&closures))?;
    let steps: Vec<i64> = quantities.steps.iter().map(|&step| i64::from(step)).collect();
    archive.add("step", &integers(&steps))?;
    let samples = outputs.iter().filter(|(_, output)| *output == 0);
    let sample: Vec<i64> = samples.map(|&(sample, _)| i64::from(sample)).collect();
    let output: Vec<i64> = (0..outputs.len() / sample.len().max(1)).map(|i| i as i64).collect();
    archive.add("sample", &integers(&sample))?;
    archive.add("output", &integers(&output))?;
    archive.add("depth_time", &floats(&[quantities.times.len()], &quantities.times))?;
    for (name, shape, first) in &quantities.arrays {
        let size: usize = shape.iter().product();
        let numbers: Vec<Number> = limits
            .iter()
            .flat_map(|limit| (*first..first + size).map(|i| limit.estimate.number(i)))
            .collect();
        let mut whole = vec![limits.len()];
        whole.extend(shape);
        let dims = [&["closure"], dims(name)].concat();
        let column = |of: fn(&Number) -> f64| numbers.iter().map(of).collect::<Vec<f64>>();
        archive.add_named(name, &dims, &whole, &column(|number| number.value))?;
        let errors = column(|number| number.standard_error);
        archive.add_named(&format!("{name}_error"), &dims, &whole, &errors)?;
        let biases = column(|number| number.bias_bound);
        archive.add_named(&format!("{name}_bias"), &dims, &whole, &biases)?;
    }
    let width = limit.width;
    let summaries: Vec<Vec<LevelSummary>> = limits
        .iter()
        .map(|limit| limit.estimate.summaries(quantities.targets.clone(), width))
        .collect();
    let depths: Vec<usize> = limits
        .iter()
        .map(|limit| &limit.estimate.depths)
        .max_by_key(|depths| depths.len())
        .cloned()
        .unwrap_or_default();
    let as_integers: Vec<i64> = depths.iter().map(|&depth| depth as i64).collect();
    archive.add("level", &integers(&as_integers))?;
    let mut levels: BTreeMap<&str, Vec<f64>> = BTreeMap::new();
    for of_closure in &summaries {
        for k in 0..depths.len() {
            let level = of_closure.get(k);
            let mut push = |name, value: Option<f64>| {
                levels.entry(name).or_default().push(value.unwrap_or(0.0));
            };
            push("levels_networks", level.map(|level| level.networks as f64));
            push("levels_divided", level.map(|level| level.divided as f64));
            push("levels_variance", level.map(|level| level.variance));
            push("levels_weight", level.map(|level| level.weight));
        }
    }
    for (name, values) in levels {
        archive.add_named(name, &["closure", "level"], &[limits.len(), depths.len()], &values)?;
    }
    archive.finish()
}

/// The axes of a quantity, but for the closure.
fn dims(name: &str) -> &'static [&'static str] {
    match name {
        "f" => &["step", "sample", "output"],
        "loss" | "test_loss" => &["step"],
        name => order_parameters::dims(name),
    }
}
