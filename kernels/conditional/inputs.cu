// The input layer: h_0 of all samples, which the conditional engine keeps in place of the input weights U
// (src/backend/cpu/conditional/ends.rs).
//
//   inputs     h_0 = U x d^(-1/2), U drawn and forgotten a coordinate at a time
//   gather     h_0 of the samples of a pass
//   products   k_pq = update k_p <x_p, x_q> d^(-1/2), p of the pass, q of all
//   follow     D_q = sum_p k_pq g_0(x_p), the gradient of h_0(x_q), and the step of h_0 along it
//
// h_0: all samples x ld a member; X in f64, d numbers a sample.
//
// Bytes: h_0 once; follow reads and writes it, and reads g_0 from the second-level cache once for every eight
// samples. A thread has 16 bytes of rows (inputs: the four rows of a Philox block) of eight samples.
//
// Launch: 256 threads; inputs (samples over 8, ld over 1024, members), gather (P, ld over 256, members),
// products (P, samples over 256, members), follow (samples over 8, ld over 256 LANES<Real>, members).
//
// budget: inputs_f32 registers 96, shared 0
// budget: inputs_f64 registers 128, shared 0
// budget: gather_f32 registers 40, shared 0
// budget: gather_f64 registers 40, shared 0
// budget: products registers 48, shared 0
// budget: follow_f32 registers 96, shared 0
// budget: follow_f64 registers 96, shared 0
#include "shared/philox.cuh"
#include "shared/step.cuh"

// Samples of one thread in inputs and follow.
constexpr int AT_ONCE = 8;

/// Arguments of `inputs`, `gather`, `products` and `follow`: the input layer of all members, which lie one
/// after the other.
struct Inputs {
    /// h_0 of all samples, ld numbers each.
    void* h;
    /// Velocity of h_0, laid out as h_0; null without momentum.
    void* velocity;
    /// Inputs of all samples, d numbers each, the same for all members.
    const double* x;
    /// Seed of the noise of each member.
    const u64* seeds;
    /// Positions of the first member's P samples among all samples.
    const u32* positions;
    /// Positions from one member to the next; 0: all members have the same samples.
    u64 stride;
    /// P x ld a member: h_0 of the samples of a pass, which `gather` writes; g_0, which `follow` reads.
    void* selected;
    /// P factors k_p of each member, with which g_0 enters updates.
    const double* factors;
    /// k_pq, P x all samples a member: what `products` writes and `follow` reads.
    double* products;
    /// Where each member first left the finite numbers; null: nothing is noted.
    u64* first_nonfinite;
    /// What changes from step to step.
    const StepParameters* parameters;
    /// The factor d^(-1/2) on U x.
    double scale;
    /// The power of n and L on the gradient of U.
    double update;
    /// Samples P of a pass.
    u32 samples;
    /// Samples of training and test together.
    u32 all_samples;
    /// Width n of the hidden layers.
    u32 width;
    /// Numbers of one vector, padding included.
    u32 ld;
    /// Input dimension d.
    u32 dimension;
    /// Purpose, step and direction of the noise address of U, in one number.
    u32 tag;
    /// Places of a whole pass.
    u32 places;
    /// Zero; fills the structure up to whole 8 bytes.
    u32 padding;
};

template <class Real> __device__ inline void inputs(const Inputs& args) {
    u32 first = blockIdx.x * AT_ONCE, quad = blockIdx.y * blockDim.x + threadIdx.x;
    u32 member = blockIdx.z, row = 4 * quad;
    if (row >= args.ld)
        return;
    Real h[AT_ONCE][4] = {};
    for (u32 j = 0; j < args.dimension; j++) {
        float4 z = normals(args.seeds[member], quad, j, 0, args.tag);
        Real u[4] = {z.x, z.y, z.z, z.w};
#pragma unroll
        for (int s = 0; s < AT_ONCE; s++) {
            Real x = (Real)(args.x[(u64)min(first + s, args.all_samples - 1) * args.dimension + j] * args.scale);
#pragma unroll
            for (int i = 0; i < 4; i++)
                h[s][i] = fused(u[i], x, h[s][i]);
        }
    }
#pragma unroll
    for (int s = 0; s < AT_ONCE; s++) {
        if (first + s >= args.all_samples)
            continue;
#pragma unroll
        for (int i = 0; i < 4; i++)
            if (row + i >= args.width)
                h[s][i] = 0;
        store((Real*)args.h + ((u64)member * args.all_samples + first + s) * args.ld + row, h[s]);
    }
}
extern "C" __global__ void __launch_bounds__(256) inputs_f32(const Inputs args) { inputs<float>(args); }
extern "C" __global__ void __launch_bounds__(256) inputs_f64(const Inputs args) {
    inputs<double>(args);
}

