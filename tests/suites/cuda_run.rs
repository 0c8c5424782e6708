//! `nfd run --backend cuda` on the software CUDA device, from the outside: the verdicts of the processor,
//! the same bytes with little memory, and what is said when something is missing or fails.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::OnceLock;

use crate::common::results::final_files;
use crate::common::softcuda;

const SMALL: &str = include_str!("../common/small.json");

/// A folder with the job, and the software device if it was built.
fn job() -> Option<(tempfile::TempDir, PathBuf)> {
    let device = softcuda::folder()?;
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("small.json"), SMALL).unwrap();
    Some((folder, device))
}

/// Runs it into `to`, the environment as given.
fn run(folder: &Path, device: &Path, to: &str, more: &[&str], settings: &[(&str, &str)]) -> Output {
    let mut command = softcuda::command(env!("CARGO_BIN_EXE_nfd"), device);
    command.args(["run", "small.json", "--output", to]).args(more);
    if !more.contains(&"--backend") {
        command.args(["--backend", "cuda"]);
    }
    command.envs(settings.iter().copied()).current_dir(folder).output().unwrap()
}

/// The final files of SMALL on a device with room that nothing disturbs.
fn undisturbed(folder: &Path, device: &Path) -> &'static BTreeMap<String, Vec<u8>> {
    static FILES: OnceLock<BTreeMap<String, Vec<u8>>> = OnceLock::new();
    FILES.get_or_init(|| {
        let all = run(folder, device, "all", &[], &[]);
        assert!(all.status.success(), "{}", said(&all));
        final_files(&folder.join("all"))
    })
}

