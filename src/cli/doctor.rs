//! `nfd doctor`: what this build and this machine have, and what each missing piece costs.

use std::fmt::Write;
use std::path::{Path, PathBuf};

use clap::Args;

use super::{container, print};
use crate::backend::cuda::device::cache::{Cache, Content};
use crate::backend::cuda::device::compiler::driver_for;
use crate::backend::cuda::device::nvrtc::{Nvrtc, NvrtcError};
use crate::backend::cuda::device::probe::{self, Driver};
use crate::backend::cuda::device::refusal::ComputeMode;
use crate::backend::cuda::device::{compiler, image};
use crate::comm;
use crate::ensemble::plan::Free;
use crate::error::{Result, exit};
use crate::rng::normal::{Instructions, NoiseColumn, fill};
use crate::store::lock::support::Support;

/// Arguments of `nfd doctor`.
#[derive(Args)]
pub struct Arguments {
    /// The folder in which run directories are to be: its free space and its locks are looked at.
    #[arg(default_value = ".")]
    folder: PathBuf,
}

/// Prints the findings; exit code 1 if the machine computes wrong normals.
pub fn run(Arguments { folder }: &Arguments) -> Result<u8> {
    let available = Instructions::available();
    let names: Vec<&str> = available.iter().map(|set| set.name()).collect();
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let free = Free::detect(folder, 1);
    let wrong: Vec<&str> =
        available.iter().filter(|&&set| !agrees(set)).map(|set| set.name()).collect();

    let mut out = String::new();
    // Writing to a String cannot fail.
    let _ = writeln!(out, "nfd {}", env!("CARGO_PKG_VERSION"));
    let profile = if cfg!(debug_assertions) {
        "debug: tens of times slower; build with --release"
    } else {
        "release"
    };
    let _ = writeln!(out, "build          {profile}, {}", std::env::consts::ARCH);
    let _ = writeln!(out, "cores          {cores}");
    let _ = writeln!(out, "memory free    {:.1} GB", free.memory / 1e9);
    let disk = free.disk.map_or("unknown".to_owned(), |disk| format!("{:.1} GB", disk / 1e9));
    let shown = folder.display();
    let _ = writeln!(out, "disk free      {disk} in {shown}");
    let _ = writeln!(out, "locks          {}", locks(folder));
    let used = Instructions::detect();
    let cost = match used {
        Instructions::Portable => "; without FMA instructions normals are many times slower",
        _ => "",
    };
    let _ = writeln!(out, "instructions   {} of {}{cost}", used.name(), names.join(", "));
    let normals = match wrong.as_slice() {
        [] => "bit-equal on all instruction sets".to_owned(),
        wrong => format!("WRONG with {}: do not trust results of this machine", wrong.join(", ")),
    };
    let _ = writeln!(out, "normals        {normals}");
    let _ = writeln!(out, "backends       cpu, cuda, plain (f64)");
    gpu(&mut out);
    let mpi = comm::library()
        .unwrap_or_else(|| "built without: one process; jobs/build-mpi.sh builds with it".into());
    let _ = writeln!(out, "MPI            {mpi}");
    let found = container::find(Path::new("/"), |name| std::env::var(name).ok());
    let _ = writeln!(out, "container      {}", found.as_deref().unwrap_or("none that is known"));
    print(&out)?;
    Ok(if wrong.is_empty() { exit::DONE } else { exit::FAILED })
}

/// Which locks run directories in `folder` have, and which one a run takes.
fn locks(folder: &Path) -> String {
    let shown = folder.display();
    let support = match Support::find(folder) {
        Ok(support) => support,
        Err(error) => return format!("unknown in {shown}, where no file can be made: {error}"),
    };
    let system = support.system.iter().map(|(kind, tried)| (kind.name(), tried));
    let all = system.chain([("owner file", &support.file)]).map(|(name, tried)| match tried {
        Ok(()) => format!("{name} works"),
        Err(reason) => format!("{name} does not work ({reason})"),
    });
    let all = all.collect::<Vec<_>>().join(", ");
    match support.chosen() {
        Some(chosen) => format!("{chosen}: in {shown} {all}"),
        None => {
            format!("NONE: in {shown} {all}; use --lock none, and start one run at a time there")
        }
    }
}

