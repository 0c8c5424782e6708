//! What a launch does to the machine: its instructions, and what they ask of each level of memory.
//!
//! Counted while a launch runs on one host thread, for every instruction of the kernel, and added up by
//! lines of its source. Instructions, sectors, wavefronts, shuffles, barriers, fences and products of matrices are what any device
//! has; what the caches miss is a model, which knows no other block at work at the same time:
//!
//! * L1: 128 KB a block, empty when it begins and after a fence, the oldest line goes first; stores, and
//!   loads that others may have to see (volatile, relaxed, acquire), go past it;
//! * L2: `SOFTCUDA_L2` bytes, kept from launch to launch, the oldest line goes first; a sector that is written
//!   for the first time in a launch goes to DRAM once. Who counts a few layers of a deep network gives it
//!   the same share of the cache.
//!
//! Spinning at a barrier of a grid depends on the order in which blocks take turns: its loads and
//! instructions say nothing of a device. An asynchronous copy is a load past L1 and a store of shared memory.

use std::cell::RefCell;
use std::collections::{BTreeMap, HashMap, VecDeque};
use std::fmt::Write as _;
use std::ops::AddAssign;
use std::path::Path;

use crate::checks::Use;
use crate::exec::reach::At;
use crate::exec::window;

/// Bytes of a line of a cache, and of one of its four sectors.
const LINE: u64 = 128;
const SECTOR: u64 = 32;
/// Lines that L1 holds.
const L1: usize = (128 << 10) / 128;

/// What was counted at one place.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Instructions of warps.
    pub instructions: u64,
    /// Loads of warps from global memory, and the sectors of 32 bytes that they touch.
    pub loads: u64,
    pub load_sectors: u64,
    /// Stores and atomic operations of warps to global memory, and their sectors.
    pub stores: u64,
    pub atomics: u64,
    pub store_sectors: u64,
    /// Wavefronts of global memory in L1: 128 bytes of one line each.
    pub wavefronts: u64,
    /// Sectors that L1 asks of L2, and those that L2 asks of DRAM or will write there.
    pub l2_sectors: u64,
    pub dram_sectors: u64,
    /// Wavefronts of shared memory, of loads and of stores, and how many all would be without bank conflicts.
    pub shared_load_wavefronts: u64,
    pub shared_store_wavefronts: u64,
    pub shared_ideal: u64,
    /// Exchanges between lanes.
    pub shuffles: u64,
    /// Arrivals of warps at barriers of their block.
    pub barriers: u64,
    /// Fences.
    pub fences: u64,
    /// Products of matrices (`mma`) of warps, each of 1024 multiply-adds.
    pub matrix_products: u64,
}

/// Names of the columns of a file, in the order of [`Counts::values`].
const COLUMNS: &str = "instructions,loads,load_sectors,stores,atomics,store_sectors,wavefronts,l2_sectors,\
                       dram_sectors,shared_load_wavefronts,shared_store_wavefronts,shared_ideal,shuffles,barriers,fences,\
                       matrix_products";

impl Counts {
    fn values(&self) -> [u64; 16] {
        let Counts { instructions, loads, load_sectors, stores, atomics, store_sectors, .. } =
            *self;
        let Counts { wavefronts, l2_sectors, dram_sectors, shared_load_wavefronts, .. } = *self;
        let Counts { shared_store_wavefronts, shared_ideal, shuffles, barriers, .. } = *self;
        let Counts { fences, matrix_products, .. } = *self;
        [
            instructions,
            loads,
            load_sectors,
            stores,
            atomics,
            store_sectors,
            wavefronts,
            l2_sectors,
            dram_sectors,
            shared_load_wavefronts,
            shared_store_wavefronts,
            shared_ideal,
            shuffles,
            barriers,
            fences,
            matrix_products,
        ]
    }

    fn each(&mut self) -> [&mut u64; 16] {
        [
            &mut self.instructions,
            &mut self.loads,
            &mut self.load_sectors,
            &mut self.stores,
            &mut self.atomics,
            &mut self.store_sectors,
            &mut self.wavefronts,
            &mut self.l2_sectors,
            &mut self.dram_sectors,
            &mut self.shared_load_wavefronts,
            &mut self.shared_store_wavefronts,
            &mut self.shared_ideal,
            &mut self.shuffles,
            &mut self.barriers,
            &mut self.fences,
            &mut self.matrix_products,
        ]
    }
}

