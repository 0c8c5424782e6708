//! Device memory, stream-ordered or not, its pools, and page-locked host memory.

use super::error::{Code, Result};
use super::ffi::{Host, Out, Pages};
use super::run::Op;
use super::settings::Target;
use super::state::{Allocation, Driver, Handle, Pinned, with, with_context};

impl Driver {
    /// New device memory. When it is out, waiting frees are worked off first.
    fn allocate(&mut self, context: Handle, bytes: usize) -> Result<u64> {
        if bytes == 0 {
            return Err(Code::INVALID_VALUE);
        }
        if let Some(code) = self.injected(Target::Alloc) {
            return Err(code);
        }
        let memory = self.memory(context)?;
        let bytes = bytes as u64;
        let mut found = memory.alloc(bytes);
        if found.is_none() {
            let device = self.context(context)?.device;
            let here = self.contexts.iter().filter(|(_, c)| c.device == device);
            let contexts: Vec<Handle> = here.map(|(&handle, _)| handle).collect();
            for context in contexts {
                let ids = self.waiting(context);
                self.complete(&ids)?;
            }
            self.usable(context)?;
            found = memory.alloc(bytes);
        }
        let at = found.ok_or(Code::OUT_OF_MEMORY)?;
        let context = self.context(context)?;
        context.allocations.insert(at, Allocation { bytes, freed: false });
        let device = context.device;
        self.devices[device].history.forget(at, bytes);
        Ok(at)
    }

    /// Memory that streams may use from a point in one of them on.
    fn allocate_in(&mut self, stream: Handle, bytes: usize) -> Result<u64> {
        if let Some(capturing) = self.of_stream(stream)?.capture.clone() {
            self.invalidate(capturing.capture);
            return Err(Code::STREAM_CAPTURE_UNSUPPORTED);
        }
        let context = self.of_stream(stream)?.context;
        self.usable(context)?;
        let at = self.allocate(context, bytes)?;
        self.enqueue(stream, Op::Alloc { at, bytes: bytes as u64 })?;
        Ok(at)
    }

    /// An allocation that nobody has freed yet: from now on it is.
    fn mark_freed(&mut self, context: Handle, at: u64) -> Result<u64> {
        let allocations = &mut self.context(context)?.allocations;
        match allocations.get_mut(&at) {
            Some(found) if !found.freed => {
                found.freed = true;
                Ok(found.bytes)
            }
            _ => {
                self.report(&format!("free of {at:#x}, which is no allocation"));
                Err(Code::INVALID_VALUE)
            }
        }
    }

    /// Whether host memory is page-locked, all of it.
    pub fn is_pinned(&self, host: Host, len: u64) -> bool {
        let below = self.pinned.range(..=host.address()).next_back();
        below.is_some_and(|(&start, found)| {
            (host.address() - start).checked_add(len as usize).is_some_and(|end| end <= found.len)
        })
    }
}

#[unsafe(no_mangle)]
extern "C" fn cuMemGetInfo_v2(free: Out<usize>, total: Out<usize>) -> u32 {
    with_context(|driver, context| {
        let memory = driver.memory(context)?;
        free.set(memory.free_bytes() as usize)?;
        total.set(memory.total_bytes() as usize)
    })
}

#[unsafe(no_mangle)]
extern "C" fn cuMemAlloc_v2(at: Out<u64>, bytes: usize) -> u32 {
    with_context(|driver, context| {
        if at.is_null() {
            return Err(Code::INVALID_VALUE);
        }
        driver.refuse_unsafe()?;
        at.set(driver.allocate(context, bytes)?)
    })
}

/// Waits for the context's work, as real drivers do.
#[unsafe(no_mangle)]
extern "C" fn cuMemFree_v2(at: u64) -> u32 {
    with_context(|driver, context| {
        if at == 0 {
            return Ok(());
        }
        driver.refuse_unsafe()?;
        let bytes = driver.mark_freed(context, at)?;
        driver.complete_context(context)?;
        driver.context(context)?.allocations.remove(&at);
        let device = driver.context(context)?.device;
        driver.devices[device].history.forget(at, bytes);
        driver.memory(context)?.free(at).map_err(|_| Code::INVALID_VALUE)
    })
}

#[unsafe(no_mangle)]
extern "C" fn cuMemAllocAsync(at: Out<u64>, bytes: usize, stream: Handle) -> u32 {
    with_context(|driver, context| {
        if at.is_null() {
            return Err(Code::INVALID_VALUE);
        }
        let stream = driver.stream(context, stream)?;
        at.set(driver.allocate_in(stream, bytes)?)
    })
}

/// The memory is free when the stream gets there.
#[unsafe(no_mangle)]
extern "C" fn cuMemFreeAsync(at: u64, stream: Handle) -> u32 {
    with_context(|driver, context| {
        let stream = driver.stream(context, stream)?;
        if let Some(capturing) = driver.of_stream(stream)?.capture.clone() {
            driver.invalidate(capturing.capture);
            return Err(Code::STREAM_CAPTURE_UNSUPPORTED);
        }
        let context = driver.of_stream(stream)?.context;
        let bytes = driver.mark_freed(context, at)?;
        driver.enqueue(stream, Op::Free { at, bytes })
    })
}

