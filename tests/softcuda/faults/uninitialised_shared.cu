extern "C" __global__ void faulty(float* y, int n) {
    __shared__ float s[64];
    int t = threadIdx.x;
    if (t < n) s[t] = t;
    __syncthreads();
    y[t] = s[63 - t];
}
extern "C" __global__ void fixed(float* y, int n) {
    __shared__ float s[64];
    int t = threadIdx.x;
    s[t] = t < n ? t : 0;
    __syncthreads();
    y[t] = s[63 - t];
}
