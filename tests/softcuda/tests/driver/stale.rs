//! Handles of what is gone are refused: nothing else may have taken their place.

use crate::kernels::{PTX, kernel};
use crate::process::on_device;
use crate::raw::{Call, OK, ONE, captured, first_node, ready, set_node};
use cudarc::driver::sys::{self, CUresult};
use cudarc::driver::{CudaContext, CudaStream, result};
use std::ffi::{CString, c_void};
use std::ptr::null_mut;
use std::sync::Arc;

const INVALID: CUresult = CUresult::CUDA_ERROR_INVALID_VALUE;
const HANDLE: CUresult = CUresult::CUDA_ERROR_INVALID_HANDLE;

fn started() -> (Arc<CudaContext>, Arc<CudaStream>) {
    let context = CudaContext::new(0).unwrap();
    let stream = context.new_stream().unwrap();
    (context, stream)
}

#[test]
fn streams_and_events() {
    on_device(&[], || {
        let (context, stream) = started();
        let kernel = kernel(&context, "poke");
        let at = stream.cu_stream();
        let new = || result::stream::create(result::stream::StreamKind::NonBlocking).unwrap();
        // SAFETY: stale handles are refused, the rest is alive.
        unsafe {
            let (gone, mut event) = (new(), null_mut());
            assert_eq!(sys::cuEventCreate(&raw mut event, 0), OK);
            assert_eq!(sys::cuEventRecord(event, gone), OK);
            assert_eq!(sys::cuStreamDestroy_v2(gone), OK);
            // A new one has a handle of its own.
            let fresh = new();
            assert_ne!(fresh, gone);
            let mut argument = 0u64;
            let mut places = [(&raw mut argument).cast::<c_void>()];
            let f = kernel.cu_function();
            let places = places.as_mut_ptr();
            assert_eq!(sys::cuStreamDestroy_v2(gone), HANDLE);
            assert_eq!(sys::cuStreamSynchronize(gone), HANDLE);
            assert_eq!(sys::cuStreamQuery(gone), HANDLE);
            assert_eq!(
                sys::cuStreamBeginCapture_v2(
                    gone,
                    sys::CUstreamCaptureMode::CU_STREAM_CAPTURE_MODE_RELAXED
                ),
                HANDLE
            );
            assert_eq!(sys::cuStreamEndCapture(gone, &mut null_mut()), HANDLE);
            assert_eq!(sys::cuStreamWaitEvent(gone, event, 0), HANDLE);
            assert_eq!(sys::cuEventRecord(event, gone), HANDLE);
            assert_eq!(sys::cuMemAllocAsync(&mut 0, 16, gone), HANDLE);
            let launched = sys::cuLaunchKernel(f, 1, 1, 1, 1, 1, 1, 0, gone, places, null_mut());
            assert_eq!(launched, HANDLE);
            // The event outlives the stream that it was recorded in.
            assert_eq!(sys::cuStreamWaitEvent(at, event, 0), OK);
            assert_eq!(sys::cuEventSynchronize(event), OK);
            assert_eq!(sys::cuEventDestroy_v2(event), OK);
            assert_eq!(sys::cuEventDestroy_v2(event), HANDLE);
            assert_eq!(sys::cuEventQuery(event), HANDLE);
            assert_eq!(sys::cuEventSynchronize(event), HANDLE);
            assert_eq!(sys::cuEventRecord(event, at), HANDLE);
            assert_eq!(sys::cuStreamWaitEvent(at, event, 0), HANDLE);
        }
        stream.synchronize().unwrap();
    });
}

