// Y = W X of more than eight samples, for every member of an ensemble, and the rest of a layer on the way up:
// dense/multiply.cuh.
//
// Bytes: W once for every 16, 32 or 64 samples, X once for every 16 or 32 rows, both from the second-level
// cache. Flops: 2 P a weight. Bound by fused multiply-adds from P = 64 on, by memory below.
// In 3xTF32 (shared/tensor.cuh; names with tf32x3) 6 P flops of tensor cores a weight, 4 P with weights in bf16,
// which are whole numbers of tf32; bound by the second-level cache from P = 64 on.
//
// A block has a tile of Y: 4 R rows and 8 S samples. Each of its warps goes through every eighth piece of the
// columns, 32 bytes of Real wide, which it copies for itself into shared memory some pieces ahead; a lane has R
// rows and S samples of the tile in registers. In the end the eight sums of an entry are added up in order.
//
// In shared memory, a piece of a row has two parts of 16 bytes, which lie the other way round in every other
// four rows: so that what lanes read together lies in different banks.
//
// Launch: 256 threads; grid (m over 4 R, P over 8 S, members); shared memory as in src/backend/cuda/grid.rs.
//
// Registers leave room for two blocks on a multiprocessor in f32, for one in f64 and with 64 accumulators; in 3xTF32
// for two with up to 32 accumulators, from sm_100 on with up to 16.
//
// budget: multiply_tiles_f32_16x16 registers 96, shared 0
// budget: multiply_tiles_f32_16x32 registers 128, shared 0
// budget: multiply_tiles_f32_16x64 registers 128, shared 0
// budget: multiply_tiles_f32_32x16 registers 96, shared 0
// budget: multiply_tiles_f32_32x32 registers 128, shared 0
// budget: multiply_tiles_f32_32x64 registers 168, shared 0
// budget: multiply_tiles_f64_16x16 registers 96, shared 0
// budget: multiply_tiles_f64_16x32 registers 128, shared 0
// budget: multiply_tiles_f64_16x64 registers 152, shared 0
// budget: multiply_tiles_f64_32x16 registers 128, shared 0
// budget: multiply_tiles_f64_32x32 registers 168, shared 0
// budget: multiply_tiles_f64_32x64 registers 224, shared 0
// budget: multiply_tiles_half_f32_16x16 registers 80, shared 0
// budget: multiply_tiles_half_f32_16x32 registers 128, shared 0
// budget: multiply_tiles_half_f32_16x64 registers 128, shared 0
// budget: multiply_tiles_half_f32_32x16 registers 128, shared 0
// budget: multiply_tiles_half_f32_32x32 registers 128, shared 0
// budget: multiply_tiles_half_f32_32x64 registers 168, shared 0
// budget: multiply_tiles_half_f64_16x16 registers 96, shared 0
// budget: multiply_tiles_half_f64_16x32 registers 128, shared 0
// budget: multiply_tiles_half_f64_16x64 registers 152, shared 0
// budget: multiply_tiles_half_f64_32x16 registers 128, shared 0
// budget: multiply_tiles_half_f64_32x32 registers 176, shared 0
// budget: multiply_tiles_half_f64_32x64 registers 224, shared 0
// budget: multiply_tiles_tf32x3_16x16 registers 64, shared 0
// budget: multiply_tiles_tf32x3_16x32 registers 96, shared 0
// budget: multiply_tiles_tf32x3_16x64 registers 144, shared 0
// budget: multiply_tiles_tf32x3_32x16 registers 88, shared 0
// budget: multiply_tiles_tf32x3_32x32 registers 136, shared 0
// budget: multiply_tiles_tf32x3_32x64 registers 224, shared 0
// budget: multiply_tiles_half_tf32x3_16x16 registers 64, shared 0
// budget: multiply_tiles_half_tf32x3_16x32 registers 96, shared 0
// budget: multiply_tiles_half_tf32x3_16x64 registers 136, shared 0
// budget: multiply_tiles_half_tf32x3_32x16 registers 88, shared 0
// budget: multiply_tiles_half_tf32x3_32x32 registers 128, shared 0
// budget: multiply_tiles_half_tf32x3_32x64 registers 216, shared 0
//
// Bytes from the second-level cache and wavefronts of shared memory, L1 and exchanges, a weight:
// traffic: multiply_tiles_f32_16x16 at n 256, P 16: l2 8.93, wavefronts 0.475
// traffic: multiply_tiles_f32_16x32 at n 256, P 32: l2 13.77, wavefronts 0.726
// traffic: multiply_tiles_f32_16x64 at n 256, P 64: l2 23.46, wavefronts 1.228
// traffic: multiply_tiles_tf32x3_16x16 at n 256, P 16: l2 8.93, wavefronts 0.447
// traffic: multiply_tiles_tf32x3_16x32 at n 256, P 32: l2 13.77, wavefronts 0.702
// traffic: multiply_tiles_tf32x3_16x64 at n 256, P 64: l2 23.46, wavefronts 1.212
#include "dense/multiply.cuh"
#include "shared/async.cuh"
#include "shared/tensor.cuh"

