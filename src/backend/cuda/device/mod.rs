//! One device: its memory and its stream of work.
//!
//! All work of a device goes through one stream, in order, so nothing needs events: their tracking
//! (an event a buffer and launch, 24 driver calls a launch) is turned off before anything is allocated.
//!
//! From the bottom: [`refusal`]: what to do where a driver refuses; [`probe`]: driver and devices of a
//! machine; [`nvrtc`]: the compiler; [`cache`]: what it has compiled before; [`compiler`]: both as one;
//! [`image`]: compiled kernels; [`fault`]: what a device refuses.

pub mod cache;
pub mod compiler;
pub mod fault;
pub mod image;
pub mod nvrtc;
pub mod probe;
pub mod refusal;

use std::collections::HashMap;
use std::io;
use std::ops::Range;
use std::sync::Arc;

use cudarc::driver::sys::{CUgraphInstantiate_flags, CUresult, CUstreamCaptureMode};
use cudarc::driver::{
    CudaContext, CudaFunction, CudaGraph, CudaSlice, CudaStream, DeviceRepr, DriverError,
    ValidAsZeroBits,
};

use crate::backend::archive::{Archive, Walked};
use crate::backend::real::Real;
use fault::Fault;

/// Bytes that a buffer loses, at most, by beginning at a multiple of 256 bytes and ending at another.
pub const ALIGNMENT: f64 = 512.0;

/// A format of numbers that kernels exist for: f32 or f64.
pub trait Number: Real + DeviceRepr + ValidAsZeroBits {
    /// The format in the names of kernels.
    const NAME: &'static str;
}

/// 3xTF32 in the names of kernels and of paths.
const TF32X3: &str = "tf32x3";

impl Number for f32 {
    const NAME: &'static str = "f32";
}

impl Number for f64 {
    const NAME: &'static str = "f64";
}

/// A place in the memory of a device; null by default.
#[repr(transparent)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Address(u64);

/// Memory of a device, at least one number; freed in the order of the stream.
pub struct Buffer<T> {
    slice: CudaSlice<T>,
    address: u64,
}

impl<T> Buffer<T> {
    /// The address of number `index` of the buffer.
    pub fn at(&self, index: usize) -> Address {
        debug_assert!(index < self.slice.len());
        Address(self.address + (index * size_of::<T>()) as u64)
    }
}

/// A device that is open, with its kernels loaded.
pub struct Device {
    stream: Arc<CudaStream>,
    functions: HashMap<String, CudaFunction>,
    /// Of what its kernels were made.
    path: String,
    /// Whether tensor cores multiply, in 3xTF32.
    tf32x3: bool,
}

impl Device {
    /// Opens the device of this number, as the driver counts them.
    ///
    /// # Errors
    /// Without driver, device or kernels for it.
    pub fn open(ordinal: usize) -> Result<Device, Fault> {
        let count = Device::count()?;
        if ordinal >= count {
            return Err(Fault::NoDevice { ordinal, count });
        }
        let refused = |error| Fault::of_start(error, Some(ordinal));
        let context = CudaContext::new(ordinal).map_err(refused)?;
        // SAFETY: all memory is used on one stream.
        unsafe { context.disable_event_tracking() };
        let stream = context.new_stream().map_err(refused)?;
        let (major, minor) = context.compute_capability().map_err(refused)?;
        let (functions, path) = image::load(&context, (major as u32, minor as u32))?;
        Ok(Device { stream, functions, path, tf32x3: false })
    }

    /// The device as one that multiplies numbers of f32 on its tensor cores, in 3xTF32, wherever products are of
    /// tiles; of f64 as before.
    pub fn in_tf32x3(self) -> Device {
        let path = format!("{}-{TF32X3}", self.path);
        Device { path, tf32x3: true, ..self }
    }

    /// The number of devices that the driver shows.
    ///
    /// # Errors
    /// Without driver.
    pub fn count() -> Result<usize, Fault> {
        // cudarc panics at its first call where there is no library.
        // SAFETY: it opens the driver's library by name, as every later call does.
        if !unsafe { cudarc::driver::sys::is_culib_present() } {
            return Err(Fault::NoDriver);
        }
        match CudaContext::device_count() {
            Ok(count) => Ok(count.max(0) as usize),
            // The driver's way to say that it sees none.
            Err(DriverError(CUresult::CUDA_ERROR_NO_DEVICE)) => Ok(0),
            Err(error) => Err(Fault::of_start(error, None)),
        }
    }