#[unsafe(no_mangle)]
extern "C" fn cuMemGetAddressRange_v2(base: Out<u64>, bytes: Out<usize>, at: u64) -> u32 {
    with_context(|driver, context| {
        let below = driver.context(context)?.allocations.range(..=at).next_back();
        let found = below.filter(|(start, found)| !found.freed && at < *start + found.bytes);
        let (&start, found) = found.ok_or(Code::NOT_FOUND)?;
        base.offer(start);
        bytes.offer(found.bytes as usize);
        Ok(())
    })
}

#[unsafe(no_mangle)]
extern "C" fn cuMemHostAlloc(host: Out<usize>, bytes: usize, _flags: u32) -> u32 {
    with_context(|driver, context| {
        if host.is_null() || bytes == 0 {
            return Err(Code::INVALID_VALUE);
        }
        driver.refuse_unsafe()?;
        let pages = Pages::new(bytes).ok_or(Code::OUT_OF_MEMORY)?;
        let at = pages.address();
        driver.pinned.insert(at, Pinned { context, _pages: pages, len: bytes });
        host.set(at)
    })
}

#[unsafe(no_mangle)]
extern "C" fn cuMemAllocHost_v2(host: Out<usize>, bytes: usize) -> u32 {
    cuMemHostAlloc(host, bytes, 0)
}

/// Waits for the work that may still use the memory.
#[unsafe(no_mangle)]
extern "C" fn cuMemFreeHost(host: usize) -> u32 {
    with_context(|driver, _| {
        driver.refuse_unsafe()?;
        let owner = driver.pinned.get(&host).ok_or(Code::INVALID_VALUE)?.context;
        let done = driver.complete_context(owner);
        driver.pinned.remove(&host);
        done
    })
}

#[unsafe(no_mangle)]
extern "C" fn cuDeviceGetDefaultMemPool(pool: Out<Handle>, device: i32) -> u32 {
    with(|driver| {
        let device = driver.device(device)?;
        pool.set(driver.devices[device].pool)
    })
}

#[unsafe(no_mangle)]
extern "C" fn cuDeviceGetMemPool(pool: Out<Handle>, device: i32) -> u32 {
    cuDeviceGetDefaultMemPool(pool, device)
}

/// Each device has one pool, its default one.
#[unsafe(no_mangle)]
extern "C" fn cuDeviceSetMemPool(device: i32, pool: Handle) -> u32 {
    with(|driver| {
        let device = driver.device(device)?;
        if driver.devices[device].pool == pool { Ok(()) } else { Err(Code::INVALID_VALUE) }
    })
}

impl Driver {
    fn pool(&self, pool: Handle) -> Result<usize> {
        self.devices.iter().position(|device| device.pool == pool).ok_or(Code::INVALID_VALUE)
    }
}

#[unsafe(no_mangle)]
extern "C" fn cuMemAllocFromPoolAsync(
    at: Out<u64>,
    bytes: usize,
    pool: Handle,
    stream: Handle,
) -> u32 {
    with_context(|driver, context| {
        let device = driver.pool(pool)?;
        if at.is_null() {
            return Err(Code::INVALID_VALUE);
        }
        let stream = driver.stream(context, stream)?;
        let of_stream = driver.of_stream(stream)?.context;
        if driver.context(of_stream)?.device != device {
            return Err(Code::NOT_SUPPORTED);
        }
        at.set(driver.allocate_in(stream, bytes)?)
    })
}

/// Freed memory is never held back.
#[unsafe(no_mangle)]
extern "C" fn cuMemPoolTrimTo(pool: Handle, _keep: usize) -> u32 {
    with(|driver| driver.pool(pool).map(|_| ()))
}

/// The release threshold, of `CUmemPool_attribute`.
const THRESHOLD: u32 = 4;

/// The reuse policies (1 to 3) are 32-bit switches, the rest are 64-bit numbers.
#[unsafe(no_mangle)]
extern "C" fn cuMemPoolGetAttribute(pool: Handle, attribute: u32, value: Host) -> u32 {
    with(|driver| {
        let device = driver.pool(pool)?;
        if value.is_null() {
            return Err(Code::INVALID_VALUE);
        }
        let memory = driver.device_memory(device);
        let used = memory.total_bytes() - memory.free_bytes();
        match attribute {
            1..=3 => value.write(&1u32.to_ne_bytes()),
            THRESHOLD => value.write(&driver.devices[device].pool_threshold.to_ne_bytes()),
            5..=8 => value.write(&used.to_ne_bytes()),
            _ => return Err(Code::INVALID_VALUE),
        }
        Ok(())
    })
}

#[unsafe(no_mangle)]
extern "C" fn cuMemPoolSetAttribute(pool: Handle, attribute: u32, value: Host) -> u32 {
    with(|driver| {
        let device = driver.pool(pool)?;
        if value.is_null() {
            return Err(Code::INVALID_VALUE);
        }
        match attribute {
            1..=3 | 6 | 8 => Ok(()),
            THRESHOLD => {
                let bytes = value.read(8).try_into().map_err(|_| Code::INVALID_VALUE)?;
                driver.devices[device].pool_threshold = u64::from_ne_bytes(bytes);
                Ok(())
            }
            _ => Err(Code::INVALID_VALUE),
        }
    })
}
