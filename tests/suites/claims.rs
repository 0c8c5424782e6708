//! Claims on planted rows: exponents recovered, plateaus named, too little data refused with the
//! minimum, lost seeds left out.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use crate::common::{a_task, close};
use nfd::claims::stability::Unstable;
use nfd::claims::{self, Claim, Family, Lost, SizeAxis};
use nfd::experiment::Experiment;
use nfd::experiment::file::ExperimentFile;
use nfd::experiment::grid::{LearningRate, Task};
use nfd::experiment::resolve::resolve;
use nfd::model::Closure;
use nfd::observables::{Observable, Row};
use nfd::rng::philox::Philox;
use nfd::stats::verdict::Verdict;
use rand::RngExt;

fn experiment(overrides: &[&str]) -> Experiment {
    let text = r#"{ "name": "e", "data": { "source": "toy" },
        "training": { "steps": 1, "learning_rate": 0.5 },
        "ensemble": { "widths": [5000, 20000], "depths": [4, 8, 16, 32, 64, 128], "seeds": 4 } }"#;
    let overrides: Vec<String> = overrides.iter().map(|&s| s.to_owned()).collect();
    let source = ExperimentFile::new(Path::new("e.json"), text.to_owned(), &overrides).unwrap();
    resolve(source.parse().unwrap(), &source).unwrap().experiment
}

/// An observable with its sample, its depth time, and its value.
type Value = ((Observable, Option<u32>), Option<f64>, f64);

/// What one seed shows at width n and depth L.
type Law<'a> = &'a dyn Fn(f64, f64) -> Vec<Value>;

/// Rows of all closures after one update; seeds differ by a few percent.
fn plant(experiment: &Experiment, law: Law) -> Vec<Row> {
    let mut rows = Vec::new();
    for closure in Closure::ALL {
        for &width in &experiment.ensemble.widths {
            for &depth in &experiment.ensemble.depths {
                for (i, seed) in experiment.ensemble.all_seeds().enumerate() {
                    let error: f64 = Philox::stream(i as u64, 7).random::<f64>() - 0.5;
                    for ((observable, sample), depth_time, value) in law(width as f64, depth as f64)
                    {
                        let learning_rate = LearningRate::new(0.5);
                        rows.push(Row {
                            task: Task { closure, width, depth, learning_rate, seed, ..a_task() },
                            step: 1,
                            depth_time,
                            reference: None,
                            observable,
                            sample,
                            output: None,
                            value: value * (1.0 + 0.1 * error + 1e-4 * error / depth as f64),
                        });
                    }
                }
            }
        }
    }
    rows
}

fn laws(n: f64, depth: f64) -> Vec<Value> {
    vec![
        (
            (Observable::ForwardCoupling, None),
            None,
            0.02 / depth.powi(2) * (1.0 - 1.4 / depth) + 0.7 / (n * depth),
        ),
        ((Observable::ForwardCouplingAccumulated, None), None, 0.018 - 0.03 / depth),
        ((Observable::GradientError, None), Some(0.0), 0.04 / depth * (1.0 + 3.0 / depth)),
        ((Observable::FeatureError, None), Some(1.0), 0.01 + 0.03 / depth), // what should fall and does not
        ((Observable::OutputDifference, Some(0)), None, -0.06 / depth),
        ((Observable::OutputDifference, Some(1)), None, -0.03 / depth),
    ]
}

fn evaluate(experiment: &Experiment, rows: &[Row], diverged: &[Task]) -> Vec<Claim> {
    let lost = Lost { diverged, unstable: &[] };
    claims::evaluate(experiment, experiment.study.design().claims, rows, lost)
}

fn find<'a>(claims: &'a [Claim], id: &str) -> &'a Claim {
    claims.iter().find(|claim| claim.id == id).unwrap_or_else(|| panic!("no claim {id}"))
}

