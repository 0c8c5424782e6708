//! The driver's state: devices, contexts, and what their handles stand for.
//!
//! One lock guards all of it, held while work runs: the device does one thing at a time. Handles
//! are numbers that no address of the program equals, distinct over all kinds, so a handle of the
//! wrong kind, a stale one and a wild pointer are all refused.

use super::capture::Capture;
use super::clock::{Clock, History};
use super::error::{Code, Result};
use super::event::Event;
use super::ffi::{Pages, guard};
use super::graph::{Exec, Graph};
use super::module::{Function, Module};
use super::queue::{Id, Queue};
use super::run::Node;
use super::settings::{Settings, Target, settings};
use super::stream::{Front, Stream};
use crate::memory::Memory;
use std::cell::Cell;
use std::collections::{BTreeMap, HashMap};
use std::io::Write;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::ThreadId;

/// What a caller holds for an object; 0 is none.
pub type Handle = usize;

/// Everything the driver knows.
pub struct Driver {
    pub settings: &'static Settings,
    pub queue: Queue<Node>,
    pub devices: Vec<Device>,
    pub contexts: HashMap<Handle, Context>,
    pub streams: HashMap<Handle, Stream>,
    pub events: HashMap<Handle, Event>,
    pub modules: HashMap<Handle, Module>,
    pub functions: HashMap<Handle, Function>,
    pub captures: HashMap<Handle, Capture>,
    pub graphs: HashMap<Handle, Graph>,
    pub execs: HashMap<Handle, Exec>,
    /// Page-locked host memory: by address.
    pub pinned: BTreeMap<usize, Pinned>,
    /// What the host has waited for.
    pub host: Clock,
    /// Bytes of host memory that waiting copies hold.
    pub staged: usize,
    /// Queries in a row that found nothing to run but host functions.
    pub polls: u32,
    last_handle: Handle,
    allocations: u64,
    launches: u64,
    contexts_asked: u64,
    modules_asked: u64,
}

/// Host memory that this library gave out.
pub struct Pinned {
    pub context: Handle,
    pub _pages: Pages,
    pub len: usize,
}

/// One software device.
#[derive(Default)]
pub struct Device {
    pub memory: Option<Arc<Memory>>,
    pub history: History,
    pub primary: Option<Handle>,
    pub retained: u32,
    pub pool: Handle,
    pub pool_threshold: u64,
}

/// A context: whose memory and streams, and whether it is lost.
pub struct Context {
    pub device: usize,
    pub flags: u32,
    /// The error that every call returns from now on.
    pub error: Option<Code>,
    /// The legacy default stream.
    pub legacy: Handle,
    pub per_thread: HashMap<ThreadId, Handle>,
    /// The last work of blocking streams that are no more; the legacy stream waits for it.
    pub orphans: Front,
    /// Device memory: address to bytes.
    pub allocations: BTreeMap<u64, Allocation>,
}

/// A piece of device memory.
#[derive(Clone, Copy, Debug)]
pub struct Allocation {
    pub bytes: u64,
    /// A free waits in some stream: the host must not name the memory again.
    pub freed: bool,
}

static DRIVER: Mutex<Option<Driver>> = Mutex::new(None);

thread_local! {
    static CURRENT: Cell<Handle> = const { Cell::new(0) };
    /// Inside the driver: a host function that calls it would wait for itself.
    static INSIDE: Cell<bool> = const { Cell::new(false) };
}

/// Lowest handle; not a canonical user address on the platforms that have this library.
const FIRST_HANDLE: Handle = 0x5cda_0000_0000_0000;

/// Brings the driver up.
pub fn initialise() -> u32 {
    guard(|| {
        let mut driver = DRIVER.lock().unwrap_or_else(PoisonError::into_inner);
        if driver.is_none() {
            *driver = Some(Driver::new(settings()));
        }
        match settings().devices {
            0 => Err(Code::NO_DEVICE),
            _ => Ok(()),
        }
    })
}

