//! Modules: PTX text in, kernels and variables out.

use super::error::{Code, Result};
use super::ffi::{Host, In, Out, Text};
use super::limits::{SHARED_DEFAULT, limits};
use super::settings::{Target, settings};
use super::state::{Driver, Handle, with, with_context};
use crate::ptx::{self, Loaded};
use std::collections::HashMap;
use std::sync::Arc;

/// A module in a context.
pub struct Module {
    pub context: Handle,
    pub loaded: Arc<Loaded>,
    functions: HashMap<String, Handle>,
    /// Variables that were asked for: address and bytes.
    pub variables: Vec<(u64, u64)>,
    pub version: (u32, u32),
    pub target: u32,
}

/// A kernel of a module.
pub struct Function {
    pub module: Handle,
    pub index: usize,
    /// Dynamic shared memory that a launch may ask for.
    pub max_dynamic: u32,
    pub carveout: i32,
}

/// First bytes of images that are not text: ELF, and the two kinds of fat binary.
const BINARIES: [[u8; 4]; 3] =
    [*b"\x7fELF", 0x466243b1u32.to_le_bytes(), 0xba55ed50u32.to_le_bytes()];

/// Why an image is refused: a code and a line for the error log.
type Refusal = (Code, String);

impl Driver {
    fn load(&mut self, context: Handle, text: &str) -> std::result::Result<Handle, Refusal> {
        let version = directive(text, ".version").and_then(version);
        let version = version.ok_or((Code::INVALID_PTX, "no .version".to_owned()))?;
        let target = directive(text, ".target").and_then(target);
        let target = target.ok_or((Code::INVALID_PTX, "no .target".to_owned()))?;
        let most = newest_ptx(settings().driver);
        if version > most {
            let (major, minor) = version;
            let message = format!("PTX {major}.{minor} is newer than this driver");
            return Err((Code::UNSUPPORTED_PTX_VERSION, message));
        }
        let (major, minor) = settings().capability;
        if target > 10 * major + minor {
            let message = format!("PTX for sm_{target} on a device of capability {major}.{minor}");
            return Err((Code::INVALID_PTX, message));
        }
        let module = ptx::parse(text).map_err(|message| (Code::INVALID_PTX, message))?;
        let mut kernels = module.functions().iter();
        if let Some(large) = kernels.find(|kernel| kernel.static_shared() > SHARED_DEFAULT) {
            let (name, bytes) = (large.name(), large.static_shared());
            let message = format!("{name} declares {bytes} bytes of shared memory: at most 48 KiB");
            return Err((Code::INVALID_PTX, message));
        }
        let memory = self.memory(context).map_err(|code| (code, String::new()))?;
        let loaded = Arc::new(module).load(&memory);
        let loaded = loaded.map_err(|message| (Code::OUT_OF_MEMORY, message))?;
        let handle = self.handle();
        let module = Module {
            context,
            loaded: Arc::new(loaded),
            functions: HashMap::new(),
            variables: Vec::new(),
            version,
            target,
        };
        self.modules.insert(handle, module);
        Ok(handle)
    }

    fn module(&mut self, module: Handle) -> Result<&mut Module> {
        let context = self.modules.get(&module).ok_or(Code::INVALID_HANDLE)?.context;
        self.usable(context)?;
        self.modules.get_mut(&module).ok_or(Code::INVALID_HANDLE)
    }

    /// A function and its module.
    pub fn function(&self, function: Handle) -> Result<(&Function, &Module)> {
        let function = self.functions.get(&function).ok_or(Code::INVALID_HANDLE)?;
        let module = self.modules.get(&function.module).ok_or(Code::INVALID_HANDLE)?;
        self.usable(module.context)?;
        Ok((function, module))
    }
}

impl Function {
    pub fn kernel<'a>(&self, module: &'a Module) -> Result<&'a ptx::Function> {
        module.loaded.module().functions().get(self.index).ok_or(Code::INVALID_HANDLE)
    }
}

/// What follows a directive at the start of a line.
fn directive<'a>(text: &'a str, name: &str) -> Option<&'a str> {
    text.lines().find_map(|line| line.trim_start().strip_prefix(name)).map(str::trim)
}

fn version(text: &str) -> Option<(u32, u32)> {
    let (major, minor) = text.split_whitespace().next()?.split_once('.')?;
    Some((major.parse().ok()?, minor.parse().ok()?))
}

