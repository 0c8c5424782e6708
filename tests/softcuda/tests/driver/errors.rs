//! Errors: at the call, later, injected, and what comes after them.

use crate::kernels::{kernel, shape};
use crate::process::on_device;
use cudarc::driver::sys::CUresult;
use cudarc::driver::{CudaContext, CudaStream, DriverError, PushKernelArg, result};
use std::sync::Arc;

fn poke(context: &Arc<CudaContext>, stream: &Arc<CudaStream>, at: u64) -> Result<(), DriverError> {
    let poke = kernel(context, "poke");
    // SAFETY: the argument is that of `poke`; a bad address is the point.
    unsafe { stream.launch_builder(&poke).arg(&at).launch(shape(1, 1, 0)) }.map(|_| ())
}

#[test]
fn faults_show_later_and_stay() {
    let log = tempfile::NamedTempFile::new().unwrap();
    let path = log.path().to_str().unwrap().to_owned();
    let output = on_device(&[("SOFTCUDA_LOG", &path)], || {
        let context = CudaContext::new(0).unwrap();
        let stream = context.default_stream();
        let bytes = stream.clone_htod(&[1u8; 4]).unwrap();
        let poke = kernel(&context, "poke");
        // SAFETY: the argument is that of `poke`; a bad address is the point.
        unsafe { stream.launch_builder(&poke).arg(&64u64).launch(shape(1, 1, 0)) }.unwrap();
        let illegal = CUresult::CUDA_ERROR_ILLEGAL_ADDRESS;
        assert_eq!(stream.synchronize().unwrap_err().0, illegal);
        assert_eq!(stream.synchronize().unwrap_err().0, illegal);
        assert_eq!(stream.clone_dtoh(&bytes).unwrap_err().0, illegal);
        assert_eq!(context.mem_get_info().unwrap_err().0, illegal);
        // Errors of drops show at the next call of cudarc, not before.
        drop(bytes);
        assert_eq!(context.check_err().unwrap_err().0, illegal);
        assert!(context.check_err().is_ok());
        drop((poke, stream, context));
        // A new context is whole, and its memory is all there.
        let context = CudaContext::new(0).unwrap();
        let (free, total) = context.mem_get_info().unwrap();
        assert_eq!(free, total);
        let stream = context.default_stream();
        let bytes = stream.clone_htod(&[1u8; 4]).unwrap();
        assert_eq!(stream.clone_dtoh(&bytes).unwrap(), [1; 4]);
    });
    let logged = std::fs::read_to_string(log.path()).unwrap();
    for text in [&logged, &output.text] {
        assert!(text.contains("poke") && text.contains("CUDA_ERROR_ILLEGAL_ADDRESS"), "{text}");
    }
}

#[test]
fn misaligned_words_have_their_own_error() {
    on_device(&[], || {
        let context = CudaContext::new(0).unwrap();
        let stream = context.default_stream();
        let bytes = stream.alloc_zeros::<u8>(64).unwrap();
        let at = cudarc::driver::DevicePtr::device_ptr(&bytes, &stream).0;
        poke(&context, &stream, at).unwrap();
        stream.synchronize().unwrap();
        poke(&context, &stream, at + 1).unwrap();
        let error = context.synchronize().unwrap_err();
        assert_eq!(error.0, CUresult::CUDA_ERROR_MISALIGNED_ADDRESS);
    });
}

#[test]
fn freed_memory_is_gone() {
    on_device(&[("SOFTCUDA_CHECK", "1")], || {
        let context = CudaContext::new(0).unwrap();
        let stream = context.default_stream();
        let bytes = stream.alloc_zeros::<u8>(64).unwrap();
        let at = cudarc::driver::DevicePtr::device_ptr(&bytes, &stream).0;
        drop(bytes);
        poke(&context, &stream, at).unwrap();
        let error = stream.synchronize().unwrap_err();
        assert_eq!(error.0, CUresult::CUDA_ERROR_ILLEGAL_ADDRESS);
    });
}

#[test]
fn uninitialised_memory_is_found() {
    on_device(&[("SOFTCUDA_CHECK", "1")], || {
        let context = CudaContext::new(0).unwrap();
        let stream = context.default_stream();
        // SAFETY: read before it is written, which is the point.
        let bytes = unsafe { stream.alloc::<u32>(64) }.unwrap();
        let at = cudarc::driver::DevicePtr::device_ptr(&bytes, &stream).0;
        poke(&context, &stream, at).unwrap();
        assert_eq!(stream.synchronize().unwrap_err().0, CUresult::CUDA_ERROR_LAUNCH_FAILED);
    });
}

#[test]
fn memory_runs_out() {
    on_device(&[("SOFTCUDA_MEMORY", "1048576")], || {
        let context = CudaContext::new(0).unwrap();
        let stream = context.default_stream();
        let out = CUresult::CUDA_ERROR_OUT_OF_MEMORY;
        assert_eq!(stream.alloc_zeros::<u8>((1 << 20) + 1).unwrap_err().0, out);
        let half = stream.alloc_zeros::<u8>(1 << 19).unwrap();
        assert_eq!(stream.alloc_zeros::<u8>(1 << 20).unwrap_err().0, out);
        // Not sticky; and memory whose free waits in the stream is there for who asks.
        drop(half);
        stream.alloc_zeros::<u8>(1 << 20).unwrap();
        // No bytes are no allocation.
        let none = stream.alloc_zeros::<u8>(0).unwrap_err();
        assert_eq!(none.0, CUresult::CUDA_ERROR_INVALID_VALUE);
    });
}

