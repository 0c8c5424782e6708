//! Loads and stores.
//!
//! Every access to global memory is a relaxed atomic one of the host: blocks may run on several
//! host threads, and a kernel's races mustn't be the interpreter's.

use super::FaultKind;
use super::code::Inst;
use super::machine::Stop;
use super::reach::{Access, At, Order};
use super::registers::LANES;
use super::warp::{Turn, each, lanes};
use super::window;
use crate::checks::Use;
use crate::counters;
use crate::memory::{BASE, Refusal};
use std::sync::atomic::Ordering::Relaxed;
use std::sync::atomic::{AtomicU8, AtomicU16, AtomicU32, AtomicU64};

/// Memory of one kind: what an address is counted from, and the bytes between the lanes' own parts.
struct Space {
    start: *mut u8,
    size: u64,
    origin: u64,
    stride: usize,
}

/// Where each lane's access goes.
pub struct Pointers(pub [*mut u8; LANES]);

/// Reads an aligned element.
///
/// # Safety
/// `at` must be valid for `bytes` bytes and aligned to them.
#[inline(always)]
pub(super) unsafe fn read(at: *mut u8, bytes: u8) -> u64 {
    // SAFETY: the caller's promise.
    unsafe {
        match bytes {
            1 => u64::from(AtomicU8::from_ptr(at).load(Relaxed)),
            2 => u64::from(AtomicU16::from_ptr(at.cast()).load(Relaxed)),
            4 => u64::from(AtomicU32::from_ptr(at.cast()).load(Relaxed)),
            _ => AtomicU64::from_ptr(at.cast()).load(Relaxed),
        }
    }
}

/// Writes an aligned element.
///
/// # Safety
/// As for [`read`].
#[inline(always)]
pub(super) unsafe fn write(at: *mut u8, bytes: u8, value: u64) {
    // SAFETY: the caller's promise.
    unsafe {
        match bytes {
            1 => AtomicU8::from_ptr(at).store(value as u8, Relaxed),
            2 => AtomicU16::from_ptr(at.cast()).store(value as u16, Relaxed),
            4 => AtomicU32::from_ptr(at.cast()).store(value as u32, Relaxed),
            _ => AtomicU64::from_ptr(at.cast()).store(value, Relaxed),
        }
    }
}

fn sign_extend(value: u64, bytes: u8) -> u64 {
    match bytes {
        1 => value as i8 as u64,
        2 => value as i16 as u64,
        4 => value as i32 as u64,
        _ => value,
    }
}

/// How an access appears to the checks.
#[derive(Clone, Copy)]
pub(super) struct Manner {
    pub kind: Use,
    pub pc: usize,
}

impl Turn<'_, '_> {
    /// Addresses of the lanes.
    #[inline(always)]
    pub(super) fn addresses(&self, inst: &Inst, wide: bool) -> [u64; LANES] {
        let mut addresses = [0; LANES];
        if wide {
            let row = self.warp.file.wide(inst.r[4]);
            for lane in 0..LANES {
                addresses[lane] = row[lane].wrapping_add(inst.imm as u64);
            }
        } else {
            let row = self.warp.file.narrow(inst.r[4]);
            for lane in 0..LANES {
                addresses[lane] = u64::from(row[lane].wrapping_add(inst.imm as u32));
            }
        }
        addresses
    }

    /// Checks each lane's access and finds its memory.
    #[inline(always)]
    pub(super) fn reach(
        &mut self,
        inst: &Inst,
        access: Access,
        exec: u32,
        manner: Manner,
    ) -> Result<Pointers, Box<Stop>> {
        let addresses = self.addresses(inst, access.wide_address);
        let bytes = u64::from(access.bytes) * u64::from(access.count);
        if self.machine.counting {
            counters::access(counters::Asked {
                pc: manner.pc,
                block: self.block,
                at: access.at,
                bytes,
                addresses,
                lanes: exec,
                kind: manner.kind,
            });
        }
        let mut pointers = self.pointers();
        // All lanes in one space, as nearly always.
        let first = addresses[exec.trailing_zeros() as usize];
        let (at, offset) = match access.at {
            At::Generic => window::resolve(first),
            at => (at, first),
        };
        if let Some(Space { start, size, origin, stride }) = self.space(at, manner) {
            let origin = origin.wrapping_add(first.wrapping_sub(offset));
            let mut fine = size >= bytes;
            each(exec, |lane| {
                let offset = addresses[lane].wrapping_sub(origin);
                fine &= (offset <= size.wrapping_sub(bytes)) & (offset & (bytes - 1) == 0);
                pointers.0[lane] = start.wrapping_add(offset as usize + lane * stride);
            });
            if fine {
                return Ok(pointers);
            }
        }
        for lane in lanes(exec) {
            pointers.0[lane] = self.pointer(access.at, addresses[lane], bytes, lane, manner)?;
        }
        Ok(pointers)
    }

