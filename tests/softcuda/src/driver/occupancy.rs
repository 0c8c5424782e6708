//! How many blocks of a kernel a multiprocessor holds.

use super::error::{Code, Result};
use super::ffi::Out;
use super::limits::{REGISTERS, SHARED_RESERVED, THREADS_PER_BLOCK, limits};
use super::module::registers;
use super::settings::settings;
use super::state::{Driver, Handle, with};

/// Blocks of a kernel that a multiprocessor holds at once.
pub fn resident(driver: &Driver, function: Handle, threads: u32, dynamic: u32) -> Result<u32> {
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