#[test]
fn memory() {
    on_device(&[], || {
        let (_context, stream) = started();
        let (mut at, mut host) = (0, null_mut());
        let in_stream = stream.cu_stream();
        // SAFETY: stale addresses are refused.
        unsafe {
            assert_eq!(sys::cuMemAlloc_v2(&raw mut at, 16), OK);
            assert_eq!(sys::cuMemFree_v2(at + 4), INVALID);
            assert_eq!(sys::cuMemFree_v2(at), OK);
            assert_eq!(sys::cuMemFree_v2(at), INVALID);
            assert_eq!(sys::cuMemFreeAsync(at, in_stream), INVALID);
            assert_eq!(sys::cuMemsetD8Async(at, 0, 16, in_stream), INVALID);
            assert_eq!(sys::cuMemAllocAsync(&raw mut at, 16, in_stream), OK);
            assert_eq!(sys::cuMemFreeAsync(at, in_stream), OK);
            // The stream has not come to it, but it is no longer the caller's.
            assert_eq!(sys::cuMemFreeAsync(at, in_stream), INVALID);
            assert_eq!(sys::cuMemFree_v2(at), INVALID);
            assert_eq!(sys::cuMemsetD8Async(at, 0, 16, in_stream), INVALID);
            assert_eq!(sys::cuMemHostAlloc(&raw mut host, 16, 0), OK);
            assert_eq!(sys::cuMemFreeHost(host), OK);
            assert_eq!(sys::cuMemFreeHost(host), INVALID);
        }
        stream.synchronize().unwrap();
    });
}

#[test]
fn contexts() {
    on_device(&[], || {
        let (_context, stream) = started();
        let destroyed = CUresult::CUDA_ERROR_CONTEXT_IS_DESTROYED;
        // SAFETY: stale handles are refused.
        unsafe {
            let mut context = null_mut();
            assert_eq!(sys::cuCtxCreate_v2(&raw mut context, 0, 0), OK);
            let gone = result::stream::create(result::stream::StreamKind::NonBlocking).unwrap();
            // Another thread destroys the context that is current here.
            let number = context as usize;
            let destroy = move || sys::cuCtxDestroy_v2(number as _);
            assert_eq!(std::thread::spawn(destroy).join().unwrap(), OK);
            assert_eq!(sys::cuMemAlloc_v2(&mut 0, 16), destroyed);
            assert_eq!(sys::cuCtxSynchronize(), destroyed);
            assert_eq!(sys::cuStreamSynchronize(gone), destroyed);
            assert_eq!(destroy(), CUresult::CUDA_ERROR_INVALID_CONTEXT);
            assert_eq!(sys::cuCtxSetCurrent(context), CUresult::CUDA_ERROR_INVALID_CONTEXT);
            stream.context().bind_to_thread().unwrap();
            assert_eq!(sys::cuStreamSynchronize(gone), HANDLE);
        }
    });
}

/// A module of the tests' kernels, and `poke` of it.
fn poke() -> (sys::CUmodule, sys::CUfunction) {
    let text = CString::new(PTX).unwrap();
    let (mut module, mut function) = (null_mut(), null_mut());
    // SAFETY: text and name are NUL-terminated.
    unsafe {
        assert_eq!(sys::cuModuleLoadData(&raw mut module, text.as_ptr().cast()), OK);
        let name = c"poke".as_ptr();
        assert_eq!(sys::cuModuleGetFunction(&raw mut function, module, name), OK);
    }
    (module, function)
}

#[test]
fn modules_and_their_kernels() {
    let output = on_device(&[], || {
        let (_context, stream) = started();
        let at = stream.cu_stream();
        let (module, function) = poke();
        let mut argument = 0u64;
        // SAFETY: stale handles are refused, the rest is alive.
        unsafe {
            assert_eq!(sys::cuMemAlloc_v2(&raw mut argument, 4), OK);
            let mut places = [(&raw mut argument).cast::<c_void>()];
            let parameters = places.as_mut_ptr();
            let launch = || {
                let none = null_mut();
                sys::cuLaunchKernel(function, 1, 1, 1, 1, 1, 1, 0, at, parameters, none)
            };
            let graph = captured(&stream, || assert_eq!(launch(), OK)).unwrap();
            let exec = ready(graph).unwrap();
            assert_eq!(sys::cuGraphLaunch(exec, at), OK);
            assert_eq!(sys::cuModuleUnload(module), OK);
            assert_eq!(sys::cuModuleUnload(module), HANDLE);
            let mut found = null_mut();
            let name = c"poke".as_ptr();
            assert_eq!(sys::cuModuleGetFunction(&raw mut found, module, name), HANDLE);
            assert_eq!(launch(), HANDLE);
            assert_eq!(
                sys::cuFuncGetAttribute(
                    &mut 0,
                    sys::CUfunction_attribute::CU_FUNC_ATTRIBUTE_NUM_REGS,
                    function
                ),
                HANDLE
            );
            // The graph would run what is no longer there.
            assert_eq!(sys::cuGraphLaunch(exec, at), HANDLE);
            assert_eq!(ready(graph), Err(HANDLE));
            let call = Call { function, parameters, extra: null_mut() };
            assert_eq!(set_node(exec, first_node(graph), call, ONE), HANDLE);
            // With a kernel that is there, it runs again.
            let (_, function) = poke();
            let call = Call { function, ..call };
            assert_eq!(set_node(exec, first_node(graph), call, ONE), OK);
            assert_eq!(sys::cuGraphLaunch(exec, at), OK);
        }
        stream.synchronize().unwrap();
    });
    let expected = "a graph uses kernel poke, whose module was unloaded";
    assert!(output.text.contains(expected), "{}", output.text);
}

