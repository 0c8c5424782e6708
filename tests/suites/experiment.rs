//! Experiment files: every kind of mistake is an error that names file, line, column and field,
//! and writes nothing; a resolved experiment resolves to itself.

use std::path::Path;

use crate::common::results::nfd;
use nfd::experiment::file::ExperimentFile;
use nfd::experiment::grid::tasks;
use nfd::experiment::resolve::resolve;
use nfd::experiment::{Backend, Engine, Experiment, Precision, Resolved, load};
use nfd::model::{Closure, Parametrization};

const GOOD: &str = r#"{
  "name": "good",
  "data": { "source": "digits", "samples": 4 },
  "model": { "activation": "tanh", "horizon": 1.0 },
  "training": { "steps": 1, "learning_rate": 0.5 },
  "ensemble": {
    "widths": [64],
    "depths": [2, 4, 8],
    "seeds": 4,
    "closures": ["exact"]
  },
  "engine": "conditional"
}
"#;

fn resolve_text(text: &str, overrides: &[&str]) -> Result<Resolved, String> {
    let overrides: Vec<String> = overrides.iter().map(|&s| s.to_owned()).collect();
    let source = ExperimentFile::new(Path::new("e.json"), text.to_owned(), &overrides)
        .map_err(|error| error.to_string())?;
    source.parse().and_then(|raw| resolve(raw, &source)).map_err(|error| error.to_string())
}

#[test]
fn the_good_one_is_good() {
    let resolved = resolve_text(GOOD, &[]).unwrap();
    assert_eq!(resolved.experiment.finest, Some(8));
    assert_eq!(resolved.experiment.probed_quarters(), [0, 2, 4]);
}

