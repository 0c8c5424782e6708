//! Runs and curves that were once misjudged, with the verdicts that they must have.

use std::fmt::Write;

use crate::common::results::{nfd, run_job};
use serde_json::Value;

fn summary(job: &str, sets: &[&str]) -> (String, Value) {
    let extra: Vec<&str> = sets.iter().flat_map(|set| ["--set", set]).collect();
    let (_parent, run) = run_job(job, &extra);
    let text = std::fs::read_to_string(run.join("summary.json")).unwrap();
    let summary: Value = serde_json::from_str(&text).unwrap();
    let found = summary["findings"].as_array().unwrap().iter().map(|p| p.as_str().unwrap());
    (found.collect::<Vec<_>>().join("\n"), summary)
}

fn claims(summary: &Value) -> &[Value] {
    summary["claims"].as_array().unwrap()
}

fn with_verdict<'a>(summary: &'a Value, verdict: &str) -> Vec<&'a Value> {
    claims(summary).iter().filter(|claim| claim["verdict"] == verdict).collect()
}

/// The verdict of `nfd judge` on a law without noise but of seeds that differ by a few percent.
fn judged(law: impl Fn(f64) -> f64, claim: &str) -> Value {
    let mut text = "seed,depth,value\n".to_owned();
    for seed in 0..8 {
        for (i, depth) in [4, 8, 16, 32, 64, 128].into_iter().enumerate() {
            let own = [0.3, -0.9, 0.5, 1.1, -0.6, -0.4][(i + 5 * seed) % 6];
            let factor = 1.0 + 0.02 * (seed as f64 - 3.5) + 0.01 * own;
            writeln!(text, "{seed},{depth},{}", law(f64::from(depth)) * factor).unwrap();
        }
    }
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("curve.csv");
    std::fs::write(&path, text).unwrap();
    let done = nfd(&["judge", path.to_str().unwrap(), "--claim", claim, "--json"]);
    serde_json::from_slice(&done.stdout).unwrap()
}

/// A rival plateau that does not fit once contradicted 1/L² here, and two basins 1/L.
#[test]
fn sound_runs_are_not_contradicted() {
    let gelu = ["model.activation=gelu", "ensemble.widths=[1024]", "ensemble.seeds=8"];
    let (_, one) = summary("jobs/toy-small.json", &gelu);
    assert!(with_verdict(&one, "contradicted").is_empty());
    let backward = claims(&one)
        .iter()
        .find(|claim| claim["observable"] == "coupling.backward.layer.past" && claim["step"] == 2);
    assert!(backward.unwrap()["reason"].as_str().unwrap().contains("one width does not tell"));

    let deep = [
        "ensemble.widths=[64,256]",
        "ensemble.depths=[4,8,16,32,64,128,256,512,1024]",
        "ensemble.closures=[\"exact\"]",
        "ensemble.seeds=6",
        "training.steps=1",
    ];
    let (_, deep) = summary("jobs/toy-small.json", &deep);
    assert!(with_verdict(&deep, "contradicted").is_empty());

    let many = ["ensemble.widths=[512]", "ensemble.seeds=160", "ensemble.closures=[\"exact\"]"];
    let (_, many) = summary("jobs/toy-small.json", &many);
    let h = claims(&many).iter().find(|c| c["observable"] == "strong.h" && c["step"] == 1).unwrap();
    let [low, high] = [0, 1].map(|i| h["ci95"][i].as_f64().unwrap());
    assert!(h["verdict"] != "contradicted" && low <= 1.0 && 1.0 <= high, "{}", h["reason"]);
    assert!(with_verdict(&many, "contradicted").is_empty());
}

/// Without training nothing of finite width passes for a law of infinite width.
#[test]
fn finite_width_is_not_physics() {
    let still = [
        "training.learning_rate=1e-6",
        "training.steps=1",
        "ensemble.widths=[64,256]",
        "ensemble.depths=[4,8,16,32,64]",
        "ensemble.closures=[\"exact\",\"fresh\",\"gia\"]",
        "ensemble.seeds=4",
        "limit=null",
    ];
    let (found, summary) = summary("jobs/quickstart.json", &still);
    for claim in with_verdict(&summary, "supported") {
        let observable = claim["observable"].as_str().unwrap();
        assert!(!observable.starts_with("closure_gap"), "{observable}: {}", claim["reason"]);
    }
    assert!(!found.contains("do not give the network"), "{found}");
    // The run says so before it begins, and is refused where warnings are errors.
    let sets = still.iter().flat_map(|set| ["--set", set]);
    let arguments = ["plan", "jobs/quickstart.json", "--strict"].into_iter().chain(sets);
    let refused = nfd(&arguments.collect::<Vec<_>>());
    let stderr = String::from_utf8_lossy(&refused.stderr);
    assert_eq!(refused.status.code(), Some(2), "{stderr}");
    assert!(stderr.contains("training.learning_rate"), "{stderr}");
}

/// What explodes and stays finite is named first, and nothing is claimed of it.
#[test]
fn explosions_get_no_verdict() {
    let wild = [
        "training.learning_rate=30",
        "ensemble.widths=[64,256]",
        "ensemble.depths=[4,8,16,32,64]",
        "ensemble.seeds=4",
        "limit={\"tolerance\":1e-2,\"width\":256}",
    ];
    let (found, summary) = summary("jobs/quickstart.json", &wild);
    assert!(!summary["unstable"].as_array().unwrap().is_empty());
    assert!(found.lines().next().unwrap().contains("Unstable"), "{found}");
    for claim in claims(&summary) {
        let reason = claim["reason"].as_str().unwrap();
        assert!(claim["verdict"] == "inconclusive" && reason.starts_with("withheld"), "{reason}");
    }
    // Nor is there a limit to be had, and that does not take for ever.
    for limit in summary["limits"].as_array().unwrap() {
        let why = limit["shortfall"].as_str().unwrap();
        assert!(limit["reached"] == false && why.contains("raining explodes"), "{why}");
    }
}

#[test]
fn curves_get_the_words_of_their_intervals() {
    let log = |x: f64| 1.0 / x.ln();
    let slow = judged(|x| x.powf(-0.8), "falls:1");
    assert_eq!(slow["verdict"], "contradicted");
    assert!(slow["reason"].as_str().unwrap().contains("slower than 1/L"), "{slow:#}");
    assert_eq!(judged(|x| 0.7 / x + 0.3 / 128.0, "falls:1")["verdict"], "contradicted");
    for (law, claim) in [
        (Box::new(|x: f64| 1.0 / x + 64.0 / (x * x)) as Box<dyn Fn(f64) -> f64>, "falls:2"),
        (Box::new(|x: f64| 0.9 / x + 0.1 / 128.0), "falls:1"),
        (Box::new(|x: f64| x.powf(-0.2)), "plateau"),
        (Box::new(log), "plateau"),
        (Box::new(log), "flat"),
        (Box::new(|x: f64| x.powf(-0.2)), "flat"),
    ] {
        let said = judged(law, claim);
        assert_ne!(said["verdict"], "supported", "{claim}: {said:#}");
    }
}

/// A run has one primary claim a question; whatever else it says is beside them.
#[test]
fn few_claims_are_primary() {
    let (_, summary) = summary("jobs/toy-small.json", &["ensemble.widths=[64,128]"]);
    let primary: Vec<&Value> = claims(&summary).iter().filter(|c| c["primary"] == true).collect();
    assert_eq!(primary.len(), 4);
    assert!(primary.iter().all(|claim| claim["simultaneous"] == 4));
    assert!(claims(&summary).len() > 20);
}
