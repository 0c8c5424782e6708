//! The three products of a layer by cuBLAS, from its library at run time: what a step costs at least
//! in a program that is written with it.

use std::ffi::{c_int, c_longlong, c_void};
use std::path::{Path, PathBuf};
use std::process::Command;

use cudarc::driver::sys::CUstream;
use libloading::Library;

use crate::problem::Size;

type Status = c_int;
type Handle = *mut c_void;
type Create = unsafe extern "C" fn(*mut Handle) -> Status;
type GetVersion = unsafe extern "C" fn(Handle, *mut c_int) -> Status;
type SetMathMode = unsafe extern "C" fn(Handle, c_int) -> Status;
type SetStream = unsafe extern "C" fn(Handle, CUstream) -> Status;
/// Handle, two operations, m, n, k, α, A, lda, its stride, B, ldb, its stride, β, C, ldc, its stride,
/// matrices of each.
type Gemm = unsafe extern "C" fn(
    Handle,
    c_int,
    c_int,
    c_int,
    c_int,
    c_int,
    *const f32,
    u64,
    c_int,
    c_longlong,
    u64,
    c_int,
    c_longlong,
    *const f32,
    u64,
    c_int,
    c_longlong,
    c_int,
) -> Status;

const NAMES: [&str; 3] = ["libcublas.so.13", "libcublas.so.12", "libcublas.so"];
/// Prints the folders of NVIDIA's packages, each with its libraries.
const PACKAGES: &str = "import glob, nvidia
for folder in nvidia.__path__:
    print(*glob.glob(folder + '/*/lib'), sep='\\n')";

/// `cublasOperation_t`
const PLAIN: c_int = 0;
const TRANSPOSED: c_int = 1;

/// How products are computed: `cublasMath_t`.
#[derive(Clone, Copy)]
pub enum Precision {
    F32 = 0,
    Tf32 = 3,
}

/// The library with a handle, which is kept to the end of the program.
pub struct Cublas {
    library: Library,
    handle: Handle,
    pub version: i32,
}

/// Device memory of one size: W of all layers and members, X and Y (P×n each) of all members.
pub struct Memory {
    pub w: u64,
    pub x: u64,
    pub y: u64,
}

impl Cublas {
    /// From NFD_CUBLAS (a file, then nowhere else), by its names on the loader's path, of the toolkit of
    /// CUDA_HOME or CUDA_PATH, or of the packages beside PyTorch; a device's context is current.
    ///
    /// # Errors
    /// What is missing, in words.
    pub fn open(stream: CUstream) -> Result<Cublas, String> {
        let library = match std::env::var_os("NFD_CUBLAS") {
            Some(file) => load(Path::new(&file)),
            None => NAMES
                .iter()
                .find_map(|name| load(Path::new(name)))
                .or_else(|| folders().iter().find_map(|folder| load_from(folder))),
        };
        let library = library.ok_or(
            "no libcublas on the loader's path, in CUDA_HOME or beside PyTorch (NFD_CUBLAS may name it)",
        )?;
        let mut cublas = Cublas { library, handle: std::ptr::null_mut(), version: 0 };
        let create: Create = cublas.function("cublasCreate_v2")?;
        // SAFETY: writes the handle.
        check("cublasCreate", unsafe { create(&mut cublas.handle) })?;
        let version: GetVersion = cublas.function("cublasGetVersion_v2")?;
        // SAFETY: writes a number.
        check("cublasGetVersion", unsafe { version(cublas.handle, &mut cublas.version) })?;
        let set: SetStream = cublas.function("cublasSetStream_v2")?;
        // SAFETY: the stream lives as long as the program.
        check("cublasSetStream", unsafe { set(cublas.handle, stream) })?;
        Ok(cublas)
    }

    /// How all that is launched from now on is computed.
    ///
    /// # Errors
    /// cuBLAS's own, in words.
    pub fn use_precision(&self, precision: Precision) -> Result<(), String> {
        let set: SetMathMode = self.function("cublasSetMathMode")?;
        // SAFETY: the handle is there as long as self.
        check("cublasSetMathMode", unsafe { set(self.handle, precision as c_int) })
    }

