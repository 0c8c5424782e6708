//! `jobs/build-mpi.sh` finds what a build with MPI needs, or says what is missing. cargo, the wrapper, pip and
//! the launcher are stand-ins here, which note how they are called; that the real ones build is seen by tests/run.sh,
//! which makes its MPI programs so.

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use crate::common::missing::skipped;

const SCRIPT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/jobs/build-mpi.sh");

/// A cargo whose build leaves an nfd of words.
const CARGO: &str = r#"echo "cargo $*" >>"$LOG"
[ "$1" = build ] || exit 0
[ -z "${BREAK_BUILD:-}" ] || exit 101
{ echo "MPICC=$MPICC"; echo "LIBCLANG_PATH=$LIBCLANG_PATH"; echo "HEADERS=${BINDGEN_EXTRA_CLANG_ARGS:-}"
  echo "RPATH=$NFD_MPI_RPATH"; } >>"$LOG"
mkdir -p "$CARGO_TARGET_DIR/release"
cat >"$CARGO_TARGET_DIR/release/nfd" <<'NFD'
#!/usr/bin/env bash
case $1 in
  doctor) echo "MPI            Some MPI v1" ;;
  --version) echo "nfd 0.0.0" ;;
  run) [ -z "${BREAK_RUN:-}" ] && echo "nfd: dealt to 2 ranks: about 1 s" ;;
esac
NFD
chmod +x "$CARGO_TARGET_DIR/release/nfd""#;

/// A wrapper that compiles whatever it is given.
const WRAPPER: &str = r#"echo "$(basename "$0") $*" >>"$LOG"
[ -z "${BREAK_WRAPPER:-}" ] || { echo "mpi.h: No such file" >&2; exit 1; }
[ "$1" = -show ] && echo "gcc -I/include/of/$(basename "$0") $LINK -Wl,--enable-new-dtags -lmpi"; true"#;

const LAUNCHER: &str = r#"echo "launcher $1 $2" >>"$LOG"; shift 2; exec "$@""#;

