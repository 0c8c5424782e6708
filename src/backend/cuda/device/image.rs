//! The compiled kernels: which image a device can run.

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::Arc;

use cudarc::driver::sys::CUresult;
use cudarc::driver::{CudaContext, CudaFunction, DriverError};
use cudarc::nvrtc::Ptx;
use thiserror::Error;

use super::nvrtc::{Nvrtc, NvrtcError, Program, Target};

include!(concat!(env!("OUT_DIR"), "/images.rs"));

/// One file of kernels.
#[derive(Debug)]
pub struct Family {
    /// The name of its file, without the ending.
    pub name: &'static str,
    /// CUDA C++
    pub source: &'static str,
    /// What build.rs made of it; empty where it found no compiler.
    pub images: &'static [Image],
}

/// What the build has of one file for one target.
#[derive(Debug)]
pub struct Image {
    /// For what.
    pub target: Target,
    /// Machine code or PTX.
    pub bytes: &'static [u8],
    /// What the compiler said: for machine code, the use of registers.
    pub log: &'static str,
}

/// Why a device has no kernels.
#[derive(Debug, Error)]
pub enum ImageError {
    /// Nothing embedded fits, and nothing compiles.
    #[error(
        "no embedded image of the kernels fits a device of capability {}.{}, and none can be compiled \
         here: {reason}\n  install NVRTC (pip's nvidia-cuda-nvrtc-cu12), name it with NFD_NVRTC, and \
         build again or just run again",
        .capability.0, .capability.1
    )]
    NoImage {
        /// Major and minor.
        capability: (u32, u32),
        /// What the compiler lacks.
        reason: NvrtcError,
    },
    /// A kernel does not compile on this machine.
    #[error("{reason}\n  the whole log is in {}", .log.display())]
    DoesNotCompile {
        /// The first error.
        reason: NvrtcError,
        /// A file.
        log: PathBuf,
    },
    /// The driver takes no image.
    #[error("the driver refuses every image of {family}: {last}\n  its version may be too old")]
    Refused {
        /// The file of kernels.
        family: &'static str,
        /// Why it refused the last one.
        last: DriverError,
    },
    /// A kernel is called that is in no file.
    #[error("there is no kernel {name}")]
    NoKernel {
        /// Its name.
        name: String,
    },
}

/// The images that a device of this capability may run, the best first: machine code of its own
/// architecture or of an older one of the same generation, then PTX.
pub fn candidates(images: &[Image], (major, minor): (u32, u32)) -> Vec<&Image> {
    let own = 10 * major + minor;
    let mut fitting: Vec<&Image> = images
        .iter()
        .filter(|image| match image.target {
            Target::Code(architecture) => architecture / 10 == major && architecture <= own,
            Target::Ptx(architecture) => architecture <= own,
        })
        .collect();
    let rank = |image: &Image| match image.target {
        Target::Code(architecture) => (0, own - architecture),
        Target::Ptx(architecture) => (1, own - architecture),
    };
    fitting.sort_by_key(|image| rank(image));
    fitting
}

/// Kernels by name.
type Functions = HashMap<String, CudaFunction>;

/// All kernels, loaded into a device, and the target of the images that were taken.
///
/// # Errors
/// When there is no image that the driver takes.
pub fn load(
    context: &Arc<CudaContext>,
    capability: (u32, u32),
) -> Result<(Functions, String), ImageError> {
    let mut functions = HashMap::new();
    let mut path = String::new();
    for family in FAMILIES {
        let taken = load_family(context, capability, family, &mut functions)?;
        path = taken.to_string();
    }
    Ok((functions, path))
}

