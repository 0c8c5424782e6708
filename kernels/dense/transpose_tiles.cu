// Y = W^T G of 9 to 256 samples at once, for every member of an ensemble; while W is read, the step of W; and
// the rest of a layer on the way down: dense/transpose.cuh.
//
// Bytes: W read once and written once (f32 8, f64 16; with momentum twice that; bf16 2, only read),
// parts P/height of W's, written and read; X once for every height(m, P) rows, or for every 64 (f64: 32) where
// P > 64, and G once for every 64 columns, from the second-level cache. Flops: 4 P a weight (2 P where nothing
// moves). Bound by fused multiply-adds from P = 64 on, by memory below.
// In 3xTF32 (shared/tensor.cuh; names with tf32x3) three times as many flops, of tensor cores.
//
// A block has 64 columns and walks down height(m, P) rows, 32 or 64 at a time, which lie in shared memory with
// their part of G and k_p G and with up to 64 samples of X, one lot of samples after the other. For the product,
// a thread has four columns and four samples of every lot; where a lot has 16 or 32 samples, warps share the
// rows. For the step, it has four columns of two or four rows. More than 256 samples take several launches, each
// from `first_sample` on; with momentum only the last launch moves W.
//
// Launch: 256 threads; grid (columns over 64, m over height(m, P), members); shared memory as in
// src/backend/cuda/grid.rs. The numbers in the names: samples of a lot, lots.
//
// Registers leave room for two blocks on a multiprocessor in f32, for one in f64 and with four lots.
//
// budget: transpose_tiles_f32_16x1 registers 128, shared 16
// budget: transpose_tiles_f32_32x1 registers 128, shared 16
// budget: transpose_tiles_f32_64x1 registers 128, shared 16
// budget: transpose_tiles_f32_64x2 registers 128, shared 16
// budget: transpose_tiles_f32_64x4 registers 208, shared 16
// budget: transpose_tiles_f64_16x1 registers 192, shared 16
// budget: transpose_tiles_f64_32x1 registers 200, shared 16
// budget: transpose_tiles_f64_64x1 registers 208, shared 16
// budget: transpose_tiles_f64_64x2 registers 248, shared 16
// budget: transpose_tiles_f64_64x4 registers 255, shared 16
// budget: transpose_tiles_half_f32_16x1 registers 88, shared 16
// budget: transpose_tiles_half_f32_32x1 registers 88, shared 16
// budget: transpose_tiles_half_f32_64x1 registers 96, shared 16
// budget: transpose_tiles_half_f32_64x2 registers 120, shared 16
// budget: transpose_tiles_half_f32_64x4 registers 168, shared 16
// budget: transpose_tiles_half_f64_16x1 registers 128, shared 16
// budget: transpose_tiles_half_f64_32x1 registers 128, shared 16
// budget: transpose_tiles_half_f64_64x1 registers 128, shared 16
// budget: transpose_tiles_half_f64_64x2 registers 168, shared 16
// budget: transpose_tiles_half_f64_64x4 registers 216, shared 16
// budget: transpose_tiles_tf32x3_16x1 registers 104, shared 16
// budget: transpose_tiles_tf32x3_32x1 registers 104, shared 16
// budget: transpose_tiles_tf32x3_64x1 registers 128, shared 16
// budget: transpose_tiles_tf32x3_64x2 registers 128, shared 16
// budget: transpose_tiles_tf32x3_64x4 registers 200, shared 16
// budget: transpose_tiles_half_tf32x3_16x1 registers 80, shared 16
// budget: transpose_tiles_half_tf32x3_32x1 registers 80, shared 16
// budget: transpose_tiles_half_tf32x3_64x1 registers 80, shared 16
// budget: transpose_tiles_half_tf32x3_64x2 registers 120, shared 16
// budget: transpose_tiles_half_tf32x3_64x4 registers 168, shared 16
//
// Bytes from the second-level cache and wavefronts of shared memory, L1 and exchanges, a weight:
// traffic: transpose_tiles_f32_16x1 at n 256, P 16: l2 16.18, wavefronts 0.558
// traffic: transpose_tiles_f32_32x1 at n 256, P 32: l2 24.15, wavefronts 0.844
// traffic: transpose_tiles_f32_64x1 at n 256, P 64: l2 27.70, wavefronts 1.022
// traffic: transpose_tiles_f32_64x2 at n 256, P 128: l2 47.20, wavefronts 1.908
// traffic: transpose_tiles_f32_64x4 at n 256, P 256: l2 86.22, wavefronts 3.680
// traffic: transpose_tiles_tf32x3_16x1 at n 256, P 16: l2 16.18, wavefronts 0.527
// traffic: transpose_tiles_tf32x3_32x1 at n 256, P 32: l2 24.15, wavefronts 0.781
// traffic: transpose_tiles_tf32x3_64x1 at n 256, P 64: l2 27.70, wavefronts 0.895
// traffic: transpose_tiles_tf32x3_64x2 at n 256, P 128: l2 47.20, wavefronts 1.654
// traffic: transpose_tiles_tf32x3_64x4 at n 256, P 256: l2 86.22, wavefronts 3.171
#include "dense/transpose.cuh"
#include "shared/async.cuh"
#include "shared/tensor.cuh"

