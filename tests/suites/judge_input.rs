//! What `nfd judge` makes of files that people have: errors at the line, marks of Windows, lost runs, numbers at the
//! ends of what there is.

use std::fmt::Write;

use crate::common::results::{nfd, piped};
use serde_json::Value;

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
        ("seed,depth,value\n0,-4,1\n", "line 2: depth: '-4' is not a whole number above 0"),
        ("seed,depth,value\n0,4.5,1\n", "line 2: depth: '4.5' is not a whole number above 0"),
        ("seed,depth,value\n0,0,1\n", "line 2: depth: '0' is not a whole number above 0"),
        ("seed,depth,value,value\n0,4,1,1\n", "line 1: two columns value in the header"),
        ("seed\tdepth\tvalue\n0\t4\t1\n", "not separated by commas"),
        ("seed,depth,value\n-1,4,1\n", "line 2: seed: '-1' is not a whole number"),
        ("seed,depth,value\n0,4\n", "line 2: 2 fields, where the header has 3"),
        // Lines are counted as an editor does, blank ones and those of Windows included.
        ("seed,depth,value\r\n0,4,1\r\n\r\n0,8,one\r\n", "line 4: value: 'one'"),
        ("\u{feff}seed,depth,value\n\n\n0,4,1\n\n0,4\n", "line 6: 2 fields"),
        (
            "\u{feff}seed,depth,value\r\n0,4,1\r\n0,4,1\r\n",
            "line 3: seed 0 has a value of these sizes on line 2",
        ),
    ] {
        let done = piped(text, &[]);
        let error = String::from_utf8_lossy(&done.stderr);
        assert_eq!(done.status.code(), Some(2), "{text:?}: {error}");
        assert!(error.contains(wanted), "{text:?}: {error}");
        assert!(done.stdout.is_empty());
    }
    for claim in [
        "falls",
        "falls:0",
        "falls:21",
        "falls:nan",
        "falls:x",
        "rises:1",
        "plateau:1",
        "flat+flor",
    ] {
        let done = piped("seed,depth,value\n0,4,1\n", &["--claim", claim]);
        assert_eq!(done.status.code(), Some(2), "{claim}");
    }
    let done = piped("seed,depth,value\n0,4,1\n", &["--claim", "falls:2+floor"]);
    let error = String::from_utf8_lossy(&done.stderr);
    assert!(done.status.code() == Some(2) && error.contains("columns depth and width"), "{error}");
    for (arguments, wanted) in [
        (["--along", "width"], "has no column width"),
        (["--reference", "4"], "a reference of L = 4 is not above the largest size, 4"),
    ] {
        let done = piped("seed,depth,value\n0,4,1\n", &arguments);
        let error = String::from_utf8_lossy(&done.stderr);
        assert!(done.status.code() == Some(2) && error.contains(wanted), "{error}");
    }
    // Files that are none.
    let folder = tempfile::tempdir().unwrap();
    let latin = folder.path().join("latin.csv");
    std::fs::write(&latin, b"seed,depth,value,note\n0,4,1,\xe9\n").unwrap();
    for (path, wanted) in [
        (folder.path(), "name a CSV file that can be read"),
        (&latin, "latin.csv, line 2: is not UTF-8\n  save the file as UTF-8"),
        (&folder.path().join("nothing.csv"), "nothing.csv"),
    ] {
        let done = nfd(&["judge", path.to_str().unwrap()]);
        let error = String::from_utf8_lossy(&done.stderr);
        assert!(done.status.code() == Some(2) && error.contains(wanted), "{error}");
    }
}

