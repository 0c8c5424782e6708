//! Limits that do not exist, or are not computed: each is refused at its field, with what to do; and what
//! is left open in an experiment of the limit.

use std::fs;
use std::path::Path;

use crate::common::results::nfd;
use nfd::experiment::file::ExperimentFile;
use nfd::experiment::resolve::resolve;
use nfd::experiment::{Engine, Limit, Resolved};

const GOOD: &str = r#"{
  "name": "limits",
  "study": "limit",
  "data": { "source": "digits", "samples": 4 },
  "training": { "steps": 1, "learning_rate": 0.5 },
  "ensemble": { "closures": ["gia"] },
  "limit": { "tolerance": 5e-3, "width": 256 }
}
"#;

/// Finite networks that are compared with their limit.
const BESIDE: &str = r#"{
  "name": "beside",
  "data": { "source": "digits", "samples": 4 },
  "training": { "steps": 1, "learning_rate": 0.5 },
  "ensemble": { "widths": [64], "depths": [4, 8], "seeds": 2, "closures": ["gia"] },
  "reference": "limit",
  "engine": "conditional"
}
"#;

fn resolved(text: &str, overrides: &[&str]) -> Result<Resolved, String> {
    let overrides: Vec<String> = overrides.iter().map(|&set| set.to_owned()).collect();
    let file = ExperimentFile::new(Path::new("e.json"), text.to_owned(), &overrides)
        .map_err(|error| error.to_string())?;
    file.parse().and_then(|typed| resolve(typed, &file)).map_err(|error| error.to_string())
}

fn refused(text: &str, place: &str, words: &[&str]) {
    let message = resolved(text, &[]).map(|resolved| resolved.experiment).unwrap_err();
    assert!(message.starts_with(&format!("{place}: ")), "{place}: {message}\n{text}");
    for word in words {
        assert!(message.contains(word), "'{word}' is not in: {message}");
    }
    // The place, field and problem on one line, what to do on the next.
    assert_eq!(message.lines().count(), 2, "{message}");
}

/// Something is typed that a limit has not, in the study and in what else computes one.
#[test]
fn what_has_no_limit_is_refused_where_it_stands() {
    resolved(GOOD, &[]).unwrap();
    resolved(BESIDE, &[]).unwrap();
    let training = "\"learning_rate\": 0.5";
    let closures = "\"closures\": [\"gia\"]";
    let name = "\"training\": {";
    // In both: (what is replaced, by what, column of line 5 or 4, words).
    let both: &[(&str, &str, usize, &[&str])] = &[
        (
            training,
            "\"learning_rate\": 0.5, \"batch\": 2",
            51,
            &["training.batch", "minibatches", "batch full"],
        ),
        (
            training,
            "\"learning_rate\": 0.5, \"optimizer\": \"muon\"",
            51,
            &["training.optimizer", "gradient descent", "take optimizer sgd"],
        ),
        (
            name,
            "\"model\": { \"parametrization\": \"mup\" }, \"training\": {",
            14,
            &["model.parametrization", "only depth-μP", "take depth-mup"],
        ),
        (
            name,
            "\"model\": { \"exponents\": { \"branch\": 0.7, \"rate\": 0 } }, \"training\": {",
            14,
            &["model.exponents", "leave the exponents out"],
        ),
        (
            name,
            "\"backend\": \"cuda\", \"training\": {",
            3,
            &["backend", "on the processor", "take backend cpu"],
        ),
    ];
    for (text, line) in [(GOOD, 5), (BESIDE, 4)] {
        for (from, to, column, words) in both {
            assert!(text.contains(from));
            refused(&text.replacen(from, to, 1), &format!("e.json:{line}:{column}"), words);
        }
        let ensemble = text.lines().position(|line| line.contains("ensemble")).unwrap() + 1;
        let column = text.lines().nth(ensemble - 1).unwrap().find("\"closures\"").unwrap() + 1;
        for (to, words) in [
            ("\"learning_rates\": [0.5, 1.0]", ["ensemble.learning_rates", "one learning rate"]),
            ("\"parametrizations\": [\"depth-mup\", \"mup\"]", ["depth-mup", "only depth-μP"]),
        ] {
            let rates = to.contains("rates");
            let text = match rates {
                true => text.replace(", \"learning_rate\": 0.5", ""),
                false => text.to_owned(),
            };
            let text = text.replacen(closures, &format!("{to}, {closures}"), 1);
            let message = resolved(&text, &[]).map(|resolved| resolved.experiment).unwrap_err();
            assert!(words.iter().all(|word| message.contains(word)), "{message}");
            if rates {
                assert!(message.starts_with(&format!("e.json:{ensemble}:{column}: ")), "{message}");
            }
        }
    }
    // Two-layer blocks have the dense engine alone, and so no limit.
    let two = "\"model\": { \"block\": \"two-layer\" }, \"training\": {";
    let message = resolved(&GOOD.replace(name, two), &[]).map(|r| r.experiment).unwrap_err();
    assert!(message.contains("block") && message.contains("one-layer"), "{message}");
}

