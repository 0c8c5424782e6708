//! `jobs/gpu-check.sh`, as it is, on the software CUDA device: what is wrong, missing or late is said and
//! counted, and nothing stops there.

#![cfg(target_os = "linux")]

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::Command;

use crate::common::gpu_check::{LIST, NFD, built, device, script, stub, stubs};
use crate::common::softcuda;

/// A small check, its exit code and report, whose summary it says at its end.
fn check(folder: &Path, device: Option<&Path>, more: &[&str]) -> (Option<i32>, String) {
    let arguments = [&["--quick", "--output", "report.txt"], more].concat();
    let output = script(folder, device, &arguments);
    let report = fs::read_to_string(folder.join("report.txt")).unwrap();
    let said = String::from_utf8(output.stdout).unwrap();
    let (_, details) = report.split_once("\n\n").unwrap();
    assert!(said.starts_with(details), "{said}{}", String::from_utf8_lossy(&output.stderr));
    assert!(said.contains("\nThe report is report.txt. Please send it") || device.is_none());
    (output.status.code(), report)
}

/// The summary of a report, without its times.
fn summary(report: &str) -> String {
    let lines = report.lines().take_while(|line| !line.is_empty());
    let timeless = |line: &str| {
        let parts = line.split(", ").filter(|part| !part.ends_with(" s"));
        parts.collect::<Vec<_>>().join(", ") + "\n"
    };
    lines.map(timeless).collect()
}

#[test]
fn a_wrong_number_is_counted_and_stops_nothing() {
    let Some(device) = device("a_wrong_number_is_counted_and_stops_nothing") else { return };
    let folder = stubs();
    let (code, report) = check(folder.path(), Some(&device), &[]);
    assert_eq!(code, Some(0), "{report}");

    let wrong = "[[ $2 != dense* ]] || { echo off by 1e-3; exit 101; }; echo 1 passed";
    stub(folder.path(), "programs/parity", &format!("{LIST}; {wrong}"));
    let (code, report) = check(folder.path(), Some(&device), &[]);
    assert_eq!(code, Some(1), "{report}");
    assert!(report.starts_with("gpu-check of nfd: FAILED, 1 of its steps, "), "{report}");
    let summary = summary(&report);
    assert!(
        summary.contains("\nFAILED         parity: dense::normals, exit code 101\n"),
        "{report}"
    );
    assert!(summary.contains("\npassed         run: end_to_end::dense\n"), "{report}");
    assert!(report.contains("off by 1e-3\n== parity: dense::normals: FAILED"), "{report}");
    assert!(report.contains("timed --bench --limit 481 --quick\n== timings: ok"), "{report}");

    // Programs without tests, or that do not say that one has passed.
    stub(folder.path(), "programs/parity", "echo 0 passed");
    let (code, report) = check(folder.path(), Some(&device), &["--only", "parity,run"]);
    assert_eq!(code, Some(1), "{report}");
    assert!(report.starts_with("gpu-check of nfd: FAILED, 2 of its steps\n"), "{report}");
}

#[test]
fn one_number_that_is_off_in_the_tenth_place_fails_a_run() {
    let Some(device) = device("one_number_that_is_off_in_the_tenth_place_fails_a_run") else {
        return;
    };
    let folder = stubs();
    let parity = folder.path().join("programs/parity");
    fs::remove_file(&parity).unwrap();
    symlink(built().join("programs/parity"), parity).unwrap();
    fs::remove_file(folder.path().join("programs/nfd")).unwrap();
    let planted = format!(
        "{NFD} \"$@\" || exit
         if [[ $* == *'--backend cuda'*engine=conditional* ]]; then
             awk -F, -v OFS=, -v CONVFMT=%.17g 'FNR == 2 {{ $NF += 1e-9 }} 1' cuda/results.csv >new
             mv new cuda/results.csv
         fi"
    );
    stub(folder.path(), "programs/nfd", &planted);
    let (code, report) = check(folder.path(), Some(&device), &["--only", "run"]);
    assert_eq!(code, Some(1), "{report}");
    for part in [
        "\nFAILED         run: end_to_end::conditional_gives_the_numbers_of_plain, exit code 101",
        "\npassed         run: end_to_end::dense_gives_the_numbers_of_plain",
        "instead of (\"exact 33 2",
    ] {
        assert!(report.contains(part), "no {part:?}:\n{report}");
    }
}

