//! NVRTC, NVIDIA's run-time compiler: a library that is opened by path, so that building needs no toolkit.
//!
//! build.rs includes this file and compiles with it; the program does so where no embedded image fits a
//! device. Only the ten functions that are the same from version 11 to 13 are called.

use std::ffi::{CStr, CString, c_char, c_int, c_void};
use std::path::{Path, PathBuf};

use libloading::Library;
use thiserror::Error;

/// Options for every target: no contraction (a fused multiply-add is where one is written).
const OPTIONS: [&str; 2] = ["--std=c++17", "--fmad=false"];

/// Further options for machine code: the use of registers goes to the log.
const OPTIONS_OF_CODE: [&str; 1] = ["--ptxas-options=-v"];

/// Why a program could not be compiled.
#[derive(Debug, Error)]
pub enum NvrtcError {
    /// NVRTC is in none of the places where it is looked for.
    #[error(
        "NVRTC, the CUDA run-time compiler, was not found; looked in {}",
        .looked_in.iter().map(|p| p.display().to_string()).collect::<Vec<_>>().join(", ")
    )]
    NotFound {
        /// Files and folders that were tried.
        looked_in: Vec<PathBuf>,
    },
    /// A library is there but is not a usable NVRTC.
    #[error("{} is not a usable NVRTC library: {source}", .path.display())]
    Open {
        /// Path of the library.
        path: PathBuf,
        /// What the loader of libraries says.
        source: libloading::Error,
    },
    /// A library opens, but the second file that it compiles with is missing.
    #[error(
        "{} compiles nothing: {}; put libnvrtc-builtins of the same version into its folder, or name a \
         folder that has both with NFD_NVRTC",
        .path.display(), first_error(.log)
    )]
    NoBuiltins {
        /// Path of the library.
        path: PathBuf,
        /// The whole log of the compiler.
        log: String,
    },
    /// The compiler rejects a program.
    #[error("{name} does not compile for {target}: {}", first_error(.log))]
    Compile {
        /// Name of the file of the program.
        name: String,
        /// What it was compiled for.
        target: Target,
        /// The whole log of the compiler.
        log: String,
    },
    /// All architectures that the compiler knows are newer than the device.
    #[error(
        "NVRTC {}.{} compiles for newer devices than one of capability {}.{}",
        .version.0, .version.1, .capability.0, .capability.1
    )]
    TooOld {
        /// Version of the compiler, major and minor.
        version: (i32, i32),
        /// Compute capability of the device, major and minor.
        capability: (u32, u32),
    },
    /// A function of NVRTC fails in another way.
    #[error("NVRTC's {call} failed with code {code}")]
    Call {
        /// Name of the function.
        call: &'static str,
        /// The code that it returned.
        code: c_int,
    },
}

/// The line of a log that tells the first error.
pub fn first_error(log: &str) -> &str {
    log.lines().find(|line| line.contains("error")).unwrap_or("the log is empty").trim()
}

/// What a program is compiled for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Target {
    /// Machine code of one architecture, as 10 major + minor of its compute capability.
    Code(u32),
    /// PTX, which drivers compile for this architecture or a newer one.
    Ptx(u32),
}

impl std::fmt::Display for Target {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Target::Code(architecture) => write!(out, "sm_{architecture}"),
            Target::Ptx(architecture) => write!(out, "compute_{architecture}"),
        }
    }
}

/// A program, with the headers that it may include.
#[derive(Clone, Copy, Debug)]
pub struct Program<'a> {
    /// Name of its file, for messages.
    pub name: &'a str,
    /// Text of the program, CUDA C++.
    pub source: &'a str,
    /// Headers: their names in `#include`, and their texts.
    pub headers: &'a [(&'a str, &'a str)],
}

/// The result of a compilation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Compiled {
    /// Machine code or PTX, as the target says.
    pub image: Vec<u8>,
    /// Warnings and, for machine code, the use of registers.
    pub log: String,
}

type Handle = *mut c_void;