/// The number of `sm_90`, `sm_90a`, `compute_90` and the like.
fn target(text: &str) -> Option<u32> {
    let (_, number) = text.split([',', ' ', '\t']).next()?.split_once('_')?;
    number.trim_end_matches(char::is_alphabetic).parse().ok()
}

/// Newest PTX that a driver of a CUDA version reads.
fn newest_ptx(driver: u32) -> (u32, u32) {
    match (driver / 1000, driver % 1000 / 10) {
        (..12, minor) => (7, minor),
        (12, minor @ ..6) => (8, minor),
        (12, minor) => (8, minor - 1),
        (13.., minor) => (9, minor),
    }
}

/// Reads an image: PTX, NUL-terminated, or a binary that this device has no use for.
fn load(module: Out<Handle>, image: In<u8>, log: &mut String) -> u32 {
    with_context(|driver, context| {
        if module.is_null() || image.is_null() {
            return Err(Code::INVALID_VALUE);
        }
        driver.refuse_unsafe()?;
        let starts = |with: &[u8; 4]| (0..4).all(|i| image.at(i) == Ok(with[i]));
        if BINARIES.iter().any(starts) {
            "a software device runs PTX, not machine code".clone_into(log);
            return Err(Code::NO_BINARY_FOR_GPU);
        }
        driver.injected(Target::Module).map_or(Ok(()), Err)?;
        let text = image.text().bytes()?;
        match driver.load(context, &String::from_utf8_lossy(&text)) {
            Ok(handle) => module.set(handle),
            Err((code, message)) => {
                driver.report(&format!("PTX refused: {message} [{}]", code.name()));
                *log = message;
                Err(code)
            }
        }
    })
}

#[unsafe(no_mangle)]
extern "C" fn cuModuleLoadData(module: Out<Handle>, image: In<u8>) -> u32 {
    load(module, image, &mut String::new())
}

/// JIT options that have a meaning here: the error log and the size of its buffer.
const ERROR_LOG: u32 = 5;
const ERROR_LOG_BYTES: u32 = 6;

#[unsafe(no_mangle)]
extern "C" fn cuModuleLoadDataEx(
    module: Out<Handle>,
    image: In<u8>,
    count: u32,
    options: In<u32>,
    values: In<usize>,
) -> u32 {
    let mut log = String::new();
    let code = load(module, image, &mut log);
    let option = |wanted| {
        let index = (0..count as usize).find(|&index| options.at(index) == Ok(wanted))?;
        values.at(index).ok()
    };
    if let (Some(buffer), Some(bytes)) = (option(ERROR_LOG), option(ERROR_LOG_BYTES))
        && bytes > 0
    {
        let end = (0..bytes).rev().find(|&end| log.is_char_boundary(end) || end >= log.len());
        log.truncate(end.unwrap_or(0));
        log.push('\0');
        Host::from_address(buffer).write(log.as_bytes());
    }
    code
}

#[unsafe(no_mangle)]
extern "C" fn cuModuleLoad(module: Out<Handle>, path: Text) -> u32 {
    let read = || std::fs::read(path.string()?).map_err(|_| Code::FILE_NOT_FOUND);
    match read() {
        Ok(mut bytes) => {
            bytes.push(0);
            load(module, In::of(&bytes), &mut String::new())
        }
        Err(code) => code.0,
    }
}

/// Waits for the kernels that may still run.
#[unsafe(no_mangle)]
extern "C" fn cuModuleUnload(module: Handle) -> u32 {
    with(|driver| {
        let context = driver.module(module)?.context;
        driver.refuse_unsafe()?;
        driver.complete_context(context)?;
        let memory = driver.memory(context)?;
        let found = driver.modules.remove(&module).ok_or(Code::INVALID_HANDLE)?;
        driver.functions.retain(|_, function| function.module != module);
        found.loaded.unload(&memory).map_err(|_| Code::UNKNOWN)
    })
}

