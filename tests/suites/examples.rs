//! examples/: what reads a run directory prints what is so. (The library's example is the test of the
//! documentation.)

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
