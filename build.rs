//! Tells the program which sources and compiler it was built from; both may be unknown.

use std::process::Command;

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    // The reflog changes with every commit and checkout.
    if let Some(log) = output("git", &["rev-parse", "--git-path", "logs/HEAD"]) {
        println!("cargo::rerun-if-changed={log}");
    }
    if let Some(commit) = output("git", &["rev-parse", "HEAD"]) {
        println!("cargo::rustc-env=NFD_GIT_COMMIT={commit}");
    }
    let rustc = std::env::var("RUSTC").unwrap_or_else(|_| "rustc".to_owned());
    if let Some(version) = output(&rustc, &["--version"]) {
        println!("cargo::rustc-env=NFD_RUSTC={version}");
    }
}

fn output(program: &str, arguments: &[&str]) -> Option<String> {
    let done = Command::new(program).args(arguments).output().ok()?;
    let text = String::from_utf8(done.stdout).ok()?.trim().to_owned();
    (done.status.success() && !text.is_empty()).then_some(text)
}
