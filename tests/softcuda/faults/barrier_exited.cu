// Half of a warp never comes.
extern "C" __global__ void faulty(float* y) {
    int t = threadIdx.x;
    if (t >= 48) return;
    y[t] = t;
    __syncthreads();
    if (t < 16) y[t] += y[t + 32];
}
extern "C" __global__ void fixed(float* y) {
    int t = threadIdx.x;
    if (t < 48) y[t] = t;
    __syncthreads();
    if (t < 16) y[t] += y[t + 32];
}
