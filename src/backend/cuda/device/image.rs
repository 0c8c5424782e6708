//! The compiled kernels: which image of each file of kernels a device can run, and loading it.
//!
//! build.rs finds the files and compiles them; a new file of kernels needs no line here.

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::Arc;

use cudarc::driver::sys::CUresult;
use cudarc::driver::{CudaContext, CudaFunction, DriverError};
use cudarc::nvrtc::Ptx;
use thiserror::Error;

use super::compiler::Compiler;
use super::nvrtc::{NvrtcError, Program, Target};
use super::probe;
use super::refusal::advice;

include!(concat!(env!("OUT_DIR"), "/images.rs"));

/// One file of kernels, and what it was compiled to.
#[derive(Debug)]
pub struct KernelFile {
    /// Path of the file within `kernels/`.
    pub name: &'static str,
    /// Text of the file, CUDA C++.
    pub source: &'static str,
    /// Compiled images, one for each target; empty where build.rs found no compiler.
    pub images: &'static [Image],
}

/// A file of kernels compiled for one target.
#[derive(Debug)]
pub struct Image {
    /// Architecture that the image was compiled for.
    pub target: Target,
    /// Machine code or PTX, as the target says.
    pub bytes: &'static [u8],
    /// Log of the compiler: warnings and, for machine code, registers and shared memory of each kernel.
    pub log: &'static str,
}

/// Why the kernels cannot be loaded into a device.
#[derive(Debug, Error)]
pub enum ImageError {
    /// No embedded image fits the device, and there is no compiler to make one.
    #[error(
        "no embedded image of the kernels fits a device of capability {}.{}, and none can be compiled \
         here: {reason}\n  install NVRTC (pip's nvidia-cuda-nvrtc-cu12), name it with NFD_NVRTC, and \
         build again or just run again",
        .capability.0, .capability.1
    )]
    NoImage {
        /// Compute capability of the device, major and minor.
        capability: (u32, u32),
        /// Why there is no compiler.
        reason: NvrtcError,
    },
    /// A file of kernels does not compile for this device.
    #[error("{reason}\n  the whole log is in {}", .log.display())]
    DoesNotCompile {
        /// The first error in the log.
        reason: NvrtcError,
        /// File with the whole log.
        log: PathBuf,
    },
    /// The driver refuses every image of a file of kernels.
    #[error(
        "the driver refuses every image of {file}: {last}\n  it is a driver for CUDA {driver}, the images \
         are of NVRTC {tried}; a driver runs what an NVRTC of its own version or older compiles for the \
         GPU: update the driver, or name such an NVRTC with NFD_NVRTC"
    )]
    Refused {
        /// Path of the file within `kernels/`.
        file: &'static str,
        /// Why the driver refused the last image.
        last: DriverError,
        /// The CUDA version that the driver is for.
        driver: String,
        /// Versions of the compilers whose images were tried.
        tried: String,
    },
    /// The driver fails at loading a file of kernels, whatever its image.
    #[error("loading the kernels of {file} fails: {source}\n  {}", advice(.source.0, None))]
    Load {
        /// Path of the file within `kernels/`.
        file: &'static str,
        /// The error that the driver reports.
        source: DriverError,
    },
    /// A kernel is launched that no file contains.
    #[error("there is no kernel {name}")]
    NoKernel {
        /// Name of the kernel.
        name: String,
    },
}

/// The images that a device of this compute capability may run, the best first: machine code of its own
/// architecture or of an older one of the same generation, then PTX.
pub fn fitting_images(images: &[Image], (major, minor): (u32, u32)) -> Vec<&Image> {
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

/// Loaded kernels by name.
type Functions = HashMap<String, CudaFunction>;

/// Version of the compiler of the embedded images, major and minor; None where nothing is embedded.
pub fn compiler_version() -> Option<(i32, i32)> {
    let (major, minor) = COMPILER?.split_once('.')?;
    Some((major.parse().ok()?, minor.parse().ok()?))
}

/// Loads all kernels into a device; also tells the target of the images that were taken.
///
/// # Errors
/// When there is no image that the driver takes.
pub fn load(
    context: &Arc<CudaContext>,
    capability: (u32, u32),
) -> Result<(Functions, String), ImageError> {
    let mut loader = Loader { context, capability, compiler: None, functions: HashMap::new() };
    let mut path = String::new();
    for file in KERNEL_FILES {
        path = loader.load_file(file)?.to_string();
    }
    Ok((loader.functions, path))
}

/// Loads files of kernels into one device.
struct Loader<'a> {
    context: &'a Arc<CudaContext>,
    capability: (u32, u32),
    /// Found when the first file has no image that fits.
    compiler: Option<Compiler>,
    functions: Functions,
}

