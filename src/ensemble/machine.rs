//! What carries out an experiment on this machine: a processor, or a GPU.

use std::sync::Arc;

use crate::backend::cuda::device::Device;
use crate::backend::cuda::device::fault::{Fault, visible};
use crate::backend::cuda::device::image::ImageError;
use crate::backend::cuda::device::probe::{self, Driver};
use crate::error::{Error, Result};
use crate::experiment::{Backend, Experiment, Precision};
use crate::rng::normal::Instructions;

/// The part of this machine that carries out an experiment.
#[derive(Clone)]
pub enum Machine {
    /// The processor, with these vector instructions.
    Cpu(Instructions),
    /// A GPU, which this process has opened.
    Gpu(Arc<Device>),
}

impl Machine {
    /// Finds what the experiment's backend runs on, in the process that has rank `local` on its node.
    ///
    /// # Errors
    /// [`Error::Device`] where it asks for a GPU and there is none that can be used.
    pub fn find(experiment: &Experiment, local: usize) -> Result<Machine> {
        Ok(match experiment.backend {
            Backend::Plain | Backend::Cpu => Machine::Cpu(Instructions::detect()),
            Backend::Cuda => {
                let device = open_device(local).map_err(device_error)?;
                Machine::Gpu(Arc::new(match experiment.precision {
                    Precision::Tf32x3 => device.in_tf32x3(),
                    Precision::F32 | Precision::F64 => device,
                }))
            }
        })
    }

    /// The name of the instructions or device that the bits of results depend on.
    pub fn numeric_path(&self) -> &str {
        match self {
            Machine::Cpu(instructions) => instructions.name(),
            Machine::Gpu(device) => device.path(),
        }
    }

    /// Model, number and driver of the GPU, in words; None without one.
    pub fn device(&self) -> Option<String> {
        let Machine::Gpu(device) = self else { return None };
        let name = device.name().unwrap_or_default();
        let driver = match probe::find_driver() {
            Driver::Present { version: (major, minor), .. } => format!("{major}.{minor}"),
            _ => "?".to_owned(),
        };
        Some(format!("{name}, number {}, driver for CUDA {driver}", device.ordinal()))
    }

    /// What tells the GPU from all others of its machine; None without one.
    ///
    /// # Errors
    /// [`Error::Device`] when it does not answer.
    pub fn device_identity(&self) -> Result<Option<[u8; 16]>> {
        match self {
            Machine::Cpu(_) => Ok(None),
            Machine::Gpu(device) => device.identity().map(Some).map_err(device_error),
        }
    }

    /// Free memory on the GPU in bytes; None without one.
    ///
    /// # Errors
    /// [`Error::Device`] when it does not answer.
    pub fn device_memory(&self) -> Result<Option<f64>> {
        match self {
            Machine::Cpu(_) => Ok(None),
            Machine::Gpu(device) => {
                device.free().map(|free| Some(free as f64)).map_err(device_error)
            }
        }
    }
}

/// Opens the device of this process: of those that it sees, in turn by its rank on the node.
fn open_device(local: usize) -> std::result::Result<Device, Fault> {
    Device::open(local % Device::count()?.max(1))
}

/// Names the GPU that a run may take in the process that has rank `local` on its node.
///
/// # Errors
/// The reason why there is none.
pub fn find_gpu(local: usize) -> std::result::Result<String, String> {
    open_device(local).and_then(|device| device.name()).map_err(|fault| match fault {
        Fault::NoDriver => "no NVIDIA GPU here".to_owned(),
        Fault::NoDevice { .. } => format!("no NVIDIA GPU here; {}", visible()),
        Fault::Start { advice, .. } => format!("{fault}; {advice}"),
        fault => fault.to_string().replace("\n  ", "; "),
    })
}

/// The error that tells a user of a device's fault, with what to do.
pub fn device_error(fault: Fault) -> Error {
    let help = match &fault {
        Fault::NoDriver | Fault::NoDevice { .. } => {
            "take backend cpu; `nfd doctor` says what is missing"
        }
        Fault::Image(_) => "or take backend cpu",
        Fault::Grid { .. } => "or take backend cpu",
        Fault::Start { advice, .. } => advice,
        Fault::OutOfMemory { .. } => "lower ensemble.widths or data.samples, or take backend cpu",
        Fault::Driver { .. } => {
            "finished tasks are kept: the same command resumes, once the device works again"
        }
    };
    let failed = matches!(
        fault,
        Fault::Driver { .. }
            | Fault::OutOfMemory { .. }
            | Fault::Start { .. }
            | Fault::Image(ImageError::Load { .. })
    );
    Error::Device { problem: fault.to_string(), help: help.to_owned(), failed }
}