// Rows and columns that lie in shared memory at once: of large lots in f32 twice as many.
template <class Real, int LOT> constexpr int ROWS_AT_ONCE = LOT == 64 && sizeof(Real) == 4 ? 64 : 32;
constexpr int WIDTH = 64;
// Numbers of a thread side by side: columns, and samples.
constexpr int EACH = 4;

// Numbers from row to row of X and of W in shared memory. On tensor cores, rows side by side lie in other banks.
template <bool TENSOR> constexpr int PITCH_X = TENSOR ? WIDTH + 8 : WIDTH;
template <class Stored, bool TENSOR> constexpr int PITCH_W = TENSOR ? WIDTH + LANES<Stored> : WIDTH;

// How much further than its first one the i-th of a lane's samples of a product is.
template <bool TENSOR> __device__ inline int samples_to(int i) { return TENSOR ? i / 2 * 8 + i % 2 : i; }
// And the i-th of its rows of a step.
template <bool TENSOR> __device__ inline int rows_to(int i) { return TENSOR ? i / 2 * 8 + i % 2 : 4 * i; }

// Copies `count` rows of 64 columns, `ld` numbers apart, into shared memory; zeros beyond `columns`.
template <class Stored, int MOST, int PITCH>
__device__ inline void copy_rows(Stored* to, const Stored* from, u32 count, u32 ld, u32 columns) {
    constexpr u32 N = LANES<Stored>, UNITS = WIDTH / N, EVERY = 32 * WARPS / UNITS;
    static_assert(MOST % EVERY == 0, "all threads have as many rows");
    u32 row = threadIdx.x / UNITS, column = threadIdx.x % UNITS * N;
    bool inside = column < columns;
    const Stored* next = from + (u64)row * ld + column;
    to += row * PITCH + column;
#pragma unroll
    for (int i = 0; i < MOST; i += EVERY) {
        bool there = inside && row + i < count;
        copy_async<16>(to + i * PITCH, there ? next : from, there);
        next += EVERY * ld;
    }
}

