//! Stream capture: work becomes nodes of a graph instead of being queued.
//!
//! Stricter than a real driver in two places: copies of pageable memory and stream-ordered
//! allocations are refused, because a replay would use memory that may be gone.

use super::error::{Code, Result};
use super::ffi::Out;
use super::graph::{Graph, GraphNode};
use super::run::Op;
use super::state::{Driver, Handle, with, with_context};
use super::stream::Capturing;
use std::cell::Cell;
use std::thread::{self, ThreadId};

/// A capture in progress.
pub struct Capture {
    pub context: Handle,
    origin: Handle,
    mode: Mode,
    thread: ThreadId,
    nodes: Vec<GraphNode>,
    invalid: bool,
}

/// Whose unsafe calls a capture forbids; of a thread, whose captures forbid its own.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Mode {
    Global,
    ThreadLocal,
    Relaxed,
}

thread_local! {
    static MODE: Cell<Mode> = const { Cell::new(Mode::Global) };
}

impl Mode {
    /// Of `CUstreamCaptureMode`.
    fn of(mode: u32) -> Result<Self> {
        [Self::Global, Self::ThreadLocal, Self::Relaxed]
            .get(mode as usize)
            .copied()
            .ok_or(Code::INVALID_VALUE)
    }
}

impl Driver {
    /// Nothing more comes of a capture.
    pub fn invalidate(&mut self, capture: Handle) {
        if let Some(capture) = self.captures.get_mut(&capture) {
            capture.invalid = true;
        }
    }

    /// What came of a call on a stream. If the stream captures and the call failed, the capture
    /// lacks what was to be recorded: it is no longer valid.
    pub fn recorded(&mut self, stream: Handle, done: Result) -> Result {
        if done.is_err()
            && let Some(capturing) = self.of_stream(stream)?.capture.clone()
        {
            self.invalidate(capturing.capture);
        }
        done
    }

    /// A stream in a capture is destroyed: without the stream that it began in, nobody can end it.
    pub fn leave_capture(&mut self, stream: Handle, capture: Handle) {
        self.invalidate(capture);
        if self.captures.get(&capture).is_some_and(|found| found.origin == stream) {
            self.end(capture);
        }
    }

    /// Takes all streams out of a capture.
    fn end(&mut self, capture: Handle) -> Option<Capture> {
        for stream in self.streams.values_mut() {
            stream.capture.take_if(|other| other.capture == capture);
        }
        self.captures.remove(&capture)
    }

    /// A capture that is still valid.
    pub fn live_capture(&mut self, capture: Handle) -> Result<&mut Capture> {
        let found = self.captures.get_mut(&capture).ok_or(Code::STREAM_CAPTURE_INVALIDATED)?;
        if found.invalid { Err(Code::STREAM_CAPTURE_INVALIDATED) } else { Ok(found) }
    }

    /// Refuses a call that no capture can record, and ends those that it would break. Waiting for
    /// other streams and events is such a call: the order that it makes is in no graph.
    pub fn refuse_unsafe(&mut self) -> Result {
        let (here, own) =
            (thread::current().id(), MODE.try_with(Cell::get).unwrap_or(Mode::Global));
        let mut broken = false;
        for capture in self.captures.values_mut() {
            let forbidden = match (own, capture.mode) {
                (Mode::Relaxed, _) | (_, Mode::Relaxed) => false,
                (Mode::Global, Mode::Global) => true,
                _ => capture.thread == here,
            };
            capture.invalid |= forbidden;
            broken |= forbidden;
        }
        if broken { Err(Code::STREAM_CAPTURE_UNSUPPORTED) } else { Ok(()) }
    }

    /// Refuses a call that waits for every stream.
    pub fn refuse_any_capture(&mut self, context: Handle) -> Result {
        let mut broken = false;
        for capture in self.captures.values_mut().filter(|c| c.context == context) {
            capture.invalid = true;
            broken = true;
        }
        if broken { Err(Code::STREAM_CAPTURE_UNSUPPORTED) } else { Ok(()) }
    }

    /// Adds a node after a capturing stream's last.
    pub fn capture(&mut self, stream: Handle, op: Op) -> Result {
        let found = self.of_stream(stream)?;
        let (lane, capturing) = (found.lane, found.capture.clone());
        let Capturing { capture, tail } = capturing.ok_or(Code::ILLEGAL_STATE)?;
        let supported = match &op {
            Op::CopyIn { .. } | Op::Alloc { .. } | Op::Free { .. } | Op::Record { .. } => false,
            Op::CopyOut { to, len, .. } => self.is_pinned(*to, *len),
            _ => true,
        };
        let found = self.live_capture(capture)?;
        if !supported {
            found.invalid = true;
            return Err(Code::STREAM_CAPTURE_UNSUPPORTED);
        }
        found.nodes.push(GraphNode { op, after: tail, lane });
        let tail = vec![found.nodes.len() - 1];
        self.of_stream(stream)?.capture = Some(Capturing { capture, tail });
        Ok(())
    }

