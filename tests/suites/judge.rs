//! `nfd judge`: verdicts on planted curves, errors at the line, JSON and plots, and the same numbers as
//! a run's own claims.

use std::fmt::Write;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use crate::common::results::{nfd, rows, run_job};
use nfd::rng::philox::Philox;
use rand::RngExt;
use serde_json::Value;

/// A file of values by depth and width, of seeds that differ by 5 % in all and 1 % at each size.
fn file(folder: &Path, name: &str, widths: &[u32], law: impl Fn(f64, f64) -> f64) -> PathBuf {
    let mut text = "note,seed,width,depth,value\n".to_owned();
    for seed in 0..8 {
        let mut noise = Philox::stream(seed, 11);
        let mut random = || noise.random::<f64>() - 0.5;
        let common = 0.15 * random();
        for width in widths {
            for depth in [4, 8, 16, 32, 64, 128] {
                let factor = 1.0 + common + 0.03 * random();
                let value = law(f64::from(depth), f64::from(*width)) * factor;
                writeln!(text, "x,{seed},{width},{depth},{value:e}").unwrap();
            }
        }
    }
    let path = folder.join(name);
    std::fs::write(&path, text).unwrap();
    path
}

fn judged(path: &Path, extra: &[&str]) -> Value {
    let mut arguments = vec!["judge", path.to_str().unwrap(), "--json"];
    arguments.extend(extra);
    let done = nfd(&arguments);
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    serde_json::from_slice(&done.stdout).unwrap()
}

#[test]
fn planted_curves_get_their_verdicts() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let both = [512, 2048];
    let decay = file(folder, "decay.csv", &[512], |l, _| 3.0 / l * (1.0 + 2.0 / l));
    let slow = file(folder, "slow.csv", &[512], |l, _| l.powf(-0.7));
    let flat = file(folder, "flat.csv", &[512], |l, _| 2.0 + 0.1 / l);
    let growth = file(folder, "growth.csv", &[512], |l, _| l.sqrt());
    let floor = file(folder, "floor.csv", &both, |l, n| 2.0 / (l * l) + 20.0 / (n * l));
    for (path, claim, verdict, exponent) in [
        (&decay, "falls:1", "supported", Some(1.0)),
        (&slow, "falls:1", "contradicted", Some(0.7)),
        (&decay, "plateau", "contradicted", None),
        (&decay, "flat", "contradicted", None),
        (&flat, "plateau", "supported", Some(0.0)),
        (&flat, "flat", "supported", Some(0.0)),
        (&flat, "falls:1", "contradicted", None),
        (&growth, "grows:0.5", "supported", Some(0.5)),
        (&growth, "grows:1", "contradicted", Some(0.5)),
        (&floor, "falls:2+floor", "supported", Some(2.0)),
        (&floor, "falls:2", "contradicted", None),
    ] {
        let said = judged(path, &["--claim", claim]);
        assert_eq!(said["verdict"], verdict, "{} {claim}: {said:#}", path.display());
        if let Some(exponent) = exponent {
            let [low, high] = [0, 1].map(|i| said["ci95"][i].as_f64().unwrap());
            assert!(low <= exponent && exponent <= high, "{claim}: {low} {high}");
        }
        if verdict != "inconclusive" {
            assert!(said["next"].is_null());
        }
    }
    // One width does not tell a floor, whatever the curve.
    let one = file(folder, "one.csv", &[512], |l, n| 2.0 / (l * l) + 20.0 / (n * l));
    let said = judged(&one, &["--claim", "falls:2+floor"]);
    assert_eq!(said["verdict"], "inconclusive");
    assert!(said["reason"].as_str().unwrap().contains("one width"), "{said:#}");
    assert_eq!(said["next"], "add a second width, n = 2048 or more");
    // An interval that is one of ten is wider.
    let width =
        |said: &Value| said["ci95"][1].as_f64().unwrap() - said["ci95"][0].as_f64().unwrap();
    assert!(width(&judged(&decay, &["--of", "10"])) > 1.2 * width(&judged(&decay, &[])));
}

#[test]
fn keys_plots_and_words() {
    let folder = tempfile::tempdir().unwrap();
    let path = file(folder.path(), "decay.csv", &[512], |l, _| 3.0 / l);
    let plot = folder.path().join("curve.svg");
    let said = judged(&path, &["--plot", plot.to_str().unwrap()]);
    for key in ["verdict", "exponent", "ci95", "plateau", "plateau_ci95", "plateau_upper", "reason"]
    {
        assert!(!said[key].is_null(), "{key}: {said:#}");
    }
    assert_eq!(said["sizes"].as_array().unwrap().len(), 6);
    assert_eq!(said["seeds"], 8);
    let svg = std::fs::read_to_string(&plot).unwrap();
    assert!(roxmltree::Document::parse(&svg).is_ok() && svg.contains("falls:1"));
    let pdf = folder.path().join("curve.pdf");
    judged(&path, &["--plot", pdf.to_str().unwrap()]);
    assert!(std::fs::read(&pdf).unwrap().starts_with(b"%PDF"));
    let done = nfd(&["judge", path.to_str().unwrap()]);
    let text = String::from_utf8(done.stdout).unwrap();
    assert!(text.starts_with("falls:1, at n = 512: supported\n  falls like L^-"), "{text}");
}