#[test]
fn mistakes_are_located() {
    // (what is replaced, by what, where, words of the message)
    let cases: &[(&str, &str, &str, &[&str])] = &[
        (
            "\"steps\": 1",
            "\"stepps\": 1",
            "e.json:5:17",
            &["training.stepps", "unknown key", "'steps'"],
        ),
        ("\"depths\"", "\"dephts\"", "e.json:8:5", &["ensemble.dephts", "'depths'"]),
        ("\"engine\"", "\"motor\"", "e.json:13:3", &["motor", "unknown key", "known:"]),
        ("\"tanh\"", "\"tahn\"", "e.json:4:14", &["model.activation", "'tahn'", "'tanh'"]),
        ("\"exact\"", "\"exakt\"", "e.json:10:18", &["ensemble.closures[0]", "'exact'"]),
        ("\"steps\": 1", "\"steps\": -1", "e.json:5:17", &["training.steps", "-1"]),
        ("\"steps\": 1", "\"steps\": 1.5", "e.json:5:17", &["training.steps", "1.5"]),
        ("\"steps\": 1", "\"steps\": \"one\"", "e.json:5:17", &["training.steps", "string"]),
        ("\"steps\": 1, ", "", "e.json:5:3", &["training.steps", "required"]),
        (
            "\"steps\": 1",
            "\"steps\": 99999999999",
            "e.json:5:17",
            &["training.steps", "99999999999"],
        ),
        ("0.5", "0", "e.json:5:29", &["training.learning_rate", "positive"]),
        ("0.5", "-0.5", "e.json:5:29", &["training.learning_rate"]),
        ("0.5", "NaN", "e.json:5:46", &["JSON", "NaN"]),
        ("0.5", "1e999", "e.json:5:", &["JSON", "out of range"]),
        ("0.5", "1e99", "e.json:5:29", &["training.learning_rate", "out of range"]),
        ("[64]", "[0]", "e.json:7:16", &["ensemble.widths[0]", "too small", "at least 1"]),
        ("[64]", "[]", "e.json:7:5", &["ensemble.widths", "empty"]),
        ("[64]", "64", "e.json:7:5", &["ensemble.widths", "sequence"]),
        ("[64]", "[64, 99999999999999]", "e.json:7:20", &["ensemble.widths[1]", "too large"]),
        ("[2, 4, 8]", "[2, 4, 4]", "e.json:8:22", &["ensemble.depths[2]", "twice"]),
        (
            "[2, 4, 8]",
            "[1009, 1013, 1019]",
            "e.json:8:5",
            &["ensemble.depths", "noise grid", "divide"],
        ),
        ("\"seeds\": 4", "\"seeds\": 1000000", "e.json:9:5", &["ensemble.seeds", "runs"]),
        (
            "\"digits\", \"samples\": 4",
            "\"synthetic\", \"samples\": 1000000, \"dimension\": 1000000",
            "e.json:3:56",
            &["data.dimension", "too large"],
        ),
        ("\"seeds\": 4", "\"seeds\": 0", "e.json:9:5", &["ensemble.seeds", "too small"]),
        ("\"horizon\": 1.0", "\"horizon\": -1", "e.json:4:36", &["model.horizon"]),
        ("\"good\"", "\"a/b\"", "e.json:2:3", &["name", "run directory"]),
        ("\"samples\": 4", "\"samples\": 0", "e.json:3:33", &["data.samples", "too small"]),
        (
            "\"samples\": 4",
            "\"path\": \"x\"",
            "e.json:3:33",
            &["data.path", "does not apply", "digits"],
        ),
        ("\"samples\": 4", "\"classes\": [1, 1]", "e.json:3:48", &["data.classes[1]", "twice"]),
        (
            "\"samples\": 4",
            "\"classes\": [1, 10]",
            "e.json:3:48",
            &["data.classes[1]", "at most 9"],
        ),
        (
            "\"samples\": 4",
            "\"classes\": [1], \"labels\": \"sign\"",
            "e.json:3:49",
            &["data.labels", "two classes"],
        ),
        ("\"engine\": \"conditional\"", "\"finest\": 12", "e.json:12:3", &["finest", "depth 8"]),
        (
            "\"engine\": \"conditional\"",
            "\"precision\": \"f32\", \"backend\": \"plain\"",
            "e.json:12:3",
            &["precision", "f64"],
        ),
        (
            "\"engine\": \"conditional\"",
            "\"reference\": \"dubling\"",
            "e.json:12:3",
            &["reference", "'doubling'"],
        ),
        (
            "\"engine\": \"conditional\"",
            "\"reference\": {\"row\": 1}",
            "e.json:12:17",
            &["reference.row", "'rows'"],
        ),
        (
            "\"engine\": \"conditional\"",
            "\"reference\": {\"rows\": \"al\"}",
            "e.json:12:17",
            &["reference.rows", "all"],
        ),
        (
            "\"engine\": \"conditional\"",
            "\"reference\": {\"depth\": 16}",
            "e.json:12:17",
            &["reference.depth", "at least 32"],
        ),
        (
            "\"engine\": \"conditional\"",
            "\"reference\": {\"width\": 100, \"depth\": 32}",
            "e.json:12:17",
            &["reference.width", "at least 512"],
        ),
        (
            "[\"exact\"]\n  },\n  \"engine\": \"conditional\"",
            "[\"fresh\"]\n  },\n  \"engine\": \"dense\"",
            "e.json:10:5",
            &["ensemble.closures", "no dense network"],
        ),
        (
            "[\"exact\"]",
            "[\"nfd\"]",
            "e.json:10:18",
            &["ensemble.closures[0]", "now named `fresh`", "equal-time part", "is not the limit"],
        ),
        (
            "[\"exact\"]",
            "[{\"forward\": \"past\", \"backward\": \"all\"}]",
            "e.json:10:19",
            &["ensemble.closures[0]", "past"],
        ),
        ("\"seeds\": 4", "\"seeds\": 4, \"seeds\": 5", "e.json:9:17", &["seeds", "twice"]),
        ("\"name\": \"good\",\n", "", "e.json", &["name", "required"]),
        ("}\n}", "}", "e.json:", &["JSON"]),
        ("\"conditional\"\n}", "\"conditional\",\n}", "e.json:13:1", &["JSON", "trailing comma"]),
    ];
    for (from, to, place, words) in cases {
        assert!(GOOD.contains(from) || *from == "}\n}", "{from}");
        let text = match *from {
            "\"engine\"" => GOOD.replace("\"engine\": ", "\n  \"motor\": "),
            _ => GOOD.replacen(from, to, 1),
        };
        let text = if *from == "}\n}" { GOOD[..GOOD.len() - 2].to_owned() } else { text };
        let message = resolve_text(&text, &[]).map(|r| r.experiment).unwrap_err();
        assert!(message.starts_with(place), "{to}: {message}");
        for word in *words {
            assert!(message.contains(word), "{to}: '{word}' is not in: {message}");
        }
    }
}

