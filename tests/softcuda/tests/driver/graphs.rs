//! Capture and replay.

use crate::kernels::{kernel, shape};
use crate::process::on_device;
use cudarc::driver::sys::{
    self, CUgraphInstantiate_flags as Flags, CUresult, CUstreamCaptureMode as Mode,
    CUstreamCaptureStatus as Status,
};
use cudarc::driver::{
    CudaContext, CudaFunction, CudaSlice, CudaStream, CudaView, CudaViewMut, PushKernelArg,
};
use std::sync::Arc;

const GLOBAL: Mode = Mode::CU_STREAM_CAPTURE_MODE_GLOBAL;
const LOCAL: Mode = Mode::CU_STREAM_CAPTURE_MODE_THREAD_LOCAL;
const RELAXED: Mode = Mode::CU_STREAM_CAPTURE_MODE_RELAXED;
const NONE: Flags = Flags(0);

/// A context whose buffers carry no events: those of a capture must not.
fn untracked() -> Arc<CudaContext> {
    let context = CudaContext::new(0).unwrap();
    // SAFETY: the tests order their streams themselves.
    unsafe { context.disable_event_tracking() };
    context
}

fn scale(
    stream: &Arc<CudaStream>,
    kernel: &CudaFunction,
    (mut to, from): (CudaViewMut<'_, f32>, CudaView<'_, f32>),
    factor: f32,
) {
    let n = from.len() as u32;
    let mut launch = stream.launch_builder(kernel);
    launch.arg(&mut to).arg(&from).arg(&factor).arg(&n);
    // SAFETY: the arguments are those of `scale`.
    unsafe { launch.launch(shape(n.div_ceil(32), 32, 0)) }.unwrap();
}

fn buffers(stream: &Arc<CudaStream>) -> [CudaSlice<f32>; 3] {
    [1., 0., 0.].map(|value| stream.clone_htod(&[value; 100]).unwrap())
}

#[test]
fn a_graph_of_several_kernels_replays() {
    on_device(&[("SOFTCUDA_CHECK", "1")], || {
        let context = untracked();
        let stream = context.new_stream().unwrap();
        let kernel = kernel(&context, "scale");
        let [mut a, mut b, mut c] = buffers(&stream);
        stream.begin_capture(LOCAL).unwrap();
        assert_eq!(stream.capture_status().unwrap(), Status::CU_STREAM_CAPTURE_STATUS_ACTIVE);
        scale(&stream, &kernel, (b.as_view_mut(), a.as_view()), 2.);
        scale(&stream, &kernel, (c.as_view_mut(), b.as_view()), 5.);
        stream.memcpy_dtod(&c, &mut a).unwrap();
        stream.memset_zeros(&mut b).unwrap();
        let graph = stream.end_capture(NONE).unwrap().unwrap();
        assert_eq!(stream.capture_status().unwrap(), Status::CU_STREAM_CAPTURE_STATUS_NONE);
        // Recorded, not run.
        assert_eq!(stream.clone_dtoh(&a).unwrap(), [1.; 100]);
        graph.upload().unwrap();
        for round in 1..=3 {
            graph.launch().unwrap();
            assert_eq!(stream.clone_dtoh(&a).unwrap(), [10f32.powi(round); 100]);
        }
        graph.launch().unwrap();
        graph.launch().unwrap();
        assert_eq!(stream.clone_dtoh(&a).unwrap(), [1e5; 100]);
        assert_eq!(stream.clone_dtoh(&b).unwrap(), [0.; 100]);
    });
}

