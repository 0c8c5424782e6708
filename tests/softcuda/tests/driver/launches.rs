//! Launches: shapes, shared memory, arguments, cooperative grids, occupancy.

use crate::kernels::{kernel, shape};
use crate::process::on_device;
use cudarc::driver::sys::{CUfunction_attribute_enum as Attribute, CUresult};
use cudarc::driver::{CudaContext, CudaFunction, CudaStream, LaunchConfig, PushKernelArg, result};
use std::sync::Arc;

const MAX_DYNAMIC: Attribute = Attribute::CU_FUNC_ATTRIBUTE_MAX_DYNAMIC_SHARED_SIZE_BYTES;

fn reverse(
    stream: &Arc<CudaStream>,
    kernel: &CudaFunction,
    bytes: u32,
) -> Result<Vec<u32>, CUresult> {
    let mut to = stream.alloc_zeros::<u32>(64).unwrap();
    let mut launch = stream.launch_builder(kernel);
    launch.arg(&mut to).arg(&bytes);
    // SAFETY: the arguments are those of `reverse`.
    unsafe { launch.launch(shape(1, 64, bytes)) }.map_err(|error| error.0)?;
    stream.clone_dtoh(&to).map_err(|error| error.0)
}

#[test]
fn much_shared_memory_needs_the_attribute() {
    on_device(&[("SOFTCUDA_CHECK", "1")], || {
        let context = CudaContext::new(0).unwrap();
        let stream = context.default_stream();
        let kernel = kernel(&context, "reverse");
        let expected: Vec<u32> = (0..64).rev().collect();
        assert_eq!(reverse(&stream, &kernel, 48 << 10).unwrap(), expected);
        let more = (48 << 10) + 4;
        assert_eq!(reverse(&stream, &kernel, more), Err(CUresult::CUDA_ERROR_INVALID_VALUE));
        let most = 227 << 10;
        assert_eq!(kernel.get_attribute(MAX_DYNAMIC).unwrap(), 48 << 10);
        kernel.set_attribute(MAX_DYNAMIC, most).unwrap();
        assert_eq!(kernel.get_attribute(MAX_DYNAMIC).unwrap(), most);
        assert_eq!(reverse(&stream, &kernel, most as u32).unwrap(), expected);
        let too_much = kernel.set_attribute(MAX_DYNAMIC, most + 1).unwrap_err();
        assert_eq!(too_much.0, CUresult::CUDA_ERROR_INVALID_VALUE);
    });
}

#[test]
fn impossible_shapes_are_refused() {
    on_device(&[], || {
        let context = CudaContext::new(0).unwrap();
        let stream = context.default_stream();
        let scale = kernel(&context, "scale");
        let from = stream.alloc_zeros::<f32>(16).unwrap();
        let mut to = stream.alloc_zeros::<f32>(16).unwrap();
        let mut refused = |grid_dim, block_dim| {
            let mut launch = stream.launch_builder(&scale);
            launch.arg(&mut to).arg(&from).arg(&1f32).arg(&16u32);
            let shape = LaunchConfig { grid_dim, block_dim, shared_mem_bytes: 0 };
            // SAFETY: the arguments are those of `scale`.
            let launched = unsafe { launch.launch(shape) }.map(|_| ());
            launched.is_err_and(|error| error.0 == CUresult::CUDA_ERROR_INVALID_VALUE)
        };
        // What `LaunchConfig::for_num_elems(0)` asks for.
        assert_eq!(LaunchConfig::for_num_elems(0).grid_dim, (0, 1, 1));
        assert!(refused((0, 1, 1), (1024, 1, 1)));
        assert!(refused((1, 65_536, 1), (32, 1, 1)));
        assert!(refused((1, 1, 1), (0, 1, 1)));
        assert!(refused((1, 1, 1), (1025, 1, 1)));
        assert!(refused((1, 1, 1), (32, 33, 1)));
        assert!(refused((1, 1, 1), (1, 1, 65)));
        assert!(!refused((1, 1, 1), (32, 32, 1)));
        stream.synchronize().unwrap();
    });
}

