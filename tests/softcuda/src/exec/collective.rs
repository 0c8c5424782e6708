//! What the lanes of a warp do together: shuffles, votes, matches, reductions.

use super::FaultKind;
use super::code::{Atomic, Inst, Op, Pred, Shuffle, Vote};
use super::machine::Stop;
use super::registers::LANES;
use super::warp::{Turn, lanes};
use crate::ptx::Ty;

impl Turn<'_, '_> {
    /// Does a collective for lanes that have all come.
    pub(super) fn together(&mut self, inst: &Inst, exec: u32, pc: usize) -> Result<(), Box<Stop>> {
        let (block, warp) = (self.block, self.warp.index);
        if let Some(check) = &mut self.check {
            check.sync_warp(block, warp, exec);
        }
        match inst.op {
            Op::Shuffle(how) => self.shuffle(inst, how, exec, pc)?,
            Op::Vote(how) => self.vote(inst, how, exec),
            Op::MultiplyMatrices => self.multiply_matrices(inst, exec, pc)?,
            Op::Match { wide, all } => self.find_equal(inst, wide, all, exec),
            Op::Redux(op, ty) => {
                let values = *self.warp.file.narrow(inst.r[1]);
                let total = lanes(exec).map(|lane| values[lane]).reduce(|a, b| match (op, ty) {
                    (Atomic::Add, _) => a.wrapping_add(b),
                    (Atomic::Min, Ty::S32) => (a as i32).min(b as i32) as u32,
                    (Atomic::Max, Ty::S32) => (a as i32).max(b as i32) as u32,
                    (Atomic::Min, _) => a.min(b),
                    (Atomic::Max, _) => a.max(b),
                    (Atomic::And, _) => a & b,
                    (Atomic::Or, _) => a | b,
                    _ => a ^ b,
                });
                self.spread(inst.r[0], total.unwrap_or(0), exec);
            }
            _ => {}
        }
        Ok(())
    }

    fn spread(&mut self, row: u32, value: u32, exec: u32) {
        let row = self.warp.file.narrow_mut(row);
        lanes(exec).for_each(|lane| row[lane] = value);
    }

    fn shuffle(
        &mut self,
        inst: &Inst,
        how: Shuffle,
        exec: u32,
        pc: usize,
    ) -> Result<(), Box<Stop>> {
        let file = &mut self.warp.file;
        let (values, by) = (*file.narrow(inst.r[1]), *file.narrow(inst.r[2]));
        let clamps = *file.narrow(inst.r[3]);
        let mut out = [0; LANES];
        let (mut inside, mut absent) = (0_u32, None);
        for lane in lanes(exec) {
            let me = lane as u32;
            let (step, clamp, segment) = (by[lane] & 31, clamps[lane] & 31, clamps[lane] >> 8 & 31);
            let (highest, lowest) = (me & segment | clamp & !segment, me & segment);
            let (from, within) = match how {
                Shuffle::Up => (me.wrapping_sub(step), me as i32 - step as i32 >= highest as i32),
                Shuffle::Down => (me + step, me + step <= highest),
                Shuffle::Butterfly => (me ^ step, me ^ step <= highest),
                Shuffle::Index => {
                    let from = lowest | step & !segment;
                    (from, from <= highest)
                }
            };
            let from = if within { from & 31 } else { me };
            if exec >> from & 1 == 0 {
                absent = Some((lane, from));
            }
            inside |= u32::from(within) << lane;
            out[lane] = values[from as usize];
        }
        if let (Some((lane, from)), Some(_)) = (absent, &self.check) {
            let what = format!("lane {lane} reads lane {from}, which takes no part in the shuffle");
            return self.stop(FaultKind::AbsentLanes, pc, lane, what);
        }
        let row = self.warp.file.narrow_mut(inst.r[0]);
        lanes(exec).for_each(|lane| row[lane] = out[lane]);
        self.warp.file.set_pred(inst.r[5], inside, exec);
        Ok(())
    }

    fn vote(&mut self, inst: &Inst, how: Vote, exec: u32) {
        let ballot = self.warp.file.pred(Pred(inst.r[1])) & exec;
        let holds = match how {
            Vote::Ballot => return self.spread(inst.r[0], ballot, exec),
            Vote::All => ballot == exec,
            Vote::Any => ballot != 0,
            Vote::Uniform => ballot == exec || ballot == 0,
        };
        self.warp.file.set_pred(inst.r[0], if holds { !0 } else { 0 }, exec);
    }

    fn find_equal(&mut self, inst: &Inst, wide: bool, all: bool, exec: u32) {
        let values: [u64; LANES] =
            std::array::from_fn(|lane| self.warp.file.lane(inst.r[1], wide, lane));
        let same = |lane: usize| {
            lanes(exec).filter(|l| values[*l] == values[lane]).fold(0, |m, l| m | 1 << l)
        };
        let equal: [u32; LANES] = std::array::from_fn(same);
        let everyone = lanes(exec).all(|lane| equal[lane] == exec);
        let row = self.warp.file.narrow_mut(inst.r[0]);
        for lane in lanes(exec) {
            row[lane] = match (all, everyone) {
                (false, _) => equal[lane],
                (true, true) => exec,
                (true, false) => 0,
            };
        }
        self.warp.file.set_pred(inst.r[5], if everyone { !0 } else { 0 }, exec);
    }
}
