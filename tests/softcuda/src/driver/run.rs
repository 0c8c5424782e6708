//! Work of the device: what waits in the queue, and how it is carried out.
//!
//! An error here is nobody's return value: it loses the context, and shows at the next call that
//! looks.

use super::clock::{Clock, Who};
use super::error::{Code, Result};
use super::ffi::Host;
use super::queue::Id;
use super::settings::Target;
use super::state::{Driver, Handle};
use crate::exec::{self, FaultKind, Launch, Options};
use crate::memory::Memory;
use crate::ptx::Loaded;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::Instant;

/// One piece of work, in the context that it runs in.
#[derive(Clone)]
pub struct Node {
    pub context: Handle,
    pub op: Op,
    pub lane: u64,
    /// What is certain to be over; empty unless checked.
    pub clock: Clock,
}

/// What the device can be asked to do.
#[derive(Clone)]
pub enum Op {
    Launch(Arc<Kernel>),
    /// Bytes of pageable memory, taken when the copy was asked for.
    CopyIn {
        to: u64,
        bytes: Arc<[u8]>,
    },
    /// Page-locked memory, read when the copy runs.
    CopyPinned {
        to: u64,
        from: Host,
        len: u64,
    },
    CopyOut {
        to: Host,
        from: u64,
        len: u64,
    },
    /// Within a device or between two: each address with its device.
    CopyDevice {
        to: (usize, u64),
        from: (usize, u64),
        len: u64,
    },
    Fill {
        at: u64,
        value: u32,
        width: u32,
        count: u64,
    },
    /// Memory is there from the call on; this is when other streams may know.
    Alloc {
        at: u64,
        bytes: u64,
    },
    Free {
        at: u64,
        bytes: u64,
    },
    Record {
        event: Handle,
    },
    Host {
        function: extern "C" fn(*mut u8),
        data: Host,
    },
    /// Only waits.
    Nothing,
}

/// A kernel with its arguments.
pub struct Kernel {
    pub function: Handle,
    pub module: Arc<Loaded>,
    pub index: usize,
    pub grid: [u32; 3],
    pub block: [u32; 3],
    pub shared: u32,
    pub parameters: Vec<u8>,
    /// Whether all blocks are there at once.
    pub cooperative: bool,
}

impl Kernel {
    pub fn name(&self) -> &str {
        self.module.module().functions().get(self.index).map_or("?", |function| function.name())
    }
}

impl Op {
    /// What kind of work it is, for comparing graphs.
    pub fn same_kind(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Launch(a), Self::Launch(b)) => {
                a.function == b.function && a.cooperative == b.cooperative
            }
            _ => std::mem::discriminant(self) == std::mem::discriminant(other),
        }
    }

    /// Bytes of host memory that it holds.
    pub fn staged(&self) -> usize {
        match self {
            Self::CopyIn { bytes, .. } => bytes.len(),
            _ => 0,
        }
    }

    fn name(&self) -> String {
        match self {
            Self::Launch(kernel) => format!("kernel {}", kernel.name()),
            Self::CopyIn { .. } | Self::CopyPinned { .. } => "a copy from the host".to_owned(),
            Self::CopyOut { .. } => "a copy to the host".to_owned(),
            Self::CopyDevice { .. } => "a copy on the device".to_owned(),
            Self::Fill { .. } => "a fill".to_owned(),
            Self::Alloc { .. } => "an allocation".to_owned(),
            Self::Free { .. } => "a free".to_owned(),
            Self::Host { .. } => "a host function".to_owned(),
            Self::Record { .. } | Self::Nothing => "nothing".to_owned(),
        }
    }

    /// Ranges of device memory that it reads and writes, as far as the call says; what a kernel
    /// touches only its run tells.
    pub fn ranges(&self, device: usize) -> [Option<(usize, u64, u64, bool)>; 2] {
        let write = |at, len| Some((device, at, len, true));
        match *self {
            Self::CopyIn { to, ref bytes } => [write(to, bytes.len() as u64), None],
            Self::CopyPinned { to, len, .. } => [write(to, len), None],
            Self::CopyOut { from, len, .. } => [Some((device, from, len, false)), None],
            Self::CopyDevice { to, from, len } => {
                [Some((from.0, from.1, len, false)), Some((to.0, to.1, len, true))]
            }
            Self::Fill { at, width, count, .. } => [write(at, u64::from(width) * count), None],
            Self::Alloc { at, bytes } | Self::Free { at, bytes } => [write(at, bytes), None],
            Self::Launch(_) | Self::Record { .. } | Self::Host { .. } | Self::Nothing => {
                [None, None]
            }
        }
    }
}

/// An error of the device and what to say about it.
type Fault = (Code, String);

impl Driver {
    /// Runs what must be over before the host goes on, and whatever else the seed prefers to it.
    pub fn complete(&mut self, ids: &[Id]) -> Result {
        self.queue.shuffle();
        for &id in ids {
            while !self.queue.is_done(id) {
                self.step()?;
            }
        }
        Ok(())
    }

    /// Completes all work of a context.
    pub fn complete_context(&mut self, context: Handle) -> Result {
        let ids = self.waiting(context);
        self.complete(&ids)?;
        let streams = self.streams.values().filter(|stream| stream.context == context);
        for stream in streams {
            self.host.join(&stream.front.clock);
        }
        self.usable(context).map(|_| ())
    }

    /// Runs one node. Something can always run while something waits.
    pub fn step(&mut self) -> Result {
        if self.step_of(|_| true) { Ok(()) } else { Err(Code::UNKNOWN) }
    }