#[test]
fn planted_laws_get_their_verdicts() {
    let experiment = experiment(&[]);
    let claims = evaluate(&experiment, &plant(&experiment, &laws), &[]);
    let ids: BTreeSet<_> = claims.iter().map(|claim| &claim.id).collect();
    assert_eq!(ids.len(), claims.len(), "ids are not unique");

    // A floor in 1/n is removed by the pair of widths, seed by seed: what is left is the law.
    let coupling = find(&claims, "coupling.forward.layer/exact/n=5000,20000/k=1");
    assert_eq!((coupling.verdict, coupling.family), (Verdict::Supported, Family::Falls));
    assert_eq!((coupling.held, coupling.extrapolated_with), (Some(20_000), Some(5000)));
    let [low, high] = coupling.ci95.unwrap();
    assert!(low <= 2.0 && 2.0 <= high && high - low < 0.4, "[{low}, {high}]");
    assert_eq!((coupling.points, coupling.curve.len(), coupling.fitted.len()), (6, 6, 41));
    for point in &coupling.curve {
        let x = point.x as f64;
        let law = 0.02 / x.powi(2) * (1.0 - 1.4 / x);
        assert!((point.value / law - 1.0).abs() <= 0.05, "{point:?} {law}");
    }
    let (first, last) = (&coupling.fitted[0], &coupling.fitted[40]);
    assert!(close(first.x, 4.0, 1e-12) && close(last.x, 128.0, 1e-12));
    for (fitted, point) in [(first, &coupling.curve[0]), (last, &coupling.curve[5])] {
        assert!((fitted.value / point.value - 1.0).abs() <= 0.1, "{fitted:?} {point:?}");
        let [low, high] = fitted.ci95.unwrap();
        assert!(low < fitted.value && fitted.value < high);
    }

    let weak = find(&claims, "weak.f/gia/n=5000/k=1");
    assert_eq!(weak.verdict, Verdict::Supported);
    // √((0.06² + 0.03²)/2) / L, up to the seeds' common error.
    let expected = ((0.06_f64.powi(2) + 0.03_f64.powi(2)) / 2.0).sqrt() / 4.0;
    assert!((weak.curve[0].value / expected - 1.0).abs() <= 0.05);

    let plateau = find(&claims, "coupling.forward.accumulated/exact/n=5000,20000/k=1");
    assert_eq!((plateau.verdict, plateau.expected), (Verdict::Supported, None));
    assert!((plateau.plateau.unwrap() / 0.018 - 1.0).abs() <= 0.05);

    // A constant where a fall is claimed contradicts it, with the exponent that it shows.
    let stuck = find(&claims, "strong.h/exact/n=20000/k=1");
    assert_eq!(stuck.verdict, Verdict::Contradicted);
    assert!(stuck.reason.contains("slower than 1/L"), "{}", stuck.reason);
    // Observables that were not measured make no claim.
    assert!(!claims.iter().any(|claim| claim.observable.name().starts_with("closure_gap")));
}

/// One width says nothing of infinite width: the numbers stand there, and what to do.
#[test]
fn one_width_is_inconclusive_about_infinite_width() {
    let one = experiment(&["ensemble.widths=[5000]"]);
    let floor =
        |n: f64, depth: f64| vec![((Observable::ForwardCoupling, None), None, 0.7 / (n * depth))];
    for law in [&laws as Law, &floor] {
        let claims = evaluate(&one, &plant(&one, law), &[]);
        let claim = find(&claims, "coupling.forward.layer/exact/n=5000/k=1");
        assert_eq!(claim.verdict, Verdict::Inconclusive);
        assert!(claim.exponent.is_some() && claim.reason.contains("one width does not tell"));
        assert_eq!(claim.next.as_deref(), Some("add a second width, n = 20000 or more"));
    }
    // A floor and nothing else leaves noise around zero at two widths: no law, and no contradiction.
    let two = experiment(&["ensemble.seeds=12"]);
    let claims = evaluate(&two, &plant(&two, &floor), &[]);
    let claim = find(&claims, "coupling.forward.layer/exact/n=5000,20000/k=1");
    assert_eq!(claim.verdict, Verdict::Inconclusive, "{}", claim.reason);
}

