//! Devices, contexts, memory, modules.

use crate::kernels::{PTX, kernel, module, shape};
use crate::process::on_device;
use cudarc::driver::sys::{self, CUdevice_attribute as Attribute, CUresult};
use cudarc::driver::{CudaContext, DriverError, PushKernelArg, result};
use cudarc::nvrtc::Ptx;
use std::sync::Arc;

#[test]
fn the_device_describes_itself() {
    let settings =
        [("SOFTCUDA_DEVICES", "2"), ("SOFTCUDA_CAPABILITY", "8.6"), ("SOFTCUDA_SMS", "7")];
    on_device(&settings, || {
        // SAFETY: asks whether the library can be loaded.
        assert!(unsafe { sys::is_culib_present() });
        assert_eq!(CudaContext::device_count().unwrap(), 2);
        let context = CudaContext::new(1).unwrap();
        assert_eq!(context.name().unwrap(), "softcuda (software device, no GPU)");
        assert_eq!(context.compute_capability().unwrap(), (8, 6));
        assert_eq!(context.total_mem().unwrap(), 8 << 30);
        assert_ne!(context.uuid().unwrap(), CudaContext::new(0).unwrap().uuid().unwrap());
        assert!(context.has_async_alloc());
        let attribute = |attribute| context.attribute(attribute).unwrap();
        assert_eq!(attribute(Attribute::CU_DEVICE_ATTRIBUTE_MULTIPROCESSOR_COUNT), 7);
        assert_eq!(attribute(Attribute::CU_DEVICE_ATTRIBUTE_WARP_SIZE), 32);
        assert_eq!(attribute(Attribute::CU_DEVICE_ATTRIBUTE_COOPERATIVE_LAUNCH), 1);
        let optin = Attribute::CU_DEVICE_ATTRIBUTE_MAX_SHARED_MEMORY_PER_BLOCK_OPTIN;
        assert_eq!(attribute(optin), 99 << 10);
        assert_eq!(CudaContext::new(2).unwrap_err().0, CUresult::CUDA_ERROR_INVALID_DEVICE);
    });
}

#[test]
fn without_devices_there_is_an_error() {
    on_device(&[("SOFTCUDA_DEVICES", "0")], || {
        assert_eq!(CudaContext::new(0).unwrap_err().0, CUresult::CUDA_ERROR_NO_DEVICE);
    });
}

#[test]
fn bytes_go_round() {
    on_device(&[], || {
        let context = CudaContext::new(0).unwrap();
        let stream = context.default_stream();
        let (free, total) = context.mem_get_info().unwrap();
        assert_eq!(free, total);
        let host: Vec<u32> = (0..10_000).collect();
        let there = stream.clone_htod(&host).unwrap();
        assert!(context.mem_get_info().unwrap().0 <= total - 40_000);
        let again = stream.clone_dtod(&there).unwrap();
        let mut zeros = stream.alloc_zeros::<u32>(10_000).unwrap();
        assert_eq!(stream.clone_dtoh(&again).unwrap(), host);
        assert_eq!(stream.clone_dtoh(&zeros).unwrap(), vec![0; 10_000]);
        stream.memcpy_dtod(&again.slice(100..200), &mut zeros.slice_mut(5..105)).unwrap();
        assert_eq!(stream.clone_dtoh(&zeros.slice(5..105)).unwrap(), host[100..200]);
        drop((there, again, zeros));
        context.synchronize().unwrap();
        assert_eq!(context.mem_get_info().unwrap().0, total);
    });
}

#[test]
fn pinned_memory_is_read_when_the_copy_runs() {
    on_device(&[], || {
        let context = CudaContext::new(0).unwrap();
        let stream = context.new_stream().unwrap();
        // SAFETY: filled before it is read.
        let mut host = unsafe { context.alloc_pinned::<u32>(64) }.unwrap();
        host.as_mut_slice().unwrap().fill(7);
        let mut there = stream.alloc_zeros::<u32>(64).unwrap();
        stream.memcpy_htod(&host, &mut there).unwrap();
        // `as_mut_slice` waits for the copy's event.
        host.as_mut_slice().unwrap().fill(8);
        assert_eq!(stream.clone_dtoh(&there).unwrap(), [7; 64]);
        stream.memcpy_dtoh(&there, &mut host).unwrap();
        assert_eq!(host.as_slice().unwrap(), [7; 64]);
    });
}

#[test]
fn two_devices_exchange_bytes() {
    on_device(&[("SOFTCUDA_DEVICES", "2")], || {
        // Not the default streams: cudarc leaves the other context current in between, and null
        // is the default stream of whichever is.
        let [one, two] = [0, 1].map(|i| CudaContext::new(i).unwrap().new_stream().unwrap());
        let there = one.clone_htod(&[1u8, 2, 3]).unwrap();
        let here = two.clone_dtod(&there).unwrap();
        assert_eq!(two.clone_dtoh(&here).unwrap(), [1, 2, 3]);
    });
}