    /// Adds a whole graph after a capturing stream's last node.
    pub fn capture_graph(&mut self, stream: Handle, nodes: &[GraphNode]) -> Result {
        let capturing = self.of_stream(stream)?.capture.clone();
        let Capturing { capture, tail } = capturing.ok_or(Code::ILLEGAL_STATE)?;
        let found = self.live_capture(capture)?;
        let first = found.nodes.len();
        for node in nodes {
            let after = match node.after.is_empty() {
                true => tail.clone(),
                false => node.after.iter().map(|&index| first + index).collect(),
            };
            found.nodes.push(GraphNode { after, ..node.clone() });
        }
        let tail = match nodes.is_empty() {
            true => tail,
            false => super::graph::sinks(nodes).into_iter().map(|index| first + index).collect(),
        };
        self.of_stream(stream)?.capture = Some(Capturing { capture, tail });
        Ok(())
    }

    /// A stream waits for an event of a capture: it is part of that capture now.
    pub fn join_capture(&mut self, stream: Handle, event: &Capturing) -> Result {
        if !self.captures.contains_key(&event.capture) {
            return Err(Code::CAPTURED_EVENT);
        }
        if self.is_legacy(stream) {
            self.invalidate(event.capture);
            return Err(Code::STREAM_CAPTURE_UNSUPPORTED);
        }
        self.live_capture(event.capture)?;
        let found = self.of_stream(stream)?;
        match &mut found.capture {
            None => found.capture = Some(event.clone()),
            Some(own) if own.capture == event.capture => {
                let new = event.tail.iter().filter(|index| !own.tail.contains(index));
                let new: Vec<usize> = new.copied().collect();
                own.tail.extend(new);
            }
            Some(own) => {
                let own = own.capture;
                self.invalidate(own);
                self.invalidate(event.capture);
                return Err(Code::STREAM_CAPTURE_MERGE);
            }
        }
        Ok(())
    }

    fn begin_capture(&mut self, context: Handle, stream: Handle, mode: Mode) -> Result {
        if self.context(context)?.legacy == stream {
            return Err(Code::STREAM_CAPTURE_UNSUPPORTED);
        }
        if self.of_stream(stream)?.capture.is_some() {
            return Err(Code::ILLEGAL_STATE);
        }
        let handle = self.handle();
        let context = self.of_stream(stream)?.context;
        let thread = thread::current().id();
        let capture =
            Capture { context, origin: stream, mode, thread, nodes: Vec::new(), invalid: false };
        self.captures.insert(handle, capture);
        self.of_stream(stream)?.capture = Some(Capturing { capture: handle, tail: Vec::new() });
        Ok(())
    }

    /// Ends a capture; its graph, unless it went wrong on the way.
    fn end_capture(&mut self, stream: Handle) -> Result<Handle> {
        let capturing = self.of_stream(stream)?.capture.clone().ok_or(Code::ILLEGAL_STATE)?;
        let found = self.captures.get(&capturing.capture).ok_or(Code::ILLEGAL_STATE)?;
        if found.origin != stream {
            self.invalidate(capturing.capture);
            return Err(Code::STREAM_CAPTURE_UNMATCHED);
        }
        if found.mode != Mode::Relaxed && found.thread != thread::current().id() {
            return Err(Code::STREAM_CAPTURE_WRONG_THREAD);
        }
        let capture = self.end(capturing.capture).ok_or(Code::ILLEGAL_STATE)?;
        if capture.invalid {
            return Err(Code::STREAM_CAPTURE_INVALIDATED);
        }
        // Every node must lead to the origin: nothing else tells when a replay is over.
        let mut joined = vec![false; capture.nodes.len()];
        let mut open = capturing.tail;
        while let Some(index) = open.pop() {
            if !std::mem::replace(&mut joined[index], true) {
                open.extend(&capture.nodes[index].after);
            }
        }
        if joined.contains(&false) {
            return Err(Code::STREAM_CAPTURE_UNJOINED);
        }
        Ok(self.new_graph(Graph { context: capture.context, nodes: capture.nodes, first: 0 }))
    }
}

#[unsafe(no_mangle)]
extern "C" fn cuStreamBeginCapture_v2(stream: Handle, mode: u32) -> u32 {
    with_context(|driver, context| {
        let mode = Mode::of(mode)?;
        let stream = driver.stream(context, stream)?;
        driver.begin_capture(context, stream, mode)
    })
}

#[unsafe(no_mangle)]
extern "C" fn cuStreamEndCapture(stream: Handle, graph: Out<Handle>) -> u32 {
    with_context(|driver, context| {
        graph.set(0)?;
        let stream = driver.stream(context, stream)?;
        let handle = driver.end_capture(stream)?;
        graph.set(handle)
    })
}

#[unsafe(no_mangle)]
extern "C" fn cuStreamIsCapturing(stream: Handle, status: Out<u32>) -> u32 {
    with_context(|driver, context| {
        let stream = driver.stream(context, stream)?;
        driver.refuse_status(stream)?;
        let capture = driver.of_stream(stream)?.capture.as_ref().map(|c| c.capture);
        status.set(match capture.and_then(|capture| driver.captures.get(&capture)) {
            None => 0,
            Some(capture) if capture.invalid => 2,
            Some(_) => 1,
        })
    })
}

/// Says how the calling thread minds captures from now on, and how it did.
#[unsafe(no_mangle)]
extern "C" fn cuThreadExchangeStreamCaptureMode(mode: Out<u32>) -> u32 {
    with(|_| {
        let new = Mode::of(mode.get()?)?;
        let old = MODE.try_with(|mode| mode.replace(new)).unwrap_or(Mode::Global);
        mode.set(old as u32)
    })
}
