// What the threads of one block add up together.
#pragma once
#include "shared/real.cuh"

constexpr int THREADS = 256;
constexpr int WARPS = THREADS / 32;

// Combines x of all threads, upper half with lower half again and again; every thread gets the result.
template <class Combined> __device__ inline double of_block(double x, Combined combined) {
    __shared__ double shared[THREADS];
    __syncthreads();
    shared[threadIdx.x] = x;
    for (u32 half = THREADS / 2; half > 0; half /= 2) {
        __syncthreads();
        if (threadIdx.x < half)
            shared[threadIdx.x] = combined(shared[threadIdx.x], shared[threadIdx.x + half]);
    }
    __syncthreads();
    return shared[0];
}

__device__ inline double sum_of_block(double x) {
    return of_block(x, [](double a, double b) { return a + b; });
}
