//! Tells the program which sources and compiler it was built from (both may be unknown), gives it the
//! structures that its CUDA kernels are called with, and compiles these kernels where there is NVRTC.
//!
//! Every `.cu` file below `kernels/` becomes machine code for the architectures below and PTX for newer
//! ones, all of it embedded. `NFD_CUDA_TARGETS=90` (or `80,90`) embeds machine code for these only, and the
//! PTX, without lines for tools: a program to be carried to a known GPU. Of all, the machine code for
//! compute capability 9.0 and the PTX have their lines. Compiled images are kept in the
//! build folder by the hash of what they depend on.

// A build script that panics is a build that fails with the message.
#![allow(clippy::expect_used)]

#[path = "build/arguments.rs"]
mod arguments;
#[path = "src/backend/cuda/device/nvrtc.rs"]
#[allow(dead_code)]
mod nvrtc;
#[path = "build/targets.rs"]
mod targets;

use std::fmt::Write;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::{env, fs};

use nvrtc::{Nvrtc, NvrtcError, Program, Target};

/// Architectures that every kernel is compiled for.
const ARCHITECTURES: [u32; 6] = [80, 86, 89, 90, 100, 120];
/// The architecture whose instructions are counted.
const COUNTED: u32 = 90;
/// Serves newer architectures, and the software device of the tests.
const PTX: Target = Target::Ptx(80);

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    // The reflog changes with every commit and checkout.
    if let Some(log) = output("git", &["rev-parse", "--git-path", "logs/HEAD"]) {
        println!("cargo::rerun-if-changed={log}");
    }
    if let Some(commit) = output("git", &["rev-parse", "HEAD"]) {
        println!("cargo::rustc-env=NFD_GIT_COMMIT={commit}");
    }
    let rustc = env::var("RUSTC").unwrap_or_else(|_| "rustc".to_owned());
    if let Some(version) = output(&rustc, &["--version"]) {
        println!("cargo::rustc-env=NFD_RUSTC={version}");
    }
    // Where the loader looks for an MPI library that is in none of its own folders, as the library's wrapper
    // would tell it; jobs/build-mpi.sh asks that.
    println!("cargo::rerun-if-env-changed=NFD_MPI_RPATH");
    let folders = env::var("NFD_MPI_RPATH").unwrap_or_default();
    for folder in folders.split(':').filter(|folder| !folder.is_empty()) {
        println!("cargo::rustc-link-arg=-Wl,-rpath,{folder}");
    }
    kernels();
}

fn output(program: &str, arguments: &[&str]) -> Option<String> {
    let done = Command::new(program).args(arguments).output().ok()?;
    let text = String::from_utf8(done.stdout).ok()?.trim().to_owned();
    (done.status.success() && !text.is_empty()).then_some(text)
}

/// Writes `arguments.rs` and `images.rs`, which `backend::cuda::arguments` and `backend::cuda::device::image`
/// include.
fn kernels() {
    let root = PathBuf::from(env::var_os("CARGO_MANIFEST_DIR").expect("cargo sets it"));
    let out = PathBuf::from(env::var_os("OUT_DIR").expect("cargo sets it"));
    let folder = root.join("target/nvrtc");
    println!("cargo::rerun-if-changed=kernels");
    println!("cargo::rerun-if-changed=build");
    println!("cargo::rerun-if-changed=src/backend/cuda/device/nvrtc.rs");
    for variable in ["NFD_NVRTC", "CUDA_HOME", "CUDA_PATH", "NFD_CUDA_TARGETS"] {
        println!("cargo::rerun-if-env-changed={variable}");
    }
    let asked = env::var("NFD_CUDA_TARGETS").ok();
    let architectures = match targets::asked(asked.as_deref(), &ARCHITECTURES) {
        Ok(architectures) => architectures,
        Err(wrong) => return println!("cargo::error={wrong}"),
    };
    // Made here, because cargo would build anew each time while a path that it watches is missing.
    let _ = fs::create_dir_all(&folder);
    println!("cargo::rerun-if-changed={}", folder.display());
    let programs = sources(&root.join("kernels"), "cu");
    let headers = sources(&root.join("kernels"), "cuh");
    let structures = headers.iter().chain(&programs);
    let structures = structures.map(|file| arguments::rust_structures(&file.name, &file.text));
    match structures.collect::<Result<String, String>>() {
        Ok(all) => fs::write(out.join("arguments.rs"), format!("arguments! {{\n{all}}}\n"))
            .expect("OUT_DIR is writable"),
        Err(wrong) => println!("cargo::error={wrong}"),
    }
    let working = |nvrtc: Nvrtc| nvrtc.try_out().and_then(|()| Ok((nvrtc.version()?, nvrtc)));
    let compiler = match Nvrtc::find(&folder).and_then(working) {
        Ok((version, mut nvrtc)) => {
            // Lines are two thirds of an image: only where they are read, by the software device and by
            // `cargo bench --bench counts`, and not in a program that is to be small.
            nvrtc.line_numbers = match architectures == ARCHITECTURES {
                true => |target| matches!(target, PTX | Target::Code(COUNTED)),
                false => |_| false,
            };
            Some((version, nvrtc))
        }
        Err(error) => {
            println!(
                "cargo::warning=built without images of the CUDA kernels: {error}. They are compiled \
                 at run time instead, where there is NVRTC (pip's nvidia-cuda-nvrtc-cu12); name it \
                 with NFD_NVRTC to embed them"
            );
            None
        }
    };
    // Lines for tools come with the folder that the compiler runs in: none of this machine's. (After
    // the search: NFD_NVRTC may be relative.)
    let _ = env::set_current_dir("/");
    let mut table = String::new();
    let version = compiler.as_ref().map(|((major, minor), _)| format!("{major}.{minor}"));
    let _ = writeln!(
        table,
        "/// Version of the compiler of the embedded images; none where the build had no compiler.\npub const COMPILER: Option<&str> = {version:?};"
    );
    let _ = writeln!(
        table,
        "/// Headers of the kernels: their names in `#include`, and their texts.\npub static HEADERS: &[(&str, &str)] = &{};",
        included(&headers)
    );
    let _ =
        writeln!(table, "/// All files of kernels.\npub static KERNEL_FILES: &[KernelFile] = &[");
    let images = match &compiler {
        Some((version, nvrtc)) => {
            let code = architectures.into_iter().map(Target::Code);
            compile(nvrtc, *version, &out, code.chain([PTX]).collect(), (&programs, &headers))
        }
        None => Vec::new(),
    };
    for Source { name, path, .. } in &programs {
        let _ =
            writeln!(table, "    KernelFile {{ name: {name:?}, source: include_str!({path:?}),");
        let _ = writeln!(table, "        images: &[");
        for image in images.iter().filter(|image| image.program == *name) {
            let (image_at, log_at) = (&image.file, image.file.with_extension("log"));
            let _ = writeln!(
                table,
                "            Image {{ target: Target::{:?}, bytes: include_bytes!({image_at:?}), \
                 log: include_str!({log_at:?}) }},",
                image.target,
            );
        }
        let _ = writeln!(table, "        ] }},");
    }
    let _ = writeln!(table, "];");
    fs::write(out.join("images.rs"), table).expect("OUT_DIR is writable");
}

