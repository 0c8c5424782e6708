//! What crosses the C boundary: pointers from callers, and the guard around every entry point.
//!
//! Callers are C programs: a pointer of theirs is null or, by the driver API's contract, valid for
//! what the call does with it. The types here are the only places that rely on it; they are passed
//! like the pointers they hold and can be made by a C caller only.

use super::error::{Code, Result};
use std::alloc::{self, Layout};
use std::ffi::{CStr, c_char};
use std::panic::{AssertUnwindSafe, catch_unwind};

/// Runs an entry point's body; no panic crosses into the caller.
pub fn guard(body: impl FnOnce() -> Result) -> u32 {
    match catch_unwind(AssertUnwindSafe(body)) {
        Ok(Ok(())) => 0,
        Ok(Err(code)) => code.0,
        Err(_) => Code::UNKNOWN.0,
    }
}

/// Where a result goes.
#[repr(transparent)]
#[derive(Clone, Copy)]
pub struct Out<T>(*mut T);

impl<T> Out<T> {
    /// Refuses null.
    pub fn set(self, value: T) -> Result {
        if self.0.is_null() {
            return Err(Code::INVALID_VALUE);
        }
        // SAFETY: not null, so valid for writing a T by the API's contract; callers' memory need
        // not be aligned for it.
        unsafe { self.0.write_unaligned(value) };
        Ok(())
    }

    /// What the caller put there.
    pub fn get(self) -> Result<T>
    where
        T: Copy,
    {
        In(self.0.cast_const()).get()
    }

    /// For results that a caller may decline with null.
    pub fn offer(self, value: T) {
        let _ = self.set(value);
    }

    pub fn is_null(&self) -> bool {
        self.0.is_null()
    }

    /// Stores the first of `values`, at most `room`.
    pub fn fill(self, values: &[T], room: usize) -> Result
    where
        T: Copy,
    {
        if self.0.is_null() {
            return Err(Code::INVALID_VALUE);
        }
        for (i, &value) in values.iter().take(room).enumerate() {
            // SAFETY: the caller says that `room` values fit.
            unsafe { self.0.add(i).write_unaligned(value) };
        }
        Ok(())
    }
}

/// What a caller passes by reference.
#[repr(transparent)]
#[derive(Clone, Copy)]
pub struct In<T>(*const T);

impl<T> In<T> {
    pub const fn null() -> Self {
        Self(std::ptr::null())
    }

    /// An array of our own, which must outlive the use.
    pub fn of(values: &[T]) -> Self {
        Self(values.as_ptr())
    }

    /// The same bytes as a string.
    pub fn text(self) -> Text {
        Text(self.0.cast())
    }
}

impl<T: Copy> In<T> {
    /// Refuses null.
    pub fn get(self) -> Result<T> {
        self.at(0)
    }

    /// One element of an array.
    pub fn at(self, index: usize) -> Result<T> {
        if self.0.is_null() {
            return Err(Code::INVALID_VALUE);
        }
        // SAFETY: not null, so by the API's contract an array that has this element.
        Ok(unsafe { self.0.add(index).read_unaligned() })
    }

    pub fn is_null(self) -> bool {
        self.0.is_null()
    }
}

/// A NUL-terminated string.
#[repr(transparent)]
#[derive(Clone, Copy)]
pub struct Text(*const c_char);

impl Text {
    /// Its bytes without the NUL, copied: the caller may free them after the call.
    pub fn bytes(self) -> Result<Vec<u8>> {
        if self.0.is_null() {
            return Err(Code::INVALID_VALUE);
        }
        // SAFETY: not null, so NUL-terminated by the API's contract.
        Ok(unsafe { CStr::from_ptr(self.0) }.to_bytes().to_vec())
    }

    pub fn string(self) -> Result<String> {
        String::from_utf8(self.bytes()?).map_err(|_| Code::INVALID_VALUE)
    }
}

/// Host memory that a copy reads or writes, maybe long after the call that named it.
#[repr(transparent)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Host(*mut u8);

// SAFETY: the memory belongs to the caller, who promises to leave it alone until the copy is done,
// on whichever thread that happens.
unsafe impl Send for Host {}

impl Host {
    pub fn is_null(self) -> bool {
        self.0.is_null()
    }

    pub fn address(self) -> usize {
        self.0 as usize
    }

    pub fn from_address(address: usize) -> Self {
        Self(address as *mut u8)
    }

    pub fn read(self, len: usize) -> Vec<u8> {
        if len == 0 || self.0.is_null() {
            return Vec::new();
        }
        // SAFETY: not null, so by the API's contract `len` readable bytes.
        unsafe { std::slice::from_raw_parts(self.0, len) }.to_vec()
    }

    pub fn write(self, bytes: &[u8]) {
        if bytes.is_empty() || self.0.is_null() {
            return;
        }
        // SAFETY: not null, so by the API's contract that many writable bytes, the caller's alone.
        unsafe { self.0.copy_from_nonoverlapping(bytes.as_ptr(), bytes.len()) };
    }
}

/// Page-locked host memory: zeroed, aligned to a page, freed when dropped.
pub struct Pages {
    at: *mut u8,
    layout: Layout,
}

// SAFETY: owned memory, reached through its address only.
unsafe impl Send for Pages {}

impl Pages {
    pub fn new(bytes: usize) -> Option<Self> {
        let layout = Layout::from_size_align(bytes.max(1), 4096).ok()?;
        // SAFETY: the layout is not empty.
        let at = unsafe { alloc::alloc_zeroed(layout) };
        (!at.is_null()).then_some(Self { at, layout })
    }

    pub fn address(&self) -> usize {
        self.at as usize
    }
}

impl Drop for Pages {
    fn drop(&mut self) {
        // SAFETY: allocated with this layout, in `new`.
        unsafe { alloc::dealloc(self.at, self.layout) };
    }
}
