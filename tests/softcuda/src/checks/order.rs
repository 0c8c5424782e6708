//! Which accesses happen before which: vector clocks.
//!
//! A warp has a clock that ticks whenever one of its lanes makes what it did known to others. A
//! lane knows, of each other thread, the clock below which that thread's accesses happened before.
//! Knowledge of its own warp is a matrix, since lanes meet often; of everything else it's a
//! [`View`] with one vector per block. Views are shared until they differ, so a barrier of a grid
//! costs little more than a comparison of pointers.
//!
//! Strong variables carry views: a release, or a fence and then a strong write, leaves one there; an
//! acquire, or a strong read and then a fence, takes it up. What a block-wide fence or scope leaves
//! is for the same block only.

use super::Who;
use crate::exec::reach::Scope;
use rustc_hash::FxHashMap;
use std::collections::BTreeMap;
use std::sync::Arc;

const LANES: usize = 32;

/// Per block, a clock for each of its threads.
#[derive(Clone, Debug, Default)]
struct View(BTreeMap<u32, Arc<Vec<u32>>>);

/// The join of two views; the first one itself where the other adds nothing.
fn join(a: &Arc<View>, b: &Arc<View>) -> Arc<View> {
    if Arc::ptr_eq(a, b) {
        return Arc::clone(a);
    }
    let mut joined: Option<View> = None;
    for (block, theirs) in &b.0 {
        let merged = match a.0.get(block) {
            Some(ours) if Arc::ptr_eq(ours, theirs) => continue,
            Some(ours) if ours.iter().zip(theirs.iter()).all(|(x, y)| x >= y) => continue,
            Some(ours) => {
                Arc::new(ours.iter().zip(theirs.iter()).map(|(x, y)| *x.max(y)).collect())
            }
            None => Arc::clone(theirs),
        };
        joined.get_or_insert_with(|| (**a).clone()).0.insert(*block, merged);
    }
    joined.map_or_else(|| Arc::clone(a), Arc::new)
}

fn join_into(a: &mut Option<Arc<View>>, b: &Arc<View>) {
    *a = Some(match a {
        Some(a) => join(a, b),
        None => Arc::clone(b),
    });
}

/// One view per scope: what is for the same block only, and what is for all.
type Scoped = [Option<Arc<View>>; 2];
const BLOCK: usize = 0;
const DEVICE: usize = 1;

#[derive(Clone, Debug)]
struct Lane {
    view: Arc<View>,
    /// Clocks of the warp's lanes.
    seen: [u32; LANES],
    /// What the last fence made ready for a strong write to leave.
    fenced: Scoped,
    /// What strong reads found, for the next fence to take up.
    found: Scoped,
}

#[derive(Debug)]
struct Warp {
    clock: u32,
    lanes: Vec<Lane>,
}

#[derive(Debug, Default)]
pub struct Order {
    blocks: FxHashMap<u32, Vec<Warp>>,
    /// What strong variables carry: for their readers in one block, or for all.
    carried: FxHashMap<(u64, Option<u32>), Arc<View>>,
}

impl Order {
    pub fn start(&mut self, block: u32, threads: u32) {
        let padded = threads.next_multiple_of(LANES as u32) as usize;
        let view = Arc::new(View(BTreeMap::from([(block, Arc::new(vec![0; padded]))])));
        let lane =
            Lane { view, seen: [0; LANES], fenced: Scoped::default(), found: Scoped::default() };
        let warp = || Warp { clock: 0, lanes: vec![lane.clone(); LANES] };
        self.blocks.insert(block, (0..padded / LANES).map(|_| warp()).collect());
    }

    pub fn end(&mut self, block: u32) {
        self.blocks.remove(&block);
        self.carried.retain(|(_, only), _| *only != Some(block));
    }

    fn warp(&mut self, block: u32, warp: u32) -> Option<&mut Warp> {
        self.blocks.get_mut(&block)?.get_mut(warp as usize)
    }

    /// Clock of what a thread does now.
    pub fn now(&self, who: Who) -> u32 {
        let warps = self.blocks.get(&who.block);
        warps.and_then(|warps| warps.get(who.warp as usize)).map_or(0, |warp| warp.clock)
    }

    /// Whether what some lanes of a warp did at a clock happened before what `who` does now.
    pub fn before(&self, block: u32, warp: u32, lanes: u32, clock: u32, who: Who) -> bool {
        let Some(own) = self.blocks.get(&who.block).and_then(|b| b.get(who.warp as usize)) else {
            return true;
        };
        let me = &own.lanes[who.lane as usize];
        let same_warp = block == who.block && warp == who.warp;
        let mut lanes = if same_warp { lanes & !(1 << who.lane) } else { lanes };
        if lanes == 0 {
            return true;
        }
        let known = me.view.0.get(&block);
        let known = known.and_then(|known| known.get(warp as usize * LANES..)?.first_chunk());
        let known: &[u32; LANES] = known.unwrap_or(&[0; LANES]);
        while lanes != 0 {
            let lane = lanes.trailing_zeros() as usize;
            if clock >= known[lane] && (!same_warp || clock >= me.seen[lane]) {
                return false;
            }
            lanes &= lanes - 1;
        }
        true
    }

