//! A tool that a check needs and this machine lacks.

use std::io::Write;
use std::process::Command;

/// Says that `test` is skipped for want of `tool`; under CI that is a failure.
pub fn skipped(test: &str, tool: &str) {
    assert!(std::env::var("CI").as_deref() != Ok("true"), "{tool} is missing, and this is CI");
    // Not eprintln: the test harness would swallow it.
    let line = format!("{test}: SKIPPED, no {tool} (tests/run.sh --install)\n");
    std::io::stderr().write_all(line.as_bytes()).unwrap();
}

/// A Python that has these modules, comma-separated: the one that NFD_PYTHON names, or else the first on
/// the path.
pub fn python(modules: &str) -> Option<String> {
    let python = std::env::var("NFD_PYTHON").unwrap_or_else(|_| "python3".to_owned());
    let has = Command::new(&python).args(["-c", &format!("import {modules}")]).output();
    has.is_ok_and(|done| done.status.success()).then_some(python)
}
