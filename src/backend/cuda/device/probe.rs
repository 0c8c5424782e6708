//! Driver and devices of this machine. Nothing here panics where they are missing.

use cudarc::driver::{result, sys};

/// What there is.
#[derive(Clone, Debug, PartialEq)]
pub enum Driver {
    /// No libcuda.
    Absent,
    /// There is a libcuda, but it cannot be used.
    Unusable {
        /// What it said.
        reason: String,
    },
    /// A driver and at least one device.
    Present {
        /// The CUDA version that it knows, major and minor.
        version: (i32, i32),
        /// All devices, in the driver's order.
        devices: Vec<Device>,
    },
}

/// A device.
#[derive(Clone, Debug, PartialEq)]
pub struct Device {
    /// As the driver names it.
    pub name: String,
    /// Its compute capability, major and minor.
    pub capability: (u32, u32),
    /// Bytes of memory, free or not.
    pub memory: u64,
}

/// What is called below: cudarc panics at the first call of a function that the library lacks.
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

/// Asks the driver, which creates no context and takes no memory of a device.
pub fn driver() -> Driver {
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
    match ask() {
        Ok((version, devices)) if !devices.is_empty() => Driver::Present { version, devices },
        Ok(_) => Driver::Unusable { reason: "it has no device".to_owned() },
        Err((call, error)) => {
            let reason = match error.error_name() {
                Ok(name) => format!("{call} fails with {}", name.to_string_lossy()),
                Err(_) => format!("{call} fails with error {}", error.0 as u32),
            };
            Driver::Unusable { reason }
        }
    }
}

type Answer = ((i32, i32), Vec<Device>);

fn ask() -> Result<Answer, (&'static str, result::DriverError)> {
    use sys::CUdevice_attribute::{
        CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MAJOR, CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MINOR,
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
            value.map(|v| v.try_into().unwrap_or(0)).map_err(at("cuDeviceGetAttribute"))
        };
        let capability = (
            attribute(CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MAJOR)?,
            attribute(CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MINOR)?,
        );
        Ok(Device { name, capability, memory })
    };
    let devices: Result<Vec<_>, _> = (0..count).map(device).collect();
    Ok(((version / 1000, version % 1000 / 10), devices?))
}
