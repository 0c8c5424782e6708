// Steps between two products with weights, entry by entry.
//
//   finish   Y = factor (sum of parts) + Y', in the order of the parts, and then
//              a layer         g <- carry g + scale phi'(h) Y
//              coefficients    c_m <- alpha_m Y_m, alpha_m of the update that column m of the drift is from
//   embed    x_p <- inputs of sample p of the batch
//   append   columns g_p or s_p = k_p x_p, into the factors of a drift, which lie row by row
//
// A thread has one entry (i, p) of a member. Bytes: parts + 4 numbers an entry; bound by memory. Results
// n x P lie sample by sample, ld numbers each.
//
// Launch: 256 threads; grid (P, ld over 256, members).
//
// budget: finish_f32 registers 64, shared 0
// budget: finish_f64 registers 80, shared 0
// budget: embed_f32 registers 32, shared 0
// budget: embed_f64 registers 32, shared 0
// budget: append_f32 registers 40, shared 0
// budget: append_f64 registers 40, shared 0
#include "shared/step.cuh"

/// Arguments of `finish`: the parts of a product of all members, and what becomes of their sum.
struct Finish {
    /// The product Y in parts, `[part][member][P][ld]`.
    const void* parts;
    /// Y' of the first member, P x ld, which is added; or null.
    const void* y2;
    /// h of the first member, P x ld, where the layer's phi' is taken.
    const void* h;
    /// P x ld of the first member: g of a layer, or the coefficients c, which are written.
    void* g;
    /// Numbers from one member's Y', h and g to the next member's.
    u64 stride;
    /// One factor alpha for each update of a low-rank drift, for coefficients; null: this is a layer.
    const double* alpha;
    /// Where each member first left the finite numbers.
    u64* first_nonfinite;
    /// What changes from step to step.
    const StepParameters* parameters;
    /// The factor on the sum of the parts.
    double factor;
    /// The factor on the g that is carried on; 0 without a residual.
    double carry;
    /// The factor on phi'(h) Y.
    double scale;
    /// Entries of one sample of Y, without padding.
    u32 rows;
    /// Columns of a drift that one update has added.
    u32 update_columns;
    /// Parts that are added up.
    u32 part_count;
    /// Numbers of one sample, padding included.
    u32 ld;
    /// Samples P of the batch.
    u32 samples;
    /// The activation phi, by its place in enum Activation.
    u32 activation;
    /// The place of this layer in a pass, noted where a number is not finite.
    u32 place;
    /// Places of a whole pass.
    u32 places;
};

template <class Real> __device__ inline void finish(const Finish& args) {
    u32 p = blockIdx.x, i = blockIdx.y * blockDim.x + threadIdx.x, member = blockIdx.z;
    if (i >= args.rows)
        return;
    u64 within = (u64)p * args.ld + i, at = member * args.stride + within;
    const Real* parts = (const Real*)args.parts;
    u64 each = (u64)args.samples * args.ld;
    Real y = 0;
    for (u32 part = 0; part < args.part_count; part++)
        y += parts[(part * gridDim.z + member) * each + within];
    y = (Real)args.factor * y;
    if (args.y2)
        y += ((const Real*)args.y2)[at];
    Real* g = (Real*)args.g + at;
    if (args.alpha) {
        *g = (Real)(args.alpha[i / args.update_columns] * y);
        return;
    }
    Real branch = slope(args.activation, ((const Real*)args.h)[at]) * ((Real)args.scale * y);
    Real next = args.carry == 0.0 ? branch : fused((Real)args.carry, *g, branch);
    *g = next;
    if (!finite(next))
        note_nonfinite(args.first_nonfinite + member, args.parameters, args.place, args.places);
}
extern "C" __global__ void __launch_bounds__(256) finish_f32(const Finish args) { finish<float>(args); }
extern "C" __global__ void __launch_bounds__(256) finish_f64(const Finish args) { finish<double>(args); }

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
