// All blocks add to the same elements.
extern "C" __global__ void faulty(float* y) { y[threadIdx.x] += blockIdx.x; }
extern "C" __global__ void fixed(float* y) { atomicAdd(&y[threadIdx.x], (float)blockIdx.x); }
