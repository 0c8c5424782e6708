// What all kernels of Y = W^T G share: what they are called with, and what becomes of their product.
//
//   D = sum_p g_p s_p^T,   s_p = k_p x_p
//   W <- W - eta lambda W + D              k_p has the factor -eta
//   v <- mu v + D + lambda W,  W <- W - eta v      with momentum
//   v <- D                                         gathered, for dense/entrywise.cu to move W
//
// W: m x n, G: m x P, X: n x P; layouts as in dense/multiply.cuh. Blocks have the rows of W in parts, of which
// each leaves a part of Y; the block that leaves the last part of some columns adds them up, in their order:
//
//   Y = factor (sum of parts) + Y', and then
//     a layer         g' <- carry g + scale phi'(h) Y
//     coefficients    c_m <- alpha_m Y_m, alpha_m of the update that column m of the drift is from
#pragma once
#include "shared/step.cuh"

constexpr int WARPS = 8;

/// Arguments of `transpose`: one layer on the way down, of all members. Members lie one after the other,
/// and strides count numbers of the array's format.
struct Transpose {
    /// W of the first member, m x ld: read, and moved if there is an X.
    void* w;
    /// Numbers from one member's W to the next member's.
    u64 w_stride;
    /// Velocity v of the first member's W, laid out as W, or where D is gathered; null without momentum.
    void* velocity;
    /// What D is added to where there is a velocity: v itself, or in the first launch that gathers D W, which enters
    /// with a factor of 0.
    const void* kept;
    /// G of the first member, P x ld_g.
    const void* g;
    /// Numbers from one member's G to the next member's.
    u64 g_stride;
    /// X of the first member, P x ld; null: nothing moves.
    const void* x;
    /// Numbers from one member's X to the next member's.
    u64 x_stride;
    /// P factors k_p of each member, without `update`.
    const double* k;
    /// W^T G in parts, `[part][member][P][ld]`; null: no product is asked for.
    void* parts;
    /// Parts that are there, one number for every block along x of every member: zeros before and after.
    u32* arrivals;
    /// Y' of the first member, P x ld, which is added to the product; or null.
    const void* y2;
    /// h of the first member, P x ld, where the layer's phi' is taken.
    const void* h;
    /// g of the first member, P x ld, which is carried on; read only where `carry` is not 0.
    const void* carried;
    /// P x ld of the first member: g' of a layer, or the coefficients c, which are written. Not G or X.
    void* out;
    /// Numbers from one member's Y', h, g and g' to the next member's.
    u64 stride;
    /// One factor alpha for each update of a low-rank drift, for coefficients; null: this is a layer.
    const double* alpha;
    /// Where each member first left the finite numbers.
    u64* first_nonfinite;
    /// What changes from step to step.
    const StepParameters* parameters;
    /// The power of n and L on the gradient D.
    double update;
    /// The factor on the sum of the parts.
    double factor;
    /// The factor on the g that is carried on; 0 without a residual.
    double carry;
    /// The factor on phi'(h) Y.
    double scale;
    /// Rows of W that one block walks down: height(m, P).
    u32 height;
    /// Rows m of W.
    u32 rows;
    /// Numbers of a padded row of W, a multiple of 32.
    u32 ld;
    /// Numbers of a row of W that are read: n rounded up to a multiple of eight.
    u32 columns;
    /// Entries n of one sample of Y, without padding.
    u32 entries;
    /// Numbers of one sample of G, padding included.
    u32 ld_g;
    /// Samples P of the batch.
    u32 samples;
    /// The first sample of this launch.
    u32 first_sample;
    /// Samples of this launch.
    u32 sample_count;
    /// Whose learning rate W follows: 0 input, 1 hidden, 2 readout weights.
    u32 weight_group;
    /// Columns of a drift that one update has added.
    u32 update_columns;
    /// The activation phi, by its place in enum Activation.
    u32 activation;
    /// The place of this layer in a pass, noted where a number is not finite.
    u32 place;
    /// Places of a whole pass.
    u32 places;
    /// 1: D is written to where a velocity would be, and W stays; else 0.
    u32 gathers;
    /// Zero; fills the structure up to whole 8 bytes.
    u32 padding;
};

// How W moves: the rates of a step and the samples' factors.
struct Move {
    double rate, momentum, decay;
    // Whether W moves at all.
    bool moves;
    // Whether this launch has the first, and the last, samples of the batch.
    bool begins, ends;

    __device__ inline Move(const Transpose& args) {
        rate = args.parameters->rates[args.weight_group];
        momentum = args.parameters->momentum, decay = args.parameters->weight_decay;
        moves = args.x && rate != 0.0;
        begins = args.first_sample == 0, ends = args.first_sample + args.sample_count == args.samples;
    }

