//! Asks for the driver and the devices of this machine, and panics nowhere if they are missing.

use cudarc::driver::{result, sys};

use super::refusal::{ComputeMode, advice};

/// What this machine has of a CUDA driver.
#[derive(Clone, Debug, PartialEq)]
pub enum Driver {
    /// There is no library libcuda.
    Absent,
    /// There is a libcuda, but it cannot be used.
    Unusable {
        /// Which call failed, and how.
        reason: String,
    },
    /// A driver and at least one device.
    Present {
        /// The newest CUDA version that the driver knows, major and minor.
        version: (i32, i32),
        /// All devices that the driver shows, in its order.
        devices: Vec<DriverDevice>,
    },
}

/// A device as the driver describes it.
#[derive(Clone, Debug, PartialEq)]
pub struct DriverDevice {
    /// The name that the driver gives it.
    pub name: String,
    /// Compute capability, major and minor.
    pub capability: (u32, u32),
    /// Bytes of its memory, free or not.
    pub memory: u64,
    /// Which processes may use it.
    pub mode: ComputeMode,
}

/// The newest CUDA version that the driver knows, major and minor; None where it does not tell.
pub fn driver_version() -> Option<(i32, i32)> {
    match find_driver() {
        Driver::Present { version, .. } => Some(version),
        _ => None,
    }
}

/// Which processes may use the device of this number; [`ComputeMode::Shared`] where the driver does not tell.
pub fn compute_mode(ordinal: usize) -> ComputeMode {
    match find_driver() {
        Driver::Present { devices, .. } => devices.get(ordinal).map(|device| device.mode),
        _ => None,
    }
    .unwrap_or(ComputeMode::Shared)
}

/// Functions that are called below: cudarc panics at the first call of one that the library lacks.
const CALLED: [&str; 8] = [
    "cuInit",
    "cuDriverGetVersion",
    "cuDeviceGetCount",
    "cuDeviceGet",
    "cuDeviceGetName",
    "cuDeviceTotalMem_v2",
    "cuDeviceGetAttribute",
    "cuGetErrorName",
];

/// Finds the driver and its devices, without creating a context or taking memory of a device.
pub fn find_driver() -> Driver {
    // SAFETY: loads the library that the system's loader has under the name of NVIDIA's driver.
    if !unsafe { sys::is_culib_present() } {
        return Driver::Absent;
    }
    // SAFETY: the same library, which is there: this does not panic.
    let library = unsafe { sys::culib() };
    for symbol in CALLED {
        // SAFETY: the symbol is only looked for.
        if unsafe { library.get::<*const ()>(symbol) }.is_err() {
            return Driver::Unusable { reason: format!("it has no {symbol}") };
        }
    }
    match ask_driver() {
        Ok((version, devices)) if !devices.is_empty() => Driver::Present { version, devices },
        Ok(_) => Driver::Unusable { reason: "it has no device".to_owned() },
        Err((call, error)) => {
            let name = match error.error_name() {
                Ok(name) => name.to_string_lossy().into_owned(),
                Err(_) => format!("error {}", error.0 as u32),
            };
            let reason = format!("{call} fails with {name} ({})", advice(error.0, None));
            Driver::Unusable { reason }
        }
    }
}

type Answer = ((i32, i32), Vec<DriverDevice>);

/// Version and devices, or which call failed and how.
fn ask_driver() -> Result<Answer, (&'static str, result::DriverError)> {
    use sys::CUdevice_attribute::{
        CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MAJOR, CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MINOR,
        CU_DEVICE_ATTRIBUTE_COMPUTE_MODE,
    };
    let at = |call| move |error| (call, error);
    result::init().map_err(at("cuInit"))?;
    let mut version = 0;
    // SAFETY: one place to write to.
    let status = unsafe { sys::cuDriverGetVersion(&mut version) };
    status.result().map_err(at("cuDriverGetVersion"))?;
    let count = result::device::get_count().map_err(at("cuDeviceGetCount"))?;
    let device = |ordinal| {
        let device = result::device::get(ordinal).map_err(at("cuDeviceGet"))?;
        let name = result::device::get_name(device).map_err(at("cuDeviceGetName"))?;
        // SAFETY: a device that the driver has just named.
        let memory = unsafe { result::device::total_mem(device) };
        let memory = memory.map_err(at("cuDeviceTotalMem"))? as u64;
        let attribute = |which| {
            // SAFETY: as above.
            let value = unsafe { result::device::get_attribute(device, which) };
            value.map(|v| v.try_into().unwrap_or(0_u32)).map_err(at("cuDeviceGetAttribute"))
        };
        let capability = (
            attribute(CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MAJOR)?,
            attribute(CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MINOR)?,
        );
        let mode = match attribute(CU_DEVICE_ATTRIBUTE_COMPUTE_MODE)? {
            2 => ComputeMode::Prohibited,
            1 | 3 => ComputeMode::Exclusive,
            _ => ComputeMode::Shared,
        };
        Ok(DriverDevice { name, capability, memory, mode })
    };
    let devices: Result<Vec<_>, _> = (0..count).map(device).collect();
    Ok(((version / 1000, version % 1000 / 10), devices?))
}
