//! Where accesses go: the memory of each lane, once its address is known to be right.

use super::FaultKind;
use super::code::Inst;
use super::machine::Stop;
use super::reach::{Access, At};
use super::registers::LANES;
use super::warp::{Turn, each, lanes};
use super::window;
use crate::checks::Use;
use crate::counters;
use crate::memory::{BASE, Refusal};

/// Memory of one kind: what an address is counted from, and the bytes between the lanes' own parts.
struct Space {
    start: *mut u8,
    size: u64,
    origin: u64,
    stride: usize,
}

/// Where each lane's access goes.
pub struct Pointers(pub [*mut u8; LANES]);

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
        // Of these accesses the checks want to know, lane by lane.
        let watched = match at {
            At::Local => false,
            At::Param => manner.kind.writes(),
            _ => self.check.is_some(),
        };
        if !watched {
            let Space { start, size, origin, stride } = self.space(at);
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

    /// Where a space lies, which is none of generic addresses.
    #[inline(always)]
    fn space(&mut self, at: At) -> Space {
        let machine = self.machine;
        let (start, size, origin, stride): (*mut u8, _, _, _) = match at {
            At::Local => {
                let start = self.warp.local.as_mut_ptr().cast();
                (start, u64::from(machine.program.local), 0, machine.local_stride as usize)
            }
            At::Param => {
                let parameters = machine.parameters;
                (parameters.as_ptr().cast_mut(), parameters.len() as u64, 0, 0)
            }
            At::Shared => (self.shared.as_mut_ptr().cast(), machine.shared_bytes, 0, 0),
            At::Global | At::Generic => (machine.base, machine.span, BASE, 0),
        };
        Space { start, size, origin, stride }
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
        match at {
            At::Local | At::Shared => {}
            At::Param if !manner.kind.writes() => {}
            At::Param => {
                return self.stop(FaultKind::OutOfBounds, manner.pc, lane, "write to a parameter");
            }
            At::Global | At::Generic => return self.global(offset, bytes, lane, manner),
        }
        let Space { start, size, stride, .. } = self.space(at);
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
        Ok(start.wrapping_add(offset as usize + lane * stride))
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
}
