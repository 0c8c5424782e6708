//! `jobs/gpu-check.sh --pack`: one file that runs where there is nothing else, with a report that has all
//! parts.

#![cfg(target_os = "linux")]

#[path = "../../build/targets.rs"]
mod targets;

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::common::gpu_check::{built, device, script, stub, stubs};

/// Where a pack's programs are, by tar's list.
const PACKED: [&str; 7] = [
    "nfd-gpu-check/",
    "nfd-gpu-check/gpu-check.sh",
    "nfd-gpu-check/programs/",
    "nfd-gpu-check/programs/commit",
    "nfd-gpu-check/programs/nfd",
    "nfd-gpu-check/programs/parity",
    "nfd-gpu-check/programs/timing",
];
/// What a pack needs on the node, besides the driver and glibc.
const TOOLS: [&str; 19] = [
    "bash", "tar", "gzip", "grep", "sed", // and of coreutils:
    "basename", "cat", "cp", "date", "dirname", "env", "mktemp", "rm", "stat", "tail", "tee",
    "timeout", "true", "uname",
];

/// How a program is started in a root of its own, which has the machine's /proc, if this machine lets us.
fn chroot(root: &Path) -> Option<Command> {
    const ENTER: &str = r#"mount --rbind /proc "$0/proc" && exec chroot "$0" "$@""#;
    let ways: [&[&str]; 2] =
        [&["unshare", "-rm", "bash", "-c", ENTER], &["unshare", "-m", "bash", "-c", ENTER]];
    ways.into_iter().find_map(|way| {
        let command = || {
            let mut command = Command::new(way[0]);
            command
                .args(&way[1..])
                .arg(root)
                .env_clear()
                .env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin");
            command
        };
        let works = command().arg("/bin/true").output();
        works.is_ok_and(|done| done.status.success()).then(command)
    })
}

/// Copies a file to where it is here, or to `place`, and the libraries that it needs.
fn install(root: &Path, file: &Path, place: Option<&Path>) {
    let put = |from: &Path, to: &Path| {
        let to = root.join(to.strip_prefix("/").unwrap());
        fs::create_dir_all(to.parent().unwrap()).unwrap();
        fs::copy(from, to).unwrap();
    };
    put(file, place.unwrap_or(file));
    let needed = Command::new("ldd").arg(file).output().unwrap();
    for word in String::from_utf8(needed.stdout).unwrap().split_whitespace() {
        if word.starts_with('/') {
            put(Path::new(word), Path::new(word));
        }
    }
}

/// A root with the tools, what the programs and the device need, and no more.
fn empty_root(programs: &Path, device: &Path) -> tempfile::TempDir {
    let root = tempfile::tempdir().unwrap();
    for tool in TOOLS {
        let path = std::env::var("PATH").unwrap();
        let found = path.split(':').map(|folder| Path::new(folder).join(tool)).find(|f| f.exists());
        let found = found.unwrap_or_else(|| panic!("there is no {tool} here"));
        let place = if tool == "env" { "/usr/bin/env".into() } else { format!("/bin/{tool}") };
        install(root.path(), &found, Some(Path::new(&place)));
    }
    for program in ["nfd", "parity", "timing"] {
        // Itself comes with the pack.
        install(root.path(), &programs.join(program), Some(Path::new("/tmp/program")));
    }
    install(root.path(), &device.join("libcuda.so.1"), Some(Path::new("/driver/libcuda.so.1")));
    fs::remove_file(root.path().join("tmp/program")).unwrap();
    fs::create_dir(root.path().join("proc")).unwrap();
    fs::create_dir(root.path().join("dev")).unwrap();
    fs::write(root.path().join("dev/null"), "").unwrap();
    root
}

