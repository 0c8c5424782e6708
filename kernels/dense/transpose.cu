// Y = W^T G of up to eight samples, for every member of an ensemble; while W is read, the step of W; and the
// rest of a layer on the way down: dense/transpose.cuh.
//
// Bytes: W read once and written once (f32 8, f64 16; with momentum twice that; bf16 2, only read),
// parts P/height of W's, written and read. Flops: 4 P a weight (2 P where nothing moves). Bound by memory.
//
// A block has 32 LANES<Real> columns and walks down height(m, P) rows: each warp has every eighth row, four at
// a time, for all samples, whose x of its columns a thread has in registers.
//
// Launch: 256 threads; grid (columns over 32 LANES<Real>, m over height(m, P), members); shared memory as in
// src/backend/cuda/grid.rs.
//
// Registers leave room for two blocks on a multiprocessor, in f64 with S = 8 for one.
//
// budget: transpose_f32_1 registers 64, shared 16
// budget: transpose_f32_4 registers 96, shared 16
// budget: transpose_f32_8 registers 128, shared 16
// budget: transpose_f64_1 registers 80, shared 16
// budget: transpose_f64_4 registers 128, shared 16
// budget: transpose_f64_8 registers 144, shared 16
// budget: transpose_half_f32_1 registers 64, shared 16
// budget: transpose_half_f32_4 registers 64, shared 16
// budget: transpose_half_f32_8 registers 72, shared 16
// budget: transpose_half_f64_1 registers 80, shared 16
// budget: transpose_half_f64_4 registers 80, shared 16
// budget: transpose_half_f64_8 registers 88, shared 16
//
// Bytes from the second-level cache and wavefronts of shared memory, L1 and exchanges, a weight:
// traffic: transpose_f32_1 at n 512, P 1: l2 8.63, wavefronts 0.110
// traffic: transpose_f32_4 at n 512, P 4: l2 9.95, wavefronts 0.198
// traffic: transpose_f32_8 at n 512, P 8: l2 11.71, wavefronts 0.331
#include "dense/transpose.cuh"

// Rows that a warp has at once.
constexpr int ROWS = 4;

template <class Real, class Stored, int S> __device__ inline void transpose(const Transpose& args) {
    constexpr int N = LANES<Real>;
    constexpr int WIDTH = 32 * N;
    constexpr bool TRAINED = sizeof(Stored) == sizeof(Real);
    extern __shared__ __align__(16) unsigned char shared[];
    u32 member = blockIdx.z, warp = threadIdx.x / 32, lane = threadIdx.x % 32;
    u32 column = blockIdx.x * WIDTH + lane * N;
    bool inside = column < args.columns;
    Move move(args);
    bool moves = TRAINED && move.moves;
    if (!args.parts && !moves)
        return;

    // G of all rows of this block, [height][S]; then the sums of its warps, [WARPS][S][WIDTH].
    Real* g = (Real*)shared;
    u32 top = blockIdx.y * args.height, bottom = min(top + args.height, args.rows);
    const Real* given = (const Real*)args.g + member * args.g_stride + (u64)args.first_sample * args.ld_g;
    for (u32 i = threadIdx.x; i < args.height * S; i += blockDim.x) {
        u32 p = i / args.height, row = top + i % args.height;
        bool there = p < args.sample_count && row < bottom;
        g[i % args.height * S + p] = there ? given[(u64)p * args.ld_g + row] : Real(0);
    }
    Real s[S][N] = {}, acc[S][N] = {};
    if (moves && inside) {
        const Real* x = (const Real*)args.x + member * args.x_stride + (u64)args.first_sample * args.ld + column;
#pragma unroll
        for (int p = 0; p < S; p++) {
            if (p >= args.sample_count)
                continue;
            Real k = move.of_sample<Real>(args, member, p);
            load(x + (u64)p * args.ld, s[p]);
#pragma unroll
            for (int i = 0; i < N; i++)
                s[p][i] = k * s[p][i];
        }
    }
    __syncthreads();

    const Stored* w = (const Stored*)args.w + member * args.w_stride + column;
#pragma unroll 1
    for (u32 begin = top + warp; begin < bottom; begin += ROWS * WARPS) {
        Real a[ROWS][N] = {};
#pragma unroll
        for (int r = 0; r < ROWS; r++)
            if (inside && begin + r * WARPS < bottom)
                load(w + (u64)(begin + r * WARPS) * args.ld, a[r]);
#pragma unroll
        for (int r = 0; r < ROWS; r++) {
            u32 row = begin + r * WARPS;
            if (row >= bottom)
                continue;
            Real factor[S];
            if constexpr (S == 1)
                factor[0] = g[row - top];
            else
                load(g + (row - top) * S, factor);
#pragma unroll
            for (int p = 0; p < S; p++)
#pragma unroll
                for (int i = 0; i < N; i++)
                    acc[p][i] = fused(a[r][i], factor[p], acc[p][i]);
            if constexpr (TRAINED) {
                if (!moves || !inside)
                    continue;
                Real d[N];
                u64 at = (u64)row * args.ld + column;
                move.begin(args, member, at, a[r], d);
#pragma unroll
                for (int p = 0; p < S; p++)
#pragma unroll
                    for (int i = 0; i < N; i++)
                        d[i] = fused(factor[p], s[p][i], d[i]);
                move.end(args, member, at, a[r], d);
            }
        }
    }
    if (!args.parts)
        return;
    // Sums of the warps, which had different rows, added up in order.
    __syncthreads();
    Real* sums = (Real*)shared;
#pragma unroll
    for (int p = 0; p < S; p++)
        store(sums + (warp * S + p) * WIDTH + lane * N, acc[p]);
    __syncthreads();
    for (u32 i = threadIdx.x; i < args.sample_count * WIDTH; i += blockDim.x) {
        u32 c = blockIdx.x * WIDTH + i % WIDTH;
        if (c >= args.columns)
            continue;
        Real sum = 0;
#pragma unroll
        for (int of = 0; of < WARPS; of++)
            sum += sums[of * S * WIDTH + i];
        part_of<Real>(args, blockIdx.y, member, i / WIDTH)[c] = sum;
    }
    finish<Real, WIDTH>(args, member, blockIdx.x * WIDTH);
}

#define TRANSPOSE(NAME, REAL, STORED, S)                                                           \
    extern "C" __global__ void __launch_bounds__(32 * WARPS, S == 8 && sizeof(REAL) == 8 ? 1 : 2)      \
        NAME(const Transpose args) {                                                                  \
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
