//! The best learning rate when some runs explode: of one seed it moves nothing, of most it leaves no
//! optimum, and what is not finished is no explosion.

use std::path::Path;

use crate::common::close;
use crate::common::results::run_job;
use nfd::claims::best_rate::{Enclosed, Interval, best_rates};
use nfd::claims::{self, Claim, Lost, SizeAxis};
use nfd::experiment::grid::{Task, tasks};
use nfd::experiment::{Experiment, load};
use nfd::observables::{Observable, Row};
use nfd::stats::verdict::Verdict;
use nfd::studies::Results;

/// 4 seeds, from 40 on.
fn experiment() -> Experiment {
    with(&["ensemble.seeds=4"])
}

/// Depth-μP and five rates, seeds from 40 on, with these settings.
fn with(settings: &[&str]) -> Experiment {
    let job = Path::new(env!("CARGO_MANIFEST_DIR")).join("jobs/transfer-small.json");
    let common = [
        "ensemble.first_seed=40",
        "ensemble.parametrizations=[\"depth-mup\"]",
        "ensemble.learning_rates=[0.125,0.25,0.5,1,2]",
    ];
    let set: Vec<String> = common.iter().chain(settings).map(|set| set.to_string()).collect();
    load(&job, &set).unwrap().experiment
}

/// Last losses, where a run has one.
fn losses(experiment: &Experiment, loss: impl Fn(Task) -> Option<f64>) -> Vec<Row> {
    let row = |task: Task| {
        Some(Row {
            task,
            step: experiment.training.steps,
            depth_time: None,
            reference: None,
            observable: Observable::TrainingLoss,
            sample: None,
            output: None,
            value: loss(task)?,
        })
    };
    tasks(experiment).into_iter().filter_map(row).collect()
}

/// Last losses with their least at η = 0.6 at every depth, a little elsewhere seed by seed.
fn rows(experiment: &Experiment, loss: impl Fn(Task, f64) -> Option<f64>) -> Vec<Row> {
    losses(experiment, |task| {
        let best = 0.6_f64.ln() + 0.01 * (task.seed as f64 - 41.5) * (task.depth as f64).ln();
        let distance = task.learning_rate.value().ln() - best;
        loss(task, (0.7 * distance.powi(2) - 1.0).exp())
    })
}

fn claim(experiment: &Experiment, rows: &[Row], diverged: &[Task]) -> Claim {
    let declared = experiment.study.design().claims;
    let claims = claims::evaluate(experiment, declared, rows, Lost { diverged, unstable: &[] });
    let is = |claim: &Claim| claim.observable == Observable::BestLearningRate;
    claims.into_iter().find(is).unwrap()
}

#[test]
fn one_seed_that_explodes_moves_no_optimum_and_most_leave_none() {
    let experiment = experiment();
    let sound = claim(&experiment, &rows(&experiment, |_, loss| Some(loss)), &[]);
    assert_eq!((sound.points, sound.seeds, sound.verdict), (6, 4, Verdict::Supported));
    assert!(sound.curve.iter().all(|point| close(point.value, 0.6, 1e-2)), "{:?}", sound.curve);
    assert!(sound.curve.iter().all(|point| point.standard_error.is_some_and(|error| error > 0.0)));

    // One of four seeds at the rate above the optimum: finite, but a mean would be all of it.
    let explodes = |task: Task| task.learning_rate.value() == 1.0 && task.seed == 43;
    let explosion = |task, loss| Some(if explodes(task) { 1e44 } else { loss });
    let one = claim(&experiment, &rows(&experiment, explosion), &[]);
    assert!(one.curve.iter().all(|point| close(point.value, 0.6, 0.05)), "{:?}", one.curve);
    assert_eq!((one.points, one.verdict), (6, Verdict::Supported));

    // Three of four at one depth diverged at the best rate: no optimum there.
    let lost =
        |task: &Task| task.learning_rate.value() == 0.5 && task.depth == 16 && task.seed < 43;
    let without = rows(&experiment, |task, loss| Some(loss).filter(|_| !lost(&task)));
    let diverged: Vec<Task> = tasks(&experiment).into_iter().filter(lost).collect();
    let most = claim(&experiment, &without, &diverged);
    let depths: Vec<usize> = most.curve.iter().map(|point| point.depth).collect();
    assert_eq!((depths, most.diverged), (vec![4, 8, 32, 64, 128], 3));
    // The same rows of a run that is not finished: of what there is.
    let some = claim(&experiment, &without, &[]);
    assert_eq!((some.points, some.diverged), (6, 0));
    // Those seeds have no slope of their own then, and one is too few.
    assert_eq!((some.seeds, some.verdict), (1, Verdict::Inconclusive));
    assert!(some.reason.contains("needs at least 4 seeds whose own least loss"), "{}", some.reason);
}