impl Loader<'_> {
    /// Loads the kernels of one file, of the first image that the driver takes.
    fn load_file(&mut self, file: &'static KernelFile) -> Result<Target, ImageError> {
        let mut last = None;
        for image in fitting_images(file.images, self.capability) {
            match self.load_image(file, image.target, image.bytes) {
                Ok(()) => return Ok(image.target),
                Err(error) if is_of_image(&error) => last = Some(error),
                Err(source) => return Err(ImageError::Load { file: file.name, source }),
            }
        }
        // None fits, or an old driver does not know the version of our PTX: the user's compiler may be
        // as old as the driver.
        let capability = self.capability;
        let targets = self.compiler().and_then(|compiler| compiler.targets(capability));
        for target in targets.or_else(|reason| self.no_image(file, last, reason))? {
            let program = Program { name: file.name, source: file.source, headers: HEADERS };
            let image = match self.compiler().and_then(|compiler| compiler.image(program, target)) {
                Ok(image) => image,
                Err(reason) => return self.no_image(file, last, reason),
            };
            match self.load_image(file, target, &image) {
                Ok(()) => return Ok(target),
                Err(error) if is_of_image(&error) => last = Some(error),
                Err(source) => return Err(ImageError::Load { file: file.name, source }),
            }
        }
        let last = last.unwrap_or(DriverError(CUresult::CUDA_ERROR_NO_BINARY_FOR_GPU));
        Err(self.refused(file, last))
    }

    /// The compiler of this machine.
    fn compiler(&mut self) -> Result<&Compiler, NvrtcError> {
        match &mut self.compiler {
            Some(compiler) => Ok(compiler),
            none => Ok(none.insert(Compiler::find()?)),
        }
    }

    /// Loads the kernels of a file from one image of it.
    fn load_image(
        &mut self,
        file: &KernelFile,
        target: Target,
        bytes: &[u8],
    ) -> Result<(), DriverError> {
        let image = match target {
            Target::Code(_) => Ptx::from_binary(bytes.to_vec()),
            Target::Ptx(_) => Ptx::from_src(String::from_utf8_lossy(bytes)),
        };
        let module = self.context.load_module(image)?;
        for name in kernel_names(file.source) {
            self.functions.insert(name.clone(), module.load_function(&name)?);
        }
        Ok(())
    }

    /// The error where no image was taken, the last one refused as `last`, and none can be compiled.
    fn no_image<T>(
        &self,
        file: &'static KernelFile,
        last: Option<DriverError>,
        reason: NvrtcError,
    ) -> Result<T, ImageError> {
        Err(match (reason, last) {
            (_, Some(last)) => self.refused(file, last),
            (reason @ NvrtcError::Compile { .. }, None) => with_log(reason),
            (reason, None) => ImageError::NoImage { capability: self.capability, reason },
        })
    }

    fn refused(&self, file: &'static KernelFile, last: DriverError) -> ImageError {
        let version = |(major, minor): (i32, i32)| format!("{major}.{minor}");
        let driver = probe::driver_version().map_or("unknown".to_owned(), version);
        let embedded = COMPILER.map(|version| format!("{version} (embedded)"));
        let own = self.compiler.as_ref().map(|own| format!("{} (here)", version(own.version())));
        let tried: Vec<String> = embedded.into_iter().chain(own).collect();
        ImageError::Refused { file: file.name, last, driver, tried: tried.join(" and ") }
    }
}

/// Saves the log of a compilation that failed to a file that the error names.
fn with_log(reason: NvrtcError) -> ImageError {
    let NvrtcError::Compile { name, log: text, .. } = &reason else {
        return ImageError::DoesNotCompile { reason, log: PathBuf::new() };
    };
    let name = format!("nfd-{}-{}.log", name.replace('/', "-"), std::process::id());
    let log = std::env::temp_dir().join(name);
    // The first error is shown in any case.
    let _ = std::fs::write(&log, text);
    ImageError::DoesNotCompile { reason, log }
}

/// Names of the kernels in the text of a file, each of which has a line with its budget.
pub fn kernel_names(source: &str) -> impl Iterator<Item = String> + '_ {
    let budgets = source.lines().filter_map(|line| line.strip_prefix("// budget: "));
    budgets.filter_map(|line| line.split(' ').next().map(str::to_owned))
}

/// Whether the driver refused the image, so that another image of the same file may do.
fn is_of_image(error: &DriverError) -> bool {
    matches!(
        error.0,
        CUresult::CUDA_ERROR_NO_BINARY_FOR_GPU
            | CUresult::CUDA_ERROR_INVALID_IMAGE
            | CUresult::CUDA_ERROR_INVALID_PTX
            | CUresult::CUDA_ERROR_UNSUPPORTED_PTX_VERSION
            | CUresult::CUDA_ERROR_INVALID_SOURCE
            | CUresult::CUDA_ERROR_JIT_COMPILER_NOT_FOUND
    )
}
