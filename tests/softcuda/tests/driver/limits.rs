//! What no launch may ask for, by whichever way it is launched.

use crate::process::on_device;
use crate::raw::{Call, OK, ONE, Shape, Way, launch};
use cudarc::driver::sys::{self, CUfunction_attribute_enum as Attribute, CUresult};
use cudarc::driver::{CudaContext, CudaFunction, CudaStream};
use cudarc::nvrtc::Ptx;
use std::ffi::c_void;
use std::ptr::null_mut;
use std::sync::Arc;

const INVALID: CUresult = CUresult::CUDA_ERROR_INVALID_VALUE;
const TOO_LARGE: CUresult = CUresult::CUDA_ERROR_COOPERATIVE_LAUNCH_TOO_LARGE;
const MAX_DYNAMIC: Attribute = Attribute::CU_FUNC_ATTRIBUTE_MAX_DYNAMIC_SHARED_SIZE_BYTES;

/// A kernel that takes two arguments, has `fixed` bytes of shared memory of its own, and does nothing.
fn ptx(fixed: u64) -> Ptx {
    Ptx::from_src(format!(
        "
.version 8.0
.target sm_80
.address_size 64

.visible .entry idle(.param .u64 a_, .param .u32 b_)
{{
    .shared .align 4 .b8 own[{fixed}];
    .reg .b32 %r<2>;
    mov.u32 %r1, own;
    st.shared.u32 [%r1], %r1;
    ret;
}}
"
    ))
}

fn idle(context: &Arc<CudaContext>) -> (Arc<CudaStream>, CudaFunction) {
    let function = context.load_module(ptx(1024)).unwrap().load_function("idle").unwrap();
    (context.new_stream().unwrap(), function)
}

/// Runs `check` with what launches the kernel by each way.
fn by_every_way(check: impl Fn(Way, &CudaFunction, &dyn Fn(Shape) -> CUresult)) {
    let context = CudaContext::new(0).unwrap();
    let (stream, function) = idle(&context);
    let (mut a, mut b) = (0u64, 0u32);
    let mut places = [(&raw mut a).cast::<c_void>(), (&raw mut b).cast()];
    let (parameters, extra) = (places.as_mut_ptr(), null_mut());
    let call = Call { function: function.cu_function(), parameters, extra };
    for way in Way::ALL {
        check(way, &function, &|shape| launch(way, &stream, call, call, shape));
        stream.synchronize().unwrap();
    }
}

#[test]
fn grids_and_blocks_have_limits() {
    on_device(&[("SOFTCUDA_THREADS", "1")], || {
        by_every_way(|way, _, launch| {
            let grid = |grid| launch(Shape { grid, ..ONE });
            let block = |block| launch(Shape { block, ..ONE });
            assert_eq!(grid([1; 3]), OK, "{way:?}");
            for wrong in [
                [0, 1, 1],
                [1, 0, 1],
                [1, 1, 0],
                [1, 65_536, 1],
                [1, 1, 65_536],
                [1 << 31, 1, 1],
                [u32::MAX; 3],
            ] {
                assert_eq!(grid(wrong), INVALID, "{way:?} {wrong:?}");
            }
            assert_eq!(block([1024, 1, 1]), OK, "{way:?}");
            assert_eq!(block([16, 1, 64]), OK, "{way:?}");
            for wrong in [
                [0, 1, 1],
                [1, 0, 1],
                [1, 1, 0],
                [1025, 1, 1],
                [1, 1025, 1],
                [1, 1, 65],
                [32, 33, 1],
                [1 << 16, 1 << 16, 1],
                [u32::MAX; 3],
            ] {
                assert_eq!(block(wrong), INVALID, "{way:?} {wrong:?}");
            }
        });
    });
}

