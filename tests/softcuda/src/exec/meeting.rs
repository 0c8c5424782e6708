//! Lanes that wait: for others of their warp, and at barriers.

use super::FaultKind;
use super::code::{Inst, Pred};
use super::warp::{BARRIERS, Ran, Turn, lanes};

impl Turn<'_, '_> {
    /// Lanes come to an instruction that others of the warp must come to as well.
    pub(super) fn meet(
        &mut self,
        inst: &Inst,
        mask: u32,
        exec: u32,
        pc: usize,
    ) -> Ran<Option<usize>> {
        let members = self.warp.file.narrow(inst.r[4])[exec.trailing_zeros() as usize];
        if exec == mask && self.needed(members) == exec && self.check.is_none() {
            self.together(inst, exec, pc)?;
            return Ok(Some(pc + 1));
        }
        self.warp.set_pc(mask & !exec, pc as u32 + 1);
        self.warp.set_pc(exec, pc as u32);
        self.warp.at_sync |= exec;
        self.complete(pc)?;
        Ok(None)
    }

    /// Lanes that must come before a mask of members is complete.
    fn needed(&self, members: u32) -> u32 {
        members & self.warp.live
    }

    /// Does the instruction at `pc` if all lanes that it names wait there.
    fn complete(&mut self, pc: usize) -> Ran<bool> {
        let at_sync = self.warp.at_sync;
        let waiting =
            lanes(at_sync).filter(|l| self.warp.pc[*l] == pc as u32).fold(0, |m, l| m | 1 << l);
        let Some(inst) = self.machine.program.code.get(pc) else { return Ok(false) };
        let rows = *self.warp.file.narrow(inst.r[4]);
        let mut left: u32 = waiting;
        let mut done = false;
        // Disjoint sets of lanes may meet at the same instruction.
        while left != 0 {
            let lane = left.trailing_zeros() as usize;
            let members = rows[lane];
            let same = lanes(left).filter(|l| rows[*l] == members).fold(0, |m, l| m | 1 << l);
            left &= !same;
            if self.check.is_some() {
                self.check_members(members, same, pc)?;
            }
            let needed = self.needed(members);
            if needed & !same == 0 {
                self.warp.at_sync &= !same;
                self.together(inst, same, pc)?;
                self.warp.set_pc(same, pc as u32 + 1);
                done = true;
            }
        }
        Ok(done)
    }

    fn check_members(&self, members: u32, arrived: u32, pc: usize) -> Ran<()> {
        let outside = arrived & !members;
        if outside != 0 {
            let lane = outside.trailing_zeros() as usize;
            let what = format!("lane {lane} isn't in its own mask of members {members:#010x}");
            return self.stop(FaultKind::AbsentLanes, pc, lane, what);
        }
        let gone = members & !self.warp.live;
        if gone != 0 {
            let lane = arrived.trailing_zeros() as usize;
            let why = if gone & !self.warp.all != 0 { "don't exist" } else { "have exited" };
            let what = format!("members {members:#010x} name lanes {gone:#010x}, which {why}");
            return self.stop(FaultKind::AbsentLanes, pc, lane, what);
        }
        Ok(())
    }

    /// Lanes may have exited since others began to wait for them.
    pub(super) fn complete_waiting(&mut self) -> Ran<bool> {
        let mut done = false;
        for lane in lanes(self.warp.at_sync) {
            if self.warp.at_sync >> lane & 1 != 0 {
                done |= self.complete(self.warp.pc[lane] as usize)?;
            }
        }
        Ok(done)
    }

    pub(super) fn arrive(
        &mut self,
        inst: &Inst,
        aligned: bool,
        arrive: bool,
        mask: u32,
        exec: u32,
        pc: usize,
    ) -> Ran<Option<usize>> {
        self.warp.set_pc(mask & !exec, pc as u32 + 1);
        let first = exec.trailing_zeros() as usize;
        for lane in lanes(exec) {
            let id = self.warp.file.narrow(inst.r[1])[lane];
            if id as usize >= BARRIERS {
                return self.stop(FaultKind::Trap, pc, lane, format!("there's no barrier {id}"));
            }
            let count = (inst.imm != 0).then(|| self.warp.file.narrow(inst.r[2])[lane]);
            let barrier = &mut self.barriers[id as usize];
            if barrier.arrived != 0 && barrier.count != count {
                let what = format!("barrier {id} is used with different thread counts");
                return self.stop(FaultKind::BarrierDivergence, pc, lane, what);
            }
            barrier.count = count;
            barrier.arrived += 1;
            let holds = self.warp.file.pred(Pred(inst.r[3])) >> lane & 1;
            barrier.holding += holds;
            self.warp.barrier[lane] = id as u8;
        }
        if arrive {
            if self.check.is_some() {
                let what = "`bar.arrive` isn't supported in checked mode";
                return self.stop(FaultKind::Trap, pc, first, what);
            }
            self.warp.set_pc(exec, pc as u32 + 1);
        } else {
            self.warp.set_pc(exec, pc as u32);
            self.warp.at_barrier |= exec;
        }
        let _ = aligned;
        Ok(None)
    }
}
