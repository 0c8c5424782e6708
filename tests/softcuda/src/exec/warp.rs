//! A warp: which lanes run next.
//!
//! Each lane has its own program counter. The lanes with the lowest one run together, until they
//! reach the counter of others, which join them: that makes diverged lanes meet again. A quantum
//! bounds how long lanes may keep others waiting, so lanes that spin for each other make progress.

use super::code::{Inst, Op};
use super::machine::{Machine, Stop};
use super::pointers::Pointers;
use super::registers::{LANES, Registers};
use super::{FaultKind, alu};
use crate::checks::{Checker, Who};
use crate::counters;

/// Lanes of a mask, lowest first.
pub fn lanes(mask: u32) -> impl Iterator<Item = usize> {
    let mut left = mask;
    std::iter::from_fn(move || {
        (left != 0).then(|| {
            let lane = left.trailing_zeros() as usize;
            left &= left - 1;
            lane
        })
    })
}

/// Does something for each lane of a mask; whole warps without looking at it.
#[inline(always)]
pub fn each(mask: u32, mut f: impl FnMut(usize)) {
    if mask == !0 {
        (0..LANES).for_each(f);
    } else {
        let mut left = mask;
        while left != 0 {
            f(left.trailing_zeros() as usize);
            left &= left - 1;
        }
    }
}

/// A copy to shared memory that hasn't landed.
#[derive(Debug)]
pub struct PendingCopy {
    pub lane: usize,
    pub group: u32,
    pub target: u64,
    pub data: [u8; 16],
    pub bytes: u32,
    pub pc: usize,
}

pub struct Warp {
    pub index: u32,
    pub file: Registers,
    pub pc: [u32; LANES],
    pub live: u32,
    /// Lanes that the warp started with.
    pub all: u32,
    /// Lanes that wait for others of the warp, or for a barrier.
    pub at_sync: u32,
    pub at_barrier: u32,
    /// Barrier that a lane waits at.
    pub barrier: [u8; LANES],
    /// Local memory, lane after lane.
    pub local: Vec<u128>,
    pub copies: Vec<PendingCopy>,
    /// Groups of copies that each lane has committed.
    pub groups: [u32; LANES],
    pub steps: u64,
    /// Lanes above this counter go first, once: those below have had their turn.
    after: Option<u32>,
}

impl Warp {
    pub fn new(index: u32, machine: &Machine<'_>) -> Self {
        let program = machine.program;
        let local = (machine.local_stride as usize * LANES).div_ceil(16);
        Self {
            index,
            file: Registers::new(program.rows, program.preds),
            pc: [0; LANES],
            live: 0,
            all: 0,
            at_sync: 0,
            at_barrier: 0,
            barrier: [0; LANES],
            local: vec![0; local],
            copies: Vec::new(),
            groups: [0; LANES],
            steps: 0,
            after: None,
        }
    }

    /// Ready to run another block.
    pub fn restart(&mut self, lanes: u32, start: u32) {
        self.pc = [start; LANES];
        (self.live, self.all) = (lanes, lanes);
        (self.at_sync, self.at_barrier) = (0, 0);
        self.copies.clear();
        self.groups = [0; LANES];
        self.after = None;
    }

    pub fn runnable(&self) -> u32 {
        self.live & !(self.at_sync | self.at_barrier)
    }

    pub fn set_pc(&mut self, mask: u32, pc: u32) {
        if mask == !0 {
            self.pc = [pc; LANES];
        } else {
            lanes(mask).for_each(|lane| self.pc[lane] = pc);
        }
    }

    /// The next lanes to run, where, and the counter at which others wait to join them.
    fn select(&mut self, runnable: u32) -> (u32, usize, usize) {
        let counters = || lanes(runnable).map(|lane| self.pc[lane]);
        let after = self.after.take();
        let skipped = after.and_then(|after| counters().filter(|pc| *pc > after).min());
        let pc = skipped.or_else(|| counters().min()).unwrap_or(0);
        let limit = counters().filter(|other| *other > pc).min();
        let mask = lanes(runnable).filter(|lane| self.pc[*lane] == pc).fold(0, |m, l| m | 1 << l);
        (mask, pc as usize, limit.map_or(usize::MAX, |limit| limit as usize))
    }
}