/// A Python whose pip brings the package libclang.
const PYTHON: &str = r#"echo "python3 $*" >>"$LOG"
while [ $# -gt 0 ]; do
  if [ "$1" = --target ]; then mkdir -p "$2/clang/native"; echo ELF >"$2/clang/native/libclang.so"; fi
  shift
done"#;

/// What the script calls besides, which is on the path of every machine.
const TOOLS: &[&str] = &[
    "bash", "basename", "cat", "chmod", "dirname", "env", "grep", "id", "mkdir", "mktemp",
    "realpath", "rm", "sed", "sort", "tail", "head", "timeout",
];

struct Place {
    folder: tempfile::TempDir,
}

impl Place {
    /// A machine with these programs.
    fn new(programs: &[(&str, &str)]) -> Place {
        let place = Place { folder: tempfile::tempdir().unwrap() };
        fs::create_dir(place.path("bin")).unwrap();
        for tool in TOOLS {
            let found = ["/usr/bin", "/bin"].map(|folder| Path::new(folder).join(tool));
            let found = found.into_iter().find(|path| path.exists()).unwrap();
            symlink(found, place.path("bin").join(tool)).unwrap();
        }
        for (name, body) in programs {
            place.add(name, body);
        }
        place
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn add(&self, name: &str, body: &str) {
        let path = self.path("bin").join(name);
        fs::write(&path, format!("#!/usr/bin/env bash\n{body}\n")).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
    }

    /// A folder with a libclang, of words.
    fn libclang(&self) -> String {
        let folder = self.path("clang");
        fs::create_dir_all(&folder).unwrap();
        fs::write(folder.join("libclang.so.14"), "ELF").unwrap();
        folder.canonicalize().unwrap().display().to_string()
    }

    fn prepare(&self, mut command: Command, variables: &[(&str, &str)]) -> Command {
        command.env_clear().env("PATH", self.path("bin")).env("LOG", self.path("log"));
        command.env("CARGO_TARGET_DIR", self.path("target")).env("TMPDIR", self.folder.path());
        command.envs(variables.iter().copied());
        command
    }

    /// Runs the script, with the exit code that it must end with; what it said.
    fn build(&self, code: i32, variables: &[(&str, &str)], arguments: &[&str]) -> String {
        let mut command = Command::new(SCRIPT);
        command.args(arguments);
        ended(self.prepare(command, variables), code)
    }

    /// The same where no file of the system is a libclang; None where that cannot be had.
    fn build_without_libclang(&self, code: i32, variables: &[(&str, &str)]) -> Option<String> {
        let hide = r#"for file in /usr/lib/libclang* /usr/lib/*/libclang* /usr/lib64/libclang* \
            /usr/lib64/*/libclang* /usr/lib/llvm-*/lib/libclang* /usr/local/lib/libclang* \
            /opt/rocm/llvm/lib/libclang* /opt/cray/pe/cce/*/cce-clang/*/lib/libclang*; do
          [ ! -f "$file" ] || mount --bind /dev/null "$file" || exit 99
        done
        PATH=$HIDDEN_PATH exec "$0""#;
        let ways: [&[&str]; 2] = [&[], &["--map-root-user"]];
        let way = ways.into_iter().find(|way| {
            let mut probe = Command::new("unshare");
            probe.args(*way).args(["--mount", "mount", "--bind", "/dev/null", "/etc/hostname"]);
            let probe = probe.stdout(Stdio::null()).stderr(Stdio::null()).status();
            probe.is_ok_and(|status| status.success())
        })?;
        let mut command = Command::new("unshare");
        command.args(way).args(["--mount", "bash", "-c", hide, SCRIPT]);
        let mut command = self.prepare(command, variables);
        command.env("PATH", std::env::var_os("PATH").unwrap());
        command.env("HIDDEN_PATH", self.path("bin"));
        Some(ended(command, code))
    }

    fn log(&self) -> String {
        fs::read_to_string(self.path("log")).unwrap_or_default()
    }
}

fn ended(mut command: Command, code: i32) -> String {
    let done: Output = command.output().unwrap();
    let said = String::from_utf8_lossy(&done.stderr).into_owned();
    assert_eq!(done.status.code(), Some(code), "{said}");
    said
}

#[test]
fn the_wrapper_is_found_by_its_names() {
    let compiler = ("gcc", "echo /nowhere");
    for (programs, variables, expected) in [
        (&["mpicc", "mpicc.openmpi"][..], &[][..], "mpicc"),
        (&["mpicc.openmpi", "mpicc.mpich"], &[], "mpicc.openmpi"),
        (&["mpicc.mpich", "cc"], &[], "mpicc.mpich"),
        // On a Cray alone is cc a wrapper.
        (&["mpicc", "cc"], &[("CRAYPE_VERSION", "2.7")], "cc"),
        (&["mpicc", "mine"], &[("MPICC", "mine")], "mine"),
    ] {
        let place = Place::new(&[("cargo", CARGO), compiler]);
        programs.iter().for_each(|name| place.add(name, WRAPPER));
        let clang = place.libclang();
        let variables = [variables, &[("LIBCLANG_PATH", clang.as_str())]].concat();
        let said = place.build(0, &variables, &["--bin", "nfd"]);
        let log = place.log();
        assert!(log.contains(&format!("MPICC={expected}\nLIBCLANG_PATH={clang}\n")), "{log}");
        assert!(log.contains("cargo build --release --features mpi --bin nfd\n"), "{log}");
        assert!(said.contains("nfd 0.0.0 with Some MPI v1: "), "{said}");
        assert!(said.contains("not tried on two ranks"), "{said}");
    }
}

/// Each has its sentence with what to do, and another exit code than a build that fails.
#[test]
fn what_is_missing_is_named() {
    let all = [("cargo", CARGO), ("mpicc", WRAPPER), ("mpirun", LAUNCHER)];
    let without = |name: &str| {
        let place = Place::new(&all);
        fs::remove_file(place.path("bin").join(name)).unwrap();
        place
    };
    let whole = Place::new(&all);
    let clang = whole.libclang();
    let with = |variable| [("LIBCLANG_PATH", clang.as_str()), variable];
    let none = ("LANG", "C");
    for (place, code, variable, words) in [
        (&without("cargo"), 2, none, &["there is no cargo", "1.89"][..]),
        (&without("mpicc"), 2, none, &["no MPI compiler wrapper", "mpicc.mpich", "MPICC"]),
        (&whole, 2, ("MPICC", "gone"), &["MPICC=gone"]),
        (&whole, 2, ("BREAK_WRAPPER", "1"), &["does not compile", "mpi.h: No such file"]),
        (&whole, 1, ("BREAK_BUILD", "1"), &["it does not build"]),
        (&whole, 1, ("BREAK_RUN", "1"), &["two ranks do not run by"]),
    ] {
        let said = place.build(code, &with(variable), &[]);
        assert!(words.iter().all(|word| said.contains(word)), "{words:?}: {said}");
    }
    let said = whole.build(0, &with(none), &[]);
    assert!(said.contains("two ranks have run by "), "{said}");
    assert!(whole.log().contains("launcher -n 2\n"), "{}", whole.log());
    let said = whole.build(0, &with(("CHECK", "no")), &[]);
    assert!(!said.contains("two ranks"), "{said}");
}

/// Bindings of another library are made anew, those of the same are kept.
#[test]
fn another_library_has_its_bindings_made_anew() {
    let names = ["mpicc.openmpi", "mpicc.mpich"].map(|name| (name, WRAPPER));
    let place = Place::new(&[("cargo", CARGO), names[0], names[1]]);
    let clang = place.libclang();
    for (wrapper, made) in
        [("mpicc.openmpi", 1), ("mpicc.openmpi", 1), ("mpicc.mpich", 2), ("mpicc.openmpi", 3)]
    {
        place.build(0, &[("MPICC", wrapper), ("LIBCLANG_PATH", &clang)], &[]);
        let log = place.log();
        assert_eq!(log.matches("cargo clean --release --quiet -p mpi-sys").count(), made, "{log}");
    }
}

/// A root without libclang: Python's package is taken, once; without pip it says what there is to do.
#[test]
fn without_libclang_it_comes_from_python() {
    const TEST: &str = "without_libclang_it_comes_from_python";
    let all = [("cargo", CARGO), ("mpicc", WRAPPER), ("gcc", "echo /nowhere")];
    let place = Place::new(&all);
    let Some(said) = place.build_without_libclang(2, &[]) else {
        return skipped(TEST, "mount namespaces");
    };
    for words in ["there is no libclang", "libclang1", "LIBCLANG_PATH", "pip download libclang=="] {
        assert!(said.contains(words), "{words}: {said}");
    }
    let place = Place::new(&all);
    place.add("python3", PYTHON);
    let said = place.build_without_libclang(0, &[]).unwrap();
    assert!(said.contains("Python's package of it is taken"), "{said}");
    let clang = place.path("target/libclang/clang/native").canonicalize().unwrap();
    let log = place.log();
    assert!(log.contains(&format!("LIBCLANG_PATH={}\n", clang.display())), "{log}");
    place.build_without_libclang(0, &[]).unwrap();
    assert_eq!(place.log().matches("python3 -m pip").count(), 1, "it is there already");
}

/// The loader is to find the library of the wrapper, not another of that name.
#[test]
fn the_folders_of_the_library_are_those_of_the_wrapper() {
    for (link, expected) in [
        ("-L/a", ""),
        ("-L/a -Wl,-rpath -Wl,/a", "/a"),
        ("-Wl,-rpath,/a -L/b -Wl,-rpath=/b", "/a:/b"),
    ] {
        let place = Place::new(&[("cargo", CARGO), ("mpicc", WRAPPER)]);
        place.build(0, &[("LIBCLANG_PATH", &place.libclang()), ("LINK", link)], &[]);
        assert!(place.log().contains(&format!("RPATH={expected}\n")), "{link}: {}", place.log());
    }
}

/// Of llvm-config its folder, and of the C compiler its headers.
#[test]
fn llvm_config_and_the_compiler_are_asked() {
    let place = Place::new(&[("cargo", CARGO), ("mpicc", WRAPPER)]);
    let clang = place.libclang();
    let headers = place.path("headers");
    fs::create_dir(&headers).unwrap();
    fs::write(headers.join("stddef.h"), "").unwrap();
    place.add("llvm-config-14", &format!("echo '{clang}'"));
    place.add(
        "gcc",
        &format!("[ \"$1\" = -print-file-name=include ] && echo '{}'", headers.display()),
    );
    place.build(0, &[], &[]);
    let log = place.log();
    assert!(
        log.contains(&format!("LIBCLANG_PATH={clang}\nHEADERS=-I{}\n", headers.display())),
        "{log}"
    );
    // What is set stays.
    place.build(0, &[("BINDGEN_EXTRA_CLANG_ARGS", "-I/mine")], &[]);
    assert!(place.log().contains("HEADERS=-I/mine\n"), "{}", place.log());
}
