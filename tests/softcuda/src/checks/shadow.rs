//! Who accessed each byte, and when.
//!
//! A cell stands for four bytes and keeps the accesses that a later one could still race with: what
//! happened before a newer access to the same bytes is covered by that.

use super::order::Order;
use super::{Other, Use, Who};
use rustc_hash::FxHashMap;
use smallvec::SmallVec;

/// Cells of a page: 1 KiB of memory.
const PAGE: usize = 256;

/// Most accesses of a kind that a cell keeps.
const MOST: usize = 64;

/// The same access by some lanes of a warp.
#[derive(Clone, Copy, Debug)]
struct Record {
    block: u32,
    warp: u32,
    lanes: u32,
    clock: u32,
    pc: u32,
    /// Bytes of the cell.
    bytes: u8,
    strong: bool,
}

#[derive(Clone, Debug, Default)]
struct Cell {
    writes: SmallVec<[Record; 1]>,
    reads: SmallVec<[Record; 1]>,
}

#[derive(Debug, Default)]
pub struct Shadow {
    pages: FxHashMap<u64, Vec<Cell>>,
}

impl Shadow {
    /// Notes an access, or says with which it races.
    pub fn access(
        &mut self,
        order: &Order,
        who: Who,
        address: u64,
        bytes: u32,
        kind: Use,
        pc: usize,
    ) -> Result<(), (String, Other)> {
        let clock = order.now(who);
        let end = address + u64::from(bytes);
        for index in address / 4..end.div_ceil(4) {
            let start = index * 4;
            let first = address.max(start) - start;
            let last = end.min(start + 4) - start;
            let record = Record {
                block: who.block,
                warp: who.warp,
                lanes: 1 << who.lane,
                clock,
                pc: pc as u32,
                bytes: (((1_u32 << last) - 1) & !((1 << first) - 1)) as u8,
                strong: kind.strong(),
            };
            let page = self.pages.entry(index / PAGE as u64);
            let page = page.or_insert_with(|| vec![Cell::default(); PAGE]);
            let cell = &mut page[(index % PAGE as u64) as usize];
            cell.check(order, who, &record, kind).map_err(|other| {
                let what = if kind.writes() { "write" } else { "read" };
                (format!("{what} of {bytes} bytes at {address:#x} isn't ordered with"), other)
            })?;
            cell.note(order, who, record, kind);
        }
        Ok(())
    }
}

impl Cell {
    fn check(&self, order: &Order, who: Who, new: &Record, kind: Use) -> Result<(), Other> {
        let races = |old: &&Record| {
            old.bytes & new.bytes != 0
                && !(old.strong && new.strong)
                && !order.before(old.block, old.warp, old.lanes, old.clock, who)
        };
        let write = self.writes.iter().find(races).map(|old| (old, true));
        let read = || self.reads.iter().find(races).map(|old| (old, false));
        let Some((old, write)) = write.or_else(|| kind.writes().then(read).flatten()) else {
            return Ok(());
        };
        let same_warp = old.block == who.block && old.warp == who.warp;
        let lanes = if same_warp { old.lanes & !(1 << who.lane) } else { old.lanes };
        // The first lane that isn't ordered.
        let unordered = (0..32).find(|lane| {
            lanes >> lane & 1 != 0 && !order.before(old.block, old.warp, 1 << lane, old.clock, who)
        });
        let who = Who { block: old.block, warp: old.warp, lane: unordered.unwrap_or(0) };
        Err(Other { who, pc: old.pc as usize, write })
    }

    fn note(&mut self, order: &Order, who: Who, new: Record, kind: Use) {
        // Whatever races with a covered access races with the new one, or would have.
        let covered = |old: &Record| {
            old.bytes & !new.bytes == 0
                && (old.strong || !new.strong)
                && order.before(old.block, old.warp, old.lanes, old.clock, who)
        };
        let list = if kind.writes() {
            self.reads.retain(|old| !covered(old));
            &mut self.writes
        } else {
            &mut self.reads
        };
        let same = list.iter_mut().find(|old| {
            (old.block, old.warp, old.clock) == (new.block, new.warp, new.clock)
                && (old.bytes, old.strong) == (new.bytes, new.strong)
        });
        if let Some(same) = same {
            same.lanes |= new.lanes;
            return;
        }
        list.retain(|old| !covered(old));
        if list.len() == MOST {
            // Forget one at random: with so many, another is likely to race as well.
            let index = (new.clock as usize ^ new.pc as usize ^ new.warp as usize) % MOST;
            list.swap_remove(index);
        }
        list.push(new);
    }
}
