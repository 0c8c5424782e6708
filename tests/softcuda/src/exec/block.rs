//! A block: its warps, shared memory and barriers.

use super::FaultKind;
use super::code::{Op, Reduce};
use super::machine::{Machine, Stop};
use super::warp::{BARRIERS, Barrier, Turn, Warp, lanes};
use crate::checks::Checker;
use crate::ptx::program::Special;

pub struct Block {
    pub index: u32,
    warps: Vec<Warp>,
    shared: Vec<u128>,
    barriers: [Barrier; BARRIERS],
}

impl Block {
    pub fn new(machine: &Machine<'_>) -> Self {
        let mut warps: Vec<Warp> = (0..machine.warps).map(|w| Warp::new(w, machine)).collect();
        for warp in &mut warps {
            for &(row, wide, value) in &machine.program.constants {
                let bits = machine.constant(value);
                (0..32).for_each(|lane| warp.file.set_lane(row, wide, lane, bits));
            }
            for &(row, wide, special) in &machine.program.specials {
                for lane in 0..32 {
                    let value = machine.special(special, 0, warp.index, lane as u32);
                    warp.file.set_lane(row, wide, lane, u64::from(value));
                }
            }
        }
        let shared = vec![0; machine.shared_bytes.div_ceil(16) as usize];
        Self { index: 0, warps, shared, barriers: [Barrier::default(); BARRIERS] }
    }

    /// Ready to run the block of this index.
    pub fn restart(&mut self, index: u32, machine: &Machine<'_>) {
        self.index = index;
        self.barriers = [Barrier::default(); BARRIERS];
        for warp in &mut self.warps {
            let threads = (machine.threads - 32 * warp.index).min(32);
            warp.restart(((1_u64 << threads) - 1) as u32, machine.program.start);
            for &(row, wide, special) in &machine.program.specials {
                if matches!(special, Special::Block(_) | Special::Processor) {
                    let value = u64::from(machine.special(special, index, 0, 0));
                    (0..32).for_each(|lane| warp.file.set_lane(row, wide, lane, value));
                }
            }
        }
    }

    pub fn done(&self) -> bool {
        self.warps.iter().all(|warp| warp.live == 0)
    }

    /// Where the first thread that isn't done is: instruction, warp, lane.
    pub fn place(&self) -> (usize, u32, usize) {
        let alive = self.warps.iter().find(|warp| warp.live != 0);
        alive.map_or((usize::MAX, 0, 0), |warp| {
            let lane = warp.live.trailing_zeros() as usize;
            (warp.pc[lane] as usize, warp.index, lane)
        })
    }

    /// Gives each warp a turn, in some order; says how many instructions ran, or that nothing can.
    pub fn turn(
        &mut self,
        machine: &Machine<'_>,
        quantum: i64,
        mut check: Option<&mut Checker>,
    ) -> Result<u64, Box<Stop>> {
        let count = self.warps.len();
        let order = check.as_mut().map(|check| check.shuffled(count));
        let (mut ran, mut moved) = (0, false);
        for k in 0..count {
            let index = order.as_ref().map_or(k, |order| order[k]);
            let warp = &mut self.warps[index];
            if warp.runnable() == 0 && warp.at_sync == 0 {
                continue;
            }
            let before = warp.steps;
            let left = match &mut check {
                Some(check) => check.quantum(),
                None => quantum,
            };
            let mut turn = Turn {
                machine,
                warp,
                shared: &mut self.shared,
                barriers: &mut self.barriers,
                check: check.as_deref_mut(),
                block: self.index,
                left,
            };
            turn.run()?;
            ran += self.warps[index].steps - before;
        }
        for id in 0..BARRIERS {
            moved |= self.release(id, machine, check.as_deref_mut())?;
        }
        if ran == 0 && !moved && !self.done() {
            return Err(Box::new(self.deadlock(check.is_some())));
        }
        Ok(ran)
    }

    fn waiting(&self, id: usize) -> impl Iterator<Item = (&Warp, usize)> {
        self.warps.iter().flat_map(move |warp| {
            let here = lanes(warp.at_barrier).filter(move |l| usize::from(warp.barrier[*l]) == id);
            here.map(move |lane| (warp, lane))
        })
    }

