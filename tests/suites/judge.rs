//! `nfd judge`: verdicts on planted curves, JSON and plots, and the same numbers as a run's own claims.

use std::fmt::Write;
use std::path::{Path, PathBuf};

use crate::common::results::{nfd, piped, rows, run_job};
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
    // The same without the floor needs no pair: the largest width is taken, and said.
    let said = judged(&floor, &["--claim", "falls:1"]);
    assert_eq!(said["slice"], "at n = 2048, the largest of 2");
    // A difference to a network of size 512 is no decay to zero at 512.
    let from = |r: f64| move |l: f64, _| 1.0 / l - 1.0 / r;
    let differences = file(folder, "differences.csv", &[512], from(512.0));
    let said = judged(&differences, &["--reference", "512"]);
    assert_eq!(said["verdict"], "supported", "{said:#}");
    let [low, high] = [0, 1].map(|i| said["ci95"][i].as_f64().unwrap());
    assert!(0.9 < low && low < 1.0 && 1.0 < high && high < 1.1, "{low} {high}");
    let without = judged(&differences, &[]);
    assert!(without["exponent"].as_f64().unwrap() > high, "{without:#}");
    // An interval that is one of ten is wider.
    let width =
        |said: &Value| said["ci95"][1].as_f64().unwrap() - said["ci95"][0].as_f64().unwrap();
    assert!(width(&judged(&decay, &["--of", "10"])) > 1.2 * width(&judged(&decay, &[])));
}

/// Of depth and width the one that varies is taken; where both do, the depth, or what is asked for.
#[test]
fn the_size_that_varies_is_the_axis() {
    let slice = |text: &str, arguments: &[&str]| {
        let done = piped(text, &[&["--json"], arguments].concat());
        assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
        let said: Value = serde_json::from_slice(&done.stdout).unwrap();
        (said["slice"].as_str().unwrap().to_owned(), said["sizes"].to_string())
    };
    let of = |said: (String, String), slice: &str, sizes: &str| {
        assert_eq!(said, (slice.to_owned(), sizes.to_owned()))
    };
    let wide = "seed,depth,width,value\n0,4,64,1\n0,4,128.0,1\n";
    of(slice(wide, &[]), "at L = 4", "[64,128]");
    of(slice(wide, &["--along", "depth"]), "at n = 128, the largest of 2", "[4]");
    of(slice("seed,width,value\n0,64,1\n", &[]), "along n", "[64]");
    let both = format!("{wide}0,8,64,1\n0,8,128,1\n");
    of(slice(&both, &[]), "at n = 128, the largest of 2", "[4,8]");
    of(slice(&both, &["--along", "width"]), "at L = 8, the largest of 2", "[64,128]");
    let differences = ["--reference", "512"];
    of(slice(wide, &differences), "at L = 4, as differences to n = 512", "[64,128]");
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
    let begins = "falls:1, at n = 512: falls at least like 1/L\n  supported: falls like L^-";
    assert!(text.starts_with(begins), "{text}");
    assert!(text.contains("\n  constant ") && !text.contains("hold together"), "{text}");
    let done = nfd(&["judge", path.to_str().unwrap(), "--of", "3"]);
    assert!(String::from_utf8(done.stdout).unwrap().contains("one of 3 that hold simultaneously"));

    // Six points, the fit and its band; a point and a line of the legend.
    let marks = |svg: &str, of: &str| svg.matches(&format!("class=\"{of}\"")).count();
    assert_eq!(["open", "curve", "band"].map(|of| marks(&svg, of)), [7, 2, 1], "{svg}");
    // Its bars are smaller than the points: errors are read in their titles.
    assert_eq!(svg.matches(" ± ").count(), 6, "{svg}");
    // What is not positive is drawn too, on a linear axis.
    let signed = file(folder.path(), "signed.csv", &[512], |l, _| 1.0 - 8.0 / l);
    let said = judged(&signed, &["--plot", plot.to_str().unwrap()]);
    assert_eq!(said["verdict"], "inconclusive");
    let signed = std::fs::read_to_string(&plot).unwrap();
    assert!(roxmltree::Document::parse(&signed).is_ok());
    assert_eq!((marks(&signed, "open"), marks(&signed, "band")), (7, 0), "{signed}");

    // A plot that cannot be written is an error, and leaves nothing.
    let nowhere = folder.path().join("nowhere/curve.svg");
    let done = nfd(&["judge", path.to_str().unwrap(), "--plot", nowhere.to_str().unwrap()]);
    assert!(done.status.code() == Some(2) && done.stdout.is_empty());
    let done = nfd(&["judge", path.to_str().unwrap(), "--plot", "curve.png"]);
    assert!(done.status.code() == Some(2) && done.stdout.is_empty());
    let names = std::fs::read_dir(folder.path()).unwrap().count();
    assert_eq!(names, 4, "decay.csv, signed.csv, curve.svg, curve.pdf");
}

/// Of a floor, a depth that one of the two widths lacks is left out, and said.
#[test]
fn a_floor_needs_both_widths_at_a_depth() {
    let folder = tempfile::tempdir().unwrap();
    let path = file(folder.path(), "floor.csv", &[512, 2048], |l, n| 2.0 / (l * l) + 9.0 / (n * l));
    let text = std::fs::read_to_string(&path).unwrap();
    let text: Vec<&str> = text.lines().filter(|line| !line.contains(",512,128,")).collect();
    let done = piped(&text.join("\n"), &["--claim", "falls:2+floor", "--json"]);
    let said: Value = serde_json::from_slice(&done.stdout).unwrap();
    assert_eq!(said["sizes_left_out"], serde_json::json!([128]));
    assert_eq!((&said["seeds"], &said["verdict"]), (&8.into(), &"supported".into()), "{said:#}");
    let error = String::from_utf8_lossy(&done.stderr);
    assert!(error.contains("at both widths: L = 128"), "{error}");
}