/// Several parametrizations and learning rates: each in one place, and what depends on one of them
/// follows the first.
#[test]
fn grids_of_settings_resolve() {
    let rates = "ensemble.learning_rates=[2,0.5,1]";
    let several = r#"ensemble.parametrizations=["mup","depth-mup"]"#;
    let text = GOOD.replace(", \"learning_rate\": 0.5", "");
    let resolved = resolve_text(&text, &[rates, several, "training.rates={\"input\":0.1}"]);
    let experiment = resolved.unwrap().experiment;
    assert_eq!(experiment.learning_rates(), [0.5, 1.0, 2.0]);
    assert_eq!(experiment.training.learning_rate, 0.5);
    assert_eq!(
        experiment.parametrizations(),
        [Parametrization::DepthMup, Parametrization::Mup],
        "in the order of the tables"
    );
    // A resolved experiment is an experiment file, and stays as it is.
    let text = serde_json::to_string(&experiment).unwrap();
    assert_eq!(resolve_text(&text, &[]).unwrap().experiment, experiment);
    let tasks = tasks(&experiment);
    assert_eq!(tasks.len(), 3 * 4 * 2 * 3);
    // Another rate moves all groups in proportion; another parametrization brings its exponents.
    let task = tasks.iter().find(|task| {
        task.learning_rate.value() == 2.0 && task.parametrization == Parametrization::Mup
    });
    let alone = experiment.of(*task.unwrap());
    assert_eq!((alone.training.learning_rate, alone.training.rates.input), (2.0, 0.4));
    assert_eq!(alone.model.exponents.branch, 0.0);
    assert!(alone.ensemble.learning_rates.is_none() && alone.ensemble.parametrizations.is_none());

    for (set, words) in [
        (&["ensemble.learning_rates=[]"][..], "is empty"),
        (&["ensemble.learning_rates=[0.5,0]"], "ensemble.learning_rates[1]"),
        (&["ensemble.learning_rates=[1,0.5,0.5]"], "twice"),
        (&["ensemble.learning_rates=[1,2]"], "training.learning_rate"),
        (&["ensemble.parametrizations=[]"], "is empty"),
        (&["ensemble.parametrizations=[\"mup\",\"mup\"]"], "twice"),
        (&[several, "model.parametrization=mup"], "model.parametrization"),
        (&[several, "model.exponents={\"branch\":0.7,\"rate\":0}"], "model.exponents"),
    ] {
        let message = resolve_text(GOOD, set).unwrap_err();
        assert!(message.contains(words), "{set:?}: {message}");
    }
    let message = resolve_text(&GOOD.replace(", \"learning_rate\": 0.5", ""), &[]).unwrap_err();
    assert!(message.contains("training") && message.contains("learning_rate"), "{message}");
}

/// Training that makes no sense, or that the program does not do, is refused with the reason.
#[test]
fn mistakes_in_training_are_refused_with_reasons() {
    let digits = "data={\"source\":\"digits\",\"classes\":[0,1,2]}";
    for (pairs, words) in [
        (&["training.batch=5"][..], &["training.batch", "too large", "at most 4"][..]),
        (&["training.batch=0"], &["training.batch", "too small"]),
        (&["training.batch=ful"], &["training.batch", "\"full\""]),
        (&["training.momentum=1"], &["training.momentum", "less than 1"]),
        (&["training.momentum=-0.1"], &["training.momentum", "out of range"]),
        (&["training.weight_decay=-1"], &["training.weight_decay", "too small"]),
        (&["training.record=0"], &["training.record", "too small"]),
        (&["training.optimizer=adam"], &["training.optimizer", "low rank", "take sgd"]),
        (&["training.optimizer=adamw"], &["low rank"]),
        (&["training.optimizer=adagrad"], &["low rank"]),
        (&["training.optimizer=rmsprop"], &["low rank"]),
        (&["training.optimizer=sdg"], &["training.optimizer", "'sgd'"]),
        (&["training.loss=cross-entropy"], &["training.loss", "one-hot"]),
        (
            &["training.loss=cross-entropy", "data={\"source\":\"toy\"}"],
            &["training.loss", "toy has one output"],
        ),
        (
            &["training.loss=cross-entropy", "data={\"source\":\"synthetic\"}"],
            &["training.loss", "synthetic has one output"],
        ),
        (
            &["training.loss=cross-entropy", "data={\"source\":\"digits\",\"classes\":[3]}"],
            &["training.loss", "two classes"],
        ),
        (&["training.schedule=cosin"], &["training.schedule", "'cosine'"]),
        (&["training.schedule={\"kin\":\"step\"}"], &["training.schedule.kin", "'kind'"]),
        (&["training.schedule={\"final\":0.1}"], &["schedule.final", "schedule constant"]),
        (
            &["training.schedule={\"kind\":\"cosine\",\"every\":2}"],
            &["schedule.every", "does not apply to schedule cosine"],
        ),
        (&["training.schedule={\"kind\":\"step\",\"every\":2}"], &["schedule.factor", "required"]),
        (
            &["training.schedule={\"kind\":\"step\",\"every\":0,\"factor\":0.5}"],
            &["schedule.every", "too small"],
        ),
        (&["training.schedule={\"warmup\":2}"], &["schedule.warmup", "too large"]),
        (&["training.schedule=cosine"], &["training.schedule", "1 updates after its warm-up"]),
        (
            &["training.steps=9", "training.schedule={\"kind\":\"cosine\",\"final\":2}"],
            &["schedule.final", "at most 1"],
        ),
        (&["storage=bf16"], &["storage", "engine conditional", "take engine dense"]),
        (&["storage=bf16", "engine=dense", "backend=plain"], &["storage", "backend plain"]),
        (
            // 5 passes with an update, of 4 samples, against 64/4.
            &["storage=bf16", "engine=dense", "training.steps=5"],
            &["storage", "20 columns of drift", "more than a quarter of width 64"],
        ),
        (&[digits, "training.batch=9"], &["training.batch", "at most 8"]),
    ] {
        let message = resolve_text(GOOD, pairs).map(|r| r.experiment).unwrap_err();
        for word in words {
            assert!(message.contains(word), "{pairs:?}: '{word}' is not in: {message}");
        }
    }
}

