//! examples/: what reads a run directory prints what is so. (The library's example is the test of the
//! documentation.)

use std::fmt::Write as _;
use std::fs;
use std::process::Command;

use crate::common::missing::{python, skipped};
use crate::common::results::run_job;

const EXAMPLE: &str = "examples/read_results.py";

#[test]
fn read_results_agrees_with_the_summary() {
    let Some(python) = python("numpy, pandas") else {
        skipped("read_results_agrees_with_the_summary", "NumPy or pandas");
        return;
    };
    let (_guard, run) = run_job(
        "jobs/toy-small.json",
        &["--set", "ensemble.widths=[64,128]", "--set", "ensemble.seeds=4"],
    );
    let read = || {
        let mut command = Command::new(&python);
        command.current_dir(env!("CARGO_MANIFEST_DIR")).arg(EXAMPLE).arg(&run);
        command.output().unwrap()
    };
    let done = read();
    let said = String::from_utf8_lossy(&done.stdout);
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    // Two closures, two widths, two updates, six depths that have a partner.
    let compared = said.lines().filter(|line| line.contains("in summary.json")).count();
    assert_eq!(compared, 48, "{said}");
    assert!(said.contains("training loss after 2 updates"), "{said}");

    // It notices a number that is not so.
    let path = run.join("results.csv");
    let text = std::fs::read_to_string(&path).unwrap();
    let line = text.lines().find(|line| line.contains(",1,,0,0,depth=8,difference.f,")).unwrap();
    let (before, _) = line.rsplit_once(',').unwrap();
    std::fs::write(&path, text.replace(line, &format!("{before},0.5"))).unwrap();
    let done = read();
    assert!(!done.status.success());
    assert!(String::from_utf8_lossy(&done.stderr).contains("AssertionError"));
}

/// A planted law in three run directories with inner widths of their own, one of them "2n": its exponents come out,
/// with the spread that the seeds were given; that of f where n/(LM) is at most 0.1 only, as it holds there only.
#[test]
fn shapes_finds_the_law_that_was_planted() {
    let Some(python) = python("numpy, pandas") else {
        skipped("shapes_finds_the_law_that_was_planted", "NumPy or pandas");
        return;
    };
    let folder = tempfile::tempdir().unwrap();
    let mut runs = Vec::new();
    for (name, inner) in [("a", "100"), ("b", "\"2n\""), ("c", "3000")] {
        let run = folder.path().join(name);
        fs::create_dir(&run).unwrap();
        let manifest =
            format!(r#"{{ "experiment": {{ "model": {{ "inner_width": {inner} }} }} }}"#);
        fs::write(run.join("manifest.json"), manifest).unwrap();
        let mut table = "closure,seed,width,depth,step,depth_time,observable,value\n".to_owned();
        for (seed, n, l) in (0..4).flat_map(|seed| {
            [200.0, 800.0].into_iter().flat_map(move |n| [4.0, 8.0, 16.0].map(|l| (seed, n, l)))
        }) {
            let m: f64 = if name == "b" { 2.0 * n } else { inner.parse().unwrap() };
            // Of the last seed L^-1.2, so that the mean is -1.05 with a standard error of 0.05.
            let depth = if seed == 3 { -1.2 } else { -1.0 };
            let square: f64 = 7.0 * f64::powf(n, 0.9) * m.powf(-1.1) * f64::powf(l, depth);
            for (step, time, value) in [(1, 1.0, 5.0), (2, 0.5, 5.0), (2, 1.0, square)] {
                writeln!(table, "exact,{seed},{n},{l},{step},{time},strong.h,{value}").unwrap();
            }
            let f = square.sqrt() * if n / (l * m) <= 0.1 { 1.0 } else { 3.0 };
            writeln!(table, "exact,{seed},{n},{l},2,,difference.f,{}", -f).unwrap();
            writeln!(table, "gia,{seed},{n},{l},2,,difference.f,9").unwrap();
        }
        fs::write(run.join("results.csv"), table).unwrap();
        runs.push(run);
    }
    let mut command = Command::new(&python);
    let done =
        command.current_dir(env!("CARGO_MANIFEST_DIR")).arg("examples/shapes.py").args(&runs);
    let done = done.output().unwrap();
    let said = String::from_utf8_lossy(&done.stdout);
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    // 0.05 times 3.182, of three degrees of freedom.
    let law =
        "n^0.900 [0.900, 0.900], M^-1.100 [-1.100, -1.100], L^-1.050 [-1.209, -0.891] (4 seeds)";
    for (place, of, holds) in [
        ("all sizes", "h", true),
        ("all sizes", "f", false),
        ("n/(LM) <= 0.1", "h", true),
        ("n/(LM) <= 0.1", "f", true),
    ] {
        let words = format!("{place}: mean square of {of}_L - {of}_2L: ");
        let line = said.lines().find_map(|line| line.strip_prefix(&words));
        assert_eq!(line.unwrap() == law, holds, "{words} {said}");
    }
}