fn said(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// A small job end to end, smaller still: the verdicts of the processor, and its exponents to three digits.
#[test]
fn verdicts_are_those_of_the_processor() {
    let Some(device) = softcuda::folder() else { return };
    let folder = tempfile::tempdir().unwrap();
    let job = Path::new(env!("CARGO_MANIFEST_DIR")).join("jobs/toy-small.json");
    let claims = |backend: &str| {
        let mut command = softcuda::command(env!("CARGO_BIN_EXE_nfd"), &device);
        command.arg("run").arg(&job).args(["--backend", backend, "--output", backend]);
        for set in ["ensemble.widths=[64,256]", "ensemble.depths=[4,8,16,32]"] {
            command.args(["--set", set]);
        }
        command.args(["--set", "ensemble.seeds=4"]);
        let ran = command.current_dir(folder.path()).output().unwrap();
        assert!(ran.status.success(), "{}", said(&ran));
        let summary = std::fs::read_to_string(folder.path().join(backend).join("summary.json"));
        let summary: serde_json::Value = serde_json::from_str(&summary.unwrap()).unwrap();
        summary["claims"].as_array().unwrap().clone()
    };
    let (got, want) = (claims("cuda"), claims("cpu"));
    assert!(got.len() == want.len() && got.len() > 10);
    for (got, want) in got.iter().zip(&want) {
        for key in ["id", "step", "verdict", "points", "seeds"] {
            assert_eq!(got[key], want[key], "{got} {want}");
        }
        for key in ["exponent", "plateau"] {
            let close = match (got[key].as_f64(), want[key].as_f64()) {
                (Some(a), Some(b)) => (a - b).abs() <= 1e-3 * b.abs(),
                (a, b) => a.is_none() && b.is_none(),
            };
            assert!(close, "{key}: {got} {want}");
        }
    }
}

#[test]
fn little_memory_makes_fewer_networks_fly_and_changes_no_byte() {
    let Some((folder, device)) = job() else { return };
    let expected = undisturbed(folder.path(), &device);
    // One network of width 64 and depth 4 in gia takes 0.7 MB; three do not fit.
    let few = run(folder.path(), &device, "few", &[], &[("SOFTCUDA_MEMORY", "1500000")]);
    assert!(few.status.success(), "{}", said(&few));
    assert!(final_files(&folder.path().join("few")) == *expected, "planned chunks");
    // Memory that is used up by others is found out by trying.
    let tried = run(folder.path(), &device, "tried", &[], &[("SOFTCUDA_FAIL", "alloc:9")]);
    assert!(tried.status.success(), "{}", said(&tried));
    assert!(final_files(&folder.path().join("tried")) == *expected, "chunks by trying");

    let none = run(folder.path(), &device, "none", &[], &[("SOFTCUDA_MEMORY", "300000")]);
    assert_eq!(none.status.code(), Some(2), "{}", said(&none));
    assert!(said(&none).contains("not enough device memory"), "{}", said(&none));
    assert!(!folder.path().join("none").exists());
}

#[test]
fn a_device_that_is_lost_loses_nothing_that_was_finished() {
    let Some((folder, device)) = job() else { return };
    let lost = run(folder.path(), &device, "lost", &[], &[("SOFTCUDA_FAIL", "launch:900")]);
    assert_eq!(lost.status.code(), Some(1), "{}", said(&lost));
    assert!(said(&lost).contains("the device failed at"), "{}", said(&lost));
    assert!(said(&lost).contains("finished tasks are kept"), "{}", said(&lost));
    let resumed = run(folder.path(), &device, "lost", &[], &[]);
    assert!(said(&resumed).contains("tasks are finished already"), "{}", said(&resumed));
    assert!(final_files(&folder.path().join("lost")) == *undisturbed(folder.path(), &device));
}

#[test]
fn a_diverging_network_is_counted_as_on_the_processor() {
    let Some((folder, device)) = job() else { return };
    let huge = ["--set", "training.learning_rate=1e12", "--set", "model.activation=identity"];
    let diverged = |to, backend: &str| {
        let more = [&huge[..], &["--backend", backend]].concat();
        let ran = run(folder.path(), &device, to, &more, &[]);
        assert_eq!(ran.status.code(), Some(3), "{}", said(&ran));
        let summary = std::fs::read_to_string(folder.path().join(to).join("summary.json")).unwrap();
        serde_json::from_str::<serde_json::Value>(&summary).unwrap()["diverged"].clone()
    };
    let (cuda, plain) = (diverged("on-a-device", "cuda"), diverged("by-plain", "plain"));
    assert!(cuda.as_array().is_some_and(|tasks| !tasks.is_empty()), "{cuda}");
    assert_eq!(cuda, plain);
}

#[test]
fn auto_takes_a_device_where_there_is_one() {
    let Some((folder, device)) = job() else { return };
    let plan = |with_device: bool| {
        let mut command = match with_device {
            true => softcuda::command(env!("CARGO_BIN_EXE_nfd"), &device),
            false => Command::new(env!("CARGO_BIN_EXE_nfd")),
        };
        command.args(["plan", "small.json"]).env("CUDA_VISIBLE_DEVICES", "");
        let output = command.current_dir(folder.path()).output().unwrap();
        assert!(output.status.success(), "{}", said(&output));
        said(&output) + &String::from_utf8_lossy(&output.stdout)
    };
    let with = plan(true);
    assert!(with.contains("backend cuda: softcuda (software device, no GPU)"), "{with}");
    assert!(with.contains("of it in flight"), "{with}");
    let without = plan(false);
    assert!(without.contains("backend cpu: no NVIDIA GPU here"), "{without}");
}

/// Tensor cores have a numeric path of their own, whose numbers are not quite those of f32; an open backend
/// becomes a GPU.
#[test]
fn tensor_cores_have_a_path_of_their_own() {
    let Some((folder, device)) = job() else { return };
    let with = |precision: &str, to: &str| {
        let mut command = softcuda::command(env!("CARGO_BIN_EXE_nfd"), &device);
        command.args(["run", "small.json", "--output", to]);
        for set in
            ["engine=dense", "data.samples=12", "training.batch=12", "backend=auto", precision]
        {
            command.args(["--set", set]);
        }
        command.args(["--set", "ensemble.closures=[\"exact\"]"]);
        let ran = command.current_dir(folder.path()).output().unwrap();
        assert!(ran.status.success(), "{}", said(&ran));
        let to = folder.path().join(to);
        let manifest = std::fs::read_to_string(to.join("manifest.json")).unwrap();
        let manifest: serde_json::Value = serde_json::from_str(&manifest).unwrap();
        let results = std::fs::read_to_string(to.join("results.csv")).unwrap();
        let rows = csv::Reader::from_reader(results.as_bytes()).into_deserialize();
        let rows = rows
            .map(|row| row.unwrap())
            .filter(|row: &BTreeMap<String, String>| row["observable"] == "loss.train");
        let losses: Vec<f64> = rows.map(|row| row["value"].parse().unwrap()).collect();
        (manifest["numeric_path"].as_str().unwrap().to_owned(), losses, results)
    };
    let (path, losses, results) = with("precision=tf32x3", "split");
    let (path_of_f32, losses_of_f32, _) = with("precision=f32", "whole");
    assert_eq!(path, format!("{path_of_f32}-tf32x3"));
    assert!(results.contains(",tf32x3,"), "{results}");
    assert!(losses.len() == losses_of_f32.len() && !losses.is_empty(), "{results}");
    let close = |(a, b): (&f64, &f64)| (a - b).abs() <= 1e-5 * b.abs();
    assert!(losses.iter().zip(&losses_of_f32).all(close), "{losses:?} {losses_of_f32:?}");
    assert!(losses != losses_of_f32, "no product went through tensor cores");
}

#[test]
fn what_is_missing_is_named() {
    let Some((folder, device)) = job() else { return };
    let mut command = Command::new(env!("CARGO_BIN_EXE_nfd"));
    command.args(["run", "small.json", "--output", "x", "--backend", "cuda"]);
    let none = command.env("CUDA_VISIBLE_DEVICES", "").current_dir(folder.path()).output().unwrap();
    assert_eq!(none.status.code(), Some(2), "{}", said(&none));
    let text = said(&none);
    assert!(text.contains("no NVIDIA driver") || text.contains("no CUDA device 0"), "{text}");
    assert!(text.contains("take backend cpu"), "{text}");

    // Older than any image, and NVRTC 12.9 knows it still, but not the driver its machine code.
    let old = [("SOFTCUDA_CAPABILITY", "3.5")];
    let old = run(folder.path(), &device, "x", &[], &old);
    assert_eq!(old.status.code(), Some(2), "{}", said(&old));
    assert!(
        said(&old).contains("capability 3.5") || said(&old).contains("sm_35"),
        "{}",
        said(&old)
    );

    assert!(!folder.path().join("x").exists());
}
