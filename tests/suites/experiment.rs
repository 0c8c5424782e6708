//! Experiment files: what is written out, chosen and overridden; a resolved experiment resolves to
//! itself, and a bad one writes nothing.

use std::path::Path;

use crate::common::experiments::{GOOD, resolve_text};
use crate::common::results::nfd;
use nfd::experiment::grid::tasks;
use nfd::experiment::{Backend, Engine, Experiment, Precision, Resolved, load};
use nfd::model::{Closure, Parametrization};

#[test]
fn the_good_one_is_good() {
    let resolved = resolve_text(GOOD, &[]).unwrap();
    assert_eq!(resolved.experiment.finest, Some(8));
    assert_eq!(resolved.experiment.probed_quarters(), [0, 2, 4]);
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

    // Muon goes with either engine; what single gradients are divided by with the dense one only.
    let (muon, resolved) = training(&["training.optimizer=muon", "engine=auto"]);
    assert_eq!((&muon["optimizer"], &muon["orthogonalization"]), (&"muon".into(), &"exact".into()));
    assert!(muon.get("betas").is_none() && muon.get("nesterov").is_none(), "{muon}");
    assert!(resolved.decisions[0].contains("by estimate"), "{:?}", resolved.decisions);
    let (adam, resolved) = training(&["training.optimizer=adamw", "engine=auto"]);
    assert_eq!(adam["betas"], serde_json::json!([0.9, 0.999]));
    assert_eq!(adam["epsilon"], 1e-8);
    assert_eq!(resolved.experiment.engine, Engine::Dense);
    assert_eq!(resolved.decisions[0], "engine dense: the only one that can");

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
    assert!(why.contains("different widths"), "{why}");
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

/// Tensor cores are taken where they are asked for, on a GPU and for explicit weights, and nowhere else.
#[test]
fn tensor_cores_are_for_dense_networks_on_a_gpu() {
    const TF32X3: &str = "precision=tf32x3";
    let dense = ["engine=dense", "data.samples=9"];
    let with = |pairs: &[&str]| resolve_text(GOOD, &[&dense[..], pairs].concat());
    for backend in [None, Some("backend=auto"), Some("backend=cuda")] {
        let pairs: Vec<&str> = [TF32X3].into_iter().chain(backend).collect();
        let Resolved { experiment, decisions } = with(&pairs).unwrap();
        assert_eq!((experiment.backend, experiment.precision), (Backend::Cuda, Precision::Tf32x3));
        let said = decisions.iter().any(|why| why.contains("the only one with tensor cores"));
        assert_eq!(said, backend != Some("backend=cuda"), "{decisions:?}");
    }
    // An open engine becomes the one that has products.
    let open = resolve_text(GOOD, &["engine=auto", "data.samples=9", TF32X3]).unwrap();
    assert_eq!(open.experiment.engine, Engine::Dense);
    let refused = |pairs: &[&str], why: &str| {
        let said = with(&[&[TF32X3][..], pairs].concat()).unwrap_err().to_string();
        assert!(said.contains("precision") && said.contains(why), "{said}");
    };
    refused(&["backend=cpu"], "no tensor cores");
    refused(&["backend=plain"], "computes in f64 only");
    refused(&["engine=conditional"], "no products for tensor cores");
    refused(&["data.samples=8"], "steps are of 8");
    refused(&["data.samples=16", "training.batch=4"], "steps are of 4");
    assert!(with(&[TF32X3, "data.samples=18", "training.batch=9"]).is_ok());
    // Never by itself, whatever runs.
    for pairs in [&["backend=cuda"][..], &["backend=cuda", "data.samples=64"]] {
        assert_eq!(with(pairs).unwrap().experiment.precision, Precision::F32);
    }
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