/// An entry point's body: with the driver locked and initialised.
pub fn with(body: impl FnOnce(&mut Driver) -> Result) -> u32 {
    struct Leave;
    impl Drop for Leave {
        fn drop(&mut self) {
            let _ = INSIDE.try_with(|inside| inside.set(false));
        }
    }
    guard(|| {
        if INSIDE.try_with(|inside| inside.replace(true)).unwrap_or(false) {
            return Err(Code::NOT_PERMITTED);
        }
        let _leave = Leave;
        let mut driver = DRIVER.lock().unwrap_or_else(PoisonError::into_inner);
        body(driver.as_mut().ok_or(Code::NOT_INITIALIZED)?)
    })
}

/// As [`with`], in the calling thread's context, which is not lost.
pub fn with_context(body: impl FnOnce(&mut Driver, Handle) -> Result) -> u32 {
    with(|driver| {
        let context = driver.current()?;
        body(driver, context)
    })
}

/// The handle of the calling thread's context, valid or not.
pub fn current_handle() -> Handle {
    CURRENT.try_with(Cell::get).unwrap_or(0)
}

pub fn set_current_handle(context: Handle) {
    let _ = CURRENT.try_with(|current| current.set(context));
}

impl Driver {
    fn new(settings: &'static Settings) -> Self {
        let mut driver = Self {
            settings,
            queue: Queue::new(settings.seed),
            devices: (0..settings.devices).map(|_| Device::default()).collect(),
            contexts: HashMap::new(),
            streams: HashMap::new(),
            events: HashMap::new(),
            modules: HashMap::new(),
            functions: HashMap::new(),
            captures: HashMap::new(),
            graphs: HashMap::new(),
            execs: HashMap::new(),
            pinned: BTreeMap::new(),
            host: Clock::default(),
            staged: 0,
            polls: 0,
            last_handle: FIRST_HANDLE,
            allocations: 0,
            launches: 0,
            contexts_asked: 0,
            modules_asked: 0,
        };
        for device in 0..driver.devices.len() {
            driver.devices[device].pool = driver.handle();
        }
        driver
    }

    /// A new handle.
    pub fn handle(&mut self) -> Handle {
        self.last_handle += 16;
        self.last_handle
    }

    pub fn device(&self, ordinal: i32) -> Result<usize> {
        usize::try_from(ordinal)
            .ok()
            .filter(|&device| device < self.devices.len())
            .ok_or(Code::INVALID_DEVICE)
    }

    /// The calling thread's context; its error where it is lost.
    pub fn current(&self) -> Result<Handle> {
        let handle = current_handle();
        if handle != 0 && !self.contexts.contains_key(&handle) {
            return Err(Code::CONTEXT_IS_DESTROYED);
        }
        self.usable(handle)?;
        Ok(handle)
    }

    /// A context that exists and is not lost.
    pub fn usable(&self, handle: Handle) -> Result<&Context> {
        let context = self.contexts.get(&handle).ok_or(Code::INVALID_CONTEXT)?;
        context.error.map_or(Ok(context), Err)
    }

    pub fn context(&mut self, handle: Handle) -> Result<&mut Context> {
        self.contexts.get_mut(&handle).ok_or(Code::INVALID_CONTEXT)
    }

    /// Memory of a context's device.
    pub fn memory(&mut self, context: Handle) -> Result<Arc<Memory>> {
        let device = self.contexts.get(&context).ok_or(Code::INVALID_CONTEXT)?.device;
        Ok(self.device_memory(device))
    }

    /// Memory of a device, reserved at first use.
    pub fn device_memory(&mut self, device: usize) -> Arc<Memory> {
        let Settings { memory, check, .. } = *self.settings;
        let slot = &mut self.devices[device].memory;
        slot.get_or_insert_with(|| Arc::new(Memory::new(memory, check))).clone()
    }

