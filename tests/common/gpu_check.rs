//! `jobs/gpu-check.sh` with programs in a folder of its own: those that it builds, or stubs.

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::OnceLock;

use super::missing::skipped;
use super::softcuda;
use nfd::backend::cuda::device::image;

pub const NFD: &str = env!("CARGO_BIN_EXE_nfd");

/// The software device, if there is one and kernels for it.
pub fn device(test: &str) -> Option<PathBuf> {
    if image::COMPILER.is_none() {
        skipped(test, "NVRTC");
        return None;
    }
    softcuda::folder()
}

/// The script in a folder of its own, where `programs` are.
pub fn script(folder: &Path, device: Option<&Path>, arguments: &[&str]) -> Output {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("jobs/gpu-check.sh");
    let mut command = match device {
        Some(device) => softcuda::command(path, device),
        None => Command::new(path),
    };
    command.args(["--programs", "programs"]).args(arguments).current_dir(folder);
    // What this machine may have beside the software device cannot use it.
    command.envs([("NFD_CUBLAS", "none"), ("NFD_PYTHON", "none")]);
    if device.is_none() {
        command.env("CUDA_VISIBLE_DEVICES", "");
    }
    command.output().unwrap()
}

/// A folder with `programs` as --build-only leaves them, built once.
pub fn built() -> &'static Path {
    static BUILT: OnceLock<PathBuf> = OnceLock::new();
    BUILT.get_or_init(|| {
        let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("gpu-check");
        fs::create_dir_all(&folder).unwrap();
        let built = script(&folder, None, &["--build-only"]);
        assert!(built.status.success(), "{}", String::from_utf8_lossy(&built.stderr));
        let said = String::from_utf8(built.stdout).unwrap();
        assert!(said.contains("GPU kernels    by NVRTC"), "{said}");
        folder
    })
}

/// `programs` of which two do nothing, well, and nfd is itself.
pub fn stubs() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    fs::create_dir(folder.path().join("programs")).unwrap();
    symlink(NFD, folder.path().join("programs/nfd")).unwrap();
    stub(folder.path(), "programs/parity", &format!("{LIST}; echo 1 passed"));
    stub(folder.path(), "programs/timing", "echo timed \"$@\"");
    folder
}

/// What the program of parity answers when it is asked for its tests.
pub const LIST: &str = "[ $1 != --list ] || { echo dense::normals: test; echo end_to_end::dense: test; \
                    echo conditional::evaluation: test; exit; }";

pub fn stub(folder: &Path, name: &str, text: &str) {
    let path = folder.join(name);
    let _ = fs::remove_file(&path);
    fs::write(&path, format!("#!/bin/bash\n{text}\n")).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
}
