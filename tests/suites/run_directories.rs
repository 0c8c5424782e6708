//! Where `nfd run` writes: directories of other experiments, of other people, of any name.

use std::fs;
use std::process::Command;

use crate::common::experiments::{SMALL, small};
use crate::common::results::{final_files, nfd};

#[test]
fn run_directories_belong_to_one_experiment() {
    let folder = tempfile::tempdir().unwrap();
    let job = small(folder.path());
    let output = folder.path().join("deep/er/run");
    let again = |extra: &[&str]| {
        let output = output.display().to_string();
        let mut arguments = vec!["run", &job, "--output", &output];
        arguments.extend(extra);
        nfd(&arguments)
    };
    assert!(again(&[]).status.success());
    let first = fs::read(output.join("results.csv")).unwrap();
    assert!(again(&[]).status.success());
    assert_eq!(fs::read(output.join("results.csv")).unwrap(), first);

    let other = again(&["--set", "training.steps=1", "--set", "reference.rows=7"]);
    let stderr = String::from_utf8_lossy(&other.stderr);
    assert_eq!(other.status.code(), Some(2));
    assert!(stderr.contains("training.steps (2, now 1)"), "{stderr}");
    assert!(stderr.contains("reference.rows (512, now 7)"), "{stderr}");
    assert_eq!(fs::read(output.join("results.csv")).unwrap(), first);

    fs::write(output.join("manifest.json"), "{}").unwrap();
    let foreign = again(&[]);
    assert_eq!(foreign.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&foreign.stderr).contains("not one of this program's"));

    // A file where the directory should be: refused before anything is computed.
    let blocked = nfd(&["run", &job, "--output", &job]);
    assert_eq!(blocked.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&blocked.stderr).contains("small.json"));
    assert_eq!(fs::read_to_string(&job).unwrap(), SMALL);
}

/// A path that is no text, and a report in it that loses the plots it no longer has.
#[cfg(unix)]
#[test]
fn paths_need_not_be_text() {
    use std::ffi::OsStr;
    use std::os::unix::ffi::OsStrExt;
    let folder = tempfile::tempdir().unwrap();
    let job = small(folder.path());
    let output = folder.path().join(OsStr::from_bytes(b"run-\xff"));
    let run = |extra: &[&str]| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_nfd"));
        command.args(["run", &job, "--output"]).arg(&output).args(extra);
        let done = command.env("NO_COLOR", "1").output().unwrap();
        assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
        done
    };
    let done = run(&[]);
    assert!(!done.stderr.contains(&0x1b) && !done.stdout.contains(&0x1b), "escapes, no terminal");
    assert!(final_files(&output).contains_key("plots/closure-gap-f-depth.svg"));
    run(&["--set", "ensemble.closures=[\"exact\"]"]);
    let plots = final_files(&output);
    assert!(!plots.contains_key("plots/closure-gap-f-depth.svg"), "{:?}", plots.keys());
    assert!(plots.contains_key("plots/strong-h-depth.svg"));
}

/// A folder that is somebody else's keeps its files.
#[test]
fn foreign_folders_are_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    let job = small(folder.path());
    let theirs = folder.path().join("theirs");
    fs::create_dir(&theirs).unwrap();
    for name in ["results.csv", ".editor.tmp"] {
        fs::write(theirs.join(name), "mine").unwrap();
    }
    let done = nfd(&["run", &job, "--output", &theirs.display().to_string()]);
    assert_eq!(done.status.code(), Some(2));
    let stderr = String::from_utf8_lossy(&done.stderr);
    assert!(stderr.contains("not empty and not a run directory"), "{stderr}");
    assert_eq!(fs::read_dir(&theirs).unwrap().count(), 2);
    assert_eq!(fs::read_to_string(theirs.join("results.csv")).unwrap(), "mine");
    // An empty one is free.
    let empty = folder.path().join("empty");
    fs::create_dir(&empty).unwrap();
    assert!(nfd(&["run", &job, "--output", &empty.display().to_string()]).status.success());
}
