//! What cudarc can call and this device does not do.
//!
//! A missing symbol is a panic in cudarc; these are there and say that they are not supported.
//! None looks at its arguments, and the calling conventions of the platforms that load the library
//! let a caller pass more than a function takes.

use super::error::Code;

macro_rules! absent {
    ($($name:ident)*) => {$(
        #[unsafe(no_mangle)]
        extern "C" fn $name() -> u32 {
            Code::NOT_SUPPORTED.0
        }
    )*};
}

absent! {
    cuDestroyExternalMemory
    cuExternalMemoryGetMappedBuffer
    cuImportExternalMemory
    cuMemAdvise_v2
    cuMemAllocManaged
    cuMemPoolCreate
    cuMemPoolDestroy
    cuMemPrefetchAsync_v2
    cuOccupancyMaxActiveClusters
    cuOccupancyMaxPotentialClusterSize
    cuStreamAttachMemAsync
}

/// There is no profiler to tell.
#[unsafe(no_mangle)]
extern "C" fn cuProfilerStart() -> u32 {
    0
}

#[unsafe(no_mangle)]
extern "C" fn cuProfilerStop() -> u32 {
    0
}
