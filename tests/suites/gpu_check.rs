//! `jobs/gpu-check.sh`, as it is, on the software CUDA device: the report has all parts, and what is
//! wrong or missing is said and counted.

#![cfg(target_os = "linux")]

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use crate::common::missing::skipped;
use crate::common::softcuda;
use nfd::backend::cuda::device::image;

const NFD: &str = env!("CARGO_BIN_EXE_nfd");

/// The software device, if there is one and kernels for it.
fn device(test: &str) -> Option<PathBuf> {
    if image::COMPILER.is_none() {
        skipped(test, "NVRTC");
        return None;
    }
    softcuda::folder()
}

/// The script in a folder of its own, where `programs` are.
fn script(folder: &Path, device: Option<&Path>, more: &[&str]) -> Output {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("jobs/gpu-check.sh");
    let mut command = match device {
        Some(device) => softcuda::command(path, device),
        None => Command::new(path),
    };
    command.args(["--programs", "programs"]).args(more).current_dir(folder);
    // What this machine may have beside the software device cannot use it.
    command.envs([("NFD_CUBLAS", "none"), ("NFD_PYTHON", "none")]);
    if device.is_none() {
        command.env("CUDA_VISIBLE_DEVICES", "");
    }
    command.output().unwrap()
}

/// A small check, its exit code and report.
fn check(folder: &Path, device: Option<&Path>) -> (Option<i32>, String) {
    let output = script(folder, device, &["--quick", "--output", "report.txt"]);
    let report = fs::read_to_string(folder.join("report.txt")).unwrap();
    let said = String::from_utf8(output.stdout).unwrap();
    assert_eq!(said, report, "{}", String::from_utf8_lossy(&output.stderr));
    (output.status.code(), report)
}

/// `programs` of which two do nothing, well, and nfd is itself.
fn stubs() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    fs::create_dir(folder.path().join("programs")).unwrap();
    symlink(NFD, folder.path().join("programs/nfd")).unwrap();
    stub(folder.path(), "parity", &format!("{LIST}; echo 1 passed"));
    stub(folder.path(), "timing", "echo timed");
    folder
}

/// What the program of parity answers when it is asked for its tests.
const LIST: &str = "[ $1 != --list ] || { echo dense::normals: test; exit; }";

fn stub(folder: &Path, name: &str, text: &str) {
    let path = folder.join("programs").join(name);
    let _ = fs::remove_file(&path);
    fs::write(&path, format!("#!/bin/bash\n{text}\n")).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
}

#[test]
fn the_programs_are_built_and_the_report_has_all_parts() {
    let Some(device) = device("the_programs_are_built_and_the_report_has_all_parts") else {
        return;
    };
    let folder = tempfile::tempdir().unwrap();
    let built = script(folder.path(), None, &["--build-only"]);
    assert!(built.status.success(), "{}", String::from_utf8_lossy(&built.stderr));
    let said = String::from_utf8(built.stdout).unwrap();
    assert!(said.contains("GPU kernels    by NVRTC"), "{said}");

    let (code, report) = check(folder.path(), Some(&device));
    assert_eq!(code, Some(0), "{report}");
    for part in [
        "\n== doctor: ok",
        "softcuda (software device, no GPU), compute capability",
        "\n--quick ",
        "\nThis is the software device of nfd's tests, no GPU: the timings below mean nothing.",
        "\n== parity: dense::normals_are_the_same_bits: ok",
        " lines, the worst ",
        "\n== parity: conditional::evaluation_leaves_no_trace: ok",
        "\n== nfd run --backend cuda against plain, dense: ok",
        "\n== nfd run --backend cuda against plain, conditional: ok",
        "\ncuBLAS: left out, no libcublas",
        "\nPyTorch: left out, no none",
        "\n 128   2  4       2    f32 ",
        "\n 128   2  4       2   bf16 ",
        "\n  64   2  9       1   bf16 left out: room for 0 steps",
        "\n    300   2  2       2      2 ",
        "\n    200   2  9       1      1 ",
        "\n== timings: ok",
        "\nAll steps are ok.",
        "\nThe report is report.txt. Please send it",
    ] {
        assert!(report.contains(part), "no {part:?}:\n{report}");
    }
    assert!(report.contains("nvidia-smi"), "{report}");
}

#[test]
fn a_wrong_number_is_counted_and_stops_nothing() {
    let Some(device) = device("a_wrong_number_is_counted_and_stops_nothing") else { return };
    let folder = stubs();
    let (code, report) = check(folder.path(), Some(&device));
    assert_eq!(code, Some(0), "{report}");

    stub(folder.path(), "parity", &format!("{LIST}; echo off by 1e-3; exit 101"));
    let (code, report) = check(folder.path(), Some(&device));
    assert_eq!(code, Some(1), "{report}");
    assert!(
        report.contains("off by 1e-3\n== parity: dense::normals: FAILED, exit code 101"),
        "{report}"
    );
    assert!(report.contains("timed\n== timings: ok"), "{report}");
    assert!(report.contains("\nFAILED:\n  parity: dense::normals\nThe report is"), "{report}");

    // A program without tests, and one number that is off in the tenth place.
    stub(folder.path(), "parity", "echo 0 passed");
    fs::remove_file(folder.path().join("programs/nfd")).unwrap();
    let planted = format!(
        "{NFD} \"$@\" || exit
         if [[ $* == *'--backend cuda'* ]]; then
             results=${{*: -1}}/results.csv
             awk -F, -v OFS=, -v CONVFMT=%.17g 'FNR == 2 {{ $NF += 1e-9 }} 1' $results >new
             mv new $results
         fi"
    );
    stub(folder.path(), "nfd", &planted);
    let (code, report) = check(folder.path(), Some(&device));
    assert_eq!(code, Some(1), "{report}");
    assert!(report.contains("== nfd run --backend cuda against plain, dense: FAILED"), "{report}");
    assert!(report.contains("f.0: 0."), "{report}");
    assert!(report.contains(" lines, the worst 1e-09 from plain"), "{report}");
    assert!(report.contains("\nFAILED:\n  parity: none\n  nfd run --backend"), "{report}");
}

#[test]
fn without_a_driver_it_says_so() {
    let folder = stubs();
    let (code, report) = check(folder.path(), None);
    assert_eq!(code, Some(2), "{report}");
    assert!(report.contains("\nThere is no usable NVIDIA driver on this machine"), "{report}");
    assert!(report.contains("GPU driver     "), "{report}");
}
