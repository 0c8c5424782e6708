//! Atomics.

use super::code::{Atomic, Inst};
use super::machine::Stop;
use super::pointers::Manner;
use super::reach::{Access, At};
use super::registers::flush;
use super::warp::{Turn, lanes};
use super::window;
use crate::checks::Use;
use crate::ptx::Ty;
use std::sync::atomic::Ordering::SeqCst;
use std::sync::atomic::{AtomicU32, AtomicU64};

impl Turn<'_, '_> {
    pub(super) fn atomic(
        &mut self,
        inst: &Inst,
        op: Atomic,
        ty: Ty,
        access: Access,
        exec: u32,
        pc: usize,
    ) -> Result<(), Box<Stop>> {
        self.tire();
        let pointers = self.reach(inst, access, exec, Manner { kind: Use::Atomic, pc })?;
        let addresses = self.addresses(inst, access.wide_address);
        let (wide, returns) = (ty.wide(), inst.r[3] != 0);
        for lane in lanes(exec) {
            if self.check.is_some() {
                let (who, key) = (self.who(lane), self.key(access.at, addresses[lane]));
                let order = access.order;
                if let Some(check) = &mut self.check {
                    check.observe(who, key, order.acquires(), access.scope);
                    check.publish(who, key, order.releases(), true, access.scope);
                }
            }
            let a = self.warp.file.lane(inst.r[1], wide, lane);
            let b = self.warp.file.lane(inst.r[2], wide, lane);
            let at = access.at;
            let global = at == At::Global
                || at == At::Generic && window::resolve(addresses[lane]).0 == At::Global;
            // SAFETY: `reach` found the access in bounds and aligned.
            let old = unsafe {
                if wide {
                    update64(AtomicU64::from_ptr(pointers.0[lane].cast()), op, ty, a, b)
                } else {
                    let cell = AtomicU32::from_ptr(pointers.0[lane].cast());
                    u64::from(update32(cell, op, ty, a as u32, b as u32, global))
                }
            };
            if returns {
                self.warp.file.set_lane(inst.r[0], wide, lane, old);
            }
        }
        Ok(())
    }
}

/// Changes a cell by a function of its value; gives the old value.
fn update32(cell: &AtomicU32, op: Atomic, ty: Ty, a: u32, b: u32, global: bool) -> u32 {
    let change = |f: &dyn Fn(u32) -> u32| {
        cell.fetch_update(SeqCst, SeqCst, |old| Some(f(old))).unwrap_or_else(|old| old)
    };
    match (op, ty) {
        (Atomic::Add, Ty::F32) => change(&|old| {
            // Global float atomics flush denormals, shared ones don't.
            let (x, y) = (f32::from_bits(old), f32::from_bits(a));
            if global { flush(flush(x) + flush(y)) } else { x + y }.to_bits()
        }),
        (Atomic::Add, _) => cell.fetch_add(a, SeqCst),
        (Atomic::Min, Ty::S32) => change(&|old| (old as i32).min(a as i32) as u32),
        (Atomic::Max, Ty::S32) => change(&|old| (old as i32).max(a as i32) as u32),
        (Atomic::Min, _) => cell.fetch_min(a, SeqCst),
        (Atomic::Max, _) => cell.fetch_max(a, SeqCst),
        (Atomic::And, _) => cell.fetch_and(a, SeqCst),
        (Atomic::Or, _) => cell.fetch_or(a, SeqCst),
        (Atomic::Xor, _) => cell.fetch_xor(a, SeqCst),
        (Atomic::Exch, _) => cell.swap(a, SeqCst),
        (Atomic::Cas, _) => cell.compare_exchange(a, b, SeqCst, SeqCst).unwrap_or_else(|old| old),
        (Atomic::Inc, _) => change(&|old| if old >= a { 0 } else { old + 1 }),
        (Atomic::Dec, _) => change(&|old| if old == 0 || old > a { a } else { old - 1 }),
    }
}

fn update64(cell: &AtomicU64, op: Atomic, ty: Ty, a: u64, b: u64) -> u64 {
    let change = |f: &dyn Fn(u64) -> u64| {
        cell.fetch_update(SeqCst, SeqCst, |old| Some(f(old))).unwrap_or_else(|old| old)
    };
    match (op, ty) {
        (Atomic::Add, Ty::F64) => {
            change(&|old| (f64::from_bits(old) + f64::from_bits(a)).to_bits())
        }
        (Atomic::Add, _) => cell.fetch_add(a, SeqCst),
        (Atomic::Min, Ty::S64) => change(&|old| (old as i64).min(a as i64) as u64),
        (Atomic::Max, Ty::S64) => change(&|old| (old as i64).max(a as i64) as u64),
        (Atomic::Min, _) => cell.fetch_min(a, SeqCst),
        (Atomic::Max, _) => cell.fetch_max(a, SeqCst),
        (Atomic::And, _) => cell.fetch_and(a, SeqCst),
        (Atomic::Or, _) => cell.fetch_or(a, SeqCst),
        (Atomic::Xor, _) => cell.fetch_xor(a, SeqCst),
        (Atomic::Exch, _) => cell.swap(a, SeqCst),
        (Atomic::Cas, _) => cell.compare_exchange(a, b, SeqCst, SeqCst).unwrap_or_else(|old| old),
        (Atomic::Inc, _) => change(&|old| if old >= a { 0 } else { old + 1 }),
        (Atomic::Dec, _) => change(&|old| if old == 0 || old > a { a } else { old - 1 }),
    }
}