    /// Opens a barrier at which everyone is.
    fn release(
        &mut self,
        id: usize,
        machine: &Machine<'_>,
        check: Option<&mut Checker>,
    ) -> Result<bool, Box<Stop>> {
        let barrier = self.barriers[id];
        let live: u32 = self.warps.iter().map(|warp| warp.live.count_ones()).sum();
        if barrier.arrived == 0 || barrier.arrived < barrier.count.unwrap_or(live) {
            return Ok(false);
        }
        if let Some(check) = check {
            if barrier.count.is_none() {
                self.check_barrier(id, machine)?;
            }
            let masks = self.warps.iter().map(|warp| {
                let here = lanes(warp.at_barrier).filter(|l| usize::from(warp.barrier[*l]) == id);
                (warp.index, here.fold(0, |mask, lane| mask | 1 << lane))
            });
            check.sync_block(self.index, &masks.collect::<Vec<_>>());
        }
        for warp in &mut self.warps {
            for lane in lanes(warp.at_barrier) {
                if usize::from(warp.barrier[lane]) != id {
                    continue;
                }
                let inst = &machine.program.code[warp.pc[lane] as usize];
                let holds = match inst.op {
                    Op::Barrier { reduce: Reduce::And, .. } => {
                        Some(barrier.holding == barrier.arrived)
                    }
                    Op::Barrier { reduce: Reduce::Or, .. } => Some(barrier.holding != 0),
                    Op::Barrier { reduce: Reduce::Popc, .. } => {
                        warp.file.narrow_mut(inst.r[0])[lane] = barrier.holding;
                        None
                    }
                    _ => None,
                };
                if let Some(holds) = holds {
                    warp.file.set_pred(inst.r[0], if holds { !0 } else { 0 }, 1 << lane);
                }
                warp.pc[lane] += 1;
                warp.at_barrier &= !(1 << lane);
            }
        }
        self.barriers[id] = Barrier::default();
        Ok(true)
    }

    /// A barrier of the whole block that is aligned must be the same instruction for everyone.
    fn check_barrier(&self, id: usize, machine: &Machine<'_>) -> Result<(), Box<Stop>> {
        let aligned = |pc: usize| {
            let op = machine.program.code.get(pc).map(|inst| inst.op);
            matches!(op, Some(Op::Barrier { aligned: true, .. }))
        };
        let Some((first, at)) = self.waiting(id).next() else { return Ok(()) };
        let pc = first.pc[at] as usize;
        for (warp, lane) in self.waiting(id) {
            let here = warp.pc[lane] as usize;
            if here != pc && (aligned(pc) || aligned(here)) {
                let (line, source) = machine.site(pc);
                let source = source.map(|source| format!(", {source}")).unwrap_or_default();
                return Err(Box::new(Stop {
                    kind: FaultKind::BarrierDivergence,
                    message: format!(
                        "other threads wait at the barrier of PTX line {line}{source}"
                    ),
                    pc: here,
                    warp: warp.index,
                    lane,
                }));
            }
            let gone = warp.all & !warp.live;
            if gone != 0 && aligned(here) {
                return Err(Box::new(Stop {
                    kind: FaultKind::BarrierDivergence,
                    message: format!("lanes {gone:#010x} of the warp exited without this barrier"),
                    pc: here,
                    warp: warp.index,
                    lane,
                }));
            }
        }
        Ok(())
    }

    /// Nobody can go on: says for what the first one waits.
    fn deadlock(&self, checked: bool) -> Stop {
        for warp in &self.warps {
            if let Some(lane) = lanes(warp.at_sync).next() {
                let kind = if checked { FaultKind::AbsentLanes } else { FaultKind::Deadlock };
                let message = format!(
                    "lanes {:#010x} wait for others of their warp that never come",
                    warp.at_sync
                );
                return Stop { kind, message, pc: warp.pc[lane] as usize, warp: warp.index, lane };
            }
        }
        let kind = FaultKind::Deadlock;
        let message = "threads wait at barriers that others never reach".to_owned();
        let blocked = self.warps.iter().find(|warp| warp.at_barrier != 0);
        let Some(warp) = blocked else { return Stop { kind, message, pc: 0, warp: 0, lane: 0 } };
        let lane = warp.at_barrier.trailing_zeros() as usize;
        Stop { kind, message, pc: warp.pc[lane] as usize, warp: warp.index, lane }
    }
}