/// The code of a compilation that finds no `libnvrtc-builtins`.
const BUILTIN_OPERATION_FAILURE: c_int = 7;

/// An NVRTC library that has been opened.
pub struct Nvrtc {
    library: Library,
    path: PathBuf,
    /// Kept open until the library is closed, which finds them by their names.
    _builtins: Vec<Library>,
    /// Whether an image tells tools the lines of its source, as all do unless this is changed.
    pub line_numbers: fn(Target) -> bool,
}

impl Nvrtc {
    /// Opens the first library that is found: in NFD_NVRTC (a file or a folder; then nowhere else), in the
    /// toolkit of CUDA_HOME or CUDA_PATH, in `folder`, on the path of the system's loader.
    ///
    /// # Errors
    /// When there is none, or the first is not usable.
    pub fn find(folder: &Path) -> Result<Nvrtc, NvrtcError> {
        let of = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty());
        let mut looked_in = Vec::new();
        if let Some(asked) = of("NFD_NVRTC") {
            looked_in.push(PathBuf::from(asked));
        } else {
            for home in ["CUDA_HOME", "CUDA_PATH"].into_iter().filter_map(of) {
                let home = PathBuf::from(home);
                let parts = ["lib64", "lib", "targets/x86_64-linux/lib"];
                looked_in.extend(parts.map(|part| home.join(part)));
            }
            looked_in.push(folder.to_owned());
            let names = ["libnvrtc.so", "libnvrtc.so.12", "libnvrtc.so.13"];
            looked_in.extend(names.map(PathBuf::from));
        }
        for place in &looked_in {
            let file = if place.is_dir() { library_in(place) } else { Some(place.clone()) };
            let Some(file) = file else { continue };
            // A bare name is the loader's to find.
            let bare = file.components().count() == 1;
            if !bare && !file.exists() {
                continue;
            }
            match Nvrtc::open(&file) {
                Err(NvrtcError::Open { .. }) if bare => {}
                opened => return opened,
            }
        }
        Err(NvrtcError::NotFound { looked_in })
    }

    /// Opens a library by its path, or by a name that the system's loader knows.
    ///
    /// It compiles with a second library, `libnvrtc-builtins`, which it opens by name. From version 13 on it
    /// does not look into its own folder; what is open already is found.
    ///
    /// # Errors
    /// When it is not there, or is something else.
    pub fn open(path: &Path) -> Result<Nvrtc, NvrtcError> {
        let failed = |source| NvrtcError::Open { path: path.to_owned(), source };
        // SAFETY: what the library does on loading is NVIDIA's; it is asked for by the user or found
        // where the toolkit is.
        let builtins = builtins_beside(path).filter_map(|file| unsafe { Library::new(file) }.ok());
        let _builtins = builtins.collect();
        // SAFETY: as above.
        let library = unsafe { Library::new(path) }.map_err(failed)?;
        let nvrtc = Nvrtc { library, path: path.to_owned(), _builtins, line_numbers: |_| true };
        nvrtc.symbol::<VersionOf>("nvrtcVersion").map_err(failed)?;
        Ok(nvrtc)
    }

    /// Path by which the library was opened.
    pub fn path(&self) -> &Path {
        &self.path
    }

    fn symbol<F: Copy>(&self, name: &str) -> Result<F, libloading::Error> {
        // SAFETY: callers name functions with their types in NVRTC's interface.
        unsafe { self.library.get::<F>(name.as_bytes()).map(|symbol| *symbol) }
    }

    fn function<F: Copy>(&self, name: &'static str) -> Result<F, NvrtcError> {
        self.symbol(name).map_err(|source| NvrtcError::Open { path: self.path.clone(), source })
    }

    /// Version of the compiler, major and minor.
    ///
    /// # Errors
    /// When the library's own function fails.
    pub fn version(&self) -> Result<(i32, i32), NvrtcError> {
        let (mut major, mut minor) = (0, 0);
        let version: VersionOf = self.function("nvrtcVersion")?;
        // SAFETY: writes two numbers.
        check("nvrtcVersion", unsafe { version(&mut major, &mut minor) })?;
        Ok((major, minor))
    }

    /// Architectures that it can compile for.
    ///
    /// # Errors
    /// When the library's own function fails.
    pub fn architectures(&self) -> Result<Vec<u32>, NvrtcError> {
        type Count = unsafe extern "C" fn(*mut c_int) -> c_int;
        let count: Count = self.function("nvrtcGetNumSupportedArchs")?;
        let mut number = 0;
        // SAFETY: writes a number.
        check("nvrtcGetNumSupportedArchs", unsafe { count(&mut number) })?;
        let mut all = vec![0; number.max(0) as usize];
        let list: Count = self.function("nvrtcGetSupportedArchs")?;
        // SAFETY: writes as many numbers as it has counted.
        check("nvrtcGetSupportedArchs", unsafe { list(all.as_mut_ptr()) })?;
        Ok(all.into_iter().map(|architecture| architecture as u32).collect())
    }

    /// Compiles the smallest kernel: a library may open and tell its version, and yet compile nothing.
    ///
    /// # Errors
    /// What is wrong with the library.
    pub fn try_out(&self) -> Result<(), NvrtcError> {
        let newest = self.architectures()?.into_iter().max().unwrap_or_default();
        let source = "extern \"C\" __global__ void smallest() {}";
        let program = Program { name: "smallest.cu", source, headers: &[] };
        self.compile(program, Target::Code(newest)).map(drop)
    }

    /// All options of a compilation for one target.
    pub fn options(&self, target: Target) -> Vec<String> {
        options(target, (self.line_numbers)(target))
    }

    /// Compiles a program for one target.
    ///
    /// # Errors
    /// [`NvrtcError::Compile`] with the log when the program is wrong, [`NvrtcError::NoBuiltins`] where the
    /// library cannot compile any.
    pub fn compile(&self, program: Program, target: Target) -> Result<Compiled, NvrtcError> {
        type Create = unsafe extern "C" fn(
            *mut Handle,
            *const c_char,
            *const c_char,
            c_int,
            *const *const c_char,
            *const *const c_char,
        ) -> c_int;
        type Compile = unsafe extern "C" fn(Handle, c_int, *const *const c_char) -> c_int;
        type Destroy = unsafe extern "C" fn(*mut Handle) -> c_int;
        let (create, compile): (Create, Compile) =
            (self.function("nvrtcCreateProgram")?, self.function("nvrtcCompileProgram")?);
        let destroy: Destroy = self.function("nvrtcDestroyProgram")?;

        let texts = program.headers.iter().map(|header| text(header.1)).collect::<Vec<_>>();
        let names = program.headers.iter().map(|header| text(header.0)).collect::<Vec<_>>();
        let (texts_at, names_at) = (addresses(&texts), addresses(&names));
        let (source, name) = (text(program.source), text(program.name));
        let mut handle: Handle = std::ptr::null_mut();
        // SAFETY: all texts end in NUL and live to the end of this function, as many as are counted.
        let created = unsafe {
            let count = texts.len() as c_int;
            let (texts_at, names_at) = (texts_at.as_ptr(), names_at.as_ptr());
            create(&mut handle, source.as_ptr(), name.as_ptr(), count, texts_at, names_at)
        };
        check("nvrtcCreateProgram", created)?;

        let options = self.options(target).iter().map(|option| text(option)).collect::<Vec<_>>();
        let options_at = addresses(&options);
        // SAFETY: as above.
        let compiled = unsafe { compile(handle, options.len() as c_int, options_at.as_ptr()) };
        let log = self.output(handle, "nvrtcGetProgramLogSize", "nvrtcGetProgramLog");
        let image = match target {
            Target::Code(_) => ("nvrtcGetCUBINSize", "nvrtcGetCUBIN"),
            Target::Ptx(_) => ("nvrtcGetPTXSize", "nvrtcGetPTX"),
        };
        let image = (compiled == 0).then(|| self.output(handle, image.0, image.1));
        // SAFETY: made above, and not used again.
        unsafe { destroy(&mut handle) };

        let log = until_nul(&log?);
        if compiled == BUILTIN_OPERATION_FAILURE {
            return Err(NvrtcError::NoBuiltins { path: self.path.clone(), log });
        }
        let Some(image) = image else {
            let name = program.name.to_owned();
            return Err(NvrtcError::Compile { name, target, log });
        };
        let image = match target {
            Target::Code(_) => image?,
            Target::Ptx(_) => until_nul(&image?).into_bytes(),
        };
        Ok(Compiled { image, log })
    }

    /// Reads an output of a program by a pair of functions, one for its size and one for its bytes.
    fn output(
        &self,
        handle: Handle,
        size: &'static str,
        bytes: &'static str,
    ) -> Result<Vec<u8>, NvrtcError> {
        type Size = unsafe extern "C" fn(Handle, *mut usize) -> c_int;
        type Bytes = unsafe extern "C" fn(Handle, *mut c_char) -> c_int;
        let (size_of, bytes_of): (Size, Bytes) = (self.function(size)?, self.function(bytes)?);
        let mut count = 0;
        // SAFETY: writes a number.
        check(size, unsafe { size_of(handle, &mut count) })?;
        let mut out = vec![0_u8; count];
        // SAFETY: writes as many bytes as it has said.
        check(bytes, unsafe { bytes_of(handle, out.as_mut_ptr().cast()) })?;
        Ok(out)
    }
}

