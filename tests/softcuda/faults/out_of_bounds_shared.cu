// The array has 64 elements, its last reader wants the 65th.
extern "C" __global__ void faulty(float* x, int n) {
    __shared__ float s[64];
    int t = threadIdx.x;
    s[t] = t;
    __syncthreads();
    x[t] = s[t + n];
}
extern "C" __global__ void fixed(float* x, int n) {
    __shared__ float s[64];
    int t = threadIdx.x;
    s[t] = t;
    __syncthreads();
    x[t] = s[(t + n) % 64];
}
