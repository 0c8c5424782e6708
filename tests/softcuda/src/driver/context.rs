//! Contexts: a device's primary one, others, and which one a thread is in.

use super::error::{Code, Result};
use super::ffi::Out;
use super::settings::Target;
use super::state::{Driver, Handle, current_handle, set_current_handle, with, with_context};

#[unsafe(no_mangle)]
extern "C" fn cuDevicePrimaryCtxRetain(context: Out<Handle>, device: i32) -> u32 {
    with(|driver| {
        let device = driver.device(device)?;
        if context.is_null() {
            return Err(Code::INVALID_VALUE);
        }
        let handle = match driver.devices[device].primary {
            Some(handle) => handle,
            None => {
                driver.injected(Target::Context).map_or(Ok(()), Err)?;
                driver.new_context(device, 0)
            }
        };
        let device = &mut driver.devices[device];
        device.primary = Some(handle);
        device.retained += 1;
        context.set(handle)
    })
}

#[unsafe(no_mangle)]
extern "C" fn cuDevicePrimaryCtxRelease_v2(device: i32) -> u32 {
    with(|driver| {
        let device = driver.device(device)?;
        let found = &mut driver.devices[device];
        found.retained = found.retained.checked_sub(1).ok_or(Code::INVALID_CONTEXT)?;
        if found.retained == 0 {
            driver.end_primary(device);
        }
        Ok(())
    })
}

#[unsafe(no_mangle)]
extern "C" fn cuDevicePrimaryCtxReset_v2(device: i32) -> u32 {
    with(|driver| {
        let device = driver.device(device)?;
        driver.end_primary(device);
        driver.devices[device].retained = 0;
        Ok(())
    })
}

#[unsafe(no_mangle)]
extern "C" fn cuDevicePrimaryCtxGetState(device: i32, flags: Out<u32>, active: Out<i32>) -> u32 {
    with(|driver| {
        let device = driver.device(device)?;
        let primary = driver.devices[device].primary.and_then(|c| driver.contexts.get(&c));
        flags.set(primary.map_or(0, |context| context.flags))?;
        active.set(i32::from(primary.is_some()))
    })
}

#[unsafe(no_mangle)]
extern "C" fn cuDevicePrimaryCtxSetFlags_v2(device: i32, _flags: u32) -> u32 {
    with(|driver| driver.device(device).map(|_| ()))
}

impl Driver {
    fn end_primary(&mut self, device: usize) {
        if let Some(context) = self.devices[device].primary.take() {
            self.destroy_context(context);
        }
    }

    fn create_context(&mut self, context: Out<Handle>, flags: u32, device: i32) -> Result {
        let device = self.device(device)?;
        if context.is_null() {
            return Err(Code::INVALID_VALUE);
        }
        let handle = self.new_context(device, flags);
        set_current_handle(handle);
        context.set(handle)
    }
}

#[unsafe(no_mangle)]
extern "C" fn cuCtxCreate_v2(context: Out<Handle>, flags: u32, device: i32) -> u32 {
    with(|driver| driver.create_context(context, flags, device))
}

/// Execution affinity is not supported.
#[unsafe(no_mangle)]
extern "C" fn cuCtxCreate_v3(
    context: Out<Handle>,
    _affinity: Out<u8>,
    count: i32,
    flags: u32,
    device: i32,
) -> u32 {
    if count != 0 {
        return Code::NOT_SUPPORTED.0;
    }
    cuCtxCreate_v2(context, flags, device)
}

/// Neither affinity nor graphics is supported.
#[unsafe(no_mangle)]
extern "C" fn cuCtxCreate_v4(
    context: Out<Handle>,
    parameters: Out<u8>,
    flags: u32,
    device: i32,
) -> u32 {
    if !parameters.is_null() {
        return Code::NOT_SUPPORTED.0;
    }
    cuCtxCreate_v2(context, flags, device)
}

#[unsafe(no_mangle)]
extern "C" fn cuCtxDestroy_v2(context: Handle) -> u32 {
    with(|driver| {
        let primary = driver.devices.iter().any(|device| device.primary == Some(context));
        if primary || !driver.contexts.contains_key(&context) {
            return Err(Code::INVALID_CONTEXT);
        }
        driver.destroy_context(context);
        if current_handle() == context {
            set_current_handle(0);
        }
        Ok(())
    })
}

#[unsafe(no_mangle)]
extern "C" fn cuCtxGetCurrent(context: Out<Handle>) -> u32 {
    with(|driver| {
        let current = current_handle();
        // One that is gone is no context: a thread cannot know that another destroyed it.
        context.set(if driver.contexts.contains_key(&current) { current } else { 0 })
    })
}

#[unsafe(no_mangle)]
extern "C" fn cuCtxSetCurrent(context: Handle) -> u32 {
    with(|driver| {
        if context != 0 && !driver.contexts.contains_key(&context) {
            return Err(Code::INVALID_CONTEXT);
        }
        set_current_handle(context);
        Ok(())
    })
}

#[unsafe(no_mangle)]
extern "C" fn cuCtxGetDevice(device: Out<i32>) -> u32 {
    with_context(|driver, context| device.set(driver.context(context)?.device as i32))
}

#[unsafe(no_mangle)]
extern "C" fn cuCtxSynchronize() -> u32 {
    with_context(|driver, context| {
        driver.refuse_any_capture(context)?;
        driver.complete_context(context)
    })
}

#[unsafe(no_mangle)]
extern "C" fn cuCtxGetFlags(flags: Out<u32>) -> u32 {
    with_context(|driver, context| flags.set(driver.context(context)?.flags))
}

#[unsafe(no_mangle)]
extern "C" fn cuCtxSetFlags(flags: u32) -> u32 {
    with_context(|driver, context| {
        driver.context(context)?.flags = flags;
        Ok(())
    })
}

#[unsafe(no_mangle)]
extern "C" fn cuCtxGetApiVersion(context: Handle, version: Out<u32>) -> u32 {
    with(|driver| {
        driver.usable(context)?;
        version.set(3020)
    })
}

/// Of `CUlimit`: the stack of a thread, the printf buffer, the heap of kernels.
const LIMITS: [usize; 3] = [1 << 10, 1 << 20, 8 << 20];

#[unsafe(no_mangle)]
extern "C" fn cuCtxGetLimit(value: Out<usize>, limit: u32) -> u32 {
    with_context(|_, _| value.set(*LIMITS.get(limit as usize).ok_or(Code::UNSUPPORTED_LIMIT)?))
}

/// The limits bound nothing here.
#[unsafe(no_mangle)]
extern "C" fn cuCtxSetLimit(limit: u32, _value: usize) -> u32 {
    with_context(|_, _| LIMITS.get(limit as usize).map(|_| ()).ok_or(Code::UNSUPPORTED_LIMIT))
}

#[unsafe(no_mangle)]
extern "C" fn cuCtxGetCacheConfig(config: Out<u32>) -> u32 {
    with_context(|_, _| config.set(0))
}

#[unsafe(no_mangle)]
extern "C" fn cuCtxSetCacheConfig(config: u32) -> u32 {
    with_context(|_, _| if config > 3 { Err(Code::INVALID_VALUE) } else { Ok(()) })
}
