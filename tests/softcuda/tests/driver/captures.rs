//! Calls that are wrong while a stream captures: each has its error, and spoils the capture.

use crate::kernels::{kernel, shape};
use crate::process::on_device;
use crate::raw::{OK, captured};
use cudarc::driver::sys::{self, CUresult, CUstreamCaptureMode as Mode};
use cudarc::driver::{CudaContext, CudaStream, PushKernelArg, result};
use std::ptr::null_mut;
use std::sync::Arc;

const GLOBAL: Mode = Mode::CU_STREAM_CAPTURE_MODE_GLOBAL;
const LOCAL: Mode = Mode::CU_STREAM_CAPTURE_MODE_THREAD_LOCAL;
const RELAXED: Mode = Mode::CU_STREAM_CAPTURE_MODE_RELAXED;
const MODES: [Mode; 3] = [GLOBAL, LOCAL, RELAXED];

const UNSUPPORTED: CUresult = CUresult::CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED;
const INVALIDATED: CUresult = CUresult::CUDA_ERROR_STREAM_CAPTURE_INVALIDATED;
const IMPLICIT: CUresult = CUresult::CUDA_ERROR_STREAM_CAPTURE_IMPLICIT;
const CAPTURED: CUresult = CUresult::CUDA_ERROR_CAPTURED_EVENT;

/// Ends a capture.
fn end(stream: &CudaStream) -> CUresult {
    let mut graph = null_mut();
    // SAFETY: the stream is alive, the result's place is of this frame.
    unsafe { sys::cuStreamEndCapture(stream.cu_stream(), &raw mut graph) }
}

/// What a call returns while a stream captures, which ends well if and only if the call does.
fn during(stream: &CudaStream, mode: Mode, call: impl FnOnce() -> CUresult) -> CUresult {
    stream.begin_capture(mode).unwrap();
    let code = call();
    assert_eq!(end(stream), if code == OK { OK } else { INVALIDATED });
    code
}

fn elsewhere(context: &Arc<CudaContext>, call: impl FnOnce() -> CUresult + Send) -> CUresult {
    let run = || {
        context.bind_to_thread().unwrap();
        call()
    };
    std::thread::scope(|scope| scope.spawn(run).join().unwrap())
}

/// Handles are numbers.
#[derive(Clone, Copy)]
struct Number(usize);

fn number<T>(handle: *mut T) -> Number {
    Number(handle as usize)
}

/// A stream that takes part in the order of the legacy default stream.
fn blocking(context: &Arc<CudaContext>) -> Arc<CudaStream> {
    let stream = result::stream::create(result::stream::StreamKind::Default).unwrap();
    // SAFETY: the stream is never destroyed.
    unsafe { context.wrap_borrowed_stream(stream) }
}

#[test]
fn a_capturing_stream_can_be_neither_asked_nor_waited_for() {
    on_device(&[], || {
        let context = CudaContext::new(0).unwrap();
        let stream = context.new_stream().unwrap();
        let at = stream.cu_stream();
        for mode in MODES {
            // SAFETY: the stream is alive.
            unsafe {
                assert_eq!(during(&stream, mode, || sys::cuStreamSynchronize(at)), UNSUPPORTED);
                assert_eq!(during(&stream, mode, || sys::cuStreamQuery(at)), UNSUPPORTED);
                assert_eq!(during(&stream, mode, || sys::cuCtxSynchronize()), UNSUPPORTED);
            }
        }
    });
}

/// Calls that are unsafe because no graph holds them: by number, whether the call works at all.
fn unsafe_call(which: usize, [stream, event]: [Number; 2]) -> CUresult {
    let (mut at, mut host) = (0, null_mut());
    // SAFETY: what is allocated is freed at once; the handles are alive.
    unsafe {
        match which {
            0 => match sys::cuMemAlloc_v2(&raw mut at, 16) {
                OK => sys::cuMemFree_v2(at),
                code => code,
            },
            1 => match sys::cuMemHostAlloc(&raw mut host, 16, 0) {
                OK => sys::cuMemFreeHost(host),
                code => code,
            },
            2 => sys::cuStreamSynchronize(stream.0 as _),
            3 => sys::cuStreamQuery(stream.0 as _),
            4 => sys::cuEventSynchronize(event.0 as _),
            _ => sys::cuEventQuery(event.0 as _),
        }
    }
}