/// What a barrier has seen.
#[derive(Clone, Copy, Debug, Default)]
pub struct Barrier {
    /// Threads that arrived, waiting or not.
    pub arrived: u32,
    /// Threads that it's for, where it isn't the whole block.
    pub count: Option<u32>,
    pub holding: u32,
}

pub const BARRIERS: usize = 16;

/// One warp's turn.
pub struct Turn<'a, 'm> {
    pub machine: &'a Machine<'m>,
    pub warp: &'a mut Warp,
    pub shared: &'a mut [u128],
    pub barriers: &'a mut [Barrier; BARRIERS],
    pub check: Option<&'a mut Checker>,
    pub block: u32,
    pub left: i64,
}

pub(super) type Ran<T> = Result<T, Box<Stop>>;

impl Turn<'_, '_> {
    pub fn stop<T>(
        &self,
        kind: FaultKind,
        pc: usize,
        lane: usize,
        what: impl Into<String>,
    ) -> Ran<T> {
        let (warp, message) = (self.warp.index, what.into());
        Err(Box::new(Stop { kind, message, pc, warp, lane }))
    }

    pub fn who(&self, lane: usize) -> Who {
        Who { block: self.block, warp: self.warp.index, lane: lane as u32 }
    }

    /// Runs until nothing can or the quantum is over.
    pub fn run(&mut self) -> Ran<()> {
        while self.left > 0 {
            let runnable = self.warp.runnable();
            if runnable == 0 {
                if self.warp.at_sync != 0 && self.complete_waiting()? {
                    continue;
                }
                return Ok(());
            }
            let (mask, pc, limit) = self.warp.select(runnable);
            self.group(mask, pc, limit)?;
        }
        Ok(())
    }

    /// Runs lanes that are together until they part, stop or meet others.
    fn group(&mut self, mask: u32, mut pc: usize, limit: usize) -> Ran<()> {
        let code = &self.machine.program.code;
        loop {
            let from = pc;
            pc = alu::run(code, pc, limit, mask, &mut self.warp.file);
            let straight = (pc - from) as u64;
            self.left -= straight as i64;
            self.warp.steps += straight;
            if self.machine.counting {
                counters::instructions(from..pc);
            }
            if pc >= limit || self.left <= 0 {
                return self.part(mask, pc);
            }
            let Some(inst) = code.get(pc) else {
                return self.stop(FaultKind::Trap, pc, 0, "ran off the end of the code");
            };
            self.left -= 1;
            self.warp.steps += 1;
            if self.machine.counting {
                counters::instructions(pc..pc + 1);
            }
            let exec = mask & self.warp.file.pred(inst.guard);
            let next = match inst.op {
                Op::Branch if exec == mask => Some(inst.imm as usize),
                _ if exec == 0 => Some(pc + 1),
                Op::Branch => {
                    self.warp.set_pc(exec, inst.imm as u32);
                    self.warp.set_pc(mask & !exec, pc as u32 + 1);
                    None
                }
                Op::Load(access) => {
                    self.load(inst, access, exec, pc)?;
                    Some(pc + 1)
                }
                Op::Store(access) => {
                    self.store(inst, access, exec, pc)?;
                    Some(pc + 1)
                }
                Op::Atomic(op, ty, access) => {
                    self.atomic(inst, op, ty, access, exec, pc)?;
                    Some(pc + 1)
                }
                _ => self.other(inst, mask, exec, pc)?,
            };
            match next {
                Some(next) => pc = next,
                None => return Ok(()),
            }
            if self.left <= 0 {
                return self.part(mask, pc);
            }
        }
    }

    /// Ends a group's run: its lanes stand at `pc`.
    fn part(&mut self, mask: u32, pc: usize) -> Ran<()> {
        self.warp.set_pc(mask, pc as u32);
        if self.left <= 0 && self.warp.runnable() != mask {
            self.warp.after = Some(pc as u32);
        }
        Ok(())
    }

