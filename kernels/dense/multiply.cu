// Y = W X for every member of an ensemble, and the rest of a layer on the way up.
//
//   y   = factor W x + W' x'                 W: m x n, x: n x P; without W' the first term only
//   h'  = carry h + scale y                  without h the second term only
//   phi = phi(h')                            where it is asked for
//
// W lies row by row in f32, f64 or bf16, ld numbers a row (32 divides ld, zeros beyond n); x lies
// sample by sample, as long as a row of W; results sample by sample, ld_out numbers each.
//
// Bytes: W once (4, 8 or 2 a weight); X, P ld numbers, once for every block from the second-level
// cache. Flops: 2 P a weight. Bound by memory up to P = 8; beyond that, reading X grows with P.
//
// A warp has four rows and up to S samples: its lanes walk along the rows by 16 bytes (bf16 in f64: 8)
// and add up their sums by five exchanges at the end, always in the same order. Where P > S, 2, 4 or 8
// warps of a block have the same rows and S samples each; where P > 64, they repeat that with other samples.
//
// Launch: 256 threads; grid (m over the rows of a block, members); see src/backend/cuda/grid.rs.
//
// Registers leave room for two blocks on a multiprocessor up to S = 4, for one with S = 8.
//
// budget: multiply_f32_1 registers 128, shared 0
// budget: multiply_f32_4 registers 128, shared 0
// budget: multiply_f32_8 registers 224, shared 0
// budget: multiply_f64_1 registers 128, shared 0
// budget: multiply_f64_4 registers 128, shared 0
// budget: multiply_f64_8 registers 224, shared 0
// budget: multiply_half_f32_1 registers 128, shared 0
// budget: multiply_half_f32_4 registers 128, shared 0
// budget: multiply_half_f32_8 registers 224, shared 0
// budget: multiply_half_f64_1 registers 128, shared 0
// budget: multiply_half_f64_4 registers 128, shared 0
// budget: multiply_half_f64_8 registers 224, shared 0
#include "shared/step.cuh"

// Rows that one warp has in registers.
constexpr int ROWS = 4;
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
};

// Adds rows of W times columns of X to acc. Rows and samples beyond the last repeat the last one.
template <class Real, class Stored, int S>
__device__ inline void add_product(const Stored* w, u32 row, u32 rows, const Real* x, u32 sample,
                                   u32 samples, u32 ld, u32 columns, Real (&acc)[ROWS][S]) {
    // Weights in bf16 beside numbers in f64 (a reference) are loaded by 8 bytes: 16 would take 96 registers.
    constexpr int N = sizeof(Real) > 2 * sizeof(Stored) && sizeof(Real) == 8 ? 4 : LANES<Stored>;
    // Not unrolled: the registers that are left are for other warps, which hide the waits for memory.
#pragma unroll 1
    for (u32 c = threadIdx.x % 32 * N; c < columns; c += 32 * N) {
        Real a[ROWS][N];
#pragma unroll
        for (int r = 0; r < ROWS; r++)
            load(w + (u64)min(row + r, rows - 1) * ld + c, a[r]);
#pragma unroll
        for (int s = 0; s < S; s++) {
            Real b[N];
            load(x + (u64)min(sample + s, samples - 1) * ld + c, b);
#pragma unroll
            for (int r = 0; r < ROWS; r++)
#pragma unroll
                for (int i = 0; i < N; i++)
                    acc[r][s] = fused(a[r][i], b[i], acc[r][s]);
        }
    }
}

template <class Real, class Stored, int S> __device__ inline void multiply(const Multiply& args) {
    u32 member = blockIdx.y, warp = threadIdx.x / 32, lane = threadIdx.x % 32;
    // Warps that have the same rows.
    u32 sharing = 1;
    while (sharing < WARPS && sharing * S < args.samples)
        sharing *= 2;
    u32 row = (blockIdx.x * (WARPS / sharing) + warp / sharing) * ROWS;
    if (row >= args.rows)
        return;
    const Stored* w = (const Stored*)args.w + member * args.w_stride;
    const Real* x = (const Real*)args.x + member * args.x_stride;
    for (u32 sample = warp % sharing * S; sample < args.samples; sample += sharing * S) {
        Real acc[ROWS][S] = {};
        add_product<Real, Stored, S>(w, row, args.rows, x, sample, args.samples, args.ld, args.columns,
                                     acc);
        if (args.factor != 1.0) {
#pragma unroll
            for (int r = 0; r < ROWS; r++)
#pragma unroll
                for (int s = 0; s < S; s++)
                    acc[r][s] *= (Real)args.factor;
        }
        if (args.w2) {
            const Real* w2 = (const Real*)args.w2 + member * args.w2_stride;
            const Real* x2 = (const Real*)args.x2 + member * args.x2_stride;
            add_product<Real, Real, S>(w2, row, args.rows, x2, sample, args.samples, args.ld2,
                                       args.columns2, acc);
        }
        // Lane (r S + s) keeps the sum of row r and sample s.
        Real sum = 0;
#pragma unroll
        for (int r = 0; r < ROWS; r++)
#pragma unroll
            for (int s = 0; s < S; s++) {
                Real part = acc[r][s];
#pragma unroll
                for (int away = 16; away > 0; away /= 2)
                    part += __shfl_xor_sync(0xFFFFFFFF, part, away);
                if (lane == r * S + s)
                    sum = part;
            }
        u32 i = row + lane / S, p = sample + lane % S;
        if (lane >= ROWS * S || i >= args.rows || p >= args.samples)
            continue;
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
}

#define MULTIPLY(NAME, REAL, STORED, S)                                                            \
    extern "C" __global__ void __launch_bounds__(32 * WARPS, S == 8 ? 1 : 2) NAME(const Multiply args) {             \
        multiply<REAL, STORED, S>(args);                                                             \
    }
MULTIPLY(multiply_f32_1, float, float, 1)
MULTIPLY(multiply_f32_4, float, float, 4)
MULTIPLY(multiply_f32_8, float, float, 8)
MULTIPLY(multiply_f64_1, double, double, 1)
MULTIPLY(multiply_f64_4, double, double, 4)
MULTIPLY(multiply_f64_8, double, double, 8)
MULTIPLY(multiply_half_f32_1, float, bf16, 1)
MULTIPLY(multiply_half_f32_4, float, bf16, 4)
MULTIPLY(multiply_half_f32_8, float, bf16, 8)
MULTIPLY(multiply_half_f64_1, double, bf16, 1)
MULTIPLY(multiply_half_f64_4, double, bf16, 4)
MULTIPLY(multiply_half_f64_8, double, bf16, 8)