#[test]
fn branches_of_a_graph_join() {
    for seed in ["1", "2", "3", "4"] {
        on_device(&[("SOFTCUDA_SEED", seed), ("SOFTCUDA_CHECK", "1")], || {
            let context = untracked();
            let stream = context.new_stream().unwrap();
            let kernel = kernel(&context, "scale");
            let [mut a, mut b, mut c] = buffers(&stream);
            let side = context.new_stream().unwrap();
            stream.synchronize().unwrap();
            stream.begin_capture(LOCAL).unwrap();
            scale(&stream, &kernel, (b.as_view_mut(), a.as_view()), 2.);
            side.join(&stream).unwrap();
            assert_eq!(side.capture_status().unwrap(), Status::CU_STREAM_CAPTURE_STATUS_ACTIVE);
            let (mut left, mut right) = c.split_at_mut(50);
            scale(&stream, &kernel, (left.slice_mut(..), b.slice(..50)), 3.);
            scale(&side, &kernel, (right.slice_mut(..), b.slice(50..)), 4.);
            stream.join(&side).unwrap();
            stream.memcpy_dtod(&c, &mut a).unwrap();
            let graph = stream.end_capture(NONE).unwrap().unwrap();
            assert_eq!(side.capture_status().unwrap(), Status::CU_STREAM_CAPTURE_STATUS_NONE);
            graph.launch().unwrap();
            graph.launch().unwrap();
            let result = stream.clone_dtoh(&a).unwrap();
            assert_eq!((result[0], result[99]), (36., 64.));
        });
    }
}

#[test]
fn an_unjoined_branch_is_an_error() {
    on_device(&[], || {
        let context = untracked();
        let stream = context.new_stream().unwrap();
        let kernel = kernel(&context, "scale");
        let [a, mut b, mut c] = buffers(&stream);
        let side = context.new_stream().unwrap();
        stream.begin_capture(LOCAL).unwrap();
        scale(&stream, &kernel, (b.as_view_mut(), a.as_view()), 2.);
        side.join(&stream).unwrap();
        scale(&side, &kernel, (c.as_view_mut(), b.as_view()), 2.);
        let error = stream.end_capture(NONE).map(|_| ()).unwrap_err();
        assert_eq!(error.0, CUresult::CUDA_ERROR_STREAM_CAPTURE_UNJOINED);
    });
}

#[test]
fn calls_that_a_capture_cannot_record_end_it() {
    on_device(&[], || {
        let context = untracked();
        let stream = context.new_stream().unwrap();
        let other = context.new_stream().unwrap();
        // SAFETY: not read before it is written.
        let mut pinned = unsafe { context.alloc_pinned::<f32>(100) }.unwrap();
        let [mut a, _, _] = buffers(&stream);
        context.synchronize().unwrap();
        let mut spoils = |mode, call: &mut dyn FnMut(&mut CudaSlice<f32>) -> Option<CUresult>| {
            stream.begin_capture(mode).unwrap();
            let unsupported = call(&mut a) == Some(CUresult::CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED);
            let invalid = CUresult::CUDA_ERROR_STREAM_CAPTURE_INVALIDATED;
            let ended = stream.end_capture(NONE).map(|_| ());
            assert_eq!(unsupported, ended.is_err_and(|error| error.0 == invalid));
            unsupported
        };
        fn error<T>(result: Result<T, cudarc::driver::DriverError>) -> Option<CUresult> {
            result.err().map(|error| error.0)
        }
        assert!(spoils(RELAXED, &mut |_| error(stream.synchronize())));
        assert!(spoils(RELAXED, &mut |_| error(context.synchronize())));
        assert!(spoils(RELAXED, &mut |_| error(stream.alloc_zeros::<u8>(8))));
        assert!(spoils(RELAXED, &mut |a| error(stream.clone_dtoh(a))));
        assert!(spoils(RELAXED, &mut |a| error(stream.memcpy_htod(&[1f32; 100], a))));
        assert!(!spoils(RELAXED, &mut |_| error(other.synchronize())));
        assert!(!spoils(RELAXED, &mut |_| error(other.alloc_zeros::<u8>(8))));
        // SAFETY: the memory is freed at once.
        let mut allocate = |_: &mut CudaSlice<f32>| unsafe {
            let mut at = 0;
            let code = sys::cuMemAlloc_v2(&mut at, 16);
            if code == CUresult::CUDA_SUCCESS {
                assert_eq!(sys::cuMemFree_v2(at), code);
            }
            Some(code)
        };
        assert!(spoils(GLOBAL, &mut allocate));
        assert!(spoils(LOCAL, &mut allocate));
        let mut elsewhere = |a: &mut CudaSlice<f32>| {
            std::thread::scope(|scope| {
                let run = || {
                    context.bind_to_thread().unwrap();
                    allocate(a)
                };
                scope.spawn(run).join().unwrap()
            })
        };
        assert!(spoils(GLOBAL, &mut elsewhere));
        assert!(!spoils(LOCAL, &mut elsewhere));
        // Page-locked memory outlives the call: its copies are nodes.
        pinned.as_mut_slice().unwrap().fill(5.);
        let mut there = other.alloc_zeros::<f32>(100).unwrap();
        context.synchronize().unwrap();
        // It waits for an event, which is not to be done meanwhile.
        let from = pinned.as_ptr().unwrap();
        stream.begin_capture(LOCAL).unwrap();
        let (to, _guard) = cudarc::driver::DevicePtrMut::device_ptr_mut(&mut there, &stream);
        // SAFETY: both have 100 floats and outlive the graph.
        let code = unsafe { sys::cuMemcpyHtoDAsync_v2(to, from.cast(), 400, stream.cu_stream()) };
        assert_eq!(code, CUresult::CUDA_SUCCESS);
        let graph = stream.end_capture(NONE).unwrap().unwrap();
        pinned.as_mut_slice().unwrap().fill(6.);
        graph.launch().unwrap();
        drop(_guard);
        assert_eq!(stream.clone_dtoh(&there).unwrap(), [6.; 100]);
    });
}

