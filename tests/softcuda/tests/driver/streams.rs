//! Order of work: within streams, between them, and where none was asked for.

use crate::kernels::{kernel, shape};
use crate::process::{on_device, say};
use cudarc::driver::sys::{self, CUevent_flags, CUresult};
use cudarc::driver::{
    CudaContext, CudaFunction, CudaSlice, CudaStream, DevicePtr, DriverError, PushKernelArg, result,
};
use std::collections::HashSet;
use std::sync::Arc;

const SEEDS: [&str; 8] = ["0", "1", "2", "3", "4", "5", "6", "7"];

/// Two streams whose order is the test's business, with a kernel.
fn two_streams() -> (Arc<CudaContext>, [Arc<CudaStream>; 2], CudaFunction) {
    let context = CudaContext::new(0).unwrap();
    // SAFETY: order is what these tests are about.
    unsafe { context.disable_event_tracking() };
    let streams = [0; 2].map(|_| context.new_stream().unwrap());
    let scale = kernel(&context, "scale");
    (context, streams, scale)
}

/// Ten words of a value, there for every stream.
fn words(context: &Arc<CudaContext>, value: f32) -> CudaSlice<f32> {
    let stream = context.default_stream();
    let words = stream.clone_htod(&[value; 10]).unwrap();
    stream.synchronize().unwrap();
    words
}

fn scale(
    stream: &Arc<CudaStream>,
    kernel: &CudaFunction,
    to: &mut CudaSlice<f32>,
    from: &CudaSlice<f32>,
    factor: f32,
) {
    let mut launch = stream.launch_builder(kernel);
    launch.arg(to).arg(from).arg(&factor).arg(&10u32);
    // SAFETY: the arguments are those of `scale`.
    unsafe { launch.launch(shape(1, 32, 0)) }.unwrap();
}

/// One stream writes what the other reads; an event between them, or none.
fn hand_over(event: bool) -> Result<f32, DriverError> {
    let (context, [one, two], kernel) = two_streams();
    let (a, mut b, mut c) = (words(&context, 1.), words(&context, 0.), words(&context, 0.));
    scale(&one, &kernel, &mut b, &a, 2.);
    if event {
        two.join(&one)?;
    }
    scale(&two, &kernel, &mut c, &b, 10.);
    let result = two.clone_dtoh(&c).map(|c| c[0]);
    // Whichever stream was not waited for.
    context.synchronize()?;
    result
}

#[test]
fn without_an_event_results_depend_on_the_seed() {
    let results = SEEDS.map(|seed| {
        let run = || say(hand_over(false).unwrap());
        on_device(&[("SOFTCUDA_SEED", seed)], run).said()
    });
    let expected = HashSet::from([vec!["0".to_owned()], vec!["20".to_owned()]]);
    assert_eq!(HashSet::from(results), expected);
}

#[test]
fn without_an_event_the_checker_says_so_under_every_seed() {
    for seed in SEEDS {
        let output = on_device(&[("SOFTCUDA_SEED", seed), ("SOFTCUDA_CHECK", "1")], || {
            let error = hand_over(false).unwrap_err();
            assert_eq!(error.0, CUresult::CUDA_ERROR_LAUNCH_FAILED);
        });
        assert!(output.text.contains("missing synchronisation"), "{}", output.text);
    }
}

#[test]
fn with_an_event_all_is_well() {
    for (seed, check) in SEEDS.iter().flat_map(|seed| [(*seed, "0"), (*seed, "1")]) {
        on_device(&[("SOFTCUDA_SEED", seed), ("SOFTCUDA_CHECK", check)], || {
            assert_eq!(hand_over(true).unwrap(), 20.);
        });
    }
}

/// Copies and fills in two streams, an event between them or none.
fn fill_and_copy(event: bool) -> Result<(), DriverError> {
    let (context, [one, two], _) = two_streams();
    let (mut a, mut b) = (words(&context, 1.), words(&context, 0.));
    one.memset_zeros(&mut a)?;
    if event {
        two.join(&one)?;
    }
    two.memcpy_dtod(&a, &mut b)?;
    context.synchronize()
}

#[test]
fn copies_are_checked_too() {
    for seed in SEEDS {
        let output = on_device(&[("SOFTCUDA_SEED", seed), ("SOFTCUDA_CHECK", "1")], || {
            fill_and_copy(true).unwrap();
            let error = fill_and_copy(false).unwrap_err();
            assert_eq!(error.0, CUresult::CUDA_ERROR_LAUNCH_FAILED);
        });
        assert!(
            output.text.contains("a copy on the device reads 40 bytes")
                || output.text.contains("a fill writes 40 bytes"),
            "{}",
            output.text
        );
    }
}

#[test]
fn memory_freed_in_one_stream_and_used_in_another() {
    for seed in SEEDS {
        on_device(&[("SOFTCUDA_SEED", seed), ("SOFTCUDA_CHECK", "1")], || {
            let (context, [one, two], _) = two_streams();
            let a = one.clone_htod(&[1f32; 10]).unwrap();
            one.synchronize().unwrap();
            let mut b = words(&context, 0.);
            two.memcpy_dtod(&a, &mut b).unwrap();
            // The free waits in stream one: the copy may come later.
            drop(a);
            assert!(context.synchronize().is_err());
        });
    }
}