#[test]
fn arguments_must_be_there() {
    on_device(&[], || {
        let context = CudaContext::new(0).unwrap();
        let stream = context.new_stream().unwrap();
        let scale = kernel(&context, "scale");
        let launch = |arguments: &mut [*mut std::ffi::c_void]| {
            let (function, stream) = (scale.cu_function(), stream.cu_stream());
            // SAFETY: there are as many pointers as `scale` has parameters, and null is refused.
            unsafe { result::launch_kernel(function, (1, 1, 1), (1, 1, 1), 0, stream, arguments) }
        };
        let refused = launch(&mut [std::ptr::null_mut(); 4]).unwrap_err();
        assert_eq!(refused.0, CUresult::CUDA_ERROR_INVALID_VALUE);
        // SAFETY: neither handle is followed.
        let wild = unsafe {
            let function = 0x1234 as _;
            result::launch_kernel(function, (1, 1, 1), (1, 1, 1), 0, stream.cu_stream(), &mut [])
        };
        assert_eq!(wild.unwrap_err().0, CUresult::CUDA_ERROR_INVALID_HANDLE);
        // SAFETY: as above: a stream is no function.
        let wrong_kind = unsafe {
            let function = stream.cu_stream() as _;
            result::launch_kernel(function, (1, 1, 1), (1, 1, 1), 0, stream.cu_stream(), &mut [])
        };
        assert_eq!(wrong_kind.unwrap_err().0, CUresult::CUDA_ERROR_INVALID_HANDLE);
    });
}

#[test]
fn cooperative_grids_meet() {
    for check in ["0", "1"] {
        on_device(&[("SOFTCUDA_CHECK", check), ("SOFTCUDA_SMS", "2")], || {
            let context = CudaContext::new(0).unwrap();
            let stream = context.default_stream();
            let kernel = kernel(&context, "rendezvous");
            let mut to = stream.alloc_zeros::<u32>(1024).unwrap();
            let mut launch = |blocks: u32| {
                let mut count = stream.alloc_zeros::<u32>(1).unwrap();
                let mut launch = stream.launch_builder(&kernel);
                launch.arg(&mut to).arg(&mut count);
                // SAFETY: the arguments are those of `rendezvous`.
                unsafe { launch.launch_cooperative(shape(blocks, 64, 0)) }?;
                stream.clone_dtoh(&to.slice(..blocks as usize))
            };
            let fit = kernel.occupancy_max_active_blocks_per_multiprocessor(64, 0, None).unwrap();
            assert!(fit >= 8);
            assert_eq!(launch(2 * fit).unwrap(), vec![2 * fit; 2 * fit as usize]);
            let error = launch(2 * fit + 1).unwrap_err();
            assert_eq!(error.0, CUresult::CUDA_ERROR_COOPERATIVE_LAUNCH_TOO_LARGE);
        });
    }
}

extern "C" fn four_bytes_a_thread(threads: std::ffi::c_int) -> usize {
    4 * threads as usize
}

#[test]
fn occupancy() {
    on_device(&[("SOFTCUDA_SMS", "3")], || {
        let context = CudaContext::new(0).unwrap();
        let kernel = kernel(&context, "reverse");
        let blocks = |threads, bytes| {
            kernel.occupancy_max_active_blocks_per_multiprocessor(threads, bytes, None).unwrap()
        };
        assert_eq!(blocks(1024, 0), 2);
        assert_eq!(blocks(32, 0), 32);
        assert_eq!(blocks(32, 100 << 10), 2);
        assert_eq!(blocks(32, 228 << 10), 0);
        assert_eq!(blocks(1025, 0), 0);
        let best = kernel.occupancy_max_potential_block_size(four_bytes_a_thread, 0, 0, None);
        assert_eq!(best.unwrap(), (6, 1024));
        let bounded = kernel.occupancy_max_potential_block_size(four_bytes_a_thread, 0, 256, None);
        assert_eq!(bounded.unwrap(), (24, 256));
        let most = kernel.occupancy_available_dynamic_smem_per_block(2, 64).unwrap();
        assert_eq!(blocks(64, most), 2);
        assert_eq!(kernel.shared_size_bytes().unwrap(), 0);
        assert_eq!(kernel.max_threads_per_block().unwrap(), 1024);
        assert_eq!(kernel.ptx_version().unwrap(), 80);
    });
}