    /// Where a space lies, if its accesses are none that the checks ask about.
    #[inline(always)]
    fn space(&mut self, at: At, manner: Manner) -> Option<Space> {
        let machine = self.machine;
        match at {
            At::Local => Some(Space {
                start: self.warp.local.as_mut_ptr().cast(),
                size: u64::from(machine.program.local),
                origin: 0,
                stride: machine.local_stride as usize,
            }),
            At::Param if !manner.kind.writes() => Some(Space {
                start: machine.parameters.as_ptr().cast_mut(),
                size: machine.parameters.len() as u64,
                origin: 0,
                stride: 0,
            }),
            _ if self.check.is_some() => None,
            At::Global => {
                Some(Space { start: machine.base, size: machine.span, origin: BASE, stride: 0 })
            }
            At::Shared => Some(Space {
                start: self.shared.as_mut_ptr().cast(),
                size: machine.shared_bytes,
                origin: 0,
                stride: 0,
            }),
            _ => None,
        }
    }

    /// One lane's memory.
    pub(super) fn pointer(
        &mut self,
        at: At,
        address: u64,
        bytes: u64,
        lane: usize,
        manner: Manner,
    ) -> Result<*mut u8, Box<Stop>> {
        let (at, offset) = match at {
            At::Generic => window::resolve(address),
            // `ld.param` through a converted address.
            At::Param | At::Local | At::Shared => (at, address & (window::SHARED - 1)),
            At::Global => (at, address),
        };
        let what = if manner.kind.writes() { "write" } else { "read" };
        let (start, size) = match at {
            At::Shared => (self.shared.as_mut_ptr().cast(), self.machine.shared_bytes),
            At::Local => {
                let stride = self.machine.local_stride as usize;
                let start: *mut u8 = self.warp.local.as_mut_ptr().cast();
                (start.wrapping_add(lane * stride), u64::from(self.machine.program.local))
            }
            At::Param if !manner.kind.writes() => {
                let parameters = self.machine.parameters;
                (parameters.as_ptr().cast_mut(), parameters.len() as u64)
            }
            At::Param => {
                return self.stop(FaultKind::OutOfBounds, manner.pc, lane, "write to a parameter");
            }
            _ => return self.global(offset, bytes, lane, manner),
        };
        if offset >= size || bytes > size - offset {
            let place = format!("{at:?}").to_lowercase();
            let what =
                format!("{what} of {bytes} bytes at {offset:#x} of {size} bytes of {place} memory");
            return self.stop(FaultKind::OutOfBounds, manner.pc, lane, what);
        }
        self.aligned(offset, bytes, lane, manner)?;
        if at == At::Shared {
            self.clash_free(At::Shared, offset, bytes, lane, manner)?;
        }
        Ok(start.wrapping_add(offset as usize))
    }

    pub(super) fn aligned(
        &self,
        at: u64,
        bytes: u64,
        lane: usize,
        manner: Manner,
    ) -> Result<(), Box<Stop>> {
        if at & (bytes - 1) == 0 {
            return Ok(());
        }
        let what = format!("access of {bytes} bytes at {at:#x}, which isn't a multiple of them");
        self.stop(FaultKind::Misaligned, manner.pc, lane, what)
    }

    fn global(
        &mut self,
        address: u64,
        bytes: u64,
        lane: usize,
        manner: Manner,
    ) -> Result<*mut u8, Box<Stop>> {
        let reads = manner.kind.reads();
        self.aligned(address, bytes, lane, manner)?;
        match self.machine.memory.access(address, bytes, reads) {
            Ok(pointer) => {
                self.clash_free(At::Global, address, bytes, lane, manner)?;
                if self.check.is_some() && manner.kind.writes() {
                    self.machine.memory.mark_written(address, bytes);
                }
                Ok(pointer)
            }
            Err((refusal, first)) => {
                let kind = match refusal {
                    Refusal::OutOfBounds => FaultKind::OutOfBounds,
                    Refusal::UseAfterFree => FaultKind::UseAfterFree,
                    Refusal::Uninitialised => FaultKind::UninitialisedGlobal,
                };
                let what = if manner.kind.writes() { "write" } else { "read" };
                let place = self.machine.memory.describe(first);
                let what =
                    format!("{what} of {bytes} bytes at {address:#x}: {first:#x} is {place}");
                self.stop(kind, manner.pc, lane, what)
            }
        }
    }

