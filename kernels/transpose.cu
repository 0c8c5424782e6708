// Y = W^T G for every member of an ensemble, and in the same sweep the step of W:
//
//   D = sum_p g_p s_p^T,   s_p = k_p x_p
//   W <- W - eta lambda W + D              k_p has the factor -eta
//   v <- mu v + D + lambda W,  W <- W - eta v      with momentum
//
// W: m x n, G: m x P, X: n x P; layouts as in multiply.cu. Y is left in parts, one for every
// height(P) rows of W, which finish.cu adds up in order.
//
// Bytes: W read once and written once (f32 8, f64 16; with momentum twice that; bf16 2, only read),
// parts P/height(P) of W's. Flops: 4 P a weight (2 P where nothing moves). Bound by memory up
// to P = 16.
//
// A block has 32 LANES<Real> columns and walks down height(P) rows, 32 at a time: four rows a
// warp for the load and the step; for the product the warps share the rows (P <= S), or have S samples
// each of all rows that lie in shared memory. More than 32 samples take several launches: `first` is
// where they begin, and only the last ones of a step move W by momentum.
//
// Launch: 256 threads; grid (columns over 32 LANES<Real>, m over height(P), members); shared memory
// as in src/backend/cuda/launch.rs, below 48 KB.
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
#include "real.cuh"

constexpr int WARPS = 8;
// Rows in hand, of a warp and of a block.
constexpr int ROWS = 4;
constexpr int TILE = ROWS * WARPS;

struct Transpose {
    // m x ld, of the first member, and where the next member's begins.
    void* w;
    u64 w_stride;
    // Velocities, laid out as W, or null.
    void* v;
    // P x ld_g
    const void* g;
    u64 g_stride;
    // P x ld, or null: nothing moves.
    const void* x;
    u64 x_stride;
    // P factors of a member, before `update`.
    const double* k;
    // [part][member][P][ld], or null: no product is asked for.
    void* parts;
    const Moment* moment;
    // The power of n and L on D.
    double update;
    // Rows of W that one block walks down.
    u32 height;
    // Numbers of a row, and those of them that are there, a multiple of eight.
    u32 rows, ld, columns, ld_g, samples;
    // The samples of this launch, at most 32.
    u32 first, count;
    // The rate: 0 input, 1 hidden, 2 readout.
    u32 group;
    // 0
    u32 padding;
};
static_assert(sizeof(Transpose) == 128, "as in src/backend/cuda/arguments.rs");

template <class Real, class Stored, int S> __device__ inline void transpose(const Transpose& of) {
    constexpr int N = LANES<Real>;
    constexpr int WIDTH = 32 * N;
    extern __shared__ __align__(16) unsigned char shared[];
    u32 member = blockIdx.z, warp = threadIdx.x / 32, lane = threadIdx.x % 32;
    u32 members = gridDim.z;
    u32 column = blockIdx.x * WIDTH + lane * N;
    bool inside = column < of.columns;
    // Warps with different samples, and samples with room.
    u32 sharing = 1;
    while (sharing * S < of.count)
        sharing *= 2;
    u32 room = sharing * S;
    u32 mine = warp % sharing * S;
    // [room][WIDTH], [TILE][room], and [TILE][WIDTH] where warps share rows.
    Real* s = (Real*)shared;
    Real* g = s + room * WIDTH;
    Real* tile = g + TILE * room;

    double rate = of.moment->rates[of.group], momentum = of.moment->momentum;
    double decay = of.moment->weight_decay;
    bool moves = of.x && rate != 0.0;
    if (!of.parts && !moves)
        return;
    bool begins = of.first == 0, ends = of.first + of.count == of.samples;
    if (moves) {
        const Real* x = (const Real*)of.x + member * of.x_stride;
        for (u32 i = threadIdx.x; i < room * WIDTH; i += blockDim.x) {
            u32 p = i / WIDTH, c = blockIdx.x * WIDTH + i % WIDTH;
            Real value = 0;
            if (p < of.count && c < of.columns) {
                double factor = of.v ? of.update : -rate * of.update;
                Real k = (Real)(factor * of.k[member * of.samples + of.first + p]);
                value = k * x[(u64)(of.first + p) * of.ld + c];
            }
            s[i] = value;
        }
    }

    Stored* w = (Stored*)of.w + member * of.w_stride;
    Real acc[S][N] = {};
    u32 top = blockIdx.y * of.height, bottom = min(top + of.height, of.rows);
    for (u32 begin = top; begin < bottom; begin += TILE) {
        // What the turn before has read is overwritten.
        __syncthreads();
        const Real* given = (const Real*)of.g + member * of.g_stride;
        for (u32 i = threadIdx.x; i < TILE * room; i += blockDim.x) {
            u32 p = i / TILE, row = begin + i % TILE;
            bool there = p < of.count && row < bottom;
            g[i % TILE * room + p] = there ? given[(u64)(of.first + p) * of.ld_g + row] : Real(0);
        }
        Real a[ROWS][N] = {};
        u32 own = begin + warp * ROWS;
#pragma unroll
        for (int r = 0; r < ROWS; r++)
            if (inside && own + r < bottom)
                load(w + (u64)(own + r) * of.ld + column, a[r]);
        if (of.parts && sharing > 1) {
#pragma unroll
            for (int r = 0; r < ROWS; r++)
                store(tile + (warp * ROWS + r) * WIDTH + lane * N, a[r]);
        }
        __syncthreads();
        if (of.parts && sharing == 1) {
#pragma unroll
            for (int r = 0; r < ROWS; r++)
#pragma unroll
                for (int p = 0; p < S; p++) {
                    Real factor = g[(warp * ROWS + r) * room + p];
#pragma unroll
                    for (int i = 0; i < N; i++)
                        acc[p][i] = fused(a[r][i], factor, acc[p][i]);
                }
        } else if (of.parts) {
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
                u64 at = (u64)(own + r) * of.ld + column;
                Real d[N];
                if (of.v) {
                    Real* v = (Real*)of.v + member * of.w_stride;
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
                for (u32 p = 0; p < of.count; p++) {
                    Real row[N], factor = g[(warp * ROWS + r) * room + p];
                    load(s + p * WIDTH + lane * N, row);
#pragma unroll
                    for (int i = 0; i < N; i++)
                        d[i] = fused(factor, row[i], d[i]);
                }
                if (of.v) {
                    store((Real*)of.v + member * of.w_stride + at, d);
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
    if (!of.parts)
        return;
    // The warps that shared rows, added up in order in place of s.
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
    Real* parts = (Real*)of.parts +
                  ((u64)(blockIdx.y * members + member) * of.samples + of.first) * of.ld;
    for (u32 i = threadIdx.x; i < of.count * WIDTH; i += blockDim.x) {
        u32 p = i / WIDTH, c = blockIdx.x * WIDTH + i % WIDTH;
        if (c < of.columns)
            parts[(u64)p * of.ld + c] = sums[i];
    }
}

#define TRANSPOSE(NAME, REAL, STORED, S)                                                           \
    extern "C" __global__ void __launch_bounds__(32 * WARPS, S == 8 ? 1 : 2) NAME(const Transpose of) {            \
        transpose<REAL, STORED, S>(of);                                                            \
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