template <class Real, class Stored, int LOT, int LOTS, bool TENSOR>
__device__ inline void transpose(const Transpose& args) {
    constexpr bool TRAINED = sizeof(Stored) == sizeof(Real);
    constexpr int ROWS = ROWS_AT_ONCE<Real, LOT>;
    // G lies row by row; padded, so that stores of eight rows and four samples meet no bank twice.
    constexpr int PITCH = LOT + 4;
    // Warps along samples of a lot, and those that share its rows.
    constexpr int ALONG = LOT / (4 * EACH), SHARING = 4 / ALONG;
    extern __shared__ __align__(16) unsigned char shared[];
    constexpr int OF_X = PITCH_X<TENSOR>, OF_W = PITCH_W<Stored, TENSOR>;
    Real* x_lot = (Real*)shared;               // [LOT][OF_X]
    Real* g_tile = x_lot + LOT * OF_X;         // [ROWS][PITCH]
    Real* step_tile = g_tile + ROWS * PITCH;   // [ROWS][PITCH]: k_p g_p
    Real* factors = step_tile + ROWS * PITCH;  // [LOT * LOTS]: k_p
    Stored* w_tile = (Stored*)(factors + LOT * LOTS); // [ROWS][OF_W]

    u32 member = blockIdx.z, warp = threadIdx.x / 32, lane = threadIdx.x % 32;
    u32 first = blockIdx.x * WIDTH, columns = args.columns - first;
    Move move(args);
    bool moves = TRAINED && move.moves;
    if (!args.parts && !moves)
        return;
    // Of the product: columns, samples of a lot, and rows.
    u32 half = warp % 2 * (WIDTH / 2) + (TENSOR ? lane / 4 : lane % 8) * EACH;
    u32 own_samples = warp / 2 % ALONG * (4 * EACH), share = warp / 2 / ALONG;
    u32 sample = own_samples + (TENSOR ? lane % 4 * 2 : lane / 8 * EACH);
    // Of the step: two rows or four.
    constexpr int HEIGHT = ROWS / 16;
    u32 own_rows = warp / 2 * (4 * HEIGHT), row = own_rows + (TENSOR ? lane % 4 * 2 : lane / 8);

    const Stored* w = (const Stored*)args.w + member * args.w_stride + first;
    const Real* x = (const Real*)args.x + member * args.x_stride + (u64)args.first_sample * args.ld + first;
    const Real* given = (const Real*)args.g + member * args.g_stride + (u64)args.first_sample * args.ld_g;
    if (moves) {
        for (u32 p = threadIdx.x; p < LOT * LOTS; p += blockDim.x)
            factors[p] = p < args.sample_count ? move.of_sample<Real>(args, member, p) : Real(0);
        if (LOTS == 1)
            copy_rows<Real, LOT, OF_X>(x_lot, x, args.sample_count, args.ld, columns);
    }
    Real acc[LOTS][EACH][EACH] = {};
    u32 top = blockIdx.y * args.height, bottom = min(top + args.height, args.rows);
#pragma unroll 1
    for (u32 begin = top; begin < bottom; begin += ROWS) {
        Real d[HEIGHT][EACH];
#pragma unroll
        for (int lot = 0; lot < LOTS; lot++) {
            // All have read what lies here.
            __syncthreads();
            u32 done = lot * LOT, count = args.sample_count > done ? args.sample_count - done : 0;
            if (lot == 0)
                copy_rows<Stored, ROWS, OF_W>(w_tile, w + (u64)begin * args.ld, bottom - begin, args.ld, columns);
            if (LOTS > 1 && moves)
                copy_rows<Real, LOT, OF_X>(x_lot, x + (u64)done * args.ld, count, args.ld, columns);
            end_group();
            // A warp has eight rows of four samples: whole sectors.
            {
                constexpr int BANDS = ROWS / 8, EVERY = 4 * WARPS / BANDS;
                u32 i = warp % BANDS * 8 + lane % 8, p = warp / BANDS * 4 + lane / 8;
                bool there = begin + i < bottom;
                const Real* from = given + (u64)(done + p) * args.ld_g + begin + i;
                Real* to = g_tile + i * PITCH + p;
                const Real* by = factors + done + p;
#pragma unroll
                for (int of = 0; of < LOT; of += EVERY) {
                    Real value = there && p + of < count ? *from : Real(0);
                    from += EVERY * args.ld_g;
                    to[of] = value;
                    if (moves)
                        to[ROWS * PITCH + of] = by[of] * value;
                }
            }
            wait_for_groups<0>();
            __syncthreads();
            if (args.parts) {
                constexpr int OWN = ROWS / SHARING;
                if constexpr (TENSOR) {
                    // The rows t and t + 4 of a product are 2 t and 2 t + 1.
                    u32 first_row = share * OWN + lane % 4 * 2;
                    const Stored* a_at = w_tile + first_row * OF_W + half;
                    const Real* g_at = g_tile + first_row * PITCH + (own_samples + lane / 4);
#pragma unroll 1
                    for (int i = 0; i < OWN; i += 8) {
                        Real a[2][EACH], g[2][2];
#pragma unroll
                        for (int k = 0; k < 2; k++) {
                            load(a_at + (i + k) * OF_W, a[k]);
#pragma unroll
                            for (int q = 0; q < 2; q++)
                                g[q][k] = g_at[(i + k) * PITCH + q * 8];
                        }
                        add_outer_product<!TRAINED>(a, g, acc[lot]);
                    }
                } else {
                    const Stored* a_at = w_tile + share * OWN * OF_W + half;
                    const Real* g_at = g_tile + share * OWN * PITCH + sample;
#pragma unroll 4
                    for (int i = 0; i < OWN; i++) {
                        Real a[EACH], g[EACH];
                        load(a_at + i * OF_W, a);
                        load(g_at + i * PITCH, g);
#pragma unroll
                        for (int p = 0; p < EACH; p++)
#pragma unroll
                            for (int c = 0; c < EACH; c++)
                                acc[lot][p][c] = fused(a[c], g[p], acc[lot][p][c]);
                    }
                }
            }
            if constexpr (TRAINED) {
                if (!moves)
                    continue;
                if (lot == 0) {
#pragma unroll
                    for (int r = 0; r < HEIGHT; r++) {
                        u32 of = row + rows_to<TENSOR>(r), i = begin + of;
                        Real a[EACH];
                        load(w_tile + of * OF_W + half, a);
                        if (i < bottom && half < columns)
                            move.begin(args, member, (u64)i * args.ld + first + half, a, d[r]);
                    }
                }
                const Real* s_at = x_lot + half;
                if constexpr (TENSOR) {
                    const Real* g_at = step_tile + (own_rows + lane / 4) * PITCH + lane % 4;
                    s_at += lane % 4 * OF_X;
#pragma unroll 1
                    for (int p = 0; p < LOT; p += 8) {
                        Real s[2][EACH], g[HEIGHT / 2][2];
#pragma unroll
                        for (int k = 0; k < 2; k++) {
                            load(s_at + (p + 4 * k) * OF_X, s[k]);
#pragma unroll
                            for (int q = 0; q < HEIGHT / 2; q++)
                                g[q][k] = g_at[q * 8 * PITCH + p + 4 * k];
                        }
                        add_outer_product<false>(s, g, d);
                    }
                } else {
                    const Real* g_at = step_tile + row * PITCH;
#pragma unroll 2
                    for (int p = 0; p < LOT; p += EACH) {
                        Real g[HEIGHT][EACH];
#pragma unroll
                        for (int r = 0; r < HEIGHT; r++)
                            load(g_at + 4 * r * PITCH + p, g[r]);
#pragma unroll
                        for (int of = 0; of < EACH; of++) {
                            Real s[EACH];
                            load(s_at + (p + of) * OF_X, s);
#pragma unroll
                            for (int r = 0; r < HEIGHT; r++)
#pragma unroll
                                for (int c = 0; c < EACH; c++)
                                    d[r][c] = fused(g[r][of], s[c], d[r][c]);
                        }
                    }
                }
                if (lot != LOTS - 1)
                    continue;
#pragma unroll
                for (int r = 0; r < HEIGHT; r++) {
                    u32 of = row + rows_to<TENSOR>(r), i = begin + of;
                    Real a[EACH];
                    load(w_tile + of * OF_W + half, a);
                    if (i < bottom && half < columns)
                        move.end(args, member, (u64)i * args.ld + first + half, a, d[r]);
                }
            }
        }
    }
    if (!args.parts)
        return;
    if constexpr (SHARING == 1) {
#pragma unroll
        for (int lot = 0; lot < LOTS; lot++)
#pragma unroll
            for (int p = 0; p < EACH; p++) {
                u32 of = lot * LOT + sample + samples_to<TENSOR>(p);
                if (of < args.sample_count && half < columns)
                    store(part_of<Real>(args, blockIdx.y, member, of) + first + half, acc[lot][p]);
            }
    } else {
        // Sums of the warps that had different rows, added up in order.
        __syncthreads();
        constexpr int OF_SUMS = PITCH_W<Real, TENSOR>;
        Real* sums = (Real*)shared; // [SHARING][LOT][OF_SUMS]
#pragma unroll
        for (int p = 0; p < EACH; p++)
            store(sums + (share * LOT + sample + samples_to<TENSOR>(p)) * OF_SUMS + half, acc[0][p]);
        __syncthreads();
        constexpr u32 N = LANES<Real>, UNITS = WIDTH / N;
        for (u32 unit = threadIdx.x; unit < args.sample_count * UNITS; unit += blockDim.x) {
            u32 p = unit / UNITS, i = unit % UNITS * N;
            if (i >= columns)
                continue;
            Real sum[N];
            load(sums + p * OF_SUMS + i, sum);
#pragma unroll
            for (int of = 1; of < SHARING; of++) {
                Real more[N];
                load(sums + (of * LOT + p) * OF_SUMS + i, more);
#pragma unroll
                for (int c = 0; c < N; c++)
                    sum[c] += more[c];
            }
            store(part_of<Real>(args, blockIdx.y, member, p) + (first + i), sum);
        }
    }
    finish<Real, WIDTH>(args, member, first);
}