#[test]
fn training_is_written_out() {
    let training = |pairs: &[&str]| {
        let resolved = resolve_text(GOOD, pairs).unwrap();
        let value = serde_json::to_value(&resolved.experiment).unwrap();
        // What was resolved says the same again.
        let again = resolve_text(&value.to_string(), &[]).unwrap();
        assert_eq!(again.experiment, resolved.experiment, "{pairs:?}");
        (value["training"].clone(), resolved)
    };
    let (defaults, resolved) = training(&[]);
    let expected = serde_json::json!({
        "loss": "squared", "steps": 1, "learning_rate": 0.5,
        "rates": { "input": 0.5, "readout": 0.5 }, "batch": "full", "optimizer": "sgd",
        "momentum": 0.0, "weight_decay": 0.0,
        "schedule": { "kind": "constant", "warmup": 0 }, "record": 1
    });
    assert_eq!(defaults, expected);
    assert_eq!(resolved.experiment.backend, Backend::Cpu);

    let (all, resolved) = training(&[
        "data.classes=[0,1,2]",
        "training.loss=cross-entropy",
        "training.steps=250",
        "training.batch=3",
        "training.momentum=0.9",
        "training.schedule={\"kind\":\"cosine\",\"warmup\":5}",
    ]);
    assert_eq!(all["batch"], 3);
    let cosine = serde_json::json!({ "kind": "cosine", "final": 0.0, "warmup": 5 });
    assert_eq!(all["schedule"], cosine);
    // About a hundred passes of a long run.
    assert_eq!(all["record"], 3);
    assert_eq!(resolved.experiment.backend, Backend::Cpu);
    let steps: Vec<u32> = resolved.experiment.training.recorded_steps().collect();
    assert!(steps.len() == 85 && steps.starts_with(&[0, 3, 6]) && steps.ends_with(&[249, 250]));

    // A batch of all is a full one.
    assert_eq!(training(&["training.batch=4"]).0["batch"], "full");
    let step = "training.schedule={\"kind\":\"step\",\"every\":2,\"factor\":0.5}";
    let step = training(&[step]).0["schedule"].clone();
    assert_eq!(step, serde_json::json!({ "kind": "step", "every": 2, "factor": 0.5, "warmup": 0 }));
}