    /// The name that the driver gives the device.
    ///
    /// # Errors
    /// When the driver cannot tell.
    pub fn name(&self) -> Result<String, Fault> {
        let name = self.stream.context().name();
        name.map_err(|error| Fault::of(error, "asking for its name"))
    }

    /// The number of the device, as the driver counts those that this process sees.
    pub fn ordinal(&self) -> usize {
        self.stream.context().ordinal()
    }

    /// What tells the device from all others of the machine, whatever numbers processes see it under; a part
    /// of a GPU (MIG) has its own.
    ///
    /// # Errors
    /// When the driver cannot tell.
    pub fn identity(&self) -> Result<[u8; 16], Fault> {
        let mut identity = cudarc::driver::sys::CUuuid_st { bytes: [0; 16] };
        let device = cudarc::driver::result::device::get(self.ordinal() as i32);
        let told = device.and_then(|device| {
            // SAFETY: writes sixteen bytes; the device is open.
            unsafe { cudarc::driver::sys::cuDeviceGetUuid_v2(&mut identity, device) }.result()
        });
        told.map_err(|error| Fault::of(error, "asking for its identity"))?;
        Ok(identity.bytes.map(|byte| byte as u8))
    }

    /// The number of bytes that are free on the device.
    ///
    /// # Errors
    /// When the driver cannot tell.
    pub fn free(&self) -> Result<usize, Fault> {
        // What was freed in the stream's order is free once the stream has come so far.
        self.wait()?;
        let free = self.stream.context().mem_get_info();
        free.map(|(free, _)| free).map_err(|error| Fault::of(error, "asking for free memory"))
    }

    /// What its results depend on: the architecture that the kernels were compiled for, and how they multiply.
    pub fn path(&self) -> &str {
        &self.path
    }

