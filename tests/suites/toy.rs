//! jobs/toy.json against the table of docs/theory.md, section 5: means over 8 seeds at n = 20 000.

use crate::common::results::{Row, moments, rows, run_job};

/// A line of the table: closure, observable, step, depth time; means from L = 4 on, doubling; the
/// table's relative standard error (brackets there, or its per-seed error over √8).
type Line = (&'static str, &'static str, u32, Option<f64>, &'static [f64], f64);

const TABLE: [Line; 16] = [
    ("exact", "strong.g", 0, Some(0.0), &[9.50e-3, 4.79e-3, 2.39e-3, 1.19e-3, 5.97e-4], 0.01),
    ("exact", "strong.g", 1, Some(0.0), &[1.97e-2, 7.26e-3, 2.85e-3, 1.22e-3, 5.57e-4], 0.01),
    ("exact", "strong.h", 1, Some(1.0), &[5.91e-3, 1.93e-3, 6.78e-4, 2.63e-4, 1.11e-4], 0.01),
    ("exact", "strong.h", 0, Some(1.0), &[2.15e-5, 5.6e-6, 1.5e-6, 4.4e-7, 1.3e-7], 0.025),
    (
        "exact",
        "coupling.forward.layer",
        1,
        None,
        &[9.08e-4, 2.94e-4, 8.30e-5, 2.20e-5, 5.71e-6, 1.48e-6],
        0.01,
    ),
    (
        "exact",
        "coupling.forward.accumulated",
        1,
        None,
        &[9.3e-3, 1.33e-2, 1.55e-2, 1.67e-2, 1.73e-2, 1.76e-2],
        0.01,
    ),
    (
        "exact",
        "coupling.backward.layer.past",
        1,
        None,
        &[6.4e-4, 2.05e-4, 5.8e-5, 1.57e-5, 4.3e-6, 1.2e-6],
        0.03,
    ),
    (
        "exact",
        "coupling.backward.accumulated.past",
        1,
        None,
        &[5.9e-3, 7.8e-3, 8.9e-3, 9.4e-3, 9.7e-3, 9.9e-3],
        0.03,
    ),
    (
        "exact",
        "coupling.backward.layer.same",
        1,
        None,
        &[1.7e-5, 1.0e-5, 4.0e-6, 1.4e-6, 4.5e-7, 1.6e-7],
        0.05,
    ),
    (
        "exact",
        "coupling.backward.accumulated.same",
        1,
        None,
        &[1.2e-4, 3.7e-4, 5.7e-4, 6.9e-4, 7.6e-4, 8.0e-4],
        0.18,
    ),
    (
        "exact",
        "coupling.backward.layer.same",
        0,
        None,
        &[9e-6, 5e-6, 2.5e-6, 1.2e-6, 5.7e-7, 2.9e-7],
        0.18,
    ),
    ("gia", "closure_gap.f", 1, None, &[8.3e-3, 1.11e-2, 1.26e-2, 1.33e-2, 1.37e-2, 1.39e-2], 0.02),
    ("gia", "closure_gap.g", 3, Some(0.0), &[2.0e-3, 2.9e-3, 3.5e-3, 4.0e-3, 4.2e-3, 4.3e-3], 0.02),
    (
        "fresh",
        "closure_gap.g",
        1,
        Some(0.0),
        &[2.0e-4, 5.0e-4, 7.6e-4, 9.3e-4, 1.0e-3, 1.1e-3],
        0.08,
    ),
    ("fresh", "closure_gap.f", 1, None, &[5e-7, 8e-7, 1.1e-6, 1.2e-6, 1.2e-6, 1.3e-6], 0.40),
    ("fresh", "closure_gap.f", 2, None, &[6e-7, 1.6e-6, 2.6e-6, 3.3e-6, 3.8e-6, 4.0e-6], 0.20),
];

/// Mean over samples of f_L − f_2L after one update, exact.
const WEAK: [f64; 5] = [-1.48e-2, -6.7e-3, -3.1e-3, -1.44e-3, -7.5e-4];

/// The comparison rule of docs/theory.md, section 5, plus half a unit of the table's second digit.
fn agrees(mean: f64, error: f64, table: f64, table_error: f64) -> bool {
    let rounding = 0.5 * 10_f64.powf(table.abs().log10().floor() - 1.0);
    (mean - table).abs() <= 4.0 * error.hypot(table_error * table) + rounding
}

fn values(rows: &[Row], line: &Line, depth: usize) -> Vec<f64> {
    values_of(rows, line, None, depth)
}

/// The same, of one sample's output.
fn values_of(rows: &[Row], line: &Line, sample: Option<u32>, depth: usize) -> Vec<f64> {
    let (closure, observable, step, time, ..) = *line;
    rows.iter()
        .filter(|r| r.closure == closure && r.observable == observable && r.step == step)
        .filter(|r| r.width == 20_000 && r.depth == depth && r.depth_time == time)
        .filter(|r| r.sample == sample)
        .map(|r| r.value)
        .collect()
}

#[test]
fn toy_job_reproduces_the_table_and_its_verdicts() {
    let (_guard, directory) = run_job("jobs/toy.json", &[]);
    let rows = rows(&directory);
    let mut failures = Vec::new();
    for line in &TABLE {
        for (i, &table) in line.4.iter().enumerate() {
            let depth = 4 << i;
            let values = values(&rows, line, depth);
            assert_eq!(values.len(), 8, "{line:?} at depth {depth}");
            let (mean, error) = moments(&values);
            if !agrees(mean, error, table, line.5) {
                failures.push(format!(
                    "{} {} k={} L={depth}: {mean:.3e} ± {error:.1e}, table {table:.3e} ± {:.0} %",
                    line.0,
                    line.1,
                    line.2,
                    100.0 * line.5
                ));
            }
            // The rule has teeth wherever the errors are small: another layer's value fails.
            let other = line.4[if i == 0 { 2 } else { i - 1 }];
            if line.5 <= 0.03 && (other / table - 1.0).abs() > 0.3 {
                assert!(!agrees(mean, error, other, line.5), "{line:?} at {depth} is vacuous");
            }
        }
    }
    for (i, &table) in WEAK.iter().enumerate() {
        let depth = 4 << i;
        let line = ("exact", "difference.f", 1, None, &[][..], 0.0);
        let of = |sample: u32| values_of(&rows, &line, Some(sample), depth);
        let mean_over_samples: Vec<f64> =
            of(0).iter().zip(of(1)).map(|(a, b)| (a + b) / 2.0).collect();
        assert_eq!(mean_over_samples.len(), 8);
        let (mean, error) = moments(&mean_over_samples);
        if !agrees(mean, error, table, 0.05) {
            failures.push(format!("weak L={depth}: {mean:.3e} ± {error:.1e}, table {table:.3e}"));
        }
    }
    assert!(failures.is_empty(), "{}", failures.join("\n"));
    verdicts(&directory);
}

/// The readings of docs/theory.md, section 5, as the summary states them.
fn verdicts(directory: &std::path::Path) {
    let text = std::fs::read(directory.join("summary.json")).unwrap();
    let summary: serde_json::Value = serde_json::from_slice(&text).unwrap();
    let claim = |id: &str| {
        let claims = summary["claims"].as_array().unwrap();
        claims.iter().find(|claim| claim["id"] == id).unwrap_or_else(|| panic!("no claim {id}"))
    };
    // Observable, closure, sizes, steps; the exponent by theory's own fits where it gives one.
    let (wide, both) = ("n=20000", "n=5000,20000");
    for (observable, closure, sizes, steps, theory) in [
        ("strong.g", "exact", wide, 0..=0, Some(1.00)),
        ("strong.g", "exact", wide, 1..=1, Some(1.00)),
        ("strong.g", "gia", wide, 0..=0, Some(1.00)),
        ("coupling.forward.layer", "exact", both, 1..=3, Some(2.00)),
        ("coupling.forward.layer", "fresh", both, 1..=3, Some(2.00)),
        ("coupling.backward.layer.past", "exact", both, 1..=1, Some(2.00)),
        ("coupling.forward.accumulated", "exact", both, 1..=3, None),
        ("closure_gap.f", "gia", both, 1..=2, None),
        ("closure_gap.g", "gia", both, 1..=3, None),
    ] {
        for step in steps {
            let id = format!("{observable}/{closure}/{sizes}/k={step}");
            let claim = claim(&id);
            assert_ne!(claim["verdict"], "contradicted", "{id}: {}", claim["reason"]);
            if let Some(theory) = theory {
                let ends = claim["ci95"].as_array().unwrap_or_else(|| panic!("{claim:#}"));
                let [low, high] = [0, 1].map(|i| ends[i].as_f64().unwrap());
                assert!(low <= theory && theory <= high, "{id}: [{low}, {high}]");
                assert!(high - low < 1.0, "{id}: [{low}, {high}] says little");
            }
        }
    }
    for id in [
        "coupling.forward.layer/exact/n=5000,20000/k=1",
        "coupling.forward.accumulated/exact/n=5000,20000/k=1",
        "closure_gap.f/gia/n=5000,20000/k=1",
    ] {
        assert_eq!(claim(id)["verdict"], "supported", "{id}: {}", claim(id)["reason"]);
    }
    let contradicted = summary["claims"].as_array().unwrap().iter();
    let contradicted: Vec<_> = contradicted.filter(|c| c["verdict"] == "contradicted").collect();
    assert!(contradicted.is_empty(), "{contradicted:#?}");
    // Converged by k = 3, f hides what g still shows: nothing is claimed from rounding.
    let hidden = claim("closure_gap.f/fresh/n=5000,20000/k=3");
    assert_eq!(hidden["verdict"], "inconclusive", "{}", hidden["reason"]);
    // What stays is no power: the bare slope of the gap of gia vanishes with depth.
    let local =
        claim("closure_gap.f/gia/n=5000,20000/k=1")["local_exponents"].as_array().unwrap().clone();
    assert!(local.last().unwrap().as_f64().unwrap().abs() < 0.05);
}