#define TRANSPOSE(NAME, REAL, STORED, LOT, LOTS, TENSOR)                                           \
    extern "C" __global__ void __launch_bounds__(32 * WARPS, sizeof(REAL) == 8 || LOTS == 4 ? 1 : 2)               \
        NAME(const Transpose args) {                                                                  \
        transpose<REAL, STORED, LOT, LOTS, TENSOR>(args);                                            \
    }
TRANSPOSE(transpose_tiles_f32_16x1, float, float, 16, 1, false)
TRANSPOSE(transpose_tiles_f32_32x1, float, float, 32, 1, false)
TRANSPOSE(transpose_tiles_f32_64x1, float, float, 64, 1, false)
TRANSPOSE(transpose_tiles_f32_64x2, float, float, 64, 2, false)
TRANSPOSE(transpose_tiles_f32_64x4, float, float, 64, 4, false)
TRANSPOSE(transpose_tiles_f64_16x1, double, double, 16, 1, false)
TRANSPOSE(transpose_tiles_f64_32x1, double, double, 32, 1, false)
TRANSPOSE(transpose_tiles_f64_64x1, double, double, 64, 1, false)
TRANSPOSE(transpose_tiles_f64_64x2, double, double, 64, 2, false)
TRANSPOSE(transpose_tiles_f64_64x4, double, double, 64, 4, false)
TRANSPOSE(transpose_tiles_half_f32_16x1, float, bf16, 16, 1, false)
TRANSPOSE(transpose_tiles_half_f32_32x1, float, bf16, 32, 1, false)
TRANSPOSE(transpose_tiles_half_f32_64x1, float, bf16, 64, 1, false)
TRANSPOSE(transpose_tiles_half_f32_64x2, float, bf16, 64, 2, false)
TRANSPOSE(transpose_tiles_half_f32_64x4, float, bf16, 64, 4, false)
TRANSPOSE(transpose_tiles_half_f64_16x1, double, bf16, 16, 1, false)
TRANSPOSE(transpose_tiles_half_f64_32x1, double, bf16, 32, 1, false)
TRANSPOSE(transpose_tiles_half_f64_64x1, double, bf16, 64, 1, false)
TRANSPOSE(transpose_tiles_half_f64_64x2, double, bf16, 64, 2, false)
TRANSPOSE(transpose_tiles_half_f64_64x4, double, bf16, 64, 4, false)
TRANSPOSE(transpose_tiles_tf32x3_16x1, float, float, 16, 1, true)
TRANSPOSE(transpose_tiles_tf32x3_32x1, float, float, 32, 1, true)
TRANSPOSE(transpose_tiles_tf32x3_64x1, float, float, 64, 1, true)
TRANSPOSE(transpose_tiles_tf32x3_64x2, float, float, 64, 2, true)
TRANSPOSE(transpose_tiles_tf32x3_64x4, float, float, 64, 4, true)
TRANSPOSE(transpose_tiles_half_tf32x3_16x1, float, bf16, 16, 1, true)
TRANSPOSE(transpose_tiles_half_tf32x3_32x1, float, bf16, 32, 1, true)
TRANSPOSE(transpose_tiles_half_tf32x3_64x1, float, bf16, 64, 1, true)
TRANSPOSE(transpose_tiles_half_tf32x3_64x2, float, bf16, 64, 2, true)
TRANSPOSE(transpose_tiles_half_tf32x3_64x4, float, bf16, 64, 4, true)
