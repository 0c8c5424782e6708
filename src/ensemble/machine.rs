//! What carries out an experiment on this machine: a processor, or a GPU.

use std::sync::Arc;

use crate::backend::cuda::device::Device;
use crate::backend::cuda::device::fault::Fault;
use crate::backend::cuda::device::probe::{self, Driver};
use crate::error::{Error, Result};
use crate::experiment::{Backend, Experiment};
use crate::rng::normal::Instructions;

/// The machine of an experiment.
#[derive(Clone)]
pub enum Machine {
    /// With these vector instructions.
    Cpu(Instructions),
    /// With this device.
    Gpu(Arc<Device>),
}

impl Machine {
    /// What the experiment's backend runs on, in the process that is number `local` of its node.
    ///
    /// # Errors
    /// [`Error::Device`] where it asks for a GPU and there is none that can be used.
    pub fn of(experiment: &Experiment, local: usize) -> Result<Machine> {
        Ok(match experiment.backend {
            Backend::Plain | Backend::Cpu => Machine::Cpu(Instructions::detect()),
            Backend::Cuda => Machine::Gpu(Arc::new(open(local).map_err(error_of)?)),
        })
    }

    /// What the bits of results depend on.
    pub fn numeric_path(&self) -> &str {
        match self {
            Machine::Cpu(instructions) => instructions.name(),
            Machine::Gpu(device) => device.path(),
        }
    }

    /// The device, in words; None without one.
    pub fn device(&self) -> Option<String> {
        let Machine::Gpu(device) = self else { return None };
        let name = device.name().unwrap_or_default();
        let driver = match probe::driver() {
            Driver::Present { version: (major, minor), .. } => format!("{major}.{minor}"),
            _ => "?".to_owned(),
        };
        Some(format!("{name}, number {}, driver for CUDA {driver}", device.ordinal()))
    }

    /// Free bytes on the device; None without one.
    ///
    /// # Errors
    /// [`Error::Device`] when it does not answer.
    pub fn device_memory(&self) -> Result<Option<f64>> {
        match self {
            Machine::Cpu(_) => Ok(None),
            Machine::Gpu(device) => device.free().map(|free| Some(free as f64)).map_err(error_of),
        }
    }
}

/// The device of this process: of those that it sees, in turn by its number on the node.
fn open(local: usize) -> std::result::Result<Device, Fault> {
    Device::open(local % devices().max(1))
}

/// GPUs that this process sees; none without a driver.
pub fn devices() -> usize {
    Device::count().unwrap_or(0)
}

/// The GPU that a run may take in the process that is number `local` of its node, named, or why there
/// is none.
///
/// # Errors
/// The reason.
pub fn gpu(local: usize) -> std::result::Result<String, String> {
    open(local).and_then(|device| device.name()).map_err(|fault| match fault {
        Fault::NoDriver | Fault::NoDevice { .. } => "no NVIDIA GPU here".to_owned(),
        fault => fault.to_string().replace("\n  ", "; "),
    })
}

/// What a device's fault means to a user.
pub fn error_of(fault: Fault) -> Error {
    let help = match &fault {
        Fault::NoDriver | Fault::NoDevice { .. } => {
            "take backend cpu; `nfd doctor` says what is missing"
        }
        Fault::Image(_) => "or take backend cpu",
        Fault::OutOfMemory { .. } => "lower ensemble.widths or data.samples, or take backend cpu",
        Fault::Driver { .. } => {
            "finished tasks are kept: the same command resumes, once the device works again"
        }
    };
    let failed = matches!(fault, Fault::Driver { .. } | Fault::OutOfMemory { .. });
    Error::Device { problem: fault.to_string(), help: help.to_owned(), failed }
}
