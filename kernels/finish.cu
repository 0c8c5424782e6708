// What lies between two sweeps of weights, entry by entry.
//
// finish: Y = factor (sum of parts) + Y', in the order of the parts, and then
//   a layer          g <- carry g + scale phi'(h) Y
//   coefficients     c_m <- alpha_m Y_m        of the low-rank drift, alpha of the update m belongs to
// embed: x_p <- the inputs of the samples of a batch.
// append: columns of a drift, g_p and s_p = k_p x_p, into matrices that lie row by row.
//
// A thread an entry (i, p) of a member; bound by memory: parts + 4 numbers an entry. Results n x P lie
// sample by sample, ld numbers each.
//
// Launch: 256 threads; grid (ld over 256, P, members).
//
// budget: finish_f32 registers 64, shared 0
// budget: finish_f64 registers 80, shared 0
// budget: embed_f32 registers 32, shared 0
// budget: embed_f64 registers 32, shared 0
// budget: append_f32 registers 40, shared 0
// budget: append_f64 registers 40, shared 0
#include "real.cuh"

struct Finish {
    // [part][member][P][ld]
    const void* parts;
    // P x ld, or null
    const void* y_too;
    // P x ld: a layer's
    const void* h;
    // P x ld: a layer's, or coefficients to be written
    void* g;
    // Numbers from one member's Y', h and g to the next's.
    u64 stride;
    // One of each update, for coefficients; null: a layer's.
    const double* alpha;
    u64* first_nonfinite;
    const Moment* moment;
    double factor, carry, scale;
    // Entries of Y that there are; columns of one update.
    u32 rows, each;
    u32 count, ld, samples, activation, place, places;
};
static_assert(sizeof(Finish) == 120, "as in src/backend/cuda/arguments.rs");

template <class Real> __device__ inline void finish(const Finish& of) {
    u32 i = blockIdx.x * blockDim.x + threadIdx.x, p = blockIdx.y, member = blockIdx.z;
    if (i >= of.rows)
        return;
    u64 within = (u64)p * of.ld + i, at = member * of.stride + within;
    const Real* parts = (const Real*)of.parts;
    u64 each = (u64)of.samples * of.ld;
    Real y = 0;
    for (u32 part = 0; part < of.count; part++)
        y += parts[(part * gridDim.z + member) * each + within];
    y = (Real)of.factor * y;
    if (of.y_too)
        y += ((const Real*)of.y_too)[at];
    Real* g = (Real*)of.g + at;
    if (of.alpha) {
        *g = (Real)(of.alpha[i / of.each] * y);
        return;
    }
    Real branch = slope(of.activation, ((const Real*)of.h)[at]) * ((Real)of.scale * y);
    Real next = of.carry == 0.0 ? branch : fused((Real)of.carry, *g, branch);
    *g = next;
    if (!finite(next))
        note(of.first_nonfinite + member, of.moment, of.place, of.places);
}
extern "C" __global__ void __launch_bounds__(256) finish_f32(const Finish of) { finish<float>(of); }
extern "C" __global__ void __launch_bounds__(256) finish_f64(const Finish of) { finish<double>(of); }

struct Embed {
    // Inputs of all samples, d numbers each.
    const double* inputs;
    // P positions of a member; members are `stride` apart, 0 where all have the same.
    const u32* positions;
    u64 stride;
    // [member][P][ld]
    void* x;
    u32 dimension, ld;
};
static_assert(sizeof(Embed) == 40, "as in src/backend/cuda/arguments.rs");

template <class Real> __device__ inline void embed(const Embed& of) {
    u32 i = blockIdx.x * blockDim.x + threadIdx.x, p = blockIdx.y, member = blockIdx.z;
    if (i >= of.dimension)
        return;
    u64 sample = of.positions[member * of.stride + p];
    ((Real*)of.x)[((u64)member * gridDim.y + p) * of.ld + i] =
        (Real)of.inputs[sample * of.dimension + i];
}
extern "C" __global__ void __launch_bounds__(256) embed_f32(const Embed of) { embed<float>(of); }
extern "C" __global__ void __launch_bounds__(256) embed_f64(const Embed of) { embed<double>(of); }

struct Append {
    // P x ld
    const void* x;
    u64 x_stride;
    // P factors of a member, times `update`; null: 1
    const double* k;
    // n x ld_drift, from where its columns begin
    void* drift;
    u64 drift_stride;
    double update;
    u32 rows, ld, ld_drift, samples;
};
static_assert(sizeof(Append) == 64, "as in src/backend/cuda/arguments.rs");

template <class Real> __device__ inline void append(const Append& of) {
    u32 i = blockIdx.x * blockDim.x + threadIdx.x, p = blockIdx.y, member = blockIdx.z;
    if (i >= of.rows)
        return;
    Real x = ((const Real*)of.x)[member * of.x_stride + (u64)p * of.ld + i];
    if (of.k)
        x = (Real)(of.update * of.k[member * of.samples + p]) * x;
    ((Real*)of.drift)[member * of.drift_stride + (u64)i * of.ld_drift + p] = x;
}
extern "C" __global__ void __launch_bounds__(256) append_f32(const Append of) { append<float>(of); }
extern "C" __global__ void __launch_bounds__(256) append_f64(const Append of) { append<double>(of); }