    fn clash_free(
        &mut self,
        at: At,
        address: u64,
        bytes: u64,
        lane: usize,
        manner: Manner,
    ) -> Result<(), Box<Stop>> {
        let who = self.who(lane);
        let Some(check) = &mut self.check else { return Ok(()) };
        let shared = at == At::Shared;
        match check.access(who, shared, address, bytes as u32, manner.kind, manner.pc) {
            Ok(()) => Ok(()),
            Err(clash) => {
                let message = self.machine.clash(&clash);
                self.stop(clash.kind, manner.pc, lane, message)
            }
        }
    }

    /// Volatile, ordered and atomic accesses may be a loop that waits: its turn ends sooner.
    pub(super) fn tire(&mut self) {
        self.left -= 64;
    }

    pub(super) fn load(
        &mut self,
        inst: &Inst,
        access: Access,
        exec: u32,
        pc: usize,
    ) -> Result<(), Box<Stop>> {
        let strong = access.order != Order::Weak;
        let kind = if strong { Use::StrongRead } else { Use::Read };
        let pointers = self.reach(inst, access, exec, Manner { kind, pc })?;
        for element in 0..usize::from(access.count) {
            let offset = element * usize::from(access.bytes);
            let row = inst.r[element];
            macro_rules! fill {
                ($bytes:literal) => {{
                    // SAFETY: `reach` found each lane's access in bounds and aligned.
                    let value = |lane: usize| unsafe {
                        read(pointers.0[lane].wrapping_add(offset), $bytes)
                    };
                    match (access.wide, access.signed) {
                        (true, false) => {
                            let row = self.warp.file.wide_mut(row);
                            each(exec, |lane| row[lane] = value(lane));
                        }
                        (true, true) => {
                            let row = self.warp.file.wide_mut(row);
                            each(exec, |lane| row[lane] = sign_extend(value(lane), $bytes));
                        }
                        (false, true) if $bytes < 4 => {
                            let row = self.warp.file.narrow_mut(row);
                            each(exec, |lane| row[lane] = sign_extend(value(lane), $bytes) as u32);
                        }
                        (false, _) => {
                            let row = self.warp.file.narrow_mut(row);
                            each(exec, |lane| row[lane] = value(lane) as u32);
                        }
                    }
                }};
            }
            match access.bytes {
                1 => fill!(1),
                2 => fill!(2),
                4 => fill!(4),
                _ => fill!(8),
            }
        }
        if strong {
            self.tire();
            if self.check.is_some() {
                self.observe(inst, access, exec, false);
            }
        }
        Ok(())
    }

    pub(super) fn store(
        &mut self,
        inst: &Inst,
        access: Access,
        exec: u32,
        pc: usize,
    ) -> Result<(), Box<Stop>> {
        let strong = access.order != Order::Weak;
        let kind = if strong { Use::StrongWrite } else { Use::Write };
        let pointers = self.reach(inst, access, exec, Manner { kind, pc })?;
        if strong && self.check.is_some() {
            self.observe(inst, access, exec, true);
        }
        for element in 0..usize::from(access.count) {
            let offset = element * usize::from(access.bytes);
            let row = inst.r[element];
            macro_rules! empty {
                ($bytes:literal, $view:ident) => {{
                    let row = self.warp.file.$view(row);
                    each(exec, |lane| {
                        let at = pointers.0[lane].wrapping_add(offset);
                        // SAFETY: `reach` found the access in bounds and aligned.
                        unsafe { write(at, $bytes, u64::from(row[lane])) };
                    });
                }};
            }
            match access.bytes {
                1 => empty!(1, narrow),
                2 => empty!(2, narrow),
                4 => empty!(4, narrow),
                _ => empty!(8, wide),
            }
        }
        Ok(())
    }

    /// Tells the checks about the order that strong loads and stores make.
    fn observe(&mut self, inst: &Inst, access: Access, exec: u32, store: bool) {
        let addresses = self.addresses(inst, access.wide_address);
        for lane in lanes(exec) {
            let (who, key) = (self.who(lane), self.key(access.at, addresses[lane]));
            let Some(check) = &mut self.check else { return };
            if store {
                check.publish(who, key, access.order.releases(), false, access.scope);
            } else {
                check.observe(who, key, access.order.acquires(), access.scope);
            }
        }
    }

    /// What a variable that orders accesses is known by: shared ones belong to their block.
    pub(super) fn key(&self, at: At, address: u64) -> u64 {
        let (at, offset) = if at == At::Generic { window::resolve(address) } else { (at, address) };
        match at {
            At::Shared => window::SHARED | u64::from(self.block) << 20 | offset,
            _ => offset,
        }
    }
}