impl AddAssign for Counts {
    fn add_assign(&mut self, other: Counts) {
        self.each().into_iter().zip(other.values()).for_each(|(sum, more)| *sum += more);
    }
}

/// A launch that was counted.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Launch {
    pub kernel: String,
    pub grid: [u32; 3],
    /// Counts by line of the source, `file:line`; empty where it does not say.
    pub lines: BTreeMap<String, Counts>,
}

impl Launch {
    /// All lines together.
    pub fn total(&self) -> Counts {
        self.lines.values().fold(Counts::default(), |mut sum, counts| {
            sum += *counts;
            sum
        })
    }

    /// Appends the launch to a file, a row for the kernel and one for every line.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn append_to(&self, file: &Path) -> std::io::Result<()> {
        use std::io::Write;
        let mut text = String::new();
        if std::fs::metadata(file).map_or(0, |about| about.len()) == 0 {
            let _ = writeln!(text, "kernel,grid_x,grid_y,grid_z,line,{COLUMNS}");
        }
        let [x, y, z] = self.grid;
        let mut row = |line: &str, counts: &Counts| {
            let _ = write!(text, "{},{x},{y},{z},{line}", self.kernel);
            for value in counts.values() {
                let _ = write!(text, ",{value}");
            }
            text.push('\n');
        };
        row("", &self.total());
        self.lines.iter().filter(|(line, _)| !line.is_empty()).for_each(|(line, c)| row(line, c));
        let mut file = std::fs::OpenOptions::new().create(true).append(true).open(file)?;
        file.write_all(text.as_bytes())
    }
}

/// Sectors of lines, of which the oldest goes first.
#[derive(Default)]
struct Cache {
    lines: HashMap<u64, u8>,
    order: VecDeque<u64>,
}

impl Cache {
    /// The sectors of a line, as bits, that are wanted and not there; they are afterwards.
    fn touch(&mut self, line: u64, wanted: u8, capacity: usize) -> u8 {
        if let Some(here) = self.lines.get_mut(&line) {
            let missed = wanted & !*here;
            *here |= wanted;
            return missed;
        }
        if self.order.len() >= capacity
            && let Some(oldest) = self.order.pop_front()
        {
            self.lines.remove(&oldest);
        }
        self.lines.insert(line, wanted);
        self.order.push_back(line);
        wanted
    }
}

/// What is counted of the launch at hand, by instruction, and what the caches hold.
#[derive(Default)]
struct Counter {
    counts: Vec<Counts>,
    l1: HashMap<u32, Cache>,
    l2: Cache,
    /// Lines that L2 holds.
    l2_lines: usize,
    /// Sectors that this launch has written.
    written: HashMap<u64, u8>,
}

thread_local! {
    static COUNTER: RefCell<Counter> = RefCell::default();
}

/// Begins a launch of a kernel with so many instructions, on a device with so many bytes of L2.
pub fn begin(instructions: usize, cache: u64) {
    COUNTER.with_borrow_mut(|counter| {
        counter.l2_lines = (cache / LINE).max(1) as usize;
        counter.counts = vec![Counts::default(); instructions];
        counter.l1.clear();
        counter.written.clear();
    });
}

/// Ends the launch: counts by instruction.
pub fn end() -> Vec<Counts> {
    COUNTER.with_borrow_mut(|counter| std::mem::take(&mut counter.counts))
}

/// A block begins: its L1 is empty.
pub fn block(index: u32) {
    COUNTER.with_borrow_mut(|counter| drop(counter.l1.remove(&index)));
}

/// Instructions of a warp at `pcs`.
pub fn instructions(pcs: std::ops::Range<usize>) {
    COUNTER.with_borrow_mut(|counter| {
        counter.counts[pcs].iter_mut().for_each(|counts| counts.instructions += 1);
    });
}

/// Something else at one place, as `count` has it.
pub fn at(pc: usize, count: impl FnOnce(&mut Counts)) {
    COUNTER.with_borrow_mut(|counter| count(&mut counter.counts[pc]));
}