    /// Runs one node of those wanted, if one is ready.
    pub fn step_of(&mut self, wanted: impl Fn(&Node) -> bool) -> bool {
        let Some((id, node)) = self.queue.take(wanted) else { return false };
        self.staged -= node.op.staged();
        // Work of a lost context is dropped; what waits for it goes on, and is dropped in turn.
        if self.usable(node.context).is_ok()
            && let Err((code, message)) = self.run(id, &node)
        {
            self.lose(node.context, code, &message);
        }
        self.queue.finish();
        true
    }

    fn run(&mut self, id: Id, node: &Node) -> std::result::Result<(), Fault> {
        let device = self.usable(node.context).map_err(|code| (code, String::new()))?.device;
        let memory = self.device_memory(device);
        if self.settings.check {
            for (device, at, len, writes) in node.op.ranges(device).into_iter().flatten() {
                self.note(id, node, device, at, len, writes)?;
            }
        }
        let illegal =
            |message: String| (Code::ILLEGAL_ADDRESS, format!("{}: {message}", node.op.name()));
        match &node.op {
            Op::Launch(kernel) => {
                memory.take_touched();
                self.launch(kernel, &memory)?;
                // What a kernel touches only its run tells.
                let touched = memory.take_touched();
                for writes in [false, true] {
                    for (at, len) in touched.ranges(writes) {
                        self.note(id, node, device, at, len, writes)?;
                    }
                }
                Ok(())
            }
            Op::CopyIn { to, bytes } => memory.write(*to, bytes).map_err(illegal),
            Op::CopyPinned { to, from, len } => {
                memory.write(*to, &from.read(*len as usize)).map_err(illegal)
            }
            Op::CopyOut { to, from, len } => {
                let mut bytes = vec![0; *len as usize];
                memory.read(*from, &mut bytes).map_err(illegal)?;
                to.write(&bytes);
                Ok(())
            }
            Op::CopyDevice { to, from, len } if to.0 == from.0 => {
                self.device_memory(to.0).copy(to.1, from.1, *len).map_err(illegal)
            }
            Op::CopyDevice { to, from, len } => {
                let mut bytes = vec![0; *len as usize];
                self.device_memory(from.0).read(from.1, &mut bytes).map_err(illegal)?;
                self.device_memory(to.0).write(to.1, &bytes).map_err(illegal)
            }
            Op::Fill { at, value, width, count } => match width {
                1 => memory.fill8(*at, *value as u8, *count).map_err(illegal),
                2 => {
                    let bytes = (*value as u16).to_le_bytes().repeat(*count as usize);
                    memory.write(*at, &bytes).map_err(illegal)
                }
                _ => memory.fill32(*at, *value, *count).map_err(illegal),
            },
            Op::Free { at, .. } => {
                if let Ok(context) = self.context(node.context) {
                    context.allocations.remove(at);
                }
                memory.free(*at).map_err(illegal)
            }
            Op::Record { event } => {
                if let Some(event) = self.events.get_mut(event)
                    && event.node == Some(id)
                {
                    event.time = Some(Instant::now());
                }
                Ok(())
            }
            Op::Host { function, data } => {
                function(data.address() as *mut u8);
                Ok(())
            }
            Op::Alloc { .. } | Op::Nothing => Ok(()),
        }
    }

    fn launch(&mut self, kernel: &Kernel, memory: &Memory) -> std::result::Result<(), Fault> {
        if let Some(code) = self.injected(Target::Launch) {
            let message =
                format!("kernel {}: the device is lost, as SOFTCUDA_FAIL asks", kernel.name());
            return Err((code, message));
        }
        let request = Launch {
            module: &kernel.module,
            function: kernel.index,
            grid: kernel.grid,
            block: kernel.block,
            dynamic_shared: kernel.shared,
            parameters: kernel.parameters.clone(),
            cooperative: kernel.cooperative,
        };
        let options = Options {
            checked: self.settings.check,
            seed: self.settings.seed,
            threads: self.settings.threads,
            counting: self.settings.count.as_ref().map(|_| self.settings.second_level_cache),
            ..Options::default()
        };
        // The interpreter's panic is the kernel's error: the queue goes on.
        let run = AssertUnwindSafe(|| exec::launch(&request, memory, &options));
        let done = catch_unwind(run).map_err(|_| {
            (Code::UNKNOWN, format!("kernel {}: the interpreter panicked", kernel.name()))
        })?;
        let counted = done.map_err(|fault| {
            let code = match fault.kind {
                FaultKind::OutOfBounds | FaultKind::UseAfterFree => Code::ILLEGAL_ADDRESS,
                FaultKind::Misaligned => Code::MISALIGNED_ADDRESS,
                FaultKind::Watchdog => Code::LAUNCH_TIMEOUT,
                _ => Code::LAUNCH_FAILED,
            };
            (code, format!("kernel {fault}"))
        })?;
        if let Some((counted, file)) = counted.zip(self.settings.count.as_ref())
            && let Err(error) = counted.append_to(file)
        {
            eprintln!("softcuda: SOFTCUDA_COUNT={}: {error}", file.display());
        }
        Ok(())
    }

    /// Checked mode: notes an access of a node; a conflict with unordered work loses the context.
    fn note(
        &mut self,
        id: Id,
        node: &Node,
        device: usize,
        at: u64,
        len: u64,
        writes: bool,
    ) -> std::result::Result<(), Fault> {
        let who = Who { lane: node.lane, tick: id, name: node.op.name().into() };
        let history = &mut self.devices[device].history;
        history.access(at, len, writes, &who, &node.clock).map_err(|m| (Code::LAUNCH_FAILED, m))
    }
}
