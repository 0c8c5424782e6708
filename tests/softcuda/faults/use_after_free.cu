// The host frees `x` before it launches `faulty`.
extern "C" __global__ void faulty(const float* x, float* y) { y[threadIdx.x] = x[threadIdx.x]; }
extern "C" __global__ void fixed(const float* x, float* y) { y[threadIdx.x] = x[threadIdx.x]; }
