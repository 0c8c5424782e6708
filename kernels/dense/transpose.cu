// Y = W^T G for every member of an ensemble, and while W is read, the step of W:
//
//   D = sum_p g_p s_p^T,   s_p = k_p x_p
//   W <- W - eta lambda W + D              k_p has the factor -eta
//   v <- mu v + D + lambda W,  W <- W - eta v      with momentum
//
// W: m x n, G: m x P, X: n x P; layouts as in multiply.cu. Y is left in parts, one for every height(P)
// rows of W; finish.cu adds them up in order.
//
// Bytes: W read once and written once (f32 8, f64 16; with momentum twice that; bf16 2, only read),
// parts P/height(P) of W's. Flops: 4 P a weight (2 P where nothing moves). By counting,
// shared memory is the bound from P = 16 on: each row of s is loaded again for every row of a warp.
//
// A block has 32 LANES<Real> columns and walks down height(P) rows, 32 at a time: each warp loads and moves
// four of these rows; for the product the warps share the rows (P <= S), or each has S samples of all rows,
// which lie in shared memory. More than 32 samples take several launches, each from `first_sample` on; with
// momentum only the last launch moves W.
//
// Launch: 256 threads; grid (columns over 32 LANES<Real>, m over height(P), members); shared memory
// as in src/backend/cuda/grid.rs, below 48 KB.
//
// Registers leave room for two blocks on a multiprocessor up to S = 4, for one with S = 8.
//
// budget: transpose_f32_1 registers 128, shared 0
// budget: transpose_f32_4 registers 128, shared 0
// budget: transpose_f32_8 registers 184, shared 0
// budget: transpose_f64_1 registers 128, shared 0
// budget: transpose_f64_4 registers 128, shared 0
// budget: transpose_f64_8 registers 184, shared 0
// budget: transpose_half_f32_1 registers 128, shared 0
// budget: transpose_half_f32_4 registers 128, shared 0
// budget: transpose_half_f32_8 registers 184, shared 0
// budget: transpose_half_f64_1 registers 128, shared 0
// budget: transpose_half_f64_4 registers 128, shared 0
// budget: transpose_half_f64_8 registers 184, shared 0
#include "shared/step.cuh"

constexpr int WARPS = 8;
// Rows that a warp, and that a block has at once.
constexpr int ROWS = 4;
constexpr int TILE = ROWS * WARPS;

/// Arguments of `transpose`: one layer on the way down, of all members. Members lie one after the other,
/// and strides count numbers of the array's format.
struct Transpose {
    /// W of the first member, m x ld: read, and moved if there is an X.
    void* w;
    /// Numbers from one member's W to the next member's.
    u64 w_stride;
    /// Velocity v of the first member's W, laid out as W; null without momentum.
    void* velocity;
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
    /// What changes from step to step.
    const StepParameters* parameters;
    /// The power of n and L on the gradient D.
    double update;
    /// Rows of W that one block walks down: height(P).
    u32 height;
    /// Rows m of W.
    u32 rows;
    /// Numbers of a padded row of W, a multiple of 32.
    u32 ld;
    /// Numbers of a row of W that are read: n rounded up to a multiple of eight.
    u32 columns;
    /// Numbers of one sample of G, padding included.
    u32 ld_g;
    /// Samples P of the batch.
    u32 samples;
    /// The first sample of this launch.
    u32 first_sample;
    /// Samples of this launch, at most 32.
    u32 sample_count;
    /// Whose learning rate W follows: 0 input, 1 hidden, 2 readout weights.
    u32 weight_group;
    /// Zero; fills the structure up to whole 8 bytes.
    u32 padding;
};

