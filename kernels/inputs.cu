// h_0 of all samples, which the conditional engine keeps in place of U (src/backend/cpu/conditional/ends.rs):
//
//   inputs     h_0 = U x d^(-1/2), U drawn and forgotten a coordinate at a time
//   gather     h_0 of the samples of a pass
//   products   k_pq = update k_p <x_p, x_q> d^(-1/2), p of the pass, q of all
//   follow     D_q = sum_p k_pq g_0(x_p), and the step of h_0 by it, as U follows its gradient
//
// h_0: all samples x ld a member; X in f64, d numbers a sample.
//
// Bytes: h_0 once (follow: read and written, g_0 once for every eight samples from the second-level cache).
// A thread has 16 bytes of rows (inputs: the four rows of a Philox block) of eight samples.
//
// Launch: 256 threads; inputs (ld over 1024, samples over 8, members), gather (ld over 256, P, members),
// products (samples over 256, P, members), follow (ld over 256 LANES<Real>, samples over 8, members).
//
// budget: inputs_f32 registers 96, shared 0
// budget: inputs_f64 registers 128, shared 0
// budget: gather_f32 registers 40, shared 0
// budget: gather_f64 registers 40, shared 0
// budget: products registers 48, shared 0
// budget: follow_f32 registers 96, shared 0
// budget: follow_f64 registers 96, shared 0
#include "philox.cuh"

// Samples of a thread.
constexpr int AT_ONCE = 8;

struct Inputs {
    // All samples x ld a member, and its velocity or null.
    void* h;
    void* velocity;
    // All samples x d
    const double* x;
    const u64* seeds;
    // Positions of the samples of a pass among all, P a member, `stride` apart.
    const u32* positions;
    u64 stride;
    // P x ld a member: h_0, or g_0.
    void* some;
    // P factors of a member, and P x all samples.
    const double* factors;
    double* k;
    u64* first_nonfinite;
    const Moment* moment;
    // d^(-1/2), and the power of n and L of an update.
    double scale, update;
    u32 samples, all, n, ld, dimension;
    // Purpose, step and direction of U.
    u32 tag;
    u32 places;
    // 0
    u32 padding;
};
static_assert(sizeof(Inputs) == 136, "as in src/backend/cuda/arguments.rs");

template <class Real> __device__ inline void inputs(const Inputs& of) {
    u32 quad = blockIdx.x * blockDim.x + threadIdx.x, first = blockIdx.y * AT_ONCE;
    u32 member = blockIdx.z, row = 4 * quad;
    if (row >= of.ld)
        return;
    Real h[AT_ONCE][4] = {};
    for (u32 j = 0; j < of.dimension; j++) {
        float4 z = normals(of.seeds[member], quad, j, 0, of.tag);
        Real u[4] = {z.x, z.y, z.z, z.w};
#pragma unroll
        for (int s = 0; s < AT_ONCE; s++) {
            Real x = (Real)(of.x[(u64)min(first + s, of.all - 1) * of.dimension + j] * of.scale);
#pragma unroll
            for (int i = 0; i < 4; i++)
                h[s][i] = fused(u[i], x, h[s][i]);
        }
    }
#pragma unroll
    for (int s = 0; s < AT_ONCE; s++) {
        if (first + s >= of.all)
            continue;
#pragma unroll
        for (int i = 0; i < 4; i++)
            if (row + i >= of.n)
                h[s][i] = 0;
        store((Real*)of.h + ((u64)member * of.all + first + s) * of.ld + row, h[s]);
    }
}
extern "C" __global__ void __launch_bounds__(256) inputs_f32(const Inputs of) { inputs<float>(of); }
extern "C" __global__ void __launch_bounds__(256) inputs_f64(const Inputs of) {
    inputs<double>(of);
}

template <class Real> __device__ inline void gather(const Inputs& of) {
    u32 i = blockIdx.x * blockDim.x + threadIdx.x, p = blockIdx.y, member = blockIdx.z;
    if (i >= of.ld)
        return;
    u64 sample = (u64)member * of.all + of.positions[member * of.stride + p];
    Real h = ((const Real*)of.h)[sample * of.ld + i];
    ((Real*)of.some)[((u64)member * of.samples + p) * of.ld + i] = h;
    if (of.first_nonfinite && !finite(h))
        note(of.first_nonfinite + member, of.moment, 0, of.places);
}
extern "C" __global__ void __launch_bounds__(256) gather_f32(const Inputs of) { gather<float>(of); }
extern "C" __global__ void __launch_bounds__(256) gather_f64(const Inputs of) {
    gather<double>(of);
}

extern "C" __global__ void __launch_bounds__(256) products(const Inputs of) {
    u32 q = blockIdx.x * blockDim.x + threadIdx.x, p = blockIdx.y, member = blockIdx.z;
    if (q >= of.all || of.moment->rates[0] == 0.0)
        return;
    const double* x = of.x + (u64)of.positions[member * of.stride + p] * of.dimension;
    const double* y = of.x + (u64)q * of.dimension;
    double sum = 0;
    for (u32 j = 0; j < of.dimension; j++)
        sum = fused(x[j], y[j], sum);
    u64 at = (u64)member * of.samples + p;
    of.k[at * of.all + q] = of.update * of.factors[at] * (sum * of.scale);
}

template <class Real> __device__ inline void follow(const Inputs& of) {
    constexpr int N = LANES<Real>;
    u32 row = (blockIdx.x * blockDim.x + threadIdx.x) * N, first = blockIdx.y * AT_ONCE;
    u32 member = blockIdx.z;
    double rate = of.moment->rates[0];
    if (row >= of.ld || rate == 0.0)
        return;
    Real d[AT_ONCE][N] = {};
    const Real* g = (const Real*)of.some + (u64)member * of.samples * of.ld + row;
    for (u32 p = 0; p < of.samples; p++) {
        Real from[N];
        load(g + (u64)p * of.ld, from);
        const double* k = of.k + ((u64)member * of.samples + p) * of.all;
#pragma unroll
        for (int s = 0; s < AT_ONCE; s++) {
            Real c = (Real)k[min(first + s, of.all - 1)];
#pragma unroll
            for (int i = 0; i < N; i++)
                d[s][i] = fused(c, from[i], d[s][i]);
        }
    }
    Real decay = (Real)of.moment->weight_decay, momentum = (Real)of.moment->momentum;
#pragma unroll
    for (int s = 0; s < AT_ONCE; s++) {
        if (first + s >= of.all)
            continue;
        u64 at = ((u64)member * of.all + first + s) * of.ld + row;
        Real h[N];
        load((const Real*)of.h + at, h);
#pragma unroll
        for (int i = 0; i < N; i++)
            d[s][i] = fused(decay, h[i], d[s][i]);
        if (of.velocity) {
            Real v[N];
            load((const Real*)of.velocity + at, v);
#pragma unroll
            for (int i = 0; i < N; i++)
                d[s][i] = fused(momentum, v[i], d[s][i]);
            store((Real*)of.velocity + at, d[s]);
        }
#pragma unroll
        for (int i = 0; i < N; i++)
            h[i] = fused((Real)-rate, d[s][i], h[i]);
        store((Real*)of.h + at, h);
    }
}
extern "C" __global__ void __launch_bounds__(256) follow_f32(const Inputs of) { follow<float>(of); }
extern "C" __global__ void __launch_bounds__(256) follow_f64(const Inputs of) {
    follow<double>(of);
}
