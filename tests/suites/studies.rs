//! Every study on its small job, end to end: the laws of theory come out with their intervals, and
//! the paragraph says what does not hold. The full-size jobs are resolved and planned.

use std::collections::BTreeSet;
use std::path::Path;

use crate::common::results::{nfd, rows, run_job};
use nfd::experiment::Study;
use nfd::studies::figures::COMMON;
use serde_json::Value;

/// summary.json of a small job, and its run directory.
fn study(job: &str) -> (tempfile::TempDir, std::path::PathBuf, Value) {
    let (parent, directory) = run_job(&format!("jobs/{job}.json"), &[]);
    let text = std::fs::read_to_string(directory.join("summary.json")).unwrap();
    (parent, directory, serde_json::from_str(&text).unwrap())
}

fn claim<'a>(summary: &'a Value, id: &str) -> &'a Value {
    let claims = summary["claims"].as_array().unwrap();
    let ids: Vec<&str> = claims.iter().map(|claim| claim["id"].as_str().unwrap()).collect();
    let at = ids.iter().position(|other| *other == id);
    &claims[at.unwrap_or_else(|| panic!("no claim {id} among {ids:#?}"))]
}

/// All paragraphs.
fn found(summary: &Value) -> String {
    let paragraphs = summary["findings"].as_array().unwrap();
    paragraphs.iter().map(|p| p.as_str().unwrap()).collect::<Vec<_>>().join(" ")
}

fn interval(claim: &Value, field: &str) -> [f64; 2] {
    let ends = claim[field].as_array().unwrap_or_else(|| panic!("no {field}: {claim:#}"));
    [0, 1].map(|i| ends[i].as_f64().unwrap())
}

/// The law lies in the interval, which says something: it is no wider than `widest`.
///
/// `slack` is what the next order of the law, which the family leaves out, may move the exponent by.
fn holds(summary: &Value, id: &str, law: f64, widest: f64, slack: f64) {
    let claim = claim(summary, id);
    let [low, high] = interval(claim, "ci95");
    assert!(low - slack <= law && law <= high + slack, "{id}: {law} in [{low}, {high}]");
    assert!(high - low <= widest, "{id}: [{low}, {high}] is wider than {widest}");
}

fn verdict(summary: &Value, id: &str, expected: &str) {
    let claim = claim(summary, id);
    assert_eq!(claim["verdict"], expected, "{id}: {claim:#}");
}

/// What is claimed is what theory says.
fn nothing_is_contradicted(summary: &Value) {
    let claims = summary["claims"].as_array().unwrap().iter();
    let contradicted: Vec<_> = claims.filter(|c| c["verdict"] == "contradicted").collect();
    assert!(contradicted.is_empty(), "{contradicted:#?}");
}

/// A study that no job asks for would be run by nobody, and by none of the tests below.
#[test]
fn every_study_has_a_small_job_and_figures_of_its_own() {
    let jobs = std::fs::read_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/jobs")).unwrap();
    let jobs: Vec<_> = jobs.map(|file| file.unwrap().path()).collect();
    let small = jobs.iter().filter(|path| path.display().to_string().ends_with("-small.json"));
    let asked: Vec<Value> = small
        .map(|path| serde_json::from_str::<Value>(&std::fs::read_to_string(path).unwrap()).unwrap())
        .map(|job| job["study"].clone())
        .collect();
    for study in Study::ALL {
        assert!(asked.contains(&study.name().into()), "no small job of {study:?}");
        let design = study.design();
        // The limit is computed, not compared with anything.
        let claims = !design.claims.is_empty() || study == Study::Limit;
        assert!(design.question.ends_with('?') && claims, "{}", design.title);
        let figures = design.figures.iter().chain(COMMON).map(|figure| figure.name);
        let unique: BTreeSet<_> = figures.clone().collect();
        assert_eq!(unique.len(), figures.count(), "{}", design.title);
    }
}