/// In the study alone: there are no finite networks, so no sizes, and nothing is compared.
#[test]
fn studies_of_the_limit_have_no_finite_networks() {
    let closures = "\"closures\": [\"gia\"]";
    for (to, words) in [
        ("\"widths\": [64]", ["ensemble.widths", "no networks of given sizes"]),
        ("\"depths\": [4, 8]", ["ensemble.depths", "no networks of given sizes"]),
        ("\"seeds\": 2", ["ensemble.seeds", "no networks of given sizes"]),
    ] {
        let text = GOOD.replace(closures, &format!("{to}, {closures}"));
        refused(&text, "e.json:6:17", &[words[0], words[1], "reference limit compares"]);
    }
    let end = "\"width\": 256 }";
    for reference in ["doubling", "network", "limit"] {
        let text = GOOD.replace(end, &format!("{end},\n  \"reference\": \"{reference}\""));
        let message = resolved(&text, &[]).map(|resolved| resolved.experiment).unwrap_err();
        assert!(message.starts_with("e.json:8:3: reference: "), "{message}");
        assert!(message.contains("no finite networks") && message.contains("leave it out"));
    }
    let text = GOOD.replace(end, &format!("{end},\n  \"engine\": \"dense\""));
    refused(&text, "e.json:8:3", &["engine", "conditional engine", "take engine conditional"]);
    // And there they are required, as ever: at the section that lacks them.
    for (field, typed) in [
        ("widths", "\"widths\": [64], "),
        ("depths", "\"depths\": [4, 8], "),
        ("seeds", "\"seeds\": 2, "),
    ] {
        let field = format!("ensemble.{field}: is required");
        refused(&BESIDE.replace(typed, ""), "e.json:5:3", &[&field, "add it"]);
    }
}

/// How well the limit is to be known.
#[test]
fn sizes_of_a_limit_are_checked() {
    let typed = "\"tolerance\": 5e-3, \"width\": 256";
    for (to, column, words) in [
        ("\"width\": 1000", 14, ["limit.width", "no multiple of 16", "take 1008"]),
        ("\"width\": 16", 14, ["limit.width", "too small", "256"]),
        ("\"tolerance\": 0", 14, ["limit.tolerance", "too small", "at least 0.0000001"]),
        ("\"tolerance\": 2", 14, ["limit.tolerance", "too large", "at most 1"]),
        ("\"repetition\": 1048576", 14, ["limit.repetition", "too large", "1048575"]),
        ("\"repetition\": -1", 14, ["limit.repetition", "-1", ""]),
        ("\"whitening\": 1", 14, ["limit.whitening", "1", ""]),
        ("\"tolerances\": 1e-3", 14, ["limit.tolerances", "unknown key", "'tolerance'"]),
    ] {
        let message = resolved(&GOOD.replace(typed, to), &[]).map(|r| r.experiment).unwrap_err();
        assert!(message.starts_with(&format!("e.json:7:{column}: ")), "{to}: {message}");
        assert!(words.iter().all(|word| message.contains(word)), "{to}: {message}");
    }
}

/// Defaults, and a resolved experiment that resolves to itself, without sizes and beside them.
#[test]
fn limits_resolve_to_themselves() {
    // Twice the width for every tenth of 1e-3, begun or whole.
    for (tolerance, width) in
        [("0.1", 4096), ("1e-3", 4096), ("9e-4", 8192), ("1e-4", 8192), ("9e-5", 16384)]
    {
        let set = format!("limit={{\"tolerance\":{tolerance}}}");
        let limit = resolved(GOOD, &[&set]).unwrap().experiment.limit.unwrap();
        assert_eq!(limit.width, width, "{tolerance}");
    }
    let beside = resolved(BESIDE, &[]).unwrap().experiment;
    let default = Limit { tolerance: 1e-3, width: 4096, whitening: true, repetition: 0 };
    assert_eq!(beside.limit, Some(default));
    let without = resolved(BESIDE, &["reference=doubling"]).unwrap().experiment;
    assert_eq!(without.limit, None, "nobody has asked for it");
    let good = resolved(GOOD, &[]).unwrap();
    assert!(good.decisions.iter().any(|line| line.starts_with("engine conditional: ")));
    assert_eq!(good.experiment.engine, Engine::Conditional);
    for experiment in [good.experiment, beside] {
        let text = serde_json::to_string_pretty(&experiment).unwrap();
        assert_eq!(resolved(&text, &[]).unwrap().experiment, experiment);
    }
}

/// A network that leaves the finite numbers ends the job with exit code 2, the closure, depth and step,
/// and what to do; no final file is written, now or by the same command again.
#[test]
fn limits_that_diverge_are_named() {
    let folder = tempfile::tempdir().unwrap();
    let (file, output) = (folder.path().join("job.json"), folder.path().join("run"));
    fs::write(&file, GOOD.replace("\"steps\": 1", "\"steps\": 30")).unwrap();
    let (file, directory) = (file.display().to_string(), output.display().to_string());
    let set = ["model.activation=relu", "training.learning_rate=1e12", "limit.whitening=false"];
    let mut run = vec!["run", &file, "--output", &directory];
    set.iter().for_each(|set| run.extend(["--set", set]));
    for arguments in [&run[..], &run, &["report", &directory]] {
        let done = nfd(arguments);
        let said = String::from_utf8_lossy(&done.stderr);
        assert_eq!(done.status.code(), Some(2), "{arguments:?}: {said}");
        let named = "gia: a network of width 256 and depth 4 diverged after ";
        assert!(said.contains(named) && said.contains(" updates\n"), "{said}");
        assert!(said.contains("take a smaller training.learning_rate"), "{said}");
        assert!(!said.contains("panicked"), "{said}");
        for name in ["limit.csv", "limit.npz", "summary.json", "report.html"] {
            assert!(!output.join(name).exists(), "{name} was written");
        }
    }
}