/// A study's primary claims: of one closure, at the greatest width, at the last step at which 1 % of
/// the first loss is left; their intervals are wide enough to hold together.
#[test]
fn primary_claims_are_chosen_before_the_data_and_hold_together() {
    let experiment = experiment(&["training.steps=3", "ensemble.seeds=8"]);
    let mut rows = Vec::new();
    for (step, loss) in [(0, 0.5), (1, 0.1), (2, 0.0051), (3, 0.0049)] {
        let law = |n: f64, depth: f64| {
            let loss = ((Observable::TrainingLoss, None), None, loss);
            laws(n, depth).into_iter().chain([loss]).collect()
        };
        rows.extend(plant(&experiment, &law).into_iter().map(|row| Row { step, ..row }));
    }
    let claims = evaluate(&experiment, &rows, &[]);
    let primary: Vec<&Claim> = claims.iter().filter(|claim| claim.primary).collect();
    let ids: Vec<&str> = primary.iter().map(|claim| claim.id.as_str()).collect();
    assert_eq!(
        ids,
        [
            "strong.h/exact/n=20000/k=2",
            "strong.g/exact/n=20000/k=2",
            "coupling.forward.layer/exact/n=5000,20000/k=2"
        ]
    );
    assert!(primary.iter().all(|claim| claim.simultaneous == Some(3)));
    assert!(claims.iter().all(|claim| claim.primary == claim.simultaneous.is_some()));
    // The same numbers after one update: an interval that need hold alone is narrower.
    let width = |claim: &Claim| claim.ci95.map(|[low, high]| high - low).unwrap();
    let alone = find(&claims, "strong.g/exact/n=20000/k=1");
    assert!(!alone.primary && width(primary[1]) > width(alone));
    let [low, high] = primary[1].ci95.unwrap();
    let value = primary[1].exponent.unwrap();
    assert!(low < value && value < high);
    // What the value was before training stands beside it.
    let start = find(&claims, "strong.g/exact/n=20000/k=2").at_start.unwrap();
    assert!((start / (0.04 / 128.0 * (1.0 + 3.0 / 128.0)) - 1.0).abs() < 0.05);
    assert_eq!(find(&claims, "strong.g/exact/n=20000/k=0").at_start, None);
}

/// A run that exploded and stayed finite is no sample of any law: nothing is said of its setting.
#[test]
fn claims_on_unstable_settings_are_withheld() {
    let experiment = experiment(&[]);
    let rows = plant(&experiment, &laws);
    let task = Task { closure: Closure::Gia, width: 5000, depth: 16, seed: 2, ..a_task() };
    let task = Task { learning_rate: LearningRate::new(0.5), ..task };
    let unstable = [Unstable { task, step: 1, why: "loss 1e44 after one update".to_owned() }];
    let lost = Lost { diverged: &[], unstable: &unstable };
    let declared = experiment.study.design().claims;
    let claims = claims::evaluate(&experiment, declared, &rows, lost);
    let withheld = find(&claims, "weak.f/gia/n=5000/k=1");
    assert_eq!(withheld.verdict, Verdict::Inconclusive);
    assert!(withheld.reason.starts_with("withheld: 1 of 24 runs"), "{}", withheld.reason);
    assert!(withheld.exponent.is_none() && withheld.fitted.is_empty());
    // Other widths and closures are none of its business.
    for id in ["weak.f/gia/n=20000/k=1", "weak.f/exact/n=5000/k=1"] {
        assert_eq!(find(&claims, id).verdict, Verdict::Supported);
    }
}

#[test]
fn too_little_is_refused_with_the_minimum() {
    let few_depths = experiment(&["ensemble.depths=[4,8,16,32]"]);
    let claims = evaluate(&few_depths, &plant(&few_depths, &laws), &[]);
    for id in ["strong.g/exact/n=20000/k=1", "coupling.forward.layer/exact/n=5000,20000/k=1"] {
        let claim = find(&claims, id);
        let reason = "needs at least 5 sizes L, has 4";
        assert_eq!((claim.verdict, claim.reason.as_str()), (Verdict::Inconclusive, reason));
        assert!(claim.next.is_some());
        assert!(claim.exponent.is_none() && claim.plateau.is_none() && claim.fitted.is_empty());
        assert_eq!(claim.curve.len(), 4, "what was measured is still shown");
    }
    let few_seeds = experiment(&["ensemble.seeds=3"]);
    let claims = evaluate(&few_seeds, &plant(&few_seeds, &laws), &[]);
    let claim = find(&claims, "strong.g/exact/n=20000/k=1");
    assert_eq!(claim.reason, "needs at least 4 seeds at every point, has 3");
}