// Bytes of a row of W and of a sample of X in one piece, and of one of its parts.
constexpr int PIECE = 32;
constexpr int PART = 16;
// Shared memory of a block.
constexpr int MEMORY = 48 << 10;
// Lanes of a warp side by side along samples; the others along rows.
constexpr int ALONG = 8;

// Copies one warp's pieces of some rows of a matrix.
template <class Stored, class Real, int ROWS> struct Pieces {
    // Copies that each lane does, of so many bytes: two parts a row, or one of half the width. An enumeration: of
    // static members, every kernel would have copies in the device's memory.
    enum : int {
        PARTS = sizeof(Stored) == sizeof(Real) ? 2 : 1,
        COPIES = (ROWS * PARTS + 31) / 32,
        BYTES = PIECE / PARTS * (int)sizeof(Stored) / (int)sizeof(Real),
        ROWS_AT_ONCE = 32 / PARTS,
    };
    const Stored* from;
    // Where each copy begins from there, in numbers, and where the first one goes to.
    u32 offsets[COPIES];
    u32 place;

    // Rows beyond the last repeat the last one.
    __device__ inline Pieces(const Stored* matrix, u32 first, u32 rows, u32 ld, u32 column) {
        u32 lane = threadIdx.x % 32, row = lane / PARTS;
        from = matrix + (u64)first * ld + column;
#pragma unroll
        for (int i = 0; i < COPIES; i++)
            offsets[i] = (min(first + row + i * ROWS_AT_ONCE, rows - 1) - first) * ld +
                         lane % PARTS * (BYTES / sizeof(Stored));
        place = row * (BYTES * PARTS) + (PARTS == 2 ? (lane ^ row / 4) % 2 * PART : 0);
    }

    // Begins to copy the next piece, and goes on by `columns`.
    __device__ inline void copy(unsigned char* to, u32 columns) {
#pragma unroll
        for (int i = 0; i < COPIES; i++)
            if (ROWS * PARTS % 32 == 0 || threadIdx.x % 32 < ROWS * PARTS)
                copy_async<BYTES>(to + place + i * ROWS_AT_ONCE * BYTES * PARTS, from + offsets[i]);
        from += columns;
    }
};

// Where a lane has its numbers acc[r][s] of a tile of 4 R rows and 8 S samples.
template <bool TENSOR> struct Place {
    // Of acc[0][0].
    u32 row, sample;

    __device__ inline Place() {
        u32 lane = threadIdx.x % 32;
        row = TENSOR ? lane / 4 : lane / ALONG;
        sample = TENSOR ? lane % 4 * 2 : lane % ALONG;
    }
    // How much further acc[r][s] is; its sample is 8 s further in either case.
    static __device__ inline int rows_to(int r) { return TENSOR ? r / 4 * 16 + r / 2 % 2 * 8 : r * 4; }
    static __device__ inline int samples_to(int r) { return TENSOR ? r % 2 : 0; }
};

