//! Kernel launches, and how many blocks a multiprocessor holds.

use super::error::{Code, Result};
use super::ffi::{Host, In, Out};
use super::limits::{REGISTERS, SHARED_RESERVED, THREADS_PER_BLOCK, limits};
use super::module::registers;
use super::run::{Kernel, Op};
use super::settings::settings;
use super::state::{Driver, Handle, with, with_context};
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

/// Checks a launch as far as a driver does at the call, and packs its arguments.
pub fn kernel(driver: &Driver, launch: &KernelNodeParams) -> Result<Kernel> {
    let (function, module) = driver.function(launch.function)?;
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
    if launch.shared > function.max_dynamic {
        return Err(Code::INVALID_VALUE);
    }
    if launch.shared + kernel.static_shared() > limits().shared_optin {
        return Err(Code::LAUNCH_OUT_OF_RESOURCES);
    }
    let mut packed = vec![0; kernel.parameter_bytes() as usize];
    if !launch.parameters.is_null() {
        for (index, parameter) in kernel.parameters().iter().enumerate() {
            let from = launch.parameters.at(index)?;
            if from.is_null() {
                return Err(Code::INVALID_VALUE);
            }
            let (start, len) = (parameter.offset as usize, parameter.size as usize);
            packed[start..start + len].copy_from_slice(&from.read(len));
        }
    } else if !launch.extra.is_null() {
        let bytes = extra(launch.extra)?;
        let bytes = bytes.get(..packed.len()).ok_or(Code::INVALID_VALUE)?;
        packed.copy_from_slice(bytes);
    } else if !packed.is_empty() {
        return Err(Code::INVALID_VALUE);
    }
    Ok(Kernel {
        function: launch.function,
        module: module.loaded.clone(),
        index: function.index,
        grid: launch.grid,
        block: launch.block,
        shared: launch.shared,
        parameters: packed,
        cooperative: false,
    })
}

/// Arguments packed by the caller: a list of keys and values.
fn extra(list: In<usize>) -> Result<Vec<u8>> {
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
    Ok(Host::from_address(pointer).read(bytes))
}

