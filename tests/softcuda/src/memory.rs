//! Global memory of the device.
//!
//! One address space, reserved up front and backed lazily by the host: a device address is a
//! fixed base plus an offset. In checked mode a shadow byte per byte tells unallocated, allocated
//! but unwritten, written and freed memory apart; freed ranges aren't used again until nothing
//! else is left, and red zones separate allocations.

use crate::touched::Touched;
use memmap2::{MmapOptions, MmapRaw};
use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// Lowest device address. Offsets below it stay free, so null pointers and small numbers fault.
pub const BASE: u64 = 0x7_0000_0000;

/// Alignment of allocations.
pub const ALIGN: u64 = 256;

/// Bytes between allocations in checked mode.
const RED_ZONE: u64 = 1024;

/// State of a byte in the shadow.
mod state {
    pub const UNALLOCATED: u8 = 0;
    pub const UNWRITTEN: u8 = 1;
    pub const WRITTEN: u8 = 2;
    pub const FREED: u8 = 3;
}

/// Why an access is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    OutOfBounds,
    UseAfterFree,
    Uninitialised,
}

#[derive(Debug)]
struct Books {
    /// Live allocations: address to requested bytes.
    live: BTreeMap<u64, u64>,
    /// Free ranges: address to bytes, adjacent ones merged.
    free: BTreeMap<u64, u64>,
    /// Checked mode: freed ranges (with their red zone) that wait to be used again.
    quarantine: Vec<(u64, u64)>,
    used: u64,
}

/// The device's global memory.
#[derive(Debug)]
pub struct Memory {
    bytes: MmapRaw,
    shadow: Option<MmapRaw>,
    total: u64,
    span: u64,
    books: Mutex<Books>,
    /// Checked mode: what has been touched since somebody asked.
    touched: Mutex<Touched>,
}

impl Memory {
    /// Reserves `total_bytes`, with a shadow where `checked`.
    ///
    /// # Panics
    /// When the host refuses the address space.
    pub fn new(total_bytes: u64, checked: bool) -> Self {
        let total = total_bytes.next_multiple_of(ALIGN);
        // Twice the space in checked mode: freed memory and red zones take none of the total.
        let span = if checked { 2 * total } else { total };
        let reserve = || {
            let mapping = MmapOptions::new().len(span as usize).no_reserve_swap().map_anon();
            match mapping {
                Ok(mapping) => MmapRaw::from(mapping),
                Err(error) => panic!("cannot reserve {span} bytes of device memory: {error}"),
            }
        };
        let books = Books {
            live: BTreeMap::new(),
            free: BTreeMap::from([(BASE, span)]),
            quarantine: Vec::new(),
            used: 0,
        };
        Self {
            bytes: reserve(),
            shadow: checked.then(reserve),
            total,
            span,
            books: Mutex::new(books),
            touched: Mutex::default(),
        }
    }

    pub fn checked(&self) -> bool {
        self.shadow.is_some()
    }

    pub fn total_bytes(&self) -> u64 {
        self.total
    }

    pub fn free_bytes(&self) -> u64 {
        self.total - self.books().used
    }

    fn books(&self) -> MutexGuard<'_, Books> {
        self.books.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn touched(&self) -> MutexGuard<'_, Touched> {
        self.touched.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What has been read and written since the last call; nothing unless checked.
    pub fn take_touched(&self) -> Touched {
        std::mem::take(&mut self.touched())
    }

    /// Address of `bytes` new bytes, or nothing when memory is out.
    pub fn alloc(&self, bytes: u64) -> Option<u64> {
        let mut books = self.books();
        let size = bytes.max(1).checked_next_multiple_of(ALIGN)?;
        if size > self.total - books.used {
            return None;
        }
        let padded = self.padded(bytes)?;
        let address = books.take(padded).or_else(|| {
            let waiting = std::mem::take(&mut books.quarantine);
            for (address, bytes) in waiting {
                self.set_state(address, bytes, state::UNALLOCATED);
                books.give(address, bytes);
            }
            books.take(padded)
        })?;
        books.live.insert(address, bytes);
        books.used += size;
        self.set_state(address, bytes, state::UNWRITTEN);
        Some(address)
    }