/// Which seeds they are is no part of what the same numbers say.
#[test]
fn claims_are_the_same_wherever_the_seeds_begin() {
    let at = |first: &str| {
        let experiment = experiment(&[first]);
        evaluate(&experiment, &plant(&experiment, &laws), &[])
    };
    let claims = at("ensemble.first_seed=1000");
    assert!(claims.iter().any(|claim| claim.exponent.is_some()));
    assert_eq!(claims, at("ensemble.first_seed=0"));
}

/// Seeds that some depth lost are left out at all of them: survivors are not compared with all.
#[test]
fn lost_runs_are_left_out_and_counted() {
    let experiment = experiment(&["ensemble.seeds=6"]);
    let mut rows = plant(&experiment, &laws);
    // One seed lost at one depth, and all seeds at another.
    rows.retain(|row| !(row.task.depth == 8 && row.task.seed == 2) && row.task.depth != 64);
    let task = |closure, depth, seed| Task { closure, width: 20_000, depth, seed, ..a_task() };
    let mut lost: Vec<Task> = (0..6).map(|seed| task(Closure::Exact, 64, seed)).collect();
    lost.push(task(Closure::Exact, 8, 2));
    lost.push(task(Closure::Gia, 8, 2));
    lost.push(Task { width: 5000, ..task(Closure::Exact, 8, 2) });
    let claims = evaluate(&experiment, &rows, &lost);
    let claim = find(&claims, "strong.g/exact/n=20000/k=1");
    assert_eq!((claim.points, claim.seeds, claim.diverged), (5, 5, 7));
    assert_eq!(claim.curve.iter().map(|p| p.depth).collect::<Vec<_>>(), [4, 8, 16, 32, 128]);
    assert_eq!(claim.verdict, Verdict::Supported);
    // Runs of both widths count, where both make the curve.
    let coupling = find(&claims, "coupling.forward.layer/exact/n=5000,20000/k=1");
    assert_eq!((coupling.points, coupling.seeds, coupling.diverged), (5, 5, 8));

    // Five of six seeds lost at the last depth: whatever the others say, nothing is claimed.
    let mut rows = plant(&experiment, &laws);
    rows.retain(|row| row.task.depth != 128 || row.task.seed == 0);
    let claims = evaluate(&experiment, &rows, &[]);
    let claim = find(&claims, "coupling.forward.layer/exact/n=5000,20000/k=1");
    assert_eq!(claim.reason, "needs at least 4 seeds at every point, has 1");
}

/// Against one wide and deep network an error is a/n + b/L: no rate in L away from its width, and
/// none in n away from its depth. Couplings compare with nothing and stay.
#[test]
fn one_reference_network_gives_rates_only_along_its_own_lines() {
    let claims = |overrides: &[&str]| {
        let experiment = experiment(overrides);
        evaluate(&experiment, &plant(&experiment, &laws), &[])
    };
    let of = |claims: &[Claim], observable: &str, axis: SizeAxis| {
        claims.iter().any(|claim| claim.observable.name() == observable && claim.axis == axis)
    };
    let far = claims(&["reference.width=160000", "reference.depth=512"]);
    assert!(!of(&far, "strong.g", SizeAxis::Depth) && !of(&far, "strong.g", SizeAxis::Width));
    assert!(
        !of(&far, "weak.f", SizeAxis::Depth) && of(&far, "coupling.forward.layer", SizeAxis::Depth)
    );
    let deep = claims(&["ensemble.widths=[20000]", "reference.width=20000", "reference.depth=512"]);
    assert!(of(&deep, "strong.g", SizeAxis::Depth) && of(&deep, "weak.f", SizeAxis::Depth));
}

