// Kernels of one warp whose counts are known by hand: tests/counters.rs.
extern "C" __global__ void conflict(float* out) { // each lane its own row: one bank
    __shared__ float tile[32 * 32];
    tile[threadIdx.x * 32] = threadIdx.x;
    __syncthreads();
    out[threadIdx.x] = tile[threadIdx.x * 32];
}
extern "C" __global__ void padded(float* out) { // the same, a number more a row
    __shared__ float tile[32 * 33];
    tile[threadIdx.x * 33] = threadIdx.x;
    __syncthreads();
    out[threadIdx.x] = tile[threadIdx.x * 33];
}
extern "C" __global__ void broadcast(float* out) { // all lanes one word
    __shared__ float tile[32];
    tile[threadIdx.x] = threadIdx.x;
    __syncthreads();
    out[threadIdx.x] = tile[7];
}
extern "C" __global__ void vector(float4* out) { // 16 bytes a lane, side by side
    __shared__ float4 tile[32];
    tile[threadIdx.x] = make_float4(threadIdx.x, 1, 2, 3);
    __syncthreads();
    out[threadIdx.x] = tile[31 - threadIdx.x];
}
extern "C" __global__ void columns(float4* out) { // each eight lanes meet in four banks, others in others
    __shared__ float4 tile[64];
    tile[threadIdx.x] = tile[threadIdx.x + 32] = make_float4(threadIdx.x, 1, 2, 3);
    __syncthreads();
    out[threadIdx.x] = tile[threadIdx.x % 8 * 8 + threadIdx.x / 8];
}
extern "C" __global__ void bytes(unsigned char* out) { // four lanes a word
    __shared__ unsigned char tile[32];
    tile[threadIdx.x] = threadIdx.x;
    __syncthreads();
    out[threadIdx.x] = tile[31 - threadIdx.x];
}
extern "C" __global__ void stride(float* out, const float* x) { // a sector a lane
    out[threadIdx.x] = x[threadIdx.x * 8];
}
__device__ inline float plain(const float* x) { // a load that the compiler leaves where it is
    float y;
    asm volatile("ld.global.f32 %0, [%1];" : "=f"(y) : "l"(__cvta_generic_to_global(x)));
    return y;
}
extern "C" __global__ void again(float* out, const float* x) { // three reads of one line
    out[threadIdx.x] = plain(x + threadIdx.x) + plain(x + threadIdx.x) + plain(x + threadIdx.x);
}
extern "C" __global__ void fenced(float* out, const float* x) { // the second is asked of L2
    float first = plain(x + threadIdx.x);
    __threadfence();
    out[threadIdx.x] = first + plain(x + threadIdx.x);
}
extern "C" __global__ void strong(float* out, const volatile float* x) { // both are asked of L2
    out[threadIdx.x] = x[threadIdx.x] + x[threadIdx.x];
}
extern "C" __global__ void copied(float* out, const float4* x) { // 512 bytes past L1 into shared memory
    __shared__ float4 tile[32];
    unsigned to = (unsigned)__cvta_generic_to_shared(tile + threadIdx.x);
    asm volatile("cp.async.cg.shared.global [%0], [%1], 16;" ::"r"(to), "l"(__cvta_generic_to_global(x + threadIdx.x)));
    asm volatile("cp.async.wait_all;" ::: "memory");
    __syncthreads();
    out[threadIdx.x] = tile[threadIdx.x].x;
}
extern "C" __global__ void reduced(float* out) {
    float sum = threadIdx.x;
    for (int away = 16; away > 0; away /= 2)
        sum += __shfl_xor_sync(0xFFFFFFFF, sum, away);
    if (threadIdx.x == 0)
        atomicAdd(out, sum);
}
extern "C" __global__ void multiplied(float* out) { // two products of matrices
    float d[4] = {};
    for (int i = 0; i < 2; i++)
        asm volatile("mma.sync.aligned.m16n8k8.row.col.f32.tf32.tf32.f32 {%0, %1, %2, %3}, {%4, %4, %4, %4}, {%4, %4}, "
                     "{%0, %1, %2, %3};"
                     : "+f"(d[0]), "+f"(d[1]), "+f"(d[2]), "+f"(d[3])
                     : "r"(__float_as_uint(1.0f)));
    out[threadIdx.x] = d[0];
}
