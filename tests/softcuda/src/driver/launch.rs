//! Kernel launches.

use super::error::{Code, Result};
use super::ffi::{Host, In};
use super::limits::{THREADS_PER_BLOCK, limits};
use super::occupancy::resident;
use super::run::{Kernel, Op};
use super::settings::settings;
use super::state::{Driver, Handle, with_context};
use crate::ptx::Function;
use std::sync::Arc;

/// `CUDA_KERNEL_NODE_PARAMS_v2`; the arguments of every way to launch.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct KernelNodeParams {
    function: Handle,
    grid: [u32; 3],
    block: [u32; 3],
    shared: u32,
    parameters: In<Host>,
    extra: In<usize>,
    kernel: Handle,
    context: Handle,
}

/// Checks a launch in a context as far as a driver does at the call, and packs its arguments.
pub fn kernel(
    driver: &Driver,
    context: Handle,
    launch: &KernelNodeParams,
    cooperative: bool,
) -> Result<Kernel> {
    let (function, module) = driver.function(launch.function)?;
    if module.context != context {
        return Err(Code::INVALID_HANDLE);
    }
    let kernel = function.kernel(module)?;
    let [x, y, z] = launch.grid;
    if x == 0 || y == 0 || z == 0 || x > i32::MAX as u32 || y > 65_535 || z > 65_535 {
        return Err(Code::INVALID_VALUE);
    }
    let [x, y, z] = launch.block;
    let threads = u64::from(x) * u64::from(y) * u64::from(z);
    if threads == 0 || x > 1024 || y > 1024 || z > 64 || threads > u64::from(THREADS_PER_BLOCK) {
        return Err(Code::INVALID_VALUE);
    }
    if threads > u64::from(kernel.max_threads()) {
        return Err(Code::INVALID_VALUE);
    }
    let shared = u64::from(launch.shared) + u64::from(kernel.static_shared());
    if launch.shared > function.max_dynamic || shared > u64::from(limits().shared_optin) {
        return Err(Code::INVALID_VALUE);
    }
    if cooperative {
        let resident = resident(driver, launch.function, threads as u32, launch.shared)?;
        let most = u128::from(resident) * u128::from(settings().multiprocessors);
        if launch.grid.iter().map(|&n| u128::from(n)).product::<u128>() > most {
            return Err(Code::COOPERATIVE_LAUNCH_TOO_LARGE);
        }
    }
    Ok(Kernel {
        function: launch.function,
        module: module.loaded.clone(),
        index: function.index,
        grid: launch.grid,
        block: launch.block,
        shared: launch.shared,
        parameters: pack(kernel, launch)?,
        cooperative,
    })
}

/// The arguments of a launch as the kernel reads them: named one by one, or packed by the caller.
fn pack(kernel: &Function, launch: &KernelNodeParams) -> Result<Vec<u8>> {
    let mut packed = vec![0; kernel.parameter_bytes() as usize];
    match (launch.parameters.is_null(), launch.extra.is_null()) {
        (false, false) => return Err(Code::INVALID_VALUE),
        (false, true) => {
            for (index, parameter) in kernel.parameters().iter().enumerate() {
                let from = launch.parameters.at(index)?;
                if from.is_null() {
                    return Err(Code::INVALID_VALUE);
                }
                let (start, len) = (parameter.offset as usize, parameter.size as usize);
                packed[start..start + len].copy_from_slice(&from.read(len));
            }
        }
        (true, false) => {
            let (from, bytes) = extra(launch.extra)?;
            // A caller's structure ends on a multiple of its alignment.
            let padded = packed.len().next_multiple_of(8);
            if bytes < packed.len() || bytes > padded {
                return Err(Code::LAUNCH_OUT_OF_RESOURCES);
            }
            if from.is_null() && bytes > 0 {
                return Err(Code::INVALID_VALUE);
            }
            let bytes = from.read(packed.len());
            packed.copy_from_slice(&bytes);
        }
        (true, true) if packed.is_empty() => {}
        (true, true) => return Err(Code::INVALID_VALUE),
    }
    Ok(packed)
}

/// Where the caller packed arguments, and how many bytes: a list of keys and values.
fn extra(list: In<usize>) -> Result<(Host, usize)> {
    const END: usize = 0;
    const POINTER: usize = 1;
    const BYTES: usize = 2;
    let (mut pointer, mut bytes) = (0, 0);
    let mut index = 0;
    while list.at(index)? != END {
        let value = list.at(index + 1)?;
        match list.at(index)? {
            POINTER => pointer = value,
            BYTES => {
                let size = Host::from_address(value).read(size_of::<usize>());
                bytes = usize::from_ne_bytes(size.try_into().map_err(|_| Code::INVALID_VALUE)?);
            }
            _ => return Err(Code::INVALID_VALUE),
        }
        index += 2;
    }
    Ok((Host::from_address(pointer), bytes))
}