#[test]
fn parts_and_limits_are_obeyed() {
    let Some(device) = device("parts_and_limits_are_obeyed") else { return };
    let folder = stubs();
    let steps = |more: &[&str]| {
        let (code, report) = check(folder.path(), Some(&device), more);
        let all = summary(&report);
        let steps = all.lines().filter(|line| {
            ["FAILED ", "left out ", "passed "].iter().any(|kind| line.starts_with(kind))
        });
        (code, steps.map(|line| line.to_owned() + "\n").collect::<String>())
    };
    let parity = "passed         doctor\npassed         parity: dense::normals\n\
                  passed         parity: conditional::evaluation\n";
    assert_eq!(steps(&["--only", "parity"]), (Some(0), parity.to_owned()));
    let run = "passed         run: end_to_end::dense\n";
    assert_eq!(steps(&["--only", "run", "--only", "parity"]), (Some(0), parity.to_owned() + run));

    // A step that is too slow has failed, and others are as they were.
    let slow = format!("{LIST}; [[ $2 != dense* ]] || exec sleep 60; echo 1 passed");
    stub(folder.path(), "programs/parity", &slow);
    let (code, said) = steps(&["--only", "parity", "--limit", "1"]);
    assert_eq!(code, Some(1));
    let late = "FAILED         parity: dense::normals, it took more than 1 s\n";
    let late = late.replace(", it took more than 1 s", "");
    assert_eq!(
        said,
        late + "passed         doctor\npassed         parity: conditional::evaluation\n"
    );

    // What the total leaves no time for is left out, and so is what it cuts short.
    let (code, said) = steps(&["--only", "parity,run", "--total", "15"]);
    assert_eq!(code, Some(0), "{said}");
    let left_out =
        "left out       parity: conditional::evaluation\nleft out       run: end_to_end::dense\n";
    assert!(said.starts_with("left out       parity: dense::normals\n"), "{said}");
    let report = fs::read_to_string(folder.path().join("report.txt")).unwrap();
    assert!(report.contains("parity: dense::normals, cut short after "), "{report}");
    assert!(said.contains(&left_out.replace('\n', ", the total of 15 s was over\n")), "{said}");
}

#[test]
fn counters_are_those_of_the_tools_that_are_there() {
    let Some(device) = device("counters_are_those_of_the_tools_that_are_there") else { return };
    let folder = stubs();
    stub(folder.path(), "programs/timing", "echo timed \"$@\"");
    let only = ["--only", "counters"];
    let (_, report) = check(folder.path(), Some(&device), &only);
    let path = std::env::var("PATH").unwrap();
    let mut folders = path.split(':').chain(["/usr/local/cuda/bin"]);
    // On a machine with a toolkit they are there.
    let tools: &[&str] = match folders.any(|folder| Path::new(folder).join("ncu").exists()) {
        true => &[],
        false => &["ncu", "compute-sanitizer"],
    };
    for tool in tools {
        let line = format!("\nleft out       {tool}, it is neither in CUDA_HOME nor on the path\n");
        assert!(report.contains(&line), "{report}");
    }

    // Tools of a toolkit that say what they were asked.
    fs::create_dir(folder.path().join("bin")).unwrap();
    let metric = "l1tex__data_pipe_lsu_wavefronts_mem_shared_op_ld.sum      860,160";
    stub(folder.path(), "bin/ncu", &format!("echo \"$@\"; echo '{metric}'"));
    stub(folder.path(), "bin/compute-sanitizer", "echo \"$@\"; [[ $* != *--case* ]]");
    let path = folder.path().display().to_string();
    let run = || {
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("jobs/gpu-check.sh");
        let mut command = softcuda::command(script, &device);
        command.args(only).args(["--quick", "--programs", "programs", "--output", "report.txt"]);
        command.env("CUDA_HOME", &path).current_dir(folder.path()).output().unwrap();
        fs::read_to_string(folder.path().join("report.txt")).unwrap()
    };
    let report = run();
    for part in [
        "\npassed         ncu: shared wavefronts of transpose, ",
        "\nFAILED         memcheck: dense, exit code 1",
        "\npassed         memcheck: conditional::evaluation, ",
        "--clock-control none --kernel-name regex:transpose_f32_8 ",
        " --bench --case 256,16,32,8\n",
        "\nby counting on the software device: 860160 op_ld and 172032 op_st\n",
        "--tool memcheck --error-exitcode 1 ",
    ] {
        assert!(report.contains(part), "no {part:?}:\n{report}");
    }
    stub(folder.path(), "bin/ncu", "echo '==ERROR== ERR_NVGPUCTRPERM - no permission'; exit 1");
    let report = run();
    let line =
        "\nleft out       ncu: shared wavefronts of transpose, this user may not read the counters";
    assert!(report.contains(line), "{report}");
}

#[test]
fn unknown_words_are_refused_with_the_usage() {
    let folder = stubs();
    for (words, why) in [
        (&["--fast"][..], "--fast: not understood"),
        (&["--only", "parity,speed"], "--only speed: there is no such part"),
        (&["--limit", "10m"], "--limit 10m: not a number of seconds"),
        (&["--total", "0"], "--total 0: not a number of seconds"),
        (&["--pack"], "--pack needs a value"),
    ] {
        let output = script(folder.path(), None, words);
        let said = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(2), "{said}");
        assert!(said.starts_with(&format!("gpu-check: {why}\nusage: gpu-check.sh ")), "{said}");
    }
    let timing = |words: &[&str]| {
        let timing = built().join("programs/timing");
        let output = Command::new(timing).arg("--bench").args(words).output().unwrap();
        (output.status.code(), String::from_utf8(output.stderr).unwrap())
    };
    for words in [&["--fast"][..], &["--case", "1,2,3"], &["--case", "1,2,3,x"], &["--limit", "-1"]]
    {
        let (code, said) = timing(words);
        assert!(code == Some(2) && said.contains("\nusage: timing --bench "), "{words:?}: {said}");
    }
}

#[test]
fn without_a_driver_it_says_so() {
    let folder = stubs();
    let (code, report) = check(folder.path(), None, &[]);
    assert_eq!(code, Some(2), "{report}");
    assert!(
        report
            .starts_with("gpu-check of nfd: nothing was checked, there is no usable NVIDIA driver")
    );
    assert!(report.contains("\nThere is no usable NVIDIA driver on this machine"), "{report}");
    assert!(report.contains("GPU driver     "), "{report}");
}
