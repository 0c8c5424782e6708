extern "C" __global__ void faulty(float* y) {
    int t = threadIdx.x;
    if (t < 16) {
        y[t] = 1;
        __syncthreads();
        y[t] += y[t + 16];
    } else {
        y[t] = 2;
        __syncthreads();
        y[t] *= 3;
    }
}
extern "C" __global__ void fixed(float* y) {
    int t = threadIdx.x;
    y[t] = t < 16 ? 1 : 2;
    __syncthreads();
    if (t < 16) y[t] += y[t + 16];
}
