//! Who is ordered before whom: vector clocks over lanes, and the conflicts that they find.
//!
//! Streams, and the branches of a graph, are lanes. A node's clock says how far in every lane the
//! work is that is certain to be over when the node starts, whichever order the device chose this
//! time. So a missing event shows whether or not the seed happened to run things in the wrong
//! order. Kept in checked mode only.

use std::collections::BTreeMap;
use std::sync::Arc;

/// How far each lane is known to be.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Clock(BTreeMap<u64, u64>);

impl Clock {
    pub fn join(&mut self, other: &Self) {
        for (&lane, &tick) in &other.0 {
            let known = self.0.entry(lane).or_default();
            *known = tick.max(*known);
        }
    }

    pub fn advance(&mut self, lane: u64, tick: u64) {
        self.0.insert(lane, tick);
    }

    fn knows(&self, who: &Who) -> bool {
        self.0.get(&who.lane).is_some_and(|&tick| tick >= who.tick)
    }
}

/// One piece of work: its place in its lane, and what it is called in messages.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Who {
    pub lane: u64,
    pub tick: u64,
    pub name: Arc<str>,
}

/// What is known of a range of device memory: who wrote it last, who has read it since.
#[derive(Clone, Debug, Default)]
struct Range {
    end: u64,
    writer: Option<Who>,
    readers: Vec<Who>,
}

/// Accesses to one device's memory, by range.
#[derive(Debug, Default)]
pub struct History {
    ranges: BTreeMap<u64, Range>,
}

impl History {
    /// Forgets a range: it is someone else's memory now.
    pub fn forget(&mut self, at: u64, bytes: u64) {
        self.cut(at);
        self.cut(at + bytes);
        let gone: Vec<u64> = self.ranges.range(at..at + bytes).map(|(&start, _)| start).collect();
        for start in gone {
            self.ranges.remove(&start);
        }
    }

    /// Notes an access and says whom it conflicts with.
    pub fn access(
        &mut self,
        at: u64,
        bytes: u64,
        writes: bool,
        who: &Who,
        clock: &Clock,
    ) -> Result<(), String> {
        if bytes == 0 {
            return Ok(());
        }
        let end = at + bytes;
        self.cut(at);
        self.cut(end);
        let mut conflict = None;
        let mut next = at;
        let mut holes = Vec::new();
        for (&start, range) in self.ranges.range_mut(at..end) {
            if start > next {
                holes.push((next, start));
            }
            next = range.end;
            let others = range.writer.iter().chain(range.readers.iter().filter(|_| writes));
            for other in others {
                if other.lane != who.lane && !clock.knows(other) && conflict.is_none() {
                    conflict = Some((start, range.end.min(end), other.clone()));
                }
            }
            if writes {
                range.writer = Some(who.clone());
                range.readers.clear();
            } else if let Some(same) = range.readers.iter_mut().find(|r| r.lane == who.lane) {
                same.clone_from(who);
            } else {
                range.readers.push(who.clone());
            }
        }
        if next < end {
            holes.push((next, end));
        }
        for (start, end) in holes {
            let (writer, readers) =
                if writes { (Some(who.clone()), Vec::new()) } else { (None, vec![who.clone()]) };
            self.ranges.insert(start, Range { end, writer, readers });
        }
        match conflict {
            None => Ok(()),
            Some((start, end, other)) => Err(format!(
                "missing synchronisation: {} {} {} bytes at {start:#x} that {} touches, and nothing \
                 orders the two",
                who.name,
                if writes { "writes" } else { "reads" },
                end - start,
                other.name,
            )),
        }
    }

    /// Makes `at` a boundary between ranges.
    fn cut(&mut self, at: u64) {
        if let Some((&start, range)) = self.ranges.range_mut(..at).next_back()
            && range.end > at
        {
            debug_assert!(start < at);
            let mut right = range.clone();
            range.end = at;
            right.end = right.end.max(at);
            self.ranges.insert(at, right);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn who(lane: u64, tick: u64) -> Who {
        Who { lane, tick, name: format!("{lane}.{tick}").into() }
    }

    fn knowing(pairs: &[(u64, u64)]) -> Clock {
        let mut clock = Clock::default();
        for &(lane, tick) in pairs {
            clock.advance(lane, tick);
        }
        clock
    }

    #[test]
    fn unordered_write_and_read_conflict_in_both_orders() {
        let none = Clock::default();
        let mut history = History::default();
        assert!(history.access(100, 50, true, &who(1, 1), &none).is_ok());
        assert!(history.access(0, 100, false, &who(2, 1), &none).is_ok());
        assert!(history.access(140, 20, false, &who(2, 2), &none).is_err());
        assert!(history.access(60, 1, true, &who(1, 2), &none).is_err());
    }

    #[test]
    fn ordered_work_does_not() {
        let mut history = History::default();
        assert!(history.access(0, 64, true, &who(1, 3), &Clock::default()).is_ok());
        assert!(history.access(0, 64, false, &who(2, 1), &knowing(&[(1, 3)])).is_ok());
        assert!(history.access(0, 64, true, &who(1, 4), &knowing(&[(2, 1)])).is_ok());
        let message = history.access(8, 4, true, &who(3, 1), &knowing(&[(2, 1)])).unwrap_err();
        assert!(message.contains("3.1 writes 4 bytes at 0x8 that 1.4 touches"), "{message}");
    }

    #[test]
    fn two_readers_are_no_conflict_and_memory_is_forgotten() {
        let none = Clock::default();
        let mut history = History::default();
        assert!(history.access(0, 8, false, &who(1, 1), &none).is_ok());
        assert!(history.access(4, 8, false, &who(2, 1), &none).is_ok());
        history.forget(2, 6);
        assert!(history.access(2, 6, true, &who(3, 1), &none).is_ok());
        assert!(history.access(10, 2, true, &who(3, 2), &none).is_err());
    }
}
