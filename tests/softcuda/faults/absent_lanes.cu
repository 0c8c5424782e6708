extern "C" __global__ void faulty(float* y, int n) {
    int t = threadIdx.x;
    if (t >= n) return;
    y[t] = __shfl_xor_sync(~0u, (float)t, 1);
}
extern "C" __global__ void fixed(float* y, int n) {
    int t = threadIdx.x;
    float v = __shfl_xor_sync(~0u, (float)t, 1);
    if (t < n) y[t] = v;
}