fn load_family(
    context: &Arc<CudaContext>,
    capability: (u32, u32),
    family: &'static Family,
    functions: &mut Functions,
) -> Result<Target, ImageError> {
    let mut last = None;
    for image in candidates(family.images, capability) {
        match load_image(context, image.target, image.bytes, functions) {
            Ok(()) => return Ok(image.target),
            Err(error) if is_of_image(&error) => last = Some(error),
            Err(last) => return Err(ImageError::Refused { family: family.name, last }),
        }
    }
    // None fits, or an old driver does not know the version of our PTX: the user's compiler may be
    // as old as the driver.
    let own = 10 * capability.0 + capability.1;
    for target in [Target::Code(own), Target::Ptx(own)] {
        let image = match (compile(family, target), last) {
            (Ok(image), _) => image,
            (Err(_), Some(last)) => return Err(ImageError::Refused { family: family.name, last }),
            (Err(reason @ NvrtcError::Compile { .. }), None) => return Err(with_log(reason)),
            (Err(reason), None) => return Err(ImageError::NoImage { capability, reason }),
        };
        match load_image(context, target, &image, functions) {
            Ok(()) => return Ok(target),
            Err(error) => last = Some(error),
        }
    }
    let last = last.unwrap_or(DriverError(CUresult::CUDA_ERROR_NO_BINARY_FOR_GPU));
    Err(ImageError::Refused { family: family.name, last })
}

/// Compiles a file of kernels with the user's NVRTC.
///
/// # Errors
/// When there is none, or the file does not compile.
pub fn compile(family: &Family, target: Target) -> Result<Vec<u8>, NvrtcError> {
    let nvrtc = Nvrtc::find(&folder())?;
    let name = format!("{}.cu", family.name);
    let program = Program { name: &name, source: family.source, headers: HEADERS };
    nvrtc.compile(program, target).map(|compiled| compiled.image)
}

/// Where the tests of this project put a compiler: beside the build folder of this program, not below
/// whatever folder it is called in.
pub fn folder() -> PathBuf {
    let program = std::env::current_exe().unwrap_or_default();
    program.ancestors().nth(2).unwrap_or(&program).join("nvrtc")
}

/// Saves the log of a compilation that failed.
fn with_log(reason: NvrtcError) -> ImageError {
    let NvrtcError::Compile { name, log: text, .. } = &reason else {
        return ImageError::DoesNotCompile { reason, log: PathBuf::new() };
    };
    let log = std::env::temp_dir().join(format!("nfd-{name}-{}.log", std::process::id()));
    // The first error is shown in any case.
    let _ = std::fs::write(&log, text);
    ImageError::DoesNotCompile { reason, log }
}

fn load_image(
    context: &Arc<CudaContext>,
    target: Target,
    bytes: &[u8],
    functions: &mut Functions,
) -> Result<(), DriverError> {
    let image = match target {
        Target::Code(_) => Ptx::from_binary(bytes.to_vec()),
        Target::Ptx(_) => Ptx::from_src(String::from_utf8_lossy(bytes)),
    };
    let module = context.load_module(image)?;
    for name in FAMILIES.iter().flat_map(|family| kernels(family.source)) {
        match module.load_function(&name) {
            Ok(function) => {
                functions.insert(name, function);
            }
            // Of another file.
            Err(DriverError(CUresult::CUDA_ERROR_NOT_FOUND)) => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

/// The kernels of a file, each of which has a line with its budget.
pub fn kernels(source: &str) -> impl Iterator<Item = String> + '_ {
    let budgets = source.lines().filter_map(|line| line.strip_prefix("// budget: "));
    budgets.filter_map(|line| line.split(' ').next().map(str::to_owned))
}

/// Whether another image of the same kernels may do.
fn is_of_image(error: &DriverError) -> bool {
    matches!(
        error.0,
        CUresult::CUDA_ERROR_NO_BINARY_FOR_GPU
            | CUresult::CUDA_ERROR_INVALID_IMAGE
            | CUresult::CUDA_ERROR_INVALID_PTX
            | CUresult::CUDA_ERROR_UNSUPPORTED_PTX_VERSION
            | CUresult::CUDA_ERROR_INVALID_SOURCE
    )
}
