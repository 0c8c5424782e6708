//! Running a test's body in a process that sees the software device.

use std::any::type_name_of_val;
use std::panic::Location;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;
use std::{env, fs};

/// Tells a child which body is its own.
const BODY: &str = "SOFTCUDA_TEST_BODY";

/// What a body that ran in a child said.
#[derive(Debug)]
pub struct Output {
    /// Both streams.
    pub text: String,
}

impl Output {
    /// What the body said with [`say`].
    pub fn said(&self) -> Vec<String> {
        let lines = self.text.lines().filter_map(|line| line.strip_prefix("SAID "));
        lines.map(str::to_owned).collect()
    }
}

/// Says something to the parent.
pub fn say(what: impl std::fmt::Display) {
    println!("\nSAID {what}");
}

/// Runs `body` in a child process on a device with these settings, and requires that it succeeds.
///
/// A test has one body, maybe under several settings: in the child, the first call runs it and
/// ends the process.
#[track_caller]
pub fn on_device<F: Fn()>(settings: &[(&str, &str)], body: F) -> Output {
    let place = Location::caller().to_string();
    if env::var(BODY).is_ok_and(|body| body == place) {
        body();
        std::process::exit(0);
    }
    // `driver::streams::name::{{closure}}` is the test `streams::name` of the binary `driver`.
    let path = type_name_of_val(&body);
    let test = path.trim_end_matches("::{{closure}}").split_once("::").map_or("", |(_, test)| test);
    let executable = env::current_exe().unwrap();
    let child = Command::new(executable)
        .args([test, "--exact", "--nocapture"])
        .env(BODY, &place)
        .env("LD_LIBRARY_PATH", library())
        .envs(settings.iter().copied())
        .output()
        .unwrap();
    let text = [child.stdout, child.stderr].map(|text| String::from_utf8_lossy(&text).into_owned());
    let text = text.join("\n");
    assert!(child.status.success(), "{test} under {settings:?}:\n{text}");
    Output { text }
}

/// The folder that has the library under its two names, and nothing else.
fn library() -> &'static Path {
    static FOLDER: OnceLock<PathBuf> = OnceLock::new();
    FOLDER.get_or_init(|| {
        // target/<profile>/deps/driver-<hash>
        let executable = env::current_exe().unwrap();
        let deps = executable.parent().unwrap();
        let profile = deps.parent().unwrap();
        let built = [deps, profile].map(|folder| folder.join("libsoftcuda.so"));
        let age = |path: &PathBuf| fs::metadata(path).and_then(|file| file.modified()).ok();
        let newest = built.into_iter().filter(|path| path.exists()).max_by_key(age);
        let newest =
            newest.expect("libsoftcuda.so is missing: cargo build -p softcuda comes first");
        let folder = profile.parent().unwrap().join("softcuda");
        fs::create_dir_all(&folder).unwrap();
        for name in ["libcuda.so", "libcuda.so.1"] {
            // Renamed into place: tests of another process may be loading it.
            let draft = folder.join(format!(".{name}.{}", std::process::id()));
            fs::copy(&newest, &draft).unwrap();
            fs::rename(&draft, folder.join(name)).unwrap();
        }
        folder
    })
}
