//! What a CUDA run begins with: a driver that may refuse, a compiler that may lack a part of itself, kernels
//! that are compiled once for all processes.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use crate::common::nvrtc::StandIn;
use crate::common::softcuda;
use nfd::backend::cuda::device::image::{COMPILER, KERNEL_FILES};

const TINY: &str = r#"{
  "name": "tiny", "data": { "source": "digits", "samples": 2 },
  "training": { "steps": 1, "learning_rate": 0.5 },
  "ensemble": { "widths": [8], "depths": [1, 2], "seeds": 1, "closures": ["exact"] },
  "engine": "dense", "precision": "f64", "reference": { "kind": "none" }
}
"#;

/// The program on the software device, in a folder with the job.
fn nfd(folder: &Path, device: &Path, arguments: &[&str]) -> Command {
    fs::write(folder.join("tiny.json"), TINY).unwrap();
    let mut command = softcuda::command(env!("CARGO_BIN_EXE_nfd"), device);
    command.args(arguments).current_dir(folder);
    command
}

/// All that it says.
fn said(output: &Output) -> String {
    let [out, err] = [&output.stdout, &output.stderr].map(|text| String::from_utf8_lossy(text));
    out.into_owned() + &err
}

/// All that `command` says, which must end with this exit code.
fn end(mut command: Command, code: i32) -> String {
    let output = command.output().unwrap();
    let text = said(&output);
    assert_eq!(output.status.code(), Some(code), "{text}");
    text
}

fn contains_all(text: &str, parts: &[&str]) {
    for part in parts {
        assert!(text.contains(part), "{part}: {text}");
    }
}

/// The stand-in and the software device, where both are there.
fn stand_in() -> Option<(StandIn, PathBuf)> {
    let stand_in = StandIn::build()?;
    fs::write(stand_in.place().join("tiny.json"), TINY).unwrap();
    Some((stand_in, softcuda::folder()?))
}

/// A run by the stand-in's kernels into `to`, with this cache.
fn run(stand_in: &StandIn, device: &Path, to: &str, cache: &str) -> Command {
    let mut command = stand_in.nfd(device);
    command.args(["run", "tiny.json", "--backend", "cuda", "--output", to]).env("NFD_CACHE", cache);
    command
}

#[test]
fn a_compiler_named_by_its_path_finds_its_builtins() {
    let Some(stand_in) = StandIn::build() else { return };
    let doctor = |nvrtc: &Path| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_nfd"));
        command.arg("doctor").env("NFD_NVRTC", nvrtc);
        end(command, 0)
    };
    let library = stand_in.library().join("libnvrtc.so.12");
    let link = stand_in.place().join("libnvrtc.so");
    std::os::unix::fs::symlink(&library, &link).unwrap();
    for path in [&stand_in.library(), &library, &link] {
        contains_all(&doctor(path), &["12.0 from", "it compiles", "CUDA 12 (525)"]);
    }
    fs::remove_file(stand_in.library().join("libnvrtc-builtins.so.stand.in")).unwrap();
    let parts = ["compiles nothing", "failed to open libnvrtc-builtins", "NFD_NVRTC"];
    contains_all(&doctor(&library), &parts);
}