/// examples/errors.csv is made up by this formula, 2/L² (1 + 1/L) + 16/(nL), with seeds that differ by
/// 5 % together and 2 % apart; `NFD_UPDATE=1` writes it anew.
#[test]
fn the_example_is_made_up_by_its_formula() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/errors.csv");
    let mut text = "run,seed,depth,width,value\n".to_owned();
    for seed in 0..8 {
        let mut noise = Philox::stream(seed, 13);
        // Of variance 1.
        let mut random = || (noise.random::<f64>() - 0.5) * 12_f64.sqrt();
        let common = 0.05 * random();
        for width in [512, 2048] {
            for depth in [4, 8, 16, 32, 64, 128] {
                let (n, l) = (f64::from(width), f64::from(depth));
                let law = 2.0 / (l * l) * (1.0 + 1.0 / l) + 16.0 / (n * l);
                let value = law * (1.0 + common + 0.02 * random());
                writeln!(text, "made-up,{seed},{depth},{width},{value:.5e}").unwrap();
            }
        }
    }
    if std::env::var_os("NFD_UPDATE").is_some() {
        std::fs::write(&path, &text).unwrap();
    }
    assert_eq!(std::fs::read_to_string(&path).unwrap(), text);
}

/// The curves of a run's claims, written into such files, get the run's own numbers.
#[test]
fn a_run_and_its_file_agree() {
    let small = ["--set", "ensemble.seeds=6", "--set", "ensemble.widths=[64,256]"];
    let (_parent, run) = run_job("jobs/toy-small.json", &small);
    let rows = rows(&run);
    let summary = std::fs::read_to_string(run.join("summary.json")).unwrap();
    let summary: Value = serde_json::from_str(&summary).unwrap();
    let mut compared = std::collections::BTreeMap::new();
    for claim in summary["claims"].as_array().unwrap() {
        let text = |key: &str| claim[key].as_str().unwrap();
        let expected = claim["expected"].as_f64().unwrap_or(1.0);
        let floor = if claim["extrapolated_with"].is_null() { "" } else { "+floor" };
        let words = match text("family") {
            "falls" => format!("falls:{expected}{floor}"),
            "growth" => format!("grows:{expected}{floor}"),
            "stays" => format!("plateau{floor}"),
            _ => continue,
        };
        // Rows of the claim; the weak error is formed from several of a network.
        let of = rows.iter().filter(|row| {
            (row.observable.as_str(), row.closure.as_str()) == (text("observable"), text("closure"))
                && claim["step"] == row.step
                && claim["depth_time"].as_f64() == row.depth_time
                && (!floor.is_empty() || claim["held"] == row.width)
        });
        let mut lines = "depth,width,seed,value\n".to_owned();
        for row in of {
            writeln!(lines, "{},{},{},{}", row.depth, row.width, row.seed, row.value).unwrap();
        }
        if text("axis") != "depth" || lines.lines().count() < 5 * 6 {
            continue;
        }
        let simultaneous = claim["simultaneous"].as_u64().unwrap_or(1).to_string();
        let done = piped(&lines, &["--json", "--claim", &words, "--of", &simultaneous]);
        let said: Value = serde_json::from_slice(&done.stdout).unwrap();
        for key in ["verdict", "reason", "next", "seeds"] {
            assert_eq!(said[key], claim[key], "{}: {said:#}", claim["id"]);
        }
        let curve = claim["curve"].as_array().unwrap();
        let column = |key: &str| curve.iter().map(|point| point[key].clone()).collect::<Value>();
        for (a, b) in [
            (&said["exponent"], &claim["exponent"]),
            (&said["ci95"], &claim["ci95"]),
            (&said["plateau"], &claim["plateau"]),
            (&said["plateau_ci95"], &claim["plateau_ci95"]),
            (&said["plateau_upper"], &claim["plateau_upper"]),
            (&said["sizes"], &column("x")),
            (&said["values"], &column("value")),
            (&said["standard_errors"], &column("standard_error")),
            (&said["local_exponents"], &claim["local_exponents"]),
        ] {
            agree(a, b, &claim["id"]);
        }
        *compared.entry(words).or_insert(0) += 1;
    }
    let of = |part: &str| compared.keys().filter(|words| words.contains(part)).count();
    assert!(of("falls") > 0 && of("+floor") > 0 && of("plateau") > 0, "{compared:?}");
    assert!(compared.values().sum::<u32>() >= 10, "{compared:?}");
}

/// The same numbers to 1e-9 of themselves, one or several.
fn agree(a: &Value, b: &Value, of: &Value) {
    match (a, b) {
        (Value::Array(a), Value::Array(b)) => {
            assert_eq!(a.len(), b.len(), "{of}");
            a.iter().zip(b).for_each(|(a, b)| agree(a, b, of));
        }
        (Value::Null, Value::Null) => {}
        _ => {
            let [a, b] = [a, b].map(|number| number.as_f64().unwrap());
            assert!((a - b).abs() <= 1e-9 * b.abs(), "{of}: {a} {b}");
        }
    }
}