type VersionOf = unsafe extern "C" fn(*mut c_int, *mut c_int) -> c_int;

/// All options of a compilation for one target, with the lines of the source for tools or without.
pub fn options(target: Target, line_numbers: bool) -> Vec<String> {
    let mut options = vec![format!("--gpu-architecture={target}")];
    options.extend(OPTIONS.map(str::to_owned));
    if line_numbers {
        options.push("-lineinfo".to_owned());
    }
    if let Target::Code(_) = target {
        options.extend(OPTIONS_OF_CODE.map(str::to_owned));
    }
    options
}

/// The libraries of builtins in the folder that a library is named in, and in the one where it really lies.
fn builtins_beside(library: &Path) -> impl Iterator<Item = PathBuf> {
    let named = library.parent().filter(|folder| !folder.as_os_str().is_empty());
    let real = named.and_then(|_| library.canonicalize().ok());
    let folders = [named, real.as_deref().and_then(Path::parent)];
    let files = |folder: &Path| std::fs::read_dir(folder).into_iter().flatten().flatten();
    let files: Vec<_> = folders.into_iter().flatten().flat_map(files).collect();
    files
        .into_iter()
        .filter(|file| file.file_name().to_string_lossy().starts_with("libnvrtc-builtins.so"))
        .map(|file| file.path())
}

/// The NVRTC library in a folder, the newest where there are several.
fn library_in(folder: &Path) -> Option<PathBuf> {
    let files = std::fs::read_dir(folder).ok()?.flatten().map(|entry| entry.path());
    let is_library = |path: &PathBuf| {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        name == "libnvrtc.so" || name.starts_with("libnvrtc.so.")
    };
    files.filter(is_library).max()
}

fn check(call: &'static str, code: c_int) -> Result<(), NvrtcError> {
    if code == 0 { Ok(()) } else { Err(NvrtcError::Call { call, code }) }
}

/// A text for C: with a NUL at the end, and none within.
fn text(from: &str) -> CString {
    CString::new(from.replace('\0', " ")).unwrap_or_default()
}

fn addresses(texts: &[CString]) -> Vec<*const c_char> {
    texts.iter().map(|text| text.as_ptr()).collect()
}

fn until_nul(bytes: &[u8]) -> String {
    let text = CStr::from_bytes_until_nul(bytes).map(CStr::to_bytes).unwrap_or(bytes);
    String::from_utf8_lossy(text).into_owned()
}