fn launch(stream: Handle, parameters: KernelNodeParams, cooperative: bool) -> u32 {
    with_context(|driver, context| {
        let stream = driver.stream(context, stream)?;
        let mut kernel = kernel(driver, &parameters)?;
        let (_, module) = driver.function(parameters.function)?;
        if module.context != driver.streams.get(&stream).ok_or(Code::INVALID_HANDLE)?.context {
            return Err(Code::INVALID_HANDLE);
        }
        if cooperative {
            kernel.cooperative = true;
            let threads = kernel.block.iter().product();
            let resident = resident(driver, parameters.function, threads, parameters.shared)?;
            let blocks: u64 = kernel.grid.iter().map(|&n| u64::from(n)).product();
            if blocks > u64::from(resident) * u64::from(settings().multiprocessors) {
                return Err(Code::COOPERATIVE_LAUNCH_TOO_LARGE);
            }
        }
        driver.enqueue(stream, Op::Launch(Arc::new(kernel)))
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

/// Of the attributes, cooperative launches and clusters of one block mean something here; those
/// that only steer scheduling and caches are passed over.
#[unsafe(no_mangle)]
extern "C" fn cuLaunchKernelEx(
    config: In<LaunchConfig>,
    function: Handle,
    parameters: In<Host>,
    extra: In<usize>,
) -> u32 {
    const COOPERATIVE: u32 = 2;
    const CLUSTER: u32 = 4;
    let read = || {
        let config = config.get()?;
        let mut cooperative = false;
        for index in 0..config.count as usize {
            let LaunchAttribute { id, value, .. } = config.attributes.at(index)?;
            match id {
                COOPERATIVE => cooperative = value[0] != 0,
                CLUSTER if value[..3] != [1, 1, 1] => return Err(Code::NOT_SUPPORTED),
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

/// Blocks of a kernel that a multiprocessor holds at once.
fn resident(driver: &Driver, function: Handle, threads: u32, dynamic: u32) -> Result<u32> {
    let (function, module) = driver.function(function)?;
    let kernel = function.kernel(module)?;
    if threads == 0 {
        return Err(Code::INVALID_VALUE);
    }
    let limits = limits();
    let most = kernel.max_threads().min(THREADS_PER_BLOCK);
    let shared = kernel.static_shared().saturating_add(dynamic);
    if threads > most || shared > limits.shared_optin {
        return Ok(0);
    }
    let threads = threads.next_multiple_of(32);
    let by_shared = limits.shared.checked_div(shared.next_multiple_of(128) + SHARED_RESERVED);
    let by_registers = REGISTERS / (registers(kernel).next_multiple_of(8) * threads);
    Ok((limits.threads / threads)
        .min(limits.blocks)
        .min(by_shared.unwrap_or(limits.blocks))
        .min(by_registers))
}

#[unsafe(no_mangle)]
extern "C" fn cuOccupancyMaxActiveBlocksPerMultiprocessor(
    blocks: Out<i32>,
    function: Handle,
    threads: i32,
    dynamic: usize,
) -> u32 {
    cuOccupancyMaxActiveBlocksPerMultiprocessorWithFlags(blocks, function, threads, dynamic, 0)
}

#[unsafe(no_mangle)]
extern "C" fn cuOccupancyMaxActiveBlocksPerMultiprocessorWithFlags(
    blocks: Out<i32>,
    function: Handle,
    threads: i32,
    dynamic: usize,
    flags: u32,
) -> u32 {
    with(|driver| {
        let threads = u32::try_from(threads).map_err(|_| Code::INVALID_VALUE)?;
        if flags > 1 {
            return Err(Code::INVALID_VALUE);
        }
        let dynamic = u32::try_from(dynamic).unwrap_or(u32::MAX);
        blocks.set(resident(driver, function, threads, dynamic)? as i32)
    })
}

type SharedOfBlock = Option<extern "C" fn(i32) -> usize>;

#[unsafe(no_mangle)]
extern "C" fn cuOccupancyMaxPotentialBlockSize(
    grid: Out<i32>,
    block: Out<i32>,
    function: Handle,
    shared_of: SharedOfBlock,
    dynamic: usize,
    limit: i32,
) -> u32 {
    cuOccupancyMaxPotentialBlockSizeWithFlags(grid, block, function, shared_of, dynamic, limit, 0)
}

/// The largest block among those that fill a multiprocessor best.
#[unsafe(no_mangle)]
extern "C" fn cuOccupancyMaxPotentialBlockSizeWithFlags(
    grid: Out<i32>,
    block: Out<i32>,
    function: Handle,
    shared_of: SharedOfBlock,
    dynamic: usize,
    limit: i32,
    _flags: u32,
) -> u32 {
    with(|driver| {
        let (found, module) = driver.function(function)?;
        let most = found.kernel(module)?.max_threads().min(THREADS_PER_BLOCK);
        let most = match u32::try_from(limit) {
            Ok(limit @ 1..) => most.min(limit),
            _ => most,
        };
        let mut best = (0, 0, 0);
        for threads in (32..=most).step_by(32).chain([most]) {
            let dynamic = shared_of.map_or(dynamic, |of| of(threads as i32));
            let dynamic = u32::try_from(dynamic).unwrap_or(u32::MAX);
            let blocks = resident(driver, function, threads, dynamic)?;
            best = best.max((blocks * threads, threads, blocks));
        }
        grid.set((best.2 * settings().multiprocessors) as i32)?;
        block.set(best.1 as i32)
    })
}

#[unsafe(no_mangle)]
extern "C" fn cuOccupancyAvailableDynamicSMemPerBlock(
    bytes: Out<usize>,
    function: Handle,
    blocks: i32,
    _threads: i32,
) -> u32 {
    with(|driver| {
        let (function, module) = driver.function(function)?;
        let fixed = function.kernel(module)?.static_shared();
        let blocks = u32::try_from(blocks).ok().filter(|&blocks| blocks > 0);
        let share = limits().shared / blocks.ok_or(Code::INVALID_VALUE)?;
        let share = (share & !127).saturating_sub(SHARED_RESERVED).min(limits().shared_optin);
        bytes.set(share.saturating_sub(fixed) as usize)
    })
}
