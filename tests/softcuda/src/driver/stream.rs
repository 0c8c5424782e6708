//! Streams: order within one, and between the legacy default stream and the blocking ones.

use super::clock::Clock;
use super::error::{Code, Result};
use super::ffi::{Host, Out};
use super::queue::Id;
use super::run::{Node, Op};
use super::state::{Driver, Handle, with, with_context};

/// What the next piece of work comes after.
#[derive(Clone, Debug, Default)]
pub struct Front {
    pub ids: Vec<Id>,
    pub clock: Clock,
}

impl Front {
    pub fn join(&mut self, other: &Self) {
        let new = other.ids.iter().filter(|id| !self.ids.contains(id)).copied().collect::<Vec<_>>();
        self.ids.extend(new);
        self.clock.join(&other.clock);
    }
}

/// A stream.
pub struct Stream {
    pub context: Handle,
    pub lane: u64,
    /// Takes part in the legacy default stream's order.
    pub blocking: bool,
    pub priority: i32,
    pub front: Front,
    pub capture: Option<Capturing>,
}

/// The capture that a stream is in, and the nodes of it that the stream's next one comes after.
#[derive(Clone, Debug)]
pub struct Capturing {
    pub capture: Handle,
    pub tail: Vec<usize>,
}

/// Non-blocking, of `CUstream_flags`.
const NON_BLOCKING: u32 = 1;

/// Host memory that a waiting queue may hold before it is worked off.
const MOST_STAGED: usize = 256 << 20;

/// Nodes that may wait; a real device blocks the host as well when its queue is full.
const MOST_WAITING: usize = 1 << 14;

/// Queries in vain after which one runs a host function.
const PATIENCE: u32 = 1000;

impl Stream {
    pub fn new(context: Handle, handle: Handle, blocking: bool, priority: i32) -> Self {
        let lane = handle as u64;
        Self { context, lane, blocking, priority, front: Front::default(), capture: None }
    }
}

impl Driver {
    /// The stream that a caller names: 0 and 1 are the legacy default stream, 2 the thread's own.
    pub fn stream(&mut self, context: Handle, stream: Handle) -> Result<Handle> {
        match stream {
            0 | 1 => Ok(self.context(context)?.legacy),
            2 => {
                let thread = std::thread::current().id();
                if let Some(&stream) = self.context(context)?.per_thread.get(&thread) {
                    return Ok(stream);
                }
                let handle = self.handle();
                self.streams.insert(handle, Stream::new(context, handle, true, 0));
                self.context(context)?.per_thread.insert(thread, handle);
                Ok(handle)
            }
            _ => {
                let found = self.streams.get(&stream).ok_or(Code::INVALID_HANDLE)?;
                self.usable(found.context)?;
                Ok(stream)
            }
        }
    }

    pub fn of_stream(&mut self, stream: Handle) -> Result<&mut Stream> {
        self.streams.get_mut(&stream).ok_or(Code::INVALID_HANDLE)
    }

    pub fn is_legacy(&self, stream: Handle) -> bool {
        let context = self.streams.get(&stream).map(|s| s.context);
        context.and_then(|c| self.contexts.get(&c)).is_some_and(|c| c.legacy == stream)
    }

    /// What work given to a stream now comes after.
    pub fn before(&mut self, stream: Handle) -> Result<Front> {
        let Stream { context, blocking, .. } = *self.of_stream(stream)?;
        let mut front = self.of_stream(stream)?.front.clone();
        if self.is_legacy(stream) {
            let others = self.streams.values().filter(|s| s.context == context && s.blocking);
            others.for_each(|other| front.join(&other.front));
            front.join(&self.context(context)?.orphans);
        } else if blocking {
            let legacy = self.context(context)?.legacy;
            front.join(&self.of_stream(legacy)?.front);
        }
        front.clock.join(&self.host);
        front.ids.retain(|&id| !self.queue.is_done(id));
        Ok(front)
    }

