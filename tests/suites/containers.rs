//! The files for Docker, Apptainer and Spack, as far as they can be checked without these: what they name is
//! there, and enough for cargo; their commands and the package are sound.

use std::collections::BTreeSet;
use std::fs;
use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};

use crate::common::missing::{python, skipped};

const ROOT: &str = env!("CARGO_MANIFEST_DIR");

fn read(name: &str) -> String {
    fs::read_to_string(Path::new(ROOT).join(name)).unwrap()
}

/// The lines of the sections of a definition file that begin with this line.
fn sections(definition: &str, head: &str) -> Vec<String> {
    let parts = definition.split("\n%").skip(1).map(|part| format!("%{part}"));
    let parts = parts.filter(|part| part.lines().next() == Some(head));
    parts
        .map(|part| {
            part.split_once('\n').unwrap().1.split("\nBootstrap:").next().unwrap().to_owned()
        })
        .collect()
}

/// The commands of a Dockerfile.
fn commands(dockerfile: &str) -> Vec<String> {
    let joined = dockerfile.replace("\\\n", "");
    joined.lines().filter_map(|line| line.strip_prefix("RUN ")).map(str::to_owned).collect()
}

/// The packages that the commands install.
fn packages(commands: &str) -> BTreeSet<&str> {
    let installs = commands.split("apt-get install -y --no-install-recommends ").skip(1);
    installs.flat_map(|rest| rest.split(['\n', '&']).next().unwrap().split_whitespace()).collect()
}

/// With what the definition copies cargo knows the package and all its programs.
#[test]
fn what_the_image_is_built_from_is_whole() {
    let definition = read("jobs/nfd.def");
    let files = &sections(&definition, "%files")[0];
    let folder = tempfile::tempdir().unwrap();
    let mut copied = 0;
    for line in files.lines().map(str::trim).filter(|line| !line.is_empty()) {
        let (from, to) = line.split_once(' ').unwrap();
        assert_eq!(to, format!("/src/{from}"));
        let copy = Command::new("cp")
            .arg("-r")
            .arg(Path::new(ROOT).join(from))
            .arg(folder.path())
            .status();
        assert!(copy.unwrap().success(), "{from}");
        copied += 1;
    }
    assert!(copied > 8, "{files}");
    let mut cargo = Command::new(env!("CARGO"));
    cargo.current_dir(&folder).args([
        "metadata",
        "--offline",
        "--locked",
        "--format-version",
        "1",
        "--no-deps",
    ]);
    let done = cargo.output().unwrap();
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    let known: serde_json::Value = serde_json::from_slice(&done.stdout).unwrap();
    let targets =
        known["packages"].as_array().unwrap().iter().flat_map(|p| p["targets"].as_array());
    for target in targets.flatten() {
        let path = target["src_path"].as_str().unwrap();
        assert!(Path::new(path).is_file(), "{path}");
    }
    // What build.rs and the sources include.
    for path in [
        "build.rs",
        "build/targets.rs",
        "kernels",
        "src/report/page/templates",
        "examples/one_network.rs",
        "askama.toml",
    ] {
        assert!(folder.path().join(path).exists(), "{path}");
    }
    for script in ["jobs/build-mpi.sh", "Cargo.lock"] {
        assert!(folder.path().join(script).exists(), "{script}");
    }
}

/// Both images have the same packages, the compiler of kernels that tests/run.sh fetches, and a build that is tried.
#[test]
fn both_images_are_of_the_same_parts() {
    let (dockerfile, definition) = (read("Dockerfile"), read("jobs/nfd.def"));
    let docker = commands(&dockerfile).join("\n");
    let apptainer = sections(&definition, "%post").join("\n");
    assert_eq!(packages(&docker), packages(&apptainer));
    assert!(packages(&docker).contains("libopenmpi-dev"));
    let run = read("tests/run.sh");
    let nvrtc = "nvidia-cuda-nvrtc-cu12==";
    let version = |text: &str| {
        let (_, rest) = text.split_once(nvrtc).unwrap();
        rest.split_whitespace().next().unwrap().to_owned()
    };
    for text in [&docker, &apptainer] {
        assert_eq!(version(text), version(&run));
        assert!(text.contains("jobs/build-mpi.sh"));
    }
    let images = |text: &str, word: &str| -> Vec<String> {
        let named = text.lines().filter_map(|line| line.strip_prefix(word));
        named.map(|rest| rest.split(' ').next().unwrap().to_owned()).collect()
    };
    assert_eq!(images(&dockerfile, "FROM "), images(&definition, "From: "));
}