#[test]
fn tracked_buffers_keep_streams_in_order() {
    for seed in SEEDS {
        on_device(&[("SOFTCUDA_SEED", seed), ("SOFTCUDA_CHECK", "1")], || {
            let context = CudaContext::new(0).unwrap();
            let [one, two] = [0; 2].map(|_| context.new_stream().unwrap());
            let kernel = kernel(&context, "scale");
            let a = one.clone_htod(&[1f32; 10]).unwrap();
            let mut b = two.alloc_zeros::<f32>(10).unwrap();
            let mut c = one.alloc_zeros::<f32>(10).unwrap();
            for _ in 0..3 {
                scale(&one, &kernel, &mut b, &a, 2.);
                scale(&two, &kernel, &mut c, &b, 10.);
                scale(&one, &kernel, &mut b, &c, 1.);
            }
            assert_eq!(two.clone_dtoh(&b).unwrap(), [20.; 10]);
            drop((a, b, c));
            context.synchronize().unwrap();
        });
    }
}

/// A stream that takes part in the order of the legacy default stream.
fn blocking_stream(context: &Arc<CudaContext>) -> Arc<CudaStream> {
    let stream = result::stream::create(result::stream::StreamKind::Default).unwrap();
    // SAFETY: the stream is never destroyed.
    unsafe { context.wrap_borrowed_stream(stream) }
}

#[test]
fn the_legacy_stream_waits_for_blocking_streams_and_they_for_it() {
    for seed in SEEDS {
        on_device(&[("SOFTCUDA_SEED", seed), ("SOFTCUDA_CHECK", "1")], || {
            let context = CudaContext::new(0).unwrap();
            // SAFETY: streams that block are in order.
            unsafe { context.disable_event_tracking() };
            let legacy = context.default_stream();
            let [one, two] = [0; 2].map(|_| blocking_stream(&context));
            let kernel = kernel(&context, "scale");
            let (a, mut b, mut c) = (words(&context, 1.), words(&context, 0.), words(&context, 0.));
            scale(&one, &kernel, &mut b, &a, 2.);
            scale(&legacy, &kernel, &mut c, &b, 10.);
            scale(&two, &kernel, &mut b, &c, 10.);
            assert_eq!(two.clone_dtoh(&b).unwrap(), [200.; 10]);
            legacy.synchronize().unwrap();
        });
    }
}

#[test]
fn other_streams_do_not_wait_for_the_legacy_stream() {
    let results = SEEDS.map(|seed| {
        let settings = [("SOFTCUDA_SEED", seed)];
        let run = || {
            let (context, [one, _], kernel) = two_streams();
            let (a, mut b) = (words(&context, 1.), words(&context, 0.));
            scale(&context.default_stream(), &kernel, &mut b, &a, 2.);
            say(one.clone_dtoh(&b).unwrap()[0]);
        };
        on_device(&settings, run).said()
    });
    let expected = HashSet::from([vec!["0".to_owned()], vec!["2".to_owned()]]);
    assert_eq!(HashSet::from(results), expected);
}

#[test]
fn nothing_runs_before_somebody_waits() {
    on_device(&[], || {
        let (context, [one, _], kernel) = two_streams();
        let (a, mut b) = (words(&context, 1.), words(&context, 0.));
        scale(&one, &kernel, &mut b, &a, 2.);
        let event = one.record_event(None).unwrap();
        let (at, _guard) = b.device_ptr(&one);
        let mut host = [0f32; 10];
        // Polling is no waiting, but the device moves on.
        let mut polls = 0;
        while !event.is_complete() {
            polls += 1;
        }
        assert!(polls > 0);
        // SAFETY: the slice has the bytes.
        unsafe { result::memcpy_dtoh_sync(&mut host, at) }.unwrap();
        assert_eq!(host, [2.; 10]);
    });
}

#[test]
fn events_tell_the_time() {
    on_device(&[], || {
        let (context, [one, two], kernel) = two_streams();
        let (a, mut b) = (words(&context, 1.), words(&context, 0.));
        let timing = Some(CUevent_flags::CU_EVENT_DEFAULT);
        let start = one.record_event(timing).unwrap();
        scale(&one, &kernel, &mut b, &a, 2.);
        let end = one.record_event(timing).unwrap();
        assert!(!end.try_is_complete().unwrap());
        assert!(start.elapsed_ms(&end).unwrap() >= 0.);
        assert!(end.try_is_complete().unwrap());
        let plain = two.record_event(None).unwrap();
        let error = start.elapsed_ms(&plain).unwrap_err();
        assert_eq!(error.0, CUresult::CUDA_ERROR_INVALID_HANDLE);
        // An event that nobody recorded is over.
        context.new_event(timing).unwrap().synchronize().unwrap();
        one.wait(&context.new_event(None).unwrap()).unwrap();
    });
}

extern "C" fn call_back(data: *mut std::ffi::c_void) {
    let data = data.cast::<(u32, CUresult)>();
    // SAFETY: `data` is the pair of the test below, which waits for this call. The driver is not
    // to be called here, which is tried.
    unsafe {
        let code = sys::cuCtxSynchronize();
        data.write((data.read().0 + 1, code));
    }
}

#[test]
fn host_functions_run_in_order_and_may_not_call_the_driver() {
    on_device(&[], || {
        let (_context, [one, _], _) = two_streams();
        let mut data = (41u32, CUresult::CUDA_SUCCESS);
        let pointer = (&raw mut data).cast::<std::ffi::c_void>();
        // SAFETY: the data lives until the stream is done.
        unsafe { result::stream::launch_host_function(one.cu_stream(), call_back, pointer) }
            .unwrap();
        one.synchronize().unwrap();
        assert_eq!(data, (42, CUresult::CUDA_ERROR_NOT_PERMITTED));
        // Polling leaves it alone at first, but not for ever.
        // SAFETY: as above.
        unsafe { result::stream::launch_host_function(one.cu_stream(), call_back, pointer) }
            .unwrap();
        let event = one.record_event(None).unwrap();
        assert!(!event.is_complete());
        assert_eq!(data.0, 42);
        while !event.is_complete() {}
        assert_eq!(data.0, 43);
    });
}