#[test]
fn graphs() {
    on_device(&[], || {
        let (_context, stream) = started();
        let at = stream.cu_stream();
        let (_, function) = poke();
        let (mut argument, mut bytes, mut host) = (0u64, 0u64, null_mut());
        // SAFETY: stale handles are refused, the rest is alive.
        unsafe {
            assert_eq!(sys::cuMemAlloc_v2(&raw mut argument, 4), OK);
            assert_eq!(sys::cuMemAlloc_v2(&raw mut bytes, 16), OK);
            assert_eq!(sys::cuMemHostAlloc(&raw mut host, 16, 0), OK);
            let mut places = [(&raw mut argument).cast::<c_void>()];
            let call = Call { function, parameters: places.as_mut_ptr(), extra: null_mut() };
            let none = null_mut();
            let graph = captured(&stream, || {
                let p = call.parameters;
                assert_eq!(sys::cuLaunchKernel(function, 1, 1, 1, 1, 1, 1, 0, at, p, none), OK);
            });
            let (graph, fills, copies) = (
                graph.unwrap(),
                captured(&stream, || assert_eq!(sys::cuMemsetD8Async(bytes, 0, 16, at), OK)),
                captured(&stream, || {
                    assert_eq!(sys::cuMemcpyHtoDAsync_v2(bytes, host, 16, at), OK);
                }),
            );
            let [fills, copies] = [fills, copies].map(|graph| ready(graph.unwrap()).unwrap());
            let (exec, node) = (ready(graph).unwrap(), first_node(graph));
            assert_eq!(set_node(exec, node, call, ONE), OK);
            // Memory that is gone.
            assert_eq!([sys::cuGraphLaunch(fills, at), sys::cuGraphLaunch(copies, at)], [OK; 2]);
            assert_eq!(sys::cuMemFreeHost(host), OK);
            assert_eq!(sys::cuGraphLaunch(copies, at), INVALID);
            assert_eq!(sys::cuGraphLaunch(fills, at), OK);
            assert_eq!(sys::cuMemFreeAsync(bytes, at), OK);
            assert_eq!(sys::cuGraphLaunch(fills, at), INVALID);
            // A node goes with its graph; what was made of it stays.
            assert_eq!(sys::cuGraphDestroy(graph), OK);
            assert_eq!(sys::cuGraphDestroy(graph), INVALID);
            assert_eq!(ready(graph), Err(INVALID));
            assert_eq!(sys::cuGraphGetNodes(graph, none.cast(), &mut 0), INVALID);
            assert_eq!(set_node(exec, node, call, ONE), INVALID);
            assert_eq!(sys::cuGraphExecUpdate_v2(exec, graph, null_mut()), INVALID);
            assert_eq!(sys::cuGraphLaunch(exec, at), OK);
            assert_eq!(sys::cuGraphExecDestroy(exec), OK);
            assert_eq!(sys::cuGraphExecDestroy(exec), INVALID);
            assert_eq!(sys::cuGraphLaunch(exec, at), INVALID);
            assert_eq!(sys::cuGraphUpload(exec, at), INVALID);
        }
        stream.synchronize().unwrap();
    });
}
