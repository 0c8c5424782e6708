//! Compiling at run time, for a device that no embedded image fits: once, for this process and those to come.

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use super::cache::{Cache, key};
use super::nvrtc::{Nvrtc, NvrtcError, Program, Target};

/// What this process has compiled or found: a device may be opened more than once.
static KNOWN: Mutex<Option<HashMap<u128, Arc<Vec<u8>>>>> = Mutex::new(None);

/// The compiler of this machine, and what it has compiled before.
pub struct Compiler {
    nvrtc: Nvrtc,
    version: (i32, i32),
    cache: Cache,
}

impl Compiler {
    /// Finds the compiler where the user or the system has it.
    ///
    /// # Errors
    /// When there is none, or one that is not usable.
    pub fn find() -> Result<Compiler, NvrtcError> {
        let nvrtc = Nvrtc::find(&nvrtc_folder())?;
        Ok(Compiler { version: nvrtc.version()?, nvrtc, cache: Cache::of_user() })
    }

    /// Its version, major and minor.
    pub fn version(&self) -> (i32, i32) {
        self.version
    }

    /// What it can compile for a device of this capability, the best first: machine code, then PTX, which a
    /// driver may take where it refuses that.
    ///
    /// # Errors
    /// [`NvrtcError::TooOld`] where the device is older than all that it knows.
    pub fn targets(&self, capability: (u32, u32)) -> Result<Vec<Target>, NvrtcError> {
        targets(&self.nvrtc.architectures()?, capability)
            .ok_or(NvrtcError::TooOld { version: self.version, capability })
    }

    /// A program, compiled for a target now or before.
    ///
    /// # Errors
    /// When it does not compile.
    pub fn image(&self, program: Program, target: Target) -> Result<Arc<Vec<u8>>, NvrtcError> {
        let key = key(program, target, self.version);
        // Held while it compiles: whoever else wants this image waits for it.
        let mut known = KNOWN.lock().unwrap_or_else(PoisonError::into_inner);
        let known = known.get_or_insert_default();
        if let Some(image) = known.get(&key) {
            return Ok(image.clone());
        }
        let image = match self.cache.get(key) {
            Some(image) => image,
            None => {
                let image = self.nvrtc.compile(program, target)?.image;
                // Without a cache the next process compiles again; `nfd doctor` says why.
                let _ = self.cache.put(key, &image);
                image
            }
        };
        Ok(known.entry(key).or_insert(Arc::new(image)).clone())
    }
}

/// What a compiler that knows these architectures compiles for a device: code and PTX of the newest that is
/// not newer than the device, code only within its generation. None where it knows newer ones alone.
pub fn targets(known: &[u32], (major, minor): (u32, u32)) -> Option<Vec<Target>> {
    let own = 10 * major + minor;
    let best = *known.iter().filter(|&&architecture| architecture <= own).max()?;
    let code = (best / 10 == major).then_some(Target::Code(best));
    Some(code.into_iter().chain([Target::Ptx(best)]).collect())
}

/// The folder where the tests of this project put NVRTC: beside the build folder of this program, not below
/// whatever folder it is called in.
pub fn nvrtc_folder() -> PathBuf {
    let program = std::env::current_exe().unwrap_or_default();
    program.ancestors().nth(2).unwrap_or(&program).join("nvrtc")
}

/// What machine code of a compiler of this version runs under, in words.
pub fn driver_for((major, _): (i32, i32)) -> String {
    // Within a major version older drivers run newer machine code, but translate no newer PTX.
    let oldest = match major {
        ..=11 => "450",
        12 => "525",
        13 => "580",
        _ => return format!("a driver for CUDA {major} or newer"),
    };
    format!("a driver for CUDA {major} ({oldest}) or newer that knows the GPU")
}