template <class Real> __device__ inline void gather(const Inputs& args) {
    u32 p = blockIdx.x, i = blockIdx.y * blockDim.x + threadIdx.x, member = blockIdx.z;
    if (i >= args.ld)
        return;
    u64 sample = (u64)member * args.all_samples + args.positions[member * args.stride + p];
    Real h = ((const Real*)args.h)[sample * args.ld + i];
    ((Real*)args.selected)[((u64)member * args.samples + p) * args.ld + i] = h;
    if (args.first_nonfinite && !finite(h))
        note_nonfinite(args.first_nonfinite + member, args.parameters, 0, args.places);
}
extern "C" __global__ void __launch_bounds__(256) gather_f32(const Inputs args) { gather<float>(args); }
extern "C" __global__ void __launch_bounds__(256) gather_f64(const Inputs args) {
    gather<double>(args);
}

extern "C" __global__ void __launch_bounds__(256) products(const Inputs args) {
    u32 p = blockIdx.x, q = blockIdx.y * blockDim.x + threadIdx.x, member = blockIdx.z;
    if (q >= args.all_samples || args.parameters->rates[0] == 0.0)
        return;
    const double* x = args.x + (u64)args.positions[member * args.stride + p] * args.dimension;
    const double* y = args.x + (u64)q * args.dimension;
    double sum = 0;
    for (u32 j = 0; j < args.dimension; j++)
        sum = fused(x[j], y[j], sum);
    u64 at = (u64)member * args.samples + p;
    args.products[at * args.all_samples + q] = args.update * args.factors[at] * (sum * args.scale);
}

template <class Real> __device__ inline void follow(const Inputs& args) {
    constexpr int N = LANES<Real>;
    u32 first = blockIdx.x * AT_ONCE, row = (blockIdx.y * blockDim.x + threadIdx.x) * N;
    u32 member = blockIdx.z;
    double rate = args.parameters->rates[0];
    if (row >= args.ld || rate == 0.0)
        return;
    Real d[AT_ONCE][N] = {};
    const Real* g = (const Real*)args.selected + (u64)member * args.samples * args.ld + row;
    for (u32 p = 0; p < args.samples; p++) {
        Real from[N];
        load(g + (u64)p * args.ld, from);
        const double* k = args.products + ((u64)member * args.samples + p) * args.all_samples;
#pragma unroll
        for (int s = 0; s < AT_ONCE; s++) {
            Real c = (Real)k[min(first + s, args.all_samples - 1)];
#pragma unroll
            for (int i = 0; i < N; i++)
                d[s][i] = fused(c, from[i], d[s][i]);
        }
    }
    Real decay = (Real)args.parameters->weight_decay, momentum = (Real)args.parameters->momentum;
#pragma unroll
    for (int s = 0; s < AT_ONCE; s++) {
        if (first + s >= args.all_samples)
            continue;
        u64 at = ((u64)member * args.all_samples + first + s) * args.ld + row;
        Real h[N];
        load((const Real*)args.h + at, h);
#pragma unroll
        for (int i = 0; i < N; i++)
            d[s][i] = fused(decay, h[i], d[s][i]);
        if (args.velocity) {
            Real v[N];
            load((const Real*)args.velocity + at, v);
#pragma unroll
            for (int i = 0; i < N; i++)
                d[s][i] = fused(momentum, v[i], d[s][i]);
            store((Real*)args.velocity + at, d[s]);
        }
#pragma unroll
        for (int i = 0; i < N; i++)
            h[i] = fused((Real)-rate, d[s][i], h[i]);
        store((Real*)args.h + at, h);
    }
}
extern "C" __global__ void __launch_bounds__(256) follow_f32(const Inputs args) { follow<float>(args); }
extern "C" __global__ void __launch_bounds__(256) follow_f64(const Inputs args) {
    follow<double>(args);
}
