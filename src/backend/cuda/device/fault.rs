//! What a device may refuse.

use cudarc::driver::DriverError;
use cudarc::driver::sys::CUresult;
use thiserror::Error;

use super::super::grid::TooLarge;
use super::image::ImageError;

/// Why a device cannot go on.
#[derive(Debug, Error)]
pub enum Fault {
    /// There is no library of the driver on this machine.
    #[error("no NVIDIA driver: its library libcuda.so.1 is not on this machine's loader path")]
    NoDriver,
    /// The driver has fewer devices, or hides them.
    #[error(
        "no CUDA device {ordinal}: the driver shows {count} (CUDA_VISIBLE_DEVICES may hide some)"
    )]
    NoDevice {
        /// Number of the device that was asked for.
        ordinal: usize,
        /// Number of devices that the driver shows.
        count: usize,
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

impl Fault {
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
