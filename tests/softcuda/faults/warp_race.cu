// Lanes of one warp aren't in step by themselves.
extern "C" __global__ void faulty(float* y) {
    __shared__ volatile float s[32];
    float* p = (float*)s;
    int t = threadIdx.x;
    p[t] = t;
    asm volatile("");
    y[t] = p[31 - t];
}
extern "C" __global__ void fixed(float* y) {
    __shared__ float s[32];
    int t = threadIdx.x;
    s[t] = t;
    __syncwarp();
    y[t] = s[31 - t];
}