#[test]
fn overrides_replace_fields_and_are_named_in_errors() {
    let set = |pairs: &[&str]| resolve_text(GOOD, pairs);
    let experiment =
        set(&["ensemble.seeds=6", "model.gamma=2", "model.activation=relu"]).unwrap().experiment;
    assert_eq!(experiment.ensemble.seeds, 6);
    assert_eq!(experiment.model.gamma, 2.0);
    assert_eq!(experiment.model.activation, nfd::model::Activation::Relu);
    assert_eq!(set(&["ensemble.depths=[3,6]"]).unwrap().experiment.finest, Some(6));
    assert_eq!(set(&["reference.depth=64"]).unwrap().experiment.reference.depth, Some(64));

    for (pair, words) in [
        ("ensemble.seeds=0", ["--set ensemble.seeds", "too small"]),
        ("ensemble.sead=1", ["--set ensemble.sead", "'seeds'"]),
        ("ensemble.depths=[4,4]", ["--set ensemble.depths", "twice"]),
        ("ensemble", ["--set ensemble", "no value"]),
        ("name.x=1", ["--set name.x", "does not lead to a field"]),
        ("model.activation=tan", ["--set model.activation", "'tanh'"]),
    ] {
        let message = set(&[pair]).unwrap_err();
        for word in words {
            assert!(message.contains(word), "{pair}: {message}");
        }
    }
}

/// n² against n r: dense weights win where networks are narrow or columns many, and where only
/// one engine can do the experiment it does.
#[test]
fn engine_auto_takes_the_cheaper_one_and_says_why() {
    let auto = GOOD.replace("\"engine\": \"conditional\"", "\"engine\": \"auto\"");
    let choice = |pairs: &[&str]| {
        let resolved = resolve_text(&auto, pairs).unwrap();
        (resolved.experiment.engine, resolved.decisions[0].clone())
    };
    let (engine, why) = choice(&["ensemble.widths=[64]", "training.steps=20"]);
    assert_eq!(engine, Engine::Dense);
    assert!(why.starts_with("engine dense: ") && why.contains("core seconds"), "{why}");
    let (engine, why) = choice(&["ensemble.widths=[4096]"]);
    assert_eq!(engine, Engine::Conditional);
    assert!(why.starts_with("engine conditional: ") && why.contains("core seconds"), "{why}");
    // Columns add up over steps.
    assert_eq!(choice(&["ensemble.widths=[4096]", "training.steps=1000"]).0, Engine::Dense);
    let (engine, why) = choice(&["ensemble.widths=[64]", "ensemble.closures=[\"fresh\"]"]);
    assert_eq!(engine, Engine::Conditional);
    assert!(why.contains("exact and gia"), "{why}");
    let (engine, why) = choice(&["ensemble.widths=[64]", "reference={\"width\":512,\"depth\":64}"]);
    assert_eq!(engine, Engine::Conditional);
    assert!(why.contains("widths compared"), "{why}");
}

#[test]
fn backend_and_precision_are_chosen_with_reasons() {
    let choice = |pairs: &[&str]| {
        let resolved = resolve_text(GOOD, pairs).unwrap();
        let Experiment { backend, precision, .. } = resolved.experiment;
        (backend, precision, resolved.decisions.join("\n"))
    };
    let (backend, precision, why) = choice(&[]);
    assert_eq!((backend, precision), (Backend::Cpu, Precision::F32));
    assert!(why.contains("backend cpu") && why.contains("precision f32"), "{why}");
    // Slower than f32 resolves, in any group that is trained; frozen groups do not count.
    let (_, precision, why) = choice(&["training.learning_rate=1e-5"]);
    assert!(precision == Precision::F64 && why.contains("0.00001"), "{why}");
    let input = "training.rates={\"input\":1e-6}";
    assert_eq!(choice(&[input]).1, Precision::F32);
    assert_eq!(choice(&[input, "model.train=[\"input\",\"hidden\"]"]).1, Precision::F64);
    // What was typed stands.
    let typed = choice(&["training.learning_rate=1e-5", "precision=f32"]);
    assert_eq!(typed.1, Precision::F32);
    assert_eq!(choice(&["precision=f64"]).1, Precision::F64);
    // Dense weights are of order one, whatever the rate: there the size of an update counts.
    let dense = |rate: &str| choice(&["engine=dense", &format!("training.learning_rate={rate}")]);
    let (backend, precision, why) = dense("1e-3");
    assert_eq!((backend, precision), (Backend::Cpu, Precision::F32));
    assert!(why.contains("updates are of size"), "{why}");
    // η (nL)^{-1/2} at n = 64, L = 8
    let (_, precision, why) = dense("2e-4");
    assert!(precision == Precision::F64 && why.contains("updates of size 8.8e-6"), "{why}");
    // Plain has one format.
    let (backend, precision, _) = choice(&["backend=plain"]);
    assert_eq!((backend, precision), (Backend::Plain, Precision::F64));
}