    /// Launches a step: Y = W X of every layer upwards, then downwards Y = WᵀX and W += 2⁻¹²⁶ Y Xᵀ.
    ///
    /// # Safety
    /// The memory is as large as `size` says.
    ///
    /// # Errors
    /// cuBLAS's own, in words.
    pub unsafe fn step(&self, size: Size, memory: &Memory) -> Result<(), String> {
        let gemm: Gemm = self.function("cublasSgemmStridedBatched")?;
        let (n, p) = (size.width as c_int, size.samples as c_int);
        let (matrix, vectors) = (c_longlong::from(n * n), c_longlong::from(n * p));
        let members = size.members as c_int;
        let Memory { x, y, .. } = *memory;
        let w = |l: usize| memory.w + (l * size.members * size.width * size.width * 4) as u64;
        // To cuBLAS, which counts along columns, our W is its transpose.
        let product = |w: u64, operation| {
            // SAFETY: the matrices lie within the memory.
            let status = unsafe {
                gemm(
                    self.handle,
                    operation,
                    PLAIN,
                    n,
                    p,
                    n,
                    &1.0,
                    w,
                    n,
                    matrix,
                    x,
                    n,
                    vectors,
                    &0.0,
                    y,
                    n,
                    vectors,
                    members,
                )
            };
            check("cublasSgemmStridedBatched", status)
        };
        (0..size.depth).try_for_each(|l| product(w(l), TRANSPOSED))?;
        for l in (0..size.depth).rev() {
            product(w(l), PLAIN)?;
            // Changes nothing, while a product with 0 might be left out.
            let small = f32::MIN_POSITIVE;
            // SAFETY: as above.
            let status = unsafe {
                gemm(
                    self.handle,
                    PLAIN,
                    TRANSPOSED,
                    n,
                    n,
                    p,
                    &small,
                    x,
                    n,
                    vectors,
                    y,
                    n,
                    vectors,
                    &1.0,
                    w(l),
                    n,
                    matrix,
                    members,
                )
            };
            check("cublasSgemmStridedBatched", status)?;
        }
        Ok(())
    }

    fn function<F: Copy>(&self, name: &str) -> Result<F, String> {
        // SAFETY: callers name functions with their types in cuBLAS's interface.
        let found = unsafe { self.library.get::<F>(name.as_bytes()).map(|symbol| *symbol) };
        found.map_err(|_| format!("libcublas has no {name}"))
    }
}

fn check(call: &str, status: Status) -> Result<(), String> {
    if status == 0 { Ok(()) } else { Err(format!("{call} fails with status {status}")) }
}

fn load(file: &Path) -> Option<Library> {
    // SAFETY: what the library does on loading is NVIDIA's.
    unsafe { Library::new(file) }.ok()
}

/// The library in a folder that the loader does not know, with the one beside it that it needs.
fn load_from(folder: &Path) -> Option<Library> {
    NAMES.iter().find_map(|name| {
        let beside = load(&folder.join(name.replace("libcublas", "libcublasLt")));
        let library = load(&folder.join(name))?;
        // Kept: the other refers to it.
        std::mem::forget(beside);
        Some(library)
    })
}

/// Where toolkits and the packages of PyTorch have it.
fn folders() -> Vec<PathBuf> {
    let homes = ["CUDA_HOME", "CUDA_PATH"].into_iter().filter_map(std::env::var_os);
    let homes = homes.map(PathBuf::from).chain([PathBuf::from("/usr/local/cuda")]);
    let toolkits = homes
        .flat_map(|home| ["lib64", "lib", "targets/x86_64-linux/lib"].map(|lib| home.join(lib)));
    let python = std::env::var("NFD_PYTHON").unwrap_or_else(|_| "python3".into());
    let said = Command::new(python).args(["-c", PACKAGES]).output();
    let said = said.map(|output| String::from_utf8_lossy(&output.stdout).into_owned());
    let packages = said.unwrap_or_default();
    let packages = packages.lines().map(PathBuf::from);
    toolkits.chain(packages).collect()
}
