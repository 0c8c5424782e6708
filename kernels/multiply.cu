// Y = W X for every member of an ensemble, and what a layer makes of it.
//
//   y   = factor W x + W' x'                 W: m x n, x: n x P; W', x' or nothing
//   h'  = carry h + scale y                  where a residual is carried
//   phi = phi(h')                            on request
//
// W lies row by row in f32, f64 or bf16, ld numbers a row (32 divides ld, zeros beyond n); x lies
// sample by sample, as long as a row of W; results sample by sample, ld_out numbers each.
//
// Bytes: W once (4, 8 or 2 a weight); X, P ld numbers, once for every block from the second-level
// cache. Flops: 2 P a weight. Bound by memory up to P = 8; beyond, the reading of X grows with P.
//
// A warp has four rows and up to S samples: its lanes walk along the rows by 16 bytes (bf16 in f64: 8)
// and add up their sums by five exchanges at the end, always in the same order. P > S: 2, 4 or 8 warps
// of a block have the same rows and each S samples; P > 64: they take turns.
//
// Launch: 256 threads; grid (m over the rows of a block, members); see src/backend/cuda/launch.rs.
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
#include "real.cuh"

// Rows of a warp.
constexpr int ROWS = 4;
constexpr int WARPS = 8;

struct Multiply {
    // m x ld, of the first member, and where the next member's begins (in numbers of its format).
    const void* w;
    u64 w_stride;
    // P x ld
    const void* x;
    u64 x_stride;
    // m x ld_too and P x ld_too, or null
    const void* w_too;
    u64 w_too_stride;
    const void* x_too;
    u64 x_too_stride;
    // P x ld_out, or null: nothing is carried. It strides as y does.
    const void* h;
    // P x ld_out
    void* y;
    // P x ld_out, or null
    void* phi;
    u64 y_stride;
    // One of each member, or null
    u64* first_nonfinite;
    const Moment* moment;
    double factor, carry, scale;
    // Numbers of a row, and those of them that are there, a multiple of eight.
    u32 rows, ld, columns, ld_too, columns_too, ld_out;
    u32 samples, activation, place, places;
};
static_assert(sizeof(Multiply) == 176, "as in src/backend/cuda/arguments.rs");

// acc += rows of W times columns of X; both are clamped to what there is.
template <class Real, class Stored, int S>
__device__ inline void add_product(const Stored* w, u32 row, u32 rows, const Real* x, u32 sample,
                                   u32 samples, u32 ld, u32 columns, Real (&acc)[ROWS][S]) {
    // Bf16 in f64, a reference, by 8 bytes: 16 would be 96 registers of weights and inputs.
    constexpr int N = sizeof(Real) > 2 * sizeof(Stored) && sizeof(Real) == 8 ? 4 : LANES<Stored>;
    // Rolled up: what waits for memory is hidden by other warps, for which registers are left.
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

template <class Real, class Stored, int S> __device__ inline void multiply(const Multiply& of) {
    u32 member = blockIdx.y, warp = threadIdx.x / 32, lane = threadIdx.x % 32;
    // Warps that share rows.
    u32 sharing = 1;
    while (sharing < WARPS && sharing * S < of.samples)
        sharing *= 2;
    u32 row = (blockIdx.x * (WARPS / sharing) + warp / sharing) * ROWS;
    if (row >= of.rows)
        return;
    const Stored* w = (const Stored*)of.w + member * of.w_stride;
    const Real* x = (const Real*)of.x + member * of.x_stride;
    for (u32 sample = warp % sharing * S; sample < of.samples; sample += sharing * S) {
        Real acc[ROWS][S] = {};
        add_product<Real, Stored, S>(w, row, of.rows, x, sample, of.samples, of.ld, of.columns,
                                     acc);
        if (of.factor != 1.0) {
#pragma unroll
            for (int r = 0; r < ROWS; r++)
#pragma unroll
                for (int s = 0; s < S; s++)
                    acc[r][s] *= (Real)of.factor;
        }
        if (of.w_too) {
            const Real* w_too = (const Real*)of.w_too + member * of.w_too_stride;
            const Real* x_too = (const Real*)of.x_too + member * of.x_too_stride;
            add_product<Real, Real, S>(w_too, row, of.rows, x_too, sample, of.samples, of.ld_too,
                                       of.columns_too, acc);
        }
        // Lane r S + s keeps the sum of row r and sample s.
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
        if (lane >= ROWS * S || i >= of.rows || p >= of.samples)
            continue;
        u64 at = member * of.y_stride + (u64)p * of.ld_out + i;
        Real y = (Real)of.scale * sum;
        if (of.h)
            y = fused((Real)of.carry, ((const Real*)of.h)[at], y);
        ((Real*)of.y)[at] = y;
        if (of.phi)
            ((Real*)of.phi)[at] = value(of.activation, y);
        if (of.first_nonfinite && !finite(y))
            note(of.first_nonfinite + member, of.moment, of.place, of.places);
    }
}

#define MULTIPLY(NAME, REAL, STORED, S)                                                            \
    extern "C" __global__ void __launch_bounds__(32 * WARPS, S == 8 ? 1 : 2) NAME(const Multiply of) {             \
        multiply<REAL, STORED, S>(of);                                                             \
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