    /// The rarer instructions. Gives the next counter where the group stays together.
    fn other(&mut self, inst: &Inst, mask: u32, exec: u32, pc: usize) -> Ran<Option<usize>> {
        let next = Some(pc + 1);
        let all = |target: u32, rest: u32, turn: &mut Self| {
            turn.warp.set_pc(exec, target);
            turn.warp.set_pc(rest, pc as u32 + 1);
            Ok(None)
        };
        let rest = mask & !exec;
        match inst.op {
            Op::Call => {
                let row = self.warp.file.narrow_mut(inst.r[0]);
                lanes(exec).for_each(|lane| row[lane] = pc as u32 + 1);
                all(inst.imm as u32, rest, self)
            }
            Op::Return => {
                let row = *self.warp.file.narrow(inst.r[0]);
                lanes(exec).for_each(|lane| self.warp.pc[lane] = row[lane]);
                self.warp.set_pc(rest, pc as u32 + 1);
                Ok(None)
            }
            Op::BranchIndex => {
                let row = *self.warp.file.narrow(inst.r[0]);
                let table = &self.machine.program.tables[inst.imm as usize];
                for lane in lanes(exec) {
                    let Some(target) = table.get(row[lane] as usize) else {
                        return self.stop(
                            FaultKind::Trap,
                            pc,
                            lane,
                            "branch index out of its table",
                        );
                    };
                    self.warp.pc[lane] = *target;
                }
                self.warp.set_pc(rest, pc as u32 + 1);
                Ok(None)
            }
            Op::Exit => {
                self.warp.set_pc(rest, pc as u32 + 1);
                self.warp.live &= !exec;
                Ok(None)
            }
            Op::Trap => {
                self.stop(FaultKind::Trap, pc, exec.trailing_zeros() as usize, "`trap` was reached")
            }
            Op::Pause => {
                self.left = 0;
                Ok(next)
            }
            Op::ActiveMask => {
                let row = self.warp.file.narrow_mut(inst.r[0]);
                lanes(exec).for_each(|lane| row[lane] = exec);
                Ok(next)
            }
            Op::Clock { wide } => {
                let steps = self.warp.steps;
                lanes(exec).for_each(|l| self.warp.file.set_lane(inst.r[0], wide, l, steps));
                Ok(next)
            }
            Op::IsSpace(at) => {
                let row = self.warp.file.wide(inst.r[1]);
                let inside = |lane: &usize| super::window::resolve(row[*lane]).0 == at;
                let value = lanes(exec).filter(inside).fold(0, |mask, lane| mask | 1 << lane);
                self.warp.file.set_pred(inst.r[0], value, exec);
                Ok(next)
            }
            Op::CopyLocal => {
                self.copy_local(inst, exec);
                Ok(next)
            }
            Op::CopyAsync { bytes, wide_target } => {
                self.copy_async(inst, bytes, wide_target, exec, pc)?;
                Ok(next)
            }
            Op::CopyCommit => {
                lanes(exec).for_each(|lane| self.warp.groups[lane] += 1);
                Ok(next)
            }
            Op::CopyWait => {
                self.land_copies(inst.imm, exec)?;
                Ok(next)
            }
            Op::Fence(scope) => {
                if self.machine.counting {
                    counters::fence(pc, self.block);
                }
                for lane in lanes(exec) {
                    let who = self.who(lane);
                    if let Some(check) = &mut self.check {
                        check.fence(who, scope);
                    }
                }
                Ok(next)
            }
            Op::Shuffle(_) if self.machine.counting => {
                counters::at(pc, |counts| counts.shuffles += 1);
                self.meet(inst, mask, exec, pc)
            }
            Op::MultiplyMatrices => {
                if self.machine.counting {
                    counters::at(pc, |counts| counts.matrix_products += 1);
                }
                self.meet(inst, mask, exec, pc)
            }
            Op::Shuffle(_) | Op::Vote(_) | Op::Match { .. } | Op::Redux(..) | Op::WarpSync => {
                self.meet(inst, mask, exec, pc)
            }
            Op::Barrier { aligned, arrive, .. } => {
                if self.machine.counting {
                    counters::at(pc, |counts| counts.barriers += 1);
                }
                self.arrive(inst, aligned, arrive, mask, exec, pc)
            }
            _ => self.stop(FaultKind::Trap, pc, 0, "an instruction that isn't implemented"),
        }
    }

    pub(super) fn pointers(&self) -> Pointers {
        Pointers([std::ptr::null_mut(); LANES])
    }
}