fn piped(text: &str, arguments: &[&str]) -> Output {
    let mut child = Command::new(env!("CARGO_BIN_EXE_nfd"))
        .args(["judge", "-"])
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(text.as_bytes()).unwrap();
    child.wait_with_output().unwrap()
}

#[test]
fn bad_input_is_named_at_its_line() {
    for (text, wanted) in [
        ("", "the file is empty"),
        ("seed;depth;value\n0;4;1\n", "not separated by commas"),
        ("seed,value\n0,1\n", "no column depth or width"),
        ("seed,depth\n0,4\n", "no column value"),
        ("seed,depth,value\n", "no line below its header"),
        ("seed,depth,value\n0,4,1\n0,4,2\n", "line 3: seed 0 has a value of these sizes on line 2"),
        ("seed,depth,value\n0,4,one\n", "line 2: value: 'one' is not a number"),
        ("seed,depth,value\n0,-4,1\n", "line 2: depth: '-4' is not a number above 0"),
        ("seed,depth,value\n-1,4,1\n", "line 2: seed: '-1' is not a whole number"),
        ("seed,depth,value\n0,4\n", "line 2"),
    ] {
        let done = piped(text, &[]);
        let error = String::from_utf8_lossy(&done.stderr);
        assert_eq!(done.status.code(), Some(2), "{text:?}: {error}");
        assert!(error.contains(wanted), "{text:?}: {error}");
        assert!(done.stdout.is_empty());
    }
    for claim in ["falls", "falls:0", "falls:x", "rises:1", "plateau:1", "flat+flor"] {
        let done = piped("seed,depth,value\n0,4,1\n", &["--claim", claim]);
        assert_eq!(done.status.code(), Some(2), "{claim}");
    }
    let done = piped("seed,depth,value\n0,4,1\n", &["--claim", "falls:2+floor"]);
    let error = String::from_utf8_lossy(&done.stderr);
    assert!(done.status.code() == Some(2) && error.contains("columns depth and width"), "{error}");
}

/// Windows' marks and line ends are read, and a seed that diverged somewhere counts nowhere.
#[test]
fn lost_seeds_and_marks_of_windows() {
    let mut text = "\u{feff}seed,depth,value\r\n".to_owned();
    for seed in 0..6 {
        for depth in [4, 8, 16, 32, 64] {
            let value = match (seed, depth) {
                (5, 64) => "nan".to_owned(),
                _ => format!("{}", (1.0 + 0.01 * f64::from(seed)) / f64::from(depth)),
            };
            write!(text, "{seed},{depth},{value}\r\n").unwrap();
        }
    }
    let done = piped(&text, &["--json"]);
    assert!(done.status.success());
    let said: Value = serde_json::from_slice(&done.stdout).unwrap();
    assert_eq!((&said["seeds"], &said["left_out"]), (&5.into(), &serde_json::json!([5])));
    assert!(String::from_utf8_lossy(&done.stderr).contains("seeds 5 lack"));
}

/// The curve of a run's claim, written into such a file, gets the run's own numbers.
#[test]
fn a_run_and_its_file_agree() {
    let small = ["--set", "ensemble.seeds=6", "--set", "ensemble.widths=[64,256]"];
    let (_parent, run) = run_job("jobs/toy-small.json", &small);
    let mut text = "seed,width,depth,value\n".to_owned();
    for row in rows(&run) {
        if (row.observable.as_str(), row.closure.as_str(), row.step)
            == ("coupling.forward.layer", "exact", 1)
        {
            writeln!(text, "{},{},{},{}", row.seed, row.width, row.depth, row.value).unwrap();
        }
    }
    let summary = std::fs::read_to_string(run.join("summary.json")).unwrap();
    let summary: Value = serde_json::from_str(&summary).unwrap();
    let claims = summary["claims"].as_array().unwrap();
    let claim = claims
        .iter()
        .find(|claim| {
            claim["observable"] == "coupling.forward.layer"
                && (claim["closure"] == "exact" && claim["step"] == 1)
        })
        .unwrap();
    let of = claim["simultaneous"].as_u64().unwrap_or(1).to_string();
    let done = piped(&text, &["--json", "--claim", "falls:2+floor", "--of", &of]);
    let said: Value = serde_json::from_slice(&done.stdout).unwrap();
    assert_eq!(said["verdict"], claim["verdict"], "{said:#}");
    let number = |of: &Value| of.as_f64().unwrap();
    for (a, b) in [
        (&said["exponent"], &claim["exponent"]),
        (&said["ci95"][0], &claim["ci95"][0]),
        (&said["ci95"][1], &claim["ci95"][1]),
    ] {
        assert!((number(a) - number(b)).abs() <= 1e-9 * number(b).abs(), "{a} {b}");
    }
}