/// A fence at `pc`: what is loaded afterwards comes from L2.
pub fn fence(pc: usize, block: u32) {
    COUNTER.with_borrow_mut(|counter| {
        counter.counts[pc].fences += 1;
        counter.l1.remove(&block);
    });
}

/// What one warp asks of memory.
pub struct Asked {
    pub pc: usize,
    pub block: u32,
    pub at: At,
    /// Bytes of a lane, beginning at these addresses, of the lanes in `lanes`.
    pub bytes: u64,
    pub addresses: [u64; 32],
    pub lanes: u32,
    pub kind: Use,
}

/// A load, a store or an atomic operation.
pub fn access(asked: Asked) {
    let Asked { pc, block, mut at, bytes, mut addresses, lanes, kind } = asked;
    let (reads, writes) = (kind.reads(), kind.writes());
    if lanes == 0 {
        return;
    }
    if at == At::Generic {
        at = window::resolve(addresses[lanes.trailing_zeros() as usize]).0;
        addresses.iter_mut().for_each(|address| *address = window::resolve(*address).1);
    }
    let there = (0..32).filter(|lane| lanes >> lane & 1 != 0).map(|lane| addresses[lane]);
    COUNTER.with_borrow_mut(|counter| {
        let counts = &mut counter.counts[pc];
        match at {
            At::Shared => {
                let (wavefronts, ideal) = of_banks(there, bytes);
                match writes {
                    true => counts.shared_store_wavefronts += wavefronts,
                    false => counts.shared_load_wavefronts += wavefronts,
                }
                counts.shared_ideal += ideal;
            }
            At::Global => {
                let mut lines: BTreeMap<u64, u8> = BTreeMap::new();
                for address in there {
                    for sector in address / SECTOR..=(address + bytes - 1) / SECTOR {
                        *lines.entry(sector * SECTOR / LINE).or_default() |= 1 << (sector % 4);
                    }
                }
                let number = |sectors: u8| u64::from(sectors.count_ones());
                let sectors: u64 = lines.values().map(|&sectors| number(sectors)).sum();
                counts.wavefronts += lines.len() as u64;
                match (reads, writes) {
                    (true, true) => counts.atomics += 1,
                    (_, true) => counts.stores += 1,
                    _ => counts.loads += 1,
                }
                if writes {
                    counts.store_sectors += sectors;
                    counts.l2_sectors += sectors;
                    for (line, sectors) in lines {
                        let before = counter.written.entry(line).or_default();
                        counts.dram_sectors += number(sectors & !*before);
                        *before |= sectors;
                        counter.l2.touch(line, sectors, counter.l2_lines);
                    }
                } else {
                    counts.load_sectors += sectors;
                    let l1 = counter.l1.entry(block).or_default();
                    for (line, sectors) in lines {
                        let missed = match kind {
                            Use::Read => l1.touch(line, sectors, L1),
                            _ => sectors,
                        };
                        counts.l2_sectors += number(missed);
                        if missed != 0 {
                            counts.dram_sectors +=
                                number(counter.l2.touch(line, missed, counter.l2_lines));
                        }
                    }
                }
            }
            // Parameters and local memory: registers, where nothing is spilled.
            _ => {}
        }
    });
}

/// Wavefronts of one access to the 32 banks of shared memory, 4 bytes wide, and how many its distinct words
/// would fill. Words of 8 or 16 bytes a lane go in two or four parts, as hardware deals them out.
fn of_banks(addresses: impl Iterator<Item = u64>, bytes: u64) -> (u64, u64) {
    // In the order of lanes, by which they are dealt out.
    let mut distinct: Vec<u64> = Vec::new();
    addresses.map(|address| address / 4 * 4).for_each(|address| {
        if !distinct.contains(&address) {
            distinct.push(address);
        }
    });
    let lanes = match bytes {
        16 => 8,
        8 => 16,
        _ => 32,
    };
    let words = |address: &u64| address / 4..=(address + bytes.max(4) - 1) / 4;
    let of_part = |part: &[u64]| {
        let mut banks = [0_u64; 32];
        part.iter().flat_map(words).for_each(|word| banks[(word % 32) as usize] += 1);
        banks.into_iter().max().unwrap_or(0)
    };
    let ideal = distinct.iter().flat_map(words).count() as u64;
    (distinct.chunks(lanes).map(of_part).sum(), ideal.div_ceil(32))
}