#[test]
fn unsafe_calls_mind_the_modes_of_captures_and_threads() {
    on_device(&[], || {
        let context = CudaContext::new(0).unwrap();
        let stream = context.new_stream().unwrap();
        let other = context.new_stream().unwrap();
        let event = other.record_event(None).unwrap();
        let handles = [number(other.cu_stream()), number(event.cu_event())];
        other.synchronize().unwrap();
        let exchange = |mode: Mode| {
            let mut mode = mode;
            // SAFETY: the mode's place is of this frame.
            assert_eq!(unsafe { sys::cuThreadExchangeStreamCaptureMode(&raw mut mode) }, OK);
            mode
        };
        for which in 0..6 {
            for (capture, forbidden) in [(GLOBAL, true), (LOCAL, true), (RELAXED, false)] {
                let here = during(&stream, capture, || unsafe_call(which, handles));
                assert_eq!(here, if forbidden { UNSUPPORTED } else { OK }, "{which} {capture:?}");
                let there = during(&stream, capture, || {
                    elsewhere(&context, || unsafe_call(which, handles))
                });
                let expected = if capture == GLOBAL { UNSUPPORTED } else { OK };
                assert_eq!(there, expected, "{which} {capture:?}");
                // A thread that minds its own captures only.
                let local = during(&stream, capture, || {
                    elsewhere(&context, || {
                        assert_eq!(exchange(LOCAL), GLOBAL);
                        unsafe_call(which, handles)
                    })
                });
                assert_eq!(local, OK, "{which} {capture:?}");
                // One that minds none.
                let relaxed = during(&stream, capture, || {
                    assert_eq!(exchange(RELAXED), GLOBAL);
                    let code = unsafe_call(which, handles);
                    assert_eq!(exchange(GLOBAL), RELAXED);
                    code
                });
                assert_eq!(relaxed, OK, "{which} {capture:?}");
            }
        }
        let mut wrong = 3u32;
        // SAFETY: the mode's place is of this frame.
        let code = unsafe { sys::cuThreadExchangeStreamCaptureMode((&raw mut wrong).cast()) };
        assert_eq!(code, CUresult::CUDA_ERROR_INVALID_VALUE);
    });
}

#[test]
fn modules_are_neither_loaded_nor_unloaded_meanwhile() {
    on_device(&[], || {
        let context = CudaContext::new(0).unwrap();
        let stream = context.new_stream().unwrap();
        let text = std::ffi::CString::new(crate::kernels::PTX).unwrap();
        let load = || {
            let mut module = null_mut();
            // SAFETY: the text is NUL-terminated.
            let code = unsafe { sys::cuModuleLoadData(&raw mut module, text.as_ptr().cast()) };
            (code, module)
        };
        let (code, module) = load();
        assert_eq!(code, OK);
        assert_eq!(during(&stream, GLOBAL, || load().0), UNSUPPORTED);
        // SAFETY: the module is not used afterwards.
        let unload = || unsafe { sys::cuModuleUnload(module) };
        assert_eq!(during(&stream, LOCAL, unload), UNSUPPORTED);
        assert_eq!(unload(), OK);
    });
}