#[test]
fn without_comparison_every_depth_has_its_own_noise() {
    let text = GOOD.replace("\"engine\": \"conditional\"", "\"reference\": \"none\"");
    assert_eq!(resolve_text(&text, &[]).unwrap().experiment.finest, None);
    assert_eq!(
        resolve_text(&text, &["ensemble.depths=[1009,1013]"]).unwrap().experiment.finest,
        None
    );
}

/// Every file in jobs/ resolves, and what was resolved is an experiment file that says the same.
#[test]
fn jobs_resolve_and_a_resolved_experiment_resolves_to_itself() {
    let jobs = Path::new(env!("CARGO_MANIFEST_DIR")).join("jobs");
    let mut count = 0;
    for entry in std::fs::read_dir(jobs).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_some_and(|e| e == "json") {
            count += 1;
            let first = load(&path, &[]).unwrap().experiment;
            let text = serde_json::to_string_pretty(&first).unwrap();
            let again = resolve_text(&text, &[]).unwrap();
            assert_eq!(again.experiment, first, "{}", path.display());
            assert!(again.decisions.is_empty(), "nothing is left to decide");
        }
    }
    assert!(count >= 2);
}

/// Random damage to a valid file gives an error or an experiment, never a panic.
#[test]
fn damaged_files_never_panic() {
    use nfd::rng::philox::Philox;
    use rand::{RngExt, SeedableRng};
    let mut random = Philox::seed_from_u64(1);
    let mut refused = 0;
    for _ in 0..5000 {
        let mut bytes = GOOD.as_bytes().to_vec();
        for _ in 0..random.random_range(1..4) {
            let at = random.random_range(0..bytes.len());
            match random.random_range(0..3) {
                0 => bytes[at] = random.random_range(0x20..0x7f),
                1 => drop(bytes.remove(at)),
                _ => bytes.truncate(at.max(1)),
            }
        }
        refused += usize::from(resolve_text(&String::from_utf8(bytes).unwrap(), &[]).is_err());
    }
    assert!(refused > 3000, "{refused}");
}

/// Through the program: exit code 2, the message on stderr, nothing on stdout, no directory.
#[test]
fn bad_experiments_exit_with_2_and_write_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("bad.json");
    std::fs::write(&file, GOOD.replace("[64]", "[0]")).unwrap();
    let output = folder.path().join("out");
    let run = |extra: &[&str], file: &Path| {
        let (file, output) = (file.display().to_string(), output.display().to_string());
        let mut arguments = vec!["run", &file, "--output", &output];
        arguments.extend(extra);
        nfd(&arguments)
    };
    let missing = folder.path().join("absent.json");
    let data = ["--set", "ensemble.widths=[64]", "--set", "data.samples=1000000"];
    for (done, code, words) in [
        (run(&[], &file), 2, "bad.json:7:16"),
        (run(&data, &file), 2, "1000000 training"),
        (run(&["--set", "x"], &file), 2, "no value"),
        (run(&["--threads", "0"], &file), 2, "threads"),
        (run(&["--backend", "abacus", "--set", "ensemble.widths=[64]"], &file), 2, "'abacus'"),
        (run(&[], &missing), 2, "absent.json"),
    ] {
        let stderr = String::from_utf8_lossy(&done.stderr);
        assert_eq!(done.status.code(), Some(code), "{stderr}");
        assert!(stderr.contains(words), "{stderr}");
        assert!(done.stdout.is_empty());
        assert!(!output.exists(), "{words}: something was written");
    }
}

/// A closure by its word and by what its queries know are the same.
#[test]
fn closures_are_typed_by_what_queries_know() {
    let typed = r#"ensemble.closures=[{"forward":"all","backward":"none"},"exact",
        {"forward":"none","backward":"past"},{"forward":"all","backward":"past"}]"#;
    let quickstart = concat!(env!("CARGO_MANIFEST_DIR"), "/jobs/quickstart.json");
    let resolved = nfd::experiment::load(Path::new(quickstart), &[typed.to_owned()]).unwrap();
    let closures = resolved.experiment.ensemble.closures;
    assert_eq!(
        closures,
        [Closure::Exact, Closure::Fresh, Closure::ForwardOnly, Closure::BackwardPast]
    );
    for closure in Closure::ALL {
        assert_eq!(Closure::of(closure.forward(), closure.backward()), closure);
    }
}