/// An optimum that falls like n^-1/2 and is the same at every depth: of both axes the right exponent, at every size
/// that is held.
#[test]
fn a_drift_with_width_is_none_with_depth() {
    let experiment = with(&[
        "ensemble.seeds=4",
        "ensemble.widths=[32,64,128,256]",
        "ensemble.depths=[4,8,16,32]",
    ]);
    let rows = losses(&experiment, |task| {
        let best = 0.6 * (task.width as f64 / 64.0).powf(-0.5);
        let shift =
            1.0 + 0.001 * (task.seed as f64 - 41.5) * (task.depth as f64 / task.width as f64);
        let distance = (task.learning_rate.value() / (best * shift)).ln();
        Some((0.7 * distance.powi(2) - 1.0).exp())
    });
    let declared = experiment.study.design().claims;
    let claims = claims::evaluate(&experiment, declared, &rows, Lost::default());
    let optima: Vec<&Claim> =
        claims.iter().filter(|claim| claim.observable == Observable::BestLearningRate).collect();
    for (axis, held, exponent, verdict, letter) in [
        (SizeAxis::Depth, [32, 64, 128, 256], 0.0, Verdict::Supported, "L"),
        (SizeAxis::Width, [4, 8, 16, 32], -0.5, Verdict::Contradicted, "n"),
    ] {
        let along: Vec<_> = optima.iter().filter(|claim| claim.axis == axis).collect();
        assert_eq!(along.iter().filter_map(|claim| claim.held).collect::<Vec<_>>(), held);
        for claim in along {
            assert!(close(claim.exponent.unwrap(), exponent, 2e-2), "{axis:?} {claim:?}");
            assert_eq!((claim.verdict, claim.points), (verdict, 4), "{axis:?}");
            assert!(claim.reason.starts_with(&format!("moves like {letter}^")), "{}", claim.reason);
        }
    }
    // With one width nothing is said of widths.
    let one = with(&["ensemble.seeds=4"]);
    let claims =
        claims::evaluate(&one, declared, &self::rows(&one, |_, loss| Some(loss)), Lost::default());
    let width = |claim: &&Claim| claim.axis == SizeAxis::Width;
    assert_eq!(claims.iter().filter(width).count(), 0);
}

/// Eight seeds of which seed s has its best rate 0.02 (s − 43.5) beside log η*(L), losses exp(0.7 log² (η/η*)).
fn eight(best: impl Fn(usize) -> f64) -> (Experiment, Vec<Row>) {
    let experiment = with(&["ensemble.seeds=8", "ensemble.depths=[4,8,16,32]"]);
    let rows = losses(&experiment, |task| {
        let own = best(task.depth).ln() + 0.02 * (task.seed as f64 - 43.5);
        Some((0.7 * (task.learning_rate.value().ln() - own).powi(2) - 1.0).exp())
    });
    (experiment, rows)
}

/// An optimum that doubles with every doubling of depth: where it is, and what the rate costs that was tuned at
/// the least depth, in closed form.
#[test]
fn best_rates_are_measured_with_what_a_tuned_rate_costs() {
    let truth = |depth: usize| 0.26 * depth as f64 / 4.0;
    let (experiment, rows) = eight(truth);
    let found = best_rates(&experiment, &rows, &[]);
    assert_eq!(found.iter().map(|rate| rate.setting.depth).collect::<Vec<_>>(), [4, 8, 16, 32]);
    for (rate, tried) in found.iter().zip([0.25, 0.5, 1.0, 2.0]) {
        let best = truth(rate.setting.depth);
        assert_eq!((rate.seeds, rate.tried, rate.tuned), (8, tried, Some(0.25)), "{rate:?}");
        let Interval([low, high]) = rate.ci95.unwrap();
        if rate.setting.depth == 32 {
            // 2.08 is beyond 2, the greatest rate that was tried; its neighbour is 1.
            assert_eq!((rate.enclosed, rate.best), (Enclosed::UpperEdge, None));
            assert_eq!((low, high), (1.0, f64::INFINITY));
        } else {
            assert_eq!(rate.enclosed, Enclosed::Between);
            assert!(close(rate.best.unwrap(), best, 1e-2), "{rate:?}");
            // Ranks 1 and 8 of eight seeds.
            assert!(close(low, best * (-0.07_f64).exp(), 1e-9), "{rate:?}");
            assert!(close(high, best * 0.07_f64.exp(), 1e-9), "{rate:?}");
        }
        // Of the seed in the middle, log η*(L) between those of seeds 43 and 44.
        let cost = |seed: f64| {
            let own = best.ln() + 0.02 * (seed - 43.5);
            let loss = |rate: f64| 0.7 * (rate.ln() - own).powi(2);
            (loss(0.25) - loss(tried)).exp() - 1.0
        };
        let excess = rate.excess.unwrap();
        assert!(close(excess, 0.5 * (cost(43.0) + cost(44.0)), 1e-9), "{excess}: {rate:?}");
        let Interval([low, high]) = rate.excess_ci95.unwrap();
        assert!(close(low, cost(40.0), 1e-9) && close(high, cost(47.0), 1e-9), "{rate:?}");
    }
    let told = &experiment.study.design();
    let results = Results { experiment: &experiment, claims: &[], best_rates: &found, rows: &rows };
    let said = (told.findings)(&results).join(" ");
    for words in ["0.260 [0.242, 0.279] at L = 4", "2 or more, the greatest tried [1.00, ∞)"] {
        assert!(said.contains(words), "{said}");
    }
    assert!(said.contains("the rate 0.25, tuned at L = 4, has "), "{said}");
}