#[test]
fn shared_memory_has_limits() {
    on_device(&[], || {
        by_every_way(|way, function, launch| {
            let shared = |shared| launch(Shape { shared, ..ONE });
            let default = 47 << 10;
            function.set_attribute(MAX_DYNAMIC, default).unwrap();
            assert_eq!(shared(47 << 10), OK, "{way:?}");
            for wrong in [(47 << 10) + 1, 226 << 10, u32::MAX - 1023, u32::MAX] {
                assert_eq!(shared(wrong), INVALID, "{way:?} {wrong}");
            }
            let most = (227 << 10) - 1024;
            assert_eq!(function.set_attribute(MAX_DYNAMIC, most + 1).unwrap_err().0, INVALID);
            assert_eq!(function.set_attribute(MAX_DYNAMIC, -1).unwrap_err().0, INVALID);
            function.set_attribute(MAX_DYNAMIC, most).unwrap();
            assert_eq!(shared(most as u32), OK, "{way:?}");
            for wrong in [most as u32 + 1, 227 << 10, u32::MAX - 1023, u32::MAX] {
                assert_eq!(shared(wrong), INVALID, "{way:?} {wrong}");
            }
        });
    });
}

#[test]
fn the_default_leaves_room_for_what_a_kernel_declares() {
    on_device(&[], || {
        let context = CudaContext::new(0).unwrap();
        let (_, function) = idle(&context);
        assert_eq!(function.get_attribute(MAX_DYNAMIC).unwrap(), 47 << 10);
        // The assembler gives a kernel no more than 48 KiB of its own.
        assert!(context.load_module(ptx(48 << 10)).is_ok());
        for bytes in [(48 << 10) + 1, 228 << 10, (1 << 32) - 16] {
            let refused = context.load_module(ptx(bytes)).map(|_| ()).unwrap_err();
            assert_eq!(refused.0, CUresult::CUDA_ERROR_INVALID_PTX, "{bytes}");
        }
    });
}

#[test]
fn cooperative_grids_must_fit() {
    on_device(&[("SOFTCUDA_SMS", "2")], || {
        by_every_way(|way, function, launch| {
            let fit = function.occupancy_max_active_blocks_per_multiprocessor(256, 0, None);
            let most = 2 * fit.unwrap();
            let grid = |x| launch(Shape { grid: [x, 1, 1], block: [256, 1, 1], shared: 0 });
            assert_eq!(grid(most), OK, "{way:?}");
            let expected = if way.cooperative() { TOO_LARGE } else { OK };
            assert_eq!(grid(most + 1), expected, "{way:?}");
            if way.cooperative() {
                let huge = Shape { grid: [i32::MAX as u32, 65_535, 65_535], ..ONE };
                assert_eq!(launch(huge), TOO_LARGE, "{way:?}");
            }
        });
    });
}

/// A list of the keys and values of arguments that the caller packed.
fn packed(bytes: &mut [u8], size: &mut usize) -> [*mut c_void; 5] {
    let [pointer, count] = [1usize, 2].map(|key| key as *mut c_void);
    [pointer, bytes.as_mut_ptr().cast(), count, (&raw mut *size).cast(), null_mut()]
}