#[test]
fn the_legacy_stream_depends_on_blocking_streams() {
    on_device(&[], || {
        let context = CudaContext::new(0).unwrap();
        let (stream, free) = (blocking(&context), context.new_stream().unwrap());
        let legacy = context.default_stream().cu_stream();
        let events = [free.record_event(None).unwrap(), context.new_event(None).unwrap()];
        let [event, fresh] = [events[0].cu_event(), events[1].cu_event()];
        let bytes = free.alloc_zeros::<u8>(16).unwrap();
        let at = cudarc::driver::DevicePtr::device_ptr(&bytes, &free).0;
        context.synchronize().unwrap();
        let kernel = kernel(&context, "poke");
        let launch = |stream: &Arc<CudaStream>| {
            // SAFETY: the argument is that of `poke`.
            let launched =
                unsafe { stream.launch_builder(&kernel).arg(&at).launch(shape(1, 1, 0)) };
            launched.map_or_else(|error| error.0, |_| OK)
        };
        let mut host = [0u8; 16];
        let there = host.as_mut_ptr().cast::<std::ffi::c_void>() as usize;
        for mode in MODES {
            // SAFETY: handles are alive, the memory has 16 bytes.
            let calls: [(&str, &dyn Fn() -> CUresult); 7] = unsafe {
                [
                    ("wait", &|| sys::cuStreamSynchronize(legacy)),
                    ("query", &|| sys::cuStreamQuery(legacy)),
                    ("record", &|| sys::cuEventRecord(fresh, legacy)),
                    ("wait for an event", &|| sys::cuStreamWaitEvent(legacy, event, 0)),
                    ("fill", &|| sys::cuMemsetD8_v2(at, 0, 16)),
                    ("copy", &|| sys::cuMemcpyDtoH_v2(there as _, at, 16)),
                    ("launch", &|| launch(&context.default_stream())),
                ]
            };
            for (name, call) in calls {
                assert_eq!(during(&stream, mode, call), IMPLICIT, "{name} {mode:?}");
            }
            // Asking whether the legacy stream captures has no answer, and spoils nothing.
            stream.begin_capture(mode).unwrap();
            let mut status = sys::CUstreamCaptureStatus::CU_STREAM_CAPTURE_STATUS_NONE;
            // SAFETY: the result's place is of this frame.
            let code = unsafe { sys::cuStreamIsCapturing(legacy, &raw mut status) };
            assert_eq!((code, end(&stream)), (IMPLICIT, OK));
            // Captures of other streams are no business of the legacy one, but for what is unsafe.
            assert_eq!(during(&free, mode, || launch(&context.default_stream())), OK);
            // SAFETY: the memory has 16 bytes.
            let copied =
                during(&free, mode, || unsafe { sys::cuMemcpyDtoH_v2(there as _, at, 16) });
            assert_eq!(copied, if mode == RELAXED { OK } else { UNSUPPORTED });
        }
    });
}

#[test]
fn a_capture_ends_where_and_by_whom_it_was_begun() {
    on_device(&[], || {
        let context = CudaContext::new(0).unwrap();
        let [stream, side] = [0; 2].map(|_| context.new_stream().unwrap());
        let event = context.new_event(None).unwrap();
        // Streams that do not capture.
        assert_eq!(end(&stream), CUresult::CUDA_ERROR_ILLEGAL_STATE);
        assert_eq!(end(&context.default_stream()), CUresult::CUDA_ERROR_ILLEGAL_STATE);
        // One that joined.
        stream.begin_capture(LOCAL).unwrap();
        event.record(&stream).unwrap();
        side.wait(&event).unwrap();
        assert_eq!(end(&side), CUresult::CUDA_ERROR_STREAM_CAPTURE_UNMATCHED);
        assert_eq!(end(&stream), INVALIDATED);
        for mode in MODES {
            stream.begin_capture(mode).unwrap();
            let there = elsewhere(&context, || end(&stream));
            let wrong = CUresult::CUDA_ERROR_STREAM_CAPTURE_WRONG_THREAD;
            assert_eq!(there, if mode == RELAXED { OK } else { wrong });
            let here = if mode == RELAXED { CUresult::CUDA_ERROR_ILLEGAL_STATE } else { OK };
            assert_eq!(end(&stream), here);
        }
        // Nobody can end that of a stream that is gone, so it hinders nobody.
        let gone = result::stream::create(result::stream::StreamKind::NonBlocking).unwrap();
        // SAFETY: the stream is not used once it is destroyed.
        unsafe {
            assert_eq!(sys::cuStreamBeginCapture_v2(gone, GLOBAL), OK);
            assert_eq!(sys::cuEventRecord(event.cu_event(), gone), OK);
            side.wait(&event).unwrap();
            assert_eq!(sys::cuStreamDestroy_v2(gone), OK);
        }
        assert_eq!(side.wait(&event).unwrap_err().0, CAPTURED);
        assert_eq!(end(&side), CUresult::CUDA_ERROR_ILLEGAL_STATE);
        side.synchronize().unwrap();
    });
}