#[test]
fn kernels_are_compiled_once_for_all_processes() {
    let Some((stand_in, device)) = stand_in() else { return };
    let cache = stand_in.place().join("cache");
    let start = |to: &str, minor: &str| {
        let mut command = run(&stand_in, &device, to, "cache");
        command.env("STAND_IN_MINOR", minor);
        end(command, 0);
        stand_in.compiled()
    };
    let results = |to: &str| fs::read(stand_in.place().join(to).join("results.csv")).unwrap();
    // Code, which the software device refuses, and PTX.
    let mut all: Vec<String> = KERNEL_FILES
        .iter()
        .flat_map(|file| ["sm_90", "compute_90"].map(|target| format!("{target} {}", file.name)))
        .collect();
    all.sort();
    assert_eq!(start("first", "0"), all);
    assert_eq!(start("second", "0"), [""; 0]);
    assert!(results("first") == results("second"));

    let entries = || {
        let files = fs::read_dir(&cache).unwrap().map(|file| file.unwrap().path());
        files.collect::<Vec<_>>()
    };
    assert_eq!(entries().len(), all.len());
    let sound = entries().into_iter().map(|path| (path.clone(), fs::read(path).unwrap()));
    let sound: Vec<_> = sound.collect();
    let (longest, bytes) = sound.iter().max_by_key(|(_, bytes)| bytes.len()).unwrap();
    let mut flipped = bytes.clone();
    flipped[bytes.len() / 2] ^= 4;
    for damaged in [&flipped[..], &bytes[..bytes.len() / 2], b""] {
        fs::write(longest, damaged).unwrap();
        let again = start("again", "0");
        assert_eq!(again.len(), 1, "{again:?}");
        assert!(fs::read(longest).unwrap() == *bytes);
        assert!(results("again") == results("first"));
        fs::remove_dir_all(stand_in.place().join("again")).unwrap();
    }

    assert_eq!(start("newer", "1"), all, "another compiler");
    let mut doctor = stand_in.nfd(&device);
    doctor.arg("doctor").env("NFD_CACHE", "cache");
    let expected = format!("cache: {} files of kernels", 2 * all.len());
    contains_all(&end(doctor, 0), &[&expected]);
}

/// `auto` opens the device to see whether it works, and again to use it.
#[test]
fn without_a_cache_a_process_compiles_once() {
    let Some((stand_in, device)) = stand_in() else { return };
    fs::write(stand_in.place().join("file"), "in the way").unwrap();
    let mut plan = stand_in.nfd(&device);
    plan.args(["plan", "tiny.json"]).env("NFD_CACHE", "file");
    contains_all(&end(plan, 0), &["backend cuda: softcuda", "of it in flight"]);
    assert_eq!(stand_in.compiled().len(), 2 * KERNEL_FILES.len());
    end(run(&stand_in, &device, "run", "file"), 0);
    assert_eq!(stand_in.compiled().len(), 2 * KERNEL_FILES.len());
    assert_eq!(fs::read(stand_in.place().join("file")).unwrap(), b"in the way");

    let mut doctor = stand_in.nfd(&device);
    doctor.arg("doctor").env("NFD_CACHE", "file");
    contains_all(&end(doctor, 0), &["kernel cache   unusable, file: ", "NFD_CACHE"]);
}

#[test]
fn processes_at_once_share_a_cache() {
    let Some((stand_in, device)) = stand_in() else { return };
    let running: Vec<_> = ["a", "b", "c"]
        .map(|to| run(&stand_in, &device, to, "cache").stderr(std::process::Stdio::piped()).spawn())
        .into_iter()
        .map(Result::unwrap)
        .collect();
    for process in running {
        let output = process.wait_with_output().unwrap();
        assert!(output.status.success(), "{}", said(&output));
    }
    assert!(!stand_in.compiled().is_empty());
    end(run(&stand_in, &device, "d", "cache"), 0);
    assert_eq!(stand_in.compiled(), [""; 0]);
    let files = fs::read_dir(stand_in.place().join("cache")).unwrap().count();
    assert_eq!(files, 2 * KERNEL_FILES.len());
}