/// Errors at initialisation are a/n + b/L^q: q = 2 for h, 1 for g, and the coupling is of order 1/n.
#[test]
fn propagation() {
    let (_parent, directory, summary) = study("figure1-small");
    for (id, law, widest) in [
        ("strong.h/exact/all n/k=0", 2.0, 0.6),
        ("strong.h/exact/all L/k=0", 1.0, 0.5),
        ("strong.g/exact/all n/k=0", 1.0, 0.2),
        ("strong.g/exact/all L/k=0", 1.0, 0.8),
        ("coupling.backward.accumulated.same/exact/L=8/k=0", 1.0, 1.2),
    ] {
        holds(&summary, id, law, widest, 0.03);
    }
    // The first law of the figure is decided, for h and for g.
    verdict(&summary, "strong.h/exact/all n/k=0", "supported");
    verdict(&summary, "strong.g/exact/all n/k=0", "supported");
    // A curve for each of the other size's values, and as a plot.
    let fitted = claim(&summary, "strong.g/exact/all n/k=0")["fitted"].as_array().unwrap();
    assert_eq!(fitted.len(), 5 * 41, "of every width");
    assert!(fitted.iter().all(|point| point["held"].is_u64()));
    let plot = directory.join("plots/strong-g-depth-all-widths.svg");
    assert!(std::fs::read_to_string(plot).unwrap().contains("n = 16384"));
}

/// Training against a network four times deeper than the deepest: exponents, and what the reference
/// itself errs by.
#[test]
fn training_convergence() {
    let (_parent, _directory, summary) = study("theorem-small");
    for closure in ["exact", "fresh"] {
        let id = |observable, k| format!("{observable}/{closure}/n=2048/k={k}");
        holds(&summary, &id("weak.f", 1), 1.0, 1.2, 0.05);
        holds(&summary, &id("strong.g", 0), 1.0, 0.4, 0.05);
        verdict(&summary, &id("strong.g", 0), "supported");
        let coupling = format!("coupling.forward.layer/{closure}/n=512,2048/k=1");
        holds(&summary, &coupling, 2.0, 0.4, 0.05);
        verdict(&summary, &coupling, "supported");
        let sum = format!("coupling.forward.accumulated/{closure}/n=512,2048/k=1");
        verdict(&summary, &sum, "supported");
    }
    nothing_is_contradicted(&summary);
    // a/L at L = 512, against a (1/128 − 1/512): a third.
    let share = claim(&summary, "strong.g/exact/n=2048/k=0")["reference_error"].as_f64().unwrap();
    assert!((share - 1.0 / 3.0).abs() <= 0.05, "{share}");
    let coupling = claim(&summary, "coupling.forward.layer/exact/n=512,2048/k=1");
    assert!(coupling["reference_error"].is_null(), "a coupling is no error");
}

/// Independent backward weights change training at every depth. Dense networks of two widths share no
/// noise, so what is left of the gap at infinite width is known to little more than its sign; nothing is
/// claimed beyond that.
#[test]
fn gradient_independence() {
    let (_parent, directory, summary) = study("figure2-small");
    for parametrization in ["vanilla", "mup", "depth-mup"] {
        let id = format!("closure_gap.f/gia/n=32,64/k=60/{parametrization}");
        assert!(claim(&summary, &id)["points"].as_u64().unwrap() >= 5);
    }
    nothing_is_contradicted(&summary);
    let found = found(&summary);
    for words in ["In depth-mup at L = 32 the loss ends at", "accuracy at"] {
        assert!(found.contains(words), "{found}");
    }
    for plot in ["loss-test-depth-mup", "accuracy-test-mup", "closure-gap-loss-test-by-depth"] {
        assert!(directory.join(format!("plots/{plot}.svg")).is_file(), "{plot}");
    }
    // The networks learn, and losses and accuracies are those of the same outputs.
    let rows = rows(&directory);
    let mean = |observable: &str, step: u32| {
        let here = rows.iter().filter(|r| r.observable == observable && r.step == step);
        let values: Vec<f64> = here.map(|r| r.value).collect();
        values.iter().sum::<f64>() / values.len() as f64
    };
    assert!(mean("loss.test", 60) < 0.8 * mean("loss.test", 0));
    assert!(mean("accuracy.test", 60) > 0.5 && mean("accuracy.test", 0) < 0.4);
}

