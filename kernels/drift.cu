// What a pass does to W as the conditional engine has it (src/backend/coefficients.rs), and the rows of it
// that are kept.
//
//   drift     N <- mu N + C_B diag(k) C_F^T - lambda M,  M <- M + eta N
//             b <- mu b + lambda a,                      a <- a - eta b
//   leading   rows 0 .. of vectors, in f32
//
// C_F, C_B: coefficients of a pass, `rows` x P a layer; M and N: capacity x capacity, zero where there
// was no column yet. r^2 P products a layer, nothing beside a sweep.
//
// Launch: 256 threads; drift (L, members), leading (rows over 256, P, members).
//
// budget: drift registers 64, shared 0
// budget: leading_f32 registers 32, shared 0
// budget: leading_f64 registers 32, shared 0
#include "memory.cuh"

struct Drift {
    State* states;
    double* m;
    // Null without momentum.
    double* n;
    const double *forward, *backward;
    // P a member.
    const double* k;
    const Moment* moment;
    u32 capacity, rows, samples, padding;
};
static_assert(sizeof(Drift) == 72, "as in src/backend/cuda/arguments.rs");

extern "C" __global__ void __launch_bounds__(256) drift(const Drift of) {
    double rate = of.moment->rates[1], momentum = of.moment->momentum;
    double decay = of.moment->weight_decay;
    if (rate == 0.0)
        return;
    u32 member = blockIdx.y, capacity = of.capacity;
    u64 index = (u64)blockIdx.x * gridDim.y + member, square = index * capacity * capacity;
    State& state = of.states[index];
    u32 columns = state.rank[0], entries = state.rank[1] * columns;
    double *m = of.m + square, *n = of.n ? of.n + square : nullptr;
    const double* forward = of.forward + index * of.rows * of.samples;
    const double* backward = of.backward + index * of.rows * of.samples;
    const double* k = of.k + (u64)member * of.samples;
    for (u32 e = threadIdx.x; e < entries; e += blockDim.x) {
        u32 b = e / columns, f = e % columns;
        double sum = 0;
        for (u32 p = 0; p < of.samples; p++)
            sum = fused(backward[b * of.samples + p] * k[p], forward[f * of.samples + p], sum);
        u64 at = (u64)b * capacity + f;
        sum = fused(-decay, m[at], sum);
        if (n) {
            sum = fused(momentum, n[at], sum);
            n[at] = sum;
        }
        m[at] = fused(rate, sum, m[at]);
    }
    __syncthreads();
    if (threadIdx.x > 0)
        return;
    state.drifted[0] = columns, state.drifted[1] = state.rank[1];
    state.fading = momentum * state.fading + decay * state.kept;
    state.kept -= rate * state.fading;
}

struct Leading {
    // P x ld a member
    const void* x;
    // P x rows a member, `stride` apart.
    float* to;
    u64 stride;
    u32 rows, ld;
};
static_assert(sizeof(Leading) == 32, "as in src/backend/cuda/arguments.rs");

template <class Real> __device__ inline void leading(const Leading& of) {
    u32 i = blockIdx.x * blockDim.x + threadIdx.x, p = blockIdx.y, member = blockIdx.z;
    if (i < of.rows)
        of.to[member * of.stride + (u64)p * of.rows + i] =
            (float)((const Real*)of.x)[((u64)member * gridDim.y + p) * of.ld + i];
}
extern "C" __global__ void __launch_bounds__(256) leading_f32(const Leading of) {
    leading<float>(of);
}
extern "C" __global__ void __launch_bounds__(256) leading_f64(const Leading of) {
    leading<double>(of);
}
