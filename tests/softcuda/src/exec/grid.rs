//! A launch: the order of its blocks.
//!
//! Blocks of an ordinary grid run to their end one after another, on as many host threads as are
//! allowed. Those of a cooperative grid are all there at once and take turns. Checked launches run
//! on one thread, in an order that a seed decides.

use super::block::Block;
use super::machine::{Machine, Stop};
use super::{Fault, FaultKind, Launch, Options};
use crate::checks::Checker;
use crate::counters;
use crate::memory::Memory;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};

/// Instructions of a warp's turn.
const QUANTUM: i64 = 4096;

struct Run<'m> {
    machine: &'m Machine<'m>,
    steps: AtomicU64,
    watchdog: u64,
    /// Somebody failed.
    over: AtomicBool,
    failure: Mutex<Option<Fault>>,
}

impl Run<'_> {
    fn fail(&self, stop: Stop, block: u32) {
        self.over.store(true, Ordering::Relaxed);
        if let Ok(mut failure) = self.failure.lock() {
            failure.get_or_insert_with(|| self.machine.fault(stop, block));
        }
    }

    /// Whether it may go on, having run so many instructions more.
    fn count(&self, ran: u64, block: &Block) -> bool {
        let total = self.steps.fetch_add(ran, Ordering::Relaxed) + ran;
        if total > self.watchdog {
            let message = format!("more than {} instructions: the kernel hangs", self.watchdog);
            let (pc, warp, lane) = block.place();
            let stop = Stop { kind: FaultKind::Watchdog, message, pc, warp, lane };
            self.fail(stop, block.index);
        }
        !self.over.load(Ordering::Relaxed)
    }

    /// One turn of a block; false when the launch is over.
    fn turn(&self, block: &mut Block, check: Option<&mut Checker>) -> bool {
        match block.turn(self.machine, QUANTUM, check) {
            Ok(ran) => self.count(ran, block),
            Err(stop) => {
                self.fail(*stop, block.index);
                false
            }
        }
    }

    /// Blocks one after another, as `next` names them.
    fn ordinary(&self, mut next: impl FnMut() -> Option<u32>, mut check: Option<&mut Checker>) {
        let mut block = Block::new(self.machine);
        while let Some(index) = next() {
            block.restart(index, self.machine);
            if self.machine.counting {
                counters::block(index);
            }
            if let Some(check) = &mut check {
                check.start_block(index);
            }
            while !block.done() {
                if !self.turn(&mut block, check.as_deref_mut()) {
                    return;
                }
            }
            if let Some(check) = &mut check {
                check.end_block(index);
            }
        }
    }

    /// Blocks in turn, all of them there.
    fn cooperative(&self, blocks: impl Iterator<Item = u32>, mut check: Option<&mut Checker>) {
        let mut blocks: Vec<Block> = blocks
            .map(|index| {
                let mut block = Block::new(self.machine);
                block.restart(index, self.machine);
                if let Some(check) = &mut check {
                    check.start_block(index);
                }
                block
            })
            .collect();
        while !blocks.is_empty() {
            if let Some(check) = &mut check {
                let order = check.shuffled(blocks.len());
                let mut slots: Vec<Option<Block>> = blocks.into_iter().map(Some).collect();
                blocks = order.into_iter().filter_map(|k| slots[k].take()).collect();
            }
            for block in &mut blocks {
                if !self.turn(block, check.as_deref_mut()) {
                    return;
                }
            }
            blocks.retain(|block| !block.done());
        }
    }
}

/// Runs a kernel to its end; what it did, if it is counted.
pub fn launch(
    request: &Launch<'_>,
    memory: &Memory,
    options: &Options,
) -> Result<Option<counters::Launch>, Fault> {
    let mut machine = Machine::new(request, memory).map_err(|message| {
        let functions = request.module.module().functions();
        Fault {
            kind: FaultKind::InvalidLaunch,
            message,
            kernel: functions.get(request.function).map_or("?", |f| f.name()).to_owned(),
            ptx_line: 0,
            source: None,
            block: [0; 3],
            thread: [0; 3],
        }
    })?;
    machine.counting = options.counting.is_some();
    if let Some(cache) = options.counting {
        counters::begin(machine.program.code.len(), cache);
    }
    let run = Run {
        machine: &machine,
        steps: AtomicU64::new(0),
        watchdog: options.watchdog,
        over: AtomicBool::new(false),
        failure: Mutex::new(None),
    };
    let blocks = machine.blocks();
    if options.checked {
        let mut check = Checker::new(machine.threads, machine.shared_bytes, options.seed);
        if request.cooperative {
            run.cooperative(0..blocks, Some(&mut check));
        } else {
            let mut order = check.shuffled(blocks as usize).into_iter();
            run.ordinary(|| order.next().map(|index| index as u32), Some(&mut check));
        }
    } else {
        let threads = if machine.counting { 1 } else { options.threads.max(1) as u32 };
        let threads = threads.min(blocks);
        let counter = AtomicU32::new(0);
        let take = || {
            let index = counter.fetch_add(1, Ordering::Relaxed);
            (index < blocks).then_some(index)
        };
        let work = |thread: u32| {
            if request.cooperative {
                run.cooperative((thread..blocks).step_by(threads as usize), None);
            } else {
                run.ordinary(take, None);
            }
        };
        if threads == 1 {
            work(0);
        } else {
            std::thread::scope(|scope| {
                (1..threads).for_each(|thread| drop(scope.spawn(move || work(thread))));
                work(0);
            });
        }
    }
    match run.failure.into_inner() {
        Ok(Some(fault)) => Err(fault),
        _ => Ok(machine.counting.then(|| counted(&machine))),
    }
}

/// What was counted of a launch that has ended, by lines of its source.
fn counted(machine: &Machine<'_>) -> counters::Launch {
    let (kernel, grid) = (machine.function.name().to_owned(), machine.grid);
    let mut launch = counters::Launch { kernel, grid, ..Default::default() };
    for (pc, counts) in counters::end().into_iter().enumerate() {
        *launch.lines.entry(machine.site(pc).1.unwrap_or_default()).or_default() += counts;
    }
    launch
}