/// Windows' marks and line ends are read; a size at which all diverged is left out, and a seed that
/// diverged at another counts nowhere.
#[test]
fn lost_runs_and_marks_of_windows() {
    let text = |lost: &str| {
        let mut text = "\u{feff}SEED,depth,Value\r\n".to_owned();
        for seed in 0..6 {
            for depth in [4, 8, 16, 32, 64, 128] {
                let value = match (seed, depth) {
                    (5, 64) | (_, 128) => lost.to_owned(),
                    _ => format!("{}", (1.0 + 0.01 * f64::from(seed)) / f64::from(depth)),
                };
                write!(text, "{seed},{depth},{value}\r\n").unwrap();
            }
        }
        text
    };
    for lost in ["nan", "NaN", "", "inf", "-Infinity"] {
        let done = piped(&text(lost), &["--json"]);
        let error = String::from_utf8_lossy(&done.stderr);
        assert!(done.status.success(), "{error}");
        let said: Value = serde_json::from_slice(&done.stdout).unwrap();
        assert_eq!((&said["seeds"], &said["seeds_left_out"]), (&5.into(), &serde_json::json!([5])));
        assert_eq!(said["sizes_left_out"], serde_json::json!([128]));
        assert_eq!(said["sizes"], serde_json::json!([4, 8, 16, 32, 64]));
        assert!(error.contains("lacks a value at one: 5\n"), "{error}");
        assert!(error.contains("no seed has a value there: L = 128\n"), "{error}");
    }
    // Nothing is left of seeds that have other numbers at every size.
    let mut apart = "seed,depth,value\n".to_owned();
    for run in 0..60 {
        writeln!(apart, "{run},{},{run}", 4 << (run / 10)).unwrap();
    }
    let done = piped(&apart, &[]);
    let (text, error) = (String::from_utf8(done.stdout).unwrap(), String::from_utf8(done.stderr));
    assert!(text.contains("inconclusive: needs at least 4 seeds at every point, has 0"), "{text}");
    assert!(error.unwrap().ends_with(": 0, 1, 2, 3, 4, 5, 6, 7, … (60 in all)\n"));
}

/// Numbers at the ends of what there is end in a verdict or an error, in time.
#[test]
fn extreme_numbers_are_judged() {
    let of = |value: &dyn Fn(i32, u64) -> String, sizes: &[u64]| {
        let mut text = "seed,depth,value\n".to_owned();
        for seed in 0..5 {
            for size in sizes {
                writeln!(text, "{seed},{size},{}", value(seed, *size)).unwrap();
            }
        }
        text
    };
    let powers = [4, 8, 16, 32, 64];
    let huge: Vec<u64> = (0..6).map(|i| 9_000_000_000_000_000 - i).collect();
    for (what, text) in [
        ("zeros", of(&|_, _| "0".to_owned(), &powers)),
        ("equal", of(&|_, _| "1".to_owned(), &powers)),
        ("greatest", of(&|_, _| "1.7e308".to_owned(), &powers)),
        ("least", of(&|seed, _| format!("{}e-323", seed + 1), &powers)),
        ("steep", of(&|seed, l| format!("{}e-{l}", seed + 1), &powers)),
        ("signs", of(&|seed, l| format!("{}", (seed - 2) * l as i32), &powers)),
        ("close sizes", of(&|seed, l| format!("{}", (seed + 1) as f64 / l as f64), &huge)),
        ("one size", of(&|seed, _| seed.to_string(), &[7])),
    ] {
        for claim in ["falls:1", "falls:20", "grows:20", "plateau", "flat"] {
            let folder = tempfile::tempdir().unwrap();
            let plot = folder.path().join("plot.svg");
            let done =
                piped(&text, &["--json", "--claim", claim, "--plot", plot.to_str().unwrap()]);
            let error = String::from_utf8_lossy(&done.stderr);
            assert_eq!(done.status.code(), Some(0), "{what}, {claim}: {error}");
            let said: Value = serde_json::from_slice(&done.stdout).unwrap();
            assert!(
                ["supported", "contradicted", "inconclusive"].iter().any(|v| said["verdict"] == *v)
            );
            let svg = std::fs::read_to_string(&plot).unwrap();
            assert!(roxmltree::Document::parse(&svg).is_ok(), "{what}, {claim}: {svg}");
            assert!(!svg.contains("NaN") && !svg.contains("inf"), "{what}, {claim}: {svg}");
        }
    }
}