    // The factor of sample p of this launch in D, or in the step of W.
    template <class Real> __device__ inline Real of_sample(const Transpose& args, u32 member, u32 p) const {
        double factor = args.velocity ? args.update : -rate * args.update;
        return (Real)(factor * args.k[(u64)member * args.samples + args.first_sample + p]);
    }

    // What D is added to: W or v, of numbers at `at` whose weights are a. (Where D is gathered mu = lambda = 0.)
    template <class Real, int N>
    __device__ inline void begin(const Transpose& args, u32 member, u64 at, const Real (&a)[N], Real (&d)[N]) const {
        if (args.velocity) {
            load((const Real*)args.kept + member * args.w_stride + at, d);
#pragma unroll
            for (int i = 0; i < N; i++)
                if (begins)
                    d[i] = fused((Real)decay, a[i], (Real)momentum * d[i]);
        } else {
#pragma unroll
            for (int i = 0; i < N; i++)
                d[i] = begins ? fused((Real)(-rate * decay), a[i], a[i]) : a[i];
        }
    }

    // Leaves what D was added to.
    template <class Real, int N>
    __device__ inline void end(const Transpose& args, u32 member, u64 at, const Real (&a)[N], Real (&d)[N]) const {
        if (args.velocity) {
            store((Real*)args.velocity + member * args.w_stride + at, d);
            if (!ends || args.gathers)
                return;
#pragma unroll
            for (int i = 0; i < N; i++)
                d[i] = fused((Real)-rate, d[i], a[i]);
        }
        store((Real*)args.w + member * args.w_stride + at, d);
    }
};

// Where the part of a block and a sample of this launch begins.
template <class Real> __device__ inline Real* part_of(const Transpose& args, u32 part, u32 member, u32 p) {
    return (Real*)args.parts + (((u64)part * gridDim.z + member) * args.samples + args.first_sample + p) * args.ld;
}

// Adds up the parts of WIDTH columns from `first` on, if this block is the last that leaves one: all threads.
template <class Real, int WIDTH> __device__ inline void finish(const Transpose& args, u32 member, u32 first) {
    __shared__ bool last;
    __syncthreads();
    if (threadIdx.x == 0) {
        u32* arrivals = args.arrivals + (u64)member * gridDim.x + blockIdx.x;
        __threadfence();
        last = atomicAdd(arrivals, 1u) + 1 == gridDim.y;
        __threadfence();
        if (last)
            atomicExch(arrivals, 0u);
    }
    __syncthreads();
    if (!last)
        return;
    // A thread has 16 bytes of a row; those beyond the last entry are zeros, and stay so.
    constexpr u32 N = LANES<Real>, UNITS = WIDTH / N;
    const u64 after = (u64)gridDim.z * args.samples * args.ld;
    for (u32 unit = threadIdx.x; unit < args.sample_count * UNITS; unit += blockDim.x) {
        u32 p = unit / UNITS, i = first + unit % UNITS * N;
        if (i >= args.entries)
            continue;
        Real y[N] = {};
        const Real* part = part_of<Real>(args, 0, member, p) + i;
#pragma unroll 4
        for (u32 left = gridDim.y; left > 0; left--, part += after) {
            Real more[N];
            load(part, more);
#pragma unroll
            for (int c = 0; c < N; c++)
                y[c] += more[c];
        }
        u64 at = member * args.stride + (u64)(args.first_sample + p) * args.ld + i;
        Real other[N] = {}, h[N], carried[N] = {}, next[N];
        if (args.y2)
            load((const Real*)args.y2 + at, other);
        if (!args.alpha)
            load((const Real*)args.h + at, h);
        if (args.carry != 0.0)
            load((const Real*)args.carried + at, carried);
        bool all_finite = true;
#pragma unroll
        for (int c = 0; c < N; c++) {
            y[c] = (Real)args.factor * y[c] + other[c];
            if (args.alpha) {
                next[c] = i + c < args.entries ? (Real)(args.alpha[(i + c) / args.update_columns] * y[c]) : Real(0);
            } else {
                Real branch = slope(args.activation, h[c]) * ((Real)args.scale * y[c]);
                next[c] = args.carry == 0.0 ? branch : fused((Real)args.carry, carried[c], branch);
                all_finite &= finite(next[c]);
            }
        }
        store((Real*)args.out + at, next);
        if (!all_finite)
            note_nonfinite(args.first_nonfinite + member, args.parameters, args.place, args.places);
    }
}
