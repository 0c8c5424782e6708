// Divergence, calls, tables, collectives, atomics, structs and local arrays.
extern "C" __device__ __noinline__ int collatz(unsigned n) {
    int steps = 0;
    while (n > 1) {
        n = n & 1 ? 3 * n + 1 : n / 2;
        steps++;
    }
    return steps;
}
extern "C" __global__ void calls(int* y) {
    unsigned t = threadIdx.x;
    y[t] = t % 3 ? collatz(t) : -collatz(t + 7);
}

// Through a table of branches.
extern "C" __global__ void table(const int* x, int* y) {
    int t = threadIdx.x, v = x[t], r;
    switch (v) {
        case 0: r = v + 5; y[t + 64] = 1; break;
        case 1: r = v * 7; y[t + 64] = r; break;
        case 2: r = v ^ 0x55; break;
        case 3: r = v << 9; y[t + 64] = 3; break;
        case 4: r = __popc(v * 12345); break;
        case 5: r = v / (t + 1); y[t + 64] = 5; break;
        case 6: r = __clz(v); break;
        default: r = -1;
    }
    y[t] = r;
}

// Quicksort-like recursion by hand: a stack in local memory.
extern "C" __global__ void stack(int* y) {
    int t = threadIdx.x, pending[32], top = 0, sum = 0;
    pending[top++] = t;
    while (top) {
        int v = pending[--top];
        sum += v;
        if (v > 1) {
            pending[top++] = v / 2;
            pending[top++] = v / 3;
        }
    }
    y[t] = sum;
}

extern "C" __global__ void collectives(unsigned* y) {
    unsigned t = threadIdx.x, lane = t % 32;
    unsigned* z = y + t * 16;
    z[0] = __ballot_sync(~0u, t % 3 == 0);
    z[1] = __any_sync(~0u, t == 5) * 2 + __all_sync(~0u, t < 32);
    z[2] = __shfl_up_sync(~0u, t, 3);
    z[3] = __shfl_xor_sync(~0u, t, 5, 8);
    z[4] = __shfl_sync(~0u, t, 9, 16);
    z[5] = __match_any_sync(~0u, t / 5);
    int same;
    z[6] = __match_all_sync(~0u, t / 32, &same);
    z[6] += same;
    z[7] = __reduce_add_sync(~0u, t);
    z[8] = (unsigned)__reduce_min_sync(~0u, (int)t - 40);
    if (lane < 10) {
        z[9] = __shfl_xor_sync(0x3ffu, t, 1);
        z[10] = __activemask();
    } else {
        z[9] = __ballot_sync(0xfffffc00u, lane > 20);
        z[10] = 0;
    }
    z[11] = __syncthreads_count(t % 2) + 1000 * __syncthreads_or(t == 77) + 2000 * __syncthreads_and(t < 100);
}

extern "C" __global__ void atomics(unsigned* u, int* s, float* f, double* d, unsigned long long* w) {
    int t = blockIdx.x * blockDim.x + threadIdx.x;
    atomicAdd(u, t);
    atomicMax(u + 1, t);
    atomicMin(s, -t);
    atomicMax(s + 1, t - 100);
    atomicAnd(u + 2, ~(1u << t % 32));
    atomicOr(u + 3, 1u << t % 20);
    atomicXor(u + 4, t);
    atomicInc(u + 5, 6);
    atomicAdd(f, 0.5f);
    atomicAdd(d, 0.25);
    atomicAdd(w, (1ull << 33) + t);
    atomicExch(u + 6, 9);
    unsigned old = u[7], seen;
    __shared__ unsigned lock;
    do {
        seen = old;
        old = atomicCAS(u + 7, seen, seen + 2);
    } while (old != seen);
    if (threadIdx.x == 0) lock = 0;
    __syncthreads();
    // A lock that every lane takes in turn: lanes must not starve each other.
    for (bool done = false; !done;)
        if (atomicCAS(&lock, 0u, 1u) == 0) {
            volatile unsigned* count = u + 8 + blockIdx.x;
            *count = *count + 1;
            __threadfence();
            atomicExch(&lock, 0u);
            done = true;
        }
}
