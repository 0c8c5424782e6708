extern "C" __global__ void faulty(float* y) {
    __shared__ float s[64];
    int t = threadIdx.x;
    s[t] = 0;
    __syncthreads();
    s[t] += t;
    y[t] = s[63 - t];
}
extern "C" __global__ void fixed(float* y) {
    __shared__ float s[64];
    int t = threadIdx.x;
    s[t] = 0;
    __syncthreads();
    s[t] += t;
    __syncthreads();
    y[t] = s[63 - t];
}
