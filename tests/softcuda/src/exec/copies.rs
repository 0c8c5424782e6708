//! Copies: of arguments in local memory, and asynchronous ones to shared memory.

use super::access::{read, write};
use super::code::Inst;
use super::machine::Stop;
use super::pointers::Manner;
use super::reach::At;
use super::warp::{PendingCopy, Turn, lanes};
use super::window;
use crate::checks::Use;
use crate::counters::{self, Asked};

impl Turn<'_, '_> {
    /// Local memory to local memory: an argument or a result of a call.
    pub(super) fn copy_local(&mut self, inst: &Inst, exec: u32) {
        let stride = self.machine.local_stride as usize;
        let [to, from, bytes] = [inst.r[0], inst.r[1], inst.r[2]].map(|x| x as usize);
        let start: *mut u8 = self.warp.local.as_mut_ptr().cast();
        for lane in lanes(exec) {
            // SAFETY: the decoder placed both variables inside each lane's stride.
            unsafe {
                let lane = start.add(lane * stride);
                lane.add(from).copy_to(lane.add(to), bytes);
            }
        }
    }

    /// Reads now; the data lands in shared memory when it's waited for.
    pub(super) fn copy_async(
        &mut self,
        inst: &Inst,
        bytes: u8,
        wide_target: bool,
        exec: u32,
        pc: usize,
    ) -> Result<(), Box<Stop>> {
        let mut addresses = [[0; 32]; 2];
        for lane in lanes(exec) {
            let file = &self.warp.file;
            let target = file.lane(inst.r[0], wide_target, lane);
            let target = target.wrapping_add(file.wide(inst.r[3])[lane]) & (window::SHARED - 1);
            let source = file.wide(inst.r[1])[lane].wrapping_add(inst.imm as u64);
            (addresses[0][lane], addresses[1][lane]) = (source, target);
            let wanted = u64::from(file.narrow(inst.r[2])[lane]).min(u64::from(bytes));
            let size = u64::from(bytes);
            self.aligned(source, size, lane, Manner { kind: Use::Read, pc })?;
            let mut data = [0; 16];
            for k in 0..wanted {
                let manner = Manner { kind: Use::Read, pc };
                let at = self.pointer(At::Global, source + k, 1, lane, manner)?;
                // SAFETY: `pointer` found the byte in bounds.
                data[k as usize] = unsafe { read(at, 1) } as u8;
            }
            let manner = Manner { kind: Use::PendingWrite, pc };
            self.pointer(At::Shared, target, size, lane, manner)?;
            let (group, bytes) = (self.warp.groups[lane], u32::from(bytes));
            self.warp.copies.push(PendingCopy { lane, group, target, data, bytes, pc });
        }
        if self.machine.counting {
            let [from, to] = addresses;
            let (block, lanes, bytes) = (self.block, exec, u64::from(bytes));
            let load = Asked {
                pc,
                block,
                at: At::Global,
                bytes,
                addresses: from,
                lanes,
                kind: Use::StrongRead,
            };
            counters::access(load);
            counters::access(Asked {
                pc,
                block,
                at: At::Shared,
                bytes,
                addresses: to,
                lanes,
                kind: Use::Write,
            });
        }
        Ok(())
    }

    /// Lets all but the newest `left` groups of some lanes land; negative: everything.
    pub(super) fn land_copies(&mut self, left: i64, exec: u32) -> Result<(), Box<Stop>> {
        let copies = std::mem::take(&mut self.warp.copies);
        for copy in copies {
            let landed =
                left < 0 || i64::from(copy.group) < i64::from(self.warp.groups[copy.lane]) - left;
            if exec >> copy.lane & 1 == 0 || !landed {
                self.warp.copies.push(copy);
                continue;
            }
            let (size, manner) = (u64::from(copy.bytes), Manner { kind: Use::Write, pc: copy.pc });
            let at = self.pointer(At::Shared, copy.target, size, copy.lane, manner)?;
            for (k, byte) in copy.data.iter().enumerate().take(copy.bytes as usize) {
                // SAFETY: `pointer` found all bytes in bounds.
                unsafe { write(at.wrapping_add(k), 1, u64::from(*byte)) };
            }
        }
        Ok(())
    }
}
