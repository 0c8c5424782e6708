//! Work that waits for its turn: a graph of dependencies, run in a seeded order.
//!
//! A node belongs to a lane (a stream, or a branch of a graph) and waits for the nodes it was
//! pushed after. Among the nodes that are ready, the seed draws: mostly from the lane that the
//! present round favours, so that one lane runs far ahead of another, sometimes from any, so that
//! they interleave. Whatever two nodes the dependencies leave unordered, some seed runs in either
//! order.

use std::collections::HashMap;

/// Names a node, in order of pushing, from 1.
pub type Id = u64;

struct Pending<T> {
    work: T,
    lane: u64,
    blockers: usize,
    followers: Vec<Id>,
}

/// Nodes that have not run.
pub struct Queue<T> {
    last: Id,
    pending: HashMap<Id, Pending<T>>,
    ready: Vec<(Id, u64)>,
    running: Option<(Id, Vec<Id>)>,
    random: u64,
    round: u64,
}

impl<T> Queue<T> {
    pub fn new(seed: u64) -> Self {
        let random = mix(seed ^ 0x5851_f42d_4c95_7f2d);
        let round = mix(random);
        Self { last: 0, pending: HashMap::new(), ready: Vec::new(), running: None, random, round }
    }

    /// How many have not run.
    pub fn len(&self) -> usize {
        self.pending.len()
    }

    pub fn push(&mut self, lane: u64, after: &[Id], work: T) -> Id {
        self.last += 1;
        let id = self.last;
        let mut blockers = 0;
        let mut seen = Vec::with_capacity(after.len());
        for &before in after {
            if seen.contains(&before) {
                continue;
            }
            seen.push(before);
            let followers = match (&mut self.running, self.pending.get_mut(&before)) {
                (Some((running, followers)), _) if *running == before => followers,
                (_, Some(node)) => &mut node.followers,
                _ => continue,
            };
            followers.push(id);
            blockers += 1;
        }
        self.pending.insert(id, Pending { work, lane, blockers, followers: Vec::new() });
        if blockers == 0 {
            self.ready.push((id, lane));
        }
        id
    }

    /// Whether a node has run; what was never pushed counts as done.
    pub fn is_done(&self, id: Id) -> bool {
        !self.pending.contains_key(&id) && self.running.as_ref().is_none_or(|(run, _)| *run != id)
    }

    /// The work of a node that has not run.
    pub fn iter(&self) -> impl Iterator<Item = (Id, &T)> {
        self.pending.iter().map(|(&id, node)| (id, &node.work))
    }

    /// A new round favours other lanes.
    pub fn shuffle(&mut self) {
        self.round = self.draw();
    }

    /// Takes a node that may run now, of those wanted; [`Queue::finish`] says that it did.
    pub fn take(&mut self, wanted: impl Fn(&T) -> bool) -> Option<(Id, T)> {
        let fits =
            |(id, _): &(Id, u64)| self.pending.get(id).is_some_and(|node| wanted(&node.work));
        let fitting: Vec<usize> =
            (0..self.ready.len()).filter(|&index| fits(&self.ready[index])).collect();
        if fitting.is_empty() {
            return None;
        }
        let draw = self.draw();
        let index = if draw & 3 == 0 {
            fitting[(draw >> 2) as usize % fitting.len()]
        } else {
            let rank = |index: &usize| {
                let (id, lane) = self.ready[*index];
                (mix(lane ^ self.round), id)
            };
            fitting.into_iter().min_by_key(rank)?
        };
        let (id, _) = self.ready.swap_remove(index);
        let node = self.pending.remove(&id)?;
        self.running = Some((id, node.followers));
        Some((id, node.work))
    }

    /// The node taken last is done: what waited for it alone is ready.
    pub fn finish(&mut self) {
        let Some((_, followers)) = self.running.take() else { return };
        for id in followers {
            if let Some(node) = self.pending.get_mut(&id) {
                node.blockers -= 1;
                if node.blockers == 0 {
                    self.ready.push((id, node.lane));
                }
            }
        }
    }

    fn draw(&mut self) -> u64 {
        self.random = self.random.wrapping_add(0x9e37_79b9_7f4a_7c15);
        mix(self.random)
    }
}

/// SplitMix64's finalizer.
pub fn mix(mut x: u64) -> u64 {
    x = (x ^ (x >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    x ^ (x >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    fn run(queue: &mut Queue<char>) -> String {
        let mut order = String::new();
        while let Some((id, work)) = queue.take(|_| true) {
            order.push(work);
            assert!(!queue.is_done(id));
            queue.finish();
            assert!(queue.is_done(id));
        }
        order
    }

    #[test]
    fn dependencies_hold_under_every_seed() {
        for seed in 0..200 {
            let mut queue = Queue::new(seed);
            let a = queue.push(1, &[], 'a');
            let b = queue.push(1, &[a], 'b');
            let c = queue.push(2, &[a, a], 'c');
            queue.push(3, &[b, c, 999], 'd');
            let order = run(&mut queue);
            assert!(order == "abcd" || order == "acbd", "{order}");
            assert_eq!(queue.len(), 0);
        }
    }

    #[test]
    fn independent_lanes_run_in_every_order() {
        let mut orders = HashSet::new();
        for seed in 0..200 {
            let mut queue = Queue::new(seed);
            let a = queue.push(1, &[], 'a');
            queue.push(1, &[a], 'b');
            let c = queue.push(2, &[], 'c');
            queue.push(2, &[c], 'd');
            orders.insert(run(&mut queue));
        }
        assert_eq!(orders.len(), 6, "{orders:?}");
    }

    #[test]
    fn one_seed_gives_one_order() {
        let order = |seed| {
            let mut queue = Queue::new(seed);
            for lane in 0..8 {
                queue.push(lane, &[], char::from(b'a' + lane as u8));
            }
            run(&mut queue)
        };
        assert_eq!(order(5), order(5));
        assert_ne!(order(5), order(6));
    }
}