fn launch(stream: Handle, parameters: KernelNodeParams, cooperative: bool) -> u32 {
    with_context(|driver, context| {
        let stream = driver.stream(context, stream)?;
        let context = driver.of_stream(stream)?.context;
        let launched = match kernel(driver, context, &parameters, cooperative) {
            Ok(kernel) => driver.enqueue(stream, Op::Launch(Arc::new(kernel))),
            Err(code) => Err(code),
        };
        driver.recorded(stream, launched)
    })
}

#[unsafe(no_mangle)]
extern "C" fn cuLaunchKernel(
    function: Handle,
    grid_x: u32,
    grid_y: u32,
    grid_z: u32,
    block_x: u32,
    block_y: u32,
    block_z: u32,
    shared: u32,
    stream: Handle,
    parameters: In<Host>,
    extra: In<usize>,
) -> u32 {
    let (grid, block) = ([grid_x, grid_y, grid_z], [block_x, block_y, block_z]);
    let arguments = KernelNodeParams {
        function,
        grid,
        block,
        shared,
        parameters,
        extra,
        kernel: 0,
        context: 0,
    };
    launch(stream, arguments, false)
}

#[unsafe(no_mangle)]
extern "C" fn cuLaunchCooperativeKernel(
    function: Handle,
    grid_x: u32,
    grid_y: u32,
    grid_z: u32,
    block_x: u32,
    block_y: u32,
    block_z: u32,
    shared: u32,
    stream: Handle,
    parameters: In<Host>,
) -> u32 {
    let (grid, block) = ([grid_x, grid_y, grid_z], [block_x, block_y, block_z]);
    let extra = In::null();
    let arguments = KernelNodeParams {
        function,
        grid,
        block,
        shared,
        parameters,
        extra,
        kernel: 0,
        context: 0,
    };
    launch(stream, arguments, true)
}

/// `CUlaunchConfig`.
#[repr(C)]
#[derive(Clone, Copy)]
struct LaunchConfig {
    grid: [u32; 3],
    block: [u32; 3],
    shared: u32,
    stream: Handle,
    attributes: In<LaunchAttribute>,
    count: u32,
}

/// `CUlaunchAttribute`: its number and 64 bytes of value.
#[repr(C)]
#[derive(Clone, Copy)]
struct LaunchAttribute {
    id: u32,
    padding: u32,
    value: [u32; 16],
}

/// Attributes that only steer scheduling and caches are passed over; those that ask for what this
/// device does not do are refused.
#[unsafe(no_mangle)]
extern "C" fn cuLaunchKernelEx(
    config: In<LaunchConfig>,
    function: Handle,
    parameters: In<Host>,
    extra: In<usize>,
) -> u32 {
    const COOPERATIVE: u32 = 2;
    const CLUSTER: u32 = 4;
    /// A start before the kernel before it in its stream has ended.
    const PROGRAMMATIC: u32 = 6;
    /// Events that the kernel itself records.
    const EVENTS: [u32; 2] = [7, 12];
    /// Changes of a graph from within a kernel.
    const UPDATABLE: u32 = 13;
    const LAST: u32 = 16;
    let read = || {
        let config = config.get()?;
        let mut cooperative = false;
        for index in 0..config.count as usize {
            let LaunchAttribute { id, value, .. } = config.attributes.at(index)?;
            match id {
                COOPERATIVE => cooperative = value[0] != 0,
                PROGRAMMATIC if value[0] != 0 => return Err(Code::NOT_SUPPORTED),
                CLUSTER if value[..3] != [1, 1, 1] => return Err(Code::NOT_SUPPORTED),
                UPDATABLE if value[0] == 0 => {}
                UPDATABLE => return Err(Code::NOT_SUPPORTED),
                _ if EVENTS.contains(&id) => return Err(Code::NOT_SUPPORTED),
                _ if id > LAST => return Err(Code::INVALID_VALUE),
                _ => {}
            }
        }
        Ok((config, cooperative))
    };
    match read() {
        Ok((LaunchConfig { grid, block, shared, stream, .. }, cooperative)) => {
            let arguments = KernelNodeParams {
                function,
                grid,
                block,
                shared,
                parameters,
                extra,
                kernel: 0,
                context: 0,
            };
            launch(stream, arguments, cooperative)
        }
        Err(code) => code.0,
    }
}
