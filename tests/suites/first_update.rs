//! Estimates of the first update against figures that were measured without them (docs/theory.md,
//! sections 2 and 5).

use std::path::Path;

use nfd::data::{self, DataSet};
use nfd::experiment::Experiment;
use nfd::experiment::file::ExperimentFile;
use nfd::experiment::resolve::resolve;
use nfd::model::Parametrization;
use nfd::observables::first_update::FirstUpdate;

fn prepared(overrides: &[&str]) -> (Experiment, DataSet) {
    let text = r#"{ "name": "e", "data": { "source": "toy" },
        "training": { "steps": 1, "learning_rate": 3.0 },
        "ensemble": { "widths": [20000], "depths": [4, 8, 16, 32, 64, 128], "seeds": 8 } }"#;
    let overrides: Vec<String> = overrides.iter().map(|&s| s.to_owned()).collect();
    let source = ExperimentFile::new(Path::new("e.json"), text.to_owned(), &overrides).unwrap();
    let experiment = resolve(source.parse().unwrap(), &source).unwrap().experiment;
    let data = data::load(&experiment.data).unwrap();
    (experiment, data)
}

fn estimate(overrides: &[&str]) -> FirstUpdate {
    let (experiment, data) = prepared(overrides);
    FirstUpdate::estimate(&experiment, &data.train, Parametrization::DepthMup).unwrap()
}

/// Law and floor are within a factor of two of the figures of section 5.
#[test]
fn estimates_are_near_what_was_measured() {
    let near = |estimate: f64, measured: f64| {
        let ratio = estimate / measured;
        assert!(ratio > 0.5 && ratio < 2.0, "{estimate} was estimated, {measured} measured");
    };
    let toy = estimate(&[]);
    near(toy.coupling, 0.022);
    near(toy.floor, 0.66);
    let digits = estimate(&["data={\"source\":\"digits\"}", "training.learning_rate=1"]);
    near(digits.coupling, 1.5e-3);
    near(digits.floor, 6.0);
    assert!(digits.floor_share(4096, 32) > 5.0 && toy.floor_share(20_000, 8) < 0.05);
}

/// Linear networks of one sample have closed forms: f moves by (1 + 1/L)^{L-1} for hidden weights, by
/// (1 + 1/L)^L for those at either end, and L² times the coupling is 1.374 at L = 16 and tends to e(e − 2).
#[test]
fn estimates_of_linear_networks_are_their_closed_forms() {
    let one = r#"data={"source":"synthetic","dimension":6,"samples":1,"seed":3}"#;
    let linear =
        ["model.activation=identity", "training.learning_rate=0.5", one, "ensemble.depths=[32]"];
    let hidden = estimate(&linear);
    let grown = 17.0_f64 / 16.0;
    assert!((hidden.response - 0.5 * grown.powi(15)).abs() < 1e-12, "{hidden:?}");
    assert!((hidden.floor - (grown.powi(16) - 1.0)).abs() < 1e-12, "{hidden:?}");
    // Between what a network of the same sixteen layers has and the limit.
    assert!(hidden.coupling > 0.25 * 1.374 && hidden.coupling < 0.25 * 1.9525, "{hidden:?}");
    let ends = ["model.train=[\"input\",\"hidden\",\"readout\"]", "training.rates.input=2"];
    let all = estimate(&[&linear[..], &ends].concat());
    let expected = 0.5 * grown.powi(15) + 2.5 * grown.powi(16);
    assert!((all.response - expected).abs() < 1e-12, "{all:?}");
}
