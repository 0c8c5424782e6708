//! A tool that a check needs and this machine lacks.

use std::io::Write;

/// Says that `test` is skipped for want of `tool`; under CI that is a failure.
pub fn skipped(test: &str, tool: &str) {
    assert!(std::env::var("CI").as_deref() != Ok("true"), "{tool} is missing, and this is CI");
    // Not eprintln: the test harness would swallow it.
    let line = format!("{test}: SKIPPED, no {tool} (tests/run.sh --install)\n");
    std::io::stderr().write_all(line.as_bytes()).unwrap();
}