/// Smallest eigenvalues do not vanish with n, but fall with every step, and are zero where that is so by
/// construction.
#[test]
fn nondegeneracy() {
    let (_parent, _directory, summary) = study("figure3-small");
    for closure in ["exact", "fresh", "gia"] {
        for (observable, k) in [("eigmin.features", 0), ("eigmin.gradients", 0)] {
            holds(&summary, &format!("{observable}/{closure}/L=8/k={k}"), 0.0, 0.6, 0.1);
        }
    }
    let found = found(&summary);
    nothing_is_contradicted(&summary);
    for words in [
        "The smallest eigenvalue of the features halfway is 3.8",
        "over the first k + 1 passes",
        "the covariance of φ(h) at depth time 0 from step 1 on; the input layer is frozen",
        "the covariance of g at depth time 1 from step 0 on; the last layer's gradient is V",
    ] {
        assert!(found.contains(words), "{found}");
    }
    assert_eq!(found.matches("Degenerate").count(), 2, "{found}");
}

/// A sample that is there twice makes both covariances singular everywhere, and is found.
#[test]
fn duplicates_are_found_degenerate() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("twice.csv");
    std::fs::write(&file, "x0,x1,x2,y\n1,0,0,1\n0,1,0,-1\n1,0,0,1\n").unwrap();
    let data = format!("data={{\"source\":\"csv\",\"samples\":3,\"path\":\"{}\"}}", file.display());
    let sizes = ["--set", "ensemble.widths=[64,128]", "--set", "training.steps=0"];
    let extra = [&["--set", &data][..], &sizes].concat();
    let (_parent, directory) = run_job("jobs/figure3-small.json", &extra);
    let text = std::fs::read_to_string(directory.join("summary.json")).unwrap();
    let summary: Value = serde_json::from_str(&text).unwrap();
    let found = found(&summary);
    for time in ["0", "0.25", "0.5", "0.75"] {
        let words = format!("of φ(h) at depth time {time} from step 0 on");
        assert!(found.contains(&words), "{time}: {found}");
    }
    assert!(found.contains("as duplicates are"), "{found}");
}

/// Couplings fall per layer and add up to something that stays; so do the gaps of gia.
#[test]
fn anatomy() {
    let (_parent, directory, summary) = study("anatomy-small");
    for closure in ["exact", "fresh"] {
        let id = format!("coupling.forward.layer/{closure}/n=512,2048/k=1");
        holds(&summary, &id, 2.0, 0.4, 0.05);
        verdict(&summary, &id, "supported");
        let sum = format!("coupling.forward.accumulated/{closure}/n=512,2048/k=1");
        verdict(&summary, &sum, "supported");
    }
    nothing_is_contradicted(&summary);
    // Theory's constants, measured at n = 20 000.
    for (id, value) in [
        ("coupling.forward.accumulated/exact/n=512,2048/k=1", 1.79e-2),
        ("closure_gap.f/gia/n=512,2048/k=1", 1.41e-2),
    ] {
        let [low, high] = interval(claim(&summary, id), "plateau_ci95");
        assert!(low <= value && value <= high, "{id}: {value} in [{low}, {high}]");
        assert!(high - low < 0.5 * value, "{id}: [{low}, {high}] says little");
    }
    // The gap in its own units, of f's movement, and what a faster closure leaves of it.
    let found = found(&summary);
    for words in [
        "do not give the network’s f at large depth: mean-square gap",
        "% of f’s own movement in mean square",
        "the factor that fits best",
        "Summed over layers it does not vanish",
        "we have not seen the proofs",
    ] {
        assert!(found.contains(words), "{words}: {found}");
    }
    assert!(!found.contains("refuted") && !found.contains("harmless"));
    for plot in ["couplings-layer-exact", "couplings-accumulated-fresh"] {
        assert!(directory.join(format!("plots/{plot}.svg")).is_file(), "{plot}");
    }
}