/// A file below `kernels/`.
struct Source {
    /// As other files include it: its path within `kernels/`.
    name: String,
    path: PathBuf,
    text: String,
}

/// A program that was compiled for one target.
struct Image {
    /// The name of its source.
    program: String,
    target: Target,
    file: PathBuf,
}

/// Compiles all programs for the targets, on as many threads as cargo grants; fails the build with the
/// first error.
fn compile(
    nvrtc: &Nvrtc,
    version: (i32, i32),
    out: &Path,
    mut targets: Vec<Target>,
    (programs, headers): (&[Source], &[Source]),
) -> Vec<Image> {
    let supported = nvrtc.architectures().unwrap_or_default();
    targets.retain(|target| {
        let (Target::Code(architecture) | Target::Ptx(architecture)) = target;
        let known = supported.contains(architecture);
        if !known {
            println!("cargo::warning=this NVRTC does not know {target}: no image for it");
        }
        known
    });
    let headers: Vec<(&str, &str)> = headers.iter().map(|h| (&h.name[..], &h.text[..])).collect();
    let work: Vec<(&Source, Target)> =
        programs.iter().flat_map(|program| targets.iter().map(move |t| (program, *t))).collect();
    let (next, images) = (AtomicUsize::new(0), Mutex::new(Vec::new()));
    let worker = || {
        while let Some((source, target)) = work.get(next.fetch_add(1, Ordering::Relaxed)) {
            let Source { name, text, .. } = source;
            let hash =
                hash(&[text, &format!("{headers:?} {:?} {version:?}", nvrtc.options(*target))]);
            let stem = format!("{}.{target}.{hash:016x}", name.replace('/', "-"));
            let file = out.join(format!("{stem}.image"));
            // Beside it, with the same hash: an image of before finds its own log.
            let log = file.with_extension("log");
            if !file.exists() || !log.exists() {
                let program = Program { name, source: text, headers: &headers };
                match nvrtc.compile(program, *target) {
                    Ok(compiled) => {
                        fs::write(&log, compiled.log).expect("OUT_DIR is writable");
                        fs::write(&file, compiled.image).expect("OUT_DIR is writable");
                    }
                    Err(error) => {
                        if let NvrtcError::Compile { log: text, .. } = &error {
                            fs::write(&log, text).expect("OUT_DIR is writable");
                        }
                        println!("cargo::error={error}; all of the log: {}", log.display());
                        next.store(work.len(), Ordering::Relaxed);
                        return;
                    }
                }
            }
            let image = Image { program: name.clone(), target: *target, file };
            images.lock().expect("no worker panics").push(image);
        }
    };
    let threads = env::var("NUM_JOBS").ok().and_then(|jobs| jobs.parse().ok()).unwrap_or(1);
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(worker);
        }
    });
    let mut images = images.into_inner().expect("no worker panics");
    images.sort_by_key(|image: &Image| image.target);
    images
}

/// All files below a folder that end in `.ending`, by name.
fn sources(folder: &Path, ending: &str) -> Vec<Source> {
    let (mut folders, mut found) = (vec![folder.to_owned()], Vec::new());
    while let Some(next) = folders.pop() {
        for entry in fs::read_dir(next).into_iter().flatten().flatten() {
            let path = entry.path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|e| e == ending) {
                let name = path.strip_prefix(folder).unwrap_or(&path).to_string_lossy();
                let name = name.replace('\\', "/");
                let text = fs::read_to_string(&path).expect("kernels are text");
                found.push(Source { name, path, text });
            }
        }
    }
    found.sort_by(|a, b| a.name.cmp(&b.name));
    found
}

fn included(files: &[Source]) -> String {
    let each = files.iter().map(|file| format!("({:?}, include_str!({:?}))", file.name, file.path));
    format!("[{}]", each.collect::<Vec<_>>().join(", "))
}

/// FNV-1a, 64 bits: names files, protects nothing.
fn hash(texts: &[&str]) -> u64 {
    let bytes = texts.iter().flat_map(|text| text.bytes());
    bytes.fold(0xCBF2_9CE4_8422_2325, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01B3)
    })
}
