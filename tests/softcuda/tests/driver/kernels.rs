//! Kernels of the tests, written by hand.

use cudarc::driver::{CudaContext, CudaFunction, CudaModule, LaunchConfig};
use cudarc::nvrtc::Ptx;
use std::sync::Arc;

/// A module of all kernels below.
pub const PTX: &str = r#"
.version 8.0
.target sm_80
.address_size 64

.global .align 4 .u32 table[4] = {1, 2, 3, 4};

// out[i] = in[i] * factor
.visible .entry scale(.param .u64 out_, .param .u64 in_, .param .f32 factor_, .param .u32 n_)
{
    .reg .pred %p<2>;
    .reg .b32 %r<6>;
    .reg .f32 %f<4>;
    .reg .b64 %rd<7>;
    ld.param.u64 %rd1, [out_];
    ld.param.u64 %rd2, [in_];
    ld.param.f32 %f1, [factor_];
    ld.param.u32 %r1, [n_];
    mov.u32 %r2, %ctaid.x;
    mov.u32 %r3, %ntid.x;
    mov.u32 %r4, %tid.x;
    mad.lo.s32 %r5, %r2, %r3, %r4;
    setp.ge.u32 %p1, %r5, %r1;
    @%p1 bra done;
    cvta.to.global.u64 %rd3, %rd1;
    cvta.to.global.u64 %rd4, %rd2;
    mul.wide.u32 %rd5, %r5, 4;
    add.s64 %rd6, %rd4, %rd5;
    ld.global.f32 %f2, [%rd6];
    mul.f32 %f3, %f2, %f1;
    add.s64 %rd6, %rd3, %rd5;
    st.global.f32 [%rd6], %f3;
done:
    ret;
}

// out[i] = i-th entry of the table, one block of 4 threads
.visible .entry look_up(.param .u64 out_)
{
    .reg .b32 %r<3>;
    .reg .b64 %rd<6>;
    ld.param.u64 %rd1, [out_];
    cvta.to.global.u64 %rd2, %rd1;
    mov.u32 %r1, %tid.x;
    mul.wide.u32 %rd3, %r1, 4;
    mov.u64 %rd4, table;
    add.s64 %rd5, %rd4, %rd3;
    ld.global.u32 %r2, [%rd5];
    add.s64 %rd5, %rd2, %rd3;
    st.global.u32 [%rd5], %r2;
    ret;
}

.extern .shared .align 4 .b8 pool[];

// out[i] = number of threads - 1 - i, through the last words of `bytes` of shared memory
.visible .entry reverse(.param .u64 out_, .param .u32 bytes_)
{
    .reg .b32 %r<10>;
    .reg .b64 %rd<5>;
    ld.param.u64 %rd1, [out_];
    ld.param.u32 %r1, [bytes_];
    cvta.to.global.u64 %rd2, %rd1;
    mov.u32 %r2, %tid.x;
    mov.u32 %r3, %ntid.x;
    mov.u32 %r4, pool;
    add.s32 %r5, %r4, %r1;
    shl.b32 %r6, %r2, 2;
    sub.s32 %r7, %r5, %r6;
    st.shared.u32 [%r7+-4], %r2;
    bar.sync 0;
    sub.s32 %r8, %r3, %r2;
    shl.b32 %r8, %r8, 2;
    sub.s32 %r7, %r5, %r8;
    ld.shared.u32 %r9, [%r7];
    mul.wide.u32 %rd3, %r2, 4;
    add.s64 %rd4, %rd2, %rd3;
    st.global.u32 [%rd4], %r9;
    ret;
}

// Every block counts itself in, waits for all others, then stores the count.
.visible .entry rendezvous(.param .u64 out_, .param .u64 count_)
{
    .reg .pred %p<3>;
    .reg .b32 %r<6>;
    .reg .b64 %rd<7>;
    ld.param.u64 %rd1, [out_];
    ld.param.u64 %rd2, [count_];
    cvta.to.global.u64 %rd3, %rd1;
    cvta.to.global.u64 %rd4, %rd2;
    mov.u32 %r1, %ctaid.x;
    mov.u32 %r2, %nctaid.x;
    mov.u32 %r3, %tid.x;
    setp.ne.u32 %p1, %r3, 0;
    @%p1 bra done;
    atom.global.add.u32 %r4, [%rd4], 1;
again:
    ld.volatile.global.u32 %r5, [%rd4];
    setp.lt.u32 %p2, %r5, %r2;
    @%p2 bra again;
    mul.wide.u32 %rd5, %r1, 4;
    add.s64 %rd6, %rd3, %rd5;
    st.global.u32 [%rd6], %r5;
done:
    ret;
}

// Loads a word from anywhere.
.visible .entry poke(.param .u64 at_)
{
    .reg .b32 %r<2>;
    .reg .b64 %rd<2>;
    ld.param.u64 %rd1, [at_];
    ld.global.u32 %r1, [%rd1];
    st.global.u32 [%rd1], %r1;
    ret;
}
"#;

pub fn module(context: &Arc<CudaContext>) -> Arc<CudaModule> {
    context.load_module(Ptx::from_src(PTX)).unwrap()
}

pub fn kernel(context: &Arc<CudaContext>, name: &str) -> CudaFunction {
    module(context).load_function(name).unwrap()
}

pub fn shape(blocks: u32, threads: u32, shared_mem_bytes: u32) -> LaunchConfig {
    LaunchConfig { grid_dim: (blocks, 1, 1), block_dim: (threads, 1, 1), shared_mem_bytes }
}
