//! Windows of the generic address space.
//!
//! A generic address is a global one, or the window of another space plus an offset in it.

use super::reach::At;

pub const SHARED: u64 = 1 << 48;
pub const LOCAL: u64 = 2 << 48;
pub const PARAM: u64 = 3 << 48;

/// The space of a generic address, and the address there.
#[inline(always)]
pub fn resolve(address: u64) -> (At, u64) {
    let offset = address & (SHARED - 1);
    match address >> 48 {
        1 => (At::Shared, offset),
        2 => (At::Local, offset),
        3 => (At::Param, offset),
        _ => (At::Global, address),
    }
}