#[test]
fn captures_need_a_stream_of_their_own_and_untracked_buffers() {
    on_device(&[], || {
        let context = CudaContext::new(0).unwrap();
        let default = context.default_stream();
        let error = default.begin_capture(LOCAL).unwrap_err();
        assert_eq!(error.0, CUresult::CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED);
        let stream = context.new_stream().unwrap();
        let kernel = kernel(&context, "scale");
        let [a, mut b, _] = buffers(&stream);
        stream.synchronize().unwrap();
        stream.begin_capture(LOCAL).unwrap();
        let again = stream.begin_capture(LOCAL).unwrap_err();
        assert_eq!(again.0, CUresult::CUDA_ERROR_ILLEGAL_STATE);
        let mut launch = stream.launch_builder(&kernel);
        launch.arg(&mut b).arg(&a).arg(&1f32).arg(&100u32);
        // SAFETY: the arguments are those of `scale`.
        let error = unsafe { launch.launch(shape(4, 32, 0)) }.map(|_| ()).unwrap_err();
        assert_eq!(error.0, CUresult::CUDA_ERROR_STREAM_CAPTURE_ISOLATION);
        let ended = stream.end_capture(NONE).map(|_| ()).unwrap_err();
        assert_eq!(ended.0, CUresult::CUDA_ERROR_STREAM_CAPTURE_INVALIDATED);
        let ended = stream.end_capture(NONE).map(|_| ()).unwrap_err();
        assert_eq!(ended.0, CUresult::CUDA_ERROR_ILLEGAL_STATE);
    });
}

#[test]
fn graphs_can_be_updated() {
    on_device(&[], || {
        let context = untracked();
        let stream = context.new_stream().unwrap();
        let kernel = kernel(&context, "scale");
        let [a, mut b, _] = buffers(&stream);
        let mut record = |factors: &[f32]| {
            stream.begin_capture(LOCAL).unwrap();
            for &factor in factors {
                scale(&stream, &kernel, (b.as_view_mut(), a.as_view()), factor);
            }
            stream.end_capture(NONE).unwrap().unwrap()
        };
        let graph = record(&[2.]);
        let (other, longer) = (record(&[3.]), record(&[4., 5.]));
        graph.launch().unwrap();
        // SAFETY: the handles are of live graphs; the answer may be declined.
        let update = |to: sys::CUgraph| unsafe {
            sys::cuGraphExecUpdate_v2(graph.cu_graph_exec(), to, std::ptr::null_mut())
        };
        assert_eq!(update(other.cu_graph()), CUresult::CUDA_SUCCESS);
        let refused = CUresult::CUDA_ERROR_GRAPH_EXEC_UPDATE_FAILURE;
        assert_eq!(update(longer.cu_graph()), refused);
        graph.launch().unwrap();
        drop((graph, other, longer));
        assert_eq!(stream.clone_dtoh(&b).unwrap(), [3.; 100]);
    });
}