#[test]
fn a_kernel_runs() {
    on_device(&[("SOFTCUDA_CHECK", "1")], || {
        let context = CudaContext::new(0).unwrap();
        let stream = context.default_stream();
        let scale = kernel(&context, "scale");
        let host: Vec<f32> = (0..1000).map(|i| i as f32).collect();
        let from = stream.clone_htod(&host).unwrap();
        let mut to = stream.alloc_zeros::<f32>(1000).unwrap();
        let mut launch = stream.launch_builder(&scale);
        launch.arg(&mut to).arg(&from).arg(&3f32).arg(&1000u32);
        // SAFETY: the arguments are those of `scale`.
        unsafe { launch.launch(shape(8, 128, 0)) }.unwrap();
        let expected: Vec<f32> = host.iter().map(|x| 3. * x).collect();
        assert_eq!(stream.clone_dtoh(&to).unwrap(), expected);
    });
}

#[test]
fn module_variables_have_addresses() {
    on_device(&[], || {
        let context = CudaContext::new(0).unwrap();
        let stream = context.default_stream();
        let module = module(&context);
        let look_up = module.load_function("look_up").unwrap();
        let mut to = stream.alloc_zeros::<u32>(4).unwrap();
        let mut run = || {
            // SAFETY: the argument is that of `look_up`.
            unsafe { stream.launch_builder(&look_up).arg(&mut to).launch(shape(1, 4, 0)) }.unwrap();
            stream.clone_dtoh(&to).unwrap()
        };
        assert_eq!(run(), [1, 2, 3, 4]);
        let mut table = module.get_global("table", &stream).unwrap();
        assert_eq!(table.len(), 16);
        stream.memcpy_htod(&[9u8; 16], &mut table).unwrap();
        assert_eq!(run(), [0x0909_0909; 4]);
        let absent = module.get_global("nothing", &stream).map(|_| ());
        assert_eq!(absent.unwrap_err().0, CUresult::CUDA_ERROR_NOT_FOUND);
    });
}

#[test]
fn images_that_do_not_fit_are_refused() {
    on_device(&[("SOFTCUDA_CAPABILITY", "8.0"), ("SOFTCUDA_DRIVER", "12040")], || {
        let context = CudaContext::new(0).unwrap();
        let load = |ptx| context.load_module(ptx).map(|_| ()).map_err(|DriverError(code)| code);
        let elf = b"\x7fELF\x02\x01\x01\0".to_vec();
        assert_eq!(load(Ptx::from_binary(elf)), Err(CUresult::CUDA_ERROR_NO_BINARY_FOR_GPU));
        let text = |from: &str, to| load(Ptx::from_src(PTX.replace(from, to)));
        assert_eq!(text("sm_80", "sm_80"), Ok(()));
        assert_eq!(text("sm_80", "sm_90"), Err(CUresult::CUDA_ERROR_INVALID_PTX));
        assert_eq!(text("mul.f32", "mull.f32"), Err(CUresult::CUDA_ERROR_INVALID_PTX));
        assert_eq!(text("8.0", "8.4"), Ok(()));
        assert_eq!(text("8.0", "8.5"), Err(CUresult::CUDA_ERROR_UNSUPPORTED_PTX_VERSION));
        assert_eq!(
            module(&context).load_function("nothing").unwrap_err().0,
            CUresult::CUDA_ERROR_NOT_FOUND
        );
    });
}

#[test]
fn errors_have_names() {
    on_device(&[], || {
        let name = |code| DriverError(code).error_name().unwrap().to_str().unwrap().to_owned();
        assert_eq!(name(CUresult::CUDA_ERROR_OUT_OF_MEMORY), "CUDA_ERROR_OUT_OF_MEMORY");
        let text = DriverError(CUresult::CUDA_ERROR_ILLEGAL_ADDRESS).to_string();
        assert!(text.contains("an illegal memory access was encountered"), "{text}");
    });
}

#[test]
fn several_threads_use_one_context() {
    on_device(&[], || {
        let context = CudaContext::new(0).unwrap();
        let scale = kernel(&context, "scale");
        std::thread::scope(|scope| {
            for thread in 0..4 {
                let (context, scale) = (&context, &scale);
                scope.spawn(move || {
                    let stream = context.new_stream().unwrap();
                    for round in 0..20 {
                        let value = (100 * thread + round) as f32;
                        let from = stream.clone_htod(&[value; 50]).unwrap();
                        let mut to = stream.alloc_zeros::<f32>(50).unwrap();
                        let mut launch = stream.launch_builder(scale);
                        launch.arg(&mut to).arg(&from).arg(&2f32).arg(&50u32);
                        // SAFETY: the arguments are those of `scale`.
                        unsafe { launch.launch(shape(1, 64, 0)) }.unwrap();
                        assert_eq!(stream.clone_dtoh(&to).unwrap(), [2. * value; 50]);
                    }
                });
            }
        });
    });
}

#[test]
fn contexts_besides_the_primary_one() {
    on_device(&[], || {
        let primary = CudaContext::new(0).unwrap();
        let other = CudaContext::new_non_primary(0, 0).unwrap();
        assert_ne!(primary.cu_ctx(), other.cu_ctx());
        let stream = other.default_stream();
        let bytes = stream.clone_htod(&[5u8; 8]).unwrap();
        assert_eq!(stream.clone_dtoh(&bytes).unwrap(), [5; 8]);
        drop((bytes, stream));
        let handle = other.cu_ctx();
        drop(other);
        // SAFETY: the handle is stale, which is what is tried.
        let stale = unsafe { result::ctx::set_current(handle) };
        assert_eq!(stale.unwrap_err().0, CUresult::CUDA_ERROR_INVALID_CONTEXT);
        assert_eq!(Arc::strong_count(&primary), 1);
    });
}