    pub fn sync_warp(&mut self, block: u32, warp: u32, mask: u32) {
        let Some(warp) = self.warp(block, warp) else { return };
        let members = || (0..LANES).filter(|lane| mask >> lane & 1 != 0);
        let mut seen = [0; LANES];
        let mut view: Option<Arc<View>> = None;
        for lane in members() {
            let lane = &warp.lanes[lane];
            (0..LANES).for_each(|other| seen[other] = seen[other].max(lane.seen[other]));
            join_into(&mut view, &lane.view);
        }
        warp.clock += 1;
        members().for_each(|lane| seen[lane] = warp.clock);
        let Some(view) = view else { return };
        for lane in members() {
            let lane = &mut warp.lanes[lane];
            (lane.seen, lane.view) = (seen, Arc::clone(&view));
        }
    }

    pub fn sync_block(&mut self, block: u32, lanes: &[(u32, u32)]) {
        let Some(warps) = self.blocks.get_mut(&block) else { return };
        let mut view: Option<Arc<View>> = None;
        let mut clocks = vec![0; warps.len() * LANES];
        for &(index, mask) in lanes {
            let warp = &mut warps[index as usize];
            let clocks = &mut clocks[index as usize * LANES..][..LANES];
            warp.clock += 1;
            for lane in (0..LANES).filter(|lane| mask >> lane & 1 != 0) {
                join_into(&mut view, &warp.lanes[lane].view);
                let seen = &warp.lanes[lane].seen;
                (0..LANES).for_each(|other| clocks[other] = clocks[other].max(seen[other]));
            }
            (0..LANES).filter(|l| mask >> l & 1 != 0).for_each(|l| clocks[l] = warp.clock);
        }
        let Some(view) = view else { return };
        let met = Arc::new(View(BTreeMap::from([(block, Arc::new(clocks))])));
        let view = join(&view, &met);
        for &(index, mask) in lanes {
            for lane in (0..LANES).filter(|lane| mask >> lane & 1 != 0) {
                warps[index as usize].lanes[lane].view = Arc::clone(&view);
            }
        }
    }

    /// All that a lane knows, its own past included. Its clock ticks.
    fn release(&mut self, who: Who) -> Option<Arc<View>> {
        let warp = self.warp(who.block, who.warp)?;
        warp.clock += 1;
        let lane = &warp.lanes[who.lane as usize];
        let mut view = (*lane.view).clone();
        if let Some(own) = view.0.get_mut(&who.block) {
            let own = &mut Arc::make_mut(own)[who.warp as usize * LANES..][..LANES];
            (0..LANES).for_each(|other| own[other] = own[other].max(lane.seen[other]));
            own[who.lane as usize] = warp.clock;
        }
        Some(Arc::new(view))
    }

    pub fn fence(&mut self, who: Who, scope: Scope) {
        let Some(warp) = self.warp(who.block, who.warp) else { return };
        let lane = &mut warp.lanes[who.lane as usize];
        for (found, wide) in lane.found.iter_mut().zip([false, true]) {
            if (scope == Scope::Device || !wide)
                && let Some(found) = found.take()
            {
                lane.view = join(&lane.view, &found);
            }
        }
        let released = self.release(who);
        let Some(warp) = self.warp(who.block, who.warp) else { return };
        let lane = &mut warp.lanes[who.lane as usize];
        if scope == Scope::Device {
            lane.fenced[DEVICE].clone_from(&released);
        }
        lane.fenced[BLOCK] = released;
    }

    pub fn observe(&mut self, who: Who, key: u64, acquires: bool, scope: Scope) {
        let carried = [Some(who.block), None].map(|only| self.carried.get(&(key, only)).cloned());
        let Some(warp) = self.warp(who.block, who.warp) else { return };
        let lane = &mut warp.lanes[who.lane as usize];
        for (index, carried) in carried.iter().enumerate() {
            let Some(carried) = carried else { continue };
            if acquires && (scope == Scope::Device || index == BLOCK) {
                lane.view = join(&lane.view, carried);
            } else {
                join_into(&mut lane.found[index], carried);
            }
        }
    }

    pub fn publish(&mut self, who: Who, key: u64, releases: bool, modifies: bool, scope: Scope) {
        let mut views = if releases {
            let released = self.release(who);
            [released.clone(), released]
        } else {
            let Some(warp) = self.warp(who.block, who.warp) else { return };
            warp.lanes[who.lane as usize].fenced.clone()
        };
        if scope == Scope::Block {
            views[DEVICE] = None;
        }
        for (view, only) in views.into_iter().zip([Some(who.block), None]) {
            let slot = (key, only);
            match (view, modifies) {
                // An atomic continues what the variable carries, a store begins anew.
                (Some(view), true) => {
                    let carried = self.carried.remove(&slot);
                    let joined = carried.map_or_else(|| Arc::clone(&view), |c| join(&c, &view));
                    self.carried.insert(slot, joined);
                }
                (Some(view), false) => drop(self.carried.insert(slot, view)),
                (None, true) => {}
                (None, false) => drop(self.carried.remove(&slot)),
            }
        }
    }
}
