//! Runs a test in a process of its own, whose CUDA driver is the software device.

use std::path::{Path, PathBuf};
use std::process::Command;

/// Set in the process that runs the test itself.
const INSIDE: &str = "NFD_TEST_ON_SOFTCUDA";
/// Set by jobs/gpu-check.sh: tests run in this very process, with the driver that it has.
const ON_GPU: &str = "NFD_TEST_ON_GPU";

/// The folder with the software device's libraries, which tests/run.sh fills; None, with a line that
/// says so, where it was not built.
pub fn folder() -> Option<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("target/softcuda");
    if folder.join("libcuda.so.1").exists() {
        return Some(folder);
    }
    assert!(std::env::var_os("CI").is_none(), "tests/run.sh has not built the software device");
    eprintln!("skipped: no software CUDA device in target/softcuda (tests/run.sh builds it)");
    None
}

/// Whether this is the process that runs a test itself.
pub fn inside() -> bool {
    std::env::var_os(INSIDE).is_some()
}

/// All of `cases` on a GPU and where NFD_WHOLE is set; else, on the software device, which takes minutes for all of
/// them, every one in `every`.
pub fn share<T>(every: usize, cases: impl IntoIterator<Item = T>) -> Vec<T> {
    let all = [ON_GPU, "NFD_WHOLE"].iter().any(|name| std::env::var_os(name).is_some());
    cases.into_iter().step_by(if all { 1 } else { every }).collect()
}

/// A program with that driver, which leaves the user's own cache alone.
pub fn command(program: impl AsRef<std::ffi::OsStr>, folder: &Path) -> Command {
    let mut command = Command::new(program);
    command.env("LD_LIBRARY_PATH", folder).env("NFD_CACHE", folder.join("kernels"));
    command
}

/// Does `body` under the software device, with these settings of it; `module` is the `module_path!()` of
/// the test and `name` that of its function. A name that no test has is a failure.
pub fn on_softcuda(module: &str, name: &str, settings: &[(&str, &str)], body: impl FnOnce()) {
    if inside() {
        return body();
    }
    if std::env::var_os(ON_GPU).is_some() {
        return match settings {
            [] => body(),
            _ => println!("left out: {name} needs settings of the software device"),
        };
    }
    let Some(folder) = folder() else { return };
    // libtest's names are paths below the root of the program.
    let name = module.split_once("::").map_or(name.into(), |(_, path)| format!("{path}::{name}"));
    let mut command = command(std::env::current_exe().unwrap(), &folder);
    command.args(["--exact", &name, "--nocapture"]).env(INSIDE, "1");
    command.envs(settings.iter().copied());
    let output = command.output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout).into_owned()
        + &String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && text.contains("1 passed"), "{name} {settings:?}:\n{text}");
}
