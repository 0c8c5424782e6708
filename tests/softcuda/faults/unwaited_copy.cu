// An asynchronous copy is read before it has landed.
template <bool Wait> __device__ void copy(const float* x, float* y) {
    __shared__ float s[64];
    int t = threadIdx.x;
    unsigned to = (unsigned)__cvta_generic_to_shared(&s[t]);
    asm volatile("cp.async.ca.shared.global [%0], [%1], 4;" ::"r"(to), "l"(x + t) : "memory");
    asm volatile("cp.async.commit_group;" ::: "memory");
    if (Wait) asm volatile("cp.async.wait_group 0;" ::: "memory");
    __syncthreads();
    y[t] = s[63 - t];
}
extern "C" __global__ void faulty(const float* x, float* y) { copy<false>(x, y); }
extern "C" __global__ void fixed(const float* x, float* y) { copy<true>(x, y); }
