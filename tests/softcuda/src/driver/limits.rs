//! What a device of some compute capability can hold, from the table of the programming guide.

use super::settings::settings;

/// Most threads of a block.
pub const THREADS_PER_BLOCK: u32 = 1024;

/// Most dynamic shared memory of a kernel that has not asked for more.
pub const SHARED_DEFAULT: u32 = 48 << 10;

/// Shared memory that the system takes of each block, from capability 8.0 on.
pub const SHARED_RESERVED: u32 = 1 << 10;

/// 32-bit registers of a multiprocessor.
pub const REGISTERS: u32 = 1 << 16;

/// Limits of a multiprocessor.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    pub threads: u32,
    pub blocks: u32,
    pub shared: u32,
    /// Most shared memory of one block, on request.
    pub shared_optin: u32,
}

/// Limits of the device at hand.
pub fn limits() -> Limits {
    of(settings().capability)
}

fn of(capability: (u32, u32)) -> Limits {
    let (threads, blocks, shared) = match capability {
        (..7, _) => (2048, 32, 96),
        (7, 0..5) => (2048, 32, 96),
        (7, _) => (1024, 16, 64),
        (8, 0) => (2048, 32, 164),
        (8, 7) => (1536, 16, 164),
        (8, 9) => (1536, 24, 100),
        (8, _) => (1536, 16, 100),
        (9..12, _) => (2048, 32, 228),
        (12.., _) => (1536, 24, 100),
    };
    let shared = shared << 10;
    let reserved = if capability.0 >= 8 { SHARED_RESERVED } else { 0 };
    Limits { threads, blocks, shared, shared_optin: shared - reserved }
}

#[cfg(test)]
mod tests {
    #[test]
    fn capabilities() {
        assert_eq!(super::of((9, 0)).shared_optin, 227 << 10);
        assert_eq!(super::of((8, 0)).shared_optin, 163 << 10);
        assert_eq!(super::of((8, 6)).shared_optin, 99 << 10);
        assert_eq!(super::of((7, 5)).shared_optin, 64 << 10);
    }
}
