//! The devices there are, and what they say of themselves.

use super::error::Code;
use super::ffi::{Out, Text};
use super::limits::{REGISTERS, SHARED_DEFAULT, SHARED_RESERVED, THREADS_PER_BLOCK, limits};
use super::settings::settings;
use super::state::{Handle, initialise, with};
use std::ffi::c_char;

/// The name of every device.
const NAME: &[u8] = b"softcuda (software device, no GPU)\0";

#[unsafe(no_mangle)]
extern "C" fn cuInit(flags: u32) -> u32 {
    if flags != 0 {
        return Code::INVALID_VALUE.0;
    }
    initialise()
}

/// May be asked before `cuInit`.
#[unsafe(no_mangle)]
extern "C" fn cuDriverGetVersion(version: Out<i32>) -> u32 {
    super::ffi::guard(|| version.set(settings().driver as i32))
}

#[unsafe(no_mangle)]
extern "C" fn cuDeviceGet(device: Out<i32>, ordinal: i32) -> u32 {
    with(|driver| {
        driver.device(ordinal)?;
        device.set(ordinal)
    })
}

#[unsafe(no_mangle)]
extern "C" fn cuDeviceGetCount(count: Out<i32>) -> u32 {
    with(|driver| count.set(driver.devices.len() as i32))
}

#[unsafe(no_mangle)]
extern "C" fn cuDeviceGetName(name: Out<u8>, room: i32, device: i32) -> u32 {
    with(|driver| {
        driver.device(device)?;
        let room =
            usize::try_from(room).ok().filter(|&room| room > 0).ok_or(Code::INVALID_VALUE)?;
        let mut bytes = NAME.to_vec();
        bytes.truncate(room);
        if let Some(last) = bytes.last_mut() {
            *last = 0;
        }
        name.fill(&bytes, room)
    })
}

#[unsafe(no_mangle)]
extern "C" fn cuDeviceTotalMem_v2(bytes: Out<usize>, device: i32) -> u32 {
    with(|driver| {
        driver.device(device)?;
        bytes.set(driver.settings.memory as usize)
    })
}

#[unsafe(no_mangle)]
extern "C" fn cuDeviceGetUuid(uuid: Out<[u8; 16]>, device: i32) -> u32 {
    with(|driver| {
        let device = driver.device(device)?;
        let mut bytes = *b"softcuda\0\0\0\0\0\0\0\0";
        bytes[8..].copy_from_slice(&(device as u64).to_be_bytes());
        uuid.set(bytes)
    })
}

#[unsafe(no_mangle)]
extern "C" fn cuDeviceGetUuid_v2(uuid: Out<[u8; 16]>, device: i32) -> u32 {
    cuDeviceGetUuid(uuid, device)
}

#[unsafe(no_mangle)]
extern "C" fn cuDeviceGetPCIBusId(id: Out<u8>, room: i32, device: i32) -> u32 {
    with(|driver| {
        let device = driver.device(device)?;
        let mut bytes = format!("0000:{device:02x}:00.0").into_bytes();
        bytes.push(0);
        let room = usize::try_from(room).map_err(|_| Code::INVALID_VALUE)?;
        if bytes.len() > room {
            return Err(Code::INVALID_VALUE);
        }
        id.fill(&bytes, room)
    })
}

#[unsafe(no_mangle)]
extern "C" fn cuDeviceCanAccessPeer(can: Out<i32>, device: i32, peer: i32) -> u32 {
    with(|driver| {
        driver.device(device)?;
        driver.device(peer)?;
        can.set(0)
    })
}

#[unsafe(no_mangle)]
extern "C" fn cuDeviceGetAttribute(value: Out<i32>, attribute: u32, device: i32) -> u32 {
    with(|driver| {
        let device = driver.device(device)?;
        value.set(self::attribute(attribute, device).ok_or(Code::INVALID_VALUE)?)
    })
}

/// `CUdevice_attribute`. What a software device lacks is 0, as on devices that lack it.
fn attribute(attribute: u32, device: usize) -> Option<i32> {
    let (limits, settings) = (limits(), settings());
    Some(match attribute {
        // A block: threads, and along each axis.
        1 => THREADS_PER_BLOCK as i32,
        2 | 3 => 1024,
        4 => 64,
        // A grid along each axis.
        5 => i32::MAX,
        6 | 7 => 65_535,
        // Shared memory of a block without opt-in, constant memory, warp size.
        8 => SHARED_DEFAULT as i32,
        9 => 65_536,
        10 => 32,
        // Largest pitch, registers of a block, clock in kHz (nominal), texture alignment.
        11 => i32::MAX,
        12 => REGISTERS as i32,
        13 => 1_000_000,
        14 => 512,
        // Copies overlap kernels; multiprocessors.
        15 => 1,
        16 => settings.multiprocessors as i32,
        20 => settings.mode as i32,
        // Concurrent kernels.
        31 => 1,
        // PCI bus.
        33 => device as i32,
        // Memory clock in kHz and bus width in bits (nominal), bytes of L2.
        36 => 1_000_000,
        37 => 4096,
        38 => 32 << 20,
        39 => limits.threads as i32,
        // Copy engines, unified addresses for pinned memory.
        40 => 2,
        75 => settings.capability.0 as i32,
        76 => settings.capability.1 as i32,
        81 => limits.shared as i32,
        82 => REGISTERS as i32,
        // Single to double precision.
        87 => 2,
        95 => 1,
        97 => limits.shared_optin as i32,
        106 => limits.blocks as i32,
        111 => SHARED_RESERVED as i32,
        // Stream-ordered allocation.
        115 => 1,
        17..=150 => 0,
        _ => return None,
    })
}

/// NVRTC asks, and makes do without.
#[unsafe(no_mangle)]
extern "C" fn cuGetExportTable(table: Out<Handle>, _id: Out<u8>) -> u32 {
    table.offer(0);
    Code::NOT_SUPPORTED.0
}

/// Programs that look symbols up through the driver are told to look in the library.
#[unsafe(no_mangle)]
extern "C" fn cuGetProcAddress_v2(
    _symbol: Text,
    address: Out<*const c_char>,
    _version: i32,
    _flags: u64,
    status: Out<u32>,
) -> u32 {
    address.offer(std::ptr::null());
    // 1: symbol not found.
    status.offer(1);
    Code::NOT_FOUND.0
}