/// Where most runs diverge, the best rate lies beside: between two rates, which is what is to be refined.
#[test]
fn divergence_is_an_end_of_the_grid() {
    let (experiment, rows) = eight(|_| 0.6);
    let lost = |task: &Task| task.learning_rate.value() >= 1.0 && task.depth >= 16;
    let diverged: Vec<Task> = tasks(&experiment).into_iter().filter(lost).collect();
    let rows: Vec<Row> = rows.into_iter().filter(|row| !lost(&row.task)).collect();
    let found = best_rates(&experiment, &rows, &diverged);
    for rate in &found {
        if rate.setting.depth < 16 {
            assert_eq!(rate.enclosed, Enclosed::Between);
        } else {
            assert_eq!((rate.enclosed, rate.best), (Enclosed::BesideDivergence, None));
            assert_eq!(rate.ci95, Some(Interval([0.25, 1.0])));
        }
        assert_eq!((rate.seeds, rate.excess), (8, Some(0.0)), "{rate:?}");
    }
    let claim = claim(&experiment, &rows, &diverged);
    assert_eq!(claim.verdict, Verdict::Inconclusive);
    let next = claim.next.unwrap();
    assert_eq!(next, "try more rates between 0.25 and 1, where runs diverge (L = 16, 32)");

    // Of a run that is not finished yet nothing is said where something is missing.
    let found = best_rates(&experiment, &rows, &[]);
    assert_eq!(found.iter().map(|rate| rate.setting.depth).collect::<Vec<_>>(), [4, 8]);
}

/// A run writes them, in summary.json and as a table, also of the test loss.
#[test]
fn a_run_leaves_its_best_rates() {
    let extra = [
        "--set",
        "ensemble.seeds=6",
        "--set",
        "ensemble.depths=[4,8]",
        "--set",
        "data.test_samples=4",
        "--set",
        "ensemble.widths=[32]",
    ];
    let (_folder, run) = run_job("jobs/transfer-small.json", &extra);
    let table = std::fs::read_to_string(run.join("best_rates.csv")).unwrap();
    let summary = std::fs::read(run.join("summary.json")).unwrap();
    let summary: serde_json::Value = serde_json::from_slice(&summary).unwrap();
    let listed = summary["best_rates"].as_array().unwrap();
    // Two parametrizations, two depths, two losses.
    assert_eq!((listed.len(), table.lines().count()), (8, 9), "{table}");
    let mut reader = csv::Reader::from_reader(table.as_bytes());
    let header = reader.headers().unwrap().clone();
    let of = |line: &csv::StringRecord, name: &str| {
        let i = header.iter().position(|column| column == name).unwrap();
        line[i].to_owned()
    };
    for (line, listed) in reader.records().zip(listed) {
        let line = line.unwrap();
        assert_eq!(of(&line, "loss"), listed["loss"].as_str().unwrap());
        assert_eq!(of(&line, "enclosed"), listed["enclosed"].as_str().unwrap());
        let (tried, median) =
            (of(&line, "tried").parse::<f64>().unwrap(), of(&line, "median_loss"));
        assert_eq!(Some(tried), listed["tried"].as_f64());
        // The least of the medians of results.csv.
        let [depth, parametrization, loss] =
            ["depth", "parametrization", "loss"].map(|name| of(&line, name));
        let least = least_median(&run, &depth, &parametrization, &loss);
        assert!(close(median.parse().unwrap(), least, 1e-12), "{median}, {least}");
    }
}

/// The least over learning rates of the median over seeds, from results.csv.
fn least_median(run: &Path, depth: &str, parametrization: &str, loss: &str) -> f64 {
    let mut reader = csv::Reader::from_path(run.join("results.csv")).unwrap();
    let header = reader.headers().unwrap().clone();
    let place = |name: &str| header.iter().position(|column| column == name).unwrap();
    let mut by_rate: std::collections::BTreeMap<String, Vec<f64>> = Default::default();
    for line in reader.records() {
        let line = line.unwrap();
        let is = |name: &str, value: &str| &line[place(name)] == value;
        if is("depth", depth)
            && is("parametrization", parametrization)
            && is("observable", loss)
            && is("step", "5")
        {
            let rate = line[place("learning_rate")].to_owned();
            by_rate.entry(rate).or_default().push(line[place("value")].parse().unwrap());
        }
    }
    let median = |mut values: Vec<f64>| {
        assert_eq!(values.len(), 6, "six seeds, none of which diverged");
        values.sort_by(f64::total_cmp);
        0.5 * (values[2] + values[3])
    };
    by_rate.into_values().map(median).fold(f64::INFINITY, f64::min)
}