/// What a GPU would be offered, and whether there is one; what is missing is said with its cost.
fn gpu(out: &mut String) {
    let images = || image::KERNEL_FILES.iter().flat_map(|file| file.images);
    let _ = match image::COMPILER {
        None => {
            writeln!(out, "GPU kernels    none: built without NVRTC; compiled at the first start")
        }
        Some(version) => {
            let mut targets: Vec<_> = images().map(|image| image.target).collect();
            targets.sort();
            targets.dedup();
            let targets: Vec<String> = targets.iter().map(ToString::to_string).collect();
            let bytes: usize = images().map(|image| image.bytes.len()).sum();
            let (kilobytes, targets) = (bytes / 1000, targets.join(", "));
            let driver = image::compiler_version().map_or("any driver".to_owned(), driver_for);
            writeln!(
                out,
                "GPU kernels    by NVRTC {version}, {kilobytes} kB, for {targets}; for {driver}"
            )
        }
    };
    let _ = match probe::find_driver() {
        Driver::Absent => {
            writeln!(out, "GPU driver     none (no libcuda): everything runs on the processor")
        }
        Driver::Unusable { reason } => {
            writeln!(out, "GPU driver     unusable, {reason}: everything runs on the processor")
        }
        Driver::Present { version: (major, minor), devices } => {
            for (i, device) in devices.iter().enumerate() {
                let (number, name) = (format!("GPU {i}"), &device.name);
                let memory = device.memory as f64 / 1e9;
                let fits = image::KERNEL_FILES
                    .iter()
                    .all(|file| !image::fitting_images(file.images, device.capability).is_empty());
                let cost = if fits { "" } else { "; no kernels fit it, NVRTC has to compile them" };
                let mode = match device.mode {
                    ComputeMode::Shared => "",
                    ComputeMode::Exclusive => {
                        "; compute mode EXCLUSIVE_PROCESS: one rank, or several through MPS"
                    }
                    ComputeMode::Prohibited => "; compute mode PROHIBITED: no process may use it",
                };
                let (of, and) = device.capability;
                let _ = writeln!(
                    out,
                    "{number:<15}{name}, compute capability {of}.{and}, {memory:.1} GB{cost}{mode}"
                );
            }
            let old = match image::compiler_version() {
                Some((needed, _)) if needed > major => "; TOO OLD for the GPU kernels above",
                _ => "",
            };
            writeln!(out, "GPU driver     for CUDA {major}.{minor}{old}")
        }
    };
    let _ = match try_compiler() {
        Ok((version, path)) => {
            let ((major, minor), driver) = (version, driver_for(version));
            writeln!(out, "NVRTC          {major}.{minor} from {path}; it compiles, for {driver}")
        }
        Err(NvrtcError::NotFound { .. }) => {
            writeln!(out, "NVRTC          none: GPUs that no kernels above fit cannot be used")
        }
        Err(error) => writeln!(out, "NVRTC          {error}"),
    };
    let cache = Cache::of_user();
    let _ = match (cache.folder().map(Path::display), cache.check()) {
        (None, _) => writeln!(out, "kernel cache   none: NFD_CACHE and HOME are not set"),
        (Some(folder), Ok(Content { entries, bytes })) => {
            let kilobytes = bytes / 1000;
            writeln!(
                out,
                "kernel cache   {folder}: {entries} files of kernels compiled at start, {kilobytes} kB"
            )
        }
        (Some(folder), Err(error)) => writeln!(
            out,
            "kernel cache   unusable, {folder}: {error}; what no kernels above fit compiles at every \
             start: name a folder with NFD_CACHE"
        ),
    };
}

/// Version and path of the compiler, which has been tried.
fn try_compiler() -> std::result::Result<((i32, i32), String), NvrtcError> {
    let nvrtc = Nvrtc::find(&compiler::nvrtc_folder())?;
    nvrtc.try_out()?;
    Ok((nvrtc.version()?, nvrtc.path().display().to_string()))
}

/// Whether an instruction set gives the portable bits over a column that crosses vector ends.
fn agrees(set: Instructions) -> bool {
    let column = NoiseColumn { key: [1, 2], address: [3, 4, 5] };
    let (mut expected, mut found) = (vec![0.0; 4099], vec![0.0; 4099]);
    fill(Instructions::Portable, column, 7, &mut expected);
    fill(set, column, 7, &mut found);
    expected.iter().zip(&found).all(|(a, b): (&f32, &f32)| a.to_bits() == b.to_bits())
}
