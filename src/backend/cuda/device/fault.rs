//! What a device may refuse.

use cudarc::driver::DriverError;
use cudarc::driver::sys::CUresult;
use thiserror::Error;

use super::image::ImageError;

/// Why a device cannot go on.
#[derive(Debug, Error)]
pub enum Fault {
    /// No driver library.
    #[error("no NVIDIA driver: its library libcuda.so.1 is not on this machine's loader path")]
    NoDriver,
    /// The driver has fewer devices, or hides them.
    #[error(
        "no CUDA device {ordinal}: the driver shows {count} (CUDA_VISIBLE_DEVICES may hide some)"
    )]
    NoDevice {
        /// Asked for.
        ordinal: usize,
        /// There are so many.
        count: usize,
    },
    /// The kernels cannot be run on it.
    #[error(transparent)]
    Image(#[from] ImageError),
    /// Its memory is used up.
    #[error("the device is out of memory: {bytes} more bytes were asked for")]
    OutOfMemory {
        /// Bytes
        bytes: usize,
    },
    /// Anything else the driver says.
    #[error("the device failed at {at}: {source}")]
    Driver {
        /// A kernel, or what was done.
        at: String,
        /// The driver's error.
        source: DriverError,
    },
}

impl Fault {
    /// Of a call that asks for no memory.
    pub fn of(source: DriverError, at: &str) -> Fault {
        Fault::Driver { at: at.to_owned(), source }
    }

    /// Of a call that asks for memory.
    pub fn of_allocation(source: DriverError, bytes: usize) -> Fault {
        match source.0 {
            CUresult::CUDA_ERROR_OUT_OF_MEMORY => Fault::OutOfMemory { bytes },
            _ => Fault::of(source, "allocation"),
        }
    }
}
