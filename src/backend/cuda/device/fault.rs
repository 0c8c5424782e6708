//! What a device may refuse.

use cudarc::driver::DriverError;
use cudarc::driver::sys::CUresult;
use thiserror::Error;

use super::super::grid::TooLarge;
use super::image::ImageError;
use super::probe::compute_mode;
use super::refusal::advice;

/// Why a device cannot go on.
#[derive(Debug, Error)]
pub enum Fault {
    /// There is no library of the driver on this machine.
    #[error("no NVIDIA driver: its library libcuda.so.1 is not on this machine's loader path")]
    NoDriver,
    /// The driver has fewer devices, or hides them.
    #[error("no CUDA device {ordinal}: the driver shows {count}; {}", visible())]
    NoDevice {
        /// Number of the device that was asked for.
        ordinal: usize,
        /// Number of devices that the driver shows.
        count: usize,
    },
    /// The driver does not start, or does not open a device.
    #[error("{at} fails: {source}")]
    Start {
        /// What was being done.
        at: String,
        /// The error that the driver reports.
        source: DriverError,
        /// What to do about it.
        advice: &'static str,
    },
    /// No kernels could be loaded into the device.
    #[error(transparent)]
    Image(#[from] ImageError),
    /// The memory of the device is used up.
    #[error("the device is out of memory: {bytes} more bytes were asked for")]
    OutOfMemory {
        /// Number of bytes that were asked for in vain.
        bytes: usize,
    },
    /// A kernel would need more thread blocks than a device takes.
    #[error("kernel {kernel} {too_large}")]
    Grid {
        /// Name of the kernel.
        kernel: String,
        /// The grid.
        too_large: TooLarge,
    },
    /// Another call of the driver, or a kernel, has failed.
    #[error("the device failed at {at}: {source}")]
    Driver {
        /// Name of the kernel, or what was being done.
        at: String,
        /// The error that the driver reports.
        source: DriverError,
    },
}

/// What CUDA_VISIBLE_DEVICES says, in words.
pub fn visible() -> String {
    match std::env::var_os("CUDA_VISIBLE_DEVICES") {
        None => "CUDA_VISIBLE_DEVICES is not set".to_owned(),
        Some(value) => format!("CUDA_VISIBLE_DEVICES is {value:?}, which hides all others"),
    }
}

impl Fault {
    /// The fault of a driver that does not start, or does not open device `ordinal`.
    pub fn of_start(source: DriverError, ordinal: Option<usize>) -> Fault {
        let mode = ordinal.map(compute_mode);
        let advice = advice(source.0, mode);
        let at = match ordinal {
            None => "starting the CUDA driver".to_owned(),
            Some(ordinal) => format!("opening CUDA device {ordinal}"),
        };
        Fault::Start { at, source, advice }
    }

    /// The fault of a call that asks for no memory.
    pub fn of(source: DriverError, at: &str) -> Fault {
        Fault::Driver { at: at.to_owned(), source }
    }

    /// The fault of a call that asks for memory.
    pub fn of_allocation(source: DriverError, bytes: usize) -> Fault {
        match source.0 {
            CUresult::CUDA_ERROR_OUT_OF_MEMORY => Fault::OutOfMemory { bytes },
            _ => Fault::of(source, "allocation"),
        }
    }
}