#[test]
fn events_do_not_cross_the_border_of_a_capture() {
    on_device(&[], || {
        let context = CudaContext::new(0).unwrap();
        let [one, two, three] = [0; 3].map(|_| context.new_stream().unwrap());
        let [inside, outside] = [0; 2].map(|_| context.new_event(None).unwrap());
        outside.record(&three).unwrap();
        let wait = |stream: &CudaStream, event: &cudarc::driver::CudaEvent| {
            stream.wait(event).map_or_else(|error| error.0, |()| OK)
        };
        // Work that no graph holds.
        let isolation = CUresult::CUDA_ERROR_STREAM_CAPTURE_ISOLATION;
        assert_eq!(during(&one, LOCAL, || wait(&one, &outside)), isolation);
        // Two captures.
        one.begin_capture(RELAXED).unwrap();
        two.begin_capture(RELAXED).unwrap();
        inside.record(&one).unwrap();
        assert_eq!(wait(&two, &inside), CUresult::CUDA_ERROR_STREAM_CAPTURE_MERGE);
        // Both are spoilt, and nothing more comes of them until they end.
        assert_eq!(wait(&three, &inside), INVALIDATED);
        assert_eq!(inside.record(&one).unwrap_err().0, INVALIDATED);
        assert_eq!([end(&one), end(&two)], [INVALIDATED; 2]);
        // An event of a capture is nothing that the host can ask about, then or later.
        for ask in [sys::cuEventQuery, sys::cuEventSynchronize] {
            let ask = || {
                inside.record(&one).unwrap();
                // SAFETY: the event is alive.
                unsafe { ask(inside.cu_event()) }
            };
            assert_eq!(during(&one, RELAXED, ask), CAPTURED);
        }
        assert_eq!(wait(&three, &inside), CAPTURED);
        assert_eq!(during(&one, LOCAL, || wait(&one, &inside)), CAPTURED);
        // Nor does the legacy stream join.
        let join = || {
            inside.record(&one).unwrap();
            wait(&context.default_stream(), &inside)
        };
        assert_eq!(during(&one, LOCAL, join), UNSUPPORTED);
        // Recorded anew, it is an event as any other.
        inside.record(&three).unwrap();
        assert_eq!(wait(&two, &inside), OK);
        context.synchronize().unwrap();
    });
}

#[test]
fn a_call_that_fails_leaves_no_graph_without_it() {
    on_device(&[], || {
        let context = CudaContext::new(0).unwrap();
        let stream = context.new_stream().unwrap();
        let at = stream.cu_stream();
        let mut code = OK;
        // SAFETY: nothing is at this address, which is refused.
        let graph = captured(&stream, || code = unsafe { sys::cuMemsetD8Async(64, 0, 4, at) });
        assert_eq!(code, CUresult::CUDA_ERROR_INVALID_VALUE);
        assert_eq!(graph.err(), Some(INVALIDATED));
        // SAFETY: no such graph, which is refused.
        let graph = captured(&stream, || code = unsafe { sys::cuGraphLaunch(64 as _, at) });
        assert_eq!(code, CUresult::CUDA_ERROR_INVALID_VALUE);
        assert_eq!(graph.err(), Some(INVALIDATED));
    });
}