    /// How the kernels that multiply tiles of T are named.
    pub(in crate::backend::cuda) fn tiles_of<T: Number>(&self) -> &'static str {
        if self.tf32x3 && T::NAME == f32::NAME { TF32X3 } else { T::NAME }
    }

    pub(in crate::backend::cuda) fn stream(&self) -> &Arc<CudaStream> {
        &self.stream
    }

    pub(in crate::backend::cuda) fn function(&self, name: &str) -> Result<&CudaFunction, Fault> {
        let missing = || image::ImageError::NoKernel { name: name.to_owned() };
        self.functions.get(name).ok_or_else(|| missing().into())
    }

    /// Allocates `count` numbers, all zero.
    pub(in crate::backend::cuda) fn zeros<T: DeviceRepr + ValidAsZeroBits>(
        &self,
        count: usize,
    ) -> Result<Buffer<T>, Fault> {
        // The driver refuses to allocate nothing.
        let count = count.max(1);
        let slice = self.stream.alloc_zeros(count);
        let slice = slice.map_err(|error| Fault::of_allocation(error, count * size_of::<T>()))?;
        Ok(self.buffer(slice))
    }

    /// Allocates a copy of host memory.
    pub(in crate::backend::cuda) fn copied<T: DeviceRepr + ValidAsZeroBits>(
        &self,
        from: &[T],
    ) -> Result<Buffer<T>, Fault> {
        if from.is_empty() {
            return self.zeros(1);
        }
        let slice = self.stream.clone_htod(from);
        let slice = slice.map_err(|error| Fault::of_allocation(error, size_of_val(from)))?;
        Ok(self.buffer(slice))
    }

    fn buffer<T>(&self, slice: CudaSlice<T>) -> Buffer<T> {
        use cudarc::driver::DevicePtr;
        let address = slice.device_ptr(&self.stream).0;
        Buffer { slice, address }
    }

    /// Overwrites the first numbers of a buffer.
    pub(in crate::backend::cuda) fn write<T: DeviceRepr>(
        &self,
        to: &mut Buffer<T>,
        from: &[T],
    ) -> Result<(), Fault> {
        self.write_from(to, 0, from)
    }

    /// Overwrites numbers of a buffer, from its number `first` on.
    pub(in crate::backend::cuda) fn write_from<T: DeviceRepr>(
        &self,
        to: &mut Buffer<T>,
        first: usize,
        from: &[T],
    ) -> Result<(), Fault> {
        if from.is_empty() {
            return Ok(());
        }
        let mut to = to.slice.slice_mut(first..first + from.len());
        self.stream.memcpy_htod(from, &mut to).map_err(|error| Fault::of(error, "a copy to it"))
    }

    /// Copies numbers of a buffer to the host, once all work is done.
    pub(in crate::backend::cuda) fn read_back<T: DeviceRepr + Default + Clone>(
        &self,
        from: &Buffer<T>,
        range: std::ops::Range<usize>,
    ) -> Result<Vec<T>, Fault> {
        let failed = |error| Fault::of(error, "a copy from it");
        let mut to = vec![T::default(); range.len()];
        self.stream.memcpy_dtoh(&from.slice.slice(range), &mut to).map_err(failed)?;
        self.wait()?;
        Ok(to)
    }

    /// Walks over numbers of a buffer.
    pub(in crate::backend::cuda) fn archive<T: DeviceRepr + Default + bytemuck::Pod>(
        &self,
        archive: &mut Archive,
        buffer: &mut Buffer<T>,
        range: Range<usize>,
    ) -> Walked {
        /// Numbers that are on the host at a time.
        const AT_ONCE: usize = 1 << 23;
        for first in range.clone().step_by(AT_ONCE) {
            let part = first..range.end.min(first + AT_ONCE);
            let mut numbers = match archive.reads() {
                true => vec![T::default(); part.len()],
                false => self.read_back(buffer, part).map_err(io::Error::other)?,
            };
            archive.numbers(&mut numbers)?;
            if archive.reads() {
                self.write_from(buffer, first, &numbers).map_err(io::Error::other)?;
            }
        }
        Ok(())
    }

    /// Walks over numbers of a buffer of `count` numbers that may be missing, read as zeros but for them.
    pub(in crate::backend::cuda) fn archive_optional<T>(
        &self,
        archive: &mut Archive,
        buffer: &mut Option<Buffer<T>>,
        count: usize,
        mut ranges: impl Iterator<Item = Range<usize>>,
    ) -> Walked
    where
        T: DeviceRepr + ValidAsZeroBits + Default + bytemuck::Pod,
    {
        let zeros = || self.zeros(count).map_err(io::Error::other);
        archive.optional(buffer, zeros, |archive, buffer| {
            ranges.try_for_each(|range| self.archive(archive, buffer, range))
        })
    }

    /// Allocates a copy of numbers of a buffer, on the device.
    pub(in crate::backend::cuda) fn copy_of<T: DeviceRepr + ValidAsZeroBits>(
        &self,
        from: &Buffer<T>,
        range: std::ops::Range<usize>,
    ) -> Result<Buffer<T>, Fault> {
        let mut to = self.zeros(range.len())?;
        let copied = self.stream.memcpy_dtod(&from.slice.slice(range), &mut to.slice);
        copied.map_err(|error| Fault::of(error, "a copy on it"))?;
        Ok(to)
    }

    /// Copies numbers of a buffer into another, from its number `first` on.
    pub(in crate::backend::cuda) fn copy_into<T: DeviceRepr>(
        &self,
        to: &mut Buffer<T>,
        first: usize,
        from: &Buffer<T>,
        range: std::ops::Range<usize>,
    ) -> Result<(), Fault> {
        let mut to = to.slice.slice_mut(first..first + range.len());
        let copied = self.stream.memcpy_dtod(&from.slice.slice(range), &mut to);
        copied.map_err(|error| Fault::of(error, "a copy on it"))
    }

    /// Sets all numbers of a buffer to zero.
    pub(in crate::backend::cuda) fn clear<T: DeviceRepr + ValidAsZeroBits>(
        &self,
        buffer: &mut Buffer<T>,
    ) -> Result<(), Fault> {
        let cleared = self.stream.memset_zeros(&mut buffer.slice);
        cleared.map_err(|error| Fault::of(error, "clearing memory"))
    }

    /// Waits until all work is done.
    pub(in crate::backend::cuda) fn wait(&self) -> Result<(), Fault> {
        self.stream.synchronize().map_err(|error| Fault::of(error, "a kernel before"))
    }

    /// Captures what `work` launches, to be launched at once and again; it is not started.
    pub(in crate::backend::cuda) fn capture(
        &self,
        work: impl FnOnce() -> Result<(), Fault>,
    ) -> Result<Option<CudaGraph>, Fault> {
        let failed = |error| Fault::of(error, "capturing a step");
        let mode = CUstreamCaptureMode::CU_STREAM_CAPTURE_MODE_THREAD_LOCAL;
        self.stream.begin_capture(mode).map_err(failed)?;
        let worked = work();
        // Ended in any case: a stream that is left capturing refuses everything else.
        let graph = self.stream.end_capture(CUgraphInstantiate_flags(0));
        worked?;
        graph.map_err(failed)
    }
}
