//! What all blocks of a launch share, and how a fault is told.

use super::{Fault, FaultKind, Launch};
use crate::checks::Clash;
use crate::memory::Memory;
use crate::ptx::program::{Program, Special, Value};
use crate::ptx::{Function, Loaded};

/// A fault before it's put into words.
#[derive(Debug)]
pub struct Stop {
    pub kind: FaultKind,
    pub message: String,
    pub pc: usize,
    pub warp: u32,
    pub lane: usize,
}

pub struct Machine<'a> {
    pub program: &'a Program,
    pub function: &'a Function,
    pub module: &'a Loaded,
    pub memory: &'a Memory,
    /// Start and length of device memory.
    pub base: *mut u8,
    pub span: u64,
    pub parameters: &'a [u8],
    pub grid: [u32; 3],
    pub block: [u32; 3],
    pub threads: u32,
    pub warps: u32,
    pub dynamic_shared: u32,
    pub shared_bytes: u64,
    pub local_stride: u32,
    pub counting: bool,
}

// SAFETY: the pointer is to device memory, which is accessed atomically; the rest is shared data.
unsafe impl Sync for Machine<'_> {}

impl<'a> Machine<'a> {
    pub fn new(request: &'a Launch<'a>, memory: &'a Memory) -> Result<Self, String> {
        let module = request.module;
        let function = module.module().functions().get(request.function).ok_or("no such kernel")?;
        let program = function.program();
        let threads = request.block.iter().try_fold(1_u32, |n, d| n.checked_mul(*d)).unwrap_or(0);
        if threads == 0 || threads > 1024 || request.block[2] > 64 {
            return Err(format!("blocks of {:?} threads", request.block));
        }
        if threads > function.max_threads() {
            let most = function.max_threads();
            return Err(format!("{threads} threads in a block of a kernel for at most {most}"));
        }
        let [x, y, z] = request.grid;
        if x == 0 || y == 0 || z == 0 || x > 0x7fff_ffff || y > 65535 || z > 65535 {
            return Err(format!("grids of {:?} blocks", request.grid));
        }
        if u64::from(x) * u64::from(y) * u64::from(z) > u64::from(u32::MAX) {
            return Err(format!("the software device runs fewer blocks than {:?}", request.grid));
        }
        if request.parameters.len() != function.parameter_bytes() as usize {
            return Err(format!(
                "{} bytes of parameters, not {}",
                request.parameters.len(),
                function.parameter_bytes()
            ));
        }
        let start = u64::from(program.shared.next_multiple_of(16));
        let shared_bytes = start + u64::from(request.dynamic_shared);
        if shared_bytes > 227 << 10 {
            return Err(format!("{shared_bytes} bytes of shared memory a block"));
        }
        let (base, span) = memory.raw();
        Ok(Self {
            program,
            function,
            module,
            memory,
            base,
            span,
            parameters: &request.parameters,
            grid: request.grid,
            block: request.block,
            threads,
            warps: threads.div_ceil(32),
            dynamic_shared: request.dynamic_shared,
            shared_bytes,
            local_stride: program.local.next_multiple_of(16),
            counting: false,
        })
    }

    pub fn blocks(&self) -> u32 {
        self.grid.iter().product()
    }

    pub fn block_index(&self, block: u32) -> [u32; 3] {
        let [x, y, _] = self.grid;
        [block % x, block / x % y, block / x / y]
    }

    pub fn thread_index(&self, warp: u32, lane: u32) -> [u32; 3] {
        let (thread, [x, y, _]) = (32 * warp + lane, self.block);
        [thread % x, thread / x % y, thread / x / y]
    }

    pub fn constant(&self, value: Value) -> u64 {
        match value {
            Value::Bits(bits) => bits,
            Value::Variable(index) => self.module.address(index),
            Value::Dynamic => u64::from(self.program.shared.next_multiple_of(16)),
        }
    }

    pub fn special(&self, special: Special, block: u32, warp: u32, lane: u32) -> u32 {
        let axis = |values: [u32; 3], axis: u8| values[usize::from(axis)];
        match special {
            Special::Thread(a) => axis(self.thread_index(warp, lane), a),
            Special::BlockSize(a) => axis(self.block, a),
            Special::Block(a) => axis(self.block_index(block), a),
            Special::GridSize(a) => axis(self.grid, a),
            Special::Lane => lane,
            Special::Warp => warp,
            Special::Warps => self.warps,
            Special::Processor => block % 16,
            Special::Processors => 16,
            Special::GridId => 0,
            Special::LanesEqual => 1 << lane,
            Special::LanesBelow => (1 << lane) - 1,
            Special::LanesUpTo => (2_u32 << lane).wrapping_sub(1),
            Special::LanesAbove => !(2_u32 << lane).wrapping_sub(1),
            Special::LanesFrom => !((1 << lane) - 1),
            Special::DynamicSharedBytes => self.dynamic_shared,
            Special::TotalSharedBytes => self.shared_bytes as u32,
        }
    }

    /// PTX line and source place of an instruction.
    pub fn site(&self, pc: usize) -> (u32, Option<String>) {
        let Some(site) = self.program.sites.get(pc) else { return (0, None) };
        let file = self.module.module().source(site.file);
        (site.ptx_line, file.map(|file| format!("{file}:{}", site.line)))
    }

    /// Where the other one of two accesses that clash was.
    pub fn clash(&self, clash: &Clash) -> String {
        let Some(other) = &clash.other else { return clash.what.clone() };
        let ([bx, by, bz], [tx, ty, tz]) =
            (self.block_index(other.who.block), self.thread_index(other.who.warp, other.who.lane));
        let (line, source) = self.site(other.pc);
        let source = source.map(|source| format!(", {source}")).unwrap_or_default();
        format!(
            "{}: {} by block ({bx},{by},{bz}), thread ({tx},{ty},{tz}) at PTX line {line}{source}",
            clash.what,
            if other.write { "a write" } else { "a read" },
        )
    }

    pub fn fault(&self, stop: Stop, block: u32) -> Fault {
        let (ptx_line, source) = self.site(stop.pc);
        Fault {
            kind: stop.kind,
            message: stop.message,
            kernel: self.function.name().to_owned(),
            ptx_line,
            source,
            block: self.block_index(block),
            thread: self.thread_index(stop.warp, stop.lane as u32),
        }
    }
}