    /// Frees what [`Self::alloc`] returned.
    pub fn free(&self, address: u64) -> Result<(), String> {
        let mut books = self.books();
        let Some(bytes) = books.live.remove(&address) else {
            return Err(format!("{address:#x} isn't the start of an allocation"));
        };
        books.used -= bytes.max(1).next_multiple_of(ALIGN);
        let padded = self.padded(bytes).unwrap_or(ALIGN);
        if self.checked() {
            self.set_state(address, bytes, state::FREED);
            books.quarantine.push((address, padded));
        } else {
            books.give(address, padded);
        }
        Ok(())
    }

    fn padded(&self, bytes: u64) -> Option<u64> {
        let size = bytes.max(1).checked_next_multiple_of(ALIGN)?;
        size.checked_add(if self.checked() { RED_ZONE } else { 0 })
    }

    /// The allocation that an address lies in or closest behind, for messages.
    pub fn describe(&self, address: u64) -> String {
        let books = self.books();
        let freed =
            books.quarantine.iter().find(|(at, bytes)| (*at..at + bytes).contains(&address));
        if let Some((at, _)) = freed {
            return format!("{} bytes into a freed allocation at {at:#x}", address - at);
        }
        match books.live.range(..=address).next_back() {
            Some((at, bytes)) => {
                format!("{} bytes into the allocation of {bytes} bytes at {at:#x}", address - at)
            }
            None => "below every allocation".to_owned(),
        }
    }

    /// Copies from the host.
    pub fn write(&self, address: u64, bytes: &[u8]) -> Result<(), String> {
        let at = self.host_access(address, bytes.len() as u64, false, "write")?;
        // SAFETY: `host_access` found the range inside the mapping; a host slice can't overlap it.
        unsafe { at.copy_from_nonoverlapping(bytes.as_ptr(), bytes.len()) };
        self.mark_written(address, bytes.len() as u64);
        Ok(())
    }

    /// Copies to the host.
    pub fn read(&self, address: u64, bytes: &mut [u8]) -> Result<(), String> {
        let at = self.host_access(address, bytes.len() as u64, true, "read")?;
        // SAFETY: as in `write`.
        unsafe { at.copy_to_nonoverlapping(bytes.as_mut_ptr(), bytes.len()) };
        Ok(())
    }

    /// Sets bytes.
    pub fn fill8(&self, address: u64, value: u8, count: u64) -> Result<(), String> {
        let at = self.host_access(address, count, false, "fill")?;
        // SAFETY: as in `write`.
        unsafe { at.write_bytes(value, count as usize) };
        self.mark_written(address, count);
        Ok(())
    }

    /// Sets 32-bit words.
    pub fn fill32(&self, address: u64, value: u32, count: u64) -> Result<(), String> {
        if !address.is_multiple_of(4) {
            return Err(format!("fill of words at {address:#x}, which isn't a multiple of 4"));
        }
        let at = self.host_access(address, count.saturating_mul(4), false, "fill")?.cast::<u32>();
        for i in 0..count as usize {
            // SAFETY: inside the range that `host_access` allowed, and aligned.
            unsafe { at.add(i).write(value) };
        }
        self.mark_written(address, count * 4);
        Ok(())
    }

    /// Copies within the device. The bytes are as initialised as their source.
    pub fn copy(&self, to: u64, from: u64, bytes: u64) -> Result<(), String> {
        let target = self.host_access(to, bytes, false, "copy to")?;
        let source = self.host_access(from, bytes, false, "copy from")?;
        // SAFETY: both ranges lie inside the mapping; `copy` allows overlap.
        unsafe { source.copy_to(target, bytes as usize) };
        if let (Some(to), Some(from)) = (self.shadow_at(to), self.shadow_at(from)) {
            // SAFETY: the shadow spans the same offsets.
            unsafe { from.copy_to(to, bytes as usize) };
        }
        Ok(())
    }