#[test]
fn a_device_that_is_taken_names_what_to_do() {
    let Some(device) = softcuda::folder() else { return };
    let folder = tempfile::tempdir().unwrap();
    let exclusive = ["EXCLUSIVE_PROCESS", "one rank per GPU", "nvidia-cuda-mps-control"];
    for (fail, mode, parts) in [
        ("context:1", "3", &exclusive[..]),
        ("context:1", "2", &["PROHIBITED", "nvidia-smi -c DEFAULT"]),
        ("context:1", "0", &["one rank per GPU", "MPS"]),
        ("context:1:2", "0", &["fewer ranks per GPU"]),
        ("context:1:802", "0", &["nvidia-fabricmanager"]),
        ("context:1:807", "0", &["nvidia-cuda-mps-control -d", "one rank per GPU"]),
        ("context:1:999", "0", &["/dev/nvidia*"]),
    ] {
        let mut command = nfd(folder.path(), &device, &["run", "tiny.json", "--backend", "cuda"]);
        command.args(["--output", "x"]).env("SOFTCUDA_FAIL", fail).env("SOFTCUDA_MODE", mode);
        let text = end(command, 1);
        contains_all(&text, &[&["opening CUDA device 0"], parts].concat());
        assert!(!text.contains("finished tasks are kept"), "{text}");
        // Left open, the backend is the processor, and the reason is said.
        let mut command = nfd(folder.path(), &device, &["plan", "tiny.json"]);
        command.env("SOFTCUDA_FAIL", fail).env("SOFTCUDA_MODE", mode);
        contains_all(&end(command, 0), &[&["backend cpu: opening CUDA device 0"], parts].concat());
    }
    assert!(!folder.path().join("x").exists());
    let mut doctor = nfd(folder.path(), &device, &["doctor"]);
    doctor.env("SOFTCUDA_MODE", "3");
    contains_all(&end(doctor, 0), &["compute mode EXCLUSIVE_PROCESS", "MPS"]);
}

#[test]
fn an_old_driver_is_told_from_an_old_device_and_a_full_one() {
    let (Some(device), Some(compiler)) = (softcuda::folder(), COMPILER) else { return };
    let folder = tempfile::tempdir().unwrap();
    let start = |driver: &str, capability: &str| {
        let mut command = nfd(folder.path(), &device, &["run", "tiny.json", "--backend", "cuda"]);
        command.args(["--output", "x"]).env("NFD_NVRTC", "none");
        command.env("SOFTCUDA_DRIVER", driver).env("SOFTCUDA_CAPABILITY", capability);
        end(command, 2)
    };
    let embedded = format!("of NVRTC {compiler} (embedded)");
    contains_all(
        &start("12040", "9.0"),
        &["UNSUPPORTED_PTX_VERSION", "driver for CUDA 12.4", &embedded, "update the driver"],
    );
    let mut full = nfd(folder.path(), &device, &["run", "tiny.json", "--backend", "cuda"]);
    full.args(["--output", "x"]).env("SOFTCUDA_FAIL", "module:2");
    let full = end(full, 1);
    contains_all(&full, &["loading the kernels of", "OUT_OF_MEMORY", "fewer ranks per GPU"]);
    assert!(!full.contains("NVRTC"), "{full}");
    contains_all(&start("13000", "7.5"), &["capability 7.5", "NFD_NVRTC", "take backend cpu"]);
    let mut doctor = nfd(folder.path(), &device, &["doctor"]);
    doctor.env("SOFTCUDA_DRIVER", "11040");
    contains_all(&end(doctor, 0), &["driver     for CUDA 11.4; TOO OLD for the GPU kernels"]);
}

#[test]
fn hidden_devices_are_said_to_be_hidden() {
    let Some(device) = softcuda::folder() else { return };
    let folder = tempfile::tempdir().unwrap();
    let start = |arguments: &[&str], code: i32| {
        let mut command = nfd(folder.path(), &device, arguments);
        command.env("SOFTCUDA_DEVICES", "0").env("CUDA_VISIBLE_DEVICES", "7");
        end(command, code)
    };
    let asked = start(&["run", "tiny.json", "--backend", "cuda", "--output", "x"], 2);
    contains_all(&asked, &["no CUDA device 0", "CUDA_VISIBLE_DEVICES is \"7\""]);
    contains_all(&start(&["plan", "tiny.json"], 0), &["backend cpu: no NVIDIA GPU", "\"7\""]);
}