#[test]
fn injected_faults() {
    on_device(&[("SOFTCUDA_FAIL", "alloc:3,launch:2:999")], || {
        let context = CudaContext::new(0).unwrap();
        let stream = context.default_stream();
        let words = stream.alloc_zeros::<u32>(4).unwrap();
        stream.alloc_zeros::<u8>(4).unwrap();
        let failed = stream.alloc_zeros::<u8>(4).unwrap_err();
        assert_eq!(failed.0, CUresult::CUDA_ERROR_OUT_OF_MEMORY);
        stream.alloc_zeros::<u8>(4).unwrap();
        let at = cudarc::driver::DevicePtr::device_ptr(&words, &stream).0;
        for _ in 0..2 {
            stream.synchronize().unwrap();
            poke(&context, &stream, at).unwrap();
        }
        assert_eq!(stream.synchronize().unwrap_err().0, CUresult::CUDA_ERROR_UNKNOWN);
        assert_eq!(stream.alloc_zeros::<u8>(4).unwrap_err().0, CUresult::CUDA_ERROR_UNKNOWN);
    });
}

#[test]
fn copies_beyond_an_allocation_are_refused() {
    let output = on_device(&[], || {
        let context = CudaContext::new(0).unwrap();
        let stream = context.default_stream();
        let there = stream.clone_htod(&[1u32; 10]).unwrap();
        // cudarc copies as many bytes as the *host* slice has.
        let mut longer = [0u32; 1000];
        let error = stream.memcpy_dtoh(&there, &mut longer).unwrap_err();
        assert_eq!(error.0, CUresult::CUDA_ERROR_INVALID_VALUE);
        let mut equal = [0u32; 10];
        stream.memcpy_dtoh(&there, &mut equal).unwrap();
        assert_eq!(equal, [1; 10]);
    });
    assert!(output.text.contains("copy to the host of 4000 bytes"), "{}", output.text);
}

#[test]
fn wrong_arguments_are_refused() {
    on_device(&[], || {
        use cudarc::driver::sys;
        const INVALID: CUresult = CUresult::CUDA_ERROR_INVALID_VALUE;
        const HANDLE: CUresult = CUresult::CUDA_ERROR_INVALID_HANDLE;
        let (null, wild) = (std::ptr::null_mut::<u8>(), 0x1234_5678_usize);
        // SAFETY: pointers are null, which is refused, or of this frame; handles are not followed.
        unsafe {
            let uninitialised = CUresult::CUDA_ERROR_NOT_INITIALIZED;
            assert_eq!(sys::cuDeviceGetCount(&mut 0), uninitialised);
            assert_eq!(sys::cuInit(1), INVALID);
            result::init().unwrap();
            let mut at = 0;
            let no_context = CUresult::CUDA_ERROR_INVALID_CONTEXT;
            assert_eq!(sys::cuMemAlloc_v2(&mut at, 16), no_context);
            let context = CudaContext::new(0).unwrap();
            assert_eq!(sys::cuDeviceGetCount(null.cast()), INVALID);
            assert_eq!(sys::cuMemAlloc_v2(null.cast(), 16), INVALID);
            assert_eq!(sys::cuMemAllocAsync(null.cast(), 16, null.cast()), INVALID);
            assert_eq!(sys::cuMemFree_v2(wild as u64), INVALID);
            assert_eq!(sys::cuMemFreeAsync(wild as u64, null.cast()), INVALID);
            assert_eq!(sys::cuStreamSynchronize(wild as _), HANDLE);
            assert_eq!(sys::cuStreamDestroy_v2(wild as _), HANDLE);
            assert_eq!(sys::cuEventRecord(wild as _, null.cast()), HANDLE);
            assert_eq!(sys::cuEventDestroy_v2(wild as _), HANDLE);
            assert_eq!(sys::cuModuleUnload(wild as _), HANDLE);
            assert_eq!(sys::cuModuleLoadData(null.cast(), null.cast()), INVALID);
            assert_eq!(sys::cuGraphLaunch(wild as _, null.cast()), INVALID);
            assert_eq!(sys::cuCtxSetCurrent(wild as _), no_context);
            let stream = context.new_stream().unwrap();
            let bytes = stream.clone_htod(&[0u8; 16]).unwrap();
            let at = cudarc::driver::DevicePtr::device_ptr(&bytes, &stream).0;
            assert_eq!(sys::cuMemcpyHtoD_v2(at, null.cast(), 16), INVALID);
            assert_eq!(sys::cuMemcpyDtoH_v2(null.cast(), at, 16), INVALID);
            assert_eq!(sys::cuMemcpyDtoD_v2(at + 8, at, 16), INVALID);
            assert_eq!(sys::cuMemsetD8Async(at, 0, 17, stream.cu_stream()), INVALID);
            assert_eq!(sys::cuMemsetD32Async(at + 2, 0, 1, stream.cu_stream()), INVALID);
            drop(bytes);
            assert_eq!(sys::cuMemFreeAsync(at, stream.cu_stream()), INVALID);
            stream.synchronize().unwrap();
        }
    });
}

#[test]
fn every_function_that_cudarc_calls_is_there() {
    on_device(&[], || {
        // SAFETY: loads the library; cudarc has its names below.
        let library = unsafe { libloading::Library::new("libcuda.so.1") }.unwrap();
        for name in include_str!("symbols.txt").lines() {
            // SAFETY: the symbol is looked up, not called.
            let symbol = unsafe { library.get::<unsafe extern "C" fn()>(name.as_bytes()) };
            assert!(symbol.is_ok(), "{name}");
        }
    });
}
