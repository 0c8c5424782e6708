//! Every kind of mistake in an experiment file is an error that names file, line, column and field.

use crate::common::experiments::{GOOD, resolve_text};

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
        (
            &["training.optimizer=adam", "engine=conditional"],
            &["training.optimizer", "adam", "not of low rank", "take engine dense"],
        ),
        (&["training.optimizer=adamw", "engine=conditional"], &["not of low rank"]),
        (&["training.optimizer=signsgd", "engine=conditional"], &["not of low rank"]),
        (&["training.optimizer=adagrad"], &["training.optimizer", "is not built", "adamw"]),
        (&["training.optimizer=rmsprop"], &["is not built"]),
        (
            &["training.optimizer=muon", "backend=cuda"],
            &["training.optimizer", "backend cuda has no optimizer muon", "take backend cpu"],
        ),
        (
            &[
                "training.optimizer=spectral",
                "engine=dense",
                "backend=cuda",
                "ensemble.closures=[\"exact\"]",
            ],
            &["backend cuda has no optimizer spectral", "adam, adamw or signsgd"],
        ),
        (
            &[
                "training.optimizer=muon",
                "engine=dense",
                "storage=bf16",
                "ensemble.closures=[\"exact\"]",
            ],
            &["training.optimizer", "storage full"],
        ),
        (
            &["training.orthogonalization=exact"],
            &["training.orthogonalization", "does not apply to optimizer sgd"],
        ),
        (&["training.nesterov=true"], &["training.nesterov", "does not apply"]),
        (
            &["training.optimizer=muon", "training.betas=[0.9,0.99]"],
            &["training.betas", "does not apply to optimizer muon"],
        ),
        (
            &["training.optimizer=spectral", "training.orthogonalization=exact"],
            &["does not apply to optimizer spectral"],
        ),
        (
            &["training.optimizer=adam", "training.betas=[0.9,1]"],
            &["training.betas[1]", "less than 1"],
        ),
        (&["training.optimizer=adam", "training.epsilon=0"], &["training.epsilon", "positive"]),
        (&["training.epsilon=1e-8"], &["training.epsilon", "does not apply to optimizer sgd"]),
        (
            &["training.optimizer=adamw", "training.momentum=0.5"],
            &["training.momentum", "training.betas"],
        ),
        (
            &["training.optimizer=adam", "training.weight_decay=0.5"],
            &["training.weight_decay", "take adamw"],
        ),
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
