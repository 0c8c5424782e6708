//! Loads and stores.
//!
//! Every access to global memory is a relaxed atomic one of the host: blocks may run on several
//! host threads, and a kernel's races mustn't be the interpreter's.

use super::code::Inst;
use super::machine::Stop;
use super::pointers::Manner;
use super::reach::{Access, At, Order};
use super::warp::{Turn, each, lanes};
use super::window;
use crate::checks::Use;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::atomic::{AtomicU8, AtomicU16, AtomicU32, AtomicU64};

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

impl Turn<'_, '_> {
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
