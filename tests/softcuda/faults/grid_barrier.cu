// A barrier of a cooperative grid by hand. `Sync` says what the leader does before it.
template <bool Sync, bool Fence>
__device__ void exchange(volatile unsigned* bar, float* x, float* y) {
    int n = gridDim.x * blockDim.x, i = blockIdx.x * blockDim.x + threadIdx.x;
    x[i] = i;
    if (Sync) __syncthreads();
    if (threadIdx.x == 0) {
        if (Fence) __threadfence();
        atomicAdd((unsigned*)bar, 1u);
        while (*bar < gridDim.x);
        if (Fence) __threadfence();
    }
    __syncthreads();
    y[i] = x[n - 1 - i];
}
// Other warps of the block may not have written yet when their leader says so.
extern "C" __global__ void faulty(unsigned* bar, float* x, float* y) { exchange<false, true>(bar, x, y); }
extern "C" __global__ void unfenced(unsigned* bar, float* x, float* y) { exchange<true, false>(bar, x, y); }
extern "C" __global__ void fixed(unsigned* bar, float* x, float* y) { exchange<true, true>(bar, x, y); }