/// Full-size jobs resolve, fit a laptop, and have a price on one, on a GPU and on 64 ranks.
#[test]
fn full_size_jobs_are_planned() {
    for job in ["figure1", "theorem", "figure2", "figure3", "transfer", "anatomy", "limit"] {
        let file = format!("jobs/{job}.json");
        let small = format!("jobs/{job}-small.json");
        let of = |path: &str| {
            let text = std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(path));
            serde_json::from_str::<Value>(&text.unwrap()).unwrap()
        };
        assert_eq!(of(&file)["study"], of(&small)["study"], "{job}");
        let mut backends = vec!["cpu"];
        if job != "limit" {
            backends.push("cuda"); // limits run on the processor
        }
        for backend in backends {
            let set = format!("backend={backend}");
            let folder = tempfile::tempdir().unwrap();
            let output = folder.path().join("run").display().to_string();
            let threads = ["--threads", "8", "--ranks", "1,64", "--output", &output];
            let planned = nfd(&[&["plan", &file, "--set", &set][..], &threads].concat());
            let stdout = String::from_utf8(planned.stdout).unwrap();
            let stderr = String::from_utf8_lossy(&planned.stderr);
            assert!(planned.status.success(), "{job} on {backend}: {stderr}");
            let line = stdout.lines().find(|line| line.contains(" tasks, ")).unwrap();
            let seconds = line.split("about ").nth(1).unwrap().split(' ').next().unwrap();
            let seconds: f64 = seconds.parse().unwrap();
            assert!(seconds > 0.0 && seconds < 3600.0, "{job} on {backend}: {line}");
            let ranks = |n: &str| stdout.lines().any(|l| l.split_whitespace().next() == Some(n));
            assert!(ranks("1") && ranks("64"), "{stdout}");
        }
    }
}

/// Two-layer blocks: the inner matrix's own movement collapses like L^{-1/2} (its mean square like
/// 1/L), the total movement does not. With the inner rate corrected it does not either, but then f
/// moves like √L, and the best learning rate falls with depth, which without stays where it is.
#[test]
fn transfer() {
    let (_parent, directory, summary) = study("transfer-small");
    for k in [1, 5] {
        let id = |observable, name| format!("{observable}/exact/n=64/k={k}/{name}");
        holds(&summary, &id("movement.own", "depth-mup"), 1.0, 0.5, 0.05);
        holds(&summary, &id("movement.own", "depth-mup-corrected"), 0.0, 0.5, 0.1);
        // Beside √L stands what the outer matrix adds, of order one: the power shows late.
        holds(&summary, &id("movement.f", "depth-mup-corrected"), 1.0, 0.8, 0.1);
    }
    verdict(&summary, "movement.own/exact/n=64/k=5/depth-mup", "supported");
    let optimum = |name| format!("optimum.learning_rate/exact/n=64/k=5/{name}");
    holds(&summary, &optimum("depth-mup"), 0.0, 0.4, 0.05);
    verdict(&summary, &optimum("depth-mup"), "supported");
    // A rate that moves f √L times as far is best √L times smaller.
    holds(&summary, &optimum("depth-mup-corrected"), -0.5, 0.4, 0.1);
    verdict(&summary, &optimum("depth-mup-corrected"), "supported");
    // f cannot move beyond its labels: after the first updates it grows slower than √L, and the claim,
    // made of every step, is rightly contradicted there.
    let claims = summary["claims"].as_array().unwrap().iter();
    for claim in claims.filter(|claim| claim["verdict"] == "contradicted") {
        let late = claim["step"].as_u64().unwrap() > 1;
        let of_f = claim["observable"] == "movement.f"
            && claim["parametrization"] == "depth-mup-corrected";
        assert!(of_f && late, "{claim:#}");
    }
    let found = found(&summary);
    assert!(found.contains("the best learning rate of exact in depth-mup is"), "{found}");
    for plot in ["loss-by-rate-depth-mup", "loss-by-rate-depth-mup-corrected"] {
        assert!(directory.join(format!("plots/{plot}.svg")).is_file(), "{plot}");
    }
}
