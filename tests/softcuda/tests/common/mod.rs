//! What the tests share: NVRTC where it's found, and a device to run kernels on.

#![allow(dead_code, clippy::unwrap_used)]

use libloading::Library;
use softcuda::exec::{Fault, Launch, Options, launch};
use softcuda::memory::Memory;
use softcuda::ptx::{Loaded, parse};
use std::ffi::{CStr, CString, c_char, c_int, c_void};
use std::ptr::null_mut;
use std::sync::Arc;

type Program = *mut c_void;

/// NVRTC: the library that `NFD_NVRTC` names, else one on the loader path.
fn nvrtc() -> Option<Library> {
    let named = std::env::var("NFD_NVRTC").ok();
    let names = ["libnvrtc.so.12".to_owned(), "libnvrtc.so.13".to_owned()];
    // SAFETY: NVRTC's initialisers only set it up.
    named.into_iter().chain(names).find_map(|name| unsafe { Library::new(name) }.ok())
}

/// Compiles CUDA C++ to PTX; nothing where there's no NVRTC.
pub fn compile(source: &str, name: &str) -> Option<String> {
    let library = nvrtc()?;
    let options = ["--gpu-architecture=compute_80", "-default-device", "--fmad=false", "-lineinfo"];
    let options: Vec<CString> = options.iter().map(|o| CString::new(*o).unwrap()).collect();
    let options: Vec<*const c_char> = options.iter().map(|o| o.as_ptr()).collect();
    let (source, name) = (CString::new(source).unwrap(), CString::new(name).unwrap());
    let mut program: Program = null_mut();
    // SAFETY: the signatures are NVRTC's, the pointers live through the calls, and the buffers are
    // as long as NVRTC says.
    unsafe {
        type Create = unsafe extern "C" fn(
            *mut Program,
            *const c_char,
            *const c_char,
            c_int,
            *const *const c_char,
            *const *const c_char,
        ) -> c_int;
        type Compile = unsafe extern "C" fn(Program, c_int, *const *const c_char) -> c_int;
        type Size = unsafe extern "C" fn(Program, *mut usize) -> c_int;
        type Get = unsafe extern "C" fn(Program, *mut c_char) -> c_int;
        let get = |program: Program, size: &[u8], get: &[u8]| {
            let mut length = 0;
            library.get::<Size>(size).unwrap()(program, &raw mut length);
            let mut text = vec![0_u8; length.max(1)];
            library.get::<Get>(get).unwrap()(program, text.as_mut_ptr().cast());
            CStr::from_bytes_until_nul(&text).unwrap().to_str().unwrap().to_owned()
        };
        let create = library.get::<Create>(b"nvrtcCreateProgram\0").unwrap();
        let (none, code) = (std::ptr::null(), source.as_ptr());
        assert_eq!(create(&raw mut program, code, name.as_ptr(), 0, none, none), 0);
        let compile = library.get::<Compile>(b"nvrtcCompileProgram\0").unwrap();
        let result = compile(program, options.len() as c_int, options.as_ptr());
        if result != 0 {
            panic!("{}", get(program, b"nvrtcGetProgramLogSize\0", b"nvrtcGetProgramLog\0"));
        }
        Some(get(program, b"nvrtcGetPTXSize\0", b"nvrtcGetPTX\0"))
    }
}

/// Arguments of a kernel, packed with their natural alignment.
#[derive(Clone, Default)]
pub struct Arguments(Vec<u8>);

impl Arguments {
    pub fn new() -> Self {
        Self::default()
    }

    fn push(mut self, bytes: &[u8]) -> Self {
        self.0.resize(self.0.len().next_multiple_of(bytes.len()), 0);
        self.0.extend_from_slice(bytes);
        self
    }

    pub fn u64(self, value: u64) -> Self {
        self.push(&value.to_le_bytes())
    }

    pub fn u32(self, value: u32) -> Self {
        self.push(&value.to_le_bytes())
    }

    pub fn f32(self, value: f32) -> Self {
        self.push(&value.to_le_bytes())
    }

    pub fn f64(self, value: f64) -> Self {
        self.push(&value.to_le_bytes())
    }
}

/// A device with one module.
pub struct Device {
    pub memory: Memory,
    pub module: Loaded,
    pub options: Options,
}

impl Device {
    pub fn new(ptx: &str, checked: bool) -> Self {
        let memory = Memory::new(64 << 20, checked);
        let module = Arc::new(parse(ptx).unwrap()).load(&memory).unwrap();
        let options = Options { checked, threads: 2, watchdog: 20_000_000, ..Options::default() };
        Self { memory, module, options }
    }

    pub fn upload<T: Copy>(&self, values: &[T]) -> u64 {
        let bytes = size_of_val(values);
        let address = self.memory.alloc(bytes as u64).unwrap();
        // SAFETY: tests upload plain numbers.
        let raw = unsafe { std::slice::from_raw_parts(values.as_ptr().cast::<u8>(), bytes) };
        self.memory.write(address, raw).unwrap();
        address
    }

    pub fn download<T: Copy + Default>(&self, address: u64, count: usize) -> Vec<T> {
        let mut values = vec![T::default(); count];
        let bytes = size_of_val(values.as_slice());
        // SAFETY: tests download plain numbers, for which all bits are fine.
        let raw = unsafe { std::slice::from_raw_parts_mut(values.as_mut_ptr().cast(), bytes) };
        self.memory.read(address, raw).unwrap();
        values
    }

    pub fn zeros(&self, bytes: u64) -> u64 {
        let address = self.memory.alloc(bytes).unwrap();
        self.memory.fill8(address, 0, bytes).unwrap();
        address
    }

    pub fn launch(
        &self,
        kernel: &str,
        grid: u32,
        block: u32,
        shared: u32,
        arguments: Arguments,
    ) -> Result<(), Fault> {
        self.run(kernel, [grid, 1, 1], [block, 1, 1], shared, arguments, false)
    }

    pub fn run(
        &self,
        kernel: &str,
        grid: [u32; 3],
        block: [u32; 3],
        dynamic_shared: u32,
        arguments: Arguments,
        cooperative: bool,
    ) -> Result<(), Fault> {
        let function = self.module.module().function(kernel).unwrap();
        let parameters = arguments.0;
        let module = &self.module;
        let request =
            Launch { module, function, grid, block, dynamic_shared, parameters, cooperative };
        launch(&request, &self.memory, &self.options).map(drop)
    }

    /// What a launch does.
    pub fn count(
        &self,
        kernel: &str,
        grid: u32,
        block: u32,
        arguments: Arguments,
    ) -> softcuda::counters::Launch {
        let function = self.module.module().function(kernel).unwrap();
        let request = Launch {
            module: &self.module,
            function,
            grid: [grid, 1, 1],
            block: [block, 1, 1],
            dynamic_shared: 0,
            parameters: arguments.0,
            cooperative: false,
        };
        let options = Options { counting: Some(40 << 20), ..self.options };
        launch(&request, &self.memory, &options).unwrap().unwrap()
    }
}
