// `y` is fresh memory.
extern "C" __global__ void faulty(float* y) { y[threadIdx.x] += 1; }
extern "C" __global__ void fixed(float* y) { y[threadIdx.x] = 1; }
