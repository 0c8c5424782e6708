//! Events: marks in a stream that others wait for, and that tell the time.

use super::error::{Code, Result};
use super::ffi::Out;
use super::queue::Id;
use super::run::Op;
use super::state::{Driver, Handle, with, with_context};
use super::stream::{Capturing, Front};
use std::time::Instant;

/// An event.
pub struct Event {
    pub context: Handle,
    pub timing: bool,
    /// The node that records it; none before the first record.
    pub node: Option<Id>,
    pub front: Front,
    /// When that node ran.
    pub time: Option<Instant>,
    /// Last recorded in a capture: it orders that capture's nodes and nothing else.
    pub captured: Option<Capturing>,
}

/// No timing, of `CUevent_flags`.
const DISABLE_TIMING: u32 = 2;

/// All of `CUevent_flags` but interprocess events.
const FLAGS: u32 = 0b11;

impl Driver {
    fn event(&mut self, event: Handle) -> Result<&mut Event> {
        let context = self.events.get(&event).ok_or(Code::INVALID_HANDLE)?.context;
        self.usable(context)?;
        self.events.get_mut(&event).ok_or(Code::INVALID_HANDLE)
    }

    /// An event that the host may ask about: where it stands.
    fn outside_capture(&mut self, event: Handle) -> Result<(Handle, Front)> {
        let found = self.event(event)?;
        match &found.captured {
            None => {
                let place = (found.context, found.front.clone());
                self.refuse_unsafe()?;
                Ok(place)
            }
            Some(capturing) => {
                let capture = capturing.capture;
                self.invalidate(capture);
                Err(Code::CAPTURED_EVENT)
            }
        }
    }

    fn record(&mut self, event: Handle, stream: Handle) -> Result {
        let found = self.event(event)?;
        let context = found.context;
        if self.of_stream(stream)?.context != context {
            return Err(Code::INVALID_HANDLE);
        }
        if let Some(capturing) = self.of_stream(stream)?.capture.clone() {
            self.live_capture(capturing.capture)?;
            self.event(event)?.captured = Some(capturing);
            return Ok(());
        }
        self.enqueue(stream, Op::Record { event })?;
        let front = self.of_stream(stream)?.front.clone();
        let event = self.event(event)?;
        event.node = front.ids.first().copied();
        event.front = front;
        event.time = None;
        event.captured = None;
        Ok(())
    }

    fn wait_event(&mut self, stream: Handle, event: Handle) -> Result {
        self.refuse_implicit(stream)?;
        let found = self.event(event)?;
        let (recorded, front, captured) =
            (found.node.is_some(), found.front.clone(), found.captured.clone());
        if let Some(captured) = captured {
            return self.join_capture(stream, &captured);
        }
        if !recorded {
            return Ok(());
        }
        if let Some(capturing) = self.of_stream(stream)?.capture.clone() {
            self.invalidate(capturing.capture);
            return Err(Code::STREAM_CAPTURE_ISOLATION);
        }
        self.of_stream(stream)?.front.join(&front);
        Ok(())
    }
}

#[unsafe(no_mangle)]
extern "C" fn cuEventCreate(event: Out<Handle>, flags: u32) -> u32 {
    with_context(|driver, context| {
        if event.is_null() || flags & !FLAGS != 0 {
            return Err(Code::INVALID_VALUE);
        }
        let handle = driver.handle();
        let new = Event {
            context,
            timing: flags & DISABLE_TIMING == 0,
            node: None,
            front: Front::default(),
            time: None,
            captured: None,
        };
        driver.events.insert(handle, new);
        event.set(handle)
    })
}

#[unsafe(no_mangle)]
extern "C" fn cuEventDestroy_v2(event: Handle) -> u32 {
    with(|driver| {
        let event = driver.events.remove(&event).ok_or(Code::INVALID_HANDLE)?;
        driver.usable(event.context).map(|_| ())
    })
}

#[unsafe(no_mangle)]
extern "C" fn cuEventRecord(event: Handle, stream: Handle) -> u32 {
    with_context(|driver, context| {
        let stream = driver.stream(context, stream)?;
        let done = driver.record(event, stream);
        driver.recorded(stream, done)
    })
}

#[unsafe(no_mangle)]
extern "C" fn cuEventRecordWithFlags(event: Handle, stream: Handle, flags: u32) -> u32 {
    if flags != 0 {
        return Code::NOT_SUPPORTED.0;
    }
    cuEventRecord(event, stream)
}

#[unsafe(no_mangle)]
extern "C" fn cuStreamWaitEvent(stream: Handle, event: Handle, flags: u32) -> u32 {
    with_context(|driver, context| {
        if flags > 1 {
            return Err(Code::INVALID_VALUE);
        }
        let stream = driver.stream(context, stream)?;
        let done = driver.wait_event(stream, event);
        driver.recorded(stream, done)
    })
}

/// As with streams, the device moves on a step at each query.
#[unsafe(no_mangle)]
extern "C" fn cuEventQuery(event: Handle) -> u32 {
    with(|driver| {
        let (context, front) = driver.outside_capture(event)?;
        driver.query(context, &front)
    })
}

#[unsafe(no_mangle)]
extern "C" fn cuEventSynchronize(event: Handle) -> u32 {
    with(|driver| {
        let (context, front) = driver.outside_capture(event)?;
        driver.wait(context, &front)
    })
}

#[unsafe(no_mangle)]
extern "C" fn cuEventElapsedTime(milliseconds: Out<f32>, start: Handle, end: Handle) -> u32 {
    with(|driver| {
        let mut times = [Instant::now(); 2];
        for (event, time) in [start, end].into_iter().zip(&mut times) {
            driver.outside_capture(event)?;
            let event = driver.event(event)?;
            if !event.timing || event.node.is_none() {
                return Err(Code::INVALID_HANDLE);
            }
            *time = event.time.ok_or(Code::NOT_READY)?;
        }
        let [start, end] = times;
        let elapsed = match end.checked_duration_since(start) {
            Some(after) => after.as_secs_f32(),
            None => -(start - end).as_secs_f32(),
        };
        milliseconds.set(1e3 * elapsed)
    })
}

#[unsafe(no_mangle)]
extern "C" fn cuEventElapsedTime_v2(milliseconds: Out<f32>, start: Handle, end: Handle) -> u32 {
    cuEventElapsedTime(milliseconds, start, end)
}