/// The strong error of g_0 of jobs/theorem.json (exact, two updates, 16 seeds that err by half a
/// percent): all neighbours fall faster than 1/L, by exponents that still fall. A family with one correction
/// once contradicted 1/L with an interval below 0.75.
#[test]
fn exponents_that_still_fall_contradict_nothing() {
    let overrides = ["ensemble.widths=[16384]", "ensemble.seeds=40", "reference={\"depth\":512}"];
    let experiment = experiment(&overrides);
    let values = [6.14736e-02, 2.01203e-02, 7.03122e-03, 2.68902e-03, 1.08119e-03, 4.25240e-04];
    let law = |_: f64, depth: f64| {
        let i = (depth / 4.0).log2() as usize;
        vec![((Observable::GradientError, None), Some(0.0), values[i])]
    };
    let claims = evaluate(&experiment, &plant(&experiment, &law), &[]);
    let claim = find(&claims, "strong.g/exact/n=16384/k=1");
    assert!(claim.local_exponents.iter().flatten().all(|&p| p > 1.2));
    assert_ne!(claim.verdict, Verdict::Contradicted, "{}", claim.reason);
    let [low, high] = claim.ci95.unwrap();
    assert!(low < 1.1 && high > 1.0, "[{low}, {high}]");
}

/// What is said of a fit is the curve that is drawn: its formula with its numbers is the fitted value at each
/// point, a fit of logarithms leaves residuals without any of its terms, and the claimed exponent is the
/// middle one of the three, in an interval that holds theirs.
#[test]
fn parts_of_a_fit_make_the_curve_that_is_drawn() {
    let experiment = experiment(&[]);
    let claims = evaluate(&experiment, &plant(&experiment, &laws), &[]);
    let mut seen = BTreeMap::new();
    for claim in claims.iter().filter(|claim| claim.held.is_some()) {
        let Some(fit) = &claim.fit else {
            assert!(claim.ci95.is_none() || claim.family == Family::Drift, "{}", claim.id);
            assert!(claim.curve.iter().all(|point| point.fitted.is_none()), "{}", claim.id);
            continue;
        };
        *seen.entry(fit.formula.clone()).or_insert(0) += 1;
        let of = |name: &str| {
            let part = fit.coefficients.iter().find(|part| part.name == name);
            part.unwrap_or_else(|| panic!("no {name} in {}", claim.id)).value
        };
        let p = fit.exponents[0].value;
        for point in &claim.curve {
            let x = point.x as f64;
            let law = match fit.formula.as_str() {
                "A L^{−p} e^{β/L}" => of("A") * x.powf(-p) * (of("β") / x).exp(),
                "c + (a + b/L) L^{−1}" => of("c") + (of("a") + of("b") / x) / x,
                other => panic!("{}: {other}", claim.id),
            };
            let fitted = point.fitted.unwrap();
            assert!(close(fitted, law, 1e-9), "{}: {fitted} and {law} at {x}", claim.id);
            let residual = (point.value - law) / point.standard_error.unwrap();
            assert!(close(point.residual().unwrap(), residual, 1e-5 * residual.abs().max(1.0)));
        }
        if fit.formula.starts_with('A') {
            let logs = claim
                .curve
                .iter()
                .map(|point| (point.x as f64, (point.value / point.fitted.unwrap()).ln()));
            for term in [|_| 1.0, f64::ln, |x: f64| 1.0 / x] {
                let sum: f64 = logs.clone().map(|(x, log)| term(x) * log).sum();
                let size: f64 = logs.clone().map(|(x, log)| (term(x) * log).abs()).sum();
                // Of a law without noise only rounding is left.
                assert!(sum.abs() <= 1e-8 * size.max(1e-3), "{}: {sum} of {size}", claim.id);
            }
        }
        let mut exponents: Vec<f64> = fit.exponents.iter().map(|part| part.value).collect();
        exponents.sort_by(f64::total_cmp);
        assert_eq!(claim.exponent, Some(exponents[1]), "{}", claim.id);
        let [low, high] = claim.ci95.unwrap();
        for part in &fit.exponents {
            let [from, to] = part.interval.unwrap();
            assert!(low <= from && from <= part.value && part.value <= to && to <= high);
        }
    }
    assert!(seen.len() == 2 && seen.values().all(|&number| number >= 2), "{seen:?}");
}
