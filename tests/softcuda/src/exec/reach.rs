//! How instructions reach memory: which space, how wide, and what they order for whom.

/// Space of an access, once parameters of device functions count as local.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum At {
    Generic,
    Global,
    Shared,
    Local,
    Param,
}

/// How an access orders others.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Order {
    Weak,
    /// `.volatile` and `.relaxed`.
    Relaxed,
    Acquire,
    Release,
    AcquireRelease,
}

impl Order {
    pub fn acquires(self) -> bool {
        matches!(self, Self::Acquire | Self::AcquireRelease)
    }

    pub fn releases(self) -> bool {
        matches!(self, Self::Release | Self::AcquireRelease)
    }
}

/// Whom an order binds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scope {
    Block,
    Device,
}

/// A load or a store.
#[derive(Clone, Copy, Debug)]
pub struct Access {
    pub at: At,
    /// Bytes of one element: 1, 2, 4, 8.
    pub bytes: u8,
    /// Elements: 1, 2, 4.
    pub count: u8,
    /// Loads: sign extension, and whether the registers are 64 bits wide.
    pub signed: bool,
    pub wide: bool,
    /// Whether the address register is 64 bits wide.
    pub wide_address: bool,
    pub order: Order,
    pub scope: Scope,
}