    /// Gives a stream work, or its capture a node.
    pub fn enqueue(&mut self, stream: Handle, op: Op) -> Result {
        let Stream { context, lane, .. } = *self.of_stream(stream)?;
        self.usable(context)?;
        if self.of_stream(stream)?.capture.is_some() {
            return self.capture(stream, op);
        }
        self.refuse_implicit(stream)?;
        let mut front = self.before(stream)?;
        let id = self.push(context, lane, &mut front, op);
        front.ids = vec![id];
        self.of_stream(stream)?.front = front;
        self.relieve()
    }

    /// Queues a node after a front, whose clock moves past it.
    pub fn push(&mut self, context: Handle, lane: u64, front: &mut Front, op: Op) -> Id {
        self.staged += op.staged();
        let clock = if self.settings.check { front.clock.clone() } else { Clock::default() };
        let id = self.queue.push(lane, &front.ids, Node { context, op, lane, clock });
        if self.settings.check {
            front.clock.advance(lane, id);
        }
        id
    }

    /// Works a queue off that has grown long.
    pub fn relieve(&mut self) -> Result {
        if self.queue.len() > MOST_WAITING || self.staged > MOST_STAGED {
            while self.queue.len() > MOST_WAITING / 2 || self.staged > MOST_STAGED / 2 {
                self.step()?;
            }
        }
        Ok(())
    }

    /// The host waits for a front.
    pub fn wait(&mut self, context: Handle, front: &Front) -> Result {
        self.complete(&front.ids)?;
        self.host.join(&front.clock);
        self.usable(context).map(|_| ())
    }

    /// The host waits for a stream.
    pub fn synchronise(&mut self, stream: Handle) -> Result {
        let context = self.of_stream(stream)?.context;
        self.usable(context)?;
        self.refuse_capturing(stream)?;
        self.refuse_implicit(stream)?;
        self.refuse_unsafe()?;
        let front = match self.is_legacy(stream) {
            true => self.before(stream)?,
            false => self.of_stream(stream)?.front.clone(),
        };
        self.wait(context, &front)
    }

    /// Captures of blocking streams, if a stream is the legacy one, which depends on them.
    fn implicit(&self, stream: Handle) -> Vec<Handle> {
        if !self.is_legacy(stream) {
            return Vec::new();
        }
        let context = self.streams.get(&stream).map(|stream| stream.context);
        let blocking = self.streams.values().filter(|s| Some(s.context) == context && s.blocking);
        blocking.filter_map(|s| s.capture.as_ref()).map(|c| c.capture).collect()
    }

    /// Asking whether the legacy stream captures breaks nothing, but has no answer then.
    pub fn refuse_status(&self, stream: Handle) -> Result {
        let captures = self.implicit(stream);
        if captures.is_empty() { Ok(()) } else { Err(Code::STREAM_CAPTURE_IMPLICIT) }
    }

    /// The legacy stream may not be used while a blocking stream captures.
    pub fn refuse_implicit(&mut self, stream: Handle) -> Result {
        let captures = self.implicit(stream);
        captures.iter().for_each(|&capture| self.invalidate(capture));
        if captures.is_empty() { Ok(()) } else { Err(Code::STREAM_CAPTURE_IMPLICIT) }
    }

    /// A capturing stream cannot be waited for.
    fn refuse_capturing(&mut self, stream: Handle) -> Result {
        let Some(capturing) = self.of_stream(stream)?.capture.clone() else { return Ok(()) };
        self.invalidate(capturing.capture);
        Err(Code::STREAM_CAPTURE_UNSUPPORTED)
    }
}

#[unsafe(no_mangle)]
extern "C" fn cuStreamCreate(stream: Out<Handle>, flags: u32) -> u32 {
    create(stream, flags, 0)
}

#[unsafe(no_mangle)]
extern "C" fn cuStreamCreateWithPriority(stream: Out<Handle>, flags: u32, priority: i32) -> u32 {
    create(stream, flags, priority)
}

fn create(stream: Out<Handle>, flags: u32, priority: i32) -> u32 {
    with_context(|driver, context| {
        if stream.is_null() || flags > NON_BLOCKING {
            return Err(Code::INVALID_VALUE);
        }
        let handle = driver.handle();
        // Priorities outside the range are clamped to it, which has one.
        let new = Stream::new(context, handle, flags & NON_BLOCKING == 0, priority.clamp(0, 0));
        driver.streams.insert(handle, new);
        stream.set(handle)
    })
}