template <class Real, class Stored, int S> __device__ inline void transpose(const Transpose& args) {
    constexpr int N = LANES<Real>;
    constexpr int WIDTH = 32 * N;
    extern __shared__ __align__(16) unsigned char shared[];
    u32 member = blockIdx.z, warp = threadIdx.x / 32, lane = threadIdx.x % 32;
    u32 members = gridDim.z;
    u32 column = blockIdx.x * WIDTH + lane * N;
    bool inside = column < args.columns;
    // Warps that have different samples of the same rows, and samples that shared memory has room for.
    u32 sharing = 1;
    while (sharing * S < args.sample_count)
        sharing *= 2;
    u32 room = sharing * S;
    u32 mine = warp % sharing * S;
    // s: [room][WIDTH], g: [TILE][room], and tile: [TILE][WIDTH] where warps have the same rows.
    Real* s = (Real*)shared;
    Real* g = s + room * WIDTH;
    Real* tile = g + TILE * room;

    double rate = args.parameters->rates[args.weight_group], momentum = args.parameters->momentum;
    double decay = args.parameters->weight_decay;
    bool moves = args.x && rate != 0.0;
    if (!args.parts && !moves)
        return;
    bool begins = args.first_sample == 0, ends = args.first_sample + args.sample_count == args.samples;
    if (moves) {
        const Real* x = (const Real*)args.x + member * args.x_stride;
        for (u32 i = threadIdx.x; i < room * WIDTH; i += blockDim.x) {
            u32 p = i / WIDTH, c = blockIdx.x * WIDTH + i % WIDTH;
            Real value = 0;
            if (p < args.sample_count && c < args.columns) {
                double factor = args.velocity ? args.update : -rate * args.update;
                Real k = (Real)(factor * args.k[member * args.samples + args.first_sample + p]);
                value = k * x[(u64)(args.first_sample + p) * args.ld + c];
            }
            s[i] = value;
        }
    }

    Stored* w = (Stored*)args.w + member * args.w_stride;
    Real acc[S][N] = {};
    u32 top = blockIdx.y * args.height, bottom = min(top + args.height, args.rows);
    for (u32 begin = top; begin < bottom; begin += TILE) {
        // All have read the rows before, which are overwritten now.
        __syncthreads();
        const Real* given = (const Real*)args.g + member * args.g_stride;
        for (u32 i = threadIdx.x; i < TILE * room; i += blockDim.x) {
            u32 p = i / TILE, row = begin + i % TILE;
            bool there = p < args.sample_count && row < bottom;
            g[i % TILE * room + p] = there ? given[(u64)(args.first_sample + p) * args.ld_g + row] : Real(0);
        }
        Real a[ROWS][N] = {};
        u32 own = begin + warp * ROWS;
#pragma unroll
        for (int r = 0; r < ROWS; r++)
            if (inside && own + r < bottom)
                load(w + (u64)(own + r) * args.ld + column, a[r]);
        if (args.parts && sharing > 1) {
#pragma unroll
            for (int r = 0; r < ROWS; r++)
                store(tile + (warp * ROWS + r) * WIDTH + lane * N, a[r]);
        }
        __syncthreads();
        if (args.parts && sharing == 1) {
#pragma unroll
            for (int r = 0; r < ROWS; r++)
#pragma unroll
                for (int p = 0; p < S; p++) {
                    Real factor = g[(warp * ROWS + r) * room + p];
#pragma unroll
                    for (int i = 0; i < N; i++)
                        acc[p][i] = fused(a[r][i], factor, acc[p][i]);
                }
        } else if (args.parts) {
            u32 each = TILE * sharing / WARPS;
            for (u32 r = warp / sharing * each; r < (warp / sharing + 1) * each; r++) {
                Real row[N];
                load(tile + r * WIDTH + lane * N, row);
#pragma unroll
                for (int p = 0; p < S; p++) {
                    Real factor = g[r * room + mine + p];
#pragma unroll
                    for (int i = 0; i < N; i++)
                        acc[p][i] = fused(row[i], factor, acc[p][i]);
                }
            }
        }
        if constexpr (sizeof(Stored) == sizeof(Real)) {
            if (!moves || !inside)
                continue;
#pragma unroll
            for (int r = 0; r < ROWS; r++) {
                if (own + r >= bottom)
                    continue;
                u64 at = (u64)(own + r) * args.ld + column;
                Real d[N];
                if (args.velocity) {
                    Real* v = (Real*)args.velocity + member * args.w_stride;
                    load(v + at, d);
#pragma unroll
                    for (int i = 0; i < N; i++)
                        if (begins)
                            d[i] = fused((Real)decay, a[r][i], (Real)momentum * d[i]);
                } else {
#pragma unroll
                    for (int i = 0; i < N; i++)
                        d[i] = begins ? fused((Real)(-rate * decay), a[r][i], a[r][i]) : a[r][i];
                }
                for (u32 p = 0; p < args.sample_count; p++) {
                    Real row[N], factor = g[(warp * ROWS + r) * room + p];
                    load(s + p * WIDTH + lane * N, row);
#pragma unroll
                    for (int i = 0; i < N; i++)
                        d[i] = fused(factor, row[i], d[i]);
                }
                if (args.velocity) {
                    store((Real*)args.velocity + member * args.w_stride + at, d);
                    if (!ends)
                        continue;
#pragma unroll
                    for (int i = 0; i < N; i++)
                        d[i] = fused((Real)-rate, d[i], a[r][i]);
                }
                store(w + at, d);
            }
        }
    }
    if (!args.parts)
        return;
    // Sums of the warps that had different rows, added up in order in the place of s.
    Real* sums = s;
    for (u32 turn = 0; turn < WARPS / sharing; turn++) {
        __syncthreads();
        if (warp / sharing != turn)
            continue;
#pragma unroll
        for (int p = 0; p < S; p++)
#pragma unroll
            for (int i = 0; i < N; i++) {
                Real* sum = sums + (mine + p) * WIDTH + lane * N + i;
                *sum = turn == 0 ? acc[p][i] : *sum + acc[p][i];
            }
    }
    __syncthreads();
    Real* parts = (Real*)args.parts +
                  ((u64)(blockIdx.y * members + member) * args.samples + args.first_sample) * args.ld;
    for (u32 i = threadIdx.x; i < args.sample_count * WIDTH; i += blockDim.x) {
        u32 p = i / WIDTH, c = blockIdx.x * WIDTH + i % WIDTH;
        if (c < args.columns)
            parts[(u64)p * args.ld + c] = sums[i];
    }
}

#define TRANSPOSE(NAME, REAL, STORED, S)                                                           \
    extern "C" __global__ void __launch_bounds__(32 * WARPS, S == 8 ? 1 : 2) NAME(const Transpose args) {            \
        transpose<REAL, STORED, S>(args);                                                            \
    }
TRANSPOSE(transpose_f32_1, float, float, 1)
TRANSPOSE(transpose_f32_4, float, float, 4)
TRANSPOSE(transpose_f32_8, float, float, 8)
TRANSPOSE(transpose_f64_1, double, double, 1)
TRANSPOSE(transpose_f64_4, double, double, 4)
TRANSPOSE(transpose_f64_8, double, double, 8)
TRANSPOSE(transpose_half_f32_1, float, bf16, 1)
TRANSPOSE(transpose_half_f32_4, float, bf16, 4)
TRANSPOSE(transpose_half_f32_8, float, bf16, 8)
TRANSPOSE(transpose_half_f64_1, double, bf16, 1)
TRANSPOSE(transpose_half_f64_4, double, bf16, 4)
TRANSPOSE(transpose_half_f64_8, double, bf16, 8)