#[test]
fn commands_in_the_images_are_sound() {
    if Command::new("shellcheck").arg("--version").output().is_err() {
        return skipped("commands_in_the_images_are_sound", "shellcheck");
    }
    let definition = read("jobs/nfd.def");
    let mut scripts = commands(&read("Dockerfile"));
    for head in ["%post", "%runscript", "%test"] {
        let found = sections(&definition, head);
        assert!(!found.is_empty(), "{head}");
        scripts.extend(found);
    }
    assert!(scripts.len() >= 8, "{scripts:?}");
    for script in scripts {
        let mut check = Command::new("shellcheck");
        // Which folders there are is not known here.
        let check = check
            .args(["--shell=sh", "--exclude=SC2164", "-"])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped());
        let mut check = check.spawn().unwrap();
        check.stdin.take().unwrap().write_all(script.as_bytes()).unwrap();
        let done = check.wait_with_output().unwrap();
        assert!(done.status.success(), "{script}\n{}", String::from_utf8_lossy(&done.stdout));
    }
}

/// The package, with stand-ins for what Spack gives it: what cargo is called with, and in what environment.
#[test]
fn the_package_of_spack_is_sound() {
    let Some(python) = python("json") else {
        return skipped("the_package_of_spack_is_sound", "Python");
    };
    let script = r#"
import json, os, sys, types

def module(name, **names):
    made = types.ModuleType(name)
    made.__dict__.update(names)
    sys.modules[name] = made

said = []
def note(kind):
    return lambda *words, **more: said.append([kind, *words, *more.values()])

for name in ["spack", "spack_repo", "spack_repo.builtin", "spack_repo.builtin.build_systems"]:
    module(name)
module("spack_repo.builtin.build_systems.cargo", CargoPackage=object)
kinds = ["license", "version", "variant", "depends_on"]
module("spack.package", join_path=os.path.join, **{kind: note(kind) for kind in kinds})
names = {}
exec(compile(open(sys.argv[1]).read(), sys.argv[1], "exec"), names)

class Spec:
    def __init__(self, *variants):
        self.variants = variants
    def satisfies(self, variant):
        return variant in self.variants
    def __getitem__(self, name):
        prefix = types.SimpleNamespace(lib=name + "/lib", lib64=name + "/lib64")
        return types.SimpleNamespace(mpicc=name + "/mpicc", prefix=prefix)

class Environment(dict):
    def set(self, name, value):
        self[name] = value

found = []
for variants in [(), ("+mpi",), ("+mpi", "+cuda")]:
    package, environment = names["Nfd"](), Environment()
    package.spec = Spec(*variants)
    package.setup_build_environment(environment)
    found.append([package.build_args, environment])
print(json.dumps([found, said]))
"#;
    let package = Path::new(ROOT).join("jobs/spack/spack_repo/nfd/packages/nfd/package.py");
    let done = Command::new(python).args(["-c", script]).arg(package).output().unwrap();
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    let (found, said): (serde_json::Value, serde_json::Value) =
        serde_json::from_slice(&done.stdout).unwrap();
    let mpi = serde_json::json!({ "MPICC": "mpi/mpicc", "LIBCLANG_PATH": "llvm/lib", "NFD_NVRTC": "none" });
    let mut cuda = mpi.clone();
    cuda["NFD_NVRTC"] = "cuda/lib64/libnvrtc.so".into();
    let features = ["--locked", "--features", "mpi"];
    let expected = serde_json::json!([[["--locked"], { "NFD_NVRTC": "none" }], [features, mpi], [features, cuda]]);
    assert_eq!(found, expected);
    let rust = format!("rust@{}:", env!("CARGO_PKG_RUST_VERSION"));
    let said = said.to_string();
    assert!(said.contains(&rust) && said.contains(env!("CARGO_PKG_LICENSE")), "{said}");
}