/// Returns at once; work that the stream was given is still done.
#[unsafe(no_mangle)]
extern "C" fn cuStreamDestroy_v2(stream: Handle) -> u32 {
    with(|driver| {
        let found = driver.streams.get(&stream).ok_or(Code::INVALID_HANDLE)?;
        let context = found.context;
        if driver.is_legacy(stream) {
            return Err(Code::INVALID_HANDLE);
        }
        let Some(found) = driver.streams.remove(&stream) else { return Ok(()) };
        if found.blocking {
            driver.context(context)?.orphans.join(&found.front);
        }
        if let Some(capturing) = found.capture {
            driver.leave_capture(stream, capturing.capture);
        }
        driver.usable(context).map(|_| ())
    })
}

#[unsafe(no_mangle)]
extern "C" fn cuStreamSynchronize(stream: Handle) -> u32 {
    with_context(|driver, context| {
        let stream = driver.stream(context, stream)?;
        driver.synchronise(stream)
    })
}

/// The device moves on a step at each query, or a loop of them would never end.
#[unsafe(no_mangle)]
extern "C" fn cuStreamQuery(stream: Handle) -> u32 {
    with_context(|driver, context| {
        let stream = driver.stream(context, stream)?;
        driver.refuse_capturing(stream)?;
        driver.refuse_implicit(stream)?;
        driver.refuse_unsafe()?;
        let front = driver.before(stream)?;
        driver.query(context, &front)
    })
}

impl Driver {
    /// Whether a front is over; if not, a step is taken. A host function may wait for the very
    /// thread that asks, so it is left alone for a while.
    pub fn query(&mut self, context: Handle, front: &Front) -> Result {
        let over = |driver: &Self| front.ids.iter().all(|&id| driver.queue.is_done(id));
        if over(self) {
            self.host.join(&front.clock);
            return self.usable(context).map(|_| ());
        }
        if self.step_of(|node| !matches!(node.op, Op::Host { .. })) {
            self.polls = 0;
        } else if self.polls < PATIENCE {
            self.polls += 1;
        } else {
            self.step()?;
        }
        self.usable(context)?;
        Err(Code::NOT_READY)
    }
}

#[unsafe(no_mangle)]
extern "C" fn cuStreamGetFlags(stream: Handle, flags: Out<u32>) -> u32 {
    with_context(|driver, context| {
        let stream = driver.stream(context, stream)?;
        flags.set(u32::from(!driver.of_stream(stream)?.blocking))
    })
}

#[unsafe(no_mangle)]
extern "C" fn cuStreamGetPriority(stream: Handle, priority: Out<i32>) -> u32 {
    with_context(|driver, context| {
        let stream = driver.stream(context, stream)?;
        priority.set(driver.of_stream(stream)?.priority)
    })
}

#[unsafe(no_mangle)]
extern "C" fn cuStreamGetCtx(stream: Handle, found: Out<Handle>) -> u32 {
    with_context(|driver, context| {
        let stream = driver.stream(context, stream)?;
        found.set(driver.of_stream(stream)?.context)
    })
}

#[unsafe(no_mangle)]
extern "C" fn cuCtxGetStreamPriorityRange(least: Out<i32>, greatest: Out<i32>) -> u32 {
    with_context(|_, _| {
        least.offer(0);
        greatest.offer(0);
        Ok(())
    })
}

/// The function runs in stream order with the driver locked: calls of the driver API in it fail
/// with "not permitted".
#[unsafe(no_mangle)]
extern "C" fn cuLaunchHostFunc(
    stream: Handle,
    function: Option<extern "C" fn(*mut u8)>,
    data: Host,
) -> u32 {
    with_context(|driver, context| {
        let function = function.ok_or(Code::INVALID_VALUE)?;
        let stream = driver.stream(context, stream)?;
        driver.enqueue(stream, Op::Host { function, data })
    })
}