    pub fn new_context(&mut self, device: usize, flags: u32) -> Handle {
        let handle = self.handle();
        let legacy = self.handle();
        self.device_memory(device);
        let context = Context {
            device,
            flags,
            error: None,
            legacy,
            per_thread: HashMap::new(),
            orphans: Front::default(),
            allocations: BTreeMap::new(),
        };
        self.contexts.insert(handle, context);
        self.streams.insert(legacy, Stream::new(handle, legacy, true, 0));
        handle
    }

    /// Ends a context: its work is abandoned where it is lost, done otherwise; its objects go.
    pub fn destroy_context(&mut self, handle: Handle) {
        let _ = self.complete_context(handle);
        let Some(context) = self.contexts.remove(&handle) else { return };
        let memory = self.device_memory(context.device);
        for (&at, allocation) in &context.allocations {
            let _ = memory.free(at);
            self.devices[context.device].history.forget(at, allocation.bytes.max(1));
        }
        for (_, module) in self.modules.extract_if(|_, module| module.context == handle) {
            let _ = module.loaded.unload(&memory);
        }
        let modules = &self.modules;
        self.functions.retain(|_, function| modules.contains_key(&function.module));
        self.streams.retain(|_, stream| stream.context != handle);
        self.events.retain(|_, event| event.context != handle);
        self.captures.retain(|_, capture| capture.context != handle);
        self.graphs.retain(|_, graph| graph.context != handle);
        self.execs.retain(|_, exec| exec.context != handle);
        self.pinned.retain(|_, pinned| pinned.context != handle);
    }

    /// Notes a lost context, and says why to whoever looks.
    pub fn lose(&mut self, context: Handle, code: Code, message: &str) {
        self.report(&format!("{message} [{}]", code.name()));
        if let Some(context) = self.contexts.get_mut(&context) {
            context.error.get_or_insert(code);
        }
    }

    /// A line to stderr and to the log.
    pub fn report(&self, message: &str) {
        eprintln!("softcuda: {message}");
        if let Some(path) = &self.settings.log {
            let file = std::fs::OpenOptions::new().create(true).append(true).open(path);
            if let Err(error) = file.and_then(|mut file| writeln!(file, "{message}")) {
                eprintln!("softcuda: {}: {error}", path.display());
            }
        }
    }

    /// Counts an allocation or a kernel run, and says what is to go wrong with it.
    pub fn injected(&mut self, target: Target) -> Option<Code> {
        let count = match target {
            Target::Alloc => &mut self.allocations,
            Target::Launch => &mut self.launches,
            Target::Context => &mut self.contexts_asked,
            Target::Module => &mut self.modules_asked,
        };
        *count += 1;
        let count = *count;
        let mut faults = self.settings.fail.iter();
        faults.find(|fault| fault.target == target && fault.at == count).map(|fault| fault.code)
    }

    /// Whether a range lies in memory of a context's device that is not freed, or in a variable
    /// of a module there. Contexts of one device share its addresses.
    pub fn known(&self, context: Handle, at: u64, bytes: u64) -> bool {
        let device = self.contexts.get(&context).map(|context| context.device);
        device.is_some_and(|device| self.known_on(device, at, bytes))
    }

    /// As [`Self::known`], of a device.
    pub fn known_on(&self, device: usize, at: u64, bytes: u64) -> bool {
        let inside = |start: u64, len: u64| {
            at >= start && at.checked_add(bytes).is_some_and(|end| end <= start + len)
        };
        let here =
            |context: &Handle| self.contexts.get(context).is_some_and(|c| c.device == device);
        let mut contexts = self.contexts.values().filter(|context| context.device == device);
        let mut modules = self.modules.values().filter(|module| here(&module.context));
        contexts.any(|context| {
            let below = context.allocations.range(..=at).next_back();
            below.is_some_and(|(&start, found)| !found.freed && inside(start, found.bytes))
        }) || modules.any(|module| module.variables.iter().any(|&(start, len)| inside(start, len)))
    }

    /// Nodes of a context that have not run.
    pub fn waiting(&self, context: Handle) -> Vec<Id> {
        self.queue.iter().filter(|(_, node)| node.context == context).map(|(id, _)| id).collect()
    }
}
