//! Copies and fills.
//!
//! Asynchronous means queued, as far as the real thing is: a copy from pageable memory takes the
//! bytes at the call, one to pageable memory returns when it is done; page-locked memory is read
//! and written when the copy runs.

use super::error::{Code, Result};
use super::ffi::Host;
use super::run::Op;
use super::state::{Driver, Handle, with_context};

impl Driver {
    /// Refuses device memory that is not all there, and says so: a longer host slice than the
    /// device has bytes is an easy mistake.
    fn check_range(&self, context: Handle, at: u64, bytes: u64, what: &str) -> Result {
        if self.known(context, at, bytes) {
            return Ok(());
        }
        self.report(&format!("{what} of {bytes} bytes at {at:#x}: not inside an allocation"));
        Err(Code::INVALID_VALUE)
    }

    fn copy_in(&mut self, to: u64, from: Host, len: usize, stream: Handle) -> Result {
        let context = self.of_stream(stream)?.context;
        if len == 0 {
            return Ok(());
        }
        if from.is_null() {
            return Err(Code::INVALID_VALUE);
        }
        let len_ = len as u64;
        self.check_range(context, to, len_, "copy from the host")?;
        let op = match self.is_pinned(from, len_) {
            true => Op::CopyPinned { to, from, len: len_ },
            false => Op::CopyIn { to, bytes: from.read(len).into() },
        };
        self.enqueue(stream, op)
    }

    fn copy_out(&mut self, to: Host, from: u64, len: usize, stream: Handle) -> Result {
        let context = self.of_stream(stream)?.context;
        if len == 0 {
            return Ok(());
        }
        if to.is_null() {
            return Err(Code::INVALID_VALUE);
        }
        let len = len as u64;
        self.check_range(context, from, len, "copy to the host")?;
        self.enqueue(stream, Op::CopyOut { to, from, len })?;
        if self.is_pinned(to, len) {
            return Ok(());
        }
        let front = self.of_stream(stream)?.front.clone();
        self.wait(context, &front)
    }

    fn copy_device(
        &mut self,
        (to, target): (u64, Handle),
        (from, source): (u64, Handle),
        len: usize,
        stream: Handle,
    ) -> Result {
        if len == 0 {
            return Ok(());
        }
        let len = len as u64;
        let (to_device, from_device) = (self.usable(target)?.device, self.usable(source)?.device);
        self.check_range(target, to, len, "copy to the device")?;
        self.check_range(source, from, len, "copy from the device")?;
        let (to, from) = ((to_device, to), (from_device, from));
        self.enqueue(stream, Op::CopyDevice { to, from, len })
    }

    fn fill(&mut self, at: u64, value: u32, width: u32, count: usize, stream: Handle) -> Result {
        let context = self.of_stream(stream)?.context;
        if count == 0 {
            return Ok(());
        }
        let count = count as u64;
        let bytes = count.checked_mul(u64::from(width)).ok_or(Code::INVALID_VALUE)?;
        if !at.is_multiple_of(u64::from(width)) {
            return Err(Code::INVALID_VALUE);
        }
        self.check_range(context, at, bytes, "fill")?;
        self.enqueue(stream, Op::Fill { at, value, width, count })
    }
}

/// A call on the legacy default stream that no capture can record; the host waits where `wait`.
fn in_legacy(wait: bool, body: impl FnOnce(&mut Driver, Handle, Handle) -> Result) -> u32 {
    with_context(|driver, context| {
        let stream = driver.stream(context, 0)?;
        driver.refuse_implicit(stream)?;
        driver.refuse_unsafe()?;
        body(driver, context, stream)?;
        if wait { driver.synchronise(stream) } else { Ok(()) }
    })
}

fn in_stream(stream: Handle, body: impl FnOnce(&mut Driver, Handle, Handle) -> Result) -> u32 {
    with_context(|driver, context| {
        let stream = driver.stream(context, stream)?;
        let context = driver.of_stream(stream)?.context;
        let done = body(driver, context, stream);
        driver.recorded(stream, done)
    })
}

#[unsafe(no_mangle)]
extern "C" fn cuMemcpyHtoD_v2(to: u64, from: Host, len: usize) -> u32 {
    in_legacy(true, |driver, _, stream| driver.copy_in(to, from, len, stream))
}

#[unsafe(no_mangle)]
extern "C" fn cuMemcpyHtoDAsync_v2(to: u64, from: Host, len: usize, stream: Handle) -> u32 {
    in_stream(stream, |driver, _, stream| driver.copy_in(to, from, len, stream))
}

#[unsafe(no_mangle)]
extern "C" fn cuMemcpyDtoH_v2(to: Host, from: u64, len: usize) -> u32 {
    in_legacy(true, |driver, _, stream| driver.copy_out(to, from, len, stream))
}

#[unsafe(no_mangle)]
extern "C" fn cuMemcpyDtoHAsync_v2(to: Host, from: u64, len: usize, stream: Handle) -> u32 {
    in_stream(stream, |driver, _, stream| driver.copy_out(to, from, len, stream))
}

/// The host does not wait for copies on the device.
#[unsafe(no_mangle)]
extern "C" fn cuMemcpyDtoD_v2(to: u64, from: u64, len: usize) -> u32 {
    in_legacy(false, |driver, context, stream| {
        driver.copy_device((to, context), (from, context), len, stream)
    })
}

#[unsafe(no_mangle)]
extern "C" fn cuMemcpyDtoDAsync_v2(to: u64, from: u64, len: usize, stream: Handle) -> u32 {
    in_stream(stream, |driver, context, stream| {
        driver.copy_device((to, context), (from, context), len, stream)
    })
}

/// In a stream of any device.
#[unsafe(no_mangle)]
extern "C" fn cuMemcpyPeerAsync(
    to: u64,
    target: Handle,
    from: u64,
    source: Handle,
    len: usize,
    stream: Handle,
) -> u32 {
    in_stream(stream, |driver, _, stream| {
        driver.copy_device((to, target), (from, source), len, stream)
    })
}

#[unsafe(no_mangle)]
extern "C" fn cuMemsetD8_v2(at: u64, value: u8, count: usize) -> u32 {
    in_legacy(false, |driver, _, stream| driver.fill(at, value.into(), 1, count, stream))
}

#[unsafe(no_mangle)]
extern "C" fn cuMemsetD8Async(at: u64, value: u8, count: usize, stream: Handle) -> u32 {
    in_stream(stream, |driver, _, stream| driver.fill(at, value.into(), 1, count, stream))
}

#[unsafe(no_mangle)]
extern "C" fn cuMemsetD16_v2(at: u64, value: u16, count: usize) -> u32 {
    in_legacy(false, |driver, _, stream| driver.fill(at, value.into(), 2, count, stream))
}

#[unsafe(no_mangle)]
extern "C" fn cuMemsetD16Async(at: u64, value: u16, count: usize, stream: Handle) -> u32 {
    in_stream(stream, |driver, _, stream| driver.fill(at, value.into(), 2, count, stream))
}

#[unsafe(no_mangle)]
extern "C" fn cuMemsetD32_v2(at: u64, value: u32, count: usize) -> u32 {
    in_legacy(false, |driver, _, stream| driver.fill(at, value, 4, count, stream))
}

#[unsafe(no_mangle)]
extern "C" fn cuMemsetD32Async(at: u64, value: u32, count: usize, stream: Handle) -> u32 {
    in_stream(stream, |driver, _, stream| driver.fill(at, value, 4, count, stream))
}
