// Vectors from and to where others need them, entry by entry.
//
//   embed    x_p <- inputs of sample p of the batch
//   append   columns g_p or s_p = k_p x_p, into the factors of a drift, which lie row by row
//
// A thread has one entry (i, p) of a member. Bytes: two numbers an entry; bound by memory. Vectors lie sample by
// sample, ld numbers each.
//
// Launch: 256 threads; grid (P, ld over 256, members).
//
// budget: embed_f32 registers 32, shared 0
// budget: embed_f64 registers 32, shared 0
// budget: append_f32 registers 40, shared 0
// budget: append_f64 registers 40, shared 0
#include "shared/step.cuh"

/// Arguments of `embed`: the inputs of a batch of each member.
struct Embed {
    /// Inputs of all samples of the data set, d numbers each.
    const double* inputs;
    /// Positions of the P samples of the first member's batch in the data set.
    const u32* positions;
    /// Positions from one member's batch to the next member's; 0: all members have the same batch.
    u64 stride;
    /// X of all members, `[member][P][ld]`: where the inputs are written.
    void* x;
    /// Input dimension d.
    u32 dimension;
    /// Numbers of one sample of X, padding included.
    u32 ld;
};

template <class Real> __device__ inline void embed(const Embed& args) {
    u32 p = blockIdx.x, i = blockIdx.y * blockDim.x + threadIdx.x, member = blockIdx.z;
    if (i >= args.dimension)
        return;
    u64 sample = args.positions[member * args.stride + p];
    ((Real*)args.x)[((u64)member * gridDim.x + p) * args.ld + i] =
        (Real)args.inputs[sample * args.dimension + i];
}
extern "C" __global__ void __launch_bounds__(256) embed_f32(const Embed args) { embed<float>(args); }
extern "C" __global__ void __launch_bounds__(256) embed_f64(const Embed args) { embed<double>(args); }

/// Arguments of `append`: P new columns of one factor of a low-rank drift, of all members.
struct Append {
    /// The vectors to append, P x ld, of the first member.
    const void* x;
    /// Numbers from one member's vectors to the next member's.
    u64 x_stride;
    /// P factors k_p of each member, on which `update` stands; null: the factor is 1.
    const double* k;
    /// The factor of the drift, n x ld_drift, of the first member, from the first new column.
    void* drift;
    /// Numbers from one member's drift to the next member's.
    u64 drift_stride;
    /// The power of n and L on the gradient.
    double update;
    /// Rows n of the drift.
    u32 rows;
    /// Numbers of one vector, padding included.
    u32 ld;
    /// Numbers of a padded row of the drift.
    u32 ld_drift;
    /// Samples P, and so columns, that are appended.
    u32 samples;
};

template <class Real> __device__ inline void append(const Append& args) {
    u32 p = blockIdx.x, i = blockIdx.y * blockDim.x + threadIdx.x, member = blockIdx.z;
    if (i >= args.rows)
        return;
    Real x = ((const Real*)args.x)[member * args.x_stride + (u64)p * args.ld + i];
    if (args.k)
        x = (Real)(args.update * args.k[member * args.samples + p]) * x;
    ((Real*)args.drift)[member * args.drift_stride + (u64)i * args.ld_drift + p] = x;
}
extern "C" __global__ void __launch_bounds__(256) append_f32(const Append args) { append<float>(args); }
extern "C" __global__ void __launch_bounds__(256) append_f64(const Append args) { append<double>(args); }