#[test]
fn arguments_must_match_the_kernel() {
    on_device(&[], || {
        let context = CudaContext::new(0).unwrap();
        let (stream, function) = idle(&context);
        let function = function.cu_function();
        let (mut a, mut b) = (0u64, 0u32);
        let mut places = [(&raw mut a).cast::<c_void>(), (&raw mut b).cast()];
        let named = Call { function, parameters: places.as_mut_ptr(), extra: null_mut() };
        for way in Way::ALL {
            let try_ = |parameters, extra| {
                launch(way, &stream, named, Call { function, parameters, extra }, ONE)
            };
            assert_eq!(try_(named.parameters, null_mut()), OK, "{way:?}");
            assert_eq!(try_(null_mut(), null_mut()), INVALID, "{way:?}");
            let mut some = [places[0], null_mut()];
            assert_eq!(try_(some.as_mut_ptr(), null_mut()), INVALID, "{way:?}");
            if matches!(way, Way::Cooperative | Way::CapturedCooperative) {
                // These take no packed arguments.
                continue;
            }
            let size = |size: usize| {
                let (mut bytes, mut size) = ([0u8; 32], size);
                try_(null_mut(), packed(&mut bytes, &mut size).as_mut_ptr())
            };
            assert_eq!(size(12), OK, "{way:?}");
            // As a structure of C has it.
            assert_eq!(size(16), OK, "{way:?}");
            let wrong_size = CUresult::CUDA_ERROR_LAUNCH_OUT_OF_RESOURCES;
            for wrong in [0, 8, 11, 17, 32, usize::MAX] {
                assert_eq!(size(wrong), wrong_size, "{way:?} {wrong}");
            }
            let (mut bytes, mut twelve) = ([0u8; 12], 12);
            let list = packed(&mut bytes, &mut twelve);
            assert_eq!(try_(named.parameters, list.as_ptr().cast_mut()), INVALID, "{way:?}");
            let change = |index: usize, value: usize| {
                let mut list = list;
                list[index] = value as *mut c_void;
                try_(null_mut(), list.as_mut_ptr())
            };
            // No bytes, no size, no such key.
            assert_eq!(change(1, 0), INVALID, "{way:?}");
            assert_eq!(change(3, 0), INVALID, "{way:?}");
            assert_eq!(change(2, 3), INVALID, "{way:?}");
        }
    });
}

#[test]
fn attributes_that_mean_nothing_here_are_refused() {
    on_device(&[], || {
        let context = CudaContext::new(0).unwrap();
        let (stream, function) = idle(&context);
        let (mut a, mut b) = (0u64, 0u32);
        let mut places = [(&raw mut a).cast::<c_void>(), (&raw mut b).cast()];
        let mut launch = |id: sys::CUlaunchAttributeID, value: i32| {
            // SAFETY: all zeros are a value of every attribute.
            let mut attribute: sys::CUlaunchAttribute = unsafe { std::mem::zeroed() };
            attribute.id = id;
            attribute.value.cooperative = value;
            let config = sys::CUlaunchConfig {
                gridDimX: 1,
                gridDimY: 1,
                gridDimZ: 1,
                blockDimX: 1,
                blockDimY: 1,
                blockDimZ: 1,
                sharedMemBytes: 0,
                hStream: stream.cu_stream(),
                attrs: &raw mut attribute,
                numAttrs: 1,
            };
            // SAFETY: the arguments are those of the kernel.
            unsafe {
                let function = function.cu_function();
                sys::cuLaunchKernelEx(&raw const config, function, places.as_mut_ptr(), null_mut())
            }
        };
        use sys::CUlaunchAttributeID as Id;
        let absent = CUresult::CUDA_ERROR_NOT_SUPPORTED;
        assert_eq!(launch(Id::CU_LAUNCH_ATTRIBUTE_IGNORE, 1), OK);
        assert_eq!(launch(Id::CU_LAUNCH_ATTRIBUTE_PRIORITY, 1), OK);
        assert_eq!(launch(Id::CU_LAUNCH_ATTRIBUTE_COOPERATIVE, 1), OK);
        assert_eq!(launch(Id::CU_LAUNCH_ATTRIBUTE_CLUSTER_DIMENSION, 2), absent);
        let early = Id::CU_LAUNCH_ATTRIBUTE_PROGRAMMATIC_STREAM_SERIALIZATION;
        assert_eq!((launch(early, 0), launch(early, 1)), (OK, absent));
        assert_eq!(launch(Id::CU_LAUNCH_ATTRIBUTE_PROGRAMMATIC_EVENT, 0), absent);
        assert_eq!(launch(Id::CU_LAUNCH_ATTRIBUTE_LAUNCH_COMPLETION_EVENT, 0), absent);
    });
}