// Adds a piece of 4 R rows of W times one of 8 S samples of X, which lie in shared memory, on tensor cores. The
// columns t and t + 4 of a product are 2 t and 2 t + 1 of the piece, so that a lane loads them at once.
template <class Stored, int R, int S>
__device__ inline void add_piece(const unsigned char* w, const unsigned char* x, float (&acc)[R][S]) {
    constexpr bool EXACT = sizeof(Stored) == 2;
    constexpr int PITCH = EXACT ? PIECE / 2 : PIECE;
    u32 g = threadIdx.x % 32 / 4, t = threadIdx.x % 4;
    u32 swapped = g * PIECE + (t / 2 ^ g / 4) * PART + t % 2 * 8;
    const unsigned char* a_at = w + (EXACT ? g * PITCH + t * 4 : swapped);
    const unsigned char* b_at = x + swapped;
    Split<4, EXACT> a[R / 4];
#pragma unroll
    for (int r = 0; r < R / 2; r++) {
        float two[2];
        load((const Stored*)(a_at + r * 8 * PITCH), two);
        a[r / 2].set(r % 2, two[0]), a[r / 2].set(r % 2 + 2, two[1]);
    }
#pragma unroll
    for (int s = 0; s < S; s++) {
        float two[2];
        load((const float*)(b_at + s * 8 * PIECE), two);
        Split<2> b;
        b.set(0, two[0]), b.set(1, two[1]);
#pragma unroll
        for (int r = 0; r < R; r += 4) {
            float product[4];
            product_of(a[r / 4], b, product);
#pragma unroll
            for (int i = 0; i < 4; i++)
                acc[r + i][s] += product[i];
        }
    }
}

// Adds rows of W times columns of X to acc, of this warp's pieces.
template <class Real, class Stored, int R, int S, bool TENSOR>
__device__ inline void add_product(const Stored* w, u32 first_row, u32 rows, const Real* x, u32 first_sample,
                                   u32 samples, u32 ld, u32 columns, unsigned char* memory, Real (&acc)[R][S]) {
    constexpr int N = PART / sizeof(Real), TILE = 4 * R, SAMPLES = ALONG * S;
    constexpr int STAGE = (TILE + SAMPLES) * PIECE, ALL = MEMORY / WARPS / STAGE, STAGES = ALL < 4 ? ALL : 4;
    static_assert(STAGES >= 2, "copies run ahead");
    constexpr bool WHOLE = sizeof(Stored) == sizeof(Real);
    // Bytes of a row of W in a piece, and of one of its parts.
    constexpr int WIDE = N * sizeof(Stored), PITCH = 2 * WIDE;
    u32 warp = threadIdx.x / 32, lane = threadIdx.x % 32;
    constexpr u32 COLUMNS = PIECE / sizeof(Real);
    u32 pieces = columns / COLUMNS, mine = (pieces + WARPS - 1 - warp) / WARPS;
    Pieces<Stored, Real, TILE> of_w(w, first_row, rows, ld, warp * COLUMNS);
    Pieces<Real, Real, SAMPLES> of_x(x, first_sample, samples, ld, warp * COLUMNS);
    auto begin = [&](u32 piece) {
        if (piece < mine) {
            unsigned char* to = memory + piece % STAGES * STAGE;
            of_w.copy(to, WARPS * COLUMNS);
            of_x.copy(to + TILE * PIECE, WARPS * COLUMNS);
        }
        end_group();
    };
#pragma unroll
    for (int piece = 0; piece < STAGES - 1; piece++)
        begin(piece);
#pragma unroll 1
    for (u32 piece = 0; piece < mine; piece++) {
        wait_for_groups<STAGES - 2>();
        // What all lanes have copied is there, and what they read before may be overwritten.
        __syncwarp();
        begin(piece + STAGES - 1);
        const unsigned char* here = memory + piece % STAGES * STAGE;
        if constexpr (TENSOR) {
            add_piece<Stored>(here, here + TILE * PIECE, acc);
            continue;
        }
        const unsigned char* a_at = here + lane / ALONG * PITCH;
        const unsigned char* b_at = here + TILE * PIECE + lane % ALONG * PIECE;
        // One part after the other where tiles are large: both together take more registers than there are.
#pragma unroll(R * S >= 32 ? 1 : 2)
        for (int part = 0; part < 2; part++) {
            // Rows of a lane are four apart, its samples eight.
            const unsigned char* even = a_at + part * WIDE;
            const unsigned char* odd = a_at + (WHOLE ? 1 - part : part) * WIDE;
            const unsigned char* own = b_at + (part ^ lane % ALONG / 4) * PART;
            Real a[R][N];
#pragma unroll
            for (int r = 0; r < R; r++)
                load((const Stored*)((r % 2 ? odd : even) + r * 4 * PITCH), a[r]);
#pragma unroll
            for (int s = 0; s < S; s++) {
                Real b[N];
                load((const Real*)(own + s * ALONG * PIECE), b);
#pragma unroll
                for (int r = 0; r < R; r++)
#pragma unroll
                    for (int i = 0; i < N; i++)
                        acc[r][s] = fused(a[r][i], b[i], acc[r][s]);
            }
        }
    }
    wait_for_groups<0>();
    __syncwarp();
}