#[unsafe(no_mangle)]
extern "C" fn cuModuleGetFunction(function: Out<Handle>, module: Handle, name: Text) -> u32 {
    with(|driver| {
        let name = name.string()?;
        let found = driver.module(module)?;
        if let Some(&handle) = found.functions.get(&name) {
            return function.set(handle);
        }
        let parsed = found.loaded.module();
        let index = parsed.function(&name).ok_or(Code::NOT_FOUND)?;
        let fixed = parsed.functions().get(index).map_or(0, ptx::Function::static_shared);
        let max_dynamic = SHARED_DEFAULT.saturating_sub(fixed);
        let handle = driver.handle();
        driver.module(module)?.functions.insert(name, handle);
        driver.functions.insert(handle, Function { module, index, max_dynamic, carveout: -1 });
        function.set(handle)
    })
}

#[unsafe(no_mangle)]
extern "C" fn cuModuleGetGlobal_v2(
    at: Out<u64>,
    bytes: Out<usize>,
    module: Handle,
    name: Text,
) -> u32 {
    with(|driver| {
        let name = name.string()?;
        let module = driver.module(module)?;
        let variable = module.loaded.variable(&name).ok_or(Code::NOT_FOUND)?;
        if !module.variables.contains(&variable) {
            module.variables.push(variable);
        }
        at.offer(variable.0);
        bytes.offer(variable.1 as usize);
        Ok(())
    })
}

/// `CUfunction_attribute`. Registers are an estimate: PTX has not allocated them.
#[unsafe(no_mangle)]
extern "C" fn cuFuncGetAttribute(value: Out<i32>, attribute: u32, function: Handle) -> u32 {
    with(|driver| {
        let (function, module) = driver.function(function)?;
        let kernel = function.kernel(module)?;
        let (major, minor) = module.version;
        value.set(match attribute {
            0 => kernel.max_threads() as i32,
            1 => kernel.static_shared() as i32,
            3 => kernel.local_bytes() as i32,
            4 => registers(kernel) as i32,
            5 => (10 * major + minor) as i32,
            6 => module.target as i32,
            8 => function.max_dynamic as i32,
            9 => function.carveout,
            2 | 7 | 10..=15 => 0,
            _ => return Err(Code::INVALID_VALUE),
        })
    })
}

/// Registers of a thread: what a compiler makes of virtual ones, within what it usually allots.
pub fn registers(kernel: &ptx::Function) -> u32 {
    kernel.registers().clamp(16, 64)
}

#[unsafe(no_mangle)]
extern "C" fn cuFuncSetAttribute(function: Handle, attribute: u32, value: i32) -> u32 {
    with(|driver| {
        let (found, module) = driver.function(function)?;
        let fixed = found.kernel(module)?.static_shared();
        let most = limits().shared_optin.saturating_sub(fixed);
        let found = driver.functions.get_mut(&function).ok_or(Code::INVALID_HANDLE)?;
        match (attribute, u32::try_from(value)) {
            (8, Ok(bytes)) if bytes <= most => found.max_dynamic = bytes,
            (9, _) if (-1..=100).contains(&value) => found.carveout = value,
            _ => return Err(Code::INVALID_VALUE),
        }
        Ok(())
    })
}

#[unsafe(no_mangle)]
extern "C" fn cuFuncSetCacheConfig(function: Handle, config: u32) -> u32 {
    with(|driver| {
        driver.function(function)?;
        if config > 3 { Err(Code::INVALID_VALUE) } else { Ok(()) }
    })
}

/// Where a parameter lies in the packed buffer, and its bytes.
#[unsafe(no_mangle)]
extern "C" fn cuFuncGetParamInfo(
    function: Handle,
    index: usize,
    offset: Out<usize>,
    bytes: Out<usize>,
) -> u32 {
    with(|driver| {
        let (function, module) = driver.function(function)?;
        let parameter = function.kernel(module)?.parameters().get(index);
        let parameter = parameter.ok_or(Code::INVALID_VALUE)?;
        bytes.offer(parameter.size as usize);
        offset.set(parameter.offset as usize)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headers() {
        let text = "//\n.version 8.8\n.target sm_90a, texmode_independent\n";
        assert_eq!(directive(text, ".version").and_then(version), Some((8, 8)));
        assert_eq!(directive(text, ".target").and_then(target), Some(90));
        assert_eq!(target("sm_120"), Some(120));
        assert_eq!(newest_ptx(12090), (8, 8));
        assert_eq!(newest_ptx(12050), (8, 5));
        assert_eq!(newest_ptx(13000), (9, 0));
    }
}