#[test]
fn a_pack_runs_where_there_is_nothing_else_and_the_report_has_all_parts() {
    let test = "a_pack_runs_where_there_is_nothing_else_and_the_report_has_all_parts";
    let Some(device) = device(test) else { return };
    let folder = built();
    let packed = script(folder, None, &["--pack", "pack.tar.gz"]);
    let said = String::from_utf8_lossy(&packed.stdout);
    assert!(packed.status.success(), "{said}{}", String::from_utf8_lossy(&packed.stderr));
    assert!(
        said.contains(" MiB; on the node:\n  tar xf pack.tar.gz && nfd-gpu-check/gpu-check.sh")
    );
    let pack = folder.join("pack.tar.gz");
    let size = fs::metadata(&pack).unwrap().len();
    assert!(size <= 40 << 20, "{size} bytes");
    let list = Command::new("tar").arg("tf").arg(&pack).output().unwrap();
    let mut list: Vec<String> =
        String::from_utf8(list.stdout).unwrap().lines().map(str::to_owned).collect();
    list.sort();
    assert_eq!(list, PACKED);

    let root = empty_root(&folder.join("programs"), &device);
    fs::copy(&pack, root.path().join("pack.tar.gz")).unwrap();
    let (mut command, driver) = match chroot(root.path()) {
        Some(mut command) => {
            command.args(["/bin/bash", "-c"]);
            (command, PathBuf::from("/driver"))
        }
        None => {
            let line = format!(
                "{test}: no root of its own, neither unshare -rm nor unshare -m work here\n"
            );
            std::io::stderr().write_all(line.as_bytes()).unwrap();
            let mut command = Command::new("bash");
            command.arg("-c");
            (command, device)
        }
    };
    command.arg("tar xf pack.tar.gz && nfd-gpu-check/gpu-check.sh --quick --output report.txt");
    command.current_dir(root.path()).env("LD_LIBRARY_PATH", driver).env("NFD_PYTHON", "none");
    let output = command.output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout).into_owned()
        + &String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(0), "{said}");
    let report = fs::read_to_string(root.path().join("report.txt")).unwrap();
    assert!(report.starts_with("gpu-check of nfd: nothing failed, "), "{report}");
    for part in [
        "\ndates          20",
        "\nprograms       ",
        "\nGPU 0          softcuda (software device, no GPU), compute capability",
        "\n               the software device of nfd's tests, no GPU: the timings below mean nothing\n",
        "\n               --quick: ",
        "\npassed         parity: dense::normals_are_the_same_bits, ",
        "\nleft out       nvidia-smi before, it is not here\n",
        "\n== doctor: ok",
        "\n== parity: conditional::evaluation_leaves_no_trace: ok",
        "\n== run: end_to_end::dense_gives_the_numbers_of_plain: ok",
        "\n== run: end_to_end::conditional_gives_the_numbers_of_plain: ok",
        " lines, the worst ",
        "\ncuBLAS: left out, no libcublas",
        "\nPyTorch: left out, no none",
        "\ncopy           ",
        "\ngraph          ",
        "\nbarriers       ",
        "\n 128   2   4       2    f32 ",
        "\n 128   2   4       2   bf16 ",
        "\n  64   2   9       1   bf16 left out: room for 0 steps",
        "\n    300   2  2       2      2 ",
        "\n    200   2  9       1      1 ",
        "\n== timings: ok",
    ] {
        assert!(report.contains(part), "no {part:?}:\n{report}");
    }
}

#[test]
fn a_pack_without_kernels_or_programs_is_not_made() {
    let folder = stubs();
    stub(folder.path(), "programs/nfd", "echo 'GPU kernels    none: built without NVRTC'");
    let refused = |why: &str| {
        let output = script(folder.path(), None, &["--pack", "pack.tar.gz"]);
        let said = String::from_utf8(output.stderr).unwrap();
        assert!(output.status.code() == Some(2) && said.contains(why), "{said}");
        assert!(!folder.path().join("pack.tar.gz").exists());
    };
    refused("nfd was built without a CUDA compiler");
    fs::remove_file(folder.path().join("programs/timing")).unwrap();
    refused("not all programs are in programs");
}

/// NFD_CUDA_TARGETS, as build.rs reads it.
#[test]
fn targets_are_read_and_unknown_ones_refused_with_those_there_are() {
    let known = [80, 86, 90];
    assert_eq!(targets::asked(None, &known), Ok(vec![80, 86, 90]));
    assert_eq!(targets::asked(Some(""), &known), Ok(vec![80, 86, 90]));
    assert_eq!(targets::asked(Some("90"), &known), Ok(vec![90]));
    assert_eq!(targets::asked(Some("90, 80,90"), &known), Ok(vec![80, 90]));
    for wrong in ["75", "sm_90", "90,", "all"] {
        let said = targets::asked(Some(wrong), &known).unwrap_err();
        assert!(said.ends_with("; there are 80, 86, 90"), "{said}");
        assert!(
            said.starts_with(&format!("NFD_CUDA_TARGETS={wrong}: there is no target ")),
            "{said}"
        );
    }
}