template <class Real, class Stored, int R, int S, bool TENSOR>
__device__ inline void multiply(const Multiply& args) {
    extern __shared__ __align__(16) unsigned char shared[];
    constexpr int TILE = 4 * R;
    u32 member = blockIdx.z, warp = threadIdx.x / 32;
    u32 row = blockIdx.x * TILE, sample = blockIdx.y * ALONG * S;
    unsigned char* memory = shared + warp * (MEMORY / WARPS);
    Real acc[R][S] = {};
    const Stored* w = (const Stored*)args.w + member * args.w_stride;
    const Real* x = (const Real*)args.x + member * args.x_stride;
    add_product<Real, Stored, R, S, TENSOR>(w, row, args.rows, x, sample, args.samples, args.ld, args.columns, memory,
                                            acc);
    if (args.factor != 1.0) {
#pragma unroll
        for (int r = 0; r < R; r++)
#pragma unroll
            for (int s = 0; s < S; s++)
                acc[r][s] *= (Real)args.factor;
    }
    if (args.w2) {
        const Real* w2 = (const Real*)args.w2 + member * args.w2_stride;
        const Real* x2 = (const Real*)args.x2 + member * args.x2_stride;
        add_product<Real, Real, R, S, TENSOR>(w2, row, args.rows, x2, sample, args.samples, args.ld2, args.columns2,
                                              memory, acc);
    }
    // The sums of eight samples at a time, of all warps; rows are padded so that stores meet no bank twice.
    constexpr int PITCH = TILE + 4, SAMPLES = ALONG * S;
    static_assert((WARPS * ALONG * PITCH + SAMPLES * TILE) * sizeof(Real) <= MEMORY, "the sums have room");
    Real* sums = (Real*)shared;
    Real* added = sums + WARPS * ALONG * PITCH; // [SAMPLES][TILE]
    Place<TENSOR> place;
    u32 own = (warp * ALONG + place.sample) * PITCH + place.row;
#pragma unroll
    for (int s = 0; s < S; s++) {
        __syncthreads();
#pragma unroll
        for (int r = 0; r < R; r++)
            sums[own + (place.samples_to(r) * PITCH + place.rows_to(r))] = acc[r][s];
        __syncthreads();
        u32 i = threadIdx.x % TILE, p = threadIdx.x / TILE;
        if (p >= ALONG)
            continue;
        Real y = 0;
#pragma unroll
        for (int of = 0; of < WARPS; of++)
            y += sums[(of * ALONG + p) * PITCH + i];
        added[s * ALONG * TILE + threadIdx.x] = y;
    }
    __syncthreads();
    // Not unrolled: what becomes of an entry has code for every activation.
#pragma unroll 1
    for (u32 entry = threadIdx.x; entry < SAMPLES * TILE; entry += blockDim.x) {
        u32 i = row + entry % TILE, p = sample + entry / TILE;
        if (i < args.rows && p < args.samples)
            leave(args, member, i, p, added[entry]);
    }
}

