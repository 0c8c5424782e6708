// What all kernels of Y = W X share: what they are called with, what becomes of a sum, and sums over a warp.
//
//   y   = factor W x + W' x'                 W: m x n, x: n x P; without W' the first term only
//   h'  = carry h + scale y                  without h the second term only
//   phi = phi(h')                            where it is asked for
//
// W lies row by row in f32, f64 or bf16, ld numbers a row (32 divides ld, zeros beyond n); x lies
// sample by sample, as long as a row of W; results sample by sample, ld_out numbers each.
#pragma once
#include "shared/step.cuh"

constexpr int WARPS = 8;

/// Arguments of `multiply`: one layer on the way up, of all members. Members lie one after the other,
/// and strides count numbers of the array's format.
struct Multiply {
    /// W of the first member, m x ld.
    const void* w;
    /// Numbers from one member's W to the next member's.
    u64 w_stride;
    /// X of the first member, P x ld.
    const void* x;
    /// Numbers from one member's X to the next member's.
    u64 x_stride;
    /// W' of the first member, m x ld2: a second matrix, whose product is added; or null.
    const void* w2;
    /// Numbers from one member's W' to the next member's.
    u64 w2_stride;
    /// X' of the first member, P x ld2: what W' is multiplied with; or null.
    const void* x2;
    /// Numbers from one member's X' to the next member's.
    u64 x2_stride;
    /// h of the first member, P x ld_out: what a residual layer carries on; or null. Strides as Y does.
    const void* h;
    /// Y (or h') of the first member, P x ld_out: the result.
    void* y;
    /// phi(h') of the first member, P x ld_out, written too; or null. Strides as Y does.
    void* phi;
    /// Numbers from one member's Y to the next member's.
    u64 y_stride;
    /// Where each member first left the finite numbers; null: nothing is noted.
    u64* first_nonfinite;
    /// What changes from step to step.
    const StepParameters* parameters;
    /// The factor on W x, before W' x' is added.
    double factor;
    /// The factor on the h that is carried on.
    double carry;
    /// The factor on the sum of both products.
    double scale;
    /// Rows m of W.
    u32 rows;
    /// Numbers of a padded row of W, a multiple of 32.
    u32 ld;
    /// Numbers of a row of W that are read: n rounded up to a multiple of eight.
    u32 columns;
    /// Numbers of a padded row of W'.
    u32 ld2;
    /// Numbers of a row of W' that are read, a multiple of eight.
    u32 columns2;
    /// Numbers of one sample of Y, h and phi, padding included.
    u32 ld_out;
    /// Samples P of the batch.
    u32 samples;
    /// The activation phi, by its place in enum Activation.
    u32 activation;
    /// The place of this layer in a pass, noted where a number is not finite.
    u32 place;
    /// Places of a whole pass.
    u32 places;
    /// Slices of the columns, which different warps of a block add up: up to eight samples only.
    u32 slices;
    /// Zero; fills the structure up to whole 8 bytes.
    u32 padding;
};

// Leaves the sum of row i and sample p of a member: h', phi(h').
template <class Real> __device__ inline void leave(const Multiply& args, u32 member, u32 i, u32 p, Real sum) {
    u64 at = member * args.y_stride + (u64)p * args.ld_out + i;
    Real y = (Real)args.scale * sum;
    if (args.h)
        y = fused((Real)args.carry, ((const Real*)args.h)[at], y);
    ((Real*)args.y)[at] = y;
    if (args.phi)
        ((Real*)args.phi)[at] = value(args.activation, y);
    if (args.first_nonfinite && !finite(y))
        note_nonfinite(args.first_nonfinite + member, args.parameters, args.place, args.places);
}