    fn host_access(&self, at: u64, bytes: u64, reads: bool, what: &str) -> Result<*mut u8, String> {
        if bytes == 0 {
            return Ok(self.bytes.as_mut_ptr());
        }
        self.access(at, bytes, reads).map_err(|(refusal, address)| {
            let reason = match refusal {
                Refusal::OutOfBounds => "out of bounds",
                Refusal::UseAfterFree => "use after free",
                Refusal::Uninitialised => "uninitialised memory",
            };
            let place = self.describe(address);
            format!("{reason}: {what} of {bytes} bytes at {at:#x}: {address:#x} is {place}")
        })
    }

    /// Pointer to a range that may be accessed, or why not and the first byte that may not.
    ///
    /// Unchecked memory only keeps the access inside the device's address space.
    #[inline]
    pub fn access(&self, at: u64, bytes: u64, reads: bool) -> Result<*mut u8, (Refusal, u64)> {
        let offset = at.wrapping_sub(BASE);
        if offset >= self.span || bytes > self.span - offset {
            return Err((Refusal::OutOfBounds, at));
        }
        if let Some(shadow) = self.shadow_at(at) {
            for i in 0..bytes {
                // SAFETY: the shadow spans the same offsets as the memory.
                let refusal = match unsafe { shadow.add(i as usize).read() } {
                    state::WRITTEN => continue,
                    state::UNWRITTEN if !reads => continue,
                    state::UNWRITTEN => Refusal::Uninitialised,
                    state::FREED => Refusal::UseAfterFree,
                    _ => Refusal::OutOfBounds,
                };
                return Err((refusal, at + i));
            }
            if reads {
                self.touched().note(at, bytes, false);
            }
        }
        // SAFETY: the offset lies inside the mapping.
        Ok(unsafe { self.bytes.as_mut_ptr().add(offset as usize) })
    }

    /// Start and length of the mapping: the interpreter's fast path.
    pub(crate) fn raw(&self) -> (*mut u8, u64) {
        (self.bytes.as_mut_ptr(), self.span)
    }

    /// Notes a range, already allowed by [`Self::access`], as initialised.
    pub(crate) fn mark_written(&self, address: u64, bytes: u64) {
        self.set_state(address, bytes, state::WRITTEN);
        if self.checked() {
            self.touched().note(address, bytes, true);
        }
    }

    fn set_state(&self, address: u64, bytes: u64, state: u8) {
        if let Some(shadow) = self.shadow_at(address) {
            // SAFETY: callers name ranges inside the mapping, and the shadow is as long.
            unsafe { shadow.write_bytes(state, bytes as usize) };
        }
    }

    fn shadow_at(&self, address: u64) -> Option<*mut u8> {
        let shadow = self.shadow.as_ref()?;
        // SAFETY: callers name addresses inside the mapping, and the shadow is as long.
        Some(unsafe { shadow.as_mut_ptr().add((address - BASE) as usize) })
    }
}

impl Books {
    /// First fit.
    fn take(&mut self, bytes: u64) -> Option<u64> {
        let (&address, &available) = self.free.iter().find(|(_, size)| **size >= bytes)?;
        self.free.remove(&address);
        if available > bytes {
            self.free.insert(address + bytes, available - bytes);
        }
        Some(address)
    }

    fn give(&mut self, mut address: u64, mut bytes: u64) {
        if let Some(next) = self.free.remove(&(address + bytes)) {
            bytes += next;
        }
        if let Some((&before, &size)) = self.free.range(..address).next_back()
            && before + size == address
        {
            self.free.remove(&before);
            (address, bytes) = (before, size + bytes);
        }
        self.free.insert(address, bytes);
    }
}