#define MULTIPLY(NAME, REAL, STORED, R, S, TENSOR)                                                 \
    extern "C" __global__ void __launch_bounds__(32 * WARPS, sizeof(REAL) == 8 || R * S >= (TENSOR ? 32 : 64) ? 1 : 2) \
        NAME(const Multiply args) {                                                                   \
        multiply<REAL, STORED, R, S, TENSOR>(args);                                                  \
    }
MULTIPLY(multiply_tiles_f32_16x16, float, float, 4, 2, false)
MULTIPLY(multiply_tiles_f32_16x32, float, float, 4, 4, false)
MULTIPLY(multiply_tiles_f32_16x64, float, float, 4, 8, false)
MULTIPLY(multiply_tiles_f32_32x16, float, float, 8, 2, false)
MULTIPLY(multiply_tiles_f32_32x32, float, float, 8, 4, false)
MULTIPLY(multiply_tiles_f32_32x64, float, float, 8, 8, false)
MULTIPLY(multiply_tiles_f64_16x16, double, double, 4, 2, false)
MULTIPLY(multiply_tiles_f64_16x32, double, double, 4, 4, false)
MULTIPLY(multiply_tiles_f64_16x64, double, double, 4, 8, false)
MULTIPLY(multiply_tiles_f64_32x16, double, double, 8, 2, false)
MULTIPLY(multiply_tiles_f64_32x32, double, double, 8, 4, false)
MULTIPLY(multiply_tiles_f64_32x64, double, double, 8, 8, false)
MULTIPLY(multiply_tiles_half_f32_16x16, float, bf16, 4, 2, false)
MULTIPLY(multiply_tiles_half_f32_16x32, float, bf16, 4, 4, false)
MULTIPLY(multiply_tiles_half_f32_16x64, float, bf16, 4, 8, false)
MULTIPLY(multiply_tiles_half_f32_32x16, float, bf16, 8, 2, false)
MULTIPLY(multiply_tiles_half_f32_32x32, float, bf16, 8, 4, false)
MULTIPLY(multiply_tiles_half_f32_32x64, float, bf16, 8, 8, false)
MULTIPLY(multiply_tiles_half_f64_16x16, double, bf16, 4, 2, false)
MULTIPLY(multiply_tiles_half_f64_16x32, double, bf16, 4, 4, false)
MULTIPLY(multiply_tiles_half_f64_16x64, double, bf16, 4, 8, false)
MULTIPLY(multiply_tiles_half_f64_32x16, double, bf16, 8, 2, false)
MULTIPLY(multiply_tiles_half_f64_32x32, double, bf16, 8, 4, false)
MULTIPLY(multiply_tiles_half_f64_32x64, double, bf16, 8, 8, false)
MULTIPLY(multiply_tiles_tf32x3_16x16, float, float, 4, 2, true)
MULTIPLY(multiply_tiles_tf32x3_16x32, float, float, 4, 4, true)
MULTIPLY(multiply_tiles_tf32x3_16x64, float, float, 4, 8, true)
MULTIPLY(multiply_tiles_tf32x3_32x16, float, float, 8, 2, true)
MULTIPLY(multiply_tiles_tf32x3_32x32, float, float, 8, 4, true)
MULTIPLY(multiply_tiles_tf32x3_32x64, float, float, 8, 8, true)
MULTIPLY(multiply_tiles_half_tf32x3_16x16, float, bf16, 4, 2, true)
MULTIPLY(multiply_tiles_half_tf32x3_16x32, float, bf16, 4, 4, true)
MULTIPLY(multiply_tiles_half_tf32x3_16x64, float, bf16, 4, 8, true)
MULTIPLY(multiply_tiles_half_tf32x3_32x16, float, bf16, 8, 2, true)
MULTIPLY(multiply_tiles_half_tf32x3_32x32, float, bf16, 8, 4, true)
MULTIPLY(multiply_tiles_half_tf32x3_32x64, float, bf16, 8, 8, true)
